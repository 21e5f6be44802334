"""Configurations of layers and models, in Keras 3's form; Keras 2's is read as well.

A layer's configuration is ``{"module", "class_name", "config", "registered_name"}``, with
``build_config`` where it is built.  A graph's lists its layers with their calls
(``inbound_nodes``), where a tensor is written as ``[layer name, call, output]``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any, Final

from reference_impl.engine.arguments import as_integer, wrong_type
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.graph import Graph
from reference_impl.engine.identifiers import Registry, deserialize_value, serialize_value
from reference_impl.engine.keras_tensor import KerasTensor, Node
from reference_impl.engine.operations import OPERATIONS, Operation
from reference_impl.engine.structure import flatten, map_structure, pack
from reference_impl.showing import shown


class Place:
    """Where a tensor comes from: a layer's name, which of its calls, which of its outputs."""

    def __init__(self, layer: str, call: int, output: int) -> None:
        self.layer, self.call, self.output = layer, call, output

    def __iter__(self) -> Iterator[Any]:
        return iter((self.layer, self.call, self.output))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


LAYERS: Final = Registry("layer", "keras.layers")
"""The layers and models that a configuration may name."""


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer or model, class included.

    Raises:
        TypeError: if it is none.
        ValueError: if it has no configuration.
    """
    if not isinstance(layer, Layer):
        raise wrong_type("serialize", "layer", layer, "a layer or a model")
    registry = OPERATIONS if isinstance(layer, Operation) else LAYERS
    config: dict[str, Any] = registry.serialize(layer)
    build_config = layer.get_build_config()
    return config if build_config is None else config | {"build_config": build_config}


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Layer:
    """The layer or model that a configuration, or a class name, describes.

    Raises:
        TypeError: if an argument in it is of a wrong type.
        ValueError: if the class is unknown, or an argument out of range.
    """
    module = config.get("module") if isinstance(config, Mapping) else None
    is_operation = isinstance(module, str) and module.startswith(OPERATIONS.module)
    registry = OPERATIONS if is_operation else LAYERS
    layer = registry.deserialize(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"`config` describes {shown(layer)}; expected a layer")
    if isinstance(config, Mapping) and not layer.built:
        layer.build_from_config(config.get("build_config"))
    return layer


def graph_config(graph: Graph, inputs: Any, outputs: Any) -> dict[str, Any]:
    """The layers of a graph with their calls, and the structures where it starts and ends."""
    calls = _calls_by_layer(graph)
    places = _places(calls)
    return {
        "layers": [
            serialize(layer)
            | {
                "name": layer.name,
                "inbound_nodes": [_node_config(node, places) for node in nodes if node.inputs],
            }
            for layer, nodes in calls.items()
        ],
        "input_layers": pack(inputs, [places[id(tensor)] for tensor in graph.inputs]),
        "output_layers": pack(outputs, [places[id(tensor)] for tensor in graph.outputs]),
    }


def _calls_by_layer(graph: Graph) -> dict[Layer, list[Node]]:
    """Each layer's calls within the graph; those of its inputs are made by input layers.

    Raises:
        ValueError: if the graph starts in the middle of another one.
    """
    for tensor in graph.inputs:
        if tensor._keras_history is None or tensor.node.inputs:
            raise ValueError(
                f"the model's argument `inputs` holds {shown(tensor)}, which is the output "
                "of a layer or of none; expected results of Input for a configuration"
            )
    starts = {tensor.node.layer: [tensor.node] for tensor in graph.inputs}
    calls: dict[Layer, list[Node]] = starts | {
        layer: [node for node in graph.nodes if node.layer is layer]
        for layer in graph.operations
        if layer not in starts
    }
    return calls


def _places(calls: dict[Layer, list[Node]]) -> dict[int, list[Any]]:
    """``[layer name, call, output]`` of each tensor."""
    return {
        id(tensor): [layer.name, call, position]
        for layer, nodes in calls.items()
        for call, node in enumerate(nodes)
        for position, tensor in enumerate(node.outputs)
    }


def _node_config(node: Node, places: dict[int, list[Any]]) -> dict[str, Any]:
    def written(item: Any) -> Any:
        if not isinstance(item, KerasTensor):
            return serialize_value(item)
        config = {
            "shape": item.shape,
            "dtype": item.dtype,
            "keras_history": places[id(item)],
        }
        return {"class_name": "__keras_tensor__", "config": config}

    arguments, keywords = node.arguments
    return {"args": map_structure(written, arguments), "kwargs": map_structure(written, keywords)}


def connect(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The inputs and outputs of the graph that `graph_config`, Keras 3 or Keras 2 has written.

    Raises:
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if a class is unknown, an argument out of range, or a tensor missing.
    """
    layers: dict[str, Layer] = {}
    calls: list[_Call] = []
    is_keras2 = False
    config = _counted_from_zero(config)
    for entry in _entries(config):
        layer = deserialize(entry)
        layers[layer.name] = layer
        nodes = entry.get("inbound_nodes") or ()
        if not isinstance(nodes, (list, tuple)):
            raise _malformed("inbound_nodes", nodes, "a list of calls")
        is_keras2 |= any(isinstance(node, (list, tuple)) for node in nodes)
        calls.extend(_Call(layer.name, node) for node in nodes)
    _make_calls(calls, layers)
    return (
        _ends(config.get("input_layers"), layers, is_keras2),
        _ends(config.get("output_layers"), layers, is_keras2),
    )


def _counted_from_zero(config: Any) -> Any:
    """The configuration with the calls of models within it counted from zero.

    Keras 2 counts the call by which a model was made itself, so that all others of it come later.
    """
    entries = _entries(config)
    models = {str(entry.get("name")) for entry in entries if entry.get("class_name") in _MODELS}
    nodes = [entry.get("inbound_nodes") for entry in entries]
    listed = (calls for calls in nodes if isinstance(calls, list))
    is_keras2 = any(isinstance(call, list) for calls in listed for call in calls)
    if not models or not is_keras2:
        return config
    ends = config.get("output_layers")
    used: dict[str, int] = {}
    for name, call in _written_places([nodes, ends]):
        used[name] = min(call, used.get(name, call))
    late = {name for name in models if used.get(name, 0) > 0}
    layers = [
        {**entry, "inbound_nodes": _earlier(entry.get("inbound_nodes"), late)} for entry in entries
    ]
    return {**config, "layers": layers, "output_layers": _earlier(ends, late)}


_MODELS: Final = ("Functional", "Model", "Sequential")


def _written_places(value: Any) -> Iterator[tuple[str, int]]:
    """The layer and the call of every place within some of Keras 2's lists."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, (list, tuple)):
        return
    if _is_written_place(value) and isinstance(value[1], int):
        yield value[0], value[1]
    for item in value:
        yield from _written_places(item)


def _earlier(value: Any, late: Collection[Any]) -> Any:
    """The same lists with the calls of some layers counted from one less."""
    if isinstance(value, Mapping):
        return {key: _earlier(item, late) for key, item in value.items()}
    if not isinstance(value, (list, tuple)):
        return value
    inner = [_earlier(item, late) for item in value]
    is_late = _is_written_place(value) and value[0] in late and isinstance(value[1], int)
    return [value[0], value[1] - 1, *inner[2:]] if is_late else inner


def _malformed(what: str, given: Any, expected: str) -> ValueError:
    return ValueError(f"`config`: `{what}` is {shown(given)}; expected {expected}")


def _entries(config: Any) -> list[Mapping[str, Any]]:
    """The configurations of a model's layers.

    Raises:
        ValueError: if there are none.
    """
    layers = config.get("layers") if isinstance(config, Mapping) else None
    if not isinstance(layers, (list, tuple)):
        raise _malformed("layers", layers, "a list of layers' configurations")
    for entry in layers:
        if not isinstance(entry, Mapping):
            raise _malformed("layers", layers, "a list of layers' configurations")
    return [*layers]


class _Call:
    """A call of a layer as a configuration has it.

    Keras 2 writes ``[[name, call, output, keywords], ...]``, Keras 3 arguments that hold tensors.
    """

    def __init__(self, layer: str, node: Any) -> None:
        self.layer = layer
        keywords: Any = {}
        if isinstance(node, Mapping):
            arguments, keywords = node.get("args", ()), node.get("kwargs") or {}
        else:
            places = [_place(item) for item in _keras2_places(node)]
            arguments = (places[0] if len(places) == 1 else places,)
        if not isinstance(arguments, (list, tuple)) or not isinstance(keywords, Mapping):
            raise _malformed("inbound_nodes", node, "arguments and keyword arguments")
        self.arguments = _read(tuple(arguments)), _read(dict(keywords))

    @property
    def sources(self) -> list[Place]:
        """The places of the tensors that the call takes."""
        return [item for item in flatten(self.arguments) if isinstance(item, Place)]


def _keras2_places(node: Any) -> Any:
    if not isinstance(node, (list, tuple)) or not node:
        raise _malformed("inbound_nodes", node, "[[name, call, output], ...]")
    return [node] if isinstance(node[0], str) else node


def _place(given: Any) -> Place:
    """A place from its written form ``[name, call, output, ...]``.

    Raises:
        ValueError: if it is another.
    """
    if isinstance(given, (list, tuple)) and len(given) >= 3:
        name, call, output = given[:3]
        numbers = as_integer(call), as_integer(output)
        if isinstance(name, str) and None not in numbers and min(call, output) >= 0:
            return Place(name, int(call), int(output))
    raise _malformed("keras_history", given, "[name of a layer, number of its call, of the output]")


def _read(value: Any) -> Any:
    """Written arguments with places for tensors, and arrays and numbers as they were."""
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        config = value.get("config")
        return _place(config.get("keras_history") if isinstance(config, Mapping) else None)
    if isinstance(value, Mapping) and "class_name" in value:
        return deserialize_value(value)
    if isinstance(value, Mapping):
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not isinstance(value, Place):
        return type(value)([_read(item) for item in value])
    return value


def _make_calls(calls: list[_Call], layers: dict[str, Layer]) -> None:
    """Call the layers, each as soon as its inputs are there, and its own calls in order.

    Raises:
        ValueError: if some never are: no layer makes them, or the calls wait for one another.
    """
    while calls:
        waiting: list[_Call] = []
        late: set[str] = set()
        for call in calls:
            found = {source: _tensor(source, layers) for source in call.sources}
            if None in found.values() or call.layer in late:
                waiting.append(call)
                late.add(call.layer)
                continue
            fill = partial(_filled, found)
            arguments, keywords = map_structure_of_places(fill, call.arguments)
            layers[call.layer](*arguments, **keywords)
        if len(waiting) == len(calls):
            places = [tuple(source) for call in waiting for source in call.sources]
            raise ValueError(
                "`config` holds calls on tensors that no layer makes, or in a loop: "
                + shown(places)
            )
        calls = waiting


def _filled(found: Mapping[Place, KerasTensor | None], item: Any) -> Any:
    return found[item] if isinstance(item, Place) else item


def map_structure_of_places(function: Callable[[Any], Any], value: Any) -> Any:
    """`map_structure`, places being items."""
    if isinstance(value, Mapping):
        return {key: map_structure_of_places(function, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([map_structure_of_places(function, item) for item in value])
    return function(value)


def _tensor(place: Place, layers: dict[str, Layer]) -> KerasTensor | None:
    """The tensor at a place; None where it is not made yet."""
    nodes = layers[place.layer].inbound_nodes if place.layer in layers else []
    if place.call >= len(nodes) or place.output >= len(nodes[place.call].outputs):
        return None
    return nodes[place.call].outputs[place.output]


def _ends(places: Any, layers: dict[str, Layer], is_keras2: bool) -> Any:
    """The tensors where a graph starts or ends, in their structure.

    Keras 2 writes a list even where there is one tensor.

    Raises:
        ValueError: if no layer makes one of them.
    """
    if _is_written_place(places):
        return _end(_place(places), layers)
    if isinstance(places, Mapping):
        return {key: _ends(item, layers, False) for key, item in places.items()}
    if not isinstance(places, (list, tuple)) or not places:
        raise _malformed("input_layers` or `output_layers", places, "places of tensors")
    found = [_ends(item, layers, False) for item in places]
    if is_keras2 and len(found) == 1:
        return found[0]
    return tuple(found) if isinstance(places, tuple) else found


def _is_written_place(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) >= 3 and isinstance(value[0], str)


def _end(place: Place, layers: dict[str, Layer]) -> KerasTensor:
    tensor = _tensor(place, layers)
    if tensor is None:
        raise ValueError(f"`config` starts or ends at {tuple(place)}, which no layer makes")
    return tensor

"""Configurations of layers and models, in Keras 3's form; Keras 2's is read as well.

A layer's configuration is ``{"module", "class_name", "config", "registered_name"}``, with
``build_config`` where it is built.  A graph's lists its layers with their calls
(``inbound_nodes``), where a tensor is written as ``[layer name, call, output]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reference_impl.engine.base_layer import Layer
from reference_impl.engine.graph import Graph
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.keras_tensor import KerasTensor, Node
from reference_impl.engine.structure import flatten, pack

Place = tuple[str, int, int]
"""Where a tensor comes from: a layer's name, which of its calls, which of its outputs."""

LAYERS: Final = Registry("layer", "keras.layers")
"""The layers and models that a configuration may name."""


def serialize(layer: Layer) -> dict[str, Any]:
    """The configuration of a layer or model, class included."""
    config: dict[str, Any] = LAYERS.serialize(layer)
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
    layer = LAYERS.deserialize(config, custom_objects)
    if not isinstance(layer, Layer):
        raise ValueError(f"`config` describes {layer!r}; expected a layer")
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
        if tensor.node.inputs:
            raise ValueError(
                f"the model's argument `inputs` holds {tensor!r}, the output of the layer "
                f"{tensor.node.layer.name!r}; expected results of Input for a configuration"
            )
    starts = {tensor.node.layer: [tensor.node] for tensor in graph.inputs}
    calls: dict[Layer, list[Node]] = starts | {
        layer: [node for node in graph.nodes if node.layer is layer]
        for layer in graph.layers
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
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": tensor.shape,
                "dtype": tensor.dtype,
                "keras_history": places[id(tensor)],
            },
        }
        for tensor in node.inputs
    ]
    return {"args": (tensors[0] if len(tensors) == 1 else tensors,), "kwargs": {}}


def connect(config: Mapping[str, Any]) -> tuple[Any, Any]:
    """The inputs and outputs of the graph that `graph_config`, Keras 3 or Keras 2 has written.

    Raises:
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if a class is unknown, an argument out of range, or a tensor missing.
    """
    layers: dict[str, Layer] = {}
    calls: list[tuple[str, list[Place]]] = []
    is_keras2 = False
    for entry in config["layers"]:
        layer = deserialize(entry)
        layers[layer.name] = layer
        nodes = entry.get("inbound_nodes", ())
        is_keras2 |= any(isinstance(node, (list, tuple)) for node in nodes)
        calls.extend((layer.name, [*_sources(node)]) for node in nodes)
    _make_calls(calls, layers)
    return (
        _ends(config["input_layers"], layers, is_keras2),
        _ends(config["output_layers"], layers, is_keras2),
    )


def _sources(node: Any) -> Iterator[Place]:
    """The tensors that a call takes.

    Keras 2 writes ``[[name, call, output, keywords], ...]``, Keras 3 a nest of tensors.
    """
    if isinstance(node, Mapping):
        if node.get("class_name") == "__keras_tensor__":
            name, call, output = node["config"]["keras_history"]
            yield name, call, output
            return
        node = node["args"]
    elif node and isinstance(node[0], str):
        yield node[0], node[1], node[2]
        return
    for item in node:
        yield from _sources(item)


def _make_calls(calls: list[tuple[str, list[Place]]], layers: dict[str, Layer]) -> None:
    """Call the layers, each as soon as its inputs are there, and its own calls in order.

    Raises:
        ValueError: if some never are.
    """
    while calls:
        waiting: list[tuple[str, list[Place]]] = []
        for name, sources in calls:
            tensors = [_tensor(source, layers) for source in sources]
            given = [tensor for tensor in tensors if tensor is not None]
            if len(given) < len(tensors) or name in dict(waiting):
                waiting.append((name, sources))
                continue
            layers[name](given[0] if len(given) == 1 else given)
        if len(waiting) == len(calls):
            raise ValueError(f"`config` holds calls on tensors that no layer makes: {waiting}")
        calls = waiting


def _tensor(place: Place, layers: dict[str, Layer]) -> KerasTensor | None:
    """The tensor at a place; None where it is not made yet."""
    name, call, output = place
    nodes = layers[name].inbound_nodes if name in layers else []
    return nodes[call].outputs[output] if call < len(nodes) else None


def _ends(places: Any, layers: dict[str, Layer], is_keras2: bool) -> Any:
    """The tensors where a graph starts or ends, in their structure.

    Keras 2 writes a list even where there is one tensor.

    Raises:
        ValueError: if no layer makes one of them.
    """
    is_alone = isinstance(places, (list, tuple)) and isinstance(places[0], str)
    given = [places] if is_alone else flatten(places)
    tensors = [_tensor((place[0], place[1], place[2]), layers) for place in given]
    if any(tensor is None for tensor in tensors):
        raise ValueError(f"`config` starts or ends at {places}, which no layer makes")
    if is_alone or (is_keras2 and len(tensors) == 1):
        return tensors[0]
    return pack(places, tensors)

"""The layers between some symbolic tensors and others, in the order in which they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array
from reference_impl.engine.input_layer import InputLayer
from reference_impl.engine.keras_tensor import KerasTensor, Node
from reference_impl.engine.operations import Operation
from reference_impl.engine.structure import flatten
from reference_impl.showing import shown


class Graph:
    """A directed acyclic graph of layer calls.

    Attributes:
        inputs: the tensors where it starts.
        outputs: the tensors where it ends.
        nodes: the calls, each after those that it depends on.
        operations: the layers and the operators between them, each once: those farthest from an
            output first, and of several equally far the one that a walk from the outputs back,
            depth first, meets first.  This is Keras' order, in which it also lists weights.
    """

    def __init__(
        self,
        inputs: tuple[KerasTensor, ...],
        outputs: tuple[KerasTensor, ...],
        nodes: tuple[Node, ...],
        operations: list[Layer],
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.nodes = nodes
        self.operations = operations

    @property
    def layers(self) -> list[Layer]:
        """Every layer once, without the operators."""
        return [layer for layer in self.operations if not isinstance(layer, Operation)]

    def run(self, values: Sequence[Array]) -> list[Array]:
        """The outputs' arrays, given those of the inputs."""
        known = {id(tensor): value for tensor, value in zip(self.inputs, values, strict=True)}
        for node in self.nodes:
            given = [_value(known, tensor) for tensor in node.inputs]
            results = flatten(node.layer.apply(*node.filled(given)))
            known |= {
                id(tensor): value for tensor, value in zip(node.outputs, results, strict=True)
            }
        return [_value(known, tensor) for tensor in self.outputs]

    def infer(self, tensors: Sequence[KerasTensor]) -> list[KerasTensor]:
        """The outputs' shapes and dtypes for other symbolic inputs."""
        known = {id(start): tensor for start, tensor in zip(self.inputs, tensors, strict=True)}
        for node in self.nodes:
            given = [known.get(id(tensor), tensor) for tensor in node.inputs]
            arguments, keywords = node.filled(given)
            results = flatten(node.layer.compute_output_spec(*arguments, **keywords))
            known |= {
                id(tensor): value for tensor, value in zip(node.outputs, results, strict=True)
            }
        return [known.get(id(tensor), tensor) for tensor in self.outputs]


def _value(known: dict[int, Array], tensor: KerasTensor) -> Any:
    """A tensor's array: computed or fed, else the one that it wraps."""
    return known.get(id(tensor), tensor.value)


def _start(tensor: KerasTensor) -> Layer:
    """The input layer of a tensor where a graph starts; in the middle of another, one like it."""
    history = tensor._keras_history
    if history is not None and isinstance(history.operation, InputLayer):
        return history.operation
    return InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype)


def graph_between(inputs: Sequence[KerasTensor], outputs: Sequence[KerasTensor]) -> Graph:
    """The graph from `inputs` to `outputs`.

    Raises:
        ValueError: if an output depends on an input that is not given and wraps no array, or if
            two layers have the same name.
    """
    starts = {id(tensor): _start(tensor) for tensor in inputs}
    nodes, met = _walked(starts, outputs)
    operations = _by_distance(starts, nodes, met)
    graph = Graph(tuple(inputs), tuple(outputs), tuple(nodes), operations)
    check_unique_names(graph.layers)
    return graph


def _walked(
    starts: Mapping[int, Layer], outputs: Sequence[KerasTensor]
) -> tuple[list[Node], dict[Layer, int]]:
    """The nodes, each after its inputs, and the layers by when a walk back first meets them.

    The walk is depth first, and without recursion, so that depth is free.
    """
    nodes: list[Node] = []
    met: dict[Layer, int] = {}
    done: set[int] = set()
    pending = [(tensor, False) for tensor in reversed(outputs)]
    while pending:
        tensor, inputs_are_done = pending.pop()
        if id(tensor) in starts:
            met.setdefault(starts[id(tensor)], len(met))
            continue
        node = _node(tensor)
        if id(node) in done or not node.inputs:
            continue
        if inputs_are_done:
            done.add(id(node))
            nodes.append(node)
            continue
        met.setdefault(node.layer, len(met))
        pending.append((tensor, True))
        pending.extend((before, False) for before in reversed(node.inputs))
    return nodes, met


def _by_distance(
    starts: Mapping[int, Layer], nodes: Sequence[Node], met: Mapping[Layer, int]
) -> list[Layer]:
    """The layers by their greatest distance from an output, then by when they were met.

    All calls of a layer are as far as the farthest one; an input that nothing uses is not far.
    """
    far: dict[Layer, int] = {}
    called: dict[int, int] = {}
    for node in reversed(nodes):
        distance = max(called.get(id(node), 0), far.get(node.layer, 0))
        far[node.layer] = distance
        for tensor in node.inputs:
            if id(tensor) in starts:
                start = starts[id(tensor)]
                far[start] = max(far.get(start, 0), distance + 1)
            else:
                before = id(tensor.node)
                called[before] = max(called.get(before, 0), distance + 1)
    for start in starts.values():
        far.setdefault(start, 0)
    return sorted(far, key=lambda layer: (-far[layer], met.get(layer, -1)))


def _node(tensor: KerasTensor) -> Node:
    node = tensor.node
    if not node.inputs and tensor.value is None:
        raise ValueError(
            f"Model: argument `outputs` depends on {shown(tensor)} of the layer "
            f"{node.layer.name!r}, which is not among `inputs`; expected every input that the "
            "outputs depend on"
        )
    return node


def check_unique_names(layers: Sequence[Layer]) -> None:
    """Refuse two layers of one name.

    Raises:
        ValueError: naming it.
    """
    for name, count in Counter(layer.name for layer in layers).items():
        if count > 1:
            raise ValueError(
                f'Model: the argument `name` of {count} layers is "{name}"; expected names that '
                "are unique in the model"
            )

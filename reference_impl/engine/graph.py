"""The layers between some symbolic tensors and others, in the order in which they run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
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
    """

    def __init__(
        self,
        inputs: tuple[KerasTensor, ...],
        outputs: tuple[KerasTensor, ...],
        nodes: tuple[Node, ...],
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.nodes = nodes

    @property
    def layers(self) -> list[Layer]:
        """Every layer once, those of the inputs first."""
        return [layer for layer in self.operations if not isinstance(layer, Operation)]

    @cached_property
    def operations(self) -> list[Layer]:
        """The layers, and the operators between them."""
        starts = [_start(tensor) for tensor in self.inputs]
        return list(dict.fromkeys([*starts, *(node.layer for node in self.nodes)]))

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
    starts = {id(tensor) for tensor in inputs}
    nodes = tuple(_ordered_nodes(starts, outputs))
    graph = Graph(tuple(inputs), tuple(outputs), nodes)
    check_unique_names(graph.layers)
    return graph


def _ordered_nodes(starts: set[int], outputs: Sequence[KerasTensor]) -> Iterator[Node]:
    """Depth-first, each node after its inputs; without recursion, so that depth is free."""
    done: set[int] = set()
    pending = [(_node(tensor), False) for tensor in reversed(outputs) if id(tensor) not in starts]
    while pending:
        node, inputs_are_done = pending.pop()
        if id(node) in done or not node.inputs:
            continue
        if inputs_are_done:
            done.add(id(node))
            yield node
            continue
        pending.append((node, True))
        before = [tensor for tensor in reversed(node.inputs) if id(tensor) not in starts]
        pending.extend((_node(tensor), False) for tensor in before)


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

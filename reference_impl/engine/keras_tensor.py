"""Symbolic tensors, and the nodes that record which layer made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from reference_impl.engine.arguments import Shape
from reference_impl.engine.naming import automatic_name

if TYPE_CHECKING:
    from reference_impl.engine.base_layer import Layer
    from reference_impl.engine.dtypes import Array


class KerasHistory(NamedTuple):
    """Where a symbolic tensor comes from: a layer, which of its calls, which of its outputs."""

    operation: Layer
    node_index: int
    tensor_index: int


class KerasTensor:
    """A tensor known by shape and dtype alone, as `Input` and layers called on one return.

    Attributes:
        shape: the lengths, batch first; None for a free one.
        dtype: name of the dtype.
        sparse: whether it stands for a sparse tensor.
        name: its name.
        value: the array that it wraps, where `Input` was given one; else None.
    """

    def __init__(
        self,
        shape: Shape,
        dtype: str = "float32",
        sparse: bool = False,
        name: str | None = None,
        value: Array | None = None,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.sparse = sparse
        self.name = name or automatic_name("keras_tensor")
        self.value = value
        self._keras_history: KerasHistory | None = None

    @property
    def ndim(self) -> int:
        """Number of axes, the batch included."""
        return len(self.shape)

    @property
    def history(self) -> KerasHistory:
        """Where the tensor comes from.

        Raises:
            ValueError: if no layer made it.
        """
        if self._keras_history is None:
            raise ValueError(f"{self!r} was made by no layer; expected the result of Input or one")
        return self._keras_history

    @property
    def node(self) -> Node:
        """The call that made the tensor."""
        history = self.history
        return history.operation.inbound_nodes[history.node_index]

    def __repr__(self) -> str:
        return (
            f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse={self.sparse}, "
            f"name={self.name}>"
        )

    def _no_value(self) -> NoReturn:
        raise ValueError(
            f"{self!r} is symbolic and has no elements; expected an array, or build a Model of it"
        )

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray[Any, Any]:
        self._no_value()

    def __iter__(self) -> NoReturn:
        self._no_value()


class Node:
    """One symbolic call of a layer; a layer called without inputs is an input of the graph."""

    __slots__ = ("inputs", "layer", "outputs")

    def __init__(
        self, layer: Layer, inputs: tuple[KerasTensor, ...], outputs: tuple[KerasTensor, ...]
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.outputs = outputs


def record_call(
    layer: Layer, inputs: tuple[KerasTensor, ...], outputs: tuple[KerasTensor, ...]
) -> None:
    """Add a node to the layer and let each output point to it."""
    layer.inbound_nodes.append(Node(layer, inputs, outputs))
    node_index = len(layer.inbound_nodes) - 1
    for tensor_index, tensor in enumerate(outputs):
        tensor._keras_history = KerasHistory(layer, node_index, tensor_index)

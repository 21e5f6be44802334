"""Symbolic tensors, and the nodes that record which layer made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from reference_impl.engine import calling
from reference_impl.engine.arguments import Shape
from reference_impl.engine.naming import automatic_name
from reference_impl.engine.structure import flatten, pack

if TYPE_CHECKING:
    from reference_impl.engine.base_layer import Layer
    from reference_impl.engine.dtypes import Array

_FIXED = ("shape", "dtype", "sparse", "ragged")


class KerasHistory(NamedTuple):
    """Where a symbolic tensor comes from: a layer, which of its calls, which of its outputs."""

    operation: Layer
    node_index: int
    tensor_index: int


class SymbolicError(ValueError, NotImplementedError):
    """A symbolic tensor was used as if it had elements."""


class KerasTensor:
    """A tensor known by shape and dtype alone, as `Input` and layers called on one return.

    The operators ``+ - * / // % ** @``, ``abs``, comparisons and indexing make further symbolic
    tensors, by `reference_impl.engine.operations`.

    Attributes:
        shape: the lengths, batch first; None for a free one.
        dtype: name of the dtype.
        sparse: whether it stands for a sparse tensor.
        ragged: False: ragged tensors are not offered.
        name: its name.
        value: the array that it wraps, where `Input` was given one; else None.
    """

    __array_ufunc__ = None
    """NumPy leaves ``array + tensor`` to the tensor."""

    def __init__(
        self,
        shape: Shape,
        dtype: str = "float32",
        sparse: bool = False,
        name: str | None = None,
        value: Array | None = None,
        *,
        ragged: bool = False,
    ) -> None:
        if ragged:
            raise ValueError(
                "KerasTensor: argument `ragged` is True; expected False, the only value"
            )
        self.shape = tuple(shape)
        self.dtype = dtype
        self.sparse = sparse
        self.ragged = False
        self.name = name or automatic_name("keras_tensor")
        self.value = value
        self._keras_history: KerasHistory | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in self.__dict__:
            raise AttributeError(f"`{name}` of a symbolic tensor cannot be changed; make another")
        super().__setattr__(name, value)

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
        raise SymbolicError(
            f"{self!r} is symbolic and has no elements; expected an array, or build a Model of it"
        )

    def __array__(self, *arguments: Any, **keywords: Any) -> np.ndarray[Any, Any]:
        self._no_value()

    def __iter__(self) -> NoReturn:
        self._no_value()

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} is symbolic and neither true nor false; what depends on its elements "
            "belongs into a layer's `call`"
        )

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self!r} is symbolic and has no len(); its `shape` has the lengths")


class Node:
    """One symbolic call of a layer; a layer called without inputs is an input of the graph.

    Attributes:
        layer: the layer.
        inputs: the symbolic tensors among its arguments, flat.
        outputs: those that it returned, flat.
        arguments: positional and keyword arguments of the call, as one structure.
    """

    __slots__ = ("arguments", "inputs", "layer", "outputs")

    def __init__(
        self,
        layer: Layer,
        inputs: tuple[KerasTensor, ...],
        outputs: tuple[KerasTensor, ...],
        arguments: Any = None,
    ) -> None:
        self.layer = layer
        self.inputs = inputs
        self.outputs = outputs
        first = inputs[0] if len(inputs) == 1 else [*inputs]
        self.arguments = ((first,), {}) if arguments is None else arguments

    def filled(self, values: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with other values, arrays or symbolic tensors, for its tensors."""
        given = iter(values)
        items = [
            next(given) if isinstance(item, KerasTensor) else item
            for item in flatten(self.arguments)
        ]
        arguments, keywords = pack(self.arguments, items)
        return arguments, keywords


def symbolic(structure: Any) -> list[KerasTensor]:
    """The symbolic tensors of a structure."""
    return [item for item in flatten(structure) if isinstance(item, KerasTensor)]


def record_call(
    layer: Layer,
    inputs: tuple[KerasTensor, ...],
    outputs: tuple[KerasTensor, ...],
    arguments: Any = None,
) -> None:
    """Add a node to the layer and let each output point to it."""
    node = Node(layer, inputs, outputs, arguments)
    layer.inbound_nodes.append(node)
    context = calling.current()
    if context is not None and context.trace is not None:
        context.trace.append(node)
    node_index = len(layer.inbound_nodes) - 1
    for tensor_index, tensor in enumerate(outputs):
        tensor._keras_history = KerasHistory(layer, node_index, tensor_index)

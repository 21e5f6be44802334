"""The weights of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from reference_impl.engine.arguments import ArgumentError
from reference_impl.engine.dtypes import Array, as_array, convert, is_array, is_float


class Variable(NDArrayOperatorsMixin):
    """A named array that is assigned in place of being replaced; NumPy takes it as an array.

    Attributes:
        name: ``kernel`` or ``bias``.
        path: the name, preceded by that of the layer and ``/``.
        dtype: name of the dtype.
        trainable: whether training changes it.
        regularizer: adds its value of the variable to the layer's losses; None for none.
        constraint: what training applies after each update; None for none.
    """

    def __init__(
        self,
        value: Array,
        dtype: str,
        name: str,
        path: str,
        trainable: bool = True,
        regularizer: Callable[[Array], Any] | None = None,
        constraint: Callable[[Array], Array] | None = None,
    ) -> None:
        self.name = name
        self.path = path
        self.dtype = dtype
        self.trainable = trainable
        self.regularizer = regularizer
        self.constraint = constraint
        self._value = _owned(value, dtype)

    @property
    def value(self) -> Array:
        """The array itself, read-only."""
        return self._value

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._value.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._value.ndim

    def numpy(self) -> Array:
        """A copy of the array."""
        return self._value.copy()

    def assign(self, value: Any) -> Variable:
        """Replace the value by an array of the same shape, each element rounded to the dtype.

        Raises:
            TypeError: if it holds no real numbers.
            ValueError: if the shape differs.
        """
        self._value = self.fitting(value)
        return self

    def fitting(self, value: Any) -> Array:
        """The array that `assign` would make of a value.

        Raises:
            TypeError: if it holds no real numbers.
            ValueError: if its shape is another.
        """
        array = as_array(self.path, value, "value") if is_array(value) else np.asarray(value)
        if array.shape != self.shape:
            raise ValueError(
                f"`{self.path}` cannot be assigned a value of shape {array.shape}; "
                f"expected the shape {self.shape}"
            )
        return _owned(array, self.dtype)

    def assign_add(self, value: Any) -> Variable:
        """Add a value of the same shape, rounded once."""
        return self.assign(self._value + value)

    def assign_sub(self, value: Any) -> Variable:
        """Subtract a value of the same shape, rounded once."""
        return self.assign(self._value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self._value if dtype is None else self._value.astype(dtype)
        return array.copy() if copy else array

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [item.value if isinstance(item, Variable) else item for item in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, key: Any) -> Any:
        return self._value[key]

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"


def _owned(value: Any, dtype: str) -> Array:
    """A contiguous read-only array of the dtype that shares no memory with `value`."""
    given = np.asarray(value)
    is_number = given.dtype.kind in "fiub" or is_float(given.dtype)
    if not is_number:
        raise ArgumentError(f"a weight of dtype {given.dtype} was given; expected real numbers")
    converted = convert(given, dtype)
    array = np.array(converted, order="C") if converted is given else converted
    array.setflags(write=False)
    return array

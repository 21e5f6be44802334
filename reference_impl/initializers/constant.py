"""Initializers that draw nothing: constants, given arrays, and the identity matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_impl.config import reading
from reference_impl.engine.arguments import configuration, wrong_type
from reference_impl.engine.dtypes import convert, is_float, numpy_dtype
from reference_impl.engine.identifiers import deserialize_value, serialize_value
from reference_impl.engine.parameters import Array, real_number
from reference_impl.initializers.base import Initializer, full_shape, number_dtype
from reference_impl.showing import shown


class Zeros(Initializer):
    """All elements 0."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Zeros of a shape and dtype (any numbers, or bool)."""
        name = number_dtype("Zeros", dtype)
        return np.zeros(full_shape("Zeros", shape), numpy_dtype(name))


class Ones(Initializer):
    """All elements 1."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Ones of a shape and dtype (any numbers, or bool)."""
        name = number_dtype("Ones", dtype)
        return np.ones(full_shape("Ones", shape), numpy_dtype(name))


class Constant(Initializer):
    """All elements one value, rounded once to the dtype; to an integer dtype, towards zero."""

    def __init__(self, value: Any = 0.0) -> None:
        """Make the initializer.

        Args:
            value: a number, or an array that broadcasts to the shape.

        Raises:
            TypeError: if it is neither.
        """
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" and not is_float(array.dtype):
            raise wrong_type(type(self).__name__, "value", value, "a number or an array of numbers")
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The value in every element.

        Raises:
            ValueError: if an array does not broadcast to the shape.
        """
        owner = type(self).__name__
        name, lengths = number_dtype(owner, dtype), full_shape(owner, shape)
        given = np.asarray(self.value)
        value = convert(given.reshape(-1), name).reshape(given.shape)
        try:
            return np.array(np.broadcast_to(value, lengths))
        except ValueError:
            raise ValueError(
                f"{owner}: the value has shape {value.shape}; expected one that broadcasts to "
                f"shape={lengths}"
            ) from None

    def get_config(self) -> dict[str, Any]:
        """``{"value": ...}``; an array as ``{"class_name": "__numpy__", ...}``."""
        return {"value": serialize_value(self.value)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """The initializer with this value (0.0 where there is none)."""
        given = configuration(cls.__name__, config)
        return cls(deserialize_value(given.get("value", 0.0)))


class GivenArray(Constant):
    """The values of an array given as an initializer; its configuration is that of a `Constant`."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The array, rounded once to the dtype.

        Raises:
            ValueError: if the shape is not the array's.
        """
        lengths = full_shape("initializer", shape)
        if lengths != np.shape(self.value):
            raise ValueError(
                f"initializer: argument `shape` is {shown(shape)}; expected "
                f"{np.shape(self.value)}, the shape of the array given as initializer"
            )
        return super().__call__(lengths, dtype)


class Identity(Initializer):
    """``gain`` on the main diagonal of a matrix, 0 elsewhere; not necessarily square."""

    def __init__(self, gain: float = 1.0) -> None:
        """Make the initializer.

        Args:
            gain: the diagonal elements.

        Raises:
            TypeError: if it is no number.
            ValueError: if it is not finite.
        """
        self.gain = real_number("Identity", "gain", gain)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The matrix.

        Raises:
            ValueError: if the shape has not two axes.
        """
        name, lengths = number_dtype("Identity", dtype), full_shape("Identity", shape)
        if len(lengths) != 2:
            raise ValueError(
                f"Identity: argument `shape` is {shown(shape)} of rank {len(lengths)}; expected a "
                "matrix, rank 2"
            )
        matrix = np.zeros(lengths, numpy_dtype(name))
        np.fill_diagonal(matrix, convert(np.array([self.gain]), name)[0])
        return matrix

    def get_config(self) -> dict[str, Any]:
        """``{"gain": ...}``.

        Under the reading ``keras3`` a gain of 1 is left out, as Keras 3 does; it leaves out every
        other gain as well, which loses it, and does read it back.
        """
        if reading() == "keras3" and self.gain == 1:
            return {}
        return {"gain": self.gain}

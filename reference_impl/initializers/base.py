"""The base of the initializers, and the registry of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reference_impl.engine.arguments import configuration, wrong_value
from reference_impl.engine.arguments import shape as checked_shape
from reference_impl.engine.dtypes import FLOATS, INTEGERS, dtype_name
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import Array

REGISTRY: Final = Registry("initializer", "keras.initializers")

NUMBERS: Final = (*FLOATS, *INTEGERS, "bool")
"""The dtypes of the initializers that are not random."""


class Initializer:
    """Base class: a callable that maps a shape and a dtype to an array, with ``get_config``."""

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The initial values.

        Args:
            shape: a tuple of non-negative integers.
            dtype: a dtype or its name; None means `reference_impl.backend.floatx`.

        Raises:
            NotImplementedError: in the base class.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no initial values")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """The initializer with these constructor arguments.

        A ``dtype``, which early versions of Keras 2 wrote, is ignored: the layer's counts.
        """
        given = configuration(cls.__name__, config)
        return cls(**{name: value for name, value in given.items() if name != "dtype"})

    def clone(self) -> Initializer:
        """A new initializer of the same configuration; unseeded ones draw other values."""
        return self.from_config(self.get_config())


def full_shape(owner: str, shape: Any) -> tuple[int, ...]:
    """A shape without free lengths.

    Raises:
        TypeError: if it is no tuple of integers.
        ValueError: if a length is negative or None.
    """
    lengths = checked_shape(owner, "shape", shape)
    known = tuple(length for length in lengths if length is not None)
    if len(known) < len(lengths):
        raise wrong_value(owner, "shape", shape, "lengths that are all known, none of them None")
    return known


def number_dtype(owner: str, dtype: Any) -> str:
    """The name of a dtype of numbers or truth values; None means floatx.

    Raises:
        TypeError: if it is no dtype.
        ValueError: if it is another one.
    """
    return dtype_name(owner, dtype, NUMBERS)


def float_dtype(owner: str, dtype: Any) -> str:
    """The name of one of the four floating-point dtypes; None means floatx.

    Raises:
        TypeError: if it is no dtype.
        ValueError: if it is another one.
    """
    return dtype_name(owner, dtype, FLOATS)

"""Dtypes of layers and inputs: their names, and conversion with one rounding."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.config import FLOATX, floatx
from reference_impl.engine.arguments import wrong_type, wrong_value
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_float64

Array = NDArray[Any]

FLOATS: Final = FLOATX
"""Floating-point types, by name."""

INTEGERS: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
"""Integer types, by name."""

OTHERS: Final = ("bool", "complex64", "complex128")
"""Types that layers without arithmetic take as well."""


def dtype_name(owner: str, value: Any, allowed: tuple[str, ...] = FLOATS) -> str:
    """The name of a dtype given as a name, a NumPy dtype or type, or a dtype policy's dictionary.

    None stands for `floatx`.

    Raises:
        TypeError: if it names no dtype.
        ValueError: if it names one that is not allowed.
    """
    if value is None:
        return floatx()
    given = _policy_name(value)
    name = given if isinstance(given, str) else _type_name(given)
    if name in allowed:
        return str(name)
    expected = "None or one of " + ", ".join(map(repr, allowed))
    error = wrong_type if name is None else wrong_value
    raise error(owner, "dtype", value, expected)


def _policy_name(value: Any) -> Any:
    """The name within ``{"class_name": "DTypePolicy", "config": {"name": ...}}``; else `value`."""
    if isinstance(value, dict):
        config = value.get("config")
        return config.get("name") if isinstance(config, dict) else None
    return value


def _type_name(value: Any) -> str | None:
    if isinstance(value, (np.dtype, type)):
        try:
            return np.dtype(value).name
        except TypeError:
            return None
    return None


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of a name.

    Raises:
        ImportError: for ``bfloat16`` where ml_dtypes is not installed.
    """
    return format_of(name).dtype if name in FLOATS else np.dtype(name)


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is one of `FLOATS`."""
    return dtype.name in FLOATS


def as_float64(array: Array) -> Array:
    """A floating-point or integer array in float64 (exact but for integers beyond 2**53)."""
    return array if array.dtype == np.float64 else array.astype(np.float64)


def convert(array: Array, name: str) -> Array:
    """The array in the dtype `name`, each element rounded once; the array itself where equal.

    Source: conversion to a narrower format is one rounding to nearest, ties to even (IEEE 754,
    5.4.2); some libraries reach bfloat16 from float64 through float32, which rounds twice.
    """
    dtype = numpy_dtype(name)
    if array.dtype == dtype:
        return array if array.dtype.isnative else array.astype(dtype)
    if name in FLOATS and array.dtype.kind != "c":
        return np.asarray(round_float64(as_float64(array), format_of(name)))
    return array.astype(dtype)


def as_array(owner: str, inputs: Any) -> Array:
    """The inputs of a layer as an array, never copied where they are one.

    Anything with ``__array__`` is taken, and sparse matrices with ``toarray``; lists and scalars
    are refused, as Keras refuses them.

    Raises:
        ValueError: if `inputs` is no array.
    """
    if type(inputs) is np.ndarray:
        return inputs
    if hasattr(inputs, "toarray"):
        return np.asarray(inputs.toarray())
    if hasattr(inputs, "__array__") and not isinstance(inputs, type):
        return np.asarray(inputs)
    raise wrong_value(owner, "inputs", inputs, "an array or a symbolic tensor (see Input)")

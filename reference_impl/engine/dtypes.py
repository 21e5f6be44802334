"""Dtypes of layers and inputs: their names, and conversion with one rounding."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.config import FLOATX, floatx
from reference_impl.engine.arguments import wrong_type, wrong_value
from reference_impl.ops.formats import format_of, widened
from reference_impl.ops.rounding import round_float64
from reference_impl.showing import shown

Array = NDArray[Any]

FLOATS: Final = FLOATX
"""Floating-point types, by name."""

INTEGERS: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
"""Integer types, by name."""

OTHERS: Final = ("bool", "complex64", "complex128")
"""Types that layers without arithmetic take as well."""


ALL_DTYPES: Final = (*FLOATS, *INTEGERS, *OTHERS)
"""Every type, by name."""

MIXED: Final = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
"""Policies with weights of float32, and the dtype of what is computed with them."""


class DTypePolicy(NamedTuple):
    """The dtypes of a layer.

    Attributes:
        name: ``float32``, ``mixed_float16``, ...
        compute_dtype: of the results; weights are rounded to it once, at each use.
        variable_dtype: of the weights.
    """

    name: str
    compute_dtype: str
    variable_dtype: str


def dtype_policy(owner: str, value: Any, allowed: tuple[str, ...] = FLOATS) -> DTypePolicy:
    """The policy of a dtype as `dtype_name` takes it, or of one of `MIXED`.

    Raises:
        TypeError: if it names no dtype.
        ValueError: if it names one that is not allowed.
    """
    if isinstance(value, DTypePolicy):
        return value
    is_policy = not isinstance(value, str) and hasattr(value, "compute_dtype")
    name = getattr(value, "name", None) if is_policy else value
    given = _policy_name(name)
    if isinstance(given, str) and given in MIXED and "float32" in allowed:
        return DTypePolicy(given, MIXED[given], "float32")
    name = dtype_name(owner, name, allowed)
    return DTypePolicy(name, name, name)


def dtype_name(owner: str, value: Any, allowed: tuple[str, ...] = FLOATS) -> str:
    """The name of a dtype given by name, as NumPy's or a framework's, or as a policy's dictionary.

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
    """The name within ``{"class_name": "DTypePolicy", "config": {"name": ...}}``; else `value`.

    Dtypes and policies of frameworks are taken by their names: ``tf.float32``, ``torch.float32``.
    """
    if isinstance(value, dict):
        config = value.get("config")
        return config.get("name") if isinstance(config, dict) else None
    if isinstance(value, (str, type, np.dtype)):
        return value
    if type(value).__module__ == "torch" and type(value).__name__ == "dtype":
        return str(value).removeprefix("torch.")
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and name in (*ALL_DTYPES, *MIXED) else value


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


@lru_cache(maxsize=64)
def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is one of `FLOATS`; the name of a dtype is slow to come by."""
    return dtype.name in FLOATS


def as_float64(array: Array) -> Array:
    """A floating-point or integer array in float64 (exact but for integers beyond 2**53)."""
    return array if array.dtype == np.float64 else widened(array)


def convert(array: Array, name: str) -> Array:
    """The array in the dtype `name`, each element rounded once; the array itself where equal.

    Source: conversion to a narrower format is one rounding to nearest, ties to even (IEEE 754,
    5.4.2); some libraries reach bfloat16 from float64 through float32, which rounds twice.
    """
    dtype = numpy_dtype(name)
    if array.dtype == dtype:
        return array if array.dtype.isnative else array.astype(dtype)
    with np.errstate(all="ignore"):
        if name in FLOATS and array.dtype.kind != "c":
            return np.asarray(round_float64(as_float64(array), format_of(name)))
        return array.astype(dtype)


def is_array(value: Any) -> bool:
    """Whether `as_array` takes the value as an array (a number, a list or a class it does not)."""
    if type(value) is np.ndarray:
        return True
    if isinstance(value, (type, str, bytes)):
        return False
    protocols = (*_INTERFACES, "__dlpack__", "toarray", "detach")
    return isinstance(value, memoryview) or any(hasattr(value, name) for name in protocols)


_INTERFACES = ("__array__", "__array_interface__", "__array_struct__")
"""NumPy's own protocols."""


def as_array(owner: str, inputs: Any, argument: str = "inputs") -> Array:
    """The values of an argument as an array, never copied where they are one.

    Taken are arrays and their subclasses (views, memory maps, either byte order), lists and tuples
    of numbers or of arrays (floats in `floatx`), sparse matrices with ``toarray``, and tensors of
    frameworks, by their protocols: ``detach``, ``resolve_neg``, ``resolve_conj`` and ``cpu`` of
    PyTorch's, whatever their device and gradients, ``__array__`` and its like, ``__dlpack__``,
    memory views.

    Raises:
        TypeError: if something is masked, or no numbers.
        ValueError: if it is no array.
    """
    if type(inputs) is np.ndarray:
        return _numbers(owner, inputs, argument)
    if isinstance(inputs, np.ma.MaskedArray):
        raise _masked(owner, argument, "a masked array")
    if isinstance(inputs, (list, tuple)):
        return _of_list(owner, inputs, argument)
    if isinstance(inputs, type) or not is_array(inputs):
        raise wrong_value(owner, argument, inputs, "an array or a symbolic tensor (see Input)")
    try:
        array = _as_numpy(_plain(inputs))
    except Exception as error:
        raise ValueError(
            f"{owner}: argument `{argument}` is of type {type(inputs).__name__} and cannot be made "
            f"an array: {shown(str(error))}; expected an array"
        ) from error
    return _numbers(owner, array.view(np.ndarray), argument)


def _numbers(owner: str, array: Array, argument: str) -> Array:
    """The array itself, if NumPy knows what its elements are."""
    if array.dtype.kind in "OSUMm" or array.dtype.names is not None:
        raise wrong_type(owner, argument, array, f"an array of numbers, not of dtype {array.dtype}")
    return array


def _of_list(owner: str, inputs: Any, argument: str) -> Array:
    """A list of numbers, of lists, or of arrays, as one array; Python's floats in `floatx`.

    Raises:
        TypeError: if something in it is masked.
        ValueError: if it is not made of numbers, in lists of equal lengths.
    """
    if _holds_masked(inputs):
        raise _masked(owner, argument, f"a {type(inputs).__name__} that holds masked arrays")
    try:
        array = np.asarray(_plain_list(inputs))
    except Exception as error:
        raise ValueError(
            f"{owner}: argument `{argument}` is the {type(inputs).__name__} {shown(inputs)}; "
            f"expected numbers, in lists of equal lengths"
        ) from error
    if array.dtype.kind in "OSUMm":
        raise wrong_value(owner, argument, inputs, "numbers, in lists of equal lengths")
    is_python = array.dtype == np.float64 and not _holds_arrays(inputs)
    return convert(array, floatx()) if is_python else array


def _holds_masked(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_masked, value))
    return isinstance(value, np.ma.MaskedArray)


def _masked(owner: str, argument: str, what: str) -> TypeError:
    return TypeError(
        f"{owner}: argument `{argument}` is {what}; expected an array without a mask (`filled` "
        "makes one)"
    )


def _as_numpy(value: Any) -> Array:
    """An array of what offers its elements by a protocol; DLPack's where there is no other."""
    if not hasattr(value, "__dlpack__") or any(hasattr(value, name) for name in _INTERFACES):
        return np.asarray(value)
    return np.from_dlpack(value)


def _plain_list(value: Any) -> Any:
    """The list with arrays for the tensors in it."""
    if isinstance(value, (list, tuple)):
        return [_plain_list(item) for item in value]
    return _as_numpy(_plain(value)) if is_array(value) else value


def _holds_arrays(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, np.generic) or is_array(value)


def _plain(value: Any) -> Any:
    """An object with ``__array__``: of a sparse matrix the dense one, of a tensor its values."""
    if hasattr(value, "toarray"):
        return value.toarray()
    for step in ("detach", "resolve_conj", "resolve_neg", "cpu"):
        method = getattr(value, step, None)
        value = method() if callable(method) and hasattr(value, "detach") else value
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":
        return convert(np.asarray(value.float()), "bfloat16")
    return value

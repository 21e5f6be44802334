"""Checks that initializers, regularizers and constraints share: numbers, axes and weights."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.config import floatx
from reference_impl.engine.arguments import ArgumentError, as_integer, wrong_type, wrong_value
from reference_impl.engine.dtypes import convert, is_float
from reference_impl.showing import shown

Array = NDArray[Any]
Axes = tuple[int, ...]

LARGEST: Final = float(np.finfo(np.float64).max)
"""The largest finite float."""

_AXES: Final = "an axis, a list or tuple of axes, or None"


def real_number(
    owner: str, argument: str, value: Any, least: float = -math.inf, finite: bool = True
) -> float | int:
    """A Python number, from a Python or NumPy number (or an array without axes).

    Args:
        owner: the class that was given it, for error messages.
        argument: under which name.
        value: the number.
        least: the smallest number allowed.
        finite: whether infinities are refused.

    Raises:
        TypeError: if it is no real number, or a bool.
        ValueError: if it is NaN, infinite where that is refused, or below `least`.
    """
    allowed = ("a finite number" if finite else "a number") + (
        f" of at least {least:g}" if least > -math.inf else ""
    )
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise wrong_type(owner, argument, value, allowed)
    number = value if isinstance(value, int) else _as_float(value)
    is_finite = abs(number) <= LARGEST
    if number != number or number < least or (finite and not is_finite):
        raise wrong_value(owner, argument, value, allowed)
    return number if is_finite else (math.inf if number > 0 else -math.inf)


def _as_float(value: Any) -> float:
    """A real number as a float; infinite beyond the range of floats."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def integers_of(owner: str, argument: str, value: Any) -> list[int] | None:
    """The axes that an argument names: an integer, or a list or tuple of them; None stays None.

    Raises:
        TypeError: if an axis is no integer.
    """
    if value is None:
        return None
    single = as_integer(value)
    given = [value] if single is not None else value
    if not isinstance(given, list | tuple):
        raise wrong_type(owner, argument, value, _AXES)
    axes = [as_integer(axis) for axis in given]
    if None in axes:
        raise wrong_type(owner, argument, value, _AXES)
    return [axis for axis in axes if axis is not None]


def axes_of(owner: str, argument: str, value: Any, rank: int) -> Axes:
    """Distinct axes of an array of some rank, counted from 0; None means every axis.

    Raises:
        TypeError: if an axis is no integer.
        ValueError: if the array has no such axis, or one is given twice.
    """
    given = integers_of(owner, argument, value)
    if given is None:
        return tuple(range(rank))
    axes = tuple(axis % rank for axis in given if -rank <= axis < rank)
    if len(set(axes)) < len(given):
        allowed = f"distinct axes of an array of rank {rank}, from {-rank} to {rank - 1}"
        raise wrong_value(owner, argument, value, allowed)
    return axes


def floating(owner: str, weights: Any) -> Array:
    """The weights as an array of one of the four floating-point formats.

    Numbers without a floating-point dtype (lists, integers) are rounded to `floatx`.

    Raises:
        TypeError: for anything else.
    """
    array = np.asarray(weights)
    if is_float(array.dtype) and hasattr(weights, "dtype"):
        return array
    if array.dtype.kind in "fiu":
        return convert(array, floatx())
    raise ArgumentError(
        f"{owner}: the weights are {shown(weights)} of dtype {array.dtype.name}; expected an array "
        "of float16, bfloat16, float32 or float64"
    )

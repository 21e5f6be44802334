"""Exact sums of magnitudes, of squares and of the elements themselves, in any order and size.

A finite float64 is ``m 2**e`` with an integer ``|m| < 2**53``.  The integers of equal exponent are
added in pieces of 27 bits, which float64 adds without rounding up to 2**26 terms; the pieces are
put together in Python integers.  So the sum of n elements costs a few vectorised passes, and no
rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import widened

if TYPE_CHECKING:
    from fractions import Fraction

_PIECE: Final = 27
_CHUNK: Final = 1 << 26
_FEW: Final = 64

Int64Array = NDArray[np.int64]


def exact_sum(values: NDArray[Any]) -> Fraction:
    """The sum of finite floating-point values, exactly."""
    return _in_chunks(values, 1)


def sum_of_magnitudes(values: NDArray[Any]) -> Fraction:
    """The sum of ``|x|`` over finite floating-point values, exactly."""
    return _in_chunks(np.abs(values), 1)


def sum_of_squares(values: NDArray[Any]) -> Fraction:
    """The sum of ``x**2`` over finite floating-point values, exactly."""
    return _in_chunks(values, 2)


def _in_chunks(values: NDArray[Any], power: int) -> Fraction:
    from fractions import Fraction

    flat = np.asarray(values).reshape(-1)
    if flat.size <= _FEW:
        return _sum_of_few(widened(flat).tolist(), power)
    total = Fraction(0)
    for start in range(0, flat.size, _CHUNK):
        significand, exponent = np.frexp(widened(flat[start : start + _CHUNK]))
        integers = np.ldexp(significand, 53).astype(np.int64)
        total += _sum(integers, exponent.astype(np.int64) - 53, power)
    return total


def _sum_of_few(values: list[float], power: int) -> Fraction:
    """The same over a common denominator, which is faster for short lists."""
    from fractions import Fraction

    ratios = [value.as_integer_ratio() for value in values]
    common = max((d for _, d in ratios), default=1)
    return Fraction(sum((n * (common // d)) ** power for n, d in ratios), common**power)


def _sum(integers: Int64Array, exponents: Int64Array, power: int) -> Fraction:
    """``sum((n 2**e) ** power)``, power being 1 or 2."""
    from fractions import Fraction

    base = int(exponents.min())
    shifts = exponents - base
    if power == 1:
        total = _grouped(integers, shifts, 1)
    else:
        high, low = integers >> _PIECE, integers & ((1 << _PIECE) - 1)
        total = (
            (_grouped(high * high, shifts, 2) << 2 * _PIECE)
            + (_grouped(high * low, shifts, 2) << _PIECE + 1)
            + _grouped(low * low, shifts, 2)
        )
    scale = power * base
    return Fraction(total << max(scale, 0), 1 << max(-scale, 0))


def _grouped(integers: Int64Array, shifts: Int64Array, step: int) -> int:
    """``sum(n 2**(step * shift))`` for integers below ``2**54`` in magnitude."""
    high = np.bincount(shifts, weights=integers >> _PIECE)
    low = np.bincount(shifts, weights=integers & ((1 << _PIECE) - 1))
    total = 0
    for shift in np.flatnonzero((high != 0) | (low != 0)).tolist():
        total += ((int(high[shift]) << _PIECE) + int(low[shift])) << step * shift
    return total

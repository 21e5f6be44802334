"""An array as its difference from another, counted in representable values.

The floating-point numbers of a format are numbered, in order, by integers: a sign-magnitude bit
pattern has the rank of its bits where the sign bit is clear; where it is set, all other bits are
flipped and the result is read as a two's complement integer.  Neighbouring numbers have
neighbouring ranks (-0 has rank -1, +0 rank 0).  Two results that differ by rounding alone have
small rank differences, which fit one byte where the value takes two to eight.  Differences wrap
modulo two to the width, so every pair of arrays, NaN payloads included, is reproduced exactly.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from conformance.cases.carrier import CARRIER, carry, patterns

Array = np.ndarray[Any, Any]

_WIDTHS: Final = ("<i1", "<i2", "<i4", "<i8")


def difference(actual: Array, expected: Array) -> Array:
    """``rank(actual) - rank(expected)`` in the narrowest integer type that holds all of it.

    Both arrays have the same shape and dtype.
    """
    ranks = _ranks(actual) - _ranks(expected)
    for width in _WIDTHS:
        limits = np.iinfo(width)
        if not ranks.size or (ranks.min() >= limits.min and ranks.max() <= limits.max):
            return ranks.astype(width)
    raise AssertionError("eight bytes hold every difference")


def displaced(expected: Array, differences: Array) -> Array:
    """The array whose `difference` from `expected` is `differences`."""
    return _from_ranks(_ranks(expected) + differences.astype("<i8"), expected.dtype)


def _ranks(array: Array) -> Array:
    if array.dtype.kind in "iub":
        return array.astype("<i8")
    bits = _patterns(array)
    positive = np.iinfo(bits.dtype).max
    return np.where(bits < 0, bits ^ positive, bits).astype("<i8")


def _patterns(array: Array) -> Array:
    """The bit patterns of floating-point numbers as signed integers."""
    if array.dtype == CARRIER:
        return patterns(array).view(np.int16)
    return np.ascontiguousarray(array).view(_signed(array.dtype))


def _signed(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(f"i{dtype.itemsize}").newbyteorder(dtype.byteorder)


def _from_ranks(ranks: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind in "iub":
        return ranks.astype(dtype)
    bits = ranks.astype(np.int16 if dtype == CARRIER else _signed(dtype))
    positive = np.iinfo(bits.dtype).max
    bits = np.where(bits < 0, bits ^ positive, bits).astype(bits.dtype)
    return carry(bits.view(np.uint16)) if dtype == CARRIER else bits.view(dtype)

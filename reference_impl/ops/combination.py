"""Linear combinations of arrays, correctly rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.certified import round_enclosed
from reference_impl.ops.formats import Format, widened

if TYPE_CHECKING:
    from fractions import Fraction

Array = NDArray[Any]

_UNIT: Final = 2.0**-53
_SMALLEST_FACTOR: Final = 2.0**-900
"""Below it the relative error of a factor as a float64 may exceed one unit."""


def combination(terms: Sequence[tuple[Fraction | float, Array]], format: Format) -> Array:
    """``sum_i c_i x_i``, each element the exact sum rounded once to `format`; a zero is +0.

    A term whose factor is 0 is left out, whatever its array holds.  Of NaN and infinities the sum
    is as IEEE 754 has it.

    Args:
        terms: at least one pair of a finite factor c_i and a floating-point array x_i; all arrays
            are of one shape.
        format: what to round to.
    """
    shape = terms[0][1].shape
    used = [(factor, widened(array)) for factor, array in terms if factor]
    value, radius = np.zeros(shape), np.zeros(shape)
    special = np.zeros(shape)
    with np.errstate(all="ignore"):
        for factor, array in used:
            product = float(factor) * array
            value, radius = value + product, radius + np.abs(product)
            special = special + np.where(np.isfinite(array), 0.0, product)
        # Each term meets the rounding of its factor, of its product and of len(used) additions,
        # and the sum of magnitudes as many: twice their number, and some, is ample.
        radius = radius * ((2 * len(used) + 8) * _UNIT) + len(used) * 2.0**-1073
        low, high = value - radius, value + radius
        if any(abs(float(factor)) < _SMALLEST_FACTOR for factor, _ in used):
            low, high = np.full(shape, -np.inf), np.full(shape, np.inf)
        unbounded = ~np.isfinite(value) | ~np.isfinite(radius)
        low, high = np.where(unbounded, -np.inf, low), np.where(unbounded, np.inf, high)
        is_special = ~np.isfinite(special)
        low, high = np.where(is_special, special, low), np.where(is_special, special, high)
    rounded = round_enclosed(low, high, format, _Resolver(used, format))
    return np.asarray(rounded + rounded.dtype.type(0))


class _Resolver:
    """The sum of the i-th elements, in fractions."""

    def __init__(self, terms: Sequence[tuple[Fraction | float, Array]], format: Format) -> None:
        from fractions import Fraction

        self._terms = [(Fraction(factor), array.reshape(-1)) for factor, array in terms]
        self._format = format

    def __call__(self, i: int) -> float:
        from fractions import Fraction

        from reference_impl.ops.rounding import round_fraction

        total = sum(
            (factor * Fraction(float(flat[i])) for factor, flat in self._terms), Fraction(0)
        )
        return round_fraction(total, self._format)

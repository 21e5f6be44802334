"""Sums of products known as enclosures, and exactly where asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_dyadic, round_float64

Float64Array = NDArray[np.float64]
Dyadics = list[tuple[int, int]]


@dataclass(frozen=True)
class Sums:
    """An array of exact real numbers, enclosed element by element.

    Attributes:
        low: float64, at most the exact value; equal to `high` where that is NaN or infinite.
        high: float64, at least the exact value.
        dyadics: gives the exact values ``n 2**e`` of some elements, by flat index in C order.
    """

    low: Float64Array
    high: Float64Array
    dyadics: Callable[[NDArray[np.intp]], Dyadics]

    @classmethod
    def of_array(cls, array: NDArray[Any]) -> Sums:
        """The elements of a floating-point array, as exact values."""
        values = np.asarray(array, np.float64)

        def dyadics(indices: NDArray[np.intp]) -> Dyadics:
            return [_dyadic(value) for value in values.reshape(-1)[indices].tolist()]

        return cls(values, values, dyadics)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.low.shape

    def exact(self, indices: NDArray[np.intp]) -> list[Fraction]:
        """The exact values at flat indices (C order); they must be finite."""
        return [Fraction(n) * Fraction(2) ** e for n, e in self.dyadics(indices)]

    def rounded(self, format: Format) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Each value rounded once to `format`, and where the enclosure does not decide it."""
        low, high = round_float64(self.low, format), round_float64(self.high, format)
        return low, uncertain(low, high)

    def exactly_rounded(self, indices: NDArray[np.intp], format: Format) -> NDArray[Any]:
        """The exact values at flat indices, rounded once to `format`."""
        values = [round_dyadic(n, e, format) for n, e in self.dyadics(indices)]
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(format.dtype)

    def moveaxis(self, source: int, destination: int) -> Sums:
        """The same values with one axis moved, as `numpy.moveaxis` does."""
        positions = np.arange(math.prod(self.shape)).reshape(self.shape)
        flat = np.moveaxis(positions, source, destination).reshape(-1)
        return replace(
            self,
            low=np.moveaxis(self.low, source, destination),
            high=np.moveaxis(self.high, source, destination),
            dyadics=lambda indices: self.dyadics(flat[indices]),
        )


def uncertain(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two arrays differ, in the sign of a zero too; NaN equals NaN."""
    differ = low != high
    differ |= (np.signbit(low) != np.signbit(high)) & (low == 0)
    differ &= ~(np.isnan(low) & np.isnan(high))
    return differ


def _dyadic(value: float) -> tuple[int, int]:
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()

"""The operands of a convolution as the source of its exact values.

For a chosen output the products are turned into float64 numbers with exactly the same sum, whose
first slice and rests nearly always decide the rounding (`leading_sum`); or into a few slices
(`exact_slices`).  Python's integers decide what remains: sums next to a midpoint of the format, and
operands so large or small that float64 does not hold the parts of their products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import Pair, two_product
from reference_impl.ops.dyadics import Dyadic, dot, row_totals, split
from reference_impl.ops.error_free import add, exact_slices, leading_sum, two_sum
from reference_impl.ops.formats import Format
from reference_impl.ops.geometry import Axes
from reference_impl.ops.rounding import round_dyadic, round_pairs
from reference_impl.ops.windows import gather_windows, pad

Array = NDArray[Any]
Float64Array = NDArray[np.float64]
Indices = NDArray[np.intp]

_CHUNK: Final = 1 << 16
"""Products that are added up at a time."""
_LARGEST: Final = 980
"""Highest exponent of an operand, or of a product, whose parts and slices stay below overflow."""
_SMALLEST: Final = -1074 + 2 * 53
"""Lowest exponent of a product of which no bit underflows."""


@dataclass(frozen=True, eq=False)
class Products:
    """The products of a convolution.

    Attributes:
        inputs: finite, ``(batch, *spatial, C)``, float32 or float64.
        matrix: the finite kernel as ``(K, F)``, likewise.
        bias: finite, ``(F,)``, or None.
        axes: the window geometry.
        short: whether float64 holds every product exactly.
    """

    inputs: Array
    matrix: Array
    bias: Array | None
    axes: Axes
    short: bool

    def dyadics(self, positions: Indices) -> list[Dyadic]:
        """The exact sums, bias included, at flat positions of ``(batch, *output, F)``."""
        totals: list[Dyadic] = []
        for _, x, w in self._operands(positions):
            safe = self._is_safe(x, w)
            sliced = iter(row_totals(self._slices(*_rows(safe, x, w))))
            pairs = zip(safe.tolist(), x, w, strict=True)
            totals += [next(sliced) if is_safe else dot(a, b) for is_safe, a, b in pairs]
        return totals

    def rounded(self, positions: Indices, format: Format) -> Float64Array:
        """The exact sums at flat positions, rounded once to `format`, as float64."""
        values = np.empty(len(positions))
        for rows, x, w in self._operands(positions):
            safe = self._is_safe(x, w)
            chunk = np.empty(len(x))
            chunk[safe] = self._rounded_rows(*_rows(safe, x, w), format)
            for i in np.flatnonzero(~safe):
                chunk[i] = round_dyadic(*dot(x[i], w[i]), format)
            values[rows] = chunk
        return values

    def pairs(self, positions: Indices) -> Pair:
        """The exact sums at flat positions within ``2**-105`` of themselves.

        A low part of 0 says that the high part is the sum; any other has the sign of the rest.
        """
        high, low = np.empty((2, len(positions)))
        for rows, x, w in self._operands(positions):
            safe = self._is_safe(x, w)
            parts = np.empty((2, len(x)))
            parts[:, safe] = _split_rows(self._slices(*_rows(safe, x, w)))
            for i in np.flatnonzero(~safe).tolist():
                parts[:, i] = split(dot(x[i], w[i]))
            high[rows], low[rows] = parts
        return Pair(high, low)

    def _operands(self, positions: Indices) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """Both factors of all products, ``(chunk, K)``; the bias is multiplied by one."""
        padded = pad(self.inputs, self.axes)
        products = len(self.matrix)
        step = max(_CHUNK // max(products, 1), 1)
        for start in range(0, len(positions), step):
            rows = slice(start, start + step)
            windows, filters = np.divmod(positions[rows], self.matrix.shape[1])
            x, w = np.empty((2, len(windows), products + (self.bias is not None)))
            x[:, :products] = gather_windows(padded, self.axes, windows)
            w[:, :products] = self.matrix[:, filters].T
            if self.bias is not None:
                x[:, products] = self.bias[filters]
                w[:, products] = 1.0
            yield rows, x, w

    def _is_safe(self, x: Float64Array, w: Float64Array) -> NDArray[np.bool_]:
        """Rows of which float64 holds all products as pairs, and can add them up."""
        if self.short:
            return np.ones(len(x), np.bool_)
        (x_low, x_high), (w_low, w_high) = _exponents(x), _exponents(w)
        safe: NDArray[np.bool_] = (x_low + w_low >= _SMALLEST) & (x_high + w_high <= _LARGEST)
        safe &= np.maximum(x_high, w_high) <= _LARGEST
        return safe

    def _slices(self, x: Float64Array, w: Float64Array) -> Float64Array:
        """A few numbers per row with exactly the sum of the row's products."""
        if self.short:
            return exact_slices(x * w)
        return exact_slices(np.concatenate(two_product(x, w), 1))

    def _rounded_rows(self, x: Float64Array, w: Float64Array, format: Format) -> Float64Array:
        """The exact sum of each row's products, rounded once to `format`."""
        parts = leading_sum(x * w) if self.short else leading_sum(*two_product(x, w))
        rounded, undecided = round_pairs(*parts, format)
        values = rounded.astype(np.float64)
        if undecided.any():
            rows = np.flatnonzero(undecided)
            for i, total in zip(rows, row_totals(self._slices(x[rows], w[rows])), strict=True):
                values[i] = round_dyadic(*total, format)
        return values


def _exponents(values: Float64Array) -> tuple[Indices, Indices]:
    """Per row, the lowest and the highest exponent of the numbers that are not zero.

    Rows of zeros count as ones.
    """
    magnitudes = np.abs(values)
    largest = magnitudes.max(1, initial=0.0)
    largest[largest == 0] = 1.0
    smallest = np.where(magnitudes == 0, largest[:, None], magnitudes).min(1, initial=np.inf)
    return np.frexp(np.minimum(smallest, largest))[1], np.frexp(largest)[1]


def _rows(
    chosen: NDArray[np.bool_], x: Float64Array, w: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Some rows of two arrays; these themselves where all are chosen."""
    return (x, w) if chosen.all() else (x[chosen], w[chosen])


def _split_rows(slices: Float64Array) -> Float64Array:
    """The exact sum of each row as a high and a low part: ``(2, rows)``.

    One pass of `two_sum` over the slices leaves the same sum in one part and small rests, whose sum
    by `add` is the low part, but for what its own rounding loses.
    """
    if not slices.size:
        return np.zeros((2, len(slices)))
    high, *others = slices.T
    rests = [np.zeros_like(high)]
    for term in others:
        high, rest = two_sum(high, term)
        rests.append(rest)
    rest, small, radius = add(rests)
    high, low = two_sum(high, rest)
    low, lost = two_sum(low, small)
    radius = radius + np.abs(lost)
    high, low = two_sum(high, low)
    told = (radius == 0) | ((radius <= np.abs(high) * 2.0**-105) & (radius < np.abs(low)))
    rows = np.flatnonzero(~told)
    for i, total in zip(rows.tolist(), row_totals(slices[rows]), strict=True):
        high[i], low[i] = split(total)
    return np.stack((high, low))

"""The activations that mix the elements of a row: softmax, log_softmax, sparsemax and glu.

They act along the last axis; `resolve` takes one row.  Each has two evaluations, as the
element-wise ones have: bounds in float64, and exact or arbitrarily precise arithmetic.

Rows with elements that are not finite are read as limits, element by element, NaN where there is
none.  For softmax, log_softmax and sparsemax:

* any NaN makes the whole row NaN;
* elements of minus infinity get nothing (0, or -inf in log_softmax), unless all are such;
* one element of plus infinity gets everything (1, or 0 in log_softmax) and the others nothing;
  how several share, or a row of minus infinities, is undetermined (NaN).

For glu: ``a sigmoid(b)`` is NaN where a is infinite and b minus infinity, and a zero of the sign of
a where only b is minus infinity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.activations.elementwise import SIGMOID
from reference_impl.ops.activations.enclosures import (
    MAX,
    TINY,
    UNIT,
    Bounded,
    Float64Array,
    blockwise,
)
from reference_impl.ops.double_double import Expansion, Pair
from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_fraction

if TYPE_CHECKING:
    from fractions import Fraction

    from reference_impl.ops.elementary import Decimals, Interval

_FAR = 800.0
"""A distance at which the exponential of its negative is below `TINY`."""


class Normalized:
    """A row activation of the family of softmax, with one value for each element.

    Attributes:
        axis: -1, the last one.
        commutes_with_rounding: False.
        nothing: the value of an element of minus infinity beside finite ones.
        everything: the value of an element that takes all; also the largest value.
    """

    axis: int | None = -1
    commutes_with_rounding = False
    nothing = 0.0
    everything = 1.0

    def enclose(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Bounds of every element over all rows between `low` and `high`."""
        if not low.size:
            return low.copy(), high.copy()
        matrix = (-1, low.shape[-1])
        lower, upper = blockwise(self._enclose, low.reshape(matrix), high.reshape(matrix))
        return lower.reshape(low.shape), upper.reshape(low.shape)

    def _enclose(self, low: Float64Array, high: Float64Array) -> Bounded:
        with np.errstate(all="ignore"):
            lower, upper = self._enclose_rows(low, high)
            regular = np.isfinite(low).all(-1) & np.isfinite(high).all(-1)
            for row in np.flatnonzero(~regular):
                lower[row], upper[row] = self._enclose_special(low[row], high[row])
        return lower, upper

    def expand(self, x: Pair) -> Expansion | None:
        """The values of rows of finite numbers in double-double arithmetic, if it has that form."""
        return None

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        """The values of one row, rounded once to `format`; floats are NaN and infinities."""
        numbers = [value for value in values if not isinstance(value, float)]
        special = [value for value in values if isinstance(value, float)]
        if special:
            shares = self._shares(np.array([x if isinstance(x, float) else 0.0 for x in values]))
            if shares is not None:
                return [float(share) for share in shares]
        resolved = iter(self._resolve(numbers, format))
        return [self.nothing if isinstance(x, float) else next(resolved) for x in values]

    def _shares(self, row: Float64Array) -> Float64Array | None:
        """The values of a row that NaN or infinities decide; None if finite elements do."""
        infinite = row == np.inf
        if np.isnan(row).any() or (row == -np.inf).all():
            return np.full(row.shape, np.nan)
        if not infinite.any():
            return None
        share = self.everything if np.count_nonzero(infinite) == 1 else np.nan
        return np.where(infinite, share, self.nothing)

    def _enclose_special(self, low: Float64Array, high: Float64Array) -> Bounded:
        """Bounds for one row with NaN, infinities, or numbers beyond the range of float64."""
        shares = self._shares(np.where((low == high) | np.isnan(low), low, 0.0))
        if shares is not None:
            return shares, shares
        kept = high > -np.inf
        lower = np.full(low.shape, self.nothing)
        upper = np.where(kept, self.everything, self.nothing)
        if np.isfinite(low[kept]).all() and np.isfinite(high[kept]).all():
            rows = self._enclose_rows(low[np.newaxis, kept], high[np.newaxis, kept])
            lower[kept], upper[kept] = rows[0][0], rows[1][0]
        return lower, upper

    def _enclose_rows(self, low: Float64Array, high: Float64Array) -> Bounded:
        """Bounds for rows of finite elements; others may get anything."""
        raise NotImplementedError

    def _resolve(self, values: list[Fraction], format: Format) -> list[float]:
        """The values of one row of finite elements."""
        raise NotImplementedError


class _Distances(NamedTuple):
    """Rows relative to one element each, the top one: ``x_i - x_top``, for which it is exactly 0.

    Attributes:
        low: lower bounds of the distances, except for one rounding.
        high: upper bounds, except for one rounding.
        top: where the top elements are.
    """

    low: Float64Array
    high: Float64Array
    top: NDArray[np.bool_]


def _distances(low: Float64Array, high: Float64Array) -> _Distances:
    """Differences from the element with the largest upper bound.

    What is computed depends on differences alone, so the uncertainty of the top element counts
    once, in the others, and not again in itself.
    """
    rows, width = low.shape
    index = high.argmax(-1)
    where = np.arange(0, rows * width, width) + index
    top = np.arange(width) == index[:, np.newaxis]
    above, below = high.reshape(-1)[where], low.reshape(-1)[where]
    return _Distances(
        np.where(top, 0.0, low - above[:, np.newaxis]),
        np.where(top, 0.0, high - below[:, np.newaxis]),
        top,
    )


def _exponentials(distances: _Distances) -> tuple[Float64Array, Float64Array]:
    """Bounds of ``exp(x_i - x_top)``: 16 units for `numpy.exp`, one of the distance for each."""
    low, high = np.maximum(distances.low, -_FAR), np.maximum(distances.high, -_FAR)
    lower = np.exp(low) * (1.0 - UNIT * (20.0 - 2.0 * low)) - TINY
    upper = np.exp(high) * (1.0 + UNIT * (20.0 + 2.0 * np.abs(high))) + TINY
    top = distances.top
    return np.where(top, 1.0, np.maximum(lower, 0.0)), np.where(top, 1.0, upper)


def _rest(
    exponentials: tuple[Float64Array, Float64Array], top: NDArray[np.bool_]
) -> tuple[Float64Array, Float64Array]:
    """Bounds of the sums of all but the top ones; n terms round n times at most."""
    slack = (top.shape[-1] + 2) * UNIT
    lower, upper = (np.where(top, 0.0, bound).sum(-1, keepdims=True) for bound in exponentials)
    return lower * (1.0 - slack), upper * (1.0 + slack)


class _Softmax(Normalized):
    """``exp(x_i) / sum_j exp(x_j)``."""

    def _enclose_rows(self, low: Float64Array, high: Float64Array) -> Bounded:
        distances = _distances(low, high)
        lower, upper = exponentials = _exponentials(distances)
        rest = _rest(exponentials, distances.top)
        lower = lower / (1.0 + rest[1]) * (1.0 - 4 * UNIT)
        return lower, upper / (1.0 + rest[0]) * (1.0 + 4 * UNIT)

    def expand(self, x: Pair) -> Expansion:
        from reference_impl.ops.activations.row_expansions import softmax

        return softmax(x)

    def _resolve(self, values: list[Fraction], format: Format) -> list[float]:
        from fractions import Fraction

        from reference_impl.ops.ziv import correctly_rounded_row

        top = max(values)
        if min(values) == top:
            # The only row with rational values (theorem of Lindemann and Weierstrass).
            return [round_fraction(Fraction(1, len(values)), format)] * len(values)

        def enclose(d: Decimals) -> list[Interval]:
            terms = [_exponential(d, value - top) for value in values]
            total = d.total(terms)
            return [d.divide(term, total) for term in terms]

        return correctly_rounded_row(enclose, format)


class _LogSoftmax(Normalized):
    """``x_i - ln(sum_j exp(x_j))``, as ``(x_i - x_top) - ln(1 + the other exponentials)``."""

    nothing = -math.inf
    everything = 0.0

    def _enclose_rows(self, low: Float64Array, high: Float64Array) -> Bounded:
        if low.shape[-1] == 1:
            return np.zeros_like(low), np.zeros_like(low)
        distances = _distances(low, high)
        rest = _rest(_exponentials(distances), distances.top)
        less, more = np.log1p(rest[0]), np.log1p(rest[1])
        lower, upper = distances.low - more, distances.high - less
        lower -= (np.abs(distances.low) + more) * (24 * UNIT) + TINY
        upper += (np.abs(distances.high) + less) * (24 * UNIT) + TINY
        return lower, np.minimum(upper, -0.0)

    def expand(self, x: Pair) -> Expansion:
        from reference_impl.ops.activations.row_expansions import log_softmax

        return log_softmax(x)

    def _resolve(self, values: list[Fraction], format: Format) -> list[float]:
        from reference_impl.ops.ziv import correctly_rounded_row

        if len(values) == 1:
            return [0.0]
        index = values.index(max(values))
        distances = [value - values[index] for value in values]

        def enclose(d: Decimals) -> list[Interval]:
            others = distances[:index] + distances[index + 1 :]
            logarithm = d.log1p(d.total(_exponential(d, x) for x in others))
            return [d.subtract(d.of(x), logarithm) for x in distances]

        return correctly_rounded_row(enclose, format)


def _exponential(d: Decimals, x: Fraction) -> Interval:
    """``exp(x)``, exactly where x is 0."""
    return d.exp(d.of(x)) if x else d.of(1)


class _Sparsemax(Normalized):
    """``max(x_i - tau, 0)`` with the tau for which these sum to 1 (Martins and Astudillo, 2016)."""

    def _enclose_rows(self, low: Float64Array, high: Float64Array) -> Bounded:
        """Bounds by an approximate tau and its residual.

        The sum ``g(tau)`` of the parts decreases with a slope of at least 1 wherever it is
        positive, so ``|tau' - tau| <= |g(tau') - 1|``; and if no element moves by more than r,
        neither does tau.  Elements more than 1 below the top one have no part.  Of bounds that
        leave the range of float64 nothing is known but that parts are between 0 and 1.
        """
        distances = _distances(low, high)
        low, high = (np.maximum(bound, -2.0) for bound in distances[:2])
        centre = 0.5 * (low + high)
        tau = _threshold(centre)
        total = np.maximum(centre - tau, 0.0).sum(-1, keepdims=True)
        error = np.abs(total - 1.0) + (low.shape[-1] + 4) * UNIT * total
        error += (high - low).max(-1, keepdims=True) + 16 * UNIT
        known = np.isfinite(error)
        lower = np.where(known, np.maximum(low - tau - error, 0.0), 0.0)
        return lower, np.where(known, np.maximum(high - tau + error, 0.0), 1.0)

    def _resolve(self, values: list[Fraction], format: Format) -> list[float]:
        tau = simplex_threshold(values)
        return [round_fraction(value - tau, format) if value > tau else 0.0 for value in values]


def simplex_threshold(values: Sequence[Fraction]) -> Fraction:
    """Tau of sparsemax: as in `_threshold`, of one row of exact numbers."""
    first, *others = sorted(values, reverse=True)
    total, count = first, 1
    for value in others:
        if 1 + count * value <= total:
            break
        total += value
        count += 1
    return (total - 1) / count


def _threshold(rows: Float64Array) -> Float64Array:
    """Tau of sparsemax in plain float64, one column.

    With the elements in descending order and their sums S_k, the support has the largest k with
    ``1 + k x_k > S_k``, and ``tau = (S_k - 1) / k``.  That holds for k = 1, even where the 1 is
    lost beside the element.
    """
    ordered = -np.sort(-rows, axis=-1)
    sums = np.cumsum(ordered, axis=-1)
    counts = np.arange(1.0, rows.shape[-1] + 1.0)
    counted = np.count_nonzero(1.0 + counts * ordered > sums, axis=-1, keepdims=True)
    support = np.maximum(counted, 1)
    chosen = np.take_along_axis(sums, support - 1, -1)
    threshold: Float64Array = (chosen - 1.0) / support
    return threshold


class _GatedLinear:
    """``a sigmoid(b)`` for the first half a and the second half b of the last axis.

    Attributes:
        axis: -1, the last one.
        commutes_with_rounding: False.
    """

    axis: int | None = -1
    commutes_with_rounding = False

    def enclose(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Bounds of the gated half; the last axis is halved."""
        half = _half(low.shape[-1])
        shape = (*low.shape[:-1], half)
        if not low.size:
            return np.empty(shape), np.empty(shape)
        matrix = (-1, low.shape[-1])
        lower, upper = blockwise(self._enclose, low.reshape(matrix), high.reshape(matrix))
        return lower.reshape(shape), upper.reshape(shape)

    def _enclose(self, low: Float64Array, high: Float64Array) -> Bounded:
        half = low.shape[1] // 2
        b = low[:, half:], high[:, half:]
        # Adding zero turns -0 into +0.
        a = low[:, :half] + 0.0, high[:, :half] + 0.0
        with np.errstate(all="ignore"):
            bounds = _gated(a, SIGMOID.enclose(*b))
            if np.isfinite(low).all() and np.isfinite(high).all():
                return bounds
            return _gated_special(a, b, bounds)

    def expand(self, x: Pair) -> Expansion:
        """The gated halves of rows of finite numbers in double-double arithmetic."""
        from reference_impl.ops.activations.row_expansions import glu

        return glu(x)

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        """The values of one row, rounded once to `format`; floats are NaN and infinities."""
        half = len(values) // 2
        return [self._resolve(*pair, format) for pair in zip(values, values[half:], strict=False)]

    def _resolve(self, a: Fraction | float, b: Fraction | float, format: Format) -> float:
        if isinstance(a, float):
            return math.nan if b == -math.inf or (isinstance(b, float) and math.isnan(b)) else a
        if isinstance(b, float):
            limit = round_fraction(a, format) if b > 0 else math.nan
            return limit if b != -math.inf else (-0.0 if a < 0 else 0.0)
        if not a or not b:
            return round_fraction(a / 2, format)
        from reference_impl.ops.ziv import correctly_rounded

        return correctly_rounded(lambda d: d.multiply(d.of(a), d.sigmoid(d.of(b))), format)


def _half(length: int) -> int:
    """Half the length of the axis that glu splits.

    Raises:
        ValueError: if it is odd.
    """
    if length % 2:
        raise ValueError(
            f"glu: argument `x` has {length} elements along its axis; expected an even number"
        )
    return length // 2


def _gated(a: Bounded, gate: Bounded) -> Bounded:
    """Bounds of a product with a factor that is not negative, held on the side of zero of a."""
    low, high = np.clip(a[0], -MAX, MAX), np.clip(a[1], -MAX, MAX)
    lower = low * np.where(low < 0, gate[1], gate[0])
    upper = high * np.where(high < 0, gate[0], gate[1])
    lower = lower - np.abs(lower) * (2 * UNIT) - TINY
    upper = upper + np.abs(upper) * (2 * UNIT) + TINY
    lower = np.where(low < 0, lower, np.maximum(lower, 0.0))
    return lower, np.where(high < 0, np.minimum(upper, -0.0), upper)


def _gated_special(a: Bounded, b: Bounded, product: Bounded) -> Bounded:
    """The bounds of `_gated` with NaN, infinities, and numbers beyond the range of float64."""
    missing = (
        np.isnan(a[0]) | np.isnan(b[0]) | (np.isinf(a[0]) & (a[0] == a[1]) & (b[1] == -np.inf))
    )
    lower = np.where(a[0] == -np.inf, -np.inf, product[0])
    lower = np.where(a[0] == np.inf, np.inf, lower)
    upper = np.where(a[1] == np.inf, np.inf, product[1])
    upper = np.where(a[1] == -np.inf, -np.inf, upper)
    return np.where(missing, np.nan, lower), np.where(missing, np.nan, upper)


SOFTMAX: Final = _Softmax()
LOG_SOFTMAX: Final = _LogSoftmax()
SPARSEMAX: Final = _Sparsemax()
GLU: Final = _GatedLinear()

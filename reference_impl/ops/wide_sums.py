"""Sums of products of float64 operands, bounded to about twice the precision of float64.

The scheme of K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication, Numerical Algorithms 59 (2012),
with the convolution in place of the matrix product.  The operands are cut into slices and
rests (`slices`), and ``x w`` is the sum over i of

    x_i (w_0 + ... + w_(s-2-i) + r_(s-1-i)).

Products of two slices are multiples of one grid, and level ``i + j`` is the sum of all that are on
the same: with ``2 b <= 53 - log2(2 K)`` the K products of two slices stay up to ``2**52`` times the
grid, and two such sums up to ``2**53`` times (of two slices alone see `_cuts`); so a level is
computed without error, in any order of summation.  The last level alone is rounded, its products
being those with a rest r; they are smaller than the result by about ``2**(-b (s - 1))``, and so is
their error, which is bounded as in `narrow_sums`.

The first level that is not empty is a multiple of the last place of the second, as
`two_sum_of_multiple` asks: its grid is coarser by ``2**(b + 1)`` at least than that of an exact
level, whose sums are up to ``2**53`` times its own; and each product on the last level is at most
half of ``2**b`` times the grid of the level before it, so that the up to ``3 K`` of them stay below
``2**(53 - b)`` times that grid.

Every slice is cut relative to the largest magnitude of its example (x) or its filter (w).
Magnitudes near the ends of the exponent range are scaled by a power of two first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.columns import blocks_of_columns
from reference_impl.ops.contraction import add_product, most_rows
from reference_impl.ops.double_double import Pair
from reference_impl.ops.dyadics import Dyadic
from reference_impl.ops.error_free import two_sum, two_sum_of_multiple
from reference_impl.ops.formats import FLOAT64, Format
from reference_impl.ops.geometry import Axes
from reference_impl.ops.narrow_sums import norms_of_columns, norms_of_windows
from reference_impl.ops.products import Products
from reference_impl.ops.rounding import round_float64, round_into, times_power_of_two
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.slices import Exponents, KernelSlices, Slicing, largest_magnitude
from reference_impl.ops.sums import Matrix, as_matrix, parts

Float64Array = NDArray[np.float64]

_UNIT: Final = 2.0**-53
_SLACK: Final = 1.0 + 2.0**-10
_LOST: Final = 128 * _UNIT**2
_ORDINARY: Final = 300
"""Magnitudes between ``2**-300`` and ``2**300`` are not scaled: no square of theirs overflows, no
product of two slices underflows."""
_SPREAD: Final = 100
"""Examples and filters are cut relative to their own largest magnitude, but as if it were at least
``2**-100`` of the largest of all."""
FEW: Final = 160
"""Up to this many products two slices may suffice: more elements remain undecided, but these are
few and their exact sums short (see `_cuts`)."""
_VERY_FEW: Final = 32
"""Up to this many it does not pay to compute the norms of the rests."""
_MOST_BITS: Final = 26


@dataclass(frozen=True, eq=False)
class WideSums:
    """An `Enclosure` of exact sums s: ``|s 2**-exponent - sum of levels - bias| <= radius``.

    Attributes:
        inputs: the slices of x and their numbers; zeros are left out.
        kernel: the slices of w.
        bias: scaled, ``(F,)``; zero where that overflows.
        unknown: ``(F,)``: where the scaled bias overflows; None: nowhere.
        rows: ``(M, count + 2)``, columns: ``(count + 2, F)``: factors of the radius; the first
            `count` belong to the products of each slice of x with a rest of w.
        exponent: of the scale.
        products: the source of exact values.
    """

    inputs: Sequence[tuple[int, Float64Array]]
    kernel: KernelSlices
    bias: Float64Array | None
    unknown: NDArray[np.bool_] | None
    rows: Float64Array
    columns: Float64Array
    exponent: int
    products: Products

    def _parts(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """Some rows, and numbers not above and not below their exact sums rounded to 53 bits.

        Those are without the scale.
        """
        levels = _Levels(self.kernel)
        for block, columns in self._columns():
            sums, rounded = levels.compute(columns)
            radii = self._radii(sums, rounded)
            for rows, part in parts(block, self.columns.shape[1]):
                radius = self.rows[rows] @ radii
                yield rows, *self._enclose([level[part] for level in sums], radius)

    def _columns(self) -> Iterator[tuple[slice, list[tuple[int, Float64Array]]]]:
        """Some windows, as the columns of every slice."""
        axes, most = self.products.axes, most_rows(self.columns.shape[1])
        numbers = [number for number, _ in self.inputs]
        blocks = (blocks_of_columns(part, axes, most=most) for _, part in self.inputs)
        for together in zip(*blocks, strict=True):
            rows = together[0][0]
            yield rows, [(i, columns) for i, (_, columns) in zip(numbers, together, strict=True)]

    def _radii(self, sums: Sequence[Float64Array], rounded: Collection[int]) -> Float64Array:
        """`columns`, but zeros for products that do not occur, and if all sums are exact."""
        radii = self.columns.copy()
        radii[[i for i in range(len(radii) - 2) if i not in rounded]] = 0.0
        terms = len(sums) + (self.bias is not None)
        if not self.exponent and not rounded and terms <= 2:
            radii[:] = 0.0
        return radii

    def _enclose(
        self, levels: Sequence[Float64Array], radius: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Numbers not above and not below the exact sums rounded to 53 bits; overwrites `levels`.

        A sum is held as ``high + low``: `two_sum` keeps the errors of the large additions in low.
        Rounding being monotonic, ``high + (low -+ radius)`` are such numbers, if the radius
        covers what was lost in low (see `_radius`).
        """
        high, *others = levels
        if others:
            high, low = two_sum_of_multiple(high, others[0])
        else:
            low = np.zeros_like(high)
        for level in others[1:]:
            low += level
        if self.bias is not None:
            high, error = two_sum(high, self.bias)
            low += error
        if self.unknown is not None:
            radius[:, self.unknown] = np.inf
        below = low - radius
        low += radius
        below += high
        low += high
        return below, low

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """Bounds of the exact sum: one float64 beyond those of the rounded one, and scaled."""
        for rows, *enclosed in self._parts():
            below, above = (times_power_of_two(bound, self.exponent) for bound in enclosed)
            yield rows, np.nextafter(below, -np.inf), np.nextafter(above, np.inf)

    def rounded(self, format: Format, below: Matrix) -> Iterator[tuple[slice, Matrix]]:
        """Numbers of `format` between which the rounded sum lies.

        Scaling keeps the bounds of the sum rounded to 53 bits, or overflows, rightly.  But in the
        subnormal range it would round a second time; there the neighbours, which are bounds of
        the exact sum, are scaled and thereby rounded once.
        """
        for rows, low, high in self._scaled_parts() if format == FLOAT64 else self.bounds():
            round_into(below[rows], low, format)
            yield rows, round_float64(high, format)

    def _scaled_parts(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        if not self.exponent:
            yield from self._parts()
            return
        smallest_normal = math.ldexp(1.0, min(-1022 - self.exponent, 1023))
        for rows, below, above in self._parts():
            subnormal = (np.abs(below) < smallest_normal) | (np.abs(above) < smallest_normal)
            below[subnormal] = np.nextafter(below[subnormal], -np.inf)
            above[subnormal] = np.nextafter(above[subnormal], np.inf)
            low, high = (times_power_of_two(bound, self.exponent) for bound in (below, above))
            yield rows, low, high

    def closer(self) -> None:
        """There are no closer ones."""

    def exact_values(self) -> Float64Array | None:
        """None: where all slices with a rest are zero, the radius is zero already."""
        return None

    def dyadics(self, positions: NDArray[np.intp]) -> list[Dyadic]:
        """The exact sums at flat positions."""
        return self.products.dyadics(positions)

    def pairs(self, positions: NDArray[np.intp]) -> Pair:
        """The exact sums at flat positions within ``2**-105`` of themselves."""
        return self.products.pairs(positions)

    def exactly_rounded(self, positions: NDArray[np.intp], format: Format) -> Float64Array:
        """The exact sums at flat positions, rounded once."""
        return self.products.rounded(positions, format)


class _Levels:
    """Sums of products of slices by level, for one block of windows after the other."""

    def __init__(self, kernel: KernelSlices) -> None:
        self._kernel = kernel
        self._last = kernel.slicing.count - 1
        self._memory = [Scratch() for _ in range(self._last + 1)]
        self._scratch = Scratch()

    def compute(
        self, columns: Sequence[tuple[int, Float64Array]]
    ) -> tuple[list[Float64Array], set[int]]:
        """The sums of the levels that have any, and the slices of x that met a rest of w.

        The next call overwrites the sums.

        Args:
            columns: the numbers of slices of x, and some windows of them.
        """
        shape = (len(columns[0][1]), self._kernel.filters)
        sums: dict[int, Float64Array] = {}
        rounded: set[int] = set()
        for piece, factors in self._kernel:
            for i, x in columns:
                for level, factor in factors[i]:
                    scratch = self._scratch if level in sums else None
                    out = sums.setdefault(level, self._memory[level].array(*shape))
                    add_product(x[:, piece], factor, out, scratch)
                rounded |= {i for level, _ in factors[i] if level == self._last}
        return [sums[level] for level in sorted(sums)] or [np.zeros(shape)], rounded


def _scale_exponents(x: Float64Array, w: Float64Array) -> tuple[int, int]:
    """The exponents of the largest of some magnitudes, or zeros where both are ordinary.

    Both operands are scaled or none: what underflows in one is then multiplied by less than one.
    """
    x_exponent, w_exponent = (math.frexp(float(a.max(initial=0.0)))[1] for a in (x, w))
    ordinary = max(abs(x_exponent), abs(w_exponent)) <= _ORDINARY
    return (0, 0) if ordinary else (x_exponent, w_exponent)


def wide_sums(
    inputs: Float64Array,
    kernel: Float64Array,
    bias: Float64Array | None = None,
    *,
    axes: Axes,
) -> WideSums:
    """The convolution of finite float64 arrays.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        axes: the window geometry.
    """
    matrix = as_matrix(kernel)
    of_examples = largest_magnitude(inputs, tuple(range(1, inputs.ndim)))
    of_filters = largest_magnitude(matrix, (0,))
    x_exponent, w_exponent = _scale_exponents(of_examples, of_filters)
    exponent = x_exponent + w_exponent
    x = times_power_of_two(inputs, -x_exponent)
    w = times_power_of_two(matrix, -w_exponent)
    x_norms, w_norms = _norms_of_windows(x, axes, len(w)), _norms_of_columns(w)
    x_tops = _tops(times_power_of_two(of_examples, -x_exponent))
    w_tops = _tops(times_power_of_two(of_filters, -w_exponent))
    per_window = (-1, *(1,) * len(axes))
    relative = np.ldexp(x_norms, -x_tops.reshape(per_window)), np.ldexp(w_norms, -w_tops)
    bits, count = _cuts(len(w), *(float(norms.max(initial=0.0)) for norms in relative))
    x_slicing, w_slicing = Slicing(x_tops, bits, count), Slicing(w_tops, bits, count)
    scaled_bias, unknown = _scale_bias(bias, exponent)
    slices, factors = x_slicing.slices(x), KernelSlices(w, w_slicing)
    root = math.sqrt(len(w))
    x_limits = [limit.reshape(per_window) for limit in x_slicing.limits]
    x_rests = [np.minimum(x_norms, root * limit) for limit in x_limits]
    w_rests = [np.minimum(w_norms, root * limit[0]) for limit in w_slicing.limits]
    if count == 2 and len(w) > _VERY_FEW:
        for number, rest in slices[1:]:
            x_rests[number] = _norms_of_windows(rest, axes, len(w))
        w_rests[1] = _norms_of_columns(w_slicing.cut(w, w_slicing.memory())[1][1])
    rows, columns = _radius(len(w), x_rests, w_rests, x_norms, w_norms, factors.roundings)
    if scaled_bias is not None:
        columns[-1] += np.abs(scaled_bias) * _LOST
    products = Products(inputs, matrix, bias, axes, short=False)
    return WideSums(slices, factors, scaled_bias, unknown, rows, columns, exponent, products)


def _tops(largest: Float64Array) -> Exponents:
    """The exponents of largest magnitudes, within `_SPREAD`."""
    exponents: Exponents
    _, exponents = np.frexp(np.maximum(largest, largest.max(initial=0.0) * 2.0**-_SPREAD))
    return exponents


def _norms_of_windows(x: Float64Array, axes: Axes, products: int) -> Float64Array:
    """Norms of windows of K products, no smaller: squares below ``2**-1074`` vanish."""
    return norms_of_windows(x, axes) + math.sqrt(products) * 2.0**-537


def _norms_of_columns(w: Float64Array) -> Float64Array:
    """The same of the filters."""
    return norms_of_columns(w) + math.sqrt(len(w)) * 2.0**-537


def _cuts(products: int, x_norm: float, w_norm: float) -> tuple[int, int]:
    """The bits of a slice, and the number of slices: b and s.

    Of two slices only the product of the first ones is on an exact level.  Its sums stay up to
    ``2**53`` times the grid if ``2 b <= 53 - log2(A)``, A being the product of their norms, which
    is smaller than K where not all numbers are as large; a first slice is its number less a rest.
    Sums on the last level are up to ``K 2**b < 2**53`` times that grid, which is thus a multiple of
    their last place.

    With b more bits a fraction of about ``3 K**2 2**-b`` remains undecided.  Its exact sums take
    as long as what two slices save where that is one of 150.

    Args:
        products: K.
        x_norm: the largest norm of a window, in units of its ``2**top``.
        w_norm: that of a filter.
    """
    bits = (53 - max(2 * products - 1, 1).bit_length()) // 2
    if products > FEW:
        return bits, 3
    rest = math.sqrt(products) * 2.0 ** -(bits + 1)
    most = (x_norm + rest) * (w_norm + rest) * _SLACK
    more = max(bits, min((53 - math.frexp(most)[1]) // 2, _MOST_BITS))
    return (more, 2) if products**2 <= 2 ** (more - 9) else (bits, 3)


def _radius(
    products: int,
    x_rests: Sequence[Float64Array],
    w_rests: Sequence[Float64Array],
    x_norms: Float64Array,
    w_norms: Float64Array,
    roundings: int,
) -> tuple[Float64Array, Float64Array]:
    """Factors of the error bound: one for each slice of x, one for both operands, one constant.

    The products with a rest are wrong by at most ``n u G``, G being the sum over i of
    ``|x_i| |r_(s-1-i)|`` by norms, and n the number of roundings.  Norms of rests are bounded by
    the operand's own norm, which is smaller where that has few significant bits, and by
    ``sqrt(K)`` times the largest possible magnitude; and ``|x_i| <= |r_i| + |r_(i+1)|``.

    What `WideSums` adds up in its low part is, in magnitude, at most G (the last level) plus the
    errors of two additions, each ``u`` times a sum: ``u 16 A`` and ``u (17 A + |b|)`` with A the
    product of the operands' norms, since no slice is more than twice its number.
    Three operations round this low part, which costs at most ``3 u (G + 33 u A + u |b|)``.
    """
    following = [*x_rests[1:], np.zeros_like(x_norms)]
    rows = [rest + after for rest, after in zip(x_rests, following, strict=True)]
    columns = reversed(w_rests)
    factor = (roundings + 7) * _UNIT * _SLACK
    scaled = [column * factor for column in columns]
    constant = np.full_like(w_norms, (8 * products + 8) * 2.0**-1074)
    return (
        np.stack([row.reshape(-1) for row in (*rows, x_norms, np.ones_like(x_norms))], 1),
        np.stack((*scaled, w_norms * _LOST, constant)),
    )


def _scale_bias(
    bias: Float64Array | None, exponent: int
) -> tuple[Float64Array | None, NDArray[np.bool_] | None]:
    """``bias 2**-exponent``, and where that overflows; what underflows is less than a quantum."""
    if bias is None:
        return None, None
    if not exponent:
        return bias + 0.0, None
    scaled = times_power_of_two(bias, -exponent) + 0.0
    unknown = ~np.isfinite(scaled)
    if not unknown.any():
        return scaled, None
    scaled[unknown] = 0.0
    return scaled, unknown

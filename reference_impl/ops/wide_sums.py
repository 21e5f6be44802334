"""Sums of products of float64 operands, bounded to about twice the precision of float64.

The scheme of K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, Error-free transformations of matrix
multiplication by using fast routines of matrix multiplication, Numerical Algorithms 59 (2012),
with the convolution in place of the matrix product.  The operands are cut into slices,

    x = x_0 + ... + x_(s-1),    w = w_0 + ... + w_(s-1),

of b bits each but for the last ones, which hold the rest.  Then ``x w`` is the sum over i of

    x_i (w_0 + ... + w_(s-2-i) + r_(s-1-i)),    r_j = w - w_0 - ... - w_(j-1).

All products of two slices are multiples of one grid; with ``2 b <= 53 - log2(2 K)`` the sum of the
K products stays below 2**53 times the grid, and so do two such sums: level i + j of the slices is
computed without error, in any order of summation.  Only the products with a rest r are rounded;
they are smaller than the result by about ``2**(-b (s - 1))``, and so is their error, which is
bounded as in `narrow_sums`.

Every slice is cut relative to the largest magnitude of its example (x) or its filter (w).
Magnitudes near the ends of the exponent range are scaled by a power of two first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.contraction import additions, contract
from reference_impl.ops.dyadics import Dyadic
from reference_impl.ops.error_free import round_to_grid, two_sum
from reference_impl.ops.formats import FLOAT64, Format
from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.narrow_sums import norms_of_windows
from reference_impl.ops.products import Products
from reference_impl.ops.rounding import round_float64, times_power_of_two
from reference_impl.ops.windows import output_shape, pad

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
_FEW: Final = 32
"""Up to this many products two slices suffice: more elements remain undecided, but these are few
and their exact sums short."""


@dataclass(frozen=True, eq=False)
class WideSums:
    """An `Enclosure` of the exact sums s: ``|s 2**-exponent - sum of levels - bias| <= radius``.

    Attributes:
        levels: the convolutions of the slices, ``(M, F)`` each, by level.
        bias: scaled, ``(F,)``; zero where that overflows.
        unknown: ``(F,)``: where the scaled bias overflows; None: nowhere.
        rows: ``(M, k)``, columns: ``(k, F)``: factors of the radius.
        exponent: of the scale.
        products: the source of exact values.
    """

    levels: tuple[tuple[Float64Array, ...], ...]
    bias: Float64Array | None
    unknown: NDArray[np.bool_] | None
    rows: Float64Array
    columns: Float64Array
    exponent: int
    products: Products

    def _enclose(self, rows: slice) -> tuple[Float64Array, Float64Array]:
        """Numbers not above and not below the exact sum rounded to 53 bits, without the scale.

        The sum is held as ``high + low``: `two_sum` keeps the errors of the large additions in
        low.  Rounding being monotonic, ``high + (low -+ radius)`` are such numbers, if the radius
        covers what was lost in low (see `_radius`).
        """
        high, *others = (_sum_of(level, rows) for level in self.levels)
        low = np.zeros_like(high)
        if others:
            high, low = two_sum(high, others[0])
        for level in others[1:]:
            low += level
        if self.bias is not None:
            high, error = two_sum(high, self.bias)
            low += error
        radius = self.rows[rows] @ self.columns
        if self.unknown is not None:
            radius[:, self.unknown] = np.inf
        below = low - radius
        low += radius
        below += high
        low += high
        return below, low

    def bounds(self, rows: slice) -> tuple[Float64Array, Float64Array]:
        """Bounds of the exact sum: one float64 beyond those of the rounded one, and scaled."""
        below, above = (times_power_of_two(b, self.exponent) for b in self._enclose(rows))
        return np.nextafter(below, -np.inf), np.nextafter(above, np.inf)

    def rounded(self, rows: slice, format: Format) -> tuple[NDArray[Any], NDArray[Any]]:
        """Numbers of `format` between which the rounded sum lies.

        Scaling keeps the bounds of the sum rounded to 53 bits, or overflows, rightly.  But in the
        subnormal range it would round a second time; there the neighbours, which are bounds of
        the exact sum, are scaled and thereby rounded once.
        """
        if format != FLOAT64:
            low, high = self.bounds(rows)
            return round_float64(low, format), round_float64(high, format)
        below, above = self._enclose(rows)
        if not self.exponent:
            return below, above
        smallest_normal = math.ldexp(1.0, min(-1022 - self.exponent, 1023))
        subnormal = (np.abs(below) < smallest_normal) | (np.abs(above) < smallest_normal)
        below[subnormal] = np.nextafter(below[subnormal], -np.inf)
        above[subnormal] = np.nextafter(above[subnormal], np.inf)
        return (
            times_power_of_two(below, self.exponent),
            times_power_of_two(above, self.exponent),
        )

    def exact_values(self) -> Float64Array | None:
        """None: where all slices with a rest are zero, the radius is zero already."""
        return None

    def dyadics(self, positions: NDArray[np.intp]) -> list[Dyadic]:
        """The exact sums at flat positions."""
        return self.products.dyadics(positions)

    def exactly_rounded(self, positions: NDArray[np.intp], format: Format) -> Float64Array:
        """The exact sums at flat positions, rounded once."""
        return self.products.rounded(positions, format)


def _sum_of(parts: Sequence[Float64Array], rows: slice) -> Float64Array:
    """The sum of some rows of equally shaped matrices."""
    total = parts[0][rows]
    for part in parts[1:]:
        total = total + part[rows]
    return total


@dataclass(frozen=True, eq=False)
class _Slices:
    """Slices of one operand, and what each leaves.

    Attributes:
        pieces: the slices; the last one is what all others left.
        rests: ``rests[j]``: the operand without its first j slices.
        limits: ``limits[j]``: per example or filter, the largest possible magnitude of `rests[j]`.
    """

    pieces: list[Float64Array]
    rests: list[Float64Array]
    limits: list[Float64Array]


def _slice(values: Float64Array, axes: tuple[int, ...], bits: int, count: int) -> _Slices:
    """Cut into `count` slices relative to the largest magnitude over `axes`.

    A rest is at most half the grid of the slice before it, and so its slice on a grid finer by
    ``bits + 1`` has at most `bits` bits.
    """
    largest = np.abs(values).max(axes, initial=0.0, keepdims=True)
    top = np.frexp(np.maximum(largest, largest.max(initial=0.0) * 2.0**-_SPREAD))[1]
    pieces, rests, limits = [], [values], [np.ldexp(1.0, top)]
    grid = top - bits
    for _ in range(count - 1):
        piece = round_to_grid(rests[-1], grid)
        pieces.append(piece)
        rests.append(rests[-1] - piece)
        limits.append(np.ldexp(0.5, grid))
        grid = grid - bits - 1
    return _Slices([*pieces, rests[-1]], rests, limits)


def _scale_exponents(x: Float64Array, w: Float64Array) -> tuple[int, int]:
    """The exponents of the largest magnitudes, or zeros where both are ordinary.

    Both operands are scaled or none: what underflows in one is then multiplied by less than one.
    """
    largest = (float(np.abs(a).max(initial=0.0)) for a in (x, w))
    x_exponent, w_exponent = (math.frexp(magnitude)[1] for magnitude in largest)
    ordinary = max(abs(x_exponent), abs(w_exponent)) <= _ORDINARY
    return (0, 0) if ordinary else (x_exponent, w_exponent)


def wide_sums(
    inputs: Float64Array,
    kernel: Float64Array,
    bias: Float64Array | None = None,
    *,
    axes: Sequence[WindowAxis],
) -> WideSums:
    """The convolution of finite float64 arrays.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        axes: the window geometry.
    """
    filters = kernel.shape[-1]
    matrix = kernel.reshape(math.prod(kernel.shape[:-1]), filters)
    products = Products(pad(inputs, axes), matrix, bias, axes, short=False)
    x_exponent, w_exponent = _scale_exponents(inputs, matrix)
    exponent = x_exponent + w_exponent
    count = 2 if len(matrix) <= _FEW else 3
    bits = (53 - max(2 * len(matrix) - 1, 1).bit_length()) // 2
    x = times_power_of_two(inputs, -x_exponent)
    w = times_power_of_two(matrix, -w_exponent)
    x_slices = _slice(x, tuple(range(1, x.ndim)), bits, count)
    w_slices = _slice(w, (0,), bits, count)
    levels, rounded = _levels(x_slices, w_slices, kernel.shape, axes)
    scaled_bias, unknown = _scale_bias(bias, exponent)
    exact = not exponent and not rounded and len(levels) + (bias is not None) <= 2
    rows, columns = _radius(x_slices, w_slices, rounded, axes)
    columns[-1] = (8 * len(matrix) + 8) * 2.0**-1074
    if scaled_bias is not None:
        columns[-1] += np.abs(scaled_bias) * _LOST
    if exact:
        columns[:] = 0.0
    return WideSums(levels, scaled_bias, unknown, rows, columns, exponent, products)


def _levels(
    x: _Slices, w: _Slices, kernel_shape: tuple[int, ...], axes: Sequence[WindowAxis]
) -> tuple[tuple[tuple[Float64Array, ...], ...], list[int]]:
    """The convolutions of the slices by level, and the slices of x that met a rest of w.

    Factors of zero are left out.
    """
    count = len(x.pieces)
    levels: list[list[Float64Array]] = [[] for _ in range(count)]
    rounded = []
    for i, piece in enumerate(x.pieces):
        last = count - 1 - i
        factors = {i + j: w.pieces[j] for j in range(last)} | {count - 1: w.rests[last]}
        factors = {level: factor for level, factor in factors.items() if factor.any()}
        if factors and piece.any():
            parts = _contract_all(pad(piece, axes), list(factors.values()), kernel_shape, axes)
            for level, part in zip(factors, parts, strict=True):
                levels[level].append(part)
            rounded += [i] if count - 1 in factors else []
    windows = math.prod((len(x.rests[0]), *output_shape(axes)))
    filled = tuple(tuple(parts) for parts in levels if parts)
    return filled or ((np.zeros((windows, kernel_shape[-1])),),), rounded


def _contract_all(
    padded: Float64Array,
    matrices: Sequence[Float64Array],
    kernel_shape: tuple[int, ...],
    axes: Sequence[WindowAxis],
) -> list[Float64Array]:
    """The convolutions of one array with several kernels, as ``(M, F)`` matrices.

    The kernels stand side by side as one, so that the windows are copied once, unless there are
    so few windows that the kernels are the larger part.
    """
    window, filters = kernel_shape[:-1], kernel_shape[-1]
    windows = len(padded) * math.prod(output_shape(axes))
    if windows > filters:
        matrices = [np.concatenate(matrices, 1)]
    wide = (
        contract(padded, matrix.reshape(*window, matrix.shape[1]), axes, short_sums=True)
        for matrix in matrices
    )
    flat = [part.reshape(windows, part.shape[-1]) for part in wide]
    return [part[:, i : i + filters] for part in flat for i in range(0, part.shape[1], filters)]


def _radius(
    x: _Slices, w: _Slices, rounded: Sequence[int], axes: Sequence[WindowAxis]
) -> tuple[Float64Array, Float64Array]:
    """Factors of the error bound; the last row of the columns is left for a constant.

    The convolutions with a rest are wrong by at most ``n u G``, G being the sum over i of
    ``|x_i| |r_(s-1-i)|`` by norms, and n the number of roundings.  Norms of rests are bounded by
    the operand's own norm, which is smaller where that has few significant bits, and by
    ``sqrt(K)`` times the largest possible magnitude; and ``|x_i| <= |r_i| + |r_(i+1)|``.  Squares
    below ``2**-1074`` vanish: hence the term `vanished`.

    What `WideSums` adds up in its low part is, in magnitude, at most G (the last level) plus the
    errors of two additions, each ``u`` times a sum: ``u 16 A`` and ``u (17 A + |b|)`` with A the
    product of the operands' norms, since no slice is more than twice its number.
    Three operations round this low part, which costs at most ``3 u (G + 33 u A + u |b|)``.
    """
    count, products = len(x.pieces), len(w.rests[0])
    root = math.sqrt(products)
    vanished = root * 2.0**-537
    x_norms = norms_of_windows(x.rests[0], axes) + vanished
    w_norms = np.sqrt(np.einsum("kf,kf->f", w.rests[0], w.rests[0])) + vanished
    shape = (-1, *(1,) * len(axes))
    rests = [np.minimum(x_norms, root * limit.reshape(shape)) for limit in x.limits]
    rests.append(np.zeros_like(x_norms))
    rows = [rests[i] + rests[i + 1] for i in rounded]
    columns = [np.minimum(w_norms, root * w.limits[count - 1 - i][0]) for i in rounded]
    factor = (additions(products) + count + 7) * _UNIT * _SLACK
    scaled = [column * factor for column in columns]
    return (
        np.stack([row.reshape(-1) for row in (*rows, x_norms, np.ones_like(x_norms))], 1),
        np.stack((*scaled, w_norms * _LOST, np.zeros_like(w_norms))),
    )


def _scale_bias(
    bias: Float64Array | None, exponent: int
) -> tuple[Float64Array | None, NDArray[np.bool_] | None]:
    """``bias 2**-exponent``, and where that overflows; what underflows is less than a quantum."""
    if bias is None:
        return None, None
    scaled = times_power_of_two(bias, -exponent) + 0.0
    unknown = ~np.isfinite(scaled)
    if not unknown.any():
        return scaled, None
    scaled[unknown] = 0.0
    return scaled, unknown

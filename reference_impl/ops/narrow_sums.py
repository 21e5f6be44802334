"""Sums of products of float16, bfloat16 or float32 operands, bounded in float64.

Two significands of at most 24 bits have a product of at most 48, and the exponents of a product
stay between -298 and 256: float64 holds every product exactly, and nothing underflows or
overflows on the way to the sum.  What remains is the error of the summation.

For K terms p, added in any order with each through at most n roundings, the computed sum S has

    |S - sum p| <= gamma(n) sum |p|,    gamma(n) = n u / (1 - n u),    u = 2**-53

(N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, sections 3.1 and 4.2;
a fused multiply-add only leaves roundings out), and by the inequality of Cauchy and Schwarz

    sum |x| |w| <= |x|_2 |w|_2.

The norm of every window is a windowed sum of squares, so that the bound costs little beside the
convolution.  It costs still less with the largest input m of all, and Hoelder's inequality:

    sum |x| |w| <= m |w|_1.

That is the same for all windows, and wide where one input is much larger than most; so it is tried
first in small sums alone, and norms are computed where it leaves much undecided.

With the radius ``E = e (|x|_2 |w|_2 + |b|)``, b being the bias, the lower bound is the computed sum
of K + 2 terms, the further ones being those of

    |x|_2 (-e |w|_2) + 1 (b - e |b|),

and the upper bound is that plus 2 E.  The further terms go through one rounding more, of the
product or of ``b - e |b|``; and the upper bound is itself rounded, by at most ``u`` times
``|b| + |x|_2 |w|_2 + E``.  Hence ``e = (n + 2) u``, which the factor `_SLACK` widens for what is of
order ``e u``, and for the rounding of the norms themselves.

With the same e and ``E = e (m |w|_1 + |b|)`` the bounds are ``S + (b -+ E)``: of its two roundings
the inner one is at most ``u (|b| + E)``, the outer one ``u`` times ``m |w|_1 + |b| + E``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.contraction import blocks_of_sums, roundings_of_sums
from reference_impl.ops.double_double import Pair
from reference_impl.ops.dyadics import Dyadic, is_exact_in_float64
from reference_impl.ops.formats import Format
from reference_impl.ops.geometry import Axes
from reference_impl.ops.products import Products
from reference_impl.ops.rounding import round_into
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.sums import Matrix, as_matrix, parts
from reference_impl.ops.windows import count_windows, reduce_windows

Array = NDArray[Any]
Float64Array = NDArray[np.float64]

_UNIT: Final = 2.0**-53
_SLACK: Final = 1.0 + 2.0**-10
MOST: Final = 1 << 16
"""Multiplications up to which one radius for all windows is tried first: it costs less, and leaves
more undecided, of which a single one costs as much in the smallest calls."""
_LARGE: Final = 1 << 14
"""Elements of a kernel from which on its norms take a noticeable time."""
_TALL: Final = 1 << 13
"""Rows of a kernel whose squares are added up in float32."""


@dataclass(frozen=True, eq=False)
class NarrowWeights:
    """A kernel and a bias, and what the bounds take from these alone.

    Attributes:
        matrix: the kernel, ``(K, F)``.
        bias: ``(F,)`` or None.
        offset: the bias in float64; zeros where there is none.
    """

    matrix: Array
    bias: Array | None
    offset: Float64Array

    @cached_property
    def radii(self) -> Float64Array:
        """``(2, F)``: the radius per unit of a window's norm, and that of the bias."""
        return self._radii(norms_of_columns(self.matrix))

    @cached_property
    def wide_radii(self) -> Float64Array:
        """``(2, F)``: the radius per unit of the largest input, and that of the bias."""
        return self._radii(np.abs(self.matrix).sum(0, dtype=np.float64))

    def _radii(self, of_columns: Float64Array) -> Float64Array:
        radii = np.empty((2, len(self.offset)))
        radii[0] = of_columns
        np.abs(self.offset, out=radii[1])
        radii *= _relative_error(len(self.matrix))
        return radii

    @cached_property
    def are_finite(self) -> bool:
        """Whether kernel and bias are: no sum of squares of float32 overflows in float64."""
        radii = self.wide_radii if self.matrix.size <= MOST else self.radii
        return math.isfinite(radii.sum())


def narrow_weights(kernel: Array, bias: Array | None = None) -> NarrowWeights:
    """Those of a float32 kernel, ``(*window, C, F)``, and a float32 bias, ``(F,)`` or None."""
    matrix = as_matrix(kernel)
    offset = np.zeros(matrix.shape[1]) if bias is None else bias.astype(np.float64)
    return NarrowWeights(matrix, bias, offset)


class NarrowSums(ABC):
    """An `Enclosure` of exact sums.

    Attributes:
        weights: the kernel and the bias.
        products: the operands, and the source of exact values.
    """

    def __init__(self, weights: NarrowWeights, products: Products) -> None:
        self.weights = weights
        self.products = products

    @abstractmethod
    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """The lower and the upper bound."""

    @abstractmethod
    def closer(self) -> NarrowSums | None:
        """The same by the norm of each window; None if these are."""

    @abstractmethod
    def _largest_radius(self) -> float:
        """A number that no radius is above."""

    def rounded(self, format: Format, below: Matrix) -> Iterator[tuple[slice, Matrix]]:
        """The bounds rounded: rounding is monotonic, so the rounded sum lies between them."""
        memory = Scratch(format.dtype)
        for rows, low, high in self.bounds():
            above = memory.array(*low.shape)
            round_into(below[rows], low, format)
            round_into(above, high, format)
            yield rows, above

    def exact_values(self) -> Float64Array | None:
        """The computed sums, if all operands lie on a grid so coarse that float64 was exact."""
        products = self.products
        largest = self._largest_radius() / _relative_error(len(products.matrix)) * _SLACK
        if not is_exact_in_float64(products.inputs, products.matrix, products.bias, largest):
            return None
        windows = len(products.inputs) * count_windows(products.axes)
        values = np.empty((windows, products.matrix.shape[1]))
        for rows, sums in blocks_of_sums(products.inputs, products.matrix, products.axes):
            values[rows] = sums
        return values + (0.0 if products.bias is None else products.bias + 0.0)

    def dyadics(self, positions: NDArray[np.intp]) -> list[Dyadic]:
        """The exact sums at flat positions."""
        return self.products.dyadics(positions)

    def pairs(self, positions: NDArray[np.intp]) -> Pair:
        """The exact sums at flat positions within ``2**-105`` of themselves."""
        return self.products.pairs(positions)

    def exactly_rounded(self, positions: NDArray[np.intp], format: Format) -> Float64Array:
        """The exact sums at flat positions, rounded once."""
        return self.products.rounded(positions, format)


class _Alike(NarrowSums):
    """All windows have the same radii, ``(F,)``: those of the largest input.

    Attributes:
        largest: its magnitude.
    """

    def __init__(self, weights: NarrowWeights, products: Products, largest: float) -> None:
        super().__init__(weights, products)
        self.radii = largest * weights.wide_radii[0] + weights.wide_radii[1]

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        products, offset, memory = self.products, self.weights.offset, Scratch()
        below, above = offset - self.radii, offset + self.radii
        for block, sums in blocks_of_sums(products.inputs, products.matrix, products.axes):
            for rows, part in parts(block, sums.shape[1]):
                low = sums[part]
                high = np.add(low, above, out=memory.array(*low.shape))
                low += below
                yield rows, low, high

    def closer(self) -> NarrowSums:
        return _ByNorms(self.weights, self.products)

    def _largest_radius(self) -> float:
        return float(self.radii.max(initial=0.0))


class _ByNorms(NarrowSums):
    """Windows have radii of their own, ``norms @ radii``.

    The lower bounds are ``columns @ matrix + norms @ below``.

    Attributes:
        norms: ``(M, 2)``: the norm of each window, and one.
    """

    def __init__(self, weights: NarrowWeights, products: Products) -> None:
        super().__init__(weights, products)
        norms = norms_of_windows(products.inputs, products.axes)
        self.norms = np.empty((norms.size, 2))
        self.norms[:, 0] = norms.reshape(-1)
        self.norms[:, 1] = 1.0

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        products, radii, memory = self.products, self.weights.radii, Scratch()
        below, width = -radii, 2 * radii
        below[1] += self.weights.offset
        more = self.norms, below
        for block, sums in blocks_of_sums(products.inputs, products.matrix, products.axes, more):
            for rows, part in parts(block, sums.shape[1]):
                low = sums[part]
                high = np.matmul(self.norms[rows], width, out=memory.array(*low.shape))
                high += low
                yield rows, low, high

    def closer(self) -> None:
        return None

    def _largest_radius(self) -> float:
        radii = self.weights.radii.max(1, initial=0.0)
        return float((self.norms.max(0, initial=0.0) * radii).sum())


def narrow_sums(
    inputs: Array, weights: NarrowWeights, axes: Axes, largest: float | None = None
) -> NarrowSums:
    """The convolution of finite float32 arrays (which hold float16 and bfloat16 exactly).

    Args:
        inputs: ``(batch, *spatial, C)``.
        weights: the kernel and the bias.
        axes: the window geometry.
        largest: `largest_magnitude` of the inputs, where it is known.
    """
    products = Products(inputs, weights.matrix, weights.bias, axes, short=True)
    multiplications = len(inputs) * count_windows(axes) * weights.matrix.size
    if multiplications > MOST:
        return _ByNorms(weights, products)
    return _Alike(weights, products, largest_magnitude(inputs) if largest is None else largest)


def largest_magnitude(inputs: Array) -> float:
    """The largest magnitude; NaN or infinite if one element is."""
    high, low = float(inputs.max(initial=0.0)), float(inputs.min(initial=0.0))
    return max(high, -low) if high - low < math.inf else math.nan


def _relative_error(products: int) -> float:
    """The factor by which ``|x|_2 |w|_2 + |b|`` bounds the error."""
    return (roundings_of_sums(products, more=2) + 2) * _UNIT * _SLACK


def norms_of_windows(inputs: Array, axes: Axes) -> Float64Array:
    """Euclidean norm of every window of ``(batch, *spatial, C)``: ``(batch, *output)``."""
    wide = inputs.astype(np.float64, copy=False)
    squares = np.einsum("...c,...c->...", wide, wide)
    return np.sqrt(reduce_windows(squares, axes, np.add, 0.0))


def norms_of_columns(matrix: Array) -> Float64Array:
    """Euclidean norm of every column of ``(K, F)``, right to ``2**-12``, a quarter of the slack."""
    norms: Float64Array = np.sqrt(_squares_of_columns(matrix), dtype=np.float64)
    return norms


def _squares_of_columns(matrix: Array) -> Array:
    """Sums of squares; of large float32 matrices in float32, which is faster, if that will do.

    These are wrong by ``K 2**-24`` of themselves, K being `_TALL` at most, and by ``K 2**-150`` for
    underflow.
    """
    if matrix.dtype == np.float32 and matrix.size >= _LARGE:
        parts = (matrix[start : start + _TALL] for start in range(0, len(matrix), _TALL))
        squares = np.stack([np.einsum("kf,kf->f", part, part) for part in parts])
        if np.all((squares > 2.0**-100) & np.isfinite(squares)):
            return np.asarray(squares.sum(0, dtype=np.float64))
    wide: Array = np.einsum("kf,kf->f", matrix, matrix, dtype=np.float64)
    return wide

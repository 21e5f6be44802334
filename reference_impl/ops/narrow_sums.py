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
convolution.  With the radius ``E = e (|x|_2 |w|_2 + |b|)``, b being the bias, the lower bound is
the computed sum of K + 2 terms, the further ones being those of

    |x|_2 (-e |w|_2) + 1 (b - e |b|),

and the upper bound is that plus 2 E.  The further terms go through one rounding more, of the
product or of ``b - e |b|``; and the upper bound is itself rounded, by at most ``u`` times
``|b| + |x|_2 |w|_2 + E``.  Hence ``e = (n + 2) u``, which the factor `_SLACK` widens for what is of
order ``e u``, and for the rounding of the norms themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
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
from reference_impl.ops.windows import reduce_windows

Array = NDArray[Any]
Float64Array = NDArray[np.float64]

_UNIT: Final = 2.0**-53
_SLACK: Final = 1.0 + 2.0**-10
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
        below: ``(2, F)``: minus the radius per unit of the norm, and the bias less its radius.
        radii: ``(2, F)``: the radius per unit of the norm, and that of the bias.
        are_finite: whether kernel and bias are.
    """

    matrix: Array
    bias: Array | None
    below: Float64Array
    radii: Float64Array
    are_finite: bool


def narrow_weights(kernel: Array, bias: Array | None = None) -> NarrowWeights:
    """Those of a float32 kernel, ``(*window, C, F)``, and a float32 bias, ``(F,)`` or None."""
    matrix = as_matrix(kernel)
    filters = matrix.shape[1]
    offset = np.zeros(filters) if bias is None else np.add(bias, 0.0, dtype=np.float64)
    radii = np.empty((2, filters))
    radii[0] = norms_of_columns(matrix)
    radii[1] = np.abs(offset)
    radii *= _relative_error(len(matrix))
    below = -radii
    below[1] += offset
    # No square of a float32 overflows in float64.
    return NarrowWeights(matrix, bias, below, radii, math.isfinite(radii.sum()))


@dataclass(frozen=True, eq=False)
class NarrowSums:
    """An `Enclosure` of exact sums; the lower bounds are ``columns @ matrix + norms @ below``.

    Attributes:
        norms: ``(M, 2)``: the norm of each window, and one.
        weights: the kernel and the bias.
        products: the operands, and the source of exact values.
    """

    norms: Float64Array
    weights: NarrowWeights
    products: Products

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """The lower bound, and that plus twice the radius."""
        memory, width = Scratch(), 2 * self.weights.radii
        products = self.products
        more = self.norms, self.weights.below
        for block, sums in blocks_of_sums(products.inputs, products.matrix, products.axes, more):
            for rows, part in parts(block, sums.shape[1]):
                low = sums[part]
                high = np.matmul(self.norms[rows], width, out=memory.array(*low.shape))
                high += low
                yield rows, low, high

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
        radii = self.weights.radii.max(1, initial=0.0)
        radius = float((self.norms.max(0, initial=0.0) * radii).sum())
        largest = radius / _relative_error(len(products.matrix)) * _SLACK
        if not is_exact_in_float64(products.inputs, products.matrix, products.bias, largest):
            return None
        values = np.empty((len(self.norms), products.matrix.shape[1]))
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


def narrow_sums(inputs: Array, weights: NarrowWeights, axes: Axes) -> NarrowSums:
    """The convolution of finite float32 arrays (which hold float16 and bfloat16 exactly).

    Args:
        inputs: ``(batch, *spatial, C)``.
        weights: the kernel and the bias.
        axes: the window geometry.
    """
    window_norms = norms_of_windows(inputs, axes)
    norms = np.empty((window_norms.size, 2))
    norms[:, 0] = window_norms.reshape(-1)
    norms[:, 1] = 1.0
    products = Products(inputs, weights.matrix, weights.bias, axes, short=True)
    return NarrowSums(norms, weights, products)


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

"""Convolution in groups: channels and filters cut into equal parts, each a convolution of its own.

The number of groups is that of the input's channels over those of the kernel.  Each part goes the
way of a whole convolution, so that it is certified, and rounded once, as that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.convolution import (
    Weights,
    convolution_sums,
    plain_convolution,
    weighted_sums,
)
from reference_impl.ops.double_double import Pair
from reference_impl.ops.dyadics import Dyadic
from reference_impl.ops.formats import Format
from reference_impl.ops.geometry import Axes
from reference_impl.ops.gradients import input_gradient, kernel_gradient
from reference_impl.ops.sums import Enclosure, Float64Array, Indices, Matrix, Sums

Array = NDArray[Any]


def grouped_convolution(inputs: Array, kernel: Array, axes: Axes) -> Array:
    """`plain_convolution` of every group.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C / groups, F)``.
        axes: the window geometry, one entry per spatial axis.
    """
    groups = inputs.shape[-1] // kernel.shape[-2]
    if groups == 1:
        return plain_convolution(inputs, kernel, axes)
    parts = zip(_parts(inputs, groups), _parts(kernel, groups), strict=True)
    return np.concatenate([plain_convolution(x, w, axes) for x, w in parts], -1)


def grouped_sums(inputs: Array, weights: Weights, axes: Axes) -> Sums:
    """`weighted_sums` of every group, as the sums of one array.

    Args:
        inputs: ``(batch, *spatial, C)``.
        weights: the kernel, ``(*window, C / groups, F)``, and the bias.
        axes: the window geometry, one entry per spatial axis.
    """
    kernel, bias = weights.kernel, weights.bias
    groups = inputs.shape[-1] // kernel.shape[-2]
    if groups == 1:
        return weighted_sums(inputs, weights, axes)
    biases = [None] * groups if bias is None else _parts(bias, groups)
    parts = zip(_parts(inputs, groups), _parts(kernel, groups), biases, strict=True)
    return side_by_side([convolution_sums(x, w, b, axes) for x, w, b in parts])


def grouped_kernel_gradient(
    inputs: Array, upstream: Array, axes: Axes, format: Format, groups: int
) -> Array:
    """`kernel_gradient` of every group: ``(*window, C / groups, F)``."""
    if groups == 1:
        return kernel_gradient(inputs, upstream, axes, format)
    parts = zip(_parts(inputs, groups), _parts(upstream, groups), strict=True)
    return np.concatenate([kernel_gradient(x, u, axes, format) for x, u in parts], -1)


def grouped_input_gradient(
    kernel: Array, upstream: Array, axes: Axes, format: Format, groups: int
) -> Array:
    """`input_gradient` of every group: ``(batch, *spatial, C)``."""
    if groups == 1:
        return input_gradient(kernel, upstream, axes, format)
    parts = zip(_parts(kernel, groups), _parts(upstream, groups), strict=True)
    return np.concatenate([input_gradient(w, u, axes, format) for w, u in parts], -1)


def _parts(array: Array, groups: int) -> list[Array]:
    """Views of equal parts of the last axis, in order."""
    return np.split(array, groups, -1)


def side_by_side(sums: Sequence[Sums]) -> Sums:
    """Sums of equal shapes, presented as stored, joined along their last axis."""
    stored = sums[0].stored
    special = None
    if any(one.special is not None for one in sums):
        specials = [np.zeros(stored) if s.special is None else s.special for s in sums]
        special = np.concatenate(specials, -1)
    rows, width = math.prod(stored[:-1]), stored[-1]
    joined = _SideBySide([one.enclosure for one in sums], rows, width)
    return Sums.of(joined, (*stored[:-1], width * len(sums)), special)


@dataclass(frozen=True, eq=False)
class _SideBySide:
    """An `Enclosure` of matrices of one shape, one beside the other.

    All rows come at once, since the matrices may cut theirs differently.
    """

    matrices: Sequence[Enclosure]
    height: int
    width: int

    def _placed(self) -> Iterator[tuple[slice, Enclosure]]:
        """Each matrix after its columns."""
        for number, matrix in enumerate(self.matrices):
            yield slice(number * self.width, (number + 1) * self.width), matrix

    @property
    def _shape(self) -> tuple[int, int]:
        return self.height, self.width * len(self.matrices)

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """Those of the matrices."""
        low, high = np.empty((2, *self._shape))
        for columns, matrix in self._placed():
            for rows, below, above in matrix.bounds():
                low[rows, columns], high[rows, columns] = below, above
        yield slice(0, self.height), low, high

    def rounded(self, format: Format, below: Matrix) -> Iterator[tuple[slice, Matrix]]:
        """Those of the matrices."""
        high = np.empty(self._shape, format.dtype)
        part = np.empty((self.height, self.width), format.dtype)
        for columns, matrix in self._placed():
            for rows, above in matrix.rounded(format, part):
                high[rows, columns] = above
            below[:, columns] = part
        yield slice(0, self.height), high

    def closer(self) -> _SideBySide | None:
        """Those of the matrices that have closer ones."""
        found = [matrix.closer() for matrix in self.matrices]
        if not any(found):
            return None
        pairs = zip(found, self.matrices, strict=True)
        return replace(self, matrices=[closer or matrix for closer, matrix in pairs])

    def exact_values(self) -> Float64Array | None:
        """All values, if those of every matrix are known."""
        found = [matrix.exact_values() for matrix in self.matrices]
        known = [values for values in found if values is not None]
        return np.concatenate(known, -1) if len(known) == len(found) else None

    def dyadics(self, positions: Indices) -> list[Dyadic]:
        """The exact values at flat positions."""
        values: list[Dyadic] = [(0, 0)] * len(positions)
        for matrix, chosen, own in self._chosen(positions):
            for index, value in zip(chosen.tolist(), matrix.dyadics(own), strict=True):
                values[index] = value
        return values

    def pairs(self, positions: Indices) -> Pair:
        """The exact values at flat positions within ``2**-105`` of themselves."""
        high, low = np.empty((2, len(positions)))
        for matrix, chosen, own in self._chosen(positions):
            high[chosen], low[chosen] = matrix.pairs(own)
        return Pair(high, low)

    def exactly_rounded(self, positions: Indices, format: Format) -> Float64Array:
        """The exact values at flat positions, rounded once."""
        values = np.empty(len(positions))
        for matrix, chosen, own in self._chosen(positions):
            values[chosen] = matrix.exactly_rounded(own, format)
        return values

    def _chosen(self, positions: Indices) -> Iterator[tuple[Enclosure, Indices, Indices]]:
        """The matrices that hold some of the positions: which of these, and where in the matrix."""
        rows, columns = np.divmod(positions, self.width * len(self.matrices))
        numbers, places = np.divmod(columns, self.width)
        for number, matrix in enumerate(self.matrices):
            chosen = np.flatnonzero(numbers == number)
            if chosen.size:
                yield matrix, chosen, rows[chosen] * self.width + places[chosen]

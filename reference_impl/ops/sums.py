"""Arrays of real numbers that are known within bounds, and exactly where asked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import Pair, pair
from reference_impl.ops.dyadics import Dyadic, dyadic
from reference_impl.ops.formats import Format, widened
from reference_impl.ops.rounding import round_float64, round_into

if TYPE_CHECKING:
    from fractions import Fraction

Float64Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Matrix = NDArray[Any]

BLOCK: Final = 1 << 14
"""Elements per block of element-wise work, so that its temporaries stay in cache."""

FEW: Final = 16
"""Up to so many undecided elements are made exactly; closer bounds are asked for beyond."""

MANY: Final = 64
"""Undecided elements from which on it pays to ask whether float64 was exact all along."""


class Enclosure(Protocol):
    """A matrix of finite real numbers, ``(rows, columns)``, within bounds."""

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """Numbers not above and not below the exact values, some rows at a time.

        The next step overwrites them.
        """

    def rounded(self, format: Format, below: Matrix) -> Iterator[tuple[slice, Matrix]]:
        """Numbers of `format` between which the rounded exact values lie, some rows at a time.

        The lower ones are written to `below`, the upper ones are yielded; the next step overwrites
        these.
        """

    def closer(self) -> Enclosure | None:
        """The same numbers within closer bounds, which cost more; None if there are none."""

    def exact_values(self) -> Float64Array | None:
        """All values exactly, if float64 holds them and this is known; else None."""

    def dyadics(self, positions: Indices) -> list[Dyadic]:
        """The exact values at flat positions."""

    def pairs(self, positions: Indices) -> Pair:
        """The exact values at flat positions within ``2**-105`` of themselves.

        A low part of 0 says that the high part is the value; any other has the sign of the rest.
        """

    def exactly_rounded(self, positions: Indices, format: Format) -> Float64Array:
        """The exact values at flat positions rounded once to `format`, as float64."""


@dataclass(frozen=True, eq=False)
class Sums:
    """An array of extended real numbers: finite ones within bounds, NaN and infinities as such.

    Attributes:
        enclosure: the numbers as a matrix whose rows are the last axis as stored.
        stored: the shape as stored.
        order: the axes as stored, in the order in which they are presented.
        special: as `stored`; NaN or infinite where the value is, zero elsewhere.  None: nowhere.
    """

    enclosure: Enclosure
    stored: tuple[int, ...]
    order: tuple[int, ...]
    special: Float64Array | None = None

    @classmethod
    def of(
        cls, enclosure: Enclosure, shape: tuple[int, ...], special: Float64Array | None = None
    ) -> Sums:
        """The numbers of an enclosure as an array of this shape."""
        return cls(enclosure, shape, tuple(range(len(shape))), special)

    @classmethod
    def of_array(cls, array: NDArray[Any]) -> Sums:
        """The elements of a floating-point array, which are exact."""
        values = widened(array)
        shape = values.shape
        finite = np.isfinite(values)
        special = None
        if not finite.all():
            special = np.where(finite, 0.0, values)
            values[~finite] = 0.0
        return cls.of(ExactValues(as_matrix(values)), shape, special)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(self.stored[axis] for axis in self.order)

    @property
    def low(self) -> Float64Array:
        """float64, not above the exact values; equal to `high` where these are not finite."""
        return self._bounds[0]

    @property
    def high(self) -> Float64Array:
        """float64, not below the exact values.

        Infinite with a finite `low` where the exact value may be beyond the range of float64.
        """
        return self._bounds[1]

    @cached_property
    def _bounds(self) -> tuple[Float64Array, Float64Array]:
        low, high = np.empty((2, *_matrix_shape(self.stored)))
        enclosure = self.enclosure.closer() or self.enclosure
        with np.errstate(all="ignore"):
            for rows, below, above in enclosure.bounds():
                low[rows], high[rows] = below, above
        return self._present(low), self._present(high)

    def rounded(self, format: Format) -> tuple[NDArray[Any], Indices]:
        """The exact values rounded once to `format`, and where the bounds do not decide them.

        The latter are flat indices, in ascending order.
        """
        values, undecided = self._rounded(format)
        if len(undecided) >= MANY:
            exact = self.enclosure.exact_values()
            if exact is not None:
                values, undecided = round_float64(exact, format), undecided[:0]
        if self.special is not None:
            undecided = undecided[self.special.reshape(-1)[undecided] == 0]
        return self._present(values), self._indices(undecided)

    def _rounded(self, format: Format) -> tuple[NDArray[Any], Indices]:
        """The matrix of rounded values, and the undecided positions in it."""
        values = np.empty(_matrix_shape(self.stored), format.dtype)
        undecided = _round_by(self.enclosure, format, values)
        if len(undecided) > FEW and (closer := self.enclosure.closer()) is not None:
            undecided = _round_by(closer, format, values)
        return values, undecided

    def exactly_rounded(self, indices: Indices, format: Format) -> NDArray[Any]:
        """The exact values at flat indices (C order), rounded once; they must be finite."""
        values = self.enclosure.exactly_rounded(self._positions(indices), format)
        return round_float64(values, format)

    def exact(self, indices: Indices) -> list[Fraction | float]:
        """The exact values at flat indices (C order); NaN and infinities as floats."""
        from fractions import Fraction

        values: list[Fraction | float] = [
            Fraction(n << e) if e >= 0 else Fraction(n, 1 << -e) for n, e in self._dyadics(indices)
        ]
        if self.special is not None:
            special = self.special.reshape(-1)[self._positions(indices)]
            for where in np.flatnonzero(special):
                values[where] = float(special[where])
        return values

    def exact_rows(self, rows: Indices) -> Iterator[list[Fraction | float]]:
        """`exact` of whole rows of the last axis, one after the other."""
        width = self.shape[-1]
        for block in row_blocks(len(rows), width):
            values = self.exact(_indices_of_rows(rows[block], width))
            for number in range(block.stop - block.start):
                yield values[number * width : (number + 1) * width]

    def pairs(self, indices: Indices) -> Pair:
        """The exact values at flat indices (C order), within ``2**-105`` of themselves.

        A low part of 0 says that the high part is the value; any other has the sign of the rest.
        Near underflow the low part is less precise, or 0; where the values are not finite, or may
        be beyond the range of float64, the high part is NaN.
        """
        low, high = (bound.reshape(-1)[indices] for bound in (self.low, self.high))
        known = low == high
        value = Pair(np.where(known & np.isfinite(low), low, np.nan), np.zeros_like(low))
        unknown = np.flatnonzero(~known & np.isfinite(low) & np.isfinite(high))
        if unknown.size:
            pairs = self.enclosure.pairs(self._positions(indices[unknown]))
            value.high[unknown], value.low[unknown] = pairs
        return value

    def pairs_of_rows(self, rows: Indices) -> Pair:
        """`pairs` of whole rows of the last axis: ``(rows, width)``."""
        width = self.shape[-1]
        x = self.pairs(_indices_of_rows(rows, width))
        return Pair(*(part.reshape(len(rows), width) for part in x))

    def moveaxis(self, source: int, destination: int) -> Sums:
        """The same numbers with one axis moved, as `numpy.moveaxis` does."""
        order = list(self.order)
        moved = order.pop(source)
        order.insert(destination % len(self.order), moved)
        return replace(self, order=tuple(order))

    @property
    def _is_presented_as_stored(self) -> bool:
        return self.order == tuple(range(len(self.order)))

    def _dyadics(self, indices: Indices) -> list[Dyadic]:
        return self.enclosure.dyadics(self._positions(indices))

    def _positions(self, indices: Indices) -> Indices:
        """Flat positions as stored of flat indices as presented."""
        if self._is_presented_as_stored:
            return indices
        presented = np.unravel_index(indices, self.shape)
        inverse = np.argsort(self.order)
        where = tuple(presented[axis] for axis in inverse)
        positions: Indices = np.ravel_multi_index(where, self.stored)
        return positions

    def _indices(self, positions: Indices) -> Indices:
        """Flat indices as presented, in ascending order, of flat positions as stored."""
        if self._is_presented_as_stored:
            return positions
        stored = np.unravel_index(positions, self.stored)
        where = tuple(stored[axis] for axis in self.order)
        return np.sort(np.ravel_multi_index(where, self.shape))

    def _present(self, matrix: NDArray[Any]) -> NDArray[Any]:
        array = matrix.reshape(self.stored)
        if self.special is not None:
            where = self.special != 0
            array[where] = self.special[where]
        return array.transpose(self.order)


def _round_by(enclosure: Enclosure, format: Format, values: Matrix) -> Indices:
    """Set the values of a matrix; the flat positions that the bounds do not decide."""
    undecided = []
    for rows, above in enclosure.rounded(format, values):
        (different,) = differ(values[rows], above).reshape(-1).nonzero()
        undecided.append(different + rows.start * values.shape[1])
    return np.concatenate(undecided) if undecided else np.empty(0, np.intp)


@dataclass(frozen=True, eq=False)
class ExactValues:
    """A float64 matrix as an enclosure of itself."""

    values: Float64Array

    def bounds(self) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
        """The values, twice."""
        for rows in row_blocks(*self.values.shape):
            yield rows, self.values[rows], self.values[rows]

    def rounded(self, format: Format, below: Matrix) -> Iterator[tuple[slice, Matrix]]:
        """The rounded values, twice."""
        for rows in row_blocks(*self.values.shape):
            round_into(below[rows], self.values[rows], format)
            yield rows, below[rows]

    def closer(self) -> None:
        """There are no closer ones."""

    def exact_values(self) -> Float64Array | None:
        """The values."""
        return self.values

    def dyadics(self, positions: Indices) -> list[Dyadic]:
        """The values at flat positions."""
        return [dyadic(value) for value in self.values.reshape(-1)[positions].tolist()]

    def pairs(self, positions: Indices) -> Pair:
        """The values at flat positions."""
        return pair(self.values.reshape(-1)[positions])

    def exactly_rounded(self, positions: Indices, format: Format) -> Float64Array:
        """The values at flat positions, rounded."""
        return round_float64(self.values.reshape(-1)[positions], format).astype(np.float64)


def as_matrix(array: NDArray[Any]) -> NDArray[Any]:
    """A view whose rows are the last axis; a single row where there is one axis or none."""
    return array.reshape(_matrix_shape(array.shape))


def _matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    return math.prod(shape[:-1]), shape[-1] if shape else 1


def _indices_of_rows(rows: Indices, width: int) -> Indices:
    """The flat indices of all elements of some rows."""
    return (rows[:, np.newaxis] * width + np.arange(width)).reshape(-1)


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Cut a matrix of this shape into rows of at most `BLOCK` elements together, or one row."""
    step = max(BLOCK // max(columns, 1), 1)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def parts(block: slice, columns: int) -> Iterator[tuple[slice, slice]]:
    """Cut a block of rows as `row_blocks` does: the rows of each part, and their place in it."""
    for part in row_blocks(block.stop - block.start, columns):
        yield slice(block.start + part.start, block.start + part.stop), part


def differ(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two arrays of one dtype differ in any bit; so +0 differs from -0."""
    word = _WORDS[low.itemsize]
    different: NDArray[np.bool_] = low.view(word) != high.view(word)
    return different


_WORDS: Final = {size: np.dtype(f"u{size}") for size in (2, 4, 8)}
"""Unsigned integers by their size in bytes."""

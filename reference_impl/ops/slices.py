"""Operands of a convolution cut into slices of few bits, whose products add up without error.

An operand of magnitudes below ``2**top`` is cut into

    v = v_0 + ... + v_(s-1),    rests r_j = v - v_0 - ... - v_(j-1),

v_j being r_j rounded to a grid ``2**(top - b - j (b + 1))``, and the last slice the last rest.  A
rest is at most half the grid of the slice before it; hence its slice, on a grid finer by b + 1, is
at most ``2**b`` times its own grid, as the first one is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.contraction import PIECE, additions, pieces
from reference_impl.ops.error_free import round_to_grid
from reference_impl.ops.scratch import Scratch

Float64Array = NDArray[np.float64]
Exponents = NDArray[np.intp]
Factors = list[list[tuple[int, Float64Array]]]


CUT: Final = 1 << 18
"""Elements of a kernel that are cut at a time, between `PIECE` and four times as many rows."""


def largest_magnitude(values: Float64Array, axes: tuple[int, ...]) -> Float64Array:
    """The largest magnitudes over `axes`, which keep length one; of none it is zero."""
    high = values.max(axes, initial=0.0, keepdims=True)
    low = values.min(axes, initial=0.0, keepdims=True)
    largest: Float64Array = np.maximum(high, -low)
    return largest


@dataclass(frozen=True, eq=False)
class Slicing:
    """How an operand is cut.

    Attributes:
        tops: exponents of two which no magnitude reaches; they broadcast to the operand.
        bits: b.
        count: s.
    """

    tops: Exponents
    bits: int
    count: int

    @cached_property
    def grids(self) -> list[Exponents]:
        """The exponents of the grids of all slices but the last."""
        return [self.tops - self.bits - j * (self.bits + 1) for j in range(self.count - 1)]

    @property
    def limits(self) -> list[Float64Array]:
        """The largest possible magnitudes of the rests r_0 to r_(s-1)."""
        return [np.ldexp(1.0, self.tops), *(np.ldexp(0.5, grid) for grid in self.grids)]

    def cut(
        self, values: Float64Array, memory: Sequence[Scratch]
    ) -> tuple[list[Float64Array], list[Float64Array]]:
        """All slices but the last, and the rests; `memory` is for ``2 (count - 1)`` arrays."""
        slices, rests = [], [values]
        targets = iter(memory)
        for grid in self.grids:
            part = round_to_grid(rests[-1], grid, next(targets).array(*values.shape))
            rest = np.subtract(rests[-1], part, out=next(targets).array(*values.shape))
            slices.append(part)
            rests.append(rest)
        return slices, rests

    def memory(self) -> list[Scratch]:
        """What `cut` needs."""
        return [Scratch() for _ in range(2 * (self.count - 1))]

    def slices(self, values: Float64Array) -> list[tuple[int, Float64Array]]:
        """The slices and their numbers; those of zeros are left out, unless all are."""
        slices, rests = self.cut(values, self.memory())
        numbered = list(enumerate([*slices, rests[-1]]))
        return [(j, part) for j, part in numbered if _occurs(part)] or numbered[:1]


class KernelSlices:
    """The slices of a kernel ``(K, F)`` as factors for those of the inputs, some rows at a time.

    They are kept if they are few; it takes less time to cut a large kernel anew for every block of
    windows than to fetch all its slices from memory.

    Attributes:
        slicing: how the kernel is cut.
        filters: F.
        roundings: most roundings that a product on the last level goes through.
    """

    def __init__(self, matrix: Float64Array, slicing: Slicing) -> None:
        self.slicing = slicing
        self.filters = matrix.shape[1]
        self._matrix = matrix
        self._memory = slicing.memory()
        length = min(max(CUT // max(self.filters, 1), PIECE), 4 * PIECE)
        self.roundings = additions(len(matrix), length, slicing.count)
        self._pieces = pieces(len(matrix), length)
        self._kept = [self._factors(matrix)] if len(self._pieces) == 1 else None

    def __iter__(self) -> Iterator[tuple[slice, Factors]]:
        """Ranges of rows, and for each slice i of the inputs its factors in these rows.

        A factor is a part of the kernel with the level of its products: w_j with ``i + j`` for j
        below ``s - 1 - i``, and the rest ``r_(s-1-i)`` with ``s - 1``.  Zeros are left out.  The
        next step may overwrite the parts.
        """
        kept = self._kept or (self._factors(self._matrix[piece]) for piece in self._pieces)
        return zip(self._pieces, kept, strict=True)

    def _factors(self, matrix: Float64Array) -> Factors:
        slices, rests = self.slicing.cut(matrix, self._memory)
        last = self.slicing.count - 1
        numbered = (enumerate([*slices[: last - i], rests[last - i]], i) for i in range(last + 1))
        return [[(level, part) for level, part in parts if _occurs(part)] for parts in numbered]


def _occurs(part: Float64Array) -> bool:
    """Whether there is anything but zeros; the first row usually tells."""
    return bool(part[:1].any() or part.any())

"""Windows that reach beyond the input, of which the kernel's first elements are used.

A window that begins before the input is cut: the elements of the kernel that lie on the padding
are passed over.  Where the kernel is not moved on by as many, those from its first on are used for
the inputs that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import AXES, NOTHING, PLACES, TAPS, Reads

_ENDS: Final = (
    (True, "begin before the first and end beyond the last"),
    (False, "begin before the first"),
)


def kernel_not_moved_on(reads: Reads, *, by_some: bool) -> tuple[str, ...]:
    """Of which cut windows the kernel's first elements are used, in all words that hold.

    Args:
        reads: what is read.
        by_some: whether of some windows more are used wrongly than of others.  What is the same for
            all windows follows a law as well.
    """
    return tuple(_told(reads, by_some=by_some))


def _told(reads: Reads, *, by_some: bool) -> Iterator[str]:
    for axes, (at_both, words) in product(_choices(reads.rank), _ENDS):
        moved = {axis: _passed_over(reads, axis, at_both=at_both) for axis in axes}
        differs = all(np.ptp(by) > 0 for by in moved.values())
        if differs is by_some and np.array_equal(_expected(reads, moved), reads.got):
            names = AXES[reads.rank]
            along = f" {names[axes[0]]}" if len(axes) == 1 and len(names) > 1 else ""
            yield (
                f"of windows that {words}{along or ' input'}, the kernel's first elements are used "
                f"for the inputs that they hold, not those that lie on these{_along(along)}"
            )


def _along(name: str) -> str:
    return f", along{name}s" if name else ""


def _choices(rank: int) -> list[tuple[int, ...]]:
    """All axes, and each of several."""
    every = tuple(range(rank))
    return [every, *((axis,) for axis in every if rank > 1)]


def _expected(reads: Reads, moved: Mapping[int, Array]) -> Array:
    """What is read so many inputs too late along some axes."""
    read, outside = reads.right.copy(), np.zeros(len(reads.right), bool)
    for axis, length in enumerate(reads.lengths):
        place = reads.right[:, 1 + axis] + moved.get(axis, 0)
        read[:, 1 + axis] = place
        _, last = _ends_of_windows(reads, axis)
        outside |= (place < 0) | (place >= length) | (place > last)
    return np.where(outside[:, None], NOTHING, read)


def _passed_over(reads: Reads, axis: int, *, at_both: bool) -> Array:
    """How many inputs the kernel's elements are used too late, of each read."""
    first, last = _ends_of_windows(reads, axis)
    dilation = reads.laws[1 + axis][TAPS[axis]]
    before = -(-np.maximum(-first, 0) // dilation) * dilation
    return np.where(last >= reads.lengths[axis], before, 0) if at_both else before


def _ends_of_windows(reads: Reads, axis: int) -> tuple[Array, Array]:
    """The first and the last place of the window that each read belongs to."""
    law = reads.laws[1 + axis]
    first = law[PLACES[axis]] * reads.entries[:, 1 + axis] + law[""]
    taps = int(reads.entries[:, 1 + reads.rank + axis].max())
    return first, first + law[TAPS[axis]] * taps

"""Windows that reach beyond the input, of which the kernel's first elements, or outputs, are used.

A window that begins before the input is cut: the elements of the kernel that lie on the padding
are passed over.  Where the kernel is not moved on by as many, those from its first on are used for
the inputs that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
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


def _where(reads: Reads, axes: Sequence[int]) -> str:
    """Along which one of several axes; empty for all."""
    return f" along {AXES[reads.rank][axes[0]]}s" if len(axes) == 1 < reads.rank else ""


def phase_lost(reads: Reads) -> tuple[str, ...]:
    """Whether dilated windows that begin before the input go on from its first place.

    The first element of the kernel that lies on an input lies up to a dilation rate beyond it.
    """
    told = []
    for axes in _choices(reads.rank):
        moved = {axis: _beyond_first_input(reads, axis) for axis in axes}
        if any(by.any() for by in moved.values()) and np.array_equal(
            _expected(reads, moved), reads.got
        ):
            where = _where(reads, axes)
            told.append(
                f"of dilated windows that begin before the first input{where}, the first element "
                "of the kernel that lies on an input is taken to lie on the first one, and the "
                "others beside it, wherever the dilation puts them"
            )
    return tuple(told)


def _beyond_first_input(reads: Reads, axis: int) -> Array:
    """How far before its place each element of a window cut at its start is read, negative."""
    first, _ = _ends_of_windows(reads, axis)
    return np.where(first < 0, -(first % reads.laws[1 + axis][TAPS[axis]]), 0)


def outputs_not_moved_on(reads: Reads) -> tuple[str, ...]:
    """Whether kernel elements that lie on the padding first meet the inputs too soon.

    An element of the kernel meets no input in the first outputs, whose windows are cut; where these
    are passed over and the outputs are counted from the first on all the same, each is taken for
    one before it.
    """
    told = []
    for axes in _choices(reads.rank):
        moved = {axis: _outputs_passed_over(reads, axis) for axis in axes}
        differs = all(np.ptp(by) > 0 for by in moved.values())
        expected = _expected(reads, moved, cut=False)
        expected[_beyond_last_outputs(reads, moved)] = NOTHING
        if differs and np.array_equal(expected, reads.got):
            where = _where(reads, axes)
            told.append(
                "of kernel elements that lie on the padding before the first input in the first "
                f"outputs{where}, the outputs are counted from the first on, not from that in "
                "which they lie on the input"
            )
    return tuple(told)


def _outputs_passed_over(reads: Reads, axis: int) -> Array:
    """How many inputs further on each element of the kernel meets the first output."""
    law, tap = reads.laws[1 + axis], reads.entries[:, 1 + reads.rank + axis]
    stride = law[PLACES[axis]]
    before = np.maximum(-(law[""] + law[TAPS[axis]] * tap), 0)
    return np.asarray(-(-before // stride) * stride)


def _beyond_last_outputs(reads: Reads, moved: Mapping[int, Array]) -> Array:
    """Which outputs are left over where so many inputs are passed over before them."""
    beyond = np.zeros(len(reads.right), bool)
    for axis, by in moved.items():
        output = reads.entries[:, 1 + axis]
        beyond |= output + by // reads.laws[1 + axis][PLACES[axis]] > output.max()
    return beyond


def ends_missed(reads: Reads) -> tuple[str, ...]:
    """Which kernel elements at the ends of cut windows are left out, in all words that hold."""
    inside = reads.only(reads.inside)
    nothing = np.asarray((inside.got == NOTHING).all(axis=1))
    if not nothing.any() or not np.array_equal(nothing, inside.wrong):
        return ()
    told = []
    for axes, side, only_rest in product(_choices(reads.rank), _SIDES, (False, True)):
        missed = np.zeros(len(nothing), bool)
        for axis in axes:
            missed |= _is_missed(inside, axis, side, only_rest=only_rest)
        if np.array_equal(missed, nothing):
            where = _where(reads, axes)
            rest = _REST if only_rest else ""
            told.append(
                f"of windows that {_SIDES[side]} of the inputs{where}, {_MISSED[side]}{rest}"
            )
    return tuple(told)


_SIDES: Final = MappingProxyType({"end": "end beyond the last", "start": "begin before the first"})
_MISSED: Final = MappingProxyType(
    {
        side: f"the {which} of the kernel elements that lie on an input is left out"
        for side, which in (("end", "last"), ("start", "first"))
    }
)
_REST: Final = ", where what is left of the dilated window is no multiple of the dilation rate"


def _is_missed(reads: Reads, axis: int, side: str, *, only_rest: bool) -> Array:
    """Which reads are of the outermost element on an input, of windows cut there."""
    tap, dilation = reads.entries[:, 1 + reads.rank + axis], reads.laws[1 + axis][TAPS[axis]]
    first, last = _ends_of_windows(reads, axis)
    length = reads.lengths[axis]
    if side == "end":
        rest, outermost, is_cut = length - first, (length - 1 - first) // dilation, last >= length
    else:
        rest, outermost, is_cut = -first, -(first // dilation), first < 0
    missed = (tap == outermost) & is_cut
    return np.asarray(missed & (rest % dilation != 0) if only_rest else missed)


def _choices(rank: int) -> list[tuple[int, ...]]:
    """All axes, and each of several."""
    every = tuple(range(rank))
    return [every, *((axis,) for axis in every if rank > 1)]


def _expected(reads: Reads, moved: Mapping[int, Array], *, cut: bool = True) -> Array:
    """What is read so many inputs too late along some axes; if cut, within the window alone."""
    read, outside = reads.right.copy(), np.zeros(len(reads.right), bool)
    for axis, length in enumerate(reads.lengths):
        place = reads.right[:, 1 + axis] + moved.get(axis, 0)
        read[:, 1 + axis] = place
        outside |= (place < 0) | (place >= length)
        if cut:
            outside |= place > _ends_of_windows(reads, axis)[1]
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

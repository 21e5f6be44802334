"""Reads that are elsewhere in memory, by a pitch or an offset that is wrong, in words.

A place in memory is the sum of its indices, each times its pitch: how far apart neighbours along
that axis lie.  Where one pitch is wrong, what is read lies further on by the same number for each
index along that axis.  Inputs are looked at as they are, and within their padding; outputs and
inputs in both data formats, as a runtime may keep them in either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.laws import ENOUGH
from conformance.diagnosis.questions.products import (
    AXES,
    NOTHING,
    PLACES,
    SEVERAL,
    TAPS,
    Reads,
)

_FEW: Final = 0.5
"""Up to which share of the wrong reads may be of several inputs, as where outputs are at a wrong
pitch and hold, besides their own, what belongs to the next sample."""

_BLOCKS: Final = (2, 4, 8, 16, 32, 64)


class _Frame(NamedTuple):
    """How an array lies in memory.

    Attributes:
        axes: the names of its axes in the singular, outermost first.
        start, extents: its first place, and how many there are, along each.
        order: of which columns of a place they are.
    """

    axes: Sequence[str]
    start: Array
    extents: Array
    order: Sequence[int]

    def indices(self, places: Array) -> Array:
        """The indices of places along the axes, from zero on."""
        return np.asarray(places[:, list(self.order)] - self.start)

    @property
    def pitches(self) -> Array:
        """How far apart neighbours along each axis lie."""
        after = np.cumprod(self.extents[:0:-1])[::-1]
        return np.asarray([*after, 1])

    def number(self, places: Array) -> Array:
        """Where places lie in memory."""
        return np.asarray(self.indices(places) @ self.pitches)


def elsewhere_in_memory(reads: Reads) -> tuple[str, ...]:
    """By which wrong pitch, or offset, reads are displaced, in all words that hold."""
    if np.mean(reads.got[reads.wrong] == SEVERAL) > _FEW:
        return ()
    found = reads.only(np.asarray((reads.got >= 0).all(axis=1)))
    if len(found.got) < ENOUGH or not found.wrong.any():
        return ()
    return tuple(dict.fromkeys((*_of_inputs(reads, found), *_of_outputs(reads, found))))


def one_after_another(reads: Reads) -> tuple[str, ...]:
    """Whether outputs read the first places of a sample in turn, with a kernel of one place."""
    rank, found = reads.rank, reads.only(np.asarray((reads.got >= 0).all(axis=1)))
    others = [0, 1 + rank, 2 + rank]
    if len(found.got) != len(reads.got) or reads.entries[:, 1 + rank : 1 + 2 * rank].any():
        return ()
    outputs = tuple(reads.entries[:, 1 : 1 + rank].max(axis=0) + 1)
    number = np.ravel_multi_index(tuple(reads.entries[:, 1 : 1 + rank].T), outputs)
    read = np.ravel_multi_index(tuple(reads.got[:, 1 : 1 + rank].T), reads.lengths)
    same = np.array_equal(reads.got[:, others], reads.right[:, others])
    if not same or np.prod(outputs) < _LEAST_IN_TURN or not np.array_equal(number, read):
        return ()
    return (_IN_TURN,)


_IN_TURN: Final = (
    "the outputs read the first places of a sample's inputs in turn, one after another in memory, "
    "as where the strides are ignored"
)
_LEAST_IN_TURN: Final = 3


def _of_inputs(reads: Reads, found: Reads) -> Iterator[str]:
    """Where inputs are looked for in other places of memory: at another pitch, or along a loop."""
    if not np.array_equal(found.got[:, -1], found.right[:, -1]):
        return
    words = [*_at_pitches(reads, found)]
    yield from words or _along_loops(reads, found)


def _at_pitches(reads: Reads, found: Reads) -> Iterator[str]:
    """By which wrong pitch of the inputs."""
    for frame in _frames(reads):
        moved = frame.number(found.got[:, :-1]) - frame.number(found.right[:, :-1])
        for axis, by in _steady(frame.indices(found.right[:, :-1]), moved):
            if _is_elsewhere(reads, frame, frame.indices(reads.right[:, :-1])[:, axis] * by):
                yield from _pitch_in_words("input", frame, axis, by, _lengths(reads))


def _along_loops(reads: Reads, found: Reads) -> Iterator[str]:
    """By which number that is added once for each step of a loop over something else."""
    for frame in _frames(reads):
        moved = frame.number(found.got[:, :-1]) - frame.number(found.right[:, :-1])
        for name, index in _walked(reads):
            along = index[(reads.got >= 0).all(axis=1)]
            for _, by in _steady(along[:, None], moved):
                if _is_elsewhere(reads, frame, index * by):
                    yield (
                        f"{name}s read at wrong offsets in memory: each the same number of "
                        f"elements further {'on' if by > 0 else 'back'} than it should, counted "
                        f"from the {name} before"
                    )


def _frames(reads: Reads) -> Iterator[_Frame]:
    """The inputs as they are, and within their padding, in both data formats."""
    places, rank = reads.right[:, :-1], reads.rank
    names = ("sample", *AXES[rank], "channel")
    inside = places[reads.inside]
    start = np.zeros(rank + 2, int)
    extents = np.array([inside[:, 0].max() + 1, *reads.lengths, inside[:, -1].max() + 1])
    padded_start = np.minimum(places.min(axis=0), 0)
    padded = np.maximum(places.max(axis=0) + 1, extents) - padded_start
    for first, sizes in ((start, extents), (padded_start, padded)):
        for order in _orders(rank):
            chosen = list(order)
            yield _Frame([names[i] for i in order], first[chosen], sizes[chosen], order)


def _orders(rank: int) -> tuple[tuple[int, ...], ...]:
    """The columns of places with channels last, as they are, and with channels first."""
    return (*range(rank + 2),), (0, rank + 1, *range(1, rank + 1))


def _walked(reads: Reads) -> Iterator[tuple[str, Array]]:
    """What a loop over offsets may go along, besides the axes of the input."""
    for axis, name in enumerate(AXES[reads.rank]):
        yield f"kernel {name}", reads.entries[:, 1 + reads.rank + axis]
        yield f"output {name}", reads.entries[:, 1 + axis]
    yield "filter", reads.entries[:, -1]


def _steady(indices: Array, moved: Array) -> Iterator[tuple[int, int]]:
    """The columns of indices of which a displacement is a multiple, and how many times."""
    for column, index in enumerate(indices.T):
        told = index != 0
        if len(np.unique(index)) < 2 or not told.any():
            continue
        by = moved[told] // index[told]
        if by[0] and np.array_equal(by[0] * index, moved):
            yield column, int(by[0])


def _is_elsewhere(reads: Reads, frame: _Frame, by: Array) -> bool:
    """Whether nothing is read only where a displaced place is none of the input."""
    nothing = (reads.got == NOTHING).all(axis=1) & reads.inside
    number = frame.number(reads.right[:, :-1]) + by
    inside = np.isin(number, frame.number(reads.right[reads.inside][:, :-1]))
    return not (nothing & inside).any()


def _of_outputs(reads: Reads, found: Reads) -> Iterator[str]:
    """Where outputs hold what belongs to others further on in memory."""
    moved = found.got[:, :-2] - found.right[:, :-2]
    laws = reads.laws[: 1 + reads.rank]
    strides = np.array([law["n" if a == 0 else PLACES[a - 1]] for a, law in enumerate(laws)])
    same_channel = np.array_equal(found.got[:, -2], found.right[:, -2])
    if not same_channel or (moved % strides).any():
        return
    rank = reads.rank
    place = found.entries[:, : 1 + rank]
    own = np.column_stack([place, found.got[:, -1]])
    held = np.column_stack([place + moved // strides, found.right[:, -1]])
    sizes = np.array(
        [*reads.entries[:, : 1 + rank].max(axis=0) + 1, reads.entries[:, -1].max() + 1]
    )
    names = ("sample", *AXES[rank], "filter")
    for order in _orders(rank):
        chosen = list(order)
        frame = _Frame([names[i] for i in order], np.zeros(rank + 2, int), sizes[chosen], order)
        by_memory = frame.number(held) - frame.number(own)
        for axis, by in _steady(frame.indices(own), by_memory):
            yield from _pitch_in_words("output", frame, axis, by, _lengths(reads))


def _lengths(reads: Reads) -> Mapping[str, int]:
    """Lengths that may be taken for one another, by name."""
    rank, told = reads.rank, dict[str, int]()
    for axis, name in enumerate(AXES[rank]):
        outputs = int(reads.entries[:, 1 + axis].max()) + 1
        taps = int(reads.entries[:, 1 + rank + axis].max()) + 1
        stride = reads.laws[1 + axis][PLACES[axis]]
        dilation = reads.laws[1 + axis][TAPS[axis]]
        index = reads.right[:, 1 + axis]
        told[f"the number of input {name}s"] = reads.lengths[axis]
        told[f"the number of input {name}s and their padding"] = int(np.ptp(index)) + 1
        told[f"the number of output {name}s"] = outputs
        told[f"the number of output {name}s times the stride"] = outputs * stride
        told[f"the number of kernel {name}s"] = taps
        told[f"the number of {name}s that the dilated kernel spans"] = (taps - 1) * dilation + 1
    return told


def _pitch_in_words(
    whose: str, frame: _Frame, axis: int, by: int, lengths: Mapping[str, int]
) -> Iterator[str]:
    """A pitch that is wrong by so many elements, by what it may be taken to be."""
    pitch, name = int(frame.pitches[axis]), frame.axes[axis]
    what = f"{whose} {name}s are taken to lie at a wrong pitch in memory"
    told = (
        [*_taken_in_words(frame, axis, pitch + by, lengths)] if axis + 1 < len(frame.axes) else []
    )
    yield from (f"{what}: {one}" for one in told)
    if not told:
        yield f"{what}: {pitch + by} elements, where it is {pitch}"


def _taken_in_words(
    frame: _Frame, axis: int, taken: int, lengths: Mapping[str, int]
) -> Iterator[str]:
    """What a pitch is taken to be, as a whole and by the number of the next axis in it."""
    for rounded in _rounded_in_words(taken, int(frame.pitches[axis])):
        yield f"the elements of each are rounded {rounded}"
    length, rest = divmod(taken, int(np.prod(frame.extents[axis + 2 :])))
    if not rest:
        for told in _length_in_words(length, int(frame.extents[axis + 1]), lengths):
            yield f"the number of {frame.axes[axis + 1]}s in each is {told}"


def _length_in_words(taken: int, own: int, lengths: Mapping[str, int]) -> Iterator[str]:
    """What a length is taken to be."""
    yield from (f"taken to be {name}" for name, one in lengths.items() if one == taken)
    yield from (f"rounded {one}" for one in _rounded_in_words(taken, own))
    if abs(taken - own) == 1:
        yield f"one too {'many' if taken > own else 'few'}"


def _rounded_in_words(taken: int, own: int) -> Iterator[str]:
    """To which multiples a number may be rounded."""
    for block in _BLOCKS:
        if own % block and taken == -(-own // block) * block:
            yield f"up to a multiple of {block}"
        if own % block and taken and taken == own // block * block:
            yield f"down to a multiple of {block}"

"""In which part of the outputs reads are wrong, in words of the loop that goes over them.

What is done in blocks or tiles goes wrong in the last of them, or in what they leave over; an
output that is wrong may hold what belongs to another one a fixed way off.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from conformance.diagnosis.attribution import how_often, which
from conformance.diagnosis.questions.products import AXES, NOTHING, PLACES, Reads
from conformance.diagnosis.questions.where import where_of

_LEAST_READ: Final = 4
"""By how many reads it is known what wrong outputs hold."""


def parts_of_outputs(reads: Reads) -> tuple[str, ...]:
    """Where wrong outputs lie and what they hold, in all words that hold; none where unknown."""
    what = _what(reads.only(reads.wrong))
    if not what:
        return ()
    return tuple(f"only {where} are wrong: they {what}" for where in _where(reads))


def counted_in_parts(reads: Reads) -> tuple[str, ...]:
    """In which outputs inputs are read as often as they should not; none where unknown."""
    wrong = reads.wrong
    weights = np.unique(reads.weight[wrong])
    if (wrong & ~reads.inside).any() or len(weights) != 1 or weights[0] not in (0.0, 2.0, 3.0):
        return ()
    if np.count_nonzero(wrong) < _LEAST_READ:
        return ()
    *_, (name, products) = reads.indices()
    counted = np.unique(products[wrong])
    index = np.arange(int(products.max()) + 1)
    if weights[0] == 0 and len(counted) == len(index):
        return ()  # such outputs are left out as a whole
    among = (
        which(np.isin(index, counted), name)[0] if len(counted) < len(index) else "all terms are"
    )
    how = how_often(float(weights[0]))
    return tuple(f"only {where} are wrong: in them, {among} {how}" for where in _where(reads))


def _what(wrong: Reads) -> str:
    """What the outputs hold that are wrong."""
    if (wrong.got == NOTHING).all():
        return "are left out"
    found = wrong.only(np.asarray((wrong.got >= 0).all(axis=1)))
    moved = found.got - found.right
    if len(moved) < _LEAST_READ or (moved != moved[0]).any():
        return ""
    return _moved_in_words(wrong, [int(by) for by in moved[0]])


def _moved_in_words(reads: Reads, moved: list[int]) -> str:
    """As which other outputs they are, by how far their reads are moved; else empty."""
    sample, *inner, channel, filters = moved
    strides = [law[PLACES[axis]] for axis, law in enumerate(reads.laws[1:-2])]
    if channel or any(by % stride for by, stride in zip(inner, strides, strict=True)):
        return ""
    names = ("sample", *AXES[reads.rank], "filter")
    by_output = (sample, *(by // s for by, s in zip(inner, strides, strict=True)), -filters)
    told = [
        f"{abs(by)} {name}{'s' * (abs(by) > 1)} {'after' if by > 0 else 'before'}"
        for by, name in zip(by_output, names, strict=True)
        if by
    ]
    return f"hold what belongs to the output {' and '.join(told)}" if told else ""


def _where(reads: Reads) -> Iterator[str]:
    """The places of the wrong outputs, in all words that hold."""
    shape = tuple(reads.entries[:, : 1 + reads.rank].max(axis=0) + 1)
    wrong, padded = np.zeros(shape, bool), np.zeros(shape, bool)
    place = tuple(reads.entries[:, : 1 + reads.rank].T)
    np.logical_or.at(wrong, place, reads.wrong)
    np.logical_or.at(padded, place, ~reads.inside)
    if np.array_equal(wrong, padded) and not wrong.all():
        yield "outputs whose window reaches into the padding"
    yield from where_of(wrong, AXES[reads.rank])

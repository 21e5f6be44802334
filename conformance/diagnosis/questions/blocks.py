"""Reads of outputs that are made in blocks, each of which sees too few inputs beyond its own.

A block of B outputs along an axis reads its own inputs, and a history or a halo of those before and
after it.  Where that is too short, exactly the reads beyond it are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import AXES, NOTHING, PLACES, TAPS, Reads

_BLOCKS: Final = (2, 4, 8, 16, 32, 64)


def cut_at_blocks(reads: Reads, *, of_one: bool) -> tuple[str, ...]:
    """Beyond which inputs blocks of outputs read none, in all words that hold.

    Args:
        reads: what is read.
        of_one: whether there is one block alone, of which less is told: what other cases may have
            as well.
    """
    nothing = (reads.got == NOTHING).all(axis=1)
    if not np.array_equal(reads.wrong, nothing & reads.inside):
        return ()
    own = reads.only(reads.inside)
    if not own.wrong.any():
        return ()
    return tuple(words for axis in range(reads.rank) for words in _along(own, axis, of_one=of_one))


def shifted_from_block(reads: Reads) -> tuple[str, ...]:
    """By how much all windows from a block of outputs on lie elsewhere, in all words that hold."""
    read = np.asarray((reads.got >= 0).all(axis=1))
    nothing = np.asarray((reads.got == NOTHING).all(axis=1))
    if not (read | nothing).all():
        return ()
    moved = reads.got[read] - reads.right[read]
    told: list[str] = []
    for axis, name in enumerate(AXES[reads.rank]):
        if not np.delete(moved, 1 + axis, axis=1).any():
            told += _shifted(reads, axis, name, read, moved[:, 1 + axis])
    return tuple(told)


def _shifted(reads: Reads, axis: int, name: str, read: Array, moved: Array) -> Iterator[str]:
    """The same along one axis; nothing is read only where that lies beyond the input."""
    output, place = reads.entries[:, 1 + axis], reads.right[:, 1 + axis]
    for block in _BLOCKS:
        later = output >= block
        far = np.unique(moved[later[read]])
        if not later.any() or len(far) != 1 or not far[0] or moved[~later[read]].any():
            continue
        by = place + np.where(later, far[0], 0)
        if np.array_equal((by >= 0) & (by < reads.lengths[axis]), read):
            yield f"from output {name} {block} on, windows lie {_how_far_on(reads, axis, far[0])}"


def _how_far_on(reads: Reads, axis: int, far: int) -> str:
    padding = -reads.laws[1 + axis].get("", 0)
    if far == padding:
        return (
            "as many inputs too far on as there is padding before the first, as where that is "
            "subtracted in the first block alone"
        )
    return f"{abs(far)} input {AXES[reads.rank][axis]}s too far {'on' if far > 0 else 'back'}"


def _along(own: Reads, axis: int, *, of_one: bool) -> Iterator[str]:
    """The same along one axis."""
    output, read = own.entries[:, 1 + axis], own.right[:, 1 + axis]
    law, name = own.laws[1 + axis], AXES[own.rank][axis]
    stride, taps = law[PLACES[axis]], int(own.entries[:, 1 + own.rank + axis].max())
    for block in _BLOCKS:
        if bool(output.max(initial=0) < block) is not of_one:
            continue
        start = law[""] + stride * block * (output // block)
        first, last = start + law[TAPS[axis]] * taps, start + stride * (block - 1)
        made = f"output {name}s are made in blocks of {block}"
        for side, beyond in (("before", first - read), ("after", read - last)):
            for far in _how_far(own, axis, beyond, of_one=of_one):
                yield (
                    f"{made}, each of which reads {far} {_FROM[side]}, and leaves out what lies "
                    "further off"
                )


_FROM: Final = MappingProxyType(
    {
        "before": "before the end of its first window",
        "after": "after the start of its last window",
    }
)


def _how_far(own: Reads, axis: int, beyond: Array, *, of_one: bool) -> Iterator[str]:
    """How far beyond their own inputs blocks read, in all words that hold; none for no such limit.

    Before a block it is counted from the end of its first window, after it from the start of its
    last.
    """
    name, missing = AXES[own.rank][axis], beyond[own.wrong]
    least, most = int(beyond[~own.wrong].max(initial=0)), int(missing.min()) - 1
    if most < least or not (beyond[~own.wrong] >= 0).any():
        return
    taps = int(own.entries[:, 1 + own.rank + axis].max()) + 1
    dilation = own.laws[1 + axis][TAPS[axis]]
    if dilation > 1 and least <= taps - 1 <= most:
        yield f"only as many input {name}s as the kernel has {name}s less one, without dilation,"
    if not least and not of_one:
        yield f"no input {name}"
    if least and not of_one:
        yield f"only {least} input {name}s" if least > 1 else f"only one input {name}"

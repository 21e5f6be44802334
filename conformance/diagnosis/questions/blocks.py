"""Reads of outputs that are made in blocks, each of which sees too few inputs beyond its own.

A block of B outputs along an axis reads its own inputs, and a history or a halo of those before and
after it.  Where that is too short, exactly the reads beyond it are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import AXES, NOTHING, PLACES, TAPS, Reads

_BLOCKS: Final = (2, 4, 8, 16, 32, 64)


def cut_at_blocks(reads: Reads) -> tuple[str, ...]:
    """Beyond which inputs blocks of outputs read none, in all words that hold."""
    nothing = (reads.got == NOTHING).all(axis=1)
    if not np.array_equal(reads.wrong, nothing & reads.inside):
        return ()
    own = reads.only(reads.inside)
    if not own.wrong.any():
        return ()
    return tuple(words for axis in range(reads.rank) for words in _along(own, axis))


def _along(own: Reads, axis: int) -> Iterator[str]:
    """The same along one axis."""
    output, read = own.entries[:, 1 + axis], own.right[:, 1 + axis]
    stride, name = own.laws[1 + axis][PLACES[axis]], AXES[own.rank][axis]
    for block in _BLOCKS:
        if output.max(initial=0) < block:
            return
        first = stride * block * (output // block)
        last = first + stride * (block - 1)
        made = f"output {name}s are made in blocks of {block}"
        for side, beyond in (("before", first - read), ("after", read - last)):
            for far in _how_far(own, axis, beyond):
                yield (
                    f"{made}, each of which reads {far} {side} that of its "
                    f"{'first' if side == 'before' else 'last'} output, and leaves out what lies "
                    "further off"
                )


def _how_far(own: Reads, axis: int, beyond: Array) -> Iterator[str]:
    """How far beyond their own inputs blocks read, in all words that hold; none for no such limit.

    The place of an output among the inputs is its index times the stride.
    """
    name, missing = AXES[own.rank][axis], beyond[own.wrong]
    least, most = int(beyond[~own.wrong].max(initial=0)), int(missing.min()) - 1
    if most < least or not (beyond[~own.wrong] >= 0).any():
        return
    taps = int(own.entries[:, 1 + own.rank + axis].max()) + 1
    dilation = own.laws[1 + axis][TAPS[axis]]
    if not least:
        yield f"no input {name}"
    if dilation > 1 and least <= taps - 1 <= most:
        yield f"only as many input {name}s as the kernel has {name}s less one, without dilation,"
    if least:
        yield f"only {least} input {name}s" if least > 1 else f"only one input {name}"

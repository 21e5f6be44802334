"""Which inputs the windows of a pooling look at: at part of a window, or at what lies beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array

NEXT_IN_MEMORY: Final = (
    "in the place of the padding, windows look at what lies next in memory, such as the next sample"
)

_MOST_BESIDE: Final = 1000
"""Of how many looks it is asked whether they are at what lies next in memory."""


@dataclass(frozen=True, eq=False)
class Looks:
    """Which outputs of a pooling look at which inputs.

    Attributes:
        inputs: the sample, place and channel of the inputs that were marked.
        right: for each of them, which outputs look at it, as an array of their shape.
        got: the same as it was found.
        windows: for each axis, the input places of the windows, those in the padding as well.
        lengths: the spatial lengths of the inputs.
    """

    inputs: Array
    right: Array
    got: Array
    windows: Sequence[Array] = ()
    lengths: Sequence[int] = ()


def without_middle(looks: Looks) -> str:
    """Whether windows look at their first and last places along axes alone, and at how many."""
    if (looks.got & ~looks.right).any():
        return ""
    ends = [_ends_looked_at(looks, axis) for axis in range(len(looks.windows))]
    told = {one for one in ends if one is not None and one[0] + one[1] < one[2]}
    if len({one[:2] for one in told}) != 1 or None in ends:
        return ""
    first, last, _ = next(iter(told))
    return f"of a window, only the first {first} and the last {last} places along an axis are read"


def _ends_looked_at(looks: Looks, axis: int) -> tuple[int, int, int] | None:
    """How many first and last taps of windows along an axis are looked at, and how many there are.

    None where others are looked at, or the last ones are not.
    """
    windows = looks.windows[axis]
    place = looks.inputs[:, 1 + axis]
    others = tuple(other for other in range(1, looks.got.ndim) if other != 2 + axis)
    outputs, right = (np.asarray(one.any(axis=others)) for one in (looks.got, looks.right))
    marked, output = np.nonzero(right)
    is_there: Array = np.asarray(windows[output] == place[marked, None])
    taps = np.argmax(is_there, axis=1)
    seen, asked = np.zeros(windows.shape[1], bool), np.zeros(windows.shape[1], bool)
    np.logical_or.at(asked, taps, True)
    np.logical_or.at(seen, taps, outputs[marked, output])
    if not asked.all():
        return None
    if seen.all():
        return len(seen), 0, len(seen)
    first, last = int(np.argmin(seen)), int(np.argmin(seen[::-1]))
    is_middle = first > 0 and last > 0 and not seen[first : len(seen) - last].any()
    return (first, last, len(seen)) if is_middle else None


def next_in_memory(looks: Looks) -> bool:
    """Whether all that windows look at beside their own inputs lies next to these in memory."""
    beside = np.argwhere(looks.got & ~looks.right)
    if not len(beside) or len(beside) > _MOST_BESIDE or (looks.right & ~looks.got).any():
        return False
    return all(_is_next(looks, int(one[0]), one[1:]) for one in beside)


def of_other_sample(looks: Looks) -> str:
    """Whether windows look, beside their own inputs, at those of one other sample alone."""
    marked, output, *_ = np.nonzero(looks.got & ~looks.right)
    by = set((looks.inputs[marked, 0] - output).tolist())
    if len(by) != 1 or 0 in by or (looks.right & ~looks.got).any():
        return ""
    (far,) = by
    other = f"the sample {'before' if far < 0 else 'after'}"
    if abs(far) > 1:
        other = f"the sample {abs(far)} {'before' if far < 0 else 'after'} their own"
    where = "windows that begin before the first input" if _begin_before(looks) else "windows"
    return f"{where} look at inputs of {other} as well, as where what was kept of it is not cleared"


def _begin_before(looks: Looks) -> bool:
    """Whether all that look elsewhere are windows that begin in the padding, along some axis."""
    places = np.argwhere(looks.got & ~looks.right)[:, 2:-1]
    begins = [axis[places[:, i], 0] < 0 for i, axis in enumerate(looks.windows)]
    return bool(np.any(begins, axis=0).all())


def _is_next(looks: Looks, marked: int, output: Array) -> bool:
    """Whether the window of an output would hold an input if its places were counted in memory."""
    sample, *place, channel = looks.inputs[marked]
    own, number = np.array([output[0]]), int(sample)
    for axis, length in enumerate(looks.lengths):
        taps = looks.windows[axis][output[1 + axis]]
        own = (own[:, None] * length + taps).ravel()
        number = number * length + int(place[axis])
    return bool(channel == output[-1] and (own == number).any())

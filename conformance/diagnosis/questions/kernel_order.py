"""Elements of the kernel that are used in the place of others, and in which order they stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import TAPS, Reads

_BLOCKS: Final = (2, 4, 8, 16, 32)
_LEAST_MOVED: Final = 3


@dataclass(frozen=True, eq=False)
class _Uses:
    """Elements of the kernel, and as which others they are used; taps as one number.

    Attributes:
        taps, channels: of each element.
        used_taps, used_channels: as which it is used.
        count: the number of taps, and that of channels.
    """

    taps: Array
    channels: Array
    used_taps: Array
    used_channels: Array
    count: tuple[int, int]

    @property
    def moved(self) -> Array:
        """Which elements are used as others."""
        return np.asarray((self.taps != self.used_taps) | (self.channels != self.used_channels))


def kernel_in_another_order(reads: Reads) -> str:
    """In which way the kernel's taps and channels are mixed up; empty where they are not."""
    uses = _uses(reads)
    if uses is None or np.count_nonzero(uses.moved) < _LEAST_MOVED or not _is_one_to_one(uses):
        return ""
    taps, channels = uses.count
    first = int(uses.channels[uses.moved].min())
    where = f"from channel {first} on, " if first else ""
    for block in (channels - first, *_BLOCKS):
        of_block = "" if block == channels - first else f"in blocks of {block} channels, "
        own, other = _in_orders(uses, first, block)
        used_own, used_other = _in_orders(uses, first, block, used=True)
        if np.array_equal(own, used_other):
            return f"{where}{of_block}the kernel is laid out tap by tap and read channel by channel"
        if np.array_equal(other, used_own):
            return f"{where}{of_block}the kernel is laid out channel by channel and read tap by tap"
    row = int(np.argmax(uses.moved))
    was = f"tap {uses.taps[row]} of channel {uses.channels[row]}"
    used = f"tap {uses.used_taps[row]} of channel {uses.used_channels[row]}"
    if taps == 1:
        return ""
    return f"{where}the kernel's taps and channels are mixed up: {was} is used as {used}"


def _in_orders(uses: _Uses, first: int, block: int, *, used: bool = False) -> tuple[Array, Array]:
    """The place of each element in order of taps, and in order of channels, block by block."""
    taps = uses.used_taps if used else uses.taps
    channels = (uses.used_channels if used else uses.channels) - first
    count, left = uses.count[0], uses.count[1] - first
    start = channels // block * block
    length = np.minimum(block, left - start)
    by_taps = start * count + taps * length + channels - start
    by_channels = start * count + (channels - start) * count + taps
    before = channels < 0
    return np.where(before, -1, by_taps), np.where(before, -1, by_channels)


def _is_one_to_one(uses: _Uses) -> bool:
    """Whether each element is used as one other, whatever the output is."""
    elements = uses.taps * uses.count[1] + uses.channels
    used = uses.used_taps * uses.count[1] + uses.used_channels
    pairs = len(np.unique(np.stack([elements, used]), axis=1).T)
    return pairs == len(np.unique(elements)) == len(np.unique(used))


def _uses(reads: Reads) -> _Uses | None:
    """What elements are used as; None where something else is read than for another element."""
    found = reads.only(np.asarray((reads.got >= 0).all(axis=1)))
    if not len(found.got) or not np.array_equal(found.got[:, [0, -1]], found.right[:, [0, -1]]):
        return None
    rank = reads.rank
    taps, moved = found.entries[:, 1 + rank : -2], (found.got - found.right)[:, 1:-1]
    dilation = np.array([reads.laws[1 + axis][TAPS[axis]] for axis in range(rank)])
    if (moved[:, :-1] % dilation).any():
        return None
    used = taps + moved[:, :-1] // dilation
    sizes = tuple(int(n) + 1 for n in reads.entries[:, 1 + rank : -2].max(axis=0))
    channels = found.entries[:, -2]
    count, used_channels = int(reads.entries[:, -2].max()) + 1, channels + moved[:, -1]
    inside = ((used >= 0) & (used < sizes)).all() and (used_channels >= 0).all()
    if not inside or (used_channels >= count).any():
        return None
    of_taps = (np.ravel_multi_index(tuple(one.T), sizes) for one in (taps, used))
    own, as_other = of_taps
    return _Uses(own, channels, as_other, used_channels, (int(np.prod(sizes)), count))

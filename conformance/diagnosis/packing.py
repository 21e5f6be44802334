"""Faults of kernels that are packed or pruned before use, and of outputs that are made in tiles.

A fast kernel lays its weights out anew, in panels of so many filters, leaves out what it takes for
empty, and counts the tiles of its outputs one after another, through all samples; a fast transpose
goes through blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array, contract, flatten
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.systematic_indices import systematic_fault


def packing_faults() -> Iterator[Fault]:
    """Of panels, of what is taken for empty, and of tiles."""
    yield from _panels()
    yield from _taken_for_empty()
    yield from _tiles()
    yield from _transposed()


_FILTERS: Final = (4, 8, 16)
_ROUNDED_TO: Final = (2, 4, 8)


def _panels() -> Iterator[Fault]:
    """Panels of filters whose length is rounded up where they are stored, or read, alone."""
    for filters, block in product(_FILTERS, _ROUNDED_TO):
        rounded = f"rounded up to a multiple of {block}"
        for where, how in (
            ("stored", f"stored with the length of a sum {rounded}, and read without"),
            ("read", f"stored with the length of a sum, and read with it {rounded}"),
        ):
            yield systematic_fault(
                f"packed.{where}.{filters}.{block}",
                f"the kernel is packed in panels of {filters} filters that are {how}, so that all "
                "but the first are read from the wrong place",
                kernel=partial(_from_panels, filters=filters, block=block, where=where),
            )


def _from_panels(w: Array, *, filters: int, block: int, where: str) -> Array:
    """The kernel as it is read from panels that lie elsewhere; zero beyond the last one."""
    count = -(-w.shape[-1] // filters)
    sums = w.reshape(-1, w.shape[-1])
    length, rounded = len(sums), -(-len(sums) // block) * block
    stored, read = (rounded, length) if where == "stored" else (length, rounded)
    packed = np.zeros((count, stored, filters))
    padded = np.zeros((length, count * filters))
    padded[:, : w.shape[-1]] = sums
    packed[:, :length] = padded.reshape(length, count, filters).swapaxes(0, 1)
    memory = np.concatenate([packed.ravel(), np.zeros(count * block * filters)])
    begins = np.arange(count)[:, None] * (read * filters)
    panels = memory[begins + np.arange(length * filters)].reshape(count, length, filters)
    return np.asarray(panels.swapaxes(0, 1).reshape(padded.shape)[:, : w.shape[-1]]).reshape(
        w.shape
    )


_Emptiness = Callable[[Array], Array]
"""Which parts of a kernel are taken for empty, given their weights along the last axis."""

_EMPTY: Final[tuple[tuple[str, str, _Emptiness], ...]] = (
    ("sum", "sum to zero", lambda w: w.sum(axis=-1) == 0),
    ("first", "begin with zero", lambda w: w[..., 0] == 0),
)
_PARTS: Final = (("taps", "elements of the window", 2), ("channels", "channels of an element", 1))
"""Parts of the kernel, and how many of its last axes they have."""


def _taken_for_empty() -> Iterator[Fault]:
    """Weights that are left out because some of them, or their sum, are zero."""
    for (part, words, axes), (how, which, is_empty) in product(_PARTS, _EMPTY):
        yield systematic_fault(
            f"empty.{part}.{how}",
            f"the {words} whose weights {which} are left out, as if all of them were zero",
            kernel=partial(_without_empty, axes=axes, is_empty=is_empty),
        )


def _without_empty(w: Array, *, axes: int, is_empty: _Emptiness) -> Array:
    parts = w.reshape(*w.shape[: w.ndim - axes], -1)
    if not parts.shape[-1]:
        return w
    empty = is_empty(parts)
    return np.where(empty.reshape(*empty.shape, *[1] * axes), 0.0, w)


_LENGTHS: Final = (1, 2, 4)

_Decoded = Callable[[Array, int, int], tuple[Array, Array]]
"""The row and the column of tiles, by their numbers, given how many rows and columns there are."""

_BY_OTHER: Final[tuple[tuple[str, str, _Decoded], ...]] = (
    (
        "row",
        "the row of a tile is taken modulo the number of columns of tiles, not that of rows",
        lambda t, rows, columns: (t // columns % columns, t % columns),
    ),
    (
        "both",
        "the number of a tile is taken apart by the number of rows of tiles, not that of columns",
        lambda t, rows, columns: (t // rows % rows, t % rows),
    ),
)


def _tiles() -> Iterator[Fault]:
    """Tiles of outputs that are never made, as their numbers are taken apart wrongly."""
    for length, (name, words, decoded) in product(_LENGTHS, _BY_OTHER):
        yield systematic_fault(
            f"tiles.{name}.{length}",
            f"the outputs are made in tiles of {length} by {length} of all samples, and {words}, "
            "so that some are never made",
            contract=partial(_made, length=length, decoded=decoded),
        )


def _made(windows: Array, kernel: Array, *, length: int, decoded: _Decoded) -> Array:
    """The sums of tiles that are made; zero for the others."""
    sums = contract(windows, kernel)
    if sums.ndim != len(("sample", "row", "column", "filter")) or not sums.size:
        return sums
    samples, *lengths, _ = sums.shape
    rows, columns = (-(-n // length) for n in lengths)
    number = np.arange(samples * rows * columns)
    row, column = decoded(number, rows, columns)
    made = np.zeros((samples, rows, columns), bool)
    within = (row < rows) & (column < columns)
    made[number[within] // (rows * columns), row[within], column[within]] = True
    return np.where(_spread(made, length, lengths), sums, 0.0)


def _spread(made: Array, length: int, lengths: Sequence[int]) -> Array:
    """Tiles as outputs, with an axis for the filters."""
    wide = made.repeat(length, axis=1).repeat(length, axis=2)
    return np.asarray(wide[:, : lengths[0], : lengths[1], np.newaxis])


_BLOCKS: Final = (4, 8, 16, 32)

_Rest = Callable[[Array, Array], Array]
"""Which elements are lost, by whether their places, and their channels, are left over."""

_RESTS: Final[tuple[tuple[str, str, _Rest], ...]] = (
    ("corner", "places and channels that blocks leave over meet", lambda p, c: p & c),
    ("places", "places are left over by blocks", lambda p, c: p | np.zeros_like(c)),
    ("channels", "channels are left over by blocks", lambda p, c: c | np.zeros_like(p)),
)


def _transposed() -> Iterator[Fault]:
    """What blocks leave over of a transpose."""
    for block, (name, words, is_lost) in product(_BLOCKS, _RESTS):
        yield systematic_fault(
            f"flatten.rest.{name}.{block}",
            f"channels_first inputs are transposed in blocks of {block} by {block}, and outputs "
            f"are zero where {words}",
            flatten=partial(_without_rest, block=block, is_lost=is_lost),
        )


def _without_rest(x: Array, channels_first: bool, *, block: int, is_lost: _Rest) -> Array:
    """The outputs but for what is lost, where both lengths are beyond one block."""
    y = flatten(x, channels_first)
    channels = x.shape[1] if x.ndim > len(("sample", "channel")) else 0
    places = y.shape[1] // channels if channels else 0
    if not channels_first or min(channels, places) <= block:
        return y
    place, channel = (np.arange(n) >= n // block * block for n in (places, channels))
    return np.where(is_lost(place[:, np.newaxis], channel).reshape(-1), np.zeros_like(y), y)

"""Where wrong outputs lie, in words of the loop that goes over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.attribution import which
from conformance.diagnosis.evaluation import Array

_BLOCKS: Final = (2, 4, 8, 16, 32)


def where_of(wrong: Array, axes: Sequence[str]) -> Iterator[str]:
    """The places of wrong outputs, in all words that hold; none where all are wrong.

    Args:
        wrong: which are, of the shape (samples, *places).
        axes: the names of the spatial axes in the singular.
    """
    if wrong.all():
        return
    for over, mask in (("of each sample", wrong[0]), ("of all samples", wrong)):
        if np.array_equal(np.broadcast_to(mask, wrong.shape), wrong):
            yield from _in_blocks(mask.ravel(), "places", over)
    whole_rows = np.array_equal(np.broadcast_to(wrong[..., :1], wrong.shape), wrong)
    if len(axes) > 1 and whole_rows and wrong.shape[-1] > 1:
        yield from _beyond_blocks(wrong[..., 0].ravel(), f"{axes[-2]}s", "of all samples")
    if np.array_equal(np.broadcast_to(wrong[0], wrong.shape), wrong):
        yield from _along_one_axis(wrong[0], axes)
        yield from _corners(wrong[0], axes)


def _in_blocks(mask: Array, what: str, over: str) -> Iterator[str]:
    yield from _beyond_blocks(mask, what, over)
    yield from _shared_by_blocks(mask, f"{what} {over}")


def _beyond_blocks(mask: Array, what: str, over: str) -> Iterator[str]:
    for block in _remainders(mask):
        yield (
            f"the output {what} {over} beyond the last multiple of {block}, counted one after "
            "another,"
        )


def _shared_by_blocks(mask: Array, what: str) -> Iterator[str]:
    for block in _overlaps(mask):
        yield (
            f"the output {what} that a last block of {block}, moved back to end with them, shares "
            "with the block before"
        )


def _along_one_axis(wrong: Array, axes: Sequence[str]) -> Iterator[str]:
    """Where they are the same along all axes but one of several."""
    if len(axes) < 2:
        return
    for number, axis in enumerate(axes):
        along = np.moveaxis(wrong, number, 0).reshape(wrong.shape[number], -1)
        if (along == along[:, :1]).all():
            yield from _shared_by_blocks(along[:, 0], f"{axis}s")


def _remainders(mask: Array) -> Iterator[int]:
    """The lengths of blocks that leave over what is wrong."""
    index = np.arange(mask.size)
    for block in _BLOCKS:
        if mask.size % block and np.array_equal(mask, index >= mask.size // block * block):
            yield block


def _overlaps(mask: Array) -> Iterator[int]:
    """The lengths of blocks of which the last, moved back, shares what is wrong with the other."""
    index = np.arange(mask.size)
    for block in _BLOCKS:
        whole = mask.size // block * block
        shared = (index >= mask.size - block) & (index < whole)
        if whole and mask.size % block and np.array_equal(mask, shared):
            yield block


def _corners(wrong: Array, axes: Sequence[str]) -> Iterator[str]:
    """Where wrong outputs are those of some rows and some columns."""
    every = set(range(wrong.ndim))
    along = [np.asarray(wrong.any(axis=tuple(every - {axis}))) for axis in range(wrong.ndim)]
    if wrong.ndim < 2 or not np.array_equal(wrong, np.logical_and.outer(*along)):
        return
    for tile in _BLOCKS:
        if all(_is_last(mask, tile) for mask in along):
            yield f"the outputs of the last tile of {tile} by {tile}"
    told = [which(mask, f"output {axis}s") for mask, axis in zip(along, axes, strict=True)]
    for rows, columns in product(*told):
        yield f"the outputs where {rows}, and {columns},"


def _is_last(mask: Array, block: int) -> bool:
    first = (mask.size - 1) // block * block
    return np.array_equal(mask, np.arange(mask.size) >= first)

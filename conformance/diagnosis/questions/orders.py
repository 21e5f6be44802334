"""Outputs that are right for other indices than their own, and in which order they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import AXES, PLACES, TAPS, Reads


def in_another_order(reads: Reads) -> str:
    """Whether each output is right for another one along the axes, and for which."""
    read: Array = np.asarray((reads.got >= 0).all(axis=1))
    last = reads.right.shape[1] - 2
    if not np.array_equal(reads.got[read, last:], reads.right[read, last:]):
        return ""
    told = []
    for column in range(1 + reads.rank):
        source = _sources(reads, column, read)
        if source is None:
            return ""
        if any(index != other for index, other in source.items()):
            told.append(_order_in_words(reads, column, list(source.values())))
    return "; ".join(told)


def _sources(reads: Reads, column: int, read: Array) -> dict[int, int] | None:
    """For each index of outputs along an axis, the index for which its reads are right.

    None where one has reads of several, or they follow from other indices too, or where some index
    reads nothing that tells.
    """
    moved = reads.got[read, column] - reads.right[read, column]
    stride = reads.laws[column]["n" if column == 0 else PLACES[column - 1]]
    index = reads.entries[read, column]
    if (moved % stride).any():
        return None
    source = index + moved // stride
    found = {int(i): int(source[index == i][0]) for i in np.unique(index)}
    is_one = all(
        found[i] == other for i, other in zip(index.tolist(), source.tolist(), strict=True)
    )
    told = len(found) > _LEAST_ORDERED or not moved.any()
    is_whole = list(found) == list(range(len(found))) or not moved.any()
    return found if is_one and told and is_whole else None


_LEAST_ORDERED: Final = 2


def _order_in_words(reads: Reads, column: int, order: Sequence[int]) -> str:
    axis, law = ("sample", *AXES[reads.rank])[column], reads.laws[column]
    steps = _phases(order)
    if steps > 1:
        names = {} if column == 0 else {law[TAPS[column - 1]]: "the dilation rate"}
        names |= {} if column == 0 else {law[PLACES[column - 1]]: "the strides"}
        return (
            f"the outputs along the {axis}s are right, but stand in another order: those whose "
            f"index leaves the same remainder when it is divided by {names.get(steps, steps)} "
            "follow one another, where they should take turns"
        )
    length, far = _blocks(order)
    if far == 0 and 2 * length == len(order):
        return f"the second half of the output {axis}s holds what belongs to the first half"
    if length:
        return (
            f"output {axis}s are done in blocks of {length}, and each block has what belongs "
            f"{far} {axis}s after the block before, not {length}"
        )
    shown = ", ".join(map(str, order[:_MOST_SHOWN])) + ", ..." * (len(order) > _MOST_SHOWN)
    return f"the output {axis}s hold, from the first on, what belongs to {axis}s {shown}"


_MOST_SHOWN: Final = 12


def _blocks(order: Sequence[int]) -> tuple[int, int]:
    """The length of blocks, and how far apart what they hold lies; zeros where it is not so."""
    for length in range(2, len(order)):
        for far in range(2 * length):
            if list(order) == [i // length * far + i % length for i in range(len(order))]:
                return length, far
    return 0, 0


def _phases(order: Sequence[int]) -> int:
    """By which number an order is that of the remainders, those of one after another; else 0."""
    count = len(order)
    for steps in range(2, count):
        phases = [index for first in range(steps) for index in range(first, count, steps)]
        if list(order) == phases and phases != sorted(phases):
            return steps
    return 0

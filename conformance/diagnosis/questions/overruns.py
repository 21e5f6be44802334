"""Sums whose loop over products, in blocks, takes others than its own.

A loop over the products of an output, in blocks, that does not end with the last of them multiplies
further inputs with further weights: with the last weight again where the index is held there, or
with those of the next filter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import NOTHING, PLACES, SEVERAL, TAPS, Reads


def beyond_products(reads: Reads) -> str:
    """With which weights sums go on beyond their last product; empty where they do not."""
    if not reads.wrong.any():
        return ""
    wrong = reads.only(reads.wrong)
    several = wrong.got[:, 0] == SEVERAL
    alone = (wrong.got >= 0).all(axis=1) & ~wrong.inside
    if not (several | alone).all() or not several[wrong.inside].any() or reads.groups > 1:
        return ""
    sizes = reads.sizes
    last = reads.products(sizes).max()
    if last and (wrong.products(sizes) == last).all():
        return _WITH_LAST
    own, given = wrong.entries[:, -1], wrong.got[alone, -1]
    are_of_next = alone.any() and own.all() and (given < own[alone]).all()
    return _WITH_NEXT if are_of_next else ""


def of_other_block(reads: Reads) -> str:
    """Whether some weights meet inputs of products that lie whole blocks before or after theirs."""
    sizes = reads.sizes
    wrong = reads.only(reads.wrong)
    given = wrong.only(np.asarray((wrong.got >= 0).all(axis=1)))
    if reads.groups > 1 or not len(given.got) or (wrong.got[:, 0] == SEVERAL).any():
        return ""
    numbers, others = given.products(sizes), _products_of(given, sizes)
    by = np.unique(numbers - others)
    is_part = len(np.unique(wrong.products(sizes))) < len(np.unique(reads.products(sizes)))
    same = np.array_equal(given.got[:, [0, -1]], given.right[:, [0, -1]])
    if not same or not is_part or (others < 0).any() or len(by) != 1 or int(by[0]) % _BLOCK:
        return ""
    side = "before" if by[0] > 0 else "after"
    return _OF_OTHER.format(count=abs(int(by[0])), side=side)


def _products_of(reads: Reads, sizes: tuple[int, ...]) -> Array:
    """The number of the product that has the input that is read; -1 where no product has."""
    found = []
    for axis in range(reads.rank):
        law, place = reads.laws[1 + axis], reads.entries[:, 1 + axis]
        off = reads.got[:, 1 + axis] - law[PLACES[axis]] * place - law.get("", 0)
        tap, rest = np.divmod(off, law[TAPS[axis]])
        found.append(np.where(rest == 0, tap, NOTHING))
    index = np.stack([*found, reads.got[:, -2]])
    there = ((index >= 0) & (index < np.array(sizes)[:, None])).all(axis=0)
    numbers = np.ravel_multi_index(tuple(np.where(there, index, 0)), sizes)
    return np.where(there, numbers, NOTHING)


_BLOCK: Final = 4
_OF_OTHER: Final = (
    "some weights meet the inputs of the products {count} {side} their own, as where a loop over "
    "blocks of products takes inputs and weights of two different ones"
)
_BEYOND: Final = (
    "the products of a sum go on beyond the last of them: further inputs are multiplied "
)
_WITH_LAST: Final = f"{_BEYOND}with the last weight"
_WITH_NEXT: Final = (
    f"{_BEYOND}with the weights of the next filter, as they lie in memory by filters"
)

"""Sums that go on beyond the last of their products, to what lies next in memory.

A loop over the products of an output, in blocks, that does not end with the last of them multiplies
further inputs with further weights: with the last weight again where the index is held there, or
with those of the next filter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import SEVERAL, Reads


def beyond_products(reads: Reads) -> str:
    """With which weights sums go on beyond their last product; empty where they do not."""
    wrong = reads.only(reads.wrong)
    several = wrong.got[:, 0] == SEVERAL
    alone = (wrong.got >= 0).all(axis=1) & ~wrong.inside
    if not (several | alone).all() or not several[wrong.inside].any() or reads.groups > 1:
        return ""
    last = _products(reads).max()
    if last and (_products(wrong) == last).all():
        return _WITH_LAST
    own, given = wrong.entries[:, -1], wrong.got[alone, -1]
    are_of_next = alone.any() and own.all() and (given < own[alone]).all()
    return _WITH_NEXT if are_of_next else ""


def _products(reads: Reads) -> Array:
    """The number of each product in its sum."""
    taps_and_channel = reads.entries[:, 1 + reads.rank : -1]
    sizes = tuple(taps_and_channel.max(axis=0, initial=0) + 1)
    return np.asarray(np.ravel_multi_index(tuple(taps_and_channel.T), sizes))


_BEYOND: Final = (
    "the products of a sum go on beyond the last of them: further inputs are multiplied "
)
_WITH_LAST: Final = f"{_BEYOND}with the last weight"
_WITH_NEXT: Final = (
    f"{_BEYOND}with the weights of the next filter, as they lie in memory by filters"
)

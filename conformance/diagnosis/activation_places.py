"""In which part of the outputs an activation is wrong, where equal sums are right in the others.

A vector loop and what it leaves over may compute an activation differently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from conformance.cases.facts import facts
from conformance.diagnosis.activation_errors import reached_sums
from conformance.diagnosis.evaluation import to_channels_last
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.diagnosis.places import OVER_SEVERAL, Place, axes_of_output, is_within, places_of

_MOST: Final = 24
"""How many failures are looked at."""

_SHARE: Final = 0.2
"""In which share of the failures a place is seen at least; the others do not contradict it."""

_LEAST: Final = 12
"""How many elements outside of the place have sums that are wrong within it, and are right."""

_OFTEN: Final = 4
"""By how many times a wrong element would be there by chance, were the place of no matter."""


def only_at(failures: Sequence[Failure], hypotheses: Hypotheses) -> str:
    """``only in the filters up to the last multiple of 4``; empty where there is no such place."""
    few = failures[:_MOST]
    counts = Counter(place for failure in few for place in places_of(failure, hypotheses))
    often = [
        place
        for place, count in counts.items()
        if count >= _SHARE * len(few) and place.axis not in OVER_SEVERAL
    ]
    shared = [p for p in sorted(often) if all(is_within(p, f, hypotheses) for f in few)]
    told = [place for place in shared if _is_telling(place, few)]
    smallest = min(told, key=lambda place: (_size(place, few), -place.block), default=None)
    return "" if smallest is None else f"only in {smallest.words.rstrip(',')}"


def _size(place: Place, failures: Sequence[Failure]) -> int:
    return sum(int(np.count_nonzero(within)) for within, _ in _among(place, failures))


def _is_telling(place: Place, failures: Sequence[Failure]) -> bool:
    """Whether as many sums are right outside of the place as would not be by chance."""
    pairs = [np.concatenate(part) for part in zip(*_among(place, failures), strict=True)]
    if not pairs:
        return False
    within, wrong = pairs
    outside = int(np.count_nonzero(~within))
    return outside >= _LEAST and outside * float(wrong[within].mean()) >= _OFTEN


def _among(
    place: Place, failures: Sequence[Failure]
) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Of elements with sums like the wrong ones, which lie within the place, and are wrong."""
    for failure in failures:
        found = reached_sums(failure)
        axes = axes_of_output(failure.case)
        if found is None or place.axis not in axes:
            continue
        first = facts(failure.case).channels_first
        wrong, like = (to_channels_last(a) if first else a for a in found)
        number = axes.index(place.axis)
        at = place.mask(wrong.shape[number])
        within = np.broadcast_to(
            at.reshape([-1 if axis == number else 1 for axis in range(wrong.ndim)]), wrong.shape
        )
        yield within[like], wrong[like]

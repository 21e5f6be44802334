"""Faults that are there in a part of the outputs only, such as a remainder of a loop or a sample.

Most outputs are right, and those that are wrong are, each of them, what a fault gives there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.diagnosis.evaluation import Prediction
from conformance.diagnosis.faults import FAULTS, Fault
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.diagnosis.places import (
    OVER_SEVERAL,
    Place,
    begins_within,
    is_within,
    places_of,
    size_of,
)
from conformance.outcomes import Value

Array = np.ndarray[Any, Any]

_PROBES: Final = 24
_LEAST: Final = 3
"""How many failures a fault explains in part at least."""

_MEASURED: Final = 12
"""In how many failures places are compared."""

_SHARE: Final = 0.5
"""In which share of the failures a place is seen at least; the others do not contradict it."""

_DISTINCT: Final = 5
"""How many different wrong elements tell a fault: a few limits are given by many.

Failures of fewer join what others tell."""


@dataclass(frozen=True, eq=False)
class Partial:
    """Failures in which a fault gives what is wrong, and is not there in what is right.

    Attributes:
        fault: the fault.
        failures: these.
        place: where along an axis the wrong elements lie in all of them; None for no one place.
    """

    fault: Fault
    failures: tuple[Failure, ...]
    place: Place | None

    @property
    def words(self) -> str:
        """The whole, to be followed by what the cases have in common."""
        if self.place is None:
            return f"in a part of the outputs, {self.fault.sentence}"
        return f"{self.fault.sentence}, only in {self.place.words}"


def partial_faults(failures: Sequence[Failure], hypotheses: Hypotheses) -> list[Partial]:
    """The faults that explain most failures in part, one after the other."""
    every = {f: w for f in failures if (w := _wrong(f, hypotheses)) is not None}
    wrong = {f: w for f, w in every.items() if not w.all() and _tells(f, w)}
    few = {f: w for f, w in every.items() if not w.all() and f not in wrong}
    whole = {f: w for f, w in every.items() if w.all()}
    found: list[Partial] = []
    catalogue = [fault for fault in FAULTS.values() if (fault,) not in hypotheses.refuted]
    while len(wrong) >= _LEAST:
        probes = sorted(wrong, key=lambda f: int(wrong[f].size))[:_PROBES]
        counts = Counter(
            {
                fault: sum(_explains(fault, f, wrong[f], hypotheses) for f in probes)
                for fault in catalogue
            }
        )
        fault, count = counts.most_common(1)[0]
        if not count:
            break
        own = [f for f in wrong if _explains(fault, f, wrong[f], hypotheses)]
        if len(own) < _LEAST or 2 * len(own) <= len(wrong):
            break  # what explains a few among many does so by chance
        own += [f for f, w in few.items() if _explains(fault, f, w, hypotheses)]
        few = {f: w for f, w in few.items() if f not in set(own)}
        place = _place(own, hypotheses)
        if place is None and fault.identifier.startswith("activation."):
            break  # what an activation gives for some sums is told by these
        if place is not None:
            all_there = [f for f in whole if not begins_within(place, f, hypotheses)]
            own += [f for f in all_there if _explains(fault, f, whole[f], hypotheses)]
        whole = {f: w for f, w in whole.items() if f not in set(own)}
        found.append(Partial(fault, tuple(own), place))
        wrong = {f: w for f, w in wrong.items() if f not in set(own)}
    return found


def explains_in_part(fault: Fault, failure: Failure, hypotheses: Hypotheses) -> bool:
    """Whether a fault gives all that is wrong in a failure."""
    wrong = _wrong(failure, hypotheses)
    return wrong is not None and _explains(fault, failure, wrong, hypotheses)


def _wrong(failure: Failure, hypotheses: Hypotheses) -> Array | None:
    """Which outputs are wrong; None where none are, or where that is not known."""
    outcome = failure.outcome
    if failure.case.observe != "output" or not isinstance(outcome, Value):
        return None
    actual, right = outcome.value, hypotheses.prediction((), failure.case)
    if not isinstance(right, Prediction) or not _is_like(actual, right.value):
        return None
    wrong: Array = ~right.allows(actual)
    return wrong if wrong.any() else None


def _tells(failure: Failure, wrong: Array) -> bool:
    """Whether enough different elements are wrong to tell a fault."""
    assert isinstance(failure.outcome, Value)
    return len(np.unique(failure.outcome.value[wrong].astype(np.float64))) >= _DISTINCT


def _is_like(actual: Any, right: Array) -> bool:
    is_array = isinstance(actual, np.ndarray)
    return is_array and actual.shape == right.shape and actual.dtype == right.dtype


def _explains(fault: Fault, failure: Failure, wrong: Array, hypotheses: Hypotheses) -> bool:
    """Whether a fault gives all that is wrong, and something else than is right there."""
    right = hypotheses.prediction((), failure.case)
    made = hypotheses.prediction((fault,), failure.case)
    assert isinstance(failure.outcome, Value)
    assert isinstance(right, Prediction)
    if made is right or not isinstance(made, Prediction):
        return False
    if not _is_like(made.value, right.value):
        return False
    given, otherwise = made.allows(failure.outcome.value), made.allows(right.value)
    return bool(given[wrong].all() and not otherwise[wrong].any())


def _place(failures: Sequence[Failure], hypotheses: Hypotheses) -> Place | None:
    """Where the wrong elements of all failures lie, while others before them are right in some.

    Of several such places the smallest.
    """
    every = Counter(p for failure in failures for p in places_of(failure, hypotheses))
    often = [place for place, count in every.items() if count >= _SHARE * len(failures)]
    within = (p for p in often if all(is_within(p, f, hypotheses) for f in failures))
    shared = [place for place in within if _is_part(place, failures, hypotheses)]

    def order(place: Place) -> tuple[float, bool, bool, int, Place]:
        size = sum(size_of(place, failure, hypotheses) for failure in failures[:_MEASURED])
        return size, place.axis in OVER_SEVERAL, place.above, place.block, place

    return min(shared, key=order, default=None)


def _is_part(place: Place, failures: Sequence[Failure], hypotheses: Hypotheses) -> bool:
    return any(begins_within(place, failure, hypotheses) for failure in failures)

"""The search for the faults that explain failing cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeVar

from conformance.cases.case import Case
from conformance.diagnosis.faults import FAULTS, Fault
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    Hypothesis,
    are_compatible,
    is_predictable,
)
from conformance.outcomes import Value

Item = TypeVar("Item")

_PROBES: Final = 40
_FINALISTS: Final = 6
_PARTNERS: Final = 8
_WITNESSES: Final = 400


@dataclass(frozen=True, eq=False)
class Explanation:
    """Faults that give what an implementation gave in some of its failing cases.

    Attributes:
        faults: one fault, or two at a time.
        failures: the failures that they explain.
        contradicted: passing cases in which an implementation with these faults would fail.
        alternatives: other faults that explain the same, and are contradicted no more often.
    """

    faults: Hypothesis
    failures: tuple[Failure, ...]
    contradicted: tuple[Case, ...]
    alternatives: tuple[Hypothesis, ...] = ()


def explanations(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Explanation]:
    """Explanations, that of most failures first; what none explains is left out.

    One fault that explains all is preferred, then two at a time, then as few as do.
    """
    found = []
    remaining = [failure for failure in failures if is_predictable(failure.case)]
    while remaining:
        best = _Search(remaining, passed, hypotheses).best()
        if best is None:
            break
        found.append(best)
        explained = set(best.failures)
        remaining = [failure for failure in remaining if failure not in explained]
    return found


class _Search:
    """The search for what explains most of some failures.

    Hypotheses are tried on a sample of small failing cases; the best few on all.
    """

    def __init__(
        self, failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
    ) -> None:
        self._failures = failures
        self._passed = passed
        self._hypotheses = hypotheses
        self._probes = _spread(sorted(failures, key=_size), _PROBES)
        self._singles: list[Hypothesis] = [(fault,) for fault in FAULTS.values()]

    def best(self) -> Explanation | None:
        """The explanation of most failures; None where nothing explains any."""
        counts = self._counts(self._singles)
        finalists = self._finalists(counts)
        if not any(len(covered) == len(self._failures) for covered in finalists.values()):
            partners = sorted(counts, key=lambda one: -counts[one])[:_PARTNERS]
            pairs = list(self._pairs(finalists, partners))
            finalists |= self._finalists(self._counts(pairs))
        chosen = self._chosen(finalists)
        return chosen if chosen and self._is_credible(chosen) else None

    def _counts(self, candidates: Sequence[Hypothesis]) -> dict[Hypothesis, int]:
        """How many probes each candidate explains, where it is any."""
        counts = {
            one: sum(self._hypotheses.explain(one, probe) for probe in self._probes)
            for one in candidates
        }
        return {one: count for one, count in counts.items() if count}

    def _finalists(self, counts: dict[Hypothesis, int]) -> dict[Hypothesis, tuple[Failure, ...]]:
        """What the best candidates explain of all failures."""
        ordered = sorted(counts, key=lambda one: -counts[one])
        least = counts[ordered[:_FINALISTS][-1]] if ordered else 0
        enough = [one for one in ordered if counts[one] >= least]
        return {
            one: tuple(f for f in self._failures if self._hypotheses.explain(one, f))
            for one in enough[: 4 * _FINALISTS]
        }

    def _pairs(
        self, finalists: dict[Hypothesis, tuple[Failure, ...]], partners: Sequence[Hypothesis]
    ) -> Iterator[Hypothesis]:
        """Pairs that explain a small failure that the best single fault does not.

        One of the two is among the faults that explain some failures alone; where these are few,
        any.
        """
        covered = max(finalists.values(), key=len, default=())
        hard = min((f for f in self._failures if f not in set(covered)), key=_size)
        enough = len(covered) > len(self._failures) // 2
        firsts = {one[0] for one in partners}
        for one, other in combinations(FAULTS.values(), 2):
            promising = not enough or one in firsts or other in firsts
            if promising and self._is_pair(one, other, hard):
                yield one, other

    def _is_pair(self, one: Fault, other: Fault, hard: Failure) -> bool:
        return are_compatible(one, other) and self._hypotheses.explain((one, other), hard)

    def _chosen(self, finalists: dict[Hypothesis, tuple[Failure, ...]]) -> Explanation | None:
        """That which explains most, with least contradiction, by the fewest faults."""
        most = max(map(len, finalists.values()), default=0)
        if not most:
            return None
        leading = [one for one, covered in finalists.items() if len(covered) == most]
        fewest = min(map(len, leading))
        leading = [one for one in leading if len(one) == fewest]
        contradicted = {one: self._contradicted(one, finalists[one]) for one in leading}
        least = min(map(len, contradicted.values()))
        first, *others = (one for one in leading if len(contradicted[one]) == least)
        return Explanation(first, finalists[first], contradicted[first], tuple(others))

    def _contradicted(self, one: Hypothesis, covered: Sequence[Failure]) -> tuple[Case, ...]:
        layers = {failure.case.layer for failure in covered}
        witnesses = _spread([case for case in self._passed if case.layer in layers], _WITNESSES)
        return tuple(case for case in witnesses if self._hypotheses.affect(one, case))

    def _is_credible(self, explanation: Explanation) -> bool:
        """Not one that explains a few failures by chance: contradicted more often than not."""
        count = len(explanation.failures)
        return count == len(self._failures) or count > len(explanation.contradicted)


def _size(failure: Failure) -> int:
    """Small cases first, but not those that say little."""
    value = failure.outcome.value if isinstance(failure.outcome, Value) else None
    size = int(getattr(value, "size", 0))
    return size if size >= 8 else 10_000 - size


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most so many items, evenly from all."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]

"""The search for the faults that explain failing cases."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Final, TypeVar

from conformance.cases.case import Case
from conformance.diagnosis.commonality import separates
from conformance.diagnosis.faults import FAULTS, Fault
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS, OF_ONE_GRADIENT
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    Hypothesis,
    are_compatible,
    is_predictable,
)
from conformance.diagnosis.systematic import SYSTEMATIC
from conformance.outcomes import Rejection, Value

Item = TypeVar("Item")

_PROBES: Final = 40
_FEW_PROBES: Final = 4
_FINALISTS: Final = 6
_PARTNERS: Final = 8
_WITNESSES: Final = 400
_CONDITIONED: Final = 4
"""How many failures a fault explains at least that is named under a condition."""

_CONTRADICTIONS: Final = 2
"""How many failures that are explained weigh as much as a passing case that should have failed."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Faults that give what an implementation gave in some of its failing cases.

    Attributes:
        faults: one fault, or two at a time.
        failures: the failures that they explain.
        contradicted: passing cases in which an implementation with these faults would fail.
        alternatives: other faults that explain the same, and are contradicted no more often.
        against: how many passing cases there are like those that contradict them, of which not
            all are looked at.
    """

    faults: Hypothesis
    failures: tuple[Failure, ...]
    contradicted: tuple[Case, ...]
    alternatives: tuple[Hypothesis, ...] = ()
    against: int = 0


@dataclass(frozen=True)
class _Against:
    """Passing cases in which an implementation with some faults would fail, and their number."""

    cases: tuple[Case, ...]
    count: int


def explanations(
    failures: Sequence[Failure],
    passed: Sequence[Case],
    hypotheses: Hypotheses,
    told: Container[Failure] = (),
) -> list[Explanation]:
    """Explanations, that of most failures first; what none explains is left out.

    One fault that explains all is preferred, then two at a time, then as few as do.  What is left
    is looked at again cluster by cluster, from the coarsest to the finest, so that what few
    failures show is found among many as it is alone.

    Args:
        failures: the failures.
        passed: the cases in which the implementation conforms.
        hypotheses: predictions, to be used again.
        told: the failures of which the judge itself says what they are; for these alone no fault
            is looked for cluster by cluster.
    """
    found: list[Explanation] = []
    remaining = [failure for failure in failures if is_predictable(failure.case)]
    remaining = _explained_away(remaining, passed, hypotheses, found, whole=True)
    remaining = [failure for failure in remaining if failure not in told]
    for key in _CLUSTERS:
        for cluster in clusters(remaining, key):
            if key is not _by_what_was_done and not any(map(_has_values, cluster)):
                continue  # rejections of one message are one cluster, however they are divided
            pairs = key is _by_what_was_done
            left = _explained_away(cluster, passed, hypotheses, found, pairs=pairs)
            gone = set(cluster) - set(left)
            remaining = [failure for failure in remaining if failure not in gone]
    found = _without_told_refusals(found, remaining)
    return _merged([_with_empty(one, remaining, hypotheses) for one in found])


def explained_by_one(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> Explanation | None:
    """The fault that explains all of some failures, contradicted least; None for no such fault."""
    return _Search(failures, passed, hypotheses, whole=True, pairs=False).covering()


def _without_told_refusals(
    found: Sequence[Explanation], remaining: Sequence[Failure]
) -> list[Explanation]:
    """The explanations but those of mere refusals in words by which others are refused as well.

    A message that refuses what no fault explains tells more than that arrays would not fit.
    """
    told = {failure.what for failure in remaining if isinstance(failure.outcome, Rejection)}

    def is_told(one: Explanation) -> bool:
        refused = all(isinstance(failure.outcome, Rejection) for failure in one.failures)
        return refused and all(failure.what in told for failure in one.failures)

    return [one for one in found if not is_told(one)]


def _with_empty(one: Explanation, remaining: list[Failure], hypotheses: Hypotheses) -> Explanation:
    """With what is rejected for arrays without elements, where others are rejected as well."""
    if not any(isinstance(failure.outcome, Rejection) for failure in one.failures):
        return one
    more = [f for f in remaining if hypotheses.fail_without_elements(one.faults, f)]
    for failure in more:
        remaining.remove(failure)
    return replace(one, failures=(*one.failures, *more))


def _explained_away(
    failures: list[Failure],
    passed: Sequence[Case],
    hypotheses: Hypotheses,
    found: list[Explanation],
    *,
    whole: bool = False,
    pairs: bool = True,
) -> list[Failure]:
    """Add what explains some failures to what is found; the failures that nothing explains."""
    while failures:
        best = _Search(failures, passed, hypotheses, whole=whole, pairs=pairs).best()
        if best is None:
            break
        found.append(best)
        explained = set(best.failures)
        failures = [failure for failure in failures if failure not in explained]
    return failures


def _has_values(failure: Failure) -> bool:
    return isinstance(failure.outcome, Value)


def _by_what_was_done(failure: Failure) -> Hashable:
    return failure.case.layer, failure.case.observe, failure.what


def _by_operands(failure: Failure) -> Hashable:
    return *_tuple(_by_what_was_done(failure)), failure.stage, failure.case.operands


def _by_dtype(failure: Failure) -> Hashable:
    return *_tuple(_by_what_was_done(failure)), failure.stage, failure.case.dtype


def _by_activation(failure: Failure) -> Hashable:
    activation = failure.case.keywords.get("activation")
    return *_tuple(_by_what_was_done(failure)), failure.stage, str(activation)


def _tuple(key: Hashable) -> tuple[Hashable, ...]:
    return key if isinstance(key, tuple) else (key,)


_CLUSTERS: Final[tuple[Callable[[Failure], Hashable], ...]] = (
    _by_what_was_done,
    _by_activation,
    _by_operands,
    _by_dtype,
)


def clusters(
    failures: Iterable[Failure], key: Callable[[Failure], Hashable]
) -> list[list[Failure]]:
    """The failures by a key, the largest cluster first."""
    found: dict[Hashable, list[Failure]] = {}
    for failure in failures:
        found.setdefault(key(failure), []).append(failure)
    return sorted(found.values(), key=lambda cluster: -len(cluster))


def _merged(found: Sequence[Explanation]) -> list[Explanation]:
    """Explanations by the same faults as one; the first alternatives are those in common."""
    merged: dict[Hypothesis, Explanation] = {}
    for one in found:
        before = merged.get(one.faults)
        if before is None:
            merged[one.faults] = one
            continue
        merged[one.faults] = Explanation(
            one.faults,
            (*before.failures, *one.failures),
            tuple(dict.fromkeys((*before.contradicted, *one.contradicted))),
            tuple(other for other in before.alternatives if other in one.alternatives),
        )
    return sorted(merged.values(), key=lambda one: -len(one.failures))


class _Search:
    """The search for what explains most of some failures.

    Hypotheses are tried on a sample of small failing cases; the best few on all.
    """

    def __init__(
        self,
        failures: Sequence[Failure],
        passed: Sequence[Case],
        hypotheses: Hypotheses,
        *,
        whole: bool,
        pairs: bool,
    ) -> None:
        self._failures = failures
        self._with_pairs = pairs
        self._whole = whole
        self._passed = passed
        self._hypotheses = hypotheses
        self._against: dict[tuple[Hypothesis, frozenset[tuple[str, str]]], _Against] = {}
        self._probes = _spread(sorted(failures, key=_size), _PROBES)
        self._singles: list[Hypothesis] = [(fault,) for fault in _catalogue(failures)]

    def best(self) -> Explanation | None:
        """The explanation of most failures; None where nothing explains any."""
        chosen = self._chosen(self._covering())
        if chosen is not None and self._is_credible(chosen):
            return chosen
        counts = self._counts(self._singles)
        finalists = self._finalists(counts)
        covers_all = any(len(covered) == len(self._failures) for covered in finalists.values())
        if not covers_all and self._may_have_pairs():
            partners = sorted(counts, key=lambda one: -counts[one])[:_PARTNERS]
            pairs = list(self._pairs(finalists, partners))
            finalists |= self._finalists(self._counts(pairs))
        while finalists:
            chosen = self._chosen(finalists)
            if chosen is None or self._is_credible(chosen):
                return chosen
            del finalists[chosen.faults]
        return None

    def covering(self) -> Explanation | None:
        """The best of the faults that explain every failure."""
        return self._chosen(self._covering())

    def _covering(self) -> dict[Hypothesis, tuple[Failure, ...]]:
        """The faults that explain every failure, each given up at the first that it does not."""
        failures, explain = tuple(self._failures), self._hypotheses.explain
        return {
            one: failures
            for one in self._singles
            if all(explain(one, failure) for failure in chain(self._probes, failures))
        }

    def _may_have_pairs(self) -> bool:
        """Pairs are those of the catalogue of outputs, and one failure alone says nothing.

        Two at a time show in the coarse clusters; the finer ones are for what is rare.
        """
        return self._with_pairs and any(
            failure.case.observe != "gradients" for failure in self._failures
        )

    def _counts(self, candidates: Sequence[Hypothesis]) -> dict[Hypothesis, int]:
        """How many probes each candidate explains, where it is any."""
        explain = self._hypotheses.explain
        likely = [one for one in candidates if not _is_made(one) or self._is_likely(one)]
        counts = {one: sum(explain(one, probe) for probe in self._probes) for one in likely}
        return {one: count for one, count in counts.items() if count}

    def _is_likely(self, one: Hypothesis) -> bool:
        """Whether it explains any of a few probes; of the many that a rule makes, most do not."""
        return any(self._hypotheses.explain(one, probe) for probe in self._probes[::_FEW_PROBES])

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
        left = [f for f in self._failures if f not in set(covered)]
        hard = min((f for f in left if f.case.observe != "gradients"), key=_size, default=None)
        if hard is None:
            return
        enough = len(covered) > len(self._failures) // 2
        firsts = {one[0] for one in partners}
        found = dict.fromkeys(self._hypotheses.pairs(hard))
        found |= dict.fromkeys(self._with_partners(firsts, hard))
        yield from (p for p in found if not enough or p[0] in firsts or p[1] in firsts)

    def _with_partners(self, firsts: set[Fault], hard: Failure) -> Iterator[tuple[Fault, Fault]]:
        """Pairs of a fault that explains the failure alone and one that changes other cases."""
        alone = {fault for (fault,) in self._singles if self._hypotheses.explain((fault,), hard)}
        for one, other in combinations(FAULTS.values(), 2):
            mixed = (one in alone and other in firsts) or (other in alone and one in firsts)
            if (
                mixed
                and are_compatible(one, other)
                and self._hypotheses.explain((one, other), hard)
            ):
                yield one, other

    def _chosen(self, finalists: dict[Hypothesis, tuple[Failure, ...]]) -> Explanation | None:
        """That which explains most, with least contradiction, by the fewest faults.

        Of what explains fewer, but at least half as many, that is preferred which passing cases
        contradict less by more than it explains less.
        """
        most = max(map(len, finalists.values()), default=0)
        if not most:
            return None
        leading = [one for one, covered in finalists.items() if len(covered) == most]
        if most < len(self._failures):
            enough = {one: covered for one, covered in finalists.items() if 2 * len(covered) > most}
            leading = self._least_wrong(leading, enough)
        fewest = min(map(len, leading))
        leading = [one for one in leading if len(one) == fewest]
        against = {one: self._contradicted(one, finalists[one]) for one in leading}
        least = min(len(one.cases) for one in against.values())
        alike = [one for one in leading if len(against[one].cases) == least]
        seen = [one for one in alike if not _is_made(one)]
        first, *others = seen or alike
        return Explanation(
            first, finalists[first], against[first].cases, tuple(others), against[first].count
        )

    def _least_wrong(
        self, leading: list[Hypothesis], enough: dict[Hypothesis, tuple[Failure, ...]]
    ) -> list[Hypothesis]:
        """Those that explain most beyond what contradicts them, if one of the leading is credible.

        A fault under a condition is contradicted by all that do not meet it.
        """
        gains = {one: self._gain(one, enough[one]) for one in leading}
        best = max(gains.values())
        if best < 0 or all(gain == len(enough[one]) for one, gain in gains.items()):
            return leading
        gains |= {one: self._gain(one, covered) for one, covered in enough.items()}
        best = max(gains.values())
        return [one for one, gain in gains.items() if gain == best]

    def _gain(self, one: Hypothesis, covered: Sequence[Failure]) -> int:
        return len(covered) - self._contradicted(one, covered).count

    def _contradicted(self, one: Hypothesis, covered: Sequence[Failure]) -> _Against:
        looked_at = frozenset((f.case.layer, _observed(f.case)) for f in covered)
        if (one, looked_at) not in self._against:
            alike = [case for case in self._passed if (case.layer, _observed(case)) in looked_at]
            witnesses = _spread(alike, _WITNESSES)
            affected = tuple(case for case in witnesses if self._hypotheses.affect(one, case))
            count = len(affected) * max(len(alike), 1) // max(len(witnesses), 1)
            self._against[one, looked_at] = _Against(affected, count)
        return self._against[one, looked_at]

    def _is_credible(self, explanation: Explanation) -> bool:
        """Not one that explains a few failures by chance: contradicted more often than not.

        What explains every failure is credible all the same, as a fault under some condition; of
        one failure alone it is not.  So is what explains most, where one or two features tell these
        from all that contradict it.
        Rejections alone, which tell no values, are explained by what no passing case contradicts.
        """
        count = len(explanation.failures)
        if not any(isinstance(f.outcome, Value) for f in explanation.failures):
            return not explanation.contradicted
        everything = self._whole and count == len(self._failures) and count > 1
        if everything or count > _CONTRADICTIONS * explanation.against:
            return True
        most = self._whole and 2 * count > len(self._failures)
        return (
            most
            and count >= _CONDITIONED
            and separates(
                [failure.case for failure in explanation.failures], explanation.contradicted
            )
        )


def _catalogue(failures: Sequence[Failure]) -> list[Fault]:
    """The faults to try, those first whose words are preferred where several explain the same."""
    of_gradients = [failure.case.observe == "gradients" for failure in failures]
    if not any(of_gradients):
        return [*FAULTS.values(), *SYSTEMATIC.values()]
    both = (FAULTS, GRADIENT_FAULTS) if not all(of_gradients) else (GRADIENT_FAULTS, FAULTS)
    every = (*both, OF_ONE_GRADIENT, SYSTEMATIC)
    return [fault for catalogue in every for fault in catalogue.values()]


def _is_made(one: Hypothesis) -> bool:
    """Whether a rule made it."""
    return any(fault.is_systematic for fault in one)


def _observed(case: Case) -> str:
    return "gradients" if case.observe == "gradients" else "output"


def _size(failure: Failure) -> int:
    """Small cases first, but not those that say little."""
    value = failure.outcome.value if isinstance(failure.outcome, Value) else None
    if isinstance(value, dict):
        value = value.get("inputs")
    size = int(getattr(value, "size", 0))
    return size if size >= 8 else 10_000 - size


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most so many items, evenly from all."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]

"""Whether what is said of failures holds of cases that were not in the run.

A few elements are what many faults give, and what a handful of cases have in common they have by
chance.  What is said with certainty has been tried: the implementation is asked for cases that
differ from the failing ones in operands and sizes (`fresh`), and those that fail as well must be
what was said of the others.  A fault that they contradict is given up, and another one looked for
that explains both; words that they contradict are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from conformance.cases.case import Case
from conformance.diagnosis.diagnosis import by_place, diagnose
from conformance.diagnosis.evaluation import Prediction
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    Hypothesis,
    are_compatible,
    reproduces,
)
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.fresh import Fresh, fresh
from conformance.diagnosis.search import explained_by_one
from conformance.judge.sums import NARROW
from conformance.outcomes import Value

_ROUNDS: Final = 3
"""How often another explanation is looked for."""

_FAULTS: Final = 1 / 3
"""Which share of the failing cases may contradict a fault, which tells every element."""

_MOST_OF_EITHER: Final = 0.75
"""Which share of wrong elements two faults give at least, where it is both."""

_RARE: Final = 12
"""Up to how many failures that nothing explains are looked at together with fresh ones."""

_UNTOLD: Final = frozenset({"exact", "bound", "statistics", "contraction", "activation"})
"""Stages that say little."""

_DOUBT: Final = 1 / 10
"""Beyond which share it is said with "perhaps"."""

_WORDS: Final = 1 / 2
"""The same of words, which are not there to be said of every case."""


@dataclass(frozen=True)
class _Tally:
    """How many fresh failures something holds of, and how many contradict it.

    Attributes:
        holds, against: these.
        fails_in: whether in one respect, such as the size of the window, more contradict it than
            it holds of.
    """

    holds: int
    against: int
    fails_in: bool = False

    def refutes(self, share: float) -> bool:
        """Whether more than a share contradict it."""
        return self.against > share * (self.holds + self.against)

    @property
    def is_doubtful(self) -> bool:
        """Whether it is to be said with "perhaps"."""
        return not self.holds or self.fails_in or self.refutes(_DOUBT)


class Refuting:
    """Tries explanations on an implementation.

    Args:
        groups: all of a diagnosis.
        passed: the cases in which the implementation conforms.
        ask: judges a case on it.
    """

    def __init__(self, groups: Sequence[Group], passed: Sequence[Case], ask: Ask) -> None:
        self._groups, self._passed, self._ask = groups, passed, ask
        failing = (failure.case for group in groups for failure in group.failures)
        self._known = frozenset((*passed, *failing))
        self._hypotheses = Hypotheses()

    def tested(self, group: Group) -> Iterator[Group]:
        """The group as it stands, or what else explains its failures."""
        is_rare = not group.claim and group.stage in _UNTOLD and len(group.failures) <= _RARE
        if group.answer or not (group.faults or group.claim or is_rare):
            yield group
            return
        made = fresh(group, self._known, self._ask)
        if not made.failures:
            yield replace(group, tested=False)
        elif is_rare:
            yield self._with_more(group, made)
        elif group.faults:
            yield from self._with_faults(group, made, ())
        else:
            yield self._with_words(group, made)

    def _with_more(self, group: Group, made: Fresh) -> Group:
        """What few failures do not tell, and more of their kind do."""
        every = [*group.failures, *made.failures]
        one = explained_by_one(every, self._passed, self._hypotheses)
        if one is not None:
            return replace(
                group,
                faults=one.faults,
                alternatives=one.alternatives,
                tested=True,
                contradicted=len(one.contradicted),
                common=None,
            )
        for found in by_place(every, [*self._passed, *made.conforming], self._hypotheses):
            if set(group.failures) <= set(found.failures):
                return replace(found, failures=group.failures)
        return group

    def _with_faults(
        self, group: Group, made: Fresh, refuted: tuple[Hypothesis, ...]
    ) -> Iterator[Group]:
        """By the faults that are contradicted least; by others where all are refuted."""
        tallies = {one: self._of(one, made, group) for one in (group.faults, *group.alternatives)}
        left = {one: tally for one, tally in tallies.items() if not tally.refutes(_FAULTS)}
        refuted = (*refuted, *tallies)
        if not left:
            yield from self._anew(group, made, refuted)
            return
        least = min(tally.against for tally in left.values())
        first, *others = (one for one, tally in left.items() if tally.against == least)
        better = self._better(group, made, refuted) if least else None
        yield better or replace(
            group,
            faults=first,
            alternatives=tuple(others),
            tested=not left[first].is_doubtful,
            contradicted=group.contradicted + self._conforming(first, made),
        )

    def _anew(self, group: Group, made: Fresh, refuted: tuple[Hypothesis, ...]) -> Iterator[Group]:
        for one in self._otherwise(group, made, refuted):
            if one.faults and len(refuted) < _ROUNDS:
                yield from self._with_faults(one, made, refuted)
            else:
                yield one if one.faults or not one.claim else self._with_words(one, made)

    def _better(self, group: Group, made: Fresh, refuted: tuple[Hypothesis, ...]) -> Group | None:
        """A fault that explains the failures and that none of the fresh ones contradicts."""
        like = [f for f in made.failures if not self._is_told_elsewhere(f, group)]
        hypotheses = Hypotheses(frozenset(refuted))
        one = explained_by_one([*like, *group.failures], self._passed, hypotheses)
        if one is None:
            return None
        return replace(group, faults=one.faults, alternatives=one.alternatives, tested=True)

    def _of(self, one: Hypothesis, made: Fresh, group: Group) -> _Tally:
        parts = [self._of_some(one, some, group) for some in made.by_respect.values()]
        holds, against = (sum(numbers) for numbers in zip(*parts, strict=True))
        return _Tally(holds, against, any(no > yes for yes, no in parts))

    def _of_some(
        self, one: Hypothesis, failures: Sequence[Failure], group: Group
    ) -> tuple[int, int]:
        """How many failures are what the faults give, and how many are something else."""
        found = Counter(self._holds(one, failure) for failure in failures)
        against = [f for f in failures if self._holds(one, f) is False]
        others = sum(self._is_told_elsewhere(failure, group, one) for failure in against)
        return found[True], found[False] - others

    def _holds(self, one: Hypothesis, failure: Failure) -> bool | None:
        """Whether the faults give what was given; None where they cannot be evaluated."""
        right, faulty = (self._hypotheses.prediction(h, failure.case) for h in ((), one))
        if right is None or faulty is None:
            return None
        if self._hypotheses.explain(one, failure):
            return True
        outcome = failure.outcome
        return bool(reproduces(faulty, right, outcome.value))  # type: ignore[union-attr]

    def _is_told_elsewhere(self, failure: Failure, group: Group, own: Hypothesis = ()) -> bool:
        """Whether a fresh failure is what another fault of the diagnosis gives, or both do."""
        others = [one.faults for one in self._groups if one is not group and len(one.faults) == 1]
        both = [(own[0], other[0]) for other in others if len(own) == 1 and other != own]
        pairs = [pair for pair in both if are_compatible(*pair)]
        if any(self._hypotheses.explain(one, failure) for one in (*others, *pairs)):
            return True
        return bool(own) and self._are_of_either(own, others, failure)

    def _are_of_either(
        self, own: Hypothesis, others: Sequence[Hypothesis], failure: Failure
    ) -> bool:
        """Whether most wrong elements are what this fault gives, or another one of the diagnosis.

        Where two faults meet in one element it may be what neither gives.
        """
        right, *made = (self._hypotheses.prediction(h, failure.case) for h in ((), own, *others))
        actual = failure.outcome.value if isinstance(failure.outcome, Value) else None
        if not isinstance(right, Prediction) or not isinstance(actual, np.ndarray):
            return False
        if actual.shape != right.value.shape:
            return False
        wrong = ~right.allows(actual)
        given = [
            one.allows(actual)[wrong]
            for one in made
            if isinstance(one, Prediction) and one.value.shape == actual.shape
        ]
        if len(given) < 2 or not given[0].any():
            return False
        return bool(np.logical_or.reduce(given).mean() >= _MOST_OF_EITHER)

    def _conforming(self, one: Hypothesis, made: Fresh) -> int:
        """In how many cases it conforms that would fail with the faults.

        In 16 bits a gradient may be added up in the dtype itself, and be far off.
        """
        close = (case for case in made.conforming if case.dtype not in NARROW)
        return sum(self._hypotheses.affect(one, case) for case in close)

    def _otherwise(
        self, group: Group, made: Fresh, refuted: tuple[Hypothesis, ...]
    ) -> Iterator[Group]:
        """The failures explained anew, together with the fresh ones, by none that is refuted."""
        own = set(group.failures)
        every = [*group.failures, *made.failures]
        passed = [*self._passed, *made.conforming]
        found = diagnose(every, passed, Hypotheses(frozenset(refuted)))
        for one in (*found.groups, *found.readings) if found else ():
            kept = tuple(failure for failure in one.failures if failure in own)
            if kept:
                yield replace(one, failures=kept)

    def _with_words(self, group: Group, made: Fresh) -> Group:
        """The group; without what is said of it, if that is contradicted."""
        claim = group.claim
        assert claim is not None
        held = [claim(failure) for failure in made.failures if _is_like(failure, group)]
        tally = _Tally(sum(held), len(held) - sum(held))
        if not held:
            return replace(group, tested=False)
        return _without_words(group) if tally.refutes(_WORDS) else group


def _is_like(failure: Failure, group: Group) -> bool:
    """Whether the judge objects to a fresh failure as it does to those of the group."""
    return any(failure.stage == one.stage for one in group.failures)


def _without_words(group: Group) -> Group:
    """What is known still: at which stage the judge objects."""
    stage = Counter(failure.stage for failure in group.failures).most_common(1)[0][0]
    return Group(group.failures, stage=stage, common=group.common)

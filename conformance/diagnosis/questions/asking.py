"""What an implementation tells of its unexplained failures when it is asked further."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.commonality import common
from conformance.diagnosis.groups import OF_CALLS, Diagnosis, Group
from conformance.diagnosis.questions.answers import Ask, LateError
from conformance.diagnosis.questions.conditions import conditions, steadiest
from conformance.diagnosis.questions.marks import what_is_read
from conformance.diagnosis.questions.products import Told
from conformance.diagnosis.questions.refuting import Refuting
from conformance.diagnosis.questions.rhythm import after_refusal, rhythm
from conformance.diagnosis.questions.sharing import shared
from conformance.results import Result

SECONDS: Final = 40.0
"""How long an implementation is asked; what was begun is ended."""

_TRYING: Final = 0.7
"""Up to which share of the time explanations are tried, and it is asked what is read."""


def asked(diagnosis: Diagnosis, passed: Sequence[Case], ask: Ask) -> Diagnosis:
    """The diagnosis, with what further questions tell of failures that no fault explains.

    Args:
        diagnosis: of an implementation.
        passed: the cases in which it conforms.
        ask: judges a case on it.
    """
    clock, groups = _Clock(ask), diagnosis.groups
    refuting = Refuting(groups, passed, clock.ask)
    made: dict[int, list[tuple[Group, Told]]] = {}
    for number in sorted(range(len(groups)), key=lambda n: -len(groups[n].failures)):
        clock.half_until(_TRYING)
        tested = _tested(groups[number], refuting)
        clock.half_until(_TRYING)
        made[number] = [_read(one, clock.ask) for one in tested]
    tried = [one for number in range(len(groups)) for one in made[number]]
    clock.half_until(_TRYING)
    one_each = tuple(together(_with_reads(tried, clock.ask), passed))
    clock.until(1.0)
    told = tuple(_of_smallest(group, passed, clock.ask) for group in one_each)
    return replace(diagnosis, groups=told, cut_after=SECONDS if clock.was_late else None)


class _Clock:
    """Asks as long as there is time."""

    def __init__(self, ask: Ask) -> None:
        self._ask, self._start, self._end = ask, time.monotonic(), 0.0
        self.was_late = False

    def until(self, share: float) -> None:
        """Allow so much of the time."""
        self._end = self._start + share * SECONDS

    def half_until(self, share: float) -> None:
        """Allow half of what is left of so much of the time."""
        now = time.monotonic()
        self._end = (now + self._start + share * SECONDS) / 2

    def ask(self, case: Case) -> Result:
        """What the implementation does.

        Raises:
            LateError: if the time is over.
        """
        if time.monotonic() > self._end:
            self.was_late = True
            raise LateError
        return self._ask(case)


def _tested(group: Group, refuting: Refuting) -> list[Group]:
    """The group, what is said of it tried on further cases."""
    try:
        return list(refuting.tested(group))
    except LateError:
        return [replace(group, tested=False)]


def _read(group: Group, ask: Ask) -> tuple[Group, Told]:
    """The group, and what is read elsewhere.

    A law of what is read stands in the place of a fault that is in doubt.
    """
    if group.may_read_elsewhere:
        return group, what_is_read(group.failures, ask)
    if not group.faults or group.tested is not False:
        return group, Told()
    told = what_is_read(group.failures, ask)
    if not told.is_law:
        return group, Told()
    stage = next(failure.stage for failure in group.failures)
    return Group(group.failures, stage=stage, common=group.common), told


def _with_reads(tried: Sequence[tuple[Group, Told]], ask: Ask) -> list[Group]:
    """The groups, with what is read elsewhere; of several words those that hold of most groups.

    What is read is known element by element.  Few failures that a fault explains as well, but of
    which the same is read as of more others, are of these.
    """
    every = {words for _, one in tried for words in one.words}
    tried = [(group, replace(one, words=_with_also(one, every))) for group, one in tried]
    counts = Counter(words for _, one in tried for words in one.words)
    made = [
        replace(
            group,
            reads=max(one.words, key=lambda words: counts[words], default=""),
            reads_example=not one.for_all,
        )
        for group, one in tried
    ]
    return [_as_larger(group, made, ask) for group in made]


def _with_also(one: Told, every: Collection[str]) -> tuple[str, ...]:
    """The words of what is read, with those that hold as well and are told elsewhere."""
    return (*one.words, *(words for words in one.also if words in every))


def _as_larger(group: Group, groups: Sequence[Group], ask: Ask) -> Group:
    """A small group of a fault as one of what is read elsewhere, if larger ones tell the same."""
    size = len(group.failures)
    larger = {one.reads for one in groups if one.reads and len(one.failures) > size}
    if not larger or not (group.faults or group.named) or group.answer or group.stage in OF_CALLS:
        return group
    same = [words for words in what_is_read(group.failures, ask).words if words in larger]
    return Group(group.failures, stage="exact", reads=same[0]) if same else group


def _of_smallest(group: Group, passed: Sequence[Case], ask: Ask) -> Group:
    """The group, with what its smallest case tells: what it needs to fail, or how often it does."""
    try:
        return replace(group, asked=_told_by(group, passed, ask))
    except LateError:
        return group


def _told_by(group: Group, passed: Sequence[Case], ask: Ask) -> str:
    if group.may_have_rhythm:
        return after_refusal(group.smallest, passed, ask) or rhythm(group.smallest, ask)
    if group.stage == "threads":
        return shared([failure.case for failure in group.failures], ask)
    if not group.may_have_conditions:
        return ""
    cases = [failure.case for failure in group.failures]
    case = group.smallest if group.stage != "precision" else steadiest(cases, ask)
    found = conditions(case, ask, cases) if case else ""
    if found and _is_of_winograd(group, found):
        found += ", for which Winograd's transforms are made"
    return f"the smallest case fails only with {found}" if found else ""


def _is_of_winograd(group: Group, conditions: str) -> bool:
    """Whether sums lose precision under the conditions of Winograd's algorithm alone.

    It is used for kernels of 3 along an axis or more with strides and rates of 1 along it.
    """
    if group.stage != "precision" and not group.named:
        return False
    of_case = [facts(failure.case) for failure in group.failures]
    axes = range(-min(len(known.window) for known in of_case), 0)
    along = [
        all((k.window[i], k.strides[i], k.dilation[i]) == (3, 1, 1) for k in of_case) for i in axes
    ]
    return any(along) and all(name in conditions for name in ("kernel_size", "strides"))


def together(groups: Sequence[Group], passed: Sequence[Case]) -> Iterator[Group]:
    """The groups, as one those of which the same reads are told."""
    alike: dict[str, list[Group]] = {}
    for group in groups:
        alike.setdefault(group.reads, []).append(group)
    for group in groups:
        same = alike[group.reads]
        if not group.reads or len(same) == 1:
            yield group
        elif group is same[0]:
            yield _as_one(same, passed)


def _as_one(groups: Sequence[Group], passed: Sequence[Case]) -> Group:
    """Groups of the same reads as one; the terms that most of them lack are told as well."""
    failures = tuple(failure for group in groups for failure in group.failures)
    shared = common([failure.case for failure in failures], passed)
    most = max(groups, key=lambda group: len(group.failures))
    keeps = most.stage == "terms" and 2 * len(most.failures) > len(failures)
    return replace(most, failures=failures, what=most.what if keeps else "", common=shared)

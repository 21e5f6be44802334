"""The diagnosis of an implementation: what explains its failing cases, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.absorbing import absorbed
from conformance.diagnosis.commonality import common
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.groups import Claim, Diagnosis, Group
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    operands_of,
)
from conformance.diagnosis.partial import explains_in_part, partial_faults
from conformance.diagnosis.places import Place, located, places_of
from conformance.diagnosis.repeats import wrong_answer
from conformance.diagnosis.search import Explanation, explanations
from conformance.diagnosis.stages import is_off_by_a_bias
from conformance.diagnosis.telling import unexplained
from conformance.diagnosis.wording import (
    quantised,
)
from conformance.outcomes import Rejection, Value

_SHARE: Final = 0.5
"""Share of the unexplained failures of a layer in a dtype beyond which a precision is named."""

_ALL_REFUSED: Final = 8
"""How many cases of a layer are refused at least where all are, as where a library is missing."""


def diagnose(
    failures: Sequence[Failure],
    passed: Sequence[Case] = (),
    hypotheses: Hypotheses | None = None,
) -> Diagnosis | None:
    """Find what explains all failing cases of an implementation.

    Args:
        failures: the failing cases, with what the implementation did.
        passed: the cases in which it conforms; they tell apart faults that explain the same.
        hypotheses: predictions from an earlier diagnosis, to be used again.

    Returns:
        None where there are no failures.
    """
    if not failures:
        return None
    hypotheses = hypotheses or Hypotheses()
    failures, answers = _with_wrong_answers(failures, hypotheses)
    alike = _refused_alike(failures, passed)
    ordinary = [f for f in failures if _has_wrong_output(f) and f not in alike]
    told = {failure for failure in _without_chance_names(ordinary) if failure.named}
    found = explanations(ordinary, passed, hypotheses, told)
    explained = {failure for one in found for failure in one.failures}
    groups = [_explained(one) for one in found]
    left = _without_chance_names([f for f in failures if f not in explained])
    groups += by_place(left, passed, hypotheses)
    placed = {failure for group in groups for failure in group.failures}
    left = [f for f in left if f not in placed]
    groups += unexplained(left, passed, explained | placed, hypotheses)
    groups = absorbed(groups)
    groups = [one for group in groups for one in _by_answers(group, answers)]
    readings = tuple(group for group in groups if group.reading)
    return Diagnosis(tuple(group for group in groups if not group.reading), readings)


def _with_wrong_answers(
    failures: Sequence[Failure], hypotheses: Hypotheses
) -> tuple[list[Failure], dict[Failure, tuple[Failure, str]]]:
    """The failures, those to answer alike twice by what is wrong with one of the answers.

    Returns:
        The failures; and of those that stand for others these, with which answer they are about.
    """
    made = {f: wrong for f in failures if (wrong := wrong_answer(f, hypotheses)) is not None}
    stand_for = {one: (failure, words) for failure, (one, words) in made.items()}
    return [made[f][0] if f in made else f for f in failures], stand_for


def _by_answers(group: Group, answers: Mapping[Failure, tuple[Failure, str]]) -> Iterator[Group]:
    """The group, with the failures that others stand for; apart by which answer is wrong."""
    parts: dict[str, list[Failure]] = defaultdict(list)
    for failure in group.failures:
        real, words = answers.get(failure, (failure, ""))
        parts[words].append(real)
    for words, part in parts.items():
        yield replace(group, failures=tuple(part), answer=words)


def _without_chance_names(failures: Sequence[Failure]) -> list[Failure]:
    """Without the precisions that the judge named for the smaller part of alike failures.

    The size of an error that has another cause is now and then that of a precision, and that of
    numbers on steps is.
    """
    alike: dict[tuple[str, str], Counter[str | None]] = defaultdict(Counter)
    for failure in failures:
        alike[failure.case.layer, failure.case.dtype][failure.named] += 1

    def is_common(failure: Failure) -> bool:
        counts = alike[failure.case.layer, failure.case.dtype]
        often = counts[failure.named] > _SHARE * counts.total()
        return often and not quantised(failure) and not _is_off_by_a_bias(failure)

    return [f if not f.named or is_common(f) else replace(f, named=None) for f in failures]


def _is_off_by_a_bias(failure: Failure) -> bool:
    outcome = failure.outcome
    value = outcome.value if isinstance(outcome, Value) else None
    return is_off_by_a_bias(failure.case, operands_of(failure.case), value)


def _refused_alike(failures: Sequence[Failure], passed: Sequence[Case]) -> set[Failure]:
    """The refusals of all that was asked of a layer by one message, which tells what is wrong."""
    answered = {(case.layer, case.observe) for case in passed}
    messages: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for failure in failures:
        messages[failure.case.layer, failure.case.observe][failure.what] += 1

    def is_alone(failure: Failure) -> bool:
        asked = failure.case.layer, failure.case.observe
        counts = messages[asked]
        return asked not in answered and len(counts) == 1 and counts.total() >= _ALL_REFUSED

    return {f for f in failures if isinstance(f.outcome, Rejection) and is_alone(f)}


def _has_wrong_output(failure: Failure) -> bool:
    """Whether the output itself is wrong, and not what else a call did."""
    return failure.stage not in ("inputs", "state", "threads", "repeat", "process")


def _explained(one: Explanation) -> Group:
    cases = [failure.case for failure in one.failures]
    only = common(cases, one.contradicted) if one.contradicted else None
    contradicted = len(one.contradicted)
    return Group(one.failures, one.faults, one.alternatives, common=only, contradicted=contradicted)


def by_place(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Group]:
    """Groups of failures of which it is told where in the outputs something is wrong."""
    groups = _in_part(failures, passed, hypotheses)
    parted = {failure for group in groups for failure in group.failures}
    left = [failure for failure in failures if failure not in parted]
    return groups + _by_place(left, passed, hypotheses)


def _in_part(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Group]:
    """Groups by a fault that is there in a part of the outputs."""
    found = partial_faults(_unnamed_outputs(failures), hypotheses)
    return [
        _at_a_place("part", one.failures, passed, one.words, _of_partial(one.fault, hypotheses))
        for one in found
    ]


def _of_partial(fault: Fault, hypotheses: Hypotheses) -> Claim:
    return lambda failure: explains_in_part(fault, failure, hypotheses)


def _by_place(
    failures: Sequence[Failure], passed: Sequence[Case], hypotheses: Hypotheses
) -> list[Group]:
    """Groups by where along an axis the wrong elements lie."""
    return [
        _at_a_place(
            "place",
            one.failures,
            one.contradicted,
            f"only {one.words} are wrong in {one.layers}",
            _of_place(one.place, hypotheses),
        )
        for one in located(_unnamed_outputs(failures), passed, hypotheses)
    ]


def _of_place(place: Place, hypotheses: Hypotheses) -> Claim:
    return lambda failure: place in places_of(failure, hypotheses)


def _unnamed_outputs(failures: Sequence[Failure]) -> list[Failure]:
    """Those whose output itself is wrong, and of which the judge does not say in what way."""
    return [failure for failure in failures if not failure.named and _has_wrong_output(failure)]


def _at_a_place(
    stage: str, failures: tuple[Failure, ...], others: Sequence[Case], what: str, claim: Claim
) -> Group:
    shared = common([failure.case for failure in failures], others)
    return Group(failures, stage=stage, common=shared, what=what, claim=claim)

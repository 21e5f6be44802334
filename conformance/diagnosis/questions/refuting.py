"""Whether a fault that explains failures explains them on other operands too.

A few elements are what many faults give.  A small case of each explanation is asked again on other
operands; an explanation that does not predict most of these answers was one by chance, and its
failures are told as those that no fault explains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure, Hypotheses, Hypothesis, reproduces
from conformance.diagnosis.questions.marks import Ask
from conformance.diagnosis.telling import unexplained
from conformance.outcomes import Value
from conformance.results import Result

_SEEDS: Final = 3
_CASES: Final = 2


def not_refuted(groups: Sequence[Group], passed: Sequence[Case], ask: Ask) -> list[Group]:
    """The groups; those whose faults are refuted as groups that no fault explains."""
    hypotheses, made = Hypotheses(), []
    for group in groups:
        answers = list(_asked_again(group, ask)) if group.faults and not group.answer else []
        left = [one for one in _named(group) if not _is_refuted(one, answers, hypotheses)]
        if not answers or left[:1] == [group.faults]:
            made.append(group)
        elif left:
            made.append(replace(group, faults=left[0], alternatives=tuple(left[1:])))
        else:
            others = [f for one in groups if one is not group for f in one.failures]
            made += unexplained(group.failures, passed, others, hypotheses)
    return made


def _named(group: Group) -> tuple[Hypothesis, ...]:
    return (group.faults, *group.alternatives)


def _asked_again(group: Group, ask: Ask) -> Iterator[Result]:
    """What is answered in the smallest of the cases, on other operands."""
    cases = [f.case for f in group.failures if isinstance(f.outcome, Value)]
    cases = [case for case in cases if case.observe in ("output", "gradients")]
    for case in sorted(cases, key=lambda case: len(case.descriptor))[:_CASES]:
        for seed in range(case.seed + 1, case.seed + 1 + _SEEDS):
            yield ask(case.replace(seed=seed))


def _is_refuted(one: Hypothesis, answers: Sequence[Result], hypotheses: Hypotheses) -> bool:
    """Whether most answers are others than an implementation with these faults gives."""
    against = [_tells_against(one, answer, hypotheses) for answer in answers]
    return 2 * sum(against) > len(against)


def _tells_against(one: Hypothesis, answer: Result, hypotheses: Hypotheses) -> bool:
    if answer.evidence is None:
        return False  # it conforms, as under a condition that is not met
    outcome, case = answer.evidence.outcome, answer.case
    right, faulty = (hypotheses.prediction(h, case) for h in ((), one))
    if not isinstance(outcome, Value) or right is None or faulty is None:
        return False
    failure = Failure(case, outcome, answer.stage)
    return not (hypotheses.explain(one, failure) or reproduces(faulty, right, outcome.value))

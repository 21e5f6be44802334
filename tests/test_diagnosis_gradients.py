"""Faults of gradients are named, orders of calls told, and other readings not accused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS, READINGS
from conformance.diagnosis.hypotheses import Failure, Hypotheses, operands_of
from conformance.diagnosis.order_words import depending_on_order
from conformance.diagnosis.results import diagnosed
from conformance.judge.expectation import Expectation, expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Evidence, Result
from conformance.running.limits import Limits
from conformance.running.order import order_of

SQUARE = parse(
    "Conv2D/observe:gradients/inputs:2x5x6x3/operands:reals/filters:3/kernel_size:2x3/strides:1x2"
)
WIDE = parse(
    "Conv1D/observe:gradients/inputs:2x9x3/dtype:float64/operands:reals/filters:4/kernel_size:(2,)"
)
NARROW = parse(
    "Conv1D/observe:gradients/inputs:9x40x3/dtype:float16/operands:reals/filters:4/kernel_size:(2,)"
)
TILED = parse("MaxPooling1D/observe:gradients/inputs:1x7x3/pool_size:(3,)/padding:same")
LONG = parse("MaxPooling1D/observe:gradients/inputs:2x900x3/pool_size:300/strides:100")
Judged = list[tuple[Case, Any, Expectation]]

INDISTINCT = {
    "gradient.inputs.shifted": {"gradient.inputs.shifted-out"},
    "gradient.inputs.shifted-out": {"gradient.inputs.shifted"},
    "gradient.inputs.reshaped": {"layout.reshaped-back"},
    "gradient.inputs.rows-and-columns": {"kernel.transposed"},
    "gradient.inputs.channels-and-filters": {"kernel.square"},
    "gradient.dilation.ignored": {"dilation.ignored"},
}
"""Faults that give the same in all of these cases: what is moved in is zero, and faults of the
outputs are seen in the gradients alone."""


@pytest.fixture(scope="module")
def judged() -> Judged:
    cases = [case for case in grid("smoke") if case.observe == "gradients"]
    cases = [
        SQUARE,
        WIDE,
        NARROW,
        TILED,
        LONG,
        *(case for case in cases if case.layer != "Flatten"),
    ]
    return [(case, operands_of(case), expect(case, operands_of(case))) for case in cases]


@pytest.fixture(scope="module")
def hypotheses() -> Hypotheses:
    return Hypotheses()


def outcomes(
    identifier: str, judged: Judged, hypotheses: Hypotheses
) -> tuple[list[Failure], list[Case]]:
    """What fails where the fault is planted, and what passes."""
    failures, passed = [], []
    for case, operands, expectation in judged:
        made: Any = hypotheses.prediction((GRADIENT_FAULTS[identifier],), case)
        if made is None:
            continue
        outcome = Value(made.value)
        judgement = judge(case, operands, expectation, outcome)
        if judgement.verdict is Verdict.DEVIATES:
            failures.append(Failure(case, outcome, judgement.stage, judgement.diagnosis))
        else:
            passed.append(case)
    return failures, passed


def test_the_evaluation_without_a_fault_is_right(judged: Judged, hypotheses: Hypotheses) -> None:
    for case, operands, expectation in judged:
        made: Any = hypotheses.prediction((), case)
        assert made.fits(expectation.value), case
        verdict = judge(case, operands, expectation, Value(made.value)).verdict
        assert verdict is Verdict.CONFORMS, case


@pytest.mark.parametrize("identifier", GRADIENT_FAULTS)
def test_every_planted_fault_of_gradients_is_named(
    identifier: str, judged: Judged, hypotheses: Hypotheses
) -> None:
    failures, passed = outcomes(identifier, judged, hypotheses)
    assert failures
    found = diagnose(failures, passed, hypotheses)
    assert found is not None
    groups = (*found.groups, *found.readings)
    assert len(groups) == 1
    named = {
        one[0].identifier for one in (groups[0].faults, *groups[0].alternatives) if len(one) == 1
    }
    assert identifier in named
    assert named - {identifier} <= INDISTINCT.get(identifier, set())


def result(case: Case, outcome: Value | None) -> Result:
    verdict = Verdict.CONFORMS if outcome is None else Verdict.DEVIATES
    evidence = None if outcome is None else Evidence("x.py", case, outcome, "exact")
    return Result(
        case, (), "x", verdict, None, "", "", stage="exact" if outcome else "", evidence=evidence
    )


@pytest.mark.parametrize("identifier", sorted(READINGS.keys() & GRADIENT_FAULTS.keys()))
def test_a_reading_that_is_followed_everywhere_conforms(
    identifier: str, judged: Judged, hypotheses: Hypotheses
) -> None:
    failures, passed = outcomes(identifier, judged, hypotheses)
    results = [result(f.case, f.outcome) for f in failures if isinstance(f.outcome, Value)]
    told, diagnoses = diagnosed([*results, *(result(case, None) for case in passed)])
    assert {one.verdict for one in told} == {Verdict.CONFORMS}
    assert "another reading of maxpooling.gradients.ties" in told[0].message
    assert len(diagnoses["x"].readings) == 1


def test_a_reading_that_is_followed_here_and_there_does_not(
    judged: Judged, hypotheses: Hypotheses
) -> None:
    failures, passed = outcomes("gradient.pooling.ties-last", judged, hypotheses)
    half = [result(f.case, f.outcome) for f in failures[::2] if isinstance(f.outcome, Value)]
    others = [result(case, None) for case in (*(f.case for f in failures[1::2]), *passed)]
    told, _ = diagnosed([*half, *others])
    assert Verdict.DEVIATES in {one.verdict for one in told}


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("Conv1D/inputs:2x4x3/filters:4/kernel_size:2/padding:causal", "differs in padding it"),
        ("Conv1D/inputs:2x4x3/dtype:float64/filters:4/kernel_size:(2,)", "differs in dtype it"),
        ("Conv1D/observe:rejection/inputs:2x8x3/filters:4", "one that must be refused"),
        ("Flatten/inputs:2x3", "after 1 other it fails"),
    ],
)
def test_what_the_call_before_differs_in_is_said(before: str, words: str) -> None:
    """What is kept from it, such as a padded array, does not heed that argument."""
    case = parse("Conv1D/inputs:2x4x3/filters:4/kernel_size:2")
    group = depending_on_order([Failure(case, Value("wrong"))], (parse(before), case), "x")
    assert words in group.reason


CASES = [parse(f"Conv1D/inputs:2x{n}x3/filters:4/kernel_size:2") for n in range(3, 40)]


@pytest.mark.parametrize("culprit", [0, 17, 30])
def test_the_shortest_sequence_is_found(culprit: int) -> None:
    """The last case fails after one other, as with a cache that is keyed by too little."""

    def fails(cases: Sequence[Case]) -> bool:
        return cases[-1] == CASES[-1] and CASES[culprit] in cases[:-1]

    results = [result(case, None) for case in CASES[:-1]]
    results.append(result(CASES[-1], Value("wrong")))
    order = order_of(results, Limits(), fails=lambda spec: fails)["x"]
    assert order.cases == {CASES[-1]}
    assert order.sequence == (CASES[culprit], CASES[-1])
    _, diagnoses = diagnosed(results, {"x": order})
    message = diagnoses["x"].message
    assert message.startswith("the only failure depends on the order of calls")
    assert "after one that differs in inputs it fails" in message
    assert f"--case {CASES[culprit].descriptor} --case {CASES[-1].descriptor}" in message


def test_cases_with_bad_arguments_may_stand_before() -> None:
    """The likeness of cases is looked at whatever they are: all that the grid has are tried."""
    before = [case for case in grid("standard") if case.layer == "Conv1D"]
    last = before.pop(next(i for i, c in enumerate(before) if c.observe == "output" and i > 400))
    culprit = before[7]

    def fails(cases: Sequence[Case]) -> bool:
        return cases[-1] == last and culprit in cases[:-1]

    results = [result(case, None) for case in before] + [result(last, Value("wrong"))]
    assert order_of(results, Limits(), fails=lambda spec: fails)["x"].sequence == (culprit, last)


def test_what_fails_alone_does_not_depend_on_the_order() -> None:
    results = [result(CASES[0], None), result(CASES[1], Value("wrong"))]
    assert order_of(results, Limits(), fails=lambda spec: lambda cases: True) == {}

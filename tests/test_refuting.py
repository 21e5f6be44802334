"""What is said of a few failures is tried on further cases; what these contradict is not said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from test_marks import of_steps

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.diagnosis.claims import claim_of
from conformance.diagnosis.evaluation import CORRECT, Steps, evaluate, geometry
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure, Hypotheses, failure_of
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.refuting import Refuting
from conformance.diagnosis.questions.sharing import shared
from conformance.diagnosis.systematic import SYSTEMATIC
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Evidence, Result

Array = np.ndarray[Any, Any]

CASE = parse("MaxPooling1D/inputs:1x4x1/pool_size:3/strides:1/padding:same")
OTHER = parse("MaxPooling1D/inputs:2x9x3/pool_size:2")
SHORT = parse("Conv1D/inputs:2x1x3/filters:2/kernel_size:3/padding:causal")


def failing_with(steps: Steps, case: Case = CASE) -> Failure:
    return Failure(case, Value(evaluate(case, operands(case), steps)), "exact")


def group(*names: str) -> Group:
    """A group that the first of some faults explains, and the others as well."""
    first, *others = ((FAULTS[name],) for name in names)
    failure = failing_with(FAULTS[names[0]].steps)
    return Group((failure,), faults=first, alternatives=tuple(others))


def judged(steps: Steps, when: Callable[[Case], bool] = lambda case: True) -> Ask:
    """An implementation with these steps in some cases, whose right answers conform."""
    asked = of_steps(steps)

    def ask(case: Case) -> Result:
        result, right = asked(case), evaluate(case, operands(case), CORRECT)
        assert result.evidence is not None
        given = result.evidence.outcome
        assert isinstance(given, Value)
        is_right = given.value.shape == right.shape and (given.value == right).all()
        if is_right or not when(case):
            return replace(result, verdict=Verdict.CONFORMS, evidence=None)
        return result

    return ask


def tried(one: Group, ask: Ask) -> list[Group]:
    return list(Refuting([one], [OTHER], ask).tested(one))


def test_a_fault_that_explains_further_cases_is_kept() -> None:
    (made,) = tried(group("pooling.least"), judged(FAULTS["pooling.least"].steps))
    assert made.faults == (FAULTS["pooling.least"],)
    assert made.tested


def test_a_fault_by_chance_is_given_up_for_one_that_explains_further_cases() -> None:
    """What was seen of the mean is that of the least element once, and never again."""
    (made,) = tried(group("pooling.least"), judged(FAULTS["pooling.mean"].steps))
    assert FAULTS["pooling.least"] not in made.faults
    assert [failure.case for failure in made.failures] == [CASE]


def test_of_several_faults_that_is_told_which_is_not_refuted() -> None:
    both = group("pooling.least", "pooling.mean")
    (made,) = tried(both, judged(FAULTS["pooling.mean"].steps))
    assert made.faults == (FAULTS["pooling.mean"],)
    assert not made.alternatives
    assert made.tested


def test_what_no_further_case_shows_is_said_with_perhaps() -> None:
    """A fault under a condition that only the failing case itself meets."""
    (made,) = tried(
        group("pooling.least"), judged(FAULTS["pooling.least"].steps, lambda case: case == CASE)
    )
    assert made.tested is False
    assert "perhaps" in made.clause(1)
    assert made.reason.startswith("perhaps ")


def test_sizes_tell_apart_what_all_operands_of_one_size_do_not() -> None:
    """Of one input, causal padding of at most the input's length is that of 'same'."""
    limited = SYSTEMATIC["systematic.causal.at-most.length"]
    failure = failing_with(limited.steps, SHORT)
    same = (FAULTS["causal.same"],)
    assert Hypotheses().explain(same, failure)
    (made,) = tried(Group((failure,), faults=same), judged(limited.steps))
    assert made.faults == (limited,)


def test_words_that_further_cases_contradict_are_left_out() -> None:
    failure = failing_with(FAULTS["pooling.mean"].steps)
    claim = claim_of("relation", "every wrong element is 0", None, Hypotheses())
    own = Group((failure,), stage="relation", what="every wrong element is 0", claim=claim)
    (made,) = tried(own, judged(FAULTS["pooling.mean"].steps))
    assert made.stage == "exact"
    assert not made.what


def test_a_fault_that_larger_windows_contradict_is_in_doubt() -> None:
    """Padding that lacks a third of the window: of three steps all of it, of larger ones a part."""

    def lacking(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
        outputs, before = geometry(n, k, s, d, padding)
        return outputs, before - k // 3

    case = parse("Conv1D/inputs:2x9x3/filters:2/kernel_size:3/padding:same")
    steps = Steps(geometry=lacking)
    own = Group((failing_with(steps, case),), faults=(FAULTS["same.all-last"],))
    (made,) = tried(own, judged(steps))
    assert made.tested is False
    assert "perhaps" in made.clause(1)


def test_few_failures_are_told_by_more_of_their_kind() -> None:
    """Of one failing case it is not told that what lies beyond the last whole block is wrong."""

    def ask(case: Case) -> Result:
        y = evaluate(case, operands(case)).copy()
        flat = y.reshape(-1)
        flat[len(flat) // 4 * 4 :] += 1
        evidence = Evidence("one", case, Value(y), "exact")
        result = Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)
        return result if len(flat) % 4 else replace(result, verdict=Verdict.CONFORMS, evidence=None)

    case = parse("Conv1D/inputs:1x8x2/filters:3/kernel_size:2")
    own = Group((failure_of(ask(case)),), stage="contraction")
    (made,) = tried(own, ask)
    assert "as they lie in memory, beyond the last multiple of 4" in made.what
    assert [failure.case for failure in made.failures] == [case]


def test_what_two_faults_give_where_they_meet_contradicts_neither() -> None:
    """NaN left out, and minus infinity given as the least finite number."""
    lowest = np.finfo(np.float32).min
    case = parse("MaxPooling1D/inputs:2x9x9/operands:specials/pool_size:2/strides:1")

    def pool(windows: Array, inside: Array) -> Array:
        return np.maximum(FAULTS["pooling.nan"].steps.pool(windows, inside), lowest)

    both = Steps(pool=pool)
    own, other = (
        Group((failing_with(FAULTS[name].steps, case),), faults=(FAULTS[name],))
        for name in ("pooling.nan", "pooling.finite")
    )
    (made,) = Refuting([own, other], [OTHER], judged(both)).tested(own)
    assert made.faults == own.faults
    assert made.tested


def test_a_case_of_many_inputs_is_tried_with_fewer() -> None:
    steps = FAULTS["kernel.flipped"].steps
    large = parse("Conv1D/inputs:1x9001x1/operands:small/filters:1/kernel_size:2")
    own = Group((failing_with(steps, large),), stage="contraction")
    (made,) = tried(own, judged(steps))
    assert FAULTS["kernel.flipped"] in made.faults


def test_what_threads_share_is_told_by_what_they_do_without() -> None:
    asked = of_steps(CORRECT)

    def ask(case: Case) -> Result:
        fails = Verdict.DEVIATES if case.keywords.get("use_bias", True) else Verdict.CONFORMS
        return replace(asked(case), verdict=fails)

    assert shared([SHORT], ask) == "without a bias it conforms, as where that is what they share"
    assert not shared([SHORT], asked)

"""Explanations by a few elements are asked again; what other operands contradict is dropped."""

from __future__ import annotations

from dataclasses import replace

from test_marks import of_steps

from conformance.cases.case import parse
from conformance.cases.operands import operands
from conformance.diagnosis.evaluation import CORRECT, evaluate
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.questions.refuting import not_refuted
from conformance.outcomes import Value

CASE = parse("MaxPooling1D/inputs:1x4x1/pool_size:3/strides:1/padding:same")
OTHER = parse("MaxPooling1D/inputs:2x9x3/pool_size:2")


def group(*names: str) -> Group:
    """A group that the first of some faults explains, and the others as well."""
    first, *others = ((FAULTS[name],) for name in names)
    given = evaluate(CASE, operands(CASE), FAULTS[names[0]].steps)
    failure = Failure(CASE, Value(given), "exact")
    return Group((failure,), faults=first, alternatives=tuple(others))


def test_a_fault_that_explains_other_operands_is_kept() -> None:
    own = group("pooling.least")
    assert not_refuted([own], [], of_steps(FAULTS["pooling.least"].steps)) == [own]


def test_a_fault_by_chance_is_dropped() -> None:
    """What was seen of the mean is that of the least element once, and never again."""
    (made,) = not_refuted([group("pooling.least")], [OTHER], of_steps(FAULTS["pooling.mean"].steps))
    assert not made.faults
    assert made.stage
    assert [failure.case for failure in made.failures] == [CASE]


def test_of_several_faults_that_is_told_which_is_not_refuted() -> None:
    both = group("pooling.least", "pooling.mean")
    (made,) = not_refuted([both], [], of_steps(FAULTS["pooling.mean"].steps))
    assert made.faults == (FAULTS["pooling.mean"],)
    assert not made.alternatives


def test_operands_on_which_nothing_is_wrong_refute_nothing() -> None:
    """A fault under a condition shows on some operands alone."""
    own = group("pooling.least")

    def conforming(case: object) -> object:
        return replace(of_steps(CORRECT)(CASE), evidence=None)

    assert not_refuted([own], [], conforming) == [own]  # type: ignore[arg-type]

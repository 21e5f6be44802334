"""What was observed is judged by the expected values stored beside it, which are the oracle's."""

from __future__ import annotations

import pytest

from conformance.cases.grids import grid
from conformance.cases.operands import LaterOperands, Operands, has_its_dtype, operands
from conformance.golden.implementation import Golden, load
from conformance.judge.equality import same_values
from conformance.judge.expectation import Kind, expect
from conformance.running import judging
from conformance.running.runner import run

CASES = [case for case in grid("standard")[::17] if has_its_dtype(case)]


@pytest.fixture(scope="module")
def observed() -> Golden:
    found = load("golden:torch.nn", "torch.nn")
    assert isinstance(found, Golden)
    return found


def test_what_is_stored_is_what_the_oracle_expects(observed: Golden):
    """Protects the verdicts from which way an expectation comes, its flags and kind included."""
    kinds = set()
    for case in CASES:
        stored, derived = observed.expectation(case), expect(case, operands(case))
        if stored is None:
            assert derived.kind == Kind.REJECTION
            assert derived.reason
            continue
        kinds.add(stored.kind)
        assert stored.kind == derived.kind, case
        assert same_values(stored.value, derived.value), case
        assert stored.without_upstream == derived.without_upstream, case
        assert stored.demands_equality == derived.demands_equality, case
    assert kinds == set(Kind)


def test_the_expected_values_themselves_are_judged_by_the_oracle():
    """Protects what `golden` is for: were it judged by itself, any value would be right."""
    golden = load("golden", "")
    assert all(golden.expectation(case) is None for case in CASES)


def test_observations_are_judged_without_the_oracle(monkeypatch: pytest.MonkeyPatch):
    """Protects the speed: deriving each expectation anew takes two thirds of a case's time."""
    accepted = [case for case in CASES if case.observe in ("output", "gradients")][:100]
    wanted = [(r.verdict, r.ratio, r.message) for r in run(accepted, ["golden:torch.nn"])]

    def derived(*_: object) -> None:
        raise AssertionError("the oracle was asked")

    monkeypatch.setattr(judging, "expect", derived)
    found = [(r.verdict, r.ratio, r.message) for r in run(accepted, ["golden:torch.nn"])]
    assert found == wanted
    with pytest.raises(AssertionError, match="the oracle was asked"):
        list(run(accepted, ["golden"]))


def test_later_operands_are_those_of_the_case():
    """Protects the bound of answers that differ, which is computed from the operands."""
    for case in CASES:
        later, now = LaterOperands(case), operands(case)
        assert isinstance(later.made, Operands)
        assert same_values(later.inputs, now.inputs)
        assert same_values(later.weights, now.weights)
        assert same_values(later.upstream, now.upstream)

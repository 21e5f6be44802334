"""What was observed is judged by the expected values stored beside it, which are the oracle's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_fixtures

from conformance.cases.grids import grid
from conformance.cases.operands import LaterOperands, Operands, has_its_dtype, operands
from conformance.golden.directory import VARIABLE
from conformance.golden.encoding import DataWriter, outcome_entry
from conformance.golden.expected import expected_value
from conformance.golden.implementation import expectations
from conformance.implementations import registry
from conformance.judge import elements
from conformance.judge.bounds import Bound, output_bound
from conformance.judge.equality import same_values
from conformance.judge.expectation import Kind, expect
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Result
from conformance.running import judging
from conformance.running.runner import run

CASES = [case for case in grid("standard")[::17] if has_its_dtype(case)]


def test_what_is_stored_is_what_the_oracle_expects():
    """Protects the verdicts from which way an expectation comes, its flags and kind included."""
    kinds = set()
    expected = expectations()
    for case in CASES:
        stored, derived = expected(case), expect(case, operands(case))
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


def test_observations_are_judged_without_the_oracle(monkeypatch: pytest.MonkeyPatch):
    """Protects the speed: deriving each expectation anew takes two thirds of a case's time."""
    accepted = [case for case in CASES if case.observe in ("output", "gradients")][:100]
    wanted = [(r.verdict, r.ratio, r.message) for r in run(accepted, ["golden:torch.nn"])]

    def derived(*_: object) -> None:
        raise AssertionError("the oracle was asked")

    monkeypatch.setattr(judging, "expect", derived)
    found = [(r.verdict, r.ratio, r.message) for r in run(accepted, ["golden:torch.nn"])]
    assert found == wanted
    # The expected values themselves are judged by the oracle: by themselves any would be right.
    with pytest.raises(AssertionError, match="the oracle was asked"):
        list(run(accepted, ["golden"]))


def told(result: Result) -> tuple[object, ...]:
    """What a result says of the answer."""
    said = result.verdict, result.ratio, result.message, result.stage
    return *said, result.diagnosis, result.concerned


def test_verdicts_are_those_of_the_derived_expectation(monkeypatch: pytest.MonkeyPatch):
    """Protects every part of a verdict, the size of the error in units of the bound included."""
    stored = [told(result) for result in run(CASES, ["golden:torch.nn"])]
    monkeypatch.setattr(registry, "stored_expectations", lambda: lambda case: None)
    assert [told(result) for result in run(CASES, ["golden:torch.nn"])] == stored
    assert any(ratio for _, ratio, *_ in stored)


INEXACT, EXACT = small_fixtures.cases_of(
    "Conv1D/inputs:2x8x3/filters:4/kernel_size:3/operands:reals "
    "Conv1D/inputs:2x8x3/filters:4/kernel_size:3/operands:integers"
)


def stored_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moved: float, *, expected: float = 0.0
) -> dict[str, Result]:
    """The results on fixtures in which every number is multiplied by so much more than one."""
    (fixture,) = small_fixtures.expected((INEXACT, EXACT))
    own = small_fixtures.multiplied(fixture, 1 + expected)
    writer, entries = DataWriter(), {}
    for case, entry in own.entries.items():
        value = expected_value(entry, own.data)
        answer = (value * (1 + moved)).astype(value.dtype)
        entries[case] = outcome_entry(Value(answer), value, writer)
    seen = replace(
        small_fixtures.observed(own), entries=entries, data=writer.content(), expected=own
    )
    small_fixtures.write(folder, [own, seen])
    monkeypatch.setenv(VARIABLE, str(folder))
    specs = ["golden", "golden:torch.nn"]
    results = run((INEXACT, EXACT), specs)
    return {f"{r.implementation} {'exact' if r.case == EXACT else 'inexact'}": r for r in results}


def test_a_wrong_observation_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects the way that does not ask the oracle from seeing nothing at all."""
    results = stored_with(tmp_path, monkeypatch, 1e-4)
    for kind, stage in (("inexact", "bound"), ("exact", "exact")):
        assert results[f"golden {kind}"].verdict == Verdict.CONFORMS
        assert results[f"golden:torch.nn {kind}"].verdict == Verdict.DEVIATES
        assert results[f"golden:torch.nn {kind}"].stage == stage


def test_what_rounding_explains_is_accepted_of_inexact_sums_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    results = stored_with(tmp_path, monkeypatch, 2.0**-23)
    assert results["golden:torch.nn inexact"].verdict == Verdict.CONFORMS
    assert results["golden:torch.nn inexact"].ratio
    assert results["golden:torch.nn exact"].verdict == Verdict.DEVIATES


def test_observations_are_held_against_the_bound_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Protects against a bound that changes without anyone seeing it in what is stored."""

    def narrow(*arguments: object) -> Bound:
        bound = output_bound(*arguments)  # type: ignore[arg-type]
        return replace(bound, error=bound.error * np.float64(2.0**-20))

    monkeypatch.setattr(elements, "output_bound", narrow)
    results = stored_with(tmp_path, monkeypatch, 2.0**-23)
    assert results["golden:torch.nn inexact"].verdict == Verdict.DEVIATES


def test_a_wrong_expected_value_is_seen_by_the_oracle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What was observed moves along with what it is stored beside; `golden` does not."""
    results = stored_with(tmp_path, monkeypatch, 0.0, expected=1e-4)
    for kind in ("inexact", "exact"):
        assert results[f"golden {kind}"].verdict == Verdict.DEVIATES
        assert results[f"golden:torch.nn {kind}"].verdict == Verdict.CONFORMS


def test_later_operands_are_those_of_the_case():
    """Protects the bound of answers that differ, which is computed from the operands."""
    for case in CASES:
        later, now = LaterOperands(case), operands(case)
        assert isinstance(later.made, Operands)
        assert same_values(later.inputs, now.inputs)
        assert same_values(later.weights, now.weights)
        assert same_values(later.upstream, now.upstream)

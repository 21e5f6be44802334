"""What is evaluated now is accepted by stored values, and accused by computed ones alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import small_fixtures
from evaluating import PLUGINS

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.cases.operands import Operands, has_its_dtype
from conformance.golden import implementation
from conformance.golden.directory import VARIABLE
from conformance.implementations import registry
from conformance.judge.expectation import Expectation, Kind, expect
from conformance.judge.verdict import Verdict
from conformance.results import Result
from conformance.running import judging, looked_up
from conformance.running.runner import run

LAYERS = str(PLUGINS / "well_behaved.py")
CASES = [case for case in grid("standard")[::61] if has_its_dtype(case)]


def told(result: Result) -> tuple[object, ...]:
    """What a result says."""
    said = result.verdict, result.ratio, result.message, result.stage
    return *said, result.diagnosis, result.concerned


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The cases whose expected value the oracle computed, in their order."""
    cases: list[Case] = []

    def counted(case: Case, operands: Operands) -> Expectation:
        cases.append(case)
        return expect(case, operands)

    monkeypatch.setattr(judging, "expect", counted)
    return cases


def test_verdicts_are_those_of_what_the_oracle_computes(
    monkeypatch: pytest.MonkeyPatch, computed: list[Case]
):
    """Protects the records of a run from which way an expectation comes."""
    monkeypatch.setattr(looked_up, "FIRST", 10)
    found = [told(result) for result in run(CASES, [LAYERS])]
    asked = len(computed)
    monkeypatch.setattr(registry, "stored_expectations", lambda: lambda case: None)
    assert [told(result) for result in run(CASES, [LAYERS])] == found
    assert 10 <= asked < (len(computed) - asked) / 2


def test_a_few_cases_are_not_worth_reading_what_is_stored_of_thousands(
    monkeypatch: pytest.MonkeyPatch,
):
    """Protects the start of short runs; longer ones read once."""
    stored = Expectation(Kind.SHAPE, (1,))
    readings: list[None] = []

    def stored_expectations() -> Callable[[Case], Expectation | None]:
        readings.append(None)
        return lambda case: stored

    monkeypatch.setattr(registry, "stored_expectations", stored_expectations)
    look_up = looked_up.LookedUp()
    first = looked_up.FIRST
    assert [look_up(CASES[0]) for _ in range(first + 5)] == [None] * first + [stored] * 5
    assert len(readings) == 1


def test_what_is_stored_accuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[Case]
):
    """Protects correct answers where the fixtures are older than the oracle."""
    cases = small_fixtures.cases_of("MaxPooling2D/inputs:2x8x8x3")
    (fixture,) = small_fixtures.expected(cases)
    stored = small_fixtures.multiplied(fixture, 1 + 2.0**-10)
    small_fixtures.write(tmp_path, [stored])
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(looked_up, "FIRST", 0)
    assert [result.verdict for result in run(cases, [LAYERS])] == [Verdict.CONFORMS]
    assert computed == list(cases)


@pytest.mark.parametrize("kind", ["absent", "of other clauses"])
def test_fixtures_that_cannot_be_used_say_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Protects runs without fixtures: they compute."""
    cases = small_fixtures.cases_of("Conv1D/inputs:2x8x3/filters:4/kernel_size:3")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    if kind != "absent":
        small_fixtures.write(tmp_path, small_fixtures.expected(cases))
        assert implementation.expectations()(cases[0]) is not None
        monkeypatch.setattr(implementation, "spec_sha256", lambda: "another")
    assert implementation.expectations()(cases[0]) is None

"""Protects the known deviations: what a record covers, and what it must not cover."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.cases.case import parse
from conformance.judge.verdict import Judgement, Verdict
from conformance.known_deviations import RECORDS, apply, reproducers
from conformance.known_deviations.record import (
    KnownDeviation,
    ends_the_process,
    judge_by_records,
    rejects,
    returns_a_value,
)
from conformance.outcomes import Crash, Rejection, Unsupported, Value
from conformance.spec.clauses import clauses

CASE = parse("Flatten/inputs:2x3")
WRONG = Judgement(Verdict.DEVIATES, "it is wrong")
RIGHT = Judgement(Verdict.CONFORMS)
RECORD = KnownDeviation(
    identifier="flatten-rejects",
    implementations=("mine", "mine[*"),
    versions={"mine": "1.2.*"},
    clause="flatten.output.shape",
    applies=lambda facts: facts.layer == "Flatten",
    happens=rejects("ValueError"),
    instead="refuses everything",
)
REJECTION = Rejection("ValueError", "no")


def judged(outcome=REJECTION, judgement=WRONG, name="mine", version="1.2.3", record=RECORD):
    return judge_by_records([record], name, {"mine": version}, CASE, outcome, judgement)


@pytest.mark.parametrize("name", ["mine", "mine[fast]"])
def test_a_recorded_behaviour_is_known_in_every_mode(name):
    judgement = judged(name=name)
    assert judgement.verdict is Verdict.KNOWN_DEVIATION
    assert judgement.diagnosis == "flatten-rejects"
    assert "refuses everything" in judgement.message


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"version": "1.3.0"},
        {"outcome": Rejection("TypeError", "no")},
        {"outcome": Value(None)},
        {"outcome": Crash("signal SIGSEGV")},
    ],
    ids=["another implementation", "another version", "another exception", "a value", "a crash"],
)
def test_anything_else_stays_a_deviation(changes):
    assert judged(**changes) == WRONG


def test_conforming_where_a_deviation_is_recorded_is_reported():
    assert judged(judgement=RIGHT).verdict is Verdict.UNEXPECTED_CONFORMANCE


def test_behaviour_that_is_not_constant_may_conform():
    changing = KnownDeviation(**{**vars(RECORD), "always": False})
    assert judged(judgement=RIGHT, record=changing) == RIGHT


def test_what_is_unsupported_is_left_alone():
    judgement = Judgement(Verdict.UNSUPPORTED, "cannot")
    assert judged(outcome=Unsupported("cannot"), judgement=judgement) == judgement


def test_outcomes_are_told_apart():
    assert returns_a_value(Value(1))
    assert not returns_a_value(REJECTION)
    assert ends_the_process(Crash("signal SIGABRT"))
    assert not ends_the_process(Value(1))


def test_stored_observations_count_as_the_implementation_that_was_observed():
    case = parse("Conv1D/observe:import_path/filters:4/kernel_size:3")
    versions = {"keras": "3.15.1", "tensorflow": "2.21.0"}
    judgement = apply("golden:tf.keras", versions, case, Value("absent"), WRONG)
    assert judgement.verdict is Verdict.KNOWN_DEVIATION


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.identifier)
def test_records_name_clauses_and_programs_that_exist(record):
    assert record.clause in clauses()
    assert record.versions
    assert record.instead
    folder = Path(reproducers.__file__).parent
    assert record.reproducer is None or (folder / record.reproducer).is_file()


def test_identifiers_are_unique():
    identifiers = [record.identifier for record in RECORDS]
    assert len(identifiers) == len(set(identifiers))


def test_every_record_can_be_held_against_every_case():
    """A predicate that fails on an odd case would end the run."""
    from conformance.cases.grids import grid

    for case in grid("standard"):
        for record in RECORDS:
            versions = {
                name: pattern.replace("*", "0") for name, pattern in record.versions.items()
            }
            record.concerns(record.implementations[0], versions, case)

"""Protects the records of known deviations: each is real, and none outlives its cause."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.implementations import registry
from conformance.judge.verdict import Verdict
from conformance.known_deviations import RECORDS, reproducers
from conformance.known_deviations.record import KnownDeviation, name_matches
from conformance.running.runner import run

pytestmark = pytest.mark.live

FOLDER = Path(reproducers.__file__).parent
PROGRAMS = sorted({record.reproducer for record in RECORDS if record.reproducer})
BY_PROCESSOR = {record.reproducer for record in RECORDS if record.by_processor}
ENOUGH = 12


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_reproducer_shows_its_defect(program):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    finished = subprocess.run(
        [sys.executable, FOLDER / program],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    allowed = (0, 1) if program in BY_PROCESSOR else (0,)
    assert finished.returncode in allowed, finished.stdout + finished.stderr
    assert finished.stdout.strip()


def test_every_program_belongs_to_a_record():
    assert sorted(path.name for path in FOLDER.glob("[!_]*.py")) == PROGRAMS


def implementation_of(record: KnownDeviation) -> str:
    """The first built-in implementation that a record speaks of."""
    names = [entry.name for entry in registry.builtin()]
    return next(
        name
        for name in names
        if any(name_matches(name, pattern) for pattern in record.implementations)
    )


def concerned(record: KnownDeviation, name: str) -> list[Case]:
    """The first cases of the standard grid that a record speaks of."""
    versions = registry.versions(registry.resolve(name))
    cases = (case for case in grid("standard") if record.concerns(name, versions, case))
    return list(islice(cases, ENOUGH))


NAMES = sorted({implementation_of(record) for record in RECORDS})


@pytest.mark.parametrize("name", NAMES)
def test_every_record_is_met(name):
    """At least one of the first cases that a record concerns deviates as it says.

    Records of what some processors do only are left out: another may do right.
    """
    records = [
        record
        for record in RECORDS
        if implementation_of(record) == name and not record.by_processor
    ]
    cases = [case for record in records for case in concerned(record, name)]
    results = list(run(cases, [name]))
    met = {r.diagnosis for r in results if r.verdict is Verdict.KNOWN_DEVIATION}
    assert {record.identifier for record in records} - met == set()

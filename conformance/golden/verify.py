"""Verifying fixtures: intact files, expected values recomputed, observations judged.

Needs NumPy alone.  Where ml_dtypes is not installed, the oracle cannot compute in bfloat16, and
the second derivation recomputes these cases.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from conformance import known
from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.golden import manifest as manifests
from conformance.golden.changes import describe_difference
from conformance.golden.coverage import first_unused
from conformance.golden.directory import expected_of, read_all
from conformance.golden.encoding import DataWriter
from conformance.golden.errors import FixtureError
from conformance.golden.expected import expected_entry, expected_value
from conformance.golden.fixture import EXPECTED, Fixture
from conformance.golden.manifest import Manifest
from conformance.golden.stored import OBSERVABLE, stored_outcome
from conformance.judge.equality import same_values
from conformance.judge.expectation import Expectation, expect_without_packages
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement
from conformance.results import ACCEPTED
from conformance.spec.clauses import spec_sha256

FLOOR: Final = 7000
"""Fewer cases than this are no fixture of the standard grid, whatever the manifest says."""


@dataclass
class Findings:
    """What a verification found.

    Attributes:
        expected: expected values recomputed and equal.
        judged: observations judged as accepted.
        unobserved: cases that an implementation has no observation of, by its name.
        problems: what is wrong, in words.
    """

    expected: int = 0
    judged: int = 0
    unobserved: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Add the findings of another part."""
        self.expected += other.expected
        self.judged += other.judged
        self.problems += other.problems

    def take(self, fixture: Fixture, case: Case, judgement: Judgement) -> None:
        """Count an observation that is accepted, or say what is wrong with it."""
        if judgement.verdict in ACCEPTED:
            self.judged += 1
            return
        name = f"golden:{fixture.implementation}"
        self.problems.append(f"{name}: {judgement.verdict} {case}: {judgement.message}")


def verify(directory: Path, workers: int | None = None) -> Findings:
    """Verify a fixture directory as a whole.

    Raises:
        FixtureError: if a file is missing, truncated, altered, extra, foreign or unreadable, or
            the fixtures are not those of the present specification and grid.
    """
    manifest, fixtures = read_all(directory)
    if manifest.spec_sha256 != spec_sha256():
        raise FixtureError(
            directory / manifests.NAME, "made for another version of the clauses; regenerate"
        )
    expected = expected_of(fixtures)
    _check_cases(directory / manifests.NAME, expected)
    _check_data(directory, manifest, fixtures)
    findings = Findings(unobserved=_unobserved(fixtures))
    jobs = [(expected[f.layer], [f] if f.kind != EXPECTED else []) for f in fixtures]
    for found in _in_parallel(_shares(jobs), workers or os.cpu_count() or 1):
        findings.add(found)
    return findings


Share = tuple[Fixture, list[Fixture], Sequence[str]]


def _unobserved(fixtures: Iterable[Fixture]) -> dict[str, int]:
    """How many cases each observable implementation has no observation of."""
    missing = dict.fromkeys(OBSERVABLE, 0)
    for fixture in fixtures:
        for name in missing:
            if fixture.kind == EXPECTED:
                missing[name] += len(fixture.entries)
            elif fixture.implementation == name:
                missing[name] -= len(fixture.entries)
    return {name: count for name, count in missing.items() if count}


def _check_cases(path: Path, expected: dict[str, Fixture]) -> None:
    stored = [case for fixture in expected.values() for case in fixture.entries]
    if len(stored) < FLOOR:
        raise FixtureError(path, f"names {len(stored)} cases; at least {FLOOR} are needed")
    difference = {case.descriptor for case in grid("standard")}.symmetric_difference(stored)
    if difference:
        raise FixtureError(
            path,
            f"is not of the present standard grid: {len(difference)} cases differ, such as "
            f"{min(difference)}; regenerate",
        )


def _check_data(directory: Path, manifest: Manifest, fixtures: Iterable[Fixture]) -> None:
    names = {manifests.stem_of(name): name for name in manifest.files}
    for fixture in fixtures:
        unused = first_unused(fixture)
        if unused is not None:
            raise FixtureError(
                directory / names[fixture.stem],
                f"no entry refers to byte {unused} of its {len(fixture.data)} bytes of data",
            )


def _shares(jobs: Iterable[tuple[Fixture, list[Fixture]]], size: int = 250) -> list[Share]:
    """Parts of about equal work: some cases of one layer, with or without observations."""
    observed: dict[str, list[Fixture]] = {}
    expected: dict[str, Fixture] = {}
    for fixture, observations in jobs:
        expected[fixture.layer] = fixture
        observed.setdefault(fixture.layer, []).extend(observations)
    shares: list[Share] = []
    for layer, fixture in expected.items():
        cases = list(fixture.entries)
        shares += [
            (fixture, observed[layer], cases[start : start + size])
            for start in range(0, len(cases), size)
        ]
    return shares


def _in_parallel(shares: list[Share], workers: int) -> Iterable[Findings]:
    if workers == 1:
        return map(verify_share, shares)
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(verify_share, shares))


def verify_share(share: Share) -> Findings:
    """Recompute the expected values of some cases, and judge what was observed of them."""
    expected, observed, cases = share
    records = known.load()
    findings = Findings()
    for descriptor in cases:
        case = parse(descriptor)
        prepared, expectation = expect_without_packages(case)
        problem = _recomputed(expected, case, expectation)
        if problem:
            findings.problems.append(problem)
        else:
            findings.expected += 1
        for fixture in observed:
            if descriptor in fixture.entries:
                judgement = _judgement(fixture, case, prepared, expectation, records)
                findings.take(fixture, case, judgement)
    return findings


def _recomputed(expected: Fixture, case: Case, expectation: Expectation) -> str | None:
    """What is wrong with a stored expected value; None if it is what the oracle computes."""
    entry = expected.entries[case.descriptor]
    writer = DataWriter()
    computed = expected_entry(expectation, writer)
    stored = (next(iter(entry)), expected_value(entry, expected.data))
    fresh = (next(iter(computed)), expected_value(computed, writer.content()))
    if stored[0] == fresh[0] and same_values(stored[1], fresh[1]):
        return None
    return f"{case.descriptor}: stored -> computed: {describe_difference(stored, fresh)}"


def _judgement(
    fixture: Fixture, case: Case, prepared: Any, expectation: Expectation, records: known.Records
) -> Judgement:
    """The judgement of a stored observation, in the light of the known deviations."""
    outcome = stored_outcome(fixture, case.descriptor)
    judgement = judge(case, prepared, expectation, outcome)
    who = known.Who((fixture.implementation,), fixture.versions or {}, fixture.machine or {})
    return records.judge(who, case, outcome, judgement, lambda: (prepared, expectation))

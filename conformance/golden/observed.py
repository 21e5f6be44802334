"""What implementations did, stored beside what is expected of them; never as truth."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable

from conformance.cases.case import parse
from conformance.golden.encoding import DataWriter, outcome_entry
from conformance.golden.expected import expected_value
from conformance.golden.fixture import OBSERVED, Fixture, fixture_of
from conformance.implementations import registry
from conformance.implementations.machine import processor
from conformance.outcomes import Outcome
from conformance.running.runner import Runner


def observe(
    implementation: str,
    expected: Iterable[Fixture],
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fixture]:
    """Run an implementation on every expected case; store what it did, relative to that.

    Raises:
        ImplementationError: if it is not installed.
    """
    stored = {fixture.layer: fixture for fixture in expected}
    outcomes, machine = _outcomes(implementation, stored.values(), workers, progress)
    return [
        _observed(
            implementation,
            stored[layer],
            {c: outcomes[c] for c in stored[layer].entries},
            machine | processor(),
        )
        for layer in stored
    ]


def _outcomes(
    implementation: str,
    expected: Iterable[Fixture],
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, Outcome], dict[str, str]]:
    """What the implementation does with every expected case, by descriptor; and on what machine."""
    outcomes: dict[str, Outcome] = {}
    cases = [parse(descriptor) for fixture in expected for descriptor in fixture.entries]
    with Runner(cases, [implementation], workers=workers, progress=progress, keep=True) as run:
        for result in run:
            if result.evidence is not None:
                outcomes[result.case.descriptor] = result.evidence.outcome
        (subject,) = run.subjects
    return outcomes, dict(subject.machine)


def _observed(
    implementation: str, expected: Fixture, outcomes: dict[str, Outcome], machine: dict[str, str]
) -> Fixture:
    writer = DataWriter()
    entries = {
        case: outcome_entry(outcome, expected_value(expected.entries[case], expected.data), writer)
        for case, outcome in outcomes.items()
    }
    return fixture_of(
        OBSERVED,
        expected.layer,
        entries,
        writer,
        implementation=implementation,
        versions=registry.versions(registry.resolve(implementation)),
        platform=platform.machine(),
        machine=machine,
        expected=expected,
    )

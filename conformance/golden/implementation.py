"""The fixtures as implementations: what is stored instead of what is computed now.

``golden`` answers with the stored expected values, so that judging it holds the present oracle
against the stored one.  ``golden:NAME`` answers with what NAME did when it was observed, and is
judged by the expected values from which its answers are stored as differences (`expectations`).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.golden import manifest as manifests
from conformance.golden.directory import fixture_directory, read_named
from conformance.golden.errors import FixtureError
from conformance.golden.expected import expected_value, stored_expectation
from conformance.golden.fixture import EXPECTED, OBSERVED
from conformance.golden.stored import stored_outcome
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.judge.expectation import Expectation, LookUp
from conformance.outcomes import Outcome, Rejection, Unsupported, Value
from conformance.spec.clauses import spec_sha256


class Golden:
    """The stored expected values, or one implementation's stored outcomes.

    Args:
        name: the name in reports.
        observed: name of the implementation that was observed; empty for the expected values.
        directory: where the fixtures are.
    """

    def __init__(self, name: str, observed: str, directory: Path) -> None:
        self.name = name
        prefix = f"{OBSERVED}-{observed}-"
        try:
            manifest = manifests.read_manifest(directory)
            fixtures = read_named(directory, manifest, lambda name: name.startswith(prefix))
        except FixtureError as error:
            raise ImplementationError(f"{name} cannot be read: {error}") from error
        self._expected = {f.layer: f for f in fixtures if f.kind == EXPECTED}
        self._observed = {f.layer: f for f in fixtures if f.kind == OBSERVED} if observed else None
        self.version = ", ".join(f"{k} {v}" for k, v in stored_versions(observed).items())

    def evaluate(self, case: Case, operands: Operands) -> Outcome:
        """What is stored of the case; unsupported where nothing is."""
        descriptor = case.descriptor
        expected = self._expected.get(case.layer)
        if expected is None or descriptor not in expected.entries:
            return Unsupported("the fixtures hold the standard grid only, and not this case")
        if self._observed is None:
            value = expected_value(expected.entries[descriptor], expected.data)
            return Rejection("stored", "a rejection is stored") if value is None else Value(value)
        observed = self._observed.get(case.layer)
        if observed is None or descriptor not in observed.entries:
            return Unsupported("no observation of this case is stored")
        return stored_outcome(observed, descriptor)


def expectations() -> LookUp:
    """What the fixtures in use say is expected of a case, None of one that they do not hold.

    They say nothing where they are not whole, or were made for other clauses: what they would say
    is what the oracle computes, and `golden verify` tells what is wrong with them.
    """
    directory = fixture_directory()
    try:
        manifest = manifests.read_manifest(directory)
        fixtures = read_named(directory, manifest, lambda name: False)
    except FixtureError:
        return lambda case: None
    if manifest.spec_sha256 != spec_sha256():
        return lambda case: None
    of_layer = {fixture.layer: fixture for fixture in fixtures}

    def expected(case: Case) -> Expectation | None:
        fixture = of_layer.get(case.layer)
        if fixture is None or case.descriptor not in fixture.entries:
            return None
        return stored_expectation(case, fixture.entries[case.descriptor], fixture.data)

    return expected


def stored_versions(observed: str) -> dict[str, str]:
    """The versions that were observed; this project's own for the expected values.

    Empty where there are no fixtures.
    """
    if observed:
        return dict(_stored_of(observed)[0])
    try:
        manifest = manifests.read_manifest(fixture_directory())
    except FixtureError:
        return {}
    return {"layerproof": manifest.suite_version}


def stored_machine(observed: str) -> dict[str, str]:
    """What the process ran on that was observed; empty for the expected values, or if unknown."""
    return dict(_stored_of(observed)[1]) if observed else {}


@cache
def _stored_of(observed: str) -> tuple[dict[str, str], dict[str, str]]:
    """Versions and machine of an observed implementation; empty where there are no fixtures."""
    directory = fixture_directory()
    prefix = f"{OBSERVED}-{observed}-"
    try:
        manifest = manifests.read_manifest(directory)
        wanted = next((name for name in manifest.files if name.startswith(prefix)), "")
        *_, fixture = read_named(directory, manifest, lambda name: name == wanted)
    except FixtureError:
        return {}, {}
    return fixture.versions or {}, fixture.machine or {}


def load(name: str, observed: str) -> Implementation:
    """The fixtures in use, behind the protocol.

    Raises:
        ImplementationError: if there are none, or they are not whole.
    """
    return Golden(name, observed, fixture_directory())

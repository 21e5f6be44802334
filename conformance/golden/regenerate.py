"""Regenerating the fixtures after a deliberate change, and observing implementations anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from conformance.cases.grids import grid
from conformance.golden import manifest as manifests
from conformance.golden.changes import changes
from conformance.golden.directory import read_all, replace_all
from conformance.golden.errors import FixtureError
from conformance.golden.expected import expected_fixtures
from conformance.golden.fixture import EXPECTED, OBSERVED, Fixture
from conformance.golden.lock import UNLOCKED, locked
from conformance.golden.observed import observe
from conformance.golden.stored import OBSERVABLE, carried_over
from conformance.implementations import registry
from conformance.spec.clauses import spec_sha256
from conformance.version import __version__

Progress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What a regeneration did: whether files changed, the changed cases, what else to know."""

    written: bool = False
    changes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def regenerate(directory: Path, reason: str, workers: int, progress: Progress) -> Report:
    """Derive every expected value twice and replace the fixtures if anything changed.

    Observations of cases that stay are kept; cases that lack one are observed where the
    implementation is installed.

    Raises:
        DisagreementError: if the two derivations differ; nothing is written.
        FixtureError: if the fixtures in place are damaged, or another process regenerates them;
            nothing is written.
        ImportError: if ml_dtypes is not installed, in which the oracle computes.
    """
    report = Report()
    with locked(directory) as held:
        report.notes += [] if held else [UNLOCKED]
        _regenerate(directory, reason, workers, progress, report)
    return report


def _regenerate(
    directory: Path, reason: str, workers: int, progress: Progress, report: Report
) -> None:
    old_expected, old_observed = _present(directory)
    cases = grid("standard")
    expected = expected_fixtures(cases, lambda done: progress("deriving", done, len(cases)))
    report.changes = list(changes(old_expected, expected))
    kept = carried_over(old_observed, expected)
    observed = [
        f
        for name in OBSERVABLE
        for f in _completed(name, kept, expected, workers, progress, report)
    ]
    report.written = _write(directory, [*expected, *observed], reason)


def observe_again(
    directory: Path, implementations: Iterable[str], reason: str, workers: int, progress: Progress
) -> Report:
    """Replace the observations of some implementations; the expected values stay as they are.

    Raises:
        FixtureError: if the fixtures are not whole, or another process regenerates them.
        ImplementationError: if an implementation is not installed.
    """
    report = Report()
    with locked(directory) as held:
        report.notes += [] if held else [UNLOCKED]
        report.written = _observe_again(directory, implementations, reason, workers, progress)
    return report


def _observe_again(
    directory: Path, implementations: Iterable[str], reason: str, workers: int, progress: Progress
) -> bool:
    _, fixtures = read_all(directory)
    expected = [fixture for fixture in fixtures if fixture.kind == EXPECTED]
    names = list(implementations)
    fresh = [f for name in names for f in _run(name, expected, workers, progress)]
    replaced = {(fixture.implementation, fixture.layer) for fixture in fresh}
    kept = [f for f in fixtures if (f.implementation, f.layer) not in replaced]
    return _write(directory, [*kept, *fresh], reason)


def _present(directory: Path) -> tuple[list[Fixture], list[Fixture]]:
    """The expected and the observed fixtures in place; none where there are none yet.

    Raises:
        FixtureError: if what is there is damaged, or of another version: it may be worth keeping.
    """
    if not directory.is_dir() or not any(map(_matters, directory.iterdir())):
        return [], []
    try:
        _, fixtures = read_all(directory)
    except FixtureError as error:
        raise FixtureError(
            error.path,
            f"{error.problem}.  Nothing was written: restore the fixtures, or remove them to "
            "make all of them anew",
        ) from error
    expected = [fixture for fixture in fixtures if fixture.kind == EXPECTED]
    return expected, [fixture for fixture in fixtures if fixture.kind == OBSERVED]


def _matters(path: Path) -> bool:
    """Whether a file belongs to fixtures."""
    return path.name == manifests.NAME or path.suffix == ".npz"


def _completed(
    name: str,
    kept: list[Fixture],
    expected: list[Fixture],
    workers: int,
    progress: Progress,
    report: Report,
) -> list[Fixture]:
    """The observations of an implementation, made anew where any is missing."""
    own = [fixture for fixture in kept if fixture.implementation == name]
    missing = sum(len(f.entries) for f in expected) - sum(len(f.entries) for f in own)
    if not missing:
        return own
    if registry.installed(registry.resolve(name)):
        report.notes.append(f"{name} was observed anew: {missing} cases had no observation")
        return _run(name, expected, workers, progress)
    report.notes.append(f"{name} is not installed: {missing} cases have no observation")
    return own


def _run(name: str, expected: list[Fixture], workers: int, progress: Progress) -> list[Fixture]:
    def tell(done: int, total: int) -> None:
        progress(f"observing {name}", done, total)

    return observe(name, expected, workers, tell)


def _write(directory: Path, fixtures: list[Fixture], reason: str) -> bool:
    return replace_all(
        directory,
        sorted(fixtures, key=lambda fixture: fixture.stem),
        suite_version=__version__,
        spec_sha256=spec_sha256(),
        reason=reason,
        versions={"layerproof": __version__, "numpy": np.__version__},
    )


def describe(directory: Path) -> str:
    """The fixtures in one sentence: cases, files, bytes, and why they are as they are."""
    manifest = manifests.read_manifest(directory)
    size = sum(record.bytes for record in manifest.files.values())
    return (
        f"{directory}: {len(manifest.files)} files, {size / 1e6:.2f} MB; "
        f"last regenerated: {manifest.reason}"
    )

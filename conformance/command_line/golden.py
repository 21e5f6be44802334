"""``conformance golden``: verify, regenerate or observe the stored fixtures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from conformance.command_line.errors import UsageError
from conformance.command_line.progress import Progress
from conformance.golden import regenerate as regeneration
from conformance.golden.directory import fixture_directory
from conformance.golden.errors import FixtureError
from conformance.golden.expected import DisagreementError
from conformance.golden.stored import OBSERVABLE
from conformance.golden.verify import verify
from conformance.implementations.protocol import ImplementationError

EXIT_FAILED = 1


def verify_fixtures(options: argparse.Namespace) -> int:
    """Verify the fixtures; say what was checked, or every problem."""
    directory = options.directory or fixture_directory()
    try:
        findings = verify(directory, options.workers)
    except FixtureError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return EXIT_FAILED
    for problem in findings.problems:
        print(problem)
    print(regeneration.describe(directory))
    print(
        f"{findings.expected} expected values recomputed and equal, {findings.judged} observations "
        f"judged as accepted, {len(findings.problems)} problems"
    )
    for name, count in findings.unobserved.items():
        print(f"{name}: {count} cases have no observation")
    return EXIT_FAILED if findings.problems else 0


def regenerate(options: argparse.Namespace) -> int:
    """Regenerate the fixtures and print what changed, case by case."""
    directory = options.directory or fixture_directory()
    _check_reason(options.reason)
    report = _attempt(
        lambda: regeneration.regenerate(
            directory, options.reason, options.workers, _PhasedProgress()
        )
    )
    print("\n".join([*report.changes, *report.notes]))
    changed = f"{len(report.changes)} expected values changed"
    print(f"{changed}; {'written' if report.written else 'nothing written'}")
    print(regeneration.describe(directory))
    return 0


def observe(options: argparse.Namespace) -> int:
    """Observe implementations anew."""
    directory = options.directory or fixture_directory()
    _check_reason(options.reason)
    names = options.implementation or list(OBSERVABLE)
    unknown = set(names) - set(OBSERVABLE)
    if unknown:
        raise UsageError(
            f"--implementation {min(unknown)!r}: observations are stored of {', '.join(OBSERVABLE)}"
        )
    report = _attempt(
        lambda: regeneration.observe_again(
            directory, names, options.reason, options.workers, _PhasedProgress()
        )
    )
    print("\n".join([*report.notes, "written" if report.written else "nothing changed"]))
    print(regeneration.describe(directory))
    return 0


def _check_reason(reason: str) -> None:
    try:
        reason.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"--reason {reason!a} is no text: it cannot be written as UTF-8"
        ) from error


class _PhasedProgress:
    """One progress line per phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._progress = Progress(sys.stderr)

    def __call__(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase, self._progress = phase, Progress(sys.stderr, doing=phase)
        self._progress(done, total)


def _attempt(action: Callable[[], regeneration.Report]) -> regeneration.Report:
    try:
        return action()
    except (DisagreementError, FixtureError, ImplementationError, ImportError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        raise SystemExit(EXIT_FAILED) from error

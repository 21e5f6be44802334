"""``conformance run``: judge implementations, report, and say by the exit status how it went."""

from __future__ import annotations

import argparse
import fnmatch
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from conformance import __version__
from conformance.cases.case import Case
from conformance.command_line.errors import UsageError
from conformance.command_line.progress import Progress
from conformance.command_line.repeating import Judge, retried, until_failures
from conformance.command_line.selection import select_cases
from conformance.diagnosis.results import bounded, diagnosed
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.report.account import Account
from conformance.report.formats import print_summary, write_formats
from conformance.report.jsonl import json_lines_report
from conformance.results import ACCEPTED, Result
from conformance.runner import Limits, Runner
from conformance.spec.clauses import spec_sha256

EXIT_DEVIATES: Final = 1
EXIT_NOTHING_JUDGED: Final = 3

DEFAULT: Final[tuple[str, ...]] = ("reference", "tf.keras", "torch.nn")
"""Judged where none is named, as far as installed."""


def run(options: argparse.Namespace) -> int:
    """Run the selected cases on the selected implementations.

    Raises:
        UsageError: for an implementation, clause or descriptor that does not exist, or a report
            that cannot be written.
    """
    cases = select_cases(options)
    names = select_implementations(options.implementation)
    try:
        with Runner(
            cases,
            names,
            workers=options.workers,
            limits=_limits(options),
            progress=Progress(sys.stderr, quiet=options.quiet),
        ) as runner:
            header = _header(options, runner.versions)
            results = bounded(until_failures(runner, options.max_failures))
        results = retried(results, options.retries, _again(options))
    except ImplementationError as error:
        raise UsageError(str(error)) from error
    results, _ = diagnosed(results)
    if options.jsonl:
        _write_jsonl(options.jsonl, header, results)
    account = Account(header)
    for result in results:
        account.add(result)
    total = len(cases) * len(names)
    if len(results) < total:
        account.notes.append(f"The run was stopped after {len(results)} of {total} results.")
    if results:
        print_summary(options, account)
    try:
        write_formats(options, account)
    except OSError as error:
        raise UsageError(str(error)) from error
    return exit_status(results)


def _again(options: argparse.Namespace) -> Judge:
    """How `retried` judges cases in a run of their own."""

    def judge(cases: list[Case], spec: str) -> Iterator[Result]:
        with Runner(cases, [spec], limits=_limits(options)) as runner:
            yield from runner

    return judge


def _limits(options: argparse.Namespace) -> Limits:
    if options.memory is None:
        return Limits(timeout=options.timeout)
    return Limits(timeout=options.timeout, memory=int(options.memory * 2**30))


def select_implementations(given: list[str] | None) -> list[str]:
    """The implementations to judge; a name with ``*`` stands for all installed ones it matches.

    Raises:
        UsageError: if a pattern matches none.
    """
    installed = [entry.name for entry in registry.builtin() if registry.installed(entry)]
    if not given:
        live = [name for name in DEFAULT if name in installed]
        stored = [name for name in installed if name.startswith("golden")]
        return live if len(live) > 1 else [*live, *stored]
    selected: list[str] = []
    for name in given:
        if "*" not in name or registry.is_program(name):
            selected.append(name)
            continue
        matching = fnmatch.filter(installed, name.replace("[", "[[]"))
        if not matching:
            raise UsageError(
                f"--implementation {name!r} matches none of the installed built-in "
                f"implementations: {', '.join(installed)}"
            )
        selected.extend(matching)
    return list(dict.fromkeys(selected))


def exit_status(results: list[Result]) -> int:
    """0 as recorded, 1 something else, 3 nothing was judged (everything unsupported included)."""
    verdicts = {result.verdict for result in results}
    if not verdicts - {Verdict.UNSUPPORTED}:
        print("conformance: nothing was judged", file=sys.stderr)
        return EXIT_NOTHING_JUDGED
    return EXIT_DEVIATES if verdicts - ACCEPTED else 0


def _write_jsonl(path: Path, header: dict[str, Any], results: list[Result]) -> None:
    with json_lines_report(path, header) as report:
        for result in results:
            report.add(result)


def _header(options: argparse.Namespace, versions: dict[str, str]) -> dict[str, Any]:
    return {
        "suite_version": __version__,
        "spec_sha256": spec_sha256(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "implementations": versions,
        "grid": None if options.case else options.grid,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }

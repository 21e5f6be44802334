"""``conformance run``: judge implementations, report, and say by the exit status how it went."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import Any, Final

from conformance import __version__, known
from conformance.cases.case import Case
from conformance.command_line.errors import UsageError
from conformance.command_line.progress import Progress
from conformance.command_line.resuming import Earlier, earlier_run
from conformance.command_line.selection import select_cases
from conformance.command_line.signals import signal_of
from conformance.diagnosis.diagnosis import Diagnosis
from conformance.diagnosis.results import bounded, diagnosed
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.report.files import STANDARD_OUTPUT, check_outputs, is_special
from conformance.report.jsonl import JsonLinesReport, json_lines_report, write_json_lines
from conformance.report.junit import write_junit
from conformance.report.terminal import summary
from conformance.results import ACCEPTED, Result
from conformance.running.order import order_of
from conformance.running.runner import Limits, Runner
from conformance.spec.clauses import spec_sha256

EXIT_DEVIATES: Final = 1
EXIT_NOTHING_JUDGED: Final = 3
EXIT_SIGNAL: Final = 128

DEFAULT: Final[tuple[str, ...]] = ("reference", "tf.keras", "torch.nn")
"""Judged where none is named, as far as installed."""

_OUTPUTS: Final = ("jsonl", "junit")
_MOST_MEMORY_GIB: Final = 2.0**30
"""An exbibyte: beyond it no system takes the limit."""


@dataclass
class _Judged:
    """What a run has come to so far.

    Attributes:
        header: the report's header; empty before the implementations are loaded.
        results: those that are there, in order.
        total: how many there will be.
        ended_by: what ended the run before its end.
    """

    header: dict[str, Any] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    total: int = 0
    ended_by: BaseException | None = None


def run(options: argparse.Namespace) -> int:
    """Run the selected cases on the selected implementations.

    Raises:
        UsageError: for an implementation, clause or descriptor that does not exist, or a report
            that cannot be written.
    """
    cases = select_cases(options)
    names = select_implementations(options.implementation)
    earlier = earlier_run(options.resume, cases, options.grid if not options.case else None)
    if options.resume is not None:
        options.jsonl = options.resume
    _check(options)
    judged = _Judged(total=len(cases) * len(names))
    _judge(options, cases, names, earlier, judged)
    if not judged.header and judged.ended_by is not None:
        raise judged.ended_by
    diagnoses = _report(options, judged)
    return _say(options, judged, diagnoses)


def _check(options: argparse.Namespace) -> None:
    """Refuse reports that could not be written, and records that cannot be read."""
    outputs = {f"--{name}": getattr(options, name) for name in _OUTPUTS if getattr(options, name)}
    try:
        check_outputs(outputs)
        known.load(options.known)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error


def _judge(
    options: argparse.Namespace,
    cases: Sequence[Case],
    names: Sequence[str],
    earlier: Earlier | None,
    judged: _Judged,
) -> None:
    """Judge, and write each result as it comes; what ends it before the end is kept, not raised."""
    kept = earlier.results if earlier else []
    done = earlier.cases if earlier else frozenset()
    try:
        with Runner(
            [case for case in cases if case not in done],
            names,
            workers=options.workers,
            limits=_limits(options),
            progress=Progress(sys.stderr),
            known=options.known,
        ) as runner:
            header = _header(options, runner)
            if earlier is not None:
                header = earlier.continued(header)
            judged.header = header
            judged.results.extend(kept)
            with _jsonl(options.jsonl, header, kept) as report:
                for result in bounded(runner):
                    judged.results.append(result)
                    if report is not None:
                        report.add(result)
                if report is not None and (options.jsonl == STANDARD_OUTPUT):
                    report.finish()
    except ImplementationError as error:
        raise UsageError(str(error)) from error
    except BaseException as error:
        judged.ended_by = error


def _jsonl(
    path: Path | None, header: dict[str, Any], kept: Sequence[Result]
) -> contextlib.AbstractContextManager[JsonLinesReport | None]:
    return contextlib.nullcontext() if path is None else json_lines_report(path, header, kept)


def _report(options: argparse.Namespace, judged: _Judged) -> dict[str, Diagnosis]:
    """Write the reports anew with the diagnoses, which only the whole of the results can tell."""
    path, complete = options.jsonl, judged.ended_by is None
    order = order_of(judged.results, _limits(options), options.known) if complete else {}
    judged.results, diagnoses = diagnosed(judged.results, order)
    if path is not None and path != STANDARD_OUTPUT and not is_special(path):
        write_json_lines(path, judged.header, judged.results, complete=complete)
    if options.junit:
        write_junit(options.junit, judged.results)
    return diagnoses


def _say(options: argparse.Namespace, judged: _Judged, diagnoses: dict[str, Diagnosis]) -> int:
    """Print the summary, and what ended the run; the exit status."""
    results, error = judged.results, judged.ended_by
    stream = sys.stderr if options.jsonl == STANDARD_OUTPUT else sys.stdout
    if results:
        text = summary(results, judged.header["implementations"], diagnoses)
        with contextlib.suppress(OSError) if error else contextlib.nullcontext():
            print(text, file=stream, flush=True)
    _say_what_is_stale(options, results)
    if error is None:
        return exit_status(results)
    _say_what_is_missing(options, judged, error)
    if not isinstance(error, KeyboardInterrupt):
        raise error
    return EXIT_SIGNAL + signal_of(error)


def _say_what_is_stale(options: argparse.Namespace, results: Sequence[Result]) -> None:
    """Name the user's records that met no case of the run."""
    met = {identifier for result in results for identifier in result.concerned}
    for record in known.load(options.known).users:
        if record.identifier not in met:
            print(
                f"conformance: stale: {record.source} records {record.identifier!r}, which met no "
                "case of this run (implementation, versions, machine and case must all match)",
                file=sys.stderr,
            )


def _say_what_is_missing(
    options: argparse.Namespace, judged: _Judged, error: BaseException
) -> None:
    cause = (
        f"interrupted by {Signals(signal_of(error)).name}"
        if isinstance(error, KeyboardInterrupt)
        else f"ended by {type(error).__name__}"
    )
    text = f"conformance: {cause} after {len(judged.results)} of {judged.total} results"
    if options.jsonl and options.jsonl != STANDARD_OUTPUT:
        text += f"; the same command with --resume {options.jsonl} goes on with them"
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def _limits(options: argparse.Namespace) -> Limits:
    if options.memory is None:
        return Limits(timeout=options.timeout)
    gibibytes = min(options.memory, _MOST_MEMORY_GIB)
    return Limits(timeout=options.timeout, memory=int(gibibytes * 2**30))


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
            selected.append(registry.canonical(name))
            continue
        matching = fnmatch.filter(installed, name.replace("[", "[[]"))
        if not matching:
            raise UsageError(
                f"--implementation {name!r} matches none of the installed built-in "
                f"implementations: {', '.join(installed)}"
            )
        selected.extend(matching)
    return list(dict.fromkeys(selected))


def exit_status(results: Sequence[Result]) -> int:
    """0 as recorded, 1 something else, 3 nothing was judged (everything unsupported included)."""
    verdicts = {result.verdict for result in results}
    if not verdicts - {Verdict.UNSUPPORTED}:
        print("conformance: nothing was judged", file=sys.stderr)
        return EXIT_NOTHING_JUDGED
    return EXIT_DEVIATES if verdicts - ACCEPTED else 0


def _header(options: argparse.Namespace, runner: Runner) -> dict[str, Any]:
    return {
        "suite_version": __version__,
        "spec_sha256": spec_sha256(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "implementations": runner.versions,
        "machine": {subject.name: dict(subject.machine) for subject in runner.subjects},
        "grid": None if options.case else options.grid,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }

"""``conformance run``: judge implementations, report, and say by the exit status how it went."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from signal import Signals
from typing import Any, Final

from conformance import known
from conformance.cases.case import Case
from conformance.cases.far import free_memory, memory_needed
from conformance.command_line.errors import UsageError
from conformance.command_line.progress import Progress
from conformance.command_line.repeating import Judge, retried, until_failures
from conformance.command_line.resuming import Earlier, earlier_run
from conformance.command_line.selection import select_cases
from conformance.command_line.signals import signal_of
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.report.account import Account
from conformance.report.files import STANDARD_OUTPUT, check_outputs, is_special
from conformance.report.formats import outputs, print_summary, write_formats
from conformance.report.jsonl import JsonLinesReport, json_lines_report, write_json_lines
from conformance.results import ACCEPTED, Result, stale
from conformance.running.evidence import bounded
from conformance.running.limits import ClusterError
from conformance.running.runner import Limits, Runner
from conformance.spec.clauses import spec_sha256
from conformance.version import __version__

EXIT_DEVIATES: Final = 1
EXIT_NOTHING_JUDGED: Final = 3
EXIT_SIGNAL: Final = 128

DEFAULT: Final[tuple[str, ...]] = ("reference", "tf.keras", "torch.nn")
"""Judged where none is named, as far as installed."""

_MOST_MEMORY_GIB: Final = 2.0**30
"""An exbibyte: beyond it no system takes the limit."""


@dataclass
class _Judged:
    """What a run has come to so far.

    Attributes:
        cases: those that are selected.
        earlier: the run that is gone on with.
        header: the report's header; empty before the implementations are loaded.
        results: those that are there, in order.
        total: how many there will be.
        ended_by: what ended the run before its end.
    """

    cases: Sequence[Case] = ()
    earlier: Earlier | None = None
    header: dict[str, Any] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    total: int = 0
    ended_by: BaseException | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every result is there."""
        return self.ended_by is None and len(self.results) == self.total


def run(options: argparse.Namespace) -> int:
    """Run the selected cases on the selected implementations.

    Raises:
        UsageError: for an implementation, clause or descriptor that does not exist, or a report
            that cannot be written.
    """
    names = select_implementations(options.implementation)
    _check_records(options)
    judged = _Judged()
    _judge(options, names, judged)
    if not judged.header and judged.ended_by is not None:
        raise _as_usage(judged.ended_by)
    if judged.earlier is not None:
        places = {case: place for place, case in enumerate(judged.cases)}
        judged.results.sort(key=lambda result: places[result.case])
    _report(options, judged)
    return _say(options, judged)


def _check_memory(cases: Sequence[Case], workers: int) -> None:
    """Refuse inputs for which the memory that is free is too small."""
    largest = max(cases, key=memory_needed, default=None)
    needed, free = workers * memory_needed(largest) if largest else 0, free_memory()
    if largest and free is not None and needed > free:
        raise UsageError(
            f"{largest} needs {needed / 2**30:.0f} GiB of memory{_each(workers)}, and "
            f"{free / 2**30:.1f} GiB are free: --layer and --case choose smaller ones"
        )


def _each(workers: int) -> str:
    return f" in {workers} pairs of processes" if workers > 1 else ""


def _check_records(options: argparse.Namespace) -> None:
    """Refuse files of records that cannot be read."""
    try:
        known.load(options.known)
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error


def _check(options: argparse.Namespace) -> None:
    """Refuse options that exclude each other, and files that cannot be written."""
    if options.cluster is not None and options.workers is not None:
        raise UsageError(
            "-n is for processes of this machine, --cluster for those of others: "
            f"--cluster local:{options.workers} has so many workers here"
        )
    try:
        check_outputs(outputs(options))
    except (OSError, ValueError) as error:
        raise UsageError(str(error)) from error


def _chosen(options: argparse.Namespace, names: Sequence[str], judged: _Judged) -> Iterator[Case]:
    """The cases that are left to be judged, chosen while the implementations are loading.

    Raises:
        UsageError: for a clause or descriptor that does not exist, a run that cannot be gone on
            with, or a report that cannot be written.
    """
    cases = select_cases(options)
    grid = None if options.case else options.grid
    earlier = earlier_run(options.resume, cases, grid)
    if options.resume is not None:
        options.jsonl = options.resume
    _check(options)
    _check_memory(cases, options.workers or 1)
    judged.cases, judged.earlier, judged.total = cases, earlier, len(cases) * len(names)
    done = earlier.cases if earlier else frozenset()
    yield from (case for case in cases if case not in done)


def _judge(options: argparse.Namespace, names: Sequence[str], judged: _Judged) -> None:
    """Judge, and write each result as it comes; what ends it before the end is kept, not raised."""
    try:
        with Runner(
            _chosen(options, names, judged),
            names,
            workers=options.workers or 1,
            limits=_limits(options),
            progress=Progress(sys.stderr, quiet=options.quiet),
            known=options.known,
            cluster=options.cluster,
        ) as runner:
            header, earlier = _header(options, runner), judged.earlier
            kept = earlier.results if earlier else []
            judged.header = earlier.continued(header) if earlier else header
            judged.results.extend(kept)
            with _jsonl(options.jsonl, judged.header, kept) as report:
                for result in bounded(until_failures(runner, options.max_failures)):
                    judged.results.append(result)
                    if report is not None:
                        report.add(result)
                if report is not None and judged.is_complete and options.jsonl == STANDARD_OUTPUT:
                    report.finish(_stale(options, judged.results))
    except ImplementationError as error:
        raise UsageError(str(error)) from error
    except BaseException as error:
        judged.ended_by = error


def _jsonl(
    path: Path | None, header: dict[str, Any], kept: Sequence[Result]
) -> contextlib.AbstractContextManager[JsonLinesReport | None]:
    return contextlib.nullcontext() if path is None else json_lines_report(path, header, kept)


def _report(options: argparse.Namespace, judged: _Judged) -> None:
    """Print the summary, and write the reports with the diagnoses, which need all results."""
    if judged.ended_by is None:
        judged.results = retried(judged.results, options.retries, _again(options))
    judged.results, trouble = _diagnosed(options, judged)
    account = Account(judged.header)
    account.notes += [trouble] if trouble else []
    for result in judged.results:
        account.add(result)
    if judged.is_complete:
        account.stale = _stale(options, judged.results)
    if not judged.is_complete:
        account.notes.append(
            f"The run was stopped after {len(judged.results)} of {judged.total} results."
        )
    if judged.results:
        with contextlib.suppress(OSError) if judged.ended_by else contextlib.nullcontext():
            print_summary(options, account)
    path = options.jsonl
    if path is not None and path != STANDARD_OUTPUT and not is_special(path):
        write_json_lines(
            path,
            judged.header,
            judged.results,
            complete=judged.is_complete,
            stale=account.stale,
        )
    write_formats(options, account)


def _diagnosed(options: argparse.Namespace, judged: _Judged) -> tuple[list[Result], str]:
    """The results with their diagnoses; of a whole run what is asked anew tells more."""
    if not any(result.evidence for result in judged.results):
        return judged.results, ""
    from conformance.diagnosis.results import diagnosed_if_possible
    from conformance.running.order import order_of
    from conformance.running.session import Session

    if judged.ended_by is not None:
        return diagnosed_if_possible(judged.results)
    order = order_of(judged.results, _limits(options), options.known)
    with Session(_limits(options), options.known) as session:
        return diagnosed_if_possible(judged.results, order, session.judge)


def _again(options: argparse.Namespace) -> Judge:
    """How `retried` judges cases in a run of their own."""

    def judge(cases: list[Case], spec: str) -> Iterator[Result]:
        with Runner(cases, [spec], limits=_limits(options), known=options.known) as runner:
            yield from runner

    return judge


def _say(options: argparse.Namespace, judged: _Judged) -> int:
    """Say what ended the run; the exit status."""
    results, error = judged.results, judged.ended_by
    _say_what_is_stale(options, results)
    if error is None:
        return exit_status(results)
    _say_what_is_missing(options, judged, error)
    if not isinstance(error, KeyboardInterrupt):
        raise _as_usage(error)
    return EXIT_SIGNAL + signal_of(error)


def _as_usage(error: BaseException) -> BaseException:
    """What is told in a line: a cluster that cannot be used; all else is a fault of ours."""
    return UsageError(str(error)) if isinstance(error, ClusterError) else error


def _say_what_is_stale(options: argparse.Namespace, results: Sequence[Result]) -> None:
    """Name the user's records that met no case of the run."""
    for identifier, source in _stale(options, results).items():
        print(
            f"conformance: stale: {source} records {identifier!r}, which met no case of this run "
            "(implementation, versions, machine and case must all match)",
            file=sys.stderr,
        )


def _stale(options: argparse.Namespace, results: Sequence[Result]) -> dict[str, str]:
    """The user's records that met no case of the run, with their files."""
    return stale(known.load(options.known), results)


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


def _installed() -> list[str]:
    """The names of the built-in implementations that are installed, goldens included."""
    return [entry.name for entry in registry.builtin() if registry.installed(entry)]


def select_implementations(given: list[str] | None) -> list[str]:
    """The implementations to judge; a name with ``*`` stands for all installed ones it matches.

    Raises:
        UsageError: if a pattern matches none, or options are given that there are not.
    """
    if not given:
        live = [name for name in DEFAULT if registry.installed(registry.resolve(name))]
        return live if len(live) > 1 else [*live, *fnmatch.filter(_installed(), "golden*")]
    selected: list[str] = []
    for name in given:
        if "*" not in name or registry.is_program(name):
            selected.append(_canonical(name))
            continue
        matching = fnmatch.filter(_installed(), name.replace("[", "[[]"))
        if not matching:
            raise UsageError(
                f"--implementation {name!r} matches none of the installed built-in "
                f"implementations: {', '.join(_installed())}"
            )
        selected.extend(matching)
    return list(dict.fromkeys(selected))


def _canonical(name: str) -> str:
    try:
        return registry.canonical(name)
    except ImplementationError as error:
        raise UsageError(str(error)) from error


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
        **_records_of_user(options),
    }


def _records_of_user(options: argparse.Namespace) -> dict[str, Any]:
    """The header's ``known``: the ids of the user's records with their files, where there are any.

    The footer's ``stale`` lists those of them that met no case.
    """
    users = {record.identifier: record.source for record in known.load(options.known).users}
    return {"known": users} if users else {}

"""``conformance field``: judge the field, store what was seen, and make the table of it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from conformance.command_line.errors import UsageError
from conformance.golden.directory import fixture_directory
from conformance.implementations import registry
from conformance.report import field, field_page
from conformance.report.reading import ReportError, read_account

_FOLDER = "field"


def folder(given: Path | None) -> Path:
    """Where observations are stored: what is given, else in the project's fixtures."""
    return given or fixture_directory() / _FOLDER


def judge(options: argparse.Namespace) -> int:
    """Judge the implementations of the field, all variants, and store it where that is asked for.

    The exit status is that of ``conformance run``; deviations of the field are what it is for, so
    that 1 says no more than that there are some that no record tells of.
    """
    from conformance.command_line import main

    names = selected(options.names)
    with tempfile.TemporaryDirectory() as scratch:
        report = options.jsonl or Path(scratch, "field.jsonl")
        arguments = ["run", "--grid", options.grid, "-n", str(options.workers)]
        arguments += ["--timeout", str(options.timeout), "--jsonl", str(report)]
        for name in names:
            arguments += ["--implementation", name]
        status = main(arguments)
        if options.record is not None and report.is_file():
            _store([report], options.record)
    return status


def selected(names: Sequence[str]) -> list[str]:
    """The installed implementations, with their variants, of these names or extras; without, all.

    What follows the user's settings is left out without options: the table could not say what it
    was.

    Raises:
        UsageError: if there is none of a name, or it is not installed.
    """
    families = [f for f in registry.FAMILIES.values() if not f.trusted]
    chosen = [f for f in families if not names or {f.name, f.extra} & set(names)]
    unknown = set(names) - {word for f in chosen for word in (f.name, f.extra)}
    if unknown:
        known = ", ".join(f.name for f in families)
        raise UsageError(f"there is no implementation {', '.join(sorted(unknown))}; known: {known}")
    wanted = {f.name for f in chosen}
    unclear = {f.name for f in chosen if f.follows_settings}
    entries = [e for e in registry.builtin() if e.name.partition("[")[0] in wanted]
    installed = [e.name for e in entries if e.name not in unclear and registry.installed(e)]
    missing = wanted - {name.partition("[")[0] for name in installed} if names else set()
    if missing or not installed:
        raise UsageError(f"not installed: {', '.join(sorted(missing or wanted))}")
    return installed


def record(options: argparse.Namespace) -> int:
    """Store what the reports of runs say."""
    _store(options.files, options.directory)
    return 0


def _store(reports: Sequence[Path], given: Path | None) -> None:
    for path in reports:
        try:
            written = field.store(field.seen(read_account([path])), folder(given))
        except (ReportError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from error
        for one in written:
            print(f"{one} ({one.stat().st_size:,} bytes)")


def table(options: argparse.Namespace) -> int:
    """Write the page of the field and, in a document that is named, the table in short."""
    place = folder(options.directory)
    try:
        observed = field.stored(place)
    except field.StoredError as error:
        raise UsageError(str(error)) from error
    if not observed:
        raise UsageError(
            f"{place} holds no observations; conformance field run --record stores some"
        )
    if options.short is None:
        print(field_page.page(observed), end="")
        return 0
    text = options.short.read_text(encoding="utf-8")
    try:
        made = field_page.replaced(text, field_page.short(observed))
    except ValueError as error:
        raise UsageError(f"{options.short}: {error}") from error
    options.short.write_text(made, encoding="utf-8")
    return 0

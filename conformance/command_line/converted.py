"""``conformance model``: what a converter has made of a saved model, layer by layer."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from conformance.command_line.errors import UsageError
from conformance.models.comparison import Comparison, compare
from conformance.models.errors import CandidateError, ModelError
from conformance.models.findings import Verdict
from conformance.models.inputs import read_inputs
from conformance.models.isolated import LIMITS, Isolated
from conformance.models.repeating import files
from conformance.models.report import FORMS, table
from conformance.models.source import Source, read
from conformance.report.files import STANDARD_OUTPUT, check_outputs, write_atomically
from conformance.report.text import say

EXIT_WRONG = 1
EXIT_USAGE = 2
EXIT_NOTHING_JUDGED = 3


def run_converted(options: argparse.Namespace) -> int:
    """Judge each candidate; one that cannot be used does not keep the others from it.

    Raises:
        UsageError: if the source, the inputs or a report's file cannot be used.
    """
    reports = {name: getattr(options, name) for name in FORMS if getattr(options, name)}
    try:
        check_outputs({f"--{name}": path for name, path in reports.items()})
        source = read(options.source)
        inputs = read_inputs(source.model, options.inputs, source.names) if options.inputs else None
        given = dict(_pair(item) for item in options.map)
    except (ModelError, ValueError) as error:
        raise UsageError(str(error)) from error
    made: list[Comparison] = []
    unusable = []
    for judged in _judged(options, source, inputs, given):
        if isinstance(judged, ModelError):
            unusable.append(judged)
            say(f"conformance: {judged}", sys.stderr)
        else:
            made.append(judged)
            say(table(judged, source, options.verbose), _stream(reports))
            _save(options, judged, reports)
    for name, path in reports.items():
        _write(path, FORMS[name](made, source, options.source))
    return EXIT_USAGE if unusable else _status(made)


def _judged(
    options: argparse.Namespace, source: Source, inputs: Any, given: dict[str, str]
) -> Iterator[Comparison | ModelError]:
    """The judgement of each candidate, or why it cannot be used."""
    limits = dataclasses.replace(LIMITS, timeout=options.timeout)
    for spec in options.against or ["tf.keras"]:
        try:
            candidate = Isolated(spec, options.source, limits)
        except CandidateError as error:
            yield Comparison(spec, "not loaded", (), failure=error)
        except ModelError as error:
            yield error
        else:
            try:
                yield compare(source, candidate, inputs, given, _progress(options))
            except ModelError as error:
                yield error
            finally:
                candidate.close()


def _pair(item: str) -> tuple[str, str]:
    layer, equals, tensor = item.partition("=")
    if not equals:
        raise ModelError(f"--map {item}: expected LAYER=TENSOR")
    return layer, tensor


def _progress(options: argparse.Namespace) -> Callable[[str], None]:
    def show(text: str) -> None:
        if not options.quiet:
            say(f"conformance: {text}", sys.stderr)

    return show


def _save(options: argparse.Namespace, judged: Comparison, reports: dict[str, Any]) -> None:
    """Write the first wrong layer as a program, or say how to have it."""
    if judged.evidence is None:
        return
    if options.save is None:
        say("--save FOLDER writes this layer alone, as a program.", _stream(reports))
        return
    try:
        options.save.mkdir(parents=True, exist_ok=True)
        made = files(judged.evidence, options.source, judged.candidate)
        for name, content in made.items():
            write_atomically(options.save / name, content)
    except OSError as error:
        raise UsageError(f"--save {options.save}: {error}") from error
    program = next(name for name in made if name.endswith(".py"))
    say(f"This layer alone: python {options.save / program}", _stream(reports))


def _stream(reports: dict[str, Any]) -> Any:
    """Where the tables go: to standard error where a report goes to standard output."""
    return sys.stderr if STANDARD_OUTPUT in reports.values() else sys.stdout


def _write(path: Any, content: bytes) -> None:
    if path == STANDARD_OUTPUT:
        sys.stdout.write(content.decode())
        return
    try:
        write_atomically(path, content)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error


def _status(made: Sequence[Comparison]) -> int:
    verdicts = [comparison.verdict for comparison in made]
    if Verdict.WRONG in verdicts:
        return EXIT_WRONG
    if all(verdict == Verdict.NOT_JUDGED for verdict in verdicts):
        say("conformance: nothing was judged", sys.stderr)
        return EXIT_NOTHING_JUDGED
    return 0

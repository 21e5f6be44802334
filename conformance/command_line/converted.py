"""``conformance model``: what a converter has made of a saved model, layer by layer."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from conformance.command_line.errors import UsageError
from conformance.models.candidates import open_candidate
from conformance.models.comparison import Comparison, compare
from conformance.models.errors import ModelError
from conformance.models.inputs import read_inputs
from conformance.models.judging import Verdict
from conformance.models.report import table, write_html, write_jsonl, write_junit
from conformance.models.source import Source, read
from conformance.report.text import say

EXIT_WRONG = 1
EXIT_NOTHING_JUDGED = 3


def run_converted(options: argparse.Namespace) -> int:
    """Judge each candidate.

    Raises:
        UsageError: if a file cannot be used.
    """
    try:
        source = read(options.source)
        given = dict(_pair(item) for item in options.map)
        names = source.names
        inputs = read_inputs(source.model, options.inputs, names) if options.inputs else None
        made = [
            compare(source, open_candidate(spec, options.source), inputs, given, _progress(options))
            for spec in options.against or ["tf.keras"]
        ]
    except ModelError as error:
        raise UsageError(str(error)) from error
    for comparison in made:
        say(table(comparison, source, options.verbose))
    _write(options, made, source)
    return _status(made)


def _pair(item: str) -> tuple[str, str]:
    layer, equals, tensor = item.partition("=")
    if not equals:
        raise ModelError(f"--map {item}: expected LAYER=TENSOR")
    return layer, tensor


def _progress(options: argparse.Namespace) -> Any:
    def show(text: str) -> None:
        if not options.quiet:
            say(f"conformance: {text}", sys.stderr)

    return show


def _write(options: argparse.Namespace, made: list[Comparison], source: Source) -> None:
    try:
        if options.jsonl:
            write_jsonl(options.jsonl, made, options.source)
        if options.junit:
            write_junit(options.junit, made)
        if options.html:
            write_html(options.html, made, source)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error


def _status(made: list[Comparison]) -> int:
    verdicts = [comparison.verdict for comparison in made]
    if Verdict.WRONG in verdicts:
        return EXIT_WRONG
    if all(verdict == Verdict.NOT_JUDGED for verdict in verdicts):
        say("conformance: nothing was judged", sys.stderr)
        return EXIT_NOTHING_JUDGED
    return 0

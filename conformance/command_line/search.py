"""``conformance search``: counterexamples beyond the grids."""

from __future__ import annotations

import argparse
import random
import sys
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, TextIO

from conformance.command_line.errors import UsageError
from conformance.implementations import registry
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.report.text import say
from conformance.running.limits import ClusterError, Limits
from conformance.running.order import in_fresh_process
from conformance.running.session import Session

if TYPE_CHECKING:
    from conformance.counterexamples import Finding, Report

EXIT_FOUND = 1
EXIT_NOTHING_JUDGED = 3
_SEEDS = 2**32


def search(options: argparse.Namespace) -> int:
    """Search, and print what was found: 0 nothing, 1 something; 3 where nothing was judged.

    Raises:
        UsageError: for an implementation that does not exist, or without Hypothesis.
    """
    try:
        registry.resolve(options.implementation)
    except ImplementationError as error:
        raise UsageError(str(error)) from error
    try:
        import_module("conformance.counterexamples")
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise UsageError(
            "search needs the package hypothesis, which is not installed: "
            "pip install 'layerproof[search]'"
        ) from error
    seed = random.randrange(_SEEDS) if options.seed is None else options.seed
    try:
        report = _searched(options, seed)
    except (ClusterError, ImplementationError) as error:
        raise UsageError(str(error)) from error
    say(_text(report, options.implementation))
    if report.findings:
        return EXIT_FOUND
    return 0 if set(report.verdicts) - {Verdict.UNSUPPORTED} else EXIT_NOTHING_JUDGED


def _searched(options: argparse.Namespace, seed: int) -> Report:
    layers, seconds, notice = options.layer or (), 60 * options.minutes, _Notice(sys.stderr)
    if options.cluster is not None:
        from conformance.command_line.searching import search_on_cluster

        return search_on_cluster(
            options.cluster, options.implementation, layers, seed, seconds, options.timeout, notice
        )
    from conformance.counterexamples import Search

    limits = Limits(timeout=options.timeout)
    fails = in_fresh_process(options.implementation, limits, ())
    with Session(limits) as session:
        judge = partial(session.judge, options.implementation)
        return Search(judge, layers, seed, seconds, notice, fails).run()


class _Notice:
    """Says now and then how far the search is: more often on a terminal than in a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._started = self._told = time.monotonic()

    def __call__(self, report: Report) -> None:
        now = time.monotonic()
        if now - self._told < (0.5 if self._terminal else 30.0):
            return
        self._told = now
        text = (
            f"{report.verdicts.total()} cases judged in {now - self._started:.0f} s, "
            f"{len(report.findings)} counterexamples"
        )
        self._stream.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        self._stream.flush()


def _text(report: Report, implementation: str) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(report.verdicts.items()))
    found = [_found(n, one, implementation) for n, one in enumerate(report.findings, 1)]
    ending = f"{len(found)} counterexamples" if found else "no counterexample"
    totals = f"{implementation}: {ending} in {report.verdicts.total()} cases ({counts or 'none'})"
    last = f"{totals}; --seed {report.seed} repeats the search"
    return "\n".join([*found, *_tried(report), last])


def _tried(report: Report) -> list[str]:
    """How much was judged of what, a line for each layer, and what was left out."""
    layers: dict[str, list[str]] = {}
    for (layer, observed), count in sorted(report.tried.items()):
        layers.setdefault(layer, []).append(f"{count} {observed}")
    lines = [f"tried {layer}: {', '.join(counts)}" for layer, counts in layers.items()]
    if report.passed_over:
        words = "were drawn and left out: nothing of their kind is supported"
        lines.append(f"{report.passed_over} further cases {words}")
    return lines


def _found(number: int, found: Finding, implementation: str) -> str:
    return "\n".join(
        [
            f"counterexample {number}: {found.case.descriptor}",
            f"    {found.result.verdict}: {found.result.message}",
            *([f"    what you get when {found.cause}"] if found.cause else []),
            *([f"    it depends on the order of calls: {_order(found)}"] if found.depends else []),
            f"    clauses: {', '.join(found.result.clauses)}",
            *([] if found.depends else [f"    shrunk from {found.first.descriptor}"]),
            f"    {_command(found, implementation)}",
        ]
    )


def _order(found: Finding) -> str:
    from conformance.diagnosis.order_words import order_words

    return order_words(found.sequence)


def _command(found: Finding, implementation: str) -> str:
    from conformance.diagnosis.order_words import command_of

    return command_of(found.sequence, implementation) if found.sequence else found.result.reproduce

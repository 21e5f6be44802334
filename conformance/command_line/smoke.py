"""``conformance smoke``: whether an implementation can be judged at all, before it is."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterable
from typing import Final

from conformance.cases.case import Case
from conformance.command_line.run import select_implementations
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.report.text import say
from conformance.results import ACCEPTED, Result
from conformance.running.limits import Limits
from conformance.running.session import Session

_CONFORMS: Final = 0
_DEVIATES: Final = 1
_BROKEN: Final = 2
_OFFERS_NOTHING: Final = 3

SIMPLEST: Final[tuple[Case, ...]] = (
    Case.of("Conv1D", (1, 5, 2), filters=3, kernel_size=1),
    Case.of("Conv1D", (1, 5, 2), filters=3, kernel_size=3),
    Case.of("Conv1D", (2, 7, 2), filters=3, kernel_size=3, strides=2, padding="same"),
    Case.of("Conv2D", (1, 4, 5, 2), filters=3, kernel_size=1),
    Case.of("Conv2D", (1, 4, 5, 2), filters=3, kernel_size=(3, 2)),
    Case.of("Conv2D", (2, 4, 5, 2), filters=3, kernel_size=3, strides=2, padding="same"),
    Case.of("MaxPooling1D", (1, 6, 2)),
    Case.of("MaxPooling1D", (2, 7, 2), pool_size=3, strides=2, padding="same"),
    Case.of("MaxPooling2D", (1, 4, 6, 2)),
    Case.of("MaxPooling2D", (2, 5, 7, 2), pool_size=3, strides=2, padding="same"),
    Case.of("Flatten", (1, 6)),
    Case.of("Flatten", (2, 3, 4)),
)
"""The simplest cases of each layer."""


def smoke(options: argparse.Namespace) -> int:
    """Say of each implementation whether it can be judged; the gravest of their exit statuses.

    Raises:
        UsageError: for a pattern that matches no implementation.
    """
    names = select_implementations(options.implementation)
    with Session(Limits(timeout=options.timeout)) as session:
        return max(_smoke(session, name) for name in names)


def _smoke(session: Session, name: str) -> int:
    try:
        results = [session.judge(name, case) for case in SIMPLEST]
    except ImplementationError as error:
        say(f"{name}: cannot be judged: {error}", sys.stderr)
        return _BROKEN
    judged = [result for result in results if result.verdict is not Verdict.UNSUPPORTED]
    if not judged:
        reasons = dict.fromkeys(result.message for result in results)
        say(f"{name}: offers none of {_layers(results)}: {'; '.join(reasons)}")
        return _OFFERS_NOTHING
    wrong = [result for result in judged if result.verdict not in ACCEPTED]
    say(f"{name}: ready to be judged: offers {_layers(judged)}; {_score(judged, wrong)}")
    for result in wrong:
        say(f"  {result.verdict} {result.case}")
        say(textwrap.indent(f"{result.message}\n{result.reproduce}", "    "))
    return _DEVIATES if wrong else _CONFORMS


def _layers(results: Iterable[Result]) -> str:
    return ", ".join(dict.fromkeys(result.case.layer for result in results))


def _score(judged: list[Result], wrong: list[Result]) -> str:
    if not wrong:
        return f"all {len(judged)} simplest cases conform"
    return f"{len(judged) - len(wrong)} of {len(judged)} simplest cases conform"

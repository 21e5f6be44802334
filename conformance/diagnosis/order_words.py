"""What is said of failures that depend on the order of calls."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import (
    Failure,
)
from conformance.diagnosis.wording import enumerated

_MOST_DIFFERING: Final = 3
"""In how many arguments a case differs at most from another, to be said."""


def depending_on_order(
    failures: Sequence[Failure], sequence: Sequence[Case], implementation: str, known: str = ""
) -> Group:
    """The group of failures that conform when each is run alone in a fresh process.

    Args:
        failures: these.
        sequence: the fewest cases that show it, if any were found.
        implementation: as it is asked for.
        known: what most of them give, in words.
    """
    shown_by = command_of(sequence, implementation) if sequence else ""
    what = order_words(sequence) + (f"; {known}" if known else "")
    return Group(tuple(failures), stage="order", what=what, shown_by=shown_by)


def order_words(sequence: Sequence[Case]) -> str:
    """How a case depends on the order of calls, by the fewest cases that show it, if any do."""
    alone = "run alone in a fresh process the case conforms"
    if not sequence:
        return alone
    before = len(sequence) - 1
    return alone + (f"; after {before} others it fails" if before > 1 else _after(*sequence))


def _after(one: Case, other: Case) -> str:
    """In what the one case differs after which another fails: what is kept does not heed it."""
    if "rejection" in (one.observe, other.observe):
        return "; after one that must be refused it fails"
    known = [
        {"layer": case.layer, "inputs": case.inputs, "dtype": case.dtype}
        | {"what is observed": case.observe, "the kind of operands": case.operands}
        | facts(case).config
        for case in (one, other)
    ]
    names = dict.fromkeys(name for settings in known for name in settings)
    differing = [n for n in names if known[0].get(n) != known[1].get(n)]
    if not 0 < len(differing) <= _MOST_DIFFERING:
        return "; after 1 other it fails"
    return f"; after one that differs in {enumerated(differing)} it fails"


def command_of(sequence: Sequence[Case], implementation: str) -> str:
    """The command that judges some cases one after the other."""
    given = [word for case in sequence for word in ("--case", case.descriptor)]
    return shlex.join(["conformance", "run", "--implementation", implementation, *given])

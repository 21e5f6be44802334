"""Which cases the options select."""

from __future__ import annotations

import argparse
import difflib

from conformance.cases.case import Case, DescriptorError, parse
from conformance.cases.grids import grid
from conformance.command_line.errors import UsageError
from conformance.spec.clauses import clauses
from conformance.spec.coverage import clauses_of


def select_cases(options: argparse.Namespace) -> list[Case]:
    """The cases of ``--case`` or ``--grid``, narrowed by ``--layer`` and ``--clause``.

    Raises:
        UsageError: for a descriptor that does not parse or a clause that does not exist.
    """
    cases = _given(options.case) if options.case else list(grid(options.grid))
    if options.layer:
        cases = [case for case in cases if case.layer in options.layer]
    if options.clause:
        wanted = selected_clauses(options.clause)
        cases = [case for case in cases if wanted.intersection(clauses_of(case))]
    return cases


def selected_clauses(patterns: list[str]) -> set[str]:
    """The ids of the clauses that the patterns name.

    Raises:
        UsageError: if a pattern names none.
    """
    selected: set[str] = set()
    for pattern in patterns:
        matching = {identifier for identifier in clauses() if _matches(identifier, pattern)}
        if not matching:
            close = difflib.get_close_matches(pattern, list(clauses()), n=3)
            hint = f"; close to it: {', '.join(close)}" if close else ""
            raise UsageError(
                f"--clause {pattern!r} names no clause{hint}; "
                "`conformance list clauses` shows them all"
            )
        selected |= matching
    return selected


def _matches(identifier: str, pattern: str) -> bool:
    prefix = pattern.removesuffix("*").removesuffix(".")
    return identifier == pattern or (pattern != prefix and identifier.startswith(prefix + "."))


def _given(descriptors: list[str]) -> list[Case]:
    try:
        return list(dict.fromkeys(parse(descriptor) for descriptor in descriptors))
    except DescriptorError as error:
        raise UsageError(f"--case: {error}") from None

"""Which cases the options select."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from hashlib import sha256

from conformance.cases.case import Case, DescriptorError
from conformance.cases.checking import parse_checked
from conformance.cases.grids import grid
from conformance.command_line.errors import UsageError
from conformance.spec.clauses import clauses
from conformance.spec.coverage import clauses_of


def select_cases(options: argparse.Namespace) -> list[Case]:
    """The cases of ``--case`` or ``--grid``, narrowed by ``--layer``, ``--clause``, ``--shard``.

    Raises:
        UsageError: for a descriptor that does not parse or a clause that does not exist.
    """
    cases = _given(options.case) if options.case else list(grid(options.grid))
    cases = narrowed(cases, options.layer, options.clause)
    shard = getattr(options, "shard", None)
    return cases if shard is None else [case for case in cases if is_in_shard(case, *shard)]


def narrowed(
    cases: Iterable[Case], layers: Sequence[str] | None, patterns: Sequence[str] | None
) -> list[Case]:
    """The cases of some layers, and of the clauses that the patterns name, where any are given.

    Raises:
        UsageError: if a pattern names no clause.
    """
    found = [case for case in cases if not layers or case.layer in layers]
    if patterns:
        wanted = selected_clauses(patterns)
        found = [case for case in found if wanted.intersection(clauses_of(case))]
    return found


def is_in_shard(case: Case, part: int, parts: int) -> bool:
    """Whether a case belongs to the `part`-th of `parts` disjoint parts, counted from 1.

    It is told by the first 8 bytes of the SHA-256 of its descriptor, on every machine the same.
    """
    digest = sha256(case.descriptor.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") % parts == part - 1


def selected_clauses(patterns: Sequence[str]) -> set[str]:
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
        return list(dict.fromkeys(parse_checked(descriptor) for descriptor in descriptors))
    except DescriptorError as error:
        raise UsageError(f"--case: {error}") from None

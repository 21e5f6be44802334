"""Shrinking cases whose last fails after the others, and conforms alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from conformance.cases.case import Case
from conformance.diagnosis.shrink import candidates
from conformance.judge.definition import forbidden

Fails = Callable[[Sequence[Case]], bool]
"""Whether the last of some cases fails, run one after the other in a fresh process."""

_FIELDS: Final = ("dtype", "operands", "observe", "seed")


class SequenceShrinker:
    """Shrinks sequences of cases.

    Args:
        fails: tries a sequence in a process of its own.
        seconds: when to stop, with the smallest sequence found so far.
    """

    def __init__(self, fails: Fails, seconds: float = 60.0) -> None:
        self._fails = fails
        self._end = time.monotonic() + seconds
        self.tried = 0

    def shrink(self, cases: Sequence[Case]) -> tuple[Case, ...] | None:
        """Fewer and smaller cases, the last of which still fails, and not when it is run alone.

        None where it does not fail as they are given, or fails alone as well.
        """
        cases = tuple(cases)
        if not self._depends(cases):
            return None
        cases = self._fewer(cases)
        while smaller := self._smaller(cases):
            cases = smaller
        return cases

    def _depends(self, cases: tuple[Case, ...]) -> bool:
        self.tried += 1
        return self._fails(cases) and not self._fails(cases[-1:])

    def _is_late(self) -> bool:
        return time.monotonic() > self._end

    def _fewer(self, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        for one in cases[:-1]:
            others = tuple(case for case in cases if case is not one)
            if len(others) > 1 and not self._is_late() and self._depends(others):
                cases = others
        return cases

    def _smaller(self, cases: tuple[Case, ...]) -> tuple[Case, ...] | None:
        """The first smaller sequence; what the last case has in common with others, they keep."""
        last = cases[-1]
        for candidate in candidates(last):
            if self._is_late():
                return None
            tried = (*(_changed_alike(one, last, candidate) for one in cases[:-1]), candidate)
            if all(map(_is_allowed, tried)) and self._depends(tried):
                return tried
        return None


def _changed_alike(one: Case, last: Case, candidate: Case) -> Case:
    """A case with the fields of the candidate, but those in which it differs from the last."""
    if one.layer != last.layer:
        return one
    fields = {
        name: getattr(candidate if getattr(one, name) == getattr(last, name) else one, name)
        for name in _FIELDS
    }
    inputs = candidate.inputs if one.inputs == last.inputs else one.inputs
    arguments: dict[str, Any] = {}
    for name in {**one.keywords, **candidate.keywords}:
        same = one.keywords.get(name) == last.keywords.get(name)
        source = candidate.keywords if same else one.keywords
        if name in source:
            arguments[name] = source[name]
    return Case.of(one.layer, inputs, **fields, **arguments)


def _is_allowed(case: Case) -> bool:
    try:
        return case.observe == "rejection" or forbidden(case) is None
    except (TypeError, ValueError, AttributeError):
        return False

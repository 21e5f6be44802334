"""Expected values looked up in the fixtures, in place of computing them."""

from __future__ import annotations

from typing import Final

from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.judge.expectation import Expectation, LookUp

FIRST: Final = 250
"""How many expected values the oracle computes in about the time that reading fixtures takes."""


class LookedUp:
    """What fixtures say is expected of cases, read once `FIRST` of them were asked for.

    So a few cases are judged without reading what is stored of thousands, and many without
    computing what is stored.

    Args:
        at_once: whether the fixtures are needed from the first case on.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self._left = 0 if at_once else FIRST
        self._expected: LookUp | None = None

    def __call__(self, case: Case) -> Expectation | None:
        """What is stored as expected of a case; None where it has to be computed."""
        if self._left > 0:
            self._left -= 1
            return None
        if self._expected is None:
            self._expected = registry.stored_expectations()
        return self._expected(case)

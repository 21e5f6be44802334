"""What every implementation under test looks like to the suite."""

from __future__ import annotations

from typing import Any, Protocol

from conformance.cases.case import Case
from conformance.outcomes import Outcome


class ImplementationError(Exception):
    """An implementation that cannot be judged at all: unknown, not installed, not importable.

    It is told apart from one that can be called and deviates: the message says what was looked
    for, where, and what would be accepted.
    """


class Implementation(Protocol):
    """An implementation of the documented layers.

    Attributes:
        name: how reports call it.
        version: its version, for the report's header.
    """

    @property
    def name(self) -> str:
        """How reports call it."""

    @property
    def version(self) -> str:
        """Its version."""

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """What it does with `case` on the case's `operands` (`conformance.cases.operands`).

        An exception that leaves this method is taken as the implementation's own and becomes a
        `Rejection`.  An adapter must therefore fail before, or elsewhere, for faults of its own.

        An implementation may have a method ``declines(case) -> str | None`` besides, which says
        why it does not support a case before the case's operands are made.
        """

"""A trusted implementation evaluated in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from conformance.cases.case import Case
from conformance.implementations.observation import evaluate
from conformance.implementations.protocol import Implementation
from conformance.implementations.registry import Entry
from conformance.outcomes import Outcome, Unsupported
from conformance.running.judging import Expectations
from reference_impl.config import as_never_set


class Local:
    """Evaluates cases one at a time.

    Args:
        entry: the implementation.
        cases: the cases of the run.
        expectations: where their operands are kept.
    """

    def __init__(self, entry: Entry, cases: Sequence[Case], expectations: Expectations) -> None:
        self._implementation: Implementation = entry.load()
        self._is_stored = entry.is_stored
        self._cases = cases
        self._expectations = expectations
        self._pending = deque(range(len(cases)))

    def next(self, limit: int) -> tuple[int, Outcome] | None:
        """Evaluate the next case with an index below `limit`; None where there is none."""
        if not self._pending or self._pending[0] >= limit:
            return None
        index = self._pending.popleft()
        try:
            arrays = None if self._is_stored else self._expectations.operands(index)
        except ImportError as error:
            return index, Unsupported(str(error))
        with as_never_set():
            return index, evaluate(self._implementation, self._cases[index], arrays)

"""Results by case and implementation, handed on in the order of the grid."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.results import Result


class Ledger:
    """Collects results in any order and gives them out in order.

    Args:
        cases: how many cases.
        implementations: how many implementations.
        ahead: how many cases an implementation may be ahead of the slowest one, which bounds what
            has to be kept.
    """

    def __init__(self, cases: int, implementations: int, ahead: int) -> None:
        self.total = cases * implementations
        self.recorded = 0
        self._implementations = implementations
        self._ahead = ahead
        self._given = 0
        self._waiting: dict[int, Result] = {}

    @property
    def is_complete(self) -> bool:
        """Whether every result has been given out."""
        return self._given == self.total

    @property
    def next_case(self) -> int:
        """Index of the first case that lacks a result, or whose results are not given out."""
        return self._given // max(self._implementations, 1)

    @property
    def limit(self) -> int:
        """The first case index that must not be evaluated yet."""
        return self.next_case + self._ahead

    def record(self, case: int, implementation: int, result: Result) -> None:
        """Take the result of one case on one implementation, both by index."""
        self._waiting[case * self._implementations + implementation] = result
        self.recorded += 1

    def take(self) -> Iterator[Result]:
        """The results that are next in order."""
        while self._given in self._waiting:
            result = self._waiting.pop(self._given)
            self._given += 1
            yield result

"""The results of cases that are judged elsewhere, given in the order of the cases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from conformance.cases.case import Case
from conformance.results import Result
from conformance.running.judging import Subject


class InOrder(ABC):
    """Hands out cases, takes in results as they come, and gives them in the order of the cases.

    Args:
        cases: what to judge.
        notice: told how many results there are, in whatever order they come.
    """

    def __init__(self, cases: Sequence[Case], notice: Callable[[int], None]) -> None:
        self._cases = cases
        self._notice = notice
        self._next = 0
        self._given = 0
        self._recorded = 0
        self._results: dict[int, list[Result]] = {}
        self._subjects: list[Subject] | None = None

    @property
    def subjects(self) -> Sequence[Subject]:
        """The implementations, once they are loaded where cases are judged.

        Raises:
            ImplementationError: if one cannot be loaded.
        """
        while self._subjects is None:
            self._step()
        return self._subjects

    def __iter__(self) -> Iterator[list[Result]]:
        """The results of each case, in the order of the cases."""
        while self._given < len(self._cases):
            while self._given not in self._results:
                self._step()
            results = self._results.pop(self._given)
            self._given += 1
            self._feed()
            yield results

    def _has(self, index: int, results: list[Result]) -> None:
        """Take in the results of a case."""
        self._results[index] = results
        self._recorded += 1
        self._notice(self._recorded)

    @abstractmethod
    def _feed(self) -> None:
        """Hand out cases, as far as there is room."""

    @abstractmethod
    def _step(self) -> None:
        """Wait for something to come, a while at most, and take it in."""

    @abstractmethod
    def close(self) -> None:
        """End what judges."""

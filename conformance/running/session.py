"""Judging one case at a time, on isolated processes that stay warm between cases."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from conformance import known as deviations
from conformance.cases.case import Case
from conformance.results import Result
from conformance.running.case_judge import CaseJudge
from conformance.running.limits import Limits


class Session:
    """An isolated process per implementation, started when its first case comes.

    Args:
        limits: what a process is allowed.
        known: files with records of known deviations, besides the package's own.
    """

    def __init__(self, limits: Limits | None = None, known: Sequence[str] = ()) -> None:
        self._limits = limits or Limits()
        self._records = deviations.load(known)
        self._judges: dict[str, CaseJudge] = {}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for judge in self._judges.values():
            judge.close(at_once=kind is not None)

    def judge(self, implementation: str, case: Case) -> Result:
        """Evaluate and judge one case.

        Raises:
            ImplementationError: if the implementation is unknown or cannot be loaded.
        """
        if implementation not in self._judges:
            self._judges[implementation] = CaseJudge([implementation], self._limits, self._records)
        (result,) = self._judges[implementation].judge(case)
        return result

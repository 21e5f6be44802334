"""Other readings of ambiguous clauses, for one pytest item at a time.

A run knows from all its results whether a reading is followed everywhere
(`conformance.diagnosis.results`).  An item is judged alone, in any order and in any process, so
the cases of the clause are judged with the first one that follows another reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from conformance.cases.case import Case
from conformance.command_line.selection import narrowed
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.gradient_faults import READINGS
from conformance.diagnosis.hypotheses import Hypotheses, failure_of
from conformance.diagnosis.results import by_reading, diagnosed
from conformance.results import Result
from conformance.running.session import Session


class Readings:
    """Whether failures come of another reading that is followed everywhere.

    Args:
        session: judges the cases that decide it.
        cases: those that may be judged for it.
    """

    def __init__(self, session: Session, cases: Sequence[Case]) -> None:
        self._session = session
        self._cases = cases
        self._hypotheses = Hypotheses()
        self._followed: dict[tuple[str, str], bool] = {}

    def settled(self, implementation: str, result: Result) -> Result:
        """The result as it is to be told: conforming where a reading that explains it is followed.

        Args:
            implementation: as it is asked for.
            result: its result in one case.
        """
        if result.evidence is None:
            return result
        failure = failure_of(result)
        for fault, clause in READINGS.values():
            if self._hypotheses.explain((fault,), failure):
                if self._is_followed(implementation, fault, clause):
                    return by_reading(result, fault, clause)
                words = f"another reading of {clause}, in some cases only: {fault.sentence}"
                return replace(result, diagnosis=words, evidence=None)
        return result

    def _is_followed(self, implementation: str, fault: Fault, clause: str) -> bool:
        """Whether all cases of the clause are what the reading gives."""
        key = implementation, fault.identifier
        if key not in self._followed:
            cases = narrowed(self._cases, [], [clause])
            _, found = diagnosed([self._session.judge(implementation, case) for case in cases])
            groups = [group for one in found.values() for group in one.readings]
            self._followed[key] = any(g.reading and g.reading[0] is fault for g in groups)
        return self._followed[key]

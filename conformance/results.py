"""The record of one judged case: what reports are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance.judge.verdict import Verdict


@dataclass(frozen=True)
class Result:
    """One case on one implementation.

    Attributes:
        case: the case's descriptor.
        clauses: ids of the clauses that the case tests.
        implementation: name of the implementation.
        verdict: the verdict.
        ratio: the largest error in units of the bound; None where nothing was measured.
        message: the grounds of the verdict, in words.
        reproduce: the command that repeats this one judgement.
        diagnosis: what explains the deviation, where something does.
    """

    case: str
    clauses: tuple[str, ...]
    implementation: str
    verdict: Verdict
    ratio: float | None
    message: str
    reproduce: str
    diagnosis: str | None = None

    def record(self) -> dict[str, Any]:
        """The result as a line of the JSON-lines report."""
        return {
            "kind": "result",
            "case": self.case,
            "clauses": list(self.clauses),
            "implementation": self.implementation,
            "verdict": str(self.verdict),
            "ratio": self.ratio,
            "message": self.message,
            "reproduce": self.reproduce,
            "diagnosis": self.diagnosis,
        }


ACCEPTED = frozenset({Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.KNOWN_DEVIATION})
"""The verdicts that leave a run's exit status at 0."""

"""The record of one judged case: what reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from conformance.cases.case import Case
from conformance.judge.verdict import Verdict
from conformance.outcomes import Outcome


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a failing case leaves for its diagnosis.

    Attributes:
        spec: the implementation, as it is asked for.
        case: the case.
        outcome: what the implementation did.
        stage: the stage of the judge that objected.
    """

    spec: str
    case: Case
    outcome: Outcome
    stage: str


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
        evidence: of a case that deviates, crashes or does not end: what a diagnosis needs.
    """

    case: str
    clauses: tuple[str, ...]
    implementation: str
    verdict: Verdict
    ratio: float | None
    message: str
    reproduce: str
    diagnosis: str | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

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


FAILING = frozenset({Verdict.DEVIATES, Verdict.CRASHED, Verdict.TIMED_OUT})
"""The verdicts in which an implementation did wrong, and which are diagnosed."""

ACCEPTED = frozenset({Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.KNOWN_DEVIATION})
"""The verdicts that leave a run's exit status at 0."""

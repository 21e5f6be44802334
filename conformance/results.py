"""The record of one judged case: what reports are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from conformance.cases.case import Case, parse
from conformance.judge.verdict import Verdict
from conformance.outcomes import Outcome, Rejection

if TYPE_CHECKING:
    from conformance.known import Records


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
        case: the case.
        clauses: ids of the clauses that the case tests.
        implementation: name of the implementation.
        verdict: the verdict.
        ratio: the largest error in units of the bound; None where nothing was measured.
        message: the grounds of the verdict, in words.
        reproduce: the command that repeats this one judgement.
        diagnosis: what explains the deviation, where something does.
        stage: the stage of the judge that decided; empty where none had to.
        seconds: how long the implementation took, all its calls together.
        concerned: ids of the user's records of known deviations whose conditions the case met.
        evidence: of a case that deviates, crashes or does not end: what a diagnosis needs.
        rejection: of a case that is rejected as it must be: with what.
    """

    case: Case
    clauses: tuple[str, ...]
    implementation: str
    verdict: Verdict
    ratio: float | None
    message: str
    reproduce: str
    diagnosis: str | None = None
    stage: str = ""
    seconds: float = field(default=0.0, compare=False)
    concerned: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, repr=False, compare=False)
    rejection: Rejection | None = field(default=None, repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """The result as a line of the JSON-lines report."""
        return {
            "kind": "result",
            "case": self.case.descriptor,
            "clauses": list(self.clauses),
            "implementation": self.implementation,
            "verdict": str(self.verdict),
            "ratio": self.ratio,
            "message": self.message,
            "reproduce": self.reproduce,
            "diagnosis": self.diagnosis,
            "stage": self.stage or None,
            "seconds": self.seconds,
            **({"concerned": list(self.concerned)} if self.concerned else {}),
        }


def result_of_record(record: Mapping[str, Any]) -> Result:
    """The result of a line of a JSON-lines report; there is no evidence in it.

    Raises:
        ValueError: if it is no such line.
    """
    try:
        return Result(
            case=parse(record["case"]),
            clauses=tuple(record["clauses"]),
            implementation=record["implementation"],
            verdict=Verdict(record["verdict"]),
            ratio=record["ratio"],
            message=record["message"],
            reproduce=record["reproduce"],
            diagnosis=record["diagnosis"],
            stage=record.get("stage") or "",
            seconds=record.get("seconds") or 0.0,
            concerned=tuple(record.get("concerned") or ()),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no result: {type(error).__name__}: {error}") from error


def stale(records: Records, results: Iterable[Result]) -> dict[str, str]:
    """The ids of the user's records that none of the results met, with their files."""
    met = {identifier for result in results for identifier in result.concerned}
    return {r.identifier: r.source for r in records.users if r.identifier not in met}


NOT_JUDGED = "not judged"
"""The stage of a result that says no more than that there is none."""

FAILING = frozenset({Verdict.DEVIATES, Verdict.CRASHED, Verdict.TIMED_OUT})
"""The verdicts in which an implementation did wrong, and which are diagnosed."""

ACCEPTED = frozenset({Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.KNOWN_DEVIATION})
"""The verdicts that leave a run's exit status at 0."""

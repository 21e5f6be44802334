"""From outcomes to results: expectations once per case, the judgement, the records, the clauses."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from conformance.cases.case import Case
from conformance.cases.far import condensed
from conformance.cases.operands import LaterOperands, Operands, has_its_dtype, operands
from conformance.judge.expectation import (
    Expectation,
    LookUp,
    expect,
    expect_by_definition,
    expect_without_packages,
)
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement, Verdict
from conformance.known import STORED, Records, Who
from conformance.outcomes import Outcome, Rejection, Unsupported, Value
from conformance.results import FAILING, Evidence, Result
from conformance.spec.coverage import clauses_of
from reference_impl.config import as_never_set


@dataclass(frozen=True)
class Subject:
    """Who is judged.

    Attributes:
        spec: what was asked for, and is asked for again to reproduce a result.
        name: how reports call it.
        versions: its versions, by distribution name.
        by_definition: whether it is the oracle itself, and so judged by the second derivation.
        is_stored: whether it answers from the fixtures, and so is judged even in a dtype whose
            package is not installed.
        is_observed: whether its answers were stored beside the expected values, and so are judged
            by those.
        machine: what its process runs on, as its libraries tell (`implementations.machine`).
    """

    spec: str
    name: str
    versions: Mapping[str, str]
    by_definition: bool = False
    is_stored: bool = False
    is_observed: bool = False
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Its versions in words."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())

    @cached_property
    def who(self) -> Who:
        """The same as records of known deviations see it; what is stored counts as the original."""
        names = dict.fromkeys(name.removeprefix(STORED) for name in (self.name, self.spec))
        return Who(tuple(names), self.versions, self.machine)


class Prepared:
    """Operands and expectation of a case, each derived once, when first asked for.

    Args:
        case: the case.
        stored: what fixtures say is expected of a case; None of one that they do not hold.

    Attributes:
        case: the case.
        judged: the case by which answers are judged, which is small and has the same output.
    """

    def __init__(self, case: Case, stored: LookUp = lambda case: None) -> None:
        self.case, self.judged = case, condensed(case)
        self._look_up = stored
        self._operands: Any = None
        self._expected: dict[bool, Any] = {}

    @property
    def operands(self) -> Any:
        """The operands of the case.

        Raises:
            ImportError: if its dtype needs a package that is not installed.
        """
        if self._operands is None:
            self._operands = operands(self.judged)
        return self._operands

    def expectation(self, *, by_definition: bool = False) -> Any:
        """What is expected, by the oracle or by the second derivation.

        It does not depend on the user's keras.json.
        """
        if by_definition not in self._expected:
            derive = expect_by_definition if by_definition else expect
            arrays = self.operands
            with as_never_set():
                self._expected[by_definition] = derive(self.judged, arrays)
        return self._expected[by_definition]

    @cached_property
    def stored(self) -> tuple[LaterOperands, Expectation] | None:
        """What fixtures say is expected; None where they do not hold the case.

        Operands are made where an answer differs from it; most are equal.
        """
        expectation = self._look_up(self.case) if self.judged is self.case else None
        if expectation is None:
            return None
        return LaterOperands(self.case, carried=not has_its_dtype(self.case)), expectation

    def foresee(self) -> None:
        """Look up, or compute, what answers will be held against."""
        if self.stored is None:
            self.expectation()

    @property
    def is_foreseen(self) -> bool:
        """Whether what answers are held against is there."""
        return False in self._expected or self.__dict__.get("stored") is not None

    def for_subject(self, subject: Subject) -> tuple[Any, Any]:
        """Operands and expectation by which a subject is judged."""
        if subject.by_definition:
            return self.operands, self.expectation(by_definition=True)
        if subject.is_stored and not subject.is_observed:
            return self.of_stored()
        if self.stored is not None:
            return self.stored
        return self.of_stored() if subject.is_stored else self.computed()

    def made_for_subject(self, subject: Subject) -> tuple[Operands, Any]:
        """The same, the operands as what they are."""
        arrays, expectation = self.for_subject(subject)
        return arrays.made if isinstance(arrays, LaterOperands) else arrays, expectation

    def computed(self) -> tuple[Any, Any]:
        """Operands, and what the oracle computes of them now."""
        return self.operands, self.expectation()

    def of_stored(self) -> tuple[Any, Any]:
        """Operands and expectation for what is stored, by NumPy alone."""
        if has_its_dtype(self.case):
            return self.computed()
        with as_never_set():
            return expect_without_packages(self.case)


def result_of(
    prepared: Prepared,
    subject: Subject,
    outcome: Outcome,
    records: Records,
    *,
    seconds: float = 0.0,
    keep: bool = False,
) -> Result:
    """Judge one outcome and write it up; what is unsupported needs no expectation.

    Args:
        prepared: the case.
        subject: who is judged.
        outcome: what it did.
        records: the judgement in the light of the known deviations.
        seconds: how long it took.
        keep: whether the outcome is kept as evidence even where it is right.
    """
    case, who = prepared.case, subject.who
    judgement = _judgement_of(prepared, subject, outcome)
    judgement = records.judge(
        who, case, outcome, judgement, lambda: prepared.made_for_subject(subject)
    )
    return _write_up(case, subject, outcome, judgement, records.concerned(who, case), seconds, keep)


def _judgement_of(prepared: Prepared, subject: Subject, outcome: Outcome) -> Judgement:
    """The judgement; what is stored accepts, but does not accuse what is evaluated now."""
    if isinstance(outcome, Unsupported):
        return Judgement(Verdict.UNSUPPORTED, outcome.reason)
    arrays, expectation = prepared.for_subject(subject)
    judgement = judge(prepared.judged, arrays, expectation, outcome)
    is_final = subject.is_stored or not isinstance(arrays, LaterOperands)
    if is_final or judgement.verdict is Verdict.CONFORMS:
        return judgement
    return judge(prepared.judged, *prepared.computed(), outcome)


def _write_up(
    case: Case,
    subject: Subject,
    outcome: Outcome,
    judgement: Judgement,
    concerned: tuple[str, ...],
    seconds: float,
    keep: bool,
) -> Result:
    keep = keep or judgement.verdict in FAILING
    is_right = judgement.verdict is Verdict.CONFORMS
    return Result(
        case=case,
        clauses=tuple(clauses_of(case)),
        implementation=subject.name,
        verdict=judgement.verdict,
        ratio=judgement.ratio,
        message=judgement.message,
        reproduce=reproduce(subject.spec, case, outcome),
        diagnosis=judgement.diagnosis,
        stage=judgement.stage,
        seconds=round(seconds, 6),
        concerned=concerned,
        evidence=Evidence(subject.spec, condensed(case), outcome, judgement.stage)
        if keep
        else None,
        rejection=outcome if is_right and isinstance(outcome, Rejection) else None,
    )


def reproduce(spec: str, case: Case, outcome: Outcome | None = None) -> str:
    """The command that repeats one judgement, with the case before it where that is the cause."""
    before = outcome.between if isinstance(outcome, Value) else ""
    cases = [word for each in (before, case.descriptor) if each for word in ("--case", each)]
    return shlex.join(["conformance", "run", "--implementation", spec, *cases])

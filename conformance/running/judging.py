"""From outcomes to results: expectations once per case, the judgement, the records, the clauses."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from conformance.cases.case import Case
from conformance.cases.operands import has_its_dtype, operands
from conformance.judge.expectation import (
    expect,
    expect_by_definition,
    expect_without_packages,
)
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement, Verdict
from conformance.known import STORED, Derive, Records, Who
from conformance.outcomes import Outcome, Unsupported, Value
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
        machine: what its process runs on, as its libraries tell (`implementations.machine`).
    """

    spec: str
    name: str
    versions: Mapping[str, str]
    by_definition: bool = False
    is_stored: bool = False
    machine: Mapping[str, str] = field(default_factory=dict)

    @property
    def who(self) -> Who:
        """The same as records of known deviations see it; what is stored counts as the original."""
        names = dict.fromkeys(name.removeprefix(STORED) for name in (self.name, self.spec))
        return Who(tuple(names), self.versions, self.machine)


class Expectations:
    """Operands and expectation of each case, derived once and kept until they are forgotten.

    Args:
        cases: the cases of the run, named by index below.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self._operands: dict[int, Any] = {}
        self._expected: dict[tuple[int, bool], Any] = {}

    def operands(self, index: int) -> Any:
        """The operands of a case.

        Raises:
            ImportError: if its dtype needs a package that is not installed.
        """
        if index not in self._operands:
            self._operands[index] = operands(self._cases[index])
        return self._operands[index]

    def of(self, index: int, *, by_definition: bool) -> Any:
        """What is expected of a case, by the oracle or by the second derivation.

        It does not depend on the user's keras.json.
        """
        key = (index, by_definition)
        if key not in self._expected:
            derive = expect_by_definition if by_definition else expect
            arrays = self.operands(index)
            with as_never_set():
                self._expected[key] = derive(self._cases[index], arrays)
        return self._expected[key]

    def of_stored(self, index: int) -> tuple[Any, Any]:
        """Operands and expectation of a case for what is stored, by NumPy alone."""
        case = self._cases[index]
        if has_its_dtype(case):
            return self.operands(index), self.of(index, by_definition=False)
        with as_never_set():
            return expect_without_packages(case)

    def ahead(self, index: int) -> None:
        """Derive what the oracle expects of a case, if it can, before it is asked for."""
        with contextlib.suppress(ImportError):
            self.of(index, by_definition=False)

    def forget_before(self, index: int) -> None:
        """Drop what is kept of the cases before `index`."""
        for key in [key for key in self._operands if key < index]:
            del self._operands[key]
        for pair in [pair for pair in self._expected if pair[0] < index]:
            del self._expected[pair]


def result_of(
    index: int,
    case: Case,
    subject: Subject,
    outcome: Outcome,
    expectations: Expectations,
    records: Records,
) -> Result:
    """Judge one outcome and write it up; what is unsupported needs no expectation."""
    if isinstance(outcome, Unsupported):
        return write_up(case, subject, outcome, _unsupported(outcome), records, _no_derivation)
    if subject.is_stored:
        arrays, expectation = expectations.of_stored(index)
    else:
        expectation = expectations.of(index, by_definition=subject.by_definition)
        arrays = expectations.operands(index)
    judgement = judge(case, arrays, expectation, outcome)
    return write_up(case, subject, outcome, judgement, records, lambda: (arrays, expectation))


def _no_derivation() -> NoReturn:
    raise AssertionError("no record concerns what is unsupported")


def _unsupported(outcome: Unsupported) -> Judgement:
    return Judgement(Verdict.UNSUPPORTED, outcome.reason)


def write_up(
    case: Case,
    subject: Subject,
    outcome: Outcome,
    judgement: Judgement,
    records: Records,
    derive: Derive,
) -> Result:
    """A judgement, seen in the light of the known deviations, as a result."""
    judgement = records.judge(subject.who, case, outcome, judgement, derive)
    fails = judgement.verdict in FAILING
    return Result(
        case=case.descriptor,
        clauses=tuple(clauses_of(case)),
        implementation=subject.name,
        verdict=judgement.verdict,
        ratio=judgement.ratio,
        message=judgement.message,
        reproduce=reproduce(subject.spec, case, outcome),
        diagnosis=judgement.diagnosis,
        evidence=Evidence(subject.spec, case, outcome, judgement.stage) if fails else None,
    )


def reproduce(spec: str, case: Case, outcome: Outcome | None = None) -> str:
    """The command that repeats one judgement, with the case before it where that is the cause."""
    before = outcome.between if isinstance(outcome, Value) else ""
    cases = [word for each in (before, case.descriptor) if each for word in ("--case", each)]
    return shlex.join(["conformance", "run", "--implementation", spec, *cases])

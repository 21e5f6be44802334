"""Judging cases on implementations: the one engine of runs, tests, searches and observations.

A worker of the suite is a pair: the process that a `CaseJudge` lives in derives expectations and
judges, and an isolated process for each implementation does what it asks (`attendant`).  The two
work at the same time, as far ahead as the coming cases are known.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterable, Sequence
from functools import cached_property
from types import TracebackType

from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.implementations.families import Entry
from conformance.implementations.observation import evaluate
from conformance.judge.verdict import Verdict
from conformance.known import Records, Who
from conformance.outcomes import Unsupported
from conformance.results import Result
from conformance.running.attendant import DEPTH, Answer, Attendant
from conformance.running.judging import Prepared, Subject, result_of
from conformance.running.limits import Limits
from conformance.running.looked_up import LookedUp
from reference_impl.config import as_never_set


class CaseJudge:
    """Judges one case after the other on each implementation.

    Args:
        specs: names of built-in implementations, or plug-ins (`registry.resolve`).
        limits: what an isolated process is allowed.
        records: the judgement in the light of the known deviations.
        keep: whether the outcome of every case is kept as evidence, not of failing ones alone.

    Raises:
        ImplementationError: if a spec names nothing, or what it names is not installed.
    """

    def __init__(
        self, specs: Iterable[str], limits: Limits, records: Records, *, keep: bool = False
    ) -> None:
        entries = [registry.resolve(spec) for spec in dict.fromkeys(specs)]
        self._records = records
        self._keep = keep
        self._stored = LookedUp(at_once=any(entry.is_observed for entry in entries))
        self._coming: deque[Prepared] = deque()
        self._evaluators: list[_Trusted | _Isolated] = [
            _Trusted(entry) if entry.trusted else _Isolated(entry, limits, records)
            for entry in entries
        ]
        self._subjects: list[Subject] | None = None
        self._unsupported: set[tuple[str, str]] = set()

    def __enter__(self) -> CaseJudge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(at_once=kind is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the isolated processes, in peace or at once."""
        for evaluator in self._evaluators:
            evaluator.close(at_once=at_once)

    def start(self) -> None:
        """Start the isolated processes without waiting for them."""
        for evaluator in self._evaluators:
            evaluator.start()

    @property
    def subjects(self) -> Sequence[Subject]:
        """The implementations, by what they say of themselves once they are loaded.

        Raises:
            ImplementationError: if one cannot be loaded.
        """
        if self._subjects is None:
            self.start()
            while not all(one.is_ready for one in self._evaluators) and self._derive_ahead():
                pass
            self._subjects = [evaluator.subject() for evaluator in self._evaluators]
        return self._subjects

    def foresee(self, cases: Iterable[Case]) -> None:
        """Take notice of cases that will be judged next, in this order."""
        self._coming.extend(Prepared(case, self._stored) for case in cases)

    def judge(self, case: Case) -> list[Result]:
        """The results of a case, one for each implementation.

        Raises:
            ImplementationError: if an implementation cannot be loaded.
            SuiteError: if an isolated process met a fault of this project.
        """
        if not self._coming:
            self.foresee([case])
        if self._coming[0].case is not case:
            raise ValueError(f"{case} is not the case that was foreseen, {self._coming[0].case}")
        subjects = self.subjects
        ahead = list(itertools.islice(self._coming, DEPTH))
        for evaluator in self._evaluators:
            evaluator.ask(ahead)
        results = [self._result(*pair) for pair in zip(self._evaluators, subjects, strict=True)]
        self._coming.popleft()
        self._learn_from(case, results)
        return results

    def _learn_from(self, case: Case, results: Sequence[Result]) -> None:
        """Take notice of what none of the implementations supports, such as gradients."""
        kind = _kind(case)
        if all(result.verdict is Verdict.UNSUPPORTED for result in results):
            self._unsupported.add(kind)
        else:
            self._unsupported.discard(kind)

    def _result(self, evaluator: _Trusted | _Isolated, subject: Subject) -> Result:
        while not evaluator.has_answer and self._derive_ahead():
            pass
        first = self._coming[0]
        outcome, seconds = evaluator.outcome(first)
        return result_of(first, subject, outcome, self._records, seconds=seconds, keep=self._keep)

    def _derive_ahead(self) -> bool:
        """Derive the next expectation; False where none is left in the cases put ahead.

        Of a layer's observation that was unsupported the last time, it is not derived ahead.
        """
        if not any(isinstance(evaluator, _Isolated) for evaluator in self._evaluators):
            return False
        for prepared in itertools.islice(self._coming, DEPTH):
            if not prepared.is_foreseen and _kind(prepared.case) not in self._unsupported:
                try:
                    prepared.foresee()
                except ImportError:  # a dtype that needs a package
                    continue
                return True
        return False


def _kind(case: Case) -> tuple[str, str]:
    return case.layer, case.observe


class _Trusted:
    """An implementation that is evaluated in this process."""

    is_ready = True
    has_answer = True

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._implementation = entry.load()

    def start(self) -> None:
        """Nothing has to be started."""

    def close(self, *, at_once: bool) -> None:
        """Nothing has to be ended."""

    def subject(self) -> Subject:
        return _subject(self._entry)

    def ask(self, ahead: Sequence[Prepared]) -> None:
        """Cases are evaluated when they are asked for."""

    def outcome(self, prepared: Prepared) -> Answer:
        if prepared.judged is not prepared.case:
            return Unsupported("it is evaluated in the judging process, which keeps small"), 0.0
        try:
            arrays = None if self._entry.is_stored else prepared.operands
        except ImportError as error:
            return Unsupported(str(error)), 0.0
        started = time.perf_counter()
        with as_never_set():
            outcome = evaluate(self._implementation, prepared.case, arrays)
        return outcome, time.perf_counter() - started


class _Isolated:
    """An implementation in a process of its own.

    Cases that may spoil the process, as records of known deviations tell, are put to a second one,
    so that no other case is blamed for what they leave behind.
    """

    def __init__(self, entry: Entry, limits: Limits, records: Records) -> None:
        self._entry = entry
        self._records = records
        self._attendant = Attendant(entry, limits)
        self._of_spoiling = Attendant(entry, limits)
        self._asked: deque[tuple[Prepared, Attendant]] = deque()

    @property
    def is_ready(self) -> bool:
        return self._attendant.is_ready

    @property
    def has_answer(self) -> bool:
        return (self._asked[0][1] if self._asked else self._attendant).has_answer

    def start(self) -> None:
        self._attendant.start()

    def close(self, *, at_once: bool) -> None:
        self._attendant.close(at_once=at_once)
        self._of_spoiling.close(at_once=at_once)

    def subject(self) -> Subject:
        told = self._attendant.introduction()
        if not registry.is_plugin(self._entry):
            return _subject(self._entry, told.machine)
        versions = {told.name: told.version} if told.version else {}
        return Subject(self._entry.name, told.name, versions, machine=told.machine)

    def ask(self, ahead: Sequence[Prepared]) -> None:
        """Put the cases ahead that were not put before."""
        for prepared in ahead[len(self._asked) :]:
            case = prepared.case
            spoils = self._records.is_to_be_alone(self._who, case)
            attendant = self._of_spoiling if spoils else self._attendant
            self._asked.append((prepared, attendant))
            attendant.ask(case, may_hang=spoils and self._records.may_hang(self._who, case))

    def outcome(self, prepared: Prepared) -> Answer:
        answer = self._asked[0][1].outcome(prepared.case)
        self._asked.popleft()
        return answer

    @cached_property
    def _who(self) -> Who:
        return self.subject().who


def _subject(entry: Entry, machine: object = None) -> Subject:
    """A built-in implementation."""
    return Subject(
        entry.name,
        entry.name,
        registry.versions(entry),
        entry.by_definition,
        entry.is_stored,
        entry.is_observed,
        dict(machine) if isinstance(machine, dict) else registry.stored_machine(entry),
    )

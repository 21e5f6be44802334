"""Looking for counterexamples beyond the grids, by Hypothesis.

The cases are those that `conformance.cases.drawing` draws.  Needs the package hypothesis.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import hypothesis
from hypothesis import configuration, errors
from hypothesis import strategies as st

from conformance.cases.case import Case
from conformance.cases.drawing import cases
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.results import Result

Judge = Callable[[Case], Result]

EXAMPLES: Final = 1000
"""Cases after which Hypothesis starts again from another seed."""

MORE: Final = 200
"""Cases in which another failure is looked for once one is found."""

FINDINGS: Final = 5
"""Most failures that are reported."""


@dataclass(frozen=True)
class Finding:
    """A counterexample: the shrunk case, its judgement, and the case that was met first."""

    case: Case
    result: Result
    first: Case

    def explains(self, result: Result) -> bool:
        """Whether another failure is at the same stage and touches all clauses of this one."""
        same = _stage(result) == _stage(self.result)
        return same and set(self.result.clauses) <= set(result.clauses)


@dataclass
class Report:
    """What a search came to.

    Attributes:
        seed: that repeats it.
        findings: counterexamples, each of another stage, or of other clauses.
        verdicts: how often each verdict was given, shrinking included.
    """

    seed: int
    findings: list[Finding] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)


class _TimeIsUp(BaseException):
    """Ends a search at once: Hypothesis lets pass what is no `Exception`."""


class _Broken(BaseException):
    """Carries a fault of the suite, or of the implementation's loading, past Hypothesis."""


class _CounterexampleError(Exception):
    """Tells Hypothesis that an example fails."""


class Search:
    """A search on one implementation.

    Args:
        judge: judges a case on it.
        layers: the layers to try; all without any.
        seed: the same seed gives the same cases in the same order.
        seconds: when to stop.
        notice: called after each case.
    """

    def __init__(
        self,
        judge: Judge,
        layers: Sequence[str] = (),
        seed: int = 0,
        seconds: float = 60.0,
        notice: Callable[[Report], None] = lambda report: None,
    ) -> None:
        self._judge = judge
        self._cases = st.sampled_from(list(layers or LAYERS)).flatmap(cases)
        self._seconds = seconds
        self._notice = notice
        self._judged: dict[Case, Result] = {}
        self.report = Report(seed)

    def run(self) -> Report:
        """Search until the time is up, or nothing new was found after the first failure."""
        end = time.monotonic() + self._seconds
        with _storage_elsewhere():
            turn, left = 0, EXAMPLES
            while left and time.monotonic() < end and len(self.report.findings) < FINDINGS:
                found = self._attempt(self.report.seed * 1_000_003 + turn, left, end)
                turn += 1
                if found is not None:
                    self.report.findings.append(found)
                    left = MORE
                elif self.report.findings:
                    left = 0
        return self.report

    def _attempt(self, seed: int, examples: int, end: float) -> Finding | None:
        """The first failure that no finding explains, shrunk as far as the time allows."""
        failures: list[tuple[Case, Result]] = []

        def fails_as_before(case: Case) -> None:
            if time.monotonic() > end:
                raise _TimeIsUp
            result = self._result(case)
            if self._is_new(result) and (not failures or _stage(result) == _stage(failures[0][1])):
                failures.append((case, result))
                raise _CounterexampleError

        attempt = hypothesis.settings(
            database=None,
            deadline=None,
            max_examples=examples,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )(hypothesis.seed(seed)(hypothesis.given(self._cases)(fails_as_before)))
        try:
            with contextlib.suppress(_CounterexampleError, errors.Flaky, _TimeIsUp):
                attempt()
        except _Broken as broken:
            raise (broken.__cause__ or broken) from None
        if not failures:
            return None
        case, result = failures[-1]
        return Finding(case, result, failures[0][0])

    def _result(self, case: Case) -> Result:
        """The judgement; of a case that comes again, the same one."""
        if case not in self._judged:
            try:
                result = self._judge(case)
            except Exception as error:
                raise _Broken from error
            self._judged[case] = result
            self.report.verdicts[result.verdict] += 1
            self._notice(self.report)
        return self._judged[case]

    def _is_new(self, result: Result) -> bool:
        fails = result.evidence is not None
        return fails and not any(one.explains(result) for one in self.report.findings)


def _stage(result: Result) -> tuple[str, str, str]:
    stage = result.evidence.stage if result.evidence else ""
    return result.case.layer, str(result.verdict), stage


@contextlib.contextmanager
def _storage_elsewhere() -> Iterator[None]:
    """Keep Hypothesis from writing ``.hypothesis`` into the working directory."""
    before = configuration.storage_directory().path.parent
    with tempfile.TemporaryDirectory(prefix="conformance-search-") as directory:
        configuration.set_hypothesis_home_dir(Path(directory))
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)

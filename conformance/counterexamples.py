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
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS
from conformance.diagnosis.hypotheses import Hypotheses, Hypothesis, failure_of
from conformance.diagnosis.places import are_at_one_place
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from conformance.results import Result
from conformance.running.order import Fails, order_of_last

Judge = Callable[[Case], Result]

CATALOGUE: Final = {**FAULTS, **GRADIENT_FAULTS}
"""All faults by identifier."""

Aspect = tuple[str, str, str]
"""A layer, and a field with its value."""

EXAMPLES: Final = 1000
"""Cases after which Hypothesis starts again from another seed."""

MORE: Final = 5000
"""Cases in which another failure is looked for once one is found."""

FINDINGS: Final = 12
"""Most failures that are reported."""

ORDER_SECONDS: Final = 20.0
"""How long is looked for the calls that a failure depends on."""

NOT_OFFERED: Final = 8
"""Cases of a kind that are all unsupported, after which no more of it are judged."""


@dataclass(frozen=True, eq=False)
class Finding:
    """A counterexample, with its cause.

    Attributes:
        case: the shrunk case.
        result: its judgement.
        first: the case that was met first.
        faults: the faults of the catalogue that explain it.
        depends: whether it conforms when it is run alone in a fresh process.
        sequence: the fewest cases found that show it where it depends on the order of calls; the
            last is the case itself.
    """

    case: Case
    result: Result
    first: Case
    faults: tuple[Hypothesis, ...] = ()
    depends: bool = False
    sequence: tuple[Case, ...] = ()

    @property
    def cause(self) -> str:
        """What explains it, in words; empty where nothing does."""
        return " or ".join(one[0].sentence for one in self.faults[:_NAMED])

    def explains(self, result: Result, hypotheses: Hypotheses) -> bool:
        """Whether another failure has the same cause.

        That is the same fault, of whatever layer; the same message of a refusal, or the same ending
        of the process; else the same stage and all clauses of this one, or wrong elements at the
        same place.
        """
        if self.depends:  # another one is run alone to see
            return False
        failure, own = failure_of(result), failure_of(self.result)
        if self.faults:
            return any(hypotheses.explain(one, failure) for one in self.faults)
        if not isinstance(own.outcome, Value):
            return failure.what == own.what
        return self._is_alike(result) or are_at_one_place(own, failure, hypotheses)

    def is_like(self, other: Finding) -> bool:
        """Whether another finding, of another search, has the same cause."""
        if self.depends or other.depends:
            return self.depends and other.depends
        if self.faults and other.faults:
            return bool(set(self.faults) & set(other.faults))
        return self._is_alike(other.result)

    def _is_alike(self, result: Result) -> bool:
        same = _stage(result) == _stage(self.result)
        return same and set(self.result.clauses) <= set(result.clauses)


_NAMED: Final = 2


@dataclass
class Report:
    """What a search came to.

    Attributes:
        seed: that repeats it.
        findings: counterexamples, each of another stage, or of other clauses.
        verdicts: how often each verdict was given, shrinking included.
        tried: how many cases were judged, and not declared unsupported, by layer and observation.
        passed_over: how many were drawn and not judged, as nothing of their kind is supported.
    """

    seed: int
    findings: list[Finding] = field(default_factory=list)
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    tried: Counter[tuple[str, str]] = field(default_factory=Counter)
    passed_over: int = 0


class _TimeIsUp(BaseException):
    """Ends a search at once: Hypothesis lets pass what is no `Exception`."""


class _Broken(BaseException):
    """Carries a fault of the suite, or of the implementation's loading, past Hypothesis."""


class _DependsOnOrder(BaseException):
    """Ends an attempt whose failure is none of its case alone, so that there is nothing to shrink.

    Attributes:
        finding: the failure.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__()
        self.finding = finding


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
        fails: judges sequences, each in a fresh process: a failure of the order of calls is told
            as that. Without it, every failure is taken for one of its case alone.
    """

    def __init__(
        self,
        judge: Judge,
        layers: Sequence[str] = (),
        seed: int = 0,
        seconds: float = 60.0,
        notice: Callable[[Report], None] = lambda report: None,
        fails: Fails | None = None,
    ) -> None:
        self._judge = judge
        self._fails = fails
        self._cases = st.sampled_from(list(layers or LAYERS)).flatmap(cases)
        self._seconds = seconds
        self._notice = notice
        self._judged: dict[Case, Result] = {}
        self._alone: dict[Case, bool] = {}
        self._hypotheses = Hypotheses()
        self._refused: Counter[Aspect] = Counter()
        self._offered: set[Aspect] = set()
        self.report = Report(seed)

    def run(self) -> Report:
        """Search until the time is up, or nothing new was found for long after a failure."""
        end = time.monotonic() + self._seconds
        with _storage_elsewhere():
            turn, left, findings = 0, MORE, self.report.findings
            while left > 0 and time.monotonic() < end and len(findings) < FINDINGS:
                examples = min(EXAMPLES, left) if findings else EXAMPLES
                found = self._attempt(self.report.seed * 1_000_003 + turn, examples, end)
                turn += 1
                if found is not None:
                    findings.append(found)
                    left = MORE
                elif findings:
                    left -= examples
        return self.report

    def _attempt(self, seed: int, examples: int, end: float) -> Finding | None:
        """The first failure that no finding explains, shrunk as far as the time allows."""
        failures: list[tuple[Case, Result]] = []

        def fails_as_before(case: Case) -> None:
            if time.monotonic() > end:
                raise _TimeIsUp
            if case not in self._judged and self._is_not_offered(case):
                self.report.passed_over += 1
                return
            result = self._result(case)
            if self._is_new(result) and (not failures or _stage(result) == _stage(failures[0][1])):
                if not failures:
                    self._look_at_the_order(result, end)
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
        except _DependsOnOrder as found:
            return found.finding
        except _Broken as broken:
            raise (broken.__cause__ or broken) from None
        if not failures:
            return None
        case, result = failures[-1]
        return Finding(case, result, failures[0][0], self._faults(result))

    def _look_at_the_order(self, result: Result, end: float) -> None:
        """Raise what ends the attempt where a failure conforms alone, in a fresh process."""
        if self._fails is None:
            return
        seconds = min(ORDER_SECONDS, max(end - time.monotonic(), 1.0))
        case, results = result.case, list(self._judged.values())
        order = order_of_last(results[: results.index(result) + 1], self._fails, seconds)
        if order is not None:
            raise _DependsOnOrder(
                Finding(case, result, case, depends=True, sequence=order.sequence)
            )

    def _faults(self, result: Result) -> tuple[Hypothesis, ...]:
        """The faults of the catalogue that explain a failure, each alone."""
        failure = failure_of(result)
        catalogue = list(CATALOGUE.values()) if isinstance(failure.outcome, Value) else []
        if failure.case.observe == "gradients":  # what is said of gradients alone comes first
            catalogue.sort(key=lambda fault: fault.identifier not in GRADIENT_FAULTS)
        singles = ((fault,) for fault in catalogue)
        return tuple(one for one in singles if self._hypotheses.explain(one, failure))

    def _is_not_offered(self, case: Case) -> bool:
        """Whether a field of the case was never met but in what is declared unsupported."""
        return any(
            self._refused[aspect] >= NOT_OFFERED and aspect not in self._offered
            for aspect in _aspects(case)
        )

    def _result(self, case: Case) -> Result:
        """The judgement; of a case that comes again, the same one."""
        if case not in self._judged:
            try:
                result = self._judge(case)
            except Exception as error:
                raise _Broken from error
            self._judged[case] = result
            self.report.verdicts[result.verdict] += 1
            if result.verdict is Verdict.UNSUPPORTED:
                self._refused.update(_aspects(case))
            else:
                self._offered.update(_aspects(case))
                self.report.tried[case.layer, case.observe] += 1
            self._notice(self.report)
        return self._judged[case]

    def _is_new(self, result: Result) -> bool:
        if result.evidence is None:
            return False
        findings = self.report.findings
        if any(one.explains(result, self._hypotheses) for one in findings):
            return False
        return not any(one.depends for one in findings) or self._fails_alone(result.case)

    def _fails_alone(self, case: Case) -> bool:
        if case not in self._alone:
            self._alone[case] = self._fails is None or self._fails([case])
        return self._alone[case]


def _aspects(case: Case) -> tuple[Aspect, ...]:
    """What an implementation may lack: a layer, an observation, a dtype, a value of an argument."""
    own = (("observe", case.observe), ("dtype", case.dtype))
    told = ((n, str(v)) for n, v in case.arguments if isinstance(v, str) or n == "groups")
    return (case.layer, "", ""), *((case.layer, *pair) for pair in (*own, *told))


def _stage(result: Result) -> tuple[str, str, str]:
    stage = result.evidence.stage if result.evidence else ""
    return result.case.layer, str(result.verdict), stage


@contextlib.contextmanager
def _storage_elsewhere() -> Iterator[None]:
    """Keep Hypothesis from writing ``.hypothesis`` into the working directory."""
    before = configuration.storage_directory().path
    with tempfile.TemporaryDirectory(prefix="conformance-search-") as directory:
        configuration.set_hypothesis_home_dir(Path(directory))
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)

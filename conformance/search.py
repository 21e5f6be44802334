"""Looking for counterexamples beyond the grids, by Hypothesis.

Every random case is valid by construction, or forbidden and then expected to be rejected: what
depends on something else is derived from it, not drawn and filtered.  A length follows from window,
steps and padding, the number of channels and filters from the work that is left, the spelling of
sizes from their values, and the kinds of operands from dtype, layer and activation.

Needs the package hypothesis.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Final

import hypothesis
from hypothesis import configuration, errors
from hypothesis import strategies as st

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import shape
from conformance.cases.grids.values import ACTIVATIONS, dtypes_of, kinds_of
from conformance.cases.operands import FLOATING_DTYPES
from conformance.judge.definition import forbidden
from conformance.judge.verdict import Verdict
from conformance.results import Result
from conformance.spec.signatures import LAYERS, RANK
from reference_impl.ops.geometry import window_axis

Draw = Callable[[st.SearchStrategy[Any]], Any]
Judge = Callable[[Case], Result]

MULTIPLY_ADDS: Final = 6000
"""Most products in one case, as far as the window and the lengths leave a choice."""

EXAMPLES: Final = 1000
"""Cases after which Hypothesis starts again from another seed."""

MORE: Final = 200
"""Cases in which another failure is looked for once one is found."""

FINDINGS: Final = 5
"""Most failures that are reported."""

_SUMMED: Final = ("integers", "reals", "small", "positive", "negative")
_ACTIVATED: Final = (*_SUMMED, "one_nan", "one_infinity", "wide")
_DIFFERENTIATED: Final = (*_SUMMED, "constant", "strided", "reversed", "fortran")
_OF_INTEGERS: Final = ("integers", "small", "specials", "strided", "negative", "lowest")
_SIGNED_ONLY: Final = ("negative", "lowest")
_BATCHES: Final = (1, 2, 3, 5, 0, 16, 17)


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
        layers: the layers to try.
        seed: the same seed gives the same cases in the same order.
        seconds: when to stop.
        notice: called after each case.
    """

    def __init__(
        self,
        judge: Judge,
        layers: Sequence[str] = LAYERS,
        seed: int = 0,
        seconds: float = 60.0,
        notice: Callable[[Report], None] = lambda report: None,
    ) -> None:
        self._judge = judge
        self._cases = st.sampled_from(list(layers)).flatmap(cases)
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


def cases(layer: str) -> st.SearchStrategy[Case]:
    """Random cases of a layer."""
    if layer == "Input":
        return _declarations()
    return _flattened() if layer == "Flatten" else _windowed(layer)


@st.composite
def _axis(draw: Draw, padding: str, step: str, fits: bool) -> Axis:
    """A window along an axis, and a length that holds it, except for ``same`` or where not to."""
    window = draw(st.integers(1, 7))
    stride = draw(st.integers(1, 5)) if step == "strides" else 1
    dilation = draw(st.integers(1, 4)) if step == "dilation_rate" else 1
    span = Axis(1, window, stride, dilation).span
    if padding == "same":
        length = draw(st.integers(1, 16))
    elif fits:
        length = draw(st.integers(span, span + 9))
    else:
        length = draw(st.integers(1, max(span - 1, 1)))
    return Axis(length, window, stride, dilation)


@st.composite
def _windowed(draw: Draw, layer: str) -> Case:
    pooling = layer.startswith("MaxPooling")
    padding = draw(st.sampled_from(("valid", "same")))
    step = draw(st.sampled_from(("none", "strides") if pooling else _STEPS))
    fits = draw(st.integers(0, 15)) < 15
    axes = [draw(_axis(padding, step, fits)) for _ in range(RANK[layer])]
    batch = draw(st.sampled_from(_BATCHES))
    room = max(MULTIPLY_ADDS // max(_products(axes, padding, batch), 1), 1)
    channels = draw(st.integers(1, min(room, 40)))
    arguments: dict[str, Any] = {}
    if not pooling:
        arguments["filters"] = draw(st.integers(1, min(max(room // channels, 1), 40)))
    arguments |= draw(_sizes(layer, axes)) | draw(_optional("padding", padding, "valid"))
    if RANK[layer] == 2:
        formats = st.sampled_from((None, "channels_last", "channels_first"))
        arguments |= draw(_optional("data_format", draw(formats), None))
    inputs = shape(batch, [a.length for a in axes], channels, arguments.get("data_format"))
    case = Case.of(layer, inputs, **arguments)
    if forbidden(case):
        return case.replace(observe="rejection")
    observed: Case = draw(_observed(case))
    return observed


_STEPS: Final = ("none", "strides", "dilation_rate")


def _products(axes: Sequence[Axis], padding: str, batch: int) -> int:
    """Number of products for one channel and one filter."""
    outputs = prod(max(window_axis(*axis, padding).output, 0) for axis in axes)
    return batch * outputs * prod(axis.window for axis in axes)


@st.composite
def _sizes(draw: Draw, layer: str, axes: Sequence[Axis]) -> dict[str, Any]:
    """Window and steps in any spelling; those at their default may be left out."""
    window, strides, dilation = ([axis[i] for axis in axes] for i in (1, 2, 3))
    if layer.startswith("MaxPooling"):
        named = {"pool_size": (window, [2] * len(axes)), "strides": (strides, window)}
    else:
        ones = [1] * len(axes)
        named = {
            "kernel_size": (window, []),
            "strides": (strides, ones),
            "dilation_rate": (dilation, ones),
        }
    arguments: dict[str, Any] = {}
    for name, (values, default) in named.items():
        spelt_out = draw(st.booleans())
        if values != default or spelt_out:
            arguments[name] = draw(_spelt(values))
    return arguments


def _spelt(values: list[int]) -> st.SearchStrategy[Any]:
    single = [values[0]] if len(set(values)) == 1 else []
    return st.sampled_from([*single, tuple(values), values])


@st.composite
def _optional(draw: Draw, name: str, value: Any, default: Any) -> dict[str, Any]:
    """An argument that may be left out where it is at its default.

    It is drawn in either case whether to leave it out: the default must not cost Hypothesis a
    choice more, or shrinking would shun it.
    """
    spelt_out = draw(st.booleans())
    return {name: value} if value != default or spelt_out else {}


@st.composite
def _observed(draw: Draw, case: Case) -> Case:
    """What a valid case observes, on which operands: outputs, gradients, or the shape alone."""
    observe = draw(st.sampled_from(("output", "output", "output", "gradients", "shape")))
    if observe == "shape":
        hidden = [draw(st.booleans()) for _ in (case.inputs or ())[1:]]
        sizes = zip(case.inputs or (), [*hidden, False], strict=True)
        if case.keywords.get("data_format") == "channels_first" and len(hidden) > 1:
            sizes = zip(case.inputs or (), [hidden[0], False, *hidden[1:]], strict=True)
        return case.replace(observe=observe, inputs=tuple(None if h else n for n, h in sizes))
    dtypes = FLOATING_DTYPES if observe == "gradients" else dtypes_of(case.layer)
    dtype = draw(st.sampled_from(["float32", *(d for d in dtypes if d != "float32")]))
    arguments: dict[str, Any] = {}
    if case.layer.startswith("Conv"):
        arguments |= draw(_optional("use_bias", draw(st.booleans()), True))
        names = st.one_of(st.none(), st.sampled_from(ACTIVATIONS))
        arguments |= draw(_optional("activation", draw(names), None))
    kinds = _kinds(case.layer, dtype, observe, arguments.get("activation"))
    seed = draw(st.integers(0, 3))
    rest = {"dtype": dtype, "operands": draw(st.sampled_from(kinds)), "seed": seed}
    return case.replace(observe=observe, **rest, **arguments)


def _kinds(layer: str, dtype: str, observe: str, activation: str | None) -> list[str]:
    """The kinds of operands that a case can have."""
    kinds = kinds_of(layer)
    if dtype not in FLOATING_DTYPES:
        signless = _SIGNED_ONLY if dtype.startswith("u") else ()
        return [kind for kind in _OF_INTEGERS if kind in kinds and kind not in signless]
    if activation is not None:
        return list(_SUMMED if observe == "gradients" else _ACTIVATED)
    return list(_DIFFERENTIATED) if observe == "gradients" else kinds


@st.composite
def _flattened(draw: Draw) -> Case:
    sizes = st.sampled_from((1, 2, 3, 4, 5, 0))
    inputs = tuple(draw(st.lists(sizes, min_size=1, max_size=5)))
    formats = st.sampled_from((None, "channels_last", "channels_first"))
    case = Case.of("Flatten", inputs, **draw(_optional("data_format", draw(formats), None)))
    if len(inputs) == 1:
        return case
    observed: Case = draw(_observed(case))
    return observed


@st.composite
def _declarations(draw: Draw) -> Case:
    """Shapes with and without free lengths, as Input declares them."""
    sizes = draw(st.lists(st.one_of(st.integers(0, 40), st.none()), max_size=5))
    whole = bool(sizes) and draw(st.booleans())
    spelt = draw(st.sampled_from((tuple(sizes), sizes)))
    return Case.of("Input", observe="shape", **{"batch_shape" if whole else "shape": spelt})

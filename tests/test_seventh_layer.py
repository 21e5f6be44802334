"""A further layer is one descriptor beside its definition: everything else follows from it.

`AveragePooling2D` is defined here alone.  Within `LAYERS.with_layer` it is listed, has cases in
every grid, is judged, diagnosed, shrunk and drawn at random, like the documented layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from equivalence_classes import hits

from conformance.cases.case import Case, parse
from conformance.cases.facts import Facts, facts
from conformance.cases.grids import grid
from conformance.cases.grids.values import ONLY_OF_SUMS
from conformance.cases.operands import FLOATING_DTYPES, Operands, has_its_dtype, operands
from conformance.command_line import main
from conformance.diagnosis.commonality import features
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import CORRECT, Prediction, Steps, gather, settings_of
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.shrink import Shrinker
from conformance.diagnosis.snippet import snippet
from conformance.implementations import reference
from conformance.implementations.plugin import Plugin
from conformance.judge.bounds import Bound
from conformance.judge.definition.layers import format_of
from conformance.judge.definition.rounding import FORMATS, Format, round_fraction
from conformance.judge.definition.windows import PADDED, Window, taps_of_windows
from conformance.judge.elements import judge_within
from conformance.judge.expectation import Expectation, expect
from conformance.judge.judge import judge
from conformance.judge.running_error import growth
from conformance.judge.sums import half_ulp
from conformance.judge.verdict import Judgement, Verdict
from conformance.known import Records
from conformance.layers import UnknownLayerError
from conformance.layers.pooling import Pooling2D
from conformance.layers.registry import LAYERS
from conformance.outcomes import Unsupported, Value
from conformance.results import Result
from conformance.running.judging import Prepared, Subject, result_of
from conformance.spec.coverage import clauses_of

Array = np.ndarray[Any, Any]
NAME = "AveragePooling2D"


def exact_mean(values: Sequence[float], fmt: Format) -> float:
    """The mean of numbers, rounded once; that of their sum by IEEE 754 where one is not finite."""
    if not np.isfinite(values).all():
        return sum(value for value in values if not np.isfinite(value))
    return round_fraction(sum(map(Fraction, values), Fraction(0)) / len(values), fmt)


class AveragePooling2D(Pooling2D):
    """The mean of what each window holds; padding is not counted."""

    family = "averagepooling"
    in_oracle = False
    integer_dtypes = ()
    left_out_kinds = ONLY_OF_SUMS | {"huge", "lowest"}

    def output(self, case: Case, operands: Any) -> Sequence[float]:
        """Loops over windows and channels."""
        fmt = format_of(case.dtype)

        def means(inputs: Array, windows: Sequence[Window]) -> list[float]:
            batch, *spatial, channels = inputs.shape
            rows = inputs.reshape(batch, prod(spatial), channels)
            around = [[tap for tap in taps if tap != PADDED] for taps in places(spatial, windows)]
            return [
                exact_mean(rows[sample, taps, c].tolist(), fmt)
                for sample, taps, c in product(range(batch), around, range(channels))
            ]

        results: Sequence[float] = self.reduced(case, operands, means)
        return results

    def pulled_back(
        self, known: Facts, inputs: Array, upstream: Array, weights: dict[str, Array]
    ) -> dict[str, Array]:
        """Each upstream element is shared out among the inputs of its window."""
        del weights
        batch, *spatial, channels = inputs.shape
        shares = np.full((batch, prod(spatial), channels), Fraction(0), object)
        given = upstream.reshape(batch, -1, channels)
        for position, taps in enumerate(places(spatial, known.windows)):
            inside = [tap for tap in taps if tap != PADDED]
            for sample, c in product(range(batch), range(channels)):
                shares[sample, inside, c] += Fraction(given[sample, position, c]) / len(inside)
        fmt = format_of(known.case.dtype)
        rounded = [round_fraction(share, fmt) for share in shares.ravel()]
        return {"inputs": np.array(rounded, np.float64).reshape(inputs.shape)}

    def judge_output(
        self, case: Case, operands: Any, expectation: Expectation, actual: Array
    ) -> Judgement:
        """By the errors of a sum of so many terms and of a division."""
        magnitude = mean_of(case, np.abs(operands.inputs.astype(np.float64)))
        return within(case, magnitude, actual, expectation.value)

    def gradient_judge(self, case: Case, operands: Any) -> Callable[..., Judgement]:
        """The same for the shares, of which an input gets one for each window that holds it."""
        magnitudes = SimpleNamespace(
            inputs=operands.inputs,
            upstream=np.abs(operands.upstream.astype(np.float64)),
            weights={},
        )

        def judged(name: str, actual: Array, expected: Array) -> Judgement:
            total = self.gradients(case.replace(dtype="float64"), magnitudes)[name]
            return within(case, total, actual, expected)

        return judged

    def predict(self, case: Case, operands: Any, steps: Steps, *, with_error: bool) -> Prediction:
        """The mean with faulty steps, in float64."""
        del with_error
        wide = mean_of(case, steps.inputs(operands.inputs), steps)
        magnitude = mean_of(case, np.abs(steps.inputs(operands.inputs)), steps)
        error = half_ulp(wide, FORMATS[case.dtype]) + error_of(case, magnitude)
        return Prediction(wide.astype(operands.inputs.dtype), wide, error)


def places(spatial: Sequence[int], windows: Sequence[Window]) -> list[list[int]]:
    return list(taps_of_windows(spatial, windows))


def error_of(case: Case, magnitude: Array) -> Array:
    fmt, taps = FORMATS[case.dtype], prod(facts(case).window)
    error = growth(taps + 1, fmt.unit_roundoff) * magnitude + taps * fmt.smallest_normal
    return np.asarray(np.where(np.isfinite(error), error, 0.0))


def within(case: Case, magnitude: Array, actual: Array, expected: Array) -> Judgement:
    wide = expected.astype(np.float64)
    error = error_of(case, magnitude) + half_ulp(wide, FORMATS[case.dtype])
    return judge_within(Bound(wide, np.where(np.isfinite(wide), error, 0.0)), actual, expected)


def mean_of(case: Case, inputs: Array, steps: Steps = CORRECT, padding: bool = False) -> Array:
    """The means in float64; `padding` counts the padding as zeros."""
    settings = settings_of(case, steps)
    x = steps.to_last(inputs) if settings.channels_first else inputs
    windows, inside = gather(x.astype(np.float64), settings, steps)
    taps = tuple(range(-1 - len(settings.window), -1))
    inside = np.broadcast_to(inside, windows.shape)
    with np.errstate(all="ignore"):
        total = np.where(inside, windows, 0.0).sum(axis=taps)
        count = prod(settings.window) if padding else inside.sum(axis=taps)
        y = total / count
    return np.asarray(steps.from_last(y) if settings.channels_first else y)


def plugin(**changes: Any) -> Plugin:
    """A plug-in that offers the layer, computed as `mean_of` does."""

    def layer(inputs: Array, weights: Any, config: dict[str, Any]) -> Array:
        given = {name: config[name] for name in ("pool_size", "strides", "padding", "data_format")}
        case = Case.of(NAME, inputs.shape, **given)
        return mean_of(case, inputs, **changes).astype(inputs.dtype)

    return Plugin("seventh", SimpleNamespace(**{NAME: layer}))


def odd_first(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    window = Window(k, s, d, padding)
    return window.output_length(n), (window.total(n) + 1) // 2


RIGHT = plugin()
COUNTS_PADDING = plugin(padding=True)
ODD_FIRST = plugin(steps=Steps(geometry=odd_first))


@pytest.fixture(autouse=True)
def seventh() -> Iterator[None]:
    with LAYERS.with_layer(AveragePooling2D()):
        yield


def cases(level: str, observe: str = "output") -> list[Case]:
    own = [case for case in grid(level) if case.layer == NAME and case.observe == observe]
    return [case for case in own if has_its_dtype(case)]


@cache
def expected(case: Case) -> tuple[Any, Expectation]:
    given: Any = operands(case)
    return given, expect(case, given)


def deviating(implementation: Plugin) -> dict[Case, Judgement]:
    """The cases of the smoke grid, but for the largest, in which a plug-in deviates."""
    judged = {}
    for case in cases("smoke"):
        if prod(case.inputs or ()) <= 1000:
            given, expectation = expected(case)
            outcome = implementation.evaluate(case, given)
            judged[case] = judge(case, given, expectation, outcome)
    assert {one.verdict for one in judged.values()} <= {Verdict.CONFORMS, Verdict.DEVIATES}
    return {case: one for case, one in judged.items() if one.verdict is Verdict.DEVIATES}


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "cases", "--grid", "smoke", "--layer", NAME]) == 0
    listed = capsys.readouterr().out
    assert f"{NAME}/inputs:2x5x6x3/pool_size:2x3" in listed
    assert parse(f"{NAME}/inputs:2x5x6x3/pool_size:2x3").layer == NAME


def test_it_has_cases_of_every_class_and_leaves_those_of_the_others_alone() -> None:
    counts = {name: n for name, n in hits(grid("standard")).items() if name.startswith(NAME)}
    assert len(counts) > 150
    assert [name for name, count in counts.items() if not count] == []
    own = [case for case in grid("standard") if case.layer == NAME]
    assert {case.observe for case in own} == {"output", "gradients", "shape", "rejection"}
    others = grid("standard")[: -len(own)]
    del LAYERS._all[NAME]
    assert grid("standard") == others


def test_a_right_plugin_conforms() -> None:
    assert deviating(RIGHT) == {}


def test_rejections_shapes_and_gradients_are_expected_by_the_definition() -> None:
    for case in cases("smoke", "rejection"):
        assert expect(case, operands(case)).kind == "rejection"
    shapes = {expect(case, operands(case)).value for case in cases("smoke", "shape")}
    assert (None, 4, 3, 3) in shapes
    case = parse(f"{NAME}/inputs:1x2x4x1/observe:gradients/operands:small")
    given: Any = operands(case)
    expectation = expect(case, given)
    quarter = np.tile(given.upstream.repeat(2, axis=2) / 4, (1, 2, 1, 1)).astype(np.float32)
    assert judge(case, given, expectation, Value({"inputs": quarter})).verdict is Verdict.CONFORMS
    whole = Value({"inputs": 4 * quarter})
    assert judge(case, given, expectation, whole).verdict is Verdict.DEVIATES


def test_a_wrong_plugin_deviates_where_it_is_wrong() -> None:
    found = deviating(COUNTS_PADDING)
    assert found
    for case in cases("smoke"):
        padded = any(axis.padding_total for axis in facts(case).axes)
        assert padded or case not in found


def test_a_known_fault_is_named() -> None:
    found = deviating(ODD_FIRST)
    failures = [
        Failure(case, ODD_FIRST.evaluate(case, operands(case)), judgement.stage)
        for case, judgement in found.items()
    ]
    passed = [case for case in cases("smoke") if case not in found]
    groups = diagnose(failures, passed).groups
    assert [[fault.identifier for fault in group.faults] for group in groups] == [
        ["same.odd-first"]
    ]
    assert {"a pooling layer", "2 spatial axes"} <= set(features(failures[0].case))


def result(implementation: Plugin, case: Case) -> Result:
    subject = Subject("x.py", "x", {})
    outcome = implementation.evaluate(case, operands(case))
    return result_of(Prepared(case), subject, outcome, Records(()))


def test_a_failing_case_is_shrunk_and_printed() -> None:
    case = Case.of(NAME, (3, 7, 6, 4), pool_size=(3, 2), strides=(2, 1), padding="same", seed=2)
    shrunk = Shrinker(lambda smaller: result(COUNTS_PADDING, smaller)).shrink(case)
    assert shrunk is not None
    assert prod(shrunk.case.inputs or ()) <= 6
    assert facts(shrunk.case).padding == "same"
    program = snippet(shrunk.case, "x.py", "bound")
    assert program is not None
    assert f"runpy.run_path('x.py')[\"{NAME}\"]" in program


def test_the_reference_declares_that_it_lacks_the_layer() -> None:
    case = cases("smoke")[0]
    outcome = reference.load("reference").evaluate(case, operands(case))
    assert outcome == Unsupported(f"reference_impl has no layer {NAME}")


def test_random_cases_are_drawn() -> None:
    hypothesis = pytest.importorskip("hypothesis")
    from conformance.cases.drawing import cases as drawn

    met: set[str] = set()

    @hypothesis.settings(database=None, max_examples=30, derandomize=True, deadline=None)
    @hypothesis.given(drawn(NAME))
    def draw(case: Case) -> None:
        met.add(case.observe)
        assert case.dtype in FLOATING_DTYPES
        given: Any = operands(case)
        assert isinstance(given, Operands)
        assert expect(case, given).kind

    draw()
    assert {"output", "gradients", "shape"} <= met


def test_clauses_are_those_that_there_are() -> None:
    assert all(clauses_of(case) == () for case in cases("smoke"))


def test_an_unknown_layer_raises_everywhere() -> None:
    case = parse(f"{NAME}/inputs:2x5x6x3")
    del LAYERS._all[NAME]
    given: Any = Operands(np.zeros((2, 5, 6, 3), np.float32), {})
    for ask in (
        lambda: facts(case).config,
        lambda: operands(case),
        lambda: expect(case, given),
        lambda: clauses_of(case),
        lambda: features(case),
        lambda: case.replace(seed=1),
    ):
        with pytest.raises(UnknownLayerError, match=r"there is no layer 'AveragePooling2D'"):
            ask()

"""Large outputs are judged part by part; what is said of them is what is said of the whole."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from conformance import assert_conforms
from conformance.asserting.layer import _every_order_is_exact, _problem
from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.judge import screening
from conformance.judge.bounds import output_bound
from conformance.judge.boxes import boxes, boxes_after_small
from conformance.judge.elements import judge_sums
from conformance.judge.equality import equal, same_bits
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.sums import Convolution, Gauge
from conformance.judge.verdict import Judgement, Verdict
from conformance.outcomes import Value

SMALL = 24
"""Sums of a part, so that each of the cases below has many."""

CASES = (
    Case.of("Conv2D", (2, 7, 9, 3), filters=4, kernel_size=(3, 2), padding="same"),
    Case.of("Conv2D", (2, 3, 9, 7), filters=4, kernel_size=3, data_format="channels_first"),
    Case.of("Conv2D", (2, 9, 7, 4), filters=6, kernel_size=2, strides=(2, 3), groups=2),
    Case.of("Conv2D", (1, 9, 9, 2), filters=3, kernel_size=2, dilation_rate=3, padding="same"),
    Case.of("Conv1D", (3, 40, 3), filters=5, kernel_size=4, padding="causal", dilation_rate=2),
)
MANY_PRODUCTS = (
    Case.of("Conv2D", (2, 7, 9, 16), filters=4, kernel_size=3, padding="same"),
    Case.of("Conv2D", (2, 4, 9, 7), filters=4, kernel_size=5, data_format="channels_first"),
    Case.of("Conv2D", (2, 9, 7, 40), filters=6, kernel_size=2, strides=(2, 3), groups=2),
    Case.of("Conv2D", (1, 9, 9, 8), filters=3, kernel_size=(2, 4), dilation_rate=3, padding="same"),
    Case.of("Conv1D", (3, 20, 16), filters=5, kernel_size=4, padding="causal", dilation_rate=2),
)
"""Some of their taps are enough for most errors."""

KINDS = ("reals", "integers", "positive", "specials", "overflow", "spike", "one_nan", "subnormal")
ACTIVATIONS = (None, "relu", "tanh", "softmax")

Change = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def _nudged(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        return np.nextafter(
            array, np.where(np.arange(array.size) % 2, 9e9, -9e9).reshape(array.shape)
        ).astype(array.dtype)


def _half_wrong(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    changed = array.copy()
    changed.reshape(-1)[array.size // 3 :: 5] += array.dtype.type(0.25)
    return changed


def _short(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with np.errstate(all="ignore"):
        return array.astype(np.float16).astype(array.dtype)


CHANGES: tuple[Change, ...] = (_nudged, _half_wrong, _short)


def _close(one: Judgement, other: Judgement) -> bool:
    """Equal but for the last digits of a ratio: sums of blocks are added up in other orders."""
    if one.ratio is None or other.ratio is None:
        return one == other
    words = one.message.split(" times ")[0] == other.message.split(" times ")[0]
    alike = one.verdict == other.verdict and one.stage == other.stage and words
    return alike and bool(np.isclose(one.ratio, other.ratio, rtol=1e-9, equal_nan=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_parts_are_judged_as_the_whole(
    case: Case, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for activation in ACTIVATIONS:
        one = case.replace(operands=kind, activation=activation)
        arrays = operands(one)
        expectation = expect(one, arrays)
        values = [Value(change(expectation.value)) for change in CHANGES]
        whole = [judge(one, arrays, expectation, value) for value in values]
        monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
        parts = [judge(one, arrays, expect(one, arrays), value) for value in values]
        monkeypatch.undo()
        assert all(map(_close, whole, parts)), (activation, whole, parts)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_are_judged_in_parts_as_the_whole(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for activation in ("tanh", None):
        one = case.replace(operands="reals", observe="gradients", activation=activation)
        arrays = operands(one)
        expectation = expect(one, arrays)
        values = [
            Value({name: change(array) for name, array in expectation.value.items()})
            for change in CHANGES
        ]
        whole = [judge(one, arrays, expectation, value) for value in values]
        monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
        parts = [judge(one, arrays, expectation, value) for value in values]
        monkeypatch.undo()
        assert all(map(_close, whole, parts)), (activation, whole, parts)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_what_is_screened_out_changes_no_ratio(
    activation: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One element is far from the others, near the end: it is not overlooked."""
    case = CASES[0].replace(operands="positive", activation=activation)
    arrays = operands(case)
    expectation = expect(case, arrays)
    monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
    for place in range(0, expectation.value.size, 17):
        changed = np.nextafter(expectation.value, np.float32(np.inf))
        changed.reshape(-1)[place] *= np.float32(1 + 2.0**-21)
        screened = judge(case, arrays, expect(case, arrays), Value(changed))
        with monkeypatch.context() as without:
            without.setattr("conformance.judge.elements.is_surely_below", lambda *_: False)
            plain = judge(case, arrays, expect(case, arrays), Value(changed))
        assert screened == plain
        assert screened.verdict is Verdict.CONFORMS


@pytest.mark.parametrize("kind", ["reals", "positive", "spike", "overflow", "one_nan"])
@pytest.mark.parametrize("case", MANY_PRODUCTS, ids=str)
def test_sums_of_some_magnitudes_are_below_those_of_all(case: Case, kind: str) -> None:
    """So an error within the bound that they give is within the bound; nor is any beyond range."""
    given = case.replace(operands=kind)
    for _, gauge in Gauge(Convolution.of(given, operands(given))).parts():
        with np.errstate(all="ignore"):
            some, all_of_them = screening._few_magnitudes(gauge), screening._magnitudes(gauge)
        assert some is not None
        assert gauge.weights.some_taps is not None
        assert not np.any(some > all_of_them * (1 + 1e-5))
        assert np.any(some > gauge.weights.single_bias)
        finite = np.isfinite(screening._upper_bound(gauge))
        assert finite == (kind != "one_nan")
        assert not finite or np.all(gauge.magnitude <= screening._upper_bound(gauge))


@pytest.mark.parametrize("case", MANY_PRODUCTS, ids=str)
def test_what_some_magnitudes_screen_out_hides_no_wrong_element(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest error beyond the bound is told, wherever it is."""
    given = case.replace(operands="positive")
    arrays = operands(given)
    wanted = expect(given, arrays).value
    monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
    allowed = Gauge(Convolution.of(given, arrays))
    bound = output_bound(allowed, wanted.astype(np.float64), allowed.error).error
    for factor, verdict in ((0.9, Verdict.CONFORMS), (1.1, Verdict.DEVIATES)):
        for place in range(0, wanted.size, 7):
            changed = wanted.copy()
            changed.reshape(-1)[place] += np.float32(factor * bound.reshape(-1)[place])
            gauge = Gauge(Convolution.of(given, arrays))
            assert judge_sums(gauge, changed, wanted, negligible=1.0).verdict is verdict


@pytest.mark.parametrize("activation", [None, "relu"])
def test_where_errors_are_negligible_wrong_elements_are_told_as_elsewhere(
    activation: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An assertion does without the largest error of a right output, and without that alone."""
    case = CASES[0].replace(operands="positive", activation=activation)
    arrays = operands(case)
    wanted = expect(case, arrays).value
    monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
    right = np.nextafter(wanted, np.float32(np.inf))
    verdicts = set()
    for place in range(0, wanted.size, 17):
        for factor in (1.0, 1 + 2.0**-21, 1 + 2.0**-15, np.nan):
            changed = right.copy()
            changed.reshape(-1)[place] *= np.float32(factor)
            told, spared = (
                judge_sums(Gauge(Convolution.of(case, arrays)), changed, wanted, negligible=least)
                for least in (0.0, 1.0)
            )
            verdicts.add(told.verdict)
            assert spared.verdict == told.verdict
            assert (spared == told) or told.verdict is Verdict.CONFORMS
    assert verdicts == {Verdict.CONFORMS, Verdict.DEVIATES}


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4), (1, 7, 1), (3, 0, 2)])
@pytest.mark.parametrize("most", [1, 2, 5, 7, 100])
def test_boxes_make_up_the_array(shape: tuple[int, ...], most: int) -> None:
    array = np.zeros(shape, int)
    for box in boxes(shape, most):
        assert array[box].size <= most
        array[box] += 1
    assert np.all(array == 1)


def test_parts_of_arrays_are_compared_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.judge.equality._PART", 5)
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    array[1, 2] = (0.0, np.nan, -0.0, 1)
    assert equal(array, array.copy())
    assert same_bits(array, array.copy())
    for place in np.ndindex(array.shape):
        changed = array.copy()
        changed[place] = 99
        assert not equal(array, changed)
        assert not same_bits(array, changed)
    signs = array.copy()
    signs[1, 2, 0] = -0.0
    assert equal(array, signs)
    assert not same_bits(array, signs)


@pytest.mark.parametrize(("kind", "exact"), [("small", True), ("reals", False), ("one_nan", False)])
def test_exact_sums_are_seen_in_parts(
    kind: str, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[0].replace(operands=kind)
    convolution = Convolution.of(case, operands(case))
    assert _every_order_is_exact(Gauge(convolution)) is exact
    monkeypatch.setattr("conformance.judge.sums._PART", SMALL)
    monkeypatch.setattr("conformance.asserting.layer._PART", SMALL)
    assert _every_order_is_exact(Gauge(convolution)) is exact


@pytest.mark.parametrize("activation", [None, "tanh"])
def test_judging_takes_no_more_memory_than_the_layer(activation: str | None) -> None:
    """A large output is judged in twice the memory of its inputs and outputs, beside these."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((1, 320, 320, 3)).astype(np.float32)
    layer = keras.layers.Conv2D(32, 3, padding="same", activation=activation)
    layer.build(inputs.shape)
    outputs = layer(inputs)
    changed = np.nextafter(outputs, np.float32(np.inf))
    tracemalloc.start()
    assert _problem(changed, outputs, layer, inputs) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 2 * (inputs.nbytes + outputs.nbytes)


def test_asserting_takes_the_layers_value_and_little_more() -> None:
    """The value itself is as large as the outputs; neither these nor the inputs are copied."""
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((1, 320, 320, 3)).astype(np.float32)
    layer = keras.layers.Conv2D(32, 3, padding="same")
    layer.build(inputs.shape)
    changed = np.nextafter(layer(inputs), np.float32(np.inf))
    tracemalloc.start()
    assert_conforms(changed, layer, inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 1.6 * (inputs.nbytes + changed.nbytes)


@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 4, 6), (9,), (2, 0, 3)])
@pytest.mark.parametrize(("most", "first"), [(1, 1), (4, 1), (8, 3), (12, 5), (100, 7)])
def test_a_first_box_in_smaller_ones_leaves_each_element_in_one_box(
    shape: tuple[int, ...], most: int, first: int
) -> None:
    """Protects every output of a large layer from not being judged, or being counted twice."""
    counted = np.zeros(shape, int)
    for box in boxes_after_small(shape, most, first):
        counted[box] += 1
        assert counted[box].size <= most
    assert (counted == 1).all()

"""Reduced precision is found by the size of its errors, and named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from arithmetic import (
    CORRECT,
    accumulated_in,
    layer_output,
    to_tf32,
    truncated_to_tf32,
    with_operands,
)

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.statistics import statistical_bound, sums_tests
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value

ml_dtypes = pytest.importorskip("ml_dtypes")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

CHANNELS = {9: 1, 144: 16, 1152: 128, 4608: 512}
"""Channels that give a kernel of 3 x 3 the number of products in the key."""


def layer(products: int, dtype: str = "float32", **fields: Any) -> Case:
    """A layer with that many products in an output, and 64 outputs."""
    fields = {"operands": "reals", **fields}
    shape = (1, 6, 6, CHANNELS[products])
    return Case.of("Conv2D", shape, filters=4, kernel_size=3, dtype=dtype, **fields)


def to(dtype: Any) -> Callable[[Any], Any]:
    return lambda values: values.astype(dtype)


FAULTS: dict[str, tuple[str, Any, str]] = {
    "TF32": ("float32", with_operands(to_tf32), "TF32 operands (11 significant bits)"),
    "truncated TF32": (
        "float32",
        with_operands(truncated_to_tf32),
        "TF32 operands (11 significant bits), truncated",
    ),
    "bfloat16 operands": ("float32", with_operands(to(BFLOAT16)), "bfloat16 operands"),
    "bfloat16 operands of float16": ("float16", with_operands(to(BFLOAT16)), "bfloat16 operands"),
    "computed in float16": ("float32", accumulated_in(np.float16), "computed in float16"),
    "computed in bfloat16": ("float32", accumulated_in(BFLOAT16), "computed in bfloat16"),
    "float16 accumulation": (
        "float16",
        accumulated_in(np.float16),
        "float16 accumulation (by the size of the errors)",
    ),
    "bfloat16 accumulation": (
        "bfloat16",
        accumulated_in(BFLOAT16),
        "bfloat16 accumulation (by the size of the errors)",
    ),
    "float64 in float32": ("float64", accumulated_in(np.float32), "computed in float32"),
    "float32 operands": ("float64", with_operands(to(np.float32)), "float32 operands"),
}


@pytest.mark.parametrize("products", CHANNELS)
@pytest.mark.parametrize("fault", FAULTS)
def test_reduced_precision_is_named(fault: str, products: int) -> None:
    dtype, contraction, name = FAULTS[fault]
    case = layer(products, dtype)
    arrays = operands(case)
    outcome = Value(layer_output(case, arrays, contraction))
    judgement = judge(case, arrays, expect(case, arrays), outcome)
    assert judgement.verdict == Verdict.DEVIATES
    assert judgement.diagnosis == name
    assert name in judgement.message


@pytest.mark.parametrize("products", CHANNELS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_correct_arithmetic_leaves_the_statistics_half_their_room(
    dtype: str, products: int
) -> None:
    """Elements of narrow formats may use all of theirs: two roundings come that near."""
    case = layer(products, dtype, seed=1)
    arrays = operands(case)
    expectation = expect(case, arrays)
    gauge = expectation.gauge(case, arrays)
    assert gauge is not None
    room = 1.0 if dtype in ("float16", "bfloat16") else 0.5
    for contraction in CORRECT:
        values = layer_output(case, arrays, contraction).astype(np.float64)
        bound = statistical_bound(gauge, expectation.wide)
        assert bound.excess(values, expectation.wide).max() <= room
        for test in sums_tests(gauge, values, expectation.wide):
            assert test.ratio <= 0.5, test


def _rounded_to(bits: int, values: Any) -> Any:
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


@pytest.mark.parametrize("products", [144, 1152, 4608])
def test_three_bits_less_in_the_accumulator_are_noticed(products: int) -> None:
    """The limits grow no faster with the number of products than the errors do."""
    case = layer(products)
    arrays = operands(case)

    def short(x: Any, w: Any, b: Any) -> Any:
        total = np.zeros((len(x), w.shape[1]))
        for k in range(w.shape[0]):
            total = _rounded_to(21, total + x[:, k, None].astype(float) * w[k])
        return (total + b).astype(b.dtype)

    outcome = Value(layer_output(case, arrays, short))
    judgement = judge(case, arrays, expect(case, arrays), outcome)
    assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "statistics")


@pytest.mark.parametrize("products", CHANNELS)
def test_limits_that_cost_less_are_surely_no_wider(products: int) -> None:
    """What passes them passes the limits themselves, so that these need not be derived."""
    case = layer(products)
    gauge = expect(case, operands(case)).gauge(case, operands(case))
    assert gauge is not None
    assert np.all(gauge.least_statistical_unit <= gauge.statistical_unit)


def to_8_bits(values: Any) -> Any:
    scale = np.abs(values).max() / 127
    return (np.rint(values / scale) * scale).astype(values.dtype)


PARTS: dict[str, tuple[Any, Any, Any, str]] = {
    "kernel": (None, to(BFLOAT16), None, "bfloat16 kernels"),
    "inputs": (to(BFLOAT16), None, None, "bfloat16 inputs"),
    "bias": (None, None, to(BFLOAT16), "bfloat16 biases"),
    "8 bits": (None, to_8_bits, None, "kernels quantized to 8 bits, with one scale"),
    "8 bits of both": (to_8_bits, to_8_bits, None, "operands quantized to 8 bits, with one scale"),
}


@pytest.mark.parametrize("fault", PARTS)
def test_reduced_precision_of_one_operand_is_named(fault: str) -> None:
    *changes, name = PARTS[fault]
    case = layer(9)
    arrays = operands(case)

    def contraction(*given: Any) -> Any:
        pairs = zip(given, changes, strict=True)
        x, w, b = (change(a).astype(a.dtype) if change else a for a, change in pairs)
        return with_operands(lambda values: values)(x, w, b)

    outcome = Value(layer_output(case, arrays, contraction))
    assert judge(case, arrays, expect(case, arrays), outcome).diagnosis == name


ROUNDINGS: dict[str, Callable[[Any], Any]] = {
    "results rounded towards zero": np.trunc,
    "results rounded down": np.floor,
    "results rounded up": np.ceil,
    "results rounded to nearest, ties away from zero": lambda y: np.copysign(
        np.floor(np.abs(y) + 0.5), y
    ),
}


@pytest.mark.parametrize("name", ROUNDINGS)
def test_results_that_are_not_rounded_to_nearest_are_named(name: str) -> None:
    """Products with more bits than float32, ties among them, are exact in float64."""
    case = parse("Conv1D/inputs:6x9x16/operands:one_product/filters:3/kernel_size:9")
    arrays = operands(case)
    kernel = arrays.weights["kernel"].astype(np.float64).reshape(-1, 3)
    exact = arrays.inputs.astype(np.float64).reshape(6, 1, -1) @ kernel
    unit = np.ldexp(1.0, np.frexp(exact)[1] - 24)
    expectation = expect(case, arrays)
    rounded = (ROUNDINGS[name](exact / unit) * unit).astype(np.float32)
    assert judge(case, arrays, expectation, Value(rounded)).diagnosis == name
    nearest = (np.rint(exact / unit) * unit).astype(np.float32)
    assert judge(case, arrays, expectation, Value(nearest)).verdict == Verdict.CONFORMS


def test_the_statistics_find_what_the_bound_does_not() -> None:
    """At K = 4608, TF32 stays within the bound for any order of summation."""
    case = layer(4608)
    arrays = operands(case)
    outcome = Value(layer_output(case, arrays, with_operands(to_tf32)))
    judgement = judge(case, arrays, expect(case, arrays), outcome)
    assert judgement.stage == "statistics"
    assert "the mean squared error is" in judgement.message


def test_a_bias_of_the_errors_is_found() -> None:
    """Every output a little too large, each well within its own limits."""
    case = layer(144).replace(inputs=(2, 30, 30, 16))
    arrays = operands(case)
    expectation = expect(case, arrays)
    gauge = expectation.gauge(case, arrays)
    assert gauge is not None
    shift = (2.0 * 2.0**-24 * gauge.magnitude).astype(np.float32)
    judgement = judge(case, arrays, expectation, Value(expectation.value + shift))
    assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "statistics")
    assert "the sum of the errors is" in judgement.message


@pytest.mark.parametrize("kind", ["positive", "constant"])
def test_operands_of_one_sign_are_judged_by_the_bound_alone(kind: str) -> None:
    """Sequential sums of one sign err more than random signs would, and conform."""
    case = layer(4608, operands=kind)
    arrays = operands(case)
    outcome = Value(layer_output(case, arrays, CORRECT[0]))
    assert judge(case, arrays, expect(case, arrays), outcome).verdict == Verdict.CONFORMS


def test_precision_is_named_through_an_activation() -> None:
    case = layer(144, activation="tanh")
    arrays = operands(case)
    answer = np.tanh(layer_output(case, arrays, with_operands(to(BFLOAT16))))
    judgement = judge(case, arrays, expect(case, arrays), Value(answer))
    assert judgement.diagnosis == "bfloat16 operands"


def test_results_rounded_to_a_narrower_format() -> None:
    case = layer(9)
    arrays = operands(case)
    answer = layer_output(case, arrays, CORRECT[0]).astype(np.float16).astype(np.float32)
    judgement = judge(case, arrays, expect(case, arrays), Value(answer))
    assert judgement.diagnosis == "results rounded to float16"


@pytest.mark.parametrize("kind", ["integers", "reals", "positive"])
def test_other_faults_are_not_blamed_on_precision(kind: str) -> None:
    case = layer(144, operands=kind)
    arrays = operands(case)

    def shifted(values: Any) -> Any:
        return np.roll(values, 1, axis=0)

    answer = layer_output(case, arrays, with_operands(shifted))
    judgement = judge(case, arrays, expect(case, arrays), Value(answer))
    assert judgement.verdict == Verdict.DEVIATES
    assert judgement.diagnosis is None

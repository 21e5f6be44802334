"""The bounds hold for correct arithmetic of any order, and end soon beyond it."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from arithmetic import (
    CORRECT,
    bias_last,
    blas,
    layer_output,
    patches,
    reversed_order,
    sequential,
)
from naive_activations import NAIVE

from conformance.cases.case import Case, parse
from conformance.cases.operands import KINDS, operands
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import contract
from conformance.judge.definition.rounding import FORMATS, round_dyadic
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.running_error import Running, growth
from conformance.judge.sums import Convolution, Gauge, round_to
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value

pytest.importorskip("ml_dtypes")

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {"inputs": (2, 6, 5, 3), "kernel_size": (3, 2), "padding": "same"},
    {"inputs": (2, 5, 6, 3), "kernel_size": 1, "strides": (2, 1)},
    {
        "inputs": (1, 3, 7, 6),
        "kernel_size": (2, 3),
        "dilation_rate": 2,
        "padding": "same",
        "data_format": "channels_first",
        "use_bias": False,
    },
    {"inputs": (1, 3, 4, 128), "kernel_size": 3, "padding": "same"},
)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_correct_order_of_summation_fails(kind: str, dtype: str) -> None:
    """On every kind of operands; `untrusted` concerns the case, not the answer."""
    for configuration in CONFIGURATIONS:
        case = Case.of("Conv2D", filters=4, dtype=dtype, operands=kind, **configuration)
        arrays = operands(case)
        expectation = expect(case, arrays)
        for contraction in CORRECT:
            outcome = Value(layer_output(case, arrays, contraction))
            judgement = judge(case, arrays, expectation, outcome)
            assert judgement.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED), (
                case,
                contraction.__name__,
                judgement,
            )


OVERFLOWING_FORMULAS = {
    "squareplus": ("huge", "wide"),  # its square overflows
    "sparsemax": ("huge", "wide"),  # a one is lost beside large sums, and none is left to count
}


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_documented_formula_fails(name: str, dtype: str) -> None:
    """Each activation, evaluated step by step in the layer's dtype, on sums of three orders."""
    for kind in ("integers", "reals", "cancellation", "wide", "huge", "overflow", "one_infinity"):
        if kind in OVERFLOWING_FORMULAS.get(name, ()):
            continue
        case = Case.of(
            "Conv2D", filters=4, dtype=dtype, operands=kind, activation=name, **CONFIGURATIONS[0]
        )
        arrays = operands(case)
        expectation = expect(case, arrays)
        for contraction in (sequential, reversed_order, bias_last):
            with np.errstate(all="ignore"):
                answer = NAIVE[name](layer_output(case, arrays, contraction))
            judgement = judge(case, arrays, expectation, Value(answer))
            assert judgement.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED), (case, judgement)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_documented_formula_fails_far_out(name: str, dtype: str) -> None:
    """On sums up to where ``exp`` overflows or vanishes, whose sigmoid is then 0."""
    for seed in range(6):
        case = Case.of(
            "Conv1D",
            (1, 263, 3),
            filters=4,
            kernel_size=1,
            dtype=dtype,
            operands="tails",
            seed=seed,
            activation=name,
        )
        arrays = operands(case)
        with np.errstate(all="ignore"):
            answer = NAIVE[name](layer_output(case, arrays, sequential))
        judgement = judge(case, arrays, expect(case, arrays), Value(answer))
        assert judgement.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED), (case, judgement)


def test_every_activation_has_a_formula_and_a_bound() -> None:
    assert set(NAIVE) == set(ACTIVATIONS)


class TestPlantedFaults:
    """Answers wrong in a small way, on the kinds of operands meant for them."""

    case = Case.of("Conv2D", filters=4, **CONFIGURATIONS[0])

    def judged(self, answer: Any, **changes: Any) -> Verdict:
        case = self.case.replace(**changes)
        arrays = operands(case)
        return judge(case, arrays, expect(case, arrays), Value(answer(case, arrays))).verdict

    @pytest.mark.parametrize("kind", ["integers", "reals"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda w: w[::-1],
            lambda w: w[:, ::-1],
            lambda w: w[..., ::-1],
            lambda w: w * np.float32(1 + 1e-3),
        ],
        ids=["flipped rows", "flipped columns", "filters reversed", "a thousandth more"],
    )
    def test_wrong_kernels(self, change: Any, kind: str) -> None:
        def answer(case: Case, arrays: Any) -> Any:
            arrays.weights["kernel"] = np.ascontiguousarray(change(arrays.weights["kernel"]))
            return layer_output(case, arrays, sequential)

        case = self.case.replace(operands=kind)
        arrays = operands(case)
        wrong = answer(case, operands(case))
        judgement = judge(case, arrays, expect(case, arrays), Value(wrong))
        assert judgement.verdict == Verdict.DEVIATES

    def test_one_tap_off_by_a_hundred_thousandth(self) -> None:
        """Bound and statistics leave room for it; exact operands do not."""

        def answer(case: Case, arrays: Any) -> Any:
            kernel = arrays.weights["kernel"].copy()
            kernel[1, 0, 0] *= np.float32(1 + 1e-5)
            changed = type(arrays)(arrays.inputs, arrays.weights | {"kernel": kernel})
            return layer_output(case, changed, sequential)

        assert self.judged(answer) == Verdict.DEVIATES

    @pytest.mark.parametrize("kind", ["integers", "reals"])
    def test_a_missing_bias(self, kind: str) -> None:
        def answer(case: Case, arrays: Any) -> Any:
            bias = np.zeros_like(arrays.weights["bias"])
            changed = type(arrays)(arrays.inputs, arrays.weights | {"bias": bias})
            return layer_output(case, changed, sequential)

        assert self.judged(answer, operands=kind) == Verdict.DEVIATES

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("gelu", lambda x: x / 2 * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))),
            ("hard_sigmoid", lambda x: np.clip(x / 5 + 0.5, 0, 1)),
            ("leaky_relu", lambda x: np.where(x > 0, x, x * 0.3)),
            ("softmax", lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
            ("elu", lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)))),
            ("relu", lambda x: x),
            ("selu", lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
            ("silu", lambda x: x / (1 + np.exp(-1.702 * x))),
        ],
    )
    def test_an_activation_of_another_kind(self, name: str, other: Any) -> None:
        def answer(case: Case, arrays: Any) -> Any:
            return other(layer_output(case, arrays, blas)).astype(np.float32)

        assert self.judged(answer, operands="reals", activation=name) == Verdict.DEVIATES

    def test_relu_that_drops_nan(self) -> None:
        def answer(case: Case, arrays: Any) -> Any:
            sums = layer_output(case, arrays, sequential)
            return np.where(sums > 0, sums, np.float32(0))

        kind = "one_nan"
        assert self.judged(answer, operands=kind, activation="relu") == Verdict.DEVIATES

    def test_padding_with_something_else_than_zero(self) -> None:
        def answer(case: Case, arrays: Any) -> Any:
            inputs = np.pad(arrays.inputs, ((0, 0), (1, 1), (0, 1), (0, 0)), mode="edge")
            inner = case.replace(inputs=inputs.shape, padding="valid")
            return layer_output(inner, type(arrays)(inputs, arrays.weights), sequential)

        assert self.judged(answer) == Verdict.DEVIATES

    def test_fast_fourier_transform_is_not_local(self) -> None:
        """A circular convolution by FFT feels a spike everywhere."""
        case = Case.of(
            "Conv1D", (1, 64, 1), filters=1, kernel_size=3, use_bias=False, operands="spike"
        )

        def answer(case: Case, arrays: Any) -> Any:
            x, w = arrays.inputs[0, :, 0], arrays.weights["kernel"][:, 0, 0]
            spectrum = np.fft.rfft(x) * np.fft.rfft(w[::-1], len(x))
            return np.fft.irfft(spectrum, len(x))[2:].astype(np.float32).reshape(1, 62, 1)

        arrays = operands(case)
        judgement = judge(case, arrays, expect(case, arrays), Value(answer(case, arrays)))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "locality")


class TestSums:
    """The magnitudes and errors of sums, against their formulas."""

    def test_growth_is_the_error_of_roundings_in_a_row(self) -> None:
        u = 2.0**-8
        assert growth(1, u) == pytest.approx(u, rel=1e-15)
        exact = (1 + Fraction(1, 256)) ** 300 - 1
        assert growth(300, u) == pytest.approx(float(exact), rel=1e-13)
        assert growth(100, u) < 100 * u / (1 - 100 * u)
        assert math.isfinite(growth(10**4, u))
        assert growth(10**9, u) == math.inf

    @pytest.mark.parametrize("configuration", CONFIGURATIONS)
    def test_the_magnitude_is_the_layer_run_on_absolute_values(
        self, configuration: dict[str, Any]
    ) -> None:
        case = Case.of("Conv2D", filters=4, operands="small", **configuration)
        arrays = operands(case)
        gauge = Gauge(Convolution.of(case, arrays))
        rows = patches(case, arrays.inputs).astype(np.float64)
        kernel = arrays.weights["kernel"].reshape(rows.shape[1], -1).astype(np.float64)
        bias = arrays.weights.get("bias", np.zeros(kernel.shape[1])).astype(np.float64)
        magnitude = np.abs(rows) @ np.abs(kernel) + np.abs(bias)
        assert np.array_equal(gauge.magnitude.reshape(magnitude.shape), magnitude)
        assert np.array_equal(gauge.centre.reshape(magnitude.shape), rows @ kernel + bias)
        assert gauge.products == rows.shape[1]

    def test_blocks_of_patches_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        case = Case.of("Conv2D", filters=4, operands="small", **CONFIGURATIONS[0])
        convolution = Convolution.of(case, operands(case))
        whole = contract(convolution.inputs, convolution.kernel, convolution.axes)
        monkeypatch.setattr("conformance.judge.contraction._BLOCK", 7 * 18)
        parts = contract(convolution.inputs, convolution.kernel, convolution.axes)
        assert np.array_equal(whole, parts)

    def test_the_a_priori_error_of_plain_sums(self) -> None:
        """To first order (K + 1) u S, and an exact bound of the worst case on constant operands."""
        case = Case.of("Conv2D", (1, 3, 3, 7), filters=2, kernel_size=3, operands="positive")
        gauge = Gauge(Convolution.of(case, operands(case)))
        assert np.allclose(gauge.a_priori_error / (64 * 2.0**-24 * gauge.magnitude), 1, rtol=1e-4)

    def test_subnormal_operands_may_count_as_zero(self) -> None:
        case = Case.of("Conv2D", (1, 4, 4, 2), filters=2, kernel_size=2, operands="subnormal")
        arrays = operands(case)
        zeros = np.zeros_like(expect(case, arrays).value)
        verdict = judge(case, arrays, expect(case, arrays), Value(zeros)).verdict
        assert verdict == Verdict.CONFORMS

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_overflow_that_is_certain_must_be_seen(self, dtype: str) -> None:
        case = Case.of("Conv2D", dtype=dtype, filters=2, operands="overflow", **CONFIGURATIONS[1])
        arrays = operands(case)
        expectation = expect(case, arrays)
        assert np.isinf(expectation.value).all()
        finite = np.clip(expectation.value, -FORMATS[dtype].largest, FORMATS[dtype].largest)
        wrong = judge(case, arrays, expectation, Value(finite.astype(dtype)))
        assert wrong.verdict == Verdict.DEVIATES
        wrong = judge(case, arrays, expectation, Value(-expectation.value))
        assert wrong.verdict == Verdict.DEVIATES

    def test_overflow_that_depends_on_the_order_is_accepted(self) -> None:
        """3e38 + 3e38 - 3e38 is 3e38, infinite, and with a minus first finite again."""
        largest = np.float32(3e38)
        convolution = Convolution(
            inputs=np.array([[[3e38], [3e38], [-3e38]]]),
            kernel=np.ones((3, 1, 1)),
            bias=np.zeros(1),
            axes=Convolution.of(
                case := Case.of("Conv1D", (1, 3, 1), filters=1, kernel_size=3), operands(case)
            ).axes,
            format=FORMATS["float32"],
        )
        gauge = Gauge(convolution)
        expected = np.full((1, 1, 1), float(largest))
        bound = output_bound(gauge, expected, gauge.error)
        for value, accepted in ((float(largest), 1), (np.inf, 1), (-np.inf, 0), (np.nan, 0)):
            excess = bound.excess(np.full((1, 1, 1), value), expected)
            assert (excess[0, 0, 0] <= 1) == accepted

    def test_narrow_sums_may_round_twice_around_the_bias(self) -> None:
        """2048 + 1, rounded to float16, and 1 more: 2048 or, rounded once, 2050."""
        case = Case.of("Conv1D", (1, 2, 1), filters=1, kernel_size=2, dtype="float16")
        arrays = operands(case)
        arrays.inputs[:] = [[[2048], [1]]]
        arrays.weights["kernel"][:], arrays.weights["bias"][:] = 1, 1
        case = case.replace(operands="integers")
        expectation = expect(case, arrays)
        assert expectation.value.item() == 2050
        for value, verdict in ((2050, "conforms"), (2048, "conforms"), (2052, "deviates")):
            outcome = Value(np.full((1, 1, 1), value, np.float16))
            assert judge(case, arrays, expectation, outcome).verdict == verdict

    @pytest.mark.parametrize("name", FORMATS)
    def test_rounding_of_arrays_is_that_of_integers(self, name: str) -> None:
        fmt = FORMATS[name]
        values = [math.ldexp(number**5 - 9**8, -70) for number in range(2, 400)]
        values += [math.ldexp(number, fmt.quantum_exponent - 1) for number in range(1, 40)]
        if name != "float64":
            values += [math.ldexp(2**30 - number, fmt.max_exponent - 29) for number in range(99)]
        exact = [round_dyadic(*_dyadic(value), fmt) for value in values]
        assert round_to(np.array(values), fmt).tolist() == exact


def _dyadic(value: float) -> tuple[int, int]:
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def exponential_by_halved_powers(
    x: np.ndarray[Any, np.dtype[np.float32]], whole: Any
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """``2 * (2**(n - 1) * exp(r))``, with the power made by its exponent's bits, as kernels do."""
    n = whole(x.astype(np.float64) / math.log(2)).astype(np.int32)
    power = np.maximum(n - 1 + 127, 0).astype(np.uint32) << np.uint32(23)
    remainder = np.exp(x - n * math.log(2)).astype(np.float32)
    return (2 * (power.view(np.float32) * remainder)).astype(np.float64)


@pytest.mark.parametrize("whole", [np.floor, np.rint])
def test_an_exponential_by_halved_powers_is_within_its_bound_and_no_more(whole: Any) -> None:
    """As measured of oneDNN: zero below 2 or ``sqrt(2)`` times the smallest normal number."""
    least = FORMATS["float32"].smallest_normal
    x = np.linspace(-89, -85, 40_001, dtype=np.float32)
    exact = np.exp(x.astype(np.float64))
    bound = Running(x.astype(np.float64), np.zeros(x.size), FORMATS["float32"]).exp().error
    computed = exponential_by_halved_powers(x, whole)
    assert np.all(np.abs(computed - exact) <= bound)
    largest = exact[computed == 0].max() / least
    assert largest == pytest.approx(2 if whole is np.floor else math.sqrt(2), rel=1e-3)
    assert np.all(bound[exact > 2.001 * least] < exact[exact > 2.001 * least])
    assert np.all(bound <= 2.001 * least)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["unused_infinity", "one_nan", "one_infinity", "kernel_nan"])
def test_the_sum_of_the_finite_products_is_no_answer_beside_others(kind: str, dtype: str) -> None:
    """Also in 16 bits, where exact sums may be rounded before their bias is added."""
    case = parse(f"Conv1D/inputs:2x5x3/dtype:{dtype}/operands:{kind}/filters:4/kernel_size:(2,)")
    arrays = operands(case)
    expectation = expect(case, arrays)
    gauge = expectation.gauge(case, arrays)
    assert gauge is not None
    undefined = ~np.isfinite(expectation.value.astype(np.float64))
    assert undefined.any()
    finite = gauge.rounded_twice.astype(expectation.value.dtype)
    given = np.where(undefined, finite, expectation.value)
    assert judge(case, arrays, expectation, Value(given)).verdict is Verdict.DEVIATES
    right = judge(case, arrays, expectation, Value(expectation.value.copy()))
    assert right.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED)

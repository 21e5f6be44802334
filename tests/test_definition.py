"""The second derivation: hand-computed values, rounding, and agreement with the oracle."""

from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.cases.operands import has_its_dtype, operands
from conformance.judge import definition
from conformance.judge.activations import ACTIVATIONS, at_special
from conformance.judge.activations.activation import Elementwise, Rowwise, _rounded_near_ends
from conformance.judge.definition.balls import Ball, UndecidedError, enclosing, pi
from conformance.judge.definition.layers import places_of_largest
from conformance.judge.definition.rounding import (
    FORMATS,
    Format,
    round_dyadic,
    round_fraction,
    round_integers,
)
from conformance.judge.definition.windows import PADDED, Window
from conformance.judge.expectation import Kind, expect, expect_by_definition
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value

FLOAT64 = FORMATS["float64"]
FLOAT32 = FORMATS["float32"]


def given(inputs: Any, kernel: Any = None, bias: Any = None) -> Any:
    """Operands from arrays or nested lists, float32 unless an array says otherwise."""
    weights = {"kernel": kernel, "bias": bias}
    arrays = {
        name: array if isinstance(array, np.ndarray) else np.array(array, np.float32)
        for name, array in {"inputs": inputs, **weights}.items()
        if array is not None
    }
    return SimpleNamespace(inputs=arrays.pop("inputs"), weights=arrays)


def line(values: list[float], **arguments: Any) -> list[float]:
    """A Conv1D of one channel and one filter over `values`; the kernel is a list of taps."""
    kernel = arguments.pop("kernel")
    bias = arguments.pop("bias", None)
    dtype = arguments.pop("dtype", "float32")
    case = Case.of(
        "Conv1D",
        (1, len(values), 1),
        filters=1,
        kernel_size=len(kernel),
        use_bias=bias is not None,
        dtype=dtype,
        **arguments,
    )
    arrays = given(
        np.array(values, dtype).reshape(1, -1, 1),
        np.array(kernel, dtype).reshape(-1, 1, 1),
        None if bias is None else np.array([bias], dtype),
    )
    return definition.output(case, arrays).ravel().tolist()  # type: ignore[no-any-return]


def rounded_one(name: str, x: Fraction, fmt: Format) -> float:
    activation = ACTIVATIONS[name]
    assert isinstance(activation, Elementwise)
    return activation.round_one(x, fmt)


def rounded_row(name: str, row: list[Any], fmt: Format) -> list[float]:
    activation = ACTIVATIONS[name]
    assert isinstance(activation, Rowwise)
    return activation.round_row(row, fmt)


def test_it_imports_nothing_of_the_oracle() -> None:
    program = (
        "import sys, conformance.judge.definition\n"
        "sys.exit(any(name.startswith('reference_impl') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class TestRounding:
    """One rounding, to nearest, ties to even, in integers."""

    @pytest.mark.parametrize("name", ["float16", "bfloat16"])
    def test_every_midpoint_goes_to_the_even_neighbour(self, name: str) -> None:
        fmt = FORMATS[name]
        count = (fmt.max_exponent - fmt.quantum_exponent - fmt.precision + 3) << (fmt.precision - 1)
        for number in range(count - 1):
            low, high = _nonnegative(number, fmt), _nonnegative(number + 1, fmt)
            middle, exponent = low + high, fmt.quantum_exponent - 1
            neighbours = math.ldexp(low, exponent + 1), math.ldexp(high, exponent + 1)
            assert round_dyadic(middle, exponent, fmt) == neighbours[number % 2]
            assert round_dyadic(4 * middle - 1, exponent - 2, fmt) == neighbours[0]
            assert round_dyadic(4 * middle + 1, exponent - 2, fmt) == neighbours[1]

    def test_float32_and_float64_agree_with_python_and_numpy(self) -> None:
        for number in range(1, 3000, 7):
            ratio = Fraction(number**9 + 1, 3**40 + number)
            assert round_fraction(ratio, FLOAT64) == float(ratio)
            half = math.ldexp(number + 2**24, 1) + 1  # 26 bits: a tie or nearly one
            assert round_dyadic(int(half), -30, FLOAT32) == np.float32(math.ldexp(half, -30))

    @pytest.mark.parametrize("fmt", FORMATS.values(), ids=str)
    def test_the_range_ends_half_an_ulp_beyond_the_largest_number(self, fmt: Any) -> None:
        beyond = Fraction(2) ** (fmt.max_exponent + 1)
        midpoint = beyond - Fraction(2) ** (fmt.max_exponent - fmt.precision)
        assert round_fraction(midpoint, fmt) == math.inf
        assert round_fraction(-midpoint, fmt) == -math.inf
        assert round_fraction(midpoint - 1, fmt) == fmt.largest

    @pytest.mark.parametrize("fmt", FORMATS.values(), ids=str)
    def test_zero_is_zero_whatever_its_exponent(self, fmt: Any) -> None:
        """Sums of products with a huge other operand are zeros of a large exponent."""
        for exponent in (fmt.max_exponent + 2, 2000, -2000):
            assert math.copysign(1.0, round_dyadic(0, exponent, fmt)) == 1.0
            assert round_dyadic(0, exponent, fmt) == 0.0

    @pytest.mark.parametrize("fmt", FORMATS.values(), ids=str)
    def test_below_half_the_quantum_is_zero(self, fmt: Any) -> None:
        half = Fraction(2) ** (fmt.quantum_exponent - 1)
        assert round_fraction(half, fmt) == 0
        assert round_fraction(half * Fraction(9, 8), fmt) == fmt.quantum
        assert round_fraction(3 * half, fmt) == 2 * fmt.quantum  # a tie, to the even one


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_arrays_of_integers_are_rounded_as_each_of_them_is(fmt: Format):
    """Around every power of two, at ties, at both ends of the range; in int64 and beyond."""
    around = [(1 << bits) + near for bits in range(62) for near in (-3, -2, -1, 0, 1, 2, 3)]
    ties = [(2 * m + 1) << n for m in ((1 << fmt.precision) - 1, 1, 6) for n in range(8)]
    small = [n for n in (*around, *ties, *range(300)) if n < 1 << 62]
    small += [-n for n in small]
    least, most = fmt.quantum_exponent, fmt.max_exponent
    for exponent in (0, -40, least - 64, least - 62, least - 10, least, least + 1, most - 30, most):
        of_the_format = [n for n in small if abs(n) < 1 << fmt.precision]
        for integers in (small, [n << 70 for n in small], of_the_format):
            expected = np.array([round_dyadic(n, exponent, fmt) for n in integers])
            found = round_integers(np.array(integers), exponent, fmt)
            assert found.tobytes() == expected.tobytes()


def _nonnegative(number: int, fmt: Any) -> int:
    """The number-th nonnegative number of a format, in units of its quantum."""
    exponent, fraction = divmod(number, 1 << (fmt.precision - 1))
    if exponent == 0:
        return fraction
    return (fraction + (1 << (fmt.precision - 1))) << (exponent - 1)


class TestBalls:
    """Balls hold the exact result of every operation."""

    def test_rational_operations(self) -> None:
        numbers = [Fraction(1, 3), Fraction(-7, 11), Fraction(10**9 + 7, 13), Fraction(1, 10**12)]
        for a in numbers:
            for b in numbers:
                x, y = Ball.of(a, 12), Ball.of(b, 12)
                results = {a + b: x + y, a - b: x - y, a * b: x * y, a / b: x / y, -a: -x}
                for exact, ball in results.items():
                    low, high = ball.ends()
                    assert low <= exact <= high
                    assert high - low <= abs(exact) / 10**2 + Fraction(1, 10**2)

    def test_roots_and_logarithms_undo_squares_and_exponentials(self) -> None:
        for number in (Fraction(1, 7), Fraction(3), Fraction(22, 7)):
            for ball in (
                Ball.of(number * number, 30).sqrt(),
                Ball.of(number, 30).exp().log(),
            ):
                low, high = ball.ends()
                assert low <= number <= high
                assert high - low < Fraction(1, 10**27)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_exponentials_and_logarithms_keep_their_precision_near_zero(self, sign: int) -> None:
        """Against the sums of their series, with few and with many zeros behind the point."""
        for zeros in (1, 5, 24, 25, 26, 40, 400):
            x = Fraction(sign * 7, 3 * 10**zeros)
            ball, terms = Ball.of(x, 25), range(1, 100 // zeros + 3)
            power = sum((x**n / math.factorial(n) for n in terms), Fraction(0))
            logarithm = sum((-((-x) ** n) / n for n in terms), Fraction(0))
            for exact, found in ((power, ball.exp_less_one()), (logarithm, ball.log_of_one_plus())):
                low, high = found.ends()
                rest = abs(x) ** (len(terms) + 1)
                assert low - rest <= exact <= high + rest
                assert high - low < abs(exact) / 10**22

    def test_what_is_taken_from_a_large_number_keeps_its_precision(self) -> None:
        """The logarithm behind a float64 decides which side of it the difference lies on."""
        for value in (Fraction(0), Fraction(40), Fraction(-745, 1 << 30), Fraction(2**80 + 1)):
            for zeros in (0, 1, 25, 40, 300):
                x = Fraction(-7, 3 * 10**zeros)
                low, high = Ball.of(x, 25).taken_from(value).ends()
                assert low <= value - x <= high
                assert high - low < abs(x) / 10**22

    def test_a_wide_ball_around_zero_is_not_taken_for_a_small_number(self) -> None:
        wide = Ball(Decimal(0), Decimal("0.75"), 25)
        low, high = wide.exp_less_one().ends()
        assert low < Fraction(math.expm1(-0.75)) < Fraction(math.expm1(0.75)) < high
        with pytest.raises(UndecidedError):
            Ball(Decimal(0), Decimal(1), 25).log_of_one_plus()

    def test_known_constants(self) -> None:
        # The first 40 decimals of pi and e.
        for ball, digits in (
            (pi(38), 31415926535897932384626433832795028841971),
            (Ball.of(1, 38).exp(), 27182818284590452353602874713526624977572),
        ):
            low, high = ball.ends()
            assert low <= Fraction(digits + 1, 10**40)
            assert high >= Fraction(digits, 10**40)
            assert high - low < Fraction(1, 10**35)

    def test_an_interval_is_enclosed(self) -> None:
        low, high = enclosing(Fraction(1, 3), Fraction(2, 3), 10).ends()
        assert low <= Fraction(1, 3)
        assert high >= Fraction(2, 3)

    def test_the_float64_beside_the_ends_decide_nothing_that_the_ends_do_not(self) -> None:
        """Protects the rounding of activations next to ties, subnormal and huge numbers."""
        decided = 0
        for fmt in FORMATS.values():
            ulp = Fraction(2) ** (1 - fmt.precision)
            sizes = (fmt.quantum_exponent + 1, -3, 0, fmt.max_exponent - 1)
            ties = [
                (1 + ulp * (n + Fraction(1, 2))) * Fraction(2) ** e for n in (0, 5) for e in sizes
            ]
            shifts = [sign * Fraction(10) ** -n for sign in (-1, 1) for n in (3, 12, 16, 18, 22)]
            for number in (tie * (1 + shift) for tie in ties for shift in (0, *shifts)):
                for ball in (Ball.of(sign * number, 20) for sign in (1, -1)):
                    near = _rounded_near_ends(*ball.near_ends(), fmt)
                    if near is not None:
                        decided += 1
                        assert {near} == {round_fraction(end, fmt) for end in ball.ends()}
        assert decided > 100


class TestActivations:
    """Documented formulas at arguments whose values are known."""

    @pytest.mark.parametrize(
        ("name", "argument", "value"),
        [
            ("linear", -2.5, -2.5),
            ("relu", -2.5, 0.0),
            ("relu6", 7.5, 6.0),
            ("leaky_relu", -5.0, -1.0),
            ("hard_tanh", -1.5, -1.0),
            ("hard_sigmoid", 1.0, 2 / 3),
            ("hard_sigmoid", -3.0, 0.0),
            ("hard_silu", 1.0, 2 / 3),
            ("hard_silu", -1.5, -0.375),
            ("hard_shrink", 0.5, 0.0),
            ("hard_shrink", -0.75, -0.75),
            ("soft_shrink", -0.75, -0.25),
            ("soft_shrink", 0.25, 0.0),
            ("softsign", -3.0, -0.75),
            ("sparse_plus", 0.0, 0.25),
            ("sparse_plus", 1.0, 1.0),
            ("sparse_sigmoid", 0.5, 0.75),
            ("squareplus", 1.5, 2.0),
            ("squareplus", -1.5, 0.5),
            ("squareplus", 1.0, (1 + math.sqrt(5)) / 2),
            ("exponential", 1.0, math.e),
            ("exponential", 0.0, 1.0),
            ("sigmoid", 0.0, 0.5),
            ("sigmoid", 1.0, 0.7310585786300049),
            ("silu", -1.0, -0.2689414213699951),
            ("tanh", 1.0, 0.7615941559557649),
            ("tanh_shrink", -1.0, -0.23840584404423511188),
            ("softplus", 0.0, math.log(2)),
            ("log_sigmoid", 0.0, -math.log(2)),
            ("mish", 1.0, 0.8650983882673103),
            ("elu", -1.0, -0.6321205588285577),
            ("celu", 2.0, 2.0),
            ("selu", 1.0, 1.0507009873554805),
            ("gelu", 1.0, 0.84134474606854294859),
            ("gelu", -1.0, -0.15865525393145705141),
            ("gelu", -20.0, -5.5072482372124673902e-88),
        ],
    )
    def test_known_values(self, name: str, argument: float, value: float) -> None:
        assert rounded_one(name, Fraction(argument), FLOAT64) == value

    @pytest.mark.parametrize(
        ("name", "formula"),
        [
            ("sigmoid", lambda x: 1 / (1 + math.exp(-x))),
            ("silu", lambda x: x / (1 + math.exp(-x))),
            ("tanh", math.tanh),
            ("softplus", lambda x: math.log1p(math.exp(x))),
            ("log_sigmoid", lambda x: -math.log1p(math.exp(-x))),
            ("mish", lambda x: x * math.tanh(math.log1p(math.exp(x)))),
            ("elu", lambda x: x if x > 0 else math.expm1(x)),
            ("gelu", lambda x: x * math.erfc(-x / math.sqrt(2)) / 2),
            ("exponential", math.exp),
            ("squareplus", lambda x: (x + math.hypot(x, 2)) / 2),
            ("softsign", lambda x: x / (1 + abs(x))),
        ],
    )
    def test_float32_values_are_those_of_double_precision(self, name: str, formula: Any) -> None:
        for step in range(-400, 400, 9):
            x = step / 64
            rounded = float(np.float32(formula(x)))
            assert rounded_one(name, Fraction(x), FLOAT32) == rounded

    @pytest.mark.parametrize(
        ("name", "row", "values"),
        [
            ("softmax", [3, 3], [0.5, 0.5]),
            ("softmax", [0, 1], [0.2689414213699951, 0.7310585786300049]),
            ("softmax", [0, -2000], [1.0, 0.0]),
            ("log_softmax", [7, 7], [-math.log(2), -math.log(2)]),
            ("log_softmax", [0, 2000], [-2000.0, 0.0]),
            ("sparsemax", [1, 0], [1.0, 0.0]),
            ("sparsemax", [0.5, 0.25, -4], [0.625, 0.375, 0.0]),
            ("glu", [2, 3, 0, 2000], [1.0, 3.0]),
        ],
    )
    def test_known_rows(self, name: str, row: list[float], values: list[float]) -> None:
        exact = [Fraction(x) for x in row]
        assert rounded_row(name, exact, FLOAT64) == values

    @pytest.mark.parametrize(
        ("name", "rounded"),
        [("relu", 2048.0), ("softplus", 2050.0), ("silu", 2048.0), ("gelu", 2048.0)],
    )
    def test_a_hair_beside_a_tie_decides_it(self, name: str, rounded: float) -> None:
        """2049 lies midway between two float16 numbers; softplus is just above, silu below."""
        value = rounded_one(name, Fraction(2049), FORMATS["float16"])
        assert value == rounded

    def test_far_from_zero_agrees_with_nearer(self) -> None:
        """Where the hint stands for the transcendental part, the rounding is the same."""
        tie = Fraction(1598) + Fraction(1, 1 << 43)  # midway between two float64 numbers
        for name in ("softplus", "silu", "mish", "tanh_shrink", "log_sigmoid"):
            near = rounded_one(name, tie, FLOAT64)
            far = rounded_one(name, tie + 2, FLOAT64)
            assert far - near == (0.0 if name == "log_sigmoid" else 2.0)

    def test_limits(self) -> None:
        assert at_special("gelu", -math.inf, FLOAT32) == 0
        assert at_special("softsign", math.inf, FLOAT32) == 1
        assert at_special("selu", -math.inf, FLOAT64) == -1.7580993408473766
        assert math.isnan(at_special("hard_shrink", math.nan, FLOAT32))
        row: list[Fraction | float] = [Fraction(1), -math.inf, Fraction(1)]
        assert rounded_row("softmax", row, FLOAT32) == [0.5, 0.0, 0.5]
        row = [Fraction(1), math.inf, -math.inf]
        assert rounded_row("log_softmax", row, FLOAT32) == [
            -math.inf,
            0,
            -math.inf,
        ]
        gates: list[Fraction | float] = [Fraction(2), math.inf, -math.inf, Fraction(0)]
        assert rounded_row("glu", gates, FLOAT32) == [0.0, math.inf]


class TestConvolution:
    """Sums computed by hand."""

    def test_valid_cross_correlation_does_not_flip(self) -> None:
        assert line([1, 2, 3, 4], kernel=[1, 10]) == [21, 32, 43]

    def test_same_pads_the_odd_one_after(self) -> None:
        assert line([1, 2, 3], kernel=[1, 10], padding="same") == [21, 32, 3]

    def test_same_with_strides(self) -> None:
        # 5 inputs, stride 2: windows at 0, 2, 4 less one padded input before the first.
        assert line([1, 2, 3, 4, 5], kernel=[1, 10, 100], strides=2, padding="same") == [
            210,
            432,
            54,
        ]

    def test_a_stride_beyond_the_kernel_pads_nothing(self) -> None:
        assert line([1, 2, 3, 4], kernel=[1, 10], strides=4, padding="same") == [21]

    def test_dilation(self) -> None:
        assert line([1, 2, 3, 4, 5], kernel=[1, 10], dilation_rate=3) == [41, 52]
        assert line([1, 2, 3], kernel=[1, 10], dilation_rate=2, padding="same") == [20, 31, 2]

    def test_a_bias_is_added_before_the_activation(self) -> None:
        assert line([1, -4], kernel=[1], bias=2, activation="relu") == [3, 0]

    def test_two_axes_and_channels(self) -> None:
        x = np.arange(1, 13, dtype=np.float32).reshape(1, 2, 3, 2)
        w = np.array([[[[1, 0], [0, 1]], [[10, 0], [0, -1]]]], np.float32)
        case = Case.of("Conv2D", (1, 2, 3, 2), filters=2, kernel_size=(1, 2), use_bias=False)
        expected = [[[31, -2], [53, -2]], [[97, -2], [119, -2]]]
        assert definition.output(case, given(x, w)).tolist() == [expected]
        turned = case.replace(inputs=(1, 2, 2, 3), data_format="channels_first")
        output = definition.output(turned, given(np.moveaxis(x, -1, 1), w))
        assert np.moveaxis(output, 1, -1).tolist() == [expected]

    def test_it_rounds_once(self) -> None:
        # 1 + 2**-24 is a tie in float32, 2**-80 above it decides; in float64 none is lost.
        tiny = 2.0**-40
        assert line([1, 2**-12, tiny], kernel=[1, 2**-12, tiny]) == [1 + 2**-23]
        assert line([1, 2**-12, -tiny], kernel=[1, 2**-12, tiny]) == [1.0]

    def test_cancellation_leaves_the_smallest_part(self) -> None:
        values, kernel = [3e38, 1e-30, 3e38], [1.0, 1.0, -1.0]
        assert line(values, kernel=kernel) == [float(np.float32(1e-30))]

    def test_overflow_of_the_sum_alone_is_infinite(self) -> None:
        assert line([3e38, 3e38, -3e38], kernel=[1, 1, 1]) == [float(np.float32(3e38))]
        assert line([3e38, 3e38], kernel=[1, 1]) == [math.inf]

    def test_subnormal_results(self) -> None:
        assert line([2**-75], kernel=[2**-75]) == [0.0]  # half the quantum, a tie
        assert line([3 * 2**-75], kernel=[2**-75]) == [2.0**-148]

    def test_bfloat16_rounds_from_the_exact_sum(self) -> None:
        pytest.importorskip("ml_dtypes")
        # 1 + 2**-8 is a tie of bfloat16; 2**-40 above it is lost on a way through float32.
        kernel = [1, 2**-8, 2**-40]
        assert line([1, 1, 1], kernel=kernel, dtype="bfloat16") == [1.0078125]

    def test_nan_and_infinities_follow_the_sum(self) -> None:
        inf, nan = math.inf, math.nan
        assert line([1, inf, 2], kernel=[1]) == [1, inf, 2]
        assert line([inf, inf], kernel=[1, 1]) == [inf]
        results = line([nan, 1, 1, inf, -inf, 2], kernel=[1, 1])
        assert math.isnan(results[0])
        assert results[1:3] == [2, inf]
        assert math.isnan(results[3])
        assert results[4] == -inf
        assert math.isnan(line([inf], kernel=[0])[0])

    def test_padding_is_zeros_that_are_multiplied(self) -> None:
        results = line([1, 2], kernel=[1, math.inf], padding="same")
        assert results[0] == math.inf
        assert math.isnan(results[1])


def _first_of(row: list[float], taps: list[int]) -> int:
    inside = [tap for tap in taps if tap != PADDED]
    undefined = [tap for tap in inside if math.isnan(row[tap])]
    return undefined[0] if undefined else max(inside, key=row.__getitem__)


@pytest.mark.parametrize("observe", ["output", "gradients"])
def test_weights_of_any_magnitude_meet_an_empty_batch(observe: str) -> None:
    """The integers of the kernel leave 64 bits although no sum does."""
    case = Case.of(
        "Conv1D",
        (0, 4, 3),
        observe=observe,
        dtype="float64",
        operands="wide",
        filters=2,
        kernel_size=3,
    )
    found = expect_by_definition(case, operands(case)).value
    assert found.shape == (0, 2, 2) if observe == "output" else not found["kernel"].any()


class TestPoolingAndFlatten:
    """The layers that compute nothing."""

    @staticmethod
    def pooled(values: list[float], **arguments: Any) -> list[float]:
        case = Case.of("MaxPooling1D", (1, len(values), 1), **arguments)
        x = np.array(values, np.float32).reshape(1, -1, 1)
        return definition.output(case, given(x)).ravel().tolist()  # type: ignore[no-any-return]

    def test_strides_default_to_the_pool(self) -> None:
        assert self.pooled([1, 3, 2, 5, 4], pool_size=2) == [3, 5]

    def test_padding_never_wins(self) -> None:
        assert self.pooled([-1, -3, -2], pool_size=2, strides=1, padding="same") == [-1, -2, -2]
        assert self.pooled([-math.inf] * 2, pool_size=2, strides=1, padding="same") == [
            -math.inf,
            -math.inf,
        ]

    @pytest.mark.parametrize("padding", ["valid", "same"])
    def test_the_first_largest_input_wins_or_the_first_nan(self, padding: str) -> None:
        """All rows of three of these numbers, against a loop over the taps of each window."""
        numbers = (math.nan, -math.inf, -0.0, 0.0, 1.0, math.inf)
        x = np.array(list(product(numbers, repeat=3))).reshape(-1, 3, 1)
        for length, stride in product((1, 2, 3), (1, 2)):
            window = Window(length, stride, padding=padding)
            places = places_of_largest(x, [window])
            for row, found in zip(x[..., 0].tolist(), places[..., 0].tolist(), strict=True):
                assert found == [_first_of(row, taps) for taps in window.reads(3).tolist()]

    @pytest.mark.parametrize("place", range(3))
    def test_nan_beats_everything_wherever_it_stands(self, place: int) -> None:
        values = [1.0, math.inf, -1.0]
        values[place] = math.nan
        assert math.isnan(self.pooled(values, pool_size=3)[0])

    def test_integers_keep_their_dtype_and_every_bit(self) -> None:
        x = np.array([2**62 + 1, 2**62, -5, -7], np.int64).reshape(1, 4, 1)
        output = definition.output(Case.of("MaxPooling1D", (1, 4, 1), dtype="int64"), given(x))
        assert output.dtype == np.int64
        assert output.ravel().tolist() == [2**62 + 1, -5]

    def test_two_axes(self) -> None:
        x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
        case = Case.of("MaxPooling2D", (1, 3, 4, 1), pool_size=(2, 3), padding="same")
        assert definition.output(case, given(x)).ravel().tolist() == [5, 7, 9, 11]

    def test_flatten_lists_channels_fastest_in_either_format(self) -> None:
        x = np.arange(12, dtype=np.float32).reshape(1, 2, 3, 2)
        last = definition.output(Case.of("Flatten", (1, 2, 3, 2)), given(x))
        assert last.tolist() == [list(range(12))]
        first = Case.of("Flatten", (1, 2, 2, 3), data_format="channels_first")
        assert definition.output(first, given(np.moveaxis(x, -1, 1))).tolist() == [list(range(12))]


@pytest.mark.parametrize(
    ("descriptor", "shape"),
    [
        ("Conv2D/inputs:Nonex7x8x3/filters:4/kernel_size:3x2/padding:same", (None, 7, 8, 4)),
        ("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3/strides:2x3", (2, 3, 2, 4)),
        ("Conv1D/inputs:2xNonex3/filters:4/kernel_size:3", (2, None, 4)),
        ("Conv1D/inputs:2x9x3/filters:4/kernel_size:3/dilation_rate:4", (2, 1, 4)),
        ("MaxPooling2D/inputs:2x3x7x8/data_format:channels_first", (2, 3, 3, 4)),
        ("Conv2D/inputs:0x7x8x3/filters:4/kernel_size:1/activation:glu", (0, 7, 8, 2)),
        ("Flatten/inputs:Nonex3x4", (None, 12)),
        ("Flatten/inputs:2xNonex4", (2, None)),
        ("Input/shape:32x2", (None, 32, 2)),
        ("Input/batch_shape:10x32", (10, 32)),
    ],
)
def test_output_shapes(descriptor: str, shape: tuple[int | None, ...]) -> None:
    assert definition.output_shape(parse(descriptor)) == shape


@pytest.mark.parametrize(
    ("descriptor", "argument"),
    [
        ("Conv2D/kernel_size:3", "filters"),
        ("Conv2D/filters:0/kernel_size:3", "filters"),
        ("Conv2D/filters:2.0/kernel_size:3", "filters"),
        ("Conv2D/filters:4/kernel_size:(3,)", "kernel_size"),
        ("Conv1D/filters:4/kernel_size:3x3", "kernel_size"),
        ("Conv2D/filters:4/kernel_size:3/strides:0", "strides"),
        ("Conv2D/filters:4/kernel_size:3/strides:2/dilation_rate:2", "strides"),
        ("Conv2D/filters:4/kernel_size:3/strides:1x2/dilation_rate:2x1", "strides"),
        ("Conv2D/filters:4/kernel_size:3/padding:full", "padding"),
        ("Conv2D/filters:4/kernel_size:3/data_format:NHWC", "data_format"),
        ("Conv2D/filters:4/kernel_size:3/activation:foo", "activation"),
        ("Conv2D/filters:4/kernel_size:3/kernel_initializer:xavier", "kernel_initializer"),
        ("Conv2D/filters:4/kernel_size:3/nb_filter:4", "nb_filter"),
        ("Conv2D/inputs:2x7x8/filters:4/kernel_size:3", "inputs"),
        ("Conv2D/inputs:2x2x8x3/filters:4/kernel_size:3", "inputs"),
        ("Conv2D/inputs:2x7x8x0/filters:4/kernel_size:3", "inputs"),
        ("Conv2D/inputs:2x7x8x3/filters:3/kernel_size:3/activation:glu", "activation"),
        ("MaxPooling1D/pool_size:0", "pool_size"),
        ("MaxPooling1D/inputs:2x3x3/pool_size:4", "inputs"),
        ("MaxPooling2D/border_mode:same", "border_mode"),
        ("Flatten/data_format:tf", "data_format"),
        ("Input", "shape"),
        ("Input/shape:(3,)/batch_shape:2x3", "batch_shape"),
        ("Input/shape:(-1,)", "shape"),
        ("Input/shape:(3,)/name:'a%2Fb'", "name"),
        ("Input/dtype:foo/shape:(3,)", "dtype"),
    ],
)
def test_what_is_forbidden_is_named(descriptor: str, argument: str) -> None:
    reason = definition.forbidden(parse(descriptor))
    assert reason is not None
    assert reason.startswith(argument)


@pytest.mark.parametrize(
    "descriptor",
    [
        "Conv2D/inputs:0x7x8x3/filters:4/kernel_size:[3,2]/strides:(2,1)/padding:SAME",
        "Conv2D/inputs:2x2x2x3/filters:4/kernel_size:5/padding:same",
        "MaxPooling2D/inputs:2x2x2x3/pool_size:5/strides:None/padding:same",
        "Conv1D/inputs:2x5x3/filters:4/kernel_size:(3,)/activation:None/kernel_regularizer:l2",
        "Input/shape:Nonex32/sparse:True",
    ],
)
def test_what_is_allowed_is_not_forbidden(descriptor: str) -> None:
    assert definition.forbidden(parse(descriptor)) is None


OBSERVED = [case for case in grid("standard") if case.observe in ("output", "shape", "rejection")]
SAMPLE = [
    *{(case.layer, case.dtype, case.operands, case.observe): case for case in OBSERVED}.values(),
    *OBSERVED[::12],
]


def test_the_oracle_agrees_bit_for_bit() -> None:
    """On a sample of the grid; ``conformance run --implementation reference`` takes all of it."""
    for case in filter(has_its_dtype, SAMPLE):
        arrays = operands(case)
        defined, oracle = expect_by_definition(case, arrays), expect(case, arrays)
        assert defined.kind == oracle.kind, case
        if defined.kind != Kind.REJECTION:
            verdict = judge(case, arrays, defined, Value(oracle.value))
            assert verdict.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED), (case, verdict)

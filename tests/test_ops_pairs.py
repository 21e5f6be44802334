"""Double-double arithmetic and its functions: every stated bound, against exact fractions.

The references are `real_functions`, integers that share nothing with the oracle, and the decimal
intervals of the oracle's exact path, which the expansions must never contradict.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import real_functions
from activation_definitions import DEFINITIONS, SMOOTH

import reference_impl
from reference_impl import activations
from reference_impl.ops import double_double, evaluation, pair_functions, pair_tables
from reference_impl.ops.activations import (
    by_name,
    piece_expansions,
    row_expansions,
)
from reference_impl.ops.activations.derivatives import pull_back
from reference_impl.ops.convolution import convolution_sums
from reference_impl.ops.double_double import Pair
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FLOAT64, FORMATS
from reference_impl.ops.geometry import window_axes
from reference_impl.ops.rounding import round_pairs
from reference_impl.ops.sums import Sums

Array = np.ndarray[Any, Any]
UNIT = Fraction(1, 2**53)
SQUARE = UNIT * UNIT


def of(high: list[float], low: list[float]) -> Pair:
    return Pair(np.array(high), np.array(low))


def exact(pair: Pair) -> list[Fraction]:
    """The numbers that pairs stand for."""
    parts = (np.ravel(part).tolist() for part in pair)
    return [Fraction(high) + Fraction(low) for high, low in zip(*parts, strict=True)]


def random_pairs(seed: int, count: int, spread: int = 20) -> Pair:
    """Normalized pairs, many with the largest low part, or significands of zeros and ones."""
    random = np.random.default_rng(seed)
    high = random.choice([-1.0, 1.0], count) * random.uniform(1, 2, count)
    patterns = [1.0, 2.0 - 2.0**-52, 1.0 + 2.0**-52, 1.5, 1.0 + 2.0**-26, 2.0 - 2.0**-26]
    high = np.where(random.random(count) < 0.3, random.choice(patterns, count), high)
    high *= 2.0 ** random.integers(-spread, spread + 1, count)
    low = np.spacing(np.abs(high)) * random.choice([-0.5, 0.5], count)
    low *= np.where(random.random(count) < 0.5, 1.0 - 2.0**-53, random.uniform(-1, 1, count))
    low[random.random(count) < 0.1] = 0.0
    return double_double.fast_two_sum(high, low)


def assert_within(result: Pair, expected: list[Fraction], units: int) -> None:
    """Each result is normalized, and within so many ``u**2`` of the expected one."""
    assert np.array_equal(result.high, result.high + result.low)
    for got, value in zip(exact(result), expected, strict=True):
        assert abs(got - value) <= units * SQUARE * abs(value), (float(value), float(got - value))


N = 3000
BINARY: dict[str, tuple[Callable[[Pair, Pair], Pair], Any, int]] = {
    "add": (double_double.add, lambda a, b: a + b, 4),
    "multiply": (double_double.multiply, lambda a, b: a * b, 8),
    "divide": (double_double.divide, lambda a, b: a / b, 16),
}


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("spread", [0, 3, 60])
def test_operations_of_pairs_err_by_no_more_than_stated(name: str, spread: int) -> None:
    operation, definition, units = BINARY[name]
    a, b = random_pairs(1, N, spread), random_pairs(2, N, spread)
    pairs = zip(exact(a), exact(b), strict=True)
    assert_within(operation(a, b), [definition(x, y) for x, y in pairs], units)


def test_sums_that_cancel_err_by_no_more_than_stated() -> None:
    """Opposite high parts that agree in all but some last bits."""
    a = random_pairs(3, N)
    random = np.random.default_rng(4)
    near = -a.high * (1.0 + random.integers(-3, 4, N) * 2.0 ** random.integers(-53, -2, N))
    b = double_double.fast_two_sum(near, random_pairs(5, N).low * 2.0**-8)
    sums = [x + y for x, y in zip(exact(a), exact(b), strict=True)]
    assert_within(double_double.add(a, b), sums, 4)
    with_float = [x + Fraction(y) for x, y in zip(exact(a), near.tolist(), strict=True)]
    assert_within(double_double.add_float(a, near), with_float, 3)


def test_sums_with_a_smaller_number_err_by_no_more_than_stated() -> None:
    a, b = random_pairs(6, N, 0), random_pairs(7, N, 0)
    scale = 2.0 ** np.random.default_rng(8).integers(-60, -1, N)
    b = double_double.scaled(b, np.where(np.abs(b.high) > np.abs(a.high) * 1.02, scale / 2, scale))
    sums = [x + y for x, y in zip(exact(a), exact(b), strict=True)]
    assert_within(double_double.add_smaller(a, b), sums, 12)


def test_products_with_floats_err_by_no_more_than_stated() -> None:
    a, b = random_pairs(9, N), random_pairs(10, N).high
    products = [x * Fraction(y) for x, y in zip(exact(a), b.tolist(), strict=True)]
    assert_within(double_double.multiply_float(a, b), products, 4)
    exactly = double_double.two_product(a.high, b)
    assert exact(exactly) == [
        Fraction(x) * Fraction(y) for x, y in zip(a.high.tolist(), b.tolist(), strict=True)
    ]


def test_square_roots_err_by_no_more_than_stated() -> None:
    a = double_double.magnitude(random_pairs(11, N))
    for root, value in zip(exact(piece_expansions.square_root(a)), exact(a), strict=True):
        # |r - sqrt(a)| <= e sqrt(a) is (1 - e)**2 a <= r**2 <= (1 + e)**2 a.
        assert (1 - 12 * SQUARE) ** 2 * value <= root**2 <= (1 + 12 * SQUARE) ** 2 * value


def test_totals_err_by_no_more_than_stated() -> None:
    """For every length up to 20, and signs of any kind relative to the sum of magnitudes."""
    for length in range(1, 21):
        terms = random_pairs(length, 40 * length, 3)
        rows = Pair(*(part.reshape(40, length) for part in terms))
        values = np.array(exact(terms), object).reshape(40, length)
        rounds = math.ceil(math.log2(length)) if length > 1 else 0
        for got, row in zip(exact(double_double.total(rows)), values, strict=True):
            assert abs(got - sum(row)) <= 4 * rounds * SQUARE * sum(map(abs, row)) * (1 + UNIT)


def test_expansions_say_nothing_near_underflow_and_overflow() -> None:
    values = [0.0, 2.0**-901, 2.0**-900, 1.0, 2.0**1000, 2.0**1001, math.inf, math.nan]
    radius = double_double.expansion(double_double.pair(np.array(values)), 2.0**-80).radius
    assert np.isfinite(radius).tolist() == [False, False, True, True, True, False, False, False]


# Tables


def power(base: Fraction, exponent: Fraction) -> Fraction:
    return real_functions.exp(exponent * real_functions.log(base))


def test_the_table_of_exponentials() -> None:
    """Each pair within ``1.01 u**2``, and the three parts of ``ln(2) / 64`` as short as stated."""
    table = pair_tables.exponentials()
    for j, entry in enumerate(exact(table.excess)):
        part = Fraction(j - 64 if j >= 32 else j, 64)
        value = power(Fraction(2), part) - 1
        assert abs(entry - value) <= abs(value) * SQUARE * Fraction(101, 100)
    step = real_functions.log(Fraction(2)) / 64
    first, second, third = map(Fraction, table.steps)
    assert abs(first + second + third - step) < Fraction(1, 2**126)
    for part in (first, second):
        assert part.numerator.bit_length() <= 34
    for n, coefficient in enumerate((*table.leading, *table.tail), 1):
        parts = (
            coefficient if isinstance(coefficient, Pair) else double_double.constant(coefficient, 0)
        )
        allowed = SQUARE * 2 if n < 5 else UNIT
        assert abs(exact(parts)[0] - Fraction(1, math.factorial(n))) <= allowed / math.factorial(n)


def moments(x: Fraction) -> list[Fraction]:
    """``m_n(x) / (sqrt(2 pi) n!)`` for n up to 24, by the recurrence from the tail."""
    growth = real_functions.exp(x * x / 2)
    first = (1 - real_functions.normal_distribution(x)) * growth
    values = [first, 1 / real_functions.sqrt(2 * real_functions.pi()) - x * first]
    for n in range(1, pair_tables.MILLS_TERMS):
        values.append(n * values[n - 1] - x * values[n])
    return [value / math.factorial(n) for n, value in enumerate(values)]


@pytest.fixture
def many_bits(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`real_functions` with errors below ``2**-3000``, against what cancels in `moments`."""
    monkeypatch.setattr(real_functions, "BITS", 3100)
    real_functions.pi.cache_clear()
    yield
    real_functions.pi.cache_clear()


@pytest.mark.usefixtures("many_bits")
def test_the_table_of_mills_ratio() -> None:
    """Every coefficient of every segment, and what the proof of `normal` says of them."""
    table = pair_tables.mills()
    for segment in range(pair_tables.SEGMENTS):
        centre = pair_tables.segment_centre(segment)
        half_width = Fraction(2 ** (segment // 8), 16)
        assert Fraction(table.centres[segment]) == centre
        assert half_width <= (1 + centre) / 17
        values = moments(centre)
        for n, value in enumerate(values[:-1]):
            sign = (-1) ** n
            if n < pair_tables.MILLS_LEADING:
                row = table.leading[n]
                entry = Fraction(row.high[segment]) + Fraction(row.low[segment])
                assert abs(sign * entry - value) <= value * SQUARE * Fraction(101, 100)
            else:
                entry = Fraction(table.tail[n - pair_tables.MILLS_LEADING][segment])
                assert abs(sign * entry - value) <= value * UNIT
        # Terms relative to the smallest value in the segment, at its far end.
        least = moments(centre + half_width)[0]
        assert all(15 * b * half_width < a for a, b in itertools.pairwise(values[:-1]))
        first = pair_tables.MILLS_LEADING
        assert values[first] * half_width**first < least / 2**40
        omitted = moments(centre - half_width)[pair_tables.MILLS_TERMS]
        assert omitted * half_width**pair_tables.MILLS_TERMS < least / 2**94


def test_the_series_of_the_tangent() -> None:
    """Its differential equation holds up to the last term, and the terms fall as stated."""
    table = pair_tables.tangent_defect()
    coefficients = [exact(c)[0] for c in table.leading] + [Fraction(c) for c in table.tail]
    assert len(coefficients) == pair_tables.TANGENT_TERMS
    bernoulli = [Fraction(1)]
    for n in range(1, 2 * len(coefficients) + 3):
        known = sum(math.comb(n + 1, k) * b for k, b in enumerate(bernoulli))
        bernoulli.append(-Fraction(known) / (n + 1))
    for n, coefficient in enumerate(coefficients, 1):
        # tanh(x) = sum of 4**k (4**k - 1) B_2k x**(2 k - 1) / (2 k)!
        k = n + 1
        value = -(4**k * (4**k - 1)) * bernoulli[2 * k] / math.factorial(2 * k)
        allowed = SQUARE * 2 if n <= pair_tables.TANGENT_LEADING else UNIT
        assert abs(coefficient - value) <= abs(value) * allowed
    ratios = [abs(a / b) for a, b in itertools.pairwise(coefficients)]
    assert min(ratios) > Fraction(24, 10)
    assert all(a * b < 0 for a, b in itertools.pairwise(coefficients))


def test_the_other_constants() -> None:
    root = real_functions.sqrt(2 * real_functions.pi())
    straight, cubic = map(exact, pair_tables.tangent_gelu())
    pairs = [
        (exact(pair_tables.inverse_root_of_two_pi())[0], 1 / root),
        (straight[0], 4 / root),
        (cubic[0], 4 / root * Fraction(44715, 1_000_000)),
    ]
    assert all(abs(a - b) <= b * SQUARE * Fraction(101, 100) for a, b in pairs)


# Functions


def arguments(seed: int, largest: float) -> Pair:
    """Pairs of every size up to a limit, near multiples of ``ln(2) / 128`` among them."""
    random = np.random.default_rng(seed)
    high = random.choice([-1.0, 1.0], 90) * 2.0 ** random.uniform(-60, math.log2(largest), 90)
    steps = np.rint(random.uniform(-largest, largest, 45) * 128 / math.log(2)) * math.log(2) / 128
    high = np.concatenate((high, steps, random.uniform(-largest, largest, 45)))
    low = np.spacing(np.abs(high)) * random.uniform(-0.5, 0.5, high.size)
    low[::3] = 0.0
    return double_double.fast_two_sum(high, low)


def assert_close(result: Pair, expected: list[Fraction], error: float) -> None:
    for got, value in zip(exact(result), expected, strict=True):
        assert abs(got - value) <= abs(value) * Fraction(error)


def test_exponentials_err_by_no_more_than_stated() -> None:
    x = arguments(1, 680.0)
    values = [real_functions.exp(value) for value in exact(x)]
    assert_close(pair_functions.exponential(x), values, pair_functions.EXP_ERROR)
    less = [value - 1 for value in values]
    assert_close(pair_functions.expm1(x), less, pair_functions.EXPM1_ERROR)


def test_logarithms_err_by_no_more_than_stated() -> None:
    y = double_double.magnitude(arguments(2, 1e6))
    values = [real_functions.log(1 + value) for value in exact(y)]
    assert_close(pair_functions.log1p(y), values, pair_functions.LOG1P_ERROR)


def test_normal_tails_err_by_no_more_than_stated() -> None:
    """At the ends of the segments, too; up to 26, so that `real_functions` has bits enough."""
    x = arguments(3, 26.0)
    ends = np.array([2.0 ** (n // 8) * (8 + n % 8) / 8 - 1 for n in range(39)])
    beside = np.concatenate([np.nextafter(ends, side) for side in (0.0, 99.0)])
    x = Pair(*(np.concatenate(parts) for parts in ((x.high, beside), (x.low, 0 * beside))))
    distribution = pair_functions.normal(x)
    tails = [1 - real_functions.normal_distribution(abs(value)) for value in exact(x)]
    assert_close(distribution.tail, tails, pair_functions.TAIL_ERROR)
    root = real_functions.sqrt(2 * real_functions.pi())
    densities = [real_functions.exp(-value * value / 2) / root for value in exact(x)]
    assert_close(distribution.density, densities, 2.0**-91)


@pytest.mark.parametrize("wrong", [0.0, 1.0, 1e-9, 1e300, math.inf, math.nan, -3.0])
def test_no_guess_of_the_c_library_makes_a_logarithm_wrong(
    wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guess that is off makes the expansion say nothing, or is mended by the proof's own step."""
    x = np.concatenate((arguments(4, 30.0).high, [0.7, -0.7, 1.5]))
    expected = activations.softplus(x)
    monkeypatch.setattr(np, "log1p", lambda y: np.full_like(y, wrong))
    expanded = activations.certified(activations.softplus).expand(double_double.pair(x))
    rounded, undecided = round_pairs(*expanded, FLOAT64)
    assert np.array_equal(rounded[~undecided], expected[~undecided])
    assert undecided.mean() > 0.9


def test_logarithms_from_a_poor_guess_err_by_no_more_than_stated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second order of the correction counts: it is up to ``2**-79`` here."""
    log1p = np.log1p
    monkeypatch.setattr(np, "log1p", lambda y: log1p(y) * (1.0 + 2.0**-41))
    test_logarithms_err_by_no_more_than_stated()


def test_a_guess_that_is_off_by_thousands_of_units_is_as_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(5).standard_normal(400) * 4
    expected, log1p = activations.softplus(x), np.log1p
    monkeypatch.setattr(np, "log1p", lambda y: log1p(y) * (1.0 + 2.0**-41))
    expanded = activations.certified(activations.softplus).expand(double_double.pair(x))
    rounded, undecided = round_pairs(*expanded, FLOAT64)
    assert not undecided.any()
    assert np.array_equal(rounded, expected)


MODULES = (
    *("double_double", "pair_functions", "activations/expansions"),
    *("activations/row_expansions", "activations/piece_expansions"),
)
ROUNDED_OR_EXACT = {
    *("abs", "arange", "array", "asarray", "clip", "concatenate", "errstate", "float64"),
    *("full_like", "inf", "int64", "isfinite", "maximum", "minimum", "nan", "newaxis"),
    *("ones_like", "rint", "sqrt", "subtract", "take_along_axis", "where", "zeros_like", "bool_"),
}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_but_operations_that_ieee_754_defines_is_used(module: str) -> None:
    """Of NumPy's functions no elementary one but the logarithm that is only a guess."""
    path = Path(reference_impl.__file__).parent / "ops" / f"{module}.py"
    names = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "np"
    }
    guesses = {"log1p"} if module == "pair_functions" else set()
    assert names <= ROUNDED_OR_EXACT | guesses, names - ROUNDED_OR_EXACT


# Activations


def as_pairs(values: list[Fraction]) -> Pair:
    high, low = zip(*map(pair_tables.split, values), strict=True)
    return Pair(np.array(high), np.array(low))


def precise_arguments(name: str) -> list[Fraction]:
    """Rational numbers with more digits than float64 has, and float64 numbers."""
    random = np.random.default_rng(sum(map(ord, name)))
    reach = 26.0 if "gelu" in name else 300.0
    floats = np.concatenate(
        (
            random.standard_normal(25) * 3,
            random.uniform(-reach, reach, 15),
            random.choice([-1.0, 1.0], 15) * 2.0 ** random.uniform(-70, 4, 15),
        )
    )
    sevenths = [Fraction(int(n), 7 * 2**12) for n in random.integers(-(2**18), 2**18, 25)]
    return [Fraction(x) for x in floats.tolist()] + sevenths


@pytest.mark.parametrize("name", DEFINITIONS)
def test_expansions_contain_the_real_values_and_are_narrow(name: str) -> None:
    function, definition = DEFINITIONS[name]
    certified = activations.certified(function)
    x = precise_arguments(name)
    expansion = certified.expand(as_pairs(x))
    if expansion is None:
        assert certified.commutes_with_rounding
        return
    told = 0
    for argument, high, low, radius in zip(x, *(p.tolist() for p in expansion), strict=True):
        if math.isfinite(radius):
            told += 1
            distance = abs(Fraction(high) + Fraction(low) - definition(argument))
            assert distance <= Fraction(radius) + Fraction(1, 2**1200), (name, float(argument))
            assert radius <= abs(high) * 2.0**-70 or name in {"soft_shrink", "hard_sigmoid"}
    assert told > len(x) // 3


EXTREMES = [
    *(0.0, -0.0, 2.0**-1074, -(2.0**-1074), 2.0**-1022, 2.0**-901, -(2.0**-900), 2.0**-899),
    *(2.0**-537, -(2.0**-450), 2.0**-300, -(2.0**-100), 2.0**-54, -(2.0**-53)),
    *(689.9, -689.9, 690.0, -690.0, 690.1, -690.1, 345.0, -345.1, 623.8, -623.9, 624.0, 693.1),
    *(708.9, 709.0, 709.1, 709.78, 709.79, 710.0, -709.0, -744.4, -745.1, -745.2, -800.0, 800.0),
    *(37.1, -37.1, 37.125, -37.14, 37.15, -37.2, 38.0, -38.0, -38.4, -38.5, 39.0, -40.0),
    *(1e5, -1e5, 1e10, -1e10, 2.0**52 + 1, 2.0**53, 1e30, -1e30, 1e100, -1e155, 1e200, 2.0**997),
    *(-(2.0**1000), 1.7e308, -1.7e308, 6.0, -6.0, 3.0, -3.0, 2.5, 1.0, -1.0, 0.5, -0.5, 0.25),
]
PARAMETERS = {
    "elu": [1e300, 1e-300, -1e300, 2.0**-1074, 1.7e308],
    "celu": [1e300, 1e-300, -1e300, -1e-300, 2.0**-1074, 5e-3, -3e-3, 1e3],
    "squareplus": [1e300, 1e-300, 2.0**-1074, 2.0**-900, 1.7e308],
    "leaky_relu": [1e300, 1e-300, -1e300, 2.0**-1074],
}


def all_functions() -> dict[str, Any]:
    """Every activation, those with extreme parameters included."""
    functions = {name: function for name, (function, _) in DEFINITIONS.items()}
    for name, values in PARAMETERS.items():
        for value in values:
            function = getattr(activations, name)
            functions[f"{name} {value}"] = lambda x, f=function, v=value: f(x, v)
    return functions


FUNCTIONS = all_functions()


@pytest.fixture
def without_expansions(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Call something with bounds and the exact path alone."""

    def call(function: Callable[[], Any]) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(evaluation, "FEW", 1 << 60)
            patch.setattr("reference_impl.ops.activations.derivatives.FEW", 1 << 60)
            return function()

    return call


def assert_identical(a: Array, b: Array) -> None:
    """The same bits, but for which NaN."""
    a, b = (np.where(np.isnan(part), np.nan, part) for part in (a, b))
    different = np.flatnonzero((a != b) & ~np.isnan(a) | (np.signbit(a) != np.signbit(b)))
    assert not different.size, (different, a.ravel()[different], b.ravel()[different])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_extreme_arguments_have_the_values_of_the_exact_path(
    name: str, without_expansions: Any
) -> None:
    """Where parts underflow, overflow or are taken for 0, beside NaN and infinities."""
    x = np.array([*EXTREMES, math.nan, math.inf, -math.inf])
    function = FUNCTIONS[name]
    assert_identical(function(x), without_expansions(lambda: function(x)))


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_ordinary_arguments_have_the_values_of_the_exact_path(
    name: str, dtype: str, without_expansions: Any
) -> None:
    random = np.random.default_rng(len(name))
    x = np.concatenate((random.standard_normal(150) * 3, random.uniform(-40, 40, 80))).astype(dtype)
    function = DEFINITIONS[name][0]
    assert_identical(function(x), without_expansions(lambda: function(x)))


@pytest.mark.parametrize("name", SMOOTH)
def test_the_exact_path_is_hardly_needed(name: str) -> None:
    """The others meet midpoints, which are rounded by exact fractions."""
    x = np.random.default_rng(1).standard_normal(2000) * 3
    certified = evaluate(
        Sums.of_array(x), activations.certified(DEFINITIONS[name][0]), FORMATS["float64"]
    )
    assert certified.resolved == 0


ROWS = {"softmax": 7, "log_softmax": 7, "glu": 6, "sparsemax": 5}


def rows_of(name: str) -> Array:
    random = np.random.default_rng(len(name))
    x = random.standard_normal((40, ROWS[name])) * 3
    x[5:10] *= 100
    x[10:14] += 1e9
    x[14] = 2.0
    x[15, 1:3] = x[15, 0]
    x[16:18] *= 1e300
    x[18, 0], x[19, 1], x[20, 2] = math.nan, math.inf, -math.inf
    x[21] = 0.0
    x[22, :2] = [0.0, -800.0]
    x[23, 3:] = -2000.0
    x[24:28] *= 2.0**-40
    return x


@pytest.mark.parametrize("name", ROWS)
def test_rows_have_the_values_of_the_exact_path(name: str, without_expansions: Any) -> None:
    function, x = getattr(activations, name), rows_of(name)
    assert_identical(function(x), without_expansions(lambda: function(x)))


def real_softmax(row: list[Fraction]) -> list[Fraction]:
    powers = [real_functions.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def real_log_softmax(row: list[Fraction]) -> list[Fraction]:
    powers = sum(real_functions.exp(value - max(row)) for value in row)
    return [value - max(row) - real_functions.log(Fraction(powers)) for value in row]


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("offset", [0, 2**30, 2**70])
def test_expansions_of_rows_contain_the_real_values(name: str, offset: int) -> None:
    """Sevenths, whose pairs err by more than the bounds of the functions where they are large."""
    random = np.random.default_rng(offset % 97)
    numbers = random.integers(-70, 71, (20, 4)).tolist()
    rows = [[offset + Fraction(n, 7) for n in row] for row in numbers]
    x = as_pairs([value for row in rows for value in row])
    certified = activations.certified(getattr(activations, name))
    expansion = certified.expand(Pair(*(part.reshape(20, 4) for part in x)))
    real = {"softmax": real_softmax, "log_softmax": real_log_softmax}[name]
    for row, *parts in zip(rows, *expansion, strict=True):
        for value, high, low, radius in zip(real(row), *(p.tolist() for p in parts), strict=True):
            assert abs(Fraction(high) + Fraction(low) - value) <= Fraction(radius)
            assert offset > 2**30 or radius <= abs(high) * 2.0**-60 + 2.0**-65


def test_shares_taken_for_zero_count_beside_huge_upstream_gradients() -> None:
    """``exp(-690.5) 2**942`` is a last bit of the gradients of the other elements."""
    x = np.tile([0.0, 0.5, -690.5], (16, 1))
    upstream = np.tile([1.0, 2.0, 1.0], (16, 1))
    upstream[:, 2] = 2.0 ** np.arange(930, 946)
    expansion = row_expansions.pull_softmax(double_double.pair(x), upstream)
    shares = real_softmax([Fraction(value) for value in x[0].tolist()])
    for row, *parts in zip(upstream.tolist(), *expansion, strict=True):
        mean = sum(s * Fraction(u) for s, u in zip(shares, row, strict=True))
        for i in range(2):
            high, low, radius = (float(part[i]) for part in parts)
            value = shares[i] * (Fraction(row[i]) - mean)
            assert abs(Fraction(high) + Fraction(low) - value) <= Fraction(radius)


BENDS = {
    "hard_sigmoid": (-3, 3),
    "hard_silu": (-3, 3),
    "sparse_plus": (-1, 1),
    "sparse_sigmoid": (-1, 1),
    "hard_shrink": (-0.5, 0.5),
    "soft_shrink threshold=0.3": (-0.3, 0.3),
    "relu all parameters": (1.1, 5.7),
    "relu threshold=-0.6": (-0.6,),
    "threshold": (0.4,),
}


@pytest.mark.parametrize("name", BENDS)
def test_expansions_beside_bends_and_steps_contain_the_real_values(name: str) -> None:
    """Numbers whose pair has the bend itself as its high part, and some that are farther."""
    function, definition = DEFINITIONS[name]
    x = [
        Fraction(bend) + Fraction(sign, 7 * 2**power)
        for bend in BENDS[name]
        for sign in (-1, 1)
        for power in (1, 5, 20, 40, 52, 56, 60, 90)
    ]
    expansion = activations.certified(function).expand(as_pairs(x))
    told = 0
    for argument, *parts in zip(x, *(p.tolist() for p in expansion), strict=True):
        if math.isfinite(parts[2]):
            told += 1
            distance = abs(Fraction(parts[0]) + Fraction(parts[1]) - definition(argument))
            assert distance <= Fraction(parts[2]), (name, float(argument))
    assert told > len(x) // 4


def test_bits_that_underflow_are_not_made_up_for_by_a_large_factor() -> None:
    """Slopes of elu: ``1e300 exp(x)`` with an exponential near ``2**-995``."""
    x = np.random.default_rng(1).uniform(-690.0, -600.0, 60)
    slope = by_name.expanded_slope("elu", 1e300)
    assert slope is not None
    parts = (part.tolist() for part in slope(double_double.pair(x)))
    told = 0
    for argument, high, low, radius in zip(x.tolist(), *parts, strict=True):
        if math.isfinite(radius):
            told += 1
            value = Fraction(1e300) * real_functions.exp(Fraction(argument))
            assert abs(Fraction(high) + Fraction(low) - value) <= Fraction(radius)
    assert 0 < told < 60


@pytest.mark.parametrize("name", [*FUNCTIONS, *ROWS])
def test_gradients_are_those_of_the_exact_path(name: str, without_expansions: Any) -> None:
    """Ordinary and extreme arguments and upstream gradients."""
    random = np.random.default_rng(len(name))
    if name in ROWS:
        function, x = getattr(activations, name), rows_of(name)
        x[16:18] = np.clip(x[16:18], -30, 30)
        upstream = random.standard_normal((40, 3 if name == "glu" else x.shape[1]))
        upstream[25:27] *= 2.0 ** random.integers(-800, 900, (2, 1))
        upstream[28] = 1.0
    else:
        function = DEFINITIONS[name][0] if name in DEFINITIONS else None
        x = np.concatenate((random.standard_normal(60) * 3, EXTREMES))
        upstream = random.standard_normal(len(x)) * 2.0 ** random.integers(-600, 600, len(x))
    certified = activations.certified(function) if function else certified_with_parameter(name)
    if name in DEFINITIONS and name.startswith("leaky"):
        upstream = np.clip(upstream, -1e100, 1e100)

    def pulled() -> Array:
        return pull_back(Sums.of_array(x), upstream, certified)

    assert_identical(pulled(), without_expansions(pulled))


def certified_with_parameter(name: str) -> Any:
    """The certified form of an entry of `PARAMETERS`."""
    from functools import partial

    activation, value = name.split(" ")
    keyword = {"leaky_relu": "negative_slope", "squareplus": "b"}.get(activation, "alpha")
    return activations.certified(
        partial(getattr(activations, activation), **{keyword: float(value)})
    )


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "softmax", "selu", "leaky_relu"])
def test_layers_apply_them_to_sums_that_are_no_floats(name: str, without_expansions: Any) -> None:
    """Convolutions in float64, whose exact sums have more bits, forwards and backwards."""
    random = np.random.default_rng(2)
    x = random.standard_normal((2, 9, 3))
    layer = reference_impl.layers.Conv1D(4, 3, activation=name, dtype="float64")
    layer.build(x.shape)
    upstream = random.standard_normal((2, 7, 4))
    assert_identical(layer(x), without_expansions(lambda: layer(x)))
    exactly = without_expansions(lambda: layer.gradients(x, upstream))
    for key, gradient in layer.gradients(x, upstream).items():
        assert_identical(gradient, exactly[key])


def test_floats_are_pairs_with_a_low_part_of_zero() -> None:
    """Infinities and NaN become NaN."""
    x = np.array([1.0, 2.0**-60, -3.7, math.nan, math.inf, 0.0])
    pairs = Sums.of_array(x).pairs(np.arange(6))
    assert pairs.high[[0, 1, 2, 5]].tolist() == [1.0, 2.0**-60, -3.7, 0.0]
    assert not pairs.low.any()
    assert np.isnan(pairs.high[[3, 4]]).all()


@pytest.mark.parametrize("kind", ["normal", "wide", "cancelling", "integers", "tiny", "float32"])
def test_sums_of_products_are_split_into_pairs(kind: str) -> None:
    """Within ``2**-105`` of the exact sum; a low part of 0 is exact, another has its sign."""
    random = np.random.default_rng(len(kind))
    x, w = random.standard_normal((7, 12)), random.standard_normal((12, 5))
    if kind == "wide":
        x *= 2.0 ** random.integers(-60, 60, x.shape)
    if kind == "cancelling":
        x, w = np.concatenate((x, -x), 1), np.concatenate((w, w * (1 + 2.0**-50)), 0)
    if kind == "integers":
        x, w = np.rint(x * 4), np.rint(w * 4)
    if kind == "tiny":
        x, w = x * 2.0**-440, w * 2.0**-440
    if kind == "float32":
        x, w = x.astype(np.float32), w.astype(np.float32)
    axes = window_axes((len(x),), (1,), (1,), (1,), "valid")
    sums = convolution_sums(x[None], w[None], None, axes)
    indices = np.arange(len(x) * w.shape[1])
    pairs = sums.pairs(indices)
    for high, low, value in zip(*(p.tolist() for p in pairs), sums.exact(indices), strict=True):
        rest = Fraction(value) - Fraction(high)
        assert abs(rest - Fraction(low)) <= abs(Fraction(value)) / 2**105
        assert abs(rest) <= Fraction(math.ulp(high)) / 2
        assert (rest > 0) == (low > 0)
        assert (rest < 0) == (low < 0)


def test_definitions_cover_every_activation_that_has_an_expansion() -> None:
    assert set(SMOOTH) <= set(DEFINITIONS)
    for function, _ in SMOOTH.values():
        certified = activations.certified(function)
        assert certified.expand(double_double.pair(np.ones(1))) is not None


@pytest.mark.parametrize("name", [*SMOOTH, "softmax", "log_softmax"])
def test_more_elements_than_a_block_and_nothing_but_zeros(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of 32 elements, or 8 rows, give what one block gives."""
    function = SMOOTH[name][0] if name in SMOOTH else getattr(activations, name)
    shape = (210,) if name in SMOOTH else (30, 4)
    x = np.random.default_rng(3).standard_normal(shape)
    x[4:9] = 0.0
    zeros, certified = np.zeros(shape), activations.certified(function)
    together = [function(x), function(zeros), pull_back(Sums.of_array(x), x + 1.0, certified)]
    monkeypatch.setattr(evaluation, "_BLOCK", 32)
    apart = [function(x), function(zeros), pull_back(Sums.of_array(x), x + 1.0, certified)]
    for a, b in zip(together, apart, strict=True):
        assert_identical(a, b)

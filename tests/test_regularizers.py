"""Penalties and gradients: the real number of the definition, rounded once."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from reference_impl import regularizers
from reference_impl.backend import epsilon
from reference_impl.config import READINGS, floatx, reading_as, set_floatx
from reference_impl.ops.exact_sums import exact_sum, sum_of_magnitudes, sum_of_squares
from reference_impl.ops.formats import FLOAT64, FORMATS, Format
from reference_impl.ops.orthogonality import _rounded_sum
from reference_impl.ops.rounding import round_fraction
from reference_impl.regularizers import L1, L1L2, L2, OrthogonalRegularizer

SHAPES = [(), (1,), (7,), (3, 2, 4), (2, 3, 4, 5), (0, 3)]


def get_format(name: str) -> Format:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


def reals(shape: tuple[int, ...], format: Format, seed: int = 0) -> Any:
    """Values over a wide range, a quarter of them zero."""
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape) * np.exp2(random.integers(-6, 6, shape))
    return np.where(random.random(shape) < 0.25, 0.0, values).astype(format.dtype)


def fractions(x: Any) -> list[Fraction]:
    return [Fraction(value) for value in x.astype(np.float64).reshape(-1).tolist()]


# Exact sums.


@pytest.mark.parametrize("size", [0, 1, 2, 64, 65, 1000])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sums_are_exact(dtype: str, size: int) -> None:
    """Both ways of adding, for few and for many elements; the ends of float64's range included."""
    x = reals((size,), FORMATS[dtype], size)
    if dtype == "float64" and size > 4:
        x[:4] = [5e-324, -1.7976931348623157e308, 1e300, -(2.0**-1022)]
    exact = fractions(x)
    assert exact_sum(x) == sum(exact)
    assert sum_of_magnitudes(x) == sum(map(abs, exact))
    assert sum_of_squares(x) == sum(value**2 for value in exact)


def test_sums_of_equal_extremes_do_not_overflow() -> None:
    """Each of the pieces at its largest, 2**20 times."""
    largest = np.full(1 << 20, -1.7976931348623157e308)
    assert exact_sum(largest) == Fraction(-1.7976931348623157e308) * 2**20
    assert sum_of_squares(largest) == Fraction(1.7976931348623157e308) ** 2 * 2**20


# Penalties.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0), (0, 0.3), (0.01, 0.02), (0, 0), (2, 1)])
def test_penalties_are_exact_sums_rounded_once(
    l1: float, l2: float, name: str, shape: tuple[int, ...]
) -> None:
    format = get_format(name)
    x = reals(shape, format)
    exact = Fraction(l1) * sum(map(abs, fractions(x))) + Fraction(l2) * sum(
        value**2 for value in fractions(x)
    )
    for divisor in (1, 3):
        assert L1L2(l1, l2).penalty(x, divisor) == round_fraction(exact / divisor, format)
    assert L1L2(l1, l2)(x) == round_fraction(exact, format)
    if not l2:
        assert L1(l1)(x) == L1L2(l1, l2)(x)
    if not l1:
        assert L2(l2)(x) == L1L2(l1, l2)(x)


def test_penalties_worked_by_hand() -> None:
    x = np.array([[1.0, -2.0], [0.5, 0.0]], np.float32)
    assert L1(0.5)(x) == 1.75
    assert L2(0.5)(x) == 2.625
    assert L1L2(0.5, 0.25)(x) == 3.0625
    assert L1(0.5).penalty(x, 2) == 0.875


def test_a_sum_is_not_rounded_on_the_way() -> None:
    """In float16, 2048 + 1 would stay 2048, and 300**2 overflow."""
    ones = np.ones((64, 64), np.float16)
    assert L1(1.0)(ones) == 4096
    assert L2(0.01)(np.array([300.0], np.float16)) == 900
    assert L2(1.0)(np.array([300.0], np.float16)) == math.inf
    assert L1(1.0)(np.array([2.0**60, 1, -(2.0**60)])) == 2.0**61
    assert L2(1.0)(np.array([2.0**-600, 1])) == 1


def test_the_factor_is_not_rounded_first() -> None:
    """0.9 in float32 is not float32(0.1) times 9, rounded."""
    x = np.array([9.0], np.float32)
    assert L1(0.1)(x) == np.float32(0.9)
    assert np.float32(0.1) * x[0] != np.float32(0.9)


@pytest.mark.parametrize(
    ("regularizer", "values", "expected"),
    [
        (L1(0.1), [math.inf, 1], math.inf),
        (L2(0.1), [-math.inf, 1], math.inf),
        (L1L2(0.1, 0.1), [math.nan, math.inf], math.nan),
        (L1(0.1), [math.nan], math.nan),
        (L1L2(0, 0), [math.inf], 0.0),
        (L1(0.1), [-0.0], 0.0),
    ],
)
def test_values_that_are_not_finite(regularizer: Any, values: list[float], expected: float) -> None:
    assert str(regularizer(np.array(values, np.float32))) == str(expected)


def test_lists_and_integers_are_taken_in_floatx() -> None:
    before = floatx()
    set_floatx("float16")
    try:
        assert L1(1.0)([2048, 1]) == 2048
        assert L1(1.0)(np.array([2049, 2])) == 2050
        assert L2(1.0).gradient([1, 2]).dtype == np.float16
    finally:
        set_floatx(before)


# Gradients.


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0), (0, 0.3), (0.01, 0.02), (0, 0), (2, 0.5)])
def test_gradients_are_the_derivative_rounded_once(
    l1: float, l2: float, name: str, shape: tuple[int, ...]
) -> None:
    """``l1 sign(x) + 2 l2 x``, with sign(0) = 0, divided by the divisor."""
    format = get_format(name)
    x = reals(shape, format)
    for divisor in (1, 7):
        gradient = L1L2(l1, l2).gradient(x, divisor)
        assert gradient.dtype == x.dtype
        assert gradient.shape == x.shape
        expected = [
            (Fraction(l1) * ((value > 0) - (value < 0)) + 2 * Fraction(l2) * value) / divisor
            for value in fractions(x)
        ]
        rounded = [round_fraction(value, format) for value in expected]
        assert gradient.astype(np.float64).reshape(-1).tolist() == rounded


def test_gradients_near_the_ends_of_the_formats() -> None:
    tiny = np.array([5e-324, -5e-324, 2.0**-1050, 1.7e308])
    exact = [2 * Fraction(0.01) * value for value in fractions(tiny)]
    expected = [round_fraction(value, FORMATS["float64"]) for value in exact]
    assert L2(0.01).gradient(tiny).tolist() == expected
    small = np.array([2.0**-24, -(2.0**-24), 65504], np.float16)
    assert L2(0.75).gradient(small).tolist() == [2.0**-23, -(2.0**-23), math.inf]


def test_gradients_of_values_that_are_not_finite() -> None:
    x = np.array([math.inf, -math.inf, math.nan], np.float32)
    assert str(L1(0.5).gradient(x).tolist()) == "[0.5, -0.5, nan]"
    assert str(L2(0.5).gradient(x).tolist()) == "[inf, -inf, nan]"


# Orthogonality.


def cosines(rows: list[list[Fraction]]) -> Decimal:
    """The mean of ``|<u_i, u_j>|``, in Decimal, from the definition."""
    total = Decimal(0)
    least = Decimal(epsilon())
    for i, first in enumerate(rows):
        for second in rows[:i]:
            product = abs(sum(a * b for a, b in zip(first, second, strict=True)))
            norms = [
                max(decimal(sum((a * a for a in row), Fraction(0))).sqrt(), least)
                for row in (first, second)
            ]
            total += decimal(product) / (norms[0] * norms[1])
    return total / (len(rows) * (len(rows) - 1) // 2)


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def matrix(rows: list[list[float]]) -> list[list[Fraction]]:
    return [[Fraction(value) for value in row] for row in rows]


@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (5, 3), (2, 1)])
@pytest.mark.parametrize("name", FORMATS)
def test_the_orthogonal_penalty_is_its_definition(
    name: str, shape: tuple[int, int], mode: str
) -> None:
    """To 60 digits, which no midpoint of the formats comes near by chance."""
    format = get_format(name)
    x = reals(shape, format, 3)
    vectors = matrix((x if mode == "rows" else x.T).astype(np.float64).tolist())
    made = OrthogonalRegularizer(0.3, mode)
    with localcontext() as context:
        context.prec = 60
        if len(vectors) < 2:
            assert math.isnan(made(x))
            return
        expected = Fraction(0.3) * Fraction(cosines(vectors))
    assert made(x) == round_fraction(expected, format)
    assert made.penalty(x, 4) == round_fraction(expected / 4, format)


def test_orthogonal_penalties_worked_by_hand() -> None:
    """<u, v> = (3 * 4 + 4 * 3) / 25 for one pair; rational values are rounded exactly."""
    made = OrthogonalRegularizer(0.5)
    assert made(np.array([[3.0, 4], [4, 3]])) == 0.48
    assert made(np.array([[1.0, 0], [0, -2]])) == 0
    assert made(np.array([[1.0, 1], [1, 1], [1, -1]])) == round_fraction(
        Fraction(1, 6), FORMATS["float64"]
    )
    assert made(np.array([[0.0, 0], [1, 1]])) == 0
    assert made(np.eye(4, dtype=np.float32)) == 0


def test_a_row_shorter_than_epsilon_is_divided_by_epsilon() -> None:
    x = np.array([[epsilon() / 2, 0], [3.0, 4]])
    exact = Fraction(epsilon() / 2) / Fraction(epsilon()) * Fraction(3, 5)
    assert OrthogonalRegularizer(1.0)(x) == round_fraction(exact, FORMATS["float64"])


def quotient_rule(rows: list[list[Fraction]], norms: list[Fraction], i: int, k: int) -> Fraction:
    """The derivative of ``sum_{j != i} |<x_i, x_j>| / (N_i N_j)`` by ``x_ik``, for known norms."""
    total = Fraction(0)
    for j, row in enumerate(rows):
        product = sum(a * b for a, b in zip(rows[i], row, strict=True))
        if j == i or not product:
            continue
        inner = (row[k] * norms[i] - product * rows[i][k] / norms[i]) / norms[i] ** 2
        total += inner / norms[j] * (1 if product > 0 else -1)
    return total


@pytest.mark.parametrize("name", FORMATS)
def test_the_orthogonal_gradient_is_the_derivative(name: str) -> None:
    """Rows of rational length, where the derivative is rational; one pair is orthogonal."""
    format = get_format(name)
    rows = [[3.0, 4.0, 0.0], [5.0, 0.0, -12.0], [-4.0, 3.0, 0.0], [2.0, 1.0, 2.0]]
    norms = [Fraction(5), Fraction(13), Fraction(5), Fraction(3)]
    gradient = OrthogonalRegularizer(0.25).gradient(np.array(rows, format.dtype), 2)
    assert gradient.dtype == format.dtype
    for i, k in np.ndindex(4, 3):
        exact = Fraction(0.25) / 2 / 6 * quotient_rule(matrix(rows), norms, i, k)
        assert float(gradient[i, k]) == round_fraction(exact, format)


def test_the_orthogonal_gradient_by_columns_is_that_of_the_transpose() -> None:
    x = reals((3, 4), FORMATS["float32"], 5)
    by_columns = OrthogonalRegularizer(0.1, "columns").gradient(x)
    assert by_columns.tolist() == OrthogonalRegularizer(0.1).gradient(x.T).T.tolist()


def test_the_orthogonal_gradient_has_no_component_along_its_row() -> None:
    """Cosines do not change with a row's length (Euler); with clamped lengths they do.

    Each of four rounded products is within u of its magnitude.
    """
    x = reals((4, 4), FORMATS["float64"], 6)
    gradient = OrthogonalRegularizer(1.0).gradient(x)
    for row, derivative in zip(x, gradient, strict=True):
        terms = [Fraction(a) * Fraction(b) for a, b in zip(row, derivative, strict=True)]
        assert abs(sum(terms)) <= sum(map(abs, terms)) * Fraction(2) ** -53
    tiny = np.array([[1e-9, 0.0], [3.0, 4.0]])
    assert OrthogonalRegularizer(1.0).gradient(tiny)[0].tolist() == [
        round_fraction(Fraction(n, 5) / Fraction(epsilon()), FORMATS["float64"]) for n in (3, 4)
    ]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2), ()])
def test_only_a_matrix_can_be_orthogonal(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a matrix"):
        OrthogonalRegularizer()(np.ones(shape))


def test_too_few_vectors_and_values_that_are_not_finite_give_nan() -> None:
    for x in (np.ones((1, 3)), np.ones((0, 3)), np.array([[1.0, math.nan], [1, 1]])):
        assert math.isnan(OrthogonalRegularizer()(x))
        assert OrthogonalRegularizer().gradient(x).shape == x.shape


# Names and configurations.

DEFAULTS = {
    ("keras3", "l1"): {"l1": 0.01},
    ("keras3", "L1"): {"l1": 0.01},
    ("keras3", "l2"): {"l2": 0.01},
    ("keras3", "L2"): {"l2": 0.01},
    ("keras3", "L1L2"): {"l1": 0.0, "l2": 0.0},
    ("keras3", "l1l2"): {"l1": 0.0, "l2": 0.0},
    ("keras3", "l1_l2"): {"l1": 0.01, "l2": 0.01},
    ("keras3", "orthogonal_regularizer"): {"factor": 0.01, "mode": "rows"},
    ("keras3", "OrthogonalRegularizer"): {"factor": 0.01, "mode": "rows"},
    ("keras2", "l1"): {"l1": 0.01},
    ("keras2", "l2"): {"l2": 0.01},
    ("keras2", "L1L2"): {"l1": 0.0, "l2": 0.0},
    ("keras2", "l1_l2"): {"l1": 0.01, "l2": 0.01},
    ("keras2", "orthogonal_regularizer"): {"factor": 0.01, "mode": "rows"},
}


@pytest.mark.parametrize(("reading", "name"), DEFAULTS)
def test_names_have_their_defaults_and_survive_their_configuration(reading: str, name: str) -> None:
    with reading_as(reading):
        made = regularizers.get(name)
        assert made.get_config() == DEFAULTS[reading, name]
        config = json.loads(json.dumps(regularizers.serialize(made)))
        assert config["module"] == "keras.regularizers"
        again = regularizers.get(config)
        assert type(again) is type(made)
        assert again.get_config() == made.get_config()


def test_names_of_one_version_only() -> None:
    with reading_as("keras2"), pytest.raises(ValueError, match="'l1l2'"):
        regularizers.get("l1l2")
    assert READINGS == ("keras3", "keras2")


def test_factors_survive_exactly() -> None:
    """Keras writes float32(0.01) for L1; here the factor that was given comes back."""
    config = json.loads(json.dumps(regularizers.serialize(L1(0.1))))
    assert config["config"] == {"l1": 0.1}
    assert regularizers.get(config).l1 == 0.1


def test_none_means_the_default() -> None:
    assert L1(None).l1 == 0.01
    assert L2(None).l2 == 0.01
    assert L1L2(None, 0.5).get_config() == {"l1": 0.0, "l2": 0.5}


def test_the_functions_of_the_documentation() -> None:
    assert regularizers.l1 is L1
    assert regularizers.l2 is L2
    assert regularizers.l1_l2().get_config() == {"l1": 0.01, "l2": 0.01}
    assert regularizers.l1_l2(l2=0.5).get_config() == {"l1": 0.01, "l2": 0.5}


class Capped(regularizers.Regularizer):
    """A regularizer of the user's own, written as in Keras: a call and nothing else."""

    def __call__(self, weights: Any) -> float:
        return min(float(np.sum(weights)), 10.0)


def test_a_regularizer_of_the_users_own() -> None:
    """Its call is what counts, for activity regularizers as well."""
    made = regularizers.get(Capped)
    assert made(np.full((3,), 2.0)) == 6
    assert made.penalty(np.full((3,), 2.0), 3) == 2
    with pytest.raises(NotImplementedError, match="Capped defines no gradient"):
        made.gradient(np.ones(3))
    with pytest.raises(NotImplementedError, match="Capped defines no get_config"):
        regularizers.serialize(made)
    assert regularizers.get(abs) is abs
    assert regularizers.get("regularizer")(np.ones(3)) == 0


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("make", [L1, L2, L1L2, OrthogonalRegularizer])
def test_factors_out_of_range_are_refused(make: Any, value: float) -> None:
    with pytest.raises(
        ValueError, match=f"argument `(l1|l2|factor)` is {value}; expected a finite"
    ):
        make(value)


@pytest.mark.parametrize("value", ["a", True, [0.1]])
@pytest.mark.parametrize("make", [L1, L2, L1L2, OrthogonalRegularizer])
def test_factors_that_are_no_numbers_are_refused(make: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="expected a finite number of at least 0"):
        make(value)


def test_other_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="`mode` is 'diagonal'; expected 'rows' or 'columns'"):
        OrthogonalRegularizer(mode="diagonal")
    with pytest.raises(ValueError, match="`divisor` is 0"):
        L1().penalty(np.ones(2), 0)
    with pytest.raises(TypeError, match="`divisor` is 1"):
        L1().gradient(np.ones(2), 1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected an array of float16"):
        L1()(np.array(["a"]))
    with pytest.raises(TypeError, match="cannot make 'L1'"):
        regularizers.get({"class_name": "L1", "config": {"l2": 0.1}})


def test_terms_that_cancel_leave_their_exact_difference() -> None:
    """Two rows pull the first one apart by nearly equal amounts; their difference is 1e-200 / ....

    With rows (1, 0, 0), (1, 1, 0) and (1, -1, e), element (0, 1) is, for factor 1 and 3 pairs,
    ``(1 / sqrt 2 - 1 / sqrt(2 + e**2)) / 3``, about ``e**2 / (12 sqrt 2)``.
    """
    x = np.array([[1, 0, 0], [1, 1, 0], [1, -1, 1e-100]])
    found = regularizers.OrthogonalRegularizer(1.0).gradient(x)
    with localcontext(prec=700):
        two, square = Decimal(2), Decimal(float(x[2, 2])) ** 2
        expected = (1 / two.sqrt() - 1 / (two + square).sqrt()) / 3
    assert found[0, 1] == float(expected)
    assert found[0, 0] == 0


def test_roots_that_are_multiples_cancel_exactly() -> None:
    """``sqrt 8 = 2 sqrt 2``: no enclosure would ever tell the sum from zero."""
    terms = [(Fraction(1), Fraction(2)), (Fraction(-2), Fraction(8)), (Fraction(1), Fraction(4))]
    assert _rounded_sum(terms, FLOAT64) == 0.5
    assert _rounded_sum(terms[:2], FLOAT64) == 0.0


def test_gradients_beyond_the_range_of_floats_are_infinite() -> None:
    """The factor doubled is not a float; the products are, and are right, where they are finite."""
    x = np.array([1.0, -3.0, 0.25, 0.0, 1e-300, math.inf, math.nan])
    found = regularizers.L2(1e308).gradient(x)
    expected = [math.inf, -math.inf, 5e307, 0.0, 2e8, math.inf, math.nan]
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("factor", [10**400, 10**5000], ids=["long", "unprintable"])
def test_factors_beyond_the_range_of_floats_are_refused(factor: int) -> None:
    """By a short sentence, not by what Python says of large integers."""
    with pytest.raises(ValueError, match=r"`l2` is an integer of \d+ bits; expected") as caught:
        regularizers.L2(factor)
    assert len(str(caught.value)) < 200

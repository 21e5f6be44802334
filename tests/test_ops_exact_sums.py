"""Error-free transformations, dyadic numbers and exact sums of products, against fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_impl.ops.double_double import two_product
from reference_impl.ops.dyadics import (
    add_dyadics,
    dot,
    dyadic,
    grid_exponent,
    is_exact_in_float64,
    row_totals,
)
from reference_impl.ops.error_free import (
    add,
    exact_slices,
    halves,
    leading_sum,
    round_to_grid,
    two_sum,
)

Float64Array = NDArray[np.float64]


def spread(shape: tuple[int, ...], power: int, seed: int = 0) -> Float64Array:
    random = np.random.default_rng([seed, power])
    return random.standard_normal(shape) * 2.0 ** random.integers(-power, power + 1, shape)


def fraction(pair: tuple[int, int]) -> Fraction:
    return Fraction(pair[0]) * Fraction(2) ** pair[1]


def total(values: Float64Array) -> Fraction:
    return sum(map(Fraction, values.tolist()), Fraction(0))


@pytest.mark.parametrize("power", [0, 3, 60, 400])
def test_two_sum_keeps_the_error(power: int) -> None:
    a, b = spread((500,), power), spread((500,), power, 1)
    s, e = two_sum(a, b)
    assert (s == a + b).all()
    for i in range(len(a)):
        assert Fraction(s[i]) + Fraction(e[i]) == Fraction(a[i]) + Fraction(b[i])


@pytest.mark.parametrize("power", [0, 300, 900])
def test_products_of_halves_are_exact(power: int) -> None:
    a, b = spread((500,), power), spread((500,), power // 4, 1)
    for x, y in zip(a, b, strict=True):
        x_halves, y_halves = halves(np.array([x])), halves(np.array([y]))
        assert Fraction(x_halves[0][0]) + Fraction(x_halves[1][0]) == Fraction(x)
        if power < 900:
            products = [Fraction(float((p * q)[0])) for p in x_halves for q in y_halves]
            assert sum(products) == Fraction(x) * Fraction(y)


@pytest.mark.parametrize("exponent", [-1074, -1030, -20, 0, 40])
def test_grid_rounding_is_to_the_nearest_multiple(exponent: int) -> None:
    random = np.random.default_rng(5)
    values = np.ldexp(random.uniform(-(2.0**20), 2.0**20, 500), exponent)
    for value, got in zip(values.tolist(), round_to_grid(values, exponent), strict=True):
        assert Fraction(got) == round(Fraction(value) / Fraction(2) ** exponent) * (
            Fraction(2) ** exponent
        )


@pytest.mark.parametrize("power", [0, 10, 100, 480])
@pytest.mark.parametrize("count", [1, 2, 3, 30, 1000])
def test_slices_have_the_sum_of_the_terms(count: int, power: int) -> None:
    terms = spread((5, count), power)
    terms[1, ::2] = -terms[1, 1::2] if count % 2 == 0 else terms[1, ::2]
    terms[2] = 0.0
    terms[3] *= 2.0**-540
    slices = exact_slices(terms)
    assert [total(row) for row in slices] == [total(row) for row in terms]


def test_no_terms_have_the_sum_zero() -> None:
    assert exact_slices(np.zeros((3, 0))).tolist() == [[0.0]] * 3
    assert exact_slices(np.zeros((0, 4))).shape[0] == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e308])
def test_terms_that_cannot_be_sliced_are_refused(value: float) -> None:
    with pytest.raises(OverflowError, match="the terms are not finite, or too large"):
        exact_slices(np.array([[1.0, value], [0.0, 0.0]]))


@pytest.mark.parametrize("power", [0, 30, 200])
def test_the_radius_of_a_sum_holds(power: int) -> None:
    terms = [spread((2000,), power, seed) for seed in range(5)]
    terms.append(-terms[0] - terms[1])
    high, low, radius = add(terms)
    assert (high == high + low).all()
    for i in range(len(high)):
        exact = sum((Fraction(term[i]) for term in terms), Fraction(0))
        assert abs(exact - Fraction(high[i]) - Fraction(low[i])) <= Fraction(radius[i])


def errors_of_leading_sum(terms: Float64Array, errors: Float64Array | None = None) -> list[float]:
    """The errors of `leading_sum` in units of its radius, each at most 1."""
    found = []
    for i, (high, low, radius) in enumerate(zip(*leading_sum(terms, errors), strict=True)):
        assert high == high + low
        exact = total(terms[i]) + (0 if errors is None else total(errors[i]))
        error = abs(exact - Fraction(high) - Fraction(low))
        assert error <= Fraction(radius)
        found.append(float(error / Fraction(radius)) if radius else 0.0)
    return found


@pytest.mark.parametrize("power", [0, 10, 100, 400])
@pytest.mark.parametrize("count", [1, 2, 3, 30, 1000])
def test_the_radius_of_the_leading_slice_and_rounded_rests_holds(count: int, power: int) -> None:
    terms = spread((40, count), power)
    terms[1] = 0.0
    terms[2::4, : count // 2] = -terms[2::4, count - count // 2 :]
    errors_of_leading_sum(terms)
    others = spread((40, count), power // 4, 1)
    errors_of_leading_sum(*two_product(terms, others))


def test_the_radius_of_a_leading_sum_is_not_far_from_what_is_reached() -> None:
    """Rests of half a unit each, all of one sign, are rounded at every addition."""
    terms = np.full((1, 3), 1.0 + 2.0**-52) * np.array([[1.0, 2.0**-49, 2.0**-50]])
    assert max(errors_of_leading_sum(np.repeat(terms, 4, 1))) > 2.0**-8


def test_a_leading_sum_without_rests_is_known_to_be_exact() -> None:
    """Integers below a common bound leave no rests; a radius would send every tie to integers."""
    terms = np.random.default_rng(3).integers(-(2**20), 2**20, (50, 40)).astype(np.float64)
    high, low, radius = leading_sum(terms)
    assert high.tolist() == terms.sum(1).tolist()
    assert not low.any()
    assert not radius.any()


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -3.5, 5e-324, -1.7976931348623157e308, 0.1])
def test_dyadic_is_the_float_itself(value: float) -> None:
    assert fraction(dyadic(value)) == Fraction(value)


def test_dyadic_sums_are_exact() -> None:
    rows = spread((50, 7), 400)
    rows[0] = 0.0
    assert [fraction(t) for t in row_totals(rows)] == [total(row) for row in rows]
    assert [fraction(add_dyadics(map(dyadic, row.tolist()))) for row in rows] == [
        total(row) for row in rows
    ]
    assert add_dyadics([]) == (0, 0)


@pytest.mark.parametrize("power", [0, 500])
def test_dot_products_are_exact_over_the_whole_range(power: int) -> None:
    x, w = spread((30, 9), power), spread((30, 9), power, 1)
    x[0, 0], w[0, 0] = 5e-324, 1.7e308
    x[1, 0], w[1, 0] = 5e-324, 5e-324
    for a, b in zip(x, w, strict=True):
        exact = sum(
            (Fraction(p) * Fraction(q) for p, q in zip(a.tolist(), b.tolist(), strict=True)),
            Fraction(0),
        )
        assert fraction(dot(a, b)) == exact


def test_the_grid_of_numbers_is_their_lowest_bit() -> None:
    assert grid_exponent(np.array([0.0, -0.0])) is None
    assert grid_exponent(np.array([6.0, -20.0, 0.0])) == 1
    assert grid_exponent(np.array([6.0, 5e-324])) == -1074
    assert grid_exponent(np.array([1.0 + 2.0**-52])) == -52


def test_exactness_needs_a_common_grid_and_room_for_the_sum() -> None:
    x, w = np.full(5000, 3.0), np.full(7, 0.5)
    assert is_exact_in_float64(x, w, None, 2.0**52)
    assert not is_exact_in_float64(x, w, None, 2.0**52 * 1.01)
    assert is_exact_in_float64(x, w, np.array([0.25]), 2.0**51)
    assert not is_exact_in_float64(x, w, np.array([0.25]), 2.0**52)
    assert is_exact_in_float64(np.zeros(3), w, np.array([2.0**60]), 2.0**60)
    x[4999] = 2.0**-40
    assert not is_exact_in_float64(x, w, None, 2.0**52)

"""Sums whose rounding hangs on the last detail of the error bound, against fractions.

Random operands seldom come so near to a midpoint that a radius a little too small shows; these are
made for one term of the bounds of `wide_sums` and `narrow_sums` each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_impl.ops import contraction, narrow_sums, wide_sums
from reference_impl.ops import sums as sums_module
from reference_impl.ops.convolution import convolution_sums
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FLOAT32, FLOAT64
from reference_impl.ops.geometry import window_axes
from reference_impl.ops.narrow_sums import norms_of_columns
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.sums import Sums

Array = NDArray[Any]


def sums_of(x: Array, w: Array, bias: Array | None = None) -> Sums:
    """Windows ``(M, K)`` of one element each, times filters ``(K, F)``; one example."""
    axes = window_axes((len(x),), (1,), (1,), (1,), "valid")
    return convolution_sums(x[None], w[None], bias, axes)


def bounds_of(sums: Sums) -> list[tuple[list[float], list[float]]]:
    """The bounds, and the closer ones where there are any, in C order."""
    closer = sums.enclosure.closer()
    found = []
    for enclosure in [sums.enclosure, *([] if closer is None else [closer])]:
        low, high = np.empty((2, *sums.shape[1:]))
        for rows, below, above in enclosure.bounds():
            low[rows], high[rows] = below, above
        found.append((low.reshape(-1).tolist(), high.reshape(-1).tolist()))
    return found


def exact(x: Array, w: Array, bias: Array | None = None) -> list[Fraction]:
    """The same sums by fractions, in C order."""
    offsets = np.zeros(w.shape[1]) if bias is None else bias.astype(np.float64)
    rows, columns = (
        [[Fraction(v) for v in row] for row in a.astype(np.float64).tolist()] for a in (x, w.T)
    )
    return [
        sum((a * b for a, b in zip(row, column, strict=True)), Fraction(offset))
        for row in rows
        for column, offset in zip(columns, offsets.tolist(), strict=True)
    ]


def wrong(x: Array, w: Array, bias: Array | None = None) -> list[tuple[float, float]]:
    """The float64 sums that differ from the exact ones rounded once by Python's division."""
    got = evaluate(sums_of(x, w, bias), None, FLOAT64).value.reshape(-1).tolist()
    return [
        (value, float(s))
        for value, s in zip(got, exact(x, w, bias), strict=True)
        if value.hex() != float(s).hex()
    ]


def test_sums_beside_a_subnormal_midpoint_are_rounded_once() -> None:
    """Rounding them to 53 bits first gives the midpoint itself."""
    for half, side, sign in itertools.product((5, 7, 9, 11), (-1.0, 1.0), (-1.0, 1.0)):
        x = np.array([[half * 2.0**-575, side * 2.0**-640]])
        assert wrong(x, np.full((2, 1), sign * 2.0**-500)) == []


def test_sums_below_the_midpoint_under_the_smallest_normal_number() -> None:
    """The bounds enclose the midpoint: above it they round to the normal number.

    The first product is so much larger that its share of the radius is about the distance from the
    midpoint to the next one of 53 bits; bias and second product put the sum below the midpoint.
    """
    random = np.random.default_rng(0)
    x = np.array([[1.6, 1.0]]) * 2.0**-500
    target = Fraction(2) ** -1022 - Fraction(2) ** -1075 - Fraction(2) ** -1090
    w, bias = np.empty((2, 500)), np.empty(500)
    w[0] = random.uniform(0.113, 0.119, 500) * 2.0**-500
    for i, first in enumerate(w[0].tolist()):
        product = Fraction(x[0, 0]) * Fraction(first)
        bias[i] = 2.0**-1022 - float(product)
        w[1, i] = float((target - product - Fraction(bias[i])) / Fraction(x[0, 1]))
    assert wrong(x, w, bias) == []


@pytest.mark.parametrize("products", [1, 2, 33, 65, 125])
@pytest.mark.parametrize("kind", ["normal", "full slices"])
def test_sums_that_the_bias_cancels_to_any_degree_are_rounded_once(
    kind: str, products: int
) -> None:
    """What is left shows errors far below the last bit of the products."""
    random = np.random.default_rng(products)
    filters = 400
    x: Array
    w: Array
    if kind == "normal":
        x, w = random.standard_normal((1, products)), random.standard_normal((products, filters))
    else:
        # Both slices of both operands have as many bits as fit, and odd last ones.
        first, second = 1.0 - 2.0**-23, 2.0**-24 - 2.0**-46
        x = np.full((1, products), first + second)
        w = first + second - 2.0**-45 * random.integers(0, 2, (products, filters))
        w += 2.0**-53 * random.integers(-64, 64, (products, filters))
    left = 2.0 ** random.integers(-50, -5, filters) * random.uniform(-1.0, 1.0, filters)
    bias = np.array([-float(s) for s in exact(x, w)]) + left
    assert wrong(x, w, bias) == []


def test_a_bias_beside_two_exact_slices_is_not_lost() -> None:
    """The products are ``1 + 2**-53 - 2**-60`` without error, but the sum needs 112 bits."""
    x, w = np.zeros((1, 33)), np.ones((33, 1))
    x[0, :2], w[1, 0] = (1.0, 2.0**-33 - 2.0**-40), 2.0**-20
    for last in (-(2.0**-112), 0.0, 2.0**-112):
        assert wrong(x, w, np.array([2.0**-60 + last])) == []


def test_the_share_of_a_large_bias_in_the_radius() -> None:
    """Beside a bias of 1 the products end halfway to the next number, but for ``2**-110``.

    That is lost where the error of adding the bias is itself added up.
    """
    x, w = np.array([[1.0, 2.0**-55]]), np.array([[2.0**-53], [2.0**-55]])
    for sign in (-1.0, 0.0, 1.0):
        w[1] = sign * 2.0**-55
        assert wrong(x, w, np.array([1.0])) == []


def test_products_that_underflow_beside_ordinary_ones_are_not_lost() -> None:
    x = np.array([[1.0, 1.0, 1.0], [2.0**-538, 2.0**-538, 2.0**-538]])
    w = np.array([[1.0, 2.0**-538], [1.0, 2.0**-538], [1.0, 2.0**-538]])
    assert wrong(x, w) == []


def test_filters_whose_squares_underflow_have_a_radius() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(0.5, 1.0, (20, 4))
    w = random.uniform(0.8, 1.2, (4, 50)) * 2.0**-537
    w[:, 0] = 1.0
    assert wrong(x, w) == []


def test_a_bias_beyond_the_scale_of_the_products_is_not_lost() -> None:
    x, w = np.full((1, 2), 2.0**-600), np.full((2, 3), -(2.0**-600))
    assert wrong(x, w, np.array([1.0, 2.0**-1074, -1.5])) == []


@pytest.mark.parametrize("fill", [0.0, 1e300, np.nan])
@pytest.mark.parametrize("power", [-60, 0, 50])
def test_bounds_of_narrow_sums_owe_nothing_to_fresh_memory(
    power: int, fill: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They enclose the sum, whatever was in the memory of their factors, and are narrow."""
    random = np.random.default_rng(0)
    x = (random.standard_normal((5, 40)) * 2.0**power).astype(np.float32)
    w = random.standard_normal((40, 6)).astype(np.float32)
    bias = random.standard_normal(6).astype(np.float32)
    with monkeypatch.context() as patch:
        patch.setattr(np, "empty", lambda shape, dtype=np.float64: np.full(shape, fill, dtype))
        wide, close = bounds_of(sums_of(x, w, bias))
    for low, high in (wide, close):
        for below, value, above in zip(low, exact(x, w, bias), high, strict=True):
            assert Fraction(below) <= value <= Fraction(above)
            assert above - below < 2.0**-30 * 2.0 ** max(power, 0)


@pytest.mark.parametrize("products", [0, 1, 7, 8192, 8193])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_of_columns_use_no_more_than_a_quarter_of_the_slack(
    products: int, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Squares of float32 overflow and underflow; so may those of one column alone."""
    monkeypatch.setattr(narrow_sums, "_LARGE", 1)
    powers = [-149, -120, -75, -63, -60, -49, -20, 0, 20, 50, 58, 63, 64, 100, 126]
    values = np.random.default_rng(0).uniform(1.0, 2.0, (products, len(powers)))
    matrix = (values * 2.0 ** np.array(powers, np.float64)).astype(dtype)
    columns = [[Fraction(v) for v in column] for column in matrix.T.tolist()]
    exact_squares = [sum((v * v for v in column), Fraction(0)) for column in columns]
    for chosen in (slice(None), slice(6, 9), *(slice(i, i + 1) for i in range(len(powers)))):
        norms = norms_of_columns(np.ascontiguousarray(matrix[:, chosen]))
        assert norms.dtype == np.float64
        for norm, square in zip(norms.tolist(), exact_squares[chosen], strict=True):
            assert abs(Fraction(norm) ** 2 - square) <= square / 2**11
    zero = np.zeros((products, 2), dtype)
    assert norms_of_columns(zero).tolist() == [0.0, 0.0]


def worst_product(sign: float, pieces: int) -> Callable[..., None]:
    """`add_product` with the largest error that the theorem on sums allows, of this sign.

    A piece of n terms, one of so many, is wrong by ``n + pieces`` units of the sum of magnitudes.
    """

    def add_product(columns: Array, factor: Array, out: Array, scratch: Scratch | None) -> None:
        terms = columns[:, :, None] * factor
        total = np.apply_along_axis(math.fsum, 1, terms)
        total += sign * (len(factor) + pieces) * 2.0**-53 * np.abs(terms).sum(1)
        out[...] = total if scratch is None else out + total

    return add_product


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("piece", [5, 40, 512])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_bounds_of_narrow_sums_hold_for_the_worst_matrix_product(
    sign: float, piece: int, with_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No BLAS is that bad.  The products are equal, as both inequalities then are."""
    products = 40
    monkeypatch.setattr(contraction, "PIECE", piece)
    monkeypatch.setattr(contraction, "add_product", worst_product(sign, -(-products // piece)))
    values = np.linspace(1.0, 1.99, 23, dtype=np.float32)
    x = np.repeat(values[:, None], products, 1)
    w = np.repeat(-values[::-1][None, :9], products, 0)
    bias = np.linspace(-99, 99, 9, dtype=np.float32) if with_bias else None
    wide, close = bounds_of(sums_of(x, w, bias))
    for low, high in (wide, close):
        for below, value, above in zip(low, exact(x, w, bias), high, strict=True):
            assert Fraction(below) <= value <= Fraction(above)


def test_norms_of_windows_decide_where_one_input_is_much_larger() -> None:
    """One radius for all windows, that of the largest input, would leave all to exact sums."""
    random = np.random.default_rng(0)
    x = random.standard_normal((50, 20)).astype(np.float32)
    w = random.standard_normal((20, 6)).astype(np.float32)
    x[7, 3] = 2.0**60
    sums = sums_of(x, w)
    (low, high), _ = bounds_of(sums)
    differ = np.float32(low) != np.float32(high)
    assert np.count_nonzero(differ) > 0.9 * differ.size
    assert evaluate(sums, None, FLOAT32).resolved == 0


def worst_product_of_equals(sign: float) -> Callable[..., None]:
    """`worst_product` of matrices whose elements are all the same, correct to the last bit.

    Sums that float64 computes without error in any order have none: those up to ``2**53`` times
    the grid of their terms.
    """

    def add_product(columns: Array, factor: Array, out: Array, scratch: Scratch | None) -> None:
        term = Fraction(columns[0, 0]) * Fraction(factor[0, 0])
        total = len(factor) * term
        if abs(total) * term.denominator > 2**53:
            total += int(sign) * len(factor) * abs(total) / 2**53
        out[...] = float(total) if scratch is None else out + float(total)

    return add_product


WORST = [(25, 24, 2), (125, 23, 2), (150, 22, 3), (400, 21, 3)]
"""Numbers of equal products, and the bits and the number of the slices of their operands."""


def worst_operand(bits: int) -> float:
    """Just below one, with every slice and rest as large as it can be."""
    grids = 2.0**-bits, 2.0 ** -(2 * bits + 1)
    return (1.0 - grids[0]) + (grids[0] / 2 - grids[1]) + (grids[1] / 2 - 2.0**-53)


@pytest.mark.parametrize(("products", "bits", "count"), WORST)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_wide_sums_enclose_what_the_worst_matrix_product_leaves(
    sign: float, products: int, bits: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bias cancels the sum but for its last bits, so that the bounds show the radius itself."""
    monkeypatch.setattr(wide_sums, "add_product", worst_product_of_equals(sign))
    x, w = np.full((1, products), worst_operand(bits)), np.full((products, 1), worst_operand(bits))
    bias = -np.array([float(exact(x, w)[0])])
    (value,), sums = exact(x, w, bias), sums_of(x, w, bias)
    low, high = (Fraction(float(bound.reshape(-1)[0])) for bound in (sums.low, sums.high))
    assert low <= value <= high
    last_level = products * 2.0 ** -(bits if count == 2 else 2 * bits + 1)
    assert high - low < 4 * count * products * 2.0**-53 * last_level


@pytest.mark.parametrize(("products", "bits", "count"), WORST)
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_wide_sums_are_rounded_once_with_the_worst_matrix_product(
    sign: float, products: int, bits: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All slices and rests are as large as they can be, which makes their bounds equalities.

    A bias cancels as many leading bits as makes the error of the last level about a unit of the
    result.
    """
    monkeypatch.setattr(wide_sums, "add_product", worst_product_of_equals(sign))
    operand, grids = worst_operand(bits), (2.0**-bits, 2.0 ** -(2 * bits + 1))
    x, w = np.full((1, products), operand), np.full((products, 500), operand)
    last_level = products * grids[count - 2]
    error = products * 2.0**-53 * last_level
    left = np.random.default_rng(products).uniform(1.0, 20.0, 500) * error * 2.0**52
    assert wrong(x, w, left - float(exact(x, w[:, :1])[0])) == []


@pytest.mark.parametrize("kind", ["normal", "equal", "one large"])
@pytest.mark.parametrize("products", [3, 32, 64, 100, 150, 160])
def test_of_two_slices_the_first_ones_are_multiplied_without_error(
    products: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices of as many bits as the norms allow: no sum in any order exceeds 53 bits."""
    random = np.random.default_rng([products, len(kind)])
    x, w = random.standard_normal((30, products)), random.standard_normal((products, 40))
    if kind == "equal":
        x, w = np.sign(x) - x * 2.0**-30, np.sign(w) - w * 2.0**-30
    if kind == "one large":
        x[:, 1:] *= 2.0**-20
        w[1:] *= 2.0**-20
    x, w = x / np.abs(x).max() * (1 - 2.0**-20), w / np.abs(w).max(0) * (1 - 2.0**-20)
    chosen, factors = [], []

    def cuts(*arguments: Any) -> tuple[int, int]:
        chosen.append(of_cuts(*arguments))
        return chosen[-1]

    def product(*arguments: Any) -> None:
        factors.append([array.copy() for array in arguments[:2]])
        add_product(*arguments)

    of_cuts, add_product = wide_sums._cuts, wide_sums.add_product
    monkeypatch.setattr(wide_sums, "_cuts", cuts)
    monkeypatch.setattr(wide_sums, "add_product", product)
    assert wrong(x, w) == []
    ((bits, count),) = chosen
    assert (count == 2) == (products < 150 or kind != "equal")
    if count == 2:
        of_grid = [(np.abs(array) * 2.0**bits).tolist() for array in factors[0]]
        assert all(value.is_integer() for array in of_grid for row in array for value in row)
        rows, columns = (np.array(array).astype(np.int64).astype(object) for array in of_grid)
        assert (rows @ columns).max() <= 2**53


def test_blocks_narrower_than_a_row_are_whole_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = np.arange(12.0).reshape(4, 3), np.arange(15.0).reshape(3, 5)
    monkeypatch.setattr(sums_module, "BLOCK", 2)
    assert evaluate(sums_of(x, w), None, FLOAT64).value[0].tolist() == (x @ w).tolist()

"""Convolutions against their definition on exact integers, over all formats and operand kinds."""

from __future__ import annotations

import math
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from adversarial import ALL_FORMATS, ALL_KINDS, PROBLEMS, Problem, make_operands, problems
from exact_convolution import check_rounding, exact_convolution
from numpy.typing import NDArray

from reference_impl.ops import contraction, slices
from reference_impl.ops import sums as sums_module
from reference_impl.ops.convolution import convolution_sums, plain_convolution
from reference_impl.ops.evaluation import Certified, evaluate
from reference_impl.ops.formats import FORMATS, Format
from reference_impl.ops.geometry import window_axes
from reference_impl.ops.sums import Sums

ELEMENTS = 1500
"""Outputs per format and kind."""


def get_format(name: str) -> Format:
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[name]


def operands(kind: str, problem: Problem, format: Format, seed: int) -> Any:
    """Inputs, kernel, and for every other seed a bias."""
    random = np.random.default_rng([seed, zlib.crc32(kind.encode())])
    x, w, b = make_operands(kind, problem, format, random)
    return x, w, b if seed % 2 else None


def exact_values(operands: Any, problem: Problem, format: Format) -> list[int | float]:
    return list(exact_convolution(*operands, problem.axes, format.quantum_exponent))


def mismatches(certified: Certified, exact: list[int | float], format: Format) -> list[str]:
    """Complaints about values that are not the exact ones rounded once."""
    assert certified.value.dtype == format.dtype
    values = certified.value.astype(np.float64).reshape(-1).tolist()
    complaints = (check_rounding(v, e, format) for v, e in zip(values, exact, strict=True))
    return [complaint for complaint in complaints if complaint]


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("name", ALL_FORMATS)
def test_every_value_is_the_exact_sum_rounded_once(name: str, kind: str) -> None:
    format = get_format(name)
    for seed, problem in enumerate(problems(ELEMENTS)):
        given = operands(kind, problem, format, seed)
        exact = exact_values(given, problem, format)
        sums = convolution_sums(*given, problem.axes)
        assert mismatches(evaluate(sums, None, format), exact, format) == [], (problem, seed)


def to_fraction(exact: int | float, format: Format) -> Fraction | float:
    if isinstance(exact, float):
        return exact
    return Fraction(exact) * Fraction(2) ** (2 * format.quantum_exponent)


def encloses(low: float, exact: Fraction | float, high: float) -> bool:
    if isinstance(exact, float):
        return low == high == exact or all(map(math.isnan, (low, exact, high)))
    below = low == -math.inf or (math.isfinite(low) and Fraction(low) <= exact)
    above = high == math.inf or (math.isfinite(high) and exact <= Fraction(high))
    return below and above


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("name", ALL_FORMATS)
def test_bounds_enclose_the_exact_sum_and_exact_gives_it(name: str, kind: str) -> None:
    format = get_format(name)
    for seed, problem in enumerate(PROBLEMS):
        given = operands(kind, problem, format, seed)
        exact = [to_fraction(e, format) for e in exact_values(given, problem, format)]
        sums = convolution_sums(*given, problem.axes)
        bounds = zip(sums.low.reshape(-1).tolist(), exact, sums.high.reshape(-1), strict=True)
        assert all(encloses(low, value, float(high)) for low, value, high in bounds)
        resolved = sums.exact(np.arange(len(exact)))
        assert list(map(repr, resolved)) == list(map(repr, exact))


@pytest.mark.parametrize("name", ALL_FORMATS)
@pytest.mark.parametrize("products", [1, 33, 512, 513, 4608, 10000])
def test_long_sums_are_rounded_once_in_any_order(products: int, name: str) -> None:
    """Also of which the first half cancels the second but for a little."""
    format = get_format(name)
    random = np.random.default_rng(products)
    x = random.standard_normal((2, 3, products)).astype(format.dtype)
    w = random.standard_normal((1, products, 2)).astype(format.dtype)
    half = products // 2
    x[1, :, half : 2 * half], w[:, half : 2 * half, 1] = x[1, :, :half], -w[:, :half, 1]
    axes = window_axes((3,), (1,), (1,), (1,), "valid")
    problem = Problem(2, (3,), (1,), (1,), (1,), "valid", products, 2)
    certified = evaluate(convolution_sums(x, w, None, axes), None, format)
    exact = exact_values((x, w, None), problem, format)
    assert mismatches(certified, exact, format) == []
    order = random.permutation(products)
    again = evaluate(convolution_sums(x[..., order], w[:, order], None, axes), None, format)
    assert again.value.tobytes() == certified.value.tobytes()


def few_at_a_time(patch: pytest.MonkeyPatch) -> None:
    """Blocks of a few windows, and of fewer elements."""
    patch.setattr(sums_module, "BLOCK", 7)
    patch.setattr(contraction, "OUTPUTS", 20)
    patch.setattr(contraction, "LEAST_ROWS", 1)


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_blocks_of_any_size_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    format = get_format(name)
    for kind in ALL_KINDS:
        for seed, problem in enumerate(PROBLEMS):
            given = operands(kind, problem, format, seed)
            whole = evaluate(convolution_sums(*given, problem.axes), None, format)
            with monkeypatch.context() as patch:
                few_at_a_time(patch)
                blocks = evaluate(convolution_sums(*given, problem.axes), None, format)
            assert blocks.value.tobytes() == whole.value.tobytes()


@pytest.mark.parametrize("name", ALL_FORMATS)
@pytest.mark.parametrize("piece", [1, 5, 16])
def test_pieces_of_any_size_give_the_same(
    piece: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the products of one window, in blocks of windows."""
    format = get_format(name)
    for kind in ALL_KINDS:
        given = operands(kind, PROBLEMS[0], format, 1)
        whole = evaluate(convolution_sums(*given, PROBLEMS[0].axes), None, format)
        with monkeypatch.context() as patch:
            few_at_a_time(patch)
            patch.setattr(contraction, "PIECE", piece)
            patch.setattr(slices, "PIECE", piece)
            pieces = evaluate(convolution_sums(*given, PROBLEMS[0].axes), None, format)
        assert pieces.value.tobytes() == whole.value.tobytes()


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_no_floating_point_error_is_raised(name: str) -> None:
    format = get_format(name)
    with np.errstate(all="raise"):
        for kind in ALL_KINDS:
            for seed, problem in enumerate(PROBLEMS[:3]):
                with np.errstate(all="ignore"):
                    given = operands(kind, problem, format, seed)
                evaluate(convolution_sums(*given, problem.axes), None, format)


def sums_of(x: list[float], w: list[float], bias: float | None = None) -> float:
    """One float32 sum of products through the certified path."""
    inputs, kernel = np.array(x, np.float32).reshape(1, 1, -1), np.array(w, np.float32)
    axes = window_axes((1,), (1,), (1,), (1,), "valid")
    b = None if bias is None else np.array([bias], np.float32)
    sums = convolution_sums(inputs, kernel.reshape(1, -1, 1), b, axes)
    return float(evaluate(sums, None, FORMATS["float32"]).value[0, 0, 0])


def test_special_operands_follow_ieee_754() -> None:
    inf, nan = math.inf, math.nan
    assert sums_of([inf, 1.0], [2.0, -5.0]) == inf
    assert sums_of([inf, 1.0], [-2.0, -5.0]) == -inf
    assert sums_of([inf, inf], [1.0, 1.0], -3.0) == inf
    assert sums_of([1.0, 2.0], [1.0, 1.0], -inf) == -inf
    assert sums_of([inf], [inf]) == inf
    assert sums_of([-inf], [inf]) == -inf
    for x, w, bias in (
        ([inf, 1.0], [0.0, 1.0], None),
        ([0.0, 1.0], [-inf, 1.0], None),
        ([inf, inf], [1.0, -1.0], None),
        ([inf, 1.0], [1.0, 1.0], -inf),
        ([nan, 1.0], [0.0, 1.0], None),
        ([0.0, 1.0], [nan, 1.0], None),
        ([1.0, 1.0], [1.0, 1.0], nan),
        ([inf, nan], [1.0, 1.0], None),
    ):
        assert math.isnan(sums_of(x, w, bias)), (x, w, bias)


def test_padding_is_zeros_that_are_multiplied() -> None:
    x = np.ones((1, 3, 1), np.float32)
    w = np.array([math.inf, 1.0, 1.0], np.float32).reshape(3, 1, 1)
    axes = window_axes((3,), (3,), (1,), (1,), "same")
    value = evaluate(convolution_sums(x, w, None, axes), None, FORMATS["float32"]).value
    assert math.isnan(value[0, 0, 0])
    assert value[0, 1:, 0].tolist() == [math.inf, math.inf]


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_inputs_that_no_tap_meets_make_no_output_nan(name: str) -> None:
    """Two taps on either side of a single input, both on padding: zeros times the kernel."""
    dtype = get_format(name).dtype
    axes = window_axes((1,), (2,), (1,), (2,), "same")
    x = np.array([[[np.inf, np.nan, 1.0]]]).astype(dtype)
    w, b = np.ones((2, 3, 2)).astype(dtype), np.array([0.5, -1.0]).astype(dtype)
    w[1, 2, 1] = np.inf
    value = evaluate(convolution_sums(x, w, b, axes), None, FORMATS[name]).value
    np.testing.assert_array_equal(value.astype(np.float64), [[[0.5, np.nan]]])
    plain = plain_convolution(x, w, axes)
    np.testing.assert_array_equal(plain.astype(np.float64), [[[0.0, np.nan]]])


def test_finite_operands_overflow_only_if_their_exact_sum_does() -> None:
    large = 3.0e38
    assert sums_of([large, large, -large], [1.0, 1.0, 1.0]) == float(np.float32(large))
    assert sums_of([large, large], [1.0, 1.0]) == math.inf
    assert sums_of([large, large], [large, -large]) == 0.0
    huge = np.full((1, 1, 2), 1e308)
    kernel = np.array([1e300, -1e300]).reshape(1, 2, 1)
    axes = window_axes((1,), (1,), (1,), (1,), "valid")
    value = evaluate(convolution_sums(huge, kernel, None, axes), None, FORMATS["float64"]).value
    assert value.tolist() == [[[0.0]]]


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_an_exact_zero_is_positive(name: str) -> None:
    format = get_format(name)
    for kind in ("signed-zeros", "small-integers"):
        for seed, problem in enumerate(PROBLEMS):
            given = operands(kind, problem, format, seed)
            value = evaluate(convolution_sums(*given, problem.axes), None, format).value
            assert not np.signbit(value[value == 0]).any()


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_sums_that_float64_holds_exactly_need_no_integers(name: str) -> None:
    """Among them many midpoints of float16 and bfloat16, which no radius could decide."""
    format = get_format(name)
    random = np.random.default_rng(0)
    limit = 2 ** min(format.precision, 12)
    x = random.integers(-limit, limit, (2, 20, 20, 8)).astype(format.dtype)
    w = random.integers(-3, 4, (3, 3, 8, 16)).astype(format.dtype)
    axes = window_axes((20, 20), (3, 3), (1, 1), (1, 1), "same")
    for bias in (None, np.arange(16).astype(format.dtype)):
        assert evaluate(convolution_sums(x, w, bias, axes), None, format).resolved == 0


@pytest.mark.parametrize(
    ("name", "channels", "share"),
    [("float32", 16, 1e-3), ("float64", 16, 1 / 150), ("float64", 32, 1e-3)],
)
def test_random_operands_seldom_need_the_exact_path(name: str, channels: int, share: float) -> None:
    """Two slices of few products leave more undecided, up to where that costs what they save."""
    random = np.random.default_rng(0)
    x, w = (
        random.standard_normal((2, 20, 20, channels)),
        random.standard_normal((3, 3, channels, 32)),
    )
    axes = window_axes((20, 20), (3, 3), (1, 1), (1, 1), "same")
    dtype = np.dtype(name)
    sums = convolution_sums(x.astype(dtype), w.astype(dtype), None, axes)
    certified = evaluate(sums, None, FORMATS[name])
    assert certified.resolved < share * certified.value.size


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_moving_an_axis_moves_everything(name: str) -> None:
    format = get_format(name)
    for kind in ("normal", "midpoints", "specials"):
        for problem in PROBLEMS:
            sums = convolution_sums(*operands(kind, problem, format, 1), problem.axes)
            moved = sums.moveaxis(-1, 1)
            expected = evaluate(sums, None, format).value
            got = evaluate(moved, None, format).value
            assert moved.shape == got.shape == np.moveaxis(expected, -1, 1).shape
            assert got.flags.c_contiguous
            assert got.tobytes() == np.moveaxis(expected, -1, 1).tobytes()
            assert np.array_equal(moved.low, np.moveaxis(sums.low, -1, 1), equal_nan=True)
            assert np.array_equal(moved.high, np.moveaxis(sums.high, -1, 1), equal_nan=True)
            order = np.arange(got.size).reshape(sums.shape)
            indices = np.moveaxis(order, -1, 1).reshape(-1)
            assert list(map(repr, moved.exact(np.arange(got.size)))) == list(
                map(repr, sums.exact(indices))
            )


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_arrays_are_sums_of_themselves(name: str) -> None:
    format = get_format(name)
    values = np.array([[1.5, -0.0, math.nan], [math.inf, -math.inf, 0.1]])
    array: NDArray[Any] = values.astype(format.dtype)
    sums = Sums.of_array(array)
    assert np.array_equal(sums.low, array.astype(np.float64), equal_nan=True)
    assert np.array_equal(sums.high, array.astype(np.float64), equal_nan=True)
    certified = evaluate(sums, None, format)
    assert certified.resolved == 0
    assert np.array_equal(certified.value.astype(float), array.astype(float), equal_nan=True)
    exact = sums.exact(np.arange(6))
    assert exact[0] == Fraction(3, 2)
    assert exact[5] == Fraction(float(array[1, 2]))
    assert math.isnan(exact[2])
    assert exact[3:5] == [math.inf, -math.inf]
    assert Sums.of_array(np.float64(2.0)).shape == ()
    assert evaluate(Sums.of_array(np.zeros((2, 0))), None, format).value.shape == (2, 0)


def test_operands_of_other_types_are_refused() -> None:
    axes = window_axes((3,), (1,), (1,), (1,), "valid")
    x, w = np.zeros((1, 3, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    with pytest.raises(TypeError, match="dtype 'int64' is not supported"):
        convolution_sums(x.astype(np.int64), w, None, axes)
    with pytest.raises(TypeError, match="dtype 'complex64' is not supported"):
        convolution_sums(x, w.astype(np.complex64), None, axes)

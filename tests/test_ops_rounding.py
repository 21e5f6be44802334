"""Formats, and the single rounding into them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_convolution import check_rounding
from numpy.typing import NDArray

from reference_impl.ops.formats import FLOAT32, FLOAT64, FORMATS, Format, format_of
from reference_impl.ops.rounding import (
    half_spacing,
    round_dyadic,
    round_float64,
    round_fraction,
    round_pairs,
    times_power_of_two,
)


@pytest.fixture(params=tuple(FORMATS))
def format(request: pytest.FixtureRequest) -> Format:
    if request.param == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return FORMATS[request.param]


def non_negative(format: Format, count: int) -> NDArray[np.float64]:
    """Finite numbers of the format in ascending order: all, or if more than 2**16 a sample.

    The bit patterns of the non-negative numbers are consecutive integers.  A sample holds runs of
    neighbours at the ends of the range and of some binades, so that steps of all kinds occur.
    """
    word = np.dtype(f"u{format.dtype.itemsize}")
    infinity = int(np.array([np.inf]).astype(format.dtype).view(word)[0])
    if infinity <= 1 << 16:
        bits = np.arange(infinity)
    else:
        step = 1 << format.precision - 1
        starts = np.random.default_rng(0).integers(0, infinity // step, count // 8) * step
        bits = (starts[:, None] + np.arange(-4, 4)).reshape(-1)
        bits = np.unique(np.clip(np.append(bits, (0, 1, 2, infinity - 1)), 0, infinity - 1))
    return bits.astype(word).view(format.dtype).astype(np.float64)


def test_parameters_are_those_of_the_dtype(format: Format) -> None:
    if format.name == "bfloat16":
        import ml_dtypes

        info: Any = ml_dtypes.finfo(format.dtype)
    else:
        info = np.finfo(format.dtype)
    assert format.precision == info.nmant + 1
    assert format.largest == float(info.max)
    assert format.smallest_normal == float(info.smallest_normal)
    assert 2.0**format.quantum_exponent == float(info.smallest_subnormal)
    assert 2 * format.unit_roundoff == float(info.eps)


def test_formats_are_found_by_name_dtype_and_type(format: Format) -> None:
    assert format_of(format.name) is format
    assert format_of(format.dtype) is format
    assert format_of(format.dtype.type) is format


@pytest.mark.parametrize("dtype", ["int32", "float128", np.int8, np.dtype(bool), np.complex64])
def test_other_types_have_no_format(dtype: Any) -> None:
    with pytest.raises(TypeError, match="is not supported: use float16, bfloat16"):
        format_of(dtype)


def test_every_number_of_the_format_stays(format: Format) -> None:
    values = non_negative(format, 4096)
    for signed in (values, -values):
        rounded = round_float64(signed, format)
        assert rounded.dtype == format.dtype
        assert (rounded.astype(np.float64).view(np.int64) == signed.view(np.int64)).all()


def test_midpoints_go_to_even_and_their_neighbours_to_the_nearest(format: Format) -> None:
    if format is FLOAT64:
        pytest.skip("has no midpoints among float64")
    values = non_negative(format, 4096)
    below = values[:-1]
    above = round_float64_by_neighbour(below, format)
    midpoints = below + (above - below) / 2
    even = np.where(is_even(below, format), below, above)
    for sign in (1.0, -1.0):
        got = round_float64(sign * midpoints, format).astype(np.float64)
        assert (got == sign * even).all()
        down = round_float64(sign * np.nextafter(midpoints, 0.0), format).astype(np.float64)
        assert (down == sign * below).all()
        up = round_float64(sign * np.nextafter(midpoints, np.inf), format).astype(np.float64)
        assert (up == sign * above).all()


def round_float64_by_neighbour(values: NDArray[np.float64], format: Format) -> NDArray[np.float64]:
    """The next number of the format above non-negative ones."""
    word = np.dtype(f"u{format.dtype.itemsize}")
    bits = values.astype(format.dtype).view(word) + word.type(1)
    return bits.view(format.dtype).astype(np.float64)


def is_even(values: NDArray[np.float64], format: Format) -> NDArray[np.bool_]:
    word = np.dtype(f"u{format.dtype.itemsize}")
    even: NDArray[np.bool_] = values.astype(format.dtype).view(word) % 2 == 0
    return even


def test_overflow_begins_half_a_spacing_above_the_largest_number(format: Format) -> None:
    if format is FLOAT64:
        pytest.skip("float64 holds nothing beyond itself")
    edge = 2.0**format.max_exponent - 2.0 ** (format.max_exponent - format.precision - 1)
    values = np.array([np.nextafter(edge, 0.0), edge, -edge, 1e300, np.inf, -np.inf])
    got = round_float64(values, format).astype(np.float64)
    largest = format.largest
    assert got.tolist() == [largest, math.inf, -math.inf, math.inf, math.inf, -math.inf]


def test_nan_stays_nan_and_signed_zeros_keep_their_sign(format: Format) -> None:
    tiny = 2.0 ** (format.quantum_exponent - 2) if format is not FLOAT64 else 0.0
    rounded = round_float64(np.array([np.nan, 0.0, -0.0, tiny, -tiny]), format)
    got = rounded.astype(np.float64)
    assert np.isnan(got[0])
    assert (got[1:] == 0).all()
    assert np.signbit(got[1:]).tolist() == [False, True, False, True]


def test_dyadic_numbers_are_rounded_once(format: Format) -> None:
    random = np.random.default_rng(1)
    low, high = format.quantum_exponent - 80, format.max_exponent + 5
    for bits in (1, 2, format.precision, format.precision + 1, 60, 200):
        for e in random.integers(low, high, 200).tolist():
            n = int.from_bytes(random.bytes(26)) >> 208 - bits | 1
            value = round_dyadic(-n, e - bits, format)
            scale = e - bits - 2 * format.quantum_exponent
            exact = n << scale if scale >= 0 else None
            if exact is not None:
                assert check_rounding(-value, exact, format) is None
            assert round_dyadic(n, e - bits, format) == -value


def test_dyadic_midpoints_go_to_even(format: Format) -> None:
    p, quantum = format.precision, format.quantum_exponent
    odd, even = (1 << p) - 3, (1 << p) - 2
    assert round_dyadic(2 * odd + 1, 0, FORMATS["float64"]) == 2 * odd + 1 or p == 53
    for e in (quantum, quantum + 3, 0):
        if odd.bit_length() + e + 1 <= format.max_exponent:
            assert round_dyadic(2 * odd + 1, e - 1, format) == math.ldexp(odd + 1, e)
            assert round_dyadic(2 * even + 1, e - 1, format) == math.ldexp(even, e)
    assert round_dyadic(1, quantum - 1, format) == 0.0
    assert math.copysign(1.0, round_dyadic(-1, quantum - 1, format)) == -1.0
    assert round_dyadic(3, quantum - 1, format) == math.ldexp(2, quantum)
    assert [str(round_dyadic(0, e, format)) for e in (-5000, 0, 5000)] == ["0.0"] * 3


def test_fractions_are_rounded_once(format: Format) -> None:
    random = np.random.default_rng(2)
    for _ in range(2000):
        d = int(random.integers(1, 1 << 20)) * 2 + 1
        shift = int(random.integers(format.quantum_exponent - 4, format.max_exponent + 2))
        n = int(random.integers(-(1 << 40), 1 << 40))
        value = Fraction(n, d) * Fraction(2) ** (shift - 20)
        rounded = round_fraction(value, format)
        if math.isinf(rounded):
            assert abs(value) >= Fraction(format.largest)
            continue
        spacing = Fraction(2) * Fraction(float(half_spacing(np.array([rounded]), format)[0]))
        assert abs(value - Fraction(rounded)) <= spacing / 2
        assert round_float64(np.array([rounded]), format).astype(np.float64)[0] == rounded


def test_fractions_agree_with_the_division_of_integers() -> None:
    random = np.random.default_rng(3)
    for n, d in random.integers(1, 1 << 62, (2000, 2)).tolist():
        assert round_fraction(Fraction(n, d), FLOAT64) == n / d
        assert round_fraction(Fraction(n, d << 1060), FLOAT64) == n / (d << 1060)


def test_pairs_next_to_midpoints_are_rounded_by_their_low_part(format: Format) -> None:
    if format is FLOAT64:
        half = 2.0**-53
        high, low = np.array([1.0, 1.0, 1.0, 1.0]), np.array([half, half, half, half])
        low = low * np.array([1.0, 1.0 + 2.0**-30, 1.0 - 2.0**-30, 0.0])
        values, undecided = round_pairs(high, low, np.full(4, 2.0**-100), format)
        assert values[1:].tolist() == [1.0 + 2.0**-52, 1.0, 1.0]
        assert undecided.tolist() == [True, False, False, False]
        return
    midpoint = 1.0 + format.unit_roundoff
    high, tiny = np.full(4, midpoint), 2.0**-90
    low, radius = np.array([tiny, -tiny, tiny, 0.0]), np.array([0.0, tiny / 2, tiny, 0.0])
    values, undecided = round_pairs(high, low, radius, format)
    assert values.astype(np.float64)[[0, 1, 3]].tolist() == [
        1.0 + 2 * format.unit_roundoff,
        1.0,
        1.0,
    ]
    assert undecided.tolist() == [False, False, True, False]


def test_pairs_that_are_no_midpoints_are_decided_by_a_small_radius_alone(format: Format) -> None:
    """Their low part may be 0 because it is exact, or because the radius hides it."""
    if format is FLOAT64:
        return
    midpoint = 1.0 + format.unit_roundoff
    beside = [np.nextafter(midpoint, 0.0), np.nextafter(midpoint, 2.0)]
    high = np.array([1.0, *beside, midpoint, 1.5, np.inf, np.nan, 0.0])
    radius = np.array([2.0**-54, *[2.0**-55] * 3, 2.0**-52, np.inf, np.inf, np.inf])
    values, undecided = round_pairs(high, np.zeros(8), radius, format)
    assert undecided.tolist() == [False, False, True, True, True, True, True, True]
    assert values.astype(np.float64)[:2].tolist() == [1.0, 1.0]


def test_pairs_without_a_radius_are_decided_unless_zero(format: Format) -> None:
    nothing = np.zeros(2)
    values, undecided = round_pairs(np.array([0.0, 1.5]), nothing, nothing, format)
    assert values.astype(np.float64).tolist() == [0.0, 1.5]
    assert undecided.tolist() == [True, False]


@pytest.mark.parametrize("exponent", [0, 1, -1, 999, -999, 1074, -1074, -1010, -1060, 2000, -2100])
def test_scaling_rounds_once(exponent: int) -> None:
    random = np.random.default_rng(4)
    values = random.standard_normal(300) * 2.0 ** random.integers(-60, 60, 300)
    values = np.append(values, (1.0 + 2.0**-52, 3.0, -5.0, 2.0**-40 + 2.0**-92))
    for value, got in zip(values, times_power_of_two(values, exponent), strict=True):
        n, d = float(value).as_integer_ratio()
        exact = round_dyadic(n, exponent + 1 - d.bit_length(), FLOAT64)
        assert got == exact


def test_half_spacing_is_half_the_distance_to_the_next_number(format: Format) -> None:
    values = non_negative(format, 2048)[:-1]
    above = round_float64_by_neighbour(values, format)
    expected = (above - values) / 2 if format is not FLOAT64 else (above - values) * 0.5
    got = half_spacing(values.astype(format.dtype), format)
    subnormal = above < 2.0**-1021
    assert (got[~subnormal] == expected[~subnormal]).all()
    assert (got[subnormal] >= expected[subnormal]).all()
    assert half_spacing(np.array([np.nan, np.inf]), FLOAT32).tolist() == [0.0, 0.0]
    assert half_spacing(np.array([0.0, 2.0**-1074, 2.0**-1021]), FLOAT64).tolist() == [
        2.0**-1074,
        2.0**-1074,
        2.0**-1074,
    ]

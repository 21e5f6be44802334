"""The rational activations at every number of float16, and the others at a sample of them."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from activation_definitions import DEFINITIONS, SMOOTH
from real_functions import magnitudes, nearest

from reference_impl import activations, backend

ONE = 1 << 24
"""The number 1 in units of the smallest positive float16; all numbers are integers in them."""

SLOPE, SLOPE_DENOMINATOR = (0.2).as_integer_ratio()
MAGNITUDES = np.array(magnitudes("float16")[1], np.int64)


def every_float16() -> np.ndarray:
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def in_units(numbers):
    """Finite float16 numbers as Python integers."""
    return np.array([int(x) for x in (numbers.astype(np.float64) * ONE).tolist()], object)


RATIONAL = {
    "relu": lambda n: (np.maximum(n, 0), 1),
    "relu6": lambda n: (np.clip(n, 0, 6 * ONE), 1),
    "leaky_relu": lambda n: (
        np.where(n < 0, n * SLOPE, n * SLOPE_DENOMINATOR),
        SLOPE_DENOMINATOR,
    ),
    "hard_tanh": lambda n: (np.clip(n, -ONE, ONE), 1),
    "hard_sigmoid": lambda n: (np.clip(n + 3 * ONE, 0, 6 * ONE), 6),
    "hard_silu": lambda n: (n * np.clip(n + 3 * ONE, 0, 6 * ONE), 6 * ONE),
    "hard_shrink": lambda n: (np.where(2 * abs(n) > ONE, n, 0), 1),
    "soft_shrink": lambda n: (n - np.clip(n, -ONE // 2, ONE // 2), 1),
    "softsign": lambda n: (n * ONE, ONE + abs(n)),
    "sparse_plus": lambda n: (
        np.where(n < ONE, np.clip(n + ONE, 0, 2 * ONE) ** 2, 4 * ONE * n),
        4 * ONE,
    ),
    "sparse_sigmoid": lambda n: (np.clip(n + ONE, 0, 2 * ONE), 2),
}
"""Value in units as numerator and denominator, from the argument in units."""


def nearest_float16(numerator, denominator):
    """By search among all magnitudes; a midpoint goes to the one with an even code."""
    magnitude = abs(numerator)
    code = np.searchsorted(MAGNITUDES, (magnitude // denominator).astype(np.int64), "right") - 1
    lower = MAGNITUDES[code].astype(object)
    upper = MAGNITUDES[np.minimum(code + 1, MAGNITUDES.size - 1)].astype(object)
    twice = (lower + upper) * denominator
    code += (2 * magnitude > twice) | ((2 * magnitude == twice) & (code % 2 == 1))
    bits = code.astype(np.uint16) | (np.uint16(0x8000) * (numerator < 0).astype(np.uint16))
    return bits.view(np.float16)


@pytest.mark.parametrize("name", RATIONAL)
def test_rational_activations_are_right_at_every_float16(name):
    numbers = every_float16()
    finite = np.isfinite(numbers)
    values = getattr(activations, name)(numbers)
    expected = nearest_float16(*RATIONAL[name](in_units(numbers[finite])))
    assert np.array_equal(values[finite], expected)
    assert np.array_equal(np.isnan(values), np.isnan(numbers))


def test_hard_sigmoid_in_the_reading_of_keras_2_is_right_at_every_float16():
    numbers = every_float16()
    numbers = numbers[np.isfinite(numbers)]
    with backend.reading_as("keras2"):
        values = activations.hard_sigmoid(numbers)
    numerator = np.clip(2 * in_units(numbers) + 5 * ONE, 0, 10 * ONE)
    assert np.array_equal(values, nearest_float16(numerator, 10))


@pytest.mark.parametrize("activation", SMOOTH)
def test_smooth_activations_are_right_at_a_sample_of_float16(activation):
    function, definition = DEFINITIONS[activation]
    numbers = every_float16()[1::521]
    numbers = numbers[np.abs(numbers) < (30 if "gelu" in activation else 700)]
    expected = [nearest(definition(Fraction(float(x))), "float16") for x in numbers]
    assert function(numbers).tolist() == expected


@pytest.mark.parametrize(
    "function",
    [
        activations.sigmoid,
        activations.tanh,
        activations.softplus,
        activations.exponential,
        activations.selu,
        activations.tanh_shrink,
        partial(activations.squareplus, b=0.1),
    ],
)
def test_increasing_activations_increase_over_all_of_float16(function):
    """One value out of place anywhere would break the order."""
    positive = np.arange(0x7C01, dtype=np.uint16).view(np.float16)
    numbers = np.concatenate([-positive[::-1], positive])
    values = function(numbers).astype(np.float64)
    assert (values[1:] >= values[:-1]).all()

"""The values of the element-wise activations against the definitions on fractions, bit by bit."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from activation_definitions import DEFINITIONS, RATIONAL, SMOOTH
from real_functions import nearest

from reference_impl import activations
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FORMATS
from reference_impl.ops.sums import Sums

FLOATS = ("float16", "float32", "float64")
KINKS = (0.0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0, 1.1, 1.278464542761, 1.5, 2.5, 3.0, 5.7, 6.0)


def encloses(low: float, value: Fraction, high: float) -> bool:
    """Whether a value lies within bounds, but for the error of its definition."""
    slack = Fraction(1, 2**1200)
    return value + slack >= low and value - slack <= high


def reach(activation: str) -> float:
    """Up to which magnitude the definition is evaluated; the tests of ties go further."""
    if activation in RATIONAL:
        return math.inf
    return 39 if "gelu" in activation else 750


@cache
def points(name: str) -> tuple[float, ...]:
    """Numbers of a format of every size, near every kink, and where results underflow."""
    draw = random.Random(name)
    largest = {"float16": 15, "bfloat16": 30, "float32": 30, "float64": 60}[name]
    scales = [draw.uniform(-largest, largest / 2) for _ in range(14)]
    numbers = [draw.choice((-1, 1)) * 2.0**scale for scale in scales]
    numbers += [draw.gauss(0, 3) for _ in range(14)] + [draw.uniform(-38, 38) for _ in range(5)]
    for kink in KINKS:
        number = nearest(Fraction(kink), name)
        numbers += [number, -number]
        if name in FLOATS:
            up = np.nextafter(np.dtype(name).type(number), np.dtype(name).type(np.inf))
            numbers += [float(up), -float(up)]
    quantum = 2.0 ** FORMATS[name].quantum_exponent
    numbers += [quantum, -quantum, 3 * quantum, -37 * quantum]
    numbers += [-87.3, -103.9, -104.1] if name != "float16" else [-9.7, -17.3]
    numbers += [-709.9, -744.4, 709.7] if name == "float64" else []
    return tuple(sorted({nearest(Fraction(number), name) for number in numbers}))


@cache
def real_value(activation: str, x: float) -> Fraction:
    return DEFINITIONS[activation][1](Fraction(x))


def points_of(activation: str, name: str) -> list[float]:
    return [x for x in points(name) if abs(x) <= reach(activation)]


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("activation", DEFINITIONS)
def test_values_are_the_real_ones_rounded_once(activation, name):
    given = np.array(points_of(activation, name), name)
    values = DEFINITIONS[activation][0](given)
    expected = [nearest(real_value(activation, float(x)), name) for x in given]
    assert values.dtype == given.dtype
    wrong = np.flatnonzero(values != np.array(expected, name))
    assert not wrong.size, (given[wrong], values[wrong], np.array(expected)[wrong])


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_values_in_bfloat16_are_the_real_ones_rounded_once(activation):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    given = np.array(points_of(activation, "bfloat16")).astype(ml_dtypes.bfloat16)
    values = DEFINITIONS[activation][0](given)
    expected = [nearest(real_value(activation, float(x)), "bfloat16") for x in given]
    assert values.dtype == given.dtype
    assert values.astype(np.float64).tolist() == expected


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("activation", DEFINITIONS)
def test_resolved_values_are_the_real_ones_rounded_once(activation, name):
    """What decides where the bounds in float64 do not; seldom needed, so asked for directly."""
    certified = activations.certified(DEFINITIONS[activation][0])
    given = points_of(activation, "float64")[::4]
    values = certified.resolve([Fraction(x) for x in given], FORMATS[name])
    assert values == [nearest(real_value(activation, x), name) for x in given]


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_bounds_hold_over_intervals_and_are_narrow_at_points(activation):
    certified = activations.certified(DEFINITIONS[activation][0])
    given = np.array(points_of(activation, "float64"))
    exact = [real_value(activation, x) for x in given.tolist()]
    low, high = certified.enclose(given, given.copy())
    for a, value, b in zip(low.tolist(), exact, high.tolist(), strict=True):
        assert encloses(a, value, b)
        if abs(value) < 1e300:
            assert Fraction(b) - Fraction(a) <= abs(value) / 10**11 + Fraction(1, 2**980)
    for step in (1, 2, 7):
        low, high = certified.enclose(given[:-step], given[step:])
        for i, (a, b) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            assert all(encloses(a, value, b) for value in exact[i : i + step + 1])


@pytest.mark.parametrize("activation", SMOOTH)
def test_values_next_to_a_midpoint_are_decided(activation):
    """Arguments in float64 whose values lie within 1e-15 of a midpoint between float32 numbers."""
    certified = activations.certified(DEFINITIONS[activation][0])
    found = []
    for start in (-2.0, -0.3, 0.7, 3.0):
        value = float(real_value(activation, start))
        lower = np.float32(value)
        middle = (float(lower) + float(np.nextafter(lower, np.float32(np.inf)))) / 2
        found += preimages(certified, start, middle)
    given = np.array(found)
    result = evaluate(Sums.of_array(given), certified, FORMATS["float32"])
    assert result.resolved > 0, "no value was close enough to be undecided in float64"
    assert result.value.tolist() == [nearest(real_value(activation, x), "float32") for x in found]


def preimages(certified, start, value):
    """Neighbouring numbers near `start` around the argument that gives `value`, by halving."""
    low, high = start - 1e-3, start + 1e-3
    ends = certified.enclose(np.array([low, high]), np.array([low, high]))[0] - value
    if ends[0] * ends[1] > 0:
        return [start]
    for _ in range(60):
        middle = (low + high) / 2
        point = np.array([middle])
        if (certified.enclose(point, point)[0][0] - value) * ends[0] > 0:
            low = middle
        else:
            high = middle
    return [low, high, float(np.nextafter(high, math.inf))]


TIES = {
    # In bfloat16, with 8 significant bits, odd numbers from 256 to 512 are midpoints, and the
    # neighbour that is a multiple of 4 is the even one.  The values lie beside the midpoint by
    # less than 1e-100, or far less, and on the side that the formula says.
    "silu": {257: 256, 259: 258, -800: 0},
    "gelu": {257: 256, 259: 258, -800: 0},
    "gelu approximate": {257: 256, 259: 258, -800: 0},
    "mish": {257: 256, 259: 258},
    "softplus": {257: 258, 259: 260, -1e5: 0},
    "log_sigmoid": {-257: -258, -259: -260},
    "squareplus": {257: 258, 259: 260},
    "tanh_shrink": {258: 258, 260: 260, -258: -258},
    "elu alpha=2.7": {-1e6: -2.703125},
    "sigmoid": {1e6: 1, -1e6: 0},
    "tanh": {1e6: 1, -1e6: -1},
    "exponential": {-1e6: 0, 1e6: math.inf, -(2.0**-9): 1, 2.0**-8: 1.0078125},
}


@pytest.mark.parametrize("activation", TIES)
def test_ties_are_broken_by_terms_however_small(activation):
    certified = activations.certified(DEFINITIONS[activation][0])
    values = certified.resolve([Fraction(x) for x in TIES[activation]], FORMATS["bfloat16"])
    assert values == list(TIES[activation].values())


@pytest.mark.parametrize("activation", ["tanh", "elu", "celu", "softplus", "silu"])
def test_ties_of_the_smallest_numbers_are_broken(activation):
    """Half the smallest float64 is a midpoint; the term of second order decides, 2**-2150 or so."""
    certified = activations.certified(DEFINITIONS[activation][0])
    half = Fraction(1, 2**1075)
    above = certified.resolve([3 * half], FORMATS["float64"])[0]
    below = certified.resolve([-3 * half], FORMATS["float64"])[0]
    quantum = 2.0**-1074
    expected = {
        "tanh": (quantum, -quantum),
        "elu": (2 * quantum, -quantum),
        "celu": (2 * quantum, -quantum),
        "softplus": (math.log(2), math.log(2)),
        "silu": (quantum, -quantum),
    }
    assert (above, below) == expected[activation]

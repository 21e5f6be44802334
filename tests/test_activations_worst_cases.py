"""Activations at the known worst cases of the functions that they are made of.

The arguments are those of V. Lefevre, J.-M. Muller, A. Tisserand, P. Zimmermann and others, as the
project CORE-MATH lists them (A. Sibidanov, P. Zimmermann, S. Glondu, The CORE-MATH project, ARITH
2022): float64 numbers at which exp, expm1, tanh, log1p or erfc come nearest to a midpoint of two
float64.  How near is proven here by integers (`real_functions`), and so is every rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import frexp
from typing import Any, NamedTuple

import numpy as np
import pytest
from activation_definitions import DEFINITIONS
from real_functions import exp, log, nearest, normal_distribution, sqrt, tanh

from reference_impl import activations
from reference_impl.ops import double_double, pair_functions
from reference_impl.ops.double_double import Pair
from reference_impl.ops.formats import FLOAT64
from reference_impl.ops.pair_tables import split
from reference_impl.ops.rounding import round_pairs


class Worst(NamedTuple):
    """A function's worst cases.

    Attributes:
        function: the function on fractions.
        bits: at each argument the value is within ``2**-bits`` spacings of a midpoint.
        arguments: as hexadecimal floats.
    """

    function: Callable[[Fraction], Fraction]
    bits: int
    arguments: str


WORST = {
    "exp": Worst(
        exp,
        52,
        """
        0x1.9e9cbbfd6080bp-31 -0x1.4bd46601ae1efp-31 0x1.ba07d73250de7p-14 -0x1.6ff486dc6f81ap-24
        0x1.accfbe46b4ef0p-1 0x1.6a4d1af9cc989p-8 0x1.aca7ae8da5a7bp+0 0x1.282aae3169ee7p-20
        -0x1.54c9218baa581p+3 0x1.836b2fff6d6cbp-33 -0x1.02393d5976769p+1 -0x1.71e0b869b5e79p+2
        -0x1.22e24fa3d5cf9p-1 0x1.d83e8bdd4f7e4p-12 0x1.a8ead058bc6b8p+3
        """,
    ),
    "expm1": Worst(
        lambda x: exp(x) - 1,
        55,
        """
        0x1.274bbf1efb1a2p-10 0x1.51fce10251a48p-16 0x1.a31972381bd0cp-23 0x1.1a4d6f93a29efp-24
        -0x1.19e53fcd490d0p-23 -0x1.555b5316cb345p-17 -0x1.d8db2b4e24465p-14 0x1.bddfe561dbef3p-27
        -0x1.89a8c886e52f4p-10
        """,
    ),
    "tanh": Worst(
        tanh,
        56,
        """
        0x1.e0000000000e1p-22 0x1.68000000017bbp-19 0x1.ac343b179fec4p-3 0x1.1375c272d441cp+1
        0x1.30842605350a2p-21 0x1.c3f025670d6a7p-22
        """,
    ),
    "log1p": Worst(
        lambda x: log(1 + x),
        52,
        """
        0x1.14956b273c365p+8 0x1.bbd793fe7b41cp+7 0x1.2de110c79fac5p+2 0x1.1b6e7e4e96f86p+2
        0x1.01867637cbd03p+4 0x1.6f3825778aaafp+4 0x1.2d9d7d597a9ddp+4 0x1.0b1199e497739p+3
        0x1.87c3d679ec09ap+2 0x1.34e35780cada8p+2 0x1.3caf35955d798p+7 0x1.9731a310aabcap+8
        0x1.d9a59d6045120p+2 0x1.222e0bc47b9cbp+5 0x1.930190dae610ep+6 0x1.d5c4ba6943027p+8
        """,
    ),
    "erfc": Worst(
        lambda x: 2 * normal_distribution(-x * sqrt(Fraction(2))),
        55,
        """
        0x1.32cf39dceda5ap-16 0x1.8bc46e0d85524p-9 -0x1.106c2cd5ea6c3p-9 -0x1.6c196b0b4ae04p+1
        0x1.76bd4d0e5284cp+0 0x1.5b68f2177617bp-28 -0x1.5d5925dc95229p-19 0x1.48de452fb1a15p+4
        0x1.a4da393e39e5ep-25 -0x1.87a90c08df72cp-28 0x1.00595d7d950f3p-29 0x1.2e6e45643fc4dp-29
        -0x1.4a943c917ed26p-12
        """,
    ),
}


def arguments(name: str) -> list[float]:
    return [float.fromhex(word) for word in WORST[name].arguments.split()]


@pytest.mark.parametrize("name", WORST)
def test_the_worst_cases_are_as_near_to_midpoints_as_stated(name: str) -> None:
    """A list copied wrongly would prove nothing."""
    for x in arguments(name):
        value = WORST[name].function(Fraction(x))
        spacing = Fraction(2) ** (frexp(float(value))[1] - 53)
        from_midpoint = abs((value / spacing) % 1 - Fraction(1, 2))
        assert from_midpoint < Fraction(1, 2 ** WORST[name].bits), x.hex()


@pytest.mark.parametrize("activation", DEFINITIONS)
@pytest.mark.parametrize("name", WORST)
def test_activations_at_the_worst_cases(name: str, activation: str) -> None:
    """Of both signs, as sigmoid and its like take ``exp(-|x|)``, and halved, for ``exp(2 x)``."""
    function, definition = DEFINITIONS[activation]
    given = [sign * x for x in arguments(name) for sign in (1.0, -1.0, 0.5, -0.5)]
    given = [x for x in given if abs(x) < 39 or "gelu" not in activation]
    expected = [nearest(definition(Fraction(x)), "float64") for x in given]
    assert function(np.array(given)).tolist() == expected


def as_pairs(values: list[Fraction]) -> Pair:
    high, low = zip(*map(split, values), strict=True)
    return Pair(np.array(high), np.array(low))


EXPANDED: dict[str, tuple[Callable[[Pair], Pair], float]] = {
    "exp": (pair_functions.exponential, pair_functions.EXP_ERROR),
    "expm1": (pair_functions.expm1, pair_functions.EXPM1_ERROR),
    "log1p": (pair_functions.log1p, pair_functions.LOG1P_ERROR),
}


@pytest.mark.parametrize("name", EXPANDED)
def test_expansions_at_the_worst_cases_leave_the_decision_to_the_exact_path(name: str) -> None:
    """The bound holds there, and is far too wide to decide."""
    function, error = EXPANDED[name]
    x = arguments(name)
    check(name, x, function(double_double.pair(np.array(x))), error)


def test_tails_of_the_normal_distribution_at_the_worst_cases_of_erfc() -> None:
    """``erfc(x)`` is twice the tail at ``sqrt(2) x``, here for positive x."""
    x = [value for value in arguments("erfc") if value > 0]
    scaled = as_pairs([Fraction(value) * sqrt(Fraction(2)) for value in x])
    tails = double_double.scaled(pair_functions.normal(scaled).tail, 2.0)
    check("erfc", x, tails, pair_functions.TAIL_ERROR)


def check(name: str, x: list[float], value: Pair, error: float) -> None:
    for argument, high, low in zip(x, value.high.tolist(), value.low.tolist(), strict=True):
        expected = WORST[name].function(Fraction(argument))
        assert abs(Fraction(high) + Fraction(low) - expected) <= Fraction(error) * abs(expected)
    assert round_pairs(*double_double.expansion(value, error), FLOAT64)[1].all()


def test_one_element_alone_goes_the_other_way_to_the_same_value() -> None:
    """Few elements are not expanded but resolved."""
    for x in arguments("exp") + arguments("tanh"):
        for name in ("exponential", "tanh", "softplus", "gelu"):
            function = getattr(activations, name)
            many = function(np.full(100, x))
            assert (many == function(np.array([x]))[0]).all()


HALVED_NEAR_ZERO: dict[str, Callable[[Any], np.ndarray[Any, Any]]] = {
    "silu": activations.silu,
    "gelu": activations.gelu,
    "gelu by tanh": lambda x: activations.gelu(x, approximate=True),
}
"""The activations that are ``x / 2`` and a positive multiple of ``x**2`` near 0."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", HALVED_NEAR_ZERO)
def test_halves_of_subnormal_numbers_are_rounded_upwards(name: str, dtype: str) -> None:
    """``x / 2`` is a midpoint for every other subnormal number, and the square decides.

    So the k-th number gives the one of ``floor((k + 1) / 2)``.
    """
    kind: Any = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.float32
    numbers = 127 if dtype == "bfloat16" else 4000
    k = np.arange(-numbers, numbers + 1)
    smallest = 2.0 ** -(133 if dtype == "bfloat16" else 149)
    result = HALVED_NEAR_ZERO[name]((k * smallest).astype(kind))
    assert result.dtype == kind
    assert (result.astype(np.float64) == ((k + 1) // 2) * smallest).all()
    assert (np.signbit(result) == (k < 0)).all()


@pytest.mark.parametrize("name", HALVED_NEAR_ZERO)
def test_where_the_half_begins_and_ends_to_decide(name: str) -> None:
    """Around ``2**-450`` and ``2**-60`` in float64, as few elements, resolved, are rounded."""
    function = HALVED_NEAR_ZERO[name]
    rng = np.random.default_rng(15)
    magnitudes = [rng.integers(2**52, 2**53, 12) * 2.0**e for e in (-503, -502, -114, -113, -112)]
    x = np.concatenate([*magnitudes, 2.0 ** np.array([-450.0, -449, -61, -60, -54])])
    x = np.concatenate([x, -x])
    few = np.array([function(one.reshape(1))[0] for one in x])
    assert (function(x) == few).all()

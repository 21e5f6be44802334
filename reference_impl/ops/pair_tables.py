"""The constants of `reference_impl.ops.pair_functions`, as pairs of float64.

They are derived when first used, by the interval arithmetic that also decides what no bound can
(`reference_impl.ops.elementary`): a number is enclosed to 60 digits or more, its high part is the
nearest float64, its low part the one nearest to the rest.  So a pair is within ``1.01 u**2`` of the
number, relative to it, whatever the machine, and there is no list of digits that could be wrong.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import factorial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import Pair, constant
from reference_impl.ops.elementary import Decimals, Interval, decimals, negated

Float64Array = NDArray[np.float64]

STEPS: Final = 64
"""Parts of an octave: exponentials are tabulated at the multiples of ``ln(2) / 64``."""

_DIGITS: Final = 64


def split(value: Fraction) -> tuple[float, float]:
    """The nearest float64, and the one nearest to the rest."""
    high = float(value)
    return high, float(value - Fraction(high))


def _middle(interval: Interval) -> Fraction:
    return (Fraction(interval[0]) + Fraction(interval[1])) / 2


def _columns(values: list[Fraction]) -> Pair:
    high, low = zip(*map(split, values), strict=True)
    return Pair(np.array(high), np.array(low))


def ratio(numerator: int, denominator: int = 1) -> Pair:
    """A rational number as a pair."""
    return constant(*split(Fraction(numerator, denominator)))


class Exponentials(NamedTuple):
    """What `pair_functions.exponential` needs.

    Attributes:
        steps: ``ln(2) / 64`` in three parts: two of at most 34 bits, so that their products with
            integers up to ``2**19`` are exact, and the nearest float64 to the rest.
        excess: ``2**(j / 64) - 1`` for j from -32 to 31, at the index j modulo 64.
        leading: ``1 / n!`` for n from 1 to 4.
        tail: ``1 / n!`` for n from 5 to 12.
    """

    steps: tuple[float, float, float]
    excess: Pair
    leading: tuple[Pair, ...]
    tail: tuple[float, ...]


@lru_cache(maxsize=1)
def exponentials() -> Exponentials:
    """The constants of the exponential function."""
    d = decimals(_DIGITS)
    octave = d.log1p(d.of(1))
    step = _middle(octave) / STEPS
    powers = [(j + STEPS // 2) % STEPS - STEPS // 2 for j in range(STEPS)]
    return Exponentials(
        _three_parts(step),
        _columns([_middle(_power_of_two_less_one(d, octave, j)) for j in powers]),
        tuple(ratio(1, factorial(n)) for n in range(1, 5)),
        tuple(1.0 / factorial(n) for n in range(5, 13)),
    )


def _power_of_two_less_one(d: Decimals, octave: Interval, j: int) -> Interval:
    """``2**(j / 64) - 1``."""
    if not j:
        return d.of(0)
    part = d.multiply(octave, d.of(Fraction(abs(j), STEPS)))
    return d.expm1(part if j > 0 else negated(part))


def _three_parts(value: Fraction) -> tuple[float, float, float]:
    first = _leading_bits(value, 33)
    second = _leading_bits(value - first, 33)
    return float(first), float(second), float(value - first - second)


def _leading_bits(value: Fraction, bits: int) -> Fraction:
    """A positive number below 1, rounded to so many bits or one more."""
    exponent = bits + value.denominator.bit_length() - value.numerator.bit_length()
    return Fraction(round(value * 2**exponent), 2**exponent)


TANGENT_LEADING: Final = 6
TANGENT_TERMS: Final = 18


class Series(NamedTuple):
    """A power series: the first coefficients as pairs, the others as single floats."""

    leading: tuple[Pair, ...]
    tail: tuple[float, ...]


@lru_cache(maxsize=1)
def tangent_defect() -> Series:
    """``(x - tanh(x)) / x**3`` as a series in ``x**2``.

    With ``tanh(x) = sum t_n x**(2 n + 1)``, the differential equation ``tanh' = 1 - tanh**2`` gives
    ``(2 n + 1) t_n = -sum_(i + j = n - 1) t_i t_j``.
    """
    terms = [Fraction(1)]
    for n in range(1, TANGENT_TERMS + 1):
        products = sum((a * b for a, b in zip(terms, reversed(terms), strict=True)), Fraction(0))
        terms.append(-products / (2 * n + 1))
    coefficients = [-term for term in terms[1:]]
    return Series(
        tuple(constant(*split(value)) for value in coefficients[:TANGENT_LEADING]),
        tuple(float(value) for value in coefficients[TANGENT_LEADING:]),
    )


SEGMENTS: Final = 43
MILLS_LEADING: Final = 10
MILLS_TERMS: Final = 24
_MILLS_DIGITS: Final = 130


class Mills(NamedTuple):
    """Taylor coefficients of Mills' ratio over ``sqrt(2 pi)`` on segments, one row for each power.

    Attributes:
        centres: the middles of the segments, ``(43,)``, exactly.
        leading: the first 10 coefficients, each ``(43,)``.
        tail: the other 14.
    """

    centres: Float64Array
    leading: tuple[Pair, ...]
    tail: tuple[Float64Array, ...]


def segment_centre(index: int) -> Fraction:
    """The middle of a segment: ``1 + x`` is cut into octaves, each of them into eight parts."""
    octave, part = divmod(index, 8)
    return Fraction(2**octave * (17 + 2 * part), 16) - 1


@lru_cache(maxsize=1)
def mills() -> Mills:
    """The coefficients of ``G(x) = P(X > x) exp(x**2 / 2)``, X a standard normal variable."""
    centres = [segment_centre(index) for index in range(SEGMENTS)]
    rows = list(zip(*map(mills_coefficients, centres), strict=True))
    return Mills(
        np.array([float(centre) for centre in centres]),
        tuple(_columns([_middle(value) for value in row]) for row in rows[:MILLS_LEADING]),
        tuple(np.array([float(_middle(value)) for value in row]) for row in rows[MILLS_LEADING:]),
    )


def mills_coefficients(a: Fraction) -> list[Interval]:
    """Intervals around ``G^(n)(a) / n!`` for n below 24, at a positive a.

    From ``G'(x) = x G(x) - 1 / sqrt(2 pi)`` follows ``G^(n+1) = x G^(n) + n G^(n-1)``; and
    ``(-1)**n G^(n)(x) = m_n(x) / sqrt(2 pi)`` with ``m_n(x)`` the positive integral of
    ``t**n exp(-x t - t**2 / 2)`` over positive t.  In ``m_(n+1) = n m_(n-1) - x m_n`` most digits
    cancel for large x: 54 altogether at 39, so that more than 60 are left of 130.
    """
    d = decimals(_MILLS_DIGITS)
    point = d.of(a)
    before = d.normal_density(d.of(0))
    growth = d.exp(d.of(a * a / 2))
    moments = [d.multiply(d.normal_tail(point), growth)]
    for n in range(MILLS_TERMS - 1):
        following = d.subtract(before, d.multiply(point, moments[n]))
        before = d.multiply(moments[n], d.of(n + 1))
        moments.append(following)
    return [_over_factorial(d, moment, n) for n, moment in enumerate(moments)]


def _over_factorial(d: Decimals, moment: Interval, n: int) -> Interval:
    value = d.divide(moment, d.of(factorial(n)))
    return negated(value) if n % 2 else value


@lru_cache(maxsize=1)
def inverse_root_of_two_pi() -> Pair:
    """``1 / sqrt(2 pi)``."""
    d = decimals(_DIGITS)
    return constant(*split(_middle(d.normal_density(d.of(0)))))


@lru_cache(maxsize=1)
def tangent_gelu() -> tuple[Pair, Pair]:
    """``sqrt(8 / pi)``, and 0.044715 times that."""
    d = decimals(_DIGITS)
    root = _middle(d.sqrt(d.divide(d.of(8), d.pi)))
    return constant(*split(root)), constant(*split(root * Fraction(44715, 1_000_000)))

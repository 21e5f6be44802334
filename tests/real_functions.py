"""Real functions by integer arithmetic, and nearest numbers of a format by search.

An evaluation of its own, to test another: fixed-point integers and series that differ from those of
the library (exponential by halving and squaring, logarithm by square roots, erf by its alternating
series), no decimal arithmetic and no float.  Values are fractions with an absolute error below
``2**-1300``, at arguments of magnitude up to 800.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from fractions import Fraction
from functools import cache

import numpy as np

BITS = 1400


def fixed(x: Fraction, bits: int) -> int:
    return (x.numerator << bits) // x.denominator


def exp(x: Fraction) -> Fraction:
    """By the Taylor series of ``x / 2**j`` and j squarings."""
    halvings = max(x.numerator.bit_length() - x.denominator.bit_length(), 0) + 20
    bits = BITS + 2 * halvings + int(2 * abs(x)) + 60
    one = 1 << bits
    r = fixed(x, bits) >> halvings
    total = term = one
    n = 0
    while term not in (0, -1):
        n += 1
        term = (term * r >> bits) // n
        total += term
    for _ in range(halvings):
        total = total * total >> bits
    return Fraction(total, one)


def log(y: Fraction) -> Fraction:
    """For y of at least 1, by square roots and the series of the inverse hyperbolic tangent."""
    halvings = max(y.numerator.bit_length() - y.denominator.bit_length(), 1).bit_length() + 20
    bits = BITS + 4 * halvings + 60
    one = 1 << bits
    root = fixed(y, bits)
    for _ in range(halvings):
        root = math.isqrt(root << bits)
    t = ((root - one) << bits) // (root + one)
    square = t * t >> bits
    total, power, n = 0, t, 1
    while power:
        total += power // n
        power = power * square >> bits
        n += 2
    return Fraction(total << (halvings + 1), one)


@cache
def pi() -> Fraction:
    """By Euler's formula ``20 arctan(1/7) + 8 arctan(3/79)``."""
    bits = BITS + 60

    def arctan(p: int, q: int) -> int:
        total, power, n = 0, (p << bits) // q, 1
        while power:
            total += power // n if n % 4 == 1 else -(power // n)
            power = power * p * p // (q * q)
            n += 2
        return total

    return Fraction(20 * arctan(1, 7) + 8 * arctan(3, 79), 1 << bits)


def sqrt(y: Fraction) -> Fraction:
    bits = BITS + 60
    return Fraction(math.isqrt(fixed(y, 2 * bits)), 1 << bits)


def tanh(x: Fraction) -> Fraction:
    square = exp(2 * x)
    return (square - 1) / (square + 1)


def softplus(x: Fraction) -> Fraction:
    return log(1 + exp(x))


def normal_distribution(x: Fraction) -> Fraction:
    """``P(X <= x)`` by the alternating series of erf, whose terms reach ``exp(x**2 / 2)``."""
    bits = BITS + int(x * x) + 100
    half_square = fixed(x * x / 2, bits)
    total, term, n = 0, fixed(x, bits), 0
    while term not in (0, -1):
        total += term // (2 * n + 1)
        n += 1
        term = -(term * half_square >> bits) // n
    return Fraction(1, 2) + Fraction(total, 1 << bits) / sqrt(2 * pi())


# Nearest numbers


@cache
def magnitudes(name: str) -> tuple[int, list[int]]:
    """Every magnitude of a 16-bit format in units of its quantum, ascending; the unit's exponent.

    The last entry is the first number beyond the range, which stands for infinity.
    """
    precision, quantum, count = {"float16": (11, -24, 31744), "bfloat16": (8, -133, 32640)}[name]
    step = 1 << (precision - 1)
    numbers = []
    for code in range(count + 1):
        exponent, fraction = divmod(code, step)
        numbers.append(fraction if not exponent else (step + fraction) << (exponent - 1))
    return quantum, numbers


def nearest(value: Fraction, name: str) -> float:
    """The number of the format nearest to `value`; of two, the one whose code is even."""
    if name == "float64":
        try:
            return value.numerator / value.denominator
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if name == "float32":
        return _nearest_single(value)
    quantum, numbers = magnitudes(name)
    units = abs(value) / Fraction(2) ** quantum
    code = bisect_right(numbers, units.__floor__()) - 1
    if code < len(numbers) - 1:
        middle = Fraction(numbers[code] + numbers[code + 1], 2)
        code += units > middle or (units == middle and code % 2)
    is_beyond = code >= len(numbers) - 1
    result = math.inf if is_beyond else float(numbers[code] * Fraction(2) ** quantum)
    return -result if value < 0 else result


def _nearest_single(value: Fraction) -> float:
    magnitude = abs(value)
    largest = Fraction(2) ** 128
    if magnitude >= largest - Fraction(2) ** 103:
        return math.inf if value > 0 else -math.inf
    start = np.float32(min(float(magnitude), 3.4028234663852886e38))
    candidates = [
        start,
        np.nextafter(start, np.float32(0)),
        np.nextafter(start, np.float32(np.inf)),
    ]
    finite = [c for c in candidates if np.isfinite(c)]
    best = min(
        finite, key=lambda c: (abs(Fraction(float(c)) - magnitude), int(c.view(np.int32)) & 1)
    )
    return -float(best) if value < 0 else float(best)

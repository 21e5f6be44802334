"""Cosines and sines of rational parts of a turn, in fixed point: integers times ``2**-BITS``."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

BITS: Final = 256
"""Binary places; a result is within ``2**-240`` of the real number, and exact multiples of a
quarter turn are exact."""

ONE: Final = 1 << BITS


@lru_cache(maxsize=1)
def two_pi() -> int:
    """``2 pi``, by Machin's formula: ``pi = 16 atan(1/5) - 4 atan(1/239)``."""
    return 2 * (16 * _arctangent_of_inverse(5) - 4 * _arctangent_of_inverse(239))


def _arctangent_of_inverse(n: int) -> int:
    """``atan(1 / n) = 1/n - 1/(3 n**3) + 1/(5 n**5) - ...``."""
    power, total, k = ONE // n, 0, 1
    while power:
        total += power // k if k % 4 == 1 else -(power // k)
        power //= n * n
        k += 2
    return total


@lru_cache(maxsize=1 << 16)
def cosine_of_turn(numerator: int, denominator: int) -> int:
    """``cos(2 pi numerator / denominator)``.

    By symmetry, the angle is brought to at most an eighth of a turn; there the Taylor series of
    the cosine or sine converges fast.
    """
    numerator %= denominator
    if 2 * numerator > denominator:
        numerator = denominator - numerator
    if 4 * numerator > denominator:
        return -cosine_of_turn(denominator - 2 * numerator, 2 * denominator)
    if 8 * numerator > denominator:
        return _series(denominator - 4 * numerator, 4 * denominator, 1)
    return _series(numerator, denominator, 0)


def sine_of_turn(numerator: int, denominator: int) -> int:
    """``sin(2 pi numerator / denominator)``, the cosine a quarter of a turn earlier."""
    return cosine_of_turn(4 * numerator - denominator, 4 * denominator)


def _series(numerator: int, denominator: int, first: int) -> int:
    """Taylor's series of the cosine (`first` 0) or sine (1) of a part of a turn."""
    angle = two_pi() * numerator // denominator
    square = angle * angle >> BITS
    term = angle if first else ONE
    total, k, sign = 0, first, 1
    while term:
        total += sign * term
        term = (term * square >> BITS) // ((k + 1) * (k + 2))
        k, sign = k + 2, -sign
    return total

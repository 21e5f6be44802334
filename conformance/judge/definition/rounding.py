"""Rounding to a binary floating-point format, once, in integer arithmetic.

A format with precision p holds the numbers ``m 2**q`` with ``|m| < 2**p`` and
``q >= quantum_exponent``, up to ``(2 - 2**(1 - p)) 2**max_exponent``.  A real number is rounded to
the nearest of them, a tie to the one with even m, and to infinity from the midpoint of the largest
one and ``2**(max_exponent + 1)`` on (IEEE 754-2019, 4.3.1 and 7.4).  The results are Python
floats, which hold every number of the four formats exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    Attributes:
        name: the dtype's name.
        precision: p, the number of significant bits, the hidden one included.
        quantum_exponent: exponent of the smallest positive number.
        max_exponent: exponent of the largest power of two.
    """

    name: str
    precision: int
    quantum_exponent: int
    max_exponent: int

    @property
    def unit_roundoff(self) -> float:
        """u, the largest relative error of one rounding to nearest: ``2**-p``."""
        return math.ldexp(1.0, -self.precision)

    @property
    def quantum(self) -> float:
        """The smallest positive number, a subnormal one; also the spacing next to zero."""
        return math.ldexp(1.0, self.quantum_exponent)

    @property
    def smallest_normal(self) -> float:
        """The smallest positive number of full precision."""
        return math.ldexp(1.0, self.quantum_exponent + self.precision - 1)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return math.ldexp(2.0 - math.ldexp(1.0, 1 - self.precision), self.max_exponent)


FORMATS: Final = MappingProxyType(
    {
        "float16": Format("float16", 11, -24, 15),
        "bfloat16": Format("bfloat16", 8, -133, 127),
        "float32": Format("float32", 24, -149, 127),
        "float64": Format("float64", 53, -1074, 1023),
    }
)
"""The floating-point formats of the layers, by dtype name (IEEE 754-2019 table 3.5; bfloat16)."""


def round_dyadic(integer: int, exponent: int, fmt: Format) -> float:
    """``integer * 2**exponent`` rounded once to `fmt`."""
    magnitude = abs(integer)
    surplus = max(magnitude.bit_length() - fmt.precision, fmt.quantum_exponent - exponent)
    if surplus > 0:
        rest = magnitude & ((1 << surplus) - 1)
        half = 1 << (surplus - 1)
        magnitude >>= surplus
        magnitude += rest > half or (rest == half and magnitude & 1)
        exponent += surplus
    if magnitude and magnitude.bit_length() + exponent > fmt.max_exponent + 1:
        return -math.inf if integer < 0 else math.inf
    value = math.ldexp(magnitude, exponent)
    return -value if integer < 0 else value


def round_integers(integers: NDArray[Any], exponent: int, fmt: Format) -> NDArray[np.float64]:
    """``integers * 2**exponent``, each rounded once to `fmt`.

    Args:
        integers: of dtype int64 and below ``2**62`` in magnitude, or Python's own.
        exponent: the power of two.
        fmt: the format.
    """
    if integers.dtype == object:
        values = [round_dyadic(integer, exponent, fmt) for integer in integers.ravel().tolist()]
        return np.array(values, np.float64).reshape(integers.shape)
    magnitude = np.abs(integers)
    bits = int(magnitude.max(initial=0)).bit_length()
    if bits <= fmt.precision and fmt.quantum_exponent <= exponent <= fmt.max_exponent + 1 - bits:
        return np.ldexp(integers.astype(np.float64), exponent)  # each is a number of the format
    surplus = np.maximum(_bit_lengths(magnitude) - fmt.precision, fmt.quantum_exponent - exponent)
    surplus = np.clip(surplus, 0, _MOST_SURPLUS)
    kept = magnitude >> surplus
    rest = magnitude - (kept << surplus)
    half = np.int64(1) << np.maximum(surplus - 1, 0)
    kept += (rest > half) | ((rest == half) & (kept & 1 == 1))
    with np.errstate(over="ignore"):
        values = np.ldexp(kept.astype(np.float64), (surplus + exponent).astype(np.intc))
    values[values > fmt.largest] = math.inf
    return np.asarray(np.where(integers < 0, -values, values))


_MOST_SURPLUS: Final = 63
"""So many bits dropped leave nothing of an int64, and it is less than half of what they count."""


def _bit_lengths(magnitude: NDArray[Any]) -> NDArray[Any]:
    """The numbers of bits; converted to float64 an integer may become the next power of two."""
    lengths = np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)
    return np.asarray(lengths - (magnitude >> np.maximum(lengths - 1, 0) == 0))


def round_fraction(value: Fraction, fmt: Format) -> float:
    """A rational number rounded once to `fmt`."""
    numerator, denominator = value.numerator, value.denominator
    if denominator & (denominator - 1) == 0:
        return round_dyadic(numerator, 1 - denominator.bit_length(), fmt)
    # Two bits beyond the precision, and a last one that says whether anything follows, decide
    # the rounding as all bits would.
    shift = max(fmt.precision + 2 + denominator.bit_length() - numerator.bit_length(), 0)
    quotient, remainder = divmod(abs(numerator) << shift, denominator)
    sticky = 2 * quotient + bool(remainder)
    return round_dyadic(-sticky if numerator < 0 else sticky, -shift - 1, fmt)

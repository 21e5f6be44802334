"""One rounding, to nearest with ties to even, from exact or wider numbers to a format.

Rounding twice is wrong wherever the first rounding lands on a midpoint of the second, so each
function here rounds once, subnormal results and overflow to infinity included.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format

if TYPE_CHECKING:
    from fractions import Fraction

Float64Array = NDArray[np.float64]


def round_float64(values: Float64Array, format: Format) -> NDArray[Any]:
    """Round each float64 once to `format`; the result has the format's dtype and the same shape.

    For float64 that is the array itself.
    NumPy converts to float16 and float32 with one rounding.  The conversion of ml_dtypes to
    bfloat16 rounds to float32 first, so bfloat16 is rounded here (`_to_bfloat16`).
    """
    if format.name == "float64":
        return values
    if format.name == "bfloat16":
        array = np.asarray(values)
        return _to_bfloat16(array.reshape(-1), format).reshape(array.shape)
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(format.dtype)


def round_into(rounded: NDArray[Any], values: Float64Array, format: Format) -> None:
    """`round_float64` into an array of the format's dtype; NumPy may warn of overflow."""
    rounded[...] = values if format.name != "bfloat16" else _to_bfloat16(values, format)


def round_significand(values: Float64Array, format: Format) -> Float64Array:
    """Round each float64 once to a format of at most 51 bits, keeping float64 as the container.

    With ``2**e <= |v| < 2**(e + 1)`` the format's spacing at v is ``q = 2**(e - p + 1)``, and the
    spacing of float64 at ``c = 1.5 * 2**52 * q`` is q as well.  So ``(v + c) - c`` is v rounded to
    a multiple of q, ties going to the even multiple because c is an even one; the subtraction is
    exact.  In the subnormal range e is held at the exponent of the smallest normal number.
    """
    smallest = format.quantum_exponent + format.precision - 1
    field = np.asarray(values).view(np.int64) >> 52 & 0x7FF
    np.clip(field, smallest + 1023, format.max_exponent + 1023, out=field)
    field += 53 - format.precision
    field <<= 52
    shift = field.view(np.float64)
    shift *= 1.5
    rounded = values + shift
    rounded -= shift
    with np.errstate(invalid="ignore"):
        rounded[np.abs(rounded) >= 2.0**format.max_exponent] = np.inf
    return np.copysign(rounded, values)


def _to_bfloat16(values: Float64Array, format: Format) -> NDArray[Any]:
    """The upper halves of the float32 images of the rounded values, which are exact."""
    single = np.ascontiguousarray(round_significand(values, format).astype(np.float32))
    upper = (single.view(np.uint32) >> 16).astype(np.uint16)
    return upper.view(format.dtype)


def round_pairs(
    high: Float64Array, low: Float64Array, radius: Float64Array, format: Format
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Round numbers s with ``|s - (high + low)| <= radius``, where high is the rounded sum.

    Returns the rounded numbers, and where the radius does not decide them; zeros, whose sign it
    does not show, are among these.

    For float64, ``high + (low -+ radius)`` are below and above the rounded number.  For a
    narrower format s is first rounded to odd, that is: to whichever of the float64 on either side
    of it has an odd significand, unless it is a float64 itself.  A rounding to at least two bits
    less gives the same result from that as from s (S. Boldo, G. Melquiond, Emulation of FMA and
    correctly rounded sums: proved algorithms using rounding to odd, IEEE Trans. Comput. 57
    (2008)); it only takes the sign of ``s - high``.  Nor that where the float64 on either side are
    rounded alike, as nearly everywhere.
    """
    if format.name == "float64":
        below, above = high + (low - radius), high + (low + radius)
        return below, (below != above) | (below == 0)
    decided = (np.abs(low) > radius) | ((low == 0) & (radius == 0))
    if not decided.all():
        close = np.isfinite(high) & (radius <= np.abs(high) * 2.0**-54)
        decided |= close & _is_rounded_as_neighbours(high, format)
    even = (high.view(np.int64) & 1) == 0
    beside = np.nextafter(high, np.where(low > 0, np.inf, -np.inf))
    odd = np.where(even & (low != 0), beside, high)
    return round_float64(odd, format), ~decided | (high == 0)


def _is_rounded_as_neighbours(values: Float64Array, format: Format) -> NDArray[np.bool_]:
    """Whether the float64 on either side of each are rounded alike to a narrower format."""
    below, above = (round_float64(np.nextafter(values, x), format) for x in (-np.inf, np.inf))
    return np.asarray(below == above)


def round_dyadic(n: int, e: int, format: Format) -> float:
    """Round ``n * 2**e`` to `format`; the result, exact in float64, is returned as a float.

    An exact zero gives +0; a negative number that rounds to zero gives -0.
    """
    magnitude = abs(n)
    quantum = max(magnitude.bit_length() + e - format.precision, format.quantum_exponent)
    kept = _shift_right_to_even(magnitude, quantum - e)
    if kept and kept.bit_length() + quantum > format.max_exponent:
        return -math.inf if n < 0 else math.inf
    value = math.ldexp(kept, quantum)
    return -value if n < 0 else value


def _shift_right_to_even(magnitude: int, places: int) -> int:
    """``magnitude / 2**places`` to the nearest integer, ties to even."""
    if places <= 0:
        return magnitude << -places
    kept, rest, half = magnitude >> places, magnitude & ((1 << places) - 1), 1 << (places - 1)
    return kept + (rest > half or (rest == half and kept & 1))


def round_fraction(value: Fraction, format: Format) -> float:
    """Round a fraction to `format`; the result, exact in float64, is returned as a float.

    The quotient is cut to at least p + 2 bits and a last bit records whether anything was cut
    off: such a "sticky" bit stands for the rest in any rounding to fewer bits.
    """
    n, d = value.numerator, value.denominator
    e = n.bit_length() - d.bit_length() - format.precision - 2
    quotient, rest = divmod(abs(n) << max(-e, 0), d << max(e, 0))
    cut = 2 * quotient + (rest != 0)
    return round_dyadic(-cut if n < 0 else cut, e - 1, format)


def half_spacing(values: NDArray[Any], format: Format) -> Float64Array:
    """Half the spacing of `format` above each value's magnitude: the largest error of rounding.

    Zero for NaN and infinities.  In float64 the half spacing of subnormal numbers, ``2**-1075``,
    is not representable and is given as ``2**-1074``.
    """
    magnitude = np.abs(np.asarray(values, np.float64))
    at_least = np.maximum(magnitude, 2.0**format.quantum_exponent)
    exponent = np.maximum(np.frexp(at_least)[1] - format.precision, format.quantum_exponent)
    half = np.ldexp(1.0, np.maximum(exponent - 1, -1074))
    return np.where(np.isfinite(magnitude), half, 0.0)


def times_power_of_two(values: Float64Array, exponent: int) -> Float64Array:
    """``values * 2**exponent`` with one rounding, for any exponent.

    Each step multiplies by a power of two.  The odd rest of the exponent goes first: what that
    step rounds is so small that the following ones make it zero in any case.
    """
    if not exponent:
        return values
    steps, rest = divmod(abs(exponent), 1000)
    sign = 1 if exponent > 0 else -1
    with np.errstate(over="ignore", under="ignore"):
        for step in (rest, *(1000,) * steps):
            if step:
                values = values * 2.0 ** (sign * step)
    return values

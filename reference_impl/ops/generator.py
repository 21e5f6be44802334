"""The random numbers of the initializers, specified down to the bit.

Every step is an operation on 64-bit integers or one of the IEEE 754 operations that are correctly
rounded everywhere (add, subtract, multiply, divide, square root, each in float64, none of them
fused), so that the same seed gives the same numbers on any machine, with any version of NumPy and
in any language.

**Words.**  With ``G = 0x9E3779B97F4A7C15`` and all arithmetic modulo ``2**64``::

    mix(z):      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
                 z = (z ^ (z >> 27)) * 0x94D049BB133111EB
                 return z ^ (z >> 31)
    output(s, i) = mix(s + (i + 1) * G)                            i = 0, 1, 2, ...
    word(seed, stream, i) = output(output(seed mod 2**64, stream), i)

``output(s, i)`` is output i of SplitMix64 started at s (Steele, Lea, Flood: Fast splittable
pseudorandom number generators, OOPSLA 2014).  The stream is 0 unless several draws share a seed.
Element i of an array, counted in C order, depends on word i alone.

**Uniform** in [0, 1): ``u = (word >> 11) * 2**-53``.

**Centred** in (-1/2, 1/2): ``c = (2 * (word >> 12) + 1) * 2**-53 - 1/2``, exact, symmetric, and
never 0 or an end of the interval.

**Normal**: ``quantile(c)``, where ``quantile(q)`` approximates the z with ``Phi(z) = 1/2 + q``, Phi
being the standard normal distribution function.

**Truncated normal**, to two standard deviations: ``quantile(W * c)`` with ``W = erf(sqrt 2)`` =
0.9544997361036416, clipped to [-2, 2]: the distribution that redrawing beyond 2 gives.

**quantile(q)**: with ``poly`` a polynomial by Horner's rule from its highest coefficient, and the
coefficients listed below (lowest first)::

    t = 0.140625 - q * q
    if |q| <= 0.375:  q * (poly(CENTRE[0], t) / poly(CENTRE[1], t))
    otherwise:        r = sqrt(-log(0.5 - |q|)), and with the sign of q
                      poly(MIDDLE[0], r - 1.4375) / poly(MIDDLE[1], r - 1.4375)    if r <= 3
                      poly(FAR[0], r - 3) / poly(FAR[1], r - 3)                    if r > 3

**log(x)**: with ``x = m * 2**e`` and ``1/2 <= m < 1``; if ``m < 0.7071067811865476``, m is doubled
and e reduced by 1; then ``s = (m - 1) / (m + 1)`` and::

    log(x) = e * 0.6931471803691238 + (s * poly(ATANH, s * s) + e * 1.9082149292705877e-10)

The two constants add up to log 2, the first with its last 21 bits zero, so that its product with e
is exact; ``ATANH[k] = 2 / (2 k + 1)``, rounded, k = 0 .. 10.

The rational functions interpolate the quantile at Chebyshev nodes; with their rounded coefficients
they are within 1e-16 of it, relatively.  All coefficients and arguments being non-negative,
Horner's rule with seven steps errs by at most 14 u relatively (``u = 2**-53``), twice; the
logarithm, the square root, the division and the last product add less than 6 u.  Hence
`QUANTILE_ERROR`; 6e-16 is the largest error measured.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Words = NDArray[np.uint64]

GOLDEN: Final = 0x9E3779B97F4A7C15
"""SplitMix64's increment, the odd integer next to ``2**64 / golden ratio``."""

TRUNCATED_MASS: Final = 0.9544997361036416
"""``erf(sqrt 2)``: the probability that a normal number is within two standard deviations."""

QUANTILE_ERROR: Final = 4e-15
"""A bound on the relative error of `quantile`."""

_MASK: Final = (1 << 64) - 1
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB
_ROUNDS: Final = (
    (np.uint64(30), np.uint64(_FIRST)),
    (np.uint64(27), np.uint64(_SECOND)),
)
_LAST_SHIFT: Final = np.uint64(31)

_LOG2_HIGH: Final = 0.6931471803691238
_LOG2_LOW: Final = 1.9082149292705877e-10
_HALF_ROOT: Final = 0.7071067811865476

Coefficients = tuple[tuple[float, ...], tuple[float, ...]]

ATANH: Final = tuple(2 / (2 * k + 1) for k in range(11))
"""Coefficients of ``log((1 + s) / (1 - s)) / s`` in ``s * s``."""

CENTRE: Final[Coefficients] = (
    (
        3.0675983476693554,
        81.01657503768952,
        816.373996366558,
        3933.0263048812376,
        9291.470182781453,
        9872.530390746528,
        3676.0441926096696,
        214.53625462624836,
    ),
    (
        1.0,
        28.48541696444951,
        315.32531211707936,
        1714.1125162983853,
        4763.567245921763,
        6397.562172379687,
        3495.962331328549,
        493.29759639136824,
    ),
)
MIDDLE: Final[Coefficients] = (
    (
        1.14241837889852,
        4.089619430699171,
        5.287871308535623,
        3.346485458957146,
        1.1516199570537389,
        0.2226618411552327,
        0.02312979593909547,
        0.0009860552728259166,
    ),
    (
        1.0,
        2.0456092067855742,
        1.6261456971597048,
        0.6446240377690093,
        0.13710535540004362,
        0.015365305006056415,
        0.0006969956043968177,
        4.329341251973342e-09,
    ),
)
FAR: Final[Coefficients] = (
    (
        3.6655375322906014,
        4.58036940854598,
        2.1586559566518466,
        0.4858341614414931,
        0.05420997920138135,
        0.002793885909118469,
        5.148364225874182e-05,
    ),
    (
        1.0,
        0.8307062988176255,
        0.2490439468552198,
        0.032839841602202005,
        0.001866634237726041,
        3.640173707471862e-05,
        2.6602471061386568e-11,
    ),
)


def mix(value: int) -> int:
    """SplitMix64's output function on one 64-bit integer."""
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def key(seed: int, stream: int = 0) -> int:
    """The starting point of the words of a seed and stream: ``output(seed mod 2**64, stream)``."""
    return mix((seed + (stream + 1) * GOLDEN) & _MASK)


def words(seed: int, count: int, stream: int = 0) -> Words:
    """The first `count` words of a seed and stream."""
    word = np.arange(1, count + 1, dtype=np.uint64)
    word *= np.uint64(GOLDEN)
    word += np.uint64(key(seed, stream))
    for shift, factor in _ROUNDS:
        word ^= word >> shift
        word *= factor
    word ^= word >> _LAST_SHIFT
    return word


def uniform(seed: int, count: int, stream: int = 0) -> Float64Array:
    """Numbers uniform in [0, 1): multiples of ``2**-53``."""
    return (words(seed, count, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def centred(seed: int, count: int, stream: int = 0) -> Float64Array:
    """Numbers uniform in (-1/2, 1/2): odd multiples of ``2**-53``."""
    return (words(seed, count, stream) >> np.uint64(12)).astype(np.float64) * 2.0**-52 - (
        0.5 - 2.0**-53
    )


def normal(seed: int, count: int, stream: int = 0) -> Float64Array:
    """Numbers of the standard normal distribution; none exceeds 8.21 in magnitude."""
    return quantile(centred(seed, count, stream))


def truncated_normal(seed: int, count: int, stream: int = 0) -> Float64Array:
    """Numbers of the standard normal distribution truncated to [-2, 2].

    Their standard deviation is 0.8796256610342398.
    """
    values = quantile(TRUNCATED_MASS * centred(seed, count, stream))
    return np.clip(values, -2.0, 2.0, out=values)


def quantile(q: Float64Array) -> Float64Array:
    """The z with ``Phi(z) = 1/2 + q``, for q in (-1/2, 1/2), within `QUANTILE_ERROR`."""
    z = np.empty_like(q)
    centre = np.abs(q) <= 0.375
    z[centre] = q[centre] * _ratio(CENTRE, 0.140625 - q[centre] * q[centre])
    tail = q[~centre]
    r = np.sqrt(-log(0.5 - np.abs(tail)))
    magnitude = np.empty_like(r)
    far = r > 3
    magnitude[~far] = _ratio(MIDDLE, r[~far] - 1.4375)
    magnitude[far] = _ratio(FAR, r[far] - 3.0)
    z[~centre] = np.copysign(magnitude, tail)
    return z


def log(x: Float64Array) -> Float64Array:
    """The natural logarithm of positive normal numbers, by the operations specified above."""
    m, e = np.frexp(x)
    low = m < _HALF_ROOT
    m[low] *= 2.0
    exponent = (e - low).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    return exponent * _LOG2_HIGH + (s * _poly(ATANH, s * s) + exponent * _LOG2_LOW)


def _poly(coefficients: tuple[float, ...], t: Float64Array) -> Float64Array:
    """Horner's rule, from the highest coefficient."""
    value = np.full_like(t, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= t
        value += coefficient
    return value


def _ratio(coefficients: Coefficients, t: Float64Array) -> Float64Array:
    return _poly(coefficients[0], t) / _poly(coefficients[1], t)

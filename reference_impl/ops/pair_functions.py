"""Elementary functions of double-double numbers, with proven errors.

Errors are relative to the result and count for pairs as they are; what an error of the argument
does is said by the callers.  ``u = 2**-53``; see `reference_impl.ops.double_double` for what is
assumed, and for what happens near underflow.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import (
    Pair,
    add,
    add_float,
    add_smaller,
    fast_two_sum,
    horner,
    magnitude,
    multiply,
    negated_magnitude,
    pair,
    scaled,
    where,
)
from reference_impl.ops.error_free import two_sum
from reference_impl.ops.pair_tables import (
    SEGMENTS,
    STEPS,
    exponentials,
    inverse_root_of_two_pi,
    mills,
)

Float64Array = NDArray[np.float64]

LOWEST: Final = -690.0
"""Exponentials of what is less, below ``2**-995``, are taken for 0."""
HIGHEST: Final = 709.0
"""The largest argument of `exponential`."""

EXP_ERROR: Final = 2.0**-92
EXPM1_ERROR: Final = 2.0**-85
LOG1P_ERROR: Final = 2.0**-83
TAIL_ERROR: Final = 2.0**-86

_PER_UNIT: Final = STEPS / math.log(2.0)


class _Exponential(NamedTuple):
    """``exp(x) = 2**octave (1 + excess)``.

    Attributes:
        excess: between -0.3 and 0.42, with the error of `EXPM1_ERROR`.
        scale: ``2**octave``.
        power: ``1 + excess``, with the error of `EXP_ERROR`.
    """

    excess: Pair
    scale: Float64Array
    power: Pair


def _exponential(x: Pair) -> _Exponential:
    """The parts of ``exp(x)`` for x from -1000 to 709, by ``x = (64 m + j) ln(2) / 64 + r``.

    1. Reduction.  With k the integer next to ``64 x / ln 2``, below ``2**17``, the products of k
       with the first two parts of ``ln(2) / 64`` are exact, and so are the two sums; the third part
       misses the constant by less than ``2**-126``, its product with k is below ``2**-56`` and
       rounds by ``2**-109``.  The low terms are at most ``2**-43`` (that of x) and round twice: by
       ``2**-95`` in all, or by ``2**-105`` if ``|x| < 1``.  For k = 0, r is x.
       ``|r| < 0.00542 = 2**-7.52``.
    2. ``p = exp(r) - 1 = r (1 + r / 2 + r**2 / 6 + ...)``.  The tail begins with ``r**4 / 120``, so
       that `horner` errs by ``5.8 u r**4 / 120 < 2**-87.4`` and ``25 u**2``; the terms left out are
       below ``r**12 / 13!``, that is ``2**-122``.  Together with the product by r: ``2**-87.3``
       relative to p.
    3. With ``t = 2**(j / 64) - 1``, j from -32 to 31, the excess is ``t + (p + t p)``, where
       ``|t| < 0.42``.  For j = 0 it is p.  Else it is above 0.0053, and ``|p + t p|`` below 1.02
       times it, since ``|t| > 0.0107`` for j = -1 and 0.0108 for j = 1: so p adds ``2**-87.2``,
       the operations ``24 u**2``, and step 1 at most ``2**-95 (1 + t) / 0.0053`` where |x| is at
       least 1, ``2**-105 (1 + t) / 0.0053`` elsewhere.  (With larger j, ``1 + t`` grows by less
       than the excess.)  All together less than ``2**-86``.
    4. ``1 + excess``: relative to this power, what p errs is at most ``0.0055 2**-87.3 < 2**-94.8``
       and what step 1 errs ``2**-95``, together ``2**-93.8``; the other steps add ``40 u**2``.  An
       error of ``2**-105`` in x, relative, would make ``2**-95.5`` more.
    """
    constants = exponentials()
    k = np.rint(x.high * _PER_UNIT)
    first, second, third = constants.steps
    r, lost = two_sum(x.high, k * -first)
    r, rest = two_sum(r, k * -second)
    rest += lost
    rest += x.low - k * third
    reduced = Pair(*two_sum(r, rest))
    p = multiply(reduced, horner(constants.leading, constants.tail, reduced))
    index = k.astype(np.int64)
    t = Pair(*(part.take(index & (STEPS - 1), mode="clip") for part in constants.excess))
    excess = add(t, add_smaller(p, multiply(t, p)))
    power, low = fast_two_sum(np.ones_like(excess.high), excess.high)
    low += excess.low
    octave = (index + STEPS // 2) >> 6
    scale = ((octave + 1023) << 52).view(np.float64)
    return _Exponential(excess, scale, fast_two_sum(power, low))


def clamped(x: Pair, low: float, high: float) -> Pair:
    """The argument, held between limits; NaN stays."""
    held = np.minimum(np.maximum(x.high, low), high)
    return Pair(held, np.where(held == x.high, x.low, 0.0))


def exponential(x: Pair) -> Pair:
    """``exp(x)`` with `EXP_ERROR`, for x between `LOWEST` and `HIGHEST`.

    That covers a relative error of x of ``2**-105``.  Below it is 0, and above held at the end.
    """
    value = _exponential(clamped(x, LOWEST, HIGHEST))
    return scaled(value.power, np.where(x.high < LOWEST, 0.0, value.scale))


def decay(x: Pair) -> Pair:
    """``exp(-|x|)`` with `EXP_ERROR`, or 0 where it is below ``2**-995``."""
    return exponential(negated_magnitude(x))


def expm1(x: Pair) -> Pair:
    """``exp(x) - 1`` with `EXPM1_ERROR`, for x between `LOWEST` and `HIGHEST`.

    That covers a relative error of x of ``2**-105``, as ``|x exp(x) / (exp(x) - 1)|`` is at most
    ``max(1, x + 1)``.  Below it is -1, and above held at the end.
    """
    return _powers(x)[1]


def _powers(x: Pair) -> tuple[Pair, Pair]:
    """`exponential` and `expm1`.

    Where the octave is 0, the latter is the excess.  Elsewhere ``exp(x)`` is below 0.7072 or above
    1.406, so that subtracting 1 magnifies its error by at most 3.5.
    """
    value = _exponential(clamped(x, LOWEST, HIGHEST))
    power = scaled(value.power, np.where(x.high < LOWEST, 0.0, value.scale))
    return power, where(value.scale == 1.0, value.excess, add_float(power, -1.0))


def log1p(y: Pair) -> Pair:
    """``ln(1 + y)`` with `LOG1P_ERROR`, for y from 0 to ``2**60``; NaN if the C library fails.

    Let a be any float64, taken from `numpy.log1p` as a guess.  Then ``ln(1 + y) = a + ln(1 + d)``
    with ``d = (1 + y) exp(-a) - 1 = y exp(-a) + (exp(-a) - 1)`` exactly.  That d is small is not
    taken on trust: where ``|d| > 2**-40 a``, the result is NaN.  ``ln(1 + d) = d - d**2 / 2`` then
    but for ``|d|**3 / 2``, which is below ``2**-109 a`` since a is below 42.

    The two terms of d are nearly ``y / (1 + y)``, which is at most ``ln(1 + y)``, and minus that.
    The first errs by `EXP_ERROR` and ``8 u**2``, the second by `EXPM1_ERROR`; their sum by
    ``4 u**2`` of itself.  The square is a float product beside the low part of d, rounded by
    ``3 u d**2``.  So the result errs by ``2**-84.8`` relative to ``ln(1 + y)``.
    """
    guess = np.clip(np.log1p(y.high), 0.0, -LOWEST)
    power, less = _powers(pair(-guess))
    d = add(multiply(y, power), less)
    small = np.abs(d.high) <= guess * 2.0**-40
    correction = fast_two_sum(d.high, d.low - 0.5 * (d.high * d.high))
    value = add_smaller(pair(guess), correction)
    return Pair(np.where(small, value.high, np.nan), value.low)


class Normal(NamedTuple):
    """The standard normal distribution at a magnitude.

    Attributes:
        density: ``exp(-x**2 / 2) / sqrt(2 pi)``, with an error of ``2**-91``.
        tail: ``P(X > |x|)``, with `TAIL_ERROR`.
    """

    density: Pair
    tail: Pair


_FARTHEST: Final = 38.0
"""The end of the segments; ``exp(-x**2 / 2)`` is below ``exp(-690)`` from 37.15 on."""


def normal(x: Pair) -> Normal:
    """Density and tail at ``|x|``; 0 where ``exp(-x**2 / 2)`` is below ``2**-995``.

    The tail is ``exp(-x**2 / 2) G(x)`` with ``G(x)`` by its Taylor series about the middle a of one
    of 43 segments, of half width ``(1 + a) / 17`` at most (`pair_tables.Mills`).

    * G.  Its derivatives alternate in sign and fall in magnitude with x, so that the terms left out
      are at most ``m_24(a - h) h**24 / 24!`` for the half width h, relative to ``m_0(a + h)`` less
      than ``2**-94`` in every segment (which the tests compute).  Successive terms fall by a factor
      of 15 at least, and the first of the tail of `horner` is below ``2**-40`` of G.  So G errs by
      ``2**-90.4``, ``2**-94`` and ``25 u**2``: less than ``2**-90``.  The distance from a is a sum
      of float64 and of the low part of x, exact but for ``4 u**2`` of itself; an error of
      ``2**-105`` in x changes G by no more, as ``|x G'(x)| < G(x)``.
    * The exponential.  ``x**2 / 2``, up to 690, errs by ``8 u**2``, and by ``4 u**2`` for an error
      of ``2**-105`` in x: together ``2**-92.9`` absolutely, beside `EXP_ERROR`: ``2**-91.3``.
    """
    near = clamped(magnitude(x), 0.0, _FARTHEST)
    constants = mills()
    field = (near.high + 1.0).view(np.int64) >> 49
    index = np.minimum(field - (1023 << 3), SEGMENTS - 1)
    centre = constants.centres.take(index, mode="clip")
    offset = add_float(near, -centre)
    ratio = horner(
        [Pair(*(part.take(index, mode="clip") for part in row)) for row in constants.leading],
        [row.take(index, mode="clip") for row in constants.tail],
        offset,
    )
    power = exponential(scaled(multiply(near, near), -0.5))
    return Normal(multiply(power, inverse_root_of_two_pi()), multiply(power, ratio))

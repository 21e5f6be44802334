"""The activations and their derivatives in double-double arithmetic, with proven errors.

The counterpart of ``formulas`` and ``slopes`` between the bounds in float64, which decide nearly
every rounding to a narrower format and hardly one to float64, and exact arithmetic: an expansion is
about ``2**-80`` wide, relative to its value, so that it leaves one rounding to float64 undecided in
``2**25`` or fewer.

Every function takes arguments as pairs with a relative error of at most ``2**-105``, a little more
than the nearest float64 and the one nearest to the rest have, and allows for it; parameters are
exact.  Errors add up to first order in the comments; each stated bound has room for the products
of errors, which are below ``2**-160``.  ``u = 2**-53``, and E, M, L, T stand for the errors
`EXP_ERROR` (``2**-92``), `EXPM1_ERROR` (``2**-85``), `LOG1P_ERROR` (``2**-83``) and `TAIL_ERROR`
(``2**-86``) of `reference_impl.ops.pair_functions`.

Exponentials below ``2**-995`` are taken for 0.  Where such a one decides the result, this is 0, and
its radius infinite; elsewhere it is beside numbers above ``2**-900``, and far below their errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.activations import piece_expansions
from reference_impl.ops.activations.constants import SELU_ALPHA, SELU_SCALE
from reference_impl.ops.double_double import (
    Expansion,
    Pair,
    add,
    add_float,
    constant,
    divide,
    expansion,
    horner,
    is_regular,
    magnitude,
    multiply,
    multiply_float,
    negated,
    negated_magnitude,
    pair,
    scaled,
    signed,
    two_product,
    where,
)
from reference_impl.ops.pair_functions import (
    EXP_ERROR,
    EXPM1_ERROR,
    LOG1P_ERROR,
    TAIL_ERROR,
    decay,
    expm1,
    exponential,
    log1p,
    normal,
)
from reference_impl.ops.pair_tables import tangent_defect, tangent_gelu

Float64Array = NDArray[np.float64]
Function = Callable[[Pair], Expansion]
Valued = tuple[Pair, float | Float64Array]
Unguarded = Callable[[Pair], Valued | Expansion]

BLOCK: Final = 1 << 13
"""Elements that are expanded at once, so that the temporaries stay in cache."""

_SHORT: Final = 2.0**-102
"""The error of an argument, or of one operation, and the rounding of ``low -+ radius``."""


def guarded(function: Unguarded) -> Function:
    """The function by blocks, with an infinite radius where the argument is too small to tell."""

    def regular(x: Pair) -> Expansion:
        result = function(x)
        if not isinstance(result, Expansion):
            result = expansion(*result)
        return result._replace(radius=np.where(is_regular(x.high), result.radius, np.inf))

    def evaluate(x: Pair) -> Expansion:
        starts = range(0, max(x.high.size, 1), BLOCK)
        with np.errstate(all="ignore"):
            blocks = [regular(Pair(*(part[i : i + BLOCK] for part in x))) for i in starts]
        return Expansion(*map(np.concatenate, zip(*blocks, strict=True)))

    return evaluate


_BESIDE_HALF: Final = 2.0**-450, 2.0**-60
"""Magnitudes for which `halved_near_zero` is stated: no square underflows, nor is any large."""


def halved_near_zero(function: Unguarded, curvature: float) -> Unguarded:
    """A function ``x / 2 + c x**2 + r``, which is told from ``x / 2`` wherever x is exact and tiny.

    Half of a number with an odd last bit is a midpoint of the subnormal ones of its format, and
    ``c x**2`` beside it too small for a relative error.  As a pair its error is relative to itself:
    ``3 u`` for the two products and the constant, ``2**-120`` for r, which is at most ``x**2``
    times as large; ``2**-50`` has room for these.
    """

    def evaluate(x: Pair) -> Expansion:
        result = function(x)
        if not isinstance(result, Expansion):
            result = expansion(*result)
        size = np.abs(x.high)
        near = (x.low == 0) & (size >= _BESIDE_HALF[0]) & (size <= _BESIDE_HALF[1])
        beside = x.high * x.high * curvature
        parts = x.high * 0.5, beside, beside * 2.0**-50
        return Expansion(*(np.where(near, *both) for both in zip(parts, result, strict=True)))

    return evaluate


def times(a: Expansion, factor: Float64Array) -> Expansion:
    """The product with exact float64 numbers: its own ``4 u**2`` beside the radius."""
    with np.errstate(all="ignore"):
        product = multiply_float(Pair(a.high, a.low), factor)
        rounding = expansion(product, 2.0**-100)
        radius = rounding.radius + a.radius * np.abs(factor) * (1.0 + 2.0**-50)
    return Expansion(*product, radius)


# Sigmoid and what is made of it


def logistic(x: Pair) -> Pair:
    """``1 / (1 + exp(-x))`` with ``2**-90``.

    By ``e = exp(-|x|)``: 1 or e, over ``1 + e``, which errs by ``E / 2 + 3 u**2``; with the ``16
    u**2`` of the division ``1.5 E + 19 u**2``.
    """
    e = decay(x)
    above = x.high > 0
    numerator = Pair(np.where(above, 1.0, e.high), np.where(above, 0.0, e.low))
    return divide(numerator, add_float(e, 1.0))


LOGISTIC_ERROR: Final = 2.0**-90


def _sigmoid(x: Pair) -> Valued:
    return logistic(x), LOGISTIC_ERROR


def _silu(x: Pair) -> Valued:
    """``x sigmoid(x)``: ``8 u**2`` more, and the error of x."""
    return multiply(x, logistic(x)), 2.0**-89


def bump(x: Pair) -> Pair:
    """``sigmoid'(x) = e / (1 + e)**2``, ``e = exp(-|x|)``, with ``2**-89``.

    E for e, twice ``E / 2 + 3 u**2`` for ``1 + e``, and ``8 u**2`` and ``16 u**2``: below ``3 E``.
    """
    e = decay(x)
    sum_ = add_float(e, 1.0)
    return divide(e, multiply(sum_, sum_))


BUMP_ERROR: Final = 2.0**-89


def _sigmoid_slope(x: Pair) -> Valued:
    return bump(x), BUMP_ERROR


def _tanh_slope(x: Pair) -> Valued:
    """``tanh'(x) = 4 sigmoid'(2 x)``."""
    return scaled(bump(scaled(x, 2.0)), 4.0), BUMP_ERROR


def _silu_slope(x: Pair) -> Expansion:
    """``sigmoid(x) + x sigmoid'(x)``, which vanishes near -1.28."""
    return _sum(_sigmoid(x), (multiply(x, bump(x)), 2.0**-88))


def _sum(a: Valued, b: Valued) -> Expansion:
    """``a + b`` with the absolute errors of the terms, and ``4 u**2`` of the sum."""
    result = expansion(add(a[0], b[0]), 2.0**-100)
    errors = np.abs(a[0].high) * a[1] + np.abs(b[0].high) * b[1]
    return result._replace(radius=result.radius + errors * (1.0 + 2.0**-50))


# Exponentials


def _exponential(x: Pair) -> Valued:
    """``exp(x)``; it is not between ``2**-900`` and ``2**1000`` where it is held at an end."""
    return exponential(x), EXP_ERROR


def _one_or_both(x: Pair, below: Pair, error: float, above: Pair) -> Expansion:
    """A function below 0 with its error, and one from 0 on with at most ``8 u**2``."""
    negative = x.high < 0
    return expansion(where(negative, below, above), np.where(negative, error, _SHORT))


def _elu(alpha: float) -> Callable[[Pair], Expansion]:
    """``alpha (exp(x) - 1)`` below 0: M and ``4 u**2``."""

    def evaluate(x: Pair) -> Expansion:
        below = multiply_float(expm1(negated_magnitude(x)), np.array([alpha]))
        return _one_or_both(x, below, 2 * EXPM1_ERROR, x)

    return evaluate


def _celu(alpha: float) -> Callable[[Pair], Expansion]:
    """``alpha (exp(x / alpha) - 1)`` below 0.

    The quotient t errs by ``16 u**2`` and the ``2**-105`` of x, which ``exp(t) - 1`` multiplies by
    at most ``1 + max(t, 0)``, up to 710: ``2**-92``, beside M and ``4 u**2``.  Too large a quotient
    makes the radius infinite, for a negative alpha, and so does too small a one.
    """
    divisor = constant(alpha, 0.0)

    def evaluate(x: Pair) -> Expansion:
        t = divide(negated_magnitude(x), divisor)
        value = multiply_float(expm1(t), divisor.high)
        result = _one_or_both(x, value, 2 * EXPM1_ERROR, x)
        told = (x.high >= 0) | (is_regular(t.high) & (t.high <= 709.0))
        return result._replace(radius=np.where(told, result.radius, np.inf))

    return evaluate


def _selu() -> Callable[[Pair], Expansion]:
    """``scale x``, and ``scale alpha (exp(x) - 1)`` below 0.

    The product of the constants is exact.
    """
    scale = np.array([SELU_SCALE])
    both = two_product(scale, np.array([SELU_ALPHA]))

    def evaluate(x: Pair) -> Expansion:
        below = multiply(expm1(negated_magnitude(x)), both)
        return _one_or_both(x, below, 2 * EXPM1_ERROR, multiply_float(x, scale))

    return evaluate


def _scaled_exponential(x: Pair, factor: Pair, above: float) -> Expansion:
    """``factor exp(x)`` below 0 with ``E + 8 u**2``, and a constant from 0 on.

    An exponential that has lost bits to underflow tells nothing, whatever the factor.
    """
    power = exponential(negated_magnitude(x))
    below = multiply(power, factor)
    result = _one_or_both(x, below, 2 * EXP_ERROR, pair(np.full_like(x.high, above)))
    return result._replace(
        radius=np.where((x.high >= 0) | is_regular(power.high), result.radius, np.inf)
    )


def _elu_slope(alpha: float) -> Callable[[Pair], Expansion]:
    return lambda x: _scaled_exponential(x, constant(alpha, 0.0), 1.0)


def _selu_slope() -> Callable[[Pair], Expansion]:
    both = two_product(np.array([SELU_SCALE]), np.array([SELU_ALPHA]))
    return lambda x: _scaled_exponential(x, both, SELU_SCALE)


def _celu_slope(alpha: float) -> Callable[[Pair], Expansion]:
    """``exp(x / alpha)`` below 0, where the error of the quotient counts 709 times: ``2**-92``."""
    divisor = constant(alpha, 0.0)

    def evaluate(x: Pair) -> Expansion:
        t = divide(negated_magnitude(x), divisor)
        one = pair(np.ones_like(x.high))
        return _one_or_both(x, exponential(t), 4 * EXP_ERROR, one)

    return evaluate


# Hyperbolic tangents


def _tangent(x: Pair) -> Pair:
    """``tanh(|x|) = -t / (2 + t)`` with ``t = exp(-2 |x|) - 1``, between -1 and 0: ``2**-83``.

    M for t; for ``2 + t``, which is at least 1, ``M |t| / (2 + t)`` and ``3 u**2``; ``16 u**2`` for
    the division: at most ``2 M + 19 u**2``, and M for the argument's part in it is included in M.
    """
    t = expm1(scaled(negated_magnitude(x), 2.0))
    return divide(negated(t), add_float(t, 2.0))


TANGENT_ERROR: Final = 2.0**-83


def _tanh(x: Pair) -> Valued:
    return signed(_tangent(x), x), TANGENT_ERROR


_NEAR: Final = 0.25


def _tanh_shrink(x: Pair) -> Expansion:
    """``x - tanh(x)``, below a quarter by the series of ``(x - tanh(x)) / x**3`` in ``x**2``.

    Below: the coefficients alternate and fall at least by a factor of 2.4, with ``x**2`` by 38;
    the 12 terms after the first six begin below ``2**-31`` times the first, so that `horner` errs
    by ``2**-81.4``; the terms left out are below ``2**-92`` of the first.  Beside that, an error e
    of ``x**2`` counts 0.1 times in the series and x three times: all in all ``2**-81``.  Elsewhere
    tanh errs by ``2**-83`` of itself.
    """
    series = tangent_defect()
    size = magnitude(x)
    far = _sum((size, _SHORT), (negated(_tangent(x)), TANGENT_ERROR))
    near = where(size.high <= _NEAR, size, pair(np.full_like(x.high, _NEAR)))
    square = multiply(near, near)
    cube = multiply(square, near)
    value = expansion(multiply(cube, horner(series.leading, series.tail, square)), 2.0**-80)
    chosen = (np.where(size.high <= _NEAR, *parts) for parts in zip(value, far, strict=True))
    high, low, radius = chosen
    return Expansion(*signed(Pair(high, low), x), radius)


def _tanh_shrink_slope(x: Pair) -> Valued:
    """``tanh(x)**2``."""
    tangent = _tangent(x)
    return multiply(tangent, tangent), 2.0**-81


def _mish_parts(x: Pair) -> tuple[Pair, Pair, Pair]:
    """Numerator n and denominator d of ``tanh(softplus(x))``, and ``(d - n) / 2``, of ``2**-90``.

    With ``e = exp(-|x|)``: ``1 + 2 e`` over ``1 + 2 e + 2 e**2``, for negative x ``2 e + e**2``
    over ``2 e + e**2 + 2``.  Sums and products of positive terms: ``2 E + 20 u**2`` each.
    """
    e = decay(x)
    square = multiply(e, e)
    twice = scaled(e, 2.0)
    above = x.high > 0
    one = pair(np.ones_like(e.high))
    numerator = add(twice, where(above, one, square))
    rest = where(above, square, one)
    return numerator, add(numerator, scaled(rest, 2.0)), rest


def _mish(x: Pair) -> Valued:
    """``x tanh(softplus(x))``: twice ``2**-90``, ``24 u**2``, and the error of x."""
    numerator, denominator, _ = _mish_parts(x)
    return multiply(x, divide(numerator, denominator)), 2.0**-88


def _mish_slope(x: Pair) -> Expansion:
    """``T + x (1 - T**2) sigmoid(x)`` with ``T = n / d``: ``1 - T**2 = (d - n) (d + n) / d**2``."""
    numerator, denominator, rest = _mish_parts(x)
    defect = multiply(scaled(rest, 2.0), add(denominator, numerator))
    defect = divide(defect, multiply(denominator, denominator))
    steep = multiply(x, multiply(defect, logistic(x)))
    return _sum((divide(numerator, denominator), 2.0**-88), (steep, 2.0**-86))


# Logarithms


def _softplus(x: Pair) -> Valued:
    """``max(x, 0) + ln(1 + exp(-|x|))``, both positive: ``L + E + 4 u**2``."""
    logarithm = log1p(decay(x))
    above = x.high > 0
    positive = Pair(np.where(above, x.high, 0.0), np.where(above, x.low, 0.0))
    return add(positive, logarithm), 2 * LOG1P_ERROR


def _log_sigmoid(x: Pair) -> Valued:
    value, error = _softplus(negated(x))
    return negated(value), error


def _softplus_slope(x: Pair) -> Valued:
    return _sigmoid(x)


def _log_sigmoid_slope(x: Pair) -> Valued:
    return _sigmoid(negated(x))


# The normal distribution


def _distribution(x: Pair, tail: Pair) -> Pair:
    """``P(X <= x)``: the tail, or 1 less the tail, which is at most a half: T and ``3 u**2``."""
    return where(x.high > 0, add_float(negated(tail), 1.0), tail)


def _gelu(x: Pair) -> Valued:
    """``x P(X <= x)``."""
    return multiply(x, _distribution(x, normal(x).tail)), 2 * TAIL_ERROR


def _gelu_slope(x: Pair) -> Expansion:
    """``P(X <= x) + x density(x)``, which vanishes near -0.75."""
    density, tail = normal(x)
    return _sum((_distribution(x, tail), 2 * TAIL_ERROR), (multiply(x, density), 2.0**-90))


def _inner(x: Pair) -> tuple[Pair, Pair, Pair]:
    """``v = r x (1 + c x**2)`` with ``r = sqrt(8 / pi)``, as ``r + r c x**2``, ``r c x**2``, and v.

    In units of ``u**2``: the constants err by 2, ``x**2`` by 8 and twice the 2 of x, the product by
    8 more, the sum by 4, the last product by 8 and the 2 of x: less than 40.
    """
    root, cubic = tangent_gelu()
    bent = multiply(multiply(x, x), cubic)
    factor = add(bent, root)
    return factor, bent, multiply(x, factor)


def _gelu_tanh(x: Pair) -> Valued:
    """``x sigmoid(v)``: ``40 u**2`` of v, up to 690, is ``2**-91.2`` in exp(-|v|)."""
    return multiply(x, logistic(_inner(x)[2])), 2.0**-88


def _gelu_tanh_slope(x: Pair) -> Expansion:
    """``sigmoid(v) + x v' sigmoid'(v)`` with ``v' = r + 3 r c x**2``, of ``40 u**2``."""
    factor, bent, v = _inner(x)
    steep = multiply(multiply(x, add(factor, scaled(bent, 2.0))), bump(v))
    return _sum((logistic(v), 2.0**-89), (steep, 2.0**-87))


def _fixed(function: Unguarded) -> Callable[..., Unguarded]:
    return lambda: function


VALUES: Final[dict[str, Callable[..., Unguarded]]] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": _fixed(_exponential),
    "gelu": _fixed(halved_near_zero(_gelu, 1 / math.sqrt(2 * math.pi))),
    "gelu_tanh": _fixed(halved_near_zero(_gelu_tanh, 1 / math.sqrt(2 * math.pi))),
    "hard_shrink": piece_expansions.kept_outside,
    "hard_sigmoid": lambda: piece_expansions.ramp(3.0, 6.0),
    "hard_sigmoid_keras2": lambda: piece_expansions.ramp(2.5, 5.0),
    "hard_silu": _fixed(piece_expansions.hard_silu),
    "log_sigmoid": _fixed(_log_sigmoid),
    "mish": _fixed(_mish),
    "relu": piece_expansions.rectified,
    "selu": _selu,
    "sigmoid": _fixed(_sigmoid),
    "silu": _fixed(halved_near_zero(_silu, 0.25)),
    "softplus": _fixed(_softplus),
    "soft_shrink": piece_expansions.soft_shrink,
    "softsign": _fixed(piece_expansions.softsign),
    "sparse_plus": _fixed(piece_expansions.sparse_plus),
    "sparse_sigmoid": lambda: piece_expansions.ramp(1.0, 2.0),
    "squareplus": piece_expansions.squareplus,
    "tanh": _fixed(_tanh),
    "tanh_shrink": _fixed(_tanh_shrink),
    "threshold": piece_expansions.kept_above,
}

SLOPES: Final[dict[str, Callable[..., Unguarded]]] = {
    "celu": _celu_slope,
    "elu": _elu_slope,
    "exponential": _fixed(_exponential),
    "gelu": _fixed(_gelu_slope),
    "gelu_tanh": _fixed(_gelu_tanh_slope),
    "hard_silu": _fixed(piece_expansions.hard_silu_slope),
    "log_sigmoid": _fixed(_log_sigmoid_slope),
    "mish": _fixed(_mish_slope),
    "selu": _selu_slope,
    "sigmoid": _fixed(_sigmoid_slope),
    "silu": _fixed(_silu_slope),
    "softplus": _fixed(_softplus_slope),
    "softsign": _fixed(piece_expansions.softsign_slope),
    "sparse_plus": lambda: piece_expansions.ramp(1.0, 2.0),
    "squareplus": piece_expansions.squareplus_slope,
    "tanh": _fixed(_tanh_slope),
    "tanh_shrink": _fixed(_tanh_shrink_slope),
}

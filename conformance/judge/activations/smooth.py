"""The activations made of the exponential function."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from conformance.judge.activations.activation import (
    BELOW,
    FAR,
    HALF,
    HINT,
    ONE,
    UPWARDS,
    Elementwise,
    Number,
    halved,
    in_pieces,
    is_far,
    larger,
    squared,
)
from conformance.judge.definition.balls import Ball, enclosing, pi
from conformance.judge.running_error import EXP_ULPS, LOG_ULPS, Running

_FAR_FOR_GELU: Final = 64  # The normal distribution falls off as exp(-x**2 / 2).
_TAIL_OF_GELU: Final = 8
"""From here on the fraction of the normal distribution's tail needs fewer steps than its series."""
_HUGE: Final = Fraction(1 << 4096)
_SATURATED_MISH: Final = 20.0
"""From here on its tangent is one, in every format, to less than a rounding."""

SELU_SCALE: Final = 1.0507009873554805
SELU_ALPHA: Final = 1.6732632423543772
_FAR: Final = 700.0
"""Beyond which sigmoid is the exponential, to the last digit of float64."""

_LEAST_POWER: Final = -708.0
"""Below it ``exp(-x)`` is near float64's largest number, and its reciprocal no normal number."""

_SCALE: Final = Fraction(SELU_SCALE)
_ALPHA: Final = Fraction(SELU_ALPHA)

ROOT_OF_TWO: Final = math.sqrt(2.0)
_DENSITY_AT_ZERO: Final = 1 / math.sqrt(2 * math.pi)


def _exponential(x: Fraction, digits: int) -> Number:
    """``exp(x)``."""
    if is_far(x):
        return _HUGE if x > 0 else HINT
    return Ball.of(x, digits).exp() if x else Fraction(1)


def _exponential_less_one(x: Fraction, digits: int) -> Number:
    """``exp(x) - 1`` for negative x."""
    return HINT - 1 if x <= -FAR else Ball.of(x, digits).exp_less_one()


EXPONENTIAL: Final = Elementwise(
    "exponential", _exponential, _exponential, Running.exp, Running.exp, limits=UPWARDS
)


def _sigmoid(x: Fraction, digits: int) -> Number:
    """``1 / (1 + exp(-x))``."""
    if is_far(x):
        return 1 - HINT if x > 0 else HINT
    return 1 / (1 + Ball.of(-x, digits).exp()) if x else HALF


def _sigmoid_slope(x: Fraction, digits: int) -> Number:
    """``e / (1 + e)**2`` with ``e = exp(-|x|)``."""
    power = _exponential(-abs(x), digits)
    grown = 1 + power
    return power / (grown * grown)


def run_sigmoid(x: Running) -> Running:
    """``1 / (1 + exp(-x))``; where the power overflows in float64, that is 0."""
    within = Running(np.maximum(x.value, -_FAR), x.error, x.format)
    vanishing = np.where(x.least() < _LEAST_POWER, 2 * x.format.smallest_normal, 0.0)
    share = (1.0 / ((-within).exp() + 1.0)).loosened(vanishing)
    value = np.where(x.value < -_FAR, np.exp(x.value), share.value)
    return Running(value, share.error, x.format)


def _run_sigmoid_slope(x: Running) -> Running:
    """``y (1 - y)``."""
    y = run_sigmoid(x)
    return y * (1.0 - y)


SIGMOID: Final = Elementwise(
    "sigmoid", _sigmoid, _sigmoid_slope, run_sigmoid, _run_sigmoid_slope, limits=(0.0, 1.0)
)


def _silu(x: Fraction, digits: int) -> Number:
    """``x sigmoid(x)``."""
    if is_far(x):
        return x - HINT if x > 0 else -HINT
    return x * _sigmoid(x, digits)


def _silu_slope(x: Fraction, digits: int) -> Number:
    """``s + x s'``."""
    return _sigmoid(x, digits) + x * _sigmoid_slope(x, digits)


def _run_silu(x: Running) -> Running:
    """``x sigmoid(x)``."""
    return x * run_sigmoid(x)


def _run_silu_slope(x: Running) -> Running:
    """``s (1 + x (1 - s))``, or ``s + x s (1 - s)``."""
    s = run_sigmoid(x)
    rest = 1.0 - s
    return larger(s * (x * rest + 1.0), s + x * (s * rest))


SILU: Final = Elementwise(
    "silu",
    _silu,
    _silu_slope,
    _run_silu,
    _run_silu_slope,
    limits=UPWARDS,
    undefined=BELOW,
    gated=True,
)
SWISH: Final = replace(SILU, name="swish")


def _tanh(x: Fraction, digits: int) -> Number:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, both sides times ``exp(x)``."""
    if is_far(x):
        return 1 - HINT if x > 0 else HINT - 1
    if not x:
        return x
    power = Ball.of(2 * x, digits).exp_less_one()
    return power / (power + 2)


def _tanh_slope(x: Fraction, digits: int) -> Number:
    """``4 sigmoid'(2 x)``."""
    return 4 * _sigmoid_slope(2 * x, digits)


def _run_tanh_slope(x: Running) -> Running:
    """``1 - y**2``."""
    return 1.0 - squared(x.tanh())


TANH: Final = Elementwise(
    "tanh", _tanh, _tanh_slope, Running.tanh, _run_tanh_slope, limits=(-1.0, 1.0)
)


def _tanh_shrink(x: Fraction, digits: int) -> Number:
    """``x - tanh(x)``."""
    return x - _tanh(x, digits)


def _tanh_shrink_slope(x: Fraction, digits: int) -> Number:
    value = _tanh(x, digits)
    return value * value


def _run_tanh_shrink(x: Running) -> Running:
    """``x - tanh(x)``."""
    return x - x.tanh()


def _run_tanh_shrink_slope(x: Running) -> Running:
    """``y**2``, or ``1 - (1 - y**2)``, where upstream may be multiplied before the difference."""
    rest = _run_tanh_slope(x) * 1.0
    return larger(squared(x.tanh()), 1.0 - rest)


TANH_SHRINK: Final = Elementwise(
    "tanh_shrink", _tanh_shrink, _tanh_shrink_slope, _run_tanh_shrink, _run_tanh_shrink_slope
)


def _softplus(x: Fraction, digits: int) -> Number:
    """``log(exp(x) + 1)``."""
    if is_far(x):
        return x + HINT if x > 0 else HINT
    return Ball.of(x, digits).exp().log_of_one_plus()


def _run_softplus(x: Running) -> Running:
    """``log(exp(x) + 1)``; above zero ``x + log(exp(-x) + 1)``, with the errors of both."""
    u = x.format.unit_roundoff
    below = (Running(np.minimum(x.value, 0.0), x.error, x.format).exp() + 1.0).log()
    correction = (Running(-np.maximum(x.value, 0.0), x.error, x.format).exp() + 1.0).log()
    size = np.abs(x.value) + 2 * x.error + 1
    above = Running(x.value + correction.value, x.error, x.format).loosened(
        correction.error + 2 * (EXP_ULPS + LOG_ULPS + 1) * u * size
    )
    return in_pieces(x, 0.0, below, above)


def _run_softplus_slope(x: Running) -> Running:
    """``sigmoid(x)``, or ``e / (e + 1)``."""
    power = Running(np.minimum(x.value, 700.0), x.error, x.format).exp()
    return larger(run_sigmoid(x), power / (power + 1.0))


SOFTPLUS: Final = Elementwise(
    "softplus", _softplus, _sigmoid, _run_softplus, _run_softplus_slope, limits=UPWARDS
)


def _log_sigmoid(x: Fraction, digits: int) -> Number:
    """``log(1 / (1 + exp(-x)))``."""
    return -_softplus(-x, digits)


def _log_sigmoid_slope(x: Fraction, digits: int) -> Number:
    return _sigmoid(-x, digits)


def _run_log_sigmoid(x: Running) -> Running:
    """``log(1 / (1 + exp(-x)))``, or ``-softplus(-x)``."""
    division = 4 * x.format.unit_roundoff
    return -(_run_softplus(-x).loosened(np.full_like(x.value, division)))


def _run_log_sigmoid_slope(x: Running) -> Running:
    """``sigmoid(-x)``, or ``1 - sigmoid(x)``."""
    return larger(_run_softplus_slope(-x), 1.0 - run_sigmoid(x))


LOG_SIGMOID: Final = Elementwise(
    "log_sigmoid",
    _log_sigmoid,
    _log_sigmoid_slope,
    _run_log_sigmoid,
    _run_log_sigmoid_slope,
    limits=(-math.inf, 0.0),
)


def _mish(x: Fraction, digits: int) -> Number:
    """``x tanh(softplus(x))``: with ``e = exp(x)`` and ``p = e (e + 2)`` that is ``x p / (p + 2)``.

    The tangent is ``(q - 1) / (q + 1)`` with ``q = (1 + e)**2``.
    """
    if is_far(x):
        return x - HINT if x > 0 else -HINT
    if not x:
        return x
    power = Ball.of(x, digits).exp()
    grown = power * (power + 2)
    return x * (grown / (grown + 2))


def _mish_slope(x: Fraction, digits: int) -> Number:
    """``t + x (1 - t**2) s``; with ``p = (1 + e)**2``, ``1 - t**2 = 4 p / (p + 1)**2``.

    Here ``e = exp(-|x|)``, and for positive x numerator and denominator are divided by exp(2 x).
    """
    if not x:
        return Fraction(3, 5)
    power = _exponential(-abs(x), digits)
    square = (1 + power) * (1 + power)
    unit: Number = power * power if x > 0 else ONE
    total = square + unit
    rest = (4 * square * unit) / (total * total)
    difference = 1 + 2 * power if x > 0 else power * (power + 2)
    return difference / total + x * (rest * _sigmoid(x, digits))


def _run_mish_tangent(x: Running) -> Running:
    """``tanh(softplus(x))``, or ``(p - 1) / (p + 1)`` with ``p = (1 + exp(x))**2``.

    Numerator and denominator of the quotient have the error of the same p in common, which changes
    it by ``2 / (p + 1)**2`` as much; each of its three operations rounds besides.
    """
    tangent, u = _run_softplus(x).tanh(), x.format.unit_roundoff
    within = Running(np.minimum(x.value, _SATURATED_MISH), x.error, x.format)
    square = squared(within.exp() + 1.0)
    error = 2 * square.error / (np.maximum(square.least(), 1.0) + 1) ** 2
    quotient = Running(tangent.value, error + 4 * u * np.abs(tangent.value), x.format)
    return larger(tangent, quotient)


def _run_mish(x: Running) -> Running:
    """``x tanh(softplus(x))``."""
    return x * _run_mish_tangent(x)


def _run_mish_slope(x: Running) -> Running:
    """``t + x (1 - t**2) s``."""
    t = _run_mish_tangent(x)
    return t + x * ((1.0 - squared(t)) * _run_softplus_slope(x))


MISH: Final = Elementwise(
    "mish",
    _mish,
    _mish_slope,
    _run_mish,
    _run_mish_slope,
    limits=UPWARDS,
    undefined=BELOW,
    gated=True,
)


def _power_below(x: Running, scale: float, above: float) -> Running:
    """``scale exp(x)`` below zero, or the value there plus `scale`; a constant above."""
    below = Running(np.minimum(x.value, 0.0), x.error, x.format)
    power = below.exp()
    if scale != 1.0:
        power = power.times_parameter(scale)
    value = np.where(x.value < 0, power.value, above)
    from_output = ((below.exp() - 1.0) + 1.0).error * scale * (1 + 4 * x.format.unit_roundoff)
    from_output = from_output + 4 * x.parameter_error * scale
    error = np.where(x.least() > 0, 0.0, np.maximum(power.error, from_output))
    if above != 1.0:
        error = error + 2 * x.parameter_error * above
    return Running(value, error, x.format)


def _run_power_less_one(x: Running) -> Running:
    """``exp(x) - 1`` below zero: by that difference, which cancels near zero, or by ``expm1``."""
    below = Running(np.minimum(x.value, 0.0), x.error, x.format)
    return larger(below.expm1(), below.exp() - 1.0)


def elu(alpha: float, name: str) -> Elementwise:
    """``x`` from zero on, ``alpha (exp(x) - 1)`` below; for positive alpha."""
    factor = Fraction(alpha)

    def value(x: Fraction, digits: int) -> Number:
        return x if x >= 0 else factor * _exponential_less_one(x, digits)

    def slope(x: Fraction, digits: int) -> Number:
        return ONE if x >= 0 else factor * _exponential(x, digits)

    def running(x: Running) -> Running:
        return in_pieces(x, 0.0, _scaled(_run_power_less_one(x), alpha), x)

    def running_slope(x: Running) -> Running:
        """``alpha exp(x)``, or ``y + alpha``, below zero; 1 above."""
        return _power_below(x, alpha, 1.0)

    return Elementwise(
        name,
        value,
        slope,
        running,
        running_slope,
        limits=(-factor, math.inf),
        kinks=() if alpha == 1 else ((0.0, abs(alpha - 1)),),
    )


def celu(alpha: float, name: str) -> Elementwise:
    """``x`` from zero on, ``alpha (exp(x / alpha) - 1)`` below; for positive alpha."""
    factor = Fraction(alpha)

    def value(x: Fraction, digits: int) -> Number:
        return x if x >= 0 else factor * _exponential_less_one(x / factor, digits)

    def slope(x: Fraction, digits: int) -> Number:
        return ONE if x >= 0 else _exponential(x / factor, digits)

    def running(x: Running) -> Running:
        below = _run_power_less_one(_scaled(x, 1 / alpha))
        return in_pieces(x, 0.0, _scaled(below, alpha), x)

    def running_slope(x: Running) -> Running:
        """``exp(x / alpha)``, or ``y / alpha + 1``, below zero; 1 above."""
        return _power_below(_scaled(x, 1 / alpha), 1.0, 1.0)

    return Elementwise(name, value, slope, running, running_slope, limits=(-factor, math.inf))


def _scaled(x: Running, factor: float) -> Running:
    """The product with a parameter; nothing is computed where that is one."""
    return x if factor == 1 else x.times_parameter(factor)


ELU: Final = elu(1.0, "elu")
CELU: Final = celu(1.0, "celu")


def _selu(x: Fraction, digits: int) -> Number:
    """``scale x`` from zero on, ``scale alpha (exp(x) - 1)`` below."""
    if x >= 0:
        return _SCALE * x
    return _SCALE * _ALPHA * _exponential_less_one(x, digits)


def _selu_slope(x: Fraction, digits: int) -> Number:
    return _SCALE if x >= 0 else _SCALE * _ALPHA * _exponential(x, digits)


def _run_selu(x: Running) -> Running:
    """``scale`` times ``x`` from zero on, times ``alpha (exp(x) - 1)`` below."""
    scaled = _run_power_less_one(x).times_parameter(SELU_ALPHA).times_parameter(SELU_SCALE)
    return in_pieces(x, 0.0, scaled, x.times_parameter(SELU_SCALE))


def _run_selu_slope(x: Running) -> Running:
    """``scale alpha exp(x)``, or ``y + scale alpha``, below zero; `scale` above."""
    return _power_below(x, SELU_SCALE * SELU_ALPHA, SELU_SCALE)


SELU: Final = Elementwise(
    "selu",
    _selu,
    _selu_slope,
    _run_selu,
    _run_selu_slope,
    limits=(-_SCALE * _ALPHA, math.inf),
    kinks=((0.0, SELU_SCALE * SELU_ALPHA - SELU_SCALE),),
)


def _odd_factorial_series(square: Fraction, digits: int) -> Ball:
    """The sum of ``square**n / (1 3 5 ... (2n + 1))``, in fixed point, from both sides."""
    bits = 4 * digits
    least = (square.numerator << bits) // square.denominator
    most = least + 1
    low_term = high_term = low = high = 1 << bits
    divisor = 3
    while high_term > 1 or 2 * most >= divisor << bits:
        low_term = (low_term * least >> bits) // divisor
        high_term = -((-(high_term * most) >> bits) // divisor)
        low += low_term
        high += high_term
        divisor += 2
    # From here on each term is less than half of the one before.
    return enclosing(Fraction(low, 1 << bits), Fraction(high + high_term, 1 << bits), digits)


def _tail_over_density(x: Fraction, digits: int) -> Ball:
    """``(1 - P(X <= x)) / density(x) = 1/(x + 1/(x + 2/(x + 3/(x + ...))))`` for positive x.

    Abramowitz and Stegun, 26.2.14.  What follows ``x + n/`` is at least x, so that the last step
    is enclosed, and each step before it narrows the ball.
    """
    steps = (2 * digits * digits) // (3 * int(x) ** 2) + 3
    rest = enclosing(x, x + Fraction(steps) / x, digits)
    for number in range(steps - 1, 0, -1):
        rest = x + number / rest
    return 1 / rest


@lru_cache(maxsize=16)
def _root_of_two_pi(digits: int) -> Ball:
    """``sqrt(2 pi)``."""
    return (2 * pi(digits)).sqrt()


def _gelu(x: Fraction, digits: int) -> Number:
    """``x P(X <= x)`` for a normally distributed X.

    ``P = 1/2 + exp(-x**2 / 2) / sqrt(2 pi) (x + x**3/3 + x**5/(3 5) + x**7/(3 5 7) + ...)``
    (Abramowitz and Stegun, 26.2.11); far from zero by what is left of 1, or that alone.
    """
    if is_far(x, _FAR_FOR_GELU):
        return x - HINT if x > 0 else -HINT
    if not x:
        return x
    square = x * x
    density = Ball.of(-square / 2, digits).exp() / _root_of_two_pi(digits)
    if is_far(x, _TAIL_OF_GELU):
        tail = density * _tail_over_density(abs(x), digits)
        return x * (1 - tail) if x > 0 else x * tail
    return x * (HALF + x * (density * _odd_factorial_series(square, digits)))


def _gelu_slope(x: Fraction, digits: int) -> Number:
    """``P(X <= x) + x exp(-x**2 / 2) / sqrt(2 pi)``, the first term as ``gelu(x) / x``."""
    if not x:
        return HALF
    power = _exponential(-x * x / 2, digits)
    density = power / _root_of_two_pi(digits)
    return _gelu(x, digits) / x + x * density


def _run_gelu(x: Running) -> Running:
    """``x (1 + erf(x / sqrt(2))) / 2``; the root of two is rounded, and so is the division."""
    size = np.full_like(x.value, ROOT_OF_TWO)
    root = Running(size, size * x.format.unit_roundoff, x.format)
    return halved(x * ((x / root).erf() + 1.0))


def _run_gelu_slope(x: Running) -> Running:
    """``P + x exp(-x**2 / 2) / sqrt(2 pi)``; the root, and the factor it gives, are rounded."""
    root = x._lifted(ROOT_OF_TWO).loosened(x.format.unit_roundoff * np.full_like(x.value, 2.0))
    distribution = ((x / root).erf() + 1.0) * 0.5
    within = Running(np.clip(x.value, -37.0, 37.0), x.error, x.format)
    at_zero = x._lifted(_DENSITY_AT_ZERO).loosened(
        2 * x.format.unit_roundoff * np.full_like(x.value, _DENSITY_AT_ZERO)
    )
    density = (squared(within) * -0.5).exp() * at_zero
    return distribution + within * density


GELU: Final = Elementwise(
    "gelu",
    _gelu,
    _gelu_slope,
    _run_gelu,
    _run_gelu_slope,
    limits=UPWARDS,
    undefined=BELOW,
    gated=True,
    intermediate=lambda x: np.maximum(2 * x, 0.0),
)

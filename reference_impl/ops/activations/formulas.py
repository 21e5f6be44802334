"""The activations as real functions: exact rational values, and intervals of any precision.

Which values are rational: by the theorem of Lindemann and Weierstrass ``exp(x)`` is transcendental
for rational x other than 0, and so is every algebraic function of it that is not constant; by
Siegel's theorem ``erf(x / sqrt 2)`` is, too.  So the smooth activations have rational values at 0
alone (softplus and log_sigmoid nowhere), and `RealFunction.exact` is None for every other
argument.  For the tanh form of gelu no such theorem is known; `ziv.correctly_rounded` would raise.

Parameters are the exact values of the floats given, as in 0.2 of leaky_relu, which is the double
nearest to 1/5.  Constants that stand in a formula (1/6, 0.044715, the 0.2 of Keras 2's
hard_sigmoid) are the decimal numbers written there; those of selu are the doubles nearest to the
numbers of the paper, 1.6732632423543772848... and 1.0507009873554804934...

This module is imported when a value is first resolved, since fractions and decimal are slow to
import and seldom needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final, NamedTuple

from reference_impl.ops.activations.constants import SELU_ALPHA, SELU_SCALE
from reference_impl.ops.elementary import Decimals, Interval, negated

Exact = Callable[[Fraction], Fraction | None]
Formula = Callable[[Decimals, Fraction], Interval]


def _rational_only(_: Decimals, x: Fraction) -> Interval:
    raise AssertionError(f"the value at {x} is rational")


class RealFunction(NamedTuple):
    """A function of one real number at rational arguments.

    Attributes:
        exact: the value where it is rational, else None.
        formula: an interval around the value where it is irrational.
    """

    exact: Exact
    formula: Formula = _rational_only


def _clip(x: Fraction, low: float, high: float) -> Fraction:
    """``min(max(x, low), high)``; the limits may be infinite."""
    if low <= x <= high:
        return x
    return Fraction(low if x < low else high)


def _linear() -> RealFunction:
    return RealFunction(lambda x: x)


def _relu(slope: float, maximum: float, threshold: float) -> RealFunction:
    def exact(x: Fraction) -> Fraction:
        if x > threshold:
            return _clip(x, -math.inf, maximum)
        return Fraction(slope) * (x - Fraction(threshold))

    return RealFunction(exact)


def _hard_tanh() -> RealFunction:
    return RealFunction(lambda x: _clip(x, -1, 1))


def _hard_sigmoid() -> RealFunction:
    return RealFunction(lambda x: _clip(x + 3, 0, 6) / 6)


def _hard_sigmoid_keras2() -> RealFunction:
    return RealFunction(lambda x: _clip(2 * x + 5, 0, 10) / 10)


def _sparse_sigmoid() -> RealFunction:
    return RealFunction(lambda x: _clip(x + 1, 0, 2) / 2)


def _hard_silu() -> RealFunction:
    return RealFunction(lambda x: x * _clip(x + 3, 0, 6) / 6)


def _sparse_plus() -> RealFunction:
    return RealFunction(lambda x: _clip(x + 1, 0, 2) ** 2 / 4 if x < 1 else x)


def _softsign() -> RealFunction:
    return RealFunction(lambda x: x / (1 + abs(x)))


def _soft_shrink(threshold: float) -> RealFunction:
    return RealFunction(lambda x: x - _clip(x, -threshold, threshold))


def _hard_shrink(threshold: float) -> RealFunction:
    return RealFunction(lambda x: x if abs(x) > threshold else Fraction(0))


def _threshold(threshold: float, default: float) -> RealFunction:
    return RealFunction(lambda x: x if x > threshold else Fraction(default))


def _transcendental(formula: Formula, at_zero: Fraction | int | None = 0) -> RealFunction:
    """A function whose only rational value is the one at 0, or that has none (None)."""
    value = None if at_zero is None else Fraction(at_zero)
    return RealFunction(lambda x: None if x else value, formula)


def _exponential() -> RealFunction:
    return _transcendental(lambda d, x: d.exp(d.of(x)), 1)


def _sigmoid() -> RealFunction:
    return _transcendental(lambda d, x: d.sigmoid(d.of(x)), Fraction(1, 2))


def _odd(positive: Callable[[Decimals, Interval], Interval]) -> RealFunction:
    """An odd transcendental function by its values at positive arguments."""

    def formula(d: Decimals, x: Fraction) -> Interval:
        value = positive(d, d.of(abs(x)))
        return value if x > 0 else negated(value)

    return _transcendental(formula)


def _tanh() -> RealFunction:
    return _odd(Decimals.tanh)


def _tanh_shrink() -> RealFunction:
    return _odd(Decimals.tanh_shrink)


def _softplus_interval(d: Decimals, x: Fraction) -> Interval:
    """``max(x, 0) + ln(1 + exp(-|x|))``."""
    decay = d.log1p(d.exp(d.of(-abs(x))))
    return d.add(d.of(x), decay) if x > 0 else decay


def _softplus() -> RealFunction:
    return _transcendental(_softplus_interval, None)


def _log_sigmoid() -> RealFunction:
    return _transcendental(lambda d, x: negated(_softplus_interval(d, -x)), None)


def _gated(gate: Callable[[Decimals, Fraction], Interval]) -> RealFunction:
    """``x gate(x)`` with a factor that is not negative."""
    return _transcendental(lambda d, x: d.multiply(d.of(x), gate(d, x)))


def _silu() -> RealFunction:
    return _gated(lambda d, x: d.sigmoid(d.of(x)))


def _mish() -> RealFunction:
    return _gated(lambda d, x: d.tanh_of_softplus(d.of(x)))


def _gelu() -> RealFunction:
    # The tail magnifies the width of x, so x gets more digits.
    return _gated(lambda d, x: d.normal_distribution(d.wider(8).of(x)))


def _gelu_tanh() -> RealFunction:
    def gate(d: Decimals, x: Fraction) -> Interval:
        square = 8 * (x + x**3 * 44715 / 1_000_000) ** 2
        argument = d.sqrt(d.divide(d.of(square), d.pi))
        return d.sigmoid(argument if x > 0 else negated(argument))

    return _gated(gate)


def _scaled(d: Decimals, value: Interval, factor: Fraction) -> Interval:
    """``factor value`` for a value of one sign and a factor of any sign."""
    product = d.multiply(value, d.of(abs(factor)))
    return product if factor > 0 else negated(product)


def _selu() -> RealFunction:
    scale, alpha = Fraction(SELU_SCALE), Fraction(SELU_ALPHA)
    return RealFunction(
        lambda x: None if x < 0 else scale * x,
        lambda d, x: _scaled(d, d.expm1(d.of(x)), scale * alpha),
    )


def _elu(alpha: float) -> RealFunction:
    factor = Fraction(alpha)
    return RealFunction(
        lambda x: None if x < 0 else x, lambda d, x: _scaled(d, d.expm1(d.of(x)), factor)
    )


def _celu(alpha: float) -> RealFunction:
    factor = Fraction(alpha)
    return RealFunction(
        lambda x: None if x < 0 else x,
        lambda d, x: _scaled(d, d.expm1(d.of(x / factor)), factor),
    )


def _squareplus(b: float) -> RealFunction:
    smoothness = Fraction(b)

    def exact(x: Fraction) -> Fraction | None:
        square = x * x + smoothness
        root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
        return (x + root) / 2 if root * root == square else None

    def formula(d: Decimals, x: Fraction) -> Interval:
        twice = d.add(d.sqrt(d.of(x * x + smoothness)), d.of(abs(x)))
        return d.divide(twice, d.of(2)) if x >= 0 else d.divide(d.of(smoothness / 2), twice)

    return RealFunction(exact, formula)


FUNCTIONS: Final[dict[str, Callable[..., RealFunction]]] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": _exponential,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_shrink": _hard_shrink,
    "hard_sigmoid": _hard_sigmoid,
    "hard_sigmoid_keras2": _hard_sigmoid_keras2,
    "hard_silu": _hard_silu,
    "hard_tanh": _hard_tanh,
    "linear": _linear,
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "relu": _relu,
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "soft_shrink": _soft_shrink,
    "softplus": _softplus,
    "softsign": _softsign,
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "squareplus": _squareplus,
    "tanh": _tanh,
    "tanh_shrink": _tanh_shrink,
    "threshold": _threshold,
}

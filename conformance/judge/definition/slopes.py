"""The derivatives of the activations, on exact numbers, and what they do to a gradient.

As in `activations`, arguments are rational, and results are rational or balls.  A gradient is taken
back through an activation as ``g = J^T u``, rounded once to float64.

At a kink one of the one-sided derivatives is taken: where the formula clips, 0 on both sides of
relu6, hard_sigmoid and sparse_sigmoid and 1 on those of hard_tanh; 0 for relu at 0, and the slope
below for leaky_relu; that from above for elu and selu; 0 for the shrinking ones at their
thresholds; and for hard_silu what the product rule makes of hard_sigmoid's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from conformance.judge.definition import activations
from conformance.judge.definition.activations import (
    LEAKY_SLOPE,
    SELU_ALPHA,
    SELU_SCALE,
    Number,
    settle,
)
from conformance.judge.definition.balls import Ball, pi
from conformance.judge.definition.rounding import FORMATS

Slope = Callable[[Fraction, int], Number]

_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)
_HALF: Final = Fraction(1, 2)
_WIDE: Final = FORMATS["float64"]


def _constant(value: Fraction | int) -> Slope:
    return lambda x, _: Fraction(value)


def _pieces(ends: Sequence[Fraction | float], slopes: Sequence[Slope]) -> Slope:
    """One slope strictly below each end in turn, the last one from the last end on."""

    def slope(x: Fraction, digits: int) -> Number:
        place = sum(x >= end for end in ends)
        return slopes[place](x, digits)

    return slope


def _inside(low: float, high: float, slope: Slope) -> Slope:
    """A slope strictly between two ends, and zero elsewhere."""
    return lambda x, digits: slope(x, digits) if low < x < high else _ZERO


def _relu(x: Fraction, _: int) -> Number:
    return Fraction(x > 0)


def _leaky_relu(x: Fraction, _: int) -> Number:
    return _ONE if x > 0 else LEAKY_SLOPE


def _hard_tanh(x: Fraction, _: int) -> Number:
    return Fraction(-1 <= x <= 1)


def _hard_silu(x: Fraction, digits: int) -> Number:
    gate = activations.hard_sigmoid(x, digits)
    return gate + x * _HARD_SIGMOID(x, digits)


_HARD_SIGMOID: Final = _inside(-3, 3, _constant(Fraction(1, 6)))


def _shrink(x: Fraction, _: int) -> Number:
    return Fraction(abs(x) > _HALF)


def _softsign(x: Fraction, _: int) -> Number:
    return 1 / (1 + abs(x)) ** 2


def _squareplus(x: Fraction, digits: int) -> Number:
    """``y / sqrt(x**2 + 4)``, y being the value: ``(1 + x / r) / 2 = (r + x) / (2 r)``."""
    square = x * x + 4
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root == square:
        return (1 + x / root) / 2
    return activations.squareplus(x, digits) / Ball.of(square, digits).sqrt()


def _sigmoid(x: Fraction, digits: int) -> Number:
    """``e / (1 + e)**2`` with ``e = exp(-|x|)``."""
    power = activations.exponential(-abs(x), digits)
    grown = 1 + power
    return power / (grown * grown)


def _tanh(x: Fraction, digits: int) -> Number:
    """``4 sigmoid'(2 x)``."""
    return 4 * _sigmoid(2 * x, digits)


def _tanh_shrink(x: Fraction, digits: int) -> Number:
    value = activations.tanh(x, digits)
    return value * value


def _softplus(x: Fraction, digits: int) -> Number:
    return activations.sigmoid(x, digits)


def _log_sigmoid(x: Fraction, digits: int) -> Number:
    return activations.sigmoid(-x, digits)


def _silu(x: Fraction, digits: int) -> Number:
    """``s + x s'``."""
    return activations.sigmoid(x, digits) + x * _sigmoid(x, digits)


def _mish(x: Fraction, digits: int) -> Number:
    """``t + x (1 - t**2) s``; with ``p = (1 + e)**2``, ``1 - t**2 = 4 p / (p + 1)**2``.

    Here ``e = exp(-|x|)``, and for positive x numerator and denominator are divided by exp(2 x).
    """
    if not x:
        return Fraction(3, 5)
    power = activations.exponential(-abs(x), digits)
    square = (1 + power) * (1 + power)
    unit: Number = power * power if x > 0 else _ONE
    total = square + unit
    rest = (4 * square * unit) / (total * total)
    return (square - unit) / total + x * (rest * activations.sigmoid(x, digits))


def _elu(x: Fraction, digits: int) -> Number:
    return _ONE if x >= 0 else activations.exponential(x, digits)


def _selu(x: Fraction, digits: int) -> Number:
    return SELU_SCALE if x >= 0 else SELU_SCALE * SELU_ALPHA * activations.exponential(x, digits)


def _gelu(x: Fraction, digits: int) -> Number:
    """``P(X <= x) + x exp(-x**2 / 2) / sqrt(2 pi)``, the first term as ``gelu(x) / x``."""
    if not x:
        return _HALF
    power = activations.exponential(-x * x / 2, digits)
    density = power / (2 * pi(digits)).sqrt()
    return activations.gelu(x, digits) / x + x * density


SLOPES: Final = MappingProxyType(
    {
        "linear": _constant(1),
        "relu": _relu,
        "relu6": _inside(0, 6, _constant(1)),
        "leaky_relu": _leaky_relu,
        "hard_tanh": _hard_tanh,
        "hard_sigmoid": _HARD_SIGMOID,
        "hard_silu": _hard_silu,
        "hard_swish": _hard_silu,
        "hard_shrink": _shrink,
        "soft_shrink": _shrink,
        "softsign": _softsign,
        "sparse_plus": _pieces((-1, 1), (_constant(0), lambda x, _: (x + 1) / 2, _constant(1))),
        "sparse_sigmoid": _inside(-1, 1, _constant(_HALF)),
        "squareplus": _squareplus,
        "exponential": activations.exponential,
        "sigmoid": _sigmoid,
        "silu": _silu,
        "swish": _silu,
        "tanh": _tanh,
        "tanh_shrink": _tanh_shrink,
        "softplus": _softplus,
        "log_sigmoid": _log_sigmoid,
        "mish": _mish,
        "elu": _elu,
        "celu": _elu,
        "selu": _selu,
        "gelu": _gelu,
    }
)
"""The derivatives of the activations that act on each element alone."""


def pulled_back(name: str, x: Fraction, upstream: Fraction) -> float:
    """``u f'(x)``, rounded once to float64."""
    if not upstream:
        return 0.0
    return settle(lambda digits: [upstream * SLOPES[name](x, digits)], _WIDE)[0]


def row_pulled_back(
    name: str, row: Sequence[Fraction], upstream: Sequence[Fraction]
) -> list[float]:
    """``J^T u`` for one row, each element rounded once to float64."""
    return settle(lambda digits: _ROWS[name](row, upstream, digits), _WIDE)


def _softmax(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``p_i (u_i - sum p_j u_j)``, rational where the exponentials cancel."""
    shares = activations.softmax(row, digits)
    return [
        _ZERO if _balances(row, u, u[i]) else share * _mean_difference(shares, u, u[i])
        for i, share in enumerate(shares)
    ]


def _balances(row: Sequence[Fraction], u: Sequence[Fraction], one: Fraction) -> bool:
    """Whether the differences from `one` cancel among equal elements of the row."""
    return not any(
        sum(one - v for x, v in zip(row, u, strict=True) if x == value) for value in set(row)
    )


def _mean_difference(shares: Sequence[Number], u: Sequence[Fraction], one: Fraction) -> Number:
    total: Number = _ZERO
    for share, v in zip(shares, u, strict=True):
        total = total + (one - v) * share
    return total


def _log_softmax(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u_i - p_i sum u``."""
    total = sum(u, _ZERO)
    return [
        v - total * share if total else v
        for v, share in zip(u, activations.softmax(row, digits), strict=True)
    ]


def _sparsemax(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u_i`` less the mean over the elements that are greater than zero; 0 for the others."""
    values = activations.sparsemax(row, digits)
    kept = [v for v, value in zip(u, values, strict=True) if value != 0]
    mean = sum(kept, _ZERO) / len(kept)
    return [v - mean if value != 0 else _ZERO for v, value in zip(u, values, strict=True)]


def _glu(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u s(b)`` and ``u a s'(b)``."""
    half = len(row) // 2
    a, b = row[:half], row[half:]
    gates = [v * activations.sigmoid(y, digits) if v else v for v, y in zip(u, b, strict=True)]
    slopes = [
        v * x * _sigmoid(y, digits) if v and x else _ZERO for v, x, y in zip(u, a, b, strict=True)
    ]
    return [*gates, *slopes]


_ROWS: Final = MappingProxyType(
    {"softmax": _softmax, "log_softmax": _log_softmax, "sparsemax": _sparsemax, "glu": _glu}
)

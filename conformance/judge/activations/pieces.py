"""The activations put together from rational pieces, and squareplus."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np

from conformance.judge.activations.activation import (
    BELOW,
    HALF,
    ONE,
    UPWARDS,
    ZERO,
    Elementwise,
    Formula,
    Number,
    Steps,
    halved,
    in_pieces,
    larger,
    magnitude,
    squared,
)
from conformance.judge.definition.balls import Ball
from conformance.judge.running_error import SQRT_ULPS, Running

LEAKY_SLOPE: Final = 0.2
_LEAKY_SLOPE: Final = Fraction(LEAKY_SLOPE)
_SHRINKING: Final[Steps] = ((-0.5, 0.5), (1.0, 0.0, 1.0))


def _inside(low: float, high: float, slope: Fraction) -> Formula:
    """A slope strictly between two ends, and zero elsewhere."""
    return lambda x, _: slope if low < x < high else ZERO


_hard_sigmoid_slope: Final = _inside(-3, 3, Fraction(1, 6))


def _shrink_slope(x: Fraction, _: int) -> Number:
    return Fraction(abs(x) > HALF)


def _sparse_plus_slope(x: Fraction, _: int) -> Number:
    if x < -1:
        return ZERO
    return (x + 1) / 2 if x < 1 else ONE


def _root(number: Fraction, digits: int) -> Number:
    """The square root; rational only where it is."""
    root = Fraction(math.isqrt(number.numerator), math.isqrt(number.denominator))
    return root if root * root == number else Ball.of(number, digits).sqrt()


def _linear(x: Fraction, _: int) -> Number:
    """``x``."""
    return x


def _one(_: Fraction, __: int) -> Number:
    return ONE


def _run_linear(x: Running) -> Running:
    """``x``."""
    return x


LINEAR: Final = Elementwise("linear", _linear, _one, _run_linear, rounds=False, steps=((), (1.0,)))


def _relu(x: Fraction, _: int) -> Number:
    """``max(x, 0)``."""
    return max(x, Fraction(0))


def _relu_slope(x: Fraction, _: int) -> Number:
    return Fraction(x > 0)


def _run_relu(x: Running) -> Running:
    """``max(x, 0)``."""
    return x.clip(0.0, math.inf)


RELU: Final = Elementwise(
    "relu", _relu, _relu_slope, _run_relu, limits=UPWARDS, rounds=False, steps=((0.0,), (0.0, 1.0))
)


def _relu6(x: Fraction, _: int) -> Number:
    """``min(max(x, 0), 6)``."""
    return min(max(x, Fraction(0)), Fraction(6))


def _run_relu6(x: Running) -> Running:
    """``min(max(x, 0), 6)``."""
    return x.clip(0.0, 6.0)


RELU6: Final = Elementwise(
    "relu6",
    _relu6,
    _inside(0, 6, ONE),
    _run_relu6,
    limits=(0.0, 6.0),
    rounds=False,
    steps=((0.0, 6.0), (0.0, 1.0, 0.0)),
)


def _leaky_relu(x: Fraction, _: int) -> Number:
    """``x`` from zero on, ``0.2 x`` below."""
    return x if x >= 0 else _LEAKY_SLOPE * x


def _leaky_relu_slope(x: Fraction, _: int) -> Number:
    return ONE if x > 0 else _LEAKY_SLOPE


def _run_leaky_relu(x: Running) -> Running:
    """``x`` from zero on, ``0.2 x`` below."""
    return in_pieces(x, 0.0, x.times_parameter(LEAKY_SLOPE), x)


LEAKY_RELU: Final = Elementwise(
    "leaky_relu",
    _leaky_relu,
    _leaky_relu_slope,
    _run_leaky_relu,
    steps=((0.0,), (LEAKY_SLOPE, 1.0)),
)


def _hard_tanh(x: Fraction, _: int) -> Number:
    """``x`` between -1 and 1, the nearer of them outside."""
    return min(max(x, Fraction(-1)), Fraction(1))


def _hard_tanh_slope(x: Fraction, _: int) -> Number:
    return Fraction(-1 <= x <= 1)


def _run_hard_tanh(x: Running) -> Running:
    """``min(max(x, -1), 1)``."""
    return x.clip(-1.0, 1.0)


HARD_TANH: Final = Elementwise(
    "hard_tanh",
    _hard_tanh,
    _hard_tanh_slope,
    _run_hard_tanh,
    limits=(-1.0, 1.0),
    rounds=False,
    steps=((-1.0, 1.0), (0.0, 1.0, 0.0)),
)


def _hard_sigmoid(x: Fraction, _: int) -> Number:
    """``x / 6 + 1/2`` between -3 and 3; 0 below and 1 above."""
    return min(max(x / 6 + HALF, Fraction(0)), Fraction(1))


def _run_hard_sigmoid(x: Running) -> Running:
    """``relu6(x + 3) / 6``, or ``x / 6 + 1/2`` clipped, with 1/6 a parameter."""
    shifted = _run_relu6(x + 3.0) / 6.0
    scaled = (x.times_parameter(1 / 6) + 0.5).clip(0.0, 1.0)
    return Running(shifted.value, np.maximum(shifted.error, scaled.error), x.format)


HARD_SIGMOID: Final = Elementwise(
    "hard_sigmoid",
    _hard_sigmoid,
    _hard_sigmoid_slope,
    _run_hard_sigmoid,
    limits=(0.0, 1.0),
    steps=((-3.0, 3.0), (0.0, 1 / 6, 0.0)),
)


def _hard_silu(x: Fraction, digits: int) -> Number:
    """``x hard_sigmoid(x)``."""
    return x * _hard_sigmoid(x, digits)


def _hard_silu_slope(x: Fraction, digits: int) -> Number:
    gate = _hard_sigmoid(x, digits)
    return gate + x * _hard_sigmoid_slope(x, digits)


def _run_hard_silu(x: Running) -> Running:
    """``x hard_sigmoid(x)``, or ``x (x + 3) / 6`` between -3 and 3."""
    inside = (x.clip(-3.0, 3.0) * (x.clip(-3.0, 3.0) + 3.0)) / 6.0
    gated = x * _run_hard_sigmoid(x)
    return gated.loosened(np.where(np.abs(x.value) - 2 * x.error <= 3.0, inside.error, 0.0))


def _run_hard_silu_slope(x: Running) -> Running:
    """``hard_sigmoid(x) + x / 6`` between -3 and 3, or ``x / 3 + 1/2``; 0 below, 1 above."""
    gate = _run_hard_sigmoid(x) + x.clip(-3.0, 3.0).times_parameter(1 / 6)
    other = x.clip(-3.0, 3.0).times_parameter(1 / 3) + 0.5
    outside = np.abs(x.value) - 2 * x.error > 3.0
    value = np.where(np.abs(x.value) < 3.0, gate.value, np.where(x.value > 0, 1.0, 0.0))
    unit = x.format.unit_roundoff
    error = np.where(
        outside, np.where(x.value > 0, 4 * unit, 0.0), np.maximum(gate.error, other.error)
    )
    return Running(value, error, x.format)


HARD_SILU: Final = Elementwise(
    "hard_silu",
    _hard_silu,
    _hard_silu_slope,
    _run_hard_silu,
    _run_hard_silu_slope,
    limits=UPWARDS,
    undefined=BELOW,
    gated=True,
    kinks=((-3.0, 0.5), (3.0, 0.5)),
)
HARD_SWISH: Final = replace(HARD_SILU, name="hard_swish")


def _hard_shrink(x: Fraction, _: int) -> Number:
    """``x`` where its magnitude exceeds 1/2, else 0."""
    return x if abs(x) > HALF else Fraction(0)


def _run_hard_shrink(x: Running) -> Running:
    """``x`` where its magnitude exceeds 1/2, else 0: it jumps there."""
    size = np.abs(x.value)
    at_jump = (np.abs(size - 0.5) <= 2 * x.error) & (x.error > 0)
    value = np.where(size > 0.5, x.value, 0.0)
    error = np.where(size > 0.5, x.error, 0.0)
    return Running(value, np.where(at_jump, size + x.error, error), x.format)


HARD_SHRINK: Final = Elementwise(
    "hard_shrink", _hard_shrink, _shrink_slope, _run_hard_shrink, zero_at_nan=True, steps=_SHRINKING
)


def _soft_shrink(x: Fraction, _: int) -> Number:
    """``x`` brought nearer to 0 by 1/2, and 0 where it is not farther than that."""
    return max(x - HALF, Fraction(0)) + min(x + HALF, Fraction(0))


def _run_soft_shrink(x: Running) -> Running:
    """``x - 1/2`` above 1/2, ``x + 1/2`` below -1/2, 0 between."""
    size = magnitude(x)
    shrunk = (size - 0.5).clip(0.0, math.inf)
    return Running(np.copysign(shrunk.value, x.value), shrunk.error, x.format)


SOFT_SHRINK: Final = Elementwise(
    "soft_shrink", _soft_shrink, _shrink_slope, _run_soft_shrink, zero_at_nan=True, steps=_SHRINKING
)


def _softsign(x: Fraction, _: int) -> Number:
    """``x / (1 + |x|)``."""
    return x / (1 + abs(x))


def _softsign_slope(x: Fraction, _: int) -> Number:
    return 1 / (1 + abs(x)) ** 2


def _run_softsign(x: Running) -> Running:
    """``x / (1 + |x|)``."""
    return x / (magnitude(x) + 1.0)


def _run_softsign_slope(x: Running) -> Running:
    """``1 / (1 + |x|)**2``, or ``1 / (1 + |x|) - |x| / (1 + |x|)**2``."""
    size = magnitude(x)
    total = size + 1.0
    square = squared(total)
    return larger(1.0 / square, 1.0 / total - size / square)


SOFTSIGN: Final = Elementwise(
    "softsign",
    _softsign,
    _softsign_slope,
    _run_softsign,
    _run_softsign_slope,
    limits=(-1.0, 1.0),
    undefined=(-math.inf, math.inf),
)


def _sparse_plus(x: Fraction, _: int) -> Number:
    """0 up to -1, ``(x + 1)**2 / 4`` between -1 and 1, ``x`` from 1 on."""
    if x <= -1:
        return Fraction(0)
    return x if x >= 1 else (x + 1) ** 2 / 4


def _run_sparse_plus(x: Running) -> Running:
    """0 up to -1, ``(x + 1)**2 / 4`` between -1 and 1, ``x`` from 1 on."""
    shifted = (x + 1.0).clip(0.0, 2.0)
    return in_pieces(x, 1.0, halved(halved(shifted * shifted)), x)


def _run_sparse_plus_slope(x: Running) -> Running:
    """``(x + 1) / 2`` between -1 and 1."""
    return (x + 1.0).clip(0.0, 2.0) * 0.5


SPARSE_PLUS: Final = Elementwise(
    "sparse_plus",
    _sparse_plus,
    _sparse_plus_slope,
    _run_sparse_plus,
    _run_sparse_plus_slope,
    limits=UPWARDS,
)


def _sparse_sigmoid(x: Fraction, _: int) -> Number:
    """``(x + 1) / 2`` between -1 and 1; 0 below and 1 above."""
    return min(max((x + 1) / 2, Fraction(0)), Fraction(1))


def _run_sparse_sigmoid(x: Running) -> Running:
    """``(x + 1) / 2`` between -1 and 1; 0 below and 1 above."""
    return halved((x + 1.0).clip(0.0, 2.0))


SPARSE_SIGMOID: Final = Elementwise(
    "sparse_sigmoid",
    _sparse_sigmoid,
    _inside(-1, 1, HALF),
    _run_sparse_sigmoid,
    limits=(0.0, 1.0),
    steps=((-1.0, 1.0), (0.0, 0.5, 0.0)),
)


def squareplus(b: float, name: str) -> Elementwise:
    """``(x + sqrt(x**2 + b)) / 2``; for positive b."""
    offset = Fraction(b)

    def value(x: Fraction, digits: int) -> Number:
        root = _root(x * x + offset, digits)
        if x >= 0 or isinstance(root, Fraction):
            return (root + x) / 2
        return offset / 2 / (root - x)

    def slope(x: Fraction, digits: int) -> Number:
        """``y / sqrt(x**2 + b)``, y being the value: ``(1 + x / r) / 2 = (r + x) / (2 r)``."""
        return value(x, digits) / _root(x * x + offset, digits)

    def running(x: Running) -> Running:
        # Relative errors of the square do not change beyond 1e150, where it would overflow here.
        within = Running(np.clip(x.value, -1e150, 1e150), x.error, x.format)
        square = within * within + x.parameter(b)
        root = np.hypot(x.value, math.sqrt(b))
        # |sqrt(c) - sqrt(a)| = |c - a| / (sqrt(c) + sqrt(a)), so its relative error is no larger.
        relative = square.error / square.value + 2 * SQRT_ULPS * x.format.unit_roundoff
        return halved(x + Running(root, root * relative, x.format))

    def running_slope(x: Running) -> Running:
        """``(1 + x / sqrt(x**2 + b)) / 2``."""
        return (x / (squared(x) + x.parameter(b)).sqrt() + 1.0) * 0.5

    return Elementwise(
        name,
        value,
        slope,
        running,
        running_slope,
        limits=UPWARDS,
        undefined=BELOW,
        intermediate=np.square,
    )


SQUAREPLUS: Final = squareplus(4.0, "squareplus")

"""The approximation of gelu with tanh, which Keras has as ``gelu(x, approximate=True)``."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from conformance.judge.activations.activation import (
    HALF,
    HINT,
    Number,
    halved,
    is_far,
    larger,
    squared,
)
from conformance.judge.activations.smooth import GELU, run_sigmoid
from conformance.judge.definition.balls import Ball, pi
from conformance.judge.running_error import Running

_CUBIC: Final = Fraction(44715, 1_000_000)
_ROOT: Final = math.sqrt(2 / math.pi)
_SATURATED: Final = 64
"""Arguments beyond which the tangent of gelu is one, to far less than any rounding."""


@lru_cache(maxsize=16)
def _root(digits: int) -> Ball:
    """``sqrt(2 / pi)``."""
    return (2 / pi(digits)).sqrt()


def _gate(x: Fraction, digits: int) -> Number:
    """``(1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z))`` with ``z = sqrt(2 / pi) (x + 0.044715 x**3)``."""
    if is_far(x, _SATURATED):
        return 1 - HINT if x > 0 else HINT
    if not x:
        return HALF
    return 1 / (1 + (_root(digits) * (-2 * (x + _CUBIC * x**3))).exp())


def _gelu_by_tanh(x: Fraction, digits: int) -> Number:
    """``x (1 + tanh(z)) / 2``, z as in `_gate`."""
    if is_far(x, _SATURATED):
        return x - HINT if x > 0 else -HINT
    return x * _gate(x, digits)


def _gelu_by_tanh_slope(x: Fraction, digits: int) -> Number:
    """``g + 2 x g (1 - g) z'``, g being the gate, and ``z' = sqrt(2 / pi) (1 + 3 0.044715 x**2)``.

    ``1 - g`` is the gate of ``-x``.
    """
    gate = _gate(x, digits)
    if is_far(x, _SATURATED):
        return gate
    steep = _root(digits) * (2 * x * (1 + 3 * _CUBIC * x * x))
    return gate + gate * _gate(-x, digits) * steep


def _unsaturated(x: Running) -> Running:
    """The nearest arguments whose powers stay in the range of float64."""
    return Running(np.clip(x.value, -_SATURATED, _SATURATED), x.error, x.format)


def _run_argument(x: Running) -> Running:
    """``sqrt(2 / pi) (x + c x**3)``, or ``sqrt(2 / pi) x (1 + c x**2)``."""
    within = _unsaturated(x)
    square, c = squared(within), float(_CUBIC)
    cubic = (square * within).times_parameter(c) + within
    return larger(cubic, within * (square.times_parameter(c) + 1.0)).times_parameter(_ROOT)


def _run_gelu_by_tanh(x: Running) -> Running:
    """``x (1 + tanh(z)) / 2``, or ``x sigmoid(2 z)``."""
    z = _run_argument(x)
    return larger(halved(x * (z.tanh() + 1.0)), x * run_sigmoid(z * 2.0))


def _run_gelu_by_tanh_slope(x: Running) -> Running:
    """``(1 + t) / 2 + x (1 - t**2) z' / 2`` with ``t = tanh(z)``."""
    t = _run_argument(x).tanh()
    within = _unsaturated(x)
    steep = (squared(within).times_parameter(3 * float(_CUBIC)) + 1.0).times_parameter(_ROOT)
    return (t + 1.0) * 0.5 + within * 0.5 * ((1.0 - squared(t)) * steep)


GELU_BY_TANH: Final = replace(
    GELU,
    name="gelu with approximate=True",
    value=_gelu_by_tanh,
    slope=_gelu_by_tanh_slope,
    running=_run_gelu_by_tanh,
    running_slope=_run_gelu_by_tanh_slope,
)

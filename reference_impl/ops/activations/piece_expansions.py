"""The rational and algebraic activations in double-double arithmetic.

As in `reference_impl.ops.activations.expansions`, whose conventions hold.  A difference that
cancels keeps the absolute error of the argument: ``2**-105 |x|`` for a pair, none for a single
float64.
Next to a step, where the argument may lie on either side, the radius is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import (
    Expansion,
    Pair,
    add,
    add_float,
    constant,
    divide,
    expansion,
    fast_two_sum,
    is_regular,
    magnitude,
    multiply,
    multiply_float,
    pair,
    scaled,
    signed,
    two_product,
    where,
)

Float64Array = NDArray[np.float64]
_Function = Callable[[Pair], Expansion]

_SHORT: Final = 2.0**-100
"""The relative error of a few operations, at most ``50 u**2``, and the rounding of the bounds."""


def _argument_error(x: Pair) -> Float64Array:
    """How far an argument may be from its pair, doubled."""
    return np.where(x.low == 0, 0.0, np.abs(x.high) * 2.0**-104)


def _widened(value: Pair, error: Float64Array) -> Expansion:
    result = expansion(value, _SHORT)
    return result._replace(radius=result.radius + error)


def _constant(value: float, like: Pair) -> Pair:
    return pair(np.full_like(like.high, value))


def _is_above(x: Pair, threshold: float) -> NDArray[np.bool_]:
    """Whether numbers exceed a float64: a pair's high part is on the same side, or equal to it."""
    above: NDArray[np.bool_] = (x.high > threshold) | ((x.high == threshold) & (x.low > 0))
    return above


def _is_below(x: Pair, threshold: float) -> NDArray[np.bool_]:
    """Whether numbers are less than a float64."""
    below: NDArray[np.bool_] = (x.high < threshold) | ((x.high == threshold) & (x.low < 0))
    return below


def ramp(half_width: float, divisor: float) -> _Function:
    """``(x + h) / d`` between ``-h`` and h, 0 below, 1 above; the slope is at most 1."""

    def evaluate(x: Pair) -> Expansion:
        inside = divide(add_float(x, half_width), constant(divisor, 0.0))
        value = where(_is_below(inside, 1.0), inside, _constant(1.0, x))
        value = where(inside.high > 0.0, value, _constant(0.0, x))
        return _widened(value, _argument_error(x))

    return evaluate


def hard_silu(x: Pair) -> Expansion:
    """``x (x + 3) / 6`` between -3 and 3, 0 below and x above; the slope is at most 1.5."""
    inside = divide(multiply(x, add_float(x, 3.0)), constant(6.0, 0.0))
    value = where(_is_below(x, 3.0), inside, x)
    value = where(_is_above(x, -3.0), value, _constant(0.0, x))
    return _widened(value, 2.0 * _argument_error(x))


def hard_silu_slope(x: Pair) -> Expansion:
    """``(2 x + 3) / 6`` between -3 and 3, 0 below and 1 above, with steps."""
    inside = divide(add_float(scaled(x, 2.0), 3.0), constant(6.0, 0.0))
    value = where(_is_below(x, 3.0), inside, _constant(1.0, x))
    value = where(_is_above(x, -3.0), value, _constant(0.0, x))
    step = np.where(np.abs(x.high) == 3.0, np.inf, 0.0)
    return _widened(value, _argument_error(x) + step)


def sparse_plus(x: Pair) -> Expansion:
    """``(x + 1)**2 / 4`` between -1 and 1, 0 below and x above; the slope is at most 1."""
    root = add_float(x, 1.0)
    value = where(_is_below(x, 1.0), scaled(multiply(root, root), 0.25), x)
    value = where(_is_above(x, -1.0), value, _constant(0.0, x))
    return _widened(value, _argument_error(x))


def rectified(slope: float, maximum: float, threshold: float) -> _Function:
    """``min(x, maximum)`` above the threshold, else ``slope (x - threshold)``."""
    factor = np.array([slope])

    def evaluate(x: Pair) -> Expansion:
        below = multiply_float(add_float(x, -threshold), factor)
        above = where(_is_below(x, maximum), x, _constant(maximum, x))
        value = where(_is_above(x, threshold), above, below)
        error = _argument_error(x) * max(1.0, abs(slope))
        return _unless_at(threshold, x, _widened(value, error))

    return evaluate


def _unless_at(threshold: float, x: Pair, value: Expansion) -> Expansion:
    """Nothing is told where the pair is the threshold itself."""
    at = (x.high == threshold) & (x.low == 0)
    return value._replace(radius=np.where(at, np.inf, value.radius))


def soft_shrink(threshold: float) -> _Function:
    """``x`` with a magnitude less by the threshold, or 0."""

    def evaluate(x: Pair) -> Expansion:
        excess = add_float(magnitude(x), -threshold)
        value = where(excess.high > 0, signed(excess, x), _constant(0.0, x))
        return _widened(value, _argument_error(x))

    return evaluate


def kept_outside(threshold: float) -> _Function:
    """The argument where its magnitude exceeds the threshold, else 0."""

    def evaluate(x: Pair) -> Expansion:
        size = magnitude(x)
        value = where(_is_above(size, threshold), x, _constant(0.0, x))
        return _unless_at(threshold, size, expansion(value, _SHORT))

    return evaluate


def kept_above(threshold: float, default: float) -> _Function:
    """The argument where it is above the threshold, else the default."""

    def evaluate(x: Pair) -> Expansion:
        value = where(_is_above(x, threshold), x, _constant(default, x))
        return _unless_at(threshold, x, expansion(value, _SHORT))

    return evaluate


def softsign(x: Pair) -> Expansion:
    """``x / (1 + |x|)``: ``21 u**2``."""
    return expansion(divide(x, add_float(magnitude(x), 1.0)), _SHORT)


def softsign_slope(x: Pair) -> Expansion:
    """``1 / (1 + |x|)**2``: ``32 u**2``."""
    root = add_float(magnitude(x), 1.0)
    return expansion(divide(_constant(1.0, x), multiply(root, root)), _SHORT)


def square_root(a: Pair) -> Pair:
    """The square root of positive numbers with at most ``12 u**2``.

    Let y be the rounded square root of the high part, so that ``|a - y**2| < 4 u a``.  Of this the
    first difference is exact, and two roundings of at most ``4 u**2 a`` follow.
    Half of it over y errs by ``4.1 u**2`` for these and ``2.1 u**2`` for the division, relative to
    the root, and the second order of Newton's step, ``(a - y**2)**2 / (8 y**4)``, by ``2.1 u**2``.
    """
    y = np.sqrt(a.high)
    p, e = two_product(y, y)
    rest = (a.high - p) - e
    rest += a.low
    return fast_two_sum(y, rest / (y + y))


def squareplus(b: float) -> _Function:
    """``(x + r) / 2`` with ``r = sqrt(x**2 + b)``, for negative x ``(b / 2) / (r - x)``.

    ``x**2`` has ``10 u**2``, the sum with b 3 more, so that r has ``19 u**2``, the sum of positive
    terms 4 more, and the quotient 16: ``39 u**2``.
    """

    def evaluate(x: Pair) -> Expansion:
        radicand = add_float(multiply(x, x), b)
        twice = add(square_root(radicand), magnitude(x))
        value = where(x.high > 0, scaled(twice, 0.5), divide(constant(0.5 * b, 0.0), twice))
        return _if_regular(radicand, expansion(value, _SHORT))

    return evaluate


def squareplus_slope(b: float) -> _Function:
    """``(1 + x / r) / 2``, for negative x ``(b / 2) / (r (r - x))``: at most ``70 u**2``."""

    def evaluate(x: Pair) -> Expansion:
        radicand = add_float(multiply(x, x), b)
        root = square_root(radicand)
        above = scaled(add_float(divide(x, root), 1.0), 0.5)
        product = multiply(root, add(root, magnitude(x)))
        value = where(x.high > 0, above, divide(constant(0.5 * b, 0.0), product))
        return _if_regular(radicand, expansion(value, 2 * _SHORT))

    return evaluate


def _if_regular(radicand: Pair, value: Expansion) -> Expansion:
    """Nothing is told where squares underflow."""
    regular = is_regular(radicand.high)
    return value._replace(radius=np.where(regular, value.radius, math.inf))

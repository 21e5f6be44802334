"""Float64 evaluation of activations with a bound of the error, element by element.

Each function takes a float64 array x and returns (value, error): the real value at each x lies
between ``value - error`` and ``value + error`` as float64 rounds these two, so that an error which
is not 0 allows for one unit more.  Error bounds count units of ``u = 2**-53``.

What is assumed of the machine: ``+ - * /`` and square roots round correctly (IEEE 754), and

* `numpy.exp`, `expm1`, `log1p`, `tanh`, `cosh`, `hypot` err by at most 8 ulp (16 units).  NumPy
  states at most 4 ulp for its vectorised float64 functions (release notes of NumPy 1.22, from which
  on they are Intel's SVML; ``test_umath_accuracy.py`` checks them), and the GNU C library at most
  2 ulp for those that it provides (manual, "Known maximum errors in math functions");
* `math.erfc` errs by at most 32 ulp (64 units); the GNU C library states at most 5 ulp.

The allowance is wide because it costs nothing: a float32 value is left undecided about once in
10**7.  Results near underflow may be flushed to zero, which `TINY` covers everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.activations.constants import SELU_ALPHA, SELU_SCALE

Float64Array = NDArray[np.float64]
Bounded = tuple[Float64Array, Float64Array]
Evaluation = Callable[[Float64Array], Bounded]

UNIT: Final = 2.0**-53
TINY: Final = 2.0**-1000
MAX: Final = float(np.finfo(np.float64).max)

BLOCK: Final = 1 << 14
"""Elements that are enclosed at once, so that the temporaries stay in cache."""


def within(value: Float64Array, units: float | Float64Array, scale: float = 1.0) -> Bounded:
    """A value with a relative error of so many units, and the absolute error of underflow.

    Args:
        value: the value.
        units: the relative error in units of u.
        scale: by what an underflowed intermediate result was multiplied.
    """
    return value, np.abs(value) * (units * UNIT) + TINY * max(1.0, abs(scale))


def blockwise(
    enclose: Callable[[Float64Array, Float64Array], Bounded], low: Float64Array, high: Float64Array
) -> Bounded:
    """``enclose(low, high)`` by blocks of the first axis; the arrays are not empty."""
    if low.size <= BLOCK:
        return enclose(low, high)
    step = max(BLOCK * len(low) // low.size, 1)
    blocks = (slice(start, start + step) for start in range(0, len(low), step))
    lower, upper = zip(*(enclose(low[block], high[block]) for block in blocks), strict=True)
    return np.concatenate(lower), np.concatenate(upper)


def exponential(x: Float64Array) -> Bounded:
    """``exp(x)``."""
    return within(np.exp(x), 20)


def _logistic(x: Float64Array) -> Float64Array:
    """``1 / (1 + exp(-x))`` with at most 30 units, and without overflow.

    There are 16 units from the exponential, half as many again through ``1 + exp``, and those of
    three roundings.
    """
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, decay) / (1.0 + decay)


def sigmoid(x: Float64Array) -> Bounded:
    """``1 / (1 + exp(-x))``."""
    return within(_logistic(x), 32)


def tanh(x: Float64Array) -> Bounded:
    """``tanh(x)``."""
    return within(np.tanh(x), 20)


def softplus(x: Float64Array) -> Bounded:
    """``ln(1 + exp(x)) = max(x, 0) + ln(1 + exp(-|x|))``; both logarithm and sum are stable."""
    return within(np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), 40)


def log_sigmoid(x: Float64Array) -> Bounded:
    """``-softplus(-x)``."""
    value, error = softplus(-x)
    return -value, error


def silu(x: Float64Array) -> Bounded:
    """``x sigmoid(x)``."""
    return within(x * _logistic(x), 34)


def mish(x: Float64Array) -> Bounded:
    """``x tanh(softplus(x))``, rationally in ``t = exp(-|x|)``.

    ``tanh(ln(1 + e)) = (e**2 + 2 e) / (e**2 + 2 e + 2)`` with ``e = exp(x)``; for positive x both
    are divided by ``e**2``.  All terms are positive, so the errors of t are doubled at most in the
    numerator and again in the denominator.
    """
    t = np.exp(-np.abs(x))
    numerator = np.where(x > 0, 1.0 + 2.0 * t, t * (t + 2.0))
    denominator = numerator + 2.0 * np.where(x > 0, t * t, 1.0)
    return within(x * (numerator / denominator), 80)


def gelu(x: Float64Array) -> Bounded:
    """``x P(X <= x) = x erfc(-x / sqrt 2) / 2``.

    For negative x the two units in the argument z of erfc are multiplied by at most
    ``2 z**2 + 1 = x**2 + 1``, since ``erfc(z) > 2 exp(-z**2) / (sqrt(pi) (z + sqrt(z**2 + 2)))``
    (Abramowitz and Stegun, 7.1.13).
    """
    z = x * -math.sqrt(0.5)
    tail = np.array(list(map(math.erfc, z.reshape(-1).tolist()))).reshape(x.shape)
    squares = np.square(np.clip(x, -40.0, 0.0))
    return within(0.5 * x * tail, 70 + 4 * squares)


def gelu_tanh(x: Float64Array) -> Bounded:
    """``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2 = x sigmoid(2 sqrt(2 / pi) (...))``.

    The argument v of sigmoid has at most 8 units, which sigmoid multiplies by at most ``|v|`` for
    negative v.
    """
    v = (math.sqrt(8.0 / math.pi) * x) * (1.0 + 0.044715 * (x * x))
    return within(x * _logistic(v), 50 + 8 * np.clip(-v, 0.0, 800.0))


def tanh_shrink(x: Float64Array) -> Bounded:
    """``x - tanh(x)``; below 1 ``(x cosh(x) - sinh(x)) / cosh(x)`` by the series of the numerator.

    The numerator is the sum of ``2 k x**(2 k + 1) / (2 k + 1)!`` over k, all of one sign.  From 1
    on the difference is at least 0.23 x, so the error of tanh grows by at most 4.
    """
    small = np.clip(x, -1.0, 1.0)
    square = small * small
    series = np.zeros_like(x)
    for coefficient in _TANH_SHRINK_SERIES:
        series = series * square + coefficient
    series = series * square * small / np.cosh(small)
    return within(np.where(np.abs(x) < 1.0, series, x - np.tanh(x)), 80)


_TANH_SHRINK_SERIES: Final = tuple(2 * k / math.factorial(2 * k + 1) for k in range(10, 0, -1))


def softsign(x: Float64Array) -> Bounded:
    """``x / (1 + |x|)``."""
    return within(x / (1.0 + np.abs(x)), 4)


def squareplus(b: float) -> Evaluation:
    """``(x + sqrt(x**2 + b)) / 2``, for negative x as ``(b / 2) / (sqrt(x**2 + b) - x)``.

    Halves and quarters are taken first, so that nothing overflows.
    """
    root = math.sqrt(b)

    def evaluate(x: Float64Array) -> Bounded:
        half = 0.5 * np.hypot(x, root)
        other = 0.25 * b / (half - 0.5 * x)
        return within(np.where(x >= 0, half + 0.5 * x, other), 40)

    return evaluate


def elu(alpha: float) -> Evaluation:
    """``alpha (exp(x) - 1)`` for negative x, else x."""

    def evaluate(x: Float64Array) -> Bounded:
        value, error = within(alpha * np.expm1(np.minimum(x, 0.0)), 20, alpha)
        return np.where(x >= 0, x, value), np.where(x >= 0, 0.0, error)

    return evaluate


def celu(alpha: float) -> Evaluation:
    """``alpha (exp(x / alpha) - 1)`` for negative x, else x.

    The unit in ``t = x / alpha`` is multiplied by at most ``max(1, t)``, and t is positive only for
    negative alpha.
    """

    def evaluate(x: Float64Array) -> Bounded:
        t = np.minimum(x, 0.0) / alpha
        value, error = within(alpha * np.expm1(t), 24 + np.clip(t, 0.0, 800.0), alpha)
        return np.where(x >= 0, x, value), np.where(x >= 0, 0.0, error)

    return evaluate


def selu(x: Float64Array) -> Bounded:
    """``scale x`` where x is positive, else ``scale alpha (exp(x) - 1)``."""
    negative = (SELU_SCALE * SELU_ALPHA) * np.expm1(np.minimum(x, 0.0))
    return within(np.where(x >= 0, SELU_SCALE * x, negative), 24)


def rectified(slope: float, maximum: float, threshold: float) -> Evaluation:
    """``min(x, maximum)`` above the threshold, else ``slope (x - threshold)``.

    Where the product underflows, its error is at most a quantum, and so at most
    ``|x - threshold|``.
    """

    def evaluate(x: Float64Array) -> Bounded:
        above = x > threshold
        upper = np.minimum(x, maximum)
        if slope == 0:
            return np.where(above, upper, 0.0), np.zeros_like(x)
        excess = np.where(above, 0.0, x - threshold)
        value = slope * excess
        error = np.abs(value) * (4 * UNIT) + np.minimum(np.abs(excess), TINY)
        return np.where(above, upper, value + 0.0), error

    return evaluate


def unchanged(x: Float64Array) -> Bounded:
    """The argument itself."""
    return x.copy(), np.zeros_like(x)


def clipped(minimum: float, maximum: float) -> Evaluation:
    """``min(max(x, minimum), maximum)``, exactly; a zero that is a limit is +0."""

    def evaluate(x: Float64Array) -> Bounded:
        value = np.minimum(np.maximum(x, minimum), maximum)
        return value + 0.0 if minimum == 0 else value, np.zeros_like(x)

    return evaluate


def _sum(a: Float64Array, b: float) -> Bounded:
    """``a + b`` rounded; the error is 0 where Knuth's TwoSum finds none, as in short numbers."""
    total = a + b
    part = total - a
    is_exact = (a - (total - part)) + (b - part) == 0
    return total, np.where(is_exact, 0.0, np.abs(total) * (2 * UNIT))


def _quotient(total: Float64Array, divisor: float) -> Bounded:
    """``total / d`` rounded, for an integer d below 8; the error is 0 where that is exact.

    If the last three bits of the quotient are 0, its product with d is exact and tells.
    """
    value = total / divisor
    is_exact = (value * divisor == total) & (value.view(np.int64) & 7 == 0)
    return value, np.where(is_exact, 0.0, np.abs(value) * (2 * UNIT))


def ramp(half_width: float, divisor: float) -> Evaluation:
    """``(x + h) / d`` between ``-h`` and h, with ``d = 2 h``; 0 below and 1 above."""

    def evaluate(x: Float64Array) -> Bounded:
        inside = np.abs(x) < half_width
        total, error = _sum(np.minimum(np.maximum(x, -half_width), half_width), half_width)
        value, rounding = _quotient(total, divisor)
        return value, np.where(inside, error / divisor + rounding, 0.0)

    return evaluate


def hard_silu(x: Float64Array) -> Bounded:
    """``x (x + 3) / 6`` between -3 and 3; 0 below and x above."""
    inside = np.abs(x) < 3.0
    bounded = np.minimum(np.maximum(x, -3.0), 3.0)
    value = np.where(inside, bounded * (bounded + 3.0) / 6.0, np.maximum(x, 0.0))
    error = np.abs(value) * (6 * UNIT) + np.minimum(np.abs(bounded), TINY)
    return value, np.where(inside, error, 0.0)


def sparse_plus(x: Float64Array) -> Bounded:
    """``(x + 1)**2 / 4`` between -1 and 1; 0 below and x above."""
    inside = np.abs(x) < 1.0
    square = np.square(np.minimum(np.maximum(x, -1.0), 1.0) + 1.0)
    value = np.where(inside, 0.25 * square, np.maximum(x, 0.0))
    return value, np.where(inside, 6 * UNIT * value, 0.0)


def soft_shrink(threshold: float) -> Evaluation:
    """``x - t`` for x above t, ``x + t`` for x below -t, else 0."""

    def evaluate(x: Float64Array) -> Bounded:
        excess, error = _sum(np.abs(x), -threshold)
        shrunk = excess > 0
        return np.where(shrunk, np.copysign(excess, x), 0.0), np.where(shrunk, error, 0.0)

    return evaluate


def kept_above(threshold: float, default: float) -> Evaluation:
    """The argument where it is above the threshold, else the default."""

    def evaluate(x: Float64Array) -> Bounded:
        return np.where(x > threshold, x, default), np.zeros_like(x)

    return evaluate


def kept_outside(threshold: float) -> Evaluation:
    """The argument where its magnitude exceeds the threshold, else 0."""

    def evaluate(x: Float64Array) -> Bounded:
        return np.where(np.abs(x) > threshold, x, 0.0), np.zeros_like(x)

    return evaluate

"""How far a floating-point evaluation of an activation's formula can be from the exact value.

A `Running` value accompanies an exact number v with a bound e on the distance of what a
floating-point evaluation has in its place.  Every operation of the formula passes on the errors of
its operands, by the mean value theorem, and adds its own:

* ``+ - * /`` one rounding, ``u |result|`` (IEEE 754);
* ``exp`` and ``expm1`` 3 ulp, ``log`` 3, ``log1p`` 2, ``tanh`` 5, ``erf`` 16, ``sqrt`` 3: the
  limits of the OpenCL C specification (section "Relative Error as ULPs", single precision), taken
  in the layer's dtype; one ulp of y is at most ``2 u |y|``;
* where a result can lie below the smallest normal number, that number: it may be flushed to zero.

The float64 values stand in for exact ones: they are at least as near to them as e, so sizes and
slopes are taken over ``v - 2 e .. v + 2 e``.  Parameters that are no binary fractions are rounded
to the layer's dtype, or to float32, in which frameworks and exchange formats keep them also for
float64 layers.

The formulas are those of the documentation, with two liberties: where such a formula overflows or
cancels although the function does not, the equal form that does not is taken, with the errors of
both; and a formula that a framework is free to arrange in several ways has the errors of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.judge.contraction import Floats
from conformance.judge.definition.rounding import Format

EXP_ULPS: Final = 3
LOG_ULPS: Final = 3
TANH_ULPS: Final = 5
ERF_ULPS: Final = 16
SQRT_ULPS: Final = 3

_PARAMETER_ERROR: Final = 2.0**-24
_LEAST_EXPONENT: Final = -745.0
_erf = np.frompyfunc(math.erf, 1, 1)


def growth(operations: int, unit_roundoff: float) -> float:
    """``(1 + u)**n - 1``: the relative error of n roundings in a row.

    It is below the usual ``gamma(n) = n u / (1 - n u)`` and finite for every n (N. Higham, Accuracy
    and Stability of Numerical Algorithms, 2nd ed., lemma 3.1 and its proof).
    """
    exponent = operations * math.log1p(unit_roundoff)
    return math.expm1(exponent) if exponent < 700 else math.inf


class Running:
    """Exact numbers, as float64, and bounds on the distance of what is computed in a format."""

    __slots__ = ("error", "format", "value")

    def __init__(self, value: Floats, error: Floats, fmt: Format) -> None:
        self.value = value
        self.error = error
        self.format = fmt

    def _result(self, value: Floats, error: Floats, ulps: float = 0.5) -> Running:
        """An operation's result, with its own error of `ulps` added."""
        size = np.abs(value)
        least = self.format.smallest_normal
        total = error + 2 * ulps * self.format.unit_roundoff * (size + 2 * error)
        near_zero = (size < least + 2 * total) & (size + error > 0)
        return Running(value, total + np.where(near_zero, least, 0.0), self.format)

    def _exactly(self, value: Floats, error: Floats) -> Running:
        return Running(value, error, self.format)

    def largest(self) -> Floats:
        """An upper end of every number that the value stands for."""
        return self.value + 2 * self.error

    def least(self) -> Floats:
        """A lower end of every number that the value stands for."""
        return self.value - 2 * self.error

    def nearest_to_zero(self) -> Floats:
        """The least magnitude of the numbers that the value stands for."""
        return np.maximum(np.abs(self.value) - 2 * self.error, 0.0)

    def __neg__(self) -> Running:
        return self._exactly(-self.value, self.error)

    def __add__(self, other: Running | float) -> Running:
        other = self._lifted(other)
        return self._result(self.value + other.value, self.error + other.error)

    __radd__ = __add__

    def __sub__(self, other: Running | float) -> Running:
        return self + -self._lifted(other)

    def __rsub__(self, other: float) -> Running:
        return -self + other

    def __mul__(self, other: Running | float) -> Running:
        other = self._lifted(other)
        error = np.abs(self.value) * other.error + np.abs(other.value) * self.error
        # The term of second order, with room for values that are themselves off by the errors.
        error = error + 5 * self.error * other.error
        return self._result(self.value * other.value, error)

    __rmul__ = __mul__

    def __truediv__(self, other: Running | float) -> Running:
        other = self._lifted(other)
        quotient = self.value / other.value
        error = (self.error + (np.abs(quotient)) * other.error) / other.nearest_to_zero()
        return self._result(quotient, error)

    def __rtruediv__(self, other: float) -> Running:
        return self._lifted(other) / self

    def _lifted(self, other: Running | float) -> Running:
        if isinstance(other, Running):
            return other
        return Running(np.full_like(self.value, other), np.zeros_like(self.value), self.format)

    def times_parameter(self, factor: float) -> Running:
        """The product with a parameter that is no binary fraction."""
        value = self.value * factor
        parameter = max(_PARAMETER_ERROR, self.format.unit_roundoff)
        error = self.error * abs(factor) + (np.abs(value) + self.error) * 2 * parameter
        return self._result(value, error)

    def exp(self) -> Running:
        """The exponential."""
        value = np.exp(self.value)
        return self._result(value, np.exp(self.largest()) * self.error, EXP_ULPS)

    def log(self) -> Running:
        """The natural logarithm of numbers not below one."""
        error = self.error / np.maximum(self.least(), 0.5)
        return self._result(np.log(self.value), error, LOG_ULPS)

    def tanh(self) -> Running:
        """The hyperbolic tangent; its slope is ``1 / cosh(x)**2``."""
        slope = np.cosh(np.minimum(self.nearest_to_zero(), 350.0)) ** -2.0
        return self._result(np.tanh(self.value), slope * self.error, TANH_ULPS)

    def erf(self) -> Running:
        """The error function; its slope is ``2 / sqrt(pi) exp(-x**2)``.

        The ulps are those of one: polynomials of bounded absolute error are common, and one is
        added next.
        """
        slope = 2 / math.sqrt(math.pi) * np.exp(-(np.minimum(self.nearest_to_zero(), 27.0) ** 2))
        value = np.asarray(_erf(self.value)).astype(np.float64)
        own = 2 * ERF_ULPS * self.format.unit_roundoff
        return self._exactly(value, slope * self.error + own)

    def sqrt(self) -> Running:
        """The square root of numbers not below one."""
        return self._result(np.sqrt(self.value), self.error / 2, SQRT_ULPS)

    def clip(self, low: float, high: float) -> Running:
        """The nearest number between two bounds; without an error of its own."""
        fixed = (self.largest() < low) | (self.least() > high)
        return self._exactly(np.clip(self.value, low, high), np.where(fixed, 0.0, self.error))

    def loosened(self, error: Floats) -> Running:
        """The same numbers with a further error."""
        return self._exactly(self.value, self.error + error)


def _in_pieces(x: Running, breakpoint_: float, below: Running, above: Running) -> Running:
    """One formula below a breakpoint and one from it on; both where x may be on either side."""
    value = np.where(x.value < breakpoint_, below.value, above.value)
    left, right = x.largest() < breakpoint_, x.least() > breakpoint_
    either = np.maximum(below.error, above.error)
    error = np.where(left, below.error, np.where(right, above.error, either))
    return Running(value, error, x.format)


def _halved(x: Running) -> Running:
    """The exact half; of a subnormal number it may round."""
    return Running(x.value / 2, x.error / 2 + x.format.quantum / 2, x.format)


def linear(x: Running) -> Running:
    """``x``."""
    return x


def relu(x: Running) -> Running:
    """``max(x, 0)``."""
    return x.clip(0.0, math.inf)


def relu6(x: Running) -> Running:
    """``min(max(x, 0), 6)``."""
    return x.clip(0.0, 6.0)


def hard_tanh(x: Running) -> Running:
    """``min(max(x, -1), 1)``."""
    return x.clip(-1.0, 1.0)


def leaky_relu(x: Running) -> Running:
    """``x`` from zero on, ``0.2 x`` below."""
    return _in_pieces(x, 0.0, x.times_parameter(0.2), x)


def hard_sigmoid(x: Running) -> Running:
    """``relu6(x + 3) / 6``, or ``x / 6 + 1/2`` clipped, with 1/6 a parameter."""
    shifted = relu6(x + 3.0) / 6.0
    scaled = (x.times_parameter(1 / 6) + 0.5).clip(0.0, 1.0)
    return Running(shifted.value, np.maximum(shifted.error, scaled.error), x.format)


def hard_silu(x: Running) -> Running:
    """``x hard_sigmoid(x)``, or ``x (x + 3) / 6`` between -3 and 3."""
    inside = (x.clip(-3.0, 3.0) * (x.clip(-3.0, 3.0) + 3.0)) / 6.0
    gated = x * hard_sigmoid(x)
    return gated.loosened(np.where(np.abs(x.value) - 2 * x.error <= 3.0, inside.error, 0.0))


def hard_shrink(x: Running) -> Running:
    """``x`` where its magnitude exceeds 1/2, else 0: it jumps there."""
    size = np.abs(x.value)
    at_jump = (np.abs(size - 0.5) <= 2 * x.error) & (x.error > 0)
    value = np.where(size > 0.5, x.value, 0.0)
    error = np.where(size > 0.5, x.error, 0.0)
    return Running(value, np.where(at_jump, size + x.error, error), x.format)


def soft_shrink(x: Running) -> Running:
    """``x - 1/2`` above 1/2, ``x + 1/2`` below -1/2, 0 between."""
    size = Running(np.abs(x.value), x.error, x.format)
    shrunk = (size - 0.5).clip(0.0, math.inf)
    return Running(np.copysign(shrunk.value, x.value), shrunk.error, x.format)


def softsign(x: Running) -> Running:
    """``x / (1 + |x|)``."""
    return x / (Running(np.abs(x.value), x.error, x.format) + 1.0)


def sparse_plus(x: Running) -> Running:
    """0 up to -1, ``(x + 1)**2 / 4`` between -1 and 1, ``x`` from 1 on."""
    shifted = (x + 1.0).clip(0.0, 2.0)
    return _in_pieces(x, 1.0, _halved(_halved(shifted * shifted)), x)


def sparse_sigmoid(x: Running) -> Running:
    """``(x + 1) / 2`` between -1 and 1; 0 below and 1 above."""
    return _halved((x + 1.0).clip(0.0, 2.0))


def squareplus(x: Running) -> Running:
    """``(x + sqrt(x**2 + 4)) / 2``."""
    # Relative errors of the square do not change beyond 1e150, where it would overflow here.
    within = Running(np.clip(x.value, -1e150, 1e150), x.error, x.format)
    square = within * within + 4.0
    value = np.hypot(x.value, 2.0)
    # |sqrt(b) - sqrt(a)| = |b - a| / (sqrt(b) + sqrt(a)), so its relative error is no larger.
    relative = square.error / square.value + 2 * SQRT_ULPS * x.format.unit_roundoff
    return _halved(x + Running(value, value * relative, x.format))


def exponential(x: Running) -> Running:
    """``exp(x)``."""
    return x.exp()


def sigmoid(x: Running) -> Running:
    """``1 / (1 + exp(-x))``."""
    within = Running(np.maximum(x.value, -700.0), x.error, x.format)
    return 1.0 / ((-within).exp() + 1.0)


def silu(x: Running) -> Running:
    """``x sigmoid(x)``."""
    return x * sigmoid(x)


def tanh(x: Running) -> Running:
    """``tanh(x)``, one operation."""
    return x.tanh()


def tanh_shrink(x: Running) -> Running:
    """``x - tanh(x)``."""
    return x - x.tanh()


def softplus(x: Running) -> Running:
    """``log(exp(x) + 1)``; above zero ``x + log(exp(-x) + 1)``, with the errors of both."""
    u = x.format.unit_roundoff
    below = (Running(np.minimum(x.value, 0.0), x.error, x.format).exp() + 1.0).log()
    correction = (Running(-np.maximum(x.value, 0.0), x.error, x.format).exp() + 1.0).log()
    size = np.abs(x.value) + 2 * x.error + 1
    above = Running(x.value + correction.value, x.error, x.format).loosened(
        correction.error + 2 * (EXP_ULPS + LOG_ULPS + 1) * u * size
    )
    return _in_pieces(x, 0.0, below, above)


def log_sigmoid(x: Running) -> Running:
    """``log(1 / (1 + exp(-x)))``, or ``-softplus(-x)``."""
    division = 4 * x.format.unit_roundoff
    return -(softplus(-x).loosened(np.full_like(x.value, division)))


def mish(x: Running) -> Running:
    """``x tanh(softplus(x))``."""
    return x * softplus(x).tanh()


def elu(x: Running) -> Running:
    """``x`` from zero on, ``exp(x) - 1`` below, which cancels."""
    below = Running(np.minimum(x.value, 0.0), x.error, x.format).exp() - 1.0
    return _in_pieces(x, 0.0, below, x)


def selu(x: Running) -> Running:
    """``scale`` times ``x`` from zero on, times ``alpha (exp(x) - 1)`` below."""
    below = Running(np.minimum(x.value, 0.0), x.error, x.format).exp() - 1.0
    scaled = below.times_parameter(1.6732632423543772).times_parameter(1.0507009873554805)
    return _in_pieces(x, 0.0, scaled, x.times_parameter(1.0507009873554805))


def gelu(x: Running) -> Running:
    """``x (1 + erf(x / sqrt(2))) / 2``; the root of two is rounded, and so is the division."""
    size = np.full_like(x.value, math.sqrt(2.0))
    root = Running(size, size * x.format.unit_roundoff, x.format)
    return _halved(x * ((x / root).erf() + 1.0))


def _row_sum(x: Running) -> Running:
    """The sum along the last axis, in any order."""
    size = (np.abs(x.value) + 2 * x.error).sum(-1, keepdims=True)
    rounding = growth(x.value.shape[-1] - 1, x.format.unit_roundoff) * size
    return Running(
        x.value.sum(-1, keepdims=True), x.error.sum(-1, keepdims=True) + rounding, x.format
    )


def _row_distances(x: Running) -> Running:
    """The distance of each element from the largest of its row, at most zero."""
    largest = x.value.max(-1, keepdims=True)
    error = x.error.max(-1, keepdims=True)
    distance = x - Running(largest, error, x.format)
    vanishing = distance.largest() < _LEAST_EXPONENT
    return Running(
        np.maximum(distance.value, _LEAST_EXPONENT),
        np.where(vanishing, 0.0, distance.error),
        x.format,
    )


def softmax(x: Running) -> Running:
    """``exp(x) / sum(exp(x))`` along the last axis, the largest x taken out."""
    exponentials = _row_distances(x).exp()
    return exponentials / _row_sum(exponentials)


def log_softmax(x: Running) -> Running:
    """``x - log(sum(exp(x)))`` along the last axis, with the largest x taken out or not."""
    largest = Running(x.value.max(-1, keepdims=True), x.error.max(-1, keepdims=True), x.format)
    logarithm = _row_sum(_row_distances(x).exp()).log()
    below = (x - largest) - logarithm
    return below.loosened((x - (largest + logarithm)).error)


def sparsemax(x: Running) -> Running:
    """The projection of each row on the simplex, by sorting, summing and subtracting.

    A projection moves no farther than its argument, so the errors of x come through as their sum
    at most.  The threshold is ``(sum - 1) / count`` over the larger elements; its roundings are
    those of that sum, the division and the subtraction.  Whether the smallest of them counts is
    decided by rounded numbers, which changes the threshold by no more.
    """
    length = x.value.shape[-1]
    size = (np.abs(x.value) + 2 * x.error).sum(-1, keepdims=True) + 1
    rounding = 2 * growth(length + 3, x.format.unit_roundoff) * size
    value = np.maximum(x.value - _simplex_threshold(x.value), 0.0)
    error = x.error.sum(-1, keepdims=True) + rounding + np.zeros_like(x.value)
    return Running(value, error, x.format)


def _simplex_threshold(x: Floats) -> Floats:
    """The number t for which ``sum(max(x - t, 0))`` is one, along the last axis."""
    descending = -np.sort(-x, axis=-1)
    counts = np.arange(1, x.shape[-1] + 1)
    thresholds = (np.cumsum(descending, axis=-1) - 1) / counts
    count = (descending > thresholds).sum(-1, keepdims=True)
    threshold: Floats = np.take_along_axis(thresholds, np.maximum(count - 1, 0), axis=-1)
    return threshold


def glu(x: Running) -> Running:
    """``a sigmoid(b)``, where a and b are the halves of the last axis."""
    half = x.value.shape[-1] // 2
    a = Running(x.value[..., :half], x.error[..., :half], x.format)
    b = Running(x.value[..., half:], x.error[..., half:], x.format)
    return a * sigmoid(b)


ROWWISE: Final = frozenset({"softmax", "log_softmax", "sparsemax", "glu"})
"""The activations whose outputs depend on whole rows along the last axis."""

WITHOUT_ERROR: Final = frozenset({"linear", "relu", "relu6", "hard_tanh"})
"""The activations that round nothing."""

FORMULAS: Final[MappingProxyType[str, Callable[[Running], Running]]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            elu,
            exponential,
            gelu,
            glu,
            hard_shrink,
            hard_sigmoid,
            hard_silu,
            hard_tanh,
            leaky_relu,
            linear,
            log_sigmoid,
            log_softmax,
            mish,
            relu,
            relu6,
            selu,
            sigmoid,
            silu,
            soft_shrink,
            softmax,
            softplus,
            softsign,
            sparse_plus,
            sparse_sigmoid,
            sparsemax,
            squareplus,
            tanh,
            tanh_shrink,
        )
    }
    | {"celu": elu, "swish": silu, "hard_swish": hard_silu}
)
"""The activations' formulas by name."""


def through_activation(name: str, value: Floats, error: Floats, fmt: Format) -> Running:
    """An activation's value, and how far a floating-point evaluation can be from it.

    Args:
        name: the activation; ``linear`` for none.
        value: the exact argument, as float64.
        error: how far the argument can be off.
        fmt: the format of the evaluation.

    Raises:
        ValueError: if no formula is known by that name.
    """
    if name not in FORMULAS:
        raise ValueError(
            f"there is no error bound for the activation {name!r}: one of "
            f"{', '.join(FORMULAS)} is expected"
        )
    with np.errstate(all="ignore"):
        running = FORMULAS[name](Running(value, np.asarray(error, np.float64), fmt))
    return _without_undefined(running)


def _without_undefined(running: Running) -> Running:
    """Errors that came out undefined (infinity times zero) taken as unbounded."""
    error = np.where(np.isnan(running.error), np.inf, running.error)
    error = np.where(np.isinf(running.value) & np.isinf(error), 0.0, error)
    return Running(running.value, error, running.format)

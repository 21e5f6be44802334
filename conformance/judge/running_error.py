"""How far a floating-point evaluation of an activation's formula can be from the exact value.

A `Running` value accompanies an exact number v with a bound e on the distance of what a
floating-point evaluation has in its place.  Every operation of the formula passes on the errors of
its operands, by the mean value theorem, and adds its own:

* ``+ - * /`` one rounding, ``u |result|`` (IEEE 754);
* ``exp`` and ``expm1`` 3 ulp, ``log`` 3, ``log1p`` 2, ``tanh`` 5, ``erf`` 16, ``sqrt`` 3: the
  limits of the OpenCL C specification (section "Relative Error as ULPs", single precision), taken
  in the layer's dtype; one ulp of y is at most ``2 u |y|``;
* where a result can lie below the smallest normal number, that number: it may be flushed to zero;
  of a reciprocal, which is commonly refined from an approximate one, and of ``exp``, whose power of
  two is commonly halved on the way (`Running.exp`), twice that number.

The float64 values stand in for exact ones: they are at least as near to them as e, so sizes and
slopes are taken over ``v - 2 e .. v + 2 e``.  Parameters that are no binary fractions are rounded
to the layer's dtype, or to float32, in which frameworks and exchange formats keep them also for
float64 layers.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judge.definition.rounding import Format

Floats = NDArray[np.float64]

EXP_ULPS: Final = 3
EXPM1_ULPS: Final = 3
LOG_ULPS: Final = 3
TANH_ULPS: Final = 5
ERF_ULPS: Final = 16
SQRT_ULPS: Final = 3

_PARAMETER_ERROR: Final = 2.0**-24
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

    def _result(
        self, value: Floats, error: Floats, ulps: float = 0.5, kept: float = 1.0
    ) -> Running:
        """An operation's result, with its own error of `ulps` added.

        Below `kept` times the smallest normal number it may be flushed to zero.
        """
        size = np.abs(value)
        least = kept * self.format.smallest_normal
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
        quotient = self._lifted(other) / self
        least = 2 * self.format.smallest_normal
        near_zero = np.abs(quotient.value) < least + 2 * quotient.error
        return quotient.loosened(np.where(near_zero, least, 0.0))

    def _lifted(self, other: Running | float) -> Running:
        if isinstance(other, Running):
            return other
        return Running(np.full_like(self.value, other), np.zeros_like(self.value), self.format)

    @property
    def parameter_error(self) -> float:
        """The relative error of a parameter that is no binary fraction."""
        return max(_PARAMETER_ERROR, self.format.unit_roundoff)

    def parameter(self, number: float) -> Running:
        """A parameter in the place of these numbers; without an error where it is a short one."""
        error = 0.0 if (64 * number).is_integer() else abs(number) * self.parameter_error
        size = np.full_like(self.value, number)
        return self._exactly(size, np.full_like(self.value, error))

    def times_parameter(self, factor: float) -> Running:
        """The product with a parameter that is no binary fraction."""
        value = self.value * factor
        error = self.error * abs(factor) + (np.abs(value) + self.error) * 2 * self.parameter_error
        return self._result(value, error)

    def exp(self) -> Running:
        """The exponential.

        Kernels without branches take it as ``2 * (2**(n - 1) * p)``, with ``x = n log(2) + r`` and
        ``p = exp(r)``: ``2**n`` would overflow at the largest arguments.  The power is made by
        writing n - 1 into the exponent's bits, and where that is below the least normal exponent,
        zero is written.  So all with ``n`` of the least exponent is flushed: results below twice
        the smallest normal number where r is in ``[0, log(2))``, below ``sqrt(2)`` times where
        it is in ``[-log(2) / 2, log(2) / 2)``.  Both are oneDNN's (``eltwise_exp``), the former in
        the softmax of TensorFlow.
        """
        error = np.exp(self.largest()) * self.error
        return self._result(np.exp(self.value), error, EXP_ULPS, kept=2.0)

    def expm1(self) -> Running:
        """``exp(x) - 1``, one operation."""
        error = np.exp(self.largest()) * self.error
        return self._result(np.expm1(self.value), error, EXPM1_ULPS)

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
        """The square root of positive numbers, whose slope is half its reciprocal."""
        twice = 2 * np.minimum(np.sqrt(np.maximum(self.least(), 0.0)), 1.0)
        return self._result(np.sqrt(self.value), self.error / twice, SQRT_ULPS)

    def clip(self, low: float, high: float) -> Running:
        """The nearest number between two bounds; without an error of its own."""
        fixed = (self.largest() < low) | (self.least() > high)
        return self._exactly(np.clip(self.value, low, high), np.where(fixed, 0.0, self.error))

    def loosened(self, error: Floats) -> Running:
        """The same numbers with a further error."""
        return self._exactly(self.value, self.error + error)

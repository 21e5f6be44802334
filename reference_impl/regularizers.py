"""Regularizers: penalties on weights or outputs, and their gradients.

A regularizer is called with an array and returns a float.  The penalty is the real number that
the formula gives for the array's values and the factors as they are held (a Python float is a real
number like any other), divided by `divisor` and rounded once to the array's dtype: sums are exact,
so neither their order nor their length matters.  NaN and infinities follow IEEE 754 arithmetic.

Keras rounds the factor as well: to float32, whatever the dtype of the weights, so that its float64
penalties are off by up to 3e-8 relatively, and ``L1`` and ``OrthogonalRegularizer`` (in tf_keras
``L2`` and ``L1L2`` too) write float32(0.01) = 0.009999999776482582 where 0.01 was given.  Here
``get_config`` returns the factor that was given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from reference_impl.config import epsilon
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import configuration, positive_integer, wrong_value
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import Array, floating, real_number
from reference_impl.ops.certified import round_enclosed
from reference_impl.ops.exact_sums import sum_of_magnitudes, sum_of_squares
from reference_impl.ops.formats import FLOAT64, format_of, widened
from reference_impl.ops.rounding import round_fraction

if TYPE_CHECKING:
    from fractions import Fraction

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]

_REGISTRY: Final = Registry("regularizer", "keras.regularizers")


class Regularizer:
    """Base class: a callable that maps an array to a float, with ``get_config``."""

    def __call__(self, weights: Any) -> float:
        """The penalty of `weights`; 0.0 in the base class."""
        return 0.0

    def penalty(self, weights: Any, divisor: int = 1) -> float:
        """The penalty divided by `divisor`.

        The divisor serves activity regularizers, whose penalty is divided by the batch size.  The
        classes of this module divide before they round, those that define a call alone after it.

        Raises:
            TypeError: if `weights` are not numbers, or `divisor` is no integer.
            ValueError: if `divisor` is below 1.
        """
        return self(weights) / positive_integer(type(self).__name__, "divisor", divisor)

    def gradient(self, weights: Any, divisor: int = 1) -> Array:
        """The gradient of ``penalty(weights, divisor)``, in the shape and dtype of `weights`.

        Raises:
            NotImplementedError: if the class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no gradient")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments.

        Raises:
            NotImplementedError: in the base class.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no get_config")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """The regularizer with these constructor arguments."""
        return cls(**configuration(cls.__name__, config))


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x**2)``.

    The gradient is ``l1 * sign(x) + 2 * l2 * x``, each element rounded once; at 0, where ``|x|``
    has no derivative, sign(0) = 0 is the subgradient taken, as TensorFlow and PyTorch do.  A term
    whose factor is 0 is left out, whatever x.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        """Make the regularizer.

        Args:
            l1: factor of the sum of magnitudes; None means 0.
            l2: factor of the sum of squares; None means 0.

        Raises:
            TypeError: if a factor is no number.
            ValueError: if a factor is negative, infinite or NaN.
        """
        self.l1 = _factor(type(self), "l1", 0.0 if l1 is None else l1)
        self.l2 = _factor(type(self), "l2", 0.0 if l2 is None else l2)

    def __call__(self, weights: Any) -> float:
        """The penalty, rounded once to the dtype of `weights`."""
        return self.penalty(weights)

    def penalty(self, weights: Any, divisor: int = 1) -> float:
        """``(l1 * sum(|x|) + l2 * sum(x**2)) / divisor``, rounded once.

        Raises:
            TypeError: if `weights` are not numbers, or `divisor` is no integer.
            ValueError: if `divisor` is below 1.
        """
        from fractions import Fraction

        x = floating(type(self).__name__, weights)
        divisor = positive_integer(type(self).__name__, "divisor", divisor)
        if not np.all(np.isfinite(x)):
            return self._penalty_of_non_finite(x)
        total = Fraction(0)
        if self.l1:
            total += Fraction(self.l1) * sum_of_magnitudes(x)
        if self.l2:
            total += Fraction(self.l2) * sum_of_squares(x)
        return round_fraction(total / divisor, format_of(x.dtype))

    def _penalty_of_non_finite(self, x: Array) -> float:
        if not self.l1 and not self.l2:
            return 0.0
        return math.nan if np.any(np.isnan(x)) else math.inf

    def gradient(self, weights: Any, divisor: int = 1) -> Array:
        """``(l1 * sign(x) + 2 * l2 * x) / divisor``, each element rounded once."""
        from fractions import Fraction

        x = floating(type(self).__name__, weights)
        divisor = positive_integer(type(self).__name__, "divisor", divisor)
        constant, slope = Fraction(self.l1) / divisor, 2 * Fraction(self.l2) / divisor
        format = format_of(x.dtype)
        wide = widened(x)
        with np.errstate(over="ignore", invalid="ignore"):
            value = round_fraction(constant, FLOAT64) * np.sign(wide)
            if slope:
                value += round_fraction(slope, FLOAT64) * wide
        # The terms have one sign, and each of the two factors, two products and the sum is within
        # 2**-53 relatively: 8 of these units are ample.  The least float64 covers underflow.
        radius = np.where(wide == 0, 0.0, np.abs(value) * (8 * 2.0**-53) + 2.0**-1073)
        radius = np.where(np.isfinite(value), radius, np.inf)
        value = np.where(np.isfinite(wide) & ~np.isfinite(value), 0.0, value)
        radius = np.where(np.isfinite(wide), radius, 0.0)
        flat = wide.reshape(-1)

        def resolve(i: int) -> float:
            element = Fraction(float(flat[i]))
            return round_fraction(_sign(element) * constant + slope * element, format)

        with np.errstate(invalid="ignore", over="ignore"):
            low, high = value - radius, value + radius
        return round_enclosed(low, high, format, resolve)

    def get_config(self) -> dict[str, Any]:
        """``{"l1": ..., "l2": ...}``."""
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """``l1 * sum(|x|)``; the gradient is ``l1 * sign(x)``, with sign(0) = 0."""

    def __init__(self, l1: float | None = 0.01) -> None:
        """Make the regularizer.

        Args:
            l1: the factor; None means 0.01.

        Raises:
            TypeError: if the factor is no number.
            ValueError: if the factor is negative, infinite or NaN.
        """
        super().__init__(l1=0.01 if l1 is None else l1)

    def get_config(self) -> dict[str, Any]:
        """``{"l1": ...}``."""
        return {"l1": self.l1}


class L2(L1L2):
    """``l2 * sum(x**2)``; the gradient is ``2 * l2 * x``."""

    def __init__(self, l2: float | None = 0.01) -> None:
        """Make the regularizer.

        Args:
            l2: the factor; None means 0.01.

        Raises:
            TypeError: if the factor is no number.
            ValueError: if the factor is negative, infinite or NaN.
        """
        super().__init__(l2=0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        """``{"l2": ...}``."""
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """``factor`` times the mean of ``|<u_i, u_j>|`` over the pairs i < j of normalised vectors.

    The vectors x_i are the rows or columns of a matrix, and ``u_i = x_i / max(|x_i|, epsilon)``
    with `reference_impl.backend.epsilon`, as in Keras 3 (tf_keras takes 1e-6 for epsilon).  With
    fewer than two vectors the mean is 0 / 0, NaN, as in Keras.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        """Make the regularizer.

        Args:
            factor: what the mean is multiplied by.
            mode: ``"rows"`` or ``"columns"``: which vectors are to be orthogonal.

        Raises:
            TypeError: if the factor is no number.
            ValueError: if the factor is negative, infinite or NaN, or the mode another.
        """
        self.factor = _factor(type(self), "factor", factor)
        if mode not in ("rows", "columns"):
            raise wrong_value(type(self).__name__, "mode", mode, "'rows' or 'columns'")
        self.mode = mode

    def __call__(self, weights: Any) -> float:
        """The penalty, rounded once to the dtype of `weights`."""
        return self.penalty(weights)

    def penalty(self, weights: Any, divisor: int = 1) -> float:
        """The penalty divided by `divisor`, rounded once.

        Raises:
            ValueError: if `weights` are no matrix.
        """
        from reference_impl.ops.orthogonality import mean_cosine

        x = self._vectors(weights)
        divisor = positive_integer(type(self).__name__, "divisor", divisor)
        return mean_cosine(x, epsilon(), self.factor, divisor, format_of(x.dtype))

    def gradient(self, weights: Any, divisor: int = 1) -> Array:
        """The gradient, each element rounded once; sign(0) = 0 where <u_i, u_j> = 0.

        A vector shorter than epsilon is divided by the constant epsilon, and differentiated so.

        Raises:
            ValueError: if `weights` are no matrix.
        """
        from reference_impl.ops.orthogonality import mean_cosine_gradient

        x = self._vectors(weights)
        divisor = positive_integer(type(self).__name__, "divisor", divisor)
        gradient = mean_cosine_gradient(x, epsilon(), self.factor, divisor, format_of(x.dtype))
        return gradient if self.mode == "rows" else gradient.T

    def _vectors(self, weights: Any) -> Array:
        x = floating(type(self).__name__, weights)
        if x.ndim != 2:
            raise ValueError(
                f"{type(self).__name__}: the weights have shape {x.shape}; expected a matrix, "
                "two axes"
            )
        return x if self.mode == "rows" else x.T

    def get_config(self) -> dict[str, Any]:
        """``{"factor": ..., "mode": ...}``."""
        return {"factor": self.factor, "mode": self.mode}


def _factor(owner: type, argument: str, value: Any) -> float:
    return float(real_number(owner.__name__, argument, value, least=0))


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


l1 = L1
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """The regularizer ``L1L2(l1, l2)``, with the documented defaults of this function."""
    return L1L2(l1, l2)


for _class in (L1, L2, OrthogonalRegularizer):
    _REGISTRY.add(_class)
_REGISTRY.add(L1L2, readings=("keras3",))
_REGISTRY.alias(L1L2, "L1L2")
_REGISTRY.add(Regularizer, readings=("keras3",))
_REGISTRY.alias(Regularizer, "Regularizer")
_REGISTRY.alias(partial(L1L2, 0.01, 0.01), "l1_l2")

get, serialize, deserialize = _REGISTRY.get, _REGISTRY.serialize, _REGISTRY.deserialize


__getattr__ = refuser("keras.regularizers", __all__)

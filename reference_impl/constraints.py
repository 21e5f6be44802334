"""Constraints: what becomes of weights after each update.

A constraint is called with an array and returns one of the same shape and dtype.  Each element is
the real number that the formula gives, rounded once to the weights' dtype; so a norm whose square
overflows the dtype is still the norm.  NaN and infinities make the formula be evaluated as IEEE 754
arithmetic has it, in float64, wherever a norm depends on them.

``axis`` names the axes along which a norm is taken; the other axes number the norms.  With the
default 0 a convolution kernel ``(*window, in_channels, filters)`` is normed along the first window
axis alone; ``[0, 1, 2]`` norms each filter of a two-dimensional convolution as a whole.
``epsilon`` is `reference_impl.backend.epsilon`, as it is when the constraint is applied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.config import epsilon
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import configuration, wrong_value
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import (
    Array,
    Axes,
    axes_of,
    floating,
    integers_of,
    real_number,
)
from reference_impl.ops.certified import round_enclosed
from reference_impl.ops.formats import format_of, widened
from reference_impl.showing import shown

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "RadialConstraint",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "radial_constraint",
    "serialize",
    "unit_norm",
]

_REGISTRY: Final = Registry("constraint", "keras.constraints")
_UNIT: Final = 2.0**-53

Float64Array = NDArray[np.float64]


class Constraint:
    """Base class: a callable that maps an array to an array, with ``get_config``."""

    def __call__(self, weights: Any) -> Array:
        """The constrained weights; in the base class, the weights as they are."""
        return floating(type(self).__name__, weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        """The constraint with these constructor arguments."""
        return cls(**configuration(cls.__name__, config))


class NonNeg(Constraint):
    """``w`` where it is at least 0, else 0; NaN stays NaN and -0 stays -0."""

    def __call__(self, weights: Any) -> Array:
        """The weights with 0 in place of what is negative."""
        w = floating(type(self).__name__, weights)
        with np.errstate(invalid="ignore"):
            return np.where(w < 0, np.zeros((), w.dtype), w)


class _NormConstraint(Constraint):
    """``w * desired / (epsilon + norm)`` with ``norm = sqrt(sum(w**2))`` along some axes.

    ``desired = rate * clip(norm, least, most) + (1 - rate) * norm``; the second term is left out
    where rate is 1.
    """

    def __init__(self, axis: Any, least: float, most: float, rate: float = 1.0) -> None:
        integers_of(type(self).__name__, "axis", axis)
        self.axis = axis
        self._least, self._most, self._rate = least, most, rate

    def __call__(self, weights: Any) -> Array:
        """The constrained weights.

        Raises:
            TypeError: if `weights` are not numbers.
            ValueError: if they have not the axes that ``axis`` names.
        """
        name = type(self).__name__
        w = floating(name, weights)
        axes = axes_of(name, "axis", self.axis, w.ndim)
        if not w.size:
            return w.copy()
        wide = widened(w)
        low, high = self._enclose(wide, axes)
        return round_enclosed(low, high, format_of(w.dtype), self._resolver(wide, axes, w.dtype))

    def _enclose(self, w: Float64Array, axes: Axes) -> tuple[Float64Array, Float64Array]:
        """Bounds of each element's value, infinitely wide where float64 cannot tell.

        Summing n squares errs by at most n units relatively (``u = 2**-53``), the root by half of
        that and one more; it enters twice, with less than ten other roundings: ``n + 16`` units of
        the value, taken with positive terms.
        """
        rate = self._rate
        with np.errstate(all="ignore"):
            norms = np.sqrt(np.sum(np.square(w), axis=axes, keepdims=True))
            clipped = rate * np.clip(norms, self._least, self._most)
            rest = (1 - rate) * norms if rate != 1 else np.zeros_like(norms)
            value = w * ((clipped + rest) / (epsilon() + norms))
            size = np.abs(w) * ((np.abs(clipped) + np.abs(rest)) / (epsilon() + norms))
            radius = size * ((w.size // max(norms.size, 1) + 16) * _UNIT)
            finite = np.all(np.isfinite(w), axis=axes, keepdims=True)
            unknown = finite & ~((norms > 1e-140) & np.isfinite(norms))
            value = np.where(finite & (w == 0), w, value)
            radius = np.where(finite & (w != 0), np.where(unknown, np.inf, radius), 0.0)
            value = np.where(np.isinf(radius), 0.0, value)
            return value - radius, value + radius

    def _resolver(
        self, w: Float64Array, axes: Axes, dtype: np.dtype[Any]
    ) -> Callable[[int], float]:
        """The function that rounds element i, counted in C order, of finite weights exactly."""
        from functools import cache

        from reference_impl.ops.norm_scaling import Desired, NormScale

        count = math.prod(w.shape[axis] for axis in axes)
        slices = np.moveaxis(w, axes, range(-len(axes), 0)).reshape(-1, count)
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(w.shape))
        numbers = np.broadcast_to(np.arange(len(slices)).reshape(shape), w.shape).reshape(-1)
        flat, format = w.reshape(-1), format_of(dtype)
        desired = Desired.of(self._least, self._most, self._rate, epsilon())

        @cache
        def scale(number: int) -> NormScale:
            return NormScale(slices[number], desired, format)

        return lambda i: scale(int(numbers[i])).apply(float(flat[i]))


class MaxNorm(_NormConstraint):
    """Norms of at most ``max_value``: ``w * min(norm, max_value) / (epsilon + norm)``."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        """Make the constraint.

        Args:
            max_value: the largest norm.
            axis: an axis, a list or tuple of axes, or None for all.

        Raises:
            TypeError: if `max_value` is no number, or an axis no integer.
            ValueError: if `max_value` is negative or NaN.
        """
        self.max_value = real_number("MaxNorm", "max_value", max_value, least=0, finite=False)
        super().__init__(axis, 0.0, self.max_value)

    def get_config(self) -> dict[str, Any]:
        """``{"max_value": ..., "axis": ...}``."""
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(_NormConstraint):
    """Norms of 1: ``w / (epsilon + norm)``."""

    def __init__(self, axis: Any = 0) -> None:
        """Make the constraint.

        Args:
            axis: an axis, a list or tuple of axes, or None for all.

        Raises:
            TypeError: if an axis is no integer.
        """
        super().__init__(axis, 1.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """``{"axis": ...}``."""
        return {"axis": self.axis}


class MinMaxNorm(_NormConstraint):
    """Norms between two values, or part of the way there.

    ``w * (rate * clip(norm, min_value, max_value) + (1 - rate) * norm) / (epsilon + norm)``.
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ) -> None:
        """Make the constraint.

        Args:
            min_value: the smallest norm.
            max_value: the largest norm.
            rate: 1 to enforce it at once, less to move the norm that part of the way.
            axis: an axis, a list or tuple of axes, or None for all.

        Raises:
            TypeError: if a value is no number, or an axis no integer.
            ValueError: if a value is negative or NaN, `max_value` is below `min_value`, or `rate`
                is not finite.
        """
        self.min_value = real_number("MinMaxNorm", "min_value", min_value, least=0)
        self.max_value = real_number("MinMaxNorm", "max_value", max_value, least=0, finite=False)
        if self.max_value < self.min_value:
            allowed = f"a number of at least min_value, {shown(self.min_value)}"
            raise wrong_value("MinMaxNorm", "max_value", max_value, allowed)
        self.rate = real_number("MinMaxNorm", "rate", rate)
        super().__init__(axis, self.min_value, self.max_value, self.rate)

    def get_config(self) -> dict[str, Any]:
        """``{"min_value": ..., "max_value": ..., "rate": ..., "axis": ...}``."""
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


class RadialConstraint(Constraint):
    """Square kernels ``(n, n, in_channels, filters)`` with one value on each ring; Keras 2 alone.

    The values are taken from each kernel's diagonal, ``d[j] = w[j, j]``, as tf_keras 2.21 does.
    With ``h = n // 2`` and rings numbered 0, 1, ... from the centre outwards, where ring 0 is one
    element for odd n and four for even n: ring 0 has ``d[h - 1]``, and ring i has ``d[h + i]`` for
    even n and ``d[h + i - 1]`` for odd n.  (Its documentation shows, for n = 4, the values of the
    two rings the other way round.)  A kernel of one element stays as it is.
    """

    def __call__(self, weights: Any) -> Array:
        """The constrained kernel.

        Raises:
            TypeError: if `weights` are not numbers.
            ValueError: if they are not square kernels of rank 4.
        """
        w = floating("RadialConstraint", weights)
        if w.ndim != 4 or w.shape[0] != w.shape[1]:
            raise ValueError(
                f"RadialConstraint: the weights have shape {w.shape}; expected "
                "(n, n, in_channels, filters)"
            )
        n = w.shape[0]
        if n < 2:
            return w.copy()
        distance = np.abs(2 * np.arange(n) - (n - 1)) // 2
        ring = np.maximum(distance[:, None], distance[None, :])
        source = np.where(ring == 0, n // 2 - 1, n // 2 + ring - n % 2)
        return np.array(w[source, source])


for _class in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm):
    _REGISTRY.add(_class)
_REGISTRY.add(Constraint, readings=("keras3",))
_REGISTRY.alias(Constraint, "Constraint")
_REGISTRY.add(RadialConstraint, readings=("keras2",))
for _class, _alias in ((MaxNorm, "maxnorm"), (NonNeg, "nonneg"), (UnitNorm, "unitnorm")):
    _REGISTRY.alias(_class, _alias, readings=("keras2",))

max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
radial_constraint = RadialConstraint

get, serialize, deserialize = _REGISTRY.get, _REGISTRY.serialize, _REGISTRY.deserialize


__getattr__ = refuser("keras.constraints", __all__)

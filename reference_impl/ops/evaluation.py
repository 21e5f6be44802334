"""Values of an activation at certified sums, rounded once, with the proof of the rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import half_spacing, round_float64
from reference_impl.ops.sums import Sums, uncertain

Float64Array = NDArray[np.float64]


class CertifiedActivation(Protocol):
    """An activation that can be evaluated with certainty.

    Attributes:
        axis: None for an element-wise function, -1 for one that mixes the last axis.
        commutes_with_rounding: whether ``f(round(s)) == round(f(s))`` for every real s.
    """

    axis: int | None
    commutes_with_rounding: bool

    def enclose(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Bounds of the activation over ``low <= s <= high``, element by element.

        ``low == high`` infinite, or NaN, are the special values themselves; ``low`` finite with
        ``high`` infinite are numbers beyond the range of float64.  Must return new arrays.
        """

    def resolve(self, values: Sequence[Fraction], format: Format) -> list[float]:
        """The activation at exact values, rounded once to `format`; one whole row if axis is -1."""


@dataclass(frozen=True)
class Certified:
    """Values with their certificate.

    Attributes:
        value: correctly rounded, in the format's dtype.
        format: the format.
        resolved: how many elements the enclosure left undecided and exact arithmetic decided.
    """

    value: NDArray[Any]
    format: Format
    resolved: int

    @property
    def bound(self) -> Float64Array:
        """Largest possible distance of each value from the exact one: half a spacing."""
        return half_spacing(self.value, self.format)


def evaluate(sums: Sums, activation: CertifiedActivation | None, format: Format) -> Certified:
    """``activation(s)``, rounded once to `format`, for every exact sum s.

    Args:
        sums: the arguments.
        activation: None for the identity.
        format: what to round to.
    """
    if activation is None:
        return _round(sums, format)
    if activation.commutes_with_rounding:
        rounded = _round(sums, format)
        exact = evaluate_enclosed(Sums.of_array(rounded.value), activation, format)
        return Certified(exact.value, format, rounded.resolved)
    return evaluate_enclosed(sums, activation, format)


def _round(sums: Sums, format: Format) -> Certified:
    value, doubtful = sums.rounded(format)
    indices = np.flatnonzero(doubtful)
    value = np.ascontiguousarray(value)
    if indices.size:
        value.reshape(-1)[indices] = sums.exactly_rounded(indices, format)
    return Certified(value, format, indices.size)


def evaluate_enclosed(sums: Sums, activation: CertifiedActivation, format: Format) -> Certified:
    """`evaluate` by the enclosure of the activation, exactly where that does not decide."""
    low, high = activation.enclose(sums.low, sums.high)
    value, upper = round_float64(low, format), round_float64(high, format)
    doubtful = uncertain(value, upper)
    value = np.ascontiguousarray(value)
    count = int(np.count_nonzero(doubtful))
    if not count:
        return Certified(value, format, 0)
    flat = value.reshape(-1)
    if activation.axis is None:
        indices = np.flatnonzero(doubtful)
        flat[indices] = _cast(activation.resolve(sums.exact(indices), format), format)
        return Certified(value, format, count)
    rows = np.flatnonzero(doubtful.any(-1))
    width = sums.shape[-1]
    for row in rows:
        exact = sums.exact(np.arange(row * width, (row + 1) * width))
        value.reshape(-1, value.shape[-1])[row] = _cast(activation.resolve(exact, format), format)
    return Certified(value, format, len(rows) * value.shape[-1])


def _cast(values: list[float], format: Format) -> NDArray[Any]:
    return np.array(values, np.float64).astype(format.dtype)

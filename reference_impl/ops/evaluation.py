"""Values of an activation at certified sums, rounded once, with the proof of the rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import half_spacing, round_float64
from reference_impl.ops.sums import Sums, as_matrix, differ

if TYPE_CHECKING:
    from fractions import Fraction

Float64Array = NDArray[np.float64]


class CertifiedActivation(Protocol):
    """An activation whose values can be bounded, and computed with certainty."""

    @property
    def axis(self) -> int | None:
        """None for an element-wise function, -1 for one that mixes the last axis."""

    @property
    def commutes_with_rounding(self) -> bool:
        """Whether ``f(round(s)) == round(f(s))`` for every real s and every format."""

    def enclose(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Bounds of the activation over ``low <= s <= high``, element by element.

        Where both are the same infinity, or NaN, they are that special value; one infinite bound
        of an interval means that s may be finite beyond the range of float64.
        """

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        """The activation at exact values, rounded once to `format`.

        The values are fractions, or floats where they are NaN or infinite.  If `axis` is -1 they
        are one row of the last axis, and so is the result.
        """


@dataclass(frozen=True, eq=False)
class Certified:
    """Correctly rounded values with their certificate.

    Attributes:
        value: the exact values rounded once, in the format's dtype.
        format: the format.
        resolved: how many elements the bounds left undecided, so that exact arithmetic decided.
    """

    value: NDArray[Any]
    format: Format
    resolved: int

    @property
    def bound(self) -> Float64Array:
        """Largest possible distance of each finite value from the exact one: half a spacing."""
        return half_spacing(self.value, self.format)


def evaluate(sums: Sums, activation: CertifiedActivation | None, format: Format) -> Certified:
    """``activation(s)``, rounded once to `format`, for every exact sum s.

    Args:
        sums: the arguments.
        activation: None for the identity.
        format: what to round to.
    """
    with np.errstate(all="ignore"):
        if activation is None:
            return _round(sums, format)
        if activation.commutes_with_rounding:
            return _round_before(sums, activation, format)
        return _evaluate_bounds(sums, activation, format)


def _round(sums: Sums, format: Format) -> Certified:
    """The sums themselves."""
    value, undecided = sums.rounded(format)
    value = np.ascontiguousarray(value)
    if undecided.size:
        value.reshape(-1)[undecided] = sums.exactly_rounded(undecided, format)
    return Certified(value, format, undecided.size)


def _round_before(sums: Sums, activation: CertifiedActivation, format: Format) -> Certified:
    """The activation, which is exact on numbers of the format, at the rounded sums."""
    rounded = _round(sums, format)
    exact = rounded.value.astype(np.float64)
    value = round_float64(activation.enclose(exact, exact)[0], format)
    return Certified(value, format, rounded.resolved)


def _evaluate_bounds(sums: Sums, activation: CertifiedActivation, format: Format) -> Certified:
    """The bounds of the activation, rounded; exact values where they differ.

    Rounding is monotonic, so that the rounded value lies between the rounded bounds.
    """
    bounds = activation.enclose(sums.low, sums.high)
    low, high = (np.ascontiguousarray(round_float64(bound, format)) for bound in bounds)
    undecided = differ(low, high) & ~(np.isnan(low) & np.isnan(high))
    if activation.axis is None:
        resolved = _resolve_elements(low, np.flatnonzero(undecided), sums, activation, format)
    else:
        rows = np.flatnonzero(as_matrix(undecided).any(-1))
        resolved = _resolve_rows(low, rows, sums, activation, format)
    return Certified(low, format, resolved)


def _resolve_elements(
    value: NDArray[Any],
    indices: NDArray[np.intp],
    sums: Sums,
    activation: CertifiedActivation,
    format: Format,
) -> int:
    if indices.size:
        exact = activation.resolve(sums.exact(indices), format)
        value.reshape(-1)[indices] = round_float64(np.array(exact, np.float64), format)
    return indices.size


def _resolve_rows(
    value: NDArray[Any],
    rows: NDArray[np.intp],
    sums: Sums,
    activation: CertifiedActivation,
    format: Format,
) -> int:
    width = sums.shape[-1]
    matrix = as_matrix(value)
    for row in rows:
        exact = activation.resolve(sums.exact(np.arange(row * width, (row + 1) * width)), format)
        matrix[row] = round_float64(np.array(exact, np.float64), format)
    return int(rows.size * matrix.shape[1])

"""Values of an activation at certified sums, rounded once, with the proof of the rounding.

Three ways in turn, each for what the one before leaves undecided: bounds in float64, which decide
nearly every rounding to a narrower format; expansions in double-double arithmetic, which decide
nearly every rounding to float64; and arithmetic without end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import Expansion, Pair
from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import half_spacing, round_float64, round_pairs
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

    def expand(self, x: Pair) -> Expansion | None:
        """The activation at numbers that these pairs approximate within ``2**-105``, relatively.

        None if it has no such form.  If `axis` is -1 they are rows of finite numbers.
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
        resolved: how many elements the bounds and expansions left undecided, so that exact
            arithmetic decided.
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
    """The bounds of the activation, rounded; closer values where they differ.

    Rounding is monotonic, so that the rounded value lies between the rounded bounds.
    """
    bounds = activation.enclose(sums.low, sums.high)
    low, high = (np.ascontiguousarray(round_float64(bound, format)) for bound in bounds)
    undecided = differ(low, high) & ~(np.isnan(low) & np.isnan(high))
    if activation.axis is None:
        indices = np.flatnonzero(undecided)
        indices = _expand_elements(low, indices, sums, activation, format)
        resolved = _resolve_elements(low, indices, sums, activation, format)
    else:
        rows = np.flatnonzero(as_matrix(undecided).any(-1))
        rows = _expand_rows(low, rows, sums, activation, format)
        resolved = _resolve_rows(low, rows, sums, activation, format)
    return Certified(low, format, resolved)


FEW: Final = 16
"""Fewer elements are not worth an expansion, whose hundreds of calls take a quarter millisecond
however few the elements are: ``tests/benchmarks`` shows the loss without it."""

_BLOCK: Final = 1 << 16
"""Elements that are expanded at a time, so that no temporary is as large as the operands."""


def blocks(indices: NDArray[np.intp], elements: int = 1) -> Iterator[NDArray[np.intp]]:
    """Cut indices, each of which stands for so many elements, into blocks."""
    step = max(_BLOCK // max(elements, 1), 1)
    return (indices[start : start + step] for start in range(0, len(indices), step))


def _expand_elements(
    value: NDArray[Any],
    indices: NDArray[np.intp],
    sums: Sums,
    activation: CertifiedActivation,
    format: Format,
) -> NDArray[np.intp]:
    """Set the elements that an expansion decides; return the others."""
    if indices.size < FEW:
        return indices
    others = [_expand_block(value, block, sums, activation, format) for block in blocks(indices)]
    return np.concatenate(others)


def _expand_block(
    value: NDArray[Any],
    indices: NDArray[np.intp],
    sums: Sums,
    activation: CertifiedActivation,
    format: Format,
) -> NDArray[np.intp]:
    """`_expand_elements` for some; zeros are resolved, as their value is always the same."""
    x = sums.pairs(indices)
    zero = (x.high == 0) & (x.low == 0)
    if zero.any():
        indices, x = _resolve_zeros(value, indices, x, zero, activation, format)
    expansion = activation.expand(x)
    if expansion is None:
        return indices
    rounded, undecided = round_pairs(*expansion, format)
    value.reshape(-1)[indices] = rounded
    return indices[undecided]


def _resolve_zeros(
    value: NDArray[Any],
    indices: NDArray[np.intp],
    x: Pair,
    zero: NDArray[np.bool_],
    activation: CertifiedActivation,
    format: Format,
) -> tuple[NDArray[np.intp], Pair]:
    """Set the elements whose arguments are exactly 0; return the others with their arguments."""
    from fractions import Fraction

    at_zero = np.array(activation.resolve([Fraction(0)], format), np.float64)
    value.reshape(-1)[indices[zero]] = round_float64(at_zero, format)
    return indices[~zero], Pair(x.high[~zero], x.low[~zero])


def _expand_rows(
    value: NDArray[Any],
    rows: NDArray[np.intp],
    sums: Sums,
    activation: CertifiedActivation,
    format: Format,
) -> NDArray[np.intp]:
    """Set the rows that an expansion decides as a whole; return the others."""
    width = sums.shape[-1]
    rows, others = _finite_rows(rows, sums)
    if rows.size * width < FEW:
        return np.concatenate((rows, others))
    undecided = [others]
    for block in blocks(rows, width):
        x = sums.pairs_of_rows(block)
        expansion = activation.expand(x)
        if expansion is None:
            return np.concatenate((rows, others))
        as_matrix(value)[block], unknown = round_pairs(*expansion, format)
        undecided.append(block[unknown.any(-1)])
    return np.concatenate(undecided)


def _finite_rows(rows: NDArray[np.intp], sums: Sums) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows whose arguments are finite in float64, and the others."""
    low, high = (as_matrix(bound)[rows] for bound in (sums.low, sums.high))
    finite = np.isfinite(low).all(-1) & np.isfinite(high).all(-1)
    return rows[finite], rows[~finite]


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
    matrix = as_matrix(value)
    for row, values in zip(rows, sums.exact_rows(rows), strict=True):
        exact = activation.resolve(values, format)
        matrix[row] = round_float64(np.array(exact, np.float64), format)
    return int(rows.size * matrix.shape[1])

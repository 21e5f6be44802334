"""Derivatives of the activations, and the vector-Jacobian product that takes them back.

For pre-activations s and the gradient u of the outputs, `pull_back` gives ``g = J(s)^T u``, each
element the real number rounded once to float64: element by element ``u f'(s)``, and for the
activations that mix a row the product with the whole Jacobian.

At a kink, where the one-sided derivatives differ, one of them is chosen, as TensorFlow does:

* relu, leaky_relu and its like at the threshold: the slope below (0 for relu); relu6 at 6: 0;
* hard_tanh at -1 and 1: 1;  hard_sigmoid at -3 and 3, sparse_sigmoid at -1 and 1: 0;
* hard_silu, a product, at -3: 0, at 3: 1;
* hard_shrink, soft_shrink, threshold at their thresholds: 0;
* elu, selu, celu at 0: the slope from above;
* sparsemax: the derivative for the elements that have a part greater than zero.

Where s is infinite the derivative is its limit, and NaN where s is NaN.  The product with u is that
of IEEE 754: NaN where the derivative is NaN, whatever u, and where one of the two is zero and the
other infinite.  Rows that hold a NaN or an infinity among s or u give NaN throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.activations.elementwise import Elementwise
from reference_impl.ops.activations.pieces import PIECES, Piece
from reference_impl.ops.activations.rows import GLU, LOG_SOFTMAX, SOFTMAX, SPARSEMAX
from reference_impl.ops.double_double import Expansion, Pair
from reference_impl.ops.evaluation import FEW, CertifiedActivation, blocks
from reference_impl.ops.formats import FLOAT64, widened
from reference_impl.ops.rounding import round_pairs
from reference_impl.ops.sums import Sums

if TYPE_CHECKING:
    from fractions import Fraction

Float64Array = NDArray[np.float64]


def pull_back(
    sums: Sums, upstream: Float64Array, activation: CertifiedActivation | None
) -> Float64Array:
    """``J(s)^T u``, rounded once to float64.

    Args:
        sums: the pre-activations s.
        upstream: u, of the shape of the activation's output.
        activation: None for the identity.

    Raises:
        ValueError: if the derivative of the activation is not known.
    """
    if activation is None:
        return upstream
    with np.errstate(all="ignore"):
        if isinstance(activation, Elementwise):
            make = PIECES.get(activation.name)
            if make is not None:
                return _pull_back_pieces(sums, upstream, make(*activation.parameters))
            return _pull_back_smooth(sums, upstream, activation)
        return _pull_back_rows(sums, upstream, activation)


def _pull_back_pieces(
    sums: Sums, upstream: Float64Array, pieces: tuple[Piece, ...]
) -> Float64Array:
    """``u f'(s)`` by the stretch of each sum, which the bounds tell nearly always."""
    low, high = (_stretch_of_floats(bound, pieces) for bound in (sums.low, sums.high))
    flat = low.reshape(-1)
    undecided = np.flatnonzero(low != high)
    for i, value in zip(undecided, sums.exact(undecided), strict=True):
        flat[i] = next(n for n, piece in enumerate(pieces) if _is_within(value, piece))
    stretches = flat.reshape(upstream.shape)
    slopes = np.array([piece.slope for piece in pieces])[stretches]
    divisors = np.array([piece.divisor for piece in pieces])[stretches]
    pulled: Float64Array = np.where(divisors == 1.0, upstream * slopes, upstream / divisors)
    return np.where(np.isnan(sums.low), np.nan, pulled)


def _is_within(value: Any, piece: Piece) -> bool:
    return bool(value < piece.end or (piece.closed and value == piece.end))


def _stretch_of_floats(values: Float64Array, pieces: tuple[Piece, ...]) -> NDArray[np.intp]:
    """For each number the index of its stretch."""
    stretches = np.zeros(values.shape, np.intp)
    for piece in pieces[:-1]:
        stretches += values > piece.end if piece.closed else values >= piece.end
    return stretches


def _pull_back_smooth(sums: Sums, upstream: Float64Array, activation: Elementwise) -> Float64Array:
    """``u f'(s)`` by expansions, or by exact arguments and arithmetic of growing precision."""
    from fractions import Fraction

    from reference_impl.ops.activations import by_name
    from reference_impl.ops.activations.slopes import rounded_product, slope_at_infinity

    function = by_name.slope(activation.name, *activation.parameters)
    result = widened(upstream).reshape(-1)
    indices = np.flatnonzero((result != 0) | ~np.isfinite(sums.low + sums.high).reshape(-1))
    indices = _pull_back_expanded(result, indices, sums, activation)
    for i, value in zip(indices, sums.exact(indices), strict=True):
        factor = float(result[i])
        if isinstance(value, float):
            result[i] = factor * slope_at_infinity(activation.name, value, *activation.parameters)
        elif math.isfinite(factor):
            result[i] = rounded_product(Fraction(factor), function, value)
        else:
            result[i] = factor * rounded_product(Fraction(1), function, value)
    return result.reshape(upstream.shape)


def _pull_back_expanded(
    result: Float64Array, indices: NDArray[np.intp], sums: Sums, activation: Elementwise
) -> NDArray[np.intp]:
    """Multiply those elements by the slope that an expansion decides; return the others."""
    if indices.size < FEW:
        return indices
    from reference_impl.ops.activations import by_name
    from reference_impl.ops.activations.expansions import times

    function = by_name.expanded_slope(activation.name, *activation.parameters)
    if function is None:
        return indices
    others = []
    for block in blocks(indices):
        product = times(function(sums.pairs(block)), result[block])
        rounded, undecided = round_pairs(*product, FLOAT64)
        result[block[~undecided]] = rounded[~undecided]
        others.append(block[undecided])
    return np.concatenate(others)


def _pull_back_rows(
    sums: Sums, upstream: Float64Array, activation: CertifiedActivation
) -> Float64Array:
    """``J(s)^T u`` row by row along the last axis."""
    from reference_impl.ops.activations import row_expansions, slopes

    known: tuple[tuple[CertifiedActivation, Callable[..., list[float]], _Pull | None], ...] = (
        (SOFTMAX, slopes.softmax_row, row_expansions.pull_softmax),
        (LOG_SOFTMAX, slopes.log_softmax_row, row_expansions.pull_log_softmax),
        (SPARSEMAX, slopes.sparsemax_row, None),
        (GLU, slopes.glu_row, row_expansions.pull_glu),
    )
    found = next((entry for entry in known if entry[0] is activation), None)
    if found is None:
        raise ValueError(f"the derivative of the activation {activation!r} is not known")
    _, pull, expand = found
    width = sums.shape[-1]
    pulled = np.empty((math.prod(sums.shape[:-1]), width))
    outputs = upstream.reshape(len(pulled), -1)
    rows = _pull_back_expanded_rows(pulled, outputs, sums, expand)
    for n, values in zip(rows, sums.exact_rows(rows), strict=True):
        pulled[n] = _pull_back_row(values, outputs[n].tolist(), pull)
    return pulled.reshape(sums.shape)


_Pull = Callable[[Pair, Float64Array], Expansion]


def _pull_back_expanded_rows(
    pulled: Float64Array, upstream: Float64Array, sums: Sums, expand: _Pull | None
) -> NDArray[np.intp]:
    """Set the rows that an expansion decides as a whole; return the others."""
    rows = np.arange(len(pulled))
    if expand is None or pulled.size < FEW:
        return rows
    undecided = []
    for block in blocks(rows, pulled.shape[1]):
        expansion = expand(sums.pairs_of_rows(block), upstream[block])
        pulled[block], unknown = round_pairs(*expansion, FLOAT64)
        undecided.append(block[unknown.any(-1)])
    return np.concatenate(undecided)


def _pull_back_row(
    values: Sequence[Any],
    upstream: Sequence[float],
    pull: Callable[[Sequence[Fraction], Sequence[Fraction]], list[float]],
) -> list[float]:
    """One row; NaN throughout where an argument or an upstream gradient is not finite."""
    from fractions import Fraction

    if any(isinstance(value, float) for value in values) or not all(map(math.isfinite, upstream)):
        return [math.nan] * len(values)
    return pull(values, [Fraction(u) for u in upstream])

"""Orthogonal initial weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.engine.parameters import Array, real_number
from reference_impl.initializers.base import float_dtype, full_shape
from reference_impl.initializers.random_values import RandomInitializer
from reference_impl.ops import generator
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_float64

Float64Array = NDArray[np.float64]


class Orthogonal(RandomInitializer):
    """``gain`` times a matrix with orthonormal columns, or rows where it is wider than high.

    The matrix has shape ``(prod(shape[:-1]), shape[-1])``, and is uniformly distributed over all
    such matrices: normal numbers are made orthonormal column by column (`orthonormal_rows`), which
    is the QR decomposition with a positive diagonal of R.  In float64, with gain 1 and m the longer
    side, every product of two columns is within ``(log2(m) + 9) 2**-53`` of 1 or 0; rounding to a
    narrower dtype adds ``2 u`` of it.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR 2014.
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        """Make the initializer.

        Args:
            gain: the factor of the orthonormal matrix.
            seed: an integer, a `SeedGenerator` or None.

        Raises:
            TypeError: if `gain` is no number.
            ValueError: if it is not finite, or for the seed.
        """
        self.gain = real_number("Orthogonal", "gain", gain)
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Values of a shape and floating-point dtype.

        Raises:
            ValueError: if the shape has fewer than two axes.
        """
        name, lengths = float_dtype("Orthogonal", dtype), full_shape("Orthogonal", shape)
        if len(lengths) < 2:
            raise ValueError(
                f"Orthogonal: argument `shape` is {shape} of rank {len(lengths)}; expected a "
                "rank of at least 2"
            )
        rows, columns = math.prod(lengths[:-1]), lengths[-1]
        drawn = self._drawn(generator.normal, (max(rows, columns), min(rows, columns)))
        vectors = orthonormal_rows(drawn.T)
        matrix = vectors if rows < columns else vectors.T
        return np.asarray(round_float64(self.gain * matrix.reshape(lengths), format_of(name)))

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ..., "gain": ...}``."""
        return {**super().get_config(), "gain": self.gain}


def orthonormal_rows(rows: Float64Array) -> Float64Array:
    """Linearly independent rows made orthonormal, each in turn, by Gram and Schmidt's method.

    From each row its components along the earlier results are subtracted, twice, since the first
    pass leaves rounding errors that matter where little remains of the row; then it is divided by
    its length.  All sums are made by `halving_sum`, so the result has the same bits everywhere.

    With m elements a row and ``u = 2**-53``: a component is off by at most
    ``(ceil(log2(m)) + 1) u`` of the row's length, the last subtraction and division by u each; the
    squared length by ``(ceil(log2(m)) + 5) u``.  What the first pass leaves enters in second order.

    Source: Giraud, Langou, Rozloznik, "The loss of orthogonality in the Gram-Schmidt
    orthogonalization process", Computers and Mathematics with Applications 50, 2005.
    """
    result = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        rest = row.copy()
        for _ in range(2 * bool(i)):
            components = halving_sum(result[:i] * rest, axis=1)
            rest -= halving_sum(result[:i] * components[:, None], axis=0)
        result[i] = rest / np.sqrt(halving_sum(rest * rest, axis=0))
    return result


def halving_sum(terms: Float64Array, axis: int) -> Float64Array:
    """Sums along an axis in one stated order, which `numpy.sum` does not promise.

    While more than one term is left, with h half their number rounded up, term ``i + h`` is added
    to term i for every i that has one.
    """
    terms = np.moveaxis(terms, axis, 0)
    while len(terms) > 1:
        half = (len(terms) + 1) // 2
        folded = terms[:half].copy()
        folded[: len(terms) - half] += terms[half:]
        terms = folded
    return np.asarray(terms[0])

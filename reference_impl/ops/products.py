"""The operands of a convolution, as the source of its exact values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.dyadics import Dyadic, add_dyadics, dyadic, sums_of_products
from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.windows import gather_windows

Float64Array = NDArray[np.float64]

_CHUNK: Final = 1 << 17
"""Products that are added up at a time."""


@dataclass(frozen=True)
class Products:
    """The products of a convolution.

    Attributes:
        padded: finite float64, ``(batch, *spatial, C)``, padding included.
        matrix: the finite kernel as ``(K, F)``.
        bias: finite, ``(F,)``, or None.
        axes: the window geometry.
        short: whether float64 holds every product exactly.
    """

    padded: Float64Array
    matrix: Float64Array
    bias: Float64Array | None
    axes: Sequence[WindowAxis]
    short: bool

    def dyadics(self, positions: NDArray[np.intp]) -> list[Dyadic]:
        """The exact sums, bias included, at flat positions of ``(batch, *output, F)``."""
        step = max(_CHUNK // max(len(self.matrix), 1), 1)
        chunks = (positions[i : i + step] for i in range(0, len(positions), step))
        return [total for chunk in chunks for total in self._chunk(chunk)]

    def _chunk(self, positions: NDArray[np.intp]) -> list[Dyadic]:
        windows, filters = np.divmod(positions, self.matrix.shape[1])
        x = gather_windows(self.padded, self.axes, windows)
        w = np.ascontiguousarray(self.matrix.T[filters])
        sums = sums_of_products(x, w, short=self.short)
        if self.bias is None:
            return sums
        biases = self.bias[filters].tolist()
        return [add_dyadics((s, dyadic(b))) for s, b in zip(sums, biases, strict=True)]

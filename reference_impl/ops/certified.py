"""Rounding once from an enclosure in float64, and exactly where the enclosure does not decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_float64

Float64Array = NDArray[np.float64]


def round_enclosed(
    low: Float64Array, high: Float64Array, format: Format, resolve: Callable[[int], float]
) -> NDArray[Any]:
    """The numbers between `low` and `high`, rounded once to `format`.

    Where both ends round to the same number, that is the answer; elsewhere ``resolve(i)`` gives
    the rounded value of element i, counted in C order.
    """
    below, above = low.reshape(-1), high.reshape(-1)
    result = np.array(round_float64(below, format))
    with np.errstate(invalid="ignore"):
        certain = result == round_float64(above, format)
    certain |= np.isnan(below) & np.isnan(above)
    for i in np.flatnonzero(~certain).tolist():
        result[i] = resolve(i)
    return result.reshape(low.shape)

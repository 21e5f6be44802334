"""Convolution as matrix products of windows and kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.windows import output_shape, window_view

Array = NDArray[Any]


def convolve_padded(padded: Array, kernel: Array, axes: Sequence[WindowAxis]) -> Array:
    """Cross-correlation of an array that is padded already: ``(batch, *output, F)``."""
    filters = kernel.shape[-1]
    shape = (padded.shape[0], *output_shape(axes), filters)
    if 0 in shape or kernel.size == 0:
        return np.zeros(shape, padded.dtype)
    columns = window_view(np.ascontiguousarray(padded), axes)
    products = math.prod(kernel.shape[:-1])
    out: Array = columns.reshape(-1, products) @ kernel.reshape(products, filters)
    return out.reshape(shape)

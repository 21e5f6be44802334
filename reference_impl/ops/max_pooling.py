"""Max pooling: the largest element of each window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import Axes
from reference_impl.ops.windows import reduce_windows


def max_pool(inputs: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """``out[n, o, c] = max_t inputs[n, o stride - pad_before + t dilation, c]`` over real inputs.

    Args:
        inputs: ``(batch, *spatial, channels)``, floating point or integer; not changed.
        axes: the window geometry, one entry per spatial axis.

    Returns:
        ``(batch, *output, channels)`` in the dtype of `inputs`.  Padding takes no part.  A NaN in
        the window gives NaN; a window of ``-inf`` gives ``-inf``; +0 is above -0 (the operation
        *maximum* of IEEE 754-2019, section 9.6).
    """
    with np.errstate(invalid="ignore"):
        pooled = reduce_windows(inputs, axes, np.maximum, _least(inputs.dtype))
    if np.issubdtype(inputs.dtype, np.integer) or inputs.dtype == np.bool_:
        return pooled
    return _order_zeros(pooled, inputs, axes)


def _least(dtype: np.dtype[Any]) -> Any:
    """The neutral element of the maximum."""
    if dtype == np.bool_:
        return False
    return np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf


def _order_zeros(pooled: NDArray[Any], inputs: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """Give a zero maximum the sign + where the window holds a +0, else -.

    The sign that `np.maximum` picks from +0 and -0 depends on the processor.
    """
    zeros = pooled == 0
    if not zeros.any() or not np.signbit(inputs).any():
        return pooled
    positive = reduce_windows((inputs == 0) & ~np.signbit(inputs), axes, np.logical_or, False)
    pooled[zeros & positive] = 0.0
    pooled[zeros & ~positive] = -0.0
    return pooled

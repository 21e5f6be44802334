"""bfloat16 numbers where ml_dtypes is not installed.

NumPy has no such dtype of its own.  What only reads bfloat16 numbers, without a layer that has to
compute in them, can take them in float32 arrays, which hold them exactly.  The carrier is float32
in the byte order that is not the machine's: all of NumPy takes it, and it equals no dtype that a
layer gives, so that it is never mistaken for float32.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

CARRIER: Final[np.dtype[Any]] = np.dtype(np.float32).newbyteorder()
"""The dtype of arrays that carry bfloat16 numbers."""


def carry(patterns: Array) -> Array:
    """The bfloat16 numbers of 16-bit patterns: these are the upper halves of float32's."""
    return (patterns.astype(np.uint32) << 16).view(np.float32).astype(CARRIER)


def patterns(carried: Array) -> Array:
    """The 16-bit patterns of carried numbers; the inverse of `carry`."""
    bits: Array = carried.astype(np.float32).view(np.uint32) >> 16
    return bits.astype(np.uint16)

"""Memory that is used again for array after array.

Large blocks of memory that are released go back to the operating system, and fresh ones cost a page
fault for every few KiB: as much time as copying windows into them.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_NOTHING: Final[NDArray[np.uint8]] = np.empty(0, np.uint8)


class Scratch:
    """Memory for arrays of which each is done with when the next one is asked for.

    Attributes:
        dtype: of the arrays.
        memory: bytes.
    """

    def __init__(self, dtype: Any = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        self.memory = _NOTHING

    def array(self, *shape: int) -> NDArray[Any]:
        """An array of this shape, not initialised."""
        size = math.prod(shape) * self.dtype.itemsize
        if size > self.memory.size:
            self.memory = np.empty(size, np.uint8)
        array: NDArray[Any] = self.memory[:size].view(self.dtype).reshape(shape)
        return array

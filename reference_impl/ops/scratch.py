"""Memory that is used again for array after array.

Large blocks of memory that are released go back to the operating system, and fresh ones cost a page
fault for every few KiB: as much time as copying windows into them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Scratch:
    """Memory for arrays of which each is done with when the next one is asked for.

    Attributes:
        dtype: of the arrays.
    """

    def __init__(self, dtype: Any = np.float64) -> None:
        self.dtype = dtype
        self._largest: NDArray[Any] | None = None
        self._latest: NDArray[Any] | None = None

    def array(self, *shape: int) -> NDArray[Any]:
        """An array of this shape, not initialised."""
        if self._latest is None or self._latest.shape != shape:
            self._latest = self._other(shape)
        return self._latest

    def _other(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """An array of another shape than the latest one."""
        size = math.prod(shape)
        if self._largest is None or size > self._largest.size:
            self._largest = np.empty(shape, self.dtype)
            return self._largest
        return self._largest.reshape(-1)[:size].reshape(shape)

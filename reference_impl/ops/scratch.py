"""Memory that is used again for array after array.

Large blocks of memory that are released go back to the operating system, and fresh ones cost a page
fault for every few KiB: as much time as copying windows into them.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing import Self

Memory = NDArray[np.uint8]

MOST_KEPT: Final = 32 << 20
"""Bytes that are kept in all for the next `KeptScratch`."""

_NOTHING: Final[Memory] = np.empty(0, np.uint8)
_kept: list[Memory] = []
_lock: Final = threading.Lock()


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
            self._grow(size)
        array: NDArray[Any] = self.memory[:size].view(self.dtype).reshape(shape)
        return array

    def _grow(self, size: int) -> None:
        self.memory = np.empty(size, np.uint8)


class KeptScratch(Scratch):
    """A `Scratch` whose memory is kept for the next one, for use in a `with` statement.

    No two share memory at a time.
    """

    def _grow(self, size: int) -> None:
        with _lock:
            _keep(self.memory)
            large = [memory for memory in _kept if memory.size >= size]
            if large:
                self.memory = min(large, key=len)
                _kept[:] = [memory for memory in _kept if memory is not self.memory]
                return
        super()._grow(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _keep(self.memory)
        self.memory = _NOTHING


def _keep(memory: Memory) -> None:
    """Keep this memory rather than what was kept earlier, within the limit."""
    if 0 < memory.size <= MOST_KEPT:
        _kept.append(memory)
        while sum(map(len, _kept)) > MOST_KEPT:
            del _kept[0]

"""Memory that is used again for array after array.

Large blocks of memory that are released go back to the operating system, and fresh ones cost a page
fault for every few KiB: as much time as copying windows into them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LARGEST_KEPT: Final = 8 << 20
"""Bytes that are kept for the next `kept_scratch`."""

_kept: list[NDArray[np.uint8]] = []


class Scratch:
    """Memory for arrays of which each is done with when the next one is asked for.

    Attributes:
        dtype: of the arrays.
        memory: bytes.
    """

    def __init__(self, dtype: Any = np.float64) -> None:
        self.dtype = np.dtype(dtype)
        self.memory = np.empty(0, np.uint8)

    def array(self, *shape: int) -> NDArray[Any]:
        """An array of this shape, not initialised."""
        size = math.prod(shape) * self.dtype.itemsize
        if size > self.memory.size:
            self.memory = np.empty(size, np.uint8)
        array: NDArray[Any] = self.memory[:size].view(self.dtype).reshape(shape)
        return array


@contextmanager
def kept_scratch(dtype: Any) -> Iterator[Scratch]:
    """A `Scratch` whose memory, unless it is large, is kept for the next one.

    One piece of memory is kept; several at a time, or in several threads, have memory of their own.
    """
    scratch = Scratch(dtype)
    with suppress(IndexError):  # another thread may be faster
        scratch.memory = _kept.pop()
    try:
        yield scratch
    finally:
        if not _kept and scratch.memory.size <= LARGEST_KEPT:
            _kept.append(scratch.memory)

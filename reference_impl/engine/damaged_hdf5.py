"""Damage of HDF5 files that the library which reads them does not survive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

_SIGNATURE: Final = b"GCOL\x01\0\0\0"
"""Where a global heap begins, which holds strings (HDF5 file format specification, III.E)."""

_HEADER: Final = 16
"""Bytes of the header of a heap, and of each object in it."""


class Bytes(Protocol):
    """The bytes of a file, in memory or mapped into it."""

    def find(self, part: bytes, start: int, /) -> int:
        """The first place of a part from `start` on; -1 if there is none."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of the bytes."""


def endless_heap(data: Bytes) -> int | None:
    """The place of a global heap with free space of no size; None if there is none.

    The library goes from object to object by their sizes, and would never come to its end.
    """
    start = data.find(_SIGNATURE, 0)
    while start >= 0:
        if not all(_steps(data, start)):
            return start
        start = data.find(_SIGNATURE, start + 1)
    return None


def _steps(data: Bytes, start: int) -> Iterator[int]:
    """How far it is from each object of a heap to the next, which the space left bounds."""
    end = start + _number(data, start + 8, 8)
    place = start + _HEADER
    while place + _HEADER <= end and data[place : place + 1]:
        size = _number(data, place + 8, 8)
        is_free_space = not _number(data, place, 2)
        step = size if is_free_space else _HEADER + (size + 7) // 8 * 8
        yield step
        if not step:
            return
        place += step


def _number(data: Bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "little")

"""Damage of HDF5 files that the library which reads them does not survive.

It follows the strings of a file, which are kept in heaps, without a check: free space of no size
makes it go on for ever, and an index or a type that is wrong makes it end the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

_SIGNATURE: Final = b"GCOL\x01\0\0\0"
"""Where a global heap begins (HDF5 file format specification, III.E)."""

_REFERENCE: Final = 16
"""Bytes of a reference to a string."""

_DATASPACES: Final = (
    (b"\1\0\0\0\0\0\0\0", 8),
    (b"\1\1\0\0\0\0\0\0", 16),
    (b"\1\1\1\0\0\0\0\0", 24),
)
"""How the dataspaces of attributes begin, and how long they are: a scalar's, a vector's, and one's
that has a greatest length (specification, IV.A.2.b)."""

_HEADER: Final = 16
"""Bytes of the header of a heap, and of each object in it."""


class Bytes(Protocol):
    """The bytes of a file, in memory or mapped into it."""

    def find(self, part: bytes, start: int, /) -> int:
        """The first place of a part from `start` on; -1 if there is none."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of the bytes."""


def damage(data: Bytes) -> str | None:
    """What is wrong with the strings of a file; None if nothing is.

    A reference to a string is its length, the address of a heap and the number of an object in it;
    those of an attribute follow its dataspace, and one another.
    """
    for start in _places(data, _SIGNATURE):
        objects: dict[int, int] = {}
        for number, size, step in _objects(data, start):
            if not step:
                return "a heap of strings has free space of no size"
            if number:
                objects[number] = size
        before = -_REFERENCE
        for place in _places(data, start.to_bytes(8, "little")):
            if place != before + _REFERENCE and not _follows_dataspace(data, place - 4):
                continue
            before = place
            if objects.get(_number(data, place + 8, 4)) != _number(data, place - 4, 4):
                return "a reference to a string in a heap does not fit it"
    return None


def _follows_dataspace(data: Bytes, place: int) -> bool:
    """Whether a dataspace of version 1 ends there: a scalar's, or a vector's."""
    return any(
        place >= length and data[place - length : place - length + 8] == head
        for head, length in _DATASPACES
    )


def _places(data: Bytes, part: bytes) -> Iterator[int]:
    place = data.find(part, 0)
    while place >= 0:
        yield place
        place = data.find(part, place + 1)


def _objects(data: Bytes, start: int) -> Iterator[tuple[int, int, int]]:
    """Number and size of each object of a heap, and how far it is to the next; 0 is free space."""
    end = start + _number(data, start + 8, 8)
    place = start + _HEADER
    while place + _HEADER <= end and data[place : place + 1]:
        number, size = _number(data, place, 2), _number(data, place + 8, 8)
        step = _HEADER + (size + 7) // 8 * 8 if number else size
        yield number, size, step
        if not step:
            return
        place += step


def _number(data: Bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "little")


def is_text(h5py: Any, attribute: Any) -> bool:
    """Whether the type of an attribute is that of strings, of the usual encoding throughout."""
    kind = attribute.get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID):
        return False
    if not kind.is_variable_str():
        return True
    usual = h5py.h5t.C_S1.copy()
    usual.set_size(h5py.h5t.VARIABLE)
    usual.set_cset(kind.get_cset())
    usual.set_strpad(kind.get_strpad())
    return bool(usual.encode() == kind.encode())

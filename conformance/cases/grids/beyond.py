"""The tier ``beyond``: inputs of more than 2**31 bytes, and of more than 2**31 elements.

Where positions are kept in 32 bits they overflow here.  Only a few windows are read; the array
itself has to be there, so that a case takes several times its gigabytes of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.far import KIND

_LONG: Final = 1 << 29
"""Elements of 4 bytes that make 2**31 bytes."""

_ROWS, _COLUMNS = 1 << 15, (1 << 14) + 1
_STRIDES: Final = (1 << 12, 1 << 11)


def cases() -> Iterator[Case]:
    """One and two axes, both layouts, one and several channels, in bytes and in elements."""
    conv: dict[str, Any] = {"filters": 2, "kernel_size": 3, "operands": KIND}
    pool: dict[str, Any] = {"pool_size": 3, "operands": KIND}
    yield Case.of("Conv1D", (1, _LONG + 64, 1), **conv, strides=1 << 26)
    yield Case.of("Conv1D", (1, (_LONG >> 2) + 64, 4), **conv, strides=1 << 24)
    yield Case.of("Conv2D", (1, _ROWS, _COLUMNS, 1), **conv, strides=_STRIDES)
    yield Case.of(
        "Conv2D",
        (1, 2, _ROWS, (_COLUMNS >> 1) + 1),
        **conv,
        strides=_STRIDES,
        data_format="channels_first",
    )
    yield Case.of("MaxPooling1D", (1, _LONG + 64, 1), **pool, strides=1 << 26)
    yield Case.of("MaxPooling2D", (1, _ROWS, _COLUMNS, 1), **pool, strides=_STRIDES)
    rest: dict[str, Any] = {"strides": (1 << 13, 1 << 12)}
    wide = (1, 1 << 16, (1 << 15) + 1, 1)
    yield Case.of("MaxPooling2D", wide, **pool, **rest, dtype="uint8")
    yield Case.of("MaxPooling2D", wide, **pool, **rest, dtype="float16")
    yield Case.of("Conv2D", wide, **conv, **rest, dtype="float16")
    yield Case.of("Conv1D", (1, (1 << 31) + 64, 1), **conv, strides=1 << 28, dtype="float16")

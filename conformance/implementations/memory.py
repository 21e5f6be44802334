"""Filling fresh memory, so that what is read before it is written shows in every run.

An answer from uninitialised memory is right whenever that memory happens to hold zeros, which it
mostly does.  With glibc, ``MALLOC_PERTURB_`` in the environment of a worker process fills what
`malloc` hands out with one byte and what is freed with its complement; between the two calls of a
case the byte is changed by `mallopt`, so that the second answer differs from the first.  Both bytes
make plain numbers of every floating-point dtype (about -1.5 and 3, then -6 and 0.7), and not the
NaN, zeros or tiny numbers that a sum or a maximum would hide.

The system's memory of macOS is filled by ``MallocPreScribble`` and ``MallocScribble``, with bytes
that cannot be changed while the process runs: there an answer is found out where it is wrong, not
where it changes.  Other systems, and allocators of a framework's own, offer nothing of the kind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

_VARIABLE: Final = "MALLOC_PERTURB_"
_M_PERTURB: Final = -6
_FIRST: Final = 0x40
_SECOND: Final = 0x3F

FILLS: Final = (_FIRST ^ 0xFF, _SECOND ^ 0xFF)
"""The bytes of fresh memory under glibc: during a case's first call, and during its second."""


def _environment() -> dict[str, str]:
    if platform.libc_ver()[0] == "glibc":
        return {_VARIABLE: str(_FIRST), "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
    if sys.platform == "darwin":
        return {"MallocPreScribble": "1", "MallocScribble": "1"}
    return {}


ENVIRONMENT: Final = _environment()
"""Variables for a worker process; empty where the system has none.

The blocks that glibc keeps by thread (``tcache``) are handed out without being filled, and are
switched off.
"""


@contextlib.contextmanager
def filled_otherwise() -> Iterator[None]:
    """Within the block, fresh memory is filled with another byte, where this process fills it."""
    mallopt = _mallopt()
    if mallopt is None:
        yield
        return
    mallopt(_M_PERTURB, _SECOND)
    try:
        yield
    finally:
        mallopt(_M_PERTURB, _FIRST)


@cache
def _mallopt() -> Callable[[int, int], Any] | None:
    """The C library's function; None where this process was not started with filled memory."""
    if os.environ.get(_VARIABLE) != str(_FIRST):
        return None
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt: Callable[[int, int], Any] = ctypes.CDLL(None).mallopt
        return mallopt
    return None

"""Inputs of more than 2**31 bytes or elements, of which few are read.

Windows slide over them with strides so long that they do not meet, without padding.  Only what lies
in a window differs from zero: there stand the inputs of the *condensed* case, in which the same
windows lie side by side.  Both have the same output, so that the small one is judged, and only the
implementation is given the large array.
"""

from __future__ import annotations

import math
import mmap
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts

Array = np.ndarray[Any, Any]

KIND: Final = "far"
"""The kind of operands."""

COPIES: Final = 4
"""How often an implementation may hold the input: as given, as kept to compare, and its own."""


def is_far(case: Case) -> bool:
    """Whether a case has such an input; where windows meet, it has that of `integers`."""
    return case.operands == KIND and objection(case) is None


def condensed(case: Case) -> Case:
    """The case whose windows lie side by side; other cases as they are."""
    if not is_far(case):
        return case
    axes, first = facts(case).axes, facts(case).channels_first
    lengths = [axis.output * axis.window for axis in axes]
    batch, *rest = (size or 0 for size in case.inputs or ())
    channels = rest[0] if first else rest[-1]
    inputs = (batch, channels, *lengths) if first else (batch, *lengths, channels)
    strides = tuple(axis.window for axis in axes)
    return case.replace(operands="integers", inputs=inputs, strides=strides)


def objection(case: Case) -> str | None:
    """Why the windows of a case cannot lie far apart; None where they do."""
    known = facts(case)
    if not known.rank or known.padding != "valid" or max(known.dilation) > 1:
        return "operands:far: windows without padding and dilation are expected"
    if any(axis.stride < axis.window for axis in known.axes):
        return "operands:far: strides at least as long as the window are expected"
    if case.observe != "output":
        return "operands:far: observe:output is expected"
    return None


def spread(case: Case, inputs: Any) -> Array:
    """The inputs of the condensed case in their places in those of a case."""
    shape = tuple(size or 0 for size in case.inputs or ())
    large = _zeros(shape, inputs.dtype)
    axes, first = facts(case).axes, facts(case).channels_first
    places = [(np.arange(a.output)[:, None] * a.stride + np.arange(a.window)).ravel() for a in axes]
    batch, channels = np.arange(shape[0]), np.arange(shape[1 if first else -1])
    large[np.ix_(batch, channels, *places) if first else np.ix_(batch, *places, channels)] = inputs
    return large


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros that take no memory where they are not written, filled memory or not."""
    pages = mmap.mmap(-1, max(math.prod(shape) * dtype.itemsize, 1))
    return np.frombuffer(pages, dtype, math.prod(shape)).reshape(shape)


def memory_needed(case: Case) -> int:
    """Bytes that a case takes in all; 0 for one whose input is no larger than usual."""
    if not is_far(case):
        return 0
    size = 8 if case.dtype.endswith("64") else 4 if case.dtype.endswith("32") else 2
    size = 1 if case.dtype.endswith("int8") else size
    return COPIES * size * math.prod(size_ or 0 for size_ in case.inputs or ())


def free_memory() -> int | None:
    """Bytes that processes can still take; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            told = dict(line.split(":", 1) for line in lines)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None

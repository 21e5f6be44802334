"""One spatial axis of a layer that slides a window: its formula, filled in, and what it reaches.

The lengths come from the oracle's geometry (`reference_impl.ops.geometry`); here they are only put
into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

import numpy as np

from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.windows import taps


@dataclass(frozen=True)
class Axis:
    """One spatial axis.

    Attributes:
        name: what the axis counts, such as ``rows``.
        padding: the padding mode.
        geometry: the oracle's; with a length of 0 where the length is free.
        is_free: whether the length is free, so that nothing but window and stride is known.
    """

    name: str
    padding: str
    geometry: WindowAxis
    is_free: bool = False

    @property
    def formula(self) -> str:
        """The output length's formula with the numbers of this axis, and its result."""
        return _FORMULAS.get(self.padding, _explicit)(self)

    @property
    def padding_formula(self) -> str:
        """How much is padded before and after, and why."""
        return _PADDINGS.get(self.padding, _said)(self)

    @cached_property
    def inputs_met(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """For each output, how many taps of its window meet an input, not padding."""
        met = np.zeros(max(self.geometry.output, 0), np.int64)
        for outputs, _ in taps(self.geometry):
            met[outputs] += 1
        return met

    @cached_property
    def unreached(self) -> tuple[int, ...]:
        """The inputs that no window reaches."""
        reached = np.zeros(self.geometry.length, bool)
        for _, inputs in taps(self.geometry):
            reached[inputs] = True
        return tuple(np.flatnonzero(~reached).tolist())

    @cached_property
    def reaching_out(self) -> tuple[int, ...]:
        """The outputs whose windows reach into padding."""
        return tuple(np.flatnonzero(self.inputs_met < self.geometry.window).tolist())


def ranges(numbers: Iterable[int], most: int = 12) -> str:
    """Ascending integers in short: ``0, 3..5``; an ellipsis for what is beyond `most` ranges."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        elif len(parts) == most:
            return f"{_joined(parts)}, ..."
        else:
            parts.append([number])
    return _joined(parts)


def _joined(parts: list[list[int]]) -> str:
    return ", ".join("..".join(map(str, part)) for part in parts)


def _length(axis: Axis) -> str:
    return "n" if axis.is_free else str(axis.geometry.length)


def _same(axis: Axis) -> str:
    result = "" if axis.is_free else f" = {axis.geometry.output}"
    return f"ceil({_length(axis)} / {axis.geometry.stride}){result}"


def _causal(axis: Axis) -> str:
    g = axis.geometry
    result = "" if axis.is_free else f" = {g.output}"
    before = g.receptive_field - 1
    numerator = f"{_length(axis)} + {before} - {g.receptive_field}"
    return f"floor(({numerator}) / {g.stride}) + 1{result}"


def _valid(axis: Axis) -> str:
    g = axis.geometry
    result = "" if axis.is_free else f" = {g.output}"
    return f"floor(({_length(axis)} - {g.receptive_field}) / {g.stride}) + 1{result}"


def _explicit(axis: Axis) -> str:
    g = axis.geometry
    numerator = f"{_length(axis)} + {g.padding_total} - {g.receptive_field}"
    return f"floor(({numerator}) / {g.stride}) + 1 = {g.output}"


def _none(_: Axis) -> str:
    return "none: windows lie within the input"


def _same_padding(axis: Axis) -> str:
    g = axis.geometry
    if axis.is_free:
        span = f"(ceil(n / {g.stride}) - 1) * {g.stride} + {g.receptive_field} - n"
        return f"max({span}, 0), half of it, rounded down, before"
    if not g.output:
        return "none: there is no input, and so no output"
    needed = (g.output - 1) * g.stride + g.receptive_field - g.length
    total = f"max(({g.output} - 1) * {g.stride} + {g.receptive_field} - {g.length}, 0)"
    if needed < 0:
        return f"{total} = 0: the windows leave {-needed} at the end unread"
    odd = ", the odd one after" if g.padding_total % 2 else ""
    return f"{total} = {g.padding_total}: {g.pad_before} before and {g.pad_after} after{odd}"


def _causal_padding(axis: Axis) -> str:
    g = axis.geometry
    result = f"({g.window} - 1) * {g.dilation} = {g.receptive_field - 1} before, none after"
    return f"{result}, so that no output sees a later input"


def _said(axis: Axis) -> str:
    return f"{axis.geometry.pad_before} before and {axis.geometry.pad_after} after"


_FORMULAS: Final[Mapping[str, Callable[[Axis], str]]] = MappingProxyType(
    {"valid": _valid, "same": _same, "causal": _causal}
)
_PADDINGS: Final[Mapping[str, Callable[[Axis], str]]] = MappingProxyType(
    {"valid": _none, "same": _same_padding, "causal": _causal_padding}
)

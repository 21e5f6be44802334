"""Windows over spatial axes, as the documentation describes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

PADDED = -1
"""Stands for the index of an input that is padding."""


@dataclass(frozen=True)
class Window:
    """A window along one spatial axis; all in elements."""

    length: int
    stride: int = 1
    dilation: int = 1
    padding: str = "valid"

    @property
    def span(self) -> int:
        """Number of inputs from the window's first tap to its last, both included."""
        return self.dilation * (self.length - 1) + 1

    def output_length(self, length: int) -> int:
        """Number of windows on `length` inputs; zero or less where none fits.

        ``same`` and ``causal``: one for every stride begun; ``valid``: one for every position that
        needs no padding.
        """
        if self.padding in ("same", "causal"):
            return math.ceil(Fraction(length, self.stride))
        return math.floor(Fraction(length - self.span, self.stride)) + 1

    def total(self, length: int) -> int:
        """What the last window needs beyond `length` inputs with ``same``; with ``valid`` 0."""
        if self.padding != "same":
            return 0
        return max((self.output_length(length) - 1) * self.stride + self.span - length, 0)

    def before(self, length: int) -> int:
        """Number of padded elements before the first input.

        ``same``: half of all, rounded down; ``causal``: so many that the first window's last tap
        meets the first input.
        """
        return self.span - 1 if self.padding == "causal" else self.total(length) // 2

    def reads(self, length: int) -> list[list[int]]:
        """For each window the indices of the inputs under its taps, `PADDED` outside them."""
        count, before = max(self.output_length(length), 0), self.before(length)
        return [
            [_inside(start + tap * self.dilation, length) for tap in range(self.length)]
            for start in range(-before, count * self.stride - before, self.stride)
        ]


def _inside(index: int, length: int) -> int:
    return index if 0 <= index < length else PADDED


def taps_of_windows(spatial: Sequence[int], windows: Sequence[Window]) -> Sequence[Sequence[int]]:
    """For each window the flat spatial indices under its taps, in row-major order of both."""
    taps = math.prod(window.length for window in windows)
    if math.prod(spatial) * taps > _MOST_KEPT:
        return _taps_of_windows(tuple(spatial), tuple(windows))
    return _kept_taps(tuple(spatial), tuple(windows))


def _taps_of_windows(
    spatial: tuple[int, ...], windows: tuple[Window, ...]
) -> Sequence[Sequence[int]]:
    flat = [[0]]
    for window, length in zip(windows, spatial, strict=True):
        reads = window.reads(length)
        flat = [_along(taps, length, under) for taps in flat for under in reads]
    return flat


def _along(taps: Sequence[int], length: int, under: Sequence[int]) -> list[int]:
    """The flat indices under taps of outer axes and those of one more axis."""
    return [
        PADDED if PADDED in (tap, index) else tap * length + index
        for tap in taps
        for index in under
    ]


_MOST_KEPT = 1 << 14
"""Indices of one geometry that are kept for the next case that has it."""

_kept_taps = lru_cache(maxsize=128)(_taps_of_windows)

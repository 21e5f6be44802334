"""Windows over spatial axes, as the documentation describes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

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

    def reads(self, length: int) -> Indices:
        """For each window the indices of the inputs under its taps, `PADDED` outside them."""
        count = max(self.output_length(length), 0)
        starts = np.arange(count, dtype=np.int64) * self.stride - self.before(length)
        indices = starts[:, None] + np.arange(self.length, dtype=np.int64) * self.dilation
        return np.where((indices >= 0) & (indices < length), indices, PADDED)


def taps_of_windows(spatial: Sequence[int], windows: Sequence[Window]) -> Indices:
    """For each window the flat spatial indices under its taps, in row-major order of both."""
    taps = math.prod(window.length for window in windows)
    if math.prod(spatial) * taps > _MOST_KEPT:
        return _taps_of_windows(tuple(spatial), tuple(windows))
    return _kept_taps(tuple(spatial), tuple(windows))


def _taps_of_windows(spatial: tuple[int, ...], windows: tuple[Window, ...]) -> Indices:
    flat = np.zeros((1, 1), np.int64)
    for window, length in zip(windows, spatial, strict=True):
        reads = window.reads(length)
        outer, inner = flat[:, None, :, None], reads[None, :, None, :]
        along = np.where((outer == PADDED) | (inner == PADDED), PADDED, outer * length + inner)
        flat = along.reshape(len(flat) * len(reads), flat.shape[1] * reads.shape[1])
    flat.flags.writeable = False  # it may be kept
    return flat


_MOST_KEPT = 1 << 14
"""Indices of one geometry that are kept for the next case that has it."""

_kept_taps = lru_cache(maxsize=128)(_taps_of_windows)

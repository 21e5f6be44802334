"""Window geometry in pure integers: output lengths, padding and taps, one axis at a time.

With input length n, window length k, stride s and dilation d, the receptive field of one output
spans ``e = (k - 1) d + 1`` inputs, and

* ``valid``: ``out = (n - e) // s + 1`` and nothing is padded;
* ``same``: ``out = ceil(n / s)``; the total padding is ``max((out - 1) s + e - n, 0)``, of which
  ``total // 2`` stands before the first input and the rest, the odd one included, after the last;
* ``causal``: ``out = ceil(n / s)``; ``e - 1`` elements stand before the first input and none after
  the last, so that output o sees no input beyond ``o s``.

Output o reads the inputs ``o s - pad_before + t d`` for the taps t = 0 .. k - 1; an index outside
``0 .. n - 1`` is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

KEPT: Final = 1024
"""Geometries of which what follows from them alone is kept, here and in the modules that use them;
``tests/benchmarks`` shows what small calls lose without it."""


class WindowAxis(NamedTuple):
    """The geometry of a window along one spatial axis; all lengths in elements."""

    length: int
    window: int
    stride: int
    dilation: int
    pad_before: int
    pad_after: int
    output: int

    @property
    def receptive_field(self) -> int:
        """Span of one output's window: ``(window - 1) dilation + 1``."""
        return (self.window - 1) * self.dilation + 1

    @property
    def padding_total(self) -> int:
        """Number of padded elements on both sides."""
        return self.pad_before + self.pad_after

    @property
    def meeting_taps(self) -> range:
        """The taps that meet an input for some output; the others meet padding alone.

        Tap t reads ``o stride - pad_before + t dilation``, so that the distance of the first
        output's element from the first input lies in ``-(output - 1) stride .. length - 1``.  Of
        taps between the first and the last, some may still jump over a short input.
        """
        if self.output < 1 or self.length < 1:
            return range(0)
        first = -(((self.output - 1) * self.stride - self.pad_before) // self.dilation)
        last = (self.length - 1 + self.pad_before) // self.dilation
        return range(max(first, 0), min(last, self.window - 1) + 1)

    def of_taps(self, taps: range) -> WindowAxis:
        """The geometry of a window cut down to some neighbouring taps."""
        before = self.pad_before - taps.start * self.dilation
        span = (self.output - 1) * self.stride + (len(taps) - 1) * self.dilation + 1
        after = max(span - before - self.length, 0)
        return self._replace(window=len(taps), pad_before=before, pad_after=after)


Axes = tuple[WindowAxis, ...]
"""The geometry of a window: one entry per spatial axis."""


def receptive_field(window: int, dilation: int) -> int:
    """Span of a dilated window: ``(window - 1) dilation + 1``."""
    return (window - 1) * dilation + 1


def output_length(length: int, window: int, stride: int, dilation: int, padding: str) -> int:
    """Number of window positions along one axis; zero or negative where no window fits."""
    if padding == "valid":
        return (length - receptive_field(window, dilation)) // stride + 1
    return -(-length // stride)


def window_axis(length: int, window: int, stride: int, dilation: int, padding: str) -> WindowAxis:
    """The geometry along one axis (formulas in the module's docstring)."""
    output = output_length(length, window, stride, dilation, padding)
    before, after = 0, 0
    if padding == "same" and output:
        span = (output - 1) * stride + receptive_field(window, dilation)
        total = max(span - length, 0)
        before, after = total // 2, total - total // 2
    elif padding == "causal" and output:
        before = receptive_field(window, dilation) - 1
    return WindowAxis(length, window, stride, dilation, before, after, output)


def window_axes(
    spatial: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
    padding: str,
) -> Axes:
    """The geometry of every spatial axis."""
    return tuple(
        window_axis(n, k, s, d, padding)
        for n, k, s, d in zip(spatial, window, strides, dilation, strict=True)
    )


@lru_cache(KEPT)
def without_padding(axes: Axes) -> Axes:
    """The geometry of the same outputs on inputs that hold their padding."""
    return tuple(
        axis._replace(length=axis.length + axis.padding_total, pad_before=0, pad_after=0)
        for axis in axes
    )


@lru_cache(KEPT)
def meeting_window(axes: Axes) -> tuple[range, ...] | None:
    """The taps of a smaller window that meets all that the window meets, one range per axis.

    None where there is none: the first and the last tap of each axis meet an input.  So the work
    and the padding of a large or widely dilated window follow the taps that meet inputs.
    """
    taps = tuple(axis.meeting_taps for axis in axes)
    whole = all(len(met) == axis.window for met, axis in zip(taps, axes, strict=True))
    # Beside strides, a dilation may leave no neighbour at or before the first input.
    pairs = [(axis, met) for axis, met in zip(axes, taps, strict=True) if met]
    beyond = any(axis.of_taps(met).pad_before < 0 for axis, met in pairs)
    return None if whole or beyond else taps


def cut_to(taps: Sequence[range], axes: Axes) -> Axes:
    """The geometry of a window cut down to some taps of each axis."""
    return tuple(axis.of_taps(met) for axis, met in zip(axes, taps, strict=True))

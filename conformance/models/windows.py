"""Windows over channels-last arrays, with whatever padding a converter may have given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from conformance.judge.running_error import Floats


class Axis(NamedTuple):
    """One axis of a window: length of it, step, dilation, padding before, number of places."""

    window: int
    stride: int
    dilation: int
    before: int
    places: int


def axis(length: int, window: int, stride: int, dilation: int, padding: str) -> Axis:
    """The geometry along one axis.

    Args:
        length: the inputs.
        window: the taps.
        stride: the step between places.
        dilation: the step between taps.
        padding: ``valid``, ``same``, ``causal`` (the taps of a place end at it), or a way to get
            them wrong: ``symmetric`` (as many zeros on both sides as would be needed on one),
            ``last`` and ``first`` (all on one side), ``anticausal`` (as many as ``causal`` has, but
            after), ``ceil`` (without padding, rounded up).
    """
    span = (window - 1) * dilation + 1
    if padding in ("valid", "ceil"):
        room = length - span + (stride - 1 if padding == "ceil" else 0)
        return Axis(window, stride, dilation, 0, max(room // stride + 1, 0))
    places = -(-length // stride)
    if padding in ("causal", "anticausal"):
        return Axis(window, stride, dilation, span - 1 if padding == "causal" else 0, places)
    total = max((places - 1) * stride + span - length, 0)
    if padding == "symmetric":
        half = (span - 1) // 2
        return Axis(window, stride, dilation, half, (length + 2 * half - span) // stride + 1)
    before = {"same": total // 2, "last": 0, "first": total, "odd-first": (total + 1) // 2}
    return Axis(window, stride, dilation, before[padding], places)


def axes(shape: Sequence[int], window: Sequence[int], settings: Mapping[str, Any]) -> list[Axis]:
    """The geometry of a window on channels-last inputs.

    Args:
        shape: the inputs' shape.
        window: the window's lengths.
        settings: ``strides``, ``dilation`` and ``padding``.
    """
    steps = zip(shape[1:-1], window, settings["strides"], settings["dilation"], strict=True)
    return [axis(n, k, s, d, settings["padding"]) for n, k, s, d in steps]


def gathered(inputs: Floats, geometry: Sequence[Axis], fill: float = 0.0) -> Floats:
    """What stands under the windows, shape ``(batch, *places, channels, *taps)``.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        geometry: one entry per spatial axis.
        fill: what padding reads as.
    """
    pads, cut, spans = [(0, 0)], [slice(None)], []
    for length, a in zip(inputs.shape[1:-1], geometry, strict=True):
        span = (a.window - 1) * a.dilation + 1
        end = (a.places - 1) * a.stride + span
        pads.append((a.before, max(end - a.before - length, 0)))
        cut.append(slice(0, max(end, span)))
        spans.append(span)
    padded = np.pad(inputs, [*pads, (0, 0)], constant_values=fill)[tuple(cut)]
    spatial = tuple(range(1, inputs.ndim - 1))
    views = np.lib.stride_tricks.sliding_window_view(padded, spans, spatial)
    steps = tuple(slice(None, None, a.stride) for a in geometry)
    taps = tuple(slice(None, None, a.dilation) for a in geometry)
    return views[(slice(None), *steps, slice(None), *taps)]


class Spread(NamedTuple):
    """One axis of a transposed convolution.

    Attributes:
        inputs: how many.
        stride: the step between the windows of two inputs.
        dilation: the step between taps.
        room: the outputs that windows cover, and what is kept of them.
        before: the outputs that are cut off before.
        length: the outputs that are kept.
    """

    inputs: int
    stride: int
    dilation: int
    room: int
    before: int
    length: int

    def places(self, tap: int) -> slice:
        """Where the products of a tap are added."""
        start = tap * self.dilation
        return slice(start, start + (self.inputs - 1) * self.stride + 1, self.stride)


def spread(inputs: int, window: int, stride: int, dilation: int, padding: str) -> Spread:
    """The geometry of a transposed convolution along one axis.

    Args:
        inputs: the inputs.
        window: the taps.
        stride: the step between windows.
        dilation: the step between taps.
        padding: ``valid``: the outputs that windows cover, at least as many as strides; ``same``:
            as many as strides, the rest of the windows cut off, the smaller half before; or a way
            to get it wrong: ``first`` (the larger half before) and ``last`` (all of it after).
    """
    span = (window - 1) * dilation + 1
    total = max(span - stride, 0)
    before = {"valid": 0, "same": total // 2, "first": (total + 1) // 2, "last": 0}[padding]
    length = inputs * stride + (total if padding == "valid" else 0)
    return Spread(
        inputs, stride, dilation, max(length + before, inputs * stride + span), before, length
    )

"""Views and reductions over sliding windows, for any number of spatial axes.

Arrays are channels-last, ``(batch, *spatial, channels)``; `axes` has one `WindowAxis` per spatial
axis.  Output o reads the inputs ``o stride - pad_before + t dilation``, t = 0 .. window - 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis

Array = NDArray[Any]


def output_shape(axes: Sequence[WindowAxis]) -> tuple[int, ...]:
    """Number of windows along each spatial axis; zero where none fits."""
    return tuple([max(axis.output, 0) for axis in axes])


def window_shape(axes: Sequence[WindowAxis]) -> tuple[int, ...]:
    """Number of taps along each spatial axis."""
    return tuple([axis.window for axis in axes])


def padded_shape(inputs: Array, axes: Sequence[WindowAxis]) -> tuple[int, ...]:
    """The shape of `inputs` with their padding."""
    spatial = [axis.length + axis.padding_total for axis in axes]
    return (len(inputs), *spatial, inputs.shape[-1])


def pad(inputs: Array, axes: Sequence[WindowAxis], out: Array | None = None) -> Array:
    """`inputs` with zeros before and after each spatial axis.

    Written to `out`, an array of `padded_shape`; without it a new array, or `inputs` itself where
    nothing is to be padded.
    """
    if out is None:
        if not any(axis.padding_total for axis in axes):
            return inputs
        out = np.empty(padded_shape(inputs, axes), inputs.dtype)
    inner: tuple[slice, ...] = (slice(None),)
    for axis in axes:
        stop = axis.pad_before + axis.length
        if axis.pad_before:
            out[(*inner, slice(0, axis.pad_before))] = 0
        if axis.pad_after:
            out[(*inner, slice(stop, None))] = 0
        inner = (*inner, slice(axis.pad_before, stop))
    out[inner] = inputs
    return out


def window_view(padded: Array, axes: Sequence[WindowAxis]) -> Array:
    """A read-only view of the windows: ``(batch, *output, *window, channels)``, without a copy.

    Raises:
        ValueError: if the windows reach past the end of `padded`.
    """
    for axis, length in zip(axes, padded.shape[1:-1], strict=True):
        span = (axis.output - 1) * axis.stride + axis.receptive_field
        if axis.output > 0 and span > length:
            raise ValueError(f"windows span {span} elements of a padded axis of length {length}")
    batch, *spatial, channel = padded.strides
    outer = [stride * axis.stride for stride, axis in zip(spatial, axes, strict=True)]
    inner = [stride * axis.dilation for stride, axis in zip(spatial, axes, strict=True)]
    shape = (padded.shape[0], *output_shape(axes), *window_shape(axes), padded.shape[-1])
    return _view(padded, shape, (batch, *outer, *inner, channel))


def _view(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """A strided read-only view; by way of the array's buffer where there is one.

    The constructor of ndarray is seven times faster than `as_strided`, and checks the bounds.
    """
    if array.flags.c_contiguous and array.size and array.dtype.isbuiltin == 1:
        view: Array = np.ndarray(shape, array.dtype, array, 0, strides)
        view.flags.writeable = False
        return view
    return np.lib.stride_tricks.as_strided(array, shape, strides, writeable=False)


def meeting(axis: WindowAxis, tap: int) -> tuple[slice, slice] | None:
    """The outputs for which a tap of the window meets an input, and those inputs.

    The two slices have equal lengths; None for a tap that meets padding alone.
    """
    offset = tap * axis.dilation - axis.pad_before
    first = max(-(offset // axis.stride), 0)
    last = min((axis.length - 1 - offset) // axis.stride, axis.output - 1)
    if first > last:
        return None
    start, stop = first * axis.stride + offset, last * axis.stride + offset + 1
    return slice(first, last + 1), slice(start, stop, axis.stride)


def taps(axis: WindowAxis) -> Iterator[tuple[slice, slice]]:
    """`meeting` for each tap that meets an input."""
    pairs = (meeting(axis, tap) for tap in axis.meeting_taps)
    return (pair for pair in pairs if pair is not None)


def reduce_windows(array: Array, axes: Sequence[WindowAxis], ufunc: np.ufunc, start: Any) -> Array:
    """Reduce every window of ``(batch, *spatial, ...)``, axis by axis: ``(batch, *output, ...)``.

    Padding takes no part: only taps that meet an input are combined, onto `start`.
    """
    for dimension, axis in enumerate(axes, 1):
        array = _reduce_axis(array, axis, dimension, ufunc, start)
    return array


def _reduce_axis(
    array: Array, axis: WindowAxis, dimension: int, ufunc: np.ufunc, start: Any
) -> Array:
    before = (slice(None),) * dimension
    pairs = [((*before, outputs), (*before, inputs)) for outputs, inputs in taps(axis)]
    whole = (*before, slice(0, axis.output))
    everywhere = [inputs for outputs, inputs in pairs if outputs == whole]
    if len(everywhere) > 1:
        reduced: Array = ufunc(array[everywhere[0]], array[everywhere[1]])
    else:
        shape = (*array.shape[:dimension], max(axis.output, 0), *array.shape[dimension + 1 :])
        reduced = np.empty(shape, array.dtype)
        reduced[...] = array[everywhere[0]] if everywhere else start
    used = everywhere[:2]
    for outputs, inputs in pairs:
        if inputs not in used:
            target = reduced[outputs]
            ufunc(target, array[inputs], out=target)
    return reduced


def gather_windows(padded: Array, axes: Sequence[WindowAxis], positions: NDArray[np.intp]) -> Array:
    """The windows at some flat positions of ``(batch, *output)``: ``(positions, *window * C)``."""
    view = window_view(padded, axes)
    where = np.unravel_index(positions, view.shape[: len(axes) + 1])
    return view[where].reshape(len(positions), math.prod(view.shape[len(axes) + 1 :]))

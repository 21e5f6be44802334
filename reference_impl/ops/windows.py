"""Views and reductions over sliding windows, for any number of spatial axes.

Arrays are channels-last, ``(batch, *spatial, channels)``; `axes` has one `WindowAxis` per spatial
axis.  Output o reads the inputs ``o stride - pad_before + t dilation``, t = 0 .. window - 1.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import KEPT, Axes, WindowAxis

Array = NDArray[Any]
Index = tuple[slice, ...]


@lru_cache(KEPT)
def output_shape(axes: Axes) -> tuple[int, ...]:
    """Number of windows along each spatial axis; zero where none fits."""
    return tuple([max(axis.output, 0) for axis in axes])


@lru_cache(KEPT)
def window_shape(axes: Axes) -> tuple[int, ...]:
    """Number of taps along each spatial axis."""
    return tuple([axis.window for axis in axes])


@lru_cache(KEPT)
def count_windows(axes: Axes) -> int:
    """Number of windows of one example."""
    return math.prod(output_shape(axes))


@lru_cache(KEPT)
def count_taps(axes: Axes) -> int:
    """Number of taps of a window."""
    return math.prod(window_shape(axes))


class _Padding(NamedTuple):
    """Where the padding is, and the inputs; of arrays ``(batch, *spatial, channels)``.

    Attributes:
        lengths: of the padded spatial axes.
        edges: the padding.
        inner: the inputs.
    """

    lengths: tuple[int, ...]
    edges: tuple[Index, ...]
    inner: Index


@lru_cache(KEPT)
def _padding(axes: Axes) -> _Padding:
    edges: list[Index] = []
    inner: Index = (slice(None),)
    for axis in axes:
        stop = axis.pad_before + axis.length
        if axis.pad_before:
            edges.append((*inner, slice(0, axis.pad_before)))
        if axis.pad_after:
            edges.append((*inner, slice(stop, None)))
        inner = (*inner, slice(axis.pad_before, stop))
    lengths = tuple(axis.length + axis.padding_total for axis in axes)
    return _Padding(lengths, tuple(edges), inner)


def padded_shape(inputs: Array, axes: Axes) -> tuple[int, ...]:
    """The shape of `inputs` with their padding."""
    return (len(inputs), *_padding(axes).lengths, inputs.shape[-1])


def pad(inputs: Array, axes: Axes, out: Array | None = None) -> Array:
    """`inputs` with zeros before and after each spatial axis.

    Written to `out`, an array of `padded_shape`; without it a new array, or `inputs` itself where
    nothing is to be padded.
    """
    padding = _padding(axes)
    if out is None:
        if not padding.edges:
            return inputs
        out = np.empty(padded_shape(inputs, axes), inputs.dtype)
    for edge in padding.edges:
        out[edge] = 0
    out[padding.inner] = inputs
    return out


def window_view(padded: Array, axes: Axes) -> Array:
    """A read-only view of the windows: ``(batch, *output, *window, channels)``, without a copy.

    Raises:
        ValueError: if the windows reach past the end of `padded`.
    """
    return _view(padded, *_layout_of_windows(padded.shape, padded.strides, axes))


@lru_cache(KEPT)
def _layout_of_windows(
    padded: tuple[int, ...], strides: tuple[int, ...], axes: Axes
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides of the windows of an array."""
    for axis, length in zip(axes, padded[1:-1], strict=True):
        span = (axis.output - 1) * axis.stride + axis.receptive_field
        if axis.output > 0 and span > length:
            raise ValueError(f"windows span {span} elements of a padded axis of length {length}")
    batch, *spatial, channel = strides
    outer = [stride * axis.stride for stride, axis in zip(spatial, axes, strict=True)]
    inner = [stride * axis.dilation for stride, axis in zip(spatial, axes, strict=True)]
    shape = (padded[0], *output_shape(axes), *window_shape(axes), padded[-1])
    return shape, (batch, *outer, *inner, channel)


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


@lru_cache(KEPT)
def taps(axis: WindowAxis) -> tuple[tuple[slice, slice], ...]:
    """`meeting` for each tap that meets an input."""
    pairs = (meeting(axis, tap) for tap in axis.meeting_taps)
    return tuple(pair for pair in pairs if pair is not None)


def reduce_windows(array: Array, axes: Axes, ufunc: np.ufunc, start: Any) -> Array:
    """Reduce every window of ``(batch, *spatial, ...)``, axis by axis: ``(batch, *output, ...)``.

    Padding takes no part: only taps that meet an input are combined, onto `start`.
    """
    for dimension, axis in enumerate(axes, 1):
        array = _reduce_axis(array, axis, dimension, ufunc, start)
    return array


class _Reduction(NamedTuple):
    """What the windows along an axis are reduced from.

    Attributes:
        first: the inputs of up to two taps that meet an input for every output.
        others: outputs and inputs of the other taps.
    """

    first: tuple[Index, ...]
    others: tuple[tuple[Index, Index], ...]


@lru_cache(KEPT)
def _reduction(axis: WindowAxis, dimension: int) -> _Reduction:
    before = (slice(None),) * dimension
    pairs = [((*before, outputs), (*before, inputs)) for outputs, inputs in taps(axis)]
    whole = (*before, slice(0, axis.output))
    first = [inputs for outputs, inputs in pairs if outputs == whole][:2]
    others = [(outputs, inputs) for outputs, inputs in pairs if inputs not in first]
    return _Reduction(tuple(first), tuple(others))


def _reduce_axis(
    array: Array, axis: WindowAxis, dimension: int, ufunc: np.ufunc, start: Any
) -> Array:
    first, others = _reduction(axis, dimension)
    if len(first) > 1:
        reduced: Array = ufunc(array[first[0]], array[first[1]])
    else:
        shape = (*array.shape[:dimension], max(axis.output, 0), *array.shape[dimension + 1 :])
        reduced = np.empty(shape, array.dtype)
        reduced[...] = array[first[0]] if first else start
    for outputs, inputs in others:
        target = reduced[outputs]
        ufunc(target, array[inputs], out=target)
    return reduced


def gather_windows(padded: Array, axes: Axes, positions: NDArray[np.intp]) -> Array:
    """The windows at some flat positions of ``(batch, *output)``: ``(positions, *window * C)``."""
    view = window_view(padded, axes)
    where = np.unravel_index(positions, view.shape[: len(axes) + 1])
    return view[where].reshape(len(positions), math.prod(view.shape[len(axes) + 1 :]))

"""The windows of an array as rows of a matrix (the columns of "im2col"), some at a time.

How much is copied at a time decides the speed of a matrix product of them:

* windows of one element and stride one: no copy at all;
* up to 256 KiB of columns: one copy, least overhead;
* few channels: transposed columns (K, M), whose copies run along the outputs, 512 KiB at a time;
* otherwise 1 MiB at a time, which stays in cache, or 512 windows, which keep the matrix product
  efficient; in no case more than 8 MiB, unless a single window is larger.

Inputs are padded some examples at a time, in memory that is used again.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import Axes
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.windows import count_taps, count_windows, pad, padded_shape, window_view

Array = NDArray[Any]
Block = tuple[slice, Array]
Slab = tuple[tuple[Any, ...], int]

SMALL: Final = 256 << 10
NARROW_BLOCK: Final = 512 << 10
BLOCK: Final = 1 << 20
LARGEST: Final = 8 << 20
"""Sizes of columns in bytes (see above)."""

LEAST_ROWS: Final = 512
"""Windows per block, unless that takes more than `LARGEST`."""


def blocks_of_columns(
    inputs: Array,
    axes: Axes,
    dtype: Any = None,
    most: int | None = None,
    beside: Array | None = None,
) -> Iterator[Block]:
    """The windows as rows of a matrix, ``(M, K)``, some of them at a time.

    Args:
        inputs: ``(batch, *spatial, C)``.
        axes: the window geometry.
        dtype: of the columns; None for that of `inputs`.
        most: number of windows at a time that is not exceeded; None for no such limit.
        beside: ``(M, E)``: further columns, which follow the K of the windows; None for none.

    Yields:
        A range of the M windows in C order, and these windows; the next step overwrites them.
    """
    dtype = inputs.dtype if dtype is None else np.dtype(dtype)
    windows = len(inputs) * count_windows(axes)
    width = count_taps(axes) * inputs.shape[-1]
    width += 0 if beside is None else beside.shape[1]
    most = windows if most is None else most
    if not windows:
        return
    size = max(width * dtype.itemsize, 1)
    if windows <= most and (windows * size <= SMALL or _is_pointwise(axes)):
        yield slice(0, windows), _all_columns(inputs, axes, dtype, beside)
        return
    short = _has_short_runs(inputs.shape[-1], axes)
    rows = min(_rows_at_a_time(size, short), most)
    start = 0
    memory, padding = Scratch(dtype), Scratch(dtype if short else inputs.dtype)
    for examples in _groups(inputs, axes, rows):
        view = _view(inputs[examples], axes, padding, short)
        for index, stop in _slabs(view.shape[: len(axes) + 1], rows, start):
            columns = _matrix(memory, stop - start, width, short)
            _fill(columns, view[index], None if beside is None else beside[start:stop])
            yield slice(start, stop), columns
            start = stop


def _is_pointwise(axes: Axes) -> bool:
    return all(axis.window == 1 and axis.stride == 1 for axis in axes)


def _has_short_runs(channels: int, axes: Axes) -> bool:
    """Whether a window's elements lie in runs too short to copy well."""
    run = channels * (axes[-1].window if axes[-1].dilation == 1 else 1)
    return channels <= 4 and run <= 16


def _rows_at_a_time(size: int, short: bool) -> int:
    """Windows of `size` bytes each in a block; `short` if they have short runs."""
    rows = NARROW_BLOCK // size if short else max(BLOCK // size, min(LARGEST // size, LEAST_ROWS))
    return max(rows, 1)


def _all_columns(inputs: Array, axes: Axes, dtype: np.dtype[Any], beside: Array | None) -> Array:
    """All windows; a view where nothing is to be copied."""
    view = window_view(pad(inputs, axes), axes)
    rows, width = len(inputs) * count_windows(axes), count_taps(axes) * inputs.shape[-1]
    if beside is None:
        return np.ascontiguousarray(view.reshape(rows, width), dtype)
    columns = np.empty((rows, width + beside.shape[1]), dtype)
    _fill(columns, view, beside)
    return columns


def _groups(inputs: Array, axes: Axes, rows: int) -> Iterator[slice]:
    """Examples that are padded together: few, but enough for one block of windows."""
    size = math.prod(padded_shape(inputs[:1], axes)) * inputs.itemsize
    step = max(BLOCK // max(size, 1), rows // count_windows(axes), 1)
    return (slice(start, start + step) for start in range(0, len(inputs), step))


def _view(inputs: Array, axes: Axes, memory: Scratch, channels_first: bool) -> Array:
    """The windows of padded inputs; these are in `memory`, unless there is nothing to copy."""
    shape = padded_shape(inputs, axes)
    if channels_first:
        planes = memory.array(shape[-1], *shape[:-1])
        inputs = pad(inputs, axes, np.moveaxis(planes, 0, -1))
    elif shape != inputs.shape:
        inputs = pad(inputs, axes, memory.array(*shape))
    return window_view(inputs, axes)


def _matrix(memory: Scratch, rows: int, columns: int, transposed: bool) -> Array:
    return memory.array(columns, rows).T if transposed else memory.array(rows, columns)


def _fill(columns: Array, windows: Array, beside: Array | None) -> None:
    """Write some windows and what stands beside them to the rows of a matrix."""
    if beside is not None:
        products = columns.shape[1] - beside.shape[1]
        columns[:, products:] = beside
        columns = columns[:, :products]
    np.copyto(columns.reshape(windows.shape), windows)


def _slabs(shape: Sequence[int], rows: int, start: int = 0) -> Iterator[Slab]:
    """Cut an array of this shape into contiguous slabs of at most `rows` elements, or of one.

    The slabs are nearly equal.  Yields the index of each, and where it stops in C order, counted
    from `start`.
    """
    axis, inner = 0, math.prod(shape[1:])
    while inner > rows and axis < len(shape) - 1:
        axis += 1
        inner //= shape[axis]
    length = shape[axis]
    count = -(-length // max(rows // inner, 1))
    step = -(-length // count)
    for lead in itertools.product(*map(range, shape[:axis])):
        for first in range(0, length, step):
            last = min(first + step, length)
            start += (last - first) * inner
            yield (*lead, slice(first, last)), start

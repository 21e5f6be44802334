"""The windows of an array as rows of a matrix (the columns of "im2col"), some at a time.

How much is copied at a time decides the speed of a matrix product of them:

* windows of one element and stride one: no copy at all;
* up to 256 KiB of columns: one copy, least overhead;
* few channels: transposed columns (K, M), whose copies run along the outputs, 512 KiB at a time;
* otherwise 1 MiB at a time, which stays in cache, or 384 windows, which keep the matrix product
  efficient; in no case more than 8 MiB, unless a single window is larger.  These are padded one
  block at a time as well, unless the blocks overlap so much that padding the whole is less work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis, consecutive_outputs, without_padding
from reference_impl.ops.scratch import kept_scratch
from reference_impl.ops.windows import output_shape, pad, window_shape, window_view

Array = NDArray[Any]
Block = tuple[slice, Array]
Slab = tuple[tuple[Any, ...], int, int]
Part = tuple[Array, Sequence[WindowAxis]]

SMALL: Final = 256 << 10
NARROW_BLOCK: Final = 512 << 10
BLOCK: Final = 1 << 20
LARGEST: Final = 8 << 20
"""Sizes of columns in bytes (see above)."""

LEAST_ROWS: Final = 384
"""Windows per block, unless that takes more than `LARGEST`."""


def blocks_of_columns(
    inputs: Array, axes: Sequence[WindowAxis], dtype: Any = None, most: int | None = None
) -> Iterator[Block]:
    """The windows as rows of a matrix, ``(M, K)``, some of them at a time.

    Args:
        inputs: ``(batch, *spatial, C)``.
        axes: the window geometry.
        dtype: of the columns; None for that of `inputs`.
        most: number of windows at a time that is not exceeded; None for no such limit.

    Yields:
        A range of the M windows in C order, and these windows; the next step overwrites them.
    """
    dtype = inputs.dtype if dtype is None else np.dtype(dtype)
    channels = inputs.shape[-1]
    shape = (len(inputs), *output_shape(axes))
    windows, products = math.prod(shape), math.prod(window_shape(axes)) * channels
    row = max(products * dtype.itemsize, 1)
    most = windows if most is None else most
    if not windows:
        return
    if windows <= most and (windows * row <= SMALL or _is_pointwise(axes)):
        columns = window_view(pad(inputs, axes), axes).reshape(windows, products)
        yield slice(0, windows), np.ascontiguousarray(columns, dtype)
    elif _has_short_runs(channels, axes):
        rows = min(max(NARROW_BLOCK // row, 1), most)
        yield from _transposed_blocks(pad(inputs, axes), axes, rows, dtype)
    else:
        rows = min(max(BLOCK // row, min(LARGEST // row, LEAST_ROWS), 1), most)
        yield from _copied_blocks(inputs, axes, list(_slabs(shape, rows)), dtype)


def _is_pointwise(axes: Sequence[WindowAxis]) -> bool:
    return all(axis.window == 1 and axis.stride == 1 for axis in axes)


def _has_short_runs(channels: int, axes: Sequence[WindowAxis]) -> bool:
    """Whether a window's elements lie in runs too short to copy well."""
    run = channels * (axes[-1].window if axes[-1].dilation == 1 else 1)
    return channels <= 4 and run <= 16


def _copied_blocks(
    inputs: Array, axes: Sequence[WindowAxis], slabs: Sequence[Slab], dtype: np.dtype[Any]
) -> Iterator[Block]:
    """Copies of the windows, one slab after the other."""
    parts = [_part(inputs, axes, index) for index, _, _ in slabs]
    if _copies_much(inputs, axes, parts):
        inputs, axes = pad(inputs, axes), without_padding(axes)
        parts = [_part(inputs, axes, index) for index, _, _ in slabs]
    products = math.prod(window_shape(axes)) * inputs.shape[-1]
    with kept_scratch(dtype) as scratch:
        for (_, start, stop), (part, geometry) in zip(slabs, parts, strict=True):
            block = window_view(pad(part, geometry), geometry)
            columns = scratch.array(stop - start, products)
            np.copyto(columns.reshape(block.shape), block)
            yield slice(start, stop), columns


def _part(inputs: Array, axes: Sequence[WindowAxis], index: tuple[Any, ...]) -> Part:
    """The inputs that a slab of windows reads, a view, and their geometry."""
    ranges = [i if isinstance(i, slice) else slice(i, i + 1) for i in index]
    cut = [
        consecutive_outputs(axis, outputs.start, outputs.stop)
        for axis, outputs in zip(axes, ranges[1:], strict=False)
    ]
    where = (ranges[0], *(read for read, _ in cut))
    return inputs[where], (*(geometry for _, geometry in cut), *axes[len(cut) :])


def _copies_much(inputs: Array, axes: Sequence[WindowAxis], parts: Sequence[Part]) -> bool:
    """Whether padding the parts, which overlap, copies twice as much as padding the whole."""
    if not any(axis.padding_total for axis in axes):
        return False
    return sum(map(_padded_size, parts)) > 2 * _padded_size((inputs, axes))


def _padded_size(part: Part) -> int:
    """Elements per channel, padding included."""
    inputs, axes = part
    return len(inputs) * math.prod(axis.length + axis.padding_total for axis in axes)


def _transposed_blocks(
    padded: Array, axes: Sequence[WindowAxis], rows: int, dtype: np.dtype[Any]
) -> Iterator[Block]:
    """Copies of at most `rows` windows as columns, from a copy with the channels first."""
    planes = np.ascontiguousarray(np.moveaxis(padded, -1, 0), dtype)
    windows = window_view(np.moveaxis(planes, 0, -1), axes)
    rank = len(axes)
    shape = windows.shape[: rank + 1]
    order = (*range(rank + 1, 2 * rank + 2), *range(rank + 1))
    transposed = windows.transpose(order)
    products = math.prod(transposed.shape[: rank + 1])
    with kept_scratch(dtype) as scratch:
        for index, start, stop in _slabs(shape, rows):
            block = transposed[(..., *index, *(slice(None),) * (rank + 1 - len(index)))]
            columns = scratch.array(products, stop - start)
            np.copyto(columns.reshape(block.shape), block)
            yield slice(start, stop), columns.T


def _slabs(shape: Sequence[int], rows: int) -> Iterator[Slab]:
    """Cut an array of this shape into contiguous slabs of at most `rows` elements, or of one.

    The slabs are nearly equal.  Yields the index of each, and where it starts and stops in C order.
    """
    axis, inner = 0, math.prod(shape[1:])
    while inner > rows and axis < len(shape) - 1:
        axis += 1
        inner //= shape[axis]
    count = -(-shape[axis] // max(rows // inner, 1))
    step = -(-shape[axis] // count)
    start = 0
    for lead in np.ndindex(*shape[:axis]):
        for first in range(0, shape[axis], step):
            last = min(first + step, shape[axis])
            stop = start + (last - first) * inner
            yield (*lead, slice(first, last)), start, stop
            start = stop

"""Sliding-window sums of products as matrix products of windows (the columns) and kernel.

With M windows of K products each and F filters, the result is ``columns (M, K) @ kernel (K, F)``.
The columns are a strided view as long as nothing is copied; a matrix product needs a copy, and how
much is copied at a time decides the speed:

* windows of one element and stride one: no copy at all;
* up to 256 KiB of columns: one copy, least overhead;
* few channels: transposed columns (K, M), whose copies run along the outputs, 512 KiB at a time;
* otherwise 1 MiB at a time, which stays in cache, or 384 windows, which keep the matrix product
  efficient; in no case more than 8 MiB, unless a single window is larger.

The bounds on rounding errors elsewhere rest on the matrix product: it must add up the K products
themselves, in any order and with or without fused operations, as every BLAS does; algorithms of
Strassen's kind do not.  Subnormal numbers must be kept (no flush to zero).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.windows import output_shape, window_view

Array = NDArray[Any]

SMALL: Final = 256 << 10
NARROW_BLOCK: Final = 512 << 10
BLOCK: Final = 1 << 20
LARGEST: Final = 8 << 20
"""Sizes of columns in bytes (see above)."""

LEAST_ROWS: Final = 384
"""Windows per block, unless that takes more than `LARGEST`."""

PIECE: Final = 512
"""Products per matrix product where `contract` is asked for short sums."""


def contract(
    padded: Array, kernel: Array, axes: Sequence[WindowAxis], *, short_sums: bool = False
) -> Array:
    """``out[n, o, f] = sum_{t, c} padded[n, o stride + t dilation, c] kernel[t, c, f]``.

    Args:
        padded: ``(batch, *spatial, C)``, padding included.
        kernel: ``(*window, C, F)`` of the same dtype.
        axes: the window geometry.
        short_sums: add the products in pieces of at most `PIECE`, so that no term goes through
            more than `additions` roundings.

    Returns:
        ``(batch, *output, F)``; zeros where there are no products to add.
    """
    filters = kernel.shape[-1]
    shape = (padded.shape[0], *output_shape(axes), filters)
    if 0 in shape or not kernel.size:
        return np.zeros(shape, padded.dtype)
    matrix = kernel.reshape(-1, filters)
    piece = PIECE if short_sums else len(matrix)
    size = math.prod(shape[:-1]) * len(matrix) * padded.itemsize
    if size <= SMALL or _is_pointwise(axes):
        columns = window_view(padded, axes).reshape(-1, len(matrix))
        return _product(np.ascontiguousarray(columns), matrix, piece).reshape(shape)
    if _has_short_runs(padded.shape[-1], axes):
        return _contract_narrow(padded, matrix, axes, shape, piece)
    return _contract_blocks(window_view(padded, axes), matrix, shape, piece)


def additions(products: int) -> int:
    """Most roundings that a term goes through in a sum of `products` terms in pieces."""
    return min(products, PIECE) + -(-products // PIECE)


def _is_pointwise(axes: Sequence[WindowAxis]) -> bool:
    return all(axis.window == 1 and axis.stride == 1 for axis in axes)


def _has_short_runs(channels: int, axes: Sequence[WindowAxis]) -> bool:
    """Whether a window's elements lie in runs too short to copy well."""
    run = channels * (axes[-1].window if axes[-1].dilation == 1 else 1)
    return channels <= 4 and run <= 16


def _product(columns: Array, matrix: Array, piece: int, out: Array | None = None) -> Array:
    """``columns @ matrix``, adding `piece` products at a time."""
    product: Array = np.matmul(columns[:, :piece], matrix[:piece], out=out)
    for start in range(piece, len(matrix), piece):
        stop = start + piece
        product += columns[:, start:stop] @ matrix[start:stop]
    return product


def _contract_blocks(windows: Array, matrix: Array, shape: tuple[int, ...], piece: int) -> Array:
    """Copy and multiply a block of windows at a time."""
    products, filters = matrix.shape
    out = np.empty((math.prod(shape[:-1]), filters), windows.dtype)
    row = products * windows.itemsize
    rows = max(BLOCK // row, min(LARGEST // row, LEAST_ROWS), 1)
    buffer = np.empty((min(rows, len(out)), products), windows.dtype)
    for index, start, stop in _slabs(shape[:-1], rows):
        block = windows[index]
        columns = buffer[: stop - start]
        np.copyto(columns.reshape(block.shape), block)
        _product(columns, matrix, piece, out[start:stop])
    return out.reshape(shape)


def _contract_narrow(
    padded: Array, matrix: Array, axes: Sequence[WindowAxis], shape: tuple[int, ...], piece: int
) -> Array:
    """`_contract_blocks` with transposed columns, from a copy with the channels first."""
    products, filters = matrix.shape
    out = np.empty((math.prod(shape[:-1]), filters), padded.dtype)
    planes = np.ascontiguousarray(np.moveaxis(padded, -1, 0))
    windows = window_view(np.moveaxis(planes, 0, -1), axes)
    rank = len(axes)
    order = (*range(rank + 1, 2 * rank + 2), *range(rank + 1))
    transposed = windows.transpose(order)
    rows = max(NARROW_BLOCK // (products * padded.itemsize), 1)
    buffer = np.empty(products * min(rows, len(out)), padded.dtype)
    for index, start, stop in _slabs(shape[:-1], rows):
        block = transposed[(..., *index, *(slice(None),) * (rank + 1 - len(index)))]
        columns = buffer[: products * (stop - start)]
        np.copyto(columns.reshape(block.shape), block)
        _product(columns.reshape(products, -1).T, matrix, piece, out[start:stop])
    return out.reshape(shape)


def _slabs(shape: Sequence[int], rows: int) -> Iterator[tuple[tuple[Any, ...], int, int]]:
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

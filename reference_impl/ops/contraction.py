"""Sliding-window sums of products as matrix products of windows (the columns) and kernel.

With M windows of K products each and F filters, the result is ``columns (M, K) @ kernel (K, F)``.

The bounds on rounding errors elsewhere rest on the matrix product: it must add up the K products
themselves, in any order and with or without fused operations, as every BLAS does; algorithms of
Strassen's kind do not.  Subnormal numbers must be kept (no flush to zero).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops import shifts
from reference_impl.ops.columns import LEAST_ROWS, blocks_of_columns
from reference_impl.ops.geometry import Axes
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.sums import as_matrix
from reference_impl.ops.windows import count_taps, output_shape

Array = NDArray[Any]
Float64Array = NDArray[np.float64]

OUTPUTS: Final = 1 << 15
"""Sums per block of `blocks_of_sums`, unless that is less than `LEAST_ROWS` windows."""

PIECE: Final = 512
"""Products that `blocks_of_sums` adds up in one matrix product."""


def contract(inputs: Array, kernel: Array, axes: Axes) -> Array:
    """``out[n, o, f] = sum_{t, c} inputs[n, o stride - pad + t dilation, c] kernel[t, c, f]``.

    Padding is zeros that are multiplied like any other input.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)`` of the same dtype.
        axes: the window geometry.

    Returns:
        ``(batch, *output, F)``; zeros where there are no products to add.
    """
    sums = np.empty((len(inputs), *output_shape(axes), kernel.shape[-1]), inputs.dtype)
    matrix, out = as_matrix(kernel), as_matrix(sums)
    for rows, columns in blocks_of_columns(inputs, axes):
        np.matmul(columns, matrix, out=out[rows])
    return sums


def blocks_of_sums(
    inputs: Array,
    matrix: Array,
    axes: Axes,
    more: tuple[Float64Array, Float64Array] | None = None,
) -> Iterator[tuple[slice, Float64Array]]:
    """The sums of `contract` in float64, some windows at a time, before they leave the cache.

    Products are added in pieces of at most `PIECE`, so that no term goes through more roundings
    than `roundings_of_sums`.

    Args:
        inputs: ``(batch, *spatial, C)``, float32 or float64.
        matrix: the kernel as ``(K, F)``, likewise.
        axes: the window geometry.
        more: two factors, ``(M, E)`` and ``(E, F)``, whose product is added: E more terms of each
            sum, added with the last piece.  None for none.

    Yields:
        A range of the M windows in C order, and their sums, ``(rows, F)``, which the next step
        overwrites.
    """
    products, filters = matrix.shape
    beside, below = more or (None, np.empty((0, filters)))
    if _is_made_by_shifts(inputs, matrix, axes):
        yield from _shifted(inputs, matrix, axes, more)
        return
    blocks = blocks_of_columns(inputs, axes, np.float64, most_rows(filters), beside)
    memory, scratch, factors = Scratch(), Scratch(), Scratch()
    for rows, columns in blocks:
        sums = memory.array(len(columns), filters)
        for piece in pieces(products, PIECE):
            last = piece.stop >= products
            factor = _stack(matrix[piece], below if last else below[:0], factors)
            part = columns[:, piece.start : piece.start + len(factor)]
            add_product(part, factor, sums, None if piece.start == 0 else scratch)
        yield rows, sums


def _is_made_by_shifts(inputs: Array, matrix: Array, axes: Axes) -> bool:
    """Whether `shifts` is faster, and no term goes through more roundings than elsewhere."""
    products, filters = matrix.shape
    if not shifts.pays(inputs, filters, axes):
        return False
    roundings = shifts.roundings(count_taps(axes), inputs.shape[-1])
    return roundings <= roundings_of_sums(products)


def _shifted(
    inputs: Array,
    matrix: Array,
    axes: Axes,
    more: tuple[Float64Array, Float64Array] | None,
) -> Iterator[tuple[slice, Float64Array]]:
    """`blocks_of_sums` by way of `shifts`: E more terms of each sum are two roundings more."""
    scratch, step = Scratch(), most_rows(matrix.shape[1])
    for block, sums in shifts.blocks_by_shifts(inputs, matrix, axes):
        for start in range(0, len(sums), step):
            part = sums[start : start + step]
            rows = slice(block.start + start, block.start + start + len(part))
            if more is not None:
                part += np.matmul(more[0][rows], more[1], out=scratch.array(*part.shape))
            yield rows, part


def _stack(above: Array, below: Float64Array, memory: Scratch) -> Float64Array:
    """The rows of two matrices as one of float64."""
    stacked = memory.array(len(above) + len(below), above.shape[1])
    stacked[: len(above)] = above
    stacked[len(above) :] = below
    return stacked


def roundings_of_sums(products: int, more: int = 0) -> int:
    """Most roundings that a term of K, or of E more, goes through in `blocks_of_sums`."""
    return additions(products, PIECE) + more


def add_product(
    columns: Float64Array, factor: Float64Array, out: Float64Array, scratch: Scratch | None
) -> None:
    """``out += columns @ factor`` by way of `scratch`; without it ``out = columns @ factor``."""
    if scratch is None:
        np.matmul(columns, factor, out=out)
    else:
        out += np.matmul(columns, factor, out=scratch.array(*out.shape))


def pieces(products: int, length: int) -> list[slice]:
    """Ranges of at most `length` products; one empty range for none."""
    return [slice(start, start + length) for start in range(0, max(products, 1), length)]


def additions(products: int, length: int, sums: int = 1) -> int:
    """Most roundings that a term goes through in `sums` sums of `products` terms each.

    The sums are added in pieces of `length` terms, one after the other, by `add_product`.
    """
    return min(products, length) + sums * -(-products // length)


def most_rows(filters: int) -> int:
    """Windows per block whose sums are used before the next block is computed."""
    return max(OUTPUTS // max(filters, 1), LEAST_ROWS)

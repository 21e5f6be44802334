"""Sums of products of windows, from products of single inputs that are shifted and added.

Where windows read many channels and there are few filters, the product of windows and kernel has
few columns, which BLAS is slow at, and windows take many copies.  Instead each input is multiplied
with all taps at once, ``(taps F, C) @ (C, positions)``, and every output adds up what its taps have
given to it:

    out[o, f] = sum_t P[t, f, o - pad + t dilation],    P[t, f, i] = sum_c kernel[t, c, f] x[i, c]

This is how the gradient of the inputs of a first layer is made, whose channels are its filters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.columns import LARGEST, SMALL, Block
from reference_impl.ops.geometry import KEPT, Axes, WindowAxis
from reference_impl.ops.scratch import Scratch
from reference_impl.ops.windows import count_taps, count_windows, meeting, output_shape

Array = NDArray[Any]
Index = tuple[Any, ...]

MOST_FILTERS: Final = 16
LEAST_RATIO: Final = 4
"""Of the channels of all windows to the filters of all inputs, which is what is copied and added
here and there; with less a product of windows is faster."""

AT_A_TIME: Final = 2 << 20
"""Bytes of products of inputs and taps that are taken at a time."""

_ITEM: Final = 8
"""Bytes of a float64."""


def pays(inputs: Array, filters: int, axes: Axes) -> bool:
    """Whether sums are made faster in this way, within as much memory as windows may take."""
    taps, channels = count_taps(axes), inputs.shape[-1]
    if taps < 2 or filters > MOST_FILTERS or any(axis.stride != 1 for axis in axes):
        return False
    windows, row = count_windows(axes), _positions(axes[1:])
    if windows * channels < LEAST_RATIO * filters * axes[0].length * row:
        return False
    columns = len(inputs) * windows * taps * channels
    largest = max(windows * filters, row * taps * filters, row * channels)
    return bool(columns * _ITEM > SMALL and largest * _ITEM <= LARGEST)


def roundings(taps: int, channels: int) -> int:
    """Most roundings that a term goes through in `blocks_by_shifts`."""
    return channels + taps


def blocks_by_shifts(inputs: Array, matrix: Array, axes: Axes) -> Iterator[Block]:
    """The sums in float64, some examples at a time.

    Args:
        inputs: ``(batch, *spatial, C)``, float32 or float64.
        matrix: the kernel as ``(K, F)``, likewise.
        axes: the window geometry, of stride 1.

    Yields:
        A range of the windows in C order, and their sums, ``(rows, F)``; the next step overwrites
        them.
    """
    channels, filters = inputs.shape[-1], matrix.shape[1]
    taps = matrix.reshape(-1, channels, filters).swapaxes(1, 2)
    factor = np.ascontiguousarray(taps, np.float64).reshape(-1, channels)
    totals, memory, results = Scratch(), Scratch(), Scratch()
    windows, step = count_windows(axes), _examples_at_a_time(len(factor), axes)
    for start in range(0, len(inputs), step):
        examples = inputs[start : start + step]
        total = totals.array(filters, len(examples), *output_shape(axes))
        total[...] = 0.0
        for first, part in _parts(examples, len(factor), axes):
            _add(total, factor, part, _from(first, part.shape[1], axes), memory)
        sums = results.array(len(examples) * windows, filters)
        sums[...] = total.reshape(filters, -1).T
        yield slice(start * windows, start * windows + len(sums)), sums


def _positions(axes: Axes) -> int:
    return math.prod(axis.length for axis in axes)


def _examples_at_a_time(rows: int, axes: Axes) -> int:
    return max(AT_A_TIME // (rows * max(_positions(axes), 1) * _ITEM), 1)


def _parts(examples: Array, rows: int, axes: Axes) -> Iterator[tuple[int, Array]]:
    """What is multiplied with all taps at a time: all inputs, or some along the first axis."""
    step = max(AT_A_TIME // (rows * len(examples) * max(_positions(axes[1:]), 1) * _ITEM), 1)
    for first in range(0, axes[0].length, step):
        yield first, examples[:, first : first + step]


def _from(first: int, length: int, axes: Axes) -> Axes:
    """The geometry of the same outputs on some inputs along the first axis alone."""
    axis = axes[0]
    return axis._replace(length=length, pad_before=axis.pad_before + first), *axes[1:]


def _add(total: Array, factor: Array, inputs: Array, axes: Axes, memory: Scratch) -> None:
    """Add what some inputs give to ``(F, examples, *output)``."""
    x = np.asarray(inputs, np.float64).reshape(-1, inputs.shape[-1])
    products = np.matmul(factor, x.T, out=memory.array(len(factor), len(x)))
    window = [axis.window for axis in axes]
    given = products.reshape(*window, len(total), *inputs.shape[:-1])
    for taps, outputs, read in _moves(axes):
        target = total[outputs]
        target += given[taps][read]


@lru_cache(KEPT)
def _moves(axes: Axes) -> tuple[tuple[Index, Index, Index], ...]:
    """For each tap that meets an input: its place, the outputs that read by it, and what inputs."""
    along = [_moves_along(axis) for axis in axes]
    whole = (slice(None), slice(None))
    return tuple(
        (
            tuple(tap for tap, _, _ in moves),
            (*whole, *(outputs for _, outputs, _ in moves)),
            (*whole, *(read for _, _, read in moves)),
        )
        for moves in product(*along)
    )


def _moves_along(axis: WindowAxis) -> list[tuple[int, slice, slice]]:
    met = ((tap, meeting(axis, tap)) for tap in range(axis.window))
    return [(tap, *slices) for tap, slices in met if slices is not None]

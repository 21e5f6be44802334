"""The convolution in float64, for magnitudes and hypotheses; plain and quick, not certified."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.judge.running_error import Floats
from reference_impl.ops.geometry import WindowAxis

_BLOCK = 1 << 20
"""Elements of the patches that are laid out at a time: 8 MB."""


@lru_cache(maxsize=1024)
def _reads(axes: tuple[WindowAxis, ...]) -> NDArray[np.intp]:
    """Flat spatial indices under the taps of each window, shape (windows, taps).

    Padding is index ``prod(lengths)``, one beyond the last input.
    """
    outside = prod(axis.length for axis in axes)
    flat = np.zeros((1, 1), np.intp)
    inside = np.ones((1, 1), bool)
    for axis in axes:
        places = np.arange(axis.output)[:, None] * axis.stride - axis.pad_before
        places = places + np.arange(axis.window) * axis.dilation
        held = (places >= 0) & (places < axis.length)
        grown = (flat.shape[0] * places.shape[0], flat.shape[1] * places.shape[1])
        flat = (flat[:, None, :, None] * axis.length + places[None, :, None, :]).reshape(grown)
        inside = (inside[:, None, :, None] & held[None, :, None, :]).reshape(grown)
    return np.where(inside, flat, outside)


def _patches(inputs: Floats, axes: tuple[WindowAxis, ...]) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows (output positions of one sample) and what stands under their windows."""
    reads = _reads(axes)
    batch, channels = inputs.shape[0], inputs.shape[-1]
    places = prod(inputs.shape[1:-1])
    rows = np.zeros((batch, places + 1, channels))
    rows[:, :-1] = inputs.reshape(batch, places, channels)
    windows, taps = reads.shape
    step = max(_BLOCK // max(taps * channels, 1), 1)
    if batch * windows <= step:
        yield slice(None), rows.take(reads, axis=1).reshape(batch * windows, taps * channels)
        return
    for sample, start in product(range(batch), range(0, windows, step)):
        part = rows[sample].take(reads[start : start + step], axis=0)
        first = sample * windows + start
        yield slice(first, first + len(part)), part.reshape(len(part), taps * channels)


def contract(inputs: Floats, kernel: Floats, axes: Sequence[WindowAxis]) -> Floats:
    """``y[n, o, f] = sum(x[n, o s + t d - before, c] w[t, c, f] over t, c)``.

    Where the kernel has fewer channels than the inputs, each of its filters reads those of its own
    group: the first filters the first channels, and so on.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        kernel: shape ``(*window, channels / groups, filters)``.
        axes: the geometry, one entry per spatial axis; padding is zeros, which are multiplied.

    Returns:
        Shape ``(batch, *outputs, filters)``.
    """
    return _contractions(inputs, axes, [(kernel, False)])[0]


def sums_and_magnitudes(
    inputs: Floats, kernel: Floats, axes: Sequence[WindowAxis]
) -> tuple[Floats, Floats]:
    """The convolution, and the convolution of the absolute values."""
    values, magnitudes = _contractions(inputs, axes, [(kernel, False), (np.abs(kernel), True)])
    return values, magnitudes


def _contractions(
    inputs: Floats, axes: Sequence[WindowAxis], kernels: Sequence[tuple[Floats, bool]]
) -> list[Floats]:
    """The convolutions with each kernel; with the inputs' magnitudes where a flag says so."""
    geometry = tuple(axes)
    shape = (inputs.shape[0], *(axis.output for axis in geometry))
    own, filters = kernels[0][0].shape[-2:]
    groups = max(inputs.shape[-1] // max(own, 1), 1)
    flat = [(kernel.reshape(-1, filters), magnitudes) for kernel, magnitudes in kernels]
    results: list[Floats] = [np.zeros((prod(shape), filters)) for _ in flat]
    with np.errstate(all="ignore"):
        for block, patches in _patches(inputs, geometry):
            for result, (kernel, magnitudes) in zip(results, flat, strict=True):
                given = np.abs(patches) if magnitudes else patches
                result[block] = _product(given, kernel, groups, own)
    return [result.reshape(*shape, filters) for result in results]


def _product(patches: Floats, kernel: Floats, groups: int, own: int) -> Floats:
    """The matrix product, of every group apart; a group has `own` channels."""
    if groups == 1:
        return np.asarray(patches @ kernel)
    rows, filters = len(patches), kernel.shape[-1] // groups
    parts = patches.reshape(rows, -1, groups, own)
    products = [
        parts[:, :, g].reshape(rows, -1) @ kernel[:, g * filters : (g + 1) * filters]
        for g in range(groups)
    ]
    return np.concatenate(products, axis=-1)


def as_float64(array: NDArray[Any]) -> Floats:
    """The same numbers in float64, which holds those of every narrower format."""
    return array.astype(np.float64)

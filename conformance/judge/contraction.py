"""The convolution in float64, for magnitudes and hypotheses; plain and quick, not certified."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.judge.boxes import boxes
from conformance.judge.running_error import Floats
from reference_impl.ops.geometry import WindowAxis

_BLOCK = 1 << 20
"""Elements of the patches that are laid out at a time: 8 MB."""


def _windows(inputs: Any, axes: Sequence[WindowAxis]) -> Any:
    """What stands under the windows, as a view: ``(batch, *outputs, *window, channels)``.

    Padding is zeros.
    """
    before = [axis.pad_before for axis in axes]
    spans = [max((a.output - 1) * a.stride + a.receptive_field, 0) for a in axes]
    held = [
        slice(max(-pad, 0), max(min(axis.length, span - pad), 0))
        for axis, pad, span in zip(axes, before, spans, strict=True)
    ]
    read = np.zeros((inputs.shape[0], *spans, inputs.shape[-1]), inputs.dtype)
    places = [slice(h.start + pad, h.stop + pad) for h, pad in zip(held, before, strict=True)]
    if all(place.start < place.stop for place in places):
        read[:, *places] = inputs[:, *held]
    along = read.strides[1:-1]
    return np.ndarray(
        (inputs.shape[0], *(a.output for a in axes), *(a.window for a in axes), inputs.shape[-1]),
        inputs.dtype,
        read,
        0,
        (
            read.strides[0],
            *(stride * axis.stride for stride, axis in zip(along, axes, strict=True)),
            *(stride * axis.dilation for stride, axis in zip(along, axes, strict=True)),
            read.strides[-1],
        ),
    )


def contract(inputs: Any, kernel: Any, axes: Sequence[WindowAxis]) -> Any:
    """``y[n, o, f] = sum(x[n, o s + t d - before, c] w[t, c, f] over t, c)``.

    Where the kernel has fewer channels than the inputs, each of its filters reads those of its own
    group: the first filters the first channels, and so on.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        kernel: shape ``(*window, channels / groups, filters)``.
        axes: the geometry, one entry per spatial axis; padding is zeros, which are multiplied.

    Returns:
        Shape ``(batch, *outputs, filters)``, computed in the dtype of the inputs and the kernel:
        float64, or float32 for estimates.
    """
    shape = (inputs.shape[0], *(axis.output for axis in axes))
    own, filters = kernel.shape[-2:]
    groups = max(inputs.shape[-1] // max(own, 1), 1)
    flat = kernel.reshape(-1, filters)
    terms = prod(kernel.shape[:-2]) * inputs.shape[-1]
    if not prod(shape) * filters:
        return np.zeros((*shape, filters), inputs.dtype)
    windows = _windows(inputs, axes)
    most = max(_BLOCK // max(terms, 1), 1)
    with np.errstate(all="ignore"):
        if prod(shape) <= most:
            return _product(windows.reshape(prod(shape), terms), flat, groups, own).reshape(
                *shape, filters
            )
        result = np.zeros((*shape, filters), inputs.dtype)
        for box in boxes(shape, most):
            part = result[box]
            patches = windows[box].reshape(prod(part.shape[:-1]), terms)
            part[...] = _product(patches, flat, groups, own).reshape(part.shape)
    return result


def _product(patches: Any, kernel: Any, groups: int, own: int) -> Any:
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

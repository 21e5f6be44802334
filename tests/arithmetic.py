"""Floating-point convolutions written in many ways: correct ones, and some of reduced precision.

Each takes the patches (rows of inputs under one window, shape (M, K)), the kernel (K, F) and the
bias (F,), all in the layer's dtype, and gives (M, F) in that dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import in_native_order

Array = NDArray[Any]
Contraction = Callable[[Array, Array, Array], Array]

NARROW = ("float16", "bfloat16")


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which sums are kept: float32 for the narrow ones."""
    return np.dtype(np.float32) if dtype.name in NARROW else dtype


def patches(case: Case, inputs: Array) -> Array:
    """What stands under each window, one row of K inputs for each output position."""
    known = facts(case)
    if known.channels_first:
        inputs = np.moveaxis(inputs, 1, -1)
    pads = [(axis.pad_before, axis.pad_after) for axis in known.axes]
    padded = np.pad(inputs, [(0, 0), *pads, (0, 0)])
    taps = []
    for tap in np.ndindex(*known.window):
        places = [
            slice(t * a.dilation, t * a.dilation + (a.output - 1) * a.stride + 1, a.stride)
            for t, a in zip(tap, known.axes, strict=True)
        ]
        taps.append(padded[(slice(None), *places)])
    return np.stack(taps, axis=-2).reshape(-1, known.products)


def layer_output(case: Case, operands: Any, contraction: Contraction) -> Array:
    """The sums of a convolution case, contracted so, in the layout of the layer's output."""
    known, operands = facts(case), in_native_order(case, operands)
    kernel = operands.weights["kernel"].reshape(known.products, -1)
    bias = operands.weights.get("bias", np.zeros(kernel.shape[-1], kernel.dtype))
    with np.errstate(all="ignore"):
        sums = contraction(patches(case, operands.inputs), kernel, bias)
    shape = (operands.inputs.shape[0], *(axis.output for axis in known.axes), kernel.shape[-1])
    sums = sums.reshape(shape)
    return np.moveaxis(sums, -1, 1) if known.channels_first else sums


def _finished(sums: Array, bias: Array) -> Array:
    """The bias added in the accumulator, and one rounding to the layer's dtype."""
    return (sums + bias.astype(sums.dtype)).astype(bias.dtype)


def sequential(x: Array, w: Array, b: Array) -> Array:
    """One product after the other."""
    wide = accumulator(x.dtype)
    total = np.zeros((len(x), w.shape[1]), wide)
    for k in range(w.shape[0]):
        total = total + x[:, k, None].astype(wide) * w[k].astype(wide)
    return _finished(total, b)


def reversed_order(x: Array, w: Array, b: Array) -> Array:
    """The last product first, after the bias."""
    wide = accumulator(x.dtype)
    total = np.zeros((len(x), w.shape[1]), wide) + b.astype(wide)
    for k in reversed(range(w.shape[0])):
        total = total + x[:, k, None].astype(wide) * w[k].astype(wide)
    return total.astype(b.dtype)


def pairwise(x: Array, w: Array, b: Array) -> Array:
    """Products added in pairs, these in pairs again."""
    wide = accumulator(x.dtype)
    terms = x.astype(wide)[:, :, None] * w.astype(wide)
    while terms.shape[1] > 1:
        if terms.shape[1] % 2:
            terms = np.concatenate([terms, np.zeros_like(terms[:, :1])], axis=1)
        terms = terms[:, 0::2] + terms[:, 1::2]
    return _finished(terms[:, 0], b)


def blas(x: Array, w: Array, b: Array) -> Array:
    """A matrix product of the library."""
    wide = accumulator(x.dtype)
    return _finished(x.astype(wide) @ w.astype(wide), b)


def in_blocks(x: Array, w: Array, b: Array) -> Array:
    """Matrix products over eight products at a time, their results added."""
    wide = accumulator(x.dtype)
    total = np.zeros((len(x), w.shape[1]), wide)
    for k in range(0, w.shape[0], 8):
        total = total + x[:, k : k + 8].astype(wide) @ w[k : k + 8].astype(wide)
    return _finished(total, b)


def fused(x: Array, w: Array, b: Array) -> Array:
    """Each product added without a rounding of its own, as fused multiply-add does."""
    wide = accumulator(x.dtype)
    total = np.zeros((len(x), w.shape[1]), wide)
    for k in range(w.shape[0]):
        product = x[:, k, None].astype(np.float64) * w[k].astype(np.float64)
        total = (total.astype(np.float64) + product).astype(wide)
    return _finished(total, b)


def double(x: Array, w: Array, b: Array) -> Array:
    """In float64, rounded at the end."""
    return _finished(x.astype(np.float64) @ w.astype(np.float64), b)


def bias_last(x: Array, w: Array, b: Array) -> Array:
    """The sum rounded to the layer's dtype before the bias is added in it."""
    wide = accumulator(x.dtype)
    sums: Array = (x.astype(wide) @ w.astype(wide)).astype(b.dtype) + b
    return sums


CORRECT: tuple[Contraction, ...] = (
    sequential,
    reversed_order,
    pairwise,
    blas,
    in_blocks,
    fused,
    double,
    bias_last,
)


def accumulated_in(dtype: Any) -> Contraction:
    """Operands, products and partial sums in a narrower dtype, one after the other."""

    def contraction(x: Array, w: Array, b: Array) -> Array:
        total = np.zeros((len(x), w.shape[1]), dtype)
        x, w = x.astype(dtype), w.astype(dtype)
        for k in range(w.shape[0]):
            total = (total + (x[:, k, None] * w[k]).astype(dtype)).astype(dtype)
        return (total + b.astype(dtype)).astype(b.dtype)

    return contraction


def with_operands(change: Callable[[Array], Array]) -> Contraction:
    """A correct contraction of changed operands."""

    def contraction(x: Array, w: Array, b: Array) -> Array:
        return blas(change(x).astype(x.dtype), change(w).astype(w.dtype), b)

    return contraction


def to_tf32(values: Array) -> Array:
    """Float32 rounded to 11 significant bits, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    even = (bits >> np.uint32(13)) & np.uint32(1)
    return ((bits + np.uint32(0xFFF) + even) & np.uint32(0xFFFFE000)).view(np.float32)


def truncated_to_tf32(values: Array) -> Array:
    """Float32 with all but 11 significant bits cut off."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)

"""Convolution: the plain value, and certified sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import format_of
from reference_impl.ops.geometry import WindowAxis
from reference_impl.ops.matmul import convolve_padded
from reference_impl.ops.nonfinite import nonfinite_sums
from reference_impl.ops.sums import Dyadics, Sums
from reference_impl.ops.windows import gather_windows, pad

Array = NDArray[Any]
Float64Array = NDArray[np.float64]


def plain_convolution(inputs: Array, kernel: Array, axes: Sequence[WindowAxis]) -> Array:
    """``out[n, o, f] = sum_{t, c} inputs[n, o stride - pad + t dilation, c] kernel[t, c, f]``.

    Ordinary floating-point arithmetic, neither certified nor the same on every machine.
    Padding is zeros that are multiplied.  float16 and bfloat16 are summed in float32 and rounded
    once.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``, of the same dtype.
        axes: the window geometry, one entry per spatial axis.

    Returns:
        ``(batch, *output, F)`` in the dtype of `inputs`.
    """
    dtype = inputs.dtype
    if dtype.itemsize < 4:
        inputs, kernel = inputs.astype(np.float32), kernel.astype(np.float32)
    return convolve_padded(pad(inputs, axes), kernel, axes).astype(dtype, copy=False)


def convolution_sums(
    inputs: Array, kernel: Array, bias: Array | None, axes: Sequence[WindowAxis]
) -> Sums:
    """The convolution of `plain_convolution` plus the bias, as certified sums.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        axes: the window geometry.

    Raises:
        TypeError: if an operand is not of one of the four floating-point types.
    """
    double = any(
        format_of(operand.dtype).name == "float64"
        for operand in (inputs, kernel, bias)
        if operand is not None
    )
    x, w = inputs.astype(np.float64), kernel.astype(np.float64)
    b = None if bias is None else bias.astype(np.float64)
    special: Float64Array | None = None
    if not all(np.isfinite(operand).all() for operand in (x, w, b) if operand is not None):
        special = nonfinite_sums(x, w, b, axes)
        x, w, b = (None if a is None else np.where(np.isfinite(a), a, 0.0) for a in (x, w, b))
    padded = pad(x, axes)
    with np.errstate(over="ignore", invalid="ignore"):
        centre = convolve_padded(padded, w, axes)
        bound = convolve_padded(np.abs(padded), np.abs(w), axes)
        if b is not None:
            centre += b
            bound += np.abs(b)
        radius = bound * ((math.prod(kernel.shape[:-1]) + 4) * 2.0**-53 * 1.001)
        low, high = centre - radius, centre + radius
    if double:
        low, high = np.full(low.shape, -np.inf), np.full(low.shape, np.inf)
    if special is not None:
        low = np.where(special == 0, low, special)
        high = np.where(special == 0, high, special)

    def dyadics(indices: NDArray[np.intp]) -> Dyadics:
        positions, filters = np.divmod(indices, w.shape[-1])
        rows = gather_windows(padded, axes, positions)
        columns = w.reshape(-1, w.shape[-1]).T[filters]
        biases = np.zeros(len(indices)) if b is None else b[filters]
        return [_exact(*terms) for terms in zip(rows, columns, biases, strict=True)]

    return Sums(low, high, dyadics)


def _exact(row: Float64Array, column: Float64Array, bias: float) -> tuple[int, int]:
    """``row . column + bias`` in integers."""
    operands = np.stack((np.append(row, bias), np.append(column, 1.0)))
    significands, exponents = np.frexp(operands)
    integers = np.ldexp(significands, 53).astype(np.int64).tolist()
    powers = (exponents.sum(0) - 106).tolist()
    least = min(powers)
    products = zip(*integers, powers, strict=True)
    return sum(x * w << (power - least) for x, w, power in products), least

"""Convolution (cross-correlation), plain and certified."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.contraction import contract
from reference_impl.ops.formats import FLOAT64, format_of
from reference_impl.ops.geometry import Axes, WindowAxis, cut_to, meeting_window
from reference_impl.ops.narrow_sums import (
    NarrowWeights,
    largest_magnitude,
    narrow_sums,
    narrow_weights,
)
from reference_impl.ops.sums import Enclosure, Sums
from reference_impl.ops.windows import output_shape

Array = NDArray[Any]
Float64Array = NDArray[np.float64]


def plain_convolution(inputs: Array, kernel: Array, axes: Axes) -> Array:
    """``out[n, o, f] = sum_{t, c} inputs[n, o stride - pad + t dilation, c] kernel[t, c, f]``.

    Ordinary floating-point arithmetic: fast, but neither certified nor the same on every machine.
    Padding is zeros that are multiplied like any other input.  float16 and bfloat16 are summed in
    float32 and rounded once at the end.

    Args:
        inputs: ``(batch, *spatial, C)``, floating point.
        kernel: ``(*window, C, F)`` of the same dtype.
        axes: the window geometry, one entry per spatial axis.

    Returns:
        ``(batch, *output, F)`` in the dtype of `inputs`.
    """
    dtype = inputs.dtype
    smaller = _smaller(inputs, kernel, axes)
    if smaller is not None:
        sums = plain_convolution(*smaller.window)
        sums[..., smaller.invalid] = np.nan
        return sums
    with np.errstate(all="ignore"):
        if dtype.itemsize < 4:
            inputs, kernel = inputs.astype(np.float32), kernel.astype(np.float32)
        return contract(inputs, kernel, axes).astype(dtype, copy=False)


class Weights:
    """A kernel and a bias, which do not change, and what certified sums take from these alone.

    Attributes:
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        given: the arrays that there are.
        are_wide: whether one is of float64.

    Raises:
        TypeError: if one has none of the four floating-point types.
    """

    def __init__(self, kernel: Array, bias: Array | None = None) -> None:
        self.kernel = kernel
        self.bias = bias
        self.given = [kernel] if bias is None else [kernel, bias]
        self.are_wide = FLOAT64 in [format_of(array.dtype) for array in self.given]
        self._narrow: NarrowWeights | None = None

    def narrow(self) -> NarrowWeights:
        """What the bounds take from them in float32, worked out once."""
        if self._narrow is None:
            arrays = (np.ascontiguousarray(array, np.float32) for array in self.given)
            self._narrow = narrow_weights(*arrays)
        return self._narrow


def convolution_sums(inputs: Array, kernel: Array, bias: Array | None, axes: Axes) -> Sums:
    """`weighted_sums` of a kernel, ``(*window, C, F)``, and a bias, ``(F,)`` or None."""
    return weighted_sums(inputs, Weights(kernel, bias), axes)


def weighted_sums(inputs: Array, weights: Weights, axes: Axes) -> Sums:
    """The sums of `plain_convolution` plus the bias, as certified real numbers.

    NaN and infinities among the operands give what IEEE 754 gives in any order of summation
    (`nonfinite_sums`); finite operands give finite sums, however large.

    Args:
        inputs: ``(batch, *spatial, C)``.
        weights: the kernel and the bias.
        axes: the window geometry, one entry per spatial axis.

    Raises:
        TypeError: if an operand has none of the four floating-point types.
    """
    kernel = weights.kernel
    smaller = _smaller(inputs, kernel, axes)
    if smaller is not None:
        read, cut, fewer = smaller.window
        sums = convolution_sums(read, cut, weights.bias, fewer)
        return _with_invalid(sums, smaller.invalid) if smaller.invalid.any() else sums
    with np.errstate(all="ignore"):
        if format_of(inputs.dtype) == FLOAT64 or weights.are_wide:
            enclosure, special = _wide(inputs, weights, axes)
        else:
            enclosure, special = _narrow(inputs, weights, axes)
    return Sums.of(enclosure, (len(inputs), *output_shape(axes), kernel.shape[-1]), special)


_Enclosed = tuple[Enclosure, Float64Array | None]
"""Sums with zero for each operand that is not finite, and what IEEE 754 makes of those."""


def _narrow(inputs: Array, weights: Weights, axes: Axes) -> _Enclosed:
    """Sums of float32 operands."""
    x = np.ascontiguousarray(inputs, np.float32)
    narrow = weights.narrow()
    largest = largest_magnitude(x)
    if narrow.are_finite and math.isfinite(largest):
        return narrow_sums(x, narrow, axes, largest), None
    operands = [x, *(np.ascontiguousarray(array, np.float32) for array in weights.given)]
    x, *finite = map(finite_part, operands)
    return narrow_sums(x, narrow_weights(*finite), axes), _nonfinite_sums(operands, axes)


def _wide(inputs: Array, weights: Weights, axes: Axes) -> _Enclosed:
    """Sums of float64 operands; their module is imported here, as most layers are of others."""
    from reference_impl.ops.wide_sums import wide_sums

    operands = [np.ascontiguousarray(array, np.float64) for array in (inputs, *weights.given)]
    if all(map(is_finite, operands)):
        return wide_sums(*operands, axes=axes), None
    enclosure = wide_sums(*map(finite_part, operands), axes=axes)
    return enclosure, _nonfinite_sums(operands, axes)


class _Smaller(NamedTuple):
    """A convolution without the taps that meet padding alone.

    Attributes:
        window: the inputs, the kernel and the geometry that are left.
        invalid: per filter, whether such a tap is NaN or infinite: times zero that is NaN.
    """

    window: tuple[Array, Array, tuple[WindowAxis, ...]]
    invalid: Array


def _smaller(inputs: Array, kernel: Array, axes: Axes) -> _Smaller | None:
    """The smaller window that meets the same inputs; None where the window is that already.

    Where it meets none, one tap of zeros meets inputs that are zero, whatever those were.
    """
    if 0 in output_shape(axes):
        return None
    taps = meeting_window(axes)
    if taps is None:
        return None
    place = tuple(slice(met.start, met.stop) for met in taps)
    invalid = ~np.isfinite(kernel)
    invalid[place] = False
    missed = np.logical_or.reduce(invalid.reshape(-1, kernel.shape[-1]), axis=0)
    if all(taps):
        return _Smaller((inputs, kernel[place], cut_to(taps, axes)), missed)
    nothing = np.zeros((*(1 for _ in axes), *kernel.shape[-2:]), kernel.dtype)
    points = tuple(a._replace(window=1, dilation=1, pad_before=0, pad_after=0) for a in axes)
    return _Smaller((np.zeros_like(inputs), nothing, points), missed)


def _with_invalid(sums: Sums, invalid: Array) -> Sums:
    """The sums, NaN in some filters."""
    special = np.zeros(sums.stored) if sums.special is None else sums.special.copy()
    special[..., invalid] = np.nan
    return replace(sums, special=special)


def is_finite(array: Array) -> bool:
    """Whether all elements are; their sum tells, without a second array, unless it overflows.

    NumPy may warn of that.
    """
    return math.isfinite(array.sum()) or bool(np.isfinite(array).all())


def finite_part(array: Array) -> Array:
    """The array with zero for what is not finite."""
    return np.where(np.isfinite(array), array, array.dtype.type(0))


def _nonfinite_sums(operands: Sequence[Array], axes: Axes) -> Float64Array:
    """`nonfinite_sums`, imported where it is needed."""
    from reference_impl.ops.nonfinite import nonfinite_sums

    return nonfinite_sums(*operands, axes=axes)

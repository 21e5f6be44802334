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
from reference_impl.ops.narrow_sums import narrow_sums
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
    smaller = _smaller(kernel, axes)
    if smaller is not None:
        sums = plain_convolution(inputs, *smaller.window)
        sums[..., smaller.invalid] = np.nan
        return sums
    with np.errstate(all="ignore"):
        if dtype.itemsize < 4:
            inputs, kernel = inputs.astype(np.float32), kernel.astype(np.float32)
        return contract(inputs, kernel, axes).astype(dtype, copy=False)


def convolution_sums(inputs: Array, kernel: Array, bias: Array | None, axes: Axes) -> Sums:
    """The sums of `plain_convolution` plus the bias, as certified real numbers.

    NaN and infinities among the operands give what IEEE 754 gives in any order of summation
    (`nonfinite_sums`); finite operands give finite sums, however large.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        axes: the window geometry, one entry per spatial axis.

    Raises:
        TypeError: if an operand has none of the four floating-point types.
    """
    smaller = _smaller(kernel, axes)
    if smaller is not None:
        cut, fewer = smaller.window
        sums = convolution_sums(inputs, cut, bias, fewer)
        return _with_invalid(sums, smaller.invalid) if smaller.invalid.any() else sums
    given = [operand for operand in (inputs, kernel, bias) if operand is not None]
    wide = FLOAT64 in [format_of(operand.dtype) for operand in given]
    special = None
    with np.errstate(all="ignore"):
        container = np.float64 if wide else np.float32
        operands = [np.ascontiguousarray(operand, container) for operand in given]
        if not all(_is_finite(operand) for operand in operands):
            special = _nonfinite_sums(operands, axes)
            operands = [
                np.where(np.isfinite(operand), operand, container(0)) for operand in operands
            ]
        enclosure = (_wide_sums if wide else narrow_sums)(*operands, axes=axes)
    return Sums.of(enclosure, (len(inputs), *output_shape(axes), kernel.shape[-1]), special)


class _Smaller(NamedTuple):
    """A convolution without the taps that meet padding alone.

    Attributes:
        window: the kernel and the geometry that are left.
        invalid: per filter, whether such a tap is NaN or infinite: times zero that is NaN.
    """

    window: tuple[Array, tuple[WindowAxis, ...]]
    invalid: Array


def _smaller(kernel: Array, axes: Axes) -> _Smaller | None:
    """The smaller window that meets the same inputs; None where the window is that already."""
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
        return _Smaller((kernel[place], cut_to(taps, axes)), missed)
    nothing = np.zeros((*(1 for _ in axes), *kernel.shape[-2:]), kernel.dtype)
    points = tuple(a._replace(window=1, dilation=1, pad_before=0, pad_after=0) for a in axes)
    return _Smaller((nothing, points), missed)


def _with_invalid(sums: Sums, invalid: Array) -> Sums:
    """The sums, NaN in some filters."""
    special = np.zeros(sums.stored) if sums.special is None else sums.special.copy()
    special[..., invalid] = np.nan
    return replace(sums, special=special)


def _is_finite(array: Array) -> bool:
    """Whether all elements are; their sum tells, without a second array, unless it overflows."""
    return math.isfinite(array.sum()) or bool(np.isfinite(array).all())


def _wide_sums(*operands: Array, axes: Axes) -> Enclosure:
    """`wide_sums`, imported where it is needed: most layers are not of float64."""
    from reference_impl.ops.wide_sums import wide_sums

    return wide_sums(*operands, axes=axes)


def _nonfinite_sums(operands: Sequence[Array], axes: Axes) -> Float64Array:
    """`nonfinite_sums`, imported where it is needed."""
    from reference_impl.ops.nonfinite import nonfinite_sums

    return nonfinite_sums(*operands, axes=axes)

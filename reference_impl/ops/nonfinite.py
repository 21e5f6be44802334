"""What infinities and NaNs among the operands of a convolution make of its sums.

By IEEE 754-2019 (sections 6.1, 6.2 and 7.2), and in any order of summation, a sum of products and
a bias is

* NaN if a term is NaN: an operand is NaN, or an infinity meets a zero (padding is zeros that are
  multiplied like any other input);
* NaN if both infinities occur among the terms;
* the infinity that occurs among them, if one does;
* finite otherwise.

Each count below is a convolution of zeros, ones and minus ones, and therefore exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.contraction import contract
from reference_impl.ops.formats import widened
from reference_impl.ops.geometry import Axes, without_padding
from reference_impl.ops.windows import output_shape, pad

Float64Array = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def nonfinite_sums(
    inputs: Float64Array,
    kernel: Float64Array,
    bias: Float64Array | None = None,
    *,
    axes: Axes,
) -> Float64Array:
    """NaN, ``+inf`` or ``-inf`` where the sum is; zero where it is an ordinary number.

    Args:
        inputs: ``(batch, *spatial, C)``.
        kernel: ``(*window, C, F)``.
        bias: ``(F,)`` or None.
        axes: the window geometry.

    Returns:
        ``(batch, *output, F)``.
    """
    infinite, signed, invalid = _count_products(pad(inputs, axes), kernel, without_padding(axes))
    if bias is not None:
        infinite += np.isinf(bias)
        signed += np.where(np.isinf(bias), np.sign(bias), 0.0)
        invalid += np.isnan(bias)
    result = np.where(infinite > 0, np.copysign(np.inf, signed), 0.0)
    result[(invalid > 0) | (np.abs(signed) < infinite)] = np.nan
    return result


def _count_products(
    padded: Float64Array, kernel: Float64Array, axes: Axes
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """How many products are infinite, the sum of their signs, and how many are NaN.

    A product is infinite if one operand is and the other is neither zero nor NaN; with x and w
    both infinite it is counted by each of the first two terms, and the third takes one back.
    """
    x_infinite, w_infinite = np.isinf(padded), np.isinf(kernel)
    x_sign = np.where(np.isnan(padded), 0.0, np.sign(padded))
    w_sign = np.where(np.isnan(kernel), 0.0, np.sign(kernel))
    x_infinite_sign, w_infinite_sign = x_sign * x_infinite, w_sign * w_infinite

    def count(*pairs: tuple[Float64Array | Booleans, Float64Array | Booleans]) -> Float64Array:
        shape = (len(padded), *output_shape(axes), kernel.shape[-1])
        return sum(
            (_convolve(x, w, axes) for x, w in pairs if x.any() and w.any()), np.zeros(shape)
        )

    infinite = count((x_infinite, np.abs(w_sign)), (np.abs(x_sign), w_infinite))
    infinite -= count((x_infinite, w_infinite))
    signed = count((x_infinite_sign, w_sign), (x_sign, w_infinite_sign))
    signed -= count((x_infinite_sign, w_infinite_sign))
    invalid = count((x_infinite, kernel == 0), (padded == 0, w_infinite))
    everywhere = np.ones_like(padded), np.ones_like(kernel)
    invalid += count((np.isnan(padded), everywhere[1]), (everywhere[0], np.isnan(kernel)))
    return infinite, signed, invalid


def _convolve(x: Float64Array | Booleans, w: Float64Array | Booleans, axes: Axes) -> Float64Array:
    return contract(widened(x), widened(w), axes)

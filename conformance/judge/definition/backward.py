"""The gradients of a case by the definition, differentiated: loops over exact numbers.

The output is a sum of products, so that every product ``x w`` under a window adds ``g w`` to the
gradient of its input and ``g x`` to that of its weight, g being the upstream gradient of that
output; padding has no gradient, and adds nothing to those of the weights.  Through an activation
g is the upstream gradient times the slope at the exact sum, rounded once to float64; each sum of
products of these is exact, and rounded once to the layer's format.  Where g is beyond float64, its
products are infinite, or NaN with zero, and are added as IEEE 754 says.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np

from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.layers import (
    Array,
    ExactArray,
    convolution,
    exact_values,
    flatten_order,
    in_python_unless,
    places_of_largest,
    with_padding,
)
from conformance.judge.definition.rounding import Format, round_integers
from conformance.judge.definition.windows import PADDED, Window, taps_of_windows


def flattened(inputs: Array, upstream: Array, channels_first: bool) -> Array:
    """The gradient of the inputs of Flatten: the upstream elements in their places."""
    gradient = np.zeros_like(inputs)
    order = flatten_order(inputs.shape[1:], channels_first)
    for sample, (position, place) in product(range(len(inputs)), enumerate(order)):
        gradient[(sample, *place)] = upstream[sample, position]
    return gradient


def pooled(inputs: Array, upstream: Array, windows: Sequence[Window], fmt: Format) -> Array:
    """Each upstream element goes to the first largest input of its window, or to its first NaN."""
    given = ExactArray.of(upstream)
    (terms,) = in_python_unless(given.largest * given.integers.size, given.integers)
    places = places_of_largest(exact_values(inputs), windows)
    sums = np.zeros((len(inputs), prod(inputs.shape[1:-1]), inputs.shape[-1]), terms.dtype)
    samples, channels = np.arange(len(inputs)), np.arange(inputs.shape[-1])
    np.add.at(sums, (samples[:, None, None], places, channels), terms.reshape(places.shape))
    return round_integers(sums.reshape(inputs.shape), given.exponent, fmt)


def convolved(
    inputs: Array,
    weights: dict[str, Array],
    upstream: Array,
    windows: Sequence[Window],
    activation: str,
    fmt: Format,
    *,
    channels_first: bool,
) -> dict[str, Array]:
    """The gradients of a convolution and the activation of its sums.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        weights: ``kernel``, of shape ``(*window, channels / groups, filters)``, and ``bias``, if
            any.
        upstream: the gradient with respect to the output, channels last.
        windows: one per spatial axis.
        activation: its name.
        fmt: the format to round to.
        channels_first: whether the activation sees the sums with their channels first.

    Raises:
        ValueError: if an operand is NaN or infinite.
    """
    kernel = weights["kernel"].astype(np.float64)
    bias = weights["bias"].astype(np.float64) if "bias" in weights else None
    if activation != "linear":
        sums = convolution(inputs, kernel, bias, windows)
        upstream = _through(sums, upstream, activation, channels_first=channels_first)
    x, w, g = ExactArray.of(inputs), ExactArray.of(kernel), ExactArray.of(upstream)
    if x.specials or w.specials:
        raise ValueError("gradients are defined for finite operands")
    taps = taps_of_windows(inputs.shape[1:-1], windows)
    exponents = {"inputs": w.exponent, "kernel": x.exponent, "bias": 0}
    found = {
        name: round_integers(sums, g.exponent + exponents[name], fmt)
        for name, sums in _exact_products(x, w, g, taps).items()
        if name in ("inputs", *weights)
    }
    return found if not g.specials else _with_infinite(found, inputs, kernel, upstream, taps)


def _with_infinite(
    found: dict[str, Array],
    inputs: Array,
    kernel: Array,
    upstream: Array,
    taps: Array,
) -> dict[str, Array]:
    """What is not finite in place of what was found."""
    infinite = np.where(np.isfinite(upstream), 0.0, upstream)
    with np.errstate(invalid="ignore"):
        added = _products(inputs, kernel, infinite, taps)
    for name, values in found.items():
        values[...] = np.where(np.isfinite(added[name]), values, added[name])
    return found


def _exact_products(x: ExactArray, w: ExactArray, g: ExactArray, taps: Array) -> dict[str, Array]:
    """As `_products`, of integers."""
    count = g.integers.size
    most = g.largest * max(w.largest * w.integers.size, x.largest * count, count)
    rows, kernel, given = in_python_unless(most, x.integers, w.integers, g.integers)
    return _products(rows, kernel, given, taps)


def _products(x: Array, w: Array, g: Array, taps: Array) -> dict[str, Array]:
    """What all products add to the gradients of the inputs, of the kernel and of the bias."""
    own, filters = w.shape[-2:]
    batch, channels = x.shape[0], x.shape[-1]
    rows, kernel = with_padding(x), w.reshape(-1, own, filters)
    given = g.reshape(batch, len(taps), filters)
    to_rows, to_kernel = np.zeros_like(rows), np.zeros_like(kernel)
    groups = channels // own
    pairs = product(range(batch), range(groups), range(taps.shape[1]))
    for sample, group, tap in pairs:
        read = slice(group * own, (group + 1) * own)
        made = slice(group * filters // groups, (group + 1) * filters // groups)
        # The windows that meet an input here, each another one.
        met = np.flatnonzero(taps[:, tap] != PADDED)
        places, gradient = taps[met, tap], given[sample, met, made]
        to_rows[sample, places, read] += gradient @ kernel[tap, :, made].T
        to_kernel[tap, :, made] += rows[sample, places, read].T @ gradient
    return {
        "inputs": to_rows[:, :-1].reshape(x.shape),
        "kernel": to_kernel.reshape(w.shape),
        "bias": given.reshape(-1, filters).sum(0),
    }


def _through(sums: ExactArray, upstream: Array, activation: str, *, channels_first: bool) -> Array:
    """The upstream gradient, channels last, of the sums, through the activation."""
    order = np.arange(sums.integers.size).reshape(sums.shape)
    if channels_first:
        order = np.moveaxis(order, -1, 1)
        upstream = np.moveaxis(upstream, -1, 1)
    numbers = [Fraction(sums.number(i)) for i in order.ravel().tolist()]
    given = [Fraction(value) for value in upstream.ravel().tolist()]
    values = ACTIVATIONS[activation].pulled_back(
        numbers, given, order.shape[-1], upstream.shape[-1]
    )
    gradient = np.array(values, np.float64).reshape(order.shape)
    return np.moveaxis(gradient, 1, -1) if channels_first else gradient

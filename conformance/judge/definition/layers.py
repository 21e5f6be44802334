"""The layers as their definition reads: loops over windows, on exact integers, rounded once.

The operands are finite binary fractions, so one power of two makes all of them integers; sums of
products are then exact.  NaN and infinities are left out of the integers and settled apart, by
what IEEE 754 gives for their sum in any order.  The documentation calls the padding zeros: they
are multiplied like any other input, which a non-finite kernel element turns into NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from operator import mul
from typing import Any

import numpy as np

from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.rounding import FORMATS, Format, round_dyadic
from conformance.judge.definition.windows import PADDED, Window, taps_of_windows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ExactArray:
    """Numbers ``integers * 2**exponent`` in row-major order, some of them NaN or infinite.

    Attributes:
        shape: the array's shape.
        integers: one integer per element; meaningless where `specials` has an entry.
        exponent: the common power of two.
        specials: the elements that are NaN or infinite, by flat index.
    """

    shape: tuple[int, ...]
    integers: list[int]
    exponent: int
    specials: Mapping[int, float]

    @classmethod
    def of(cls, array: Array) -> ExactArray:
        """The exact values of a floating-point or integer array."""
        values = array.astype(np.float64).ravel().tolist()
        specials = {i: x for i, x in enumerate(values) if not math.isfinite(x)}
        for index in specials:
            values[index] = 0.0
        ratios = [value.as_integer_ratio() for value in values]
        depth = max((divisor.bit_length() for _, divisor in ratios), default=1)
        integers = [number << (depth - divisor.bit_length()) for number, divisor in ratios]
        return cls(array.shape, integers, 1 - depth, specials)

    def number(self, index: int) -> Fraction | float:
        """One element: a rational number, or the NaN or infinity that it is."""
        if index in self.specials:
            return self.specials[index]
        return Fraction(self.integers[index]) * Fraction(2) ** self.exponent


def convolution(
    inputs: Array, kernel: Array, bias: Array | None, windows: Sequence[Window]
) -> ExactArray:
    """``y[n, o, f] = sum(x[n, o s + t d - before, c] w[t, c, f] over t, c) + b[f]``, exactly.

    Where the kernel has fewer channels than the input, each filter reads those of its group alone:
    the first filters the first channels, and so on.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        kernel: shape ``(*window, channels / groups, filters)``.
        bias: shape ``(filters,)``, or None.
        windows: one per spatial axis.
    """
    x, w = ExactArray.of(inputs), ExactArray.of(kernel)
    b = ExactArray.of(np.zeros(kernel.shape[-1]) if bias is None else bias)
    exponent = min(x.exponent + w.exponent, b.exponent)
    products, sums = x.exponent + w.exponent - exponent, b.exponent - exponent
    filters = kernel.shape[-1]
    columns = [w.integers[f::filters] for f in range(filters)]
    offsets = [integer << sums for integer in b.integers]
    groups = groups_of_filters(inputs.shape[-1], *kernel.shape[-2:])
    integers: list[int] = []
    for patches in _patches(x, inputs.shape, windows, kernel.shape[-2]):
        integers += [
            (sum(map(mul, patches[group], column)) << products) + offset
            for group, column, offset in zip(groups, columns, offsets, strict=True)
        ]
    spatial = [
        max(window.output_length(n), 0)
        for window, n in zip(windows, inputs.shape[1:-1], strict=True)
    ]
    shape = (inputs.shape[0], *spatial, filters)
    specials = {}
    if x.specials or w.specials or b.specials:
        specials = _special_sums(inputs, kernel, bias, windows)
    return ExactArray(shape, integers, exponent, specials)


def groups_of_filters(channels: int, own: int, filters: int) -> list[int]:
    """For each filter the number of its group, of which each has `own` of the channels."""
    count = channels // own
    return [f * count // filters for f in range(filters)]


def _patches(
    x: ExactArray, shape: Sequence[int], windows: Sequence[Window], own: int
) -> Iterator[list[list[int]]]:
    """The inputs under each window, group by group, tap by tap and channel by channel.

    A group has `own` of the channels.
    """
    positions = math.prod(shape[1:-1])
    neighbourhoods = list(taps_of_windows(shape[1:-1], windows))
    channels, nothing = shape[-1], [0] * own
    places = range(0, len(x.integers), channels or 1)
    by_group = [
        [x.integers[place + first : place + first + own] for place in places]
        for first in range(0, channels, own)
    ]
    for sample in range(shape[0]):
        origin = sample * positions
        for taps in neighbourhoods:
            patches: list[list[int]] = []
            for rows in by_group:
                patch: list[int] = []
                for tap in taps:
                    patch += nothing if tap == PADDED else rows[origin + tap]
                patches.append(patch)
            yield patches


def _special_sums(
    inputs: Array, kernel: Array, bias: Array | None, windows: Sequence[Window]
) -> dict[int, float]:
    """The outputs that are NaN or infinite because an operand is, by flat index."""
    batch, channels, filters = inputs.shape[0], inputs.shape[-1], kernel.shape[-1]
    positions = math.prod(inputs.shape[1:-1])
    rows = inputs.astype(np.float64).reshape(batch * positions, channels).tolist()
    columns = kernel.astype(np.float64).reshape(-1, filters).T.tolist()
    offsets = [0.0] * filters if bias is None else bias.astype(np.float64).tolist()
    neighbourhoods = list(taps_of_windows(inputs.shape[1:-1], windows))
    specials = {}
    own = kernel.shape[-2]
    groups = groups_of_filters(channels, own, filters)
    for outer, (sample, taps) in enumerate(product(range(batch), neighbourhoods)):
        patch = [
            [0.0] * channels if tap == PADDED else rows[sample * positions + tap] for tap in taps
        ]
        for f, column in enumerate(columns):
            first = groups[f] * own
            left = [value for row in patch for value in row[first : first + own]]
            value = _special_sum(left, column, offsets[f])
            if value is not None:
                specials[outer * filters + f] = value
    return specials


def _special_sum(left: list[float], right: list[float], offset: float) -> float | None:
    """NaN or an infinity where IEEE 754 gives it in every order of the sum, else None."""
    terms = [_special_product(a, b) for a, b in zip(left, right, strict=True)]
    terms.append(0.0 if math.isfinite(offset) else offset)
    total = sum(terms)
    return total if not math.isfinite(total) else None


def _special_product(a: float, b: float) -> float:
    """The product where an operand is not finite; zero stands for any finite product."""
    return 0.0 if math.isfinite(a) and math.isfinite(b) else a * b


def max_pooling(inputs: Array, windows: Sequence[Window]) -> list[Any]:
    """The largest input of each window and channel; padding is no input, NaN beats everything.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        windows: one per spatial axis.

    Returns:
        The elements in row-major order.
    """
    *_, channels = inputs.shape
    positions = math.prod(inputs.shape[1:-1])
    rows = inputs.reshape(inputs.shape[0] * positions, channels).tolist()
    neighbourhoods = list(taps_of_windows(inputs.shape[1:-1], windows))
    return [
        _largest([rows[sample * positions + tap][c] for tap in taps if tap != PADDED])
        for sample, taps in product(range(inputs.shape[0]), neighbourhoods)
        for c in range(channels)
    ]


def _largest(values: Sequence[Any]) -> Any:
    undefined = [value for value in values if value != value]
    return undefined[0] if undefined else max(values)


def flatten_order(shape: Sequence[int], channels_first: bool) -> list[tuple[int, ...]]:
    """The indices of one sample in the order in which Flatten lists them.

    Row-major, with the channels varying fastest also where they stand first.

    Args:
        shape: one sample's shape.
        channels_first: whether its first axis holds the channels.
    """
    if not channels_first or len(shape) < 2:
        return list(product(*map(range, shape)))
    channels, *spatial = shape
    return [(c, *place) for *place, c in product(*map(range, spatial), range(channels))]


def activate(sums: ExactArray, name: str, fmt: Format) -> list[float]:
    """The activation of exact numbers, rounded once, in row-major order."""
    if name == "linear":
        return [_rounded(sums, index, fmt) for index in range(len(sums.integers))]
    numbers = [sums.number(index) for index in range(len(sums.integers))]
    return ACTIVATIONS[name].rounded(numbers, sums.shape[-1], fmt)


def _rounded(sums: ExactArray, index: int, fmt: Format) -> float:
    special = sums.specials.get(index)
    return round_dyadic(sums.integers[index], sums.exponent, fmt) if special is None else special


def format_of(dtype: str) -> Format:
    """The floating-point format of a dtype's name.

    Raises:
        ValueError: for a dtype in which there is no convolution.
    """
    if dtype not in FORMATS:
        raise ValueError(f"dtype={dtype!r} is not one of {', '.join(FORMATS)}")
    return FORMATS[dtype]


def exact_values(array: Array) -> Array:
    """Floating-point arrays as float64, which holds them exactly; others as they are."""
    return array.astype(np.float64) if array.dtype.name in FORMATS else array


def order_with_channels_first(shape: Sequence[int]) -> list[int]:
    """The flat indices of a channels-last array in the order of the channels-first one."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 1).ravel().tolist()


def with_channels_first(sums: ExactArray) -> ExactArray:
    """The same numbers with the channels before the spatial axes."""
    order = order_with_channels_first(sums.shape)
    batch, *spatial, channels = sums.shape
    specials = {new: sums.specials[old] for new, old in enumerate(order) if old in sums.specials}
    integers = [sums.integers[i] for i in order]
    return ExactArray((batch, channels, *spatial), integers, sums.exponent, specials)

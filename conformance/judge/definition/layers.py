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

from conformance.judge.definition import activations
from conformance.judge.definition.rounding import FORMATS, Format, round_dyadic

Array = np.ndarray[Any, Any]

PADDED = -1
"""Stands for the index of an input that is padding."""


@dataclass(frozen=True)
class Window:
    """A window along one spatial axis; all in elements."""

    length: int
    stride: int = 1
    dilation: int = 1
    padding: str = "valid"

    @property
    def span(self) -> int:
        """Number of inputs from the window's first tap to its last, both included."""
        return self.dilation * (self.length - 1) + 1

    def output_length(self, length: int) -> int:
        """Number of windows on `length` inputs; zero or less where none fits.

        ``same``: one for every stride begun; ``valid``: one for every position that needs no
        padding.
        """
        if self.padding == "same":
            return math.ceil(Fraction(length, self.stride))
        return math.floor(Fraction(length - self.span, self.stride)) + 1

    def reads(self, length: int) -> list[list[int]]:
        """For each window the indices of the inputs under its taps, `PADDED` outside them.

        With ``same``, what the last window needs beyond the input is padded: half of it, rounded
        down, before the first input.
        """
        count = max(self.output_length(length), 0)
        before = 0
        if self.padding == "same" and count:
            before = max((count - 1) * self.stride + self.span - length, 0) // 2
        return [
            [_inside(start + tap * self.dilation, length) for tap in range(self.length)]
            for start in range(-before, count * self.stride - before, self.stride)
        ]


def _inside(index: int, length: int) -> int:
    return index if 0 <= index < length else PADDED


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


def taps_of_windows(spatial: Sequence[int], windows: Sequence[Window]) -> Iterator[list[int]]:
    """For each window the flat spatial indices under its taps, in row-major order of both."""
    reads = [window.reads(length) for window, length in zip(windows, spatial, strict=True)]
    for taps_per_axis in product(*reads):
        yield [_flat(taps, spatial) for taps in product(*taps_per_axis)]


def _flat(taps: Sequence[int], lengths: Sequence[int]) -> int:
    flat = 0
    for tap, length in zip(taps, lengths, strict=True):
        if tap == PADDED:
            return PADDED
        flat = flat * length + tap
    return flat


def convolution(
    inputs: Array, kernel: Array, bias: Array | None, windows: Sequence[Window]
) -> ExactArray:
    """``y[n, o, f] = sum(x[n, o s + t d - before, c] w[t, c, f] over t, c) + b[f]``, exactly.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        kernel: shape ``(*window, channels, filters)``.
        bias: shape ``(filters,)``, or None.
        windows: one per spatial axis.
    """
    x, w = ExactArray.of(inputs), ExactArray.of(kernel)
    b = ExactArray.of(np.zeros(kernel.shape[-1]) if bias is None else bias)
    exponent = min(x.exponent + w.exponent, b.exponent)
    products, sums = x.exponent + w.exponent - exponent, b.exponent - exponent
    channels, filters = kernel.shape[-2:]
    columns = [w.integers[f::filters] for f in range(filters)]
    offsets = [integer << sums for integer in b.integers]
    nothing = [0] * channels
    integers: list[int] = []
    for patch in _patches(x, inputs.shape, windows, nothing):
        integers += [
            (sum(map(mul, patch, column)) << products) + offset
            for column, offset in zip(columns, offsets, strict=True)
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


def _patches(
    x: ExactArray, shape: Sequence[int], windows: Sequence[Window], nothing: list[int]
) -> Iterator[list[int]]:
    """The inputs under each window, tap by tap and channel by channel."""
    positions = math.prod(shape[1:-1])
    neighbourhoods = list(taps_of_windows(shape[1:-1], windows))
    channels = shape[-1]
    rows = [x.integers[i : i + channels] for i in range(0, len(x.integers), channels or 1)]
    for sample in range(shape[0]):
        origin = sample * positions
        for taps in neighbourhoods:
            patch: list[int] = []
            for tap in taps:
                patch += nothing if tap == PADDED else rows[origin + tap]
            yield patch


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
    for outer, (sample, taps) in enumerate(product(range(batch), neighbourhoods)):
        patch: list[float] = []
        for tap in taps:
            patch += [0.0] * channels if tap == PADDED else rows[sample * positions + tap]
        for f, column in enumerate(columns):
            value = _special_sum(patch, column, offsets[f])
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
    if name in activations.ROWWISE:
        return _activate_rows(sums, name, fmt)
    return [_activate_one(sums, index, name, fmt) for index in range(len(sums.integers))]


def _activate_one(sums: ExactArray, index: int, name: str, fmt: Format) -> float:
    if index in sums.specials:
        return activations.at_special(name, sums.specials[index], fmt)
    integer = sums.integers[index]
    if name == "linear" or (name == "relu" and integer > 0):
        return round_dyadic(integer, sums.exponent, fmt)
    return activations.round_elementwise(name, Fraction(sums.number(index)), fmt)


def _activate_rows(sums: ExactArray, name: str, fmt: Format) -> list[float]:
    length = sums.shape[-1]
    values: list[float] = []
    for start in range(0, len(sums.integers), length or 1):
        row = [sums.number(index) for index in range(start, start + length)]
        finite = [number for number in row if isinstance(number, Fraction)]
        if len(finite) == length:
            values += activations.round_rowwise(name, finite, fmt)
        else:
            values += activations.row_with_specials(name, row, fmt)
    return values


def format_of(dtype: str) -> Format:
    """The floating-point format of a dtype's name.

    Raises:
        ValueError: for a dtype in which there is no convolution.
    """
    if dtype not in FORMATS:
        raise ValueError(f"dtype={dtype!r} is not one of {', '.join(FORMATS)}")
    return FORMATS[dtype]

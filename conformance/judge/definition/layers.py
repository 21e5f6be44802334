"""The layers as their definition reads: loops over windows, on exact integers, rounded once.

The operands are finite binary fractions, so one power of two makes all of them integers; sums of
products are then exact.  NaN and infinities are left out of the integers and settled apart, by
what IEEE 754 gives for their sum in any order.  The documentation calls the padding zeros: they
are multiplied like any other input, which a non-finite kernel element turns into NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Final

import numpy as np

from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.rounding import FORMATS, Format, round_integers
from conformance.judge.definition.windows import PADDED, Window, taps_of_windows

Array = np.ndarray[Any, Any]


_INT64_BITS: Final = 63
_FLOAT64_BITS: Final = 53


@dataclass(frozen=True, eq=False)
class ExactArray:
    """Numbers ``integers * 2**exponent``, some of them NaN or infinite.

    Attributes:
        integers: one integer per element, of dtype int64 where they fit, else Python's own;
            meaningless where `specials` has an entry.
        exponent: the common power of two.
        specials: the elements that are NaN or infinite, by flat index.
    """

    integers: Array
    exponent: int
    specials: Mapping[int, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(self.integers.shape)

    @classmethod
    def of(cls, array: Array) -> ExactArray:
        """The exact values of a floating-point or integer array."""
        values = array.astype(np.float64)
        finite = np.isfinite(values)
        specials: dict[int, float] = {}
        if not finite.all():
            places = np.flatnonzero(~finite).tolist()
            specials = {place: float(values.flat[place]) for place in places}
            values = np.where(finite, values, 0.0)
        integers, exponent = _integers_of(values)
        return cls(integers, exponent, specials)

    def number(self, index: int) -> Fraction | float:
        """One element, by flat index: a rational number, or the NaN or infinity that it is."""
        if index in self.specials:
            return self.specials[index]
        integer = int(self.integers.flat[index])
        if self.exponent < 0:
            return Fraction(integer, 1 << -self.exponent)
        return Fraction(integer << self.exponent)

    @property
    def largest(self) -> int:
        """The largest magnitude of the integers."""
        return int(np.abs(self.integers).max(initial=0))


def _integers_of(values: Array) -> tuple[Array, int]:
    """Finite float64 numbers as integers times a power of two, the largest that divides all."""
    significands, exponents = np.frexp(values)
    odd_multiples = np.ldexp(significands, _FLOAT64_BITS).astype(np.int64)
    lowest_bits = np.frexp((odd_multiples & -odd_multiples).astype(np.float64))[1] - 1
    present = values != 0
    units = exponents - _FLOAT64_BITS + lowest_bits
    unit = int(units.min(where=present, initial=1 << 20))
    if unit == 1 << 20:  # nothing but zeros
        return np.zeros(values.shape, np.int64), 0
    bits = int(exponents.max(where=present, initial=unit)) - unit
    if bits <= _FLOAT64_BITS:
        return np.ldexp(values, -unit).astype(np.int64), unit
    shifts = (exponents - _FLOAT64_BITS - unit).ravel().tolist()
    pairs = zip(odd_multiples.ravel().tolist(), shifts, strict=True)
    whole = np.empty(values.size, object)
    whole[:] = [n << shift if shift >= 0 else n >> -shift for n, shift in pairs]
    return whole.reshape(values.shape), unit


def in_python_unless(fits: int, *arrays: Array) -> list[Array]:
    """Arrays of integers: of int64 where a number below which all sums stay fits, else Python's."""
    dtype = np.int64 if fits.bit_length() < _INT64_BITS else object
    return [array.astype(dtype, copy=False) for array in arrays]


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
    terms = math.prod(kernel.shape[:-1])
    most = ((x.largest * w.largest * terms + 1) << products) + ((b.largest + 1) << sums)
    most = max(most, x.largest, w.largest)
    rows, columns, offsets = in_python_unless(most, x.integers, w.integers, b.integers)
    spatial = [
        max(window.output_length(n), 0)
        for window, n in zip(windows, inputs.shape[1:-1], strict=True)
    ]
    integers = _sums(rows, columns, taps_of_windows(inputs.shape[1:-1], windows)) * (1 << products)
    integers = (integers + offsets * (1 << sums)).reshape(
        inputs.shape[0], *spatial, kernel.shape[-1]
    )
    specials = {}
    if x.specials or w.specials or b.specials:
        specials = _special_sums(inputs, kernel, bias, windows)
    return ExactArray(integers, exponent, specials)


def _sums(rows: Array, kernel: Array, taps: Array) -> Array:
    """The sums of products under each window, of integers: ``(batch, windows, filters)``."""
    batch, channels, (own, filters) = rows.shape[0], rows.shape[-1], kernel.shape[-2:]
    groups = channels // own
    padded = with_padding(rows)
    sums = np.zeros((batch, len(taps), filters), rows.dtype)
    for sample, group in product(range(batch), range(groups)):
        of_group = slice(group * filters // groups, (group + 1) * filters // groups)
        patches = padded[sample, taps, group * own : (group + 1) * own]
        patches = patches.reshape(len(taps), math.prod(kernel.shape[:-1]))
        sums[sample, :, of_group] = patches @ kernel[..., of_group].reshape(
            patches.shape[1], of_group.stop - of_group.start
        )
    return sums


def with_padding(rows: Array) -> Array:
    """Positions of each sample, and after the last one, where `PADDED` points to, zeros."""
    given = _positions(rows)
    padded = np.zeros((len(given), given.shape[1] + 1, given.shape[2]), rows.dtype)
    padded[:, :-1] = given
    return padded


def groups_of_filters(channels: int, own: int, filters: int) -> list[int]:
    """For each filter the number of its group, of which each has `own` of the channels."""
    count = channels // own
    return [f * count // filters for f in range(filters)]


def _special_sums(
    inputs: Array, kernel: Array, bias: Array | None, windows: Sequence[Window]
) -> dict[int, float]:
    """The outputs that are NaN or infinite because an operand is, by flat index."""
    own, filters = kernel.shape[-2:]
    rows = with_padding(inputs.astype(np.float64))
    columns = kernel.astype(np.float64).reshape(-1, filters)
    offsets = np.zeros(filters) if bias is None else bias.astype(np.float64)
    taps = taps_of_windows(inputs.shape[1:-1], windows)
    groups = groups_of_filters(inputs.shape[-1], own, filters)
    sums = np.empty((len(inputs), len(taps), filters))
    for sample, f in product(range(len(inputs)), range(filters)):
        first = groups[f] * own
        patches = rows[sample, taps, first : first + own].reshape(len(taps), len(columns))
        sums[sample, :, f] = _special_sum(patches, columns[:, f], float(offsets[f]))
    places = np.flatnonzero(~np.isfinite(sums))
    return dict(zip(places.tolist(), sums.ravel()[places].tolist(), strict=True))


def _special_sum(patches: Array, column: Array, offset: float) -> Array:
    """NaN or an infinity where IEEE 754 gives it in every order of a sum, else a finite number.

    Zero stands for any finite product.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        terms = np.where(np.isfinite(patches) & np.isfinite(column), 0.0, patches * column)
        return np.asarray(terms.sum(1) + (0.0 if math.isfinite(offset) else offset))


def max_pooling(inputs: Array, windows: Sequence[Window]) -> list[Any]:
    """The largest input of each window and channel; padding is no input, NaN beats everything.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        windows: one per spatial axis.

    Returns:
        The elements in row-major order.
    """
    places = places_of_largest(inputs, windows)
    values: list[Any] = np.take_along_axis(_positions(inputs), places, 1).ravel().tolist()
    return values


def places_of_largest(inputs: Array, windows: Sequence[Window]) -> Array:
    """Where the first largest input of each window is, or its first NaN, along the flat positions.

    Args:
        inputs: shape ``(batch, *spatial, channels)``.
        windows: one per spatial axis; each window has an input.

    Returns:
        Shape ``(batch, windows, channels)``.
    """
    taps = taps_of_windows(inputs.shape[1:-1], windows)
    numbers = np.arange(len(taps))[:, None]
    # In the place of padding the first input of the window, which comes first where it is largest.
    inside = taps[numbers, (taps != PADDED).argmax(1)[:, None]]
    taps = np.where(taps == PADDED, inside, taps)
    return np.asarray(taps[numbers, _positions(inputs)[:, taps].argmax(2)])


def _positions(inputs: Array) -> Array:
    """The spatial axes as one."""
    return inputs.reshape(len(inputs), math.prod(inputs.shape[1:-1]), inputs.shape[-1])


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
        return _rounded(sums, fmt)
    numbers = [sums.number(index) for index in range(sums.integers.size)]
    return ACTIVATIONS[name].rounded(numbers, sums.shape[-1], fmt)


def _rounded(sums: ExactArray, fmt: Format) -> list[float]:
    values: list[float] = round_integers(sums.integers, sums.exponent, fmt).ravel().tolist()
    for index, special in sums.specials.items():
        values[index] = special
    return values


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
    specials = {new: sums.specials[old] for new, old in enumerate(order) if old in sums.specials}
    return ExactArray(np.moveaxis(sums.integers, -1, 1), sums.exponent, specials)

"""Faulty steps, from which the catalogue of faults is made (`conformance.diagnosis.faults`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from conformance.cases.carrier import CARRIER
from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.evaluation import (
    CORRECT,
    Along,
    Array,
    Settings,
    Steps,
    contract,
    flatten,
    geometry,
    largest,
    span,
    to_channels_last,
    total_padding,
)
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.sums import NARROW, round_to
from conformance.layers.registry import LAYERS

Length = Callable[[int, int, int, int], int]
"""A number of elements from the lengths n, k, s and d of one axis."""


def is_nan(x: Array) -> Array:
    """Which elements are NaN; none of an integer array is."""
    return np.zeros(x.shape, bool) if x.dtype.kind in "iu" else np.isnan(x)


def same(before: Length, outputs: Length | None = None) -> Steps:
    """Another padding before, or number of outputs, under ``same``."""

    def faulty(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
        right, first = geometry(n, k, s, d, padding)
        if padding != "same":
            return right, first
        return outputs(n, k, s, d) if outputs else right, before(n, k, s, d)

    return Steps(geometry=faulty)


def before_with_whole_stride(n: int, k: int, s: int, d: int) -> int:
    """Half of what the window reaches beyond the remainder of n by the stride, zero or not."""
    if s == 1:
        return total_padding(n, k, s, d) // 2
    return max(span(k, d) - n % s, 0) // 2


def before_from_end(n: int, k: int, s: int, d: int) -> int:
    """The padding before the first input where the smaller half stands after the last one."""
    outputs, _ = geometry(n, k, s, d, "same")
    return (outputs - 1) * s + span(k, d) - n - total_padding(n, k, s, d) // 2


def before_with_first_left_out(n: int, k: int, s: int, d: int) -> int:
    """The larger half; less by the stride, as without the first output, where the other is less."""
    total = total_padding(n, k, s, d)
    return (total + 1) // 2 - s * (total % 2)


def causal_cut_after(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Under ``causal`` the outputs with padding on both sides, less those that it makes alone."""
    outputs, before = geometry(n, k, s, d, padding)
    if padding != "causal":
        return outputs, before
    return (n + before - 1) // s + 1 - before // s, before


def causal_by_window(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Under ``causal`` the padding of the window without dilation, and the outputs that fit."""
    if padding != "causal":
        return geometry(n, k, s, d, padding)
    return (n + k - 1 - span(k, d)) // s + 1, k - 1


def causal_of_window(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Under ``causal`` the padding of the window without dilation, and the right outputs."""
    outputs, before = geometry(n, k, s, d, padding)
    return outputs, k - 1 if padding == "causal" else before


def causal_as_same(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Under ``causal`` all that ``same`` pads, before the first input."""
    outputs, before = geometry(n, k, s, d, padding)
    return outputs, total_padding(n, k, s, d) if padding == "causal" else before


def valid_without_last(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Under ``valid`` one output less where the last window ends at the last input."""
    if padding != "valid":
        return geometry(n, k, s, d, padding)
    return max(-(-(n - span(k, d)) // s), 1), 0


def causal_one_earlier(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Causal padding of one more, and none after the last output."""
    outputs, before = geometry(n, k, s, d, padding)
    return outputs, before + (padding == "causal")


def causal_last(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """The ``causal`` padding after the last input."""
    outputs, before = geometry(n, k, s, d, padding)
    return outputs, 0 if padding == "causal" else before


def padding_read_as(given: str, taken: str) -> Steps:
    """One padding mode taken for another."""
    return read_as(padding=lambda s: taken if s.padding == given else s.padding)


def channels_in_turn(windows: Array, groups: int) -> list[Array]:
    """Every group the channels that its number leaves, counted by the groups."""
    return [windows[..., group::groups] for group in range(groups)]


def first_channels(windows: Array, groups: int) -> list[Array]:
    """Every group the channels of the first one."""
    return [windows[..., : windows.shape[-1] // groups]] * groups


def filters_in_turn(kernel: Array, groups: int) -> list[Array]:
    """Every group the filters that its number leaves, counted by the groups."""
    return [kernel[..., group::groups] for group in range(groups)]


def joined_in_turn(parts: list[Array]) -> Array:
    """The first filter of each group, then the second of each."""
    filters = sum(part.shape[-1] for part in parts)
    return np.stack(parts, -1).reshape(*parts[0].shape[:-1], filters)


def half_window(n: int, k: int, s: int, d: int) -> int:
    """Half the dilated window, rounded down."""
    return span(k, d) // 2


def outputs_of_half_window(n: int, k: int, s: int, d: int) -> int:
    """Outputs where half the window is padded on both sides."""
    return (n + 2 * half_window(n, k, s, d) - span(k, d)) // s + 1


def half_of_window_times_dilation(n: int, k: int, s: int, d: int) -> int:
    """Half the padding that a span of ``k d`` would need."""
    return max((-(-n // s) - 1) * s + k * d - n, 0) // 2


def half_not_clipped(n: int, k: int, s: int, d: int) -> int:
    """Half the total, towards zero, which strides beyond the window make negative."""
    return int(((-(-n // s) - 1) * s + span(k, d) - n) / 2)


def half_undilated(n: int, k: int, s: int, d: int) -> int:
    """Half the padding of the window without dilation."""
    return total_padding(n, k, s, 1) // 2


def half_total(n: int, k: int, s: int, d: int) -> int:
    """Half the padding, rounded down: the right one."""
    return total_padding(n, k, s, d) // 2


def valid_rounded_up(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """One more output under ``valid`` where the length does not divide."""
    if padding != "valid":
        return geometry(n, k, s, d, padding)
    return -(-(n - span(k, d)) // s) + 1, 0


def undilated_shape(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Outputs and padding of the window without dilation."""
    return geometry(n, k, s, 1, padding)


def read_as(**changes: Callable[[Settings], Any]) -> Steps:
    """Arguments read as something else."""
    return Steps(
        settings=lambda settings, _: replace(
            settings, **{name: change(settings) for name, change in changes.items()}
        )
    )


def ones(sizes: Sequence[int]) -> tuple[int, ...]:
    """A one for each size."""
    return (1,) * len(sizes)


def exchanged(sizes: Sequence[int]) -> tuple[int, ...]:
    """The sizes in reverse."""
    return tuple(sizes)[::-1]


def pool_strides_one(settings: Settings, case: Case) -> Settings:
    """Strides that are not given, or None, taken for one in pooling."""
    missing = case.keywords.get("strides") is None and LAYERS[case.layer].strides_by_window
    return replace(settings, strides=ones(settings.window)) if missing else settings


def pool_size_three(settings: Settings, case: Case) -> Settings:
    """A pool size that is not given taken for three; strides as read before."""
    if not LAYERS[case.layer].pools or LAYERS[case.layer].window in case.keywords:
        return settings
    return replace(settings, window=(3,) * len(settings.window))


def channels_first_by_default(settings: Settings, case: Case) -> Settings:
    """A data_format that is not given taken for channels_first, in two dimensions."""
    if LAYERS[case.layer].rank != 2 or case.keywords.get("data_format") is not None:
        return settings
    return replace(settings, channels_first=True)


def pointwise_without_strides(settings: Settings, case: Case) -> Settings:
    """A window of one treated as a matrix product over all positions."""
    return (
        replace(settings, strides=ones(settings.window))
        if set(settings.window) == {1}
        else (settings)
    )


def of_first_axis(axes: list[Along]) -> list[Along]:
    """The padding of the first axis before all."""
    return [replace(one, before=axes[0].before) for one in axes]


def of_other_axis(axes: list[Along]) -> list[Along]:
    """The padding of the axes exchanged."""
    return [replace(axes[i], before=axes[-1 - i].before) for i in range(len(axes))]


def of_one_axis(number: int) -> Callable[[list[Along]], list[Along]]:
    """The padding of one axis on both sides of all, and the outputs that fit then."""

    def padded(axes: list[Along]) -> list[Along]:
        one = axes[number]
        if one.padding != "same":
            return axes
        total = total_of(one)
        return [replace(a, before=one.before, outputs=fitting(a, total)) for a in axes]

    return padded


def total_of(along: Along) -> int:
    """The padding of both sides of an axis under ``same``."""
    return total_padding(along.length, along.window, along.stride, along.dilation)


def fitting(along: Along, total: int) -> int:
    """How many windows fit an axis with so much padding."""
    room = along.length + total - span(along.window, along.dilation)
    return max(room // along.stride + 1, 0)


def pads_on_both_sides(each: Callable[[int, int], int]) -> Steps:
    """Under ``same`` the padding `each` of k and d on either side, and the outputs that fit."""

    def outputs(n: int, k: int, s: int, d: int) -> int:
        return max((n + 2 * each(k, d) - span(k, d)) // s + 1, 0)

    return same(lambda n, k, s, d: each(k, d), outputs)


def total_undilated(n: int, k: int, s: int, d: int) -> int:
    """How many windows fit with the padding of the window without dilation."""
    return max((n + total_padding(n, k, s, 1) - span(k, d)) // s + 1, 0)


def half_to_keep_size(n: int, k: int, s: int, d: int) -> int:
    """Half the padding with which strides leave as many outputs as inputs."""
    return max((n - 1) * s + span(k, d) - n, 0) // 2


def exchanged_window(settings: Settings, case: Case) -> Settings:
    """The pool's rows and columns exchanged, and the strides that default to them."""
    return with_pool(settings, case, exchanged, strides=True)


def exchanged_window_alone(settings: Settings, case: Case) -> Settings:
    """The pool's rows and columns exchanged, the strides as they are."""
    return with_pool(settings, case, exchanged, strides=False)


def pool_is_global(settings: Settings, case: Case) -> Settings:
    """A pool that is as large as the input along all axes holds all of it, wherever it lies."""
    known = facts(case)
    if known.is_convolution:
        return settings
    sizes = zip(settings.window, known.spatial, strict=True)
    return replace(settings, is_global=all(k >= (n or 0) > 0 for k, n in sizes))


def float16_without_specials(x: Array) -> Array:
    """Infinity and NaN of float16 as numbers of the next exponent: 65536 (1 + mantissa / 1024)."""
    if x.dtype != np.float16:
        return x
    mantissa = (np.ascontiguousarray(x).view(np.uint16) & 0x3FF) / 1024
    special = np.copysign(2.0**16 * (1 + mantissa), x.astype(np.float64))
    return np.where(np.isfinite(x), x.astype(np.float64), special)


def branch_of_first(block: int) -> Callable[..., Array]:
    """Of each block of filters, the side of the kink on which the first one's sum lies."""

    def activated(name: str | None, made: Array, sums: Array, *_: Array) -> Array:
        filters = sums.shape[-1]
        sides = _SIDES.get(name or "")
        if sides is None or filters % block:
            return made
        first = sums[..., np.arange(filters) // block * block]
        below, above = sides
        return np.where(first > 0, above(sums), below(sums))

    return activated


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_SIDES: Final[Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]]] = {
    "relu": (np.zeros_like, np.array),
    "leaky_relu": (lambda y: 0.2 * y, np.array),
    "elu": (np.expm1, np.array),
    "celu": (np.expm1, np.array),
    "selu": (lambda y: _SELU_SCALE * _SELU_ALPHA * np.expm1(y), lambda y: _SELU_SCALE * y),
}
"""Of activations with a kink at zero, the formulas below and above it."""


def with_pool(
    settings: Settings,
    case: Case,
    of: Callable[[tuple[int, ...]], tuple[int, ...]],
    *,
    strides: bool,
) -> Settings:
    """Another pool, and, if asked for, the strides that default to it."""
    if not LAYERS[case.layer].pools:
        return settings
    own = strides and case.keywords.get("strides") is None
    given = of(settings.strides) if own else settings.strides
    return replace(settings, window=of(settings.window), strides=given)


def finite(y: Array, fmt: Format) -> Array:
    """Infinities replaced by the largest numbers, NaN by the largest of all."""
    return np.where(np.isnan(y), fmt.largest, np.clip(y, -fmt.largest, fmt.largest))


def finite_or_zero(y: Array, fmt: Format) -> Array:
    """Infinities replaced by the largest numbers, NaN by zero."""
    return np.where(np.isnan(y), 0.0, np.clip(y, -fmt.largest, fmt.largest))


def folded(step: Callable[[Array, Array], Array], *, clipped: bool) -> Callable[..., Array]:
    """Pooling tap by tap, from the first element on: of the padded window, or what is inside."""

    def pooled(windows: Array, inside: Array) -> Array:
        taps = windows.ndim // 2 - 1
        least: Any = -np.inf if windows.dtype.kind not in "iu" else np.iinfo(windows.dtype).min
        within = np.broadcast_to(inside, windows.shape)
        shape = (*windows.shape[: 1 + taps], -1, windows.shape[-1])
        if windows.size == 0:
            return largest(windows, inside)
        rows = np.where(within, windows, np.asarray(least, windows.dtype)).reshape(shape)
        held = within.reshape(shape)
        kept, started = rows[..., 0, :], held[..., 0, :]
        for tap in range(1, rows.shape[-2]):
            element, part = rows[..., tap, :], held[..., tap, :]
            next_one = step(kept, element)
            if clipped:
                next_one = np.where(part, np.where(started, next_one, element), kept)
                started = started | part
            kept = next_one
        return np.asarray(kept)

    return pooled


def greater_replaces(kept: Array, element: Array) -> Array:
    """What stands unless a greater comes: NaN stays if it is first, and is passed over later."""
    return np.where(element > kept, element, kept)


def positive_difference_replaces(kept: Array, element: Array) -> Array:
    """What stands unless another one less it is above zero, which of integers may wrap around."""
    if kept.dtype.kind not in "iu":
        return np.maximum(kept, element)
    with np.errstate(over="ignore"):
        return np.where(element - kept > 0, element, kept)


def not_less_stays(kept: Array, element: Array) -> Array:
    """What stands only while it is no less: after NaN, what comes next is taken."""
    return np.where(kept >= element, kept, element)


def pool_from(start: float) -> Callable[[Array, Array], Array]:
    """The greatest of the window and a number from which the search starts."""

    def pooled(windows: Array, inside: Array) -> Array:
        found = largest(windows, inside)
        if windows.dtype.kind in "iu":
            return found
        return np.asarray(np.maximum(found, np.asarray(start, windows.dtype)))

    return pooled


def memory_order(x: Array) -> Array:
    """The elements as they lie in memory, taken for a contiguous array of the same shape."""
    return np.resize(_owner(x).ravel(order="K"), x.shape)


def from_first_on(x: Array) -> Array:
    """The elements of memory from the first one of a view on, whatever the view's strides."""
    owner = _owner(x)
    first = (x.ctypes.data - owner.ctypes.data) // x.itemsize if x.size else 0
    return np.resize(owner.ravel(order="K")[first:], x.shape)


def _owner(x: Array) -> Array:
    """The array whose memory a view shows."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def along_memory(x: Array) -> Array:
    """The elements by their order in memory, taken for a contiguous array of the same shape."""
    return x.ravel(order="K").reshape(x.shape)


def flushed(x: Array) -> Array:
    """Subnormal numbers replaced by zero."""
    fmt = FORMATS.get(x.dtype.name)
    if fmt is None:
        return x
    return np.where(np.abs(as_float64(x)) < fmt.smallest_normal, np.zeros_like(x), x)


def without_nan(x: Array) -> Array:
    """NaN replaced by zero."""
    return np.where(is_nan(x), np.zeros_like(x), x)


def without_infinity(x: Array) -> Array:
    """Infinity replaced by the largest number."""
    if x.dtype not in (np.float32, np.float64):
        return x
    return np.clip(x, np.finfo(x.dtype).min, np.finfo(x.dtype).max)


def to_bits(bits: int) -> Callable[[Array], Array]:
    """Numbers rounded to so many significant bits."""

    def rounded(values: Array) -> Array:
        mantissa, exponent = np.frexp(values)
        return np.ldexp(np.round(mantissa * 2.0**bits) * 2.0**-bits, exponent)

    return rounded


def rounded_operands(
    bits: int, *, inputs: bool = True, kernel: bool = True
) -> Callable[[Array, Array], Array]:
    """Operands, or one of them, rounded to so many significant bits before the product."""
    rounded = to_bits(bits)
    return lambda windows, weights: contract(
        rounded(windows) if inputs else windows, rounded(weights) if kernel else weights
    )


def rounded_sums(name: str) -> Callable[[Array, Array], Array]:
    """Sums rounded to a format before the bias is added."""
    return lambda windows, kernel: round_to(contract(windows, kernel), FORMATS[name])


def products_rounded_if_narrow(windows: Array, kernel: Array, inside: Array, fmt: Format) -> Array:
    """Sums of products that are rounded, each, where the format has 16 bits."""
    del inside
    if fmt.name not in NARROW:
        return contract(windows, kernel)
    return _sum_of_products(windows, kernel, lambda products, tap: round_to(products, fmt))


def products_without_padding(windows: Array, kernel: Array, inside: Array, fmt: Format) -> Array:
    """Sums of the products of inputs alone: the padding's are left out, not multiplied by zero."""
    del fmt
    if np.isfinite(kernel).all():
        return contract(windows, kernel)
    return _sum_of_products(
        windows,
        kernel,
        lambda products, tap: np.where(inside[(..., *tap, None)], products, 0.0),
    )


def _sum_of_products(
    windows: Array, kernel: Array, change: Callable[[Array, tuple[int, ...]], Array]
) -> Array:
    """Sums of products that are changed, each, given also at which tap and channel they are."""
    total = np.zeros((*windows.shape[: kernel.ndim - 1], kernel.shape[-1]))
    for tap in np.ndindex(kernel.shape[:-1]):
        total += change(windows[(..., *tap, None)] * kernel[tap], tap)
    return total


def rounded_bias(bits: int) -> Callable[[Array, Array], Array]:
    """A bias that is rounded to so many significant bits."""
    return lambda y, bias: y + to_bits(bits)(bias)


def results_in(name: str) -> Callable[[Array, Format], Array]:
    """Results rounded to a narrower format, and by that to the layer's."""

    def rounded(y: Array, fmt: Format) -> Array:
        other = FORMATS[name]
        return round_to(y, other if other.precision < fmt.precision else fmt)

    return rounded


def results_towards(to_integer: Callable[[Array], Array]) -> Callable[[Array, Format], Array]:
    """Results rounded to the layer's format, not to nearest."""
    return lambda y, fmt: round_to(y, fmt, None, to_integer)


def without_terms_of_zero(windows: Array, kernel: Array) -> Array:
    """Sums without the products of inputs that are zero, whatever the weight is."""
    if np.isfinite(kernel).all():
        return contract(windows, kernel)
    rows, taps = _rows_and_taps(windows, kernel)
    return np.asarray(np.where(rows == 0, 0.0, rows * taps).sum(axis=-2))


def without_terms_of_zero_weights(windows: Array, kernel: Array) -> Array:
    """Sums without the products of weights that are zero, whatever the input is."""
    if np.isfinite(windows).all():
        return contract(windows, kernel)
    rows, taps = _rows_and_taps(windows, kernel)
    return np.asarray(np.where(taps == 0, 0.0, rows * taps).sum(axis=-2))


def _rows_and_taps(windows: Array, kernel: Array) -> tuple[Array, Array]:
    """The elements of each window in one axis, beside one for the filters; and the kernel's."""
    rows = windows.reshape(*windows.shape[: windows.ndim - kernel.ndim + 1], -1, 1)
    return rows, kernel.reshape(-1, kernel.shape[-1])


def nan_as(value: float) -> Callable[[Array, Format], Array]:
    """NaN among the sums replaced by a number."""
    return lambda y, fmt: np.where(np.isnan(y), value, y)


def without_taps(place: int, axis: int | None) -> Steps:
    """Windows without their first (0) or last (-1) element along an axis, or along all."""

    def left_out(taps: tuple[int, ...]) -> tuple[Any, ...]:
        if axis is None:
            return (place,) * len(taps)
        chosen: list[Any] = [slice(None)] * len(taps)
        chosen[axis] = place
        return tuple(chosen)

    def kernel(weights: Array) -> Array:
        changed, taps = weights.copy(), weights.shape[:-2]
        if math.prod(taps) > 1 and (axis is None or taps[axis] > 1):
            changed[left_out(taps)] = 0
        return changed

    def pool(windows: Array, inside: Array) -> Array:
        rank = windows.ndim // 2 - 1
        taps = windows.shape[1 + rank : -1]
        kept = np.ones(taps, bool)
        if math.prod(taps) > 1 and (axis is None or taps[axis] > 1):
            kept[left_out(taps)] = False
        return largest(windows, inside & kept[..., None])

    return Steps(kernel=kernel, pool=pool)


def with_first_taps(axis: int) -> Steps:
    """Windows of which only the first element along an axis is read."""

    def others(taps: tuple[int, ...]) -> tuple[Any, ...]:
        chosen: list[Any] = [slice(None)] * len(taps)
        chosen[axis] = slice(1, None)
        return tuple(chosen)

    def kernel(weights: Array) -> Array:
        changed = weights.copy()
        changed[others(weights.shape[:-2])] = 0
        return changed

    def pool(windows: Array, inside: Array) -> Array:
        taps = windows.shape[windows.ndim // 2 : -1]
        kept = np.ones(taps, bool)
        kept[others(taps)] = False
        return largest(windows, inside & kept[..., None])

    return Steps(kernel=kernel, pool=pool)


def starting(places: int) -> Steps:
    """Windows that start so many places later."""
    return Steps(together=lambda axes: [replace(a, before=a.before - places) for a in axes])


def accumulated_in(dtype: str, step: int = 1) -> Callable[[Array, Array], Array]:
    """Products and every partial sum rounded to the dtype, one tap after the other.

    A fault where the dtype is narrower than the layer should accumulate in, else a correct order
    of summation; `step` of -1 sums from the last tap to the first.
    """

    def contracted(windows: Array, kernel: Array) -> Array:
        taps = kernel.reshape(math.prod(kernel.shape[:-1]), kernel.shape[-1]).astype(dtype)
        rows = windows.reshape(*windows.shape[: 1 + kernel.ndim - 2], len(taps)).astype(dtype)
        total = np.zeros((*rows.shape[:-1], taps.shape[1]), dtype)
        for tap in range(len(taps))[::step]:
            total = total + rows[..., tap, None] * taps[tap]
        return total.astype(np.float64)

    return contracted


def spread(windows: Array, kernel: Array) -> Array:
    """A transform over the whole sample: round-off and NaN of one input reach every output."""
    flat = np.abs(windows).reshape(len(windows), math.prod(windows.shape[1:]))
    everything = flat.max(axis=1, initial=0.0)
    noise = everything.reshape(len(windows), *[1] * (kernel.ndim - 1)) * 2.0**-24
    return np.asarray(contract(windows, kernel) + noise)


def whole_groups_of_filters(windows: Array, kernel: Array) -> Array:
    """Filters beyond a multiple of four not computed."""
    sums = contract(windows, kernel)
    whole = kernel.shape[-1] // 4 * 4
    sums[..., whole:] *= whole == 0
    return sums


def whole_groups_of_channels(kernel: Array) -> Array:
    """Channels beyond a multiple of four not read."""
    changed = kernel.copy()
    whole = kernel.shape[-2] // 4 * 4
    changed[..., whole:, :] *= whole == 0
    return changed


def blocks_of_products(block: int) -> Callable[[Array], Array]:
    """Taps times channels beyond a multiple of a block not read, where there are more than it."""

    def changed(kernel: Array) -> Array:
        rows = kernel.copy().reshape(-1, kernel.shape[-1])
        if len(rows) > block:
            rows[len(rows) // block * block :] = 0
        return rows.reshape(kernel.shape)

    return changed


def blocks_of_channels(block: int) -> Callable[[Array], Array]:
    """Channels beyond the last whole block not read, where there are more than one block."""

    def read(kernel: Array) -> Array:
        channels = kernel.shape[-2]
        return channels_to(kernel, channels // block * block if channels > block else channels)

    return read


def channels_to(kernel: Array, count: int) -> Array:
    """Channels beyond so many not read."""
    changed = kernel.copy()
    changed[..., count:, :] = 0
    return changed


def flipped(kernel: Array) -> Array:
    """All spatial axes of the kernel in reverse."""
    return kernel[tuple([slice(None, None, -1)] * (kernel.ndim - 2))]


def flipped_along_last(kernel: Array) -> Array:
    """The last spatial axis of the kernel in reverse."""
    return kernel[:, ::-1] if kernel.ndim == 4 else kernel[::-1]


def swapped_window(kernel: Array) -> Array:
    """Rows and columns of the kernel exchanged; read in memory order where they do not fit."""
    return kernel.swapaxes(0, 1).reshape(kernel.shape) if kernel.ndim == 4 else kernel


def transposed_if_square(kernel: Array) -> Array:
    """Channels and filters exchanged where there are as many."""
    square = kernel.shape[-1] == kernel.shape[-2]
    return kernel.swapaxes(-1, -2) if square else kernel


def diagonal_if_square(kernel: Array) -> Array:
    """The weights of a channel for the filter of its own number, where there are as many."""
    channels, filters = kernel.shape[-2:]
    return kernel * np.eye(channels, dtype=kernel.dtype) if channels == filters > 1 else kernel


def read_filters_first(kernel: Array) -> Array:
    """The kernel's memory read as (filters, channels, *window), as other frameworks store it."""
    stored = kernel.reshape(*kernel.shape[::-1][:2], *kernel.shape[:-2])
    return stored.transpose(*range(2, kernel.ndim), 1, 0)


def one_tap_off(kernel: Array) -> Array:
    """The last taps too large by 1e-5."""
    changed = kernel.astype(np.float64)
    changed[-1:] *= 1 + 1e-5
    return changed


def reshaped_last(x: Array) -> Array:
    """``(N, C, *spatial)`` read as ``(N, *spatial, C)`` without moving elements."""
    return x.reshape(x.shape[0], *x.shape[2:], x.shape[1])


def reversed_axes(x: Array) -> Array:
    """All axes but the batch in reverse."""
    return x.transpose(0, *range(x.ndim - 1, 0, -1))


def with_axes_reversed(x: Array) -> Array:
    """Rows and columns of an array with the channels first exchanged, the channels moved last."""
    return to_channels_last(x.swapaxes(2, -1))


def reshaped_first(y: Array) -> Array:
    """``(N, *spatial, C)`` read as ``(N, C, *spatial)`` without moving elements."""
    return y.reshape(y.shape[0], y.shape[-1], *y.shape[1:-1])


def rows_and_columns(x: Array, channels_first: bool) -> Array:
    """All axes but the first in one, those between batch and channels in reverse."""
    moved = to_channels_last(x) if channels_first and x.ndim > 2 else x
    order = (0, *range(moved.ndim - 2, 0, -1), moved.ndim - 1) if moved.ndim > 2 else (0, 1)
    return flatten(moved.transpose(order), False)


def mirrored(*, repeats_edge: bool) -> Callable[[Array, int], Array]:
    """The index of the mirror image of a place outside the input."""

    def beyond(index: Array, n: int) -> Array:
        last = n - 1 + repeats_edge
        place = index % max(n + last, 1) if repeats_edge else index % max(2 * last, 1)
        return np.asarray(np.minimum(place, 2 * last - place - repeats_edge))

    return beyond


def bias_by_rows(y: Array, bias: Array) -> Array:
    """Bias along the first spatial axis where it fits, a broadcast that happens to work."""
    fits = y.ndim > 2 and y.shape[-2] == len(bias)
    return np.asarray(y + (bias[:, None] if fits else bias))


def in_place_of(name: str, function: Callable[[Array], Array]) -> Steps:
    """Another function for one activation."""
    return Steps(
        activations=lambda given, y: function(y) if given == name else CORRECT.activations(given, y)
    )


def softmax_over(axis: int | None) -> Callable[[Array], Array]:
    """Softmax over one axis; over all but the batch where it is None."""

    def softmax(y: Array) -> Array:
        axes = tuple(range(1, y.ndim)) if axis is None else axis
        powers = np.exp(y - y.max(axis=axes, keepdims=True))
        return np.asarray(powers / powers.sum(axis=axes, keepdims=True))

    return softmax


def gelu_by_tanh(y: Array) -> Array:
    """The approximation of gelu by the hyperbolic tangent."""
    return np.asarray(0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3))))


def hard_sigmoid_of_keras2(y: Array) -> Array:
    """``clip(0.2 x + 0.5, 0, 1)``."""
    return np.asarray(np.clip(0.2 * y + 0.5, 0, 1))


def selu(scale: float, alpha: float) -> Steps:
    """Another scale and slope of selu."""
    return in_place_of(
        "selu", lambda y: scale * np.where(y > 0, y, alpha * np.expm1(np.minimum(y, 0)))
    )


def leaky_relu(slope: float) -> Steps:
    """leaky_relu with another slope."""
    return in_place_of("leaky_relu", lambda y: np.where(y < 0, slope * y, y))


def pool_padding_as_zero(windows: Array, inside: Array) -> Array:
    """The padding takes part as zero."""
    filled = np.where(inside, windows, np.asarray(0, windows.dtype))
    return largest(filled, np.ones_like(inside))


def pool_ignoring_nan(windows: Array, inside: Array) -> Array:
    """NaN does not take part."""
    return largest(windows, inside & ~is_nan(windows))


def _format_of(windows: Array) -> Format:
    return FORMATS["bfloat16" if windows.dtype == CARRIER else windows.dtype.name]


def pool_from_finite_least(windows: Array, inside: Array) -> Array:
    """The greatest of the window and the least finite number."""
    if windows.dtype.kind in "iu":
        return largest(windows, inside)
    least = np.asarray(-_format_of(windows).largest, windows.dtype)
    return np.asarray(np.maximum(largest(windows, inside), least))


def pool_from_smallest_beside_padding(windows: Array, inside: Array) -> Array:
    """The greatest of the window and, where it reaches into padding, the smallest normal number."""
    found = largest(windows, inside)
    if windows.dtype.kind in "iu":
        return found
    taps = tuple(range(-1 - (windows.ndim // 2 - 1), -1))
    is_cut = ~np.broadcast_to(inside, windows.shape).all(axis=taps)
    smallest = np.asarray(_format_of(windows).smallest_normal, windows.dtype)
    return np.where(is_cut, np.maximum(found, smallest), found)


def pool_mean(windows: Array, inside: Array) -> Array:
    """The mean in place of the maximum."""
    taps = tuple(range(-1 - (windows.ndim // 2 - 1), -1))
    count = np.broadcast_to(inside, windows.shape).sum(axis=taps)
    total = np.where(inside, windows, np.asarray(0, windows.dtype)).sum(axis=taps)
    return np.asarray(total / np.maximum(count, 1), windows.dtype)


def pool_by_mask(windows: Array, inside: Array) -> Array:
    """The larger of two by ``m b + (1 - m) a`` with m one or zero, element by element of a window.

    The padding is the least finite number.
    """
    if windows.dtype.kind in "iu":
        return largest(windows, inside)
    rank = windows.ndim // 2 - 1
    filled = np.where(inside, windows.astype(np.float64), -_format_of(windows).largest)
    moved = np.moveaxis(filled, -1, 1 + rank)
    taps = moved.reshape(*moved.shape[: 2 + rank], math.prod(moved.shape[2 + rank :]))
    found = taps[..., 0]
    for one in np.moveaxis(taps[..., 1:], -1, 0):
        mask = (found < one).astype(np.float64)
        found = mask * one + (1 - mask) * found
    return np.asarray(found, windows.dtype)


def pool_by_magnitude(windows: Array, inside: Array) -> Array:
    """The element of the greatest magnitude, its sign kept; the first of several."""
    taps = windows.ndim // 2 - 1
    moved = np.moveaxis(np.where(inside, windows, np.zeros((), windows.dtype)), -1, 1 + taps)
    rows = moved.reshape(*moved.shape[: 2 + taps], math.prod(moved.shape[2 + taps :]))
    if not rows.size:
        return largest(windows, inside)
    chosen = np.argmax(np.abs(rows), axis=-1)[..., None]
    return np.asarray(np.take_along_axis(rows, chosen, -1)[..., 0])


def pool_first(count: int) -> Callable[[Array, Array], Array]:
    """The greatest of the first elements of each window alone."""
    return _pool_some(lambda _: count)


def pool_in_passes(first: int, block: int) -> Callable[[Array, Array], Array]:
    """The greatest of the first elements of a window, and of whole blocks of those after them."""
    return _pool_some(lambda elements: first + max(elements - first, 0) // block * block)


def pool_last_pass(block: int) -> Callable[[Array, Array], Array]:
    """The greatest of the elements after the last whole block of those before the last."""
    return _pool_read(lambda elements: np.arange(elements) >= max(elements - 1, 0) // block * block)


def pool_halved(*, of_pairs: bool) -> Callable[[Array, Array], Array]:
    """The greatest by halves, in pairs of neighbours or of both halves; odd ones are not read."""

    def read(elements: int) -> Array:
        left = [{index} for index in range(elements)]
        while len(left) > 1:
            half = len(left) // 2
            pairs = (left[: 2 * half : 2], left[1 : 2 * half : 2])
            first, second = pairs if of_pairs else (left[:half], left[half : 2 * half])
            left = [one | other for one, other in zip(first, second, strict=True)]
        return np.isin(np.arange(elements), list(left[0]) if left else [])

    return _pool_read(read)


def _pool_some(count: Callable[[int], int]) -> Callable[[Array, Array], Array]:
    """The greatest of as many elements as are read of a window of so many."""
    return _pool_read(lambda elements: np.arange(elements) < count(elements))


def _pool_read(of: Callable[[int], Array]) -> Callable[[Array, Array], Array]:
    """The greatest of the elements that are read of a window of so many."""

    def pooled(windows: Array, inside: Array) -> Array:
        rank = windows.ndim // 2 - 1
        taps = windows.shape[1 + rank : -1]
        elements = math.prod(taps)
        return largest(windows, inside & of(elements).reshape(*taps, 1))

    return pooled


def pool_through(dtype: str, *, saturates: bool = False) -> Callable[[Array, Array], Array]:
    """Elements converted to a dtype and back; if it saturates, beyond the range to its ends."""

    def pooled(windows: Array, inside: Array) -> Array:
        with np.errstate(all="ignore"):
            found = largest(windows.astype(dtype), inside)
            given = found.astype(windows.dtype)
        if not saturates or windows.dtype.kind not in "iu":
            return given
        ends = np.iinfo(windows.dtype)
        given = np.where(found >= ends.max, ends.max, given)
        return np.where(found <= ends.min, ends.min, given).astype(windows.dtype)

    return pooled


def pool_with_sign(given: str, taken: str) -> Callable[[Array, Array], Array]:
    """Integers of one kind, ``u`` or ``i``, compared as those of the other."""

    def pooled(windows: Array, inside: Array) -> Array:
        if windows.dtype.kind != given:
            return largest(windows, inside)
        other = np.ascontiguousarray(windows).view(windows.dtype.str.replace(given, taken))
        return largest(other, inside).view(windows.dtype)

    return pooled


def pool_by_bits(windows: Array, inside: Array, *, padded: bool = False) -> Array:
    """Floating-point numbers compared by their bits, as integers of two's complement.

    Where the windows are `padded`, what is outside is -inf, whose bits are compared as well.
    """
    if windows.dtype.kind in "iub":
        return largest(windows, inside)
    numbers = np.ascontiguousarray(windows, _comparable(windows.dtype))
    bits = numbers.view(f"i{numbers.dtype.itemsize}")
    infinity = np.asarray(-np.inf, numbers.dtype).view(bits.dtype)
    least = np.iinfo(bits.dtype).min
    found = largest(np.where(inside, bits, infinity if padded else least), np.ones_like(inside))
    return np.where(found == least, infinity, found).view(numbers.dtype).astype(windows.dtype)


def _comparable(dtype: np.dtype[Any]) -> Any:
    """The dtype itself in native order; float32 for bfloat16, whose bits are the upper ones."""
    return dtype.newbyteorder("=") if dtype.kind == "f" else np.float32


def pool_channels(windows: Array, inside: Array) -> Array:
    """The greatest over the channels of what the window holds."""
    kept = largest(windows, inside)
    return np.broadcast_to(kept.max(axis=-1, keepdims=True, initial=0), kept.shape)


def first_of_batch(y: Array) -> Array:
    """The first sample in place of all."""
    return np.broadcast_to(y[:1], y.shape) if len(y) else y


def first_eight(y: Array) -> Array:
    """Zeros for all samples beyond the eighth."""
    changed = y.copy()
    changed[8:] = 0
    return changed


def channels_before(x: Array, channels_first: bool) -> Array:
    """All axes but the first in one, the channels varying slowest."""
    moved = x if channels_first or x.ndim < 3 else np.moveaxis(x, -1, 1)
    flat: Array = moved.reshape(len(x), math.prod(x.shape[1:]))
    return flat


def channels_before_if_last(x: Array, channels_first: bool) -> Array:
    """The same of channels_last inputs alone."""
    return flatten(x, True) if channels_first else channels_before(x, False)


def in_blocks(count: int) -> Callable[[Array, bool], Array]:
    """Channels in blocks of so many, where they are several whole ones."""

    def flat(x: Array, channels_first: bool) -> Array:
        last = to_channels_last(x) if channels_first and x.ndim > 2 else x
        channels = last.shape[-1]
        if last.ndim < 3 or channels % count or channels == count or not last.size:
            return flatten(x, channels_first)
        blocks = last.reshape(len(x), -1, channels // count, count)
        return np.asarray(blocks.swapaxes(1, 2).reshape(len(x), -1))

    return flat


def column_major(x: Array, channels_first: bool) -> Array:
    """All axes but the first in one, the first of them varying fastest."""
    del channels_first
    flat: Array = x.reshape(len(x), math.prod(x.shape[1:]), order="F")
    return flat


def flattened_through(name: str) -> Callable[[Array, bool], Array]:
    """Elements converted to a dtype and back."""

    def flat(x: Array, channels_first: bool) -> Array:
        with np.errstate(all="ignore"):
            return flatten(x.astype(name).astype(x.dtype), channels_first)

    return flat


def with_batch(x: Array, channels_first: bool) -> Array:
    """All axes in one."""
    return flatten(x, channels_first).reshape(1, -1)

"""A small evaluation of the layers from the documentation, and the faults to plant in it.

The evaluation gathers every window by index and sums in float64; it is not the oracle, and knows
nothing of it.  A fault replaces one of its steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS, Operands
from conformance.cases.recipes import NUMBERS

Array = NDArray[Any]


@dataclass(frozen=True)
class Settings:
    """The canonical arguments that the evaluation reads."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    channels_first: bool
    activation: str | None


def is_nan(x: Array) -> Array:
    return np.zeros(x.shape, bool) if x.dtype.kind in "iu" else np.isnan(x)


def span(k: int, d: int) -> int:
    return (k - 1) * d + 1


def total_padding(n: int, k: int, s: int, d: int) -> int:
    return max((-(-n // s) - 1) * s + span(k, d) - n, 0)


def geometry(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Number of outputs along one axis, and the padding before it."""
    if padding == "valid":
        return (n - span(k, d)) // s + 1, 0
    return -(-n // s), total_padding(n, k, s, d) // 2


def to_channels_last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def to_channels_first(y: Array) -> Array:
    return np.moveaxis(y, -1, 1)


def flatten(x: Array, channels_first: bool) -> Array:
    if channels_first and x.ndim > 2:
        x = to_channels_last(x)
    flat: Array = x.reshape(x.shape[0], math.prod(x.shape[1:]))
    return flat


def contract(windows: Array, kernel: Array) -> Array:
    """Sum over taps and channels: the last axes of `windows`, the first of `kernel`."""
    axes = kernel.ndim - 1
    return np.asarray(np.tensordot(windows, kernel, axes))


def largest(windows: Array, inside: Array) -> Array:
    """Greatest element of each window, padding left out; `inside` tells it by broadcasting."""
    taps = windows.ndim // 2 - 1
    least: Any = -np.inf if windows.dtype.kind not in "iu" else np.iinfo(windows.dtype).min
    padded = np.where(inside, windows, np.asarray(least, windows.dtype))
    greatest: Array = np.max(padded, axis=tuple(range(-1 - taps, -1)), initial=least)
    return greatest


def erf(x: Array) -> Array:
    return np.array([math.erf(value) for value in x.ravel()]).reshape(x.shape)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda y: np.maximum(y, 0.0),
    "tanh": np.tanh,
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
    "leaky_relu": lambda y: np.where(y < 0, 0.2 * y, y),
    "gelu": lambda y: 0.5 * y * (1 + erf(y / math.sqrt(2))),
    "hard_sigmoid": lambda y: np.clip(y + 3, 0, 6) / 6,
    "softmax": lambda y: np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True),
    "elu": lambda y: np.where(y < 0, np.expm1(y), y),
}
"""By name; an activation that is not here is left out, on both sides of a comparison."""


def activate(name: str | None, y: Array) -> Array:
    return ACTIVATIONS[name](y) if name in ACTIVATIONS else y


@dataclass(frozen=True)
class Steps:
    """The steps of the evaluation; each may be replaced by a faulty one."""

    settings: Callable[[Settings, Case], Settings] = lambda settings, _: settings
    inputs: Callable[[Array], Array] = lambda x: x
    to_last: Callable[[Array], Array] = to_channels_last
    from_last: Callable[[Array], Array] = to_channels_first
    geometry: Callable[[int, int, int, int, str], tuple[int, int]] = geometry
    together: Callable[[list[tuple[int, int]]], list[tuple[int, int]]] = lambda axes: axes
    kernel: Callable[[Array], Array] = lambda w: w
    contract: Callable[[Array, Array], Array] = contract
    pad_value: float = 0.0
    beyond: Callable[[Array, int], Array] | None = None
    add_bias: Callable[[Array, Array], Array] = lambda y, b: y + b
    activations: Callable[[str | None, Array], Array] = activate
    bias_last: bool = False
    pool: Callable[[Array, Array], Array] = largest
    flatten: Callable[[Array, bool], Array] = flatten
    outputs: Callable[[Array], Array] = lambda y: y


CORRECT = Steps()


def evaluate(case: Case, operands: Operands, steps: Steps = CORRECT) -> Array:
    """What an implementation with these steps returns for a case that observes its output."""
    assert operands.inputs is not None
    known = facts(case)
    x = steps.inputs(operands.inputs)
    if case.layer == "Flatten":
        return steps.outputs(steps.flatten(x, known.channels_first))
    settings = steps.settings(
        Settings(
            known.window,
            known.strides,
            known.dilation,
            known.padding or "",
            known.channels_first,
            known.activation,
        ),
        case,
    )
    x = steps.to_last(x) if settings.channels_first else x
    windows, inside = gather(x, settings, steps)
    if known.is_pooling:
        y = steps.pool(windows, inside)
    else:
        y = convolve(windows, inside, operands.weights, settings, steps)
    y = steps.from_last(y) if settings.channels_first else y
    return steps.outputs(y.astype(operands.inputs.dtype))


def convolve(
    windows: Array, inside: Array, weights: dict[str, Array], settings: Settings, steps: Steps
) -> Array:
    padded = np.where(inside, windows.astype(np.float64), steps.pad_value)
    y = steps.contract(padded, steps.kernel(weights["kernel"]).astype(np.float64))
    bias = weights.get("bias")
    if bias is not None and not steps.bias_last:
        y = steps.add_bias(y, bias.astype(np.float64))
    y = steps.activations(settings.activation, y)
    if bias is not None and steps.bias_last:
        y = y + bias.astype(np.float64)
    return y


def gather(x: Array, settings: Settings, steps: Steps) -> tuple[Array, Array]:
    """Windows of shape (N, *outputs, *taps, C), and which of their elements are no padding."""
    rank = len(settings.window)
    lengths = x.shape[1:-1]
    sizes = zip(lengths, settings.window, settings.strides, settings.dilation, strict=True)
    axes = steps.together([steps.geometry(*one, settings.padding) for one in sizes])
    inside = np.ones((), dtype=bool)
    for axis, (outputs, before) in enumerate(axes):
        taps = np.arange(settings.window[axis]) * settings.dilation[axis]
        starts = np.arange(max(outputs, 0)) * settings.strides[axis] - before
        index = starts[:, None] + taps
        if steps.beyond and lengths[axis]:
            index = steps.beyond(index, lengths[axis])
        valid = (index >= 0) & (index < lengths[axis])
        x = _take(x, np.where(valid, index, 0), 1 + 2 * axis)
        shape = [1] * (2 * rank + 1)
        shape[2 * axis], shape[2 * axis + 1] = valid.shape
        inside = inside & valid.reshape(shape)
    order = [*range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2)]
    return x.transpose(0, *order, 2 * rank + 1), inside.transpose(*(i - 1 for i in order), 2 * rank)


def _take(x: Array, index: NDArray[np.intp], axis: int) -> Array:
    if x.shape[axis] == 0:
        return np.zeros((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), x.dtype)
    return np.take(x, index, axis=axis)


def _same(
    outputs: Callable[[int, int, int, int], int], before: Callable[[int, int, int, int], int]
) -> Steps:
    """A fault in the geometry of ``same``."""

    def faulty(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
        if padding == "valid":
            return geometry(n, k, s, d, padding)
        return outputs(n, k, s, d), before(n, k, s, d)

    return Steps(geometry=faulty)


def _ceil(n: int, k: int, s: int, d: int) -> int:
    return -(-n // s)


def _half_of(total: Callable[[int, int, int, int], int]) -> Callable[[int, int, int, int], int]:
    return lambda n, k, s, d: total(n, k, s, d) // 2


def _half_window(n: int, k: int, s: int, d: int) -> tuple[int, int]:
    pad = span(k, d) // 2
    return (n + 2 * pad - span(k, d)) // s + 1, pad


def _valid_ceil(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    if padding == "same":
        return geometry(n, k, s, d, padding)
    return -(-(n - span(k, d)) // s) + 1, 0


def _shaped_undilated(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    return geometry(n, k, s, 1, padding)


def _changed(**changes: Callable[[Settings], Any]) -> Steps:
    """A fault in how the arguments are read."""
    return Steps(
        settings=lambda settings, _: replace(
            settings, **{name: change(settings) for name, change in changes.items()}
        )
    )


def _pool_strides_one(settings: Settings, case: Case) -> Settings:
    missing = case.keywords.get("strides") is None and case.layer.startswith("MaxPooling")
    return replace(settings, strides=(1,) * len(settings.window)) if missing else settings


def _default_pool_three(settings: Settings, case: Case) -> Settings:
    if not case.layer.startswith("MaxPooling") or "pool_size" in case.keywords:
        return settings
    return replace(settings, window=(3,) * len(settings.window))


def _default_channels_first(settings: Settings, case: Case) -> Settings:
    if "2D" not in case.layer or case.keywords.get("data_format") is not None:
        return settings
    return replace(settings, channels_first=True)


def _pointwise_without_strides(settings: Settings, case: Case) -> Settings:
    if set(settings.window) != {1}:
        return settings
    return replace(settings, strides=(1,) * len(settings.window))


def _memory_order(x: Array) -> Array:
    """The elements as they lie in memory, taken for a contiguous array of the same shape."""
    owner = x
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return np.resize(owner.ravel(order="K"), x.shape)


def _rounded_operands(bits: int) -> Callable[[Array, Array], Array]:
    """Operands rounded to so many significant bits before the product."""

    def rounded(values: Array) -> Array:
        mantissa, exponent = np.frexp(values)
        return np.ldexp(np.round(mantissa * 2.0**bits) * 2.0**-bits, exponent)

    return lambda windows, kernel: contract(rounded(windows), rounded(kernel))


def accumulated_in(dtype: str, step: int = 1) -> Callable[[Array, Array], Array]:
    """Products and every partial sum rounded to the dtype, one tap after the other.

    A fault where the dtype is narrower than the layer should accumulate in, else a correct order
    of summation; `step` of -1 sums from the last tap to the first.
    """

    def contracted(windows: Array, kernel: Array) -> Array:
        taps = kernel.reshape(-1, kernel.shape[-1]).astype(dtype)
        rows = windows.reshape(*windows.shape[: 1 + kernel.ndim - 2], -1).astype(dtype)
        total = np.zeros((*rows.shape[:-1], taps.shape[1]), dtype)
        for tap in range(len(taps))[::step]:
            total = total + rows[..., tap, None] * taps[tap]
        return total.astype(np.float64)

    return contracted


def _spread(windows: Array, kernel: Array) -> Array:
    """A transform over the whole sample: round-off and NaN of one input reach every output."""
    everything = np.abs(windows).reshape(len(windows), -1).max(axis=1, initial=0.0)
    noise = everything.reshape(-1, *[1] * (kernel.ndim - 1)) * 2.0**-24
    return np.asarray(contract(windows, kernel) + noise)


def _pool_padding_as(value: float) -> Callable[[Array, Array], Array]:
    def pooled(windows: Array, inside: Array) -> Array:
        filled = np.where(inside, windows, np.asarray(value, windows.dtype))
        return largest(filled, np.ones_like(inside))

    return pooled


def _pool_ignoring_nan(windows: Array, inside: Array) -> Array:
    return largest(windows, inside & ~is_nan(windows))


def _pool_from_finite_least(windows: Array, inside: Array) -> Array:
    if windows.dtype.kind in "iu":
        return largest(windows, inside)
    least = np.nextafter(np.asarray(-np.inf, windows.dtype), np.asarray(0, windows.dtype))
    return np.asarray(np.maximum(largest(windows, inside), least))


def _pool_mean(windows: Array, inside: Array) -> Array:
    taps = tuple(range(-1 - (windows.ndim // 2 - 1), -1))
    count = np.broadcast_to(inside, windows.shape).sum(axis=taps)
    total = np.where(inside, windows, np.asarray(0, windows.dtype)).sum(axis=taps)
    return np.asarray(total / np.maximum(count, 1), windows.dtype)


def _pool_through(dtype: str) -> Callable[[Array, Array], Array]:
    def pooled(windows: Array, inside: Array) -> Array:
        with np.errstate(all="ignore"):
            return largest(windows.astype(dtype), inside).astype(windows.dtype)

    return pooled


def _pool_as_signed(windows: Array, inside: Array) -> Array:
    if windows.dtype.kind != "u":
        return largest(windows, inside)
    signed = windows.view(windows.dtype.str.replace("u", "i"))
    return largest(signed, inside).view(windows.dtype)


def _pool_channels(windows: Array, inside: Array) -> Array:
    """The greatest over the channels at the window's first position."""
    kept = largest(windows, inside)
    return np.broadcast_to(kept.max(axis=-1, keepdims=True, initial=0), kept.shape)


def _other(name: str, function: Callable[[Array], Array]) -> Steps:
    """A fault in one activation."""
    return Steps(
        activations=lambda given, y: function(y) if given == name else CORRECT.activations(given, y)
    )


def _softmax_over(axis: int | tuple[int, ...]) -> Callable[[Array], Array]:
    return lambda y: np.exp(y) / np.exp(y).sum(axis=axis, keepdims=True)


def _bias_by_rows(y: Array, bias: Array) -> Array:
    """Bias along the first spatial axis where it fits, a broadcast that happens to work."""
    return y + (bias[:, None] if y.ndim > 2 and y.shape[-2] == len(bias) else bias)


def _transposed_if_square(kernel: Array) -> Array:
    square = kernel.shape[-1] == kernel.shape[-2]
    return kernel.swapaxes(-1, -2) if square else kernel


def _swapped_window(kernel: Array) -> Array:
    """Rows and columns of the kernel exchanged; read in memory order where they do not fit."""
    return kernel.swapaxes(0, 1).reshape(kernel.shape) if kernel.ndim == 4 else kernel


def _one_tap_off(kernel: Array) -> Array:
    changed = kernel.astype(np.float64)
    changed[-1:] *= 1 + 1e-5
    return changed


def _reversed_axes(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sizes)[::-1]


def _reshaped_last(x: Array) -> Array:
    return x.reshape(x.shape[0], *x.shape[2:], x.shape[1])


def _one_for_all(axes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(outputs, axes[0][1]) for outputs, _ in axes]


def _exchanged(axes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(axes[i][0], axes[-1 - i][1]) for i in range(len(axes))]


def _first_of_batch(y: Array) -> Array:
    return np.broadcast_to(y[:1], y.shape) if len(y) else y


def _read_filters_first(kernel: Array) -> Array:
    """The kernel's memory read as (filters, channels, *window), as other frameworks store it."""
    stored = kernel.reshape(*kernel.shape[::-1][:2], *kernel.shape[:-2])
    return stored.transpose(*range(2, kernel.ndim), 1, 0)


def _whole_groups_of_channels(kernel: Array) -> Array:
    changed = kernel.copy()
    whole = kernel.shape[-2] // 4 * 4
    changed[..., whole:, :] *= whole == 0
    return changed


def _whole_groups_of_filters(windows: Array, kernel: Array) -> Array:
    sums = contract(windows, kernel)
    whole = kernel.shape[-1] // 4 * 4
    sums[..., whole:] *= whole == 0
    return sums


def _first_eight(y: Array) -> Array:
    changed = y.copy()
    changed[8:] = 0
    return changed


def _flushed(x: Array) -> Array:
    if x.dtype not in (np.float16, np.float32, np.float64):
        return x
    return np.where(np.abs(x) < np.finfo(x.dtype).smallest_normal, np.zeros_like(x), x)


FAULTS: dict[str, Steps] = {
    "same: the odd element of padding goes first": _same(
        _ceil, lambda n, k, s, d: (total_padding(n, k, s, d) + 1) // 2
    ),
    "same: half the window on both sides": _same(
        lambda n, k, s, d: _half_window(n, k, s, d)[0],
        lambda n, k, s, d: _half_window(n, k, s, d)[1],
    ),
    "same: span counted as window times dilation": _same(
        _ceil, lambda n, k, s, d: max((-(-n // s) - 1) * s + k * d - n, 0) // 2
    ),
    "same: half the window before": _same(_ceil, lambda n, k, s, d: span(k, d) // 2),
    "same: as for a stride of one": _same(_ceil, lambda n, k, s, d: (span(k, d) - 1) // 2),
    "same: dilation not counted": _same(
        _ceil, _half_of(lambda n, k, s, d: total_padding(n, k, s, 1))
    ),
    "same: length divided, rounded down": _same(lambda n, k, s, d: n // s, _half_of(total_padding)),
    "same: all padding last": _same(_ceil, lambda n, k, s, d: 0),
    "same: all padding first": _same(_ceil, total_padding),
    "same: negative total not clipped": _same(
        _ceil, lambda n, k, s, d: ((-(-n // s) - 1) * s + span(k, d) - n) // 2
    ),
    "same: read as valid": _changed(padding=lambda s: "valid"),
    "same: padding of the axes exchanged": Steps(together=_exchanged),
    "same: padding of the first axis for both": Steps(together=_one_for_all),
    "valid: length rounded up": Steps(geometry=_valid_ceil),
    "valid: read as same": _changed(padding=lambda s: "same"),
    "strides exchanged": _changed(strides=lambda s: _reversed_axes(s.strides)),
    "first stride for all axes": _changed(strides=lambda s: s.strides[:1] * len(s.strides)),
    "strides ignored": _changed(strides=lambda s: (1,) * len(s.strides)),
    "strides ignored by a window of one": Steps(settings=_pointwise_without_strides),
    "dilation ignored": _changed(dilation=lambda s: (1,) * len(s.dilation)),
    "dilation exchanged": _changed(dilation=lambda s: _reversed_axes(s.dilation)),
    "first dilation rate for all axes": _changed(dilation=lambda s: s.dilation[:1] * len(s.window)),
    "dilation taken for strides": _changed(
        strides=lambda s: s.dilation if max(s.dilation) > 1 else s.strides,
        dilation=lambda s: (1,) * len(s.dilation),
    ),
    "dilation not counted in the shape": Steps(geometry=_shaped_undilated),
    "kernel flipped": Steps(kernel=lambda w: w[tuple([slice(None, None, -1)] * (w.ndim - 2))]),
    "kernel flipped along rows": Steps(kernel=lambda w: w[::-1]),
    "kernel flipped along the last axis": Steps(
        kernel=lambda w: w[:, ::-1] if w.ndim == 4 else w[::-1]
    ),
    "kernel's rows and columns exchanged": Steps(kernel=_swapped_window),
    "kernel's channels in reverse": Steps(kernel=lambda w: w[..., ::-1, :]),
    "kernel's channels and filters exchanged where equal": Steps(kernel=_transposed_if_square),
    "kernel read with filters and channels first": Steps(kernel=_read_filters_first),
    "filters in reverse": Steps(kernel=lambda w: w[..., ::-1]),
    "channels beyond a multiple of four left out": Steps(kernel=_whole_groups_of_channels),
    "filters beyond a multiple of four left out": Steps(contract=_whole_groups_of_filters),
    "padding is one": Steps(pad_value=1.0),
    "padding repeats the edge": Steps(beyond=lambda index, n: np.clip(index, 0, n - 1)),
    "padding wraps around": Steps(beyond=lambda index, n: index % n),
    "channels_first reshaped, not transposed": Steps(to_last=_reshaped_last),
    "channels_first reversed": Steps(to_last=lambda x: x.transpose(0, *range(x.ndim - 1, 0, -1))),
    "channels_first left in the output": Steps(from_last=lambda y: y),
    "channels_first ignored": _changed(channels_first=lambda s: False),
    "data_format defaults to channels_first": Steps(settings=_default_channels_first),
    "bias left out": Steps(add_bias=lambda y, b: y),
    "bias added after the activation": Steps(bias_last=True),
    "bias added twice": Steps(add_bias=lambda y, b: y + b + b),
    "bias subtracted": Steps(add_bias=lambda y, b: y - b),
    "bias along rows": Steps(add_bias=_bias_by_rows),
    "first bias for all filters": Steps(add_bias=lambda y, b: y + b[:1]),
    "activation left out": Steps(activations=lambda name, y: y),
    "no activation taken for relu": Steps(
        activations=lambda name, y: CORRECT.activations(name or "relu", y)
    ),
    "softmax over axis 1": _other("softmax", _softmax_over(1)),
    "softmax over all": _other("softmax", lambda y: _softmax_over(tuple(range(1, y.ndim)))(y)),
    "relu drops NaN": _other("relu", lambda y: np.fmax(y, 0.0)),
    "gelu by tanh": _other(
        "gelu",
        lambda y: 0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3))),
    ),
    "hard_sigmoid of Keras 2": _other("hard_sigmoid", lambda y: np.clip(0.2 * y + 0.5, 0, 1)),
    "leaky_relu of slope 0.3": _other("leaky_relu", lambda y: np.where(y < 0, 0.3 * y, y)),
    "leaky_relu of slope 0.01": _other("leaky_relu", lambda y: np.where(y < 0, 0.01 * y, y)),
    "elu without the exponential": _other("elu", lambda y: np.maximum(y, -1)),
    "operands in TF32": Steps(contract=_rounded_operands(11)),
    "operands in bfloat16": Steps(contract=_rounded_operands(8)),
    "accumulated in float16": Steps(contract=accumulated_in("float16")),
    "accumulated in float32": Steps(contract=accumulated_in("float32")),
    "one tap off by 1e-5": Steps(kernel=_one_tap_off),
    "transform over the whole input": Steps(contract=_spread),
    "views read as contiguous": Steps(inputs=_memory_order),
    "first sample for all": Steps(outputs=_first_of_batch),
    "samples beyond the eighth left out": Steps(outputs=_first_eight),
    "samples in reverse": Steps(outputs=lambda y: y[::-1]),
    "subnormal numbers taken for zero": Steps(inputs=_flushed),
    "NaN replaced by zero": Steps(inputs=lambda x: np.where(is_nan(x), np.zeros_like(x), x)),
    "infinity replaced by the largest number": Steps(
        inputs=lambda x: (
            np.clip(x, np.finfo(x.dtype).min, np.finfo(x.dtype).max)
            if x.dtype in (np.float32, np.float64)
            else x
        )
    ),
    "pooling: padding taken as zero": Steps(pool=_pool_padding_as(0.0)),
    "pooling: NaN dropped": Steps(pool=_pool_ignoring_nan),
    "pooling: starts from the least finite number": Steps(pool=_pool_from_finite_least),
    "pooling: mean": Steps(pool=_pool_mean),
    "pooling: least": Steps(pool=lambda x, inside: -largest(-x, inside)),
    "pooling: greatest magnitude": Steps(pool=lambda x, inside: largest(np.abs(x), inside)),
    "pooling: never below zero": Steps(pool=lambda x, inside: np.maximum(largest(x, inside), 0)),
    "pooling: over the channels": Steps(pool=_pool_channels),
    "pooling: integers through float32": Steps(pool=_pool_through("float32")),
    "pooling: integers through float64": Steps(pool=_pool_through("float64")),
    "pooling: unsigned as signed": Steps(pool=_pool_as_signed),
    "pooling: strides default to one": Steps(settings=_pool_strides_one),
    "pooling: size defaults to three": Steps(settings=_default_pool_three),
    "Flatten: channels_first ignored": Steps(flatten=lambda x, first: flatten(x, False)),
    "Flatten: channels_last taken for channels_first": Steps(
        flatten=lambda x, first: flatten(x, not first)
    ),
    "Flatten: column-major": Steps(
        flatten=lambda x, first: x.reshape(len(x), math.prod(x.shape[1:]), order="F")
    ),
    "Flatten: batch flattened too": Steps(
        flatten=lambda x, first: flatten(x, first).reshape(1, -1)
    ),
}
"""Faults by name.  Sources: reports of faults in frameworks, converters and kernels."""


def noticed(case: Case, operands: Operands, expected: Array, actual: Array) -> bool:
    """Whether no correct implementation returns `actual`: shape, dtype, or values too far off.

    Where every order of summation is exact, and where nothing is summed, any difference counts
    (+0 and -0 are alike, as are all NaN).  Elsewhere finite values may be off by the error of
    K + 1 roundings, twice that for the activation's slope, and the roundings of the result.
    """
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return True
    equal = (expected == actual) | (is_nan(expected) & is_nan(actual))
    known = facts(case)
    plain = known.activation in (None, "linear", "relu")
    if not known.is_convolution or (KINDS[case.operands].exact and plain):
        return not bool(np.all(equal))
    return not bool(np.all(equal | _within_bound(case, operands, expected, actual)))


def _within_bound(case: Case, operands: Operands, expected: Array, actual: Array) -> Array:
    assert operands.inputs is not None
    unit = 2.0 ** -NUMBERS[case.dtype].precision
    roundings = (facts(case).products + 1) * unit
    magnitudes = {role: np.abs(array) for role, array in operands.weights.items()}
    gauge = evaluate(
        case.replace(activation=None, dtype="float64"),
        Operands(np.abs(operands.inputs).astype(np.float64), magnitudes),
    )
    gauge = np.broadcast_to(gauge, expected.shape)
    bound = 2 * roundings / (1 - roundings) * gauge + 4 * unit * np.abs(expected)
    distance = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    return np.asarray(np.isfinite(distance) & (distance <= bound))


def outcome(case: Case, operands: Operands, steps: Steps) -> Array | None:
    """The result with these steps; None where they fail with an exception."""
    try:
        with np.errstate(all="ignore"):
            return evaluate(case, operands, steps)
    except (ValueError, IndexError):
        return None

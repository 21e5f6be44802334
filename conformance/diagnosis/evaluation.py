"""A plain evaluation of the layers, made of steps that faults replace one by one.

It gathers every window by index and sums in float64, from the documentation and not from the
oracle, of which it knows nothing.  What it gives comes with the largest error that correct
arithmetic can make on the way, so that an outcome can be held against it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.operands import KINDS, in_native_order
from conformance.judge.activations import at_special, named, through_activation
from conformance.judge.definition import Operands
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.definition.windows import Window
from conformance.judge.running_error import growth
from conformance.judge.sums import NARROW, half_ulp
from conformance.layers.registry import LAYERS

Array = NDArray[Any]


@dataclass(frozen=True)
class Along:
    """Windows along one axis: how many outputs, the padding before, and the sizes they come from.

    Attributes:
        outputs: number of outputs.
        before: the padding before the first input.
        length, window, stride, dilation: n, k, s and d.
        padding: as the case has it.
    """

    outputs: int
    before: int
    length: int
    window: int
    stride: int
    dilation: int
    padding: str


@dataclass(frozen=True)
class Settings:
    """The canonical arguments that the evaluation reads.

    Attributes:
        lengths: from which lengths the padding before the inputs is computed; None for their own.
        is_global: whether every window holds all inputs of its channel.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    channels_first: bool
    activation: str | None
    lengths: tuple[int, ...] | None = None
    is_global: bool = False


def span(k: int, d: int) -> int:
    """Length of a dilated window."""
    return Window(k, dilation=d).span


def total_padding(n: int, k: int, s: int, d: int) -> int:
    """Padding of both sides under ``same``, never negative."""
    return Window(k, s, d, "same").total(n)


def geometry(n: int, k: int, s: int, d: int, padding: str) -> tuple[int, int]:
    """Number of outputs along one axis, and the padding before it."""
    window = Window(k, s, d, padding)
    return window.output_length(n), window.before(n)


def to_channels_last(x: Array) -> Array:
    """From ``(N, C, *spatial)`` to ``(N, *spatial, C)``."""
    return np.moveaxis(x, 1, -1)


def to_channels_first(y: Array) -> Array:
    """From ``(N, *spatial, C)`` to ``(N, C, *spatial)``."""
    return np.moveaxis(y, -1, 1)


def flatten(x: Array, channels_first: bool) -> Array:
    """All axes but the first in one, the channels varying fastest."""
    if channels_first and x.ndim > 2:
        x = to_channels_last(x)
    flat: Array = x.reshape(x.shape[0], math.prod(x.shape[1:]))
    return flat


def contract(windows: Array, kernel: Array) -> Array:
    """Sum over taps and channels: the last axes of `windows`, the first of `kernel`."""
    axes = kernel.ndim - 1
    return np.asarray(np.tensordot(windows, kernel, axes))


def in_parts(x: Array, groups: int) -> list[Array]:
    """What each group has: equal parts of the last axis, in order."""
    return np.split(x, groups, -1)


def one_after_another(parts: list[Array]) -> Array:
    """The outputs of all groups in one, in order."""
    return np.concatenate(parts, -1)


def largest(windows: Array, inside: Array) -> Array:
    """Greatest element of each window, padding left out; `inside` tells it by broadcasting."""
    taps = windows.ndim // 2 - 1
    least: Any = -np.inf if windows.dtype.kind not in "iu" else np.iinfo(windows.dtype).min
    padded = np.where(inside, windows, np.asarray(least, windows.dtype))
    greatest: Array = np.max(padded, axis=tuple(range(-1 - taps, -1)), initial=least)
    return greatest


def activate(name: str | None, y: Array) -> Array:
    """The activation of sums in the output's layout; those of whole rows take the last axis."""
    if name is None:
        return y
    fmt = FORMATS["float64"]
    values: Array = through_activation(name, y, np.zeros_like(y), fmt).value
    if named(name).rowwise or not np.isinf(y).any():
        return values
    for infinity in (-math.inf, math.inf):  # at which formulas may give NaN in place of a limit
        values = np.where(y == infinity, at_special(name, infinity, fmt), values)
    return values


def is_rowwise(name: str | None) -> bool:
    """Whether it is an activation of whole rows, along the last axis of outputs as laid out."""
    return name not in (None, "linear") and named(str(name)).rowwise


@dataclass(frozen=True)
class Backward:
    """The steps by which gradients are computed; arrays are float64, channels last.

    Attributes:
        slope: the upstream gradient taken back through the activation of that name.
        sums: at which sums that slope is taken, given the right ones and the bias.
        upstream: what is taken for the upstream gradient.
        inputs, kernel, bias: a last change of each gradient, given what `Evaluated` holds.
        settings: how the arguments are read for the gradients, after `Steps.settings`.
        flips: what is taken for the kernel where the inputs' gradient is computed.
        scatter: adds the parts of overlapping windows up; given an array of zeros, indices, parts.
        shares: which share of an output's gradient each tap of its window gets, from the windows
            and what is inside.
        reaching: which taps of which windows give inputs what is theirs along an axis, given its
            places, one row for each window, its number and its stride.
        gate: how `shares` are seen from the inputs, given a function that scatters and gathers.
    """

    slope: Callable[[str, Array, Array], Array] | None = None
    sums: Callable[[Array, Array], Array] = lambda sums, _: sums
    upstream: Callable[[Array], Array] = lambda g: g
    inputs: Callable[[Array, Any], Array] = lambda x, _: x
    kernel: Callable[[Array, Any], Array] = lambda w, _: w
    bias: Callable[[Array, Any], Array] = lambda b, _: b
    settings: Callable[[Settings], Settings] = lambda settings: settings
    flips: Callable[[Array], Array] = lambda w: w
    scatter: Callable[[Array, Array, Array], None] = np.add.at
    shares: Callable[[Array, Array], Array] | None = None
    reaching: Callable[[Array, int, int], Array] | None = None
    gate: Callable[[Array, Callable[..., Array]], Array] | None = None


@dataclass(frozen=True)
class Steps:
    """The steps of the evaluation; a fault replaces one, in a few cases two.

    Attributes:
        settings: how the arguments are read.
        inputs: what is taken for the input array.
        to_last, from_last: from ``channels_first`` to channels last, and back.
        geometry: outputs along one axis and padding before it, from n, k, s, d and the padding.
        together: the same of all axes, from what `geometry` gives for each, and the sizes.
        laid: how the arguments are read where windows are laid out, once their number and the
            padding are known.
        sums: a last change of the sums, before the activation, given the case's format.
        kernel: what is taken for the kernel.
        groups: what each group of filters reads, given the windows and the number of groups.
        filters: the part of the kernel of each group, given the kernel and the number of groups.
        joined: the outputs of all groups in one.
        contract: sums over taps and channels.
        products: the same, given also which elements of the windows are no padding, and the case's
            format; None for `contract`.
        pad_value: what a convolution finds in the padding.
        beyond: the index read in place of one outside the input; None where that is padding.
        bias: what is taken for the bias.
        add_bias: adds it, before the activation unless `bias_last`.
        bias_times: how often the bias is added, given the kernel.
        activations: applies the activation of that name.
        bias_last: whether the bias comes after the activation.
        fused: sums, bias and activation in one, given the activation, the windows, the kernel and
            the bias; None for one after the other.  Of activations of elements alone.
        sums_at, activated_at: a change of the sums, given the bias, and of what the activation of
            that name makes of them, given the sums, at some outputs; given those whose window
            begins before the first input, and those whose window ends beyond the last, along each
            axis.
        pool: reduces windows, given which elements are no padding.
        flatten: flattens, given whether the channels come first.
        outputs: a last change of the output.
        results: how the output is rounded, given the case's format; None for once, to nearest.
        on_grid: whether integer operands still make every order of summation exact.
        backward: the steps of the gradients.
    """

    settings: Callable[[Settings, Case], Settings] = lambda settings, _: settings
    inputs: Callable[[Array], Array] = lambda x: x
    to_last: Callable[[Array], Array] = to_channels_last
    from_last: Callable[[Array], Array] = to_channels_first
    geometry: Callable[[int, int, int, int, str], tuple[int, int]] = geometry
    together: Callable[[list[Along]], list[Along]] = lambda axes: axes
    laid: Callable[[Settings], Settings] = lambda settings: settings
    sums: Callable[[Array, Format], Array] = lambda y, _: y
    kernel: Callable[[Array], Array] = lambda w: w
    groups: Callable[[Array, int], list[Array]] = in_parts
    filters: Callable[[Array, int], list[Array]] = in_parts
    joined: Callable[[list[Array]], Array] = one_after_another
    contract: Callable[[Array, Array], Array] = contract
    products: Callable[[Array, Array, Array, Format], Array] | None = None
    pad_value: float = 0.0
    beyond: Callable[[Array, int], Array] | None = None
    bias: Callable[[Array], Array] = lambda b: b
    add_bias: Callable[[Array, Array], Array] = lambda y, b: y + b
    bias_times: Callable[[Array], int] = lambda w: 1
    activations: Callable[[str | None, Array], Array] = activate
    bias_last: bool = False
    fused: Callable[[str, Array, Array, Array], Array] | None = None
    sums_at: Callable[[Array, Array, Array, Array], Array] | None = None
    activated_at: Callable[[str | None, Array, Array, Array, Array], Array] | None = None
    pool: Callable[[Array, Array], Array] = largest
    flatten: Callable[[Array, bool], Array] = flatten
    outputs: Callable[[Array], Array] = lambda y: y
    results: Callable[[Array, Format], Array] | None = None
    on_grid: bool = True
    backward: Backward = Backward()


CORRECT: Final = Steps()


@dataclass(frozen=True, eq=False)
class Prediction:
    """What an implementation with certain steps gives.

    Attributes:
        value: the output in the case's dtype.
        wide: the same before its last rounding; `value` itself where nothing is rounded.
        error: how far from `wide` correct arithmetic with these steps can be; None for not at all.
    """

    value: Array
    wide: Array
    error: Array | None

    def allows(self, actual: Array) -> Array:
        """Which elements of an array of the same shape such an implementation can give."""
        return close(actual, self.value, self.wide, self.error)

    def fits(self, actual: Any) -> bool:
        """Whether an implementation with these steps can give `actual`: shape, dtype, elements."""
        if not isinstance(actual, np.ndarray):
            return False
        if actual.shape != self.value.shape or actual.dtype != self.value.dtype:
            return False
        return bool(np.all(self.allows(actual)))

    def gives(self, actual: Array) -> bool:
        """Whether `actual` is this very value (zeros of both signs, and all NaN, alike)."""
        if actual.shape != self.value.shape or actual.dtype != self.value.dtype:
            return False
        return bool(np.all(close(actual, self.value, self.wide, None)))


def close(actual: Array, value: Array, wide: Array, error: Array | None) -> Array:
    """Element-wise: equal (zeros of both signs, and all NaN, alike) or within the error."""
    with np.errstate(all="ignore"):
        equal = (actual == value) | ((actual != actual) & (value != value))
        if error is None or equal.all():
            return np.asarray(equal)
        return np.asarray(equal | (np.abs(actual.astype(np.float64) - wide) <= error))


def evaluate(case: Case, operands: Operands, steps: Steps = CORRECT) -> Array:
    """What an implementation with these steps returns for a case that observes its output.

    Raises:
        ValueError, IndexError: where these steps fail on the case.
    """
    return predict(case, operands, steps, with_error=False).value


def predict(
    case: Case, operands: Operands, steps: Steps = CORRECT, *, with_error: bool = True
) -> Prediction:
    """The same with its error.

    Raises:
        ValueError, IndexError: where these steps fail on the case.
    """
    if operands.inputs is None:
        raise ValueError(f"{case} has no input array")
    with np.errstate(all="ignore"):
        native = in_native_order(case, operands)
        return LAYERS[case.layer].predict(case, native, steps, with_error=with_error)


def sums_of(case: Case, operands: Operands) -> Array:
    """The sums that the activation of a right implementation sees."""
    return predict(case, operands, _WITHOUT_ACTIVATION, with_error=False).wide


_WITHOUT_ACTIVATION: Final = Steps(activations=lambda _, y: y)


def predict_convolution(
    case: Case, operands: Operands, steps: Steps, *, with_error: bool
) -> Prediction:
    """A convolution with these steps."""
    return _Convolution(case, operands, steps).predict(with_error=with_error)


def predict_flatten(case: Case, operands: Operands, steps: Steps) -> Prediction:
    """Flatten with these steps."""
    y = steps.outputs(steps.flatten(steps.inputs(operands.inputs), facts(case).channels_first))
    return Prediction(y, y, None)


def predict_pooling(
    case: Case, operands: Operands, steps: Steps, reduce: Callable[[Array, Array], Array]
) -> Prediction:
    """A pooling with these steps; `reduce` is given the windows, and which elements are inside."""
    x, settings = steps.inputs(operands.inputs), settings_of(case, steps)
    windows, inside = gather(steps.to_last(x) if settings.channels_first else x, settings, steps)
    y = reduce(windows, inside)
    y = steps.from_last(y) if settings.channels_first else y
    y = steps.outputs(y.astype(operands.inputs.dtype))
    return Prediction(y, y, None)


def settings_of(case: Case, steps: Steps = CORRECT) -> Settings:
    """The arguments as these steps read them."""
    known = facts(case)
    return steps.settings(
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


class _Convolution:
    """One convolution with certain steps."""

    def __init__(self, case: Case, operands: Operands, steps: Steps) -> None:
        self.case = case
        self.steps = steps
        self.operands = operands
        self.settings = settings_of(case, steps)
        self.dtype = operands.inputs.dtype
        x = steps.inputs(operands.inputs)
        x = steps.to_last(x) if self.settings.channels_first else x
        windows, inside = gather(x, self.settings, steps)
        self.inside = inside
        self.windows = np.where(inside, windows.astype(np.float64), steps.pad_value)
        self.kernel = steps.kernel(operands.weights["kernel"]).astype(np.float64)
        bias = operands.weights.get("bias")
        times = steps.bias_times(self.kernel)
        self.bias = None if bias is None else times * steps.bias(bias).astype(np.float64)

    def predict(self, *, with_error: bool) -> Prediction:
        steps = self.steps
        sums = self._contracted(self.windows, self.kernel)
        if self.bias is not None and not steps.bias_last:
            sums = steps.add_bias(sums, self.bias)
        sums = steps.sums(sums, FORMATS[self.case.dtype])
        if steps.sums_at is not None:
            bias = np.zeros(sums.shape[-1]) if self.bias is None else self.bias
            sums = steps.sums_at(sums, bias, *self._cut_windows())
        wide = self._laid_out(self._fused(sums)) if steps.fused else self._activated(sums)
        if self.bias is not None and steps.bias_last:
            wide = wide + self._laid_out(np.broadcast_to(self.bias, sums.shape))
        error = steps.outputs(self._error(sums, wide)) if with_error else None
        wide = steps.outputs(wide)
        if steps.results is not None:
            wide, error = self._rounded(steps.results, wide, error)
        return Prediction(wide.astype(self.dtype), wide, error)

    def _activated(self, sums: Array) -> Array:
        name, steps = self.settings.activation, self.steps
        if steps.activated_at is None or (is_rowwise(name) and self.settings.channels_first):
            return steps.activations(name, self._laid_out(sums))
        made = steps.activations(name, sums)
        before, after = self._cut_windows()
        return self._laid_out(steps.activated_at(name, made, sums, before, after))

    def _cut_windows(self) -> tuple[Array, Array]:
        """Which outputs have windows that begin before the first input, and end beyond the last.

        Along each axis for itself, which is the first axis of these masks.
        """
        lengths = tuple(length or 0 for length in facts(self.case).spatial)
        before, after = [], []
        for axis, index in enumerate(places(lengths, self.settings, self.steps)):
            shape = [-1 if one == 1 + axis else 1 for one in range(len(lengths) + 2)]
            before.append((index < 0).any(axis=1).reshape(shape))
            after.append((index >= lengths[axis]).any(axis=1).reshape(shape))
        return np.stack(np.broadcast_arrays(*before)), np.stack(np.broadcast_arrays(*after))

    def _fused(self, sums: Array) -> Array:
        """The outputs, channels last, where sums, bias and activation are made in one."""
        name = self.settings.activation or "linear"
        is_of_elements = name != "linear" and not is_rowwise(name)
        if self.steps.fused is None or not is_of_elements or facts(self.case).groups > 1:
            raise ValueError(f"{name} is not fused with the sums")
        bias = np.zeros(sums.shape[-1]) if self.bias is None else self.bias
        return self.steps.fused(name, self.windows, self.kernel, bias)

    def _rounded(
        self, results: Callable[[Array, Format], Array], wide: Array, error: Array | None
    ) -> tuple[Array, Array | None]:
        """Another rounding, and how far it can carry what is off by the error already."""
        fmt = FORMATS[self.case.dtype]
        rounded = results(wide, fmt)
        if error is None:
            return rounded, None
        inexact = np.maximum(error - half_ulp(wide, fmt), 0.0)
        reached = [np.abs(results(wide + by, fmt) - rounded) for by in (-inexact, inexact)]
        carried = np.maximum(*reached)
        return rounded, np.where(np.isfinite(carried), carried, 0.0)

    def _contracted(self, windows: Array, kernel: Array) -> Array:
        """Sums over taps and channels, of each group apart."""
        steps, groups = self.steps, facts(self.case).groups
        contracted = steps.contract if steps.products is None else self._by_products
        if groups == 1:
            return contracted(windows, kernel)
        parts = zip(steps.groups(windows, groups), steps.filters(kernel, groups), strict=True)
        return steps.joined([contracted(x, w) for x, w in parts])

    def _by_products(self, windows: Array, kernel: Array) -> Array:
        assert self.steps.products is not None
        inside = np.broadcast_to(self.inside, windows.shape)
        return self.steps.products(windows, kernel, inside, FORMATS[self.case.dtype])

    def _laid_out(self, y: Array) -> Array:
        return self.steps.from_last(y) if self.settings.channels_first else y

    def _error(self, sums: Array, wide: Array) -> Array:
        """The error of the sums, through the activation, and of the last rounding.

        Where nothing finite is known of it, equality is asked for.
        """
        fmt = FORMATS[self.case.dtype]
        error = self._laid_out(self._error_of_sums(facts(self.case), sums, fmt))
        name = self.settings.activation or "linear"
        if name not in ("linear", "relu"):
            finite = self._laid_out(np.where(np.isfinite(sums), sums, 0.0))
            passed = through_activation(name, finite, error, fmt).error
            error = passed if passed.shape == wide.shape else error
        total = error + half_ulp(wide, fmt)
        return np.where(np.isfinite(total), total, 0.0)

    def _error_of_sums(self, known: Facts, sums: Array, fmt: Format) -> Array:
        """As the judge's: see `conformance.judge.sums`; underflow only by roundings."""
        kind = KINDS[self.case.operands]
        bias = 0.0 if self.bias is None else np.abs(self.bias)
        narrow = fmt.unit_roundoff * (np.abs(sums) + bias) * (fmt.name in NARROW)
        if kind.exact and not kind.place and self.steps.on_grid:
            return np.asarray(narrow + np.zeros_like(sums))
        products = known.products
        accumulator = FORMATS["float32"] if fmt.name in NARROW else fmt
        factor = growth(products + 1, fmt.unit_roundoff)
        if kind.random_sign:
            units = (4 + 2 * math.sqrt(products)) * accumulator.unit_roundoff
            factor = min(factor, units)
        magnitude = self._contracted(np.abs(self.windows), np.abs(self.kernel))
        error = factor * (np.abs(magnitude) + 2 * bias) + narrow
        return np.asarray(error + (2 * products + 1) * accumulator.quantum)


def places(lengths: tuple[int, ...], settings: Settings, steps: Steps) -> list[NDArray[np.intp]]:
    """For each axis the index that each output reads with each tap; outside where it is padding."""
    sizes = zip(lengths, settings.window, settings.strides, settings.dilation, strict=True)
    padding = settings.padding
    given = [Along(*steps.geometry(*one, padding), *one, padding) for one in sizes]
    axes, laid = steps.together(given), steps.laid(settings)
    if settings.lengths is not None:
        axes = [_padded_as(a, n, steps) for a, n in zip(axes, settings.lengths, strict=True)]
    found = []
    for axis, along in enumerate(axes):
        taps = np.arange(laid.window[axis]) * laid.dilation[axis]
        starts = np.arange(max(along.outputs, 0)) * laid.strides[axis] - along.before
        index = starts[:, None] + taps
        if settings.is_global:
            index = np.tile(np.arange(lengths[axis]), (len(starts), 1))
        if steps.beyond and lengths[axis]:
            index = steps.beyond(index, lengths[axis])
        found.append(index)
    return found


def _padded_as(along: Along, length: int, steps: Steps) -> Along:
    """With the padding that inputs of another length have."""
    sizes = (length, along.window, along.stride, along.dilation, along.padding)
    return replace(along, before=steps.geometry(*sizes)[1])


def gather(x: Array, settings: Settings, steps: Steps) -> tuple[Array, Array]:
    """Windows of shape (N, *outputs, *taps, C), and which of their elements are no padding."""
    rank = len(settings.window)
    lengths = x.shape[1:-1]
    inside = np.ones((), dtype=bool)
    for axis, index in enumerate(places(lengths, settings, steps)):
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

"""The catalogue of faults of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from conformance.diagnosis import backward as b
from conformance.diagnosis import variations as v
from conformance.diagnosis.evaluation import (
    CORRECT,
    Along,
    Array,
    Backward,
    Settings,
    Steps,
    gather,
    geometry,
)
from conformance.diagnosis.faults import BITS, OF_GEOMETRY, PADDING_LEFT_OUT, Fault
from conformance.judge.activations import through_activation, through_slope
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.sums import NARROW, round_to

Change = Callable[[Array, Any], Array]


def _fault(name: str, sentence: str, **changes: Any) -> Fault:
    return Fault(f"gradient.{name}", sentence, Steps(backward=Backward(**changes)))


def _zero(x: Array, _: Any) -> Array:
    return np.zeros_like(x)


def _twice(x: Array, _: Any) -> Array:
    return 2 * x


def _negative(x: Array, _: Any) -> Array:
    return -x


def _mean(x: Array, found: Any) -> Array:
    return x / max(len(found.x), 1)


def _of_outputs(x: Array, found: Any) -> Array:
    return x / max(int(np.prod(found.upstream.shape[:-1])), 1)


def _of_places(x: Array, found: Any) -> Array:
    return x / max(int(np.prod(found.upstream.shape[1:-1])), 1)


def _of_samples(chosen: slice) -> dict[str, Change]:
    """Kernel and bias from some samples of the batch alone."""

    def kernel(_: Array, found: Any) -> Array:
        return np.asarray(found.of_kernel(found.windows[chosen], found.g[chosen]))

    return {"kernel": kernel}


def _shifted_by_rest(x: Array, found: Any) -> Array:
    """Moved, in a circle, by the rest that the strides leave of the padded length."""
    for axis, (length, index) in enumerate(zip(x.shape[1:-1], found.places, strict=True)):
        x = np.roll(x, _rest(length, index, found.settings, axis), 1 + axis)
    return x


def _rest(length: int, index: Array, settings: Settings, axis: int) -> int:
    if not index.size:
        return 0
    before = -int(index.min()) if index.min() < 0 else 0
    after = max(int(index.max()) - length + 1, 0)
    reach = (settings.window[axis] - 1) * settings.dilation[axis] + 1
    return (length + before + after - reach) % settings.strides[axis]


def _shifted_by_rest_with_zeros(x: Array, found: Any) -> Array:
    """The same, with zeros for what is moved in."""
    for axis, (length, index) in enumerate(zip(x.shape[1:-1], found.places, strict=True)):
        rest = _rest(length, index, found.settings, axis)
        if rest:
            x = np.roll(x, rest, 1 + axis)
            x[(slice(None),) * (1 + axis) + (slice(0, rest),)] = 0
    return x


def _shifted(by: int) -> Change:
    return lambda x, found: np.roll(x, by, tuple(range(1, 1 + found.rank)))


def _within_exchanged_lengths(g: Array) -> Array:
    """The upstream gradient without rows beyond the number of columns, and the reverse."""
    if g.ndim != len(("sample", "row", "column", "channel")):
        return g
    _, rows, columns, _ = g.shape
    kept = (np.arange(rows) < columns)[:, None] & (np.arange(columns) < rows)
    return np.asarray(g * kept[..., None])


def _unread_as_inputs(x: Array, found: Any) -> Array:
    """The inputs themselves where no window reads them."""
    counts = found.scattered(np.broadcast_to(1.0, found.windows.shape), np.add.at)
    return np.where(counts == 0, found.x, x)


def _in_windows_by_stride(x: Array, found: Any) -> Array:
    """Only inputs whose window, where none overlap, is their place divided by the stride."""
    settings = found.settings
    if any(k > s for k, s in zip(settings.window, settings.strides, strict=True)):
        return x
    for axis, (index, stride) in enumerate(zip(found.places, settings.strides, strict=True)):
        place = np.arange(x.shape[1 + axis])
        before = -min(int(index.min(initial=0)), 0)
        kept = place // stride == (place + before) // stride
        x = x * kept.reshape(-1, *[1] * (x.ndim - 2 - axis))
    return x


def _exchanged_if_square(w: Array, _: Any) -> Array:
    return w.swapaxes(-1, -2) if w.shape[-1] == w.shape[-2] else w


def _everything(x: Array, _: Any) -> Array:
    return np.full_like(x, x.sum())


def _first_of_bias(_: Array, found: Any) -> Array:
    return np.asarray(found.g[:1].sum(axis=tuple(range(1 + found.rank))))


def _last_block_of_bias(block: int) -> Change:
    """The bias' gradient of the places that the last block holds, counted through all samples."""

    def bias(b: Array, found: Any) -> Array:
        terms = found.g.reshape(-1, found.g.shape[-1])
        return (
            np.asarray(terms[(len(terms) - 1) // block * block :].sum(axis=0)) if len(terms) else b
        )

    return bias


def _at_pitch_of_inputs(x: Array, found: Any) -> Array:
    """The inputs' gradient of an upstream gradient whose rows lie as far apart as inputs' do.

    What lies beyond the upstream gradient's places is zero.
    """
    if found.rank < 2 or not hasattr(found, "g") or not found.g.size:
        return x
    batch, *lengths, filters = found.g.shape
    place = sum(
        np.expand_dims(np.arange(length), tuple(range(1, found.rank - axis)))
        * math.prod(found.x.shape[2 + axis : -1])
        for axis, length in enumerate(lengths)
    )
    count = math.prod(lengths)
    rows = found.g.reshape(batch, count, filters)[:, np.minimum(place, count - 1)]
    read = np.where((place < count)[..., np.newaxis], rows, 0.0)
    parts = found.of_windows(found.backward.flips(found.w), read)
    return np.asarray(found.scattered(parts, found.backward.scatter))


def _slope_of_output(name: str, sums: Array, upstream: Array) -> Array:
    fmt, nothing = FORMATS["float64"], np.zeros_like(sums)
    outputs = through_activation(name, sums, nothing, fmt).value
    return through_slope(name, outputs, nothing, upstream, fmt, exact=True).value


def _value_for_slope(name: str, sums: Array, upstream: Array) -> Array:
    """The upstream gradient times the activation's output."""
    fmt, nothing = FORMATS["float64"], np.zeros_like(sums)
    return np.asarray(upstream * through_activation(name, sums, nothing, fmt).value)


def _slope_of(wanted: str, slope: Callable[[Array], Array]) -> Callable[[str, Array, Array], Array]:
    """Another slope of one activation, a function of its sums."""
    return lambda name, sums, upstream: (
        upstream * slope(sums) if name == wanted else b.through_own_slope(name, sums, upstream)
    )


_BY_OUTPUT: Final[dict[str, Callable[[Array], Array]]] = {
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
    "exponential": lambda y: y,
}
"""Slopes as functions of the output, as libraries compute them."""


def _formula_of_sum(name: str, sums: Array, upstream: Array) -> Array:
    """A slope that is a function of the output, given the sum in its place."""
    formula = _BY_OUTPUT.get(name)
    return (
        b.through_own_slope(name, sums, upstream) if formula is None else upstream * formula(sums)
    )


def _of_first_group(x: Array, found: Any) -> Array:
    """Zero beyond the part of the last axis that is the first group's."""
    x = x.copy()
    x[..., x.shape[-1] // getattr(found, "groups", 1) :] = 0
    return x


def _of_softmax_alone(sums: Array) -> Array:
    """The diagonal of the softmax's derivative, as if every element had its own."""
    powers = np.exp(sums - sums.max(axis=-1, keepdims=True))
    share = powers / powers.sum(axis=-1, keepdims=True)
    return np.asarray(share * (1 - share))


def _shifted_by_padding(x: Array, found: Any) -> Array:
    """Moved by the padding before, which is not cut off, with zeros for what is moved in."""
    for axis, index in enumerate(found.places):
        before = max(-int(index.min(initial=0)), 0)
        if before:
            x = np.roll(x, before, 1 + axis)
            x[(slice(None),) * (1 + axis) + (slice(0, before),)] = 0
    return x


def _cut_by_all_padding(x: Array, found: Any) -> Array:
    """Moved back by the padding after, as where all padding is cut off before."""
    for axis, (length, index) in enumerate(zip(x.shape[1:-1], found.places, strict=True)):
        after = max(int(index.max(initial=0)) - length + 1, 0)
        if after:
            x = np.roll(x, -after, 1 + axis)
            x[(slice(None),) * (1 + axis) + (slice(-after, None),)] = 0
    return x


def _without_strides(w: Array, found: Any) -> Array:
    """The kernel's gradient of windows that lie side by side, whatever the strides."""
    steps = replace(CORRECT, together=_side_by_side(found.settings.strides))
    dense = replace(found.settings, strides=v.ones(found.settings.strides))
    windows, inside = gather(found.x, dense, steps)
    return np.asarray(found.of_kernel(np.where(inside, windows, 0.0), found.g).reshape(w.shape))


def _side_by_side(strides: tuple[int, ...]) -> Callable[[list[Along]], list[Along]]:
    """As many outputs, and as much padding, as there are with strides."""

    def together(axes: list[Along]) -> list[Along]:
        pairs = zip(axes, strides, strict=True)
        strided = (geometry(a.length, a.window, s, a.dilation, a.padding) for a, s in pairs)
        return [
            replace(a, outputs=outputs, before=before)
            for a, (outputs, before) in zip(axes, strided, strict=True)
        ]

    return together


def _of_axis(axis: int) -> Change:
    return lambda x, found: x / max(found.upstream.shape[1:-1][axis], 1)


def _without_last_outputs(axis: int) -> Change:
    """The kernel's gradient without the last outputs along one axis."""

    def kernel(_: Array, found: Any) -> Array:
        place = (slice(None),) * (1 + axis % found.rank) + (slice(0, -1),)
        return np.asarray(found.of_kernel(found.windows[place], found.g[place]))

    return kernel


def _outputs_rounded_down(axes: slice) -> Change:
    """The kernel's gradient, each element with the outputs along axes that strides fit into whole.

    That are ``(n - place of the element in the first window) // stride``, rounded up if right.
    """

    def kernel(_: Array, found: Any) -> Array:
        lengths, rank = found.x.shape[1:-1], found.rank
        windows = found.windows
        for axis in range(rank)[axes]:
            index, stride = found.places[axis], found.settings.strides[axis]
            counts = np.maximum(lengths[axis] - index[:1], 0) // stride
            kept = np.arange(len(index))[:, None] < counts
            shape = [1] * windows.ndim
            shape[1 + axis], shape[1 + rank + axis] = kept.shape
            windows = np.where(kept.reshape(shape), windows, 0.0)
        return np.asarray(found.of_kernel(windows, found.g))

    return kernel


def _reshaped_not_transposed(w: Array) -> Array:
    """What is used where the memory of the kernel is taken for that of the transposed one."""
    *taps, channels, filters = w.shape
    return np.swapaxes(w.reshape(*taps, filters, channels), -1, -2)


def _kernel_shifted_by_rest(w: Array, found: Any) -> Array:
    """The kernel's gradient of windows that lie further on by what the strides leave over."""
    rests = [
        _rest(length, index, found.settings, axis)
        for axis, (length, index) in enumerate(zip(found.x.shape[1:-1], found.places, strict=True))
    ]

    def together(axes: list[Along]) -> list[Along]:
        return [replace(a, before=a.before - rest) for a, rest in zip(axes, rests, strict=True)]

    windows, inside = gather(found.x, found.settings, replace(CORRECT, together=together))
    return np.asarray(found.of_kernel(np.where(inside, windows, 0.0), found.g).reshape(w.shape))


def _kernel_by_samples(parts: Change) -> Change:
    """The kernel's gradient of 16-bit formats, rounded after each sample is added."""

    def kernel(w: Array, found: Any) -> Array:
        ones = (found.of_kernel(*one) for one in _samples(found.windows, found.g))
        return _rounded_sum(w, (parts(one, found) for one in ones), found)

    return kernel


def _bias_by_samples(parts: Change) -> Change:
    """The bias' gradient of 16-bit formats, rounded after each sample is added."""

    def bias(b: Array, found: Any) -> Array:
        over = tuple(range(1 + found.rank))
        ones = (g.sum(axis=over) for _, g in _samples(found.windows, found.g))
        return _rounded_sum(b, (parts(one, found) for one in ones), found)

    return bias


def _bias_by_places(b: Array, found: Any) -> Array:
    """The bias' gradient of 16-bit formats, rounded after each output is added."""
    return _rounded_sum(b, iter(found.g.reshape(-1, found.g.shape[-1])), found)


def _samples(windows: Array, g: Array) -> Iterator[tuple[Array, Array]]:
    return ((windows[n : n + 1], g[n : n + 1]) for n in range(len(g)))


def _whole(part: Array, _: Any) -> Array:
    return part


def _rounded(part: Array, found: Any) -> Array:
    return round_to(part, found.format)


_PARTS_OF_SAMPLES: Final = (
    ("", "", _whole),
    ("-each", ", the part of each sample rounded as well", _rounded),
)


def _by_samples() -> Iterator[Fault]:
    """Gradients that are rounded after each sample, of whole parts and of rounded ones."""
    for name, make in (("kernel", _kernel_by_samples), ("bias", _bias_by_samples)):
        for which, words, parts in _PARTS_OF_SAMPLES:
            yield _fault(
                f"{name}.rounded-by-samples{which}",
                f"the gradient of the {name} is added up over the samples in the 16-bit dtype "
                f"itself, and so rounded after each{words}",
                **{name: make(parts)},
            )


def _rounded_sum(right: Array, terms: Iterator[Array], found: Any) -> Array:
    if found.format.name not in NARROW:
        return right
    total = np.zeros_like(right)
    for term in terms:
        total = round_to(total + term, found.format)
    return total


def _undilated(settings: Settings) -> Settings:
    return replace(settings, dilation=v.ones(settings.dilation))


def _exchanged(settings: Settings) -> Settings:
    return replace(settings, strides=settings.dilation, dilation=settings.strides)


def _last_write(largest: Array, seen: Callable[..., Array]) -> Array:
    """Whether the last window that holds an input takes it for its largest decides for all."""
    return seen(largest)


def _of_convolutions() -> tuple[Fault, ...]:
    found = []
    for name, words in (("inputs", "inputs"), ("kernel", "kernel"), ("bias", "bias")):
        found += [
            _fault(f"{name}.zero", f"the gradient of the {words} is zero", **{name: _zero}),
            _fault(
                f"{name}.twice",
                f"the gradient of the {words} is twice too large, as if added to itself",
                **{name: _twice},
            ),
            _fault(
                f"{name}.negative", f"the gradient of the {words} is negated", **{name: _negative}
            ),
            _fault(
                f"{name}.mean",
                f"the gradient of the {words} is divided by the batch",
                **{name: _mean},
            ),
            _fault(
                f"{name}.mean-of-places",
                f"the gradient of the {words} is divided by the number of places of an output",
                **{name: _of_places},
            ),
            _fault(
                f"{name}.mean-of-outputs",
                f"the gradient of the {words} is divided by the number of outputs of a filter",
                **{name: _of_outputs},
            ),
            _fault(
                f"{name}.mean-of-rows",
                f"the gradient of the {words} is divided by the length of the outputs' first axis",
                **{name: _of_axis(0)},
            ),
        ]
    return tuple(found)


_ALL: Final = (
    *_of_convolutions(),
    _fault(
        "inputs.shifted",
        "the gradient of the inputs is shifted, in a circle, by what strides leave of the padded "
        "length",
        inputs=_shifted_by_rest,
    ),
    _fault(
        "inputs.shifted-out",
        "the gradient of the inputs is shifted by what strides leave of the padded length",
        inputs=_shifted_by_rest_with_zeros,
    ),
    _fault(
        "inputs.later", "the gradient of the inputs lies one place too late", inputs=_shifted(1)
    ),
    _fault(
        "inputs.earlier", "the gradient of the inputs lies one place too early", inputs=_shifted(-1)
    ),
    _fault(
        "inputs.overwritten",
        "the gradient of the inputs keeps what the last window wrote, where windows overlap",
        scatter=b.overwrite,
    ),
    _fault(
        "inputs.first-kept",
        "the gradient of the inputs keeps what the first window gives, where windows overlap, as "
        "where each element of the window overwrites what those before it gave",
        scatter=b.keep_first,
    ),
    _fault(
        "inputs.divided-by-window",
        "the gradient of the inputs is divided by the number of elements of a window",
        inputs=lambda x, found: x / max(int(np.prod(found.settings.window)), 1),
    ),
    _fault(
        "pooling.overwritten",
        "what windows that overlap give one input is overwritten by the last, not summed",
        scatter=b.overwrite_winners,
    ),
    _fault(
        "pooling.window-by-stride",
        "where windows do not overlap, the window of an input is its place divided by the stride, "
        "without the padding before it, so that gradients are lost",
        inputs=_in_windows_by_stride,
    ),
    _fault(
        "pooling.mean-of-windows",
        "what windows that overlap give one input is divided by their number, not summed alone",
        scatter=b.average_of_winners,
    ),
    _fault(
        "pooling.first-kept",
        "of what windows that overlap give one input the first is kept, not the sum",
        scatter=b.keep_first_winner,
    ),
    _fault(
        "inputs.flipped",
        "the gradient of the inputs is taken with the kernel flipped",
        flips=v.flipped,
    ),
    _fault(
        "inputs.rows-and-columns",
        "the gradient of the inputs is taken with the kernel's rows and columns exchanged",
        flips=v.swapped_window,
    ),
    _fault(
        "inputs.channels-and-filters",
        "the gradient of the inputs is taken with the kernel's channels and filters exchanged "
        "where there are as many of both",
        flips=v.transposed_if_square,
    ),
    _fault(
        "inputs.kernel-reshaped",
        "the gradient of the inputs is taken with the kernel's channels and filters reshaped, not "
        "transposed",
        flips=_reshaped_not_transposed,
    ),
    _fault(
        "kernel.shifted-by-rest",
        "the gradient of the kernel is shifted by what strides leave of the padded length, as "
        "where it is cut off at the wrong end",
        kernel=_kernel_shifted_by_rest,
    ),
    _fault(
        "kernel.flipped", "the gradient of the kernel is flipped", kernel=lambda w, _: v.flipped(w)
    ),
    _fault(
        "kernel.rows-and-columns",
        "the gradient of the kernel has its rows and columns exchanged",
        kernel=lambda w, _: v.swapped_window(w),
    ),
    _fault(
        "kernel.channels-and-filters",
        "the gradient of the kernel has channels and filters exchanged where there are as many of "
        "both",
        kernel=_exchanged_if_square,
    ),
    _fault(
        "kernel.filters-first",
        "the gradient of the kernel lies in memory as (filters, channels, window)",
        kernel=lambda w, _: np.moveaxis(w, (-1, -2), (0, 1)).reshape(w.shape),
    ),
    _fault(
        "kernel.channels-last",
        "the gradient of the kernel lies in memory as (window, filters, channels)",
        kernel=lambda w, _: np.swapaxes(w, -1, -2).reshape(w.shape),
    ),
    *(
        _fault(
            f"{name}.first-group",
            f"the gradient of the {name} is zero beyond the first group",
            **{name: _of_first_group},
        )
        for name in ("inputs", "kernel")
    ),
    _fault(
        "kernel.first-sample",
        "the gradient of the kernel is that of the first sample alone",
        **_of_samples(slice(0, 1)),
    ),
    _fault(
        "kernel.last-sample",
        "the gradient of the kernel is that of the last sample alone",
        **_of_samples(slice(-1, None)),
    ),
    _fault(
        "bias.everything",
        "the gradient of the bias is summed over the filters as well",
        bias=_everything,
    ),
    _fault(
        "bias.first-sample",
        "the gradient of the bias is that of the first sample alone",
        bias=_first_of_bias,
    ),
    *(
        _fault(
            f"bias.last-block-{block}",
            f"the gradient of the bias is that of the last {block} places alone, or of what blocks "
            f"of {block} leave over, as where blocks overwrite one another",
            bias=_last_block_of_bias(block),
        )
        for block in (16, 32, 64, 128)
    ),
    _fault(
        "inputs.unread",
        "inputs that no window reads have themselves for their gradient, as where it is written "
        "over them and not cleared",
        inputs=_unread_as_inputs,
    ),
    _fault(
        "inputs.upstream-pitch",
        "the gradient of the inputs reads the rows of the upstream gradient as far apart as those "
        "of the inputs lie",
        inputs=_at_pitch_of_inputs,
    ),
    _fault(
        "activation.left-out",
        "in the gradients, the activation's slope is left out",
        slope=lambda name, sums, upstream: upstream,
    ),
    _fault(
        "activation.of-output",
        "the activation's slope is taken at its output in place of the sum",
        slope=_slope_of_output,
    ),
    _fault(
        "activation.before-bias",
        "the activation's slope is taken at the sum without the bias",
        sums=lambda sums, bias: sums - bias,
    ),
    _fault(
        "activation.of-upstream",
        "the activation's slope is taken at the upstream gradient in place of the sum",
        slope=lambda name, sums, upstream: b.through_own_slope(name, upstream, upstream),
    ),
    _fault(
        "activation.formula-of-sum",
        "the slope's formula of the output, as 1 - y^2 of tanh, is given the sum",
        slope=_formula_of_sum,
    ),
    _fault(
        "activation.by-value",
        "the upstream gradient is multiplied by the activation's output in place of its slope",
        slope=_value_for_slope,
    ),
    _fault(
        "activation.twice",
        "the activation's slope is applied twice",
        slope=lambda name, sums, upstream: b.through_own_slope(
            name, sums, b.through_own_slope(name, sums, upstream)
        ),
    ),
    *(
        _fault(
            f"upstream.rounded-{bits}",
            f"the upstream gradient is rounded to {words}",
            upstream=v.to_bits(bits),
        )
        for bits, words in BITS.items()
    ),
    _fault(
        "upstream.exchanged-lengths",
        "in the gradients, the outputs of rows beyond the number of columns, or of columns beyond "
        "that of rows, are left out, as where both lengths are exchanged",
        upstream=_within_exchanged_lengths,
    ),
    _fault(
        "upstream.contiguous",
        "the upstream gradient is read as it lies in memory, as if it were contiguous, channels "
        "last",
        upstream=v.along_memory,
    ),
    _fault(
        "activation.tanh-unsquared",
        "the slope of tanh is taken for 1 - tanh(x), without the square",
        slope=_slope_of("tanh", lambda y: 1 - np.tanh(y)),
    ),
    _fault(
        "activation.softmax-alone",
        "the gradient of softmax takes each element alone, y (1 - y), without the others",
        slope=_slope_of("softmax", _of_softmax_alone),
    ),
    _fault(
        "inputs.padding",
        "the gradient of the inputs is shifted by the padding before them, which is not cut off",
        inputs=_shifted_by_padding,
    ),
    _fault(
        "inputs.all-cut-before",
        "the gradient of the inputs is shifted by the padding after them, as where all padding is "
        "cut off before",
        inputs=_cut_by_all_padding,
    ),
    _fault(
        "kernel.without-strides",
        "the gradient of the kernel is summed over windows side by side, as with strides of 1",
        kernel=_without_strides,
    ),
    _fault(
        "kernel.last-row",
        "the gradient of the kernel leaves the last outputs along the first axis out",
        kernel=_without_last_outputs(0),
    ),
    _fault(
        "kernel.last-column",
        "the gradient of the kernel leaves the last outputs along the last axis out",
        kernel=_without_last_outputs(-1),
    ),
    *(
        _fault(
            f"weights.{name}",
            f"the gradients of kernel and bias are divided by {words}",
            kernel=change,
            bias=change,
        )
        for name, words, change in (
            ("mean", "the batch", _mean),
            ("mean-of-places", "the number of places of an output", _of_places),
            ("mean-of-outputs", "the number of outputs of a filter", _of_outputs),
        )
    ),
    *(
        _fault(
            f"kernel.rounded-down{which}",
            "in the gradient of the kernel, the last output that meets an element of the kernel is "
            f"left out where strides do not divide the inputs from there on{words}, as where their "
            "number is rounded down",
            kernel=_outputs_rounded_down(axes),
        )
        for which, words, axes in (
            ("", "", slice(None)),
            ("-last", ", along the last axis", slice(-1, None)),
            ("-first", ", along the first axis", slice(0, 1)),
        )
    ),
    *_by_samples(),
    _fault(
        "bias.rounded-by-outputs",
        "the gradient of the bias is added up over the outputs in the 16-bit dtype itself, and so "
        "rounded after each",
        bias=_bias_by_places,
    ),
    Fault(
        "gradient.inputs.reshaped",
        "the gradient of channels_first inputs is reshaped, not transposed",
        Steps(from_last=lambda x: x.reshape(len(x), x.shape[-1], *x.shape[1:-1])),
    ),
    _fault("dilation.ignored", "in the gradients, the dilation is ignored", settings=_undilated),
    _fault(
        "dilation.strides",
        "in the gradients, strides and dilation rates are exchanged",
        settings=_exchanged,
    ),
    _fault(
        "pooling.gate",
        "the last window that holds an input decides for all whether it is their largest",
        gate=_last_write,
    ),
    _fault(
        "pooling.ties-all",
        "each of several largest elements of a window gets its whole gradient",
        shares=b.to_all,
    ),
    *(
        _fault(
            f"pooling.near-{distance:g}",
            f"each element of a window that is within {distance:g} of the largest gets its whole "
            "gradient",
            shares=b.to_near(distance),
        )
        for distance in (1e-2, 1e-3)
    ),
    *(
        _fault(
            f"pooling.{name}-tap",
            f"the {name} element of a window gets its gradient, whichever is the largest",
            shares=b.to_tap(place),
        )
        for name, place in (("first", 0), ("last", -1))
    ),
    *(
        _fault(
            f"pooling.place-modulo-{2**bits}",
            "the place of the largest element of a window, counted from 0, is kept in "
            f"{bits} bits, that is modulo {2**bits}",
            shares=b.to_place_modulo(2**bits),
        )
        for bits in (2, 3, 4, 5, 6, 8)
    ),
    _fault(
        "pooling.padded-by-zero",
        "in the gradient of pooling, the padding takes part as zero, and what it wins is lost",
        shares=b.to_first_with_zeros,
    ),
    _fault(
        "pooling.least",
        "the least element of a window gets its gradient",
        shares=b.to_least,
    ),
    _fault(
        "pooling.every-tap",
        "the gradient of a window is shared among all its elements, as of the mean",
        shares=b.to_every_tap,
    ),
)

_TIES: Final = (
    _fault(
        "pooling.ties-last",
        "the last of several largest elements of a window gets its gradient",
        shares=b.to_last,
    ),
    _fault(
        "pooling.ties-shared",
        "several largest elements of a window share its gradient",
        shares=b.shared,
    ),
)

READINGS: Final = MappingProxyType(
    {
        **{fault.identifier: (fault, "maxpooling.gradients.ties") for fault in _TIES},
        PADDING_LEFT_OUT.identifier: (PADDING_LEFT_OUT, "conv.padding.nonfinite-kernel"),
    }
)
"""Other readings of ambiguous clauses, which are no faults where they are followed everywhere."""

GRADIENT_FAULTS: Final = MappingProxyType({fault.identifier: fault for fault in (*_ALL, *_TIES)})
"""The catalogue, by identifier, readings included."""

_OF_ANY: Final = MappingProxyType(
    {
        "slope": ("inputs", "kernel", "bias"),
        "sums": ("inputs", "kernel", "bias"),
        "settings": ("inputs", "kernel"),
    }
)
"""Steps that are taken for several gradients, and may be wrong for one of them alone."""


def _of_one_gradient() -> Iterator[Fault]:
    yield from (one.of_gradient(name) for name in ("inputs", "kernel") for one in OF_GEOMETRY)
    for fault in _ALL:
        for name in {n: None for step in _changed(fault) for n in _OF_ANY.get(step, ())}:
            one = replace(fault, identifier=f"each.{fault.identifier.removeprefix('gradient.')}")
            words = fault.sentence.removeprefix("in the gradients, ")
            yield replace(one, sentence=words).of_gradient(name)


def _changed(fault: Fault) -> list[str]:
    """The steps of the gradients that a fault replaces."""
    given = fault.steps.backward
    return [f.name for f in fields(Backward) if getattr(given, f.name) is not f.default]


OF_ONE_GRADIENT: Final = MappingProxyType({one.identifier: one for one in _of_one_gradient()})
"""Faults of outputs, or of several gradients, that show in one gradient alone, by identifier."""

"""Faults of indices, made systematically: of samples, filters, channels, groups and windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

import numpy as np

from conformance.diagnosis.backward import through_own_slope
from conformance.diagnosis.evaluation import Array, Backward, Steps, in_parts, one_after_another
from conformance.diagnosis.faults import Fault


def systematic_fault(identifier: str, sentence: str, **steps: Any) -> Fault:
    """A fault of the outputs by what it changes."""
    return Fault(f"systematic.{identifier}", sentence, Steps(**steps), is_systematic=True)


_Change = Callable[[Array, int], Array]
"""A change of an array along one axis."""


def _repeated(place: int) -> _Change:
    def change(x: Array, axis: int) -> Array:
        if not x.shape[axis]:
            return x
        return np.repeat(np.take(x, [place], axis), x.shape[axis], axis)

    return change


def _rolled(by: int) -> _Change:
    return lambda x, axis: np.roll(x, by, axis)


def _in_pairs(x: Array, axis: int) -> Array:
    """Each two exchanged; the last of an odd number stays."""
    index = np.arange(x.shape[axis])
    index[: len(index) // 2 * 2] ^= 1
    return np.take(x, index, axis)


def _first_half(x: Array, axis: int) -> Array:
    """The first half in the place of the second as well, where their number is even."""
    count = x.shape[axis]
    return x if count % 2 else np.take(x, np.arange(count) % max(count // 2, 1), axis)


_TAKEN: Final[Sequence[tuple[str, str, _Change]]] = (
    ("first", "the {of} of the first {one} is used for all", _repeated(0)),
    ("last", "the {of} of the last {one} is used for all", _repeated(-1)),
    ("reversed", "the {of} of the {one}s is taken in reverse", np.flip),
    ("next", "each {one} has the {of} of the next", _rolled(-1)),
    ("before", "each {one} has the {of} of the one before", _rolled(1)),
    ("half", "the second half of the {one}s has the {of} of the first half", _first_half),
    ("pairs", "each two {one}s have each other's {of}", _in_pairs),
)
"""Which index is taken for which."""


def indices() -> Iterator[Fault]:
    """An index of samples, filters, channels or groups that is taken for another."""
    for name, words, change in _TAKEN:
        if name not in ("first", "reversed"):
            yield systematic_fault(
                f"samples.{name}",
                words.format(of="output", one="sample"),
                outputs=lambda y, change=change: change(y, 0),
            )
        if name != "reversed":
            yield systematic_fault(
                f"filters.{name}",
                words.format(of="kernel", one="filter"),
                kernel=lambda w, change=change: change(w, -1),
            )
            yield systematic_fault(
                f"channels.{name}",
                words.format(of="kernel", one="channel"),
                kernel=lambda w, change=change: change(w, -2),
            )
        if name != "first":
            yield systematic_fault(
                f"bias.{name}",
                words.format(of="bias", one="filter"),
                add_bias=lambda y, b, change=change: y + change(b, 0),
            )
        yield systematic_fault(
            f"groups.kernel.{name}",
            words.format(of="kernel", one="group"),
            filters=lambda w, groups, change=change: _of_groups(w, groups, change),
        )
        if name not in ("first", "reversed"):
            yield systematic_fault(
                f"groups.channels.{name}",
                words.format(of="channels", one="group"),
                groups=lambda x, groups, change=change: _of_groups(x, groups, change),
            )
        yield systematic_fault(
            f"groups.outputs.{name}",
            words.format(of="output", one="group"),
            joined=lambda parts, change=change: _of_parts(parts, change),
        )


_BLOCKS: Final = (2, 4, 8, 16, 32)


def _restarted(block: int) -> _Change:
    """What blocks leave over is counted from the first on."""

    def change(x: Array, axis: int) -> Array:
        index, whole = np.arange(x.shape[axis]), x.shape[axis] // block * block
        return np.take(x, np.where(index < whole, index, index - whole), axis)

    return change


def _repeating(block: int) -> _Change:
    """Every block is the first one."""
    return lambda x, axis: np.take(x, np.arange(x.shape[axis]) % block, axis)


_RESTARTS: Final = (
    ("restarts", "beyond the last multiple of {} have the {{}} of the first ones", _restarted),
    ("repeats", "of every block of {} have the {{}} of the first block", _repeating),
)


def remainders() -> Iterator[Fault]:
    """What blocks of filters or channels leave over, or each of them, is taken from the start."""
    for (name, sentence, of_block), block in product(_RESTARTS, _BLOCKS):
        change, words = of_block(block), sentence.format(block)
        yield systematic_fault(
            f"bias.{name}.{block}",
            f"the filters {words.format('biases')}",
            add_bias=lambda y, b, change=change: y + change(b, 0),
        )
        for axis, one in ((-1, "filters"), (-2, "channels")):
            yield systematic_fault(
                f"kernel.{one}.{name}.{block}",
                f"the {one} {words.format('kernels')}",
                kernel=lambda w, change=change, axis=axis: change(w, axis),
            )


def unweighted() -> Iterator[Fault]:
    """What blocks of channels leave over is added as it is, without its weights."""
    for block in _BLOCKS:
        yield systematic_fault(
            f"channels.unweighted.{block}",
            f"the channels beyond the last multiple of {block} are added without their weights, as "
            "if these were one",
            kernel=partial(_ones_beyond, block=block),
        )


def _ones_beyond(w: Array, *, block: int) -> Array:
    beyond = np.arange(w.shape[-2]) >= w.shape[-2] // block * block
    return np.where(beyond[:, None], np.ones_like(w), w)


def _places_of(y: Array) -> Array:
    """The number of each place of the outputs, one after another, of the shape (*places, 1)."""
    return np.arange(y[0, ..., 0].size if len(y) else 0).reshape(*y.shape[1:-1], 1)


def _up_to_last(y: Array, filters: int) -> Array:
    return np.minimum(_places_of(y), filters - 1)


def _in_circles(y: Array, filters: int) -> Array:
    return _places_of(y) % filters


def _in_memory(y: Array, filters: int) -> Array:
    places = _places_of(y)
    return (np.arange(filters) * places.size + places) % filters


_BIAS_BY_PLACE: Final = (
    ("up-to-last", "place of the output, counted one after another, up to the last", _up_to_last),
    ("circle", "place of the output, counted one after another in a circle", _in_circles),
    ("memory", "place of the output in memory, channels first, in a circle", _in_memory),
)


def biases_by_place() -> Iterator[Fault]:
    """The bias is taken by the place of an output in the place of its filter."""
    for name, words, index in _BIAS_BY_PLACE:
        yield systematic_fault(
            f"bias.by-place.{name}",
            f"the bias is taken by the {words}, not by the filter",
            add_bias=lambda y, b, index=index: y + b[index(y, len(b))] if len(y) else y,
        )


_PARTS_OF_SUMS: Final = (
    ("channels", "channels", (4, 8, 16, 32, 64), lambda w: w.shape[-2]),
    ("products", "products of a sum", (4, 8, 16, 32, 64, 128, 256, 512), lambda w: w[..., 0].size),
    ("taps", "elements of the window", (1, 2, 4, 8), lambda w: w[..., 0, 0].size),
)
"""What sums are made in parts of: names, words, lengths of the parts, and how many there are."""


def biases_by_parts() -> Iterator[Fault]:
    """The bias is added to each part of a sum that is made in several."""
    for name, words, lengths, count in _PARTS_OF_SUMS:
        for length in lengths:
            each = f"{length} {words}" if length > 1 else "element of the window"
            yield systematic_fault(
                f"bias.parts.{name}.{length}",
                f"the bias is added once for each {each}, as where it is added to every part of a "
                "sum",
                bias_times=lambda w, count=count, length=length: -(-count(w) // length),
            )


_OF_GRADIENTS: Final = (
    *(("inputs", "sample", 0), ("inputs", "channel", -1)),
    *(("kernel", "channel", -2), ("kernel", "filter", -1)),
    ("bias", "filter", 0),
)


def _indices_of_gradients() -> Iterator[Fault]:
    """The same of one gradient."""
    for (name, one, axis), (taken, words, change) in product(_OF_GRADIENTS, _TAKEN):
        steps: Any = {name: partial(_changed, change=change, axis=axis)}
        yield Fault(
            f"gradient.systematic.{name}.{one}s.{taken}",
            words.format(of=f"gradient of the {name}", one=one),
            Steps(backward=Backward(**steps)),
            is_systematic=True,
        )


def _upstreams() -> Iterator[Fault]:
    """The same of the upstream gradient from which that of the kernel is made."""
    for (taken, words, change), (one, axis) in product(_TAKEN, (("sample", 0), ("filter", -1))):
        own = words.format(of="upstream gradient", one=one)
        yield Fault(
            f"gradient.systematic.kernel.upstream.{one}s.{taken}",
            f"in the gradient of the kernel, {own}",
            Steps(backward=Backward(upstream=_along(change, axis))),
            only="kernel",
            is_systematic=True,
        )


def _along(change: _Change, axis: int) -> Callable[[Array], Array]:
    return lambda g: change(g, axis)


def _reached() -> Iterator[Fault]:
    """Of several windows that read an input, one gives it nothing."""
    for which, (axis, along) in product(("last", "first"), ((0, "first"), (1, "last"))):
        yield Fault(
            f"gradient.systematic.inputs.windows.{which}.{along}",
            f"in the gradient of the inputs, the {which} of the windows that read an input is left "
            f"out, where several do along the {along} axis",
            Steps(backward=Backward(reaching=partial(_without_one, which=which, axis=axis))),
            is_systematic=True,
        )


def _without_one(index: Array, number: int, stride: int, *, which: str, axis: int) -> Array:
    """Which taps of which windows along an axis give inputs what is theirs."""
    kept = np.ones(index.shape, bool)
    if number != axis or len(index) < 2:
        return kept
    output, tap = np.indices(index.shape)
    has_sooner = (output > 0) & (tap + stride < index.shape[1])
    has_later = tap >= stride
    one = has_sooner & ~has_later if which == "last" else has_later & ~has_sooner
    return np.asarray(~one)


_ALONG: Final = (("", (0, 1, 2)), (" along the first axis", (0,)), (" along the last axis", (1,)))
"""All axes, or one of several, with the end of its words."""


def _partly_reached(
    kind: str,
    ways: Sequence[tuple[str, str]],
    why: str,
    kept: Callable[..., Array],
) -> Iterator[Fault]:
    """Gradients of inputs to which some elements of the windows give nothing.

    Args:
        kind: what the faults are called.
        ways: which elements, by a name, and in words.
        why: as where that is so.
        kept: which elements are left, given the way and the axes beside what `reaching` gets.
    """
    for (which, words), (where, numbers) in product(ways, _ALONG):
        yield Fault(
            f"gradient.systematic.inputs.{kind}.{which}{where.replace(' along the ', '.')[:6]}",
            f"in the gradient of the inputs, {words}{where}, as where {why}",
            Steps(backward=Backward(reaching=partial(kept, which=which, axes=numbers))),
            is_systematic=True,
        )


_NEAR_STRIDE: Final = (
    (
        "before",
        "the elements of the window before the last place of the first stride are left out",
    ),
    ("beyond", "the elements of the window beyond the first stride are left out"),
    (
        "rest",
        (
            "the elements of the window beyond its last whole stride are left out, where it is "
            "longer than one"
        ),
    ),
    (
        "first-windows",
        (
            "of the windows that read an input, only the first ones, as many as it has whole "
            "strides, give it something"
        ),
    ),
)


def _taps() -> Iterator[Fault]:
    """Elements of the window that give inputs nothing, by where they lie beside the stride."""
    why = "the windows that read an input are counted with the wrong rounding"
    yield from _partly_reached("taps", _NEAR_STRIDE, why, _by_stride)


def _by_stride(index: Array, number: int, stride: int, *, which: str, axes: Sequence[int]) -> Array:
    """Which taps of windows along an axis lie before, or beyond, the first stride of each."""
    if number not in axes or not index.size:
        return np.ones(index.shape, bool)
    place = index - index[:, :1]
    whole = max((int(place.max()) + 1) // stride, 1) * stride
    sooner = np.minimum((place.max() - place) // stride, np.arange(len(index))[:, None])
    kept = {
        "before": place >= stride - 1,
        "beyond": place < stride,
        "rest": place < whole,
        "first-windows": sooner < whole // stride,  # windows before this one that read the input
    }
    return np.asarray(kept[which])


_LEFT_OUT: Final = (
    ("samples", "samples", 0),
    ("first-axis", "outputs along the first axis", 1),
    ("last-axis", "outputs along the last axis", -2),
    ("places", "outputs of a sample, counted one after another,", None),
)


def _remainders_of_sums() -> Iterator[Fault]:
    """What blocks of outputs, or samples, leave over is left out of the sum over them."""
    for (of, words, axis), block, name in product(_LEFT_OUT, _BLOCKS, ("kernel", "bias")):
        yield Fault(
            f"gradient.systematic.{name}.rest.{of}.{block}",
            f"in the gradient of the {name}, the {words} beyond the last multiple of {block} are "
            f"left out, where there are more than {block}",
            Steps(
                backward=Backward(
                    upstream=partial(without_rest, axis=axis, block=block, least=block + 1)
                )
            ),
            only=name,
            is_systematic=True,
        )


def without_rest(y: Array, *, axis: int | None, block: int, least: int) -> Array:
    """Zeros for what blocks leave over along an axis, or of the places of each sample.

    Only where there are at least so many.
    """
    if axis is None:
        flat = y.reshape(len(y), math.prod(y.shape[1:-1]), y.shape[-1])
        return without_rest(flat, axis=1, block=block, least=least).reshape(y.shape)
    count = y.shape[axis]
    if count < least:
        return y
    shape = [-1 if one == axis % y.ndim else 1 for one in range(y.ndim)]
    return np.where((np.arange(count) < count // block * block).reshape(shape), y, 0.0)


_PHASES: Final = (
    ("first", "only inputs at multiples of the stride, counted with the padding, get anything"),
    ("all-but-first", "inputs at multiples of the stride, counted with the padding, get nothing"),
    (
        "all-but-last",
        "inputs just before multiples of the stride, counted with the padding, get nothing",
    ),
)
"""Of the remainders of the places by the stride, those that are computed."""


def _phases() -> Iterator[Fault]:
    """Some remainders of the places of inputs by the stride are left out, each a sum of its own."""
    why = "of the sums for each remainder by the stride some are not made"
    yield from _partly_reached("phases", _PHASES, why, _of_phases)


def _of_phases(index: Array, number: int, stride: int, *, which: str, axes: Sequence[int]) -> Array:
    """Which taps of which windows along an axis meet inputs that are given something."""
    if number not in axes or stride == 1 or not index.size:
        return np.ones(index.shape, bool)
    phase = (index - index[0, 0]) % stride
    kept = {"first": phase == 0, "all-but-first": phase != 0, "all-but-last": phase != stride - 1}
    return np.asarray(kept[which])


def _by_place() -> Iterator[Fault]:
    """Windows whose number is beyond an input's place by the stride give it nothing."""
    words = "windows of a number beyond an input's place divided by the stride give it nothing"
    why = "the last window that reads it is counted without the padding before it"
    yield from _partly_reached("by", (("place", words),), why, _up_to_place)


def _up_to_place(
    index: Array, number: int, stride: int, *, which: str, axes: Sequence[int]
) -> Array:
    del which
    if number not in axes:
        return np.ones(index.shape, bool)
    return np.asarray(np.arange(len(index))[:, None] <= index // stride)


_LEFT_OVER: Final = (4, 8, 16, 32)
_WITHOUT_SLOPE: Final = (
    ("beyond", "the activation's slope is left out for", 1.0),
    ("lost", "nothing goes through the activation for", 0.0),
)
"""What is made of the upstream gradient in the place of the slope."""


def _slopes() -> Iterator[Fault]:
    """What blocks of all outputs leave over has no slope of the activation."""
    for (how, words, slope), block in product(_WITHOUT_SLOPE, _LEFT_OVER):
        yield Fault(
            f"gradient.systematic.slope.{how}.{block}",
            f"in the gradients, {words} the outputs beyond the last multiple of {block}, all "
            "counted one after another, channels last",
            Steps(backward=Backward(slope=partial(_without_rest, block=block, slope=slope))),
            is_systematic=True,
        )


def _without_rest(name: str, sums: Array, upstream: Array, *, block: int, slope: float) -> Array:
    """The upstream gradient through the slope, but for the last outputs."""
    made = through_own_slope(name, sums, upstream).copy()
    whole = sums.size // block * block
    made.reshape(-1)[whole:] = slope * upstream.reshape(-1)[whole:]
    return made


def _changed(x: Array, _: Any, *, change: _Change, axis: int) -> Array:
    return change(x, axis)


def _of_groups(x: Array, groups: int, change: _Change) -> list[Array]:
    """The parts of the groups, each taken for another."""
    parts = in_parts(x, groups)
    return [parts[i] for i in change(np.arange(groups), 0)]


def _of_parts(parts: list[Array], change: _Change) -> Array:
    return one_after_another([parts[i] for i in change(np.arange(len(parts)), 0)])


def of_gradients() -> Iterator[Fault]:
    """Those that show in one gradient."""
    yield from _indices_of_gradients()
    yield from _upstreams()
    yield from _reached()
    yield from _phases()
    yield from _taps()
    yield from _by_place()
    yield from _remainders_of_sums()
    yield from _slopes()

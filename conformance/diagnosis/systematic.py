"""Faults made systematically: one argument, axis, sample, filter or group is taken for another.

What the catalogue tells in words of its own is not made again.  The rest is made of the few ways in
which an index goes wrong, each applied wherever there is such an index: nobody needs to have
reported it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis import variations as v
from conformance.diagnosis.borders import border_faults
from conformance.diagnosis.evaluation import (
    Along,
    Array,
    Settings,
    contract,
    geometry,
    largest,
    to_channels_last,
)
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.fused import fused_faults
from conformance.diagnosis.packing import packing_faults
from conformance.diagnosis.systematic_indices import (
    biases_by_parts,
    biases_by_place,
    indices,
    of_gradients,
    remainders,
    systematic_fault,
    unweighted,
    without_rest,
)
from conformance.layers.registry import LAYERS

Sizes = tuple[int, ...]


def _first(sizes: Sizes) -> Sizes:
    return sizes[:1] * len(sizes)


def _last(sizes: Sizes) -> Sizes:
    return sizes[-1:] * len(sizes)


def _clamped(settings: Settings) -> Sizes:
    return tuple(map(min, settings.strides, settings.window))


def _clamped_along(axis: int) -> Callable[[Settings], dict[str, Sizes]]:
    """The strides where one of them alone is at most as long as the window."""

    def change(settings: Settings) -> dict[str, Sizes]:
        clamped, made = _clamped(settings), list(settings.strides)
        made[axis] = clamped[axis]
        return {_STRIDES: tuple(made)}

    return change


_STRIDES: Final = "strides"
_DILATION: Final = "dilation"

_READ: Final[Sequence[tuple[str, str, Callable[[Settings], dict[str, Sizes]]]]] = (
    (
        "strides.last",
        "the last stride is used for all axes",
        lambda s: {_STRIDES: _last(s.strides)},
    ),
    (
        "strides.clamped",
        "strides larger than the window are taken to be the window's size",
        lambda s: {_STRIDES: _clamped(s)},
    ),
    (
        "strides.window",
        "the window's size is taken for the strides",
        lambda s: {_STRIDES: s.window},
    ),
    (
        "strides.one-more",
        "strides larger than one are taken to be one more",
        lambda s: {_STRIDES: tuple(n + (n > 1) for n in s.strides)},
    ),
    (
        "strides.one-less",
        "strides larger than one are taken to be one less",
        lambda s: {_STRIDES: tuple(n - (n > 1) for n in s.strides)},
    ),
    (
        "dilation.last",
        "the last dilation rate is used for all axes",
        lambda s: {_DILATION: _last(s.dilation)},
    ),
)
"""Arguments read as others, from which the number of outputs follows as well."""

_LAID: Final = (
    *_READ[:1],
    _READ[-1],
    (
        "strides.first",
        "the first stride is used for all axes",
        lambda s: {_STRIDES: _first(s.strides)},
    ),
    _READ[1],
    *(
        (
            f"strides.clamped.{name}",
            f"strides larger than the window along the {name} axis are taken to be its size",
            _clamped_along(axis),
        )
        for name, axis in (("first", 0), ("last", -1))
    ),
    ("strides.ignored", "the strides are ignored", lambda s: {_STRIDES: v.ones(s.strides)}),
    (
        "strides.exchanged",
        "the strides of rows and columns are exchanged",
        lambda s: {_STRIDES: v.exchanged(s.strides)},
    ),
    (
        "dilation.first",
        "the first dilation rate is used for all axes",
        lambda s: {_DILATION: _first(s.dilation)},
    ),
    ("dilation.ignored", "the dilation is ignored", lambda s: {_DILATION: v.ones(s.dilation)}),
    (
        "dilation.exchanged",
        "the dilation rates of rows and columns are exchanged",
        lambda s: {_DILATION: v.exchanged(s.dilation)},
    ),
    (
        "dilation.one-more",
        "dilated taps lie one place too far apart",
        lambda s: {_DILATION: tuple(d + (d > 1) for d in s.dilation)},
    ),
    (
        "dilation.one-less",
        "dilated taps lie one place too near to each other",
        lambda s: {_DILATION: tuple(d - (d > 1) for d in s.dilation)},
    ),
)
"""The same where windows are laid out, while the number of outputs, and the padding, are right."""


def _arguments() -> Iterator[Fault]:
    for name, words, change in _READ:
        yield systematic_fault(
            name, words, settings=lambda s, _, change=change: replace(s, **change(s))
        )
    for name, words, change in _LAID:
        yield systematic_fault(
            f"laid.{name}",
            f"{words}, though there are as many outputs as there should be",
            laid=lambda s, change=change: replace(s, **change(s)),
        )
    for name, words, of in (("first", "first", _first), ("last", "last", _last)):
        yield systematic_fault(
            f"pool.{name}",
            f"the {words} size of the pool is used for all axes",
            settings=lambda s, case, of=of: v.with_pool(s, case, of, strides=True),
        )
        yield systematic_fault(
            f"pool.{name}-alone",
            f"the {words} size of the pool is used for all axes, not of strides that default to it",
            settings=lambda s, case, of=of: v.with_pool(s, case, of, strides=False),
        )

    yield systematic_fault(
        "pool.clamped",
        "a pool longer than the input is taken to be as long as that, before it is padded",
        settings=_clamped_pool,
    )


def _clamped_pool(settings: Settings, case: Case) -> Settings:
    lengths = tuple(max(n or 0, 1) for n in facts(case).spatial)
    if not LAYERS[case.layer].pools:
        return settings
    return replace(settings, window=tuple(map(min, settings.window, lengths)))


_OF_PADS: Final = MappingProxyType(
    {
        "all": ("is that of the {other}", ("length", "window", "stride", "dilation")),
        "length": ("is computed from the length of the {other}", ("length",)),
        "window": ("is computed from the window of the {other}", ("window",)),
        "stride": ("is computed from the stride of the {other}", ("stride",)),
        "dilation": ("is computed from the dilation rate of the {other}", ("dilation",)),
    }
)
"""What of the padding of one axis is taken from another."""

_AXES: Final = MappingProxyType(
    {
        "both": ((0, 1), "of each axis", "other axis"),
        "first": ((0,), "of the first axis", "last axis"),
        "last": ((1,), "of the last axis", "first axis"),
    }
)

_HOW_MUCH: Final = MappingProxyType(
    {
        "": "",
        "clipped": ", as far as there is so much",
        "fitting": ", on both sides, and as many outputs as fit",
    }
)


def _pads() -> Iterator[Fault]:
    """SAME padding of one axis from the numbers of another."""
    for taken, (words, names) in _OF_PADS.items():
        for which, (axes, own, other) in _AXES.items():
            for how, more in _HOW_MUCH.items():
                yield systematic_fault(
                    f"same.{taken}.{which}{how and '.'}{how}",
                    f"the SAME padding {own} {words.format(other=other)}{more}",
                    together=_padded_by(axes, names, how),
                )
    yield systematic_fault(
        "same.all.of-one",
        "the SAME padding of an axis along which the window is 1 long is that of the other axis",
        together=_padded_by((0, 1), _OF_PADS["all"][1], "of-one"),
    )


def _of_other_layout() -> Iterator[Fault]:
    """SAME padding from the axes of the shape where the other data format has its lengths."""
    for own, other, first in (
        ("channels_first", "channels_last", True),
        ("channels_last", "channels_first", False),
    ):
        yield systematic_fault(
            f"same.shape-of.{own}",
            f"the SAME padding of {own} inputs is computed from the axes of their shape that "
            f"{other} inputs have their lengths in",
            settings=partial(_of_other_axes, first=first),
        )


def _guessed() -> Iterator[Fault]:
    """A data format that is guessed from the shape."""
    yield systematic_fault(
        "layout.guessed",
        "channels_first inputs are taken for channels_last where their last axis is as long as "
        "their channels",
        to_last=lambda x: x if x.shape[-1] == x.shape[1] else to_channels_last(x),
    )


def _of_other_axes(settings: Settings, case: Case, *, first: bool) -> Settings:
    if settings.channels_first is not first or settings.padding != "same":
        return settings
    own = 2 if first else 1
    shape = [n or 0 for n in case.inputs or ()][3 - own :]
    return replace(settings, lengths=tuple(shape[: len(settings.window)]))


_MODES: Final[Mapping[str, str]] = MappingProxyType({"same": "SAME", "causal": "causal"})
"""Modes that pad before the first input, in words."""

_LIMITS: Final[Mapping[str, tuple[str, Callable[[Along], int]]]] = MappingProxyType(
    {
        "length": ("the length of the input", lambda a: a.length),
        "length-less-one": ("one less than the length of the input", lambda a: a.length - 1),
        "window": ("the window without its dilation", lambda a: a.window),
        "stride": ("the stride", lambda a: a.stride),
    }
)
"""What the padding before the first input may be limited by."""


def _limited() -> Iterator[Fault]:
    """Padding before the first input that is at most as much as another number."""
    for padding, (name, (words, limit)) in product(_MODES, _LIMITS.items()):
        yield systematic_fault(
            f"{padding}.at-most.{name}",
            f"the {_MODES[padding]} padding before the first input is at most {words}",
            together=partial(_padded, padding=padding, before=partial(_at_most, limit)),
        )


_FROM: Final[Mapping[str, tuple[str, Callable[[Along], int]]]] = MappingProxyType(
    {
        "stride": ("one less than the stride", lambda a: a.stride - 1),
        "dilation": ("one less than the dilation rate", lambda a: a.dilation - 1),
    }
)
"""What windows may be displaced by."""


def _displaced() -> Iterator[Fault]:
    """Padding before the first input that is too little, or too much, by another number."""
    sides = (
        ("less", -1, "", False),
        ("less", -1, ".clipped", True),
        ("more", 1, "", False),
    )
    for padding, (name, (words, by)), (side, sign, how, clipped) in product(
        _MODES, _FROM.items(), sides
    ):
        at_least = ", as far as there is so much" if clipped else ""
        yield systematic_fault(
            f"{padding}.{side}-by.{name}{how}",
            f"the {_MODES[padding]} padding before the first input is {side} by {words}{at_least}",
            together=partial(
                _padded,
                padding=padding,
                before=partial(_moved, by, sign, clipped=clipped),
            ),
        )


def _padded(given: list[Along], padding: str, before: Callable[[Along], int]) -> list[Along]:
    """Another padding before the first input, in one of the modes."""
    return [replace(a, before=before(a)) if a.padding == padding else a for a in given]


def _at_most(limit: Callable[[Along], int], along: Along) -> int:
    return min(along.before, limit(along))


def _moved(by: Callable[[Along], int], sign: int, along: Along, *, clipped: bool) -> int:
    moved = along.before + sign * by(along)
    return max(moved, 0) if clipped else moved


def _counts() -> Iterator[Fault]:
    """The number of outputs of one axis from the numbers of another."""
    for (taken, (words, names)), (which, (axes, own, other)) in product(
        _OF_PADS.items(), _AXES.items()
    ):
        yield systematic_fault(
            f"outputs.{taken}.{which}",
            f"the number of outputs {own} {words.format(other=other)}",
            together=partial(_counted_by, axes=axes, names=names),
        )


def _counted_by(given: list[Along], axes: Sequence[int], names: Sequence[str]) -> list[Along]:
    if len(given) != 2:
        return given
    made = list(given)
    for axis in axes:
        own, other = given[axis], given[1 - axis]
        read = replace(own, **{name: getattr(other, name) for name in names})
        sizes = (read.length, read.window, read.stride, read.dilation)
        outputs, _ = geometry(*sizes, own.padding)
        if outputs <= _MOST_OUTPUTS + own.outputs:
            made[axis] = replace(own, outputs=max(outputs, 0))
    return made


_MOST_OUTPUTS: Final = 256
"""How many more outputs than there should be are tried along an axis: all are evaluated."""


def _padded_by(
    axes: Sequence[int], names: Sequence[str], how: str
) -> Callable[[list[Along]], list[Along]]:
    def together(given: list[Along]) -> list[Along]:
        if len(given) != 2 or given[0].padding != "same":
            return given
        made = list(given)
        for axis in axes:
            own, other = given[axis], given[1 - axis]
            if how == "of-one" and own.window != 1:
                continue
            read = replace(own, **{name: getattr(other, name) for name in names})
            total = v.total_of(read)
            if how == "clipped":
                made[axis] = replace(own, before=min(total // 2, v.total_of(own)))
            elif how == "fitting":
                made[axis] = replace(own, before=total // 2, outputs=v.fitting(own, total))
            else:
                made[axis] = replace(own, before=total // 2)
        return made

    return together


def _kept() -> Iterator[Fault]:
    """Sums, or maxima, that are not reset between samples, places or filters."""
    for name, words, axis in (
        ("samples", "samples", 0),
        ("first-axis", "outputs along the first axis", 1),
        ("last-axis", "outputs along the last axis", -2),
        ("filters", "filters", -1),
    ):
        yield systematic_fault(
            f"kept.sums.{name}",
            f"the sum is not reset between {words}, so that each has those before it added",
            contract=lambda x, w, axis=axis: np.cumsum(contract(x, w), axis),
        )
        yield systematic_fault(
            f"kept.maxima.{name}",
            f"the maximum is not reset between {words.replace('filters', 'channels')}, so that it "
            "goes on",
            pool=lambda x, inside, axis=axis: _running(largest(x, inside), axis),
        )


def _as_many() -> Iterator[Fault]:
    """Sums that are made along one spatial axis for as many places as there are on the other."""
    axes = {"rows": -3, "columns": -2}
    for (own, other), block in product(permutations(axes), _TILES):
        rounded = f", rounded up to a multiple of {block}" if block > 1 else ""
        yield systematic_fault(
            f"sums.{own}.as-many.{block}",
            f"the sums are made for as many {own} of outputs as there are {other}{rounded}, and "
            "those beyond are zero",
            contract=partial(_for_as_many, axis=axes[own], other=axes[other], block=block),
        )


_TILES: Final = (1, 2, 4, 8)


def _for_as_many(windows: Array, kernel: Array, *, axis: int, other: int, block: int) -> Array:
    sums = contract(windows, kernel)
    if sums.ndim < 4:
        return sums
    count = -(-sums.shape[other] // block) * block
    kept = np.arange(sums.shape[axis]) < count
    return np.where(kept.reshape(-1, *[1] * (-1 - axis)), sums, 0.0)


_PLACES: Final = (
    ("first-axis", "places along the first axis", 1),
    ("last-axis", "places along the last axis", -2),
    ("all", "places of a sample, counted one after another", None),
)


def _left_over() -> Iterator[Fault]:
    """What blocks of places leave over is not computed: its sums are zero, or its outputs."""
    for (name, words, axis), block in product(_PLACES, _LEFT_OVER):
        above = f", where there are more than {block}," if block > 2 else ""
        left = f"of the {words} those beyond the last multiple of {block}{above}"
        without = partial(_without_rest, axis=axis, block=block)
        yield systematic_fault(
            f"sums.rest.{name}.{block}",
            f"{left} are not summed, and hold what the bias alone gives",
            contract=lambda x, w, without=without: without(contract(x, w)),
        )
        yield systematic_fault(
            f"outputs.rest.{name}.{block}",
            f"{left} are not written, and zero",
            activated_at=lambda name, y, sums, before, after, without=without: without(y),
        )


_LEFT_OVER: Final = (2, 4, 8, 16, 32)


def _without_rest(y: Array, *, axis: int | None, block: int) -> Array:
    """Less than one block is left over as a whole by pairs; of others it would be everything."""
    return without_rest(y, axis=axis, block=block, least=1 if block == 2 else block + 1)


def _running(y: Array, axis: int) -> Array:
    return np.asarray(np.maximum.accumulate(y, axis)) if y.size else y


_FAMILIES: Final = (
    *(_arguments, _pads, _of_other_layout, _guessed, _limited, _displaced, _counts, _kept),
    *(indices, remainders, unweighted, biases_by_parts, biases_by_place),
    *(fused_faults, border_faults, packing_faults, _as_many, _left_over),
)

_EVERY: Final = tuple(fault for make in _FAMILIES for fault in make())

_LAID_IN_ONE_GRADIENT: Final = tuple(
    replace(fault.of_gradient(name), is_systematic=True)
    for fault in _EVERY
    if ".laid." in fault.identifier
    for name in ("inputs", "kernel")
)

SYSTEMATIC: Final = MappingProxyType(
    {fault.identifier: fault for fault in (*_EVERY, *_LAID_IN_ONE_GRADIENT, *of_gradients())}
)
"""The faults, by identifier."""

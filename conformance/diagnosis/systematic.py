"""Faults made systematically: one argument, axis, sample, filter or group is taken for another.

What the catalogue tells in words of its own is not made again.  The rest is made of the few ways in
which an index goes wrong, each applied wherever there is such an index: nobody needs to have
reported it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from conformance.diagnosis import variations as v
from conformance.diagnosis.evaluation import (
    Along,
    Array,
    Backward,
    Settings,
    Steps,
    contract,
    geometry,
    in_parts,
    largest,
    one_after_another,
)
from conformance.diagnosis.faults import Fault

Sizes = tuple[int, ...]


def _fault(identifier: str, sentence: str, **steps: Any) -> Fault:
    return Fault(f"systematic.{identifier}", sentence, Steps(**steps), is_systematic=True)


def _first(sizes: Sizes) -> Sizes:
    return sizes[:1] * len(sizes)


def _last(sizes: Sizes) -> Sizes:
    return sizes[-1:] * len(sizes)


def _clamped(settings: Settings) -> Sizes:
    return tuple(map(min, settings.strides, settings.window))


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
        yield _fault(name, words, settings=lambda s, _, change=change: replace(s, **change(s)))
    for name, words, change in _LAID:
        yield _fault(
            f"laid.{name}",
            f"{words}, though there are as many outputs as there should be",
            laid=lambda s, change=change: replace(s, **change(s)),
        )
    for name, words, of in (("first", "first", _first), ("last", "last", _last)):
        yield _fault(
            f"pool.{name}",
            f"the {words} size of the pool is used for all axes",
            settings=lambda s, case, of=of: v.with_pool(s, case, of, strides=True),
        )
        yield _fault(
            f"pool.{name}-alone",
            f"the {words} size of the pool is used for all axes, not of strides that default to it",
            settings=lambda s, case, of=of: v.with_pool(s, case, of, strides=False),
        )


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
                yield _fault(
                    f"same.{taken}.{which}{how and '.'}{how}",
                    f"the SAME padding {own} {words.format(other=other)}{more}",
                    together=_padded_by(axes, names, how),
                )


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
        yield _fault(
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
    sides = (("less", -1), ("more", 1))
    for padding, (name, (words, by)), (side, sign) in product(_MODES, _FROM.items(), sides):
        yield _fault(
            f"{padding}.{side}-by.{name}",
            f"the {_MODES[padding]} padding before the first input is {side} by {words}",
            together=partial(_padded, padding=padding, before=partial(_moved, by, sign)),
        )


def _padded(given: list[Along], padding: str, before: Callable[[Along], int]) -> list[Along]:
    """Another padding before the first input, in one of the modes."""
    return [replace(a, before=before(a)) if a.padding == padding else a for a in given]


def _at_most(limit: Callable[[Along], int], along: Along) -> int:
    return min(along.before, limit(along))


def _moved(by: Callable[[Along], int], sign: int, along: Along) -> int:
    return along.before + sign * by(along)


def _counts() -> Iterator[Fault]:
    """The number of outputs of one axis from the numbers of another."""
    for (taken, (words, names)), (which, (axes, own, other)) in product(
        _OF_PADS.items(), _AXES.items()
    ):
        yield _fault(
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


_TAKEN: Final[Sequence[tuple[str, str, _Change]]] = (
    ("first", "the {of} of the first {one} is used for all", _repeated(0)),
    ("last", "the {of} of the last {one} is used for all", _repeated(-1)),
    ("reversed", "the {of} of the {one}s is taken in reverse", np.flip),
    ("next", "each {one} has the {of} of the next", _rolled(-1)),
    ("before", "each {one} has the {of} of the one before", _rolled(1)),
    ("pairs", "each two {one}s have each other's {of}", _in_pairs),
)
"""Which index is taken for which."""


def _indices() -> Iterator[Fault]:
    for name, words, change in _TAKEN:
        if name not in ("first", "reversed"):
            yield _fault(
                f"samples.{name}",
                words.format(of="output", one="sample"),
                outputs=lambda y, change=change: change(y, 0),
            )
        if name != "reversed":
            yield _fault(
                f"filters.{name}",
                words.format(of="kernel", one="filter"),
                kernel=lambda w, change=change: change(w, -1),
            )
            yield _fault(
                f"channels.{name}",
                words.format(of="kernel", one="channel"),
                kernel=lambda w, change=change: change(w, -2),
            )
        if name != "first":
            yield _fault(
                f"bias.{name}",
                words.format(of="bias", one="filter"),
                add_bias=lambda y, b, change=change: y + change(b, 0),
            )
        yield _fault(
            f"groups.kernel.{name}",
            words.format(of="kernel", one="group"),
            filters=lambda w, groups, change=change: _of_groups(w, groups, change),
        )
        if name not in ("first", "reversed"):
            yield _fault(
                f"groups.channels.{name}",
                words.format(of="channels", one="group"),
                groups=lambda x, groups, change=change: _of_groups(x, groups, change),
            )
        yield _fault(
            f"groups.outputs.{name}",
            words.format(of="output", one="group"),
            joined=lambda parts, change=change: _of_parts(parts, change),
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
            only=name,
            is_systematic=True,
        )


def _changed(x: Array, _: Any, *, change: _Change, axis: int) -> Array:
    return change(x, axis)


def _of_groups(x: Array, groups: int, change: _Change) -> list[Array]:
    """The parts of the groups, each taken for another."""
    parts = in_parts(x, groups)
    return [parts[i] for i in change(np.arange(groups), 0)]


def _of_parts(parts: list[Array], change: _Change) -> Array:
    return one_after_another([parts[i] for i in change(np.arange(len(parts)), 0)])


def _kept() -> Iterator[Fault]:
    """Sums, or maxima, that are not reset between samples, places or filters."""
    for name, words, axis in (
        ("samples", "samples", 0),
        ("first-axis", "outputs along the first axis", 1),
        ("last-axis", "outputs along the last axis", -2),
        ("filters", "filters", -1),
    ):
        yield _fault(
            f"kept.sums.{name}",
            f"the sum is not reset between {words}, so that each has those before it added",
            contract=lambda x, w, axis=axis: np.cumsum(contract(x, w), axis),
        )
        yield _fault(
            f"kept.maxima.{name}",
            f"the maximum is not reset between {words.replace('filters', 'channels')}, so that it "
            "goes on",
            pool=lambda x, inside, axis=axis: _running(largest(x, inside), axis),
        )


def _running(y: Array, axis: int) -> Array:
    return np.asarray(np.maximum.accumulate(y, axis)) if y.size else y


_EVERY: Final = tuple(
    fault
    for make in (_arguments, _pads, _limited, _displaced, _counts, _indices, _kept)
    for fault in make()
)

_LAID_IN_ONE_GRADIENT: Final = tuple(
    replace(fault.of_gradient(name), is_systematic=True)
    for fault in _EVERY
    if ".laid." in fault.identifier
    for name in ("inputs", "kernel")
)

SYSTEMATIC: Final = MappingProxyType(
    {
        fault.identifier: fault
        for fault in (*_EVERY, *_LAID_IN_ONE_GRADIENT, *_indices_of_gradients())
    }
)
"""The faults, by identifier."""

"""Equivalence classes: the ways in which a case can be special, stated as predicates.

A class is named ``LAYER/FAMILY/...``, such as ``Conv2D/rows/same/odd``.  The grids are built to hit
every class, and the tests assert that they do; a case outside every class of some family would say
that the family is not complete.

The families:

* ``steps`` (one axis), ``rows``, ``columns``: the geometry along one spatial axis;
* ``pair``: the geometry of both spatial axes together;
* ``batch``, ``channels``, ``filters``: none, one, more, and sizes where kernels change algorithm;
* ``equal``: two sizes that coincide, the rest being what it may; ``distinct``: no two coincide;
* ``argument``: each documented argument left out, at its default, away from it, in each spelling;
* ``operands``, ``dtype``, ``activation``, ``products``: values;
* ``blocks``: more windows or outputs than are computed at a time;
* ``locality``: an extraordinary value among ordinary ones, by what could spread it;
* ``groups``, ``causal``: what the convolutions have gained since the documentation;
* ``rejects``: what must be rejected, by the argument at fault;
* ``shape``: shapes with free lengths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations, product
from math import prod
from operator import attrgetter
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.cases.grids.values import (
    ACTIVATIONS,
    LOCAL_KINDS,
    LONG_SUMS,
    SUMMED_KINDS,
    dtypes_of,
    kinds_of,
)
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES
from conformance.layers import LAYERS, REQUIRED, SIZES, Layer
from reference_impl.ops.geometry import WindowAxis

Predicate = Callable[[Facts], bool]
AxisPredicate = Callable[[WindowAxis], bool]
Named = Iterator[tuple[str, Predicate]]


def total_before_clipping(axis: WindowAxis) -> int:
    """Total padding of ``same``, negative where inputs are left over: ``(out - 1) s + e - n``."""
    return (axis.output - 1) * axis.stride + axis.receptive_field - axis.length


def remainder(axis: WindowAxis) -> int:
    """Inputs after the last window of ``valid``: ``(n - e) mod s``."""
    return (axis.length - axis.receptive_field) % axis.stride


_TOTALS: Final[dict[str, AxisPredicate]] = {
    "none": lambda a: total_before_clipping(a) == 0,
    "even": lambda a: total_before_clipping(a) > 0 and total_before_clipping(a) % 2 == 0,
    "odd": lambda a: total_before_clipping(a) > 0 and total_before_clipping(a) % 2 == 1,
    "clipped": lambda a: total_before_clipping(a) < 0,
}
_SAME: Final[dict[str, AxisPredicate]] = {
    **_TOTALS,
    "stride divides length": lambda a: a.stride > 1 and a.length % a.stride == 0,
    "stride leaves a remainder": lambda a: a.length % a.stride != 0,
    "window longer than input": lambda a: a.receptive_field > a.length,
    "stride longer than input": lambda a: a.stride > a.length,
}
_REMAINDERS: Final[dict[str, AxisPredicate]] = {
    "divides": lambda a: a.stride > 1 and remainder(a) == 0,
    "remainder": lambda a: remainder(a) > 0,
}
_VALID: Final[dict[str, AxisPredicate]] = {
    **_REMAINDERS,
    "window is the input": lambda a: a.receptive_field == a.length,
}
_WINDOWS: Final[dict[str, AxisPredicate]] = {
    "one": lambda a: a.window == 1,
    "even": lambda a: a.window % 2 == 0,
    "odd": lambda a: a.window > 1 and a.window % 2 == 1,
}
_STRIDES: Final[dict[str, AxisPredicate]] = {
    "one": lambda a: a.stride == 1,
    "within window": lambda a: 1 < a.stride < a.window,
    "is window": lambda a: 1 < a.stride == a.window,
    "beyond window": lambda a: a.stride > a.window,
}
_DILATIONS: Final[dict[str, AxisPredicate]] = {
    "of one tap": lambda a: a.dilation > 1 and a.window == 1,
    "even window": lambda a: a.dilation > 1 and a.window % 2 == 0,
    "odd window": lambda a: a.dilation > 1 and a.window % 2 == 1 and a.window > 1,
    "beyond input": lambda a: a.dilation > a.length,
}
_LENGTHS: Final[dict[str, AxisPredicate]] = {
    "one": lambda a: a.length == 1,
    "long": lambda a: a.length >= 100,
    "one output": lambda a: a.output == 1 < a.length,
}


def _axis_names(layer: Layer) -> tuple[str, ...]:
    return ("steps",) if layer.rank == 1 else ("rows", "columns")


def _on_axis(predicate: AxisPredicate, position: int, padding: str | None) -> Predicate:
    def holds(f: Facts) -> bool:
        return padding in (None, f.padding) and predicate(f.axes[position])

    return holds


def _axis_classes(layer: Layer) -> Named:
    families = [("same", _SAME), ("valid", _VALID)]
    any_padding = [("window", _WINDOWS), ("stride", _STRIDES), ("length", _LENGTHS)]
    if layer.dilates:
        any_padding.append(("dilation", _DILATIONS))
    for position, axis in enumerate(_axis_names(layer)):
        for family, predicates in (*families, *any_padding):
            padding = family if family in ("same", "valid") else None
            for name, predicate in predicates.items():
                yield f"{axis}/{family}/{name}", _on_axis(predicate, position, padding)
        zero = _on_axis(lambda a: a.length == 0, position, None)
        yield f"{axis}/length/zero", zero


def _pair_classes(layer: Layer) -> Named:
    if layer.rank != 2:
        return
    families: list[tuple[str, str | None, dict[str, AxisPredicate]]] = [
        ("same", "same", _TOTALS),
        ("valid", "valid", _REMAINDERS),
        ("window", None, _WINDOWS),
        ("stride", None, {"one": _STRIDES["one"], "more": lambda a: a.stride > 1}),
    ]
    if layer.dilates:
        rates: dict[str, AxisPredicate] = {
            "one": lambda a: a.dilation == 1,
            "more": lambda a: a.dilation > 1,
        }
        families.append(("dilation", None, rates))
    for family, padding, predicates in families:
        for (name, one), (other_name, other) in product(predicates.items(), repeat=2):
            yield f"pair/{family}/{name} and {other_name}", _on_both(one, other, padding)


def _on_both(one: AxisPredicate, other: AxisPredicate, padding: str | None) -> Predicate:
    first, second = _on_axis(one, 0, padding), _on_axis(other, 1, padding)
    return lambda f: first(f) and second(f)


def _size_classes(layer: Layer) -> Named:
    for size in (0, 1):
        yield f"batch/{size}", _is("batch", size)
    yield "batch/more", lambda f: 1 < (f.batch or 0) < 16
    yield "batch/16 and more", lambda f: (f.batch or 0) >= 16
    widths = (1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)
    for size in widths if layer.rank else (1, 2, 5):
        yield f"channels/{size}", _is("channels", size)
    if layer.convolves:
        for size in (1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64):
            yield f"filters/{size}", _has_filters(size)
        for channels in (2, 3, 4, 7, 8, 9, 15, 16):
            yield f"pointwise, strides divide/{channels}", _is_divided(channels)
    else:
        yield "channels/0", _is("channels", 0)
    for rank in layer.input_ranks:
        yield f"rank/{rank}", _has_rank(rank)
        if rank > 1:
            first = _both(_has_rank(rank), _is("channels_first", True))
            yield f"rank/{rank} channels_first", first


def _is(attribute: str, value: Any) -> Predicate:
    """Whether an attribute of the facts, dots allowed, has this value."""
    get = attrgetter(attribute)
    return lambda f: bool(get(f) == value)


def _has_filters(size: int) -> Predicate:
    return lambda f: bool(f.config["filters"] == size)


def _is_divided(channels: int) -> Predicate:
    """Windows of one over so many channels, with strides that divide the sizes, of some samples."""

    def holds(f: Facts) -> bool:
        if f.channels != channels or (f.batch or 0) < 2 or set(f.window) != {1}:
            return False
        pairs = zip(f.spatial, f.strides, strict=True)
        return min(f.strides) > 1 and all(n and n % s == 0 for n, s in pairs)

    return holds


def _has_rank(rank: int) -> Predicate:
    return lambda f: len(f.case.inputs or ()) == rank


def _both(one: Predicate, other: Predicate) -> Predicate:
    return lambda f: one(f) and other(f)


def named_sizes(f: Facts) -> dict[str, int]:
    """Every size of a case that slides a window: batch, spatial axes, channels, filters, window."""
    axes = _axis_names(f.descriptor)
    sizes = {"batch": f.batch or 0, "channels": f.channels or 0}
    sizes |= {axis: size or 0 for axis, size in zip(axes, f.spatial, strict=True)}
    sizes |= {f"window {axis}": size for axis, size in zip(axes, f.window, strict=True)}
    return sizes | ({"filters": f.config["filters"]} if f.is_convolution else {})


def _all_distinct(f: Facts) -> bool:
    sizes = named_sizes(f)
    return len(set(sizes.values())) == len(sizes)


def _equality_classes(layer: Layer) -> Named:
    if not layer.rank:
        return
    yield "distinct/all sizes", _all_distinct
    axes = _axis_names(layer)
    names = ["batch", *axes, "channels", *(f"window {axis}" for axis in axes)]
    names += ["filters"] if layer.convolves else []
    for one, other in combinations(names, 2):
        yield f"equal/{one} and {other}", _are_equal(one, other)
    if len(axes) == 2:
        for values in ("spatial", "window", "strides", "dilation")[: 4 if layer.dilates else 3]:
            yield f"equal/{values}", _same_on_both_axes(values, True)
            yield f"distinct/{values}", _same_on_both_axes(values, False)


def _are_equal(one: str, other: str) -> Predicate:
    def holds(f: Facts) -> bool:
        sizes = named_sizes(f)
        return sizes[one] == sizes[other] > 1

    return holds


def _same_on_both_axes(attribute: str, same: bool) -> Predicate:
    def holds(f: Facts) -> bool:
        rows, columns = getattr(f, attribute)
        return (rows == columns) is same and columns not in (0, None)

    return holds


def _argument_classes(layer: Layer) -> Named:
    for argument, default in layer.signature.items():
        if default is not REQUIRED:
            yield f"argument/{argument} left out", _left_out(argument)
            yield f"argument/{argument} at its default", _given(argument, default, True)
        yield f"argument/{argument} given", _given(argument, default, False)
        if argument in SIZES:
            for form, kind in (("integer", int), ("tuple", tuple), ("list", list)):
                yield f"argument/{argument} as {form}", _spelt(argument, kind)
    if "data_format" in layer.signature:
        for value in ("channels_first", "channels_last"):
            yield f"argument/data_format {value}", _spelt_value("data_format", value)


def _left_out(argument: str) -> Predicate:
    return lambda f: not f.given(argument)


def _given(argument: str, default: Any, at_default: bool) -> Predicate:
    def holds(f: Facts) -> bool:
        if not f.given(argument):
            return False
        value = f.case.keywords[argument]
        return (value == default or _plainly(value) == _plainly(default)) is at_default

    return holds


def _plainly(value: Any) -> Any:
    """An integer for sizes that are equal on every axis, whatever their spelling."""
    if isinstance(value, tuple | list) and len(set(value)) == 1:
        return value[0]
    return value


def _spelt(argument: str, kind: type) -> Predicate:
    return lambda f: f.given(argument) and isinstance(f.case.keywords[argument], kind)


def _spelt_value(argument: str, value: str) -> Predicate:
    return lambda f: bool(f.case.keywords.get(argument) == value)


def _value_classes(layer: Layer) -> Named:
    for dtype in dtypes_of(layer.name):
        yield f"dtype/{dtype}", _is("case.dtype", dtype)
    for kind in kinds_of(layer.name):
        yield f"operands/{kind}", _is("case.operands", kind)
    if layer.convolves:
        for name in ACTIVATIONS:
            yield f"activation/{name}", _is("activation", name)
        yield "products/1", _is("products", 1)
        for padding in ("valid", "same"):
            yield f"blocks/{padding}", _both(_is("padding", padding), _fills_blocks)
        yield (
            "blocks/outputs",
            lambda f: f.case.observe == "output" and prod(f.output_shape) > 2**14,
        )
        for count, dtype, kind in product(LONG_SUMS, FLOATING_DTYPES, SUMMED_KINDS):
            yield f"products/{count} {dtype} {kind}", _sums(count, dtype, kind)
        for kind, (spread, predicate) in product(LOCAL_KINDS, _SPREADING.items()):
            yield f"locality/{kind} {spread}", _both(_is("case.operands", kind), predicate)


def _fills_blocks(f: Facts) -> bool:
    """Whether the windows, copied one beside the other, hold more than 2**17 numbers."""
    return (
        f.case.observe == "output"
        and prod(f.output_shape) // f.config["filters"] * f.products > 2**17
    )


def _sums(count: int, dtype: str, kind: str) -> Predicate:
    return lambda f: (f.products, f.case.dtype, f.case.operands) == (count, dtype, kind)


_SPREADING: Final[dict[str, Predicate]] = {
    "in a batch of 16": _is("batch", 16),
    "with strides": lambda f: max(f.strides) > 1,
    "with dilation": lambda f: max(f.dilation) > 1,
    "on a long axis": lambda f: max(size or 0 for size in f.spatial) >= 12,
}
"""What algorithms that mix inputs are chosen by."""


_GROUPED: Final[dict[str, Predicate]] = {
    "with strides": lambda f: max(f.strides) > 1,
    "with dilation": lambda f: max(f.dilation) > 1,
    "valid": lambda f: f.padding == "valid",
    "same": lambda f: f.padding == "same",
    "channels_first": lambda f: f.channels_first,
    "without bias": lambda f: not f.config["use_bias"],
    "batch of none": lambda f: f.batch == 0,
    "one channel each": lambda f: f.channels == f.groups,
    "several channels each": lambda f: (f.channels or 0) > f.groups,
    "one filter each": lambda f: f.config["filters"] == f.groups,
    "several filters each": lambda f: f.config["filters"] > f.groups,
    "several of both each": lambda f: min(f.channels or 0, f.config["filters"]) > f.groups,
    "as many channels as filters": lambda f: f.channels == f.config["filters"],
    "fewer filters than channels": lambda f: f.config["filters"] < (f.channels or 0),
    "pointwise": lambda f: set(f.window) == {1},
    "activation over the filters": lambda f: f.activation == "softmax",
}
_CAUSAL: Final[dict[str, AxisPredicate]] = {
    **{f"window {name}": holds for name, holds in _WINDOWS.items()},
    **{f"stride {name}": holds for name, holds in _STRIDES.items()},
    **{f"dilation {name}": holds for name, holds in _DILATIONS.items() if name != "beyond input"},
    "stride divides length": lambda a: a.stride > 1 and a.length % a.stride == 0,
    "stride leaves a remainder": lambda a: a.length % a.stride != 0,
    "window longer than input": lambda a: a.receptive_field > a.length,
    "stride longer than input": lambda a: a.stride > a.length,
    "length one": lambda a: a.length == 1,
    "length zero": lambda a: a.length == 0,
}


def _added_classes(layer: Layer) -> Named:
    """Groups and causal padding, each with the rest."""
    if "groups" in layer.added:
        yield "groups/1 given", lambda f: f.given("groups") and f.groups == 1
        for count in (2, 3, 4, 5, 8, 9, 16):
            yield f"groups/{count}", _is("groups", count)
        for name, holds in _GROUPED.items():
            yield f"groups/{name}", _both(_has_groups, holds)
        for dtype in FLOATING_DTYPES:
            yield f"groups/{dtype}", _both(_has_groups, _is("case.dtype", dtype))
        for kind in kinds_of(layer.name):
            yield f"groups/{kind}", _both(_has_groups, _is("case.operands", kind))
    if "causal" in layer.paddings:
        causal = _is("padding", "causal")
        for name, on_axis in _CAUSAL.items():
            yield f"causal/{name}", _on_axis(on_axis, 0, "causal")
        for dtype in FLOATING_DTYPES:
            yield f"causal/{dtype}", _both(causal, _is("case.dtype", dtype))
        for kind in kinds_of(layer.name):
            yield f"causal/{kind}", _both(causal, _is("case.operands", kind))
        yield "causal/channels_first", _both(causal, _is("channels_first", True))
        yield "causal/groups", _both(causal, _has_groups)


def _has_groups(f: Facts) -> bool:
    return f.groups > 1


def _rejection_classes(layer: Layer) -> Named:
    """The argument at fault is told by its value; the rest by what is missing or does not fit."""
    for argument in layer.signature:
        if argument not in ("use_bias", "name", "sparse"):
            yield f"rejects/{argument}", _rejects(argument)
    if "groups" in layer.added:
        yield "rejects/groups", _rejects("groups")
        yield "rejects/groups of filters", lambda f: _leaves(f, f.case.keywords.get("filters"))
        yield "rejects/groups of channels", lambda f: f.is_well_formed and _leaves(f, f.channels)
    yield "rejects/unknown argument", lambda f: bool(set(f.case.keywords) - set(layer.defaults))
    if layer.exclusive:
        yield "rejects/strides with dilation", _rejects_steps
    for argument in layer.required:
        yield f"rejects/{argument} missing", _left_out(argument)
    if layer.rank:
        yield "rejects/no output", lambda f: f.is_well_formed and min(_outputs(f)) <= 0
        for rank in (layer.rank + 1, layer.rank + 3):
            yield f"rejects/input of rank {rank}", _has_rank(rank)


def _rejects(argument: str) -> Predicate:
    """Whether the argument is given a value that no accepted case gives it."""

    def holds(f: Facts) -> bool:
        if argument == "dtype":
            return f.case.dtype not in (*FLOATING_DTYPES, *INTEGER_DTYPES)
        return f.given(argument) and not _accepted(argument, f.case.keywords[argument])

    return holds


def _accepted(argument: str, value: Any) -> bool:
    if argument in SIZES or argument in ("filters", "groups"):
        sizes = value if isinstance(value, tuple | list) else (value,)
        return bool(sizes) and all(type(size) is int and size > 0 for size in sizes)
    if argument == "data_format":
        return value in (None, "channels_first", "channels_last")
    return argument == "padding" and value in ("valid", "same")


def _leaves(f: Facts, count: Any) -> bool:
    """Whether the groups leave a remainder of a number of channels or filters."""
    return type(count) is int and count % f.groups > 0


def _outputs(f: Facts) -> list[int]:
    return [axis.output for axis in f.axes]


def _rejects_steps(f: Facts) -> bool:
    return f.is_well_formed and max(f.strides) > 1 and max(f.dilation) > 1


def _shape_classes(layer: Layer) -> Named:
    for argument in layer.shape_arguments:
        yield f"shape/{argument}", _given_at_all(argument)
    if not layer.takes_inputs:
        return
    yield "shape/free batch", _is("batch", None)
    yield "shape/all free", lambda f: all(size is None for size in (f.batch, *f.spatial))
    yield "shape/known", lambda f: None not in (f.case.inputs or ())
    if "groups" in layer.added:
        yield "shape/groups", _has_groups
    yield "shape/large", lambda f: any((size or 0) >= 100 for size in f.case.inputs or ())
    for position in range(layer.rank):
        yield f"shape/free {_axis_names(layer)[position]}", _only_free(position)


def _given_at_all(argument: str) -> Predicate:
    return lambda f: f.given(argument)


def _only_free(position: int) -> Predicate:
    return lambda f: f.spatial[position] is None and f.spatial.count(None) == 1


_OBSERVED: Final[dict[str, tuple[Callable[[Layer], Named], ...]]] = {
    "output": (
        _axis_classes,
        _pair_classes,
        _size_classes,
        _equality_classes,
        _argument_classes,
        _value_classes,
        _added_classes,
    ),
    "rejection": (_rejection_classes,),
    "shape": (_shape_classes,),
}


def _when(observe: str, layer: Layer, predicate: Predicate) -> Predicate:
    return lambda f: f.case.observe == observe and f.descriptor is layer and predicate(f)


def _layer_classes(layer: Layer, observe: str) -> dict[str, Predicate]:
    families: tuple[Callable[[Layer], Named], ...] = _OBSERVED[observe]
    if not layer.rank:
        families = tuple(x for x in families if x not in (_axis_classes, _pair_classes))
    if not layer.takes_inputs and observe == "output":
        families = ()
    return {
        f"{layer.name}/{name}": _when(observe, layer, predicate)
        for family in families
        for name, predicate in family(layer)
    }


@cache
def _of_layer(layer: Layer, observe: str) -> Mapping[str, Predicate]:
    return _layer_classes(layer, observe) if observe in _OBSERVED else {}


def classes() -> Mapping[str, Predicate]:
    """The classes by name: predicates over the facts of a case."""
    observed = product(LAYERS.values(), _OBSERVED)
    return {n: holds for one in observed for n, holds in _of_layer(*one).items()}


def classes_of(case: Case) -> tuple[str, ...]:
    """The names of the classes that a case belongs to."""
    known = facts(case)
    own = _of_layer(known.descriptor, case.observe)
    return tuple(name for name, holds in own.items() if holds(known))


def hits(cases: Iterable[Case]) -> Counter[str]:
    """How many of the cases belong to each class; classes that none belongs to count zero."""
    counts = Counter(dict.fromkeys(classes(), 0))
    for case in cases:
        counts.update(classes_of(case))
    return counts

"""The clauses tested by a layer's output values, and by its output's shape alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from conformance.cases.facts import Facts
from conformance.spec.covers.names import ACTIVATIONS

Predicate = Callable[[Facts], Any]
Table = Mapping[str, Predicate]


def always(_: Facts) -> bool:
    """Every case."""
    return True


def _form(argument: str, *types: type) -> Predicate:
    """The argument is given as one of the types."""
    return lambda f: type(f.arguments.get(argument)) in types


def _operands(*kinds: str) -> Predicate:
    """The operands are of one of the kinds."""
    wanted = frozenset(kinds)
    return lambda f: f.case.operands in wanted


def _dtype(*names: str) -> Predicate:
    wanted = frozenset(names)
    return lambda f: f.case.dtype in wanted


def _padding(mode: str) -> Predicate:
    return lambda f: f.padding == mode


def _data_format(value: str) -> Predicate:
    """The argument is given with this value."""
    return lambda f: f.arguments.get("data_format") == value


def is_padded(f: Facts) -> bool:
    """Some window reaches beyond the input."""
    padded = f.padding in ("same", "causal") and f.has_axes
    return padded and any(axis.padding_total for axis in f.axes)


def _is_padded_by_same(f: Facts) -> bool:
    return f.padding == "same" and is_padded(f)


def has_groups(f: Facts) -> bool:
    """Channels and filters are cut into more than one part."""
    return f.groups > 1


def _exceeds_input(f: Facts) -> bool:
    """Some window is longer than the input, which is padded."""
    return (
        f.padding == "same"
        and f.has_axes
        and any(axis.receptive_field > axis.length for axis in f.axes)
    )


def _steps(f: Facts) -> bool:
    return max(f.strides) > 1


def _is_plain_real(f: Facts) -> bool:
    """Real operands in the default dtype: one of the cases that stand for all others."""
    return f.case.operands == "reals" and f.case.dtype == "float32"


_SMALL_FLOATS: Final = ("float16", "bfloat16", "float64")
_VIEWS: Final = ("strided", "reversed", "fortran", "broadcast", "readonly", "sliced")

_WINDOW_SHAPE: Final[Table] = {
    "{layer}.padding.valid": _padding("valid"),
    "{layer}.padding.same": _padding("same"),
}

CONVOLUTION_SHAPE: Final[Table] = {
    **_WINDOW_SHAPE,
    "conv1d.padding.causal-length": _padding("causal"),
    "{layer}.filters.output-channels": always,
    "conv1d.input-shape.free-length": lambda f: None in f.spatial,
    "conv.input.any-length": lambda f: None in f.spatial,
    "conv2d.padding.same-keeps-shape": lambda f: f.padding == "same" and not _steps(f),
    "conv2d.data-format.channels-first": _data_format("channels_first"),
}

CONVOLUTION_OUTPUT: Final[Table] = {
    **CONVOLUTION_SHAPE,
    "conv1d.padding.causal": _padding("causal"),
    "conv.groups.parts": has_groups,
    "conv.groups.kernel": has_groups,
    "conv.groups.one": lambda f: f.given("groups") and not has_groups(f),
    "conv.groups.independence": lambda f: (
        has_groups(f) and f.case.operands in ("one_nan", "one_infinity", "kernel_nan", "spike")
    ),
    "{layer}.output.cross-correlation": lambda f: max(f.window) > 1,
    "conv1d.output.single-axis": always,
    "conv2d.output.two-axes": always,
    "{layer}.kernel-size.integer": _form("kernel_size", int),
    "{layer}.kernel-size.tuple": _form("kernel_size", tuple),
    "{layer}.kernel-size.list": _form("kernel_size", list),
    "conv2d.kernel-size.height-first": lambda f: f.window[0] != f.window[-1],
    "{layer}.strides.integer": _form("strides", int),
    "{layer}.strides.tuple": _form("strides", tuple),
    "{layer}.strides.list": _form("strides", list),
    "conv.strides.step": _steps,
    "conv.dilation-rate.forms": _form("dilation_rate", int, tuple, list),
    "conv.dilation-rate.spread": lambda f: max(f.dilation) > 1 and max(f.window) > 1,
    "conv.padding.zeros": is_padded,
    "conv.padding.same-split": _is_padded_by_same,
    "conv.padding.same-small-input": _exceeds_input,
    "conv.padding.nonfinite-kernel": lambda f: (
        f.case.operands in ("kernel_nan", "kernel_infinity", "idle_infinity") and is_padded(f)
    ),
    "{layer}.use-bias.true": lambda f: f.config["use_bias"],
    "{layer}.use-bias.false": lambda f: not f.config["use_bias"],
    "{layer}.activation.by-name": lambda f: f.activation not in (None, "linear"),
    "{layer}.activation.none": lambda f: f.given("activation") and f.activation is None,
    "conv2d.data-format.channels-last": _data_format("channels_last"),
    "conv.values.exact": _operands("integers", "small"),
    "conv.values.accuracy": _operands(
        "reals", "positive", "negative", "constant", "wide", "cancellation"
    ),
    "conv.values.nan": _operands("one_nan", "kernel_nan", "specials"),
    "conv.values.infinity": _operands(
        *("one_infinity", "kernel_infinity", "unused_infinity", "idle_infinity", "specials")
    ),
    "conv.values.signed-zero": _operands("specials"),
    "conv.values.range": _operands("huge", "overflow", "subnormal", "wide"),
    "conv.output.locality": _operands("spike", "one_nan", "one_infinity"),
    "conv.batch.zero": lambda f: f.batch == 0,
    "conv.batch.independence": lambda f: (f.batch or 0) > 2,
    **{f"conv.dtype.{name}": _dtype(name) for name in _SMALL_FLOATS},
    "conv.dtype.float32": _is_plain_real,
    "conv.inputs.unchanged": _is_plain_real,
    "conv.output.repeatable": _is_plain_real,
    "conv.inputs.views": _operands(*_VIEWS),
}


def named_activation(f: Facts) -> Iterable[str]:
    """The clause of the activation, where it has a predefined name."""
    clause = ACTIVATIONS.get(f.activation or "")
    return (clause,) if clause else ()


def _is_halving(f: Facts) -> bool:
    return f.window == (2, 2) and f.arguments.get("strides") is None


_POOLING_SIZES: Final[Table] = {
    **_WINDOW_SHAPE,
    "maxpooling1d.strides.halves": lambda f: f.arguments.get("strides") == 2,
    "maxpooling2d.pool-size.halves": _is_halving,
    "{layer}.strides.none": lambda f: f.arguments.get("strides") is None,
    "maxpooling2d.data-format.channels-first": _data_format("channels_first"),
}


def _is_other_sequence(f: Facts) -> bool:
    """A size is given as a list, or for one axis as a tuple."""
    given = {type(f.arguments.get(name)) for name in ("pool_size", "strides")}
    return list in given or (f.rank == 1 and tuple in given)


POOLING_SHAPE: Final[Table] = _POOLING_SIZES

POOLING_OUTPUT: Final[Table] = {
    **_POOLING_SIZES,
    "{layer}.output.maximum": always,
    "{layer}.pool-size.integer": _form("pool_size", int),
    "maxpooling2d.pool-size.tuple": _form("pool_size", tuple),
    "{layer}.strides.integer": _form("strides", int),
    "maxpooling2d.strides.tuple": _form("strides", tuple),
    "maxpooling.sizes.sequences": _is_other_sequence,
    "maxpooling.strides.step": lambda f: f.strides != f.window,
    "maxpooling2d.data-format.channels-last": _data_format("channels_last"),
    "maxpooling2d.data-format.default": lambda f: (
        f.given("data_format") and f.arguments["data_format"] is None
    ),
    "maxpooling.padding.same-split": is_padded,
    "maxpooling.padding.never-wins": lambda f: (
        f.case.operands in ("negative", "lowest") and is_padded(f)
    ),
    "maxpooling.padding.same-small-input": _exceeds_input,
    "maxpooling.values.nan": _operands("one_nan", "specials"),
    "maxpooling.values.infinity": _operands("one_infinity", "lowest", "specials"),
    "maxpooling.values.signed-zero": _operands("specials"),
    "maxpooling.values.range": _operands("reals", "wide", "huge", "subnormal"),
    "maxpooling.output.locality": _operands("one_nan", "one_infinity", "spike"),
    "maxpooling.batch.zero": lambda f: f.batch == 0,
    **{f"maxpooling.dtype.{name}": _dtype(name) for name in _SMALL_FLOATS},
    "maxpooling.dtype.float32": _is_plain_real,
    "maxpooling.dtype.integers": lambda f: "int" in f.case.dtype,
    "maxpooling.inputs.unchanged": _is_plain_real,
    "maxpooling.output.repeatable": _is_plain_real,
    "maxpooling.inputs.views": _operands(*_VIEWS),
}

FLATTEN_SHAPE: Final[Table] = {
    "flatten.output.shape": always,
    "flatten.output.free-length": lambda f: None in (f.case.inputs or ())[1:],
    "flatten.input.rank": lambda f: len(f.case.inputs or ()) < 3,
}

FLATTEN_OUTPUT: Final[Table] = {
    **FLATTEN_SHAPE,
    "flatten.data-format.channels-last": lambda f: not f.channels_first,
    "flatten.data-format.channels-first": lambda f: f.channels_first,
    "flatten.data-format.default": lambda f: f.arguments.get("data_format") is None,
    "flatten.values.unchanged": _operands(
        "reals", "specials", "one_nan", "one_infinity", "wide", "huge", "subnormal", "lowest"
    ),
    **{f"flatten.dtype.{name}": _dtype(name) for name in _SMALL_FLOATS},
    "flatten.dtype.float32": _is_plain_real,
    "flatten.dtype.others": lambda f: "int" in f.case.dtype or f.case.dtype == "bool",
    "flatten.batch.zero": lambda f: f.batch == 0,
    "flatten.inputs.unchanged": _is_plain_real,
    "flatten.output.repeatable": _is_plain_real,
    "flatten.inputs.views": _operands(*_VIEWS),
}

INPUT_SHAPE: Final[Table] = {
    "input.shape.without-batch": lambda f: f.arguments.get("shape") is not None,
    "input.batch-shape.with-batch": lambda f: f.arguments.get("batch_shape") is not None,
}

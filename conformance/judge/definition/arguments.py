"""What the documentation allows as arguments, their canonical form, and what must be rejected.

The checks follow the bullets of each layer's section; where these name a type ("an integer, or a
list or tuple of two"), a value of another type is forbidden.  Names of activations, initializers,
regularizers and constraints are those that Keras lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from conformance.cases.case import Case
from conformance.judge.definition import activations
from conformance.judge.definition.layers import Window
from conformance.judge.definition.rounding import FORMATS

RANKS: Final = MappingProxyType({"Conv1D": 1, "Conv2D": 2, "MaxPooling1D": 1, "MaxPooling2D": 2})
"""Number of spatial axes of the layers that slide a window."""

_CONVOLUTION: Final = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "dilation_rate",
    "activation",
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "data_format",
    "groups",
)
_POOLING: Final = ("pool_size", "strides", "padding", "data_format")
_EVERY_LAYER: Final = ("name", "trainable", "dtype", "autocast", "input_shape", "input_dim")
_ARGUMENTS: Final = MappingProxyType(
    {
        "Conv1D": (*_CONVOLUTION, *_EVERY_LAYER),
        "Conv2D": (*_CONVOLUTION, *_EVERY_LAYER),
        "MaxPooling1D": (*_POOLING, *_EVERY_LAYER),
        "MaxPooling2D": (*_POOLING, *_EVERY_LAYER),
        "Flatten": ("data_format", *_EVERY_LAYER),
        "Input": (
            "shape",
            "batch_shape",
            "batch_size",
            "name",
            "dtype",
            "sparse",
            "ragged",
            "tensor",
            "optional",
        ),
    }
)


def _spellings(*names: str) -> frozenset[str]:
    """Names in snake case, and as the classes are called."""
    return frozenset(names) | {name.title().replace("_", "") for name in names}


_INITIALIZERS: Final = _spellings(
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "variance_scaling",
    "orthogonal",
    "identity",
    "constant",
    "zeros",
    "ones",
) | {"normal", "uniform", "zero", "one"}
_REGULARIZERS: Final = _spellings("l1", "l2", "orthogonal_regularizer") | {"l1l2", "l1_l2", "L1L2"}
_CONSTRAINTS: Final = _spellings("max_norm", "non_neg", "unit_norm", "min_max_norm")
_DTYPES: Final = frozenset(FORMATS) | {
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "string", "complex64", "complex128"),
}


@dataclass(frozen=True)
class Arguments:
    """A case's arguments in canonical form, for the layers that slide a window and Flatten."""

    windows: tuple[Window, ...]
    channels_first: bool
    filters: int
    use_bias: bool
    activation: str

    @classmethod
    def of(cls, case: Case) -> Arguments:
        """Fill in the defaults; sizes become one window per spatial axis."""
        given = case.keywords
        rank = RANKS.get(case.layer, 0)
        extent = given.get("kernel_size", given.get("pool_size", 2))
        strides = given.get("strides")
        if strides is None:
            strides = extent if case.layer.startswith("MaxPooling") else 1
        sizes = (extent, strides, given.get("dilation_rate", 1))
        padding = given.get("padding", "valid").lower()
        return cls(
            tuple(
                Window(length, stride, dilation, padding)
                for length, stride, dilation in zip(
                    *(_per_axis(size, rank) for size in sizes), strict=True
                )
            ),
            (given.get("data_format") or "channels_last").lower() == "channels_first",
            given.get("filters", 0),
            bool(given.get("use_bias", True)),
            _activation_name(given.get("activation")),
        )


def _per_axis(size: Any, rank: int) -> tuple[int, ...]:
    return (size,) * rank if isinstance(size, int) else tuple(size)


def _activation_name(activation: Any) -> str:
    if activation is None:
        return "linear"
    if activation not in activations.NAMES:
        raise ValueError(f"activation={activation!r} is not among the documented names")
    return str(activation)


def spatial_lengths(case: Case, channels_first: bool) -> tuple[int | None, ...]:
    """The lengths of the input's spatial axes."""
    shape = case.inputs or ()
    return tuple(shape[2:] if channels_first else shape[1:-1])


def forbidden(case: Case) -> str | None:
    """Why the case must be rejected, as ``argument=value: what is allowed``; None if it is valid.

    Without an input only the constructor's arguments are looked at.
    """
    return next(_objections(case), None)


def _objections(case: Case) -> Iterator[str]:
    given = case.keywords
    for name in given:
        if name not in _ARGUMENTS[case.layer]:
            yield f"{name}={given[name]!r}: {case.layer} has no such argument"
    if case.layer == "Input":
        yield from _input_objections(case)
        return
    for name, value in given.items():
        allowed = _allowed(case, name)
        if allowed and not allowed[0](value):
            yield f"{name}={value!r}: {allowed[1]} is expected"
    for name in ("filters", "kernel_size"):
        if case.layer.startswith("Conv") and name not in given:
            yield f"{name}: the argument has no default"
    if _strided_and_dilated(case):
        yield "strides: any stride other than 1 excludes any dilation_rate other than 1"
    if case.inputs is not None:
        yield from _objections_to_input(case, Arguments.of(case))


Check = tuple[Callable[[Any], bool], str]


def _allowed(case: Case, name: str) -> Check | None:
    rank = RANKS.get(case.layer, 0)
    if name in ("kernel_size", "pool_size", "strides", "dilation_rate"):
        optional = name == "strides" and case.layer.startswith("MaxPooling")
        expected = f"a positive integer, or a tuple or list of {rank}" + " or None" * optional
        return (lambda value: (optional and value is None) or _are_sizes(value, rank)), expected
    return _CHECKS.get(name)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _are_sizes(value: Any, rank: int) -> bool:
    if isinstance(value, tuple | list):
        return len(value) == rank and all(map(_is_positive, value))
    return _is_positive(value)


def _is_one_of(*allowed: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value.lower() in allowed


def _is_listed(names: frozenset[str]) -> Callable[[Any], bool]:
    """None, a listed name, a configuration with one, or something that can be called."""

    def check(value: Any) -> bool:
        if isinstance(value, Mapping):
            return value.get("class_name") in names
        return value is None or callable(value) or (isinstance(value, str) and value in names)

    return check


_CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "filters": (_is_positive, "a positive integer"),
        "padding": (_is_one_of("valid", "same"), "'valid' or 'same'"),
        "data_format": (
            lambda value: value is None or _is_one_of("channels_first", "channels_last")(value),
            "'channels_first', 'channels_last' or None",
        ),
        "activation": (_is_listed(activations.NAMES), "an activation's name, a callable or None"),
        "kernel_initializer": (_is_listed(_INITIALIZERS), "an initializer"),
        "bias_initializer": (_is_listed(_INITIALIZERS), "an initializer"),
        "kernel_regularizer": (_is_listed(_REGULARIZERS), "a regularizer or None"),
        "bias_regularizer": (_is_listed(_REGULARIZERS), "a regularizer or None"),
        "activity_regularizer": (_is_listed(_REGULARIZERS), "a regularizer or None"),
        "kernel_constraint": (_is_listed(_CONSTRAINTS), "a constraint or None"),
        "bias_constraint": (_is_listed(_CONSTRAINTS), "a constraint or None"),
        "groups": (_is_positive, "a positive integer"),
        "use_bias": (_is_boolean, "a boolean"),
        "sparse": (lambda value: value is None or _is_boolean(value), "a boolean"),
        "name": (
            lambda value: value is None or (isinstance(value, str) and "/" not in value),
            "a string without '/'",
        ),
    }
)


def _strided_and_dilated(case: Case) -> bool:
    def other_than_one(name: str) -> bool:
        value = case.keywords.get(name, 1)
        return any(size != 1 for size in (value if isinstance(value, tuple | list) else [value]))

    if not case.layer.startswith("Conv"):
        return False
    return other_than_one("strides") and other_than_one("dilation_rate")


def _objections_to_input(case: Case, arguments: Arguments) -> Iterator[str]:
    shape = case.inputs or ()
    rank = RANKS.get(case.layer)
    if case.layer == "Flatten":
        if not shape:
            yield "inputs: a batch axis is expected"
        return
    if len(shape) != (rank or 0) + 2:
        yield f"inputs of shape {shape}: {(rank or 0) + 2} axes are expected"
        return
    channels = shape[1] if arguments.channels_first else shape[-1]
    if case.layer.startswith("Conv") and not channels:
        yield f"inputs of shape {shape}: a known number of channels, at least one, is expected"
    if str(case.keywords.get("kernel_initializer")).lower() == "identity":
        yield "kernel_initializer='identity': a kernel of two axes is expected"
    if case.layer.startswith("Conv") and case.dtype not in FORMATS:
        yield f"dtype={case.dtype!r}: one of {', '.join(FORMATS)} is expected"
    lengths = spatial_lengths(case, arguments.channels_first)
    for window, length in zip(arguments.windows, lengths, strict=True):
        if length is not None and window.padding == "valid" and window.output_length(length) < 1:
            yield f"inputs of shape {shape}: no window of span {window.span} fits into {length}"
    if arguments.activation == "glu" and _odd_last_axis(case, arguments):
        yield "activation='glu': an even length of the output's last axis is expected"


def _odd_last_axis(case: Case, arguments: Arguments) -> bool:
    if not arguments.channels_first:
        return arguments.filters % 2 == 1
    length = (case.inputs or ())[-1]
    return length is not None and arguments.windows[-1].output_length(length) % 2 == 1


def _input_objections(case: Case) -> Iterator[str]:
    given = case.keywords
    sources = [name for name in ("shape", "batch_shape", "tensor") if given.get(name) is not None]
    if not sources:
        yield "shape=None: one of shape, batch_shape and tensor is expected"
    if sources[:2] == ["shape", "batch_shape"]:
        yield "batch_shape: only one of shape and batch_shape is expected"
    for name in ("shape", "batch_shape"):
        if given.get(name) is not None and not _is_shape(given[name]):
            yield f"{name}={given[name]!r}: a tuple of lengths, or None where free, is expected"
    if isinstance(given.get("tensor"), int | float | str | tuple | list):
        yield f"tensor={given['tensor']!r}: a tensor is expected"
    if case.dtype not in _DTYPES:
        yield f"dtype={case.dtype!r}: a dtype's name is expected"
    for name in ("name", "sparse"):
        check, expected = _CHECKS[name]
        if not check(given.get(name)):
            yield f"{name}={given[name]!r}: {expected} is expected"


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(
        size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)
        for size in value
    )

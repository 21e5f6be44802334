"""What the documentation allows as arguments, their canonical form, and what must be rejected.

The checks follow the bullets of each layer's section; where these name a type ("an integer, or a
list or tuple of two"), a value of another type is forbidden.  Names of activations, initializers,
regularizers and constraints are those that Keras lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.rounding import FORMATS
from conformance.layers.layer import Layer


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
_NAMES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "activation": frozenset(ACTIVATIONS),
        "data_format": frozenset({"channels_first", "channels_last"}),
        **dict.fromkeys(("kernel_initializer", "bias_initializer"), _INITIALIZERS),
        **dict.fromkeys(
            ("kernel_regularizer", "bias_regularizer", "activity_regularizer"), _REGULARIZERS
        ),
        **dict.fromkeys(("kernel_constraint", "bias_constraint"), _CONSTRAINTS),
    }
)
DTYPES: Final = frozenset(FORMATS) | {
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("bool", "string", "complex64", "complex128"),
}


Check = tuple[Callable[[Any], bool], str]


def objections_to_values(layer: Layer, given: Mapping[str, Any]) -> Iterator[str]:
    """The arguments that the layer does not have, and those whose values are not allowed."""
    for name, value in given.items():
        if name not in layer.defaults and name not in layer.undocumented:
            yield f"{name}={value!r}: {layer.name} has no such argument"
    for name, value in given.items():
        allowed = _allowed(layer, name)
        if allowed and not allowed[0](value):
            yield f"{name}={value!r}: {allowed[1]} is expected"


def is_allowed(layer: Layer, name: str, value: Any) -> bool:
    """Whether an argument of the layer may have a value, as far as it can be told by itself."""
    allowed = _allowed(layer, name)
    return allowed is None or allowed[0](value)


def names_of(layer: Layer, argument: str) -> frozenset[str]:
    """The names that a layer's argument may be given by; none where it has no names."""
    return frozenset(layer.paddings) if argument == "padding" else _NAMES.get(argument, frozenset())


def _allowed(layer: Layer, name: str) -> Check | None:
    rank = layer.rank
    if name in layer.sizes:
        optional = name == "strides" and layer.strides_by_window
        expected = f"a positive integer, or a tuple or list of {rank}" + " or None" * optional
        return (lambda value: (optional and value is None) or _are_sizes(value, rank)), expected
    if name == "padding":
        return _is_one_of(*layer.paddings), " or ".join(map(repr, layer.paddings))
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
        "data_format": (
            lambda value: value is None or _is_one_of(*_NAMES["data_format"])(value),
            "'channels_first', 'channels_last' or None",
        ),
        "activation": (
            _is_listed(_NAMES["activation"]),
            "an activation's name, a callable or None",
        ),
        "kernel_initializer": (_is_listed(_NAMES["kernel_initializer"]), "an initializer"),
        "bias_initializer": (_is_listed(_NAMES["bias_initializer"]), "an initializer"),
        "kernel_regularizer": (_is_listed(_NAMES["kernel_regularizer"]), "a regularizer or None"),
        "bias_regularizer": (_is_listed(_NAMES["bias_regularizer"]), "a regularizer or None"),
        "activity_regularizer": (
            _is_listed(_NAMES["activity_regularizer"]),
            "a regularizer or None",
        ),
        "kernel_constraint": (_is_listed(_NAMES["kernel_constraint"]), "a constraint or None"),
        "bias_constraint": (_is_listed(_NAMES["bias_constraint"]), "a constraint or None"),
        "groups": (_is_positive, "a positive integer"),
        "use_bias": (_is_boolean, "a boolean"),
        "sparse": (lambda value: value is None or _is_boolean(value), "a boolean"),
        "name": (
            lambda value: value is None or (isinstance(value, str) and "/" not in value),
            "a string without '/'",
        ),
    }
)


def excludes_dilation(given: Mapping[str, Any]) -> bool:
    """Whether both strides and dilation rate have an entry other than one."""

    def other_than_one(name: str) -> bool:
        value = given.get(name, 1)
        return any(size != 1 for size in (value if isinstance(value, tuple | list) else [value]))

    return other_than_one("strides") and other_than_one("dilation_rate")


def is_shape(value: Any) -> bool:
    """Whether a value is a tuple or list of lengths, or None where free."""
    return isinstance(value, tuple | list) and all(
        size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)
        for size in value
    )

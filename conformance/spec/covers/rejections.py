"""The clauses tested by a case that must be rejected: those that its arguments break."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from conformance.cases.facts import Facts
from conformance.spec.covers.names import ACTIVATIONS, IDENTIFIERS, KINDS, name_of
from conformance.spec.covers.outputs import Predicate, Table

_ELSEWHERE_DOCUMENTED: Final = frozenset({"input_shape", "border_mode", "name", "dtype"})


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))


def _entries(value: Any) -> tuple[Any, ...]:
    return tuple(value) if _is_sequence(value) else (value,)


def _not_positive(argument: str) -> Predicate:
    """Some entry of the argument is no positive integer (None is, for strides of pooling)."""

    def breaks(f: Facts) -> bool:
        value = f.arguments.get(argument, 1)
        if value is None and argument == "strides" and f.descriptor.strides_by_window:
            return False
        return not all(map(_is_positive, _entries(value)))

    return breaks


def _wrong_length(argument: str) -> Predicate:
    """The argument is a sequence with a number of entries other than the rank."""

    def breaks(f: Facts) -> bool:
        value = f.arguments.get(argument)
        return _is_sequence(value) and len(value) != f.rank

    return breaks


def _is_exclusive_pair(f: Facts) -> bool:
    """Both strides and dilation_rate have an entry other than 1."""
    pair = (f.arguments.get("strides", 1), f.arguments.get("dilation_rate", 1))
    return all(any(entry != 1 for entry in _entries(value)) for value in pair) and all(
        map(_is_positive, _entries(pair[0]) + _entries(pair[1]))
    )


def _unknown_padding(f: Facts) -> bool:
    value = f.arguments.get("padding", "valid")
    return not isinstance(value, str) or value.lower() not in f.descriptor.paddings


def _unknown_format(f: Facts) -> bool:
    value = f.arguments.get("data_format")
    known = ("channels_first", "channels_last")
    return value is not None and (not isinstance(value, str) or value.lower() not in known)


def _unknown_activation(f: Facts) -> bool:
    value = f.arguments.get("activation")
    return value is not None and name_of(value) not in ACTIVATIONS


def _unknown_identifier(kind: str) -> Predicate:
    """One of the arguments of this kind names none."""

    def breaks(f: Facts) -> bool:
        given = (f.arguments.get(argument) for argument in KINDS[kind])
        return any(v is not None and name_of(v) not in IDENTIFIERS[kind] for v in given)

    return breaks


def _names_identity(f: Facts) -> bool:
    return name_of(f.arguments.get("kernel_initializer")) in ("identity", "Identity")


def _lacks_required(f: Facts) -> bool:
    return not all(map(f.given, f.descriptor.required))


def _is_unknown_argument(f: Facts) -> bool:
    return bool(set(f.arguments) - set(f.descriptor.defaults) - _ELSEWHERE_DOCUMENTED)


def _has_wrong_rank(f: Facts) -> bool:
    return f.case.inputs is not None and len(f.case.inputs) != f.rank + 2


def _has_no_window(f: Facts) -> bool:
    """Under 'valid' some axis is shorter than the window."""
    return (
        f.is_well_formed
        and f.padding == "valid"
        and f.has_axes
        and any(axis.output < 1 for axis in f.axes)
    )


_WINDOWS: Final[Table] = {
    "{family}.signature.unknown-argument": _is_unknown_argument,
    "{family}.input.rank": _has_wrong_rank,
    "{family}.padding.values": _unknown_padding,
    "{family}.padding.valid-too-small": _has_no_window,
    "{family}.strides.positive": _not_positive("strides"),
    "{family}.strides.length": _wrong_length("strides"),
    "conv2d.data-format.values": _unknown_format,
    "maxpooling2d.data-format.values": _unknown_format,
}


def _for_family(family: str) -> dict[str, Predicate]:
    return {identifier.replace("{family}", family): rule for identifier, rule in _WINDOWS.items()}


def _leaves_filters(f: Facts) -> bool:
    """The groups do not divide the filters, both being valid by themselves."""
    filters = f.arguments.get("filters")
    return isinstance(filters, int) and _is_positive(filters) and filters % f.groups > 0


def _leaves_channels(f: Facts) -> bool:
    """The groups do not divide the channels."""
    return f.is_well_formed and bool((f.channels or 0) % f.groups)


CONVOLUTION: Final[Table] = {
    **_for_family("conv"),
    "{layer}.signature.required": _lacks_required,
    "{layer}.strides.dilation-exclusive": _is_exclusive_pair,
    "conv.filters.positive": lambda f: not _is_positive(f.arguments.get("filters", 1)),
    "conv.groups.positive": lambda f: not _is_positive(f.arguments.get("groups", 1)),
    "conv.groups.divides-filters": _leaves_filters,
    "conv.groups.divides-channels": _leaves_channels,
    "conv.kernel-size.positive": _not_positive("kernel_size"),
    "conv.kernel-size.length": _wrong_length("kernel_size"),
    "conv.dilation-rate.positive": _not_positive("dilation_rate"),
    "conv.dilation-rate.length": _wrong_length("dilation_rate"),
    "conv.use-bias.boolean": lambda f: f.arguments.get("use_bias", True) not in (True, False),
    "conv.activation.unknown-name": _unknown_activation,
    "conv.activation.threshold": lambda f: f.arguments.get("activation") == "threshold",
    "conv.initializer.identity": _names_identity,
    **{f"conv.{kind}.unknown-name": _unknown_identifier(kind) for kind in KINDS},
}

POOLING: Final[Table] = {
    **_for_family("maxpooling"),
    "maxpooling.pool-size.positive": _not_positive("pool_size"),
    "maxpooling.pool-size.length": _wrong_length("pool_size"),
}

FLATTEN: Final[Table] = {
    "flatten.signature.unknown-argument": _is_unknown_argument,
    "flatten.data-format.values": _unknown_format,
    "flatten.input.rank": lambda f: f.case.inputs == (),
}


def _is_length(value: Any) -> bool:
    """A length of an axis: None, or an integer that is not negative."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_bad_shape(f: Facts) -> bool:
    given = (f.arguments.get(name) for name in ("shape", "batch_shape"))
    return any(
        value is not None and not (_is_sequence(value) and all(map(_is_length, value)))
        for value in given
    )


def _gives_both_shapes(f: Facts) -> bool:
    return None not in (f.arguments.get("shape"), f.arguments.get("batch_shape"))


def _gives_no_shape(f: Facts) -> bool:
    return all(f.arguments.get(name) is None for name in ("shape", "batch_shape", "tensor"))


_DTYPE_KINDS: Final = ("float", "bfloat", "int", "uint", "bool", "complex", "string")

INPUT: Final[Table] = {
    "input.signature.unknown-argument": _is_unknown_argument,
    "input.shape.integers": _is_bad_shape,
    "input.shape.required": _gives_no_shape,
    "input.batch-shape.exclusive": _gives_both_shapes,
    "input.name.string": lambda f: f.given("name"),
    "input.dtype.unknown": lambda f: f.case.dtype.rstrip("0123456789") not in _DTYPE_KINDS,
    "input.sparse.flag": lambda f: f.arguments.get("sparse", False) not in (True, False),
    "input.tensor.wrapped": lambda f: f.arguments.get("tensor") is not None,
}

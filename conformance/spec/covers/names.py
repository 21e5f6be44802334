"""The predefined names that activation, initializer, regularizer and constraint arguments take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.spec.clauses import clauses

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "initializer": ("kernel_initializer", "bias_initializer"),
    "regularizer": ("kernel_regularizer", "bias_regularizer", "activity_regularizer"),
    "constraint": ("kernel_constraint", "bias_constraint"),
}
"""The arguments that take an identifier, by what it identifies."""

_NOT_NAMES: Final = frozenset(
    {
        "by-name",
        "by-object",
        "by-configuration",
        "by-callable",
        "unknown-name",
        "aliases",
        "forms",
        "callable",
    }
)


def _properties(argument: str) -> tuple[str, ...]:
    """The last parts of the ids of the clauses on predefined names."""
    prefix = f"conv.{argument}."
    found = (id_.removeprefix(prefix) for id_ in clauses() if id_.startswith(prefix))
    return tuple(name for name in found if name not in _NOT_NAMES)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _named(kind: str, extra: dict[str, str]) -> dict[str, str]:
    """The clause of each name, in snake case and as its class is named."""
    names = {property_.replace("-", "_"): property_ for property_ in _properties(kind)}
    names |= {_class_name(name): property_ for name, property_ in names.items()}
    return {name: f"conv.{kind}.{property_}" for name, property_ in (names | extra).items()}


ACTIVATIONS: Final[Mapping[str, str]] = {
    **{
        property_.replace("-", "_"): f"conv.activation.{property_}"
        for property_ in _properties("activation")
    },
    "swish": "conv.activation.silu",
    "hard_swish": "conv.activation.hard-silu",
}
"""The clause of each activation's name."""

IDENTIFIERS: Final[Mapping[str, Mapping[str, str]]] = {
    "initializer": _named(
        "initializer",
        {
            "zero": "aliases",
            "one": "aliases",
            "uniform": "aliases",
            "normal": "aliases",
            "STFT": "stft",
        },
    ),
    "regularizer": _named(
        "regularizer",
        {
            "L1L2": "l1l2",
            "orthogonal_regularizer": "orthogonal",
            "OrthogonalRegularizer": "orthogonal",
        },
    ),
    "constraint": _named("constraint", {}),
}
"""The clause of each predefined initializer, regularizer and constraint, by its names."""


def name_of(identifier: Any) -> str | None:
    """The name in an identifier: itself, or its configuration's class name."""
    if isinstance(identifier, dict):
        identifier = identifier.get("class_name")
    return identifier if isinstance(identifier, str) else None

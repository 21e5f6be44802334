"""What explanations ask of the layers' descriptors: the one place here that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.layers import LAYERS

BESIDES: Final = ("data_format", "groups")
"""Arguments that decide the values, and that some layers take without documenting them."""


def layers() -> tuple[str, ...]:
    """The names of the documented layers."""
    return tuple(LAYERS)


def signature(layer: str) -> Mapping[str, Any]:
    """The documented arguments of a layer, in order, with their defaults."""
    return LAYERS[layer].signature


def required(layer: str) -> tuple[str, ...]:
    """The arguments of a layer that have no default."""
    return LAYERS[layer].required


def paddings(layer: str) -> tuple[str, ...]:
    """The documented padding modes of a layer."""
    return LAYERS[layer].paddings


def short(value: Any) -> Any:
    """A size for each axis as one number, where all are the same."""
    is_equal = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if is_equal else value


def arguments() -> tuple[str, ...]:
    """The arguments that some layer has, in alphabetical order."""
    documented = {name for layer in layers() for name in signature(layer)}
    return tuple(sorted({"dtype", *BESIDES, *documented}))

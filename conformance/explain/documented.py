"""What explanations ask of the documented signatures: the one place here that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.spec.signatures import LAYERS, REQUIRED, SIGNATURES


def layers() -> tuple[str, ...]:
    """The names of the documented layers."""
    return tuple(LAYERS)


def signature(layer: str) -> Mapping[str, Any]:
    """The documented arguments of a layer, in order, with their defaults."""
    return SIGNATURES[layer]


def required(layer: str) -> tuple[str, ...]:
    """The arguments of a layer that have no default."""
    return tuple(name for name, default in signature(layer).items() if default is REQUIRED)


def arguments() -> tuple[str, ...]:
    """The arguments that some documented layer has, in alphabetical order."""
    return tuple(sorted({name for layer in layers() for name in signature(layer)}))

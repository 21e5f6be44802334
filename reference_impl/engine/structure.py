"""Inputs and outputs of models: one tensor, a list or tuple of them, or a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def flatten(structure: Any) -> list[Any]:
    """The items of a structure; those of a dictionary in the order of its sorted keys."""
    if isinstance(structure, Mapping):
        return [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return [*structure]
    return [structure]


def pack(template: Any, items: Iterable[Any]) -> Any:
    """Items in the structure of `template`; the inverse of `flatten`."""
    if isinstance(template, Mapping):
        return dict(zip(sorted(template), items, strict=True))
    if isinstance(template, (list, tuple)):
        return [*items]
    (item,) = items
    return item

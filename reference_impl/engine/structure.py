"""Nested structures of tensors: one, or lists, tuples and dictionaries of structures.

Of a dictionary the items come in the order of its sorted keys.  None is an item like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np


def flatten(structure: Any) -> list[Any]:
    """The items of a structure, however deep."""
    return [*_items(structure)]


def _items(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        for key in _keys(structure):
            yield from _items(structure[key])
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _items(item)
    else:
        yield structure


def _keys(structure: Mapping[Any, Any]) -> list[Any]:
    """The keys in order; as they come where they cannot be compared."""
    try:
        return sorted(structure)
    except TypeError:
        return [*structure]


def pack(template: Any, items: Iterable[Any]) -> Any:
    """Items in the structure of `template`; the inverse of `flatten`."""
    source = iter(items)
    packed = _packed(template, source)
    if next(source, _END) is not _END:
        raise ValueError("there are more items than the structure has places")
    return packed


_END = object()


def _packed(template: Any, source: Iterator[Any]) -> Any:
    if isinstance(template, Mapping):
        found = {key: _packed(template[key], source) for key in _keys(template)}
        return {key: found[key] for key in template}
    if isinstance(template, (list, tuple)):
        items = [_packed(item, source) for item in template]
        if hasattr(template, "_fields"):
            return type(template)(*items)
        return tuple(items) if isinstance(template, tuple) else items
    return next(source)


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The structure with `function` of each item in its place."""
    return pack(structure, map(function, flatten(structure)))


def same_structure(one: Any, other: Any) -> bool:
    """Whether two structures have their items at the same places (lists count as tuples)."""
    if isinstance(one, Mapping) or isinstance(other, Mapping):
        both = isinstance(one, Mapping) and isinstance(other, Mapping)
        return both and {*one} == {*other} and all(same_structure(one[k], other[k]) for k in one)
    sequences = isinstance(one, (list, tuple)), isinstance(other, (list, tuple))
    if not any(sequences):
        return True
    return all(sequences) and len(one) == len(other) and all(map(same_structure, one, other))


def is_shape(value: Any) -> bool:
    """Whether a value is a shape rather than a structure of shapes: lengths alone, or none."""
    is_flat = isinstance(value, (list, tuple)) and not any(
        isinstance(item, (list, tuple, Mapping)) for item in value
    )
    return is_flat or isinstance(value, np.ndarray) or not isinstance(value, (list, tuple, Mapping))


def map_shapes(function: Callable[[Any], Any], shapes: Any) -> Any:
    """A structure of shapes with `function` of each shape in its place."""
    if shapes is None:
        return None
    if is_shape(shapes):
        return function(shapes)
    if isinstance(shapes, Mapping):
        return {key: map_shapes(function, shapes[key]) for key in shapes}
    return type(shapes)([map_shapes(function, item) for item in shapes])

"""The arguments that an object was made with, for a configuration that nobody wrote."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

_PACKAGE = __package__.partition(".")[0]


def is_of_this_library(kind: type) -> bool:
    """Whether a class is this library's, not one of the caller's own."""
    return kind.__module__.startswith(_PACKAGE)


def plain_arguments(
    kind: type, given: tuple[Any, ...], keywords: Mapping[str, Any], known: Collection[str]
) -> dict[str, Any] | None:
    """The arguments of a constructor by their names, defaults included, but for the known ones.

    None if they do not fit the constructor, cannot all be given by name, or are not all plain:
    strings, numbers, truth values and None, in lists, tuples and dictionaries.
    """
    signature = inspect.signature(kind.__init__)  # type: ignore[misc]
    try:
        bound = signature.bind(None, *given, **keywords)
    except TypeError:
        return None
    bound.apply_defaults()
    _, *parameters = signature.parameters.values()
    found: dict[str, Any] = {}
    for parameter in parameters:
        value = bound.arguments[parameter.name]
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= value
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            return None
        elif parameter.kind is parameter.VAR_POSITIONAL:
            if value:
                return None
        else:
            found[parameter.name] = value
    found = {name: value for name, value in found.items() if name not in known}
    return found if _is_plain(found) else None


def takes_a_name(kind: type) -> bool:
    """Whether a constructor has the parameter ``name``, or takes any keyword."""
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    return "name" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))

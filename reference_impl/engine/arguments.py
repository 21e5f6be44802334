"""Checks of constructor arguments.

Every refusal names the argument, shows the value given and says what is allowed: ValueError where
the value is of the right type but out of range, `ArgumentError` where it is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from operator import index
from typing import Any, Final

import numpy as np

from reference_impl.config import DATA_FORMATS, DIM_ORDERINGS, image_data_format, reading
from reference_impl.showing import LONGEST, shown

Shape = tuple[int | None, ...]
"""A shape with None for every free length."""

PADDINGS: Final = ("valid", "same")
"""The documented padding modes."""

CAUSAL: Final = "causal"
"""The padding mode that Conv1D has besides."""


LARGEST: Final = 2**63 - 1
"""The largest length, number of channels, stride or dilation."""

OLD_DATA_FORMATS: Final = ("dim_ordering", "image_dim_ordering")
"""Keras 1's names of ``data_format``."""


class ArgumentError(TypeError, ValueError):
    """An argument that is unknown, of a wrong type, or means nothing that is known.

    It is caught as either of the two: Keras raises ValueError for most of these, TypeError for
    others, as Python does for all of a wrong type.
    """


class DefaultText(str):
    """A string default, told by identity from the same text given by the caller."""

    __slots__ = ()


VALID: Final = DefaultText("valid")
"""The default of ``padding``."""


def wrong_value(owner: str, argument: str, value: Any, allowed: str) -> ValueError:
    """The error for a value out of range."""
    return ValueError(f"{owner}: argument `{argument}` is {shown(value)}; expected {allowed}")


def wrong_type(owner: str, argument: str, value: Any, allowed: str) -> ArgumentError:
    """The error for a value of a wrong type."""
    given = f"{shown(value)} of type {type(value).__name__}"
    return ArgumentError(f"{owner}: argument `{argument}` is {given}; expected {allowed}")


def unknown_value(owner: str, argument: str, value: Any, allowed: str) -> ArgumentError:
    """The error for a name or a configuration that means nothing."""
    return ArgumentError(f"{owner}: argument `{argument}` is {shown(value)}; expected {allowed}")


def as_integer(value: Any) -> int | None:
    """`value` as an int where it is an integer (of Python or NumPy, not a bool), else None."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, tuple, list, np.ndarray)):
        return None
    try:
        return index(value)
    except TypeError:
        return None


def positive_integer(owner: str, argument: str, value: Any) -> int:
    """An integer of at least 1.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is below 1.
    """
    number = as_integer(value)
    if number is None:
        raise wrong_type(owner, argument, value, "a positive integer")
    if not 1 <= number <= LARGEST:
        raise wrong_value(owner, argument, value, "a positive integer below 2**63")
    return number


@cache
def _positive_integers(rank: int) -> str:
    plural = "" if rank == 1 else "s"
    return f"a positive integer, or a list or tuple of {rank} positive integer{plural}"


def sizes(owner: str, argument: str, value: Any, rank: int) -> tuple[int, ...]:
    """One positive integer per spatial axis, from an integer for all axes or a list or tuple.

    Raises:
        TypeError: if it is neither an integer nor a list, tuple or array of integers.
        ValueError: if there are not `rank` of them, or one is below 1.
    """
    allowed = _positive_integers(rank)
    single = as_integer(value)
    given = (single,) * rank if single is not None else _items(owner, argument, value, allowed)
    if len(given) != rank or min(given) < 1 or max(given) > LARGEST:
        raise wrong_value(owner, argument, value, allowed)
    return given


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1


def _items(owner: str, argument: str, value: Any, allowed: str) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) and not _is_vector(value):
        raise wrong_type(owner, argument, value, allowed)
    numbers = [item if type(item) is int else as_integer(item) for item in value]
    if None in numbers:
        raise wrong_type(owner, argument, value, allowed)
    return tuple(number for number in numbers if number is not None)


def boolean(owner: str, argument: str, value: Any) -> bool:
    """A truth value: True, False, NumPy's, or the integers 1 and 0.

    Raises:
        TypeError: if it is of another type.
        ValueError: if it is another integer.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    number = as_integer(value)
    if number is None:
        raise wrong_type(owner, argument, value, "True or False")
    if number not in (0, 1):
        raise wrong_value(owner, argument, value, "True or False")
    return bool(number)


def choice(owner: str, argument: str, value: Any, allowed: Iterable[str]) -> str:
    """One of some words, in any case; returned in lower case.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is another word.
    """
    words = tuple(allowed)
    if isinstance(value, str) and value.lower() in words:
        return str(value.lower())
    error = wrong_value if isinstance(value, str) else wrong_type
    raise error(owner, argument, value, "one of " + ", ".join(map(repr, words)))


def optional_name(owner: str, value: Any) -> str | None:
    """A layer's name, or None.

    Raises:
        TypeError: if it is no string.
        ValueError: if it is empty or contains ``/``.
    """
    allowed = "a string that is not empty and has no '/', or None"
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(owner, "name", value, allowed)
    if not value or "/" in value:
        raise wrong_value(owner, "name", value, allowed)
    return value


def shape(owner: str, argument: str, value: Any) -> Shape:
    """A shape: non-negative integers, and None for free lengths.

    Raises:
        TypeError: if it is no list, tuple or array of integers and None.
        ValueError: if a length is negative.
    """
    allowed = "a tuple of non-negative integers, with None for a free length"
    if not isinstance(value, (list, tuple)) and not _is_vector(value):
        raise wrong_type(owner, argument, value, allowed)
    lengths: list[int | None] = []
    for item in value:
        length = item if item is None or type(item) is int else as_integer(item)
        if length is None and item is not None:
            raise wrong_type(owner, argument, value, allowed)
        if length is not None and not 0 <= length <= LARGEST:
            raise wrong_value(owner, argument, value, allowed)
        lengths.append(length)
    return tuple(lengths)


def file_path(owner: str, argument: str, value: Any) -> None:
    """Refuse what is no path.

    Raises:
        TypeError: if it is neither a string nor an object with ``__fspath__`` of one.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise wrong_type(owner, argument, value, "the path of a file")


def configuration(owner: str, config: Any) -> dict[str, Any]:
    """A configuration as a dictionary of the constructor's arguments.

    Raises:
        TypeError: if it is no dictionary, or a key no string.
    """
    if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
        allowed = "a dictionary of the constructor's arguments, as `get_config` returns it"
        raise wrong_type(owner, "config", config, allowed)
    return dict(config)


def take_padding(
    owner: str, padding: Any, keywords: dict[str, Any], allowed: Iterable[str] = PADDINGS
) -> str:
    """The padding mode, in lower case, from ``padding`` or Keras 1's ``border_mode``.

    Removes ``border_mode`` from `keywords`.

    Raises:
        TypeError: if it is no string, or both are given.
        ValueError: if it is none of the allowed modes.
    """
    if "border_mode" not in keywords:
        return choice(owner, "padding", padding, allowed)
    old = keywords.pop("border_mode")
    if padding is not VALID:
        raise _given_twice(owner, "padding", padding, "border_mode", old)
    return choice(owner, "border_mode", old, allowed)


def take_data_format(
    owner: str, data_format: Any, keywords: dict[str, Any], rank: int | None = None
) -> str:
    """The data format, from ``data_format`` or Keras 1's ``dim_ordering``, else the setting.

    Removes ``dim_ordering`` and ``image_dim_ordering`` from `keywords`.  `rank` is the number of
    spatial axes of a layer that slides a window: Keras 2 leaves those with one axis at
    ``channels_last`` whatever the setting.

    Raises:
        TypeError: if it is no string, or given by two names.
        ValueError: if it is no documented format.
    """
    old = {name: keywords.pop(name) for name in OLD_DATA_FORMATS if name in keywords}
    given = old if data_format is None else {"data_format": data_format} | old
    if len(given) > 1:
        (first, first_value), (second, second_value) = list(given.items())[:2]
        raise _given_twice(owner, first, first_value, second, second_value)
    if data_format is not None:
        return choice(owner, "data_format", data_format, DATA_FORMATS)
    if old:
        ((name, value),) = old.items()
        return DIM_ORDERINGS[choice(owner, name, value, DIM_ORDERINGS)]
    if rank == 1 and reading() == "keras2":
        return "channels_last"
    return image_data_format()


def _given_twice(owner: str, name: str, value: Any, old_name: str, old_value: Any) -> ArgumentError:
    return ArgumentError(
        f"{owner}: argument `{name}` is {shown(value)} and `{old_name}`, another name of it, is "
        f"{shown(old_value)}; expected only one of the two"
    )


def refuse_unknown(owner: str, keywords: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse keyword arguments that are left over.

    Raises:
        ArgumentError: naming them, with their values.
    """
    if keywords:
        given = ", ".join(f"`{shown(n)[1:-1]}`={shown(v)}" for n, v in keywords.items())
        given = given if len(given) <= 3 * LONGEST else given[: 3 * LONGEST - 3] + "..."
        expected = ", ".join(sorted(allowed))
        raise ArgumentError(f"{owner}: unrecognised keyword arguments {given}; expected {expected}")

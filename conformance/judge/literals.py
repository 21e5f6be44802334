"""Comparing literals: numbers, strings, None, sequences, dictionaries and arrays, nested.

Tuples and lists are alike, as are numbers of equal value, whatever their type; booleans are no
numbers; NaN equals NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def difference(expected: Any, actual: Any, path: str = "") -> str | None:
    """The first difference, as a sentence that says where it is; None if there is none."""
    expected, actual = _plain(expected), _plain(actual)
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return _difference_of_mappings(expected, actual, path)
    if isinstance(expected, list | tuple) and isinstance(actual, list | tuple):
        return _difference_of_sequences(expected, actual, path)
    if _same_scalar(expected, actual):
        return None
    return f"{path or 'the answer'} is {actual!r}, but should be {expected!r}"


def _plain(value: Any) -> Any:
    """Arrays as nested lists, and NumPy's scalars as Python's."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _difference_of_mappings(
    expected: Mapping[Any, Any], actual: Mapping[Any, Any], path: str
) -> str | None:
    where = path or "the answer"
    missing = [key for key in expected if key not in actual]
    if missing:
        return f"{where} lacks {', '.join(map(repr, missing))}"
    surplus = [key for key in actual if key not in expected]
    if surplus:
        return f"{where} has {', '.join(map(repr, surplus))}, which should not be there"
    found = (difference(expected[key], actual[key], f"{path}[{key!r}]") for key in expected)
    return next(filter(None, found), None)


def _difference_of_sequences(
    expected: list[Any] | tuple[Any, ...], actual: list[Any] | tuple[Any, ...], path: str
) -> str | None:
    if len(expected) != len(actual):
        return (
            f"{path or 'the answer'} has {len(actual)} elements, {actual!r}, but should have "
            f"{len(expected)}, {expected!r}"
        )
    pairs = enumerate(zip(expected, actual, strict=True))
    found = (difference(*pair, f"{path}[{index}]") for index, pair in pairs)
    return next(filter(None, found), None)


def _same_scalar(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float | complex) and isinstance(actual, int | float | complex):
        return expected == actual or (expected != expected and actual != actual)
    return type(expected) is type(actual) and bool(expected == actual)

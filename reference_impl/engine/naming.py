"""Automatic names: the class name in snake case, numbered from the second on.

Names count per class and process: ``conv2d``, ``conv2d_1``, ...; `clear_session` starts over.  A
name given by the caller is not reserved: uniqueness is a property of a model, checked there.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import Final

_WORD_STARTS: Final = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
_used: Final[Counter[str]] = Counter()


@cache
def snake_case(class_name: str) -> str:
    """``MaxPooling1D`` -> ``max_pooling1d``: an underscore before each capitalised word."""
    return _WORD_STARTS.sub("_", class_name).lower()


def get_uid(prefix: str) -> int:
    """The number of times that `prefix` has been asked for, this one included."""
    _used[prefix] += 1
    return _used[prefix]


def automatic_name(prefix: str) -> str:
    """The next name with this prefix: ``conv2d``, ``conv2d_1``, ``conv2d_2``, ..."""
    number = get_uid(prefix) - 1
    return f"{prefix}_{number}" if number else prefix


def clear_session(free_memory: bool = True) -> None:
    """Start all automatic names over; there is no memory to free."""
    _used.clear()

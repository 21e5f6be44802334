"""What a regeneration changes, case by case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from conformance.golden.encoding import is_arrays
from conformance.golden.expected import expected_value
from conformance.golden.fixture import Fixture
from conformance.judge.equality import same, same_bits

_MANY = 6


def changes(old: Iterable[Fixture], new: Iterable[Fixture]) -> Iterator[str]:
    """A line for each case that is added, removed or changed: old value and new."""
    before, after = _by_case(old), _by_case(new)
    for case in after:
        if case not in before:
            yield f"added    {case}: {_short(after[case])}"
        elif not _same(before[case], after[case]):
            yield f"changed  {case}: {describe_difference(before[case], after[case])}"
    for case in before:
        if case not in after:
            yield f"removed  {case}: {_short(before[case])}"


def _by_case(fixtures: Iterable[Fixture]) -> dict[str, tuple[str, Any]]:
    return {
        case: (next(iter(entry)), expected_value(entry, fixture.data))
        for fixture in fixtures
        for case, entry in fixture.entries.items()
    }


def _same(left: tuple[str, Any], right: tuple[str, Any]) -> bool:
    return left[0] == right[0] and same_bits(left[1], right[1])


def describe_difference(left: tuple[str, Any], right: tuple[str, Any]) -> str:
    """Two entries, each its form and its value, as ``old -> new``."""
    old, new = left[1], right[1]
    if is_arrays(old) and is_arrays(new) and old.keys() == new.keys():
        parts = {name: (("array", old[name]), ("array", new[name])) for name in old}
        return "; ".join(
            f"{name}: {describe_difference(*pair)}"
            for name, pair in parts.items()
            if not _same(*pair)
        )
    comparable = isinstance(old, np.ndarray) and isinstance(new, np.ndarray)
    if not comparable or old.dtype != new.dtype or old.shape != new.shape:
        return f"{_short(left)} -> {_short(right)}"
    unequal = np.argwhere(~same(old, new))
    unequal = unequal if len(unequal) else np.argwhere(np.signbit(old) != np.signbit(new))
    shown = [
        f"{list(map(int, i))}: {old[tuple(i)]!s} -> {new[tuple(i)]!s}" for i in unequal[:_MANY]
    ]
    more = f" and {len(unequal) - _MANY} more" if len(unequal) > _MANY else ""
    return f"{len(unequal)} of {old.size} elements, {'; '.join(shown)}{more}"


def _short(described: tuple[str, Any]) -> str:
    form, value = described
    if isinstance(value, np.ndarray):
        flat = ", ".join(str(item) for item in value.ravel()[:_MANY])
        return f"{value.dtype}{list(value.shape)} [{flat}{', ...' if value.size > _MANY else ''}]"
    if is_arrays(value):
        return "; ".join(f"{name}: {_short(('array', array))}" for name, array in value.items())
    return form if value is None else f"{form} {' '.join(repr(value).split())}"

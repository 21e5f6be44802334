"""Which bytes of a fixture's data its entries refer to: a file holds nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from conformance.golden.fixture import Fixture
from conformance.golden.forms import SIZES

Span = tuple[int, int]


def first_unused(fixture: Fixture) -> int | None:
    """The place of the first byte of the data that no entry refers to; None if all are used.

    The fixture's entries have passed the checks of `conformance.golden.forms`.
    """
    reached = 0
    for start, end in sorted(_spans(fixture)):
        if start > reached:
            break
        reached = max(reached, end)
    return reached if reached < len(fixture.data) else None


def _spans(fixture: Fixture) -> Iterator[Span]:
    expected = {} if fixture.expected is None else fixture.expected.entries
    for case, entry in fixture.entries.items():
        yield from _of_entry(entry, expected.get(case, {}))


def _of_entry(entry: dict[str, Any], expected: dict[str, Any]) -> Iterator[Span]:
    """The spans of an entry, which may be told from an expected one."""
    if "array" in entry:
        yield _of_array(*entry["array"])
    if "ulps" in entry:
        dtype, offset = entry["ulps"]
        yield _of_array(dtype, expected["array"][1], offset)
    for name, item in entry.get("arrays", {}).items():
        yield from _of_entry(item, expected.get("arrays", {}).get(name, {}))
    if "literal" in entry:
        yield from _of_literal(entry["literal"])
    if "repeat" in entry:
        yield from _of_entry(entry["repeat"], {})


def _of_array(dtype: str, shape: list[int], offset: int) -> Span:
    return offset, offset + prod(shape) * SIZES[dtype]


def _of_literal(tree: Any) -> Iterator[Span]:
    if isinstance(tree, dict):
        if "array" in tree:
            yield _of_array(*tree["array"])
        else:
            yield from _of_literal(list(tree.values()))
    elif isinstance(tree, list):
        for item in tree:
            yield from _of_literal(item)

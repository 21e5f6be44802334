"""The oracle's values of a grid as fixtures: derived twice, and stored where both agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import operands
from conformance.golden.encoding import (
    DataWriter,
    Entry,
    array_entry,
    literal_tree,
    literal_value,
    load_array,
)
from conformance.golden.fixture import EXPECTED, Fixture, fixture_of
from conformance.judge.equality import same_values
from conformance.judge.expectation import Expectation, Kind, expect, expect_by_definition


@dataclass(frozen=True)
class Disagreement:
    """A case on which the oracle and the second derivation differ."""

    case: str
    oracle: str
    definition: str

    def __str__(self) -> str:
        return (
            f"{self.case}\n    oracle:            {self.oracle}\n"
            f"    second derivation: {self.definition}"
        )


class DisagreementError(Exception):
    """The two derivations differ; nothing is written."""

    def __init__(self, disagreements: list[Disagreement]) -> None:
        listed = "\n".join(map(str, disagreements))
        super().__init__(
            f"the oracle and the second derivation differ on {len(disagreements)} cases; "
            f"no fixture was written:\n{listed}"
        )


def expected_fixtures(
    cases: Iterable[Case], progress: Callable[[int], None] = lambda done: None
) -> list[Fixture]:
    """One fixture per layer with what is expected of every case.

    Raises:
        DisagreementError: naming every case on which the two derivations differ.
    """
    ordered = sorted(cases, key=lambda case: case.layer)
    disagreements: list[Disagreement] = []
    fixtures: list[Fixture] = []
    done = 0
    for layer, group in groupby(ordered, key=lambda case: case.layer):
        writer = DataWriter()
        entries: dict[str, Entry] = {}
        for case in group:
            prepared: Any = operands(case)
            expectation = expect(case, prepared)
            disagreements += disagreement(case, prepared, expectation)
            entries[case.descriptor] = expected_entry(expectation, writer)
            done += 1
            progress(done)
        fixtures.append(fixture_of(EXPECTED, layer, entries, writer))
    if disagreements:
        raise DisagreementError(disagreements)
    return fixtures


def disagreement(case: Case, prepared: Any, oracle: Expectation) -> list[Disagreement]:
    """The second derivation's objection to what the oracle expects, if there is one."""
    definition = expect_by_definition(case, prepared)
    if _same_expectation(oracle, definition):
        return []
    return [Disagreement(case.descriptor, _described(oracle), _described(definition))]


def _same_expectation(left: Expectation, right: Expectation) -> bool:
    if left.kind != right.kind:
        return False
    return left.kind == Kind.REJECTION or same_values(left.value, right.value)


def _described(expectation: Expectation) -> str:
    if expectation.kind == Kind.REJECTION:
        return f"rejection {expectation.reason}".strip()
    text = str(np.asarray(expectation.value).tolist()) if expectation.kind == Kind.VALUE else None
    return f"{expectation.kind} {text or expectation.value}"


def expected_entry(expectation: Expectation, writer: DataWriter) -> Entry:
    """An expectation as an entry of a fixture."""
    if expectation.kind == Kind.REJECTION:
        return {"rejection": True}
    if expectation.kind == Kind.SHAPE:
        return {"shape": list(expectation.value)}
    if expectation.kind == Kind.LITERAL:
        return {"literal": literal_tree(expectation.value, writer)}
    if expectation.kind == Kind.GRADIENTS:
        gradients = expectation.value.items()
        return {"arrays": {name: {"array": array_entry(a, writer)} for name, a in gradients}}
    return {"array": array_entry(expectation.value, writer)}


_KINDS: Final = MappingProxyType(
    {
        "array": Kind.VALUE,
        "arrays": Kind.GRADIENTS,
        "shape": Kind.SHAPE,
        "literal": Kind.LITERAL,
        "rejection": Kind.REJECTION,
    }
)


def stored_expectation(case: Case, entry: Entry, data: bytes) -> Expectation | None:
    """What an entry says is expected; None where the oracle has a reason that is not stored.

    Raises:
        ValueError, KeyError, TypeError: if the entry is not of a known form.
    """
    kind = next(kind for form, kind in _KINDS.items() if form in entry)
    if kind == Kind.REJECTION and case.observe != "rejection":
        return None
    without_upstream = kind == Kind.GRADIENTS and 0 in facts(case).output_shape
    return Expectation(kind, expected_value(entry, data), without_upstream=without_upstream)


def expected_value(entry: Entry, data: bytes) -> Any:
    """The stored value of an entry: an array, gradients, a shape, a literal; None if rejected.

    Raises:
        ValueError, KeyError, TypeError: if the entry is not of a known form.
    """
    if "array" in entry:
        dtype, shape, offset = entry["array"]
        return load_array(data, dtype, tuple(shape), offset)
    if "arrays" in entry:
        return {name: expected_value(item, data) for name, item in entry["arrays"].items()}
    if "shape" in entry:
        return tuple(entry["shape"])
    if "literal" in entry:
        return literal_value(entry["literal"], data)
    if entry["rejection"] is not True:
        raise ValueError(f"an expected rejection is stored as true, not {entry['rejection']!r}")
    return None

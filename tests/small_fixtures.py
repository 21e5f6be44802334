"""A few cases of every sort as fixtures, with observations that were made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.golden.directory import replace_all
from conformance.golden.encoding import DataWriter, Entry, array_entry, outcome_entry
from conformance.golden.expected import expected_entry, expected_fixtures, expected_value
from conformance.golden.fixture import OBSERVED, Fixture
from conformance.judge.expectation import expect_without_packages
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from conformance.spec.clauses import spec_sha256

VERSIONS = {"suite_version": "1", "spec_sha256": spec_sha256(), "versions": {}}


@cache
def sample() -> tuple[Case, ...]:
    """The first cases of the standard grid of each layer, dtype and kind of operands."""
    found: dict[tuple[str, ...], Case] = {}
    for case in grid("standard"):
        if case.dtype == "bfloat16" and find_spec("ml_dtypes") is None:
            continue
        small = case.inputs is None or np.prod([size or 1 for size in case.inputs]) <= 600
        if small:
            found.setdefault((case.layer, case.dtype, case.operands, case.observe), case)
    return tuple(found.values())


def digest() -> str:
    """The SHA-256 of what is expected of the sample, and of the convolutions with most products."""
    convolutions = [case for case in grid("standard") if facts(case).is_convolution]
    largest = sorted(filter(_computed, convolutions), key=lambda case: -facts(case).products)
    writer, entries = DataWriter(), []
    for case in (*sample(), *largest[:60]):
        _, expectation = expect_without_packages(case)
        entries.append((case.descriptor, expected_entry(expectation, writer)))
    return sha256(repr(entries).encode() + writer.content()).hexdigest()


def _computed(case: Case) -> bool:
    packages = case.dtype != "bfloat16" or find_spec("ml_dtypes") is not None
    return packages and case.observe in ("output", "gradients")


def expected(cases: tuple[Case, ...]) -> list[Fixture]:
    return expected_fixtures(cases)


def made_up(number: int, case: str, value: object) -> Outcome:
    """An outcome of one of the possible sorts, in turn."""
    if isinstance(value, dict) and all(isinstance(a, np.ndarray) for a in value.values()):
        return Value({name: off(a) if number % 2 else a for name, a in value.items()})
    if isinstance(value, np.ndarray):
        sorts: list[Outcome] = [
            Value(value),
            Value(off(value)),
            Value(value.astype(np.float64) + 1),
            Value(value, repeat=off(value), changed_inputs=("inputs",)),
            Value("a text where an array is expected"),
        ]
        return sorts[number % 5]
    others: list[Outcome] = [
        Rejection("ValueError", "no"),
        Unsupported("why"),
        Crash("signal"),
        Timeout(2.5),
    ]
    return [*others, Value((1, None))][number % 5]


def off(array: np.ndarray) -> np.ndarray:
    """Every other element moved by one or by many representable numbers."""
    moved = array.copy()
    flat = moved.reshape(-1)
    if array.dtype.kind in "iu":
        flat[::2] ^= 1
    else:
        bits = flat.view(f"i{array.dtype.itemsize}")
        bits[::2] ^= 1
        bits[:1] ^= np.iinfo(bits.dtype).min
    return moved


def multiplied(fixture: Fixture, factor: float) -> Fixture:
    """Expected outputs with every number multiplied."""
    writer, entries = DataWriter(), {}
    for case, entry in fixture.entries.items():
        value = expected_value(entry, fixture.data)
        entries[case] = {"array": array_entry((value * factor).astype(value.dtype), writer)}
    return replace(fixture, entries=entries, data=writer.content())


def observed(fixture: Fixture) -> Fixture:
    writer = DataWriter()
    entries: dict[str, Entry] = {}
    for number, (case, entry) in enumerate(fixture.entries.items()):
        if number % 11 != 7:
            value = expected_value(entry, fixture.data)
            entries[case] = outcome_entry(made_up(number, case, value), value, writer)
    return Fixture(
        OBSERVED,
        fixture.layer,
        entries,
        writer.content(),
        implementation="torch.nn",
        versions={"torch": "0"},
        platform="made up",
        expected=fixture,
    )


def outcomes(fixture: Fixture) -> Iterator[tuple[str, Outcome]]:
    """What `observed` stores, without the detour of storing it."""
    for number, (case, entry) in enumerate(fixture.entries.items()):
        if number % 11 != 7:
            yield case, made_up(number, case, expected_value(entry, fixture.data))


def write(folder: Path, fixtures: list[Fixture], reason: str = "a test") -> bool:
    return replace_all(folder, fixtures, reason=reason, **VERSIONS)  # type: ignore[arg-type]


def cases_of(descriptors: str) -> tuple[Case, ...]:
    return tuple(map(parse, descriptors.split()))


@cache
def offline() -> tuple[Case, ...]:
    """Part of the sample, for what takes its time with every case."""
    return sample()[::6]

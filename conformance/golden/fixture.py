"""One fixture file: its index, its data, and the entries of its cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.golden import strict_json
from conformance.golden.container import pack, unpack
from conformance.golden.encoding import DataWriter, Entry
from conformance.golden.errors import FixtureError
from conformance.golden.forms import check_expected, check_observed
from conformance.golden.manifest import FORMAT, file_name, is_readable, stem_of

EXPECTED = "expected"
OBSERVED = "observed"


@dataclass(frozen=True, eq=False)
class Fixture:
    """The content of one file.

    Attributes:
        kind: ``expected`` (the oracle's values) or ``observed`` (an implementation's outcomes).
        layer: the layer of all its cases.
        entries: the entry of each case, by descriptor, in the order of the grid.
        data: the bytes that entries point into.
        implementation: name of the implementation observed; empty for expected values.
        versions: its versions by distribution.
        platform: where it was observed.
        machine: what its process ran on, as its libraries told; None in older files, which do not
            say.
        expected: the expected values that observations are told from; None for these themselves.
    """

    kind: str
    layer: str
    entries: dict[str, Entry]
    data: bytes
    implementation: str = ""
    versions: dict[str, str] | None = None
    platform: str = ""
    expected: Fixture | None = None
    machine: dict[str, str] | None = None

    @property
    def stem(self) -> str:
        """The file's name without digest and ending."""
        return "-".join(filter(None, (self.kind, self.implementation, self.layer.lower())))

    @property
    def file_name(self) -> str:
        """The file's name, which tells its content."""
        return file_name(self.stem, *self.content)

    def pack(self) -> bytes:
        """The bytes of the file."""
        return pack(*self.content)

    @cached_property
    def content(self) -> tuple[bytes, bytes]:
        """Index and data."""
        index: dict[str, Any] = {"format": FORMAT, "kind": self.kind, "layer": self.layer}
        if self.expected is None:
            index["cases"] = list(self.entries.items())
        else:
            index |= {
                "implementation": self.implementation,
                "versions": self.versions,
                "platform": self.platform,
                **({} if self.machine is None else {"machine": self.machine}),
                "expected": self.expected.file_name,
                **_numbered(self.entries, self.expected.entries),
            }
        return _as_json(index), self.data


def _numbered(entries: dict[str, Entry], cases: Iterable[str]) -> dict[str, Any]:
    """The distinct entries, and the number of each case's; null for a case without."""
    numbers: dict[bytes, int] = {}
    outcomes: list[Entry] = []
    found: list[int | None] = []
    for case in cases:
        if case not in entries:
            found.append(None)
            continue
        text = _as_json(entries[case])
        if text not in numbers:
            numbers[text] = len(outcomes)
            outcomes.append(entries[case])
        found.append(numbers[text])
    return {"outcomes": outcomes, "cases": found}


def _as_json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def fixture_of(
    kind: str, layer: str, entries: dict[str, Entry], writer: DataWriter, **origin: Any
) -> Fixture:
    """A fixture whose data a writer has collected."""
    return Fixture(kind, layer, entries, writer.content(), **origin)


def read_fixture(path: Path, content: bytes, expected: Mapping[str, Fixture]) -> Fixture:
    """The fixture that a file's bytes hold.

    Args:
        path: the file's name, for messages.
        content: the file's bytes.
        expected: the fixtures of expected values, by the names of their files.

    Raises:
        FixtureError: if the container, the index or an entry is not of the known form, or the name
            does not carry the content's digest.
    """
    text, data = unpack(path, content)
    try:
        fixture = _of_index(path, strict_json.loads(text), data, expected)
        if fixture.expected is None:
            check_expected(path, fixture.entries, len(data))
        else:
            check_observed(path, fixture.entries, fixture.expected.entries, len(data))
    except FixtureError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FixtureError(
            path, f"its index is unreadable ({type(error).__name__}: {error})"
        ) from error
    if path.name != file_name(stem_of(path.name), text, data):
        raise FixtureError(path, "the digest in its name is not that of its content")
    return fixture


def _of_index(
    path: Path, index: dict[str, Any], data: bytes, expected: Mapping[str, Fixture]
) -> Fixture:
    if not is_readable(index["format"]):
        raise FixtureError(path, f"its index is of the unknown format {index['format']!r}")
    if index["kind"] == EXPECTED:
        _check_texts(path, [index["layer"]])
        entries = dict(index["cases"])
        if len(entries) != len(index["cases"]):
            raise FixtureError(path, "names a case twice")
        return Fixture(EXPECTED, index["layer"], entries, data)
    if index["kind"] == OBSERVED:
        return _observed_of_index(path, index, data, expected)
    raise FixtureError(path, f"its index is of the unknown kind {index['kind']!r}")


def _observed_of_index(
    path: Path, index: dict[str, Any], data: bytes, expected: Mapping[str, Fixture]
) -> Fixture:
    layer, name, versions = index["layer"], index["implementation"], index["versions"]
    _check_texts(path, [layer, name, index["platform"], index["expected"], *versions.values()])
    _check_texts(path, (index.get("machine") or {}).values())
    against = expected.get(index["expected"])
    if against is None or against.layer != layer:
        raise FixtureError(
            path, f"is told from {index['expected']}, which is no file of the same layer here"
        )
    entries = _entries_of_numbers(path, index, against)
    platform, machine = index["platform"], index.get("machine")
    return Fixture(OBSERVED, layer, entries, data, name, versions, platform, against, machine)


def _entries_of_numbers(path: Path, index: dict[str, Any], expected: Fixture) -> dict[str, Entry]:
    outcomes, numbers = index["outcomes"], index["cases"]
    if len(numbers) != len(expected.entries):
        raise FixtureError(
            path, f"tells of {len(numbers)} cases; {len(expected.entries)} are expected"
        )
    for number in numbers:
        if number is not None and (type(number) is not int or not 0 <= number < len(outcomes)):
            raise FixtureError(path, f"refers to the outcome {number!r} of {len(outcomes)}")
    if len(set(numbers) - {None}) < len(outcomes):
        raise FixtureError(path, "holds an outcome that no case refers to")
    pairs = zip(expected.entries, numbers, strict=True)
    return {case: outcomes[number] for case, number in pairs if number is not None}


def _check_texts(path: Path, values: Iterable[Any]) -> None:
    odd = [value for value in values if not isinstance(value, str)]
    if odd:
        raise FixtureError(path, f"has {odd[0]!r} in its index where a text is expected")

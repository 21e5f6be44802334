"""One fixture file: its index, its data, and the entries of its cases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.golden.container import pack, unpack
from conformance.golden.encoding import DataWriter, Entry
from conformance.golden.errors import FixtureError
from conformance.golden.forms import check_expected, check_observed
from conformance.golden.manifest import FORMAT, READABLE

EXPECTED = "expected"
OBSERVED = "observed"


@dataclass(frozen=True)
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
    """

    kind: str
    layer: str
    entries: dict[str, Entry]
    data: bytes
    implementation: str = ""
    versions: dict[str, str] | None = None
    platform: str = ""

    @property
    def stem(self) -> str:
        """The file's name without digest and ending."""
        return "-".join(filter(None, (self.kind, self.implementation, self.layer.lower())))

    def pack(self) -> bytes:
        """The bytes of the file."""
        index = {"format": FORMAT, "kind": self.kind, "layer": self.layer}
        if self.kind == OBSERVED:
            index |= {
                "implementation": self.implementation,
                "versions": self.versions,
                "platform": self.platform,
            }
        index["cases"] = list(self.entries.items())
        text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
        return pack(text.encode(), self.data)


def fixture_of(
    kind: str, layer: str, entries: dict[str, Entry], writer: DataWriter, **origin: Any
) -> Fixture:
    """A fixture whose data a writer has collected."""
    return Fixture(kind, layer, entries, writer.content(), **origin)


def read_fixture(path: Path, content: bytes) -> Fixture:
    """The fixture that a file's bytes hold.

    Raises:
        FixtureError: if the container or the index is not of the known form.
    """
    text, data = unpack(path, content)
    try:
        fixture = _of_index(path, json.loads(text, parse_constant=_no_constant), data)
    except FixtureError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FixtureError(
            path, f"its index is unreadable ({type(error).__name__}: {error})"
        ) from error
    check = check_expected if fixture.kind == EXPECTED else check_observed
    try:
        check(path, fixture.entries, len(data))
    except RecursionError as error:
        raise FixtureError(path, "an entry is nested too deeply") from error
    return fixture


def _no_constant(name: str) -> None:
    """Refuse what Python's JSON reader takes beyond the standard: NaN and infinities."""
    raise ValueError(f"{name} is not JSON")


def _of_index(path: Path, index: dict[str, Any], data: bytes) -> Fixture:
    if index["format"] not in READABLE:
        raise FixtureError(path, f"its index is of the unknown format {index['format']!r}")
    if index["kind"] not in (EXPECTED, OBSERVED):
        raise FixtureError(path, f"its index is of the unknown kind {index['kind']!r}")
    entries = dict(index["cases"])
    if len(entries) != len(index["cases"]):
        raise FixtureError(path, "names a case twice")
    versions = index.get("versions")
    texts = [index["layer"], index.get("implementation", ""), index.get("platform", "")]
    if not all(isinstance(text, str) for text in [*texts, *(versions or {}).values()]):
        raise FixtureError(path, "gives its layer or what was observed by something else than text")
    layer, implementation, platform = texts
    return Fixture(index["kind"], layer, entries, data, implementation, versions, platform)

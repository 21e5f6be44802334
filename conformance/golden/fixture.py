"""One fixture file: its index, its data, and the entries of its cases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.golden.container import pack, unpack
from conformance.golden.encoding import DataWriter, Entry
from conformance.golden.errors import FixtureError
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
        index = json.loads(text)
        if index["format"] not in READABLE:
            raise FixtureError(path, f"its index is of the unknown format {index['format']!r}")
        entries = dict(index["cases"])
        if len(entries) != len(index["cases"]):
            raise FixtureError(path, "names a case twice")
        return Fixture(
            index["kind"],
            index["layer"],
            entries,
            data,
            index.get("implementation", ""),
            index.get("versions"),
            index.get("platform", ""),
        )
    except FixtureError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FixtureError(
            path, f"its index is unreadable ({type(error).__name__}: {error})"
        ) from error

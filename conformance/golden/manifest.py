"""The manifest: which files make up the fixtures, what they must contain, and why they are so.

``manifest.json`` holds ``format`` (version of the file format), ``suite_version``,
``spec_sha256``, ``reason`` and ``versions`` of the last regeneration, and ``files``: for each
file name its ``sha256``, ``bytes`` and ``cases``.

A file's name ends in the first digits of its content's digest.  A regeneration therefore never
overwrites a file that the present manifest names: it adds files, replaces the manifest in one step,
and only then removes what is no longer named.
"""

from __future__ import annotations

import hashlib
import json
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from conformance.golden import strict_json
from conformance.golden.container import LARGEST_FILE, content_digest, unpack
from conformance.golden.errors import FixtureError

FORMAT: Final = 1
"""Version of the file format that is written."""

READABLE: Final = frozenset({1})
"""Versions of the file format that are read."""

NAME: Final = "manifest.json"
_DIGITS: Final = 12
_LARGEST_MANIFEST: Final = 2**20


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file."""

    sha256: str
    bytes: int
    cases: int


@dataclass(frozen=True)
class Manifest:
    """The manifest (see the module's docstring)."""

    format: int
    suite_version: str
    spec_sha256: str
    reason: str
    versions: dict[str, str]
    files: dict[str, FileRecord]

    def to_json(self) -> bytes:
        """The manifest as the text of its file."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    def same_content(self, other: Manifest) -> bool:
        """Whether both name files of the same content, for the same specification."""
        return (self.format, self.spec_sha256, self.files.keys()) == (
            other.format,
            other.spec_sha256,
            other.files.keys(),
        )


def is_readable(version: Any) -> bool:
    """Whether this is a version of the file format that is read."""
    return type(version) is int and version in READABLE


def digest(content: bytes) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_name(stem: str, index: bytes, data: bytes) -> str:
    """The name of a fixture file: its stem and the first digits of its content's digest."""
    return f"{stem}.{content_digest(index, data)[:_DIGITS]}.npz"


def names_its_content(path: Path, content: bytes) -> bool:
    """Whether a file is a whole fixture whose name carries the digest of its content."""
    try:
        return path.name == file_name(stem_of(path.name), *unpack(path, content))
    except FixtureError:
        return False


def stem_of(name: str) -> str:
    """The stem of a fixture file's name."""
    return name.rsplit(".", 2)[0]


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a fixture directory.

    Raises:
        FixtureError: if it is missing, unreadable, of another version or names odd files.
    """
    path = directory / NAME
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FixtureError(path, "the manifest is no regular file")
        if status.st_size > _LARGEST_MANIFEST:
            raise FixtureError(
                path, f"has {status.st_size} bytes; no manifest has over {_LARGEST_MANIFEST}"
            )
        text = path.read_bytes()
    except OSError as error:
        raise FixtureError(path, f"the manifest cannot be read ({error.strerror})") from error
    try:
        return _parse(path, strict_json.loads(text))
    except FixtureError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FixtureError(path, f"not a manifest ({type(error).__name__}: {error})") from error


def _parse(path: Path, fields: dict[str, Any]) -> Manifest:
    if not is_readable(fields["format"]):
        raise FixtureError(
            path,
            f"written in format {fields['format']!r}; this version reads "
            f"{', '.join(map(str, sorted(READABLE)))}",
        )
    files = {name: FileRecord(**record) for name, record in fields["files"].items()}
    for name, record in files.items():
        _check_record(path, name, record)
    if len({stem_of(name) for name in files}) < len(files):
        raise FixtureError(path, "names two files of the same content")
    manifest = Manifest(**{**fields, "files": files})
    texts = [manifest.suite_version, manifest.spec_sha256, manifest.reason]
    if not all(isinstance(text, str) for text in [*texts, *manifest.versions.values()]):
        raise FixtureError(path, "gives a version, the digest or the reason by no text")
    return manifest


def _check_record(path: Path, name: str, record: FileRecord) -> None:
    if Path(name).name != name or not name.endswith(".npz"):
        raise FixtureError(path, f"names the file {name!r}, which is no plain .npz file name")
    if type(record.bytes) is not int or not 0 < record.bytes <= LARGEST_FILE:
        raise FixtureError(
            path, f"gives {name} {record.bytes!r} bytes; allowed are 1 to {LARGEST_FILE}"
        )
    if type(record.cases) is not int or record.cases < 1:
        raise FixtureError(path, f"gives {name} {record.cases!r} cases; at least 1 is needed")


def read_file(directory: Path, name: str, record: FileRecord) -> bytes:
    """The content of a file that the manifest names, held against size and digest.

    Raises:
        FixtureError: if it is missing, of another size, or altered.
    """
    path = directory / name
    try:
        size = path.stat().st_size
        if size != record.bytes:
            raise FixtureError(
                path, f"has {size} bytes; the manifest says {record.bytes}: truncated or replaced"
            )
        content = path.read_bytes()
    except OSError as error:
        raise FixtureError(path, f"cannot be read ({error.strerror})") from error
    if digest(content) != record.sha256:
        raise FixtureError(path, "its SHA-256 is not the manifest's: the file was altered")
    return content

"""The ``.npz`` container: two members, read with care.

A fixture file is a zip archive with exactly two deflated members, each a one-dimensional ``.npy``
array of bytes (dtype ``|u1``, format version 1.0):

* ``index.npy``: UTF-8 JSON text;
* ``data.npy``: the raw bytes that the index points into.

So ``numpy.load(path, allow_pickle=False)`` opens it, and so does any zip reader.  Nothing in the
members depends on the clock, the platform or the NumPy version.  The compressed bytes can depend on
the zlib at hand, so that files are named by, and compared in, their uncompressed content.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Final

from conformance.golden.errors import FixtureError

LARGEST_FILE: Final = 64 * 2**20
"""No fixture file comes near this many bytes; a larger one is refused before it is read."""

LARGEST_MEMBER: Final = 32 * 2**20
"""No member comes near this many bytes; one that announces more is refused before it is read."""

_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_MEMBERS: Final = ("index.npy", "data.npy")
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_ALIGNMENT: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_READ_WRITE: Final = 0o644 << 16


def pack(index: bytes, data: bytes) -> bytes:
    """The bytes of a fixture file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in zip(_MEMBERS, (index, data), strict=True):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = _UNIX
            member.external_attr = _READ_WRITE
            whole = _npy_header(len(content)) + content
            file.writestr(member, whole, zipfile.ZIP_DEFLATED, compresslevel=9)
    return archive.getvalue()


def content_digest(index: bytes, data: bytes) -> str:
    """The SHA-256, in hexadecimal, of the index followed by the data."""
    return hashlib.sha256(index + data).hexdigest()


def _npy_header(length: int) -> bytes:
    """The header of a one-dimensional byte array, padded to the alignment that NumPy uses."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}".encode()
    filling = -(len(_MAGIC) + 2 + len(text) + 1) % _ALIGNMENT
    body = text + b" " * filling + b"\n"
    return _MAGIC + len(body).to_bytes(2, "little") + body


def unpack(path: Path, content: bytes) -> tuple[bytes, bytes]:
    """Index and data of a fixture file.

    Nothing is unpickled or evaluated, and no more is decompressed than a member announces, which
    is held against a limit first.

    Args:
        path: the file's name, for messages.
        content: the file's bytes.

    Raises:
        FixtureError: if the file is not of the form that `pack` writes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            _check_members(path, file.infolist())
            index, data = (_array_bytes(path, name, _member(file, name)) for name in _MEMBERS)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        if isinstance(error, FixtureError):
            raise
        raise FixtureError(path, f"not a readable .npz archive ({error})") from error
    return index, data


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [member.filename for member in members]
    if sorted(names) != sorted(_MEMBERS):
        raise FixtureError(path, f"holds the members {names}, not {list(_MEMBERS)}")
    for member in members:
        if member.compress_type not in _COMPRESSIONS:
            raise FixtureError(path, f"member {member.filename} is neither stored nor deflated")
        if member.file_size > LARGEST_MEMBER:
            raise FixtureError(
                path,
                f"member {member.filename} announces {member.file_size} bytes; allowed are "
                f"{LARGEST_MEMBER}",
            )


def _member(file: zipfile.ZipFile, name: str) -> bytes:
    """What a member holds; decompression stops at the announced size, whatever would follow."""
    with file.open(name) as stream:
        return stream.read(file.getinfo(name).file_size)


def _array_bytes(path: Path, name: str, content: bytes) -> bytes:
    head = len(_MAGIC) + 2
    if content[: len(_MAGIC)] != _MAGIC:
        raise FixtureError(path, f"member {name} is no .npy array of format version 1.0")
    start = head + int.from_bytes(content[len(_MAGIC) : head], "little")
    if content[:start] != _npy_header(len(content) - start):
        raise FixtureError(
            path,
            f"the header of member {name} does not describe a one-dimensional array of the "
            f"{len(content) - start} bytes that follow it",
        )
    return content[start:]

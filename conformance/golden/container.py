"""The ``.npz`` container: two members, always the same bytes for the same content, read with care.

A fixture file is a zip archive with exactly two stored (uncompressed) members, each a one-
dimensional ``.npy`` array of bytes (dtype ``|u1``, format version 1.0):

* ``index.npy``: UTF-8 JSON text;
* ``data.npy``: the raw bytes that the index points into.

So ``numpy.load(path, allow_pickle=False)`` opens it, and so does any zip reader.  Nothing in the
bytes depends on the clock, the platform, the zlib build or the NumPy version.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Final

from conformance.golden.errors import FixtureError

LARGEST_FILE: Final = 64 * 2**20
"""No fixture file comes near this many bytes; a larger one is refused before it is read."""

_MEMBERS: Final = ("index.npy", "data.npy")
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_ALIGNMENT: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_READ_WRITE: Final = 0o644 << 16


def pack(index: bytes, data: bytes) -> bytes:
    """The bytes of a fixture file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, content in zip(_MEMBERS, (index, data), strict=True):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = _UNIX
            member.external_attr = _READ_WRITE
            file.writestr(member, _npy_header(len(content)) + content)
    return archive.getvalue()


def _npy_header(length: int) -> bytes:
    """The header of a one-dimensional byte array, padded to the alignment that NumPy uses."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({length},), }}".encode()
    filling = -(len(_MAGIC) + 2 + len(text) + 1) % _ALIGNMENT
    body = text + b" " * filling + b"\n"
    return _MAGIC + len(body).to_bytes(2, "little") + body


def unpack(path: Path, content: bytes) -> tuple[bytes, bytes]:
    """Index and data of a fixture file.

    Nothing is decompressed, unpickled or evaluated, and nothing is allocated on the word of a
    header: every announced size is held against the size of the file first.

    Args:
        path: the file's name, for messages.
        content: the file's bytes.

    Raises:
        FixtureError: if the file is not of the form that `pack` writes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            _check_members(path, file.infolist(), len(content))
            index, data = (_array_bytes(path, name, file.read(name)) for name in _MEMBERS)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, FixtureError):
            raise
        raise FixtureError(path, f"not a readable .npz archive ({error})") from error
    return index, data


def _check_members(path: Path, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [member.filename for member in members]
    if sorted(names) != sorted(_MEMBERS):
        raise FixtureError(path, f"holds the members {names}, not {list(_MEMBERS)}")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise FixtureError(path, f"member {member.filename} is compressed; fixtures are stored")
        if member.file_size > size:
            raise FixtureError(
                path,
                f"member {member.filename} announces {member.file_size} bytes in a file of {size}",
            )


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

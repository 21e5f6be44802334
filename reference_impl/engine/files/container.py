"""Archives and HDF5 files, opened so that nothing is read but what lies in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from mmap import ACCESS_READ, mmap
from typing import Any, Final

from reference_impl.engine.damaged_hdf5 import damage, is_text
from reference_impl.showing import shown

CONFIG: Final = "config.json"
WEIGHTS: Final = "model.weights.h5"

LARGEST_CONFIG: Final = 64 << 20
"""Bytes that a configuration may have."""

RATIO: Final = 1032
"""The most that a deflated member can grow by."""

DEEPEST: Final = 40
"""Models within models, and groups within groups, that are followed."""

_DAMAGED: Final = (
    *(OSError, RuntimeError, LookupError, TypeError, AttributeError, OverflowError, MemoryError),
    *(AssertionError, UnicodeError),
)
"""What h5py raises of damaged files."""

Path = str | os.PathLike[str]

_ENDINGS: Final = (".keras", ".h5", ".hdf5")


def is_h5(path: Path) -> bool:
    """Whether a file is HDF5 by its first bytes.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it does not exist, and its name says nothing of its format.
    """
    name = os.fspath(path)
    if not os.path.exists(name) and not name.endswith(_ENDINGS):
        raise ValueError(
            f"{shown(name)} does not exist, and is of no format that is known; expected a path "
            f"that ends in {', '.join(_ENDINGS)}"
        )
    with open(path, "rb") as file:
        return file.read(8) == b"\x89HDF\r\n\x1a\n"


def name_of(path: Path) -> str:
    """A path as messages have it: short, and without what a terminal would obey."""
    return shown(os.fspath(path)).strip("'\"")


def plain(name: Any) -> str:
    """A name from a file as messages have it: as it is only where it is an identifier."""
    return name if isinstance(name, str) and name.isidentifier() else shown(name)


def decoded(name: Any) -> str:
    """A name as text, which HDF5 may have as bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)


def member(path: Path, name: str, most: int | None = None) -> bytes:
    """A member of the archive.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no archive, or has no such member, or a damaged or an oversized one.
    """
    import zlib
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            info = archive.getinfo(name)
            if info.header_offset < 0:
                raise BadZipFile(f"the member {name} lies before the file")
            limit = RATIO * info.compress_size + 1024 if most is None else most
            if info.file_size > limit:
                raise ValueError(
                    f"{name_of(path)}: the member {name} claims {info.file_size} bytes; expected "
                    f"at most {limit}"
                )
            return archive.read(name)
    except KeyError:
        raise ValueError(
            f"{name_of(path)} has no member {name}; expected a .keras file, as Keras 3 saves it"
        ) from None
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(
            f"{name_of(path)} is no zip archive, or a damaged one ({shown(str(error))}); expected "
            "a .keras file, as Keras 3 saves it"
        ) from None


def h5py_for(path: Path) -> Any:
    """The package that reads and writes HDF5.

    Raises:
        ImportError: if it is not installed; the file is named.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"the weights of {name_of(path)} are HDF5 and need h5py, which is not installed: "
            "install layerproof[models]"
        ) from error
    return h5py


@contextmanager
def opened(path: Path, source: Any) -> Iterator[Any]:
    """The HDF5 file of a path, or of the bytes of a member of it.

    Raises:
        ValueError: if it is damaged; whatever h5py raises, inside the block as well.
    """
    h5py = h5py_for(path)
    damaged = _damage(source)
    if damaged is not None:
        raise ValueError(f"{name_of(path)}: the HDF5 data is damaged: {damaged}")
    try:
        with h5py.File(source, "r") as file:
            yield file
    except _DAMAGED as error:
        raise ValueError(
            f"{name_of(path)}: the HDF5 data is damaged, or not as Keras writes it "
            f"({type(error).__name__}: {shown(str(error))})"
        ) from error


def _damage(source: Any) -> str | None:
    """What is wrong with the strings of a file, or of the bytes of one."""
    if isinstance(source, BytesIO):
        return damage(source.getvalue())
    with open(source, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        return damage(data)


def text_attribute(path: Path, item: Any, name: str) -> Any:
    """An attribute that is a string, or an array of strings; None where there is none.

    Raises:
        ValueError: if it is something else, or larger than any configuration.
    """
    if name not in item.attrs:
        return None
    h5py = h5py_for(path)
    attribute = h5py.h5a.open(item.id, name.encode())
    if not is_text(h5py, attribute) or attribute.get_storage_size() > LARGEST_CONFIG:
        raise ValueError(
            f"{name_of(path)}: the attribute `{name}` holds no text, or too much of it"
        )
    return item.attrs[name]

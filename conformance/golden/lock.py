"""One regeneration at a time: a lock on the fixture directory.

The lock is the operating system's, on an open file, so that the end of its process frees it,
however that comes about; that the file exists says nothing.  Its name is one that every reader of
fixtures passes over.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.golden.errors import FixtureError

NAME: Final = ".regeneration.lock.tmp"
"""The file in the directory that is locked."""

UNLOCKED: Final = (
    "this system or file system offers no file locks: make sure that nothing else regenerates or "
    "observes these fixtures at the same time"
)
"""What to tell where no lock could be taken."""

_ATTEMPTS: Final = 10


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[bool]:
    """Hold the lock of a fixture directory, which is made if need be.

    Yields whether it is held: False where files cannot be locked.

    Raises:
        FixtureError: if another process holds it, or the directory cannot be written.
    """
    path = directory / NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor, held = _acquire(path)
    except OSError as error:
        raise FixtureError(directory, f"cannot be written ({error.strerror})") from error
    try:
        yield held
    finally:
        _release(path, descriptor)


def _acquire(path: Path) -> tuple[int, bool]:
    """The open lock file, and whether it is locked."""
    for _ in range(_ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            held = _lock(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise _busy(path) from error
        if _is_in_place(path, descriptor):
            return descriptor, held
        os.close(descriptor)
    raise _busy(path)


def _busy(path: Path) -> FixtureError:
    return FixtureError(
        path.parent,
        "another process regenerates or observes these fixtures at this moment.  Nothing was "
        "written: wait until it ends, then try again",
    )


def _lock(descriptor: int) -> bool:
    """Lock an open file; whether that can be done here.

    Raises:
        BlockingIOError: if another process has locked it.
    """
    try:
        _ask_for_lock(descriptor)
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        return False
    return True


def _ask_for_lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_in_place(path: Path, descriptor: int) -> bool:
    """Whether the file locked still has its name: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int) -> None:
    """Remove the file while it is locked, and free the lock; Windows keeps open files."""
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)

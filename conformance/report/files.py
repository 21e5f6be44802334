"""Writing reports: whole or not at all where that can be, and never in the place of a device."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

STANDARD_OUTPUT = Path("-")
"""The path that stands for standard output."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the content of the file at `path` in one step.

    A reader sees the old content or the new one, and nothing between.  A symbolic link stays one,
    and its target is replaced; a device, a FIFO or a socket is written to as it is.

    Raises:
        OSError: if the directory does not exist or cannot be written.
    """
    if is_special(path):
        with path.open("wb") as stream:
            stream.write(content)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(OSError):
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def is_special(path: Path) -> bool:
    """Whether there is something at `path` that is no regular file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def check_outputs(outputs: Mapping[str, Path]) -> None:
    """Refuse what could not be written at the end of a long run.

    Args:
        outputs: the files that will be written, by the options that name them.

    Raises:
        ValueError: if two are the same file, or one cannot be written; the message names the
            option.
    """
    seen: dict[str, str] = {}
    for option, path in outputs.items():
        place = "-" if path == STANDARD_OUTPUT else os.path.realpath(path)
        if place in seen and not (path != STANDARD_OUTPUT and is_special(path)):
            raise ValueError(f"{seen[place]} and {option} name the same file, {path}")
        seen[place] = option
        if path != STANDARD_OUTPUT:
            _check_writable(option, path)


def _check_writable(option: str, path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{option} {path} is a directory; a file name is needed")
    try:
        if is_special(path):
            if not os.access(path, os.W_OK):
                raise PermissionError("it cannot be written")
            return
        target = Path(os.path.realpath(path))
        if not target.parent.is_dir():
            raise FileNotFoundError(f"the directory {target.parent} does not exist")
        existed = target.exists()
        with target.open("ab"):
            pass
        if not existed:
            target.unlink()
    except OSError as error:
        raise ValueError(f"{option} {path} cannot be written: {error}") from error

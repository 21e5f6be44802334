"""The processes that this one has started, for tests that none stays."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import pytest

HAS_PROC: Final = Path("/proc/self/stat").exists()

has_proc = pytest.mark.skipif(not HAS_PROC, reason="lists processes by /proc")


def children() -> list[int]:
    """The child processes of this one, zombies included."""
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if _parent(path) == os.getpid()
    ]


def _parent(stat: Path) -> int | None:
    with contextlib.suppress(OSError):
        text = stat.read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[1])
    return None

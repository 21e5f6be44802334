"""What an implementation's process is allowed, and what is refused where it is to run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


class ClusterError(RuntimeError):
    """A cluster that cannot be used, or cannot any more."""


def most_of_the_memory() -> int | None:
    """Three quarters of the machine's memory in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (AttributeError, OSError, ValueError):
        return None


@dataclass(frozen=True)
class Limits:
    """What one isolated process is allowed.

    Attributes:
        timeout: seconds for one case.
        start: seconds from the start of the process until it is ready for the first case.
        memory: bytes of data; None for no limit.
    """

    timeout: float = 60.0
    start: float = 240.0
    memory: int | None = field(default_factory=most_of_the_memory)


def limit_memory(limit: int) -> None:
    """Let allocations beyond `limit` bytes of data fail, where the system can do that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

"""What a process said before it ended, so that the line that matters is kept."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from typing import BinaryIO, Final

BEGIN: Final = b"\x1e"
"""What is written to standard error before each case, so that last words can be told apart."""

_MUCH: Final = 1 << 12
_PAUSE_SECONDS: Final = 0.01
"""After fewer bytes some more are waited for, so that no thread is woken for each case's mark."""

_KEPT: Final = 1 << 18
_SHOWN: Final = 4096
_REASONS: Final = 10
_LONGEST_REASON: Final = 400
_REASON: Final = re.compile(
    r"panic|assert|abort|fatal|terminat|error|exception|failed|what\(\)", re.IGNORECASE
)


class LastWords:
    """Takes notice of what a process writes to standard error since its last case began."""

    def __init__(self) -> None:
        self._said = b""

    def listen(self, stream: BinaryIO) -> None:
        """Read the stream to its end."""
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), 65536):
                self._said = (self._said + chunk).rpartition(BEGIN)[2][-_KEPT:]
                if len(chunk) < _MUCH:
                    time.sleep(_PAUSE_SECONDS)

    def text(self) -> str:
        """What was said; of much, the end, and before it the lines that tell a reason.

        A backtrace of any length does not push out the panic or the assertion before it.
        """
        text = self._said.decode(errors="replace").strip()
        if len(text) <= _SHOWN:
            return text
        end = text[-_SHOWN:]
        telling = [line for line in text[:-_SHOWN].splitlines() if _REASON.search(line)]
        return "\n".join([*(line[:_LONGEST_REASON] for line in telling[:_REASONS]), "...", end])


def reason_in(last_words: str) -> str:
    """The first line that tells a reason, such as a panic or an assertion; empty without one."""
    lines = (line.strip() for line in last_words.splitlines())
    return next((line[:_LONGEST_REASON] for line in lines if _REASON.search(line)), "")


def how_it_ended(status: int | None) -> str:
    """The exit status of a process in words; None for one that still ran."""
    if status is None:
        return "a closed or garbled connection to the suite"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"

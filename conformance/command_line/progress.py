"""Progress of a long run, on one line of a terminal, or now and then in a log."""

from __future__ import annotations

import time
from typing import Final, TextIO

_REFRESH_SECONDS: Final = 0.2
_LOG_SECONDS: Final = 10.0
_MINUTE: Final = 60
_HOUR: Final = 3600


class Progress:
    """Called with the number of results so far and in total; prints how far the run is.

    On a terminal the line is rewritten and cleared at the end.  Elsewhere a line is printed every
    ten seconds, so that a log shows that the run is alive, and a short run prints nothing.

    Args:
        stream: where it is printed.
        quiet: whether nothing is.
        doing: what is done with each.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, doing: str = "judged") -> None:
        self._doing = doing
        self._stream = stream
        self._quiet = quiet
        self._terminal = stream.isatty()
        self._started = self._printed = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Take notice of a result."""
        if self._quiet:
            return
        now = time.monotonic()
        interval = _REFRESH_SECONDS if self._terminal else _LOG_SECONDS
        if now - self._printed >= interval:
            self._printed = now
            self._print(done, total, now - self._started)
        if done == total and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _print(self, done: int, total: int, seconds: float) -> None:
        text = f"{self._doing} {done:,} of {total:,} ({done / max(total, 1):.0%})"
        if done:
            text += f", {duration(seconds * (total - done) / done)} left"
        self._stream.write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        self._stream.flush()


def duration(seconds: float) -> str:
    """``40 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"

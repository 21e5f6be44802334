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

    Before the first result, implementations are loaded, which tells nothing of what is left.  On a
    terminal the line is rewritten and cleared at the end.  Elsewhere a line is printed every
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
        self._printed = time.monotonic()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Take notice of a result."""
        if self._quiet:
            return
        now = time.monotonic()
        self._first = self._first or (now, done)
        interval = _REFRESH_SECONDS if self._terminal else _LOG_SECONDS
        if now - self._printed >= interval:
            self._printed = now
            self._print(done, total, now, *self._first)
        if done == total and self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _print(self, done: int, total: int, now: float, began: float, before: int) -> None:
        """How far it is, and how long it takes at the rate since the first result."""
        text = f"{self._doing} {done:,} of {total:,} ({done / max(total, 1):.0%})"
        if done > before:
            text += f", {duration((now - began) * (total - done) / (done - before))} left"
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

"""Signals that end a command, as exceptions: what it has open is closed, what it has is shown."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interrupted(KeyboardInterrupt):
    """The process was asked to end by a signal other than that of Ctrl-C.

    Attributes:
        number: the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def signal_of(interruption: KeyboardInterrupt) -> int:
    """The signal that an interruption comes from."""
    return interruption.number if isinstance(interruption, Interrupted) else signal.SIGINT


@contextlib.contextmanager
def as_exceptions() -> Iterator[None]:
    """Within the block, a first SIGTERM or SIGHUP raises `Interrupted`; a second one ends at once.

    A signal that is ignored, as SIGHUP under nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _ENDING}
    caught = [number for number, handler in before.items() if handler is signal.SIG_DFL]

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in caught:
            signal.signal(each, signal.SIG_DFL)
        raise Interrupted(number)

    for number in caught:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)

"""What a child of ours does at its start, and how it reads and answers (`child` is its parent)."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, Final, NoReturn

from conformance.implementations.wire import encode

_PR_SET_PDEATHSIG: Final = 1


class Connection:
    """The requests from the parent, and the answers to it, on what were streams 0 and 1.

    Standard output is pointed at standard error, so that what foreign code prints cannot disturb
    the answers.  The process ends at the end of its requests, even in the middle of one.

    Args:
        read: reads one request from the stream; something false at its end.
        at_end: called before the process ends because its requests have.
    """

    def __init__(
        self, read: Callable[[BinaryIO], Any], at_end: Callable[[], None] = lambda: None
    ) -> None:
        requests, self._answers = _take_over_streams()
        token, die_with_parent, parent = requests.readline().split()
        self._token = bytes.fromhex(token.decode())
        self._process = os.getpid()
        if int(die_with_parent):
            _die_with_parent(int(parent))
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._put = self._waiting.put
        threading.Thread(target=self._read, args=(requests, read, at_end), daemon=True).start()

    def next(self, *, wait: bool = True) -> Any:
        """The next request; None where none is there and none is waited for."""
        try:
            return self._waiting.get(block=wait)
        except queue.Empty:
            return None

    def answer(self, *message: Any) -> None:
        """Send an answer, unless this process is a fork of the one that was asked."""
        if os.getpid() != self._process:
            os._exit(0)
        self._answers.write(self._token + encode(message))
        self._answers.flush()

    def _read(
        self,
        requests: BinaryIO,
        read: Callable[[BinaryIO], Any],
        at_end: Callable[[], None],
    ) -> None:
        with contextlib.suppress(Exception):
            while request := read(requests):
                self._put(request)
        at_end()
        os._exit(0)


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private streams for requests and answers; 0 and 1 become harmless."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _die_with_parent(parent: int) -> None:
    """Be killed when the parent dies, even in native code that never lets the reader run."""
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def end_by(error: BaseException) -> NoReturn:
    """End as the interpreter would, without finalization, where foreign code may hang."""
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        traceback.print_exception(error)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)

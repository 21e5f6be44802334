"""Calls that two threads make at once, each over and over, until an answer changes.

A fault of shared memory shows when one thread goes on in the middle of the other's call.  The
interpreter changes threads some thousand times a second, seldom between the two lines that matter.
So each call is interrupted besides, at another of its lines from call to call, for as long as the
other thread needs to take over.  Foreign code has no lines: there it is left to the interpreter.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Final

from conformance.implementations.observation import as_arrays
from conformance.judge.equality import same_bits

_LEAST: Final = 4
_BUSY_SECONDS: Final = 0.02
_MOST_SECONDS: Final = 0.5
"""How many calls each of two threads makes at least; how long both go on, in the processor's time,
and at most.
"""

_SWITCH_SECONDS: Final = 1e-5
"""How often the interpreter changes between them."""

_PAUSE_SECONDS: Final = 1e-6
"""How long a thread sleeps at the least, which is long enough for the other to take over."""

_GOLDEN: Final = (5**0.5 - 1) / 2
"""Multiples of it, modulo one, are spread evenly, however many there are."""


class Calls:
    """Calls of one thread, until an answer is not the one that the same call gave alone."""

    def __init__(self, call: Callable[[], Any], alone: Any) -> None:
        self._call, self._alone = Interrupted(call), alone
        self.answer: Any = None
        self.differs = False
        self.error: BaseException | None = None

    def run(self, barrier: threading.Barrier) -> None:
        """Make them, once the other thread is there as well."""
        barrier.wait()
        busy, most = time.process_time() + _BUSY_SECONDS, time.monotonic() + _MOST_SECONDS
        made = 0
        try:
            while not self.differs and (made < _LEAST or _has_time(busy, most)):
                self.answer = as_arrays(self._call())
                self.differs = not same_bits(self.answer, self._alone)
                made += 1
        except BaseException as error:
            self.error = error


class Interrupted:
    """A call that pauses at one of its lines, in its own code or in what it calls, each in turn."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._made = self._lines = self._passed = self._place = 0

    def __call__(self) -> Any:
        """Make the call once."""
        self._place = int(self._made * _GOLDEN % 1 * self._lines)
        self._passed = 0
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return self._call()
        finally:
            sys.settrace(before)
            self._made += 1
            self._lines = self._passed

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        del frame, argument
        if event == "line":
            if self._passed == self._place:
                time.sleep(_PAUSE_SECONDS)
            self._passed += 1
        return self._trace


def _has_time(busy: float, most: float) -> bool:
    return time.process_time() < busy and time.monotonic() < most


def run_at_once(calls: Sequence[Calls]) -> None:
    """Make the calls of each in a thread of its own."""
    barrier = threading.Barrier(len(calls))
    threads = [threading.Thread(target=one.run, args=(barrier,), daemon=True) for one in calls]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

"""Keeps the isolated process of one implementation alive, and puts cases to it.

It answers its requests in order, so that the first unanswered one is the case in flight: when the
process ends or does not answer in time, that case has its outcome, and another process takes over
with the next one.  Its time begins when it has been sent and the one before it is answered, however
late that answer is looked at.
"""

from __future__ import annotations

import itertools
import os
import queue
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance.cases.case import Case
from conformance.implementations.families import Entry
from conformance.implementations.protocol import ImplementationError
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from conformance.running.child import Child, Event, Events, next_event
from conformance.running.limits import Limits

DEPTH: Final = 16
"""Cases that a process is given ahead of the one whose outcome is awaited."""

_TOGETHER: Final = 8
"""How many are sent at once, so that neither process is woken for each of them."""

_MODULE: Final = "conformance.running.isolated_process"
_STARTS: Final = 3
_NO_KERAS_HOME: Final = {"KERAS_HOME": os.path.join(os.devnull, "keras")}
"""Where no keras.json can be, nor be written: what the user set has no part in a verdict."""

_KNOWN_HANG: Final = 10.0
"""Seconds for a case that is known to hang now and then, if the limit is not less."""

Answer = tuple[Outcome, float]
"""An outcome, and the seconds that it took."""


class SuiteError(RuntimeError):
    """A fault of this project that a fresh process met; the message is its traceback."""


@dataclass(frozen=True)
class _Request:
    """A case, and the seconds that it may take."""

    case: Case
    timeout: float


@dataclass(frozen=True)
class Introduction:
    """Name, version, and the machine's facts, as the implementation told them."""

    name: str
    version: str
    machine: Mapping[str, str]


class Attendant:
    """Evaluates cases on the isolated process of one implementation.

    Args:
        entry: the implementation.
        limits: what its process is allowed.
    """

    def __init__(self, entry: Entry, limits: Limits) -> None:
        self._entry = entry
        self._limits = limits
        self._events: Events = queue.SimpleQueue()
        self._child: Child | None = None
        self._ready = False
        self._answered = False
        self._since = 0.0
        self._failed_starts = 0
        self._broken: Crash | None = None
        self._introduction: Introduction | None = None
        self._asked: deque[_Request] = deque()
        self._sent: deque[float] = deque()
        self._first = 0

    def start(self) -> None:
        """Start the process, unless there is one; `introduction` waits until it is ready."""
        if self._child is None and self._broken is None:
            memory = [] if self._limits.memory is None else [str(self._limits.memory)]
            environment = {**_NO_KERAS_HOME, **self._entry.environment}
            self._events = queue.SimpleQueue()
            self._ready = self._answered = False
            self._sent.clear()
            self._first = 0
            self._since = time.monotonic()
            self._child = Child(_MODULE, [self._entry.name, *memory], self._events, environment)

    @property
    def is_ready(self) -> bool:
        """Whether the implementation has introduced itself, or has an event that tells."""
        return self._introduction is not None or not self._events.empty()

    @property
    def has_answer(self) -> bool:
        """Whether there is an event to be looked at, so that `outcome` may not have to wait."""
        return not self._events.empty()

    def introduction(self) -> Introduction:
        """Who the implementation is, once it is loaded.

        Raises:
            ImplementationError: if it cannot be loaded.
        """
        while self._introduction is None:
            self.start()
            self._become_ready()
        return self._introduction

    def ask(self, case: Case, *, may_hang: bool = False) -> None:
        """Put a case that `outcome` will be asked for, in the order of these calls.

        One that may hang, as is known, is not waited for as long.
        """
        timeout = self._limits.timeout
        self._asked.append(_Request(case, min(timeout, _KNOWN_HANG) if may_hang else timeout))
        if self._ready:
            self._send()

    def outcome(self, case: Case) -> Answer:
        """What the implementation does with a case: the first of those asked, or any where none is.

        Raises:
            ImplementationError: if the implementation cannot be loaded.
            SuiteError: if its process met a fault of this project.
        """
        if not self._asked:
            self._asked.append(_Request(case, self._limits.timeout))
        if self._asked[0].case is not case:
            raise SuiteError(f"{case} is not the case asked first, {self._asked[0].case}")
        while True:
            self.introduction()
            if not self._ready and self._broken is None:
                self.start()
                self._become_ready()
                continue
            answer = self._broken_answer() if self._broken else self._first_answer()
            if answer is not None:
                self._asked.popleft()
                return answer

    def close(self, *, at_once: bool = False) -> None:
        """Let the process end, in peace or at once."""
        child, self._child = self._child, None
        if child is not None and at_once:
            child.end()
        elif child is not None:
            child.close()

    def _broken_answer(self) -> Answer | None:
        return (self._broken, 0.0) if self._broken else None

    def _first_answer(self) -> Answer | None:
        """The answer to the first request; None where the process has to be replaced before."""
        child = self._child
        if child is None:
            return None
        self._send()
        began, timeout = max(self._since, self._sent[0]), self._asked[0].timeout
        event = next_event(child, self._events, began + timeout)
        if event is None:
            self._replace()
            return Timeout(timeout), timeout
        match event.message:
            case ("outcome", self._first, float(seconds), bool(sound), outcome) if is_outcome(
                outcome
            ):
                self._take_notice(event, sound)
                return outcome, seconds
            case ("error", self._first, str(trace)):
                self._own_fault(trace)
                return None
        crash = child.ending()
        self._replace()
        return crash, event.time - began

    def _take_notice(self, event: Event, sound: bool) -> None:
        self._since, self._answered = event.time, True
        self._sent.popleft()
        self._first += 1
        if not sound:
            self._replace()

    def _send(self) -> None:
        """Send what was asked and is not sent yet; some cases together while others are waiting."""
        child, sent = self._child, len(self._sent)
        unsent = len(self._asked) - sent
        if child is None or not self._ready or not unsent or (sent and unsent < _TOGETHER):
            return
        requests = itertools.islice(self._asked, sent, None)
        lines = (
            f"{n} {one.case.descriptor}\n" for n, one in enumerate(requests, self._first + sent)
        )
        self._sent.extend([time.monotonic()] * unsent)
        child.send("".join(lines).encode())

    def _own_fault(self, trace: str) -> None:
        """Try again in a fresh process: an implementation may have spoilt the one it is in."""
        if not self._answered:
            self._replace()
            raise SuiteError(f"on {self._asked[0].case.descriptor}:\n{trace}")
        self._replace()

    def _replace(self) -> None:
        """End the process; the next case starts another."""
        child, self._child = self._child, None
        self._ready = False
        self._sent.clear()
        if child is not None:
            child.end()

    def _become_ready(self) -> None:
        """Wait until the process is ready, and count how often it is not.

        Raises:
            ImplementationError: if the first start fails; later ones may be the fault of a case
                before.
        """
        child = self._child
        if child is None:
            return
        event = next_event(child, self._events, self._since + self._limits.start)
        match event.message if event else None:
            case ("ready", str(name), str(version), dict(machine)):
                self._introduction = Introduction(name, version, machine)
                self._failed_starts, self._ready = 0, True
                self._since = time.monotonic()
                self._send()
                return
            case ("failed", str(message)):
                reason = message
            case _ if event is None:
                reason = f"it was not ready within {self._limits.start:g} seconds"
            case _:
                reason = in_words(child.ending())
        self._replace()
        if self._introduction is None:
            raise ImplementationError(f"{self._entry.name} cannot be loaded: {reason}")
        self._failed_starts += 1
        if self._failed_starts >= _STARTS:
            self._broken = Crash("it could not be started again", reason)


def is_outcome(value: object) -> bool:
    """Whether it is what an implementation may be said to have done."""
    return isinstance(value, Value | Rejection | Unsupported | Crash)


def in_words(crash: Crash) -> str:
    """How a process ended that should have become ready, with its last words."""
    words = f"; its last words:\n{crash.last_words}" if crash.last_words else ""
    return f"its process ended by {crash.ending}{words}"

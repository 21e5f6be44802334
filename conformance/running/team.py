"""The worker processes of one implementation, and what is in flight on each.

Every worker answers its requests in order, so that the first unanswered one is the case in
flight: when the worker ends or does not answer in time, that case has its outcome, the others go
back to the head of the queue, and another worker takes over.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from conformance.cases.case import Case
from conformance.implementations.process import Event, Events, WorkerProcess
from conformance.implementations.protocol import ImplementationError
from conformance.implementations.registry import Entry
from conformance.outcomes import Crash, Outcome, Timeout

_DEPTH: Final = 8
_STARTS: Final = 3
_GRACE_SECONDS: Final = 1.0


def most_of_the_memory() -> int | None:
    """Three quarters of the machine's memory in bytes; None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4
    except (AttributeError, OSError, ValueError):
        return None


def in_words(crash: Crash) -> str:
    """How a process ended that should have become ready, with its last words."""
    words = f"; its last words:\n{crash.last_words}" if crash.last_words else ""
    return f"its process ended by {crash.ending}{words}"


class SuiteError(RuntimeError):
    """A fault of this project that a fresh worker met; the message is its traceback."""


@dataclass(frozen=True)
class Limits:
    """What one worker is allowed.

    Attributes:
        timeout: seconds for one case.
        start: seconds from the start of the process until it is ready for the first case.
        memory: bytes of data; None for no limit.
    """

    timeout: float = 60.0
    start: float = 240.0
    memory: int | None = field(default_factory=most_of_the_memory)


@dataclass
class _Slot:
    """One worker and its unanswered requests.

    `since` is when the first of them became due, `gone` when the process was found ended although
    its pipes are open.
    """

    worker: WorkerProcess
    since: float
    gone: float | None = None
    ready: bool = False
    answered: bool = False
    in_flight: deque[int] = field(default_factory=deque)


class Team:
    """Evaluates cases by their index on the workers of one implementation.

    Args:
        entry: the implementation.
        cases: all cases of the run.
        events: where the workers' events are put; the owner hands them to `handle`.
        workers: how many processes.
        limits: what each is allowed.
        environment: variables for them besides the entry's own.
    """

    def __init__(
        self,
        entry: Entry,
        cases: Sequence[Case],
        events: Events,
        workers: int,
        limits: Limits,
        environment: Mapping[str, str],
    ) -> None:
        self.entry = entry
        self.name: str | None = None
        self.version = ""
        self.machine: dict[str, str] = {}
        self._cases = cases
        self._pending = deque(range(len(cases)))
        self._events = events
        self._limits = limits
        self._environment = environment
        self._failed_starts = 0
        self._broken: Crash | None = None
        self._slots = [self._start() for _ in range(max(1, min(workers, len(cases))))]

    @property
    def is_ready(self) -> bool:
        """Whether a worker has loaded the implementation, so that name and version are known."""
        return self.name is not None

    def owns(self, event: Event) -> bool:
        """Whether the event is of a worker of this team that still counts."""
        return any(slot.worker is event.worker for slot in self._slots)

    def feed(self, limit: int) -> None:
        """Send pending cases with an index below `limit` to workers that can take them."""
        for slot in sorted(self._slots, key=lambda slot: len(slot.in_flight)):
            while slot.ready and len(slot.in_flight) < _DEPTH and self._has_pending(limit):
                self._send(slot, self._pending.popleft())

    def handle(self, event: Event) -> Iterator[tuple[int, Outcome]]:
        """Take notice of a worker's event; the outcomes that follow from it, by case index.

        Raises:
            ImplementationError: if the implementation cannot be loaded.
            SuiteError: if a worker met a fault of this project.
        """
        slot = next(slot for slot in self._slots if slot.worker is event.worker)
        match event.message:
            case ("ready", name, version, dict() as machine):
                self.name, self.version, self.machine = name, version, machine
                self._failed_starts = 0
                slot.ready, slot.since = True, event.time
            case ("outcome", index, outcome) if list(slot.in_flight)[:1] == [index]:
                slot.in_flight.popleft()
                slot.since, slot.answered = event.time, True
                yield index, outcome
            case ("error", index, trace):
                self._own_fault(slot, self._cases[index], str(trace))
            case ("failed", message):
                yield from self._failed_start(slot, str(message))
            case _:
                yield from self._ended(slot, slot.worker.ending())

    def look_after(self) -> Iterator[tuple[int, Outcome]]:
        """End workers that are overdue, notice those that are gone, and replace both."""
        now = time.monotonic()
        for slot in list(self._slots):
            if now > self._deadline(slot):
                slot.worker.end()
                yield from self._overdue(slot)
            elif slot.worker.has_ended:
                slot.gone = slot.gone or now
                if now - slot.gone > _GRACE_SECONDS:
                    yield from self._ended(slot, slot.worker.ending())

    def deadline(self) -> float:
        """When `look_after` has to be called next, by `time.monotonic`."""
        return min(map(self._deadline, self._slots), default=float("inf"))

    def close(self, *, finished: bool) -> None:
        """End all workers: in peace where the run is finished, at once where it is not."""
        for slot in self._slots:
            if finished:
                slot.worker.close()
            else:
                slot.worker.end()
        self._slots = []

    def _start(self) -> _Slot:
        worker = WorkerProcess(self.entry, self._events, self._environment, self._limits.memory)
        return _Slot(worker, time.monotonic())

    def _has_pending(self, limit: int) -> bool:
        return bool(self._pending) and self._pending[0] < limit

    def _send(self, slot: _Slot, index: int) -> None:
        if not slot.in_flight:
            slot.since = time.monotonic()
        slot.in_flight.append(index)
        slot.worker.send(index, self._cases[index])

    def _deadline(self, slot: _Slot) -> float:
        if not slot.ready:
            return slot.since + self._limits.start
        return slot.since + self._limits.timeout if slot.in_flight else float("inf")

    def _overdue(self, slot: _Slot) -> Iterator[tuple[int, Outcome]]:
        if slot.ready:
            yield slot.in_flight.popleft(), Timeout(self._limits.timeout)
            self._replace(slot)
        else:
            message = f"it was not ready within {self._limits.start:g} seconds"
            yield from self._failed_start(slot, message)

    def _ended(self, slot: _Slot, crash: Crash) -> Iterator[tuple[int, Outcome]]:
        if not slot.ready:
            yield from self._failed_start(slot, in_words(crash))
            return
        if slot.in_flight:
            yield slot.in_flight.popleft(), crash
        self._replace(slot)

    def _failed_start(self, slot: _Slot, message: str) -> Iterator[tuple[int, Outcome]]:
        """Give up where the first start fails; later ones may be the fault of a case before."""
        slot.worker.end()
        if self.name is None:
            raise ImplementationError(f"{self.entry.name} cannot be loaded: {message}")
        self._failed_starts += 1
        if self._failed_starts < _STARTS:
            self._replace(slot)
            return
        self._slots.remove(slot)
        if self._slots:
            return
        crash = Crash("it could not be started again", message)
        yield from ((index, crash) for index in self._pending)
        self._pending.clear()

    def _own_fault(self, slot: _Slot, case: Case, trace: str) -> None:
        """Try again in a fresh process: an implementation may have spoilt the one it is in."""
        slot.worker.end()
        if not slot.answered:
            raise SuiteError(f"on {case.descriptor}:\n{trace}")
        self._replace(slot)

    def _replace(self, slot: _Slot) -> None:
        """Give the slot's other requests back and, while there is work, start another worker."""
        self._pending.extendleft(reversed(slot.in_flight))
        self._slots.remove(slot)
        if self._pending:
            self._slots.append(self._start())

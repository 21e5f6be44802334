"""Several judging processes at work on the cases of one run.

The parent only hands out cases, in small batches, and puts the results in order.
"""

from __future__ import annotations

import os
import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.cases.case import Case
from conformance.implementations.protocol import ImplementationError
from conformance.running.attendant import SuiteError, in_words
from conformance.running.child import Child, Event, Events
from conformance.running.in_order import InOrder
from conformance.running.judging_process import batch, setting, subject_of, unpacked
from conformance.running.limits import Limits

_BATCH: Final = 16
_AHEAD: Final = 512
"""How many cases a process may be ahead of the first that lacks its results."""

_NOTICE_SECONDS: Final = 1.0
_MODULE: Final = "conformance.running.judging_process"
_THREADS: Final = frozenset(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"))
"""What keeps the arithmetic of a judging process to one thread, unless the user has said more.

They are not for its isolated processes, in which an implementation runs on its own default.
"""


@dataclass(eq=False)
class _Worker:
    """A judging process, and the indices of the cases that it has and did not answer."""

    child: Child
    is_ready: bool = False
    has: deque[int] = field(default_factory=deque)


class Pool(InOrder):
    """Judges cases on some judging processes.

    Args:
        cases: what to judge.
        specs: the implementations.
        workers: how many judging processes; each has isolated processes of its own.
        limits: what an isolated process is allowed.
        known: files with records of the user's own.
        keep: whether the outcome of every case is kept as evidence.
        notice: told how many results there are, in whatever order they come.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        specs: Sequence[str],
        workers: int,
        limits: Limits,
        known: Sequence[str],
        keep: bool,
        notice: Callable[[int], None],
    ) -> None:
        super().__init__(cases, notice)
        self._events: Events = queue.SimpleQueue()
        one_thread = dict.fromkeys(_THREADS - os.environ.keys(), "1")
        first = setting(specs, limits, known, keep, list(one_thread))
        self._workers: list[_Worker] = []
        for _ in range(min(workers, max(1, -(-len(cases) // _BATCH)))):
            self._workers.append(_Worker(Child(_MODULE, [], self._events, one_thread)))
            self._workers[-1].child.send(first)
        self._feed()

    def close(self) -> None:
        """End the judging processes, each with its isolated ones."""
        for worker in self._workers:
            worker.child.hang_up()
        for worker in self._workers:
            worker.child.close()
        self._workers = []

    def _feed(self) -> None:
        """Give cases to the processes that have less than two batches."""
        for worker in sorted(self._workers, key=lambda worker: len(worker.has)):
            limit = min(self._given + _AHEAD, len(self._cases))
            while len(worker.has) <= _BATCH and self._next < limit:
                indices = range(self._next, min(self._next + self._size(), limit))
                worker.child.send(batch([self._cases[index] for index in indices]))
                worker.has.extend(indices)
                self._next = indices.stop

    def _size(self) -> int:
        """Cases in a batch: fewer towards the end, so that all processes end together."""
        left = len(self._cases) - self._next
        return max(1, min(_BATCH, left // (2 * max(len(self._workers), 1))))

    def _step(self) -> None:
        try:
            self._handle(self._events.get(timeout=_NOTICE_SECONDS))
        except queue.Empty:
            for worker in self._workers:
                if worker.child.has_ended:
                    self._handle(Event(worker.child, None, time.monotonic()))

    def _handle(self, event: Event) -> None:
        worker = next(one for one in self._workers if one.child is event.child)
        match event.message:
            case ("ready", list(subjects)):
                worker.is_ready = True
                self._subjects = self._subjects or [subject_of(fields) for fields in subjects]
            case ("results", list(results)):
                self._record(worker, results)
            case ("failed", str(message)):
                raise ImplementationError(message)
            case ("error", str(message)):
                raise SuiteError(message)
            case _:
                raise SuiteError(f"a judging process is gone: {in_words(worker.child.ending())}")

    def _record(self, worker: _Worker, results: list[Any]) -> None:
        index = worker.has.popleft()
        case = self._cases[index]
        self._has(index, [unpacked(fields, case) for fields in results])
        if len(worker.has) <= _BATCH:
            self._feed()

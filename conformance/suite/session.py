"""Judging one case at a time, on worker processes that stay warm between cases."""

from __future__ import annotations

import queue
import tempfile
from dataclasses import replace
from types import TracebackType

from conformance import known
from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.implementations.process import Event, Events, WorkerProcess
from conformance.implementations.protocol import ImplementationError
from conformance.implementations.registry import Entry
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from conformance.results import Result
from conformance.running.judging import Expectations, Subject, result_of
from conformance.running.team import Limits, SuiteError, in_words


class Session:
    """A worker process per implementation, started when its first case comes.

    Args:
        limits: what a worker is allowed.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._records = known.load()
        self._attendants: dict[str, _Attendant] = {}
        self._home = tempfile.TemporaryDirectory(prefix="conformance-")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for attendant in self._attendants.values():
            attendant.close()
        self._home.cleanup()

    def judge(self, implementation: str, case: Case) -> Result:
        """Evaluate and judge one case.

        Raises:
            ImplementationError: if the implementation is unknown or cannot be loaded.
        """
        if implementation not in self._attendants:
            entry = registry.resolve(implementation)
            environment = {"KERAS_HOME": self._home.name}
            self._attendants[implementation] = _Attendant(entry, environment, self._limits)
        attendant = self._attendants[implementation]
        outcome = attendant.evaluate(case)
        expectations = Expectations([case])
        return result_of(0, case, attendant.subject, outcome, expectations, self._records)


class _Attendant:
    """Keeps one implementation's worker alive and puts cases to it."""

    def __init__(self, entry: Entry, environment: dict[str, str], limits: Limits) -> None:
        self._entry = entry
        self._environment = environment
        self._limits = limits
        self._events: Events = queue.SimpleQueue()
        self._worker: WorkerProcess | None = None
        self.subject = Subject(
            entry.name, entry.name, registry.versions(entry), entry.by_definition
        )

    def evaluate(self, case: Case) -> Outcome:
        """What the implementation does with the case; a new worker is started where needed."""
        worker = self._worker or self._start()
        worker.send(0, case)
        event = self._next(self._limits.timeout)
        if event is None:
            worker.end()
            self._worker = None
            return Timeout(self._limits.timeout)
        match event.message:
            case ("outcome", _, Value() | Rejection() | Unsupported() as outcome):
                return outcome
            case ("error", _, trace):
                raise SuiteError(f"on {case.descriptor}:\n{trace}")
        return self._end()

    def close(self) -> None:
        """Let the worker end."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _start(self) -> WorkerProcess:
        self._events = queue.SimpleQueue()
        memory = self._limits.memory
        self._worker = WorkerProcess(self._entry, self._events, self._environment, memory)
        event = self._next(self._limits.start)
        match event.message if event else None:
            case ("ready", name, version, dict() as machine):
                self._introduce(name, version, machine)
                return self._worker
            case ("failed", message):
                reason = str(message)
            case _ if event is None:
                reason = f"it was not ready within {self._limits.start:g} seconds"
            case _:
                reason = in_words(self._worker.ending())
        self._worker.end()
        self._worker = None
        raise ImplementationError(f"{self._entry.name} cannot be loaded: {reason}")

    def _introduce(self, name: str, version: str, machine: dict[str, str]) -> None:
        """A plug-in tells its own name and version."""
        self.subject = replace(self.subject, machine=machine)
        if registry.is_plugin(self._entry):
            versions = {name: version} if version else {}
            self.subject = replace(self.subject, name=name, versions=versions)

    def _next(self, seconds: float) -> Event | None:
        try:
            return self._events.get(timeout=seconds)
        except queue.Empty:
            return None

    def _end(self) -> Crash:
        """End the worker; how it ended."""
        worker, self._worker = self._worker, None
        return worker.ending() if worker is not None else Crash("it was not running")

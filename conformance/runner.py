"""Running cases on implementations, and judging what they do.

::

    with Runner(cases, ["tf.keras", "torch.nn"], workers=2) as runner:
        for result in runner:
            ...

The results come in the order of the cases, and for each case in that of the implementations,
whatever the number of workers.
"""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final

from conformance import known
from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.implementations.process import Event, Events
from conformance.implementations.registry import Entry
from conformance.known import Records
from conformance.outcomes import Outcome
from conformance.results import Result
from conformance.running.judging import Expectations, Subject, result_of
from conformance.running.ledger import Ledger
from conformance.running.local import Local
from conformance.running.team import Limits, Team

__all__ = ["Limits", "Progress", "Runner", "run"]

Progress = Callable[[int, int], None]
"""Called with the number of results so far, and the number that there will be."""

_AHEAD: Final = 512
_POLL_SECONDS: Final = 1.0


def run(
    cases: Iterable[Case],
    specs: Iterable[str],
    *,
    workers: int = 1,
    timeout: float = 60.0,
    progress: Progress | None = None,
) -> Iterator[Result]:
    """Judge `cases` on the implementations that `specs` name; see `Runner`."""
    limits = Limits(timeout=timeout)
    with Runner(cases, specs, workers=workers, limits=limits, progress=progress) as runner:
        yield from runner


class Runner:
    """One run: starts the worker processes on construction, ends them on leaving the block.

    Args:
        cases: what to judge; repetitions are dropped.
        specs: names of built-in implementations, or plug-ins (`registry.resolve`).
        workers: worker processes per implementation.  With one, a trusted implementation is
            evaluated in this process, which is faster.
        limits: what a worker process is allowed.
        progress: told whenever a result is there, in whatever order they come.
        records: the known deviations; this project's own by default.

    Raises:
        ImplementationError: if a spec names nothing, or what it names is not installed.
    """

    def __init__(
        self,
        cases: Iterable[Case],
        specs: Iterable[str],
        *,
        workers: int = 1,
        limits: Limits | None = None,
        progress: Progress | None = None,
        records: Records | None = None,
    ) -> None:
        self._cases: Sequence[Case] = list(dict.fromkeys(cases))
        self._entries = [registry.resolve(spec) for spec in dict.fromkeys(specs)]
        self._progress = progress or (lambda recorded, total: None)
        self._records = records or known.load()
        self._events: Events = queue.SimpleQueue()
        self._ledger = Ledger(len(self._cases), len(self._entries), _AHEAD)
        self._expectations = Expectations(self._cases)
        self._derived = 0
        self._home = tempfile.TemporaryDirectory(prefix="conformance-")
        self._teams: dict[int, Team] = {}
        self._locals: dict[int, Local] = {}
        try:
            for number, entry in enumerate(self._entries):
                self._staff(number, entry, workers, limits or Limits())
        except BaseException:
            self._close()
            raise

    def _staff(self, number: int, entry: Entry, workers: int, limits: Limits) -> None:
        if entry.trusted and (workers == 1 or entry.is_stored):
            self._locals[number] = Local(entry, self._cases, self._expectations)
            return
        environment = {"KERAS_HOME": self._home.name}
        self._teams[number] = Team(entry, self._cases, self._events, workers, limits, environment)

    def __enter__(self) -> Runner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        for team in self._teams.values():
            team.close(finished=self._ledger.is_complete)
        self._home.cleanup()

    @property
    def machines(self) -> dict[str, dict[str, str]]:
        """What each implementation's process runs on, as far as its libraries tell, by name."""
        subjects = [self._subject(number) for number in range(len(self._entries))]
        return {subject.name: dict(subject.machine) for subject in subjects}

    @property
    def versions(self) -> dict[str, str]:
        """The version of each implementation, by its name; plug-ins are loaded for it.

        Raises:
            ImplementationError: if a plug-in cannot be loaded.
        """
        plugins = [team for team in self._teams.values() if registry.is_plugin(team.entry)]
        while not all(team.is_ready for team in plugins):
            self._handle(self._next_event(wait=True))
        subjects = [self._subject(number) for number in range(len(self._entries))]
        return {subject.name: _in_words(subject.versions) for subject in subjects}

    def __iter__(self) -> Iterator[Result]:
        """The results in order, each as soon as it and all before it are there.

        Raises:
            ImplementationError: if an implementation cannot be loaded.
            SuiteError: if a worker met a fault of this project.
        """
        while not self._ledger.is_complete:
            self._step()
            yield from self._ledger.take()
            self._expectations.forget_before(self._ledger.next_case)

    def _step(self) -> None:
        """Hand out cases, then take one event, or use the time until there is one."""
        for team in self._teams.values():
            team.feed(self._ledger.limit)
        event = self._next_event(wait=False)
        if event is None and not self._work_here():
            event = self._next_event(wait=True)
        self._handle(event)

    def _next_event(self, *, wait: bool) -> Event | None:
        """The next event, if there is one before some worker has to be looked after."""
        deadline = min((team.deadline() for team in self._teams.values()), default=0.0)
        remaining = min(max(deadline - time.monotonic(), 0.0), _POLL_SECONDS)
        try:
            return self._events.get(timeout=remaining) if wait else self._events.get_nowait()
        except queue.Empty:
            return None

    def _handle(self, event: Event | None) -> None:
        """Record what follows from an event; without one, look whether a worker is overdue."""
        for number, team in self._teams.items():
            if event is None:
                outcomes = list(team.look_after())
            else:
                outcomes = list(team.handle(event)) if team.owns(event) else []
            if outcomes:
                team.feed(self._ledger.limit)
            for index, outcome in outcomes:
                self._record(number, index, outcome)

    def _work_here(self) -> bool:
        """Evaluate a case in this process, or derive an expectation ahead; False if neither."""
        for number, local in self._locals.items():
            evaluated = local.next(self._ledger.limit)
            if evaluated is not None:
                self._record(number, *evaluated)
                return True
        return self._derive_ahead()

    def _derive_ahead(self) -> bool:
        """Derive the next expectation while the workers are busy."""
        self._derived = max(self._derived, self._ledger.next_case)
        wanted = any(not team.entry.trusted for team in self._teams.values())
        if not wanted or self._derived >= min(self._ledger.limit, len(self._cases)):
            return False
        self._expectations.ahead(self._derived)
        self._derived += 1
        return True

    def _record(self, number: int, index: int, outcome: Outcome) -> None:
        case, subject = self._cases[index], self._subject(number)
        result = result_of(index, case, subject, outcome, self._expectations, self._records)
        self._ledger.record(index, number, result)
        self._progress(self._ledger.recorded, self._ledger.total)

    def _subject(self, number: int) -> Subject:
        entry = self._entries[number]
        team = self._teams.get(number)
        if team is None or not registry.is_plugin(entry):
            return Subject(
                entry.name,
                entry.name,
                registry.versions(entry),
                entry.by_definition,
                entry.is_stored,
                registry.stored_machine(entry) if team is None else team.machine,
            )
        name = team.name or entry.name
        versions = {name: team.version} if team.version else {}
        return Subject(entry.name, name, versions, machine=team.machine)


def _in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())

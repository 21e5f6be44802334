"""The workers of a cluster at work on the cases of one run, as `pool` is on one machine.

Batches of cases are sent as descriptors to whatever worker is free (`cluster_worker`), and the
results put in order.  Where a worker dies, its batch goes to another one.  A batch that several
workers died with is taken apart, and its cases are judged one by one while nothing else is: the
one that kills its worker again is told as not judged, the others are judged.
"""

from __future__ import annotations

import io
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from conformance.cases.case import Case
from conformance.implementations import registry, wire
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.results import NOT_JUDGED, Result
from conformance.running import cluster_worker
from conformance.running.attendant import SuiteError
from conformance.running.dask_workers import (
    DEATHS,
    Answered,
    Died,
    Done,
    Refused,
    Workers,
)
from conformance.running.in_order import InOrder
from conformance.running.judging import Subject, reproduce
from conformance.running.judging_process import subject_of, unpacked
from conformance.running.limits import ClusterError, Limits
from conformance.spec.coverage import clauses_of

_FIRST_BATCH: Final = 8
_LARGEST_BATCH: Final = 256
_BATCH_SECONDS: Final = 0.5
"""How long a batch is to take, so that the sending of it does not count."""

_BATCHES_SENT: Final = 2
"""Batches for each thread that are sent and not answered: one at work, one that waits."""

_BATCHES_AHEAD: Final = 6
"""Batches for each thread that may be ahead of the first case that lacks its results."""

_LEAST_AHEAD: Final = 512
_NOTICE_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 60.0
"""How long a run waits for a worker while there is none."""

MOST_KILLERS: Final = 5
"""After so many cases that kill their workers a run ends, so that there are some left."""

Batch = tuple[int, ...]
"""The indices of some cases."""


class Cluster(InOrder):
    """Judges cases on the workers of a cluster.

    Args:
        cases: what to judge.
        specs: the implementations.
        where: the address of a Dask scheduler, or ``local:N``.
        limits: what an isolated process is allowed.
        known: files with records of the user's own.
        keep: whether the outcome of every case is kept as evidence.
        notice: told how many results there are, in whatever order they come.

    Raises:
        ClusterError: if there is no such cluster.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        specs: Sequence[str],
        where: str,
        limits: Limits,
        known: Sequence[str],
        keep: bool,
        notice: Callable[[int], None],
    ) -> None:
        super().__init__(cases, notice)
        self._specs = specs
        self._where = where
        self._run = uuid.uuid4().hex
        self._what = cluster_worker.what_to_judge(specs, limits, known, keep)
        self._sent = 0
        self._flying: dict[int, Batch] = {}
        self._again: deque[Batch] = deque()
        self._suspects: deque[int] = deque()
        self._deaths: Counter[int] = Counter()
        self._killers = 0
        self._seconds = _BATCH_SECONDS / _FIRST_BATCH
        self._told: set[str] = set()
        self._looked = -_WAIT_SECONDS
        self._workers = Workers(where)
        self._members: Mapping[str, int] = {}
        try:
            self._await_workers()
            self._feed()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the judging processes on the workers, and the workers if they are this machine's."""
        if self._members:
            self._workers.everywhere(cluster_worker.release, self._run.encode())
        self._workers.close()

    @property
    def _threads(self) -> int:
        return max(1, sum(self._members.values()))

    def _await_workers(self) -> None:
        """Wait until there is a worker.

        Raises:
            ClusterError: if none comes.
        """
        until = time.monotonic() + _WAIT_SECONDS
        while not (members := self._workers.threads()):
            if time.monotonic() > until:
                raise ClusterError(
                    f"--cluster {self._where}: it has had no worker for {_WAIT_SECONDS:g} seconds"
                )
            time.sleep(_NOTICE_SECONDS / 4)
        self._members = members
        self._looked = time.monotonic()

    def _look(self) -> None:
        """Take notice now and then of workers that came and went."""
        if time.monotonic() - self._looked < _NOTICE_SECONDS:
            return
        members, before = self._workers.threads(), self._members
        for name in sorted(before.keys() - members.keys()):
            self._tell(f"the worker {name} is gone; its cases go to another")
        self._members, self._looked = members, time.monotonic()
        if not members:
            self._await_workers()

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            print(f"conformance: --cluster: {text}", file=sys.stderr)

    def _feed(self) -> None:
        """Send batches as long as the threads have less than enough."""
        while len(self._flying) < _BATCHES_SENT * self._threads and (batch := self._next_batch()):
            self._sent += 1
            self._flying[self._sent] = batch
            descriptors = [self._cases[index].descriptor for index in batch]
            request = cluster_worker.request_of(self._run, self._what, descriptors)
            self._workers.send(self._sent, cluster_worker.judge, request)

    def _next_batch(self) -> Batch:
        """What to send next: nothing beside a suspect."""
        if self._again:
            return self._again.popleft()
        if self._suspects:
            return () if self._flying else (self._suspects.popleft(),)
        limit = min(self._given + self._ahead(), len(self._cases))
        batch = tuple(range(self._next, min(self._next + self._size(), limit)))
        self._next += len(batch)
        return batch

    def _ahead(self) -> int:
        return max(_LEAST_AHEAD, _BATCHES_AHEAD * self._threads * self._size())

    def _size(self) -> int:
        """Cases in a batch: as many as take a while, and fewer towards the end."""
        left = len(self._cases) - self._next
        most = min(_LARGEST_BATCH, int(_BATCH_SECONDS / self._seconds))
        return max(1, min(most, left // (2 * self._threads)))

    def _step(self) -> None:
        self._look()
        done = self._workers.next(_NOTICE_SECONDS)
        if done is not None:
            self._handle(done)
            self._feed()

    def _handle(self, done: Done) -> None:
        batch = self._flying.pop(done.errand)
        match done:
            case Answered(answer=answer):
                self._take(batch, wire.read_message(io.BytesIO(answer)))
            case Died(deaths=deaths) if len(batch) == 1 and not self._flying:
                self._give_up(batch[0], deaths, "its worker ended")
            case Died():
                self._suspects.extend(batch)
            case Refused(reason=reason):
                version = cluster_worker.suite_here()["version"]
                raise ClusterError(
                    f"--cluster {self._where}: a worker cannot run this suite ({reason}); "
                    f"layerproof {version} has to be installed on each"
                )

    def _take(self, batch: Batch, answer: list[Any]) -> None:
        match answer:
            case ["judged", str(worker), list(subjects), list(results), float(seconds), ending]:
                if subjects:
                    self._introduce(worker, [subject_of(fields) for fields in subjects])
                self._record(batch[: len(results)], results)
                if ending is None:
                    self._seconds = max((self._seconds + seconds / len(batch)) / 2, 1e-4)
                else:
                    self._judge_again(batch[len(results) :], str(ending))
            case ["failed", str(worker), str(message)]:
                raise ImplementationError(f"on {worker}: {message}")
            case ["differs", str(worker), str(what)]:
                raise ClusterError(f"--cluster {self._where}: on {worker}, {what}")
            case [_, str(worker), *texts]:
                raise SuiteError(f"on {worker}: {' '.join(map(str, texts))}")

    def _introduce(self, worker: str, subjects: list[Subject]) -> None:
        """Take notice of the implementations of a worker, which have to be the same on each.

        Raises:
            ClusterError: if one has another version.
        """
        if self._subjects is None:
            self._subjects = subjects
            for one in subjects:
                entry = registry.resolve(one.spec)
                if not registry.is_plugin(entry):
                    self._compare("here", worker, registry.versions(entry), one)
        for first, one in zip(self._subjects, subjects, strict=True):
            self._compare("on the first worker", worker, first.versions, one)
            if first.machine != one.machine:
                names = sorted(
                    name
                    for name in first.machine.keys() | one.machine.keys()
                    if first.machine.get(name) != one.machine.get(name)
                )
                self._tell(
                    f"{one.name} runs on machines that differ in {', '.join(names)}; the report "
                    "states the first"
                )

    def _compare(self, where: str, worker: str, versions: Mapping[str, str], one: Subject) -> None:
        if dict(versions) != dict(one.versions):
            expected = ", ".join(f"{name} {version}" for name, version in versions.items())
            raise ClusterError(
                f"--cluster {self._where}: {one.name} is {one.version} on {worker}, and {expected} "
                f"{where}; one report is of one version"
            )

    def _record(self, batch: Batch, results: Sequence[list[Any]]) -> None:
        for index, fields in zip(batch, results, strict=True):
            case = self._cases[index]
            self._has(index, [unpacked(each, case) for each in fields])

    def _judge_again(self, batch: Batch, ending: str) -> None:
        """The first of these cases had the judging process when it ended; the others had not."""
        first, *others = batch
        self._deaths[first] += 1
        if self._deaths[first] >= DEATHS:
            self._give_up(first, self._deaths[first], f"its judging process is gone: {ending}")
        else:
            self._again.append((first,))
        if others:
            self._again.append(tuple(others))

    def _give_up(self, index: int, deaths: int, how: str) -> None:
        """Tell a case as not judged.

        Raises:
            ClusterError: if there were too many of them.
        """
        case = self._cases[index]
        self._tell(f"not judged, since each of {deaths} times {how}: {case}")
        self._has(index, [self._not_judged(case, each, deaths, how) for each in self._named()])
        self._killers += 1
        if self._killers >= MOST_KILLERS:
            raise ClusterError(
                f"--cluster {self._where}: {self._killers} cases ended their workers again and "
                f"again, the last {case}; the run ends here, so that there are workers left"
            )

    def _named(self) -> list[tuple[str, str]]:
        """What is asked for, and its name as far as one was told."""
        if self._subjects is None:
            return [(spec, spec) for spec in self._specs]
        return [(one.spec, one.name) for one in self._subjects]

    def _not_judged(self, case: Case, named: tuple[str, str], deaths: int, how: str) -> Result:
        spec, name = named
        return Result(
            case=case,
            clauses=tuple(clauses_of(case)),
            implementation=name,
            verdict=Verdict.UNTRUSTED,
            ratio=None,
            message=f"Not judged: on a cluster, each of {deaths} times {how}.",
            reproduce=reproduce(spec, case),
            stage=NOT_JUDGED,
        )

"""``conformance search --cluster``: one search in many rounds, on the workers of a cluster.

Each round is a search of its own with a seed of its own, `first` and those that follow, in a
process of its own on whatever worker is free; a round whose worker dies is repeated on another.
Started as ``python -m conformance.command_line.searching``, this module is that process.
"""

from __future__ import annotations

import io
import json
import os
import queue
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from conformance.cases.case import parse
from conformance.implementations import wire
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.results import Evidence, result_of_record
from conformance.running.child import Events, end_all, next_event
from conformance.running.cluster_worker import child_for, difference, what_to_judge
from conformance.running.dask_workers import Answered, Died, Done, Refused, Workers
from conformance.running.limits import ClusterError, Limits
from conformance.running.order import in_fresh_process
from conformance.running.serving import Connection
from conformance.running.session import Session
from reference_impl.config import as_never_set

if TYPE_CHECKING:
    from conformance.counterexamples import Finding, Report

ROUND_SECONDS: Final = 20.0
"""How long a round is at most: as much is lost when its worker dies."""

_MOST_LOST: Final = 5
_NOTICE_SECONDS: Final = 1.0
_MODULE: Final = "conformance.command_line.searching"


def search_on_cluster(
    where: str,
    implementation: str,
    layers: Sequence[str],
    first: int,
    seconds: float,
    timeout: float,
    notice: Callable[[Report], None],
) -> Report:
    """Search on the workers of a cluster until the time is up, or some round has found something.

    Args:
        where: the address of a Dask scheduler, or ``local:N``.
        implementation: whom to search.
        layers: the layers to try; all without any.
        first: the seed of the first round.
        seconds: when to stop.
        timeout: seconds allowed for one case.
        notice: called after each round.

    Raises:
        ClusterError: if the cluster cannot be used.
        ImplementationError: if a worker cannot load the implementation.
    """
    what = what_to_judge([implementation], Limits(timeout=timeout), (), keep=False)
    workers = Workers(where)
    try:
        rounds = _Rounds(workers, what, [implementation, list(layers), timeout], first, notice)
        return rounds.until(time.monotonic() + seconds)
    finally:
        workers.close()


class _Rounds:
    def __init__(
        self,
        workers: Workers,
        what: bytes,
        setting: list[Any],
        first: int,
        notice: Callable[[Report], None],
    ) -> None:
        from conformance.counterexamples import Report

        self._workers = workers
        self._what = what
        self._setting = setting
        self._notice = notice
        self._sent = self._open = self._lost = 0
        self.report = Report(first)

    def until(self, end: float) -> Report:
        """Send rounds and gather them."""
        while True:
            self._send(end)
            if not self._open:
                return self.report
            done = self._workers.next(_NOTICE_SECONDS)
            if done is not None:
                self._open -= 1
                self._take(done)
                self._notice(self.report)

    def _send(self, end: float) -> None:
        threads = sum(self._workers.threads().values())
        while self._open < threads and not self.report.findings:
            seconds = min(ROUND_SECONDS, end - time.monotonic())
            if seconds <= 0:
                return
            seed = self.report.seed + self._sent
            request = wire.encode([self._what, *self._setting, seed, float(seconds)])
            self._workers.send(self._sent, search_round, request)
            self._sent += 1
            self._open += 1

    def _take(self, done: Done) -> None:
        match done:
            case Answered(answer=answer):
                self._merge(wire.read_message(io.BytesIO(answer)))
            case Died(errand=errand, deaths=deaths):
                self._lose(f"round {errand} was lost: {deaths} workers died with it")
            case Refused(reason=reason):
                raise ClusterError(f"--cluster: a worker cannot run this suite ({reason})")

    def _lose(self, text: str) -> None:
        print(f"conformance: --cluster: {text}", file=sys.stderr)
        self._lost += 1
        if self._lost >= _MOST_LOST:
            raise ClusterError(f"--cluster: the search ends after {_MOST_LOST} such rounds")

    def _merge(self, answer: list[Any]) -> None:
        match answer:
            case ["searched", dict(verdicts), list(findings), list(tried), int(passed_over)]:
                self.report.verdicts.update({Verdict(name): n for name, n in verdicts.items()})
                self.report.tried.update({(layer, seen): n for layer, seen, n in tried})
                self.report.passed_over += passed_over
                for found in map(_finding_of, findings):
                    if not any(one.is_like(found) for one in self.report.findings):
                        self.report.findings.append(found)
            case ["failed", str(message)]:
                raise ImplementationError(message)
            case [_, str(message)]:
                raise ClusterError(f"--cluster: {message}")


def search_round(request: bytes) -> bytes:
    """What a worker does: one round, in a process that ends with it."""
    what, *_ = wire.read_message(io.BytesIO(request))
    host = socket.gethostname()
    problem = difference(what)
    if problem:
        return wire.encode(["differs", f"on {host}, {problem}"])
    events: Events = queue.SimpleQueue()
    child, own = child_for(what, _MODULE, events)
    child.send(wire.encode([own]))
    child.send(request)
    event = next_event(child, events, float("inf"))
    if event is None or event.message is None:
        return wire.encode(["ended", f"on {host}, a search ended: {child.ending().ending}"])
    child.close()
    return wire.encode(list(event.message))


def main() -> None:
    """Search one round for the worker that has started this process."""
    connection = Connection(wire.read_message, end_all)
    (own,) = connection.next()
    for name in own:
        os.environ.pop(name, None)
    _, implementation, layers, timeout, seed, seconds = connection.next()
    with as_never_set():
        try:
            connection.answer(*_searched(implementation, layers, timeout, seed, seconds))
        except ImplementationError as error:
            connection.answer("failed", str(error))
        except ModuleNotFoundError as error:
            connection.answer("missing", f"a worker lacks the package {error.name}")
        except Exception:
            connection.answer("error", traceback.format_exc())
    connection.next()


def _searched(
    implementation: str, layers: Sequence[str], timeout: float, seed: int, seconds: float
) -> list[Any]:
    from conformance.counterexamples import Search

    limits = Limits(timeout=timeout)
    fails = in_fresh_process(implementation, limits, ())
    with Session(limits) as session:
        judge = partial(session.judge, implementation)
        report = Search(judge, layers, seed, seconds, fails=fails).run()
    counts: Counter[str] = Counter()
    for verdict, count in report.verdicts.items():
        counts[str(verdict)] += count
    tried = [[layer, observed, n] for (layer, observed), n in report.tried.items()]
    found = [_packed(one) for one in report.findings]
    return ["searched", dict(counts), found, tried, report.passed_over]


def _packed(found: Finding) -> list[Any]:
    stage = found.result.evidence.stage if found.result.evidence else ""
    faults = [fault.identifier for (fault,) in found.faults]
    sequence = [case.descriptor for case in found.sequence]
    record = json.dumps(found.result.record())
    return [record, stage, found.first.descriptor, faults, found.depends, sequence]


def _finding_of(fields: list[Any]) -> Finding:
    from dataclasses import replace

    from conformance.counterexamples import CATALOGUE, Finding
    from conformance.outcomes import Unsupported

    record, stage, first, faults, depends, sequence = fields
    result = result_of_record(json.loads(record))
    evidence = Evidence("", result.case, Unsupported("it stayed on its worker"), stage)
    causes = tuple((CATALOGUE[identifier],) for identifier in faults)
    result = replace(result, evidence=evidence)
    before = tuple(map(parse, sequence))
    return Finding(result.case, result, parse(first), causes, depends, before)


if __name__ == "__main__":
    main()

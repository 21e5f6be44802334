"""What a worker of a cluster does: it keeps judging processes, and puts batches of cases to them.

A request and its answer are messages of `wire`, in bytes.  `judge` answers

* ``("judged", worker, subjects, results, seconds, ending)``: the results of the first cases, one
  for each implementation, in order; `ending` is how the judging process ended at the next case,
  and None where it did not;
* ``("failed", worker, message)`` where an implementation cannot be loaded;
* ``("differs", worker, what)`` where this is not the suite, or these are not the files, of the run;
* ``("error", worker, traceback)`` where this project itself failed.
"""

from __future__ import annotations

import io
import os
import queue
import socket
import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from conformance.implementations import wire
from conformance.implementations.registry import split_file
from conformance.running.attendant import in_words
from conformance.running.child import Child, Events, next_event
from conformance.running.judging_process import setting
from conformance.running.limits import Limits, most_of_the_memory
from conformance.spec.clauses import spec_sha256
from conformance.version import __version__

IDLE_SECONDS: Final = 600.0
"""How long judging processes are kept for a run that asks nothing any more."""

OWN_MEMORY: Final = "own"
"""In the place of a limit of memory: that of the worker's machine."""

_MODULE: Final = "conformance.running.judging_process"
_PACKAGES: Final = ("conformance", "reference_impl")
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_OF_DASK: Final = (*_THREADS, "MALLOC_TRIM_THRESHOLD_")
"""Variables that Dask's nanny sets in its workers, for which the one that asks is followed."""


@cache
def suite_here() -> dict[str, str]:
    """What the suite is: its version, its clauses, and the contents of its files."""
    return {
        "version": __version__,
        "clauses": spec_sha256(),
        "sources": _sources(),
    }


def _sources() -> str:
    root = Path(__file__).resolve().parents[2]
    found = sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.suffix in {".py", ".toml"}:
                found.update(path.relative_to(root).as_posix().encode() + b"\0")
                found.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return found.hexdigest()


def files_of(specs: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of each file that a run reads besides the suite's own, by its path."""
    plugins = [str(path) for path, _ in map(split_file, specs) if path is not None]
    return {name: _digest(Path(name)) for name in (*plugins, *known)}


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror or str(error)


def packed_limits(limits: Limits) -> dict[str, Any]:
    """Limits for another machine, whose memory may be another."""
    memory = OWN_MEMORY if limits.memory == most_of_the_memory() else limits.memory
    return {"timeout": limits.timeout, "start": limits.start, "memory": memory}


def _unpacked_limits(fields: Mapping[str, Any]) -> Limits:
    memory = fields["memory"]
    return Limits(
        timeout=fields["timeout"],
        start=fields["start"],
        memory=most_of_the_memory() if memory == OWN_MEMORY else memory,
    )


def request_of(run: str, what: bytes, descriptors: Sequence[str]) -> bytes:
    """A request to judge some cases; `what` is of `what_to_judge`."""
    return wire.encode([run, what, list(descriptors)])


def what_to_judge(specs: Sequence[str], limits: Limits, known: Sequence[str], keep: bool) -> bytes:
    """What the requests of a run have in common."""
    return wire.encode(
        [
            suite_here(),
            files_of(specs, known),
            {name: os.environ[name] for name in _OF_DASK if name in os.environ},
            os.getcwd(),
            list(specs),
            packed_limits(limits),
            list(known),
            keep,
        ]
    )


def judge(request: bytes) -> bytes:
    """Judge the cases of a request on a judging process of this worker."""
    worker = f"{socket.gethostname()} (process {os.getpid()})"
    try:
        run, what, descriptors = wire.read_message(io.BytesIO(request))
        problem = difference(what)
        if problem:
            return wire.encode(["differs", worker, problem])
        kind, *rest = _pairs.judge(run, what, descriptors)
    except Exception:
        kind, rest = "error", [traceback.format_exc()]
    return wire.encode([kind, worker, *rest])


def release(run: bytes) -> bytes:
    """End the judging processes of a run, those at work included."""
    _pairs.release(run.decode())
    return b""


@cache
def difference(what: bytes) -> str:
    """In what this worker differs from the client; empty where in nothing."""
    suite, files, _, directory, *_ = wire.read_message(io.BytesIO(what))
    here = suite_here()
    if suite["version"] != here["version"]:
        return f"its suite is version {here['version']}, the one that asks {suite['version']}"
    if suite != here:
        return f"its suite is version {here['version']} as well, but with other files"
    for name, digest in files.items():
        found = _digest(_directory(directory) / name)
        if found != digest:
            return f"its {name} is not the file of the one that asks ({found})"
    return ""


def _directory(path: str) -> Path:
    """The directory of the one that asks, where there is one of that name."""
    return Path(path) if Path(path).is_dir() else Path.cwd()


def child_for(what: bytes, module: str, events: Events) -> tuple[Child, list[str]]:
    """A process of this worker for a run, and the variables that its own children must not have.

    They are those that Dask, or `child_for`, has set, and whoever asks has not.
    """
    _, _, given, directory, *_ = wire.read_message(io.BytesIO(what))
    environment = dict.fromkeys(_THREADS, "1") | given
    child = Child(module, [], events, environment, str(_directory(directory)))
    return child, [name for name in _OF_DASK if name not in given]


class _Pair:
    """A judging process, which has isolated processes of its own."""

    def __init__(self, what: bytes) -> None:
        *_, specs, limits, known, keep = wire.read_message(io.BytesIO(what))
        self._events: Events = queue.SimpleQueue()
        self._child, own = child_for(what, _MODULE, self._events)
        self._child.send(setting(specs, _unpacked_limits(limits), known, keep, own))
        self._subjects: list[Any] = []
        self.used = time.monotonic()

    def judge(self, descriptors: Sequence[str]) -> list[Any]:
        """The answer to a request; its last element is None where the process still lives."""
        started = time.monotonic()
        self._child.send(wire.encode(list(descriptors)))
        results: list[Any] = []
        while len(results) < len(descriptors):
            event = next_event(self._child, self._events, float("inf"))
            match event.message if event else None:
                case ("ready", list(subjects)):
                    self._subjects = subjects
                case ("results", list(one)):
                    results.append(one)
                case ("failed" | "error" as kind, str(message)):
                    return [kind, message]
                case _:
                    ending = in_words(self._child.ending())
                    return self._judged(results, started, ending)
        self.used = time.monotonic()
        return self._judged(results, started, None)

    def _judged(self, results: list[Any], started: float, ending: str | None) -> list[Any]:
        return ["judged", self._subjects, results, time.monotonic() - started, ending]

    def hang_up(self) -> None:
        """Let the process end by itself, with its isolated ones."""
        self._child.hang_up()

    def close(self) -> None:
        """Let the process end by itself; kill it if it does not."""
        self._child.close()


class _Pairs:
    """The judging processes of this worker: one for each thread that is at work, kept warm."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: dict[str, list[_Pair]] = defaultdict(list)
        self._all: dict[str, list[_Pair]] = defaultdict(list)
        self._released: deque[str] = deque(maxlen=64)
        self._sweeps = False

    def judge(self, run: str, what: bytes, descriptors: Sequence[str]) -> list[Any]:
        """Put a request to a process that is free, or to a new one."""
        pair = self._taken(run, what)
        if pair is None:
            return ["error", "the run has been ended"]
        answer = pair.judge(descriptors)
        lives = answer[0] == "judged" and answer[-1] is None
        with self._lock:
            if lives and run not in self._released:
                self._free[run].append(pair)
                self._sweep_later()
                return answer
            if pair in self._all[run]:
                self._all[run].remove(pair)
        pair.close()
        return answer

    def release(self, run: str) -> None:
        """End the processes of a run."""
        with self._lock:
            self._released.append(run)
            self._free.pop(run, None)
            pairs = self._all.pop(run, [])
        for pair in pairs:
            pair.hang_up()
        for pair in pairs:
            pair.close()

    def _taken(self, run: str, what: bytes) -> _Pair | None:
        with self._lock:
            if run in self._released:
                return None
            if self._free[run]:
                return self._free[run].pop()
            pair = _Pair(what)
            self._all[run].append(pair)
            return pair

    def _sweep_later(self) -> None:
        if not self._sweeps:
            self._sweeps = True
            timer = threading.Timer(IDLE_SECONDS, self._sweep)
            timer.daemon = True
            timer.start()

    def _sweep(self) -> None:
        """End the processes that were not asked for long: who asked has gone without a word."""
        before = time.monotonic() - IDLE_SECONDS
        with self._lock:
            self._sweeps = False
            idle = []
            for run, free in self._free.items():
                old = [pair for pair in free if pair.used <= before]
                self._free[run] = [pair for pair in free if pair not in old]
                self._all[run] = [pair for pair in self._all[run] if pair not in old]
                idle += old
            if any(self._free.values()):
                self._sweep_later()
        for pair in idle:
            pair.close()


_pairs: Final = _Pairs()

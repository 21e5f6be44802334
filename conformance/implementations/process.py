"""A worker process seen from its parent: requests in, answers and last words out.

The worker may print, crash, hang or exhaust its memory: `WorkerProcess` only reports what it
does, as events on a queue, and can end it with everything that it started.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from conformance.cases.case import Case
from conformance.implementations import wire
from conformance.implementations.registry import Entry
from conformance.outcomes import Crash

BEGIN: Final = b"\x1e"
"""What a worker writes to standard error before each case, so that last words can be told apart."""

_LAST_WORDS: Final = 4096
_GRACE_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Event:
    """Something that a worker did.

    Attributes:
        worker: which one.
        message: its answer (see `worker`), or None when it has ended.
        time: when, by `time.monotonic`.
    """

    worker: WorkerProcess
    message: Any
    time: float


Events = queue.SimpleQueue[Event]


class WorkerProcess:
    """One worker process, started on construction.

    Args:
        entry: the implementation that it serves.
        events: where its answers and its end are put, from a thread of this process.
        environment: variables for it besides the entry's own.
        memory: limit of its data in bytes; None for none.
    """

    def __init__(
        self,
        entry: Entry,
        events: Events,
        environment: Mapping[str, str] | None = None,
        memory: int | None = None,
    ) -> None:
        arguments = [entry.name] if memory is None else [entry.name, str(memory)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "conformance.implementations.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment({**(environment or {}), **entry.environment}),
            start_new_session=True,
        )
        self._events = events
        self._last_words = b""
        self._threads = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_last_words, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, index: int, case: Case) -> None:
        """Ask for a case; a worker that has ended meanwhile says so by its last event."""
        stream = _opened(self._process.stdin)
        with contextlib.suppress(OSError, ValueError):
            stream.write(f"{index} {case.descriptor}\n".encode())
            stream.flush()

    def end(self) -> Crash:
        """Kill it, if it still lives, with everything that it started; how it ended."""
        kill_signal = getattr(signal, "SIGKILL", signal.SIGTERM)
        status = self._process.poll()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, kill_signal)
        else:
            self._process.kill()
        self._process.wait()
        self._release()
        words = self._last_words.rpartition(BEGIN)[2].decode(errors="replace").strip()
        return Crash(how_it_ended(status), words)

    def close(self) -> None:
        """Let it end by itself, which it does when its requests end; kill it if it does not."""
        with contextlib.suppress(OSError):
            _opened(self._process.stdin).close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.end()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, even where a descendant of it holds its pipes open."""
        return self._process.poll() is not None

    def ending(self) -> Crash:
        """How it ended, after the event that says it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        return self.end()

    def _release(self) -> None:
        """Close the requests and join the threads, which close the pipes that they read.

        A descendant that left the process group may hold a pipe open: such a thread is left to
        end with it, or with this process.
        """
        with contextlib.suppress(OSError):
            _opened(self._process.stdin).close()
        for thread in self._threads:
            thread.join(_GRACE_SECONDS)

    def _read_answers(self) -> None:
        with _opened(self._process.stdout) as stream:
            message: Any = ()
            while message is not None:
                try:
                    message = wire.read_message(stream)
                except (wire.WireError, OSError, ValueError):
                    message = None
                self._events.put(Event(self, message, time.monotonic()))

    def _read_last_words(self) -> None:
        with _opened(self._process.stderr) as stream, contextlib.suppress(OSError, ValueError):
            while chunk := os.read(stream.fileno(), 65536):
                self._last_words = (self._last_words + chunk)[-_LAST_WORDS:]


def _opened(stream: Any) -> BinaryIO:
    """A pipe of a process that was started with all three."""
    opened: BinaryIO = stream
    return opened


def _environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process' environment with `changes`, able to import this package from where it is."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", **changes}
    root = str(Path(__file__).resolve().parents[2])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        existing = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([root, *([existing] if existing else [])])
    return environment


def how_it_ended(status: int | None) -> str:
    """The exit status of a process in words; None for one that still ran."""
    if status is None:
        return "a closed or garbled connection to the suite"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"

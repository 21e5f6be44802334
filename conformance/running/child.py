"""A process of ours seen from its parent: requests in, answers and last words out.

Two kinds of processes are such children: isolated ones, which hold an implementation
(`isolated_process`), and judging ones (`judging_process`).  An isolated one may print, crash, hang,
exhaust its memory, or write garbage where its answers go: `Child` only reports what it does, as
events on a queue, and can end it with everything that it started.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import secrets
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from conformance.implementations import wire
from conformance.implementations.last_words import LastWords, how_it_ended
from conformance.outcomes import Crash

_GRACE_SECONDS: Final = 2.0
_NOTICE_SECONDS: Final = 0.25
_GONE_SECONDS: Final = 1.0
_TOKEN_BYTES: Final = 16


@dataclass(frozen=True)
class Event:
    """Something that a child did.

    Attributes:
        child: which one.
        message: its answer, or None when it has ended, or has said what is no answer.
        time: when, by `time.monotonic`.
    """

    child: Child
    message: Any
    time: float


Events = queue.SimpleQueue[Event]

_living: weakref.WeakSet[Child] = weakref.WeakSet()


def end_all() -> None:
    """Kill every child of this process that still lives, with everything that it started."""
    for child in list(_living):
        child.kill()


class Child:
    """One child process, started on construction.

    The first line that it reads is a secret, which each of its answers begins with: what foreign
    code in it writes to any file descriptor is not taken for an answer.

    Args:
        module: the module that it runs.
        arguments: its command-line arguments.
        events: where its answers and its end are put, from a thread of this process.
        environment: variables for it besides this process' own.
        directory: its working directory; this process' own where none is given.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        events: Events,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(environment or {}),
            cwd=directory,
            start_new_session=True,
        )
        _living.add(self)
        self._events = events
        self._token = secrets.token_bytes(_TOKEN_BYTES)
        self._last_words = LastWords()
        self._is_garbled = False
        self._threads = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_last_words, daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        in_main_thread = threading.current_thread() is threading.main_thread()
        self.send(f"{self._token.hex()} {int(in_main_thread)} {os.getpid()}\n".encode())

    def send(self, request: bytes) -> None:
        """Write a request; a child that has ended meanwhile says so by its last event."""
        stream = _opened(self._process.stdin)
        with contextlib.suppress(OSError, ValueError):
            stream.write(request)
            stream.flush()

    def kill(self) -> int | None:
        """Kill it with everything that it started; the status it had ended with by itself."""
        kill_signal = getattr(signal, "SIGKILL", signal.SIGTERM)
        status = self._process.poll()
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, kill_signal)
        else:
            self._process.kill()
        return status

    def end(self) -> Crash:
        """Kill it, if it still lives, with everything that it started; how it ended."""
        status = self.kill()
        self._process.wait()
        _living.discard(self)
        self._release()
        return Crash(how_it_ended(status), self._last_words.text())

    def hang_up(self) -> None:
        """Say that there are no more requests, at which it ends by itself."""
        with contextlib.suppress(OSError):
            _opened(self._process.stdin).close()

    def close(self) -> None:
        """Let it end by itself; kill it if it does not."""
        self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        self.end()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, even where a descendant of it holds its pipes open."""
        return self._process.poll() is not None

    def ending(self) -> Crash:
        """How it ended, after the event that says it has."""
        if self._is_garbled:
            return dataclasses.replace(self.end(), ending=how_it_ended(None))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_SECONDS)
        return self.end()

    def _release(self) -> None:
        """Close the requests and join the threads, which close the pipes that they read.

        A descendant that left the process group may hold a pipe open: such a thread is left to
        end with it, or with this process.
        """
        self.hang_up()
        for thread in self._threads:
            thread.join(_GRACE_SECONDS)

    def _read_answers(self) -> None:
        with _opened(self._process.stdout) as stream:
            message: Any = ()
            while message is not None:
                message = self._next_message(stream)
                self._events.put(Event(self, message, time.monotonic()))

    def _next_message(self, stream: BinaryIO) -> Any:
        try:
            token = stream.read(_TOKEN_BYTES)
            self._is_garbled = len(token) == _TOKEN_BYTES and token != self._token
            return wire.read_message(stream) if token == self._token else None
        except (wire.WireError, MemoryError):
            self._is_garbled = True
        except (OSError, ValueError):
            pass
        return None

    def _read_last_words(self) -> None:
        with _opened(self._process.stderr) as stream:
            self._last_words.listen(stream)


def next_event(child: Child, events: Events, deadline: float) -> Event | None:
    """The next event of a child; None where none comes before `deadline` (`time.monotonic`).

    Its end is noticed although a descendant of it keeps its pipes open.
    """
    gone: float | None = None
    while True:
        now = time.monotonic()
        try:
            return events.get(timeout=min(max(deadline - now, 0.0), _NOTICE_SECONDS))
        except queue.Empty:
            pass
        if child.has_ended:
            gone = gone or now
            if now - gone > _GONE_SECONDS:
                return Event(child, None, now)
        elif time.monotonic() >= deadline:
            return None


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

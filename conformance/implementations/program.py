r"""Anyone's implementation as a program in any language: ``exec:COMMAND``.

The command is split as a shell would, and started without one.  It reads requests from standard
input and answers each on standard output, one line of JSON each, in order; what it says to people
goes to standard error.  The first request asks who it is::

    {"id": 0, "hello": {"protocol": 1}}

It answers with the same ``id`` and, as far as it likes, ``name``, ``version``, ``layers`` (the
layers that it offers; by default all that plug-ins are asked for), ``gradients`` (true if it
computes them) and ``takes`` (as of plug-ins, `conformance.implementations.declaration`)::

    {"id": 0, "name": "tiny", "version": "1.0", "layers": ["Flatten"]}

Every other request is a call of one layer, and asks for its output or, with an ``upstream``
gradient beside the inputs, for its gradients::

    {"id": 1, "observe": "output", "layer": "Flatten",
     "config": {"data_format": "channels_last", "dtype": "float32"},
     "inputs": {"dtype": "float32", "shape": [2, 3], "data": "..."}, "weights": {}}

``config`` and the names of the ``weights`` are those of `plugin`, tuples as lists.  Each array has
its ``dtype``, its ``shape`` and its ``data``: the base64 (RFC 4648, without line breaks) of its
elements in little-endian byte order, the last axis varying fastest.  The answer is one of::

    {"id": 1, "output": {"dtype": "float32", "shape": [2, 3], "data": "..."}}
    {"id": 1, "gradients": {"inputs": {...}, "kernel": {...}, "bias": {...}}}
    {"id": 1, "unsupported": "why"}
    {"id": 1, "rejected": "why"}

Each case is asked twice, in the same words.  The program is started once and ends when its
standard input ends.  If it ends before, the case in flight has crashed; if it answers with anything
else than such a line, that case deviates; if it does not answer, that case has timed out.  In each
of these cases it is started again for the next one.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import numpy as np

from conformance.cases.case import Case
from conformance.implementations.last_words import LastWords, how_it_ended
from conformance.implementations.plugin import Plugin
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.implementations.wire import WireError, decoded_array, encodable, encoded_array
from conformance.layers.registry import called_layers
from conformance.outcomes import Crash, Outcome, Value

Array = np.ndarray[Any, Any]

PROTOCOL: Final = 1

LONGEST_LINE: Final = 1 << 28
"""Bytes of the longest answer that is read."""

_GRACE_SECONDS: Final = 0.5
_NOTICE_SECONDS: Final = 0.1
_SHOWN: Final = 200


class ProgramEndedError(BaseException):
    """The program ended in the middle of a request: no exception of the layer's own."""

    def __init__(self, crash: Crash) -> None:
        super().__init__(crash.ending)
        self.crash = crash


class GarbledError(BaseException):
    """The program answered something that is no answer."""


class RejectedError(Exception):
    """The program rejects the case."""


def load(command: str) -> Implementation:
    """Start the program and hear who it is.

    Raises:
        ImplementationError: if it cannot be started, ends, or answers the first request wrongly.
    """
    program = _Program(command)
    try:
        hello = program.hello()
    except GarbledError as error:
        program.end()
        raise ImplementationError(
            f"exec:{command} answers its first request with {error}"
        ) from None
    except ProgramEndedError as error:
        said = f"; its last words:\n{error.crash.last_words}" if error.crash.last_words else ""
        raise ImplementationError(
            f"exec:{command} ended at its first request by {error.crash.ending}{said}"
        ) from None
    try:
        return ProgramPlugin(f"exec:{command}", program, hello)
    except ImplementationError:
        program.end()
        raise


class ProgramPlugin(Plugin):
    """A program, behind the protocol of `conformance.implementations.protocol`.

    Args:
        spec: how it was asked for.
        program: the program, started.
        hello: its answer to the first request.
    """

    def __init__(self, spec: str, program: _Program, hello: Mapping[str, Any]) -> None:
        super().__init__(spec, _Target(program, hello))

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """Ask the program twice; its end is a crash, whatever this process does."""
        try:
            return super().evaluate(case, operands)
        except ProgramEndedError as error:
            return error.crash
        except GarbledError as error:
            return Value(str(error))
        except ImplementationError as error:
            return Crash("it could not be started again", str(error))


class _Target:
    """A program as the object that a plug-in is: callables by the names of the layers."""

    thread_safe = False

    def __init__(self, program: _Program, hello: Mapping[str, Any]) -> None:
        self.name, self.version = hello.get("name"), hello.get("version")
        self.takes = hello.get("takes")
        self._program = program
        for layer in hello.get("layers", called_layers()):
            setattr(self, layer, self._layer(layer))
        if hello.get("gradients"):
            self.gradients = self._gradients

    def _layer(self, name: str) -> Any:
        def call(inputs: Array, weights: Mapping[str, Array], config: Mapping[str, Any]) -> Array:
            answer = self._program.ask(_request("output", name, inputs, weights, config))
            return _array(_part(answer, "output"))

        return call

    def _gradients(
        self,
        layer: str,
        inputs: Array,
        weights: Mapping[str, Array],
        config: Mapping[str, Any],
        upstream: Array,
    ) -> dict[str, Array]:
        request = _request("gradients", layer, inputs, weights, config)
        answer = self._program.ask({**request, "upstream": encoded_array(upstream)})
        return {name: _array(array) for name, array in _part(answer, "gradients").items()}


def _request(
    observe: str,
    layer: str,
    inputs: Array,
    weights: Mapping[str, Array],
    config: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "observe": observe,
        "layer": layer,
        "config": dict(config),
        "inputs": encoded_array(inputs),
        "weights": {name: encoded_array(array) for name, array in weights.items()},
    }


def _part(answer: Mapping[str, Any], name: str) -> Any:
    """The answer's array, or its arrays by name.

    Raises:
        NotImplementedError: if it declares the case unsupported.
        RejectedError: if it rejects the case.
        GarbledError: if it holds none of these.
    """
    if "unsupported" in answer:
        raise NotImplementedError(str(answer["unsupported"]))
    if "rejected" in answer:
        raise RejectedError(str(answer["rejected"]))
    if not isinstance(answer.get(name), dict):
        raise GarbledError(
            f"a line without {name!r}, 'unsupported' or 'rejected': {_shown(answer)}"
        )
    return answer[name]


def _array(entry: Any) -> Array:
    """An array from its JSON form.

    Raises:
        GarbledError: if it is none: no exception of the layer's own, which may reject a case.
    """
    try:
        return decoded_array(entry)
    except WireError as error:
        raise GarbledError(f"{error}: {_shown(entry)}") from None


def _shown(value: Any) -> str:
    text = encodable(value if isinstance(value, str) else json.dumps(value, default=str))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


class _Program:
    """The process of a program; started again where it has ended or spoken out of turn."""

    def __init__(self, command: str) -> None:
        self._arguments = shlex.split(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._last_words = LastWords()
        self._asked = 0

    def hello(self) -> dict[str, Any]:
        """Start it and ask who it is.

        Raises:
            ImplementationError: if it cannot be started.
            GarbledError, ProgramEndedError: if its answer is not one.
        """
        self._start()
        answer = self._exchange({"id": 0, "hello": {"protocol": PROTOCOL}})
        if "hello" in answer:
            raise GarbledError(f"the request itself: {_shown(answer)}")
        layers = answer.get("layers", [])
        if not isinstance(layers, list) or not set(map(str, layers)) <= set(called_layers()):
            raise GarbledError(
                f"the layers {_shown(layers)}, which have to be a list of some of "
                f"{', '.join(called_layers())}"
            )
        return answer

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer to a request.

        Raises:
            GarbledError: if that is no line of the protocol; the program is ended.
            ProgramEndedError: if it ends instead.
        """
        self._asked += 1
        try:
            if self._process is None:
                self.hello()
            return self._exchange({"id": self._asked, **request})
        except (GarbledError, MemoryError):
            self.end()
            raise

    def end(self) -> Crash:
        """End the program, if it still runs; how it ended."""
        process: Any = self._process
        threads, self._process, self._threads = self._threads, None, []
        if process is None:
            return Crash("it was not running")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0)
        status = process.returncode
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            process.stdin.close()
        for thread in threads:
            thread.join(_GRACE_SECONDS)
        return Crash(how_it_ended(status), self._last_words.text())

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise ImplementationError(
                f"exec:{shlex.join(self._arguments)} cannot be started: {error}"
            ) from error
        self._lines, self._last_words = queue.SimpleQueue(), LastWords()
        readings: list[tuple[Any, tuple[Any, ...]]] = [
            (_read_lines, (self._process.stdout, self._lines)),
            (_listen, (self._process.stderr, self._last_words)),
        ]
        self._threads = [
            threading.Thread(target=target, args=arguments, daemon=True)
            for target, arguments in readings
        ]
        for thread in self._threads:
            thread.start()

    def _exchange(self, request: Mapping[str, Any]) -> dict[str, Any]:
        process: Any = self._process
        with contextlib.suppress(OSError):  # where it reads no more, the lack of an answer tells
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        line = self._next_line(process)
        if len(line) > LONGEST_LINE:
            raise GarbledError(f"a line of more than {LONGEST_LINE >> 20} MiB")
        if not line.endswith(b"\n"):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
            raise ProgramEndedError(self.end())
        return _answer(line, request["id"])

    def _next_line(self, process: Any) -> bytes:
        """The next line; an unfinished one at its end, though a child of it keeps the pipe open."""
        gone: float | None = None
        while gone is None or time.monotonic() - gone < _GRACE_SECONDS:
            try:
                return self._lines.get(timeout=_NOTICE_SECONDS)
            except queue.Empty:
                if process.poll() is not None:
                    gone = gone or time.monotonic()
        return b""


def _read_lines(stream: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    """Hand on the lines of a stream until one is unfinished, or longer than any answer."""
    with contextlib.suppress(OSError, ValueError), stream:
        line = b"\n"
        while line.endswith(b"\n"):
            line = stream.readline(LONGEST_LINE + 1)
            lines.put(line)


def _listen(stream: BinaryIO, last_words: LastWords) -> None:
    with stream:
        last_words.listen(stream)


def _answer(line: bytes, identifier: int) -> dict[str, Any]:
    """A line as the answer to a request.

    Raises:
        GarbledError: if it is none.
    """
    text = line.decode(errors="replace").rstrip("\r\n")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        raise GarbledError(f"a line that is no JSON: {_shown(text)!r}") from None
    if not isinstance(answer, dict):
        raise GarbledError(f"a line that is no JSON object: {_shown(text)}")
    given = answer.get("id")
    if type(given) is not int or given != identifier:
        raise GarbledError(
            f"a line whose id is {_shown(repr(given))} and not {identifier}: {_shown(text)}"
        )
    return answer

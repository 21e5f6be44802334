"""A worker process: evaluates one implementation, case by case, for its parent.

Started as ``python -m conformance.implementations.worker SPEC [MEMORY]`` by
`conformance.implementations.process`.  It reads one request per line from standard input,
``INDEX DESCRIPTOR``, regenerates the operands itself, and answers in order on what was standard
output at the start, in the encoding of `wire`:

* ``("ready", name, version, machine)`` once the implementation is loaded, or
  ``("failed", message)``;
* ``("outcome", index, outcome)`` for each request;
* ``("error", index, traceback)`` where this project itself failed on a request.

Standard output is pointed at standard error before the implementation is imported, so that what
it prints cannot disturb the answers.  The process ends at the end of its input, even in the
middle of a case.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.implementations import registry, wire
from conformance.implementations.observation import evaluate
from conformance.implementations.process import BEGIN
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.outcomes import Outcome, Unsupported


def main(arguments: list[str]) -> None:
    """Serve the parent until it closes the requests."""
    spec, *memory = arguments
    requests, answers = _take_over_streams()
    faulthandler.enable()
    if memory:
        _limit_memory(int(memory[0]))
    sys.path.insert(0, os.getcwd())

    def answer(*message: Any) -> None:
        answers.write(wire.encode(message))
        answers.flush()

    try:
        implementation = registry.resolve(spec).load()
    except ImplementationError as error:
        answer("failed", str(error))
        return
    except BaseException as error:
        _end_by(error)
    machine = dict(getattr(implementation, "machine", {}))
    answer("ready", implementation.name, implementation.version, machine)
    for index, descriptor in _requests(requests):
        answer(*_answer(implementation, index, descriptor))


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Private streams for requests and answers; 0 and 1 become harmless."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _limit_memory(limit: int) -> None:
    """Let allocations beyond `limit` bytes of data fail, where the system can do that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _requests(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The requests as they come; the process ends where the parent is gone.

    They are read in a thread, so that the end is noticed while a case is being evaluated.
    """
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            waiting.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        index, _, descriptor = waiting.get().decode().rstrip("\n").partition(" ")
        yield int(index), descriptor


def _answer(implementation: Implementation, index: int, descriptor: str) -> tuple[Any, ...]:
    try:
        case = parse(descriptor)
        prepared = operands(case)
    except ImportError as error:  # a dtype that needs a package
        return "outcome", index, Unsupported(str(error))
    except Exception:
        return "error", index, traceback.format_exc()
    with contextlib.suppress(OSError):
        os.write(2, BEGIN)
    return "outcome", index, _evaluate(implementation, case, prepared)


def _evaluate(implementation: Implementation, case: Case, prepared: Any) -> Outcome:
    try:
        return evaluate(implementation, case, prepared)
    except BaseException as error:
        _end_by(error)


def _end_by(error: BaseException) -> NoReturn:
    """End as the interpreter would, without finalization, where foreign code may hang."""
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        traceback.print_exception(error)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


if __name__ == "__main__":
    main(sys.argv[1:])

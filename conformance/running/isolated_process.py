"""The process that holds one implementation, and evaluates it case by case for its parent.

Started as ``python -m conformance.running.isolated_process SPEC [MEMORY]`` by `attendant`.  It
reads one request per line, ``INDEX DESCRIPTOR``, regenerates the operands itself, and answers in
order:

* ``("ready", name, version, machine)`` once the implementation is loaded, or ``("failed",
  message)``;
* ``("outcome", index, seconds, sound, outcome)`` for each request; where `sound` is false, the
  implementation has spoilt the process, which is to be replaced;
* ``("error", index, traceback)`` where this project itself failed on a request.
"""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Mapping
from operator import is_, itemgetter
from typing import Any, BinaryIO, Final

import numpy as np

from conformance.cases.case import Case, of_own_descriptor
from conformance.cases.operands import operands
from conformance.implementations import registry
from conformance.implementations.import_paths import import_after_the_library
from conformance.implementations.last_words import BEGIN
from conformance.implementations.observation import evaluate
from conformance.implementations.protocol import Implementation, ImplementationError
from conformance.outcomes import Crash, Outcome, Rejection, Unsupported, Value
from conformance.running.limits import limit_memory
from conformance.running.serving import Connection, end_by

_OURS: Final = ("conformance", "reference_impl", "numpy", "ml_dtypes")
_clock: Final = time.perf_counter


def main(arguments: list[str]) -> None:
    """Serve the parent until it closes the requests."""
    spec, *memory = arguments
    connection = Connection(_request)
    faulthandler.enable()
    if memory:
        limit_memory(int(memory[0]))
    import_after_the_library(os.getcwd())
    try:
        implementation = registry.resolve(spec).load()
    except ImplementationError as error:
        connection.answer("failed", str(error))
        return
    except BaseException as error:
        end_by(error)
    connection.answer("ready", *_introduction(implementation))
    surroundings = _Surroundings()
    while True:
        index, descriptor = connection.next()
        _answer(connection, implementation, surroundings, index, descriptor)


def _request(stream: BinaryIO) -> tuple[int, str] | None:
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    index, _, descriptor = line.decode().rstrip("\n").partition(" ")
    return int(index), descriptor


def _introduction(implementation: Implementation) -> tuple[str, str, dict[str, str]]:
    """Name, version, and what the implementation says of the machine that its libraries see."""
    facts: Any = getattr(implementation, "machine", None)
    machine = facts if isinstance(facts, Mapping) else {}
    named = {str(name): str(value) for name, value in machine.items()}
    return implementation.name, implementation.version, named


class _Surroundings:
    """What foreign code in this process must leave as it is, for the next case to be judged."""

    def __init__(self) -> None:
        ours = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in _OURS}
        functions = {n: f for n, f in vars(builtins).items() if n != "_"}
        spaces = ((sys.modules, ours), (vars(builtins), functions), (vars(np), dict(vars(np))))
        self._kept = [(space, itemgetter(*kept), tuple(kept.values())) for space, kept in spaces]

    def are_sound(self) -> bool:
        """Whether our modules, the built-in functions and NumPy are those of the start."""
        try:
            return all(all(map(is_, read(space), values)) for space, read, values in self._kept)
        except KeyError:
            return False


def _answer(
    connection: Connection,
    implementation: Implementation,
    surroundings: _Surroundings,
    index: int,
    descriptor: str,
) -> None:
    try:
        case = of_own_descriptor(descriptor)
        reason = _declined(implementation, case)
        if reason is not None:
            connection.answer("outcome", index, 0.0, True, Unsupported(reason))
            return
        prepared = operands(case)
    except ImportError as error:  # a dtype that needs a package
        connection.answer("outcome", index, 0.0, True, Unsupported(str(error)))
        return
    except Exception:
        connection.answer("error", index, traceback.format_exc())
        return
    with contextlib.suppress(OSError):
        os.write(2, BEGIN)
    started = _clock()
    outcome = _evaluate(implementation, case, prepared)
    seconds = _clock() - started
    sound = surroundings.are_sound()
    if not sound and isinstance(outcome, Rejection):
        outcome = Crash(
            "not at once, but it spoilt the process that it shares",
            f"{outcome.exception}: {outcome.message}",
        )
    try:
        connection.answer("outcome", index, seconds, sound, outcome)
    except RecursionError:
        outcome = Value("something nested too deeply to be sent")
        connection.answer("outcome", index, seconds, sound, outcome)


def _declined(implementation: Implementation, case: Case) -> str | None:
    """Why the implementation says it does not support a case; None where it is to be evaluated."""
    declines = getattr(implementation, "declines", None)
    with contextlib.suppress(Exception):  # foreign code, whose exceptions evaluation tells of
        return declines(case) if declines else None
    return None


def _evaluate(implementation: Implementation, case: Case, prepared: Any) -> Outcome:
    try:
        return evaluate(implementation, case, prepared)
    except BaseException as error:
        end_by(error)


if __name__ == "__main__":
    main(sys.argv[1:])

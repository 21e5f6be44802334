"""The process that holds one candidate, and runs it for its parent.

Started as ``python -m conformance.models.candidate_process SPEC SOURCE MEMORY`` by `isolated`; an
empty SOURCE or MEMORY is none.  Its requests and answers are messages of `wire`:

* ``("answer", (name, maker, implementation))`` once the candidate is loaded;
* ``["run", names, arrays]`` gives it the source's inputs; the answer's content is what it makes:
  its tensors, whether they are named after layers, and its outputs' names;
* ``["fetch", names]`` and ``["outputs"]`` are answered with arrays.

Answers are ``("answer", content)``, ``("refused", message)`` for a candidate that cannot be used,
and ``("raised", message)`` for one that raised.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from conformance.implementations import wire
from conformance.implementations.import_paths import import_after_the_library
from conformance.models.candidates import Array, Runner, load_candidate
from conformance.models.errors import CandidateError, ModelError
from conformance.running.limits import limit_memory
from conformance.running.serving import Connection, end_by


def main(arguments: list[str]) -> None:
    """Serve the parent until it closes the requests."""
    spec, source, memory = arguments
    connection = Connection(wire.read_message)
    faulthandler.enable()
    if memory:
        limit_memory(int(memory))
    import_after_the_library(os.getcwd())
    loaded: list[Runner] = []

    def load() -> tuple[str, str, str]:
        runner = load_candidate(spec, source or None)
        loaded.append(runner)
        return runner.name, runner.maker, runner.implementation

    _answer(connection, load)
    if loaded:
        served = _Served(loaded[0])
        while True:
            kind, *content = connection.next()
            _answer(connection, lambda: getattr(served, kind)(*content))  # noqa: B023
    connection.next()


def _answer(connection: Connection, work: Callable[[], Any]) -> None:
    try:
        answer = ("answer", work())
    except CandidateError as error:
        answer = (error.ending, str(error))
    except ModelError as error:
        answer = ("refused", str(error))
    except BaseException as error:
        end_by(error)
    connection.answer(*answer)


class _Served:
    """A candidate on the inputs that it was given last.

    Args:
        runner: the candidate.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._inputs: Sequence[Array] = ()

    def run(self, names: Sequence[str], inputs: Sequence[Array]) -> Any:
        """Its tensors, whether they are named after layers, and its outputs' names."""
        self._runner.input_names = names
        self._inputs = inputs
        tensors = self._runner.tensors(inputs)
        listed = [[t.name, list(t.shape), t.dtype, t.maker] for t in tensors]
        return [listed, self._runner.named(), self._runner.output_names()]

    def fetch(self, names: Sequence[str]) -> list[Array]:
        """Some tensors."""
        return self._runner.fetch(names, self._inputs)

    def outputs(self) -> list[Array]:
        """The final outputs."""
        return self._runner.outputs(self._inputs)


if __name__ == "__main__":
    main(sys.argv[1:])

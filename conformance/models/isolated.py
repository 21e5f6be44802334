"""A candidate in a process of its own: it may crash, hang, print, or exhaust its memory."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.implementations import wire
from conformance.models.candidates import Array, Tensor, keras_entry
from conformance.models.errors import CandidateError, ModelError
from conformance.running.attendant import in_words
from conformance.running.child import Child, Events, next_event
from conformance.running.limits import Limits

_MODULE: Final = "conformance.models.candidate_process"

LIMITS: Final = Limits(timeout=600.0)
"""What a candidate is allowed: seconds for an answer, seconds to start, bytes of memory."""


class Isolated:
    """A candidate that runs in a process of its own (`candidate_process`).

    Args:
        spec: as of `conformance.models.candidates.load_candidate`.
        source: the source's file.
        limits: what its process is allowed.

    Raises:
        CandidateError: if it crashes or hangs while it is loaded.
        ModelError: if it is no candidate, cannot be read, or needs what is not installed.
    """

    def __init__(self, spec: str, source: Path | None, limits: Limits = LIMITS) -> None:
        self.name = spec
        self.input_names: Sequence[str] = ()
        self._limits = limits
        self._events: Events = queue.SimpleQueue()
        memory = "" if limits.memory is None else str(limits.memory)
        arguments = [spec, str(source or ""), memory]
        self._child: Child | None = Child(_MODULE, arguments, self._events, _environment(spec))
        try:
            answer = self._awaited(limits.start, "while it was loaded")
            self.name, self.maker, self.implementation = answer
        except ModelError:
            self.close()
            raise
        self._inputs: Sequence[Array] | None = None
        self._is_named = False
        self._output_names: list[str] = []

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def tensors(self, inputs: Sequence[Array]) -> list[Tensor]:
        """As of `Runner`."""
        listed, self._is_named, self._output_names = self._asked(
            "run", [*self.input_names], [*inputs]
        )
        self._inputs = inputs
        return [Tensor(name, tuple(shape), dtype, maker) for name, shape, dtype, maker in listed]

    def fetch(self, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
        """As of `Runner`."""
        self._give(inputs)
        return self._arrays(self._asked("fetch", [*names]))

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """As of `Runner`."""
        self._give(inputs)
        return self._arrays(self._asked("outputs"))

    def output_names(self) -> list[str]:
        """As of `Runner`."""
        return self._output_names

    def named(self) -> bool:
        """As of `Runner`."""
        return self._is_named

    def _give(self, inputs: Sequence[Array]) -> None:
        if self._inputs is not inputs:
            self.tensors(inputs)

    def _arrays(self, made: Any) -> list[Array]:
        for value in made:
            if not isinstance(value, np.ndarray):
                raise ModelError(f"{self.name} makes {value}; expected an array")
        return [*made]

    def _asked(self, *request: Any) -> Any:
        if self._child is None:
            raise ModelError(f"{self.name}: its process has ended")
        self._child.send(wire.encode([*request]))
        return self._awaited(self._limits.timeout, "while it was run")

    def _awaited(self, seconds: float, when: str) -> Any:
        """The content of the next answer.

        Raises:
            CandidateError: if the process ends or gives no answer in time, or the candidate raised.
            ModelError: if it cannot be used.
        """
        child = self._child
        assert child is not None
        event = next_event(child, self._events, time.monotonic() + seconds)
        match event.message if event else None:
            case ("answer", content):
                return content
            case ("refused", str(message)):
                raise ModelError(message)
            case ("raised", str(message)):
                raise CandidateError("raised", message)
            case _ if event is None:
                self.close()
                raise CandidateError(
                    "timed out", f"{self.name} gave no answer within {seconds:g} seconds {when}"
                )
        self._child = None
        raise CandidateError("crashed", f"{self.name} crashed {when}: {in_words(child.ending())}")


def _environment(spec: str) -> Mapping[str, str]:
    """Variables for the process: those of a Keras that is asked for by name."""
    entry = keras_entry(spec)
    return {} if entry is None else entry.environment

"""What a converter has made of a model: tensors by name, fetched a few at a time."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from conformance.implementations import registry
from conformance.implementations.families import Entry
from conformance.implementations.protocol import ImplementationError
from conformance.models.errors import ModelError

Array = np.ndarray[Any, Any]

_MOST_HELD: Final = 1 << 28
"""Bytes of a candidate's tensors that are held at a time."""

_MOST_FETCHED: Final = 1 << 26
"""Bytes that are fetched in one run."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a candidate.

    Attributes:
        name: its name.
        shape: on the given inputs.
        dtype: its dtype.
        maker: what makes it, with attributes: an ONNX node, a TFLite operator, or nothing.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    maker: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class Runner(Protocol):
    """A candidate, able to run.

    Attributes:
        name: the file or the callable.
        maker: what runs it, with its version.
        implementation: the same by its name in records of known deviations; empty for a callable.
        input_names: the source's, set before it is run; empty where the order alone counts.
    """

    name: str
    maker: str
    implementation: str
    input_names: Sequence[str]

    def tensors(self, inputs: Sequence[Array]) -> list[Tensor]:
        """Its tensors in the order in which they are made, without constants."""

    def fetch(self, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
        """Some of them on some inputs."""

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """Its final outputs, as its users get them."""

    def output_names(self) -> list[str]:
        """The tensors that are its outputs, in order."""

    def named(self) -> bool:
        """Whether tensors are named after layers, one each, so that nothing is left to find."""


class Held:
    """A candidate on some inputs, with the last tensors that were fetched.

    Args:
        runner: the candidate.
        inputs: the inputs.
    """

    def __init__(self, runner: Runner, inputs: Sequence[Array]) -> None:
        self.runner = runner
        self.inputs = inputs
        self.tensors = [t for t in runner.tensors(inputs) if t.dtype.startswith("float")]
        self.by_name = {tensor.name: tensor for tensor in self.tensors}
        self.place = {tensor.name: index for index, tensor in enumerate(self.tensors)}
        self._held: OrderedDict[str, Array] = OrderedDict()

    def __getitem__(self, name: str) -> Array:
        if name not in self._held:
            names = self._with_followers(name)
            for one, array in zip(names, self.runner.fetch(names, self.inputs), strict=True):
                self._held[one] = array
            self._trim(keep=name)
        self._held.move_to_end(name)
        return self._held[name]

    def _with_followers(self, name: str) -> list[str]:
        """The tensor, and those behind it that fit into one run."""
        names: list[str] = []
        start, size = self.place[name], 0
        for tensor in self.tensors[start:]:
            size += tensor.size
            if names and size > _MOST_FETCHED:
                break
            if tensor.name not in self._held:
                names.append(tensor.name)
        return names

    def _trim(self, keep: str) -> None:
        total = sum(array.nbytes for array in self._held.values())
        for name in [*self._held]:
            if total <= _MOST_HELD or name == keep:
                break
            total -= self._held.pop(name).nbytes


def load_candidate(spec: str, source: Path | str | None) -> Runner:
    """The candidate of a command line's ``--against``, in this process.

    Args:
        spec: a ``.onnx`` or ``.tflite`` file, ``FILE.py[:ATTRIBUTE]``, or a Keras by its name, such
            as ``tf.keras[graph]`` or ``keras[backend=jax]``.
        source: the source's file, for Keras.

    Raises:
        ModelError: if it is none of these, cannot be read, or needs what is not installed.
    """
    entry = keras_entry(spec)
    if entry is not None:
        from conformance.models.keras_candidate import KerasCandidate

        if source is None:
            raise ModelError(f"{spec} runs a source that is a file")
        return KerasCandidate(Path(source), entry.name, str(entry.options.get("mode", "eager")))
    path, _, attribute = spec.partition(".py:")
    if attribute or spec.endswith(".py"):
        from conformance.models.program_candidate import ProgramCandidate

        return ProgramCandidate(Path(f"{path}.py" if attribute else spec), attribute or None)
    if not spec.endswith((".onnx", ".tflite")):
        raise ModelError(f"{spec}: expected {_FORMS}")
    if not Path(spec).is_file():
        raise ModelError(f"{spec}: there is no such file")
    if Path(spec).stat().st_size > _LARGEST:
        size = Path(spec).stat().st_size
        raise ModelError(f"{spec}: {size} bytes; expected at most 2 GiB, as the format has it")
    if spec.endswith(".onnx"):
        from conformance.models.onnx_candidate import OnnxCandidate

        return OnnxCandidate(Path(spec))
    from conformance.models.tflite_candidate import TFLiteCandidate

    return TFLiteCandidate(Path(spec))


_LARGEST: Final = 1 << 31
"""Bytes of a file: protocol buffers and flat buffers have no more."""

_FORMS: Final = (
    "a .onnx or .tflite file, FILE.py[:ATTRIBUTE], tf.keras, keras[backend=torch] or "
    "keras[backend=jax]"
)


def keras_entry(spec: str) -> Entry | None:
    """The Keras, with options, that a candidate's name asks for; None for another candidate.

    Raises:
        ModelError: if it has no such options, or is not installed.
    """
    if spec.partition("[")[0] not in ("tf.keras", "keras"):
        return None
    try:
        entry = registry.resolve(spec)
    except ImplementationError as error:
        raise ModelError(str(error)) from error
    if not registry.installed(entry):
        missing = ", ".join(entry.distributions)
        raise ModelError(f"{entry.name} needs {missing}, not all of which are installed")
    return entry


def laid_for(array: Array, shape: Sequence[Any], name: str) -> Array:
    """An input as a candidate declares it, channels moved where only that fits.

    Args:
        array: the input in the source's layout.
        shape: what is declared; free lengths are no integers, or not positive.
        name: the input, for the message.

    Raises:
        ModelError: if neither layout fits.
    """
    moves = [tuple(range(array.ndim))]
    if array.ndim > 2:
        last = array.ndim - 1
        moves += [(0, last, *range(1, last)), (0, *range(2, array.ndim), 1)]
    for move in moves:
        if _fits(tuple(array.shape[axis] for axis in move), shape):
            return np.ascontiguousarray(array.transpose(move))
    raise ModelError(
        f"the candidate's input {name!r} has the shape {[*shape]}, which {array.shape} does not "
        "fit in either layout"
    )


def _fits(given: Sequence[int], declared: Sequence[Any]) -> bool:
    return len(given) == len(declared) and all(
        not isinstance(d, int) or d <= 0 or d == g for g, d in zip(given, declared, strict=True)
    )


def reordered(declared: Sequence[str], names: Sequence[str]) -> list[int]:
    """For each declared input the source's input whose name is a part of its name.

    Converters may reorder inputs.  Where names say nothing, or are not one to one, the order is
    kept.
    """
    found = [
        [
            i
            for i, name in enumerate(names)
            if re.search(rf"(?:^|_|/){re.escape(name)}(?:$|[:_/])", d)
        ]
        for d in declared
    ]
    firsts = [places[0] for places in found if len(places) == 1]
    return firsts if sorted(firsts) == [*range(len(declared))] else [*range(len(declared))]

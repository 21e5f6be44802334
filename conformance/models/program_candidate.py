"""A callable of the user's own, as a candidate: it may run anything, a torch module as well."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.implementations.import_paths import module_of_file
from conformance.implementations.observation import as_array, rejection
from conformance.models.candidates import Array, Tensor
from conformance.models.errors import CandidateError, ModelError
from conformance.models.source import output_name

_HERE: Final = Path(__file__).resolve().parents[1]


class CallableCandidate:
    """A callable that takes the model's inputs and returns its outputs, or a dict by layer name.

    Args:
        function: the callable.
        name: what to call it.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name
        self.maker = "a callable"
        self.input_names: Sequence[str] = ()
        self.implementation = ""
        self._last: tuple[int, ...] | None = None
        self._made: dict[str, Array] = {}
        self._is_named = False

    def _ran(self, inputs: Sequence[Array]) -> dict[str, Array]:
        key = tuple(id(array) for array in inputs)
        if self._last != key:
            self._inputs = inputs  # kept alive, so that the key stays theirs
            self._made = self._called(inputs)
            self._last = key
        return self._made

    def _called(self, inputs: Sequence[Array]) -> dict[str, Array]:
        try:
            made = self.function(*[array.copy() for array in inputs])
        except Exception as error:
            raise CandidateError("raised", f"{self.name} raised {_said(error)}") from error
        self._is_named = isinstance(made, Mapping)
        return outputs_by_name(made, self.name)

    def tensors(self, inputs: Sequence[Array]) -> list[Tensor]:
        """What the callable returned."""
        return [Tensor(n, a.shape, a.dtype.name) for n, a in self._ran(inputs).items()]

    def fetch(self, names: Sequence[str], inputs: Sequence[Array]) -> list[Array]:
        """Some of it."""
        return [self._ran(inputs)[name] for name in names]

    def outputs(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs, where it returns no dict by layer name."""
        made = self._ran(inputs)
        return [] if self._is_named else [*made.values()]

    def output_names(self) -> list[str]:
        """Their names, where it returns no dict by layer name."""
        return [] if self._is_named else [*self._made]

    def named(self) -> bool:
        """Whether it returns a dict by layer name."""
        return self._is_named


def outputs_by_name(made: Any, name: str) -> dict[str, Array]:
    """Outputs as arrays by name: a dict's own, or ``output 0`` and so on.

    A dict may give a layer with several outputs a list or a dict of them.

    Raises:
        ModelError: if one is no array.
    """
    if isinstance(made, Mapping):
        items = dict(item for key, value in made.items() for item in _of_layer(str(key), value))
    else:
        listed = made if isinstance(made, (list, tuple)) else [made]
        items = {f"output {index}": value for index, value in enumerate(listed)}
    arrays = {key: as_array(value) for key, value in items.items()}
    for key, value in arrays.items():
        if not isinstance(value, np.ndarray):
            raise ModelError(f"{name}: {key!r} is {value}; expected an array")
    return arrays


def _of_layer(name: str, value: Any) -> list[tuple[str, Any]]:
    """The outputs of a layer by name: one, or several in the order in which Keras has them."""
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value)]
    is_several = isinstance(value, (list, tuple)) and all(hasattr(item, "shape") for item in value)
    if not is_several or not value:
        return [(name, value)]
    if len(value) == 1:
        return [(name, value[0])]
    return [(output_name(name, index), item) for index, item in enumerate(value)]


class ProgramCandidate(CallableCandidate):
    """The callable of a Python file: ``model``, or the attribute that is named.

    Raises:
        ModelError: if it cannot be imported, or has no such callable.
    """

    def __init__(self, path: Path, attribute: str | None) -> None:
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file")
        try:
            module = module_of_file(path, f"conformance_candidate_{path.stem}")
        except Exception as error:
            raise ModelError(f"{path} cannot be imported: {_said(error)}") from error
        function = getattr(module, attribute or "model", None)
        if not callable(function):
            raise ModelError(
                f"{path} has no callable {attribute or 'model'!r}; expected one that takes the "
                "model's inputs (name another with FILE.py:ATTRIBUTE)"
            )
        super().__init__(function, str(path) + (f":{attribute}" if attribute else ""))


def _said(error: Exception) -> str:
    """The exception, and the line of a program that raised it."""
    said = rejection(error, place=_place(error))
    return f"{said.exception}: {said.message}"


def _place(error: BaseException) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(_HERE)
    ]
    return f"line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""

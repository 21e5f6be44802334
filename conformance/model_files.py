"""Judging what tf.keras makes of a saved model, layer by layer.

Each layer is judged on the input that it was given by the framework, so that what an earlier layer
did wrong is not counted again, by the bound of the suite's judge (`conformance.asserting`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.asserting.layer import assert_layer_conforms
from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.implementations.families import Entry

Array = np.ndarray[Any, Any]

_FREE_LENGTH: Final = 12
_BATCH: Final = 2
_ERROR: Final = re.compile(r"[\w.]*(Error|Exception)\b")


class ModelError(Exception):
    """A model that tf.keras could not run, or that cannot be judged layer by layer."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer within a model: its name, what it was given, what it made of it."""

    layer: str
    inputs: Array
    outputs: Array


@dataclass(frozen=True)
class JudgedCall:
    """A call judged: the layer's name, one line about it, and what is wrong, or None."""

    layer: str
    summary: str
    problem: str | None


def operands_for(model: Any) -> list[Array]:
    """An array for each input of an oracle's model, from the suite's generator.

    A free batch is 2, every other free length 12.  Floating-point inputs are real numbers of
    random sign, others small integers.
    """
    arrays: list[Array] = []
    for index, tensor in enumerate(model.inputs):
        batch, *rest = tensor.shape
        lengths = [_FREE_LENGTH if length is None else length for length in rest]
        shape = (_BATCH if batch is None else batch, *lengths)
        kind = "reals" if "float" in tensor.dtype else "integers"
        case = Case.of("Flatten", shape, dtype=tensor.dtype, operands=kind, seed=index)
        arrays.append(np.asarray(operands(case).inputs))
    return arrays


def observe_model(path: Path, inputs: Sequence[Array], entry: Entry, timeout: float) -> list[Call]:
    """Run a saved model on tf.keras, in a process of its own, and look at every layer's call.

    Args:
        path: the ``.keras`` file.
        inputs: one array per input of the model.
        entry: the variant of tf.keras.
        timeout: seconds allowed, start included.

    Raises:
        ModelError: if the process fails or takes too long; the message is its last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "inputs.npz"), Path(folder, "outputs.npz")
        named: dict[str, Any] = {str(index): array for index, array in enumerate(inputs)}
        np.savez(given, **named)
        mode = str(entry.options.get("mode", "eager"))
        _run([str(path), mode, str(given), str(made)], entry, timeout)
        with np.load(made, allow_pickle=False) as found:
            names = json.loads(str(found["calls"]))
            return [
                Call(name, found[f"{index}.inputs"], found[f"{index}.outputs"])
                for index, name in enumerate(names)
            ]


def _run(arguments: list[str], entry: Entry, timeout: float) -> None:
    root = str(Path(__file__).resolve().parents[1])
    search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", "conformance.implementations.keras_model", *arguments]
    environment = {**os.environ, **entry.environment, "PYTHONPATH": search}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"the model gave no answer within {timeout:g} seconds") from None
    if done.returncode:
        words = done.stderr.strip().splitlines()
        errors = [line for line in words if _ERROR.match(line)]
        said = (errors or words or [f"exit status {done.returncode}"])[-1]
        raise ModelError(f"the model could not be run: {said}")


def judge_calls(model: Any, calls: Sequence[Call]) -> Iterator[JudgedCall]:
    """Judge each call by the layer of that name in an oracle's model with the same weights.

    Raises:
        ModelError: if a layer cannot be judged: it is a model itself, or has an activation whose
            errors have no known bound.
    """
    for call in calls:
        layer = model.get_layer(call.layer)
        summary = f"{call.layer} ({type(layer).__name__}) {call.inputs.shape} -> "
        try:
            assert_layer_conforms(call.outputs, layer, call.inputs)
        except AssertionError as error:
            yield JudgedCall(call.layer, f"{summary}{call.outputs.shape}", str(error))
        except (TypeError, ValueError) as error:
            raise ModelError(f"the layer {call.layer!r} cannot be judged: {error}") from error
        else:
            yield JudgedCall(call.layer, f"{summary}{call.outputs.shape}", None)

"""Inputs for a model: ordinary ones, such as make first sums exact, and such as stand apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.models.candidates import Array
from conformance.models.errors import ModelError

_FREE_LENGTH: Final = 12
_BATCH: Final = 2
_SPIKE: Final = 1e6
_SPIKE_OF_HALF: Final = 64.0
"""What float16 holds, and sums of it as well."""

KINDS: Final = ("ordinary", "integers", "spikes")
"""What is generated: real numbers of random sign, small integers, and one large element."""


def generated(model: Any, kind: str) -> list[Array]:
    """An array for each input of an oracle's model.

    A free batch is 2, every other free length 12.  Integers are none below zero, as they may be
    places in a table.

    Args:
        model: the model.
        kind: one of `KINDS`.
    """
    arrays = []
    is_half = any(getattr(layer, "compute_dtype", "") == "float16" for layer in model.layers)
    spike = _SPIKE_OF_HALF if is_half else _SPIKE
    for index, tensor in enumerate(model.inputs):
        batch, *rest = tensor.shape
        lengths = [_FREE_LENGTH if length is None else length for length in rest]
        shape = (_BATCH if batch is None else batch, *lengths)
        arrays.append(_array(shape, tensor.dtype, kind, index, spike))
    return arrays


def _array(shape: tuple[int, ...], dtype: str, kind: str, seed: int, spike: float) -> Array:
    if "float" not in dtype:
        case = Case.of("Flatten", shape, dtype="float32", operands="small", seed=seed)
        numbers: Array = np.abs(np.asarray(operands(case).inputs))
        return numbers.astype(dtype)
    recipe = "small" if kind == "integers" else "reals"
    case = Case.of("Flatten", shape, dtype=dtype, operands=recipe, seed=seed)
    array: Array = np.array(operands(case).inputs)
    if kind == "spikes" and array.size:
        array.reshape(-1)[array.size // 2] = spike
    return array


def read_inputs(model: Any, given: Sequence[str], names: Sequence[str]) -> list[Array]:
    """The arrays of ``--inputs``: in the inputs' order, or ``NAME=FILE.npy`` each.

    Raises:
        ModelError: if one is missing, unknown, no array, or of a shape or dtype that does not fit.
    """
    files = _by_name(given, names)
    arrays = [
        _checked(np_load(files[name]), tensor, name, files[name])
        for name, tensor in zip(names, model.inputs, strict=True)
    ]
    check_batches(arrays, names)
    return arrays


def check_batches(arrays: Sequence[Array], names: Sequence[str]) -> None:
    """See to it that all inputs have the same number of samples.

    Raises:
        ModelError: if they have not.
    """
    counts = {len(array) for array in arrays if array.ndim}
    if len(counts) > 1:
        said = ", ".join(f"{n!r} has {len(a)}" for n, a in zip(names, arrays, strict=True))
        raise ModelError(f"the inputs differ in their number of samples: {said}")


def _by_name(given: Sequence[str], names: Sequence[str]) -> Mapping[str, str]:
    if len(given) != len(names):
        raise ModelError(
            f"--inputs is given {len(given)} times; expected once for each of the model's "
            f"{len(names)} inputs: {', '.join(names)}"
        )
    if any("=" in item for item in given) and not all("=" in item for item in given):
        raise ModelError(
            f"--inputs {' '.join(given)}: expected NAME=FILE.npy for each, or FILE.npy for each in "
            f"the order {', '.join(names)}"
        )
    if "=" not in given[0]:
        return dict(zip(names, given, strict=True))
    files = dict(item.split("=", 1) for item in given)
    if files.keys() != {*names}:
        raise ModelError(f"--inputs names {', '.join(files)}; expected {', '.join(names)}")
    return files


def np_load(path: str) -> Array:
    """The array of a ``.npy`` file.

    Raises:
        ModelError: if it is none.
    """
    try:
        array = np.load(Path(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"--inputs {path}: no array can be read ({error})") from error
    if not isinstance(array, np.ndarray):
        raise ModelError(f"--inputs {path}: expected a .npy file with one array")
    return array


def _checked(array: Array, tensor: Any, name: str, path: str) -> Array:
    fits = array.ndim == len(tensor.shape) and all(
        length is None or length == given
        for length, given in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        raise ModelError(
            f"--inputs {path}: the shape is {array.shape}; expected {tensor.shape} for the input "
            f"{name!r}"
        )
    if array.dtype.name != tensor.dtype:
        raise ModelError(
            f"--inputs {path}: the dtype is {array.dtype.name}; expected {tensor.dtype} for the "
            f"input {name!r} (numpy.save(file, array.astype({tensor.dtype!r})))"
        )
    return array

"""A whole model judged in someone's own tests: `assert_model_conforms`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conformance.implementations.observation import as_array
from conformance.models.candidates import Array
from conformance.models.comparison import compare
from conformance.models.errors import ModelError
from conformance.models.findings import Verdict
from conformance.models.inputs import check_batches
from conformance.models.program_candidate import CallableCandidate
from conformance.models.report import blamed, sentence
from conformance.models.source import Source, of_model, read
from reference_impl.engine.dtypes import convert


def assert_model_conforms(outputs: Any, model: Any, inputs: Any) -> None:
    """Assert that outputs are what a model is documented to make of its inputs.

    Args:
        outputs: the model's output, a list of its outputs, or a dict from layers' names to their
            outputs, by which the first wrong layer is named; arrays of NumPy or tensors of any
            framework, in either layout.
        model: a built model of `reference_impl`, or the path of a ``.keras`` or ``.h5`` file.
        inputs: an array, a list of arrays, or a dict by the names of the model's inputs;
            converted to the dtype of the input first.

    Raises:
        AssertionError: if an output is farther from the exact one than rounding can explain.  The
            message names the first wrong layer, counts the wrong elements, and says which known
            mistake gives them, if one does.
        TypeError: if `outputs` or `inputs` holds no arrays.
        ValueError: if `model` cannot be read or judged, or does not take the inputs.
    """
    __tracebackhide__ = True
    try:
        source = read(Path(model)) if isinstance(model, (str, os.PathLike)) else of_model(model)
    except ModelError as error:
        raise ValueError(f"assert_model_conforms: argument `model`: {error}") from error
    arrays = _inputs(inputs, source)
    _check_names(outputs, source)
    try:
        comparison = compare(source, CallableCandidate(lambda *_: outputs, "outputs"), arrays)
    except ModelError as error:
        raise TypeError(f"assert_model_conforms: argument `outputs`: {error}") from error
    if comparison.verdict not in (Verdict.WRONG, Verdict.NOT_JUDGED):
        return
    first = comparison.first_wrong
    if first is not None and first.among:
        raise AssertionError(blamed(first))
    if first is not None:
        raise AssertionError(f"{first.kind} {first.layer!r}: {sentence(first)}")
    said = [w.message or f"{w.ratio or 0:.3g} times the bound" for _, w in comparison.wholes]
    raise AssertionError(f"the outputs are not the model's: {'; '.join(said) or 'none was judged'}")


def _inputs(given: Any, source: Source) -> list[Array]:
    names = source.names
    if isinstance(given, Mapping):
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(
                f"assert_model_conforms: argument `inputs` has no {missing[0]!r}; expected "
                f"{', '.join(names)}"
            )
        given = [given[name] for name in names]
    listed = given if isinstance(given, (list, tuple)) and len(names) > 1 else [given]
    if len(names) == 1 and isinstance(given, (list, tuple)) and len(given) == 1:
        listed = [*given]
    if len(listed) != len(names):
        raise ValueError(
            f"assert_model_conforms: {len(listed)} inputs are given; expected {len(names)}: "
            f"{', '.join(names)}"
        )
    arrays = [
        _input(item, t, n) for item, t, n in zip(listed, source.model.inputs, names, strict=True)
    ]
    try:
        check_batches(arrays, names)
    except ModelError as error:
        raise ValueError(f"assert_model_conforms: argument `inputs`: {error}") from error
    return arrays


def _input(given: Any, tensor: Any, name: str) -> Array:
    array = as_array(given)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"assert_model_conforms: the input {name!r} is {array}; expected an array")
    fits = array.ndim == len(tensor.shape) and all(
        n is None or n == m for n, m in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"assert_model_conforms: the input {name!r} has the shape {array.shape}; expected "
            f"{tensor.shape}"
        )
    is_taken = "float" in tensor.dtype and array.dtype.kind in "fiu"
    return convert(array, tensor.dtype) if is_taken else array


def _check_names(outputs: Any, source: Source) -> None:
    if not isinstance(outputs, Mapping):
        return
    layers = [step.name for step in source.steps]
    unknown = [str(name) for name in outputs if name not in layers]
    if unknown or not outputs:
        raise ValueError(
            f"assert_model_conforms: argument `outputs` names {', '.join(unknown) or 'no layer'}; "
            f"the model's layers are {', '.join(layers)}"
        )

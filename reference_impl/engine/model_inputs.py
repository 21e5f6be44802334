"""What a call of a model is given, matched with the inputs that the model has."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reference_impl.engine import arguments
from reference_impl.engine.dtypes import (
    FLOATS,
    Array,
    as_array,
    convert,
    is_array,
    is_float,
    numpy_dtype,
)
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.structure import flatten, map_structure
from reference_impl.showing import shown


def inputs_by_structure(template: Any, names: Sequence[str], given: Any) -> list[Any] | None:
    """The inputs flat, in the order of the template's; None where they do not fit it.

    Args:
        template: the structure that the model was made with.
        names: names of the inputs, flat.
        given: the inputs of a call: in that structure, lists for tuples; a dictionary may hold
            more than is asked for (which is warned of), or stand for a list of inputs by their
            names; and an array for a list of one.
    """
    if isinstance(given, Mapping) and not isinstance(template, Mapping):
        given_names = [name for name in names if name in given]
        return [given[name] for name in names] if len(given_names) == len(names) else None
    if isinstance(template, Mapping):
        if not isinstance(given, Mapping):
            return _in_sorted_order(template, given)
        return _from_mapping(template, names, given)
    if isinstance(template, (list, tuple)):
        return _from_sequence(template, names, given)
    if isinstance(given, (list, tuple)):
        return _from_list(given)
    return [given]


def _from_mapping(
    template: Mapping[str, Any], names: Sequence[str], given: Mapping[str, Any]
) -> list[Any] | None:
    if any(key not in given for key in template):
        return None
    if len(given) > len(template):
        _warn_of_structure(template, given)
    parts = [inputs_by_structure(template[key], names, given[key]) for key in sorted(template)]
    return None if None in parts else [item for part in parts if part for item in part]


def _from_list(given: Sequence[Any]) -> list[Any] | None:
    """A single input given in a list of its own, or as a list of numbers."""
    if len(given) == 1 and (given[0] is None or is_array(given[0]) or _is_symbolic(given[0])):
        return [given[0]]
    holds_tensors = any(is_array(item) or _is_symbolic(item) for item in flatten(given))
    return None if holds_tensors else [given]


def _is_symbolic(item: Any) -> bool:
    """Whether something is a symbolic tensor."""
    return isinstance(item, KerasTensor)


def _from_sequence(template: Any, names: Sequence[str], given: Any) -> list[Any] | None:
    if len(template) == 1 and (is_array(given) or _is_symbolic(given)):
        return [given]
    if not isinstance(given, (list, tuple)) or len(given) != len(template):
        return None
    parts = [inputs_by_structure(t, names, g) for t, g in zip(template, given, strict=True)]
    return None if None in parts else [item for part in parts if part for item in part]


def _in_sorted_order(template: Mapping[str, Any], given: Any) -> list[Any] | None:
    """A list for a dictionary whose keys are sorted, as Keras takes it with a warning."""
    flat = flatten(given) if isinstance(given, (list, tuple)) else [given]
    if [*template] != sorted(template) or len(flat) != len(flatten(template)):
        return None
    if len(template) > 1:
        _warn_of_structure(template, given)
    return flat


def _warn_of_structure(template: Any, given: Any) -> None:
    warnings.warn(
        "The structure of `inputs` doesn't match the expected structure: "
        f"{shown(map_structure(lambda _: '*', given))} was given; expected "
        f"{shown(map_structure(lambda tensor: tensor.name, template))}",
        UserWarning,
        stacklevel=2,
    )


def with_rank(owner: str, inputs: Any, start: KerasTensor) -> Any:
    """An array or symbolic tensor with as many axes as an input has.

    A missing axis of length 1 at the end is added, as Keras does.  Keras leaves out one too many
    as well, which the documentation's `shape` of the input does not allow.

    Raises:
        ValueError: if its shape does not fit all the same.
    """
    shape = tuple(inputs.shape)
    if len(shape) == start.ndim - 1 and start.shape[-1] == 1:
        shape = (*shape, 1)
    fits = len(shape) == start.ndim and all(
        length is None or given is None or length == given
        for length, given in zip(start.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{owner}: argument `inputs` has the shape {tuple(inputs.shape)}; expected "
            f"{start.shape} for the input {start.name!r}"
        )
    if shape == tuple(inputs.shape):
        return inputs
    if isinstance(inputs, KerasTensor):
        return KerasTensor(shape, inputs.dtype, inputs.sparse)
    return inputs.reshape(shape)


def _fits(array: Array, wanted: np.dtype[Any]) -> bool:
    """Whether every element is a real number that another dtype has as well."""
    if array.dtype.kind not in "fiub":
        return False
    with np.errstate(all="ignore"):
        return bool(np.array_equal(array, array.astype(wanted).astype(array.dtype)))


def fitted_input(owner: str, inputs: Any, start: KerasTensor) -> Array | None:
    """An array as an input of a model takes it: shape checked, in the input's dtype.

    Raises:
        TypeError: if its dtype does not fit, and not all its elements are numbers of the input's.
        ValueError: if it is no array, or its shape does not fit.
    """
    if inputs is None:
        layer = start._keras_history.operation if start._keras_history else None
        if getattr(layer, "optional", False):
            return None
        raise ValueError(
            f"{owner}: argument `inputs` is None for the input {start.name!r}, which is not "
            "optional; expected an array"
        )
    array = with_rank(owner, as_array(owner, inputs), start)
    wanted = numpy_dtype(start.dtype)
    to_float = start.dtype in FLOATS and (is_float(array.dtype) or array.dtype.kind in "iub")
    if not to_float and not np.can_cast(array.dtype, wanted, "safe") and not _fits(array, wanted):
        raise arguments.ArgumentError(
            f"{owner}: argument `inputs` is of dtype {array.dtype.name}; expected {start.dtype} "
            f"for the input {start.name!r}"
        )
    return convert(array, start.dtype)

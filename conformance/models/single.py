"""One documented layer by the suite's own judge (`conformance.asserting`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.asserting import layer as asserting
from conformance.judge.running_error import Floats


def problem(values: Floats, layer: Any, inputs: Floats) -> str | None:
    """What the suite's judge objects to; None where it does not, or cannot judge the layer.

    It has no case of a layer that computes in another dtype than its weights'.
    """
    if layer.compute_dtype != layer.dtype:
        return None
    given = np.asarray(inputs, layer.dtype)
    try:
        asserting.check_layer(layer)
        return asserting.problem_of(np.asarray(values, layer.dtype), layer, given)
    except (TypeError, ValueError):
        return None


def explanation(values: Floats, layer: Any, inputs: Floats) -> str:
    """The catalogue's fault that gives the values; empty where none does."""
    from conformance.diagnosis.arrays import explain_array

    given = np.asarray(inputs, layer.dtype)
    try:
        return explain_array(np.asarray(values, layer.dtype), layer, given) or ""
    except Exception:  # an explanation must not stand in the way of what it explains
        return ""


def descriptor(layer: Any, source: Any) -> str | None:
    """The case of a documented layer on the shape that it has in a model; None of others."""
    from conformance.diagnosis.arrays import case_of

    try:
        shape = tuple(2 if length is None else length for length in layer.input_shape)
        case = case_of(layer, np.zeros(shape, layer.dtype))
    except (AttributeError, TypeError, ValueError):
        return None
    return None if case is None else case.descriptor

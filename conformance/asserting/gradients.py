"""Gradients of one layer judged in someone's own tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.asserting.layer import (
    Array,
    array_of,
    check_layer,
    explain_gradients,
    taken_by,
)
from conformance.asserting.shapes import wrong_shape
from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.diagnosis.arrays import case_of
from conformance.judge.equality import equal
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS


def assert_gradients_conform(gradients: Any, layer: Any, inputs: Any, upstream: Any) -> None:
    """Assert that gradients are what a layer's output is documented to give.

    See `conformance.assertions.assert_conforms`.
    """
    __tracebackhide__ = True
    check_layer(layer)
    given, above = array_of(inputs), array_of(upstream)
    for name, array in (("inputs", given), ("upstream", above)):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"assert_conforms: argument `{name}` is {array}; expected an array")
    expected = layer.gradients(given, above)
    arrays = _named(gradients, expected)
    operands = _operands(layer, given, above)
    case = case_of(layer, taken_by(layer, given))
    if case is None:
        raise ValueError(
            f"assert_conforms: the activation of `layer` is {layer.activation!r}, for whose slope "
            "no bound is known; expected a documented one by its name"
        )
    case = case.replace(observe="gradients")
    problems = {
        name: problem
        for name, array in arrays.items()
        if (problem := _problem(name, array, expected[name], case, operands)) is not None
    }
    if problems:
        said = " ".join(f"Gradient of {name}: {problem}" for name, problem in problems.items())
        fault = explain_gradients(arrays, case, operands, expected)
        raise AssertionError(f"{type(layer).__name__} {layer.name!r}: {said}{fault}")


def _named(gradients: Any, expected: Mapping[str, Array]) -> dict[str, Any]:
    """The gradients by name, some of those that there are."""
    if not isinstance(gradients, Mapping):
        raise TypeError(
            f"assert_conforms: argument `actual` is {type(gradients).__name__}; with `upstream`, a "
            f"dict of gradients by name is expected: {', '.join(expected)}"
        )
    unknown = [str(name) for name in gradients if name not in expected]
    if unknown or not gradients:
        raise ValueError(
            f"assert_conforms: argument `actual` has {', '.join(unknown) or 'no gradient'}; the "
            f"layer's gradients are {', '.join(expected)}"
        )
    return {str(name): array_of(array) for name, array in gradients.items()}


def _operands(layer: Any, inputs: Array, upstream: Array) -> Operands:
    names = [weight.name for weight in layer.trainable_weights]
    weights = dict(zip(names, layer.get_weights(), strict=True))
    return Operands(taken_by(layer, inputs), weights, taken_by(layer, upstream))


def _problem(name: str, actual: Any, expected: Array, case: Case, operands: Operands) -> str | None:
    if not isinstance(actual, np.ndarray):
        return f"an array is expected, but it is {actual}."
    if actual.shape != expected.shape:
        return wrong_shape(
            actual, expected.shape, lambda a: _problem(name, a, expected, case, operands)
        )
    if actual.dtype != expected.dtype:
        return f"the dtype is {actual.dtype.name}, but should be {expected.dtype.name}."
    if equal(actual, expected):
        return None
    judgement = LAYERS[case.layer].gradient_judge(case, operands)(name, actual, expected)
    return None if judgement.verdict is Verdict.CONFORMS else judgement.message

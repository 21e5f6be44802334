"""Gradients of one layer judged in someone's own tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from conformance.asserting.callables import pulled_back
from conformance.asserting.layer import (
    Array,
    array_of,
    check_layer,
    explain_gradients,
    gauge_of,
    own_activation,
    taken_by,
    without_activation,
)
from conformance.asserting.shapes import wrong_shape
from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.diagnosis.arrays import case_of
from conformance.judge.contraction import as_float64
from conformance.judge.elements import judge_sums
from conformance.judge.equality import equal
from conformance.judge.gradients import convolution_gauges
from conformance.judge.sums import Gauge
from conformance.judge.verdict import Judgement, Verdict
from conformance.layers.registry import LAYERS
from reference_impl.engine.dtypes import convert


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
    judged = _by_callable if own_activation(layer) is not None else _by_case
    problems, fault = judged(gradients, layer, given, above)
    if problems:
        said = " ".join(f"Gradient of {name}: {problem}" for name, problem in problems.items())
        raise AssertionError(f"{type(layer).__name__} {layer.name!r}: {said}{fault}")


Judge = Callable[[str, Array, Array], Judgement]


def _by_case(
    gradients: Any, layer: Any, inputs: Array, upstream: Array
) -> tuple[dict[str, str], str]:
    """What is wrong with the gradients of a documented layer, and the fault that gives them."""
    expected = layer.gradients(inputs, upstream)
    arrays = _named(gradients, expected)
    operands = _operands(layer, inputs, upstream)
    case = _case(layer, inputs)
    problems = _problems(arrays, expected, LAYERS[case.layer].gradient_judge(case, operands))
    return problems, explain_gradients(arrays, case, operands, expected) if problems else ""


def _by_callable(
    gradients: Any, layer: Any, inputs: Array, upstream: Array
) -> tuple[dict[str, str], str]:
    """What is wrong with the gradients through a callable, and how they were judged."""
    taken = taken_by(layer, inputs)
    plain = without_activation(layer, taken)
    wide = without_activation(layer, taken, "float64")
    sums = gauge_of(plain, taken).convolution
    gauge = Gauge(sums)
    centre, error = sums.laid_out(gauge.centre), sums.laid_out(gauge.error)
    above = as_float64(taken_by(layer, upstream))
    if above.shape != centre.shape:
        raise ValueError(
            f"assert_conforms: argument `upstream` has the shape {above.shape}; expected that of "
            f"the output, {centre.shape}"
        )
    through = pulled_back(layer.activation, centre, error, above, sums.format)
    exact = wide.gradients(as_float64(taken), through.value)
    expected = {name: convert(array, layer.dtype) for name, array in exact.items()}
    arrays = _named(gradients, expected)
    operands = _operands(plain, taken, upstream)
    gauges = convolution_gauges(_case(plain, taken), operands, (through.value, through.error))
    problems = _problems(arrays, expected, lambda name, *pair: judge_sums(gauges[name], *pair))
    return problems, f" (The activation is a callable: {through.how}.)"


def _case(layer: Any, inputs: Array) -> Case:
    case = case_of(layer, taken_by(layer, inputs))
    if case is None:
        raise ValueError(
            f"assert_conforms: no case describes the layer {layer!r}, whose gradients are to be "
            "judged"
        )
    return case.replace(observe="gradients")


def _problems(
    arrays: Mapping[str, Any], expected: Mapping[str, Array], judge: Judge
) -> dict[str, str]:
    return {
        name: problem
        for name, array in arrays.items()
        if (problem := _problem(name, array, expected[name], judge)) is not None
    }


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


def _problem(name: str, actual: Any, expected: Array, judge: Judge) -> str | None:
    if not isinstance(actual, np.ndarray):
        return f"an array is expected, but it is {actual}."
    if actual.shape != expected.shape:
        return wrong_shape(actual, expected.shape, lambda a: _problem(name, a, expected, judge))
    if actual.dtype != expected.dtype:
        return f"the dtype is {actual.dtype.name}, but should be {expected.dtype.name}."
    if equal(actual, expected):
        return None
    judgement = judge(name, actual, expected)
    return None if judgement.verdict is Verdict.CONFORMS else judgement.message

"""Keras' activations that a layer has as callables: recognised, and judged by their formula."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from conformance.asserting.documented import documented
from conformance.assertions import assert_conforms
from conformance.judge.activations.activation import Elementwise
from conformance.judge.activations.gelu_by_tanh import GELU_BY_TANH
from conformance.judge.activations.pieces import squareplus
from conformance.judge.activations.smooth import celu, elu
from conformance.judge.definition.rounding import FORMATS

Array = np.ndarray[Any, Any]
Function = Callable[[Any], Any]


def of(name: str, **parameters: Any) -> Function:
    """One of the oracle's activations with parameters."""
    return functools.partial(getattr(keras.activations, name), **parameters)


def gelu_by_tanh(x: Array) -> Array:
    """As a framework has it: the sum with one cancels for negative arguments."""
    root, c = x.dtype.type(0.7978845608028654), x.dtype.type(0.044715)
    return x * (1 + np.tanh(root * (x + c * x * x * x))) / 2


def power_less_one(x: Array) -> Array:
    """The difference, which cancels near zero."""
    return np.exp(np.minimum(x, 0)) - 1


def softmax(x: Array, axis: int) -> Array:
    power = np.exp(x - x.max(axis, keepdims=True))
    return power / power.sum(axis, keepdims=True)


def at(x: Array, number: float) -> Any:
    return x.dtype.type(number)


FORMULAS: dict[str, tuple[Function, Function]] = {
    "gelu with approximate=True": (of("gelu", approximate=True), gelu_by_tanh),
    "elu with alpha=0.4": (
        of("elu", alpha=0.4),
        lambda x: np.where(x > 0, x, at(x, 0.4) * power_less_one(x)),
    ),
    "celu with alpha=2.5": (
        of("celu", alpha=2.5),
        lambda x: np.where(x > 0, x, at(x, 2.5) * power_less_one(x / at(x, 2.5))),
    ),
    "squareplus with b=0.3": (
        of("squareplus", b=0.3),
        lambda x: (x + np.sqrt(x * x + at(x, 0.3))) / 2,
    ),
    "softmax along axis 1": (
        lambda x: keras.activations.softmax(x, axis=1),
        lambda x: softmax(x, 1),
    ),
    "log_softmax along axis 2": (
        of("log_softmax", axis=-1),
        lambda x: np.log(softmax(x, -1)),
    ),
    "silu": (lambda x: x / (1 + np.exp(-x)), lambda x: x * (1 / (1 + np.exp(-x)))),
    "mish": (
        lambda x: x * np.tanh(np.log1p(np.exp(x))),
        lambda x: x * np.tanh(np.log1p(np.exp(x))),
    ),
}
"""What a layer is given, and what an implementation computes in its dtype."""

ELEMENTWISE = [name for name in FORMULAS if "softmax" not in name]


def sums_of(dtype: str) -> Array:
    """Arguments from tail to tail, those near zero among them."""
    x = np.linspace(-9.0, 9.0, 1500)
    near = np.geomspace(1e-5, 1.0, 250)
    return np.concatenate([x, -near, near]).astype(dtype).reshape(1, 20, 100)


def layer_of(function: Function, inputs: Array) -> Any:
    """A layer whose sums are its inputs."""
    arguments = {"use_bias": False, "dtype": inputs.dtype.name}
    layer = keras.layers.Conv1D(100, 1, activation=function, **arguments)
    layer.build(inputs.shape)
    layer.set_weights([np.eye(100, dtype=inputs.dtype)[None]])
    return layer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_evaluated_in_the_dtype_is_right(name: str, dtype: str) -> None:
    """Also in the tail, where the documented formula loses all digits; off by a hundredth is not.

    Without recognition more than a thousand of these elements are accused.
    """
    function, formula = FORMULAS[name]
    inputs = sums_of(dtype)
    layer, outputs = layer_of(function, inputs), formula(inputs)
    assert outputs.dtype == inputs.dtype
    assert_conforms(outputs, layer, inputs)
    place = np.unravel_index(np.argmax(np.abs(outputs)), outputs.shape)
    outputs[place] *= outputs.dtype.type(1.01)
    with pytest.raises(AssertionError, match=f"callable: {name}, with the bound of its formula"):
        assert_conforms(outputs, layer, inputs)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients_by_differences_of_the_formula(name: str) -> None:
    """Slopes that are differences of the formula in float64, rounded, are right; others are not."""
    function, formula = FORMULAS[name]
    inputs = sums_of("float32") + np.float32(1e-3)
    step = 2.0**-20
    wide = inputs.astype(np.float64)
    slopes = ((formula(wide + step) - formula(wide - step)) / (2 * step)).astype(np.float32)
    layer, upstream = layer_of(function, inputs), np.ones_like(inputs)
    assert_conforms({"inputs": slopes}, layer, inputs, upstream=upstream)
    slopes[0, 19, 50] *= np.float32(1.01)
    with pytest.raises(AssertionError, match=f"Gradient of inputs: 1 of 2000 .*{name}, with the"):
        assert_conforms({"inputs": slopes}, layer, inputs, upstream=upstream)


@pytest.mark.parametrize("axis", [1, 2])
def test_gradients_through_rows(axis: int) -> None:
    """``y (u - sum(u y))`` of a softmax along either axis is right, along the other it is not."""
    inputs = sums_of("float32") / np.float32(3)
    layer = layer_of(lambda x: keras.activations.softmax(x, axis=axis), inputs)
    upstream = np.random.default_rng(0).normal(size=inputs.shape).astype(np.float32)

    def gradient(along: int) -> Array:
        y = softmax(inputs, along)
        return np.asarray(y * (upstream - (upstream * y).sum(along, keepdims=True)))

    assert_conforms({"inputs": gradient(axis)}, layer, inputs, upstream=upstream)
    with pytest.raises(AssertionError, match=f"callable: softmax along axis {axis}, with the"):
        assert_conforms({"inputs": gradient(3 - axis)}, layer, inputs, upstream=upstream)


@pytest.mark.parametrize(
    ("said", "other"),
    [
        ("gelu with approximate=True", of("gelu")),
        ("elu with alpha=0.4", of("elu", alpha=0.41)),
        ("celu with alpha=2.5", of("elu", alpha=2.5)),
        ("squareplus with b=0.3", of("squareplus", b=0.31)),
        ("softmax along axis 1", of("softmax", axis=2)),
    ],
)
def test_another_parameter_is_wrong(said: str, other: Function) -> None:
    inputs = sums_of("float32")
    layer = layer_of(FORMULAS[said][0], inputs)
    with pytest.raises(AssertionError, match=rf"\d+ of 2000 elements are wrong.*{said}"):
        assert_conforms(other(inputs), layer, inputs)


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * np.sin(x),
        lambda x: x / (1 + np.exp(-1.702 * x)),
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: np.tanh(x) + 1e-9,
        lambda x: x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-3),
        lambda x: x[..., :1],
        lambda x: 1 / 0,
    ],
)
def test_other_functions_are_not_recognised(function: Function, rank: int) -> None:
    """One that differs by a billionth is another function."""
    assert documented(function, rank) is None


DEFINITIONS: dict[str, tuple[Elementwise, Function]] = {
    "gelu": (GELU_BY_TANH, of("gelu", approximate=True)),
    "elu": (elu(0.4, "elu"), of("elu", alpha=0.4)),
    "celu": (celu(2.5, "celu"), of("celu", alpha=2.5)),
    "squareplus": (squareplus(0.3, "squareplus"), of("squareplus", b=0.3)),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_judges_definition_gives_the_oracles_bits(name: str, dtype: str) -> None:
    """Two derivations of the same function, both rounded once."""
    definition, function = DEFINITIONS[name]
    x = np.concatenate([sums_of(dtype).reshape(-1)[::9], np.array([-70, 64, 0, 1e-4], dtype)])
    found = [definition.round_one(Fraction(float(number)), FORMATS[dtype]) for number in x]
    assert np.array_equal(found, function(x).astype(np.float64))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_judges_slopes_are_those_of_its_definition(name: str) -> None:
    """The derivative is the limit of differences: at h their distance is at most ``9 h``."""
    definition, _ = DEFINITIONS[name]
    h = Fraction(1, 1 << 24)
    for number in np.linspace(-4.0, 4.0, 41):
        x = Fraction(float(number)) + Fraction(1, 1000)
        ends = [definition.round_one(x + sign * h, FORMATS["float64"]) for sign in (1, -1)]
        slope = definition.pulled_back([x], [Fraction(1)], 1, 1)[0]
        assert abs((ends[0] - ends[1]) * 2**23 - slope) < 2.0**-20

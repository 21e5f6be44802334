"""The first values of weights."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.scenarios.scenario import (
    Array,
    Scenario,
    array,
    construct,
    decimals,
    listed,
    unpacked,
)
from conformance.cases.scenarios.weighted import (
    built,
    configured,
    each_layer,
    objects,
    of,
    of_each,
    window_of,
)
from conformance.layers.registry import LAYERS, convolution_layers


def _initialised(case: Case, layer: Any) -> Array:
    """The weights whose initializer the case gives, or the kernel."""
    kernel, bias = layer.get_weights()
    return array(bias if "bias_initializer" in case.keywords else kernel)


def _constant_literal(values: Array) -> Any:
    return {"shape": list(values.shape), "values": sorted(set(decimals(values.ravel())))}


def _observe_first_values(keras: Any, case: Case) -> Any:
    return _constant_literal(_initialised(case, built(keras, case)))


def _observe_first_values_of_object(keras: Any, case: Case) -> Any:
    return _constant_literal(_initialised(case, built(keras, case, **objects(keras, case))))


def _quarter(shape: Any, dtype: Any = None, **_: Any) -> Array:
    return np.full(tuple(shape), 0.25, getattr(dtype, "name", dtype) or "float32")


def _observe_first_values_of_callable(keras: Any, case: Case) -> Any:
    layer = built(keras, case, kernel_initializer=_quarter)
    return _constant_literal(_initialised(case, layer))


_CONSTANT: Final[dict[str, float]] = {
    "zeros": 0.0,
    "Zeros": 0.0,
    "zero": 0.0,
    "ones": 1.0,
    "Ones": 1.0,
    "one": 1.0,
    "constant": 0.0,
    "Constant": 0.0,
}


def _expect_first_values(case: Case) -> Any:
    """Every weight is the initializer's constant; a configuration gives it as ``value``."""
    is_bias = "bias_initializer" in case.keywords
    identifier = case.keywords.get("bias_initializer" if is_bias else "kernel_initializer")
    value = 0.25
    if isinstance(identifier, dict):
        value = identifier["config"]["value"]
    elif identifier is not None:
        value = listed(_CONSTANT, identifier, case)
    return {"shape": [2] if is_bias else [*window_of(case.layer), 2, 2], "values": [value]}


_HALF: Final = configured("Constant", value=0.5)


def _first_value_cases(layer: str) -> Iterable[Case]:
    for name in _CONSTANT:
        yield of("initial_weights", layer, kernel_initializer=name)
    yield of("initial_weights", layer, bias_initializer="ones")
    yield of("initial_weights", layer, kernel_initializer=_HALF)
    yield of("initial_weights", layer, bias_initializer=_HALF)


def _observe_transform(keras: Any, case: Case) -> Any:
    layer = construct(keras, case)
    layer.build((1, 8, 1))
    return decimals(layer.get_weights()[0])


def _expect_transform(_: Case) -> Any:
    """A Hann window over 4 steps is 0, 3/4, 3/4, 0; its squares sum up to 9/8.

    The two steps in the middle so have the weight (3/4) / sqrt(9/8) = sqrt(1/2), and the
    frequencies 0, 1, 2 of 4 give cos(0) = 1, 1 there, cos(pi/2) = 0 and cos(pi) = -1, and
    cos(pi) = -1 and cos(2 pi) = 1.
    """
    w = round(sqrt(0.5), 5)
    zeros = [0.0, 0.0, 0.0]
    return [[zeros], [[w, 0.0, -w]], [[w, -w, w]], [zeros]]


def _observe_matrix(keras: Any, case: Case) -> Any:
    """An initializer that is for matrices, called on the shape (3, 4)."""
    initializer = keras.initializers.get(case.keywords["kernel_initializer"])
    return decimals(initializer(shape=(3, 4), dtype="float32"))


def _expect_matrix(case: Case) -> Any:
    """Ones on the main diagonal, times the gain."""
    identifier = case.keywords["kernel_initializer"]
    gain = identifier["config"]["gain"] if isinstance(identifier, dict) else 1.0
    return [[gain if row == column else 0.0 for column in range(4)] for row in range(3)]


_RANDOM_WINDOWS: Final = ((6,), (3, 2))
"""By the number of axes, windows of 6 taps."""

_FAN_IN: Final = 48
_FAN_OUT: Final = 96


def _truncated(deviation: float) -> tuple[float, float]:
    """Limit and reach of a normal cut at two deviations and scaled up to the deviation wanted.

    The cut lowers the standard deviation to 0.87962566103423978 of the normal's own.
    """
    own = deviation / 0.87962566103423978
    return 2 * own, own


def _uniform(limit: float) -> tuple[float, float]:
    return limit, limit / 2


_SPREAD: Final[dict[str, tuple[float, float]]] = {
    "glorot_uniform": _uniform(sqrt(6 / (_FAN_IN + _FAN_OUT))),
    "GlorotUniform": _uniform(sqrt(6 / (_FAN_IN + _FAN_OUT))),
    "glorot_normal": _truncated(sqrt(2 / (_FAN_IN + _FAN_OUT))),
    "he_uniform": _uniform(sqrt(6 / _FAN_IN)),
    "he_normal": _truncated(sqrt(2 / _FAN_IN)),
    "lecun_uniform": _uniform(sqrt(3 / _FAN_IN)),
    "lecun_normal": _truncated(sqrt(1 / _FAN_IN)),
    "variance_scaling": _truncated(sqrt(1 / _FAN_IN)),
    "random_uniform": _uniform(0.05),
    "uniform": _uniform(0.05),
    "truncated_normal": (0.1, 0.05),
    "random_normal": (0.5, 0.05),
    "normal": (0.5, 0.05),
}
"""Largest magnitude of a first value, and one that the largest of 768 values reaches.

A normal's limit is ten deviations, exceeded with a probability below 1e-20 for 768 values; the
reach, half the limit of a uniform and one deviation of a normal, is missed by all of them with a
probability below 0.72 ** 768 < 1e-100.
"""


def _observe_spread(keras: Any, case: Case) -> Any:
    """Whether random first values are finite, within the limit, of both signs, and spread.

    The limit has a margin of 2 ** -22: one rounding of the limit and one of the product to
    float32 are below that.
    """
    limit, reach = listed(_SPREAD, case.keywords["kernel_initializer"], case)
    values = _initialised(case, built(keras, case)).astype(np.float64)
    return {
        "shape": list(values.shape),
        "finite": bool(np.isfinite(values).all()),
        "within limit": bool(np.abs(values).max() <= limit * (1 + 2.0**-22)),
        "both signs": bool(values.min() < 0 < values.max()),
        "reaches": bool(np.abs(values).max() >= reach),
    }


def _expect_spread(case: Case) -> Any:
    """The kernel's shape; the limits follow from the initializer's formula (`_SPREAD`).

    fan_in = 6 taps times 8 channels = 48, fan_out = 6 taps times 16 filters = 96.
    """
    true = dict.fromkeys(("finite", "within limit", "both signs", "reaches"), True)
    return {"shape": [*facts(case).window, 8, 16], **true}


def _random_case(observe: str, layer: str, name: str) -> Case:
    rank = LAYERS[layer].rank
    sizes: dict[str, Any] = {"filters": 16, "kernel_size": unpacked(_RANDOM_WINDOWS[rank - 1])}
    inputs = (1, *[9] * rank, 8)
    return Case.of(layer, inputs, observe=observe, **sizes, kernel_initializer=name)


def _observe_orthogonality(keras: Any, case: Case) -> Any:
    """Whether the columns of the kernel, as a matrix of 48 by 16, are orthonormal.

    A Householder factorisation in float32 departs from orthogonality by at most
    sqrt(n) c m n u, with n = 16 columns, m = 48 rows, u = 2 ** -24 and a small constant c
    (N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., theorem 19.4); 0.002
    leaves room for c = 10.
    """
    kernel = _initialised(case, built(keras, case)).astype(np.float64)
    matrix = kernel.reshape(-1, kernel.shape[-1])
    defect = np.abs(matrix.T @ matrix - np.eye(matrix.shape[1])).max()
    return {"shape": list(kernel.shape), "orthonormal": bool(defect < 0.002)}


def _expect_orthogonality(case: Case) -> Any:
    """The defining property, on the kernel's shape."""
    return {"shape": [*facts(case).window, 8, 16], "orthonormal": True}


SCENARIOS: Final = (
    Scenario(
        "initial_weights",
        _observe_first_values,
        _expect_first_values,
        each_layer(_first_value_cases),
    ),
    Scenario(
        "initial_weights_of_object",
        _observe_first_values_of_object,
        _expect_first_values,
        of_each("initial_weights_of_object", kernel_initializer=_HALF),
    ),
    Scenario(
        "initial_weights_of_callable",
        _observe_first_values_of_callable,
        _expect_first_values,
        of_each("initial_weights_of_callable"),
    ),
    Scenario(
        "fourier_weights",
        _observe_transform,
        _expect_transform,
        (
            Case.of(
                "Conv1D",
                observe="fourier_weights",
                filters=3,
                kernel_size=4,
                kernel_initializer="stft",
            ),
        ),
    ),
    Scenario(
        "initial_matrix",
        _observe_matrix,
        _expect_matrix,
        (
            of("initial_matrix", "Conv1D", kernel_initializer="identity"),
            of("initial_matrix", "Conv1D", kernel_initializer=configured("Identity", gain=2.0)),
        ),
    ),
    Scenario(
        "initial_spread",
        _observe_spread,
        _expect_spread,
        tuple(
            _random_case("initial_spread", layer, name)
            for layer in convolution_layers()
            for name in _SPREAD
        ),
    ),
    Scenario(
        "initial_orthogonality",
        _observe_orthogonality,
        _expect_orthogonality,
        tuple(
            _random_case("initial_orthogonality", layer, "orthogonal")
            for layer in convolution_layers()
        ),
    ),
)

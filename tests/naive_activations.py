"""The documented formulas of the activations, evaluated step by step in the array's own dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_erf = np.frompyfunc(math.erf, 1, 1)


def _constant(x: Array, value: float) -> Array:
    return np.asarray(value).astype(x.dtype)


def erf(x: Array) -> Array:
    """The error function, through float64."""
    return np.asarray(_erf(x.astype(np.float64))).astype(np.float64).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    one = _constant(x, 1)
    return one / (one + np.exp(-x))


def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``, with the larger part taken out where it would overflow."""
    one = _constant(x, 1)
    large = np.maximum(x, _constant(x, 0)) + np.log(np.exp(-np.abs(x)) + one)
    return np.where(x > 0, large, np.log(np.exp(np.minimum(x, one)) + one))


def elu(x: Array) -> Array:
    one = _constant(x, 1)
    return np.where(x > 0, x, np.exp(np.minimum(x, one)) - one)


def hard_sigmoid(x: Array) -> Array:
    return relu6(x + _constant(x, 3)) / _constant(x, 6)


def clip(x: Array, low: float, high: float) -> Array:
    """The nearest number between two, in the dtype of x (`numpy.clip` widens bfloat16)."""
    return np.minimum(np.maximum(x, _constant(x, low)), _constant(x, high))


def relu6(x: Array) -> Array:
    return clip(x, 0, 6)


def softmax(x: Array) -> Array:
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True, dtype=x.dtype)


def log_softmax(x: Array) -> Array:
    distances = x - x.max(-1, keepdims=True)
    return distances - np.log(np.exp(distances).sum(-1, keepdims=True, dtype=x.dtype))


def sparsemax(x: Array) -> Array:
    one = _constant(x, 1)
    descending = np.flip(np.sort(x, axis=-1), -1)
    sums = np.add.accumulate(descending, axis=-1, dtype=x.dtype)
    counts = np.arange(1, x.shape[-1] + 1).astype(x.dtype)
    count = (descending - (sums - one) / counts > 0).sum(-1, keepdims=True)
    last = np.maximum(count - 1, 0)
    threshold = (np.take_along_axis(sums, last, axis=-1) - one) / count.astype(x.dtype)
    return np.maximum(x - threshold, _constant(x, 0))


def glu(x: Array) -> Array:
    a, b = np.split(x, 2, axis=-1)
    return a * sigmoid(b)


NAIVE: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, _constant(x, 0)),
    "relu6": relu6,
    "leaky_relu": lambda x: np.where(x > 0, x, x * _constant(x, 0.2)),
    "hard_tanh": lambda x: clip(x, -1, 1),
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "hard_shrink": lambda x: np.where(np.abs(x) > _constant(x, 0.5), x, _constant(x, 0)),
    "soft_shrink": lambda x: np.where(
        np.abs(x) > _constant(x, 0.5), x - np.copysign(_constant(x, 0.5), x), _constant(x, 0)
    ),
    "softsign": lambda x: x / (_constant(x, 1) + np.abs(x)),
    "sparse_plus": lambda x: np.where(
        x >= 1,
        x,
        np.where(x <= -1, _constant(x, 0), np.square(x + _constant(x, 1)) / _constant(x, 4)),
    ),
    "sparse_sigmoid": lambda x: clip((x + _constant(x, 1)) / _constant(x, 2), 0, 1),
    "squareplus": lambda x: (x + np.sqrt(x * x + _constant(x, 4))) / _constant(x, 2),
    "exponential": np.exp,
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "tanh": np.tanh,
    "tanh_shrink": lambda x: x - np.tanh(x),
    "softplus": softplus,
    "log_sigmoid": lambda x: -softplus(-x),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "elu": elu,
    "celu": elu,
    "selu": lambda x: (
        _constant(x, 1.0507009873554805)
        * np.where(
            x > 0,
            x,
            _constant(x, 1.6732632423543772)
            * (np.exp(np.minimum(x, _constant(x, 1))) - _constant(x, 1)),
        ).astype(x.dtype)
    ),
    "gelu": lambda x: (
        _constant(x, 0.5) * x * (_constant(x, 1) + erf(x / _constant(x, math.sqrt(2))))
    ),
    "softmax": softmax,
    "log_softmax": log_softmax,
    "sparsemax": sparsemax,
    "glu": glu,
}
"""By the activations' names."""

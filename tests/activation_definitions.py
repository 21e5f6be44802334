"""The element-wise activations as their documentation defines them, on fractions.

Written from the formulas, for comparison with the library: `DEFINITIONS` maps an activation, as a
(name, parameters) pair, to a function from fraction to fraction that is exact where the formula is
rational and within ``2**-1200`` elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

from real_functions import exp, normal_distribution, pi, softplus, sqrt, tanh

from reference_impl import activations

Real = Callable[[Fraction], Fraction]
HALF = Fraction(1, 2)


def sigmoid(x: Fraction) -> Fraction:
    growth = exp(x)
    return growth / (1 + growth)


def elu(x: Fraction, alpha: Fraction = Fraction(1)) -> Fraction:
    return x if x > 0 else alpha * (exp(x) - 1)


def celu(x: Fraction, alpha: Fraction = Fraction(1)) -> Fraction:
    return max(x, Fraction(0)) + alpha * (exp(min(x, Fraction(0)) / alpha) - 1)


def selu(x: Fraction) -> Fraction:
    return Fraction(1.0507009873554805) * elu(x, Fraction(1.6732632423543772))


def gelu_tanh(x: Fraction) -> Fraction:
    inner = sqrt(2 / pi()) * (x + Fraction("0.044715") * x**3)
    return x * (1 + tanh(inner)) / 2


def squareplus(x: Fraction, b: Fraction = Fraction(4)) -> Fraction:
    return (x + sqrt(x * x + b)) / 2


def relu(
    x: Fraction,
    slope: Fraction = Fraction(0),
    maximum: Fraction | None = None,
    threshold: Fraction = Fraction(0),
) -> Fraction:
    if x <= threshold:
        return slope * (x - threshold)
    return x if maximum is None else min(x, maximum)


def sparse_plus(x: Fraction) -> Fraction:
    if abs(x) < 1:
        return (x + 1) ** 2 / 4
    return x if x > 0 else Fraction(0)


def soft_shrink(x: Fraction, threshold: Fraction) -> Fraction:
    if x > threshold:
        return x - threshold
    return x + threshold if x < -threshold else Fraction(0)


def clip(x: Fraction, low: Fraction | int, high: Fraction | int) -> Fraction:
    return Fraction(sorted((low, x, high))[1])


SMOOTH: dict[str, tuple[Any, Real]] = {
    "celu": (activations.celu, celu),
    "celu alpha=0.3": (partial(activations.celu, alpha=0.3), lambda x: celu(x, Fraction(0.3))),
    "celu alpha=-0.7": (partial(activations.celu, alpha=-0.7), lambda x: celu(x, Fraction(-0.7))),
    "elu": (activations.elu, elu),
    "elu alpha=2.7": (partial(activations.elu, alpha=2.7), lambda x: elu(x, Fraction(2.7))),
    "elu alpha=-1.1": (partial(activations.elu, alpha=-1.1), lambda x: elu(x, Fraction(-1.1))),
    "exponential": (activations.exponential, exp),
    "gelu": (activations.gelu, lambda x: x * normal_distribution(x)),
    "gelu approximate": (partial(activations.gelu, approximate=True), gelu_tanh),
    "log_sigmoid": (activations.log_sigmoid, lambda x: -softplus(-x)),
    "mish": (activations.mish, lambda x: x * tanh(softplus(x))),
    "selu": (activations.selu, selu),
    "sigmoid": (activations.sigmoid, sigmoid),
    "silu": (activations.silu, lambda x: x * sigmoid(x)),
    "softplus": (activations.softplus, softplus),
    "squareplus": (activations.squareplus, squareplus),
    "squareplus b=0.1": (
        partial(activations.squareplus, b=0.1),
        lambda x: squareplus(x, Fraction(0.1)),
    ),
    "tanh": (activations.tanh, tanh),
    "tanh_shrink": (activations.tanh_shrink, lambda x: x - tanh(x)),
}

RATIONAL: dict[str, tuple[Any, Real]] = {
    "hard_shrink": (activations.hard_shrink, lambda x: x if abs(x) > HALF else Fraction(0)),
    "hard_shrink threshold=0.7": (
        partial(activations.hard_shrink, threshold=0.7),
        lambda x: x if abs(x) > Fraction(0.7) else Fraction(0),
    ),
    "hard_sigmoid": (activations.hard_sigmoid, lambda x: clip(x / 6 + HALF, 0, 1)),
    "hard_silu": (activations.hard_silu, lambda x: x * clip(x / 6 + HALF, 0, 1)),
    "hard_tanh": (activations.hard_tanh, lambda x: clip(x, -1, 1)),
    "leaky_relu": (activations.leaky_relu, lambda x: relu(x, Fraction(0.2))),
    "leaky_relu negative_slope=-1.5": (
        partial(activations.leaky_relu, negative_slope=-1.5),
        lambda x: relu(x, Fraction(-1.5)),
    ),
    "linear": (activations.linear, lambda x: x),
    "relu": (activations.relu, relu),
    "relu all parameters": (
        partial(activations.relu, negative_slope=0.3, max_value=5.7, threshold=1.1),
        lambda x: relu(x, Fraction(0.3), Fraction(5.7), Fraction(1.1)),
    ),
    "relu max_value=0.1": (
        partial(activations.relu, max_value=0.1),
        lambda x: relu(x, maximum=Fraction(0.1)),
    ),
    "relu threshold=-0.6": (
        partial(activations.relu, threshold=-0.6),
        lambda x: relu(x, threshold=Fraction(-0.6)),
    ),
    "relu6": (activations.relu6, lambda x: clip(x, 0, 6)),
    "soft_shrink": (activations.soft_shrink, lambda x: soft_shrink(x, HALF)),
    "soft_shrink threshold=0.3": (
        partial(activations.soft_shrink, threshold=0.3),
        lambda x: soft_shrink(x, Fraction(0.3)),
    ),
    "softsign": (activations.softsign, lambda x: x / (abs(x) + 1)),
    "sparse_plus": (activations.sparse_plus, sparse_plus),
    "sparse_sigmoid": (activations.sparse_sigmoid, lambda x: clip((x + 1) / 2, 0, 1)),
    "threshold": (
        partial(activations.threshold, threshold=0.4, default_value=-2.3),
        lambda x: x if x > Fraction(0.4) else Fraction(-2.3),
    ),
}

DEFINITIONS = SMOOTH | RATIONAL

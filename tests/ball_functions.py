"""The activations and their derivatives by ball arithmetic (python-flint), and checks of roundings.

Written from the formulas of the documentation, in a library that nobody here wrote; it shares
nothing with the oracle.  `certain` decides whether a float64 is a real number rounded to nearest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from flint import arb, ctx

from reference_impl import activations

Ball = Any
Function = Callable[[Ball], Ball]

FIRST_BITS = 128
DOUBLINGS = 8


def number(value: float) -> Ball:
    """A float64 as an exact ball."""
    return arb(value)


def sigmoid(x: Ball) -> Ball:
    return 1 / (1 + (-x).exp())


def bump(x: Ball) -> Ball:
    return sigmoid(x) * sigmoid(-x)


def softplus(x: Ball) -> Ball:
    return x.exp().log1p()


def normal(x: Ball) -> Ball:
    return (-x / arb(2).sqrt()).erfc() / 2


def density(x: Ball) -> Ball:
    return (-x * x / 2).exp() / (2 * arb.pi()).sqrt()


def inner(x: Ball) -> Ball:
    return (8 / arb.pi()).sqrt() * (x + x * x * x * 44715 / 1000000)


def inner_slope(x: Ball) -> Ball:
    return (8 / arb.pi()).sqrt() * (1 + 3 * x * x * 44715 / 1000000)


def mish_slope(x: Ball) -> Ball:
    t = softplus(x).tanh()
    return t + x * (1 - t * t) * sigmoid(x)


def below_zero(function: Function, above: Function) -> Function:
    """A function of negative numbers, and another one from 0 on."""
    return lambda x: function(x) if x < 0 else above(x)


def elu(alpha: float) -> Function:
    return below_zero(lambda x: number(alpha) * x.expm1(), lambda x: x)


def celu(alpha: float) -> Function:
    return below_zero(lambda x: number(alpha) * (x / number(alpha)).expm1(), lambda x: x)


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772

VALUES: dict[str, tuple[Any, Function]] = {
    "celu": (activations.celu, celu(1.0)),
    "celu alpha=0.3": (partial(activations.celu, alpha=0.3), celu(0.3)),
    "celu alpha=-0.7": (partial(activations.celu, alpha=-0.7), celu(-0.7)),
    "elu": (activations.elu, elu(1.0)),
    "elu alpha=2.7": (partial(activations.elu, alpha=2.7), elu(2.7)),
    "elu alpha=-1.1": (partial(activations.elu, alpha=-1.1), elu(-1.1)),
    "exponential": (activations.exponential, lambda x: x.exp()),
    "gelu": (activations.gelu, lambda x: x * normal(x)),
    "gelu approximate": (
        partial(activations.gelu, approximate=True),
        lambda x: x * sigmoid(inner(x)),
    ),
    "log_sigmoid": (activations.log_sigmoid, lambda x: -softplus(-x)),
    "mish": (activations.mish, lambda x: x * softplus(x).tanh()),
    "selu": (
        activations.selu,
        below_zero(
            lambda x: number(SCALE) * number(ALPHA) * x.expm1(), lambda x: number(SCALE) * x
        ),
    ),
    "sigmoid": (activations.sigmoid, sigmoid),
    "silu": (activations.silu, lambda x: x * sigmoid(x)),
    "softplus": (activations.softplus, softplus),
    "softsign": (activations.softsign, lambda x: x / (1 + abs(x))),
    "squareplus": (activations.squareplus, lambda x: (x + (x * x + 4).sqrt()) / 2),
    "tanh": (activations.tanh, lambda x: x.tanh()),
    "tanh_shrink": (activations.tanh_shrink, lambda x: x - x.tanh()),
}

SLOPES: dict[str, Function] = {
    "celu": below_zero(lambda x: x.exp(), lambda x: number(1.0)),
    "celu alpha=0.3": below_zero(lambda x: (x / number(0.3)).exp(), lambda x: number(1.0)),
    "celu alpha=-0.7": below_zero(lambda x: (x / number(-0.7)).exp(), lambda x: number(1.0)),
    "elu": below_zero(lambda x: x.exp(), lambda x: number(1.0)),
    "elu alpha=2.7": below_zero(lambda x: number(2.7) * x.exp(), lambda x: number(1.0)),
    "elu alpha=-1.1": below_zero(lambda x: number(-1.1) * x.exp(), lambda x: number(1.0)),
    "exponential": lambda x: x.exp(),
    "gelu": lambda x: normal(x) + x * density(x),
    "gelu approximate": lambda x: sigmoid(inner(x)) + x * inner_slope(x) * bump(inner(x)),
    "log_sigmoid": lambda x: sigmoid(-x),
    "mish": mish_slope,
    "selu": below_zero(lambda x: number(SCALE) * number(ALPHA) * x.exp(), lambda x: number(SCALE)),
    "sigmoid": bump,
    "silu": lambda x: sigmoid(x) + x * bump(x),
    "softplus": sigmoid,
    "softsign": lambda x: 1 / (1 + abs(x)) ** 2,
    "squareplus": lambda x: (1 + x / (x * x + 4).sqrt()) / 2,
    "tanh": lambda x: 4 * bump(2 * x),
    "tanh_shrink": lambda x: x.tanh() ** 2,
}


def softmax(x: Sequence[Ball]) -> list[Ball]:
    largest = max(x, key=float)
    powers = [(value - largest).exp() for value in x]
    total = sum(powers, arb(0))
    return [power / total for power in powers]


def log_softmax(x: Sequence[Ball]) -> list[Ball]:
    """By ``ln(1 + the others)``, so that nothing cancels."""
    top = max(range(len(x)), key=lambda i: float(x[i]))
    rest = sum(((value - x[top]).exp() for i, value in enumerate(x) if i != top), arb(0)).log1p()
    return [(value - x[top]) - rest for value in x]


def glu(x: Sequence[Ball]) -> list[Ball]:
    half = len(x) // 2
    return [a * sigmoid(b) for a, b in zip(x, x[half:], strict=False)]


def softmax_gradient(x: Sequence[Ball], u: Sequence[Ball]) -> list[Ball]:
    shares = softmax(x)
    return [
        share * sum((other * (v - w) for other, w in zip(shares, u, strict=True)), arb(0))
        for share, v in zip(shares, u, strict=True)
    ]


def log_softmax_gradient(x: Sequence[Ball], u: Sequence[Ball]) -> list[Ball]:
    total = sum(u, arb(0))
    return [v - share * total for share, v in zip(softmax(x), u, strict=True)]


def glu_gradient(x: Sequence[Ball], u: Sequence[Ball]) -> list[Ball]:
    a, b = x[: len(u)], x[len(u) :]
    gates = [v * sigmoid(gate) for v, gate in zip(u, b, strict=True)]
    return gates + [v * c * bump(gate) for v, c, gate in zip(u, a, b, strict=True)]


def is_rounded(value: float, ball: Ball) -> bool | None:
    """Whether every number of a ball rounds to this float64; None if some do and others may not."""
    if math.isinf(value):
        beyond = arb(2) ** 1024 - arb(2) ** 970
        far = ball > beyond if value > 0 else ball < -beyond
        return True if far else (None if ball.contains(beyond if value > 0 else -beyond) else False)
    middle = number(value)
    above = middle + (_next(value, math.inf) - middle) / 2
    below = middle + (_next(value, -math.inf) - middle) / 2
    if ball < above and ball > below:
        return True
    return False if ball > above or ball < below else None


def _next(value: float, direction: float) -> Ball:
    following = math.nextafter(value, direction)
    return (
        arb(2) ** 1024 * (1 if following > 0 else -1) if math.isinf(following) else arb(following)
    )


def certain(value: float, evaluate: Callable[[], Ball]) -> bool | None:
    """Whether `value` is what `evaluate` encloses, rounded; balls of more bits until it is certain.

    None for a number that no ball of 16,384 bits separates from a midpoint, as that of x - tanh(x)
    for most integers x beyond ``2**53``, or from 0.
    """
    for doubling in range(DOUBLINGS):
        ctx.prec = FIRST_BITS << doubling
        verdict = is_rounded(value, evaluate())
        if verdict is not None:
            return verdict
    return None

"""How far a floating-point gradient through an activation can be from the exact one.

The gradient of the sums is ``g = J(s)^T u``.  Frameworks evaluate it by the formulas below, from
the rounded sums or from the rounded outputs; `running_error` says what each operation adds, and
where frameworks differ in the formula the errors of each are allowed.

At a kink every number between the two one-sided derivatives is a subgradient, and accepted: so is
whatever rounded sums near it may decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.judge.contraction import Floats
from conformance.judge.definition.rounding import Format
from conformance.judge.running_error import (
    FORMULAS,
    Running,
    growth,
    log_softmax,
    sigmoid,
    softmax,
    softplus,
)

UNROUNDED: Final = frozenset({"linear", "relu", "relu6", "hard_tanh", "hard_shrink", "soft_shrink"})
"""Activations whose slopes are 0 and 1."""

_STEPS: Final = MappingProxyType(
    {
        "linear": ((), (1.0,)),
        "relu": ((0.0,), (0.0, 1.0)),
        "relu6": ((0.0, 6.0), (0.0, 1.0, 0.0)),
        "leaky_relu": ((0.0,), (0.2, 1.0)),
        "hard_tanh": ((-1.0, 1.0), (0.0, 1.0, 0.0)),
        "hard_sigmoid": ((-3.0, 3.0), (0.0, 1 / 6, 0.0)),
        "sparse_sigmoid": ((-1.0, 1.0), (0.0, 0.5, 0.0)),
        "hard_shrink": ((-0.5, 0.5), (1.0, 0.0, 1.0)),
        "soft_shrink": ((-0.5, 0.5), (1.0, 0.0, 1.0)),
    }
)
"""Piecewise linear activations: their kinks, and the slopes between these."""

_KINKS: Final = MappingProxyType(
    {
        "hard_silu": ((-3.0, 0.5), (3.0, 0.5)),
        "hard_swish": ((-3.0, 0.5), (3.0, 0.5)),
        "selu": ((0.0, 1.7580993408473766 - 1.0507009873554805),),
    }
)
"""Kinks of the others: where, and how far the one-sided derivatives are apart."""


def through_slope(name: str, sums: Running, upstream: Floats, *, exact: bool) -> Running:
    """``J(s)^T u`` and how far a floating-point evaluation can be from it.

    Args:
        name: the activation.
        sums: s and their errors.
        upstream: u.
        exact: whether sums of the result are held against its value here, which is then in the
            middle of what is accepted; else against the convention of the definition.
    """
    u = Running(upstream, np.zeros_like(upstream), sums.format)
    with np.errstate(all="ignore"):
        if name in _STEPS:
            return _through_steps(name, sums, u, exact=exact)
        if name in _ROWS:
            return _bounded(_ROWS[name](sums, u))
        slope = _SLOPES[name](sums)
        for place, jump in _KINKS.get(name, ()):
            crossed = np.abs(sums.value - place) <= 2 * sums.error
            slope = slope.loosened(np.where(crossed, jump, 0.0))
        return _bounded(slope * u)


def _bounded(g: Running) -> Running:
    return Running(g.value, np.where(np.isnan(g.error), np.inf, g.error), g.format)


def _through_steps(name: str, x: Running, u: Running, *, exact: bool) -> Running:
    ends, slopes = _STEPS[name]
    place = np.zeros(x.value.shape, np.intp)
    error = np.zeros(x.value.shape)
    middle = np.zeros(x.value.shape)
    for number, end in enumerate(ends):
        place += x.value > end
        jump = slopes[number + 1] - slopes[number]
        crossed = np.abs(x.value - end) <= 2 * x.error
        error = np.maximum(error, np.where(crossed, abs(jump), 0.0))
        middle += np.where(crossed, jump / 2, 0.0) * np.where(x.value > end, -1.0, 1.0)
    value = np.asarray(slopes)[place]
    if exact:
        value, error = value + middle, error / 2
    slope = Running(value, error, x.format)
    if name in UNROUNDED:
        return Running(value * u.value, error * np.abs(u.value), x.format)
    if name in ("leaky_relu", "hard_sigmoid"):
        slope = slope.loosened(2 * max(2.0**-24, x.format.unit_roundoff) * np.abs(value))
    return slope * u


def _larger(one: Running, other: Running) -> Running:
    """One formula's value with the larger of two formulas' errors."""
    return Running(one.value, np.maximum(one.error, other.error), one.format)


def _square(x: Running) -> Running:
    return x * x


def _tanh(x: Running) -> Running:
    """``1 - y**2``."""
    return 1.0 - _square(x.tanh())


def _sigmoid(x: Running) -> Running:
    """``y (1 - y)``."""
    y = sigmoid(x)
    return y * (1.0 - y)


def _softplus(x: Running) -> Running:
    """``sigmoid(x)``, or ``e / (e + 1)``."""
    power = Running(np.minimum(x.value, 700.0), x.error, x.format).exp()
    return _larger(sigmoid(x), power / (power + 1.0))


def _log_sigmoid(x: Running) -> Running:
    """``sigmoid(-x)``, or ``1 - sigmoid(x)``."""
    return _larger(_softplus(-x), 1.0 - sigmoid(x))


def _silu(x: Running) -> Running:
    """``s (1 + x (1 - s))``, or ``s + x s (1 - s)``."""
    s = sigmoid(x)
    rest = 1.0 - s
    return _larger(s * (x * rest + 1.0), s + x * (s * rest))


def _mish(x: Running) -> Running:
    """``t + x (1 - t**2) s``."""
    t = softplus(x).tanh()
    return t + x * ((1.0 - _square(t)) * _softplus(x))


def _gelu(x: Running) -> Running:
    """``P + x exp(-x**2 / 2) / sqrt(2 pi)``."""
    root = x._lifted(math.sqrt(2.0)).loosened(x.format.unit_roundoff * np.full_like(x.value, 2.0))
    distribution = ((x / root).erf() + 1.0) * 0.5
    within = Running(np.clip(x.value, -37.0, 37.0), x.error, x.format)
    density = (_square(within) * -0.5).exp().times_parameter(1 / math.sqrt(2 * math.pi))
    return distribution + within * density


def _power_below(x: Running, scale: float, above: float) -> Running:
    """``scale exp(x)`` below zero, or the value there plus `scale`; a constant above."""
    below = Running(np.minimum(x.value, 0.0), x.error, x.format)
    power = below.exp()
    if scale != 1.0:
        power = power.times_parameter(scale)
    value = np.where(x.value < 0, power.value, above)
    from_output = ((below.exp() - 1.0) + 1.0).error * scale * (1 + 4 * x.format.unit_roundoff)
    from_output = from_output + 4 * max(2.0**-24, x.format.unit_roundoff) * scale
    error = np.where(x.least() > 0, 0.0, np.maximum(power.error, from_output))
    if above != 1.0:
        error = error + 2 * max(2.0**-24, x.format.unit_roundoff) * above
    return Running(value, error, x.format)


def _elu(x: Running) -> Running:
    """``exp(x)``, or ``y + 1``, below zero; 1 above."""
    return _power_below(x, 1.0, 1.0)


def _selu(x: Running) -> Running:
    """``scale alpha exp(x)``, or ``y + scale alpha``, below zero; `scale` above."""
    return _power_below(x, 1.7580993408473766, 1.0507009873554805)


def _softsign(x: Running) -> Running:
    """``1 / (1 + |x|)**2``, or ``1 / (1 + |x|) - |x| / (1 + |x|)**2``."""
    size = Running(np.abs(x.value), x.error, x.format)
    total = size + 1.0
    square = _square(total)
    return _larger(1.0 / square, 1.0 / total - size / square)


def _squareplus(x: Running) -> Running:
    """``(1 + x / sqrt(x**2 + 4)) / 2``."""
    return (x / (_square(x) + 4.0).sqrt() + 1.0) * 0.5


def _tanh_shrink(x: Running) -> Running:
    """``y**2``, or ``1 - (1 - y**2)``."""
    return _larger(_square(x.tanh()), 1.0 - _tanh(x))


def _sparse_plus(x: Running) -> Running:
    """``(x + 1) / 2`` between -1 and 1."""
    return (x + 1.0).clip(0.0, 2.0) * 0.5


def _hard_silu(x: Running) -> Running:
    """``hard_sigmoid(x) + x / 6`` between -3 and 3, or ``x / 3 + 1/2``; 0 below, 1 above."""
    gate = FORMULAS["hard_sigmoid"](x) + x.clip(-3.0, 3.0).times_parameter(1 / 6)
    other = x.clip(-3.0, 3.0).times_parameter(1 / 3) + 0.5
    outside = np.abs(x.value) - 2 * x.error > 3.0
    value = np.where(np.abs(x.value) < 3.0, gate.value, np.where(x.value > 0, 1.0, 0.0))
    unit = x.format.unit_roundoff
    error = np.where(
        outside, np.where(x.value > 0, 4 * unit, 0.0), np.maximum(gate.error, other.error)
    )
    return Running(value, error, x.format)


_SLOPES: Final[MappingProxyType[str, Callable[[Running], Running]]] = MappingProxyType(
    {
        "celu": _elu,
        "elu": _elu,
        "exponential": Running.exp,
        "gelu": _gelu,
        "hard_silu": _hard_silu,
        "hard_swish": _hard_silu,
        "log_sigmoid": _log_sigmoid,
        "mish": _mish,
        "selu": _selu,
        "sigmoid": _sigmoid,
        "silu": _silu,
        "softplus": _softplus,
        "softsign": _softsign,
        "sparse_plus": _sparse_plus,
        "squareplus": _squareplus,
        "swish": _silu,
        "tanh": _tanh,
        "tanh_shrink": _tanh_shrink,
    }
)
"""The smooth slopes' formulas by the activation's name."""


def _total(x: Running) -> Running:
    """The sum along the last axis, in any order."""
    size = (np.abs(x.value) + 2 * x.error).sum(-1, keepdims=True)
    rounding = growth(max(x.value.shape[-1] - 1, 0), x.format.unit_roundoff) * size
    error = x.error.sum(-1, keepdims=True) + rounding
    return Running(x.value.sum(-1, keepdims=True), error, x.format)


def _softmax(x: Running, u: Running) -> Running:
    """``y (u - sum y u)``."""
    y = softmax(x)
    return y * (u - _total(y * u))


def _log_softmax(x: Running, u: Running) -> Running:
    """``u - y sum u``, with y the softmax or the exponential of the output."""
    y = _larger(softmax(x), log_softmax(x).exp())
    return u - y * _total(u)


def _sparsemax(x: Running, u: Running) -> Running:
    """``u`` less its mean over the support; anything where rounding may change the support."""
    y = FORMULAS["sparsemax"](x)
    support = y.value > 0
    count = np.maximum(support.sum(-1, keepdims=True), 1)
    kept = Running(np.where(support, u.value, 0.0), np.zeros_like(u.value), x.format)
    total = _total(kept)
    mean = Running(total.value / count, total.error / count, x.format).loosened(
        2 * x.format.unit_roundoff * np.abs(total.value)
    )
    moved = u - mean
    value = np.where(support, moved.value, 0.0)
    size = np.abs(u.value).sum(-1, keepdims=True)
    error = np.where(support, moved.error + 8 * x.format.unit_roundoff * size, 0.0)
    return Running(value, np.where(_is_near_edge(x, y), np.inf, error), x.format)


def _is_near_edge(x: Running, y: Running) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Rows in which an element's distance from the threshold is within the errors."""
    largest = np.where(y.value > 0, x.value - y.value, -np.inf).max(-1, keepdims=True)
    distance = np.abs(x.value - largest)
    near = distance <= 2 * y.error.max(-1, keepdims=True)
    rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = near.any(-1, keepdims=True)
    return rows & np.ones(x.value.shape, np.bool_)


def _glu(x: Running, u: Running) -> Running:
    """``u s(b)`` and ``u a s'(b)``."""
    half = x.value.shape[-1] // 2
    a = Running(x.value[..., :half], x.error[..., :half], x.format)
    b = Running(x.value[..., half:], x.error[..., half:], x.format)
    first, second = u * sigmoid(b), (u * a) * _sigmoid(b)
    return Running(
        np.concatenate((first.value, second.value), -1),
        np.concatenate((first.error, second.error), -1),
        x.format,
    )


_ROWS: Final[MappingProxyType[str, Callable[[Running, Running], Running]]] = MappingProxyType(
    {"softmax": _softmax, "log_softmax": _log_softmax, "sparsemax": _sparsemax, "glu": _glu}
)


def slope_errors(
    name: str, value: Floats, error: Floats, upstream: Floats, fmt: Format, *, exact: bool
) -> Running:
    """`through_slope` from arrays: the exact sums as float64, and how far they can be off."""
    sums = Running(value, np.asarray(error, np.float64) + np.zeros_like(value), fmt)
    return through_slope(name, sums, upstream, exact=exact)

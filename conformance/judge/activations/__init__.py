"""The activations, one home for each: definition, slope, and the errors of their evaluation."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.judge.activations import pieces, rows, smooth
from conformance.judge.activations.activation import Activation, Elementwise, exactly
from conformance.judge.definition.rounding import Format
from conformance.judge.running_error import Floats, Running

__all__ = ["ACTIVATIONS", "at_special", "named", "through", "through_activation", "through_slope"]

_NAMED: Final[tuple[tuple[str, Activation], ...]] = tuple(
    (activation.name, activation)
    for activation in (
        pieces.LINEAR,
        pieces.RELU,
        rows.SOFTMAX,
        smooth.SIGMOID,
        smooth.TANH,
        smooth.ELU,
        smooth.SELU,
        smooth.SOFTPLUS,
        pieces.SOFTSIGN,
        smooth.EXPONENTIAL,
        pieces.HARD_SIGMOID,
        pieces.RELU6,
        pieces.LEAKY_RELU,
        smooth.GELU,
        smooth.SILU,
        smooth.SWISH,
        smooth.MISH,
        rows.LOG_SOFTMAX,
        smooth.CELU,
        pieces.HARD_SHRINK,
        pieces.HARD_SILU,
        pieces.HARD_SWISH,
        pieces.HARD_TANH,
        smooth.LOG_SIGMOID,
        pieces.SOFT_SHRINK,
        pieces.SPARSE_PLUS,
        pieces.SPARSE_SIGMOID,
        rows.SPARSEMAX,
        pieces.SQUAREPLUS,
        smooth.TANH_SHRINK,
        rows.GLU,
    )
)

ACTIVATIONS: Final = MappingProxyType(dict(_NAMED))
"""The activations that Keras 3 knows by name, in the order in which the grids have them."""


def named(name: str) -> Activation:
    """The activation of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in ACTIVATIONS:
        raise ValueError(
            f"there is no error bound for the activation {name!r}: one of "
            f"{', '.join(ACTIVATIONS)} is expected"
        )
    return ACTIVATIONS[name]


def at_special(name: str, x: float, fmt: Format) -> float:
    """The activation of NaN, which is NaN, or its limit at an infinity, rounded.

    Raises:
        ValueError: if there is no such activation of each element alone.
    """
    activation = named(name)
    if not isinstance(activation, Elementwise):
        raise ValueError(f"{name} of one number is not defined: it takes rows")
    return activation.at_special(x, fmt)


def through_activation(name: str, value: Floats, error: Floats, fmt: Format) -> Running:
    """An activation's value, and how far a floating-point evaluation can be from it.

    Args:
        name: the activation; ``linear`` for none.
        value: the exact argument, as float64.
        error: how far the argument can be off.
        fmt: the format of the evaluation.

    Raises:
        ValueError: if no formula is known by that name.
    """
    return through(named(name), Running(value, np.asarray(error, np.float64), fmt))


def through(activation: Activation, x: Running) -> Running:
    """An activation's value, errors that came out undefined taken as unbounded."""
    with np.errstate(all="ignore"):
        return _without_undefined(activation.running(x))


def _without_undefined(running: Running) -> Running:
    """Errors that came out undefined (infinity times zero) taken as unbounded."""
    error = np.where(np.isnan(running.error), np.inf, running.error)
    error = np.where(np.isinf(running.value) & np.isinf(error), 0.0, error)
    return Running(running.value, error, running.format)


def through_slope(
    name: str, value: Floats, error: Floats, upstream: Floats, fmt: Format, *, exact: bool
) -> Running:
    """``J(s)^T u`` and how far a floating-point evaluation can be from it.

    Args:
        name: the activation.
        value: s, the exact sums as float64.
        error: how far they can be off.
        upstream: u.
        fmt: the format of the evaluation.
        exact: whether sums of the result are held against its value here, which is then in the
            middle of what is accepted; else against the convention of the definition.
    """
    sums = Running(value, np.asarray(error, np.float64) + np.zeros_like(value), fmt)
    with np.errstate(all="ignore"):
        return named(name).running_pulled_back(sums, exactly(upstream, fmt), exact=exact)

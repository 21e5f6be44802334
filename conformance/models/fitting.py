"""Mistakes with a number of their own, which is read off the candidate's values.

A negative slope, an alpha, an epsilon: where every element tells the same number, that is the one
that the candidate has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from conformance.judge.running_error import Floats
from conformance.models.operation import Operation, Span
from conformance.models.variants import Variant

_LEAST: Final = 3
"""Elements that have to tell the number."""

_DIGITS: Final = 6


def fitted(operation: Operation, given: Span, values: Floats) -> Iterator[Variant]:
    """The operation with the number that some values tell, where they tell one.

    Args:
        operation: a layer's.
        given: its input.
        values: what the candidate makes of it, whatever is negative perhaps replaced by zero.
    """
    with np.errstate(all="ignore"):
        if operation.kind == "relu" and given.value.shape == values.shape:
            yield from _slope(operation, given.value, values)
        elif operation.kind == "normalization" and given.value.shape == values.shape:
            yield from _epsilon(operation, given.value, values)
        elif operation.settings.get("activation") in ("elu", "leaky_relu"):
            yield from _alpha(operation, given, values)


def _slope(operation: Operation, x: Floats, y: Floats) -> Iterator[Variant]:
    below = x < min(operation.settings["threshold"], 0.0)
    slope = _agreed(y[below] / (x[below] - operation.settings["threshold"]))
    if slope is not None and slope != operation.settings["slope"]:
        words = f"the negative slope is {slope:g} in place of {operation.settings['slope']:g}"
        yield Variant(words, operation.altered(slope=slope))


def _alpha(operation: Operation, given: Span, y: Floats) -> Iterator[Variant]:
    x = operation.altered(activation="linear")([given]).value
    name = operation.settings["activation"]
    if x.shape != y.shape:
        return
    below = x < 0
    base = np.expm1(x[below]) if name == "elu" else x[below]
    alpha = _agreed(y[below] / base)
    if alpha is not None:
        number = "alpha" if name == "elu" else "negative slope"
        right = 1.0 if name == "elu" else 0.2
        words = f"the {number} of {name} is {alpha:g} in place of {right:g}"
        yield Variant(words, operation.altered(alpha=alpha))


def _epsilon(operation: Operation, x: Floats, y: Floats) -> Iterator[Variant]:
    w = operation.weights
    shape = [1] * x.ndim
    shape[operation.settings["axis"]] = -1
    names = ("gamma", "beta", "mean", "variance")
    gamma, beta, mean, variance = (
        np.broadcast_to(
            np.reshape(w.get(name, np.float64(name == "gamma")), shape)
            if name in w
            else np.float64(name == "gamma"),
            x.shape,
        )
        for name in names
    )
    used = (y != 0) & (np.abs(x - mean) > 1e-2 * np.abs(x - mean).max(initial=0.0))
    used &= np.abs(y - beta) > 1e-2 * np.abs(y - beta).max(initial=0.0)
    scale = (y - beta)[used] / (x - mean)[used]
    found = (gamma[used] / scale) ** 2 - variance[used]
    spread = 1e-4 * float(np.median(variance)) if variance.size else 0.0
    epsilon = _agreed(found, absolute=spread)
    own = operation.settings["epsilon"]
    if epsilon is not None and epsilon > -spread and epsilon != own:
        epsilon = max(epsilon, 0.0)
        words = f"epsilon is {epsilon:.3g} in place of {own:g}"
        yield Variant(words, operation.altered(epsilon=epsilon))


def _agreed(found: Floats, absolute: float = 0.0) -> float | None:
    """The number that the middle half of some values agree on."""
    found = found[np.isfinite(found)]
    if found.size < _LEAST:
        return None
    low, middle, high = (float(v) for v in np.quantile(found, [0.25, 0.5, 0.75]))
    if high - low > 1e-4 * abs(middle) + absolute:
        return None
    return float(f"{middle:.{_DIGITS}g}")

"""Effects on gradients through an activation that has another slope."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from conformance.cases.facts import facts
from conformance.judge.activations.smooth import SELU_ALPHA, SELU_SCALE
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.gradients import convolution_gauges
from conformance.judge.running_error import Floats, growth
from conformance.judge.sums import Convolution, Gauge
from conformance.known.effects.elements import GELU_FACTORS, SOFTPLUS_ENDS, erf, gradients_of
from conformance.known.effects.gradients import is_right_gradient

if TYPE_CHECKING:
    from conformance.known.record import Found

_OPERATIONS: Final = 16
"""Roundings of a slope, those of the functions that it takes counted as several."""


def gradients_through_softplus_of_itself(found: Found) -> bool:
    """Gradients through softplus whose slope beyond `SOFTPLUS_ENDS` is 1."""

    def slope(y: Floats) -> Floats:
        return np.where(y > SOFTPLUS_ENDS, 1.0, 1 / (1 + np.exp(-y)))

    return facts(found.case).activation == "softplus" and _through_slope(found, slope)


def gradients_through_gelu_with_float32_root(found: Found) -> bool:
    """Gradients through gelu in float64 whose root of one half was rounded to float32.

    Until TensorFlow 2.18, it is the root of two, by which is divided.
    """
    if facts(found.case).activation != "gelu":
        return False
    return any(_through_slope(found, partial(_gelu_slope, one)) for one in GELU_FACTORS)


def gradients_through_selu_of_rounded_power(found: Found) -> bool:
    """Gradients through selu whose slope follows from its output, ``exp(x) - 1`` in the dtype.

    Which is zero, as it is for no negative argument, where the power is rounded to 1.
    """
    fmt = FORMATS.get(found.case.dtype)
    if facts(found.case).activation != "selu" or fmt is None:
        return False
    steep = SELU_SCALE * SELU_ALPHA

    def slope(y: Floats) -> Floats:
        below = np.where(np.exp(y) < 1 - fmt.unit_roundoff / 2, steep * np.exp(y), SELU_SCALE)
        return np.where(y < 0, below, SELU_SCALE)

    return _through_slope(found, slope)


def _through_slope(found: Found, slope: Callable[[Floats], Floats]) -> bool:
    """Whether all gradients are those through an activation of another slope."""
    actual = gradients_of(found)
    operands, _ = found.derive()
    if actual is None or not operands.inputs.size:
        return False
    forward = Convolution.of(found.case, operands)
    upstream = as_float64(operands.upstream)
    with np.errstate(all="ignore"):
        factor = upstream * slope(forward.laid_out(Gauge(forward).centre))
    rounded = growth(_OPERATIONS, forward.format.unit_roundoff)
    errors = rounded * (np.abs(factor) + np.abs(upstream))
    gauges = convolution_gauges(found.case, operands, (factor, errors))
    if gauges.keys() != actual.keys():
        return False
    return all(
        is_right_gradient(gauge, actual[name], gauge.convolution.laid_out(gauge.centre))
        for name, gauge in gauges.items()
    )


def _gelu_slope(factor: float, y: Floats) -> Floats:
    """The slope of ``y (1 + erf(factor y)) / 2``."""
    scaled = factor * y
    slope: Floats = 0.5 * (1 + erf(scaled)) + scaled * np.exp(-(scaled**2)) / math.sqrt(math.pi)
    return slope

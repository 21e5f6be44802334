"""sparsemax as Keras computes it, and its gradient."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.variations import in_place_of
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.gradients import convolution_gauges
from conformance.judge.running_error import Floats, growth
from conformance.judge.sums import Convolution, Gauge, half_ulp
from conformance.known.effects.elements import (
    as_steps,
    gradients_of,
    is_within,
)

if TYPE_CHECKING:
    from conformance.known.record import Found

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def _sparsemax_in(dtype: type[np.floating[Any]], y: Array) -> Array:
    """Rows of ``max(x - t, 0)`` with t from the sum of cumulative sums, computed in a dtype."""
    rows = y.astype(dtype)
    with np.errstate(all="ignore"):
        threshold, _ = _keras_threshold(rows)
        return np.asarray(np.maximum(rows - threshold, 0.0), np.float64)


def _keras_threshold(y: Array) -> tuple[Array, Array]:
    """Keras' threshold of each row, and which of its sorted elements count."""
    descending = -np.sort(-y, axis=-1)
    sums = np.cumsum(descending, axis=-1)
    ranks = np.arange(1, y.shape[-1] + 1, dtype=y.dtype)
    support = descending - (sums - 1) / ranks > 0
    count = support.sum(axis=-1, keepdims=True)
    with np.errstate(all="ignore"):
        threshold = (np.where(support, sums, 0.0).sum(axis=-1, keepdims=True) - 1) / count
    return threshold, support


_SPARSEMAX_OF_KERAS: Final = {
    "float16": partial(_sparsemax_in, np.float64),
    "bfloat16": partial(_sparsemax_in, np.float64),
    "float32": partial(_sparsemax_in, np.float32),
    "float64": partial(_sparsemax_in, np.float64),
}
"""By dtype: in float32 sums beyond 2**24 leave nothing that counts, and the threshold is -inf."""


def sparsemax_by_sum_of_sums(found: Found) -> bool:
    """The threshold of sparsemax is taken from the sum of cumulative sums."""
    if found.case.observe == "gradients":
        return _sparsemax_gradients(found)
    steps = in_place_of("sparsemax", _SPARSEMAX_OF_KERAS[found.case.dtype])
    misplaced = replace(steps, add_bias=FAULTS["bias.rows"].steps.add_bias)
    return as_steps(found, steps) or as_steps(found, misplaced)


def _sparsemax_gradients(found: Found) -> bool:
    """The gradients through that threshold: ``g - s (sum of g) / count`` of positive outputs.

    s is the number of counted elements that are no greater: those whose cumulative sums hold x.
    """
    actual = gradients_of(found)
    if actual is None:
        return False
    operands, _ = found.derive()
    forward = Convolution.of(found.case, operands)
    sums = forward.laid_out(Gauge(forward).centre)
    upstream = as_float64(operands.upstream)
    threshold, support = _keras_threshold(sums)
    active = np.where(sums > threshold, upstream, 0.0)
    order = np.argsort(-sums, axis=-1, kind="stable")
    behind = np.flip(np.cumsum(np.flip(support, -1), axis=-1), -1)
    share = np.zeros_like(sums)
    np.put_along_axis(share, order, behind / support.sum(-1, keepdims=True), axis=-1)
    through = active - share * active.sum(-1, keepdims=True)
    size = np.abs(active) + share * np.abs(active).sum(-1, keepdims=True)
    return _as_linear_gradients(found, through, size, roundings=4 + sums.shape[-1])


def _as_linear_gradients(found: Found, upstream: Floats, size: Floats, roundings: int) -> bool:
    """Whether the gradients are those of the layer without activation at another upstream.

    Args:
        found: the case.
        upstream: what stands for the upstream gradient.
        size: magnitudes of the terms that it was made of.
        roundings: how many roundings each of them passed through.
    """
    operands, expectation = found.derive()
    linear = found.case.replace(activation=None)
    made = convolution_gauges(linear, replace(operands, upstream=upstream))
    sized = convolution_gauges(linear, replace(operands, upstream=size))
    actual = gradients_of(found) or {}
    fmt = FORMATS[found.case.dtype]
    if made.keys() != actual.keys() or made.keys() != expectation.value.keys():
        return False
    for name, gauge in made.items():
        lay = gauge.convolution.laid_out
        centre, magnitude = lay(gauge.centre), lay(sized[name].magnitude)
        error = growth(gauge.products + 1 + roundings, fmt.unit_roundoff) * magnitude
        if not is_within(actual[name], centre, error + half_ulp(centre, fmt)):
            return False
    return True

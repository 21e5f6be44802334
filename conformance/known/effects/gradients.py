"""Effects on gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.implementations import memory
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.gradients import convolution_gauges
from conformance.judge.running_error import growth
from conformance.judge.sums import Gauge, half_ulp
from conformance.known.effects.elements import (
    gradients_of,
    is_within,
)

if TYPE_CHECKING:
    from conformance.known.record import Found

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def uninitialised_kernel_gradient(found: Found) -> bool:
    """The kernel's gradient is memory that nobody wrote; the others are right.

    Where the suite fills fresh memory (`conformance.implementations.memory`), it is that filling.
    """
    actual = gradients_of(found)
    if actual is None:
        return False
    expected = found.derive()[1].value
    others = (name for name in expected if name != "kernel")
    if not all(
        is_within(actual[n], as_float64(expected[n]), np.zeros(expected[n].shape)) for n in others
    ):
        return False
    fill = memory.FILLS[0]
    return not memory.ENVIRONMENT or set(actual["kernel"].tobytes()) <= {fill}


def _narrow_gauges(found: Found) -> dict[str, Gauge]:
    operands, _ = found.derive()
    return convolution_gauges(found.case, operands) if operands.inputs.size else {}


def narrow_partial_sums(found: Found) -> bool:
    """Gradients of a narrow dtype whose partial sums are rounded to that dtype.

    The kernel's gradient adds up one sum of each sample of the batch, the inputs' gradient one sum
    of each tap of the window, and every one of these and every running total is rounded: at most
    ``(2 m + 1) u S`` for m terms of magnitudes that add up to S, beside the float32 errors.
    """
    known = facts(found.case)
    terms = {"kernel": known.batch or 0, "inputs": math.prod(known.window), "bias": 1}
    return _has_narrow_gradients(found, lambda name, gauge: 2.0 * terms[name] + 1)


def narrow_sums(found: Found) -> bool:
    """Gradients of a narrow dtype summed in that dtype, product by product or in blocks.

    Each of the K products passes through at most K + 1 roundings to the narrow dtype.  Where their
    signs are random, the errors cancel as those of wider sums do: ``(4 + 2 sqrt(K)) u S``.
    """

    def units(name: str, gauge: Gauge) -> float:
        terms = gauge.products
        if gauge.convolution.random_sign or gauge.convolution.exact:
            return min(terms + 1.0, 4.0 + 2.0 * math.sqrt(terms))
        return terms + 1.0

    return _has_narrow_gradients(found, units)


def _has_narrow_gradients(found: Found, units: Callable[[str, Gauge], float]) -> bool:
    """Whether each gradient is within so many units ``u S`` of the narrow dtype."""
    actual = gradients_of(found)
    gauges = _narrow_gauges(found) if actual else {}
    if actual is None or gauges.keys() != actual.keys():
        return False
    fmt = FORMATS[found.case.dtype]
    expected = found.derive()[1].value
    for name, gauge in gauges.items():
        lay = gauge.convolution.laid_out
        wide = as_float64(expected[name])
        magnitude = lay(gauge.magnitude)
        allowed = units(name, gauge) * fmt.unit_roundoff * magnitude
        allowed = allowed + lay(gauge.error) + half_ulp(wide, fmt)
        allowed = allowed + 2 * gauge.products * fmt.smallest_normal
        if not is_within(actual[name], wide, allowed):
            return False
    return True


def bias_gradient_along_last_axis(found: Found) -> bool:
    """The bias' gradient sums over all axes but the last one; the other gradients are right."""
    actual = gradients_of(found)
    if (
        actual is None
        or "bias" not in actual
        or facts(found.case).activation not in (None, "linear")
    ):
        return False
    operands, expectation = found.derive()
    upstream = as_float64(operands.upstream)
    axes = tuple(range(upstream.ndim - 1))
    terms = upstream.size // upstream.shape[-1]
    fmt = FORMATS[found.case.dtype]
    wrong = upstream.sum(axis=axes)
    error = growth(terms + 1, fmt.unit_roundoff) * np.abs(upstream).sum(axis=axes)
    gauges = convolution_gauges(found.case, operands)
    rest = {name: array for name, array in expectation.value.items() if name != "bias"}
    return actual["bias"].shape == wrong.shape and (
        is_within(actual["bias"], wrong, error + half_ulp(wrong, fmt))
        and all(_is_right_gradient(gauges[name], actual[name], rest[name]) for name in rest)
    )


def _is_right_gradient(gauge: Gauge, actual: Array, expected: Array) -> bool:
    wide = as_float64(expected)
    error = gauge.convolution.laid_out(gauge.error) + half_ulp(wide, gauge.format)
    return is_within(actual, wide, error)


def subnormals_compared_as_zeros(found: Found) -> bool:
    """The gradient of max pooling where subnormal numbers count as equal to zero."""
    from conformance.judge.definition import gradients as derive_gradients

    actual = gradients_of(found)
    if actual is None:
        return False
    operands, _ = found.derive()
    tiny = np.abs(as_float64(operands.inputs)) < FORMATS[found.case.dtype].smallest_normal
    inputs = np.where(tiny, np.zeros_like(operands.inputs), operands.inputs)
    flushed = derive_gradients(found.case, replace(operands, inputs=inputs))
    wanted = as_float64(flushed["inputs"])
    return is_within(actual["inputs"], wanted, np.zeros(wanted.shape))

"""Effects on gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.implementations import memory
from conformance.judge.contraction import as_float64, contract
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.gradients import convolution_gauges, judge_gradients
from conformance.judge.running_error import Floats, growth
from conformance.judge.sums import Convolution, Gauge, half_ulp
from conformance.judge.verdict import Verdict
from conformance.known.effects.elements import (
    OF_CONSTANTS,
    gradients_of,
    is_within,
    with_neighbours,
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


def narrow_partial_sums(found: Found) -> bool:
    """Gradients of a narrow dtype whose partial sums are rounded to that dtype.

    The kernel's gradient adds up one sum of each sample of the batch, the inputs' gradient one sum
    of each tap of the window.  Each of these terms t, and every running total s, is rounded once:
    an error of at most ``u (sum |t| + sum |s|)`` beside those of the float32 sums.
    """
    return _has_narrow_gradients(found, _of_partial_sums)


def narrow_sums(found: Found) -> bool:
    """Gradients of a narrow dtype added up in that dtype, product by product or in blocks.

    Where the products have random signs, the k-th running total is about ``sqrt(k)`` products
    large, so that the errors of K roundings are of the order of ``u S``, whatever K is: measured on
    48,000 such sums in float16 of 16 to 4,096 normal products, 0.4 in the root mean square and 3.3
    at most; four times it is allowed.  Products of one sign are left to the judge's own bound.
    """
    return _has_narrow_gradients(found, _of_running_totals)


def _of_running_totals(gauge: Gauge) -> Floats:
    c = gauge.convolution
    if not (c.random_sign or c.exact):
        return np.zeros(c.output_shape)
    return 4.0 * c.format.unit_roundoff * gauge.magnitude


def _of_partial_sums(gauge: Gauge) -> Floats:
    c = gauge.convolution
    total, size = np.zeros(c.output_shape), np.zeros(c.output_shape)
    terms = list(_terms(c))
    for term in terms:
        total = total + term
        size += np.abs(term) + np.abs(total)
    return c.format.unit_roundoff * size * (1 + growth(2 * len(terms), c.format.unit_roundoff))


def _terms(c: Convolution) -> Iterator[Floats]:
    """The sums over filters of each tap, or over outputs of each sample, in that order."""
    if getattr(c, "name", "") == "kernel":
        for sample in range(c.kernel.shape[-2]):
            alone = np.zeros_like(c.kernel)
            alone[..., sample, :] = c.kernel[..., sample, :]
            yield contract(c.inputs, alone, c.axes)
    else:
        for tap in reversed(list(np.ndindex(c.kernel.shape[:-2]))):
            alone = np.zeros_like(c.kernel)
            alone[tap] = c.kernel[tap]
            yield contract(c.inputs, alone, c.axes)


def _has_narrow_gradients(found: Found, extra: Callable[[Gauge], Floats]) -> bool:
    """Whether some gradients are wrong, and all within an extra error, channels last."""
    actual = gradients_of(found)
    operands, expectation = found.derive()
    if actual is None or not operands.inputs.size:
        return False
    gauges = convolution_gauges(found.case, operands)
    if gauges.keys() != actual.keys():
        return False
    return all(
        _is_within_narrow(gauge, actual[name], expectation.value[name], extra)
        for name, gauge in gauges.items()
    )


def _is_within_narrow(
    gauge: Gauge, actual: Array, expected: Array, extra: Callable[[Gauge], Floats]
) -> bool:
    fmt, lay = gauge.format, gauge.convolution.laid_out
    single = FORMATS["float32"]
    sums = growth(gauge.products + 1, single.unit_roundoff) * gauge.magnitude
    allowed = lay(extra(gauge) + sums) + half_ulp(as_float64(expected), fmt)
    return is_within(
        actual, as_float64(expected), allowed + 2 * gauge.products * fmt.smallest_normal
    )


def kernel_gradient_overrun(found: Found) -> bool:
    """The kernel's gradient alone is wrong, as other memory than its own was overwritten."""
    actual = gradients_of(found)
    operands, expectation = found.derive()
    if actual is None:
        return False
    gauges = convolution_gauges(found.case, operands)
    others = (name for name in actual if name != "kernel")
    return all(
        is_right_gradient(gauges[name], actual[name], expectation.value[name]) for name in others
    )


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
        and all(is_right_gradient(gauges[name], actual[name], rest[name]) for name in rest)
    )


def is_right_gradient(gauge: Gauge, actual: Array, expected: Array) -> bool:
    """Whether every element of a gradient is within its bound of what is expected."""
    wide = as_float64(expected)
    error = gauge.convolution.laid_out(gauge.error) + half_ulp(wide, gauge.format)
    return is_within(actual, wide, error)


def neighbour_of_slope_times_zero(found: Found) -> bool:
    """The upstream gradient of a neighbour is multiplied by zero: beyond the range it gives NaN.

    With the right numbers in the place of these NaN, the judge accepts all gradients.
    """
    actual = gradients_of(found)
    operands, expectation = found.derive()
    if actual is None or not operands.inputs.size:
        return False
    sums = convolution_gauges(found.case, operands)["inputs"].convolution
    errors = getattr(sums, "errors", None)
    if errors is None:
        return False
    beyond = with_neighbours(np.any(~np.isfinite(errors), axis=-1, keepdims=True))
    marked = np.broadcast_to(beyond, sums.inputs.shape)
    felt = sums.laid_out(sums.reached_from(marked, np.zeros(sums.kernel.shape[-1], bool)))
    got, wanted = actual["inputs"], expectation.value
    explained = np.isnan(as_float64(got)) & felt
    made = {**actual, "inputs": np.where(explained, wanted["inputs"], got)}
    judgement = judge_gradients(found.case, operands, wanted, made, strict=False)
    return bool(explained.any()) and judgement.verdict is Verdict.CONFORMS


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


def gradients_computed_in_float32(found: Found) -> bool:
    """Gradients of float64 that were computed in float32, from operands rounded to that."""
    if found.case.dtype != "float64":
        return False
    unit = FORMATS["float32"].unit_roundoff
    return _has_narrow_gradients(
        found, lambda gauge: growth(gauge.products + 8, unit) * gauge.magnitude
    )


def gradients_through_selu_of_five_decimals(found: Found) -> bool:
    """Gradients through selu whose constants are 1.0507 and 1.67326 (`OF_CONSTANTS`)."""
    if facts(found.case).activation != "selu":
        return False
    return _has_narrow_gradients(found, lambda gauge: OF_CONSTANTS * gauge.magnitude)


def gradients_of_undilated_window(found: Found) -> bool:
    """The gradients are those of the same layer without dilation, which has an output as large."""
    from conformance.judge.expectation import expect

    actual = gradients_of(found)
    if actual is None or facts(found.case).padding != "same":
        return False
    plain = found.case.replace(dilation_rate=1)
    operands, _ = found.derive()
    gauges, wanted = convolution_gauges(plain, operands), expect(plain, operands).value
    return gauges.keys() == actual.keys() and all(
        is_right_gradient(gauges[name], actual[name], wanted[name]) for name in actual
    )


def gradient_of_positive_maxima_alone(found: Found) -> bool:
    """Inputs of max pooling that are not positive get no gradient, though they are the maximum.

    The first input of a sample may keep it, and of several greatest elements another may get it.
    """
    first = facts(found.case).channels_first
    least = FORMATS["float32"].smallest_normal

    def explained(inputs: Floats, actual: Floats) -> Mask:
        twice = _occurs_twice(inputs, first)
        start = np.zeros(inputs.shape, bool)
        start[(slice(None), slice(None), 0) if first else (slice(None), 0)] = True
        kept = (actual != 0) & (inputs < least) & ~twice & ~start
        lost: Mask = (actual == 0) & (inputs < least) & (not kept.any())
        return lost | twice

    return _wrong_inputs_gradient_lies(found, explained)


def _occurs_twice(inputs: Floats, channels_first: bool) -> Mask:
    """Whether an input stands more than once in its channel of its sample."""
    rows = inputs if channels_first else np.moveaxis(inputs, -1, 1)
    flat = rows.reshape(*rows.shape[:2], -1)
    twice = (flat[..., None] == flat[..., None, :]).sum(axis=-1) > 1
    back: Mask = twice.reshape(rows.shape)
    moved: Mask = np.moveaxis(back, 1, -1)
    return back if channels_first else moved


def gradient_of_pooled_zeros(found: Found) -> bool:
    """The gradient of max pooling whose padding is zeros, which win over what is less.

    It is that of the inputs with these zeros around them.  An input that is zero itself may get
    what this gives to an equal one of the padding, or not get it.
    """
    from conformance.judge.definition import gradients as derive_gradients

    actual = gradients_of(found)
    if actual is None or actual.keys() != {"inputs"}:
        return False
    operands, _ = found.derive()
    known = facts(found.case)
    pads = [(axis.pad_before, axis.pad_after) for axis in known.axes]
    pads = [(0, 0), (0, 0), *pads] if known.channels_first else [(0, 0), *pads, (0, 0)]
    around = np.pad(operands.inputs, pads)
    plain = found.case.replace(inputs=around.shape, padding="valid")
    of_all = derive_gradients(plain, replace(operands, inputs=around))["inputs"]
    lengths = zip(pads, operands.inputs.shape, strict=True)
    wanted = of_all[tuple(slice(before, before + length) for (before, _), length in lengths)]
    got, inputs = as_float64(actual["inputs"]), as_float64(operands.inputs)
    return bool(np.all((got == as_float64(wanted)) | (inputs == 0)))


def _wrong_inputs_gradient_lies(found: Found, explained: Callable[[Floats, Floats], Mask]) -> bool:
    """Whether the inputs' gradient is wrong at elements that are explained alone."""
    actual = gradients_of(found)
    if actual is None or actual.keys() != {"inputs"}:
        return False
    operands, expectation = found.derive()
    got, wanted = as_float64(actual["inputs"]), as_float64(expectation.value["inputs"])
    wrong = got != wanted
    inputs = as_float64(operands.inputs)
    return bool(wrong.any() and np.all(explained(inputs, got) | ~wrong))

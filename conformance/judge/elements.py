"""The judgement of output values, stage by stage (see `judge`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.judge.activations import named
from conformance.judge.bounds import Bound, output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.equality import same
from conformance.judge.messages import WrongElements, sentence_case
from conformance.judge.precision import named_precision
from conformance.judge.running_error import Floats
from conformance.judge.statistics import statistical_bound, sums_tests
from conformance.judge.sums import Gauge
from conformance.judge.verdict import Judgement, Verdict

Array = np.ndarray[Any, Any]


def judge_equality(actual: Array, expected: Array) -> Judgement:
    """Layers that compute nothing have bound zero, and so has the oracle.

    Args:
        actual: the output, of the same shape and dtype as the expected one and not equal to it.
        expected: the expected output.
    """
    excess = np.where(same(actual, expected), 0.0, np.inf)
    wrong = WrongElements(actual, expected, np.zeros(expected.shape), excess)
    message = f"{sentence_case(wrong.sentence())}."
    return Judgement(Verdict.DEVIATES, message, wrong.ratio, "exact")


def judge_within(bound: Bound, actual: Array, expected: Array) -> Judgement:
    """The stage `bound` alone.

    Args:
        bound: what is accepted.
        actual: the outputs, of the expected shape and dtype.
        expected: the correctly rounded outputs.
    """
    excess = bound.excess(as_float64(actual), as_float64(expected))
    if not np.any(excess > 1):
        return Judgement(Verdict.CONFORMS, ratio=float(excess.max(initial=0.0)))
    wrong = WrongElements(actual, expected, bound.error, excess)
    message = f"{sentence_case(wrong.sentence())}."
    return Judgement(Verdict.DEVIATES, message, wrong.ratio, "bound")


def judge_sums(gauge: Gauge, actual: Array, expected: Array) -> Judgement:
    """The stages `exact`, `bound`, `statistics` and `locality` for a convolution's outputs.

    Args:
        gauge: the sums and their possible errors.
        actual: the outputs, of the expected shape and dtype.
        expected: the correctly rounded outputs.
    """
    wide = as_float64(expected)
    bound = output_bound(gauge, wide, gauge.error)
    excess = bound.excess(as_float64(actual), wide)
    if np.any(excess > 1):
        return _beyond(gauge, WrongElements(actual, expected, bound.error, excess))
    ratio = float(excess.max(initial=0.0))
    if gauge.convolution.random_sign and not gauge.convolution.exact:
        objection = _statistical_objection(gauge, actual, expected)
        if objection is not None:
            return objection
    return Judgement(Verdict.CONFORMS, ratio=ratio)


def _beyond(gauge: Gauge, wrong: WrongElements) -> Judgement:
    """Elements beyond the bound, with what can be said about them."""
    stage = "exact" if gauge.convolution.exact else "bound"
    remarks = [wrong.sentence()]
    outside = _outside_receptive_field(gauge, wrong.excess)
    if outside:
        stage = "locality"
        remarks.append(
            f"{outside} of them {'lies' if outside == 1 else 'lie'} outside the receptive field of "
            "the one input that stands apart"
        )
    precision = named_precision(gauge, as_float64(wrong.actual), as_float64(wrong.expected))
    if precision is not None:
        remarks.append(f"the errors are those of {precision}")
    message = f"{sentence_case('; '.join(remarks))}."
    return Judgement(Verdict.DEVIATES, message, wrong.ratio, stage, precision)


def _outside_receptive_field(gauge: Gauge, excess: Floats) -> int:
    """How many wrong outputs the input that stands apart takes no part in; 0 without one."""
    if gauge.touched is None:
        return 0
    c = gauge.convolution
    untouched = c.laid_out(~gauge.touched)
    if named(c.activation).rowwise:
        untouched = untouched.all(-1, keepdims=True)
    return int(np.count_nonzero(untouched & (excess > 1)))


def _statistical_objection(gauge: Gauge, actual: Array, expected: Array) -> Judgement | None:
    """Errors that random signs would have cancelled."""
    wide, values = as_float64(expected), as_float64(actual)
    bound: Bound = statistical_bound(gauge, wide)
    excess = bound.excess(values, wide)
    failed = [test for test in sums_tests(gauge, values, wide) if test.ratio > 1]
    if not np.any(excess > 1) and not failed:
        return None
    remarks = ["the errors are larger than those of products of random sign are"]
    ratio = max(float(excess.max(initial=0.0)), *(test.ratio for test in failed), 0.0)
    if np.any(excess > 1):
        remarks.append(WrongElements(actual, expected, bound.error, excess).sentence())
    remarks += [f"{test.name} is {test.ratio:.3g} times its limit" for test in failed]
    precision = named_precision(gauge, values, wide)
    if precision is not None:
        remarks.append(f"they are those of {precision}")
    message = f"{sentence_case('; '.join(remarks))}."
    return Judgement(Verdict.DEVIATES, message, ratio, "statistics", precision)

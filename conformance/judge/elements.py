"""The judgement of output values, stage by stage (see `judge`)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from conformance.judge.activations import named
from conformance.judge.bounds import Bound, output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.equality import same
from conformance.judge.messages import NOTHING, WrongElements, sentence_case
from conformance.judge.parts import Part, Parts
from conformance.judge.precision import named_precision
from conformance.judge.running_error import Floats
from conformance.judge.screening import is_surely_below
from conformance.judge.statistics import SumsOfErrors, has_statistics
from conformance.judge.sums import SPREAD, Gauge
from conformance.judge.verdict import Judgement, Verdict

Array = np.ndarray[Any, Any]


def judge_equality(actual: Array, expected: Array) -> Judgement:
    """Layers that compute nothing have bound zero, and so has the oracle.

    Args:
        actual: the output, of the same shape and dtype as the expected one and not equal to it.
        expected: the expected output.
    """
    different = ~same(actual, expected)
    count = int(np.count_nonzero(different))
    place = tuple(map(int, np.unravel_index(int(np.argmax(different)), different.shape)))
    wrong = WrongElements(
        count, different.size, math.inf, place, actual[place], expected[place], 0.0
    )
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
    found = WrongElements.of(actual, expected, bound.error, excess)
    if not found.count:
        return Judgement(Verdict.CONFORMS, ratio=found.ratio)
    message = f"{sentence_case(found.sentence())}."
    return Judgement(Verdict.DEVIATES, message, found.ratio, "bound")


def judge_sums(
    gauge: Gauge, actual: Array, expected: Array, *, negligible: float = 0.0
) -> Judgement:
    """The stages `exact`, `bound`, `statistics` and `locality` for a convolution's outputs.

    Args:
        gauge: the sums and their possible errors.
        actual: the outputs, of the expected shape and dtype.
        expected: the correctly rounded outputs.
        negligible: an error, in units of the bound, up to which the largest need not be told.
    """
    parts = Parts(gauge, actual, expected)
    found, outside = NOTHING, 0
    statistics = _Statistics() if has_statistics(gauge.convolution) else None
    for part in parts:
        if is_surely_below(part, min(max(found.ratio, negligible), 1.0)):
            found = found.joined(WrongElements(0, part.given.size, 0.0))
            continue
        excess, in_part = _excess(part, part.gauge.error)
        found = found.joined(in_part)
        if in_part.count:
            outside += _outside_receptive_field(part.gauge, excess)
        if statistics is not None and not found.count:
            statistics.add(part)
    if found.count:
        return _beyond(parts, found, outside)
    objection = None if statistics is None else statistics.objection(parts)
    return objection or Judgement(Verdict.CONFORMS, ratio=found.ratio)


def _excess(part: Part, error: Floats) -> tuple[Floats, WrongElements]:
    """The errors of a part in units of the bound, and what is found there."""
    bound = output_bound(part.gauge, part.expected, error)
    excess = bound.excess(part.actual, part.expected)
    found = WrongElements.of(part.given, part.wanted, bound.error, excess, part.start)
    return excess, found


def _beyond(parts: Parts, wrong: WrongElements, outside: int) -> Judgement:
    """Elements beyond the bound, with what can be said about them."""
    stage = "exact" if parts.gauge.convolution.exact else "bound"
    remarks = [wrong.sentence()]
    if outside:
        stage = "locality"
        remarks.append(
            f"{outside} of them {'lies' if outside == 1 else 'lie'} outside the receptive field of "
            "the one input that stands apart"
        )
    precision = named_precision(parts)
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


class _Statistics:
    """Errors that random signs would have cancelled.

    They are held first against limits that are surely not wider and cost less; the limits
    themselves are derived where these are exceeded.
    """

    def __init__(self) -> None:
        self._errors = SumsOfErrors()
        self._is_near = True

    def add(self, part: Part) -> None:
        """Take in a part."""
        gauge = part.gauge
        unit = gauge.least_statistical_unit
        self._errors.add(gauge, part.actual, part.expected, unit)
        if self._is_near:
            _, found = _excess(part, SPREAD * unit + gauge.narrow_error)
            self._is_near = not found.count

    @property
    def _is_surely_right(self) -> bool:
        return self._is_near and all(test.ratio <= 1 for test in self._errors.tests())

    def objection(self, parts: Parts) -> Judgement | None:
        """What is wrong with all parts together; None if nothing is."""
        if self._is_surely_right:
            return None
        errors, beyond = SumsOfErrors(), NOTHING
        for part in parts:
            unit = part.gauge.statistical_unit
            errors.add(part.gauge, part.actual, part.expected, unit)
            _, found = _excess(part, part.gauge.statistical_error)
            beyond = beyond.joined(found)
        failed = [test for test in errors.tests() if test.ratio > 1]
        if not beyond.count and not failed:
            return None
        remarks = ["the errors are larger than those of products of random sign are"]
        ratio = max(beyond.ratio, *(test.ratio for test in failed), 0.0)
        if beyond.count:
            remarks.append(beyond.sentence())
        remarks += [f"{test.name} is {test.ratio:.3g} times its limit" for test in failed]
        precision = named_precision(parts)
        if precision is not None:
            remarks.append(f"they are those of {precision}")
        message = f"{sentence_case('; '.join(remarks))}."
        return Judgement(Verdict.DEVIATES, message, ratio, "statistics", precision)

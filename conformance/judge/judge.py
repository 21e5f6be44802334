"""The judgement of one outcome: stages in a fixed order, the first that objects decides.

1. ``process``: crashes, time-outs, what is declared unsupported.
2. ``rejection``: a rejection where one is expected, and only there.
3. ``shape``, ``dtype``; ``inputs``: the operands left as they were; ``repeat``: the same answer to
   a second call; ``threads``: while another thread makes another call; ``state``: no wrong answer
   that is the right one of an earlier call.
4. ``exact``: operands that make every order of summation exact give the exact result; layers that
   compute nothing give their inputs.
5. ``bound``: no element is farther from the expected one than correct arithmetic can be.
6. ``statistics``: for operands of random sign, the errors cancel as they should.
7. ``locality``: not a later stage, but the name of `exact` or `bound` where one input stands apart
   and outputs are wrong whose receptive field does not hold it.

A comparison of all bits comes first; everything else is computed only where they differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.histories import history_of, others
from conformance.cases.operands import KINDS
from conformance.cases.operands import Operands as SuppliedOperands
from conformance.judge.contraction import as_float64
from conformance.judge.definition import Operands
from conformance.judge.elements import judge_equality
from conformance.judge.equality import equal, same, same_bits
from conformance.judge.expectation import Expectation, Kind, expect
from conformance.judge.gradients import judge_gradients
from conformance.judge.literals import difference
from conformance.judge.messages import sentence_case
from conformance.judge.verdict import Judgement, Verdict
from conformance.layers.registry import LAYERS
from conformance.outcomes import (
    ANSWER,
    AT_ONCE,
    Crash,
    Outcome,
    Rejection,
    Timeout,
    Unsupported,
    Value,
)

Array = np.ndarray[Any, Any]

CONFORMS: Final = Judgement(Verdict.CONFORMS, ratio=0.0)

_EXTRAORDINARY: Final = frozenset(
    {
        "BaseException",
        "BaseExceptionGroup",
        "GeneratorExit",
        "ImportError",
        "KeyboardInterrupt",
        "MemoryError",
        "ModuleNotFoundError",
        "NameError",
        "OSError",
        "RecursionError",
        "SystemError",
        "SystemExit",
        "UnboundLocalError",
    }
)
"""Exceptions that say that something broke, not that an argument is refused."""


@np.errstate(all="ignore")
def judge(case: Case, operands: Operands, expectation: Expectation, outcome: Outcome) -> Judgement:
    """Judge what an implementation did with a case.

    Args:
        case: the case.
        operands: its operands.
        expectation: what the oracle, or the second derivation, expects.
        outcome: what the implementation did.
    """
    match outcome:
        case Unsupported(reason):
            return Judgement(Verdict.UNSUPPORTED, reason)
        case Crash(ending, last_words):
            said = f"; its last words: {last_words}" if last_words else ""
            return Judgement(
                Verdict.CRASHED, f"The process ended: {ending}{said}.", None, "process"
            )
        case Timeout(seconds):
            message = f"No answer came within {seconds:g} seconds."
            return Judgement(Verdict.TIMED_OUT, message, None, "process")
        case Rejection():
            return _judge_rejection(case, expectation, outcome)
        case Value():
            return _judge_value(case, operands, expectation, outcome)


def _deviates(stage: str, message: str, ratio: float | None = None) -> Judgement:
    return Judgement(Verdict.DEVIATES, message, ratio, stage)


def _judge_rejection(case: Case, expectation: Expectation, outcome: Rejection) -> Judgement:
    what = f"{outcome.exception}: {outcome.message}" if outcome.message else outcome.exception
    what = what.rstrip(".")
    if expectation.kind != Kind.REJECTION:
        if _may_be_refused(case, outcome):
            return Judgement(
                Verdict.UNSUPPORTED,
                f"Arrays in the other byte order are refused with {what}; the documentation does "
                "not speak of them.",
            )
        return _deviates("rejection", f"The case is valid, but was rejected with {what}.")
    if outcome.exception in _EXTRAORDINARY:
        return _deviates("rejection", f"The case must be rejected, but not with {what}.")
    return CONFORMS


def _may_be_refused(case: Case, outcome: Rejection) -> bool:
    """Whether the operands are such as the documentation does not speak of."""
    swapped = KINDS[case.operands].layout == "swapped"
    return swapped and outcome.exception not in _EXTRAORDINARY


def _judge_value(
    case: Case, operands: Operands, expectation: Expectation, outcome: Value
) -> Judgement:
    if expectation.kind == Kind.REJECTION:
        because = f" ({expectation.reason})" if expectation.reason else ""
        return _deviates(
            "rejection",
            f"The case must be rejected{because}, but was accepted and gave "
            f"{_described(outcome.value)}.",
        )
    if expectation.kind == Kind.GRADIENTS:
        return _judge_gradients(case, operands, expectation, outcome)
    if expectation.kind != Kind.VALUE:
        stage = "shape" if expectation.kind == Kind.SHAPE else "literal"
        found = difference(expectation.value, outcome.value)
        return CONFORMS if found is None else _deviates(stage, f"{sentence_case(found)}.")
    return (
        _objection_to_form(expectation.value, outcome.value)
        or _objection_to_calls(outcome)
        or _judge_answer(case, operands, expectation, outcome)
    )


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype.name}"
    return value if isinstance(value, str) else repr(value)


def _judge_gradients(
    case: Case, operands: Operands, expectation: Expectation, outcome: Value
) -> Judgement:
    """The same stages for each gradient, by name."""
    expected, actual = expectation.value, outcome.value
    if not isinstance(actual, dict) or actual.keys() != expected.keys():
        found = f"{sorted(actual)}" if isinstance(actual, dict) else _described(actual)
        return _deviates("shape", f"Gradients of {sorted(expected)} are expected, not {found}.")
    for name, array in expected.items():
        objection = _objection_to_form(array, actual[name], f"gradient of {name}")
        if objection is not None:
            return objection
    return _objection_to_calls(outcome) or _judge_answer(case, operands, expectation, outcome)


def _objection_to_form(expected: Array, actual: Any, what: str = "output") -> Judgement | None:
    if not isinstance(actual, np.ndarray):
        return _deviates("shape", f"An array is expected, but the answer is {_described(actual)}.")
    if actual.shape != expected.shape:
        return _deviates(
            "shape", f"The {what}'s shape is {actual.shape}, but should be {expected.shape}."
        )
    if actual.dtype != expected.dtype:
        return _deviates(
            "dtype",
            f"The {what}'s dtype is {actual.dtype.name}, but should be {expected.dtype.name}.",
        )
    return None


def _objection_to_calls(outcome: Value) -> Judgement | None:
    if ANSWER in outcome.changed_inputs:
        return _deviates(
            "inputs",
            "A later call overwrote the answer of an earlier one, which lies in its memory.",
        )
    at_once = AT_ONCE in outcome.changed_inputs
    if outcome.changed_inputs and not at_once:
        names = ", ".join(outcome.changed_inputs)
        return _deviates("inputs", f"The call changed its operands: {names}.")
    if outcome.repeat is None:
        return None
    first = outcome.value if outcome.before is None else outcome.before
    found = _how_repeat_differs(first, outcome.repeat)
    if at_once:
        return _deviates(
            "threads",
            "While another thread called it on other operands, the same call gave another answer: "
            f"{found}.",
        )
    return _deviates("repeat", f"{_when_repeated(outcome)} gave another answer: {found}.")


def _when_repeated(outcome: Value) -> str:
    if not outcome.between:
        return "A second call on the same operands"
    if outcome.before is None:
        return f"After a call on another case ({outcome.between}), the same operands"
    return f"Called again after this one, the case {outcome.between}"


def _how_repeat_differs(first: Any, second: Any) -> str:
    if isinstance(first, dict) and isinstance(second, dict):
        return "; ".join(
            f"gradient of {name}: {_how_repeat_differs(first[name], second.get(name))}"
            for name in first
            if not same_bits(first[name], second.get(name))
        )
    if not isinstance(second, np.ndarray) or second.shape != first.shape:
        return _described(second)
    if second.dtype != first.dtype:
        return f"dtype {second.dtype.name} instead of {first.dtype.name}"
    different = ~same(as_float64(first), as_float64(second))
    if not different.any():
        return "zeros of the other sign"
    place = np.unravel_index(int(np.argmax(different)), first.shape)
    return (
        f"{np.count_nonzero(different)} of {first.size} elements differ, the first at "
        f"{[int(index) for index in place]}: {first[place]!s}, then {second[place]!s}"
    )


def _judge_answer(
    case: Case, operands: Operands, expectation: Expectation, outcome: Value
) -> Judgement:
    """The elements, and of wrong ones, whether they are the right answer to an earlier call."""
    judgement = _judge_numbers(case, operands, expectation, outcome.value)
    if judgement.verdict == Verdict.DEVIATES and history_of(case) in _REPLACING:
        kept = _what_is_kept(case, operands, outcome.value)
        if kept:
            return _deviates("state", kept, judgement.ratio)
    return judgement


def _judge_numbers(
    case: Case, operands: Operands, expectation: Expectation, actual: Any
) -> Judgement:
    """The elements of an output, or of all gradients."""
    if expectation.kind != Kind.GRADIENTS:
        return _judge_elements(case, operands, expectation, actual)
    strict = expectation.demands_equality
    judgement = judge_gradients(case, operands, expectation.value, actual, strict=strict)
    if judgement.verdict != Verdict.CONFORMS:
        return judgement
    return _unless_uninformative(expectation, judgement)


_REPLACING: Final = ("weights", "inputs")
"""The histories in which other numbers stood in the operands' memory before."""


def _what_is_kept(case: Case, operands: Any, actual: Any) -> str:
    """What of an earlier call a wrong answer is made of, in words; empty for nothing."""
    with contextlib.suppress(ImportError):  # the operands of dtypes that need a package
        for names, mixed in _mixed(case, operands):
            judgement = _judge_numbers(case, mixed, expect(case, mixed), actual)
            if judgement.verdict != Verdict.DEVIATES:
                return (
                    f"With {' and '.join(names)} replaced in place by other numbers, the layer "
                    "gave the answer for those of before: what an earlier call was given is kept, "
                    "by its address or shape."
                )
    return ""


def _mixed(case: Case, operands: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The operands with some of those of the earlier call in their place."""
    (earlier,) = others(case, operands)
    if history_of(case) == "inputs":
        yield ("inputs",), earlier
        return
    names = tuple(operands.weights)
    for some in [(name,) for name in names] + [names] * (len(names) > 1):
        weights = {**operands.weights, **{name: earlier.weights[name] for name in some}}
        yield some, SuppliedOperands(operands.inputs, weights, operands.upstream)


def _judge_elements(
    case: Case, operands: Operands, expectation: Expectation, actual: Array
) -> Judgement:
    if equal(actual, expectation.value):
        return _unless_uninformative(expectation, CONFORMS)
    if expectation.demands_equality:
        return judge_equality(actual, expectation.value)
    judgement = LAYERS[case.layer].judge_output(case, operands, expectation, actual)
    if judgement.verdict != Verdict.CONFORMS:
        return judgement
    return _unless_uninformative(expectation, judgement)


def _unless_uninformative(expectation: Expectation, judgement: Judgement) -> Judgement:
    """A right answer, unless a wrong computation could easily have given it too."""
    if expectation.information is None:
        return judgement
    return Judgement(
        Verdict.UNTRUSTED,
        "The answer is right, but the case could hardly have told it from a wrong one: "
        f"{expectation.information}.",
        judgement.ratio,
        judgement.stage,
    )

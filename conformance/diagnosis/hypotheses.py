"""Faults held against cases: whether they give what an implementation gave."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import Operands, operands
from conformance.diagnosis.backward import GradientPrediction, predict_gradients
from conformance.diagnosis.evaluation import CORRECT, Prediction, Steps, predict
from conformance.diagnosis.faults import FAULTS, Fault, combined
from conformance.diagnosis.idle import Trace
from conformance.implementations.last_words import reason_in
from conformance.judge.definition import forbidden
from conformance.layers.registry import LAYERS
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Value
from conformance.results import Result

Hypothesis = tuple[Fault, ...]
"""No fault, one, or two at a time."""

Predicted = Prediction | GradientPrediction

OF_PROGRAMS: Final = frozenset(
    {
        *("AttributeError", "ImportError", "KeyError", "MemoryError", "ModuleNotFoundError"),
        *("NameError", "NotImplementedError", "OSError", "RecursionError", "SystemError"),
        *("TypeError", "UnboundLocalError", "ZeroDivisionError"),
    }
)
"""Exceptions that no fault of the catalogue explains: a program breaks by them, whatever its
arithmetic is."""

_KEPT: Final = 64 << 20
"""Bytes of predictions that are kept."""

_TRACES: Final = 512
_MOST_TRACED: Final = 1 << 12
"""How many evaluations are traced at a time, and of how many input elements: some 100 MB."""


@dataclass(frozen=True, eq=False)
class Failure:
    """One case in which an implementation fails.

    Attributes:
        case: the case.
        outcome: what the implementation did.
        stage: the stage of the judge that objected.
        named: what the judge itself found, such as a reduced precision; None for nothing.
    """

    case: Case
    outcome: Outcome
    stage: str = ""
    named: str | None = None

    @property
    def what(self) -> str:
        """What happened, in short: the exception and its message without numbers, or the stage.

        What was accepted is told apart by the reason for which it must be rejected.
        """
        match self.outcome:
            case Rejection(exception, message):
                return f"{exception}: {normalised(self._without_arguments(message))}"
            case Crash(ending, last_words):
                reason = normalised(reason_in(last_words))
                return f"{ending}: {reason}" if reason else ending
            case Timeout():
                return ""
            case Value() if self.stage == "rejection":
                return f"accepted: {prohibition(self.case)}"
            case _:
                return self.stage

    def _without_arguments(self, message: str) -> str:
        """A message without the words that the case gives as arguments."""
        for value in self.case.keywords.values():
            if isinstance(value, str) and len(value) > 2:
                message = re.sub(rf"\b{re.escape(value)}\b", "...", message)
        return message


def normalised(message: str) -> str:
    """The first line of a message with its numbers, shapes, quotations and addresses left out."""
    first = (message.strip().splitlines() or [""])[0]
    number = r"([\w.-]+\.py\b)|0x[0-9a-fA-F]+|[-+]?\d[\d.e+-]*"  # a file keeps its name
    first = re.sub(number, lambda found: found[1] or "#", first)
    first = re.sub(r"[\[(]\s*#?(?:\s*,\s*#?)*\s*[\])]", "(#)", first)
    return re.sub(r"'[^']*'|\"[^\"]*\"", "'...'", first)[:200]


def prohibition(case: Case) -> str:
    """Which argument the documentation forbids, and what it allows, without what was given."""
    try:
        reason = forbidden(case) or "nothing that the documentation forbids"
    except (TypeError, ValueError, AttributeError, KeyError):
        return "it cannot be read"
    reason = re.sub(r"^inputs of shape [^:]*:", "inputs:", reason)
    if reason.startswith("inputs:"):
        return re.sub(r"\d+", "#", reason)
    return re.sub(r"^(\w+)=.*?: ", r"\1: ", reason)


def failure_of(result: Result) -> Failure:
    """A failing result with its evidence, as the diagnosis takes it."""
    evidence: Any = result.evidence
    return Failure(evidence.case, evidence.outcome, evidence.stage, result.diagnosis)


class Hypotheses:
    """Predictions by fault and case; the last ones are kept, up to 64 MB.

    Args:
        refuted: what explains nothing, since the implementation was asked and told otherwise.
    """

    def __init__(self, refuted: Container[Hypothesis] = ()) -> None:
        self.refuted = refuted
        self._kept: dict[tuple[Hypothesis, Case], Predicted | None] = {}
        self._traces: dict[Case, Trace] = {}
        self._bytes = 0
        self._pairs: dict[Failure, list[tuple[Fault, Fault]]] = {}
        self._explained: dict[tuple[Hypothesis, Failure], bool] = {}
        self._wrong: dict[Failure, frozenset[str]] = {}

    def pairs(self, failure: Failure) -> list[tuple[Fault, Fault]]:
        """The pairs of faults of outputs that explain a failure, each of which changes the case."""
        if failure not in self._pairs:
            changing = [fault for fault in FAULTS.values() if self._changes(fault, failure.case)]
            pairs = (pair for pair in combinations(changing, 2) if are_compatible(*pair))
            self._pairs[failure] = [pair for pair in pairs if self.explain(pair, failure)]
        return self._pairs[failure]

    def _changes(self, fault: Fault, case: Case) -> bool:
        right, faulty = self.prediction((), case), self.prediction((fault,), case)
        if not isinstance(right, Prediction) or not isinstance(faulty, Prediction):
            return True
        return not faulty.gives(right.value)

    def explain(self, hypothesis: Hypothesis, failure: Failure) -> bool:
        """Whether an implementation with these faults, and none without, does what was done.

        A rejection is explained where the faults leave no way to compute the output, which of
        arrays without elements says nothing: evaluations fail there for reasons of their own.
        Exceptions by which programs break say nothing of faults.
        """
        key = (hypothesis, failure)
        if key not in self._explained:
            self._explained[key] = self._does_explain(hypothesis, failure)
        return self._explained[key]

    def _does_explain(self, hypothesis: Hypothesis, failure: Failure) -> bool:
        of_gradients = failure.case.observe == "gradients"
        if hypothesis in self.refuted:
            return False
        if not is_predictable(failure.case) or (_is_of_gradients(hypothesis) and not of_gradients):
            return False
        right = self.prediction((), failure.case)
        if right is None or not self._can_touch(hypothesis, failure, right):
            return False
        faulty = self.prediction(hypothesis, failure.case)
        if faulty is right:
            return False
        if faulty is None:
            return _is_of_arrays(failure.outcome) and _has_elements(failure.case)
        return isinstance(failure.outcome, Value) and self._gives(failure, faulty, right)

    def _can_touch(self, hypothesis: Hypothesis, failure: Failure, right: Predicted) -> bool:
        """Whether the gradients that are wrong are those that the faults can make wrong."""
        if len(hypothesis) != 1 or not hypothesis[0].gradients:
            return True
        if not isinstance(right, GradientPrediction):
            return True
        if failure not in self._wrong:
            outcome = failure.outcome
            given = outcome.value if isinstance(outcome, Value) else None
            self._wrong[failure] = right.wrong_parts(given)
        return self._wrong[failure] <= hypothesis[0].gradients

    def _gives(self, failure: Failure, faulty: Predicted, right: Predicted) -> bool:
        assert isinstance(failure.outcome, Value)
        actual = failure.outcome.value
        if failure.case.observe == "shape":
            assert isinstance(faulty, Prediction)
            assert isinstance(right, Prediction)
            return bool(tuple(actual) == faulty.value.shape != right.value.shape)
        return reproduces(faulty, right, actual)

    def fail_without_elements(self, hypothesis: Hypothesis, failure: Failure) -> bool:
        """Whether what is rejected has no elements, and these faults cannot compute it either."""
        rejected = _is_of_arrays(failure.outcome) and is_predictable(failure.case)
        if not rejected or _has_elements(failure.case):
            return False
        right, faulty = (self.prediction(one, failure.case) for one in ((), hypothesis))
        return right is not None and faulty is None

    def affect(self, hypothesis: Hypothesis, case: Case) -> bool:
        """Whether an implementation with these faults fails in a case.

        Convolutions of subnormal numbers tell nothing: the judge lets them be taken for zero.
        """
        flushed = case.operands == "subnormal" and LAYERS[case.layer].convolves
        if case.observe == "shape" or flushed or not is_predictable(case):
            return False
        right, faulty = self.prediction((), case), self.prediction(hypothesis, case)
        return right is not None and (faulty is None or not right.fits(faulty.value))

    def prediction(self, hypothesis: Hypothesis, case: Case) -> Predicted | None:
        """What such an implementation gives; None where it cannot compute anything."""
        key = (hypothesis, case)
        if key not in self._kept:
            if self._is_idle(hypothesis, case):
                return self.prediction((), case)
            made = self._made(hypothesis, case)
            self._bytes += _size(made)
            if self._bytes > _KEPT:
                self._kept.clear()
                self._bytes = _size(made)
            self._kept[key] = made
        return self._kept[key]

    def _is_idle(self, hypothesis: Hypothesis, case: Case) -> bool:
        """Whether it is plain, without an evaluation, that the faults change nothing."""
        if not hypothesis or math.prod(n or 0 for n in case.inputs or ()) > _MOST_TRACED:
            return False
        if case not in self._traces:
            if len(self._traces) >= _TRACES:
                self._traces.clear()
            trace = Trace()
            _prediction(case, trace.steps)
            self._traces[case] = trace
        return self._traces[case].is_idle(_steps(hypothesis))

    def _made(self, hypothesis: Hypothesis, case: Case) -> Predicted | None:
        """The prediction; of a fault that shows in one gradient alone, with the others right."""
        made = _prediction(case, _steps(hypothesis))
        only = hypothesis[0].only if len(hypothesis) == 1 else ""
        if not only:
            return made
        right = self.prediction((), case)
        if not isinstance(right, GradientPrediction) or not isinstance(made, GradientPrediction):
            return right
        return right.with_part(only, made)


def reproduces(faulty: Any, right: Any, actual: Any) -> bool:
    """Whether an output is what a fault gives, and not as well what there is without it."""
    if not faulty.fits(actual) or right.gives(actual):
        return False
    return faulty.gives(actual) or not faulty.fits(right.value)


def are_compatible(one: Fault, other: Fault) -> bool:
    """Whether an implementation can have both faults."""
    return combined(one, other) is not None


@lru_cache(maxsize=8192)
def _steps(hypothesis: Sequence[Fault]) -> Steps:
    if not hypothesis:
        return CORRECT
    if len(hypothesis) == 1:
        return hypothesis[0].steps
    return combined(*hypothesis) or CORRECT


def _prediction(case: Case, steps: Steps) -> Predicted | None:
    try:
        if case.observe == "gradients":
            return predict_gradients(case, operands_of(case), steps)
        return predict(case, operands_of(case), steps)
    except (ValueError, IndexError):
        return None


def _is_of_gradients(hypothesis: Hypothesis) -> bool:
    return any(fault.identifier.startswith("gradient.") for fault in hypothesis)


def _is_of_arrays(outcome: Outcome) -> bool:
    """Whether an outcome is a rejection that arrays which do not fit can cause."""
    return isinstance(outcome, Rejection) and outcome.exception not in OF_PROGRAMS


def _has_elements(case: Case) -> bool:
    arrays = operands_of(case)
    return arrays.inputs is not None and arrays.inputs.size > 0


def _size(prediction: Predicted | None) -> int:
    if prediction is None:
        return 0
    arrays: Sequence[Any] = (
        prediction.arrays
        if isinstance(prediction, GradientPrediction)
        else (prediction.value, prediction.wide, prediction.error)
    )
    return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


def is_predictable(case: Case) -> bool:
    """Whether a case looks at what a layer computes, on lengths that are known."""
    known = case.inputs is not None and None not in case.inputs
    looks = case.observe in ("output", "shape", "gradients")
    return known and looks and LAYERS[case.layer].takes_inputs


@lru_cache(maxsize=256)
def operands_of(case: Case) -> Operands:
    """The operands of a case; of one that observes a shape, those for its output."""
    return operands(case if case.observe == "gradients" else case.replace(observe="output"))

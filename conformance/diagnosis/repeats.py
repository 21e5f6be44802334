"""Two answers to the same call: which one is wrong, and so what is to be explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from conformance.diagnosis.backward import GradientPrediction
from conformance.diagnosis.hypotheses import Failure, Hypotheses, Predicted
from conformance.outcomes import Value

_FIRST: Final = "the first answer is wrong and the second right"
_SECOND: Final = "the first answer is right, of the second"
_BOTH: Final = "both answers are wrong, of the first"


def wrong_answer(failure: Failure, hypotheses: Hypotheses) -> tuple[Failure, str] | None:
    """The failure as if the wrong answer were the only one, and which it is, in words.

    None where the failure is another, the answers are those of different cases, or both are right.
    """
    outcome = failure.outcome
    if failure.stage != "repeat" or not isinstance(outcome, Value) or outcome.before is not None:
        return None
    right = hypotheses.prediction((), failure.case)
    if right is None or failure.case.observe == "shape":
        return None
    first, second = (_fits(right, answer) for answer in (outcome.value, outcome.repeat))
    if first and second:
        return None
    given, words = (outcome.repeat, _SECOND) if first else (outcome.value, _BOTH)
    words = _FIRST if second else words
    return replace(failure, outcome=Value(given), stage="exact"), words


def _fits(right: Predicted, answer: Any) -> bool:
    is_of_kind = isinstance(right, GradientPrediction) == isinstance(answer, dict)
    is_array = isinstance(answer, dict | np.ndarray)
    return is_array and is_of_kind and right.fits(answer)

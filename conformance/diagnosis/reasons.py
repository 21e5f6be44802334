"""The stage at which a failing case first differs."""

from __future__ import annotations

import numpy as np

from conformance.diagnosis.hypotheses import Failure, is_predictable, operands_of
from conformance.diagnosis.stages import first_difference
from conformance.outcomes import ANSWER, Rejection, Value


def failure_reason(failure: Failure) -> str:
    """The stage at which a failing case first differs: of the evaluation, else of the judge."""
    outcome = failure.outcome
    if isinstance(outcome, Value) and ANSWER in outcome.changed_inputs:
        return "overwritten"
    if failure.stage == "rejection":
        return _of_rejection(failure)
    told = failure.stage in ("inputs", "state", "threads", "repeat", "process", "dtype", "literal")
    if told or not is_predictable(failure.case) or not isinstance(outcome, Value):
        return failure.stage
    if failure.case.observe != "output" or not isinstance(outcome.value, np.ndarray):
        return failure.stage
    return first_difference(failure.case, operands_of(failure.case), outcome.value)


def _of_rejection(failure: Failure) -> str:
    """Whether what is valid was refused, or what is not was accepted, or ended in another error."""
    if failure.case.observe != "rejection":
        return "refused"
    return "broken" if isinstance(failure.outcome, Rejection) else "accepted"

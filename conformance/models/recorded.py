"""Whether a layer's error is a recorded deviation of the runtime, and no mistake of a converter.

A record speaks of cases of documented layers.  A documented layer of a model is such a case; an
activation is one as a convolution of one tap whose kernel is the identity, on the elements that are
wrong alone: each sum is the element itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from conformance import known
from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.diagnosis.arrays import case_of, plain_operands, weights_of
from conformance.implementations import registry
from conformance.judge.expectation import Expectation, expect
from conformance.judge.running_error import Floats
from conformance.judge.verdict import Judgement
from conformance.judge.verdict import Verdict as OfRun
from conformance.known.record import Found, Record, Who
from conformance.models.source import Step
from conformance.outcomes import Value

_ROWS: Final = frozenset({"softmax", "log_softmax", "sparsemax"})
"""Activations of a whole row; the others are of each element alone."""

_LARGEST: Final = 1 << 22
"""Products of a layer that is tried: expecting more takes longer than judging the model."""


def record_of(
    implementation: str, step: Step, given: Floats, values: Floats, far: Any, message: str
) -> Record | None:
    """The record that explains what a layer makes; None where none does.

    Args:
        implementation: what runs the candidate, by its name in records; empty for none.
        step: the layer.
        given: its input.
        values: what the candidate makes of it.
        far: which elements are wrong.
        message: what is said of them.
    """
    if not implementation or not given.size:
        return None
    made = _judged(step, given, values, far)
    if made is None:
        return None
    case, operands, output = made
    entry = registry.resolve(implementation)
    who = Who((entry.name, implementation), registry.versions(entry))
    judgement = Judgement(OfRun.DEVIATES, message, stage="bound")
    alone = step.operation.kind == "activation" and case.keywords["filters"] == 1

    def derived() -> tuple[Operands, Expectation]:
        # Whatever stands there alone is wrong: an input of the layer has no error as its sum has.
        return operands, replace(expect(case, operands), demands_equality=alone)

    found = Found(case, Value(output), judgement, derived)
    about = known.load().about(who)
    return next((r for r in about if r.concerns(case) and r.explains(found)), None)


def _judged(
    step: Step, given: Floats, values: Floats, far: Any
) -> tuple[Case, Operands, Any] | None:
    """The case that a layer is, its operands, and the candidate's output of it."""
    if step.operation.kind == "activation":
        return _activation(step, given, values, far)
    inputs = given.astype(step.operation.format.name)
    case = case_of(step.layer, inputs)
    kernel = step.operation.weights.get("kernel", np.ones(1))
    if case is None or values.size * (kernel.size // max(kernel.shape[-1], 1)) > _LARGEST:
        return None
    return case, Operands(inputs, weights_of(step.layer)), values.astype(inputs.dtype)


def _activation(
    step: Step, given: Floats, values: Floats, far: Any
) -> tuple[Case, Operands, Any] | None:
    name, dtype = step.operation.settings["activation"], step.operation.format.name
    if not isinstance(name, str) or given.shape != values.shape:
        return None
    by_row = name in _ROWS
    width = given.shape[-1] if by_row else 1
    rows = far.any(-1) if by_row else far
    inputs, output = (array[rows].reshape(-1, 1, width).astype(dtype) for array in (given, values))
    case = Case.of(
        "Conv1D",
        inputs.shape,
        dtype=dtype,
        operands=plain_operands(),
        filters=width,
        kernel_size=1,
        activation=name,
        use_bias=False,
    )
    kernel = np.eye(width, dtype=dtype)[None]
    return (case, Operands(inputs, {"kernel": kernel}), output) if inputs.size else None

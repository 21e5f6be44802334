"""The faults of the catalogue as steps, and a judge of its own for what they give.

The evaluation (`conformance.diagnosis.evaluation`) is not the oracle, and knows nothing of it.
"""

from __future__ import annotations

import numpy as np

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS, Operands
from conformance.cases.recipes import NUMBERS
from conformance.diagnosis.evaluation import Array, Steps, evaluate
from conformance.diagnosis.faults import FAULTS as CATALOGUE
from conformance.diagnosis.variations import accumulated_in, is_nan

__all__ = [
    "BEYOND_SMOKE",
    "FAULTS",
    "Array",
    "Steps",
    "accumulated_in",
    "evaluate",
    "noticed",
    "outcome",
]

BEYOND_SMOKE = tuple(
    map(
        parse,
        (
            "Conv1D/inputs:2x4x3/operands:wide/filters:5/kernel_size:(2,)/activation:relu6",
            "Conv1D/inputs:2x4x3/filters:16/kernel_size:(2,)/activation:leaky_relu",
            "Conv1D/inputs:2x4x15/filters:3/kernel_size:(3,)",
            "Conv1D/inputs:2x4x17/filters:1/kernel_size:(3,)",
            "Conv1D/inputs:2x4x63/filters:1/kernel_size:(3,)",
            "Conv1D/inputs:2x4x65/filters:3/kernel_size:(3,)",
            "Conv1D/inputs:1x2x257/filters:1/kernel_size:(1,)",
            "Conv1D/inputs:1x2x513/filters:1/kernel_size:(1,)",
            "Conv1D/inputs:1x3x32/operands:kernel_nan/filters:2/kernel_size:(3,)/padding:same",
            "Conv1D/inputs:2x5x3/dtype:float16/operands:unused_infinity/filters:4/kernel_size:(2,)",
            "Conv1D/inputs:2x5x3/operands:unused_infinity/filters:4/kernel_size:(2,)",
            "Conv1D/inputs:2x5x3/operands:idle_infinity/filters:4/kernel_size:(2,)",
            "MaxPooling1D/inputs:2x5x3/dtype:float64/operands:lowest/pool_size:(2,)/strides:(1,)",
            (
                "MaxPooling2D/inputs:2x7x8x3/dtype:int64/operands:specials/pool_size:3x2/strides:2x3/"
                "padding:same"
            ),
            "MaxPooling2D/inputs:1x15x7x1/pool_size:7x7",
            "MaxPooling1D/inputs:1x400x3/pool_size:(80,)/strides:(16,)",
            "Flatten/inputs:2x3x8",
            "Flatten/inputs:1x2x3x16",
            "Flatten/inputs:2x3x1x32",
            "Flatten/inputs:2x35x9x11/data_format:channels_first",
        ),
    )
)
"""Cases of `standard` for the faults that the smoke grid is too small to notice, or tell apart."""

FAULTS: dict[str, Steps] = {name: fault.steps for name, fault in CATALOGUE.items()}
"""Faulty steps by the identifier of their fault."""


def noticed(case: Case, operands: Operands, expected: Array, actual: Array) -> bool:
    """Whether no correct implementation returns `actual`: shape, dtype, or values too far off.

    Where every order of summation is exact, and where nothing is summed, any difference counts
    (+0 and -0 are alike, as are all NaN).  Elsewhere finite values may be off by the error of
    K + 1 roundings, twice that for the activation's slope, and the roundings of the result.
    """
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return True
    equal = (expected == actual) | (is_nan(expected) & is_nan(actual))
    known = facts(case)
    plain = known.activation in (None, "linear", "relu")
    if not known.is_convolution or (KINDS[case.operands].exact and plain):
        return not bool(np.all(equal))
    return not bool(np.all(equal | _within_bound(case, operands, expected, actual)))


def _within_bound(case: Case, operands: Operands, expected: Array, actual: Array) -> Array:
    assert operands.inputs is not None
    unit = 2.0 ** -NUMBERS[case.dtype].precision
    roundings = (facts(case).products + 1) * unit
    magnitudes = {role: np.abs(array) for role, array in operands.weights.items()}
    gauge = evaluate(
        case.replace(activation=None, dtype="float64"),
        Operands(np.abs(operands.inputs).astype(np.float64), magnitudes),
    )
    gauge = np.broadcast_to(gauge, expected.shape)
    bound = 2 * roundings / (1 - roundings) * gauge + 4 * unit * np.abs(expected)
    distance = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    return np.asarray(np.isfinite(distance) & (distance <= bound))


def outcome(case: Case, operands: Operands, steps: Steps) -> Array | None:
    """The result with these steps; None where they fail with an exception."""
    try:
        with np.errstate(all="ignore"):
            return evaluate(case, operands, steps)
    except (ValueError, IndexError):
        return None

"""Elements of an outcome held against the right ones, and against those of a faulty evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.cases.operands import KINDS
from conformance.diagnosis.evaluation import (
    Steps,
    close,
    predict,
)
from conformance.diagnosis.faults import FAULTS
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.running_error import Floats
from conformance.judge.statistics import statistical_bound
from conformance.outcomes import Value

if TYPE_CHECKING:
    from conformance.known.record import Found

Array = NDArray[Any]
Mask = NDArray[np.bool_]

_OF_CALLS: Final = ("repeat", "inputs", "state", "threads")
"""Stages that say something of the calls, not of the elements."""

_WIDE: Final = ("float32", "float64")
_PLAIN: Final = (None, "linear", "relu", "relu6")
"""Where operands make every sum exact, dtypes and activations that round nothing else."""

OF_CONSTANTS: Final = 2.0**-18
"""What selu loses by five decimals, relatively, rounded up to a power of two.

``1.0507 * 1.67326`` is 2.88e-6 less than the product of its constants, 1.0507009873554805 and
1.6732632423543772; eight roundings of float32 add 4.8e-7.
"""


GELU_FACTORS: Final = (float(np.float32(math.sqrt(0.5))), 1 / float(np.float32(math.sqrt(2.0))))
"""The root of one half, and one over the root of two, rounded to float32."""

SOFTPLUS_ENDS: Final = 20.0
"""Where softplus is cut off: from there on ``log(1 + exp(-x))``, and 1 less the slope, are at most
2.07e-9, which float64 shows alone."""


def erf(x: Array) -> Array:
    """The error function, by the standard library."""
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


def explained_by(name: str, found: Found) -> bool:
    """Whether every element of an output is right, or what a fault of the catalogue gives.

    Args:
        name: the fault.
        found: the case with its outcome.
    """
    return as_steps(found, FAULTS[name].steps)


def as_steps(found: Found, steps: Steps) -> bool:
    """Whether every wrong element of an output is what an evaluation with these steps gives."""
    actual = output_of(found)
    operands, _ = found.derive()
    if actual is None or operands.inputs is None or found.judgement.stage in _OF_CALLS:
        return False
    try:
        prediction = predict(found.case, operands, steps)
    except (ValueError, IndexError):
        return False
    if actual.shape != prediction.value.shape or actual.dtype != prediction.value.dtype:
        return False
    is_exact = KINDS[found.case.operands].exact and steps.on_grid
    if is_exact and found.case.dtype in _WIDE and facts(found.case).activation in _PLAIN:
        return all_wrong_are(found, close(actual, prediction.value, prediction.wide, None))
    return all_wrong_are(found, prediction.allows(actual))


def all_wrong_are(found: Found, explained: Mask) -> bool:
    """Whether some elements of an output are wrong, and these all among the explained ones."""
    actual = output_of(found)
    if actual is None:
        return False
    wrong = ~is_right(found, actual)
    return bool(wrong.any() and np.all(explained | ~wrong))


def with_neighbours(marked: Mask) -> Mask:
    """Marked places and those before and behind them in memory."""
    flat = marked.reshape(-1)
    spread = flat.copy()
    spread[1:] |= flat[:-1]
    spread[:-1] |= flat[1:]
    return spread.reshape(marked.shape)


def output_of(found: Found) -> Array | None:
    """The array that an output case gave; None where there is none."""
    outcome = found.outcome
    if found.case.observe != "output" or not isinstance(outcome, Value):
        return None
    return outcome.value if isinstance(outcome.value, np.ndarray) else None


def shaped_output_of(found: Found) -> Array | None:
    """The array that an output case gave; None where it has not the shape that is expected."""
    actual = output_of(found)
    if actual is None:
        return None
    operands, expectation = found.derive()
    if operands.inputs is None or actual.shape != np.shape(expectation.value):
        return None
    return actual


def is_right(found: Found, actual: Array) -> Mask:
    """Which elements of an output the judge accepts; none where the shape is wrong."""
    operands, expectation = found.derive()
    expected = expectation.value
    if not isinstance(expected, np.ndarray) or actual.shape != expected.shape:
        return np.zeros(actual.shape, bool)
    values, wide = as_float64(actual), as_float64(expected)
    gauge = None if expectation.demands_equality else expectation.gauge(found.case, operands)
    if gauge is None:
        return close(values, wide, wide, None)
    right: Mask = output_bound(gauge, wide, gauge.error).excess(values, wide) <= 1
    if gauge.convolution.random_sign and not gauge.convolution.exact:
        right &= statistical_bound(gauge, wide).excess(values, wide) <= 1
    return right


def gradients_of(found: Found) -> dict[str, Array] | None:
    """The gradients that a case gave, of the expected names, shapes and dtypes; None otherwise."""
    outcome, expected = found.outcome, found.derive()[1].value
    if found.case.observe != "gradients" or not isinstance(outcome, Value):
        return None
    actual = outcome.value
    if not isinstance(actual, dict) or not isinstance(expected, dict):
        return None
    if actual.keys() != expected.keys():
        return None
    fits = all(
        isinstance(a, np.ndarray)
        and (a.shape, a.dtype) == (expected[name].shape, expected[name].dtype)
        for name, a in actual.items()
    )
    return actual if fits else None


def is_within(actual: Array, reference: Floats, error: Floats) -> bool:
    """Whether every element is the reference up to an error; NaN and infinities as they are."""
    wide = as_float64(actual)
    with np.errstate(all="ignore"):
        near = np.abs(wide - reference) <= error
    same = (wide == reference) | (np.isnan(wide) & np.isnan(reference))
    return bool(np.all(near | same))

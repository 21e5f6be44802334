"""The suite's own score: faults planted one at a time, and correct implementations that differ.

Each fault of the catalogue is run as an implementation in this process; the suite has to notice it
and to name it.  Correct implementations that compute in another order, layout or way must raise no
alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import INTEGER_DTYPES, Operands, has_its_dtype
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import CORRECT, Array, Steps, evaluate
from conformance.diagnosis.faults import FAULTS, Fault
from conformance.diagnosis.groups import Diagnosis
from conformance.diagnosis.hypotheses import Failure, Hypotheses, operands_of
from conformance.judge.activations import named
from conformance.judge.expectation import Expectation, expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import Outcome, Rejection, Value

Compute = Callable[[Case, Operands], Array]
"""An implementation of the layers in this process."""


@dataclass(frozen=True, eq=False)
class Score:
    """What the suite made of one planted fault.

    Attributes:
        fault: the fault.
        failures: how many cases failed.
        diagnosis: what was found; None where no case failed.
    """

    fault: Fault
    failures: int
    diagnosis: Diagnosis | None

    @property
    def is_detected(self) -> bool:
        """Whether a case failed."""
        return self.failures > 0

    @property
    def is_named(self) -> bool:
        """Whether the diagnosis is that fault, of all failures, and no other.

        A fault that is another reading of an ambiguous clause is named as such.
        """
        found = self.diagnosis
        groups = (*found.groups, *found.readings) if found else ()
        return len(groups) == 1 and groups[0].faults == (self.fault,) and not groups[0].alternatives


class Bench:
    """Cases with their expectations, on which implementations are tried.

    Args:
        cases: those that observe output values, in a dtype that is installed, are used.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self.cases = [c for c in cases if c.observe == "output" and has_its_dtype(c)]
        self._hypotheses = Hypotheses()
        self._expected: dict[Case, tuple[Any, Expectation]] = {}

    def score(self, fault: Fault) -> Score:
        """Plant a fault, and see what the suite makes of it."""
        return self.score_steps(fault, fault.steps)

    def score_steps(self, fault: Fault, steps: Steps) -> Score:
        """The same with any steps."""
        failures = self.failures(lambda case, operands: evaluate(case, operands, steps))
        failed = {failure.case for failure in failures}
        passed = [case for case in self.cases if case not in failed]
        return Score(fault, len(failures), diagnose(failures, passed, self._hypotheses))

    def failures(self, compute: Compute) -> list[Failure]:
        """The cases in which an implementation does not conform."""
        judged = (self._judge(case, compute) for case in self.cases)
        return [failure for failure in judged if failure is not None]

    def _judge(self, case: Case, compute: Compute) -> Failure | None:
        if case not in self._expected:
            operands: Any = operands_of(case)
            self._expected[case] = operands, expect(case, operands)
        operands, expectation = self._expected[case]
        outcome = _outcome(compute, case, operands)
        judgement = judge(case, operands, expectation, outcome)
        if judgement.verdict is not Verdict.DEVIATES:
            return None
        return Failure(case, outcome, judgement.stage, judgement.diagnosis)


def _outcome(compute: Compute, case: Case, operands: Operands) -> Outcome:
    try:
        with np.errstate(all="ignore"):
            return Value(np.asarray(compute(case, operands)))
    except (ValueError, IndexError) as error:
        return Rejection(type(error).__name__, str(error))


def scores(bench: Bench, faults: Sequence[Fault] | None = None) -> Iterable[Score]:
    """The score of each fault of the catalogue, or of some."""
    return (bench.score(fault) for fault in faults or FAULTS.values())


def _accumulator(case: Case) -> Any:
    return np.float64 if case.dtype == "float64" else np.float32


def _with_contraction(make: Callable[[Any], Callable[[Array, Array], Array]]) -> Compute:
    def compute(case: Case, operands: Operands) -> Array:
        return evaluate(case, operands, Steps(contract=make(_accumulator(case))))

    return compute


def _from_the_last(dtype: Any) -> Callable[[Array, Array], Array]:
    """Products added one after the other, the last tap first."""

    def contracted(windows: Array, kernel: Array) -> Array:
        taps, rows = _rows(windows, kernel, dtype)
        total = np.zeros((*rows.shape[:-1], taps.shape[1]), dtype)
        for tap in reversed(range(len(taps))):
            total = total + rows[..., tap, None] * taps[tap]
        return total.astype(np.float64)

    return contracted


def _as_matrix_product(dtype: Any) -> Callable[[Array, Array], Array]:
    """The windows laid out as rows of a matrix (im2col), and one matrix product."""

    def contracted(windows: Array, kernel: Array) -> Array:
        taps, rows = _rows(windows, kernel, dtype)
        products: Array = rows.reshape(-1, len(taps)) @ taps
        return products.reshape(*rows.shape[:-1], taps.shape[1]).astype(np.float64)

    return contracted


def _rows(windows: Array, kernel: Array, dtype: Any) -> tuple[Array, Array]:
    taps = kernel.reshape(-1, kernel.shape[-1]).astype(dtype)
    leading = windows.shape[: windows.ndim - kernel.ndim + 1]
    return taps, windows.reshape(*leading, len(taps)).astype(dtype)


def _channels_first_inside(case: Case, operands: Operands) -> Array:
    """Channels moved to the front, and back again."""
    if operands.inputs is None or not facts(case).rank or _mixes_rows(case):
        return evaluate(case, operands)
    if facts(case).channels_first:
        moved, other = np.moveaxis(operands.inputs, 1, -1), "channels_last"
    else:
        moved, other = np.moveaxis(operands.inputs, -1, 1), "channels_first"
    inputs = np.ascontiguousarray(moved)
    turned = case.replace(inputs=inputs.shape, data_format=other)
    y = evaluate(turned, Operands(inputs, operands.weights))
    return np.moveaxis(y, 1, -1) if other == "channels_first" else np.moveaxis(y, -1, 1)


def _mixes_rows(case: Case) -> bool:
    return named(facts(case).activation or "linear").rowwise


def _naive(case: Case, operands: Operands) -> Array:
    """Loops over outputs, taps and channels, as one would write them first."""
    if operands.inputs is None or not facts(case).rank or case.dtype in INTEGER_DTYPES:
        return evaluate(case, operands)
    steps = Steps(contract=_loop(_accumulator(case)), pool=_pool_one_by_one)
    return evaluate(case, operands, steps)


def _loop(dtype: Any) -> Callable[[Array, Array], Array]:
    def contracted(windows: Array, kernel: Array) -> Array:
        leading = windows.shape[: windows.ndim - kernel.ndim + 1]
        total = np.zeros((*leading, kernel.shape[-1]), dtype)
        for tap in product(*map(range, kernel.shape[:-1])):
            total = total + windows[(..., *tap, None)].astype(dtype) * kernel[tap].astype(dtype)
        return total.astype(np.float64)

    return contracted


def _pool_one_by_one(windows: Array, inside: Array) -> Array:
    """Tap after tap; a NaN stays."""
    rank = windows.ndim // 2 - 1
    taps, channels = windows.shape[-1 - rank : -1], windows.shape[-1]
    rows = windows.reshape(*windows.shape[: 1 + rank], prod(taps), channels)
    held = inside.reshape(*windows.shape[1 : 1 + rank], prod(taps), 1)
    greatest = np.full((*rows.shape[:-2], channels), -np.inf, windows.dtype)
    for tap in range(prod(taps)):
        element, part = rows[..., tap, :], held[..., tap, :]
        larger = part & ~(element <= greatest) & (greatest == greatest)
        greatest = np.where(larger, element, greatest)
    return greatest


CORRECT_VARIANTS: Final[dict[str, Compute]] = {
    "float64 throughout": lambda case, operands: evaluate(case, operands, CORRECT),
    "summed from the last tap": _with_contraction(_from_the_last),
    "channels_first inside": _channels_first_inside,
    "float32 matrix product (im2col)": _with_contraction(_as_matrix_product),
    "loop over taps and channels": _naive,
}
"""Correct implementations, written in different ways."""

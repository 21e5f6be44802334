"""What is expected of a case, by the oracle or by the second derivation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from conformance.cases.case import Case
from conformance.cases.scenarios import SCENARIOS
from conformance.judge import definition
from conformance.judge.contraction import Floats, as_float64
from conformance.judge.definition import Operands
from conformance.judge.sums import Convolution, Gauge

Array = np.ndarray[Any, Any]


class Kind(StrEnum):
    """What a case expects."""

    VALUE = "value"
    SHAPE = "shape"
    REJECTION = "rejection"
    LITERAL = "literal"


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is expected of one case.

    Attributes:
        kind: an output array, a shape, a rejection, or a scenario's literal.
        value: the correctly rounded array, the shape as a tuple, the literal; None for a rejection.
        reason: why a rejection is expected, where the derivation says.
        demands_equality: whether nothing but the correctly rounded values is accepted, as of the
            oracle itself; otherwise values are judged by the bound.
    """

    kind: Kind
    value: Any = None
    reason: str = ""
    demands_equality: bool = False

    @cached_property
    def wide(self) -> Floats:
        """The expected array as float64."""
        return as_float64(self.value)

    @cached_property
    def information(self) -> str | None:
        """Why the expected array could not tell right from wrong; None if it can.

        An array of more than 90 % zeros, or of one value throughout, is what many a wrong
        computation gives too.  An empty array is judged by its shape, which is something.
        """
        if self.kind != Kind.VALUE or not self.value.size:
            return None
        zeros = np.count_nonzero(self.value == 0)
        if zeros > 0.9 * self.value.size:
            return f"{zeros} of the {self.value.size} expected elements are zero"
        flat = self.value.reshape(-1)
        if flat.size > 1 and (np.all(flat == flat[0]) or np.all(flat != flat)):
            return f"all {flat.size} expected elements are {flat[0]!s}"
        return None

    def gauge(self, case: Case, operands: Operands) -> Gauge | None:
        """The sums of a convolution and their errors, kept for the next implementation."""
        if not case.layer.startswith("Conv"):
            return None
        if "_gauge" not in self.__dict__:
            self.__dict__["_gauge"] = Gauge(Convolution.of(case, operands))
        gauge: Gauge = self.__dict__["_gauge"]
        return gauge


def expect(case: Case, operands: Operands) -> Expectation:
    """What the oracle expects, the layers of `reference_impl`.

    A case that observes a rejection expects one; a case whose layer the oracle refuses does so
    too, with the oracle's reason.
    """
    if case.observe == "rejection":
        return Expectation(Kind.REJECTION)
    if case.observe in SCENARIOS:
        return Expectation(Kind.LITERAL, SCENARIOS[case.observe].expected(case))
    try:
        if case.observe == "shape":
            return Expectation(Kind.SHAPE, _oracle_shape(case))
        return Expectation(Kind.VALUE, _oracle_output(case, operands))
    except (TypeError, ValueError) as error:
        return Expectation(Kind.REJECTION, reason=str(error))


def _oracle_layer(case: Case) -> Any:
    import reference_impl

    return getattr(reference_impl.layers, case.layer)(**case.keywords, dtype=case.dtype)


def _oracle_output(case: Case, operands: Operands) -> Array:
    layer = _oracle_layer(case)
    layer.build(operands.inputs.shape)
    if operands.weights:
        layer.set_weights(list(operands.weights.values()))
    return np.asarray(layer(operands.inputs))


def _oracle_shape(case: Case) -> tuple[int | None, ...]:
    import reference_impl

    if case.layer == "Input":
        return tuple(reference_impl.Input(**case.keywords).shape)
    return tuple(_oracle_layer(case).compute_output_shape(case.inputs))


def expect_by_definition(case: Case, operands: Operands) -> Expectation:
    """What the second derivation expects, exactly: the oracle is judged by it.

    A case that observes a rejection without being forbidden expects its output.
    """
    if case.observe in SCENARIOS:
        literal = SCENARIOS[case.observe].expected(case)
        return Expectation(Kind.LITERAL, literal, demands_equality=True)
    reason = definition.forbidden(case)
    if reason is not None:
        return Expectation(Kind.REJECTION, reason=reason)
    if case.observe == "shape" or case.layer == "Input" or operands.inputs is None:
        return Expectation(Kind.SHAPE, definition.output_shape(case))
    output = definition.output(case, operands)
    return Expectation(Kind.VALUE, output, demands_equality=True)

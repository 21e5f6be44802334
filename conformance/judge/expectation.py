"""What is expected of a case, by the oracle or by the second derivation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import operands as make_operands
from conformance.cases.scenarios import SCENARIOS
from conformance.judge import definition
from conformance.judge.contraction import as_float64
from conformance.judge.definition import Operands
from conformance.judge.running_error import Floats
from conformance.judge.sums import Gauge
from conformance.layers.registry import LAYERS

Array = np.ndarray[Any, Any]


class Kind(StrEnum):
    """What a case expects."""

    VALUE = "value"
    GRADIENTS = "gradients"
    SHAPE = "shape"
    REJECTION = "rejection"
    LITERAL = "literal"


@dataclass(frozen=True, eq=False)
class Expectation:
    """What is expected of one case.

    Attributes:
        kind: an output array, gradients, a shape, a rejection, or a scenario's literal.
        value: the correctly rounded array, or a dictionary of them by name, the shape as a tuple,
            the literal; None for a rejection.
        reason: why a rejection is expected, where the derivation says.
        demands_equality: whether nothing but the correctly rounded values is accepted, as of the
            oracle itself; otherwise values are judged by the bound.
        without_upstream: whether gradients of an output without elements are expected.
    """

    kind: Kind
    value: Any = None
    reason: str = ""
    demands_equality: bool = False
    without_upstream: bool = False

    @cached_property
    def wide(self) -> Floats:
        """The expected array as float64."""
        return as_float64(self.value)

    @cached_property
    def information(self) -> str | None:
        """Why the expected array could not tell right from wrong; None if it can.

        An array of more than 90 % zeros, or of one value throughout, is what many a wrong
        computation gives too.  An empty array is judged by its shape, which is something.
        Gradients are zero wherever nothing reads, and say something by where they are not.
        """
        flat = self._elements
        if not flat.size:
            return None
        zeros = np.count_nonzero(flat == 0)
        if zeros > (0.9 * flat.size if self.kind == Kind.VALUE else flat.size - 1):
            return f"{zeros} of the {flat.size} expected elements are zero"
        first, last = flat[0], flat[-1]
        if flat.size > 1 and (
            (last == first and np.all(flat == first)) or (last != last and np.all(flat != flat))
        ):
            return f"all {flat.size} expected elements are {first!s}"
        return None

    @property
    def _elements(self) -> Array:
        """All expected elements; none where there are none to compute, so that zeros are told.

        Where the upstream gradient has no elements all gradients are zeros, which uninitialised
        memory is not.
        """
        if self.kind == Kind.VALUE:
            return np.asarray(self.value).reshape(-1)
        if self.kind != Kind.GRADIENTS or not self.value["inputs"].size or self.without_upstream:
            return np.empty(0)
        return np.concatenate([as_float64(array).reshape(-1) for array in self.value.values()])

    def gauge(self, case: Case, operands: Operands) -> Gauge | None:
        """The sums of the outputs and their errors, if any, kept for the next implementation."""
        if "_gauge" not in self.__dict__:
            self.__dict__["_gauge"] = LAYERS[case.layer].gauge(case, operands)
        gauge: Gauge | None = self.__dict__["_gauge"]
        return gauge


LookUp = Callable[[Case], Expectation | None]
"""What is stored as expected of a case; None where nothing is."""


def expect(case: Case, operands: Operands) -> Expectation:
    """What the oracle expects, the layers of `reference_impl`; of others, what the definition does.

    A case that observes a rejection expects one; a case whose layer the oracle refuses does so
    too, with the oracle's reason.
    """
    if case.observe == "rejection":
        return Expectation(Kind.REJECTION)
    if case.observe in SCENARIOS:
        return Expectation(Kind.LITERAL, SCENARIOS[case.observe].expected(case))
    if not LAYERS[case.layer].in_oracle:
        return replace(expect_by_definition(case, operands), demands_equality=False)
    try:
        return _expected_of_oracle(case, operands)
    except (TypeError, ValueError) as error:
        return Expectation(Kind.REJECTION, reason=str(error))


def _expected_of_oracle(case: Case, operands: Operands) -> Expectation:
    if case.observe == "shape":
        return Expectation(Kind.SHAPE, _oracle_shape(case))
    if case.observe == "gradients":
        return _expected_gradients(operands, _oracle_gradients(case, operands))
    return Expectation(Kind.VALUE, _oracle_output(case, operands))


def _oracle_layer(case: Case) -> Any:
    import reference_impl

    layer = LAYERS[case.layer]
    # Weights are the case's operands: drawing others before would be for nothing.
    undrawn = {name: "zeros" for name in layer.signature if name.endswith("_initializer")}
    return layer.made_by(reference_impl, {**undrawn, **case.keywords, "dtype": case.dtype})


def _oracle_output(case: Case, operands: Operands) -> Array:
    return np.asarray(_built_layer(case, operands)(operands.inputs))


def _oracle_gradients(case: Case, operands: Operands) -> dict[str, Array]:
    layer = _built_layer(case, operands)
    return dict(layer.gradients(operands.inputs, operands.upstream))


def _built_layer(case: Case, operands: Operands) -> Any:
    layer = _oracle_layer(case)
    layer.build(operands.inputs.shape)
    if operands.weights:
        layer.set_weights(list(operands.weights.values()))
    return layer


def _expected_gradients(
    operands: Operands, gradients: dict[str, Array], *, demands_equality: bool = False
) -> Expectation:
    return Expectation(
        Kind.GRADIENTS,
        gradients,
        demands_equality=demands_equality,
        without_upstream=not operands.upstream.size,
    )


def _oracle_shape(case: Case) -> tuple[int | None, ...]:
    layer = _oracle_layer(case)
    if not LAYERS[case.layer].takes_inputs:
        return tuple(layer.shape)
    return tuple(layer.compute_output_shape(case.inputs))


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
    if case.observe == "shape" or operands.inputs is None:
        return Expectation(Kind.SHAPE, definition.output_shape(case))
    if case.observe == "gradients":
        gradients = definition.gradients(case, operands)
        return _expected_gradients(operands, gradients, demands_equality=True)
    output = definition.output(case, operands)
    return Expectation(Kind.VALUE, output, demands_equality=True)


def expect_without_packages(case: Case) -> tuple[Any, Expectation]:
    """The operands of a case and what is expected of it, by NumPy alone.

    Where ml_dtypes is not installed, bfloat16 operands are carried (`conformance.cases.carrier`)
    and the expectation is the second derivation's, which computes in exact numbers and needs no
    dtype; outcomes are judged against it by the bound, as against the oracle's.
    """
    prepared: Any
    try:
        prepared = make_operands(case)
    except ImportError:
        prepared = make_operands(case, carried=True)
        return prepared, replace(expect_by_definition(case, prepared), demands_equality=False)
    return prepared, expect(case, prepared)

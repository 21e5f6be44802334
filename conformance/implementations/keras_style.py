"""Evaluating a case on any module with Keras' surface: tf.keras, or the oracle itself.

The layer is constructed with the case's arguments as the caller wrote them, built on the input's
shape, given the case's weights, and called on the input array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.cases.scenarios import SCENARIOS
from conformance.implementations.histories import Made, observe_layer
from conformance.implementations.observation import as_array, describe_result
from conformance.layers.registry import LAYERS
from conformance.outcomes import Outcome, Unsupported, Value

Layer = Callable[[Any], Any]
Gradients = Callable[[Any, Any], dict[str, Any]]


def call_directly(layer: Layer) -> Layer:
    """The layer as it is, called eagerly."""
    return layer


def own_gradients(layer: Any) -> Gradients:
    """The layer's method, a function of inputs and upstream gradient."""
    gradients: Gradients = layer.gradients
    return gradients


def supports_everything(case: Case) -> str | None:
    """No case is declared unsupported."""
    del case
    return None


class KerasStyle:
    """A module with Keras' surface, as an implementation under test.

    Args:
        name: how reports call it.
        version: its version.
        keras: the module, with ``layers``, ``Input``, ``Model`` and so on.
        prepare: turns a built layer into the function that is called on the input.
        unsupported: the reason why a case is declared unsupported, or None.
        differentiate: turns a built layer into the function that makes its gradients.
    """

    def __init__(
        self,
        name: str,
        version: str,
        keras: Any,
        prepare: Callable[[Layer], Layer] = call_directly,
        unsupported: Callable[[Case], str | None] = supports_everything,
        differentiate: Callable[[Any], Gradients] = own_gradients,
    ) -> None:
        self.name = name
        self.version = version
        self._keras = keras
        self._prepare = prepare
        self._unsupported = unsupported
        self._differentiate = differentiate

    def evaluate(self, case: Case, operands: Any) -> Outcome:
        """Construct, build, call, and look at what the case observes."""
        reason = self._unsupported(case)
        if reason is not None:
            return Unsupported(reason)
        observe = {
            "output": self._output,
            "gradients": self._gradients,
            "shape": self._shape,
            "rejection": self._rejection,
        }
        if case.observe in observe:
            return observe[case.observe](case, operands)
        return Value(SCENARIOS[case.observe].run(self._keras, case))

    def _construct(self, case: Case) -> Any:
        """The layer, or the symbolic tensor that Input declares.

        Integer inputs are not cast to a layer's dtype, which stays floating-point.
        """
        arguments = case.keywords
        layer = LAYERS[case.layer]
        if layer.has_dtype_argument(case.dtype):
            arguments["dtype"] = case.dtype
        return layer.made_by(self._keras, arguments)

    def _output(self, case: Case, operands: Operands) -> Outcome:
        return self._observed(case, operands, self._prepare)

    def _gradients(self, case: Case, operands: Operands) -> Outcome:
        return self._observed(case, operands, self._differentiate)

    def _observed(
        self, case: Case, operands: Operands, prepare: Callable[[Any], Callable[..., Any]]
    ) -> Outcome:
        def make(given: Operands) -> Made:
            layer = self._built(case, given)
            return Made(prepare(layer), lambda weights: layer.set_weights(list(weights.values())))

        return observe_layer(case, operands, make)

    def _built(self, case: Case, operands: Any) -> Any:
        """The layer, built and with the case's weights."""
        layer = self._construct(case)
        layer.build(operands.inputs.shape)
        if operands.weights:
            layer.set_weights(list(operands.weights.values()))
        return layer

    def _shape(self, case: Case, operands: Any) -> Outcome:
        del operands
        made = self._construct(case)
        called = LAYERS[case.layer].takes_inputs
        return Value(tuple((self._symbolic_result(made, case) if called else made).shape))

    def _symbolic_result(self, layer: Layer, case: Case) -> Any:
        return layer(self._keras.Input(batch_shape=case.inputs, dtype=case.dtype))

    def _rejection(self, case: Case, operands: Any) -> Outcome:
        layer = self._construct(case)
        if case.inputs is None:
            return Value(describe_result(layer))
        if None in case.inputs:
            return Value(describe_result(self._symbolic_result(layer, case)))
        layer.build(case.inputs)
        return Value(describe_result(as_array(self._prepare(layer)(operands.inputs))))

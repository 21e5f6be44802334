"""A training step: forward, loss, backward through the graph, update, constraints.

The loss is the mean squared error over all elements of an output, of several outputs the sum, plus
the model's losses.  One step is this, each stage correctly rounded to the dtype of what it makes:

1. forward: the layers' outputs;
2. loss: the exact mean squared error plus the losses of `Model.losses`, rounded once;
3. the gradient of the mean squared error with respect to each output;
4. backward, in the reverse order of the forward pass: a layer's upstream gradient is the sum,
   rounded once, of what its consumers ask for and the gradient of its activity regularizer over
   the batch size; `Layer.gradients` makes of it the gradients of its input and its weights;
5. a weight's gradient is the sum, rounded once, of those of all calls and of its regularizer's;
6. update: the optimizer's formula, rounded once, for all weights;
7. constraints, for all weights.

So no step depends on an order of summation; Keras makes the same steps in the same order, in
ordinary floating-point arithmetic.  What needs no gradient (frozen layers before the first
trainable one, inputs) is not differentiated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from reference_impl import losses, optimizers
from reference_impl.engine.arguments import shown, wrong_value
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array, convert
from reference_impl.engine.graph import Graph
from reference_impl.engine.keras_tensor import Node
from reference_impl.engine.model import Model
from reference_impl.engine.structure import flatten
from reference_impl.engine.variable import Variable
from reference_impl.ops.combination import combination
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_fraction
from reference_impl.regularizers import Regularizer

_EXECUTION = ("run_eagerly", "jit_compile", "steps_per_execution", "auto_scale_loss")


class Gradients:
    """The gradients of weights, collected from all calls of their layers."""

    def __init__(self) -> None:
        self._terms: dict[int, list[Array]] = {}

    def add(self, variable: Variable, gradient: Array) -> None:
        """Take in what one call, or the regularizer, adds."""
        self._terms.setdefault(id(variable), []).append(gradient)

    def total(self, variable: Variable) -> Array:
        """The sum, rounded once to the variable's dtype; zeros where nothing was added."""
        terms = self._terms.get(id(variable))
        return np.zeros_like(variable.value) if terms is None else total(terms)


Pull = Callable[[Sequence[Array | None], Gradients], list[Array | None]]
"""From the gradients of a call's outputs to those of its inputs, those of the weights besides.

None stands for a gradient of zeros, or for one that nobody needs.
"""


class Linearized(NamedTuple):
    """Outputs, and how to pull gradients back through what made them."""

    outputs: list[Any]
    pull: Pull


def total(terms: Sequence[Array]) -> Array:
    """The sum of arrays of one shape and dtype, rounded once."""
    if len(terms) == 1:
        return terms[0]
    return combination([(1, term) for term in terms], format_of(terms[0].dtype))


def linearize(layer: Layer, inputs: Sequence[Any]) -> Linearized:
    """A call of a layer or model on one array per input, as a graph makes it."""
    if isinstance(layer, Model):
        return _linearize_graph(layer.graph, layer.fitted(inputs), inputs=True)
    outputs = layer.call_flat(inputs)
    (array,), (output,) = inputs, outputs

    def pull(upstream: Sequence[Array | None], weights: Gradients) -> list[Array | None]:
        if upstream[0] is None and layer.activity_regularizer is None:
            return [None]
        gradient = _with_activity(layer, output, upstream[0])
        found = layer.gradients(array, gradient)
        for variable in layer.trainable_weights:
            weights.add(variable, found[variable.name])
        return [found["inputs"]]

    return Linearized(outputs, pull)


def _with_activity(layer: Layer, output: Array, upstream: Array | None) -> Array:
    """The upstream gradient, in the layer's dtype, with that of the activity regularizer."""
    given = np.zeros_like(output) if upstream is None else convert(upstream, output.dtype.name)
    regularizer = layer.activity_regularizer
    if regularizer is None:
        return given
    gradient = gradient_of(regularizer, output, f"the activity regularizer of {layer.name!r}")
    return gradient if upstream is None else total([given, gradient])


def gradient_of(regularizer: Any, values: Array, what: str, divisor: int | None = None) -> Array:
    """The gradient of a regularizer; of an activity regularizer, over the batch size.

    Raises:
        NotImplementedError: if it defines none.
    """
    if not isinstance(regularizer, Regularizer):
        raise NotImplementedError(
            f"{what} is {shown(regularizer)}, whose gradient is not known; expected one of "
            "reference_impl.regularizers, or a subclass that defines `gradient`"
        )
    return regularizer.gradient(values, len(values) if divisor is None else divisor)


def _linearize_graph(graph: Graph, values: Sequence[Array], inputs: bool) -> Linearized:
    """The calls of a graph in their order, and back; `inputs`: whether to its inputs as well."""
    known: dict[int, Any] = {
        id(tensor): value for tensor, value in zip(graph.inputs, values, strict=True)
    }
    calls: list[tuple[Node, Pull]] = []
    differentiated = {id(node) for node in _differentiated(graph, inputs)}
    for node in graph.nodes:
        arrays = [known.get(id(tensor), tensor.value) for tensor in node.inputs]
        outputs, pull = linearize(node.layer, arrays)
        known |= {id(tensor): value for tensor, value in zip(node.outputs, outputs, strict=True)}
        if id(node) in differentiated:
            calls.append((node, pull))

    def pull_all(upstream: Sequence[Array | None], weights: Gradients) -> list[Array | None]:
        return _pull_back(graph, calls, upstream, weights)

    outputs = [known.get(id(tensor), tensor.value) for tensor in graph.outputs]
    return Linearized(outputs, pull_all)


def _pull_back(
    graph: Graph,
    calls: Sequence[tuple[Node, Pull]],
    upstream: Sequence[Array | None],
    weights: Gradients,
) -> list[Array | None]:
    """The gradients of the graph's inputs, given those of its outputs."""
    asked: dict[int, list[Array]] = {}

    def ask(tensors: Sequence[Any], gradients: Sequence[Array | None]) -> None:
        for tensor, gradient in zip(tensors, gradients, strict=True):
            if gradient is not None:
                asked.setdefault(id(tensor), []).append(gradient)

    def found(tensor: Any) -> Array | None:
        terms = asked.get(id(tensor))
        return None if terms is None else total(terms)

    ask(graph.outputs, upstream)
    for node, pull in reversed(calls):
        ask(node.inputs, pull([found(tensor) for tensor in node.outputs], weights))
    return [found(tensor) for tensor in graph.inputs]


def _differentiated(graph: Graph, inputs: bool) -> list[Node]:
    """The nodes whose outputs a trainable weight takes part in, or, if wanted, the inputs."""
    active = {id(tensor) for tensor in graph.inputs} if inputs else set()
    found: list[Node] = []
    for node in graph.nodes:
        depends = any(id(tensor) in active for tensor in node.inputs)
        if depends or node.layer.trainable_weights:
            active |= {id(tensor) for tensor in node.outputs}
            found.append(node)
    return found


class Training:
    """What `Model.compile` chose.

    Args:
        owner: the model's name.
        optimizer: its identifier.
        loss: one loss, or a list of one per output.
        metrics: None.
        execution: further arguments of Keras' ``compile`` without effect.

    Raises:
        TypeError: if an argument is unknown.
        ValueError: if an argument is out of range.
    """

    def __init__(
        self, owner: str, optimizer: Any, loss: Any, metrics: Any, execution: Mapping[str, Any]
    ) -> None:
        for name, value in execution.items():
            if name not in _EXECUTION:
                raise TypeError(f"{owner}: unrecognised argument `{name}`={shown(value)}")
        if metrics:
            raise wrong_value(owner, "metrics", metrics, "None: no metrics are offered")
        self.optimizer = optimizers.get(optimizer, owner, "optimizer")
        self.given_loss = loss
        given = loss if isinstance(loss, (list, tuple)) else [loss]
        self._losses = [_loss(owner, item) for item in given]

    def step(self, model: Model, inputs: Sequence[Any], targets: Any) -> float:
        """One training step; the loss before it."""
        call = self._call(model, inputs)
        pairs = self._pairs(model, call.outputs, targets)
        value = _value(model, pairs)
        upstream = [loss.gradient(target, output) for loss, target, output in pairs]
        weights = Gradients()
        call.pull(upstream, weights)
        variables = model.trainable_weights
        for variable in variables:
            if variable.regularizer is not None:
                what = f"the regularizer of `{variable.path}`"
                weights.add(variable, gradient_of(variable.regularizer, variable.value, what, 1))
        self.optimizer.apply_gradients([(weights.total(item), item) for item in variables])
        return value

    def evaluate(self, model: Model, inputs: Sequence[Any], targets: Any) -> float:
        """The loss alone."""
        return _value(model, self._pairs(model, self._call(model, inputs).outputs, targets))

    def _call(self, model: Model, inputs: Sequence[Any]) -> Linearized:
        model.forget_activity()
        return _linearize_graph(model.graph, model.fitted(inputs), inputs=False)

    def _pairs(
        self, model: Model, outputs: Sequence[Array], targets: Any
    ) -> list[tuple[losses.Loss, Array, Array]]:
        """The loss, the target and the prediction of each output.

        Raises:
            ValueError: if there are not as many of each.
        """
        given = flatten(targets) if len(outputs) > 1 else [targets]
        if len(given) == 1 and isinstance(given[0], (list, tuple)) and len(given[0]) == 1:
            given = [*given[0]]
        functions = self._losses * (len(outputs) if len(self._losses) == 1 else 1)
        for argument, items in (("y", given), ("loss", functions)):
            if len(items) != len(outputs):
                raise ValueError(
                    f"{model.name}: argument `{argument}` has {len(items)} items; expected one "
                    f"for each of the model's {len(outputs)} outputs"
                )
        return [
            (loss, *losses.operands(model.name, target, output))
            for loss, target, output in zip(functions, given, outputs, strict=True)
        ]


def _loss(owner: str, identifier: Any) -> losses.Loss:
    """A loss with a gradient.

    Raises:
        ValueError: if `identifier` means none.
    """
    found = losses.get(identifier, owner, "loss")
    if found is losses.mean_squared_error:
        return losses.MeanSquaredError()
    if not isinstance(found, losses.Loss):
        allowed = "'mse' or a reference_impl.losses.MeanSquaredError"
        raise wrong_value(owner, "loss", identifier, allowed)
    return found


def _value(model: Model, pairs: Sequence[tuple[losses.Loss, Array, Array]]) -> float:
    """The sum of the outputs' losses and the model's, rounded once to the first output's dtype."""
    terms = [loss.exact(target, output) for loss, target, output in pairs]
    terms += [float(loss) for loss in model.losses]
    if all(isinstance(term, Fraction) or math.isfinite(term) for term in terms):
        exact = sum((Fraction(term) for term in terms), Fraction(0))
        return round_fraction(exact, format_of(pairs[0][2].dtype))
    return float(sum(map(float, terms)))

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
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from reference_impl import losses, optimizers
from reference_impl import metrics as metrics_module
from reference_impl.engine import calling
from reference_impl.engine.arguments import ArgumentError, wrong_value
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.batches import Batch, Metrics, by_output, losses_by_output, output_names
from reference_impl.engine.dtypes import Array, as_array, convert, is_float
from reference_impl.engine.graph import Graph
from reference_impl.engine.keras_tensor import KerasTensor, Node
from reference_impl.engine.model import Model
from reference_impl.engine.operations import Operation
from reference_impl.engine.parameters import real_number
from reference_impl.engine.structure import flatten, map_structure, pack
from reference_impl.engine.tracing import traced
from reference_impl.engine.variable import Variable
from reference_impl.ops.combination import combination
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_fraction
from reference_impl.regularizers import Regularizer
from reference_impl.showing import shown

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


def linearize(layer: Layer, arguments: Any, places: Sequence[bool]) -> Linearized:
    """A call of a layer or model, as a graph makes it.

    Args:
        layer: the layer.
        arguments: positional and keyword arguments, with arrays.
        places: for each item of the arguments, flat, whether a gradient is asked for.

    Raises:
        NotImplementedError: if the call cannot be differentiated.
    """
    given, keywords = arguments
    if isinstance(layer, Model) and layer.is_graph:
        return _linearize_graph(layer.graph, layer.fitted(layer.flat_inputs(given[0])), True)
    if isinstance(layer, Operation):
        return _linearize_operation(layer, given, places)
    if layer.is_documented or type(layer)._gradients is not Layer._gradients:
        return _linearize_layer(layer, given)
    return _linearize_composed(layer, given, keywords, places)


def _linearize_operation(
    operation: Operation, given: Sequence[Any], places: Sequence[bool]
) -> Linearized:
    def pull(upstream: Sequence[Array | None], weights: Gradients) -> list[Array | None]:
        (gradient,) = upstream
        if gradient is None:
            return [None] * sum(places)
        found = operation.pull(gradient, *given)
        return [item for item, asked in zip(found, places, strict=True) if asked]

    return Linearized([operation.call(*given)], pull)


def _linearize_layer(layer: Layer, given: Sequence[Any]) -> Linearized:
    (array,) = given
    output = layer.apply((array,), {})

    def pull(upstream: Sequence[Array | None], weights: Gradients) -> list[Array | None]:
        if upstream[0] is None and layer.activity_regularizer is None:
            return [None]
        found = layer.gradients(array, _with_activity(layer, output, upstream[0]))
        for variable in layer.trainable_weights:
            weights.add(variable, found[variable.name])
        return [found["inputs"]]

    return Linearized([output], pull)


def _linearize_composed(
    layer: Layer, given: Any, keywords: Mapping[str, Any], places: Sequence[bool]
) -> Linearized:
    """A layer whose ``call`` is made of layers and operators."""
    graph, values = _graph_of(layer, given, keywords)
    inner = _linearize_graph(graph, values, True)
    outputs = inner.outputs
    if layer.activity_regularizer is not None:
        for output in outputs:
            layer._record_activity(output)

    def pull(upstream: Sequence[Array | None], weights: Gradients) -> list[Array | None]:
        pairs = zip(outputs, upstream, strict=True)
        found = iter(inner.pull([_with_activity(layer, *pair) for pair in pairs], weights))
        items = zip(flatten((given, dict(keywords))), places, strict=True)
        pulled = [(next(found) if isinstance(item, np.ndarray) else None, p) for item, p in items]
        return [gradient for gradient, is_asked in pulled if is_asked]

    return Linearized(outputs, pull)


def _graph_of(layer: Layer, given: Any, keywords: Mapping[str, Any]) -> tuple[Graph, list[Any]]:
    """The graph of a layer's ``call`` for arrays, and the arrays in the order of its inputs.

    Raises:
        NotImplementedError: if ``call`` is made of more than layers and operators.
    """
    items = flatten((given, dict(keywords)))
    arrays = [item for item in items if isinstance(item, np.ndarray)]
    tensors = [
        KerasTensor(item.shape, item.dtype.name) if isinstance(item, np.ndarray) else item
        for item in items
    ]
    arguments, named = pack((given, dict(keywords)), tensors)
    try:
        graph, _ = traced(layer, arguments, named)
    except Exception as error:
        raise NotImplementedError(
            f"{type(layer).__name__} {layer.name!r} cannot be differentiated: its `call` is made "
            f"of more than layers and the operators of symbolic tensors ({type(error).__name__}: "
            f"{shown(str(error))}); expected only these, or a method `_gradients(inputs, upstream)`"
        ) from error
    return graph, arrays


def gradients_by_trace(layer: Layer, inputs: Any, upstream: Any) -> dict[str, Any]:
    """`Layer.gradients` of a layer that is made of others; weights that share a name by path.

    Raises:
        NotImplementedError: if the call cannot be differentiated.
        ValueError: if `upstream` has not the outputs' shapes.
    """
    converted = map_structure(layer._converted, inputs)
    layer.apply((converted,), {})
    graph, values = _graph_of(layer, (converted,), {})
    call = _linearize_graph(graph, values, True)
    given = [as_array(layer.name, item, "upstream") for item in flatten(upstream)]
    for array, output in zip(given, call.outputs, strict=True):
        if array.shape != output.shape:
            raise ValueError(
                f"{layer.name}: argument `upstream` has the shape {array.shape}; expected that of "
                f"the output, {output.shape}"
            )
    weights = Gradients()
    pairs = zip(given, call.outputs, strict=True)
    found = call.pull([convert(array, output.dtype.name) for array, output in pairs], weights)
    arrays = [v if f is None else f for f, v in zip(found, map(np.zeros_like, values), strict=True)]
    names = Counter(variable.name for variable in layer.trainable_weights)
    return {"inputs": pack(converted, arrays)} | {
        (v.name if names[v.name] == 1 else v.path): weights.total(v)
        for v in layer.trainable_weights
    }


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
        places = [isinstance(item, KerasTensor) for item in flatten(node.arguments)]
        outputs, pull = linearize(node.layer, node.filled(arrays), places)
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


class Output(NamedTuple):
    """One output of a step: its name, target, prediction, weights of its examples, and loss."""

    name: str
    target: Array
    prediction: Array
    weights: Array | None
    loss: losses.Loss
    factor: Fraction


class Step(NamedTuple):
    """What a step found: the loss, and for several outputs theirs by name; metrics are updated."""

    loss: float
    losses: dict[str, float]
    metrics: dict[str, Any]
    examples: int


class Training:
    """What `Model.compile` chose.

    Args:
        owner: the model's name.
        optimizer: its identifier.
        loss: one loss, or a structure or dictionary of one per output; None.
        loss_weights: their factors, likewise.
        metrics: identifiers, by ``metrics`` and ``weighted_metrics``.
        execution: further arguments of Keras' ``compile`` without effect.

    Raises:
        TypeError: if an argument is unknown.
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        owner: str,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        metrics: Mapping[str, Any],
        execution: Mapping[str, Any],
    ) -> None:
        for name, value in execution.items():
            if name not in _EXECUTION:
                raise ArgumentError(f"{owner}: unrecognised argument `{name}`={shown(value)}")
        self.optimizer: Any = optimizer
        if optimizer is not None and optimizer != "rmsprop":
            self.optimizer = optimizers.get(optimizer, owner, "optimizer")
        self.given_loss = loss
        self.given_metrics = dict(metrics)
        self.loss_weights = loss_weights
        self._losses = map_structure(lambda item: _loss(owner, item), loss)
        self.compiled_metrics = Metrics(owner, metrics)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as Keras' files hold them."""
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": map_structure(losses.serialize, self.given_loss),
            "loss_weights": self.loss_weights,
            **{name: map_structure(_metric_config, v) for name, v in self.given_metrics.items()},
        }

    def step(self, model: Model, batch: Batch) -> Step:
        """One training step; what it found before it.

        Raises:
            ValueError: if no optimizer is chosen.
        """
        if not hasattr(self.optimizer, "apply_gradients"):
            raise ValueError(
                f"{model.name}: argument `optimizer` of `compile` is {shown(self.optimizer)}, "
                "which is outside this oracle; expected 'sgd' or a keras.optimizers.SGD"
            )
        call = _call(model, batch, training=True)
        outputs = self._outputs(model, call.outputs, batch)
        found = self._found(model, call.outputs, outputs, batch)
        upstream: list[Array | None] = [None] * len(call.outputs)
        for place, item in outputs:
            pulled = item.loss.gradient(item.target, item.prediction, item.weights, item.factor)
            before = upstream[place]
            upstream[place] = pulled if before is None else total([before, pulled])
        weights = Gradients()
        call.pull(upstream, weights)
        variables = model.trainable_weights
        for variable in variables:
            if variable.regularizer is not None:
                what = f"the regularizer of `{variable.path}`"
                weights.add(variable, gradient_of(variable.regularizer, variable.value, what, 1))
        self.optimizer.apply_gradients([(weights.total(item), item) for item in variables])
        return found

    def evaluate(self, model: Model, batch: Batch) -> Step:
        """What a step finds, without the step."""
        model.forget_activity()
        with calling.within(calling.Context(False)):
            outputs = flatten(model.apply(batch.arguments, {}))
        return self._found(model, outputs, self._outputs(model, outputs, batch), batch)

    def _found(
        self,
        model: Model,
        predictions: Sequence[Array],
        outputs: Sequence[tuple[int, Output]],
        batch: Batch,
    ) -> Step:
        items = [item for _, item in outputs]
        terms = [_exact(item) for item in items]
        dtype = items[0].prediction.dtype if items else np.dtype(np.float32)
        value = _rounded_sum([*terms, *map(float, model.losses)], dtype)
        several = len(items) > 1
        own = {
            f"{item.name}_loss": _rounded_sum([_unscaled(item)], item.prediction.dtype)
            for item in items
            if several
        }
        self.compiled_metrics.update(output_names(model, predictions), predictions, batch)
        return Step(value, own, self.compiled_metrics.results(), batch.examples)

    def _outputs(
        self, model: Model, predictions: Sequence[Array], batch: Batch
    ) -> list[tuple[int, Output]]:
        """The outputs that have a loss, with their places.

        Raises:
            KeyError: if losses do not fit the outputs.
            ValueError: if targets, weights or factors do not.
        """
        names = output_names(model, predictions)
        chosen = losses_by_output(model.name, self._losses, names)
        factors = [Fraction(1)] * len(names)
        if self.loss_weights is not None:
            given = by_output(model.name, "loss_weights", self.loss_weights, names)
            factors = [_factor(model.name, factor) for factor in given]
        targets = batch.targets(model.name, names, [bool(own) for own in chosen])
        weights = batch.weights(model.name, names)
        found: list[tuple[int, Output]] = []
        for place, loss in ((n, loss) for n, own in enumerate(chosen) for loss in own):
            if not is_float(predictions[place].dtype):
                raise TypeError(
                    f"{model.name}: the output {names[place]!r} is of dtype "
                    f"{predictions[place].dtype.name}; expected floating point for a loss"
                )
            target, prediction = losses.operands(model.name, targets[place], predictions[place])
            shape = prediction.shape[:-1]
            weight = losses.weights_of(model.name, weights[place], shape, prediction.dtype)
            found.append(
                (place, Output(names[place], target, prediction, weight, loss, factors[place]))
            )
        return found


def _factor(owner: str, value: Any) -> Fraction:
    return Fraction(1 if value is None else real_number(owner, "loss_weights", value))


def _metric_config(item: Any) -> Any:
    return item if item is None or isinstance(item, str) else metrics_module.serialize(item)


def _call(model: Model, batch: Batch, training: bool) -> Linearized:
    model.forget_activity()
    with calling.within(calling.Context(training)):
        if model.is_graph:
            values = model.fitted(model.flat_inputs(batch.inputs))
            return _linearize_graph(model.graph, values, inputs=False)
        if not model.built:
            model.apply(batch.arguments, {})
            model.forget_activity()
        arguments = map_structure(model._converted, batch.arguments)
        graph, values = _graph_of(model, arguments, {})
        return _linearize_graph(graph, values, inputs=False)


def _exact(item: Output) -> Fraction | float:
    value = _unscaled(item)
    return value * (item.factor if isinstance(value, Fraction) else float(item.factor))


def _unscaled(item: Output) -> Fraction | float:
    return item.loss.weighted(item.target, item.prediction, item.weights)


def _loss(owner: str, identifier: Any) -> losses.Loss | None:
    """A loss with a gradient; None for None.

    Raises:
        ValueError: if `identifier` means none.
    """
    if identifier is None:
        return None
    found = losses.get(identifier, owner, "loss")
    if found is losses.mean_squared_error:
        return losses.MeanSquaredError()
    if not isinstance(found, losses.Loss):
        allowed = (
            "'mse' or a reference_impl.losses.MeanSquaredError; others are outside this oracle"
        )
        raise wrong_value(owner, "loss", identifier, allowed)
    return found


def _rounded_sum(terms: Sequence[Fraction | float], dtype: Any) -> float:
    """The sum of losses, rounded once to a dtype."""
    if all(isinstance(term, Fraction) or math.isfinite(term) for term in terms):
        exact = sum((Fraction(term) for term in terms), Fraction(0))
        return round_fraction(exact, format_of(dtype))
    return float(sum(map(float, terms)))

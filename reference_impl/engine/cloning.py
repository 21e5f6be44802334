"""Copies of models: new layers of the same configurations, connected in the same way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reference_impl.engine.arguments import wrong_type, wrong_value
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.input_layer import InputLayer
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.model import Model
from reference_impl.engine.operations import Operation
from reference_impl.engine.sequential import Sequential
from reference_impl.engine.structure import flatten, map_structure, pack, same_structure
from reference_impl.showing import shown

CloneFunction = Callable[[Layer], Layer]


def cloned(
    model: Model,
    input_tensors: Any,
    clone_function: CloneFunction | None,
    call_function: Callable[..., Any] | None,
    recursive: bool,
) -> Model:
    """See `reference_impl.models.clone_model`."""
    for name, given in (("clone_function", clone_function), ("call_function", call_function)):
        if given is not None and not callable(given):
            raise wrong_type("clone_model", name, given, "a function, or None")
    if not isinstance(model, Model) or not model._is_functional:
        raise ValueError(
            f"clone_model: argument `model` is {shown(model)}; expected a graph or a Sequential, "
            "not a model with a `call` of its own"
        )

    def clone(layer: Layer) -> Layer:
        if recursive and isinstance(layer, Model) and layer._is_functional:
            return cloned(layer, None, clone_function, call_function, True)
        return clone_of(layer) if clone_function is None else clone_function(layer)

    copy: Model
    if isinstance(model, Sequential):
        copy = _cloned_sequential(model, input_tensors, clone)
    else:
        copy = _cloned_graph(model, input_tensors, clone, call_function)
    compiled = model.get_compile_config()
    if compiled is not None:
        copy.compile_from_config(compiled)
    return copy


def clone_of(layer: Layer) -> Layer:
    """A layer of the same configuration."""
    return type(layer).from_config(layer.get_config())


def _cloned_sequential(model: Sequential, tensors: Any, clone: CloneFunction) -> Sequential:
    copy = Sequential(name=model.name, trainable=model.trainable)
    given = flatten(tensors) if tensors is not None else []
    if given:
        copy.add(given[0])
    elif model.built and model._tensors:
        start = model._tensors[0]
        copy.add(InputLayer(batch_shape=start.shape, dtype=start.dtype).output)
    for layer in model.layers:
        copy.add(clone(layer))
    return copy


def _cloned_graph(
    model: Model, tensors: Any, clone: CloneFunction, call: Callable[..., Any] | None
) -> Model:
    graph = model.graph
    if tensors is not None and not same_structure(tensors, model._input_structure):
        raise wrong_value(
            *("clone_model", "input_tensors", tensors),
            "symbolic tensors in the structure of the model's inputs",
        )
    starts = [_started(tensor) for tensor in graph.inputs] if tensors is None else flatten(tensors)
    known = {id(old): new for old, new in zip(graph.inputs, starts, strict=True)}
    clones: dict[int, Layer] = {}
    for node in graph.nodes:
        if id(node.layer) not in clones:
            is_operation = isinstance(node.layer, Operation)
            clones[id(node.layer)] = clone_of(node.layer) if is_operation else clone(node.layer)
        layer = clones[id(node.layer)]
        arguments, keywords = node.filled([known[id(tensor)] for tensor in node.inputs])
        if call is None or isinstance(layer, Operation):
            outputs = layer(*arguments, **keywords)
        else:
            outputs = call(layer, *arguments, **keywords)
        known |= {id(old): new for old, new in zip(node.outputs, flatten(outputs), strict=True)}
    ends = map_structure(
        lambda tensor: known[id(tensor)], pack(model._output_structure, graph.outputs)
    )
    return Model(
        pack(model._input_structure, starts), ends, name=model.name, trainable=model.trainable
    )


def _started(tensor: KerasTensor) -> KerasTensor:
    layer = tensor._keras_history.operation if tensor._keras_history else None
    if isinstance(layer, InputLayer):
        output: KerasTensor = clone_of(layer).output
        return output
    started: KerasTensor = InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype).output
    return started

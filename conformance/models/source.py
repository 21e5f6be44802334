"""The model as it was saved: its layers' calls in the order in which they run.

Files are read by the oracle's reader, which executes nothing and reads nothing elsewhere; models
within models are laid out flat, and each call of a shared layer is a step of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.asserting.layer import arguments_of, own_activation
from conformance.models.errors import ModelError
from conformance.models.operation import Operation, Span
from conformance.models.replacing import replaced
from conformance.models.stand_in import StandIn
from conformance.models.translation import TRANSLATIONS, operation_of
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.model import Model
from reference_impl.engine.operations import Operation as Operator
from reference_impl.engine.structure import flatten

Array = np.ndarray[Any, Any]
Item = int | float
"""An input of a step: the number of a tensor, or a constant, which is a float."""

_DEEPEST: Final = 40
_MOVING: Final = ("Negative", "Absolute", "GetItem")
"""Operators between layers that round nothing."""


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer, or one output of it.

    Attributes:
        name: the layer's, with ``outer/`` before it in a model within a model, ``#2`` behind it
            from the second call on, and ``[1]`` if it has several outputs: each is a step.
        layer: the oracle's layer, or a stand-in.
        kind: the name of its class.
        operation: what it computes.
        inputs: the tensors that it takes, by number, and constants.
        output: the tensor that it makes.
    """

    name: str
    layer: Any
    kind: str
    operation: Operation
    inputs: tuple[Item, ...]
    output: int

    @property
    def sources(self) -> tuple[int, ...]:
        """The tensors among its inputs."""
        return tuple(item for item in self.inputs if isinstance(item, int))

    def given(self, spans: Mapping[int, Span]) -> list[Span]:
        """Its inputs' spans."""
        return [spans[item] if isinstance(item, int) else Span.exact(item) for item in self.inputs]

    def given_by(self, read: Callable[[Item], Span]) -> list[Span]:
        """The same, each found by a function."""
        return [read(item) for item in self.inputs]


@dataclass(frozen=True, eq=False)
class Source:
    """A model.

    Attributes:
        model: the oracle's.
        names: of its inputs.
        inputs: its input tensors by number.
        outputs: its output tensors by number.
        steps: its layers' calls in order.
    """

    model: Any
    names: tuple[str, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    steps: tuple[Step, ...]

    def shape_of(self, step: Step, batch: int) -> tuple[int, ...]:
        """The shape of a step's output, as the model declares it; free lengths are 1."""
        shape = getattr(step.layer, "output_shape", None) or (None,)
        shape = shape[0] if isinstance(shape[0], (list, tuple)) else shape
        return (batch, *(length or 1 for length in shape[1:]))

    def run(self, arrays: Sequence[Array]) -> dict[int, Span]:
        """The outputs, exact but for float64's roundings, with what a candidate's may be off.

        What no further step takes is dropped on the way.
        """
        spans = {n: Span.exact(a) for n, a in zip(self.inputs, arrays, strict=True)}
        left = Counter(source for step in self.steps for source in step.sources)
        for step in self.steps:
            spans[step.output] = step.operation(step.given(spans))
            for source in step.sources:
                left[source] -= 1
                if not left[source] and source not in self.outputs:
                    spans.pop(source, None)
        return {number: spans[number] for number in self.outputs}


def read(path: Path) -> Source:
    """The model of a ``.keras`` or ``.h5`` file.

    Raises:
        ModelError: if it cannot be read.
    """
    try:
        return of_model(_loaded(path))
    except _UNREADABLE as error:
        message = str(error)
        raise ModelError(message if str(path) in message else f"{path}: {message}") from error
    except RecursionError:
        raise ModelError(f"{path}: the configuration is nested too deeply") from None


_UNREADABLE: Final = (
    *(EOFError, ImportError, OSError, TypeError, ValueError, NotImplementedError, KeyError),
    *(AttributeError, IndexError, OverflowError, MemoryError),
)


def _loaded(path: Path) -> Any:
    """The oracle's model of a file, other layers replaced by stand-ins."""
    from reference_impl.engine.files.configuration import limited, parsed_config, read_config
    from reference_impl.engine.files.reading import load_weights
    from reference_impl.models import model_from_config

    config = parsed_config(path)
    stand_ins = replaced(path, config)
    if not stand_ins:
        read_config(path)
    with limited(path):
        model = model_from_config(config, stand_ins)
    load_weights(model, path)
    return model


def of_model(model: Any) -> Source:
    """The steps of a built model of the oracle.

    Raises:
        ModelError: if it is no graph of layers.
    """
    graph = getattr(model, "graph", None)
    if graph is None:
        raise ModelError(f"{model!r} is no graph of layers: a model of its own `call` has no steps")
    builder = _Builder()
    inputs = tuple(builder.number(tensor) for tensor in graph.inputs)
    names = tuple(_input_name(tensor) for tensor in graph.inputs)
    outputs = builder.add(graph, inputs, "", 0)
    return Source(model, names, inputs, outputs, tuple(builder.steps))


def _input_name(tensor: KerasTensor) -> str:
    history = tensor._keras_history
    return history.operation.name if history else tensor.name


class _Builder:
    """Lays out graphs, those within graphs in place."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._count = 0
        self._calls: Counter[str] = Counter()

    def number(self, tensor: Any = None) -> int:
        """A new tensor's number."""
        self._count += 1
        return self._count

    def add(self, graph: Any, inputs: Sequence[Item], prefix: str, depth: int) -> tuple[int, ...]:
        """The steps of a graph; its outputs by number."""
        if depth > _DEEPEST:
            raise ModelError(f"models within models, deeper than {_DEEPEST}")
        known: dict[int, Item] = {
            id(tensor): item for tensor, item in zip(graph.inputs, inputs, strict=True)
        }
        for node in graph.nodes:
            given = [self._item(known, item) for item in flatten(node.arguments)]
            items = [item for item in given if item is not None]
            results = self._called(node, items, prefix, depth)
            known |= {id(t): r for t, r in zip(node.outputs, results, strict=True)}
        return tuple(int(known[id(tensor)]) for tensor in graph.outputs)

    @staticmethod
    def _item(known: Mapping[int, Item], item: Any) -> Item | None:
        if isinstance(item, KerasTensor):
            return known[id(item)]
        is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
        return float(item) if is_number else None

    def _called(self, node: Any, items: list[Item], prefix: str, depth: int) -> tuple[int, ...]:
        layer = node.layer
        if isinstance(layer, Model):
            return self.add(layer.graph, items, f"{prefix}{layer.name}/", depth + 1)
        kind = getattr(layer, "class_name", type(layer).__name__)
        name = prefix + layer.name
        self._calls[name] += 1
        name = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
        made = []
        for index in range(len(node.outputs)):
            own = name if len(node.outputs) == 1 else output_name(name, index)
            operation = _operation(layer, kind, len(node.inputs[0].shape), index)
            made.append(self.number())
            self.steps.append(Step(own, layer, kind, operation, tuple(items), made[-1]))
        return tuple(made)


def output_name(layer: str, index: int) -> str:
    """What an output of a layer is called that has several."""
    return f"{layer}[{index}]"


def _operation(layer: Any, kind: str, ndim: int, output: int) -> Operation:
    """What a layer computes.

    Raises:
        ModelError: if that is not known here.
    """
    try:
        if isinstance(layer, StandIn):
            return layer.output_operation(ndim, output)
        if isinstance(layer, Operator) and kind not in TRANSLATIONS:
            settings = {"compute": lambda arrays: layer.call(*arrays), "moves": kind in _MOVING}
            return Operation("elsewhere", settings)
        if kind not in TRANSLATIONS:
            raise ValueError("it is none of the layers that are computed here")
        weights = {w.name: np.asarray(w, np.float64) for w in layer.weights}
        function = own_activation(layer)
        if function is not None:  # which a configuration may not be able to hold
            return operation_of(kind, arguments_of(layer), ndim, weights).altered(
                activation=function
            )
        config = layer.get_config() | {"dtype": getattr(layer, "compute_dtype", "float32")}
        return operation_of(kind, config, ndim, weights)
    except ValueError as error:
        raise ModelError(f"the layer {layer.name!r} ({kind}): {error}") from error

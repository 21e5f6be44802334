"""The model as it was saved: its layers' calls in the order in which they run.

Files are read by the oracle's reader, which executes nothing and reads nothing elsewhere; models
within models are laid out flat, and each call of a shared layer is a step of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.asserting.layer import arguments_of, own_activation
from conformance.models.errors import ModelError
from conformance.models.operation import Operation, Span
from conformance.models.stand_in import DECLARED, StandIn, stand_in
from conformance.models.translation import TRANSLATIONS, operation_of
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.model import Model
from reference_impl.engine.operations import OPERATIONS
from reference_impl.engine.saving import LAYERS
from reference_impl.engine.structure import flatten

Array = np.ndarray[Any, Any]
Item = int | float
"""An input of a step: the number of a tensor, or a constant, which is a float."""

_DEEPEST: Final = 40
_MOST_AXES: Final = 8
_LONGEST: Final = 1 << 24


@dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer.

    Attributes:
        name: the layer's, with ``outer/`` before it in a model within a model, and ``#2`` behind
            it from the second call on.
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
    replaced = _replace(path, config)
    if not replaced:
        read_config(path)
    with limited(path):
        model = model_from_config(config, replaced)
    load_weights(model, path)
    return model


def _replace(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Stand-ins for the layers that the oracle does not have, by the names given to them.

    The configuration's entries are changed to these names, which no operator has.
    """
    known = {*LAYERS.names("keras3")}
    found: dict[str, Any] = {}
    for entry, siblings in _entries(config, 0):
        name = entry.get("class_name")
        is_own = name in known and _is_of_keras(entry) and not _has_groups(entry)
        if not isinstance(name, str) or is_own or _is_operator(entry):
            continue
        if not isinstance(entry.get("config"), dict):
            raise ModelError(
                f"{os.fspath(path)}: the configuration of a layer of class {name!r} is "
                f"{type(entry.get('config')).__name__}; expected an object"
            )
        is_computed = _is_of_keras(entry) and _is_computed(name)
        if not is_computed:
            entry["config"][DECLARED] = _declared_shape(entry, siblings)
        key = f"stand-in>{name}" if is_computed else f"opaque>{name}"
        found.setdefault(key, stand_in(name, is_computed))
        entry["registered_name"] = key
    return found


def _declared_shape(entry: Mapping[str, Any], siblings: Sequence[Any]) -> list[Any] | None:
    """The shape of a layer's output, as the layers that take it have it; None where none does.

    In a functional model each tensor among a call's arguments has its shape; in a sequential one
    the next layer tells what it was built for.
    """
    name = entry["config"].get("name")
    for tensor in _tensors(siblings, 0):
        if tensor.get("keras_history", [None])[0] == name:
            return _shape_or_none(tensor.get("shape"))
    place = next((i for i, other in enumerate(siblings) if other is entry), len(siblings))
    behind = siblings[place + 1] if place + 1 < len(siblings) else None
    is_functional = "inbound_nodes" in entry
    built = behind.get("build_config") if isinstance(behind, Mapping) else None
    return _shape_or_none(built.get("input_shape")) if built and not is_functional else None


def _tensors(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The symbolic tensors among the arguments of calls, as Keras 3 writes them."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        content = value.get("config")
        if value.get("class_name") == "__keras_tensor__" and isinstance(content, Mapping):
            yield content
            return
        inner = value.get("inbound_nodes", ()) if "class_name" in value else value.values()
        for item in inner if isinstance(inner, (list, tuple)) or inner else ():
            yield from _tensors(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item, depth + 1)


def _shape_or_none(shape: Any) -> list[Any] | None:
    if not isinstance(shape, (list, tuple)) or not 0 < len(shape) <= _MOST_AXES:
        return None
    fits = all(n is None or (type(n) is int and 0 <= n < _LONGEST) for n in shape)
    return [*shape] if fits else None


def _has_groups(entry: Mapping[str, Any]) -> bool:
    """Whether it is a convolution in groups, which are outside the oracle."""
    content = entry.get("config")
    return isinstance(content, Mapping) and content.get("groups", 1) != 1


def _entries(config: Any, depth: int) -> Iterator[tuple[dict[str, Any], Sequence[Any]]]:
    """The layers of a configuration, models within it included, each with those beside it."""
    content = config.get("config") if isinstance(config, Mapping) else None
    layers = content.get("layers") if isinstance(content, Mapping) else None
    if not isinstance(layers, list) or depth >= _DEEPEST:
        return
    for entry in layers:
        if isinstance(entry, dict):
            yield entry, layers
            yield from _entries(entry, depth + 1)


def _is_operator(entry: dict[str, Any]) -> bool:
    """Whether it is an operator between layers; ``.h5`` files do not say so, but give no dtype."""
    content = entry.get("config")
    name_alone = isinstance(content, Mapping) and content.keys() <= {"name"}
    is_known = entry.get("class_name") in OPERATIONS.names("keras3")
    if name_alone and is_known and entry.get("module") is None:
        entry["module"] = OPERATIONS.module
    return str(entry.get("module")).startswith(OPERATIONS.module)


def _is_of_keras(entry: Mapping[str, Any]) -> bool:
    """Whether it is Keras' own: Keras 2 names no module, Keras 3 one of ``keras``."""
    name, module = entry.get("registered_name"), entry.get("module")
    own = module is None or str(module).partition(".")[0] == "keras"
    return own and name in (None, entry.get("class_name"))


def _is_computed(name: str) -> bool:
    if name in TRANSLATIONS:
        return True
    from conformance.models.foreign import is_keras_layer

    return is_keras_layer(name)


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
        if len(node.outputs) != 1:
            raise ModelError(
                f"the layer {layer.name!r} has {len(node.outputs)} outputs; one is judged"
            )
        kind = getattr(layer, "class_name", type(layer).__name__)
        name = prefix + layer.name
        self._calls[name] += 1
        name = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
        operation = _operation(layer, kind, len(node.inputs[0].shape))
        output = self.number()
        self.steps.append(Step(name, layer, kind, operation, tuple(items), output))
        return (output,)


def _operation(layer: Any, kind: str, ndim: int) -> Operation:
    """What a layer computes.

    Raises:
        ModelError: if that is not known here.
    """
    try:
        if isinstance(layer, StandIn):
            return layer.operation(ndim)
        if kind not in TRANSLATIONS:
            raise ValueError("it is none of the layers that are computed here")
        weights = {w.name: np.asarray(w, np.float64) for w in layer.weights}
        function = own_activation(layer)
        if function is not None:  # which a configuration may not be able to hold
            return operation_of(kind, arguments_of(layer), ndim, weights).altered(
                activation=function
            )
        config = layer.get_config() | {"dtype": getattr(layer, "dtype", "float32")}
        return operation_of(kind, config, ndim, weights)
    except ValueError as error:
        raise ModelError(f"the layer {layer.name!r} ({kind}): {error}") from error

"""The layers of a configuration that the oracle does not have, replaced by stand-ins.

Entries are changed in place: each gets a name by which its stand-in is found, and what the reader
would not read (slices, functions, further arguments among those of a call) is left out of its
calls, of which tensors alone remain.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.models import keras2
from conformance.models.errors import ModelError
from conformance.models.operators import ACTIVATIONS, is_operator_of_keras, operator
from conformance.models.stand_in import DECLARED, opaque, stand_in
from conformance.models.translation import TRANSLATIONS
from reference_impl.engine.operations import OPERATIONS
from reference_impl.engine.saving import LAYERS

_DEEPEST: Final = 40
_MOST_AXES: Final = 8
_MOST_OUTPUTS: Final = 1 << 10
_LONGEST: Final = 1 << 24

Entry = dict[str, Any]


def replaced(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Stand-ins for the layers that the oracle does not have, by the names given to them.

    Raises:
        ModelError: if the configuration of one is none.
    """
    found: dict[str, Any] = {}
    for entry, model in _entries(config, 0):
        name = entry.get("class_name")
        if not isinstance(name, str):
            continue
        keras2.rewrite(entry)
        name = entry["class_name"]
        if _is_own(entry, name) or _is_own_operator(entry, name):
            continue
        if not isinstance(entry.get("config"), dict):
            raise ModelError(
                f"{os.fspath(path)}: the configuration of a layer of class {name!r} is "
                f"{type(entry.get('config')).__name__}; expected an object"
            )
        key, kind = _stand_in(entry, name, model)
        found.setdefault(key, kind)
        entry["registered_name"], entry["module"] = key, None
    return found


def _stand_in(entry: Entry, name: str, model: Mapping[str, Any]) -> tuple[str, Any]:
    """The name and the class of what stands in for an entry, whose configuration is completed."""
    module = str(entry.get("module"))
    if module.startswith(_OPERATORS) and name in ACTIVATIONS and len(_arguments(entry)) == 1:
        entry["config"] = {"name": entry.get("name"), "activation": ACTIVATIONS[name]}
        return "stand-in>Activation", stand_in("Activation")
    entry["config"][DECLARED] = _declared(entry, model)
    if _is_of_keras(entry) and _is_computed(name):
        return f"stand-in>{name}", stand_in(name)
    is_operator = is_operator_of_keras(module, name)
    kind = operator(module, name, entry) if is_operator else opaque(name)
    entry["inbound_nodes"] = [_tensors_alone(call) for call in _calls(entry)]
    own = entry.get("name") if is_operator else ""
    return f"{'operator' if is_operator else 'opaque'}>{module}.{name}.{own}", kind


_OPERATORS: Final = "keras.src.ops."


def _is_own(entry: Entry, name: str) -> bool:
    return name in LAYERS.names("keras3") and _is_of_keras(entry)


def _is_own_operator(entry: Entry, name: str) -> bool:
    """Whether it is an operator between layers that the oracle has, with numbers and tensors alone.

    ``.h5`` files do not say that it is one, but give no dtype.
    """
    content = entry.get("config")
    name_alone = isinstance(content, Mapping) and content.keys() <= {"name"}
    is_known = name in OPERATIONS.names("keras3")
    if name_alone and is_known and entry.get("module") is None:
        entry["module"] = OPERATIONS.module
    is_operator = str(entry.get("module")).startswith(OPERATIONS.module)
    return is_operator and is_known and name != "GetItem"


def _is_of_keras(entry: Entry) -> bool:
    """Whether it is Keras' own: Keras 2 names no module, Keras 3 one of ``keras``."""
    name, module = entry.get("registered_name"), entry.get("module")
    own = module is None or str(module).partition(".")[0] == "keras"
    return own and name in (None, entry.get("class_name"))


def _is_computed(name: str) -> bool:
    if name in TRANSLATIONS:
        return True
    from conformance.models.foreign import is_keras_layer

    return is_keras_layer(name)


def _entries(config: Any, depth: int) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    """The layers of a configuration, models within it included, each with its model's."""
    content = config.get("config") if isinstance(config, Mapping) else None
    layers = content.get("layers") if isinstance(content, Mapping) else None
    if not isinstance(layers, list) or depth >= _DEEPEST:
        return
    for entry in layers:
        if isinstance(entry, dict):
            yield entry, content or {}
            yield from _entries(entry, depth + 1)


# Calls and their tensors


def _calls(entry: Entry) -> list[Any]:
    calls = entry.get("inbound_nodes")
    return calls if isinstance(calls, list) else []


def _arguments(entry: Entry) -> list[Any]:
    """The arguments of an operator's call, which has none by name."""
    calls = _calls(entry)
    is_plain = len(calls) == 1 and isinstance(calls[0], Mapping) and not calls[0].get("kwargs")
    return [*calls[0].get("args", ())] if is_plain else []


def _tensors_alone(call: Any) -> Any:
    """A call of Keras 3 with its tensors alone; of Keras 2 as it is."""
    if not isinstance(call, Mapping):
        return call
    return {"args": [*tensors([call.get("args"), call.get("kwargs")], 0)], "kwargs": {}}


def tensors(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The symbolic tensors among the arguments of calls, as Keras 3 writes them."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from tensors(item, depth + 1)


def _declared(entry: Entry, model: Mapping[str, Any]) -> list[Any]:
    """The shapes of a layer's outputs, as the layers that take them have them; None where unknown.

    In a functional model each tensor among a call's arguments has its shape; in a sequential one
    the next layer tells what it was built for.
    """
    name = entry.get("name") or entry["config"].get("name")
    shapes: dict[int, Any] = {0: None}
    layers = [other for other in model["layers"] if isinstance(other, Mapping)]
    calls = [other.get("inbound_nodes") for other in layers]
    for tensor in tensors(calls, 0):
        content = tensor.get("config")
        content = content if isinstance(content, Mapping) else {}
        place = content.get("keras_history", ())
        if _is_place(place) and place[0] == name:
            shapes[place[2]] = _shape_or_none(content.get("shape"))
    for place in _places([calls, model.get("output_layers")], 0):
        if place[0] == name:
            shapes.setdefault(place[2], None)
    if "inbound_nodes" not in entry:
        shapes[0] = _built_behind(entry, layers)
    return [shapes.get(index) for index in range(max(shapes) + 1)]


def _built_behind(entry: Entry, layers: list[Mapping[str, Any]]) -> list[Any] | None:
    place = next((i for i, other in enumerate(layers) if other is entry), len(layers))
    behind = layers[place + 1] if place + 1 < len(layers) else None
    built = behind.get("build_config") if behind is not None else None
    return _shape_or_none(built.get("input_shape")) if isinstance(built, Mapping) else None


def _places(value: Any, depth: int) -> Iterator[Any]:
    """Places of tensors, ``[layer, call, output]``, as both releases write them in lists."""
    if depth > _DEEPEST or not isinstance(value, (Mapping, list, tuple)):
        return
    if _is_place(value):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value:
        yield from _places(item, depth + 1)


def _is_place(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) >= 3
        and isinstance(value[0], str)
        and type(value[2]) is int
        and 0 <= value[2] < _MOST_OUTPUTS
    )


def _shape_or_none(shape: Any) -> list[Any] | None:
    if not isinstance(shape, (list, tuple)) or not 0 < len(shape) <= _MOST_AXES:
        return None
    fits = all(n is None or (type(n) is int and 0 <= n < _LONGEST) for n in shape)
    return [*shape] if fits else None

"""The configuration of a model in a ``.keras`` or ``.h5`` file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reference_impl.engine import calling
from reference_impl.engine.files.container import (
    CONFIG,
    DEEPEST,
    LARGEST_CONFIG,
    RATIO,
    Path,
    is_h5,
    member,
    name_of,
    opened,
    plain,
    text_attribute,
)
from reference_impl.engine.saving import LAYERS
from reference_impl.showing import shown


def parsed_config(path: Path) -> dict[str, Any]:
    """The configuration of a ``.keras`` or ``.h5`` file, whatever layers it names.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file.
    """
    return _h5_config(path) if is_h5(path) else _json(path, _archived_config(path))


def read_config(path: Path, custom: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The model's configuration.

    Args:
        path: a ``.keras`` or ``.h5`` file.
        custom: the user's own classes by name.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no such file, or holds a layer that is not documented.
    """
    content = parsed_config(path)
    known = {*LAYERS.names("keras3"), *(custom or {})}
    for entry in _layer_configs(path, content, 0):
        given = entry.get("config")
        name = given.get("name") if isinstance(given, Mapping) else None
        class_name = entry.get("class_name")
        is_known = isinstance(class_name, str) and class_name in known
        if not is_known and not _is_registered(entry):
            documented = ", ".join(sorted(n for n in LAYERS.names("keras3") if n[0].isupper()))
            raise ValueError(
                f"{name_of(path)} holds the layer {shown(name)} of class "
                f"{plain(class_name)}; expected the documented layers only: {documented}"
            )
    return content


@contextmanager
def limited(path: Path) -> Iterator[None]:
    """Within the block, layers make no weights of more elements than a file can hold.

    Raises:
        OSError: if the file cannot be read.
    """
    with calling.limited_to(RATIO * os.path.getsize(path)):
        yield


def _is_registered(entry: Mapping[str, Any]) -> bool:
    """Whether a configuration names a class that the user registered, or an operator."""
    from reference_impl.engine.identifiers import known_to_user
    from reference_impl.engine.operations import OPERATIONS

    module = entry.get("module")
    if isinstance(module, str) and module.startswith(OPERATIONS.module):
        return entry.get("class_name") in OPERATIONS.names("keras3")
    return any(known_to_user(entry.get(key)) for key in ("registered_name", "class_name"))


def _layer_configs(
    path: Path, config: Mapping[str, Any], depth: int
) -> Iterator[Mapping[str, Any]]:
    """The configurations of all layers, those of models inside models included."""
    if depth > DEEPEST:
        raise ValueError(f"{name_of(path)}: models within models, deeper than {DEEPEST}")
    content = config.get("config")
    layers = content.get("layers", ()) if isinstance(content, Mapping) else ()
    if not isinstance(layers, (list, tuple)) or not all(isinstance(e, Mapping) for e in layers):
        raise ValueError(
            f"{name_of(path)}: the configuration's `layers` is {shown(layers)}; expected a list of "
            "the layers' configurations"
        )
    for entry in layers:
        yield entry
        yield from _layer_configs(path, entry, depth + 1)


def _archived_config(path: Path) -> bytes:
    return member(path, CONFIG, LARGEST_CONFIG)


def _h5_config(path: Path) -> dict[str, Any]:
    """The configuration of an ``.h5`` file, with ``compile_config`` from ``training_config``."""
    with opened(path, path) as file:
        text, training = (
            text_attribute(path, file, f"{what}_config") for what in ("model", "training")
        )
    if text is None:
        raise ValueError(f"{name_of(path)} has no attribute `model_config`: it holds weights alone")
    content = _json(path, text)
    if training is not None:
        compiled = _json(path, training)
        compiled["optimizer"] = compiled.pop("optimizer_config", None)
        names = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
        content["compile_config"] = {name: compiled.get(name) for name in names}
    return content


def _json(path: Path, text: Any) -> dict[str, Any]:
    """An object of JSON text.

    Raises:
        ValueError: if it is none.
    """
    try:
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{name_of(path)}: the configuration is no JSON ({shown(str(error))})"
        ) from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{name_of(path)}: the configuration holds {shown(content)}; expected an object"
        )
    return content

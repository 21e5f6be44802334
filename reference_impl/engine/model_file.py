"""Reading ``.keras`` files: a zip archive of ``config.json`` and ``model.weights.h5``.

The weights are HDF5 datasets ``layers/<layer>/vars/<number>``, where ``<layer>`` is the layer's
class name in snake case, numbered from the second of a class on, and the attribute ``name`` of
``vars`` is the layer's own name (in files of older versions it is missing).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array
from reference_impl.engine.model import Model
from reference_impl.engine.naming import snake_case
from reference_impl.engine.saving import LAYERS

_CONFIG: Final = "config.json"
_WEIGHTS: Final = "model.weights.h5"


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The model's configuration.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no ``.keras`` file, or holds a layer that is not documented.
    """
    from json import loads

    content = loads(_member(path, _CONFIG))
    if not isinstance(content, dict):
        raise ValueError(f"{os.fspath(path)}: {_CONFIG} holds {content!r}; expected an object")
    for entry in _layer_configs(content):
        name, given = entry.get("class_name"), (entry.get("config") or {}).get("name")
        if name not in LAYERS.names("keras3"):
            documented = ", ".join(sorted(n for n in LAYERS.names("keras3") if n[0].isupper()))
            raise ValueError(
                f"{os.fspath(path)} holds the layer {given!r} of class {name}; expected the "
                f"documented layers only: {documented}"
            )
    return content


def _member(path: str | os.PathLike[str], name: str) -> bytes:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive:
            return archive.read(name)
    except BadZipFile:
        raise ValueError(
            f"{os.fspath(path)} is no zip archive; expected a .keras file, as Keras 3 saves it"
        ) from None
    except KeyError:
        raise ValueError(
            f"{os.fspath(path)} has no member {name}; expected a .keras file, as Keras 3 saves it"
        ) from None


def _layer_configs(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configurations of all layers, those of models inside models included."""
    content = config.get("config")
    layers = content.get("layers", ()) if isinstance(content, Mapping) else ()
    for entry in layers:
        yield entry
        yield from _layer_configs(entry)


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Give a model the weights of a file.

    Raises:
        ImportError: if h5py is not installed.
        ValueError: if a layer's weights are missing, or do not fit.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"the weights of {os.fspath(path)} are HDF5 and need h5py, which is not installed: "
            "install layerproof[models]"
        ) from error
    from io import BytesIO

    with h5py.File(BytesIO(_member(path, _WEIGHTS)), "r") as file:
        _fill(model, file, os.fspath(path))


def _fill(model: Model, group: Any, path: str) -> None:
    stored = group.get("layers", {})
    by_name = {
        str(entry["vars"].attrs["name"]): entry
        for entry in stored.values()
        if "vars" in entry and "name" in entry["vars"].attrs
    }
    counts: Counter[str] = Counter()
    for layer in model.layers:
        kind = snake_case(type(layer).__name__)
        numbered = f"{kind}_{counts[kind]}" if counts[kind] else kind
        counts[kind] += 1
        entry = by_name.get(layer.name, None if by_name else stored.get(numbered))
        if isinstance(layer, Model) and entry is not None:
            _fill(layer, entry, path)
        elif layer.weights or entry is not None:
            _set(layer, entry, path)


def _set(layer: Layer, entry: Any, path: str) -> None:
    variables = entry["vars"] if entry is not None and "vars" in entry else {}
    arrays: list[Array] = [np.asarray(variables[key]) for key in sorted(variables, key=int)]
    try:
        layer.set_weights(arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}, weights of the layer {layer.name!r}: {error}") from error

"""Keras' ``models`` module."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import ArgumentError, file_path
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.identifiers import custom_object_scope, publish
from reference_impl.engine.input_layer import Input
from reference_impl.engine.model import Model
from reference_impl.engine.saving import LAYERS, deserialize
from reference_impl.engine.sequential import Sequential
from reference_impl.showing import shown

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "save_model",
]

LAYERS.alias(publish(Model, "keras"), "Model", "Functional")
LAYERS.alias(publish(Sequential, "keras"), "Sequential")


def model_from_config(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """The model of a configuration with ``class_name`` and ``config``, of Keras 3 or Keras 2.

    Raises:
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if a class is unknown, or `config` describes no model.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"`config` is {shown(config)}; expected a dictionary")
    with custom_object_scope(custom_objects):
        model = deserialize(config, custom_objects)
    if not isinstance(model, Model):
        raise ValueError(f"`config` describes {shown(model)}; expected a model")
    return model


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model of a configuration as JSON text, as ``to_json`` of Keras 3 or Keras 2 writes it.

    Raises:
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if it is no JSON, a class is unknown, or it describes no model.
    """
    from json import loads

    try:
        config = loads(json_string)
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"`json_string` is no JSON: {shown(str(error))}") from None
    return model_from_config(config, custom_objects)


def save_model(model: Model, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """`Model.save`."""
    model.save(filepath, overwrite)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Model:
    """The model of a ``.keras`` or ``.h5`` file, with its weights.

    The documented layers are read, and the user's own that are given.  A model that was compiled
    is, if its optimizer, losses and metrics are offered here, and training goes on from the state
    of the optimizer; otherwise it is left uncompiled.

    Args:
        filepath: the file.
        custom_objects: the user's own functions and classes by name.
        compile: whether to compile the model.
        safe_mode: without effect: no code is ever read from a file.

    Raises:
        ImportError: if h5py is not installed (``layerproof[models]``).
        OSError: if the file cannot be read.
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if it is no such file, or holds another layer (which is named), an unknown
            class, or weights that do not fit.
    """
    from reference_impl.engine.files.configuration import limited, read_config
    from reference_impl.engine.files.reading import load_weights

    file_path("load_model", "filepath", filepath)
    config = read_config(filepath, custom_objects)
    try:
        with limited(filepath):
            model = model_from_config(config, custom_objects)
    except (KeyError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(
            f"{os.fspath(filepath)}: the configuration is not as Keras writes it "
            f"({type(error).__name__}: {shown(str(error))})"
        ) from error
    compiled = config.get("compile_config")
    if compile and isinstance(compiled, Mapping):
        with suppress(TypeError, ValueError):
            model.compile_from_config(compiled)
    load_weights(model, filepath)
    return model


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **further: Any,
) -> Model:
    """A model of new layers, with the configurations of a model's layers and new weights.

    Args:
        model: a graph or a Sequential.
        input_tensors: symbolic tensors that the new model starts from, in the structure of the
            model's inputs; by default new ones.
        clone_function: makes a layer's clone; by default from its configuration.
        call_function: ``call_function(layer, *arguments, **keywords)`` calls a clone; by default
            by calling it.
        recursive: whether layers of models inside the model are cloned one by one, too.
        **further: none.

    Raises:
        TypeError: if an argument is unknown.
        ValueError: if the model has a ``call`` of its own.
    """
    from reference_impl.engine.cloning import cloned

    if further:
        raise ArgumentError(f"clone_model: unrecognised arguments {', '.join(sorted(further))}")
    return cloned(model, input_tensors, clone_function, call_function, recursive)


__getattr__ = refuser("keras.models", __all__)

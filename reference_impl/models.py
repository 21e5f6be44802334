"""Keras' ``models`` module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reference_impl.engine.identifiers import publish
from reference_impl.engine.input_layer import Input
from reference_impl.engine.model import Model
from reference_impl.engine.saving import LAYERS, deserialize
from reference_impl.engine.sequential import Sequential

__all__ = ["Input", "Model", "Sequential", "load_model", "model_from_config", "model_from_json"]

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
    model = deserialize(config, custom_objects)
    if not isinstance(model, Model):
        raise ValueError(f"`config` describes {model!r}; expected a model")
    return model


def model_from_json(text: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model of a configuration as JSON text, as ``to_json`` of Keras 3 or Keras 2 writes it.

    Raises:
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if it is no JSON, a class is unknown, or it describes no model.
    """
    from json import loads

    return model_from_config(loads(text), custom_objects)


def load_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None
) -> Model:
    """The model of a ``.keras`` file, as Keras 3 saves it, with its weights.

    The documented layers alone are read; how the model was compiled is not.

    Args:
        path: the file.
        custom_objects: the user's own functions and classes by name.

    Raises:
        ImportError: if h5py is not installed (``layerproof[models]``).
        OSError: if the file cannot be read.
        TypeError: if an argument of a layer is of a wrong type.
        ValueError: if it is no such file, or holds another layer (which is named), an unknown
            class, or weights that do not fit.
    """
    from reference_impl.engine.model_file import load_weights, read_config

    model = model_from_config(read_config(path), custom_objects)
    load_weights(model, path)
    return model

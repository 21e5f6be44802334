"""Keras' ``saving`` module: model files, and configurations of any object of this library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reference_impl import (
    activations,
    constraints,
    initializers,
    losses,
    metrics,
    optimizers,
    regularizers,
)
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import configuration
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.identifiers import (
    custom_object_scope,
    register_keras_serializable,
    serialize_value,
)
from reference_impl.engine.saving import deserialize, serialize
from reference_impl.models import load_model, save_model

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "load_model",
    "register_keras_serializable",
    "save_model",
    "serialize_keras_object",
]

CustomObjectScope = custom_object_scope

_READERS: Final[Mapping[str, Callable[..., Any]]] = {
    "keras.activations": activations.deserialize,
    "keras.constraints": constraints.deserialize,
    "keras.initializers": initializers.deserialize,
    "keras.losses": losses.deserialize,
    "keras.metrics": metrics.deserialize,
    "keras.optimizers": optimizers.deserialize,
    "keras.regularizers": regularizers.deserialize,
}


def serialize_keras_object(obj: Any) -> Any:
    """The configuration of an object, class included; plain values as they are.

    Raises:
        ValueError: for an object that has none.
    """
    return serialize(obj) if isinstance(obj, Layer) else serialize_value(obj)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """The object of a configuration that `serialize_keras_object` made.

    Args:
        config: the configuration; in lists and dictionaries, too; plain values stay as they are.
        custom_objects: the user's own functions and classes by name.
        safe_mode: without effect: a configuration never holds code.

    Raises:
        TypeError: if an argument in it is of a wrong type.
        ValueError: if the class is unknown, or an argument out of range.
    """
    if isinstance(config, (list, tuple)):
        return [deserialize_keras_object(item, custom_objects) for item in config]
    if not isinstance(config, Mapping):
        return config
    given = configuration("deserialize_keras_object", config)
    if "class_name" not in given:
        return {n: deserialize_keras_object(item, custom_objects) for n, item in given.items()}
    module = given.get("module")
    if given["class_name"] == "function":
        module = "keras.activations"
    reader = _READERS.get(module, deserialize) if isinstance(module, str) else deserialize
    return reader(given, custom_objects)


__getattr__ = refuser("keras.saving", __all__)

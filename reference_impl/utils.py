"""Keras' ``utils`` module, as far as the layers need it."""

from __future__ import annotations

from reference_impl.engine.absent import refuser
from reference_impl.engine.identifiers import custom_object_scope, register_keras_serializable
from reference_impl.engine.naming import clear_session
from reference_impl.saving import (
    CustomObjectScope,
    deserialize_keras_object,
    serialize_keras_object,
)

__all__ = [
    "CustomObjectScope",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "register_keras_serializable",
    "serialize_keras_object",
]


__getattr__ = refuser("keras.utils", __all__)

"""Keras' ``utils`` module, as far as the layers need it."""

from __future__ import annotations

from reference_impl.engine.absent import refuser
from reference_impl.engine.identifiers import custom_object_scope, register_keras_serializable
from reference_impl.engine.naming import clear_session

__all__ = ["clear_session", "custom_object_scope", "register_keras_serializable"]


__getattr__ = refuser("keras.utils", __all__)

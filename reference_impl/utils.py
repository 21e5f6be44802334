"""Keras' ``utils`` module, as far as the layers need it."""

from __future__ import annotations

from reference_impl.engine.identifiers import custom_object_scope, register_keras_serializable

__all__ = ["custom_object_scope", "register_keras_serializable"]

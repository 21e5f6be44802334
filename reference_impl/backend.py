"""Keras' ``backend`` module: settings, readings, and the session's automatic names."""

from __future__ import annotations

from typing import Any

from reference_impl.config import (
    certification,
    epsilon,
    floatx,
    image_data_format,
    image_dim_ordering,
    reading,
    reading_as,
    set_certification,
    set_epsilon,
    set_floatx,
    set_image_data_format,
    set_image_dim_ordering,
    set_reading,
    uncertified,
)
from reference_impl.engine.absent import refuser
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.engine.naming import clear_session, get_uid

__all__ = [
    "certification",
    "clear_session",
    "epsilon",
    "floatx",
    "get_uid",
    "image_data_format",
    "image_dim_ordering",
    "int_shape",
    "is_keras_tensor",
    "reading",
    "reading_as",
    "set_certification",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
    "set_reading",
    "uncertified",
]


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is a symbolic tensor, as `Input` and layers called on one return."""
    return isinstance(x, KerasTensor)


def int_shape(tensor: Any) -> tuple[int | None, ...]:
    """The shape of an array or symbolic tensor, None standing for a free length."""
    return tuple(tensor.shape)


__getattr__ = refuser("keras.backend", __all__)

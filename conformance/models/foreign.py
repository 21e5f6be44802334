"""Layers that only Keras computes, in float64 where it can."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from conformance.models.errors import ModelError
from conformance.models.translation import dtype_of

_REFUSED: Final = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
"""Layers that run code out of the file, or open other files."""

_COMPOSED: Final = ("RNN", "Wrapper", "MultiHeadAttention", "GroupQueryAttention")
"""Layers made of layers, whose weights are stored in other places."""


def is_keras_layer(class_name: str) -> bool:
    """Whether an installed Keras computes such a layer, without code, files or layers within."""
    if class_name in _REFUSED:
        return False
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
    except ImportError:
        return False
    found = getattr(keras.layers, class_name, None)
    if not isinstance(found, type) or not issubclass(found, keras.layers.Layer):
        return False
    return not any(issubclass(found, getattr(keras.layers, name, ())) for name in _COMPOSED)


def built(class_name: str, config: Mapping[str, Any], input_shape: Any) -> Any:
    """Keras' layer, built for an input shape, in float64 unless it cannot."""
    import keras

    own = {key: value for key, value in config.items() if key != "dtype"}
    for dtype in ("float64", dtype_of(config)):
        layer = getattr(keras.layers, class_name).from_config({**own, "dtype": dtype})
        try:
            layer.build(input_shape)
        except (TypeError, NotImplementedError):
            continue
        return layer
    raise ModelError(f"{class_name}: Keras cannot build it for {input_shape}")


def compute(layer: Any, weights: Sequence[Any], inputs: Sequence[Any]) -> Any:
    """The layer's output at inference."""
    layer.set_weights(list(weights))
    given = [np.asarray(array, layer.compute_dtype) for array in inputs]
    import keras

    return keras.ops.convert_to_numpy(layer(given if len(given) > 1 else given[0]))


def operation_class(module: str, name: str) -> Any:
    """The class of an operation of an installed Keras; None where there is none."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras

        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None
    if not isinstance(found, type) or not issubclass(found, keras.Operation):
        return None
    return None if issubclass(found, keras.layers.Layer) else found


def operate(
    module: str, name: str, config: Mapping[str, Any], arguments: Sequence[Any], keywords: Any
) -> list[Any]:
    """The results of an operation of Keras, one or several, on arrays among its arguments.

    Raises:
        ValueError: if Keras cannot compute it.
    """
    import keras

    try:
        made = operation_class(module, name).from_config(dict(config))(*arguments, **keywords)
    except Exception as error:
        raise ValueError(f"Keras cannot compute {name}: {error}") from error
    return [keras.ops.convert_to_numpy(item) for item in keras.tree.flatten(made)]

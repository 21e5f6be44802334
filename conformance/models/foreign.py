"""Layers that only Keras computes, in float64 where it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from conformance.models.errors import ModelError
from conformance.models.translation import dtype_of

_REFUSED: Final = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})
"""Layers that run code out of the file, or open other files."""


def is_keras_layer(class_name: str) -> bool:
    """Whether an installed Keras has such a layer, which runs nothing from a file.

    Raises:
        ModelError: if it has one that runs code from the file.
    """
    if class_name in _REFUSED:
        raise ModelError(f"a {class_name} layer runs code or files of its own, which is refused")
    try:
        import keras
    except ImportError:
        return False
    found = getattr(keras.layers, class_name, None)
    return isinstance(found, type) and issubclass(found, keras.layers.Layer)


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

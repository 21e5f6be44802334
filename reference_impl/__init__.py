"""A NumPy oracle for the Keras layers Conv1D, Conv2D, MaxPooling1D, MaxPooling2D, Flatten, Input.

``import reference_impl as keras`` gives the documented import paths.  Every value is the exact
value of the layer's definition, rounded once to the layer's dtype.
"""

from __future__ import annotations

from reference_impl import (
    activations,
    backend,
    config,
    constraints,
    engine,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    random,
    regularizers,
    saving,
    utils,
)
from reference_impl.engine.absent import refuser
from reference_impl.engine.keras_tensor import KerasTensor
from reference_impl.layers import Input, Layer
from reference_impl.models import Model, Sequential
from reference_impl.version import __version__ as __version__

__all__ = [
    "Input",
    "KerasTensor",
    "Layer",
    "Model",
    "Sequential",
    "activations",
    "backend",
    "config",
    "constraints",
    "engine",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "random",
    "regularizers",
    "saving",
    "utils",
]


__getattr__ = refuser("keras", __all__)

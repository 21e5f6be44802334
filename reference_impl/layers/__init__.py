"""The documented layers, and their configurations by name."""

from __future__ import annotations

from reference_impl.engine.absent import refuser
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.saving import LAYERS, deserialize, serialize
from reference_impl.layers import convolutional, core, pooling
from reference_impl.layers.convolutional import Conv1D, Conv2D, Convolution1D, Convolution2D
from reference_impl.layers.core import Flatten, Input, InputLayer
from reference_impl.layers.pooling import MaxPool1D, MaxPool2D, MaxPooling1D, MaxPooling2D

__all__ = [
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "convolutional",
    "core",
    "deserialize",
    "pooling",
    "serialize",
]

for _layer, *_aliases in (
    (Conv1D, "Convolution1D"),
    (Conv2D, "Convolution2D"),
    (MaxPooling1D, "MaxPool1D"),
    (MaxPooling2D, "MaxPool2D"),
    (Flatten,),
    (InputLayer,),
):
    LAYERS.add(_layer, *_aliases)


__getattr__ = refuser("keras.layers", __all__)

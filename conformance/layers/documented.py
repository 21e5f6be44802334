"""The descriptors of the documented layers, in the order of the documentation."""

from __future__ import annotations

from typing import Final

from conformance.layers.convolution import Conv1D, Conv2D
from conformance.layers.flatten import Flatten
from conformance.layers.input import Input
from conformance.layers.layer import Layer
from conformance.layers.pooling import MaxPooling1D, MaxPooling2D

DOCUMENTED: Final[tuple[Layer, ...]] = (
    Conv1D(),
    Conv2D(),
    MaxPooling1D(),
    MaxPooling2D(),
    Flatten(),
    Input(),
)

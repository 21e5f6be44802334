"""Max pooling and its gradient, beside peers and a copy of the input, which none can undercut."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np
from measuring import Benchmark, Call, Setup
from peers import POOLINGS, calls, torch_pooling_gradient, window_of

import reference_impl as keras

SHAPES: Final[dict[str, tuple[tuple[int, ...], int, int, str]]] = {
    "2x2 of 56x56x64": ((1, 56, 56, 64), 2, 2, "valid"),
    "3x3 by 2 of 112x112x64": ((1, 112, 112, 64), 3, 2, "same"),
    "3x3 by 1 of 28x28x192": ((1, 28, 28, 192), 3, 1, "same"),
    "3 by 2 of 16000x32": ((1, 16000, 32), 3, 2, "same"),
    "tiny": ((2, 7, 8, 3), 2, 2, "valid"),
}
"""Input, window, stride, padding."""


def _setup(name: str, tiny: bool, *, gradient: bool) -> Setup:
    del tiny
    shape, size, stride, padding = SHAPES[name]
    rank = len(shape) - 2
    kind = keras.layers.MaxPooling1D if rank == 1 else keras.layers.MaxPooling2D
    layer = kind(size, strides=stride, padding=padding)
    inputs = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    window = window_of(inputs, np.zeros((size,) * rank + (1, 1)), stride, 1, padding)
    outputs = layer(inputs)
    upstream = np.ones(outputs.shape, np.float32)
    makers = {"torch": torch_pooling_gradient} if gradient else POOLINGS
    others, left_out = calls(makers, window, float(outputs.size * size**rank))
    own: dict[str, Call] = {
        "ours": (lambda: layer.gradients(inputs, upstream)) if gradient else lambda: layer(inputs),
        "copy": inputs.copy,
    }
    return Setup(own | others, left_out=left_out, peers=("copy", *others))


BENCHMARKS: Final = tuple(
    Benchmark(f"{group}/{name}", partial(_setup, name, gradient=gradient), name == "tiny")
    for group, gradient in (("max pooling", False), ("gradient of max pooling", True))
    for name in SHAPES
)

"""The judge beside the certified value of the same layer, on outputs whose last bits differ."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from measuring import Benchmark, Setup

import reference_impl as keras
from conformance import assert_conforms
from conformance.asserting.layer import gauge_of
from conformance.judge.elements import judge_sums
from reference_impl.ops.convolution import plain_convolution
from reference_impl.ops.geometry import window_axes

Array = np.ndarray[Any, Any]

SHAPES: Final[dict[str, tuple[tuple[int, ...], int, str | None]]] = {
    "152x152x32": ((1, 152, 152, 16), 32, None),
    "304x304x32": ((1, 304, 304, 16), 32, None),
    "56x56x64, gelu": ((1, 56, 56, 64), 64, "gelu"),
    "tiny": ((2, 7, 8, 3), 4, None),
}
"""Input, filters, activation, of 3 x 3 windows in SAME padding."""


def _setup(name: str, tiny: bool) -> Setup:
    del tiny
    shape, filters, activation = SHAPES[name]
    layer = keras.layers.Conv2D(filters, 3, padding="same", activation=activation)
    inputs = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    layer.build(shape)
    outputs, wanted = _plain(layer, inputs, activation), np.asarray(layer(inputs))
    return Setup(
        {
            "certified": partial(layer, inputs),
            "judged": partial(assert_conforms, outputs, layer, inputs),
            "judged by a known value": lambda: judge_sums(
                gauge_of(layer, inputs), outputs, wanted, negligible=1.0
            ),
        }
    )


def _plain(layer: keras.layers.Conv2D, inputs: Array, activation: str | None) -> Array:
    """What ordinary arithmetic gives; through an activation, the rounded value itself."""
    if activation is not None:
        return np.asarray(layer(inputs))
    kernel, bias = layer.get_weights()
    axes = window_axes(inputs.shape[1:-1], (3, 3), (1, 1), (1, 1), "same")
    return np.asarray(plain_convolution(inputs, kernel, axes)) + bias


BENCHMARKS: Final = tuple(
    Benchmark(f"judge float32/{name}", partial(_setup, name), name == "tiny") for name in SHAPES
)

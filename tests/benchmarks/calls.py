"""Small calls, where what is done besides arithmetic counts, and building a layer."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from measuring import Benchmark, Call, Setup
from peers import missing, torch

import reference_impl as keras

SHAPE: Final = (2, 7, 8, 3)
FILTERS: Final = 4
SIZE: Final = (3, 3)


def built(dtype: str) -> tuple[keras.layers.Conv2D, np.ndarray[Any, Any]]:
    """A tiny layer, and inputs."""
    layer = keras.layers.Conv2D(FILTERS, SIZE, dtype=dtype)
    layer.build(SHAPE)
    return layer, np.random.default_rng(0).standard_normal(SHAPE).astype(dtype)


def calling(dtype: str) -> Call:
    """A call of a tiny layer."""
    layer, x = built(dtype)
    return partial(layer, x)


def _calling(tiny: bool, *, dtype: str) -> Setup:
    del tiny
    layer, x = built(dtype)
    kernel, bias = layer.get_weights()
    windows = np.random.default_rng(1).standard_normal((2 * 5 * 6, 27)).astype(dtype)
    own: dict[str, Call] = {
        "certified": partial(layer, x),
        "matmul and bias": lambda: windows @ kernel.reshape(27, FILTERS) + bias,
    }
    left_out = missing()
    if "torch" not in left_out:
        framework = torch()
        module = framework.nn.Conv2d(3, FILTERS, SIZE).to(getattr(framework, dtype))
        tensor = framework.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
        own["torch"] = partial(_without_gradients, module, tensor)
    left_out = {k: why for k, why in left_out.items() if k == "torch"}
    return Setup(own, left_out=left_out, peers=("matmul and bias", "torch"))


def _without_gradients(module: object, tensor: object) -> object:
    with torch().no_grad():
        return module(tensor)  # type: ignore[operator]


def _building(tiny: bool) -> Setup:
    del tiny
    layer, x = built("float32")
    own: dict[str, Call] = {
        "certified call": partial(layer, x),
        "building and calling once": lambda: keras.layers.Conv2D(FILTERS, SIZE)(x),
    }
    left_out = missing()
    if "torch" not in left_out:
        framework = torch()
        tensor = framework.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
        own["torch: building and calling once"] = lambda: _without_gradients(
            framework.nn.Conv2d(3, FILTERS, SIZE), tensor
        )
    left_out = {k: why for k, why in left_out.items() if k == "torch"}
    return Setup(own, left_out=left_out, peers=("torch: building and calling once",))


def _pooling(tiny: bool) -> Setup:
    del tiny
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    return Setup({"ours": partial(keras.layers.MaxPooling2D(), x), "copy": x.copy}, peers=("copy",))


def _flatten(tiny: bool) -> Setup:
    del tiny
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    return Setup({"ours": partial(keras.layers.Flatten(), x), "copy": x.copy}, peers=("copy",))


BENCHMARKS: Final = (
    Benchmark("tiny calls/Conv2D float32", partial(_calling, dtype="float32")),
    Benchmark("tiny calls/Conv2D float64", partial(_calling, dtype="float64")),
    Benchmark("tiny calls/Conv2D built and called once", _building),
    Benchmark("tiny calls/MaxPooling2D float32", _pooling),
    Benchmark("tiny calls/Flatten float32", _flatten),
)

"""Convolutions of known networks: plain, certified and their gradients, beside peers.

``matmul`` is NumPy's matrix product of the same sizes, which no convolution by it can undercut;
``products of slices`` and ``products`` are those that certified float64 and gradients are made of.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import numpy as np
from measuring import Benchmark, Call, Setup
from peers import CONVOLUTIONS, Maker, Window, calls, torch_gradients, window_of

import reference_impl as keras
from reference_impl.ops import wide_sums
from reference_impl.ops.convolution import convolution_sums, plain_convolution
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import format_of
from reference_impl.ops.geometry import window_axes

Sizes = tuple[int, ...]

SHAPES: dict[str, tuple[Sizes, Sizes, int, int, int, str]] = {
    "lenet-1": ((32, 28, 28, 1), (5, 5), 6, 1, 1, "same"),
    "lenet-2": ((32, 14, 14, 6), (5, 5), 16, 1, 1, "valid"),
    "cifar": ((32, 32, 32, 3), (3, 3), 32, 1, 1, "same"),
    "resnet-56x64": ((1, 56, 56, 64), (3, 3), 64, 1, 1, "same"),
    "resnet-1x1": ((1, 56, 56, 64), (1, 1), 256, 1, 1, "valid"),
    "resnet-stem": ((1, 224, 224, 3), (7, 7), 64, 2, 1, "same"),
    "resnet-14x256": ((1, 14, 14, 256), (3, 3), 256, 1, 1, "same"),
    "resnet-7x512": ((1, 7, 7, 512), (3, 3), 512, 1, 1, "same"),
    "resnet-28x128": ((1, 56, 56, 128), (3, 3), 128, 2, 1, "same"),
    "vgg-1": ((1, 224, 224, 3), (3, 3), 64, 1, 1, "same"),
    "aspp": ((1, 33, 33, 512), (3, 3), 256, 1, 12, "same"),
    "audio": ((4, 16000, 1), (80,), 128, 4, 1, "valid"),
    "conv1d": ((1, 1024, 512), (3,), 512, 1, 1, "same"),
    "wavenet": ((1, 16512, 32), (2,), 64, 1, 512, "valid"),
    "tiny": ((2, 7, 8, 3), (3, 3), 4, 1, 1, "valid"),
}
"""Input, window, filters, stride, dilation, padding."""

DIFFERENTIATED: Final = ("lenet-2", "cifar", "resnet-14x256", "resnet-56x64", "tiny")
"""The shapes whose gradients are measured."""

GRADIENTS: Final[dict[str, Maker]] = {"torch": torch_gradients}


def operands(name: str, dtype: type[np.generic]) -> tuple[Window, np.ndarray[Any, Any]]:
    """Input and kernel, and the bias, of a shape."""
    shape, size, filters, stride, dilation, padding = SHAPES[name]
    random = np.random.default_rng(0)
    sizes = (shape, (*size, shape[-1], filters), (filters,))
    inputs, kernel, bias = (random.standard_normal(one).astype(dtype) for one in sizes)
    return window_of(inputs, kernel, stride, dilation, padding), bias


def certified(name: str, dtype: type[np.generic]) -> Call:
    """Certified values, the bias added."""
    window, bias = operands(name, dtype)
    axes, form = _axes(name), format_of(np.dtype(dtype))
    return lambda: evaluate(convolution_sums(window.inputs, window.kernel, bias, axes), None, form)


def plain(name: str, dtype: type[np.generic]) -> Call:
    """The convolution in the dtype itself."""
    window, _ = operands(name, dtype)
    return partial(plain_convolution, window.inputs, window.kernel, _axes(name))


def matmul(name: str, dtype: type[np.generic]) -> Call:
    """The matrix product of the windows and the kernel."""
    window, _ = operands(name, dtype)
    kernel = window.kernel.reshape(-1, window.kernel.shape[-1])
    rows = len(window.inputs) * int(np.prod(window.outputs))
    windows = np.random.default_rng(1).standard_normal((rows, len(kernel))).astype(dtype)
    return lambda: windows @ kernel


def _products_of_slices(name: str) -> Call:
    """The matrix products of certified float64: three of two slices, six of three."""
    call, products = matmul(name, np.float64), int(np.prod(operands(name, np.float64)[0].size))
    products *= SHAPES[name][0][-1]
    times = 3 if products <= wide_sums.FEW else 6
    return lambda: [call() for _ in range(times)]


def _products_of_gradients(window: Window) -> Call:
    """The two matrix products of the gradients, in float64, in which they are computed."""
    taps, (channels, filters) = int(np.prod(window.size)), window.kernel.shape[-2:]
    read = len(window.inputs) * int(np.prod(window.inputs.shape[1:-1]))
    written = len(window.inputs) * int(np.prod(window.outputs))
    random = np.random.default_rng(3)
    sizes = (
        ((read, taps * filters), (taps * filters, channels)),
        (
            (taps * channels, written),
            (written, filters),
        ),
    )
    pairs = [[random.standard_normal(size) for size in pair] for pair in sizes]
    return lambda: [left @ right for left, right in pairs]


def products(window: Window) -> float:
    """Multiplications of a convolution."""
    return float(len(window.inputs) * np.prod(window.outputs, dtype=float) * window.kernel.size)


def _axes(name: str) -> Any:
    shape, size, _, stride, dilation, padding = SHAPES[name]
    rank = len(size)
    return window_axes(shape[1:-1], size, (stride,) * rank, (dilation,) * rank, padding)


def _forward(name: str, dtype: type[np.generic], tiny: bool) -> Setup:
    del tiny
    window, _ = operands(name, dtype)
    own = {"plain": plain(name, dtype), "matmul": matmul(name, dtype)}
    if dtype is np.float64:
        own |= {
            "certified float32": certified(name, np.float32),
            "certified float64": certified(name, np.float64),
            "products of slices": _products_of_slices(name),
        }
    others, left_out = calls(CONVOLUTIONS, window, products(window))
    peers = ("matmul", "products of slices", *others)
    return Setup(own | others, left_out=left_out, peers=peers)


def gradients(name: str) -> Call:
    """Certified gradients."""
    return _forward_and_gradients(name)["certified gradients"]


def _forward_and_gradients(name: str) -> dict[str, Call]:
    shape, size, filters, stride, dilation, padding = SHAPES[name]
    kind = keras.layers.Conv1D if len(size) == 1 else keras.layers.Conv2D
    layer = kind(filters, size, strides=stride, padding=padding, dilation_rate=dilation)
    window, bias = operands(name, np.float32)
    layer.build(shape)
    layer.set_weights([window.kernel, bias])
    upstream = np.random.default_rng(2).standard_normal((shape[0], *window.outputs, filters))
    upstream = upstream.astype(np.float32)
    return {
        "certified forward": lambda: layer(window.inputs),
        "certified gradients": lambda: layer.gradients(window.inputs, upstream),
    }


def _gradients(name: str, tiny: bool) -> Setup:
    del tiny
    window, _ = operands(name, np.float32)
    own = _forward_and_gradients(name) | {"products": _products_of_gradients(window)}
    others, left_out = calls(GRADIENTS, window, products(window), " gradients")
    return Setup(own | others, left_out=left_out, peers=("products", *others))


def _group(name: str, dtype: type[np.generic]) -> str:
    """Certified values have a price beyond the products, which few products do not pay for."""
    shape, size, *_ = SHAPES[name]
    if dtype is np.float32:
        return "convolution float32"
    count = int(np.prod(size)) * shape[-1]
    return f"convolution float64 of {'at least' if count >= 64 else 'below'} 64 products"


BENCHMARKS: Final = (
    *(
        Benchmark(f"{_group(name, kind)}/{name}", partial(_forward, name, kind), name == "tiny")
        for kind in (np.float32, np.float64)
        for name in sorted(SHAPES, key=partial(_group, dtype=kind))
    ),
    *(
        Benchmark(f"gradients float32/{name}", partial(_gradients, name), name == "tiny")
        for name in DIFFERENTIATED
    ),
)

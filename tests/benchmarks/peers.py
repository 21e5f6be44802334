"""The same layers by others: PyTorch, TensorFlow, ONNX Runtime, ONNX' reference, SciPy, a loop.

Each maker returns a call on arrays that are converted before, in one thread; None where the peer
does not offer the layer.  A peer that is not installed is left out and named.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
from measuring import Call

from reference_impl.ops.geometry import window_axes

Array = np.ndarray[Any, Any]

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "torch": ("torch",),
    "tensorflow": ("tensorflow",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "onnx.reference": ("onnx",),
    "scipy": ("scipy",),
    "loop": (),
}
"""The peers, and what each needs."""

SLOW: Final = {"onnx.reference": 2e7, "scipy": 3e8, "loop": 3e8}
"""Products beyond which a peer is left out, since nothing is learnt from waiting for it."""


@dataclass(frozen=True)
class Window:
    """A convolution or max pooling in channels_last.

    Attributes:
        inputs: batch, sizes, channels.
        kernel: window, channels, filters; for pooling, the window alone has a meaning.
        strides: of each axis.
        dilation: of each axis.
        padding: before and after, of each axis.
    """

    inputs: Array
    kernel: Array
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(map(int, self.kernel.shape[:-2]))

    @property
    def outputs(self) -> tuple[int, ...]:
        """Sizes of the output."""
        return tuple(
            int((length + sum(pad) - (size - 1) * rate - 1) // stride + 1)
            for length, pad, size, rate, stride in zip(
                self.inputs.shape[1:-1],
                self.padding,
                self.size,
                self.dilation,
                self.strides,
                strict=True,
            )
        )

    def padded(self, value: float = 0.0) -> Array:
        """The input with its padding."""
        return np.pad(self.inputs, ((0, 0), *self.padding, (0, 0)), constant_values=value).astype(
            self.inputs.dtype
        )


def window_of(inputs: Array, kernel: Array, stride: int, dilation: int, padding: str) -> Window:
    """The same stride and dilation on every axis."""
    rank = inputs.ndim - 2
    strides, rates = (stride,) * rank, (dilation,) * rank
    axes = window_axes(inputs.shape[1:-1], kernel.shape[:rank], strides, rates, padding)
    pads = tuple((axis.pad_before, axis.pad_after) for axis in axes)
    return Window(inputs, kernel, strides, rates, pads)


Maker = Callable[[Window], Call | None]


def missing() -> dict[str, str]:
    """The peers that are not installed."""
    lacking = {
        name: [one for one in packages if importlib.util.find_spec(one) is None]
        for name, packages in PACKAGES.items()
    }
    return {
        name: f"{' and '.join(ones)} is not installed" for name, ones in lacking.items() if ones
    }


def calls(
    makers: Mapping[str, Maker], window: Window, products: float, suffix: str = ""
) -> tuple[dict[str, Call], dict[str, str]]:
    """The calls of the peers that can take part, and why others cannot."""
    found: dict[str, Call] = {}
    left_out = missing()
    for name, make in makers.items():
        if name in left_out:
            continue
        if products > SLOW.get(name, np.inf):
            continue
        call = make(window)
        if call is not None:
            found[name + suffix] = call
    return found, left_out


@functools.cache
def torch() -> Any:
    """PyTorch in one thread."""
    import torch

    torch.set_num_threads(1)
    return torch


@functools.cache
def tensorflow() -> Any:
    """TensorFlow, whose threads the environment sets before it begins (`__main__`)."""
    import tensorflow

    return tensorflow


def _channels_first(array: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


def _kernel_first(kernel: Array) -> Array:
    """Filters, channels, window."""
    rank = kernel.ndim - 2
    return np.ascontiguousarray(kernel.transpose(rank + 1, rank, *range(rank)))


def _torch_padding(window: Window) -> list[int]:
    """Pairs from the last axis on."""
    return [amount for pair in reversed(window.padding) for amount in pair]


def torch_convolution(window: Window) -> Call:
    framework = torch()
    convolve = getattr(framework.nn.functional, f"conv{len(window.size)}d")
    x = framework.from_numpy(_channels_first(window.inputs))
    kernel = framework.from_numpy(_kernel_first(window.kernel))
    amounts = _torch_padding(window)

    def call() -> object:
        with framework.no_grad():
            padded = framework.nn.functional.pad(x, amounts) if any(amounts) else x
            return convolve(padded, kernel, stride=window.strides, dilation=window.dilation)

    return call


def torch_gradients(window: Window) -> Call:
    framework = torch()
    convolve = getattr(framework.nn.functional, f"conv{len(window.size)}d")
    x = framework.from_numpy(_channels_first(window.inputs)).requires_grad_()
    kernel = framework.from_numpy(_kernel_first(window.kernel)).requires_grad_()
    amounts = _torch_padding(window)
    padded = framework.nn.functional.pad(x, amounts) if any(amounts) else x
    y = convolve(padded, kernel, stride=window.strides, dilation=window.dilation)
    upstream = framework.ones_like(y)
    return lambda: framework.autograd.grad(y, (x, kernel), upstream, retain_graph=True)


def torch_pooling(window: Window) -> Call:
    framework, call = torch(), _torch_pool(window)
    x = framework.from_numpy(_channels_first(window.inputs))

    def forward() -> object:
        with framework.no_grad():
            return call(x)

    return forward


def torch_pooling_gradient(window: Window) -> Call:
    framework, call = torch(), _torch_pool(window)
    x = framework.from_numpy(_channels_first(window.inputs)).requires_grad_()
    y = call(x)
    upstream = framework.ones_like(y)
    return lambda: framework.autograd.grad(y, x, upstream, retain_graph=True)


def _torch_pool(window: Window) -> Callable[[Any], Any]:
    functional = torch().nn.functional
    pool = getattr(functional, f"max_pool{len(window.size)}d")
    amounts = _torch_padding(window)

    def call(x: Any) -> Any:
        padded = functional.pad(x, amounts, value=-np.inf) if any(amounts) else x
        return pool(padded, window.size, window.strides)

    return call


def tensorflow_convolution(window: Window) -> Call:
    framework = tensorflow()
    x, kernel = (framework.constant(one) for one in (window.padded(), window.kernel))
    return lambda: framework.nn.convolution(
        x, kernel, strides=window.strides, padding="VALID", dilations=window.dilation
    )


def tensorflow_pooling(window: Window) -> Call:
    framework = tensorflow()
    x = framework.constant(window.padded(-np.inf))
    return lambda: framework.nn.max_pool(x, window.size, window.strides, "VALID")


def _onnx_model(window: Window, *, pooling: bool) -> Any:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    pads = [pair[0] for pair in window.padding] + [pair[1] for pair in window.padding]
    form = {"kernel_shape": window.size, "strides": window.strides, "pads": pads}
    names = ["x"] if pooling else ["x", "w"]
    if not pooling:
        form["dilations"] = window.dilation
    node = helper.make_node("MaxPool" if pooling else "Conv", names, ["y"], **form)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, _channels_first(window.inputs).shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * window.inputs.ndim)
    kernel = [] if pooling else [numpy_helper.from_array(_kernel_first(window.kernel), "w")]
    graph = helper.make_graph([node], "layer", [x], [y], kernel)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    return model


def onnxruntime_layer(window: Window, *, pooling: bool = False) -> Call | None:
    import onnxruntime

    if window.inputs.dtype != np.float32:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = _onnx_model(window, pooling=pooling).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"x": _channels_first(window.inputs)}
    return lambda: session.run(None, feed)


def onnx_reference_layer(window: Window, *, pooling: bool = False) -> Call | None:
    from onnx.reference import ReferenceEvaluator

    if window.inputs.dtype != np.float32:
        return None
    evaluator = ReferenceEvaluator(_onnx_model(window, pooling=pooling))
    feed = {"x": _channels_first(window.inputs)}
    return lambda: evaluator.run(None, feed)


def scipy_convolution(window: Window) -> Call | None:
    """Correlation over sizes and channels; without strides or dilation, which it has not."""
    from scipy import signal

    if any(one > 1 for one in (*window.strides, *window.dilation)):
        return None
    x = window.padded()

    def call() -> object:
        filters = np.moveaxis(window.kernel, -1, 0)
        return [[signal.correlate(one, each, "valid") for each in filters] for one in x]

    return call


def loop_convolution(window: Window) -> Call:
    """A loop over the positions of the output, a contraction at each."""
    x, kernel = window.padded(), window.kernel.reshape(-1, window.kernel.shape[-1])

    def call() -> object:
        y = np.empty((len(x), *window.outputs, kernel.shape[-1]), x.dtype)
        for position in product(*map(range, window.outputs)):
            part = x[_at(window, position)]
            y[_all_of(position)] = part.reshape(len(x), -1) @ kernel
        return y

    return call


def loop_pooling(window: Window) -> Call:
    """A loop over the positions of the output, a maximum at each."""
    x, axes = window.padded(-np.inf), tuple(range(1, len(window.size) + 1))

    def call() -> object:
        y = np.empty((len(x), *window.outputs, x.shape[-1]), x.dtype)
        for position in product(*map(range, window.outputs)):
            y[_all_of(position)] = x[_at(window, position)].max(axis=axes)
        return y

    return call


def _all_of(position: Sequence[int]) -> tuple[int | slice, ...]:
    return (slice(None), *position)


def _at(window: Window, position: Sequence[int]) -> tuple[slice, ...]:
    return (
        slice(None),
        *(
            slice(p * stride, p * stride + (size - 1) * rate + 1, rate)
            for p, stride, size, rate in zip(
                position, window.strides, window.size, window.dilation, strict=True
            )
        ),
    )


CONVOLUTIONS: Final[Mapping[str, Maker]] = {
    "torch": torch_convolution,
    "tensorflow": tensorflow_convolution,
    "onnxruntime": onnxruntime_layer,
    "onnx.reference": onnx_reference_layer,
    "scipy": scipy_convolution,
    "loop": loop_convolution,
}
POOLINGS: Final[Mapping[str, Maker]] = {
    "torch": torch_pooling,
    "tensorflow": tensorflow_pooling,
    "onnxruntime": functools.partial(onnxruntime_layer, pooling=True),
    "onnx.reference": functools.partial(onnx_reference_layer, pooling=True),
    "loop": loop_pooling,
}

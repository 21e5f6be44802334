"""PaddlePaddle on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.functions import Functions, Tensor, Window

_DTYPES: Final = frozenset({"float32", "float64"})
_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Tensor, int], Tensor]]] = {
    "celu": lambda f, y, axis: f.celu(y),
    "elu": lambda f, y, axis: f.elu(y),
    "exponential": lambda f, y, axis: y.exp(),
    "gelu": lambda f, y, axis: f.gelu(y),
    "hard_shrink": lambda f, y, axis: f.hardshrink(y),
    "hard_sigmoid": lambda f, y, axis: f.hardsigmoid(y),
    "hard_silu": lambda f, y, axis: f.hardswish(y),
    "hard_swish": lambda f, y, axis: f.hardswish(y),
    "hard_tanh": lambda f, y, axis: f.hardtanh(y),
    "leaky_relu": lambda f, y, axis: f.leaky_relu(y, 0.2),
    "log_sigmoid": lambda f, y, axis: f.log_sigmoid(y),
    "log_softmax": lambda f, y, axis: f.log_softmax(y, axis=axis),
    "mish": lambda f, y, axis: f.mish(y),
    "relu": lambda f, y, axis: f.relu(y),
    "relu6": lambda f, y, axis: f.relu6(y),
    "selu": lambda f, y, axis: f.selu(y),
    "sigmoid": lambda f, y, axis: f.sigmoid(y),
    "silu": lambda f, y, axis: f.silu(y),
    "soft_shrink": lambda f, y, axis: f.softshrink(y),
    "softmax": lambda f, y, axis: f.softmax(y, axis=axis),
    "softplus": lambda f, y, axis: f.softplus(y),
    "softsign": lambda f, y, axis: f.softsign(y),
    "swish": lambda f, y, axis: f.swish(y),
    "tanh": lambda f, y, axis: f.tanh(y),
    "tanh_shrink": lambda f, y, axis: f.tanhshrink(y),
}
_LAYOUTS: Final = {(1, True): "NCL", (1, False): "NLC", (2, True): "NCHW", (2, False): "NHWC"}


class Paddle(Functions):
    """`paddle.nn.functional`, eagerly; channels last unless asked for them first."""

    maker: ClassVar = "PaddlePaddle"
    distribution: ClassVar = "paddlepaddle"
    module: ClassVar = "paddle"
    channels_first: ClassVar = False
    pads: ClassVar = "same"
    takes: ClassVar = Takes(
        {
            "convolution": _DTYPES,
            "pooling": _DTYPES,
            "flatten": _DTYPES | {"int8", "int16", "int32", "int64", "uint8"},
        },
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        gradients=True,
    )

    def begin(self) -> None:
        """On the CPU."""
        self.library.device.set_device("cpu")
        self._functional = self.library.nn.functional

    def tensor(self, array: Array) -> Tensor:
        """A tensor that is differentiated."""
        return self.library.to_tensor(array, stop_gradient=array.dtype.kind != "f")

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv1d` or `conv2d`, SAME padding by name."""
        rank = len(window.size)
        convolution = self._functional.conv1d if rank == 1 else self._functional.conv2d
        return convolution(
            x,
            kernel,
            bias,
            [*window.strides],
            window.padding.upper(),
            [*window.dilation],
            window.groups,
            data_format=_LAYOUTS[rank, self._first],
        )

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`max_pool1d`, which knows channels first alone, or `max_pool2d`."""
        padding = window.padding.upper()
        if len(window.size) == 2:
            layout = _LAYOUTS[2, self._first]
            size, strides = [*window.size], [*window.strides]
            return self._functional.max_pool2d(x, size, strides, padding, data_format=layout)
        turned = x if self._first else x.transpose([0, 2, 1])
        y = self._functional.max_pool1d(turned, window.size[0], window.strides[0], padding)
        return y if self._first else y.transpose([0, 2, 1])

    def flatten(self, x: Tensor) -> Tensor:
        """`flatten` from the second axis on."""
        return self.library.flatten(x, 1)

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As PaddlePaddle has it."""
        return _ACTIVATIONS[name](self._functional, y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """By `paddle.grad`."""
        found: Sequence[Tensor] = self.library.grad([function(*given)], [*given], [upstream])
        return found


FAMILY: Final = Paddle.family("paddle", "PaddlePaddle on the CPU", also=("setuptools",))

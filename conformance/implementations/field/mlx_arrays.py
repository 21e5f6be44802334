"""MLX on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import INTEGERS
from conformance.implementations.field.functions import Functions, Tensor, Window

_DTYPES: Final = frozenset({"float16", "float32", "float64"})
_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Tensor, int], Tensor]]] = {
    "celu": lambda nn, y, axis: nn.celu(y),
    "elu": lambda nn, y, axis: nn.elu(y),
    "exponential": lambda nn, y, axis: y.exp(),
    "gelu": lambda nn, y, axis: nn.gelu(y),
    "hard_shrink": lambda nn, y, axis: nn.hard_shrink(y),
    "hard_silu": lambda nn, y, axis: nn.hardswish(y),
    "hard_swish": lambda nn, y, axis: nn.hardswish(y),
    "hard_tanh": lambda nn, y, axis: nn.hard_tanh(y),
    "leaky_relu": lambda nn, y, axis: nn.leaky_relu(y, 0.2),
    "log_sigmoid": lambda nn, y, axis: nn.log_sigmoid(y),
    "log_softmax": lambda nn, y, axis: nn.log_softmax(y, axis=axis),
    "mish": lambda nn, y, axis: nn.mish(y),
    "relu": lambda nn, y, axis: nn.relu(y),
    "relu6": lambda nn, y, axis: nn.relu6(y),
    "selu": lambda nn, y, axis: nn.selu(y),
    "sigmoid": lambda nn, y, axis: nn.sigmoid(y),
    "silu": lambda nn, y, axis: nn.silu(y),
    "soft_shrink": lambda nn, y, axis: nn.softshrink(y),
    "softmax": lambda nn, y, axis: nn.softmax(y, axis=axis),
    "softplus": lambda nn, y, axis: nn.softplus(y),
    "softsign": lambda nn, y, axis: nn.softsign(y),
    "swish": lambda nn, y, axis: nn.silu(y),
    "tanh": lambda nn, y, axis: nn.tanh(y),
}


class MLX(Functions):
    """`mlx.core` and the layers and activations of `mlx.nn`."""

    maker: ClassVar = "MLX"
    distribution: ClassVar = "mlx"
    module: ClassVar = "mlx.core"
    channels_first: ClassVar = False
    kernel: ClassVar = "o*i"
    pads: ClassVar = "pairs"
    pooled_pads: ClassVar = "equal"
    takes: ClassVar = Takes(
        {"convolution": _DTYPES, "pooling": _DTYPES, "flatten": _DTYPES | INTEGERS},
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        gradients=True,
    )

    def begin(self) -> None:
        """On the CPU."""
        self.library.set_default_device(self.library.cpu)
        self._nn = import_module("mlx.nn")

    def tensor(self, array: Array) -> Tensor:
        """An array of the same dtype, which MLX would narrow by itself."""
        return self.library.array(array, dtype=getattr(self.library, array.dtype.name))

    def array(self, tensor: Tensor) -> Array:
        """Its elements, which are computed here."""
        self.library.eval(tensor)
        return np.array(tensor)

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv_general`, and the bias added."""
        befores, afters = zip(*window.pads, strict=True)
        y = self.library.conv_general(
            x,
            kernel,
            stride=window.strides,
            padding=([*befores], [*afters]),
            kernel_dilation=window.dilation,
            groups=window.groups,
        )
        return y if bias is None else y + bias

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`MaxPool1d` or `MaxPool2d`."""
        if len(window.size) == 1:
            return self._nn.MaxPool1d(window.size[0], window.strides[0], window.before[0])(x)
        return self._nn.MaxPool2d(window.size, window.strides, window.before)(x)

    def flatten(self, x: Tensor) -> Tensor:
        """`flatten` from the second axis on."""
        return self.library.flatten(x, 1)

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As MLX has it."""
        return _ACTIVATIONS[name](self._nn, y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """The vector-Jacobian product."""
        _, found = self.library.vjp(function, [*given], [upstream])
        return found  # type: ignore[no-any-return]


FAMILY: Final = MLX.family("mlx", "MLX on the CPU", also=("mlx-cpu",))

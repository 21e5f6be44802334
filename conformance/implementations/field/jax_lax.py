"""JAX: `jax.lax`, and flax' layers on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import FLOATS, INTEGERS
from conformance.implementations.field.functions import Functions, Tensor, Window

_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Tensor, int], Tensor]]] = {
    "celu": lambda nn, y, axis: nn.celu(y),
    "elu": lambda nn, y, axis: nn.elu(y),
    "gelu": lambda nn, y, axis: nn.gelu(y, approximate=False),
    "hard_sigmoid": lambda nn, y, axis: nn.hard_sigmoid(y),
    "hard_silu": lambda nn, y, axis: nn.hard_silu(y),
    "hard_swish": lambda nn, y, axis: nn.hard_swish(y),
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
    "softmax": lambda nn, y, axis: nn.softmax(y, axis=axis),
    "softplus": lambda nn, y, axis: nn.softplus(y),
    "softsign": lambda nn, y, axis: nn.soft_sign(y),
    "sparse_plus": lambda nn, y, axis: nn.sparse_plus(y),
    "sparse_sigmoid": lambda nn, y, axis: nn.sparse_sigmoid(y),
    "squareplus": lambda nn, y, axis: nn.squareplus(y),
    "swish": lambda nn, y, axis: nn.swish(y),
    "tanh": lambda nn, y, axis: nn.tanh(y),
}
X64: Final = {"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"}
"""The environment in which JAX has 64-bit dtypes, and looks for no accelerator."""


class Lax(Functions):
    """`lax.conv_general_dilated` and `lax.reduce_window`, eagerly, with 64-bit dtypes."""

    maker: ClassVar = "JAX"
    distribution: ClassVar = "jax"
    module: ClassVar = "jax"
    channels_first: ClassVar = False
    kernel: ClassVar = "*io"
    pads: ClassVar = "same"
    takes: ClassVar = Takes(
        {"convolution": FLOATS, "pooling": FLOATS | INTEGERS, "flatten": FLOATS | INTEGERS},
        frozenset({"linear", *_ACTIVATIONS}),
        gradients=True,
    )

    def tensor(self, array: Array) -> Tensor:
        """JAX' array."""
        return self.library.numpy.asarray(array)

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv_general_dilated`, and the bias added."""
        axes = "HW"[-len(window.size) :]
        y = self.library.lax.conv_general_dilated(
            x,
            kernel,
            window.strides,
            window.padding.upper(),
            rhs_dilation=window.dilation,
            dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
            feature_group_count=window.groups,
        )
        return y if bias is None else y + bias

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`reduce_window` of maxima."""
        lax, kind = self.library.lax, np.dtype(x.dtype)
        least = np.iinfo(kind).min if kind.kind in "iu" else -np.inf
        size, strides = (1, *window.size, 1), (1, *window.strides, 1)
        return lax.reduce_window(
            x, np.array(least, kind), lax.max, size, strides, window.padding.upper()
        )

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """Of `jax.nn`."""
        return _ACTIVATIONS[name](self.library.nn, y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """The vector-Jacobian product."""
        _, pull = self.library.vjp(function, *given)
        found: Sequence[Tensor] = pull(upstream)
        return found


FAMILY: Final = Lax.family("jax", "JAX' lax and nn, with 64-bit dtypes", environment=X64)

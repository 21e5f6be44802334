"""Chainer's functions, which NumPy computes on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import everywhere
from conformance.implementations.field.functions import Functions, Tensor, Window

_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Tensor, int], Tensor]]] = {
    "elu": lambda f, y, axis: f.elu(y),
    "exponential": lambda f, y, axis: f.exp(y),
    "leaky_relu": lambda f, y, axis: f.leaky_relu(y, 0.2),
    "log_softmax": lambda f, y, axis: f.log_softmax(y, axis=axis),
    "relu": lambda f, y, axis: f.relu(y),
    "relu6": lambda f, y, axis: f.clipped_relu(y, 6.0),
    "selu": lambda f, y, axis: f.selu(y),
    "sigmoid": lambda f, y, axis: f.sigmoid(y),
    "softmax": lambda f, y, axis: f.softmax(y, axis=axis),
    "softplus": lambda f, y, axis: f.softplus(y),
    "tanh": lambda f, y, axis: f.tanh(y),
}


class Chainer(Functions):
    """`chainer.functions`, eagerly."""

    maker: ClassVar = "Chainer"
    distribution: ClassVar = "chainer"
    module: ClassVar = "chainer"
    removed_aliases: ClassVar = True
    pads: ClassVar = "equal"
    takes: ClassVar = Takes(
        everywhere("float16", "float32", "float64"),
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        gradients=True,
    )

    def tensor(self, array: Array) -> Tensor:
        """A variable."""
        return self.library.Variable(array)

    def array(self, tensor: Tensor) -> Array:
        """Its elements."""
        found: Array = tensor.array
        return found

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """The convolution for two axes, or for any number of them."""
        functions = self.library.functions
        of_rank = functions.convolution_2d if len(window.size) == 2 else functions.convolution_nd
        return of_rank(
            x,
            kernel,
            bias,
            window.strides,
            window.before,
            dilate=window.dilation,
            groups=window.groups,
        )

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """The pooling for two axes, or for any number of them; windows lie within the padding."""
        functions = self.library.functions
        of_rank = functions.max_pooling_2d if len(window.size) == 2 else functions.max_pooling_nd
        return of_rank(x, window.size, window.strides, window.before, cover_all=False)

    def flatten(self, x: Tensor) -> Tensor:
        """`reshape`, which infers the length."""
        return self.library.functions.reshape(x, (x.shape[0], -1))

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As Chainer has it."""
        return _ACTIVATIONS[name](self.library.functions, y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """By `chainer.grad`."""
        found: Sequence[Tensor] = self.library.grad([function(*given)], given, [upstream])
        return found


FAMILY: Final = Chainer.family("chainer", "Chainer's functions on NumPy")

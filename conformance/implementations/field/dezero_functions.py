"""DeZero, the framework of a textbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import everywhere
from conformance.implementations.field.functions import Functions, Tensor, Window

_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Tensor, int], Tensor]]] = {
    "exponential": lambda f, y, axis: f.exp(y),
    "leaky_relu": lambda f, y, axis: f.leaky_relu(y),
    "log_softmax": lambda f, y, axis: f.log_softmax(y, axis=axis),
    "relu": lambda f, y, axis: f.relu(y),
    "sigmoid": lambda f, y, axis: f.sigmoid(y),
    "softmax": lambda f, y, axis: f.softmax(y, axis=axis),
    "tanh": lambda f, y, axis: f.tanh(y),
}


class DeZero(Functions):
    """`dezero.functions`, over two axes."""

    maker: ClassVar = "DeZero"
    distribution: ClassVar = "dezero"
    module: ClassVar = "dezero"
    removed_aliases: ClassVar = True
    pads: ClassVar = "equal"
    planar: ClassVar = True
    takes: ClassVar = Takes(
        everywhere("float16", "float32", "float64"),
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        dilation=False,
        groups=False,
        gradients=True,
    )

    def tensor(self, array: Array) -> Tensor:
        """A variable."""
        return self.library.Variable(array)

    def array(self, tensor: Tensor) -> Array:
        """Its elements."""
        found: Array = tensor.data
        return found

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv2d`."""
        return self.library.functions.conv2d(x, kernel, bias, window.strides, window.before)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`pooling`, of maxima."""
        return self.library.functions.pooling(x, window.size, window.strides, window.before)

    def flatten(self, x: Tensor) -> Tensor:
        """`flatten`."""
        return self.library.functions.flatten(x)

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As DeZero has it."""
        return _ACTIVATIONS[name](self.library.functions, y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """By `backward` of the output."""
        y = function(*given)
        y.grad = upstream
        y.backward()
        return [variable.grad for variable in given]


FAMILY: Final = DeZero.family("dezero", "DeZero's functions, on NumPy")

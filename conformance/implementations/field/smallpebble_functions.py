"""SmallPebble, a minimal library for automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.functions import Functions, Tensor, Window

_DTYPES: Final = frozenset({"float16", "float32", "float64"})
_SLOPES: Final = {"relu": 0.0, "leaky_relu": 0.2}


class SmallPebble(Functions):
    """Its functions of variables, which pad by name."""

    maker: ClassVar = "SmallPebble"
    distribution: ClassVar = "smallpebble"
    module: ClassVar = "smallpebble"
    channels_first: ClassVar = False
    kernel: ClassVar = "*io"
    pads: ClassVar = "same"
    planar: ClassVar = True
    takes: ClassVar = Takes(
        {"convolution": _DTYPES, "pooling": _DTYPES, "flatten": frozenset()},
        frozenset({"linear", "exponential", *_SLOPES}),
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
        found: Array = tensor.array
        return found

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv2d`, and the bias added."""
        padding = window.padding.upper()
        y = self.library.conv2d(x, kernel, padding=padding, strides=[*window.strides])
        return y if bias is None else self.library.add(y, bias)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`maxpool2d`."""
        padding = window.padding.upper()
        return self.library.maxpool2d(x, *window.size, padding=padding, strides=[*window.strides])

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As SmallPebble has it."""
        if name == "exponential":
            return self.library.exp(y)
        return self.library.leaky_relu(y, _SLOPES[name])

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """Of the sum of the products with the upstream gradient."""
        weighed = self.library.mul(function(*given), upstream)
        gradients = self.library.get_gradients(self.library.sum(weighed))
        return [self.library.Variable(gradients[variable]) for variable in given]


FAMILY: Final = SmallPebble.family("smallpebble", "SmallPebble's functions, on NumPy")

"""tinygrad, compiled by clang or interpreted by Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.functions import Functions, Tensor, Window
from conformance.implementations.options import Effect, Options, one_of

_DTYPES: Final = frozenset({"float16", "float32", "float64"})
_ACTIVATIONS: Final[Mapping[str, Callable[[Tensor, int], Tensor]]] = {
    "celu": lambda y, axis: y.celu(),
    "elu": lambda y, axis: y.elu(),
    "exponential": lambda y, axis: y.exp(),
    "hard_sigmoid": lambda y, axis: y.hardsigmoid(),
    "hard_silu": lambda y, axis: y.hardswish(),
    "hard_swish": lambda y, axis: y.hardswish(),
    "hard_tanh": lambda y, axis: y.hardtanh(),
    "leaky_relu": lambda y, axis: y.leaky_relu(0.2),
    "log_sigmoid": lambda y, axis: y.logsigmoid(),
    "log_softmax": lambda y, axis: y.log_softmax(axis),
    "mish": lambda y, axis: y.mish(),
    "relu": lambda y, axis: y.relu(),
    "relu6": lambda y, axis: y.relu6(),
    "selu": lambda y, axis: y.selu(),
    "sigmoid": lambda y, axis: y.sigmoid(),
    "silu": lambda y, axis: y.silu(),
    "softmax": lambda y, axis: y.softmax(axis),
    "softplus": lambda y, axis: y.softplus(),
    "softsign": lambda y, axis: y.softsign(),
    "swish": lambda y, axis: y.swish(),
    "tanh": lambda y, axis: y.tanh(),
}
_COMPILER: Final = one_of(
    "compiler",
    "compiled by {}",
    {"clang": Effect({"DEV": "CPU"})},
)


class TinyGrad(Functions):
    """Methods of `tinygrad.Tensor`."""

    maker: ClassVar = "tinygrad"
    distribution: ClassVar = "tinygrad"
    module: ClassVar = "tinygrad"
    pads: ClassVar = "pairs"
    takes: ClassVar = Takes(
        {"convolution": _DTYPES, "pooling": _DTYPES, "flatten": _DTYPES},
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        gradients=True,
    )

    def tensor(self, array: Array) -> Tensor:
        """A tensor."""
        return self.library.Tensor(array)

    def array(self, tensor: Tensor) -> Array:
        """Its elements."""
        found: Array = tensor.numpy()
        return found

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """`conv2d`, which takes any number of axes."""
        pads = _from_the_last(window)
        return x.conv2d(kernel, bias, window.groups, window.strides, window.dilation, pads)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`max_pool2d`, which takes any number of axes."""
        return x.max_pool2d(window.size, window.strides, 1, _from_the_last(window))

    def flatten(self, x: Tensor) -> Tensor:
        """`flatten` from the second axis on."""
        return x.flatten(1)

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """As tinygrad has it."""
        return _ACTIVATIONS[name](y, axis)

    def backward(
        self, function: Callable[..., Tensor], given: Sequence[Tensor], upstream: Tensor
    ) -> Sequence[Tensor]:
        """By `gradient` of the output."""
        found: Sequence[Tensor] = function(*given).gradient(*given, gradient=upstream)
        return found


def _from_the_last(window: Window) -> tuple[int, ...]:
    return tuple(length for pair in reversed(window.pads) for length in pair)


FAMILY: Final = TinyGrad.family(
    "tinygrad",
    "tinygrad's tensors, interpreted by Python",
    environment={"DEV": "PYTHON"},
    options=Options((_COMPILER,)),
)

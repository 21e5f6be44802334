"""MNN's expressions on the CPU: windows over two axes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.adapted import FLOAT32, everywhere
from conformance.implementations.field.functions import Functions, Tensor, Window
from conformance.implementations.options import THREADS, Options, flag

_NAMED: Final[Mapping[str, tuple[str, tuple[float, ...]]]] = {
    "elu": ("elu", (1.0,)),
    "exponential": ("exp", ()),
    "gelu": ("gelu", ()),
    "relu": ("relu", (0.0,)),
    "relu6": ("relu6", ()),
    "selu": ("selu", (1.0507009873554805, 1.6732632423543772)),
    "sigmoid": ("sigmoid", ()),
    "softplus": ("softplus", ()),
    "softsign": ("softsign", ()),
    "tanh": ("tanh", ()),
}


class MNN(Functions):
    """Expressions that are computed when they are read."""

    maker: ClassVar = "MNN"
    distribution: ClassVar = "MNN"
    module: ClassVar = "MNN.expr"
    takes: ClassVar = Takes(
        everywhere(*FLOAT32), frozenset({"linear", "softmax", *_NAMED}), empty="none"
    )
    pads: ClassVar = "same"
    planar: ClassVar = True

    def begin(self) -> None:
        """Threads, where they are given."""
        if self.threads:
            self.library.set_thread_number(self.threads)

    def tensor(self, array: Array) -> Tensor:
        """A constant in MNN's planar layout."""
        return self.library.const(array, [*array.shape], self.library.NCHW)

    def array(self, tensor: Tensor) -> Any:
        """A copy of what is read of a variable, whose memory it is."""
        return np.array(tensor.read())

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """On its packed layout, as its own example has it."""
        zeros = self.tensor(np.zeros(kernel.shape[0], np.float32)) if bias is None else bias
        strides, dilation, pads = map(_swapped, (window.strides, window.dilation, window.before))
        sizes = (strides, pads, dilation, window.groups, self._mode(window))
        made = self.library.conv2d(self._packed(x), kernel, zeros, *sizes)
        return self.library.convert(made, self.library.NCHW)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """On its packed layout too."""
        size, strides, pads = map(_swapped, (window.size, window.strides, window.before))
        made = self.library.max_pool(self._packed(x), size, strides, self._mode(window), pads)
        return self.library.convert(made, self.library.NCHW)

    def flatten(self, x: Tensor) -> Tensor:
        """A reshape."""
        return self.library.reshape(x, [x.shape[0], -1])

    def activate(self, name: str, y: Tensor, axis: int) -> Tensor:
        """One of its functions."""
        if name == "softmax":
            return self.library.softmax(y, axis)
        function, arguments = _NAMED[name]
        return getattr(self.library, function)(y, *arguments)

    def _packed(self, x: Tensor) -> Tensor:
        return self.library.convert(x, self.library.NC4HW4)

    def _mode(self, window: Window) -> Any:
        modes = self.library.Padding_Mode
        return modes.SAME if window.padding == "same" else modes.VALID


def _swapped(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes as MNN has them, the width's first."""
    return sizes[::-1]


FAMILY: Final = MNN.family(
    "mnn",
    "MNN's expressions, one axis as two",
    options=Options((flag("explicit", "padded before it", pads="none"), THREADS)),
    variants=("explicit",),
)

"""Flax' layers: linen, or nnx."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, Final

from conformance.implementations.field.functions import Tensor, Window
from conformance.implementations.field.jax_lax import X64, Lax
from conformance.implementations.options import Options, flag


class Flax(Lax):
    """A `Conv` with the case's weights, and `max_pool`."""

    maker: ClassVar = "flax"
    distribution: ClassVar = "flax"

    def __init__(self, name: str, nnx: bool = False) -> None:
        super().__init__(name)
        self._layers: Any = import_module("flax.nnx" if nnx else "flax.linen")
        self._convolution = self._of_nnx if nnx else self._of_linen

    def convolve(self, x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
        """A layer that has the weights."""
        arguments = {
            "kernel_size": window.size,
            "strides": window.strides,
            "padding": window.padding.upper(),
            "kernel_dilation": window.dilation,
            "feature_group_count": window.groups,
            "use_bias": bias is not None,
            "dtype": x.dtype,
            "param_dtype": x.dtype,
        }
        weights = {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}
        return self._convolution(x, weights, arguments)

    def _of_linen(self, x: Tensor, weights: dict[str, Tensor], arguments: Any) -> Tensor:
        layer = self._layers.Conv(weights["kernel"].shape[-1], **arguments)
        return layer.apply({"params": weights}, x)

    def _of_nnx(self, x: Tensor, weights: dict[str, Tensor], arguments: Any) -> Tensor:
        channels, filters = x.shape[-1], weights["kernel"].shape[-1]
        layer = self._layers.Conv(channels, filters, **arguments, rngs=self._layers.Rngs(0))
        for name, weight in weights.items():
            setattr(layer, name, self._layers.Param(weight))
        return layer(x)

    def pool(self, x: Tensor, window: Window) -> Tensor:
        """`max_pool`."""
        padding = window.padding.upper()
        return self._layers.max_pool(x, window.size, strides=window.strides, padding=padding)


FAMILY: Final = Flax.family(
    "flax",
    "flax' linen layers on JAX, with 64-bit dtypes",
    also=("jax",),
    environment=X64,
    options=Options((flag("nnx", "those of nnx", nnx=True),)),
    variants=("nnx",),
)

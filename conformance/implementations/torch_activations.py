"""Keras' activations in torch: its own modules, or compositions by the documented formula.

Every function takes a tensor in Keras' layout: those that mix elements work along the last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import nn

Tensor = Any


def _squareplus(x: Tensor) -> Tensor:
    """``(x + sqrt(x**2 + 4)) / 2``."""
    return (x + torch.sqrt(x * x + 4)) / 2


def _sparse_plus(x: Tensor) -> Tensor:
    """0 up to -1, ``(x + 1)**2 / 4`` up to 1, x beyond.

    A square that overflows where it is not taken would make its gradient there NaN.
    """
    square = (x.clamp(-1, 1) + 1) ** 2 / 4
    return torch.where(x <= -1, torch.zeros_like(x), torch.where(x < 1, square, x))


def _sparse_sigmoid(x: Tensor) -> Tensor:
    """0 up to -1, ``(x + 1) / 2`` up to 1, 1 beyond."""
    middle = torch.where(x >= 1, torch.ones_like(x), (x + 1) / 2)
    return torch.where(x <= -1, torch.zeros_like(x), middle)


def _sparsemax(x: Tensor) -> Tensor:
    """The projection of each row on the probability simplex (Martins and Astudillo, 2016).

    It is the same for a row less its largest element, of which ``1 + x`` cannot lose the 1.
    """
    if not x.numel():
        return x
    x = x - x.amax(dim=-1, keepdim=True)
    ordered = torch.sort(x, dim=-1, descending=True).values
    sums = torch.cumsum(ordered, dim=-1)
    ranks = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype, device=x.device)
    support = (1 + ranks * ordered > sums).sum(dim=-1, keepdim=True).clamp(min=1)
    threshold = (torch.gather(sums, -1, support - 1) - 1) / support
    return torch.clamp(x - threshold, min=0)


ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "celu": nn.CELU(),
    "elu": nn.ELU(),
    "exponential": torch.exp,
    "gelu": nn.GELU(approximate="none"),
    "glu": nn.GLU(dim=-1),
    "hard_shrink": nn.Hardshrink(),
    "hard_sigmoid": nn.Hardsigmoid(),
    "hard_silu": nn.Hardswish(),
    "hard_swish": nn.Hardswish(),
    "hard_tanh": nn.Hardtanh(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "linear": nn.Identity(),
    "log_sigmoid": nn.LogSigmoid(),
    "log_softmax": nn.LogSoftmax(dim=-1),
    "mish": nn.Mish(),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "selu": nn.SELU(),
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "softmax": nn.Softmax(dim=-1),
    "soft_shrink": nn.Softshrink(),
    "softplus": nn.Softplus(),
    "softsign": nn.Softsign(),
    "sparse_plus": _sparse_plus,
    "sparse_sigmoid": _sparse_sigmoid,
    "sparsemax": _sparsemax,
    "squareplus": _squareplus,
    "swish": nn.SiLU(),
    "tanh": nn.Tanh(),
    "tanh_shrink": nn.Tanhshrink(),
}
"""By Keras' names."""

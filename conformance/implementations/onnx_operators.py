"""How ONNX has Keras' activations: as operators, told without importing onnx."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

ALIASES: Final = {"swish": "silu", "hard_swish": "hard_silu"}
"""Other names of the same activation."""

SINGLE: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "celu": ("Celu", {"alpha": 1.0}),
    "elu": ("Elu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "hard_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.0}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "sigmoid": ("Sigmoid", {}),
    "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
    "tanh": ("Tanh", {}),
}
"""The activations that are one node, by Keras' names."""

COMPOSED: Final[Mapping[str, tuple[tuple[str, tuple[str, ...], str], ...]]] = {
    "log_sigmoid": (
        ("Neg", ("y",), "minus"),
        ("Softplus", ("minus",), "plus"),
        ("Neg", ("plus",), "a"),
    ),
    "silu": (("Sigmoid", ("y",), "gate"), ("Mul", ("y", "gate"), "a")),
    "tanh_shrink": (("Tanh", ("y",), "t"), ("Sub", ("y", "t"), "a")),
}
"""Those that are several nodes: operator, inputs, output."""

ACTIVATIONS: Final = frozenset({"linear", *SINGLE, *COMPOSED, *ALIASES})
"""The activations that ONNX has operators for."""

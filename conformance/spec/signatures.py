"""The documented constructor signatures: every layer's arguments, in order, with their defaults.

Source: the constructor line that opens each section of the documentation.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

REQUIRED: Final = "required"
"""Marks an argument that has no default."""

_WEIGHTED: Final[dict[str, Any]] = {
    "activation": None,
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}

SIGNATURES: Final[MappingProxyType[str, dict[str, Any]]] = MappingProxyType(
    {
        "Conv1D": {
            "filters": REQUIRED,
            "kernel_size": REQUIRED,
            "strides": 1,
            "padding": "valid",
            "dilation_rate": 1,
            **_WEIGHTED,
        },
        "Conv2D": {
            "filters": REQUIRED,
            "kernel_size": REQUIRED,
            "strides": (1, 1),
            "padding": "valid",
            "data_format": None,
            "dilation_rate": (1, 1),
            **_WEIGHTED,
        },
        "MaxPooling1D": {"pool_size": 2, "strides": None, "padding": "valid"},
        "MaxPooling2D": {
            "pool_size": (2, 2),
            "strides": None,
            "padding": "valid",
            "data_format": None,
        },
        "Flatten": {"data_format": None},
        "Input": {
            "shape": None,
            "batch_shape": None,
            "name": None,
            "dtype": None,
            "sparse": False,
            "tensor": None,
        },
    }
)

RANK: Final[MappingProxyType[str, int]] = MappingProxyType(
    {"Conv1D": 1, "Conv2D": 2, "MaxPooling1D": 1, "MaxPooling2D": 2}
)
"""Number of spatial axes of the layers that slide a window."""

LAYERS: Final[tuple[str, ...]] = tuple(SIGNATURES)

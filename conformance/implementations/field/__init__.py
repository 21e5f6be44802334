"""The field: further implementations, each declared and adapted in one file of its own.

The file says in `FAMILY`, which is read without importing the framework, what it is called, what
it needs and what can be asked for; its engine's `takes` says what it takes.  `adapted.Adapted` has
what all of them share, `graphs.Graphs` what is fed with ONNX graphs, `functions.Functions` what has
functions of arrays.
"""

from __future__ import annotations

import importlib
from typing import Final

from conformance.implementations.families import Family

ADAPTERS: Final = (
    "chainer_functions",
    "convnet_js",
    "dezero_functions",
    "flax_layers",
    "jax_lax",
    "mlx_arrays",
    "mnn",
    "ncnn",
    "opencv",
    "openvino",
    "paddle_functional",
    "scipy_signal",
    "smallpebble_functions",
    "tensorflow_js",
    "tinygrad_tensors",
    "tract",
    "tvm",
)
"""The modules of this package that declare an adapter."""


def families() -> tuple[Family, ...]:
    """What each of them declares."""
    return tuple(_declared(module) for module in ADAPTERS)


def _declared(module: str) -> Family:
    family: Family = importlib.import_module(f"{__name__}.{module}").FAMILY
    return family

"""tract, an engine in Rust, fed with ONNX graphs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Call, Takes
from conformance.implementations.field.adapted import INTEGERS
from conformance.implementations.field.graphs import Graphs
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.options import AUTO_PAD, Options

_FLOATS: Final = frozenset({"float16", "float32", "float64"})


class Tract(Graphs):
    """A runnable plan for each case."""

    maker: ClassVar = "tract"
    distribution: ClassVar = "tract"
    module: ClassVar = "tract"
    takes: ClassVar = Takes(
        {"convolution": _FLOATS, "pooling": _FLOATS, "flatten": _FLOATS | INTEGERS},
        ACTIVATIONS,
        narrower=dict.fromkeys(("sigmoid", "silu", "swish"), frozenset({"float16", "float32"})),
    )

    def compiled(self, model: Any, shape: tuple[int, ...]) -> Call:
        """A plan's run; tract reads graphs from files alone."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "graph.onnx")
            path.write_bytes(model.SerializeToString())
            plan = self.library.onnx().load(path).into_model().into_runnable()

        def call(inputs: Array) -> Any:
            return plan.run([np.ascontiguousarray(inputs)])[0].to_numpy()

        return call


FAMILY: Final = Tract.family(
    "tract",
    "tract, in Rust, on ONNX graphs",
    also=("onnx",),
    options=Options((AUTO_PAD,)),
    variants=("auto_pad",),
)

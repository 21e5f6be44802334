"""OpenVINO on the CPU, fed with ONNX graphs."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Call, Takes
from conformance.implementations.field.adapted import FLOATS, INTEGERS
from conformance.implementations.field.graphs import Graphs
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.options import AUTO_PAD, THREADS, Effect, Options, one_of
from reference_impl.engine.dtypes import numpy_dtype


class OpenVINO(Graphs):
    """A compiled model for each case."""

    maker: ClassVar = "OpenVINO"
    distribution: ClassVar = "openvino"
    module: ClassVar = "openvino"
    takes: ClassVar = Takes(
        {
            "convolution": FLOATS,
            "pooling": FLOATS | {"int8", "uint8"},
            "flatten": FLOATS | INTEGERS,
        },
        ACTIVATIONS,
        empty="batch",
    )

    def __init__(
        self, name: str, threads: int | None = None, auto_pad: bool = False, precision: str = ""
    ) -> None:
        self._precision = precision
        super().__init__(name, threads, auto_pad)

    def begin(self) -> None:
        """Threads and precision, where they are given."""
        self._core = self.library.Core()
        settings = {
            "INFERENCE_PRECISION_HINT": self._precision,
            "INFERENCE_NUM_THREADS": self.threads,
        }
        self._core.set_property("CPU", {k: v for k, v in settings.items() if v})
        hint = self._core.get_property("CPU", "INFERENCE_PRECISION_HINT")
        self.machine["precision"] = hint.get_type_name()
        self.machine["isa"] = " ".join(
            sorted(self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        )

    def compiled(self, model: Any, shape: tuple[int, ...]) -> Call:
        """An inference request."""
        read = self._core.read_model(model.SerializeToString())
        request = self._core.compile_model(read, "CPU")
        kind = request.output(0).element_type.get_type_name()

        def call(inputs: Array) -> Any:
            made = request([np.ascontiguousarray(inputs)])[0]
            # Of bfloat16 it gives the bits, as NumPy has no such type.
            return made.view(numpy_dtype("bfloat16")) if kind == "bf16" else made

        return call


FAMILY: Final = OpenVINO.family(
    "openvino",
    "OpenVINO's CPU plug-in on ONNX graphs",
    also=("onnx",),
    options=Options(
        (
            AUTO_PAD,
            one_of(
                "precision",
                "with the inference precision {}",
                {name: Effect(arguments={"precision": name}) for name in ("f32", "f16", "bf16")},
            ),
            THREADS,
        )
    ),
    variants=("auto_pad", "precision=f32"),
)

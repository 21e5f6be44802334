"""Apache TVM: ONNX graphs through Relax, compiled for the processor by LLVM."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Call, Takes
from conformance.implementations.field.adapted import INTEGERS
from conformance.implementations.field.graphs import Graphs
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.options import AUTO_PAD, Options

_FLOATS: Final = frozenset({"float16", "float32", "float64"})


class TVM(Graphs):
    """A virtual machine for each case."""

    maker: ClassVar = "TVM"
    distribution: ClassVar = "apache-tvm"
    module: ClassVar = "tvm"
    takes: ClassVar = Takes(
        {"convolution": _FLOATS, "pooling": _FLOATS, "flatten": _FLOATS | INTEGERS},
        ACTIVATIONS - {"celu"},
        empty="none",
        largest=2**22,
    )

    def begin(self) -> None:
        """The parts of the package that are imported by themselves."""
        self._relax = import_module("tvm.relax")
        self._frontend = import_module("tvm.relax.frontend.onnx")

    def compiled(self, model: Any, shape: tuple[int, ...]) -> Call:
        """The main function of a compiled module."""
        module = self._frontend.from_onnx(model, keep_params_in_input=False)
        built = self.library.compile(module, target="llvm")
        main = self._relax.VirtualMachine(built, self.library.cpu())["main"]

        def call(inputs: Array) -> Any:
            return main(self.library.runtime.tensor(np.ascontiguousarray(inputs))).numpy()

        return call


FAMILY: Final = TVM.family(
    "tvm",
    "Apache TVM on ONNX graphs, compiled for the processor",
    also=("onnx",),
    options=Options((AUTO_PAD,)),
    variants=("auto_pad",),
)

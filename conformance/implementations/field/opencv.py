"""OpenCV's DNN module, fed with ONNX graphs."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from conformance.implementations.engine import Array, Call, Takes
from conformance.implementations.field.adapted import everywhere
from conformance.implementations.field.graphs import Graphs
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.options import AUTO_PAD, THREADS, Options


class OpenCV(Graphs):
    """A network for each case."""

    maker: ClassVar = "OpenCV"
    distribution: ClassVar = "opencv-python-headless"
    module: ClassVar = "cv2"
    takes: ClassVar = Takes(everywhere("float32"), ACTIVATIONS, empty="none")

    def begin(self) -> None:
        """Threads, where they are given."""
        if self.threads:
            self.library.setNumThreads(self.threads)

    def compiled(self, model: Any, shape: tuple[int, ...]) -> Call:
        """A network's forward pass."""
        data = np.frombuffer(model.SerializeToString(), np.uint8)
        network = self.library.dnn.readNetFromONNX(data)

        def call(inputs: Array) -> Any:
            network.setInput(np.ascontiguousarray(inputs), "inputs")
            return network.forward()

        return call


FAMILY: Final = OpenCV.family(
    "opencv",
    "OpenCV's DNN module on ONNX graphs",
    also=("onnx",),
    options=Options((AUTO_PAD, THREADS)),
    variants=("auto_pad",),
)

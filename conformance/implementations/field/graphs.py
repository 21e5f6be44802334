"""Engines that are fed with ONNX graphs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.engine import Array, Call
from conformance.implementations.field.adapted import Adapted


class Graphs(Adapted):
    """An engine that makes something callable of an ONNX graph.

    Attributes:
        pads_dilated: whether it works out SAME padding of dilated windows, where it is left to it.
    """

    pads_dilated: ClassVar[bool] = True

    def __init__(self, name: str, threads: int | None = None, auto_pad: bool = False) -> None:
        self._auto_pad = auto_pad
        super().__init__(name, threads)

    @abstractmethod
    def compiled(self, model: Any, shape: tuple[int, ...]) -> Call:
        """What runs a model.

        Args:
            model: an `onnx.ModelProto` with the input ``inputs`` and the output ``outputs``.
            shape: its input's.
        """

    def refusal(self, known: Facts) -> str | None:
        """As `Engine.refusal`, and automatic padding where windows are dilated."""
        automatic = self._auto_pad and known.padding == "same"
        if automatic and not self.pads_dilated and max(known.dilation, default=1) > 1:
            return f"{self.maker} pads no dilated windows by itself"
        return super().refusal(known)

    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """What runs the graph of a case."""
        from conformance.implementations.onnx_graph import model_of

        model = model_of(case, shape, weights, self._auto_pad)
        dimensions = model.graph.output[0].type.tensor_type.shape.dim
        for axis in range(len(shape) if facts(case).rank else 2):
            dimensions.add().dim_param = f"n{axis}"  # some readers want the number of axes
        return self.compiled(model, shape)

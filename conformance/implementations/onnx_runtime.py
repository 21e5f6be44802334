"""onnxruntime as an implementation under test: an ONNX graph for each case, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import onnxruntime

from conformance.cases.case import Case
from conformance.cases.facts import Facts
from conformance.implementations.engine import Array, Call, Engine, Takes
from conformance.implementations.onnx_graph import model_of
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.protocol import Implementation

_QUIET: Final = 4
_OF_OPSET_22: Final = (1, 20)
_EARLIER: Final = (20, 9)
"""The release that reads the graphs' opset, and the opset and format before: the same operators."""

_DTYPES: Final = {
    "convolution": frozenset({"float16", "float32"}),
    "pooling": frozenset({"float16", "float32", "float64", "int8", "uint8"}),
    "flatten": frozenset(
        {"float16", "float32", "float64", "int8", "int16", "int32", "int64"}
        | {"uint8", "uint16", "uint32", "uint64"}
    ),
}


def load(name: str, auto_pad: bool = False, threads: int | None = None) -> Implementation:
    """The runtime.

    Args:
        name: how reports call it.
        auto_pad: whether SAME padding is left to it.
        threads: how many it may use; its own choice by default.
    """
    return OnnxRuntime(name, auto_pad, threads)


class OnnxRuntime(Engine):
    """A session for each case, with the defaults of the runtime: all of its optimizations."""

    maker: ClassVar = "onnxruntime"
    takes: ClassVar = Takes(
        _DTYPES,
        ACTIVATIONS,
        empty="batch",
        narrower={"celu": frozenset({"float32"})},
    )

    def __init__(self, name: str, auto_pad: bool, threads: int | None) -> None:
        machine = {"device": "cpu", "threads": str(threads or os.cpu_count())}
        super().__init__(name, onnxruntime.__version__, machine)
        self._auto_pad, self._threads = auto_pad, threads

    def refusal(self, known: Facts) -> str | None:
        """As `Engine.refusal`, and automatic padding where windows are dilated."""
        automatic = self._auto_pad and known.padding == "same"
        if automatic and max(known.dilation, default=1) > 1:
            return "onnxruntime pads no dilated windows by itself"
        return super().refusal(known)

    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """A session's run."""
        session = self._session(case, shape, weights)

        def call(inputs: Array) -> Any:
            return session.run(None, {"inputs": inputs})[0]

        return call

    def shape(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> tuple[int, ...]:
        """As the session declares it."""
        return tuple(self._session(case, shape, weights).get_outputs()[0].shape)

    def _session(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        options.intra_op_num_threads = self._threads or 0
        model = model_of(case, shape, weights, self._auto_pad)
        if _release() < _OF_OPSET_22:
            model.opset_import[0].version, model.ir_version = _EARLIER
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )


def _release() -> tuple[int, ...]:
    return tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])

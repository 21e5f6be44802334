"""The reference implementation of the onnx package as an implementation under test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import onnx
from onnx.reference import ReferenceEvaluator

from conformance.cases.case import Case
from conformance.implementations.engine import Array, Call, Engine, Takes
from conformance.implementations.onnx_graph import model_of
from conformance.implementations.onnx_operators import ACTIVATIONS
from conformance.implementations.protocol import Implementation

_FLOATS: Final = frozenset({"bfloat16", "float16", "float32", "float64"})
_INTEGERS: Final = frozenset(
    {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)


def load(name: str, auto_pad: bool = False) -> Implementation:
    """The evaluator; `auto_pad` leaves SAME padding to it."""
    return OnnxReference(name, auto_pad)


class OnnxReference(Engine):
    """An evaluator for each case."""

    maker: ClassVar = "onnx.reference"
    takes: ClassVar = Takes(
        {
            "convolution": _FLOATS,
            "pooling": _FLOATS | {"int8", "uint8"},
            "flatten": _FLOATS | _INTEGERS,
        },
        ACTIVATIONS,
    )

    def __init__(self, name: str, auto_pad: bool) -> None:
        super().__init__(name, onnx.__version__, {"device": "cpu"})
        self._auto_pad = auto_pad

    def graph(self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]) -> Call:
        """An evaluator."""
        evaluator = ReferenceEvaluator(model_of(case, shape, weights, self._auto_pad))

        def call(inputs: Array) -> Any:
            return evaluator.run(None, {"inputs": inputs})[0]

        return call

    def shape(
        self, case: Case, shape: tuple[int, ...], weights: Mapping[str, Array]
    ) -> tuple[int, ...]:
        """As `onnx.shape_inference` has it."""
        model = model_of(case, shape, weights, self._auto_pad)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        return tuple(d.dim_value for d in inferred.graph.output[0].type.tensor_type.shape.dim)

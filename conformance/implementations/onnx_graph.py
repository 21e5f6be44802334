"""The ONNX graph of a documented layer, made of the operators of `onnx_operators`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.engine import Array, family_of, pads_of
from conformance.implementations.onnx_operators import (
    Node,
    flattened,
    kernel_to_first,
    window_attributes,
    windowed,
)
from reference_impl.engine.dtypes import numpy_dtype

OPSET: Final = 22
_IR_VERSION: Final = 10


def model_of(
    case: Case, shape: tuple[int, ...], weights: Mapping[str, Array], auto_pad: bool = False
) -> ModelProto:
    """The model of a case.

    Args:
        case: the case, of a valid configuration.
        shape: its input's.
        weights: in Keras' layout.
        auto_pad: whether SAME padding is left to the runtime (``auto_pad=SAME_UPPER``) instead of
            being given as numbers.
    """
    known = facts(case)
    kind = helper.np_dtype_to_tensor_dtype(numpy_dtype(case.dtype))
    nodes = _nodes(known, len(shape), weights, auto_pad)
    graph = helper.make_graph(
        [helper.make_node(n.operator, n.inputs, n.outputs, **n.attributes) for n in nodes],
        case.layer,
        [helper.make_tensor_value_info("inputs", kind, shape)],
        [helper.make_tensor_value_info("outputs", kind, None)],
        [*_initializers(known, weights)],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)


def _initializers(known: Facts, weights: Mapping[str, Array]) -> Iterator[TensorProto]:
    if family_of(known) == "flatten" and len(known.case.inputs or ()) == 1:
        yield numpy_helper.from_array(np.array([-1, 1], np.int64), "columns")
    if "kernel" in weights:
        kernel = weights["kernel"].transpose(kernel_to_first(weights["kernel"].ndim - 2))
        yield numpy_helper.from_array(np.ascontiguousarray(kernel), "weight")
    if "bias" in weights:
        yield numpy_helper.from_array(np.ascontiguousarray(weights["bias"]), "bias")


def _nodes(known: Facts, ndim: int, weights: Mapping[str, Array], auto_pad: bool) -> list[Node]:
    if family_of(known) == "flatten":
        if ndim == 1:
            return [Node("Reshape", ("inputs", "columns"), ("outputs",), {"allowzero": 0})]
        return flattened(ndim, known.channels_first)
    operator = "Conv" if known.is_convolution else "MaxPool"
    operands = [name for name, key in (("weight", "kernel"), ("bias", "bias")) if key in weights]
    attributes = _attributes(known, auto_pad)
    return windowed(operator, operands, attributes, ndim, known.channels_first, known.activation)


def _attributes(known: Facts, auto_pad: bool) -> dict[str, Any]:
    """What the node needs: the window, strides, dilations, groups and pads, all of them said."""
    groups = known.groups if known.is_convolution else 1
    made = window_attributes(known.window, known.strides, known.dilation, groups, pads_of(known))
    if not known.is_convolution:
        del made["group"]
    if auto_pad and known.padding == "same":
        return {name: value for name, value in made.items() if name != "pads"} | {
            "auto_pad": "SAME_UPPER"
        }
    return made

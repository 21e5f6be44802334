"""The ONNX graph of a documented layer: layouts, weights, pads and activations, in one place.

Inputs and outputs are in Keras' layout.  A channels-last tensor is transposed to ONNX' layout and
back, as converters do; weights become ``(filters, channels, *window)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from conformance.cases.case import Case
from conformance.cases.facts import Facts, facts
from conformance.implementations.engine import Array, family_of, pads_of
from conformance.implementations.onnx_operators import ALIASES, COMPOSED, SINGLE
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
    nodes = [*_nodes(known, len(shape), weights, auto_pad)]
    nodes[-1].output[0] = "outputs"
    graph = helper.make_graph(
        nodes,
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
        kernel = np.moveaxis(weights["kernel"], (-1, -2), (0, 1))
        yield numpy_helper.from_array(np.ascontiguousarray(kernel), "weight")
    if "bias" in weights:
        yield numpy_helper.from_array(np.ascontiguousarray(weights["bias"]), "bias")


def _nodes(
    known: Facts, ndim: int, weights: Mapping[str, Array], auto_pad: bool
) -> Iterator[NodeProto]:
    if family_of(known) == "flatten":
        yield from _flattened(known, ndim)
        return
    given = "inputs"
    if not known.channels_first:
        order = [0, ndim - 1, *range(1, ndim - 1)]
        yield helper.make_node("Transpose", [given], ["x"], perm=order)
        given = "x"
    operator = "Conv" if known.is_convolution else "MaxPool"
    operands = [given, *(name for name in ("weight",) if known.is_convolution)]
    operands += ["bias"] if "bias" in weights else []
    made = "y" if known.channels_first else "z"
    yield helper.make_node(operator, operands, [made], **_attributes(known, auto_pad))
    if not known.channels_first:
        order = [0, *range(2, ndim), 1]
        yield helper.make_node("Transpose", ["z"], ["y"], perm=order)
    yield from activation_nodes(known.activation)


def _flattened(known: Facts, ndim: int) -> Iterator[NodeProto]:
    if ndim == 1:
        yield helper.make_node("Reshape", ["inputs", "columns"], ["y"], allowzero=0)
        return
    given = "inputs"
    if known.channels_first and ndim > 2:
        order = [0, *range(2, ndim), 1]
        yield helper.make_node("Transpose", ["inputs"], ["x"], perm=order)
        given = "x"
    yield helper.make_node("Flatten", [given], ["y"], axis=1)


def _attributes(known: Facts, auto_pad: bool) -> dict[str, Any]:
    """What the node needs: the window, strides, dilations, groups and pads."""
    attributes: dict[str, Any] = {
        "kernel_shape": [*known.window],
        "strides": [*known.strides],
        "dilations": [*known.dilation],
    }
    if known.is_convolution:
        attributes["group"] = known.groups
    if auto_pad and known.padding == "same":
        return attributes | {"auto_pad": "SAME_UPPER"}
    befores, afters = zip(*pads_of(known), strict=True)
    return attributes | {"pads": [*befores, *afters]}


def activation_nodes(name: str | None) -> Iterator[NodeProto]:
    """The nodes that make ``a`` of ``y``; none for the identity."""
    name = ALIASES.get(name or "linear", name or "linear")
    if name == "linear":
        return
    if name in SINGLE:
        operator, attributes = SINGLE[name]
        yield helper.make_node(operator, ["y"], ["a"], **attributes)
        return
    for operator, operands, made in COMPOSED[name]:
        yield helper.make_node(operator, [*operands], [made])

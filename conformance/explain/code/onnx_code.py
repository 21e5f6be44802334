"""Equivalent code as ONNX nodes and their attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from conformance.explain.code.activations import activation_name
from conformance.explain.code.program import (
    Unsayable,
    is_padded,
    kernel_to_first,
    lines,
    operands_comment,
    pairs,
)
from conformance.explain.subject import Subject
from conformance.implementations.onnx_operators import (
    NODES,
    Node,
    flattened,
    window_attributes,
    windowed,
)


def convolution(subject: Subject) -> str:
    """A ``Conv`` node between the layouts, and the nodes of its activation."""
    operands = ["weight", *(["bias"] if "bias" in subject.weights else [])]
    groups = int(getattr(subject.layer, "groups", 1))
    weights = [f'"weight": kernel.transpose({kernel_to_first(subject.rank)})']
    weights += ['"bias": bias'] if "bias" in subject.weights else []
    attributes = _attributes(subject, subject.dilation, groups)
    return lines(
        _HEAD,
        operands_comment(subject, "arrays"),
        [f"weights = {{{', '.join(weights)}}}"],
        _listed(
            windowed(
                "Conv",
                operands,
                attributes,
                subject.rank + 2,
                subject.channels_first,
                _activation(subject),
            )
        ),
    )


def pooling(subject: Subject) -> str:
    """A ``MaxPool`` node between the layouts."""
    if subject.dtype not in ("float16", "bfloat16", "float32", "float64", "int8", "uint8"):
        raise Unsayable(f"ONNX's MaxPool takes no {subject.dtype}")
    nodes = windowed("MaxPool", [], _attributes(subject), subject.rank + 2, subject.channels_first)
    return lines(_HEAD, operands_comment(subject, "an array"), _listed(nodes))


def flatten(subject: Subject) -> str:
    """``Flatten`` of the channels-last tensor."""
    nodes = flattened(len(subject.input_shape), subject.channels_first)
    return lines(_HEAD, operands_comment(subject, "an array"), _listed(nodes))


_HEAD: Final = ("from onnx import helper", "")


def _attributes(subject: Subject, dilation: Sequence[int] = (), groups: int = 1) -> dict[str, Any]:
    padded = pairs(subject) if is_padded(subject) else ()
    return window_attributes(subject.window, subject.strides, dilation, groups, padded, terse=True)


def _activation(subject: Subject) -> str | None:
    name = activation_name(subject)
    if name is not None and name not in NODES:
        raise Unsayable(f"ONNX has no operator for the activation {name}")
    operators = [node.operator for node in NODES[name or "linear"]]
    if subject.dtype == "bfloat16" and "Shrink" in operators:
        raise Unsayable("ONNX's Shrink takes no bfloat16")
    is_elu = name == "celu" and subject.dtype != "float32"  # which alone ONNX' Celu takes
    return "elu" if is_elu else name


def _listed(nodes: Sequence[Node]) -> list[str]:
    return ["nodes = [", *(f"    helper.make_node({_text(node)})," for node in nodes), "]"]


def _text(node: Node) -> str:
    operands, made = (", ".join(f'"{n}"' for n in names) for names in (node.inputs, node.outputs))
    attributes = [f"{name}={value!r}" for name, value in node.attributes.items()]
    return ", ".join([f'"{node.operator}"', f"[{operands}]", f"[{made}]", *attributes])

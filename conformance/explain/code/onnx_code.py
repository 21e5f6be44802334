"""Equivalent code as ONNX nodes and their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from conformance.explain.code.activations import activation_name
from conformance.explain.code.program import (
    Unsayable,
    is_padded,
    kernel_to_first,
    lines,
    operands_comment,
    pairs,
    to_first,
    to_last,
)
from conformance.explain.subject import Subject

_ACTIVATIONS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "celu": ('"Elu", ["y"], ["a"]',),
        "elu": ('"Elu", ["y"], ["a"]',),
        "exponential": ('"Exp", ["y"], ["a"]',),
        "gelu": ('"Gelu", ["y"], ["a"]',),
        "glu": (
            '"Split", ["y"], ["left", "right"], axis=-1, num_outputs=2',
            '"Sigmoid", ["right"], ["gate"]',
            '"Mul", ["left", "gate"], ["a"]',
        ),
        "hard_shrink": ('"Shrink", ["y"], ["a"], lambd=0.5, bias=0.0',),
        "hard_sigmoid": ('"HardSigmoid", ["y"], ["a"], alpha=1 / 6, beta=0.5',),
        "hard_silu": ('"HardSwish", ["y"], ["a"]',),
        "leaky_relu": ('"LeakyRelu", ["y"], ["a"], alpha=0.2',),
        "log_sigmoid": (
            '"Neg", ["y"], ["minus"]',
            '"Softplus", ["minus"], ["plus"]',
            '"Neg", ["plus"], ["a"]',
        ),
        "log_softmax": ('"LogSoftmax", ["y"], ["a"], axis=-1',),
        "mish": ('"Mish", ["y"], ["a"]',),
        "relu": ('"Relu", ["y"], ["a"]',),
        "selu": ('"Selu", ["y"], ["a"], alpha=1.6732632423543772, gamma=1.0507009873554805',),
        "sigmoid": ('"Sigmoid", ["y"], ["a"]',),
        "silu": ('"Sigmoid", ["y"], ["gate"]', '"Mul", ["y", "gate"], ["a"]'),
        "soft_shrink": ('"Shrink", ["y"], ["a"], lambd=0.5, bias=0.5',),
        "softmax": ('"Softmax", ["y"], ["a"], axis=-1',),
        "softplus": ('"Softplus", ["y"], ["a"]',),
        "softsign": ('"Softsign", ["y"], ["a"]',),
        "sparse_sigmoid": ('"HardSigmoid", ["y"], ["a"], alpha=0.5, beta=0.5',),
        "tanh": ('"Tanh", ["y"], ["a"]',),
        "tanh_shrink": ('"Tanh", ["y"], ["t"]', '"Sub", ["y", "t"], ["a"]'),
    }
)


def convolution(subject: Subject) -> str:
    """A ``Conv`` node between the layouts, and the nodes of its activation."""
    operands = ["x", "weight", *(["bias"] if "bias" in subject.weights else [])]
    groups = int(getattr(subject.layer, "groups", 1))
    attributes = _attributes(subject)
    if max(subject.dilation) > 1:
        attributes.append(f"dilations={list(subject.dilation)}")
    attributes += [f"group={groups}"] if groups > 1 else []
    weights = [f'"weight": kernel.transpose({kernel_to_first(subject.rank)})']
    weights += ['"bias": bias'] if "bias" in subject.weights else []
    return lines(
        _HEAD,
        operands_comment(subject, "arrays"),
        [f"weights = {{{', '.join(weights)}}}"],
        _nodes(subject, "Conv", operands, attributes, _activated(subject)),
    )


def pooling(subject: Subject) -> str:
    """A ``MaxPool`` node between the layouts."""
    if subject.dtype not in ("float16", "bfloat16", "float32", "float64", "int8", "uint8"):
        raise Unsayable(f"ONNX's MaxPool takes no {subject.dtype}")
    return lines(
        _HEAD,
        operands_comment(subject, "an array"),
        _nodes(subject, "MaxPool", ["x"], _attributes(subject), []),
    )


def flatten(subject: Subject) -> str:
    """``Flatten`` of the channels-last tensor."""
    axes = len(subject.input_shape)
    nodes = ['"Flatten", ["inputs"], ["outputs"], axis=1']
    if subject.channels_first and axes > 2:
        order = [0, *range(2, axes), 1]
        nodes = [f'"Transpose", ["inputs"], ["x"], perm={order}', nodes[0].replace("inputs", "x")]
    return lines(_HEAD, operands_comment(subject, "an array"), _listed(nodes))


_HEAD: Final = ("from onnx import helper", "")


def _attributes(subject: Subject) -> list[str]:
    """What the node needs: the window, strides and pads (all befores, then all afters)."""
    attributes = [f"kernel_shape={list(subject.window)}"]
    if max(subject.strides) > 1:
        attributes.append(f"strides={list(subject.strides)}")
    if is_padded(subject):
        befores, afters = zip(*pairs(subject), strict=True)
        attributes.append(f"pads={[*befores, *afters]}")
    return attributes


def _activated(subject: Subject) -> list[str]:
    name = activation_name(subject)
    if name is None:
        return []
    if name not in _ACTIVATIONS:
        raise Unsayable(f"ONNX has no operator for the activation {name}")
    if subject.dtype == "bfloat16" and "Shrink" in _ACTIVATIONS[name][0]:
        raise Unsayable("ONNX's Shrink takes no bfloat16")
    return list(_ACTIVATIONS[name])


def _nodes(
    subject: Subject, operator: str, operands: list[str], attributes: list[str], after: list[str]
) -> list[str]:
    """The nodes from ``inputs`` to ``outputs``, in Keras' layout at both ends."""
    quoted = ", ".join(f'"{name}"' for name in operands)
    nodes = [f'"{operator}", [{quoted}], ["y"], {", ".join(attributes)}']
    if subject.channels_first:
        nodes[0] = nodes[0].replace('"x"', '"inputs"')
    else:
        nodes.insert(0, f'"Transpose", ["inputs"], ["x"], perm=[{to_first(subject.rank)}]')
        nodes[-1] = nodes[-1].replace('["y"]', '["z"]')
        nodes.append(f'"Transpose", ["z"], ["y"], perm=[{to_last(subject.rank)}]')
    nodes += after
    last = "a" if after else "y"
    nodes[-1] = nodes[-1].replace(f'["{last}"]', '["outputs"]')
    if after and len(after) == 1:
        nodes[-1] = nodes[-1].replace('["outputs"], ["outputs"]', '["y"], ["outputs"]')
    return _listed(nodes)


def _listed(nodes: list[str]) -> list[str]:
    return ["nodes = [", *(f"    helper.make_node({node})," for node in nodes), "]"]

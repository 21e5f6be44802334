"""Documented layers in ONNX' operators, as plain data: layouts, pads and activations, in one place.

Graphs that run (`onnx_graph`) and the equivalent code of explanations are both made of it.  Inputs
and outputs are in Keras' layout: a channels-last tensor is transposed to ONNX' layout and back, as
converters do; weights are ``(filters, channels, *window)`` there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final


@dataclass(frozen=True)
class Node:
    """An operator with the names of what it takes and makes.

    Attributes:
        operator: its name.
        inputs: what it takes.
        outputs: what it makes.
        attributes: its attributes.
    """

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


_SINGLE: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "celu": ("Celu", {"alpha": 1.0}),
    "elu": ("Elu", {"alpha": 1.0}),
    "exponential": ("Exp", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "hard_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.0}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hard_silu": ("HardSwish", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "selu": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "sigmoid": ("Sigmoid", {}),
    "soft_shrink": ("Shrink", {"lambd": 0.5, "bias": 0.5}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "sparse_sigmoid": ("HardSigmoid", {"alpha": 0.5, "beta": 0.5}),
    "tanh": ("Tanh", {}),
}

_COMPOSED: Final[Mapping[str, tuple[Node, ...]]] = {
    "glu": (
        Node("Split", ("y",), ("left", "right"), {"axis": -1, "num_outputs": 2}),
        Node("Sigmoid", ("right",), ("gate",)),
        Node("Mul", ("left", "gate"), ("a",)),
    ),
    "log_sigmoid": (
        Node("Neg", ("y",), ("minus",)),
        Node("Softplus", ("minus",), ("plus",)),
        Node("Neg", ("plus",), ("a",)),
    ),
    "silu": (Node("Sigmoid", ("y",), ("gate",)), Node("Mul", ("y", "gate"), ("a",))),
    "tanh_shrink": (Node("Tanh", ("y",), ("t",)), Node("Sub", ("y", "t"), ("a",))),
}

_BY_NAME: Final[Mapping[str, tuple[Node, ...]]] = {
    "linear": (),
    **{name: (Node(kind, ("y",), ("a",), own),) for name, (kind, own) in _SINGLE.items()},
    **_COMPOSED,
}

NODES: Final[Mapping[str, tuple[Node, ...]]] = {
    **_BY_NAME,
    "swish": _BY_NAME["silu"],
    "hard_swish": _BY_NAME["hard_silu"],
}
"""The nodes that make ``a`` of ``y``, by the activation's name at Keras."""

ACTIVATIONS: Final = frozenset(NODES) - {"glu"}
"""The activations that ONNX has operators for, and that keep the shape."""


def to_first(ndim: int) -> list[int]:
    """The transposition of a channels-last tensor to ONNX' layout."""
    return [0, ndim - 1, *range(1, ndim - 1)]


def to_last(ndim: int) -> list[int]:
    """The way back."""
    return [0, *range(2, ndim), 1]


def kernel_to_first(rank: int) -> list[int]:
    """The transposition of a kernel to ``(filters, channels, *window)``."""
    return [rank + 1, rank, *range(rank)]


def window_attributes(
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int] = (),
    groups: int = 1,
    pads: Sequence[tuple[int, int]] = (),
    terse: bool = False,
) -> dict[str, Any]:
    """The attributes of a convolution or pooling.

    Args:
        window: its lengths.
        strides: the strides.
        dilation: the dilation rates; none are one.
        groups: of a convolution.
        pads: before and after, for each axis; none are zero.
        terse: whether what has ONNX' default value is left out.
    """
    pads = pads or [(0, 0)] * len(window)
    made: dict[str, tuple[Any, Any]] = {
        "kernel_shape": ([*window], None),
        "strides": ([*strides], [1] * len(window)),
        "pads": ([pair[0] for pair in pads] + [pair[1] for pair in pads], [0] * 2 * len(window)),
        "dilations": ([*(dilation or [1] * len(window))], [1] * len(window)),
        "group": (groups, 1),
    }
    return {name: value for name, (value, usual) in made.items() if not terse or value != usual}


def windowed(
    operator: str,
    operands: Sequence[str],
    attributes: Mapping[str, Any],
    ndim: int,
    channels_first: bool,
    activation: str | None = None,
) -> list[Node]:
    """The nodes of a convolution or pooling from ``inputs`` to ``outputs``.

    Args:
        operator: ``Conv`` or ``MaxPool``.
        operands: its weights.
        attributes: of its node.
        ndim: the number of axes.
        channels_first: whether Keras' layout is ONNX' own.
        activation: by name.
    """
    after = NODES[activation or "linear"]
    if channels_first:
        return _ending([Node(operator, ("inputs", *operands), ("y",), attributes), *after])
    made = [
        Node("Transpose", ("inputs",), ("x",), {"perm": to_first(ndim)}),
        Node(operator, ("x", *operands), ("z",), attributes),
        Node("Transpose", ("z",), ("y",), {"perm": to_last(ndim)}),
    ]
    return _ending([*made, *after])


def flattened(ndim: int, channels_first: bool) -> list[Node]:
    """``Flatten`` of the channels-last tensor."""
    if not channels_first or ndim < 3:
        return [Node("Flatten", ("inputs",), ("outputs",), {"axis": 1})]
    return [
        Node("Transpose", ("inputs",), ("x",), {"perm": to_last(ndim)}),
        Node("Flatten", ("x",), ("outputs",), {"axis": 1}),
    ]


def _ending(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, the last of which makes ``outputs``."""
    return [*nodes[:-1], replace(nodes[-1], outputs=("outputs",))]

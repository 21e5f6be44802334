"""The clauses tested by a layer's gradients."""

from __future__ import annotations

from typing import Final

from conformance.cases.facts import Facts
from conformance.spec.covers.outputs import Table, always, has_groups, is_padded


def _is_empty(f: Facts) -> bool:
    return 0 in f.output_shape


def _overlaps(f: Facts) -> bool:
    return any(axis.stride < axis.window for axis in f.axes)


def _is_exact(f: Facts) -> bool:
    return f.case.operands in ("integers", "small") and f.activation in (None, "linear")


def _is_real(f: Facts) -> bool:
    return f.case.operands in ("reals", "positive", "negative", "constant", "wide", "cancellation")


CONVOLUTION: Final[Table] = {
    "conv.gradients.inputs": always,
    "conv.gradients.kernel": always,
    "conv.gradients.bias": lambda f: f.config["use_bias"],
    "conv.gradients.steps": lambda f: max(f.strides) > 1,
    "conv.gradients.spread": lambda f: max(f.dilation) > 1 and max(f.window) > 1,
    "conv.gradients.padding": is_padded,
    "conv.gradients.empty": _is_empty,
    "conv.gradients.activation": lambda f: f.activation not in (None, "linear"),
    "conv.gradients.exact": _is_exact,
    "conv.gradients.accuracy": _is_real,
    "conv.gradients.channels-first": lambda f: f.channels_first,
    "conv.groups.gradients": has_groups,
    "conv1d.padding.causal-gradients": lambda f: f.padding == "causal",
}

POOLING: Final[Table] = {
    "maxpooling.gradients.inputs": always,
    "maxpooling.gradients.ties": lambda f: f.case.operands in ("small", "constant"),
    "maxpooling.gradients.overlap": _overlaps,
    "maxpooling.gradients.empty": _is_empty,
}

FLATTEN: Final[Table] = {"flatten.gradients.inputs": always}

"""Equivalent code in JAX."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from conformance.explain.code.activations import JAX, activation_lines
from conformance.explain.code.program import INTEGERS, is_padded, lines, operands_comment, pairs
from conformance.explain.subject import Subject

_SPATIAL: Final = {1: "W", 2: "HW", 3: "DHW"}


def convolution(subject: Subject) -> str:
    """``lax.conv_general_dilated`` with explicit padding."""
    groups = int(getattr(subject.layer, "groups", 1))
    layout = _layout(subject)
    arguments = [f"window_strides={subject.strides}", f"padding={_padding(subject)}"]
    if max(subject.dilation) > 1:
        arguments.append(f"rhs_dilation={subject.dilation}")
    arguments.append(f'dimension_numbers=("{layout}", "{_SPATIAL[subject.rank]}IO", "{layout}")')
    arguments += [f"feature_group_count={groups}"] if groups > 1 else []
    called = [f"    {argument}," for argument in ["inputs", "kernel", *arguments]]
    biased = []
    if "bias" in subject.weights:
        shaped = f"bias.reshape(-1, {', '.join('1' * subject.rank)})"
        biased = [f"y = y + {shaped if subject.channels_first else 'bias'}"]
    return lines(
        _imports(subject),
        operands_comment(subject, "arrays"),
        ["y = lax.conv_general_dilated(", *called, ")", *biased],
        activation_lines(subject, JAX),
        ["outputs = y"],
    )


def pooling(subject: Subject) -> str:
    """``lax.reduce_window`` with ``lax.max``."""
    start = f"jnp.iinfo(jnp.{subject.dtype}).min" if subject.dtype in INTEGERS else "-jnp.inf"
    pads = str(_around(subject, pairs(subject), (0, 0))) if is_padded(subject) else '"VALID"'
    window, strides = (_around(subject, sizes, 1) for sizes in (subject.window, subject.strides))
    return lines(
        _imports(subject),
        operands_comment(subject, "an array"),
        [f"start = jnp.array({start}, inputs.dtype)"],
        [f"outputs = lax.reduce_window(inputs, start, lax.max, {window}, {strides}, {pads})"],
    )


def flatten(subject: Subject) -> str:
    """A reshape of the channels-last array."""
    axes = len(subject.input_shape)
    source = "inputs"
    if subject.channels_first and axes > 2:
        source = "jnp.moveaxis(inputs, 1, -1)"
    batch = "len(inputs)" if subject.input_shape[0] is None else subject.input_shape[0]
    assert subject.output_shape is not None
    return lines(
        _imports(subject),
        operands_comment(subject, "an array"),
        [f"outputs = {source}.reshape({batch}, {subject.output_shape[1]})"],
    )


def _imports(subject: Subject) -> list[str]:
    wide = ['jax.config.update("jax_enable_x64", True)'] if "64" in subject.dtype else []
    return ["import jax", "import jax.numpy as jnp", "from jax import lax", "", *wide]


def _layout(subject: Subject) -> str:
    spatial = _SPATIAL[subject.rank]
    return f"NC{spatial}" if subject.channels_first else f"N{spatial}C"


def _padding(subject: Subject) -> str:
    return str(pairs(subject)) if is_padded(subject) else '"VALID"'


def _around(subject: Subject, inner: Iterable[Any], outer: Any) -> tuple[Any, ...]:
    """What concerns the spatial axes, between what concerns batch and channels."""
    return (outer, outer, *inner) if subject.channels_first else (outer, *inner, outer)

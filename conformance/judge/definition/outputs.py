"""The output of a case, and its shape, by the definition."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from conformance.cases.case import Case
from conformance.judge.definition.arguments import Arguments, forbidden, spatial_lengths
from conformance.judge.definition.layers import (
    Array,
    ExactArray,
    activate,
    convolution,
    flatten_order,
    format_of,
    max_pooling,
)


class Operands(Protocol):
    """The arrays of a case: the layer's input, and its weights by name."""

    @property
    def inputs(self) -> Any:
        """The input array; None where the case has none."""

    @property
    def weights(self) -> dict[str, Array]:
        """``kernel`` and, where used, ``bias``; empty for layers without weights."""

    @property
    def upstream(self) -> Any:
        """The gradient with respect to the output; None where no gradients are observed."""


def output_shape(case: Case) -> tuple[int | None, ...]:
    """The shape of the case's output, batch axis included; None where a length is free."""
    if case.layer == "Input":
        return _input_shape(case.keywords)
    shape = case.inputs or ()
    arguments = Arguments.of(case)
    if case.layer == "Flatten":
        rest = shape[1:]
        known = [size for size in rest if size is not None]
        return shape[0], math.prod(known) if len(known) == len(rest) else None
    lengths = spatial_lengths(case, arguments.channels_first)
    spatial = [
        None if length is None else max(window.output_length(length), 0)
        for window, length in zip(arguments.windows, lengths, strict=True)
    ]
    channels = shape[1] if arguments.channels_first else shape[-1]
    if case.layer.startswith("Conv"):
        channels = arguments.filters
    inner = [channels, *spatial] if arguments.channels_first else [*spatial, channels]
    if arguments.activation == "glu" and inner[-1] is not None:
        inner[-1] //= 2
    return shape[0], *inner


def _input_shape(given: dict[str, Any]) -> tuple[int | None, ...]:
    if given.get("batch_shape") is not None:
        return tuple(given["batch_shape"])
    return (given.get("batch_size"), *given["shape"])


def output(case: Case, operands: Operands) -> Array:
    """The case's output: the real-number value of the definition, rounded once to its dtype.

    Raises:
        ValueError: if the case must be rejected, with the reason.
    """
    reason = forbidden(case)
    if reason is not None:
        raise ValueError(reason)
    values = _VALUES[case.layer](case, operands)
    dtype = operands.inputs.dtype
    wide = np.float64 if _is_floating(dtype) else dtype
    return np.array(values, wide).astype(dtype).reshape(operands_shape(case))


def operands_shape(case: Case) -> tuple[int, ...]:
    """The output's shape where every length is known."""
    return tuple(size for size in output_shape(case) if size is not None)


def _is_floating(dtype: np.dtype[Any]) -> bool:
    return dtype.name in ("float16", "bfloat16", "float32", "float64")


def _channels_last(array: Array, channels_first: bool) -> Array:
    return np.moveaxis(array, 1, -1) if channels_first else array


def _convolution_values(case: Case, operands: Operands) -> list[float]:
    arguments = Arguments.of(case)
    inputs = _channels_last(operands.inputs, arguments.channels_first)
    bias = operands.weights["bias"] if arguments.use_bias else None
    sums = convolution(inputs, operands.weights["kernel"], bias, arguments.windows)
    if arguments.channels_first:
        sums = _with_channels_first(sums)
    return activate(sums, arguments.activation, format_of(case.dtype))


def _order_with_channels_first(shape: tuple[int, ...]) -> Array:
    """The flat indices of a channels-last array in the order of the channels-first one."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 1)


def _with_channels_first(sums: ExactArray) -> ExactArray:
    order = _order_with_channels_first(sums.shape)
    flat = order.ravel().tolist()
    specials = {new: sums.specials[old] for new, old in enumerate(flat) if old in sums.specials}
    return ExactArray(order.shape, [sums.integers[i] for i in flat], sums.exponent, specials)


def _pooling_values(case: Case, operands: Operands) -> list[Any]:
    arguments = Arguments.of(case)
    inputs = _channels_last(_python_readable(operands.inputs), arguments.channels_first)
    values = max_pooling(inputs, arguments.windows)
    if not arguments.channels_first:
        return values
    channels_first = operands_shape(case)
    shape = (channels_first[0], *channels_first[2:], channels_first[1])
    return [values[i] for i in _order_with_channels_first(shape).ravel().tolist()]


def _python_readable(array: Array) -> Array:
    """Floating-point arrays as float64, which holds them exactly; others as they are."""
    return array.astype(np.float64) if _is_floating(array.dtype) else array


def _flattened_values(case: Case, operands: Operands) -> list[Any]:
    order = flatten_order(operands.inputs.shape[1:], Arguments.of(case).channels_first)
    return [sample[place].item() for sample in _python_readable(operands.inputs) for place in order]


_VALUES = {
    "Conv1D": _convolution_values,
    "Conv2D": _convolution_values,
    "MaxPooling1D": _pooling_values,
    "MaxPooling2D": _pooling_values,
    "Flatten": _flattened_values,
}

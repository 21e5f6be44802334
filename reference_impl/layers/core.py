"""Flatten, and the input layer beside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

from reference_impl.engine import arguments
from reference_impl.engine.arguments import Shape
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import FLOATS, INTEGERS, OTHERS, Array
from reference_impl.engine.input_layer import Input, InputLayer
from reference_impl.engine.keras_tensor import KerasTensor

__all__ = ["Flatten", "Input", "InputLayer"]


class Flatten(Layer):
    """Each element of the batch as one row: ``(n, a, b, ...)`` to ``(n, a b ...)``.

    The last axis varies fastest.  With ``channels_first`` and three axes or more, axis 1 is moved
    to the end first, so that the order is that of the same data in ``channels_last``.  A vector
    ``(n,)`` becomes ``(n, 1)``.

    Args:
        data_format: ``channels_last`` or ``channels_first``; None for the global setting.
        **keywords: those of `Layer`; ``dim_ordering`` and ``image_dim_ordering`` are Keras 1's
            names of ``data_format``.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range or unknown.
    """

    _is_exact = True
    _is_documented = True
    _layer_dtypes: ClassVar[tuple[str, ...]] = (*FLOATS, *INTEGERS, *OTHERS)
    _input_dtypes: ClassVar[tuple[str, ...]] = (*FLOATS, *INTEGERS, *OTHERS)
    _own_keywords: ClassVar[tuple[str, ...]] = ("data_format", *arguments.OLD_DATA_FORMATS)

    def __init__(self, data_format: str | None = None, **keywords: Any) -> None:
        owner = type(self).__name__
        self.data_format = arguments.take_data_format(owner, data_format, keywords)
        super().__init__(**keywords)

    def check_input(self, shape: Shape) -> None:
        """Refuse an input without a batch axis.

        Raises:
            ValueError: naming the shape.
        """
        if not shape:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `inputs` has the shape {shape}; "
                "expected at least 1 axis, the batch"
            )

    def call(self, inputs: Array) -> Array:
        """The output for an array, in memory of its own."""
        ordered = inputs
        if self.data_format == "channels_first" and inputs.ndim > 2:
            ordered = np.moveaxis(inputs, 1, -1)
        flat = np.empty((inputs.shape[0], prod(inputs.shape[1:])), inputs.dtype)
        flat.reshape(ordered.shape)[...] = ordered
        return flat

    def _gradients(self, inputs: Array, upstream: Array) -> dict[str, Array]:
        if self.data_format != "channels_first" or inputs.ndim < 3:
            return {"inputs": upstream.reshape(inputs.shape).copy()}
        moved = (inputs.shape[0], *inputs.shape[2:], inputs.shape[1])
        return {"inputs": np.moveaxis(upstream.reshape(moved), -1, 1).copy()}

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        """The output's shape; its length is free where one of the input's is.

        Raises:
            ValueError: if there is no batch axis.
        """
        shape = arguments.shape(type(self).__name__, "input_shape", input_shape)
        self.check_input(shape)
        known = [length for length in shape[1:] if length is not None]
        return (shape[0], prod(known) if len(known) == len(shape) - 1 else None)

    def compute_output_spec(self, inputs: KerasTensor) -> KerasTensor:
        """The output's shape and dtype for a symbolic input; a sparse one stays sparse."""
        self._check_dtype(inputs.dtype)
        dtype = self.compute_dtype if inputs.dtype in FLOATS else inputs.dtype
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype, inputs.sparse)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse."""
        return super().get_config() | {"data_format": self.data_format}

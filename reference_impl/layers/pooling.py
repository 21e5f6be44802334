"""Max pooling layers: one class for any number of spatial axes, and its two documented forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from reference_impl.engine import arguments
from reference_impl.engine.arguments import VALID, Shape
from reference_impl.engine.dtypes import FLOATS, INTEGERS, Array
from reference_impl.layers.windowed import Windowed
from reference_impl.ops.formats import format_of
from reference_impl.ops.gradients import max_pool_gradient
from reference_impl.ops.max_pooling import max_pool


class MaxPooling(Windowed):
    """Max pooling over `rank` spatial axes.

    The definition, the spatial axes written with one index::

        out[b, o, c] = max over t of x[b, o stride + t - pad, c]

    where only elements of the input take part, never the padding; a NaN in the window gives NaN.
    Integers are pooled as they are, floating-point inputs in the layer's dtype.

    Args:
        pool_size: the window's lengths, vertical first.
        strides: distance between neighbouring windows; None for `pool_size`.
        padding: ``valid`` or ``same``, in any case.
        data_format: ``channels_last`` or ``channels_first``; None for the global setting.
        **keywords: those of `Layer`; ``border_mode``, ``dim_ordering`` and
            ``image_dim_ordering`` are Keras 1's names of ``padding`` and ``data_format``.

    Raises:
        TypeError: if an argument is of a wrong type.
        ValueError: if an argument is out of range or unknown.
    """

    _is_exact = True
    _layer_dtypes: ClassVar[tuple[str, ...]] = (*FLOATS, *INTEGERS)
    _input_dtypes: ClassVar[tuple[str, ...]] = (*FLOATS, *INTEGERS)

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = VALID,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        steps = pool_size if strides is None else strides
        super().__init__(("pool_size", pool_size), steps, padding, data_format, **keywords)
        self._build_at_init()

    @property
    def pool_size(self) -> tuple[int, ...]:
        """The window's lengths."""
        return self._window

    def call(self, inputs: Array) -> Array:
        """The output for an array."""
        with np.errstate(invalid="ignore"):  # some types warn of NaN
            pooled = max_pool(self._channels_last(inputs), self._axes(inputs.shape))
        return self._arranged(pooled)

    def _gradients(self, inputs: Array, upstream: Array) -> dict[str, Array]:
        images, gradient = self._channels_last(inputs), self._channels_last(upstream)
        axes = self._axes(inputs.shape)
        pulled = max_pool_gradient(images, gradient, axes, format_of(self.compute_dtype))
        return {"inputs": self._arranged(pulled)}

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Shape:
        """The output's shape, batch included; None stays free.

        Raises:
            ValueError: if the layer cannot take such inputs.
        """
        shape = arguments.shape(type(self).__name__, "input_shape", input_shape)
        self.check_input(shape)
        return self._output_shape(shape, shape[self.channel_axis])

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments in Keras 3's form; `from_config` is the inverse."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": self.data_format,
        }


class MaxPooling1D(MaxPooling):
    """Max pooling of sequences, ``(batch, steps, channels)``.

    ``data_format``, not documented for this layer, is taken as a keyword.  See `MaxPooling`.
    """

    rank = 1

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = VALID,
        *,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **keywords)


class MaxPooling2D(MaxPooling):
    """Max pooling of images, ``(batch, rows, columns, channels)``.  See `MaxPooling`."""

    rank = 2

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = VALID,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **keywords)


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D

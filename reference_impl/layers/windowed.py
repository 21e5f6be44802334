"""What convolution and pooling share: a window that slides along the spatial axes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

from reference_impl.engine import arguments
from reference_impl.engine.arguments import Shape
from reference_impl.engine.base_layer import Layer
from reference_impl.engine.dtypes import Array
from reference_impl.ops.geometry import WindowAxis, output_length, receptive_field, window_axes


class Windowed(Layer):
    """A layer whose outputs each see one window of the inputs; `rank` spatial axes.

    Inputs are ``(batch, *spatial, channels)``, or ``(batch, channels, *spatial)`` where
    ``data_format`` is ``channels_first``.  Along each axis an input of length n gives the output
    length of `reference_impl.ops.geometry.output_length`.

    Attributes:
        rank: number of spatial axes.
        strides: distance between neighbouring windows, per axis.
        padding: ``valid`` (windows lie within the input), ``same`` (as many outputs as strides
            fit into the input, ``ceil(n / stride)``), or in Conv1D ``causal`` (as many, with all
            padding before the first input).
        data_format: ``channels_last`` or ``channels_first``.
        dilation_rate: distance between neighbouring elements of a window, per axis.
    """

    rank: ClassVar[int]
    _is_documented = True
    _paddings: ClassVar[tuple[str, ...]] = arguments.PADDINGS
    _own_keywords: ClassVar[tuple[str, ...]] = (
        "data_format",
        "border_mode",
        *arguments.OLD_DATA_FORMATS,
    )

    def __init__(
        self,
        window: tuple[str, Any],
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any = 1,
        **keywords: Any,
    ) -> None:
        """Check and keep the geometry; `window` is the name and value of the window's argument."""
        owner = type(self).__name__
        self._window = arguments.sizes(owner, *window, self.rank)
        self.strides = arguments.sizes(owner, "strides", strides, self.rank)
        self.dilation_rate = arguments.sizes(owner, "dilation_rate", dilation_rate, self.rank)
        self.padding = arguments.take_padding(owner, padding, keywords, self._paddings)
        self.data_format = arguments.take_data_format(owner, data_format, keywords, self.rank)
        self._channels_first = self.data_format == "channels_first"
        super().__init__(**keywords)

    @property
    def channel_axis(self) -> int:
        """Position of the channels: 1 or -1."""
        return 1 if self._channels_first else -1

    def spatial(self, shape: Shape) -> Shape:
        """The spatial lengths of an input or output shape."""
        return shape[2:] if self._channels_first else shape[1:-1]

    def check_input(self, shape: Shape) -> None:
        """Refuse a wrong number of axes, and a length in which no window fits.

        Raises:
            ValueError: naming the shape.
        """
        if len(shape) != self.rank + 2:
            axes = (
                "(batch, channels, *spatial)"
                if self._channels_first
                else ("(batch, *spatial, channels)")
            )
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `inputs` has the shape {shape}, "
                f"{len(shape)} axes; expected {self.rank + 2} axes, {axes}"
            )
        self._output_lengths(shape)

    def _output_lengths(self, shape: Shape) -> Shape:
        spatial = self.spatial(shape)
        lengths = _output_lengths(
            spatial, self._window, self.strides, self.dilation_rate, self.padding
        )
        if self.padding == "valid" and any(n is not None and n < 1 for n in lengths):
            pairs = zip(self._window, self.dilation_rate, strict=True)
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: argument `inputs` has the shape {shape} "
                f"with spatial lengths {spatial}, too short for a window of {self._window} with "
                f"dilation {self.dilation_rate} and padding 'valid'; expected lengths of at least "
                f"{tuple(receptive_field(k, d) for k, d in pairs)}"
            )
        return lengths

    def _axes(self, shape: tuple[int, ...]) -> tuple[WindowAxis, ...]:
        """The window geometry for an input shape."""
        spatial = shape[2:] if self._channels_first else shape[1:-1]
        return _window_axes(spatial, self._window, self.strides, self.dilation_rate, self.padding)

    def _channels_last(self, array: Array) -> Array:
        """An input or output with its channels last, as a view."""
        if not self._channels_first:
            return array
        return array.transpose(0, *range(2, array.ndim), 1)

    def _arranged(self, array: Array) -> Array:
        """A channels-last result in the layer's data format, contiguous."""
        if not self._channels_first:
            return array
        return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1)).copy()

    def _output_shape(self, input_shape: Sequence[int | None], channels: int | None) -> Shape:
        shape = tuple(input_shape)
        lengths = self._output_lengths(shape)
        if self._channels_first:
            return (shape[0], channels, *lengths)
        return (shape[0], *lengths, channels)


@lru_cache(maxsize=256)
def _output_lengths(
    spatial: Shape,
    window: tuple[int, ...],
    strides: tuple[int, ...],
    dilation: tuple[int, ...],
    padding: str,
) -> Shape:
    return tuple(
        None if n is None else output_length(n, k, s, d, padding)
        for n, k, s, d in zip(spatial, window, strides, dilation, strict=True)
    )


_window_axes = lru_cache(maxsize=256)(window_axes)

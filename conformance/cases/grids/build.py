"""Cases of the layers that slide a window, put together from axes, sizes and spelling."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Final, TypeVar

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.layers.registry import LAYERS
from reference_impl.ops.geometry import window_axis

T = TypeVar("T")

MULTIPLY_ADDS: Final = 4000
"""Wish for the work of one ordinary case: the second derivation loops over exact numbers."""


def spell(values: Sequence[int], form: str) -> Any:
    """Sizes as a caller writes them: form ``int`` (where all are equal), ``tuple`` or ``list``."""
    if form == "int" and len(set(values)) == 1:
        return values[0]
    return list(values) if form == "list" else tuple(values)


def shape(batch: int, spatial: Sequence[int], channels: int, data_format: Any) -> tuple[int, ...]:
    """The shape of the input array in either data format."""
    if data_format == "channels_first":
        return (batch, channels, *spatial)
    return (batch, *spatial, channels)


def windowed(
    layer: str,
    axes: Sequence[Axis],
    padding: str = "valid",
    *,
    batch: int = 2,
    channels: int = 3,
    filters: int = 4,
    form: str = "tuple",
    spelt_out: bool = False,
    **rest: Any,
) -> Case:
    """A case of a convolution or pooling layer over the given axes.

    Args:
        layer: the layer's name.
        axes: one for each spatial axis.
        padding: ``valid`` or ``same``.
        batch: length of the input's first axis.
        channels: length of the input's axis of channels.
        filters: of a convolution.
        form: how sizes are spelt, see `spell`.
        spelt_out: whether arguments at their default are written.
        rest: further arguments and fields of the case, data_format among them.
    """
    made = LAYERS[layer]
    assert len(axes) == made.rank
    inputs = shape(batch, [a.length for a in axes], channels, rest.get("data_format"))
    window = spell([a.window for a in axes], form)
    strides = [a.stride for a in axes]
    default_strides = [a.window for a in axes] if made.strides_by_window else [1] * len(axes)
    arguments: dict[str, Any] = {made.window: window}
    if made.convolves:
        arguments["filters"] = filters
    if spelt_out or strides != default_strides:
        arguments["strides"] = spell(strides, form)
    if made.dilates and (spelt_out or any(a.dilation != 1 for a in axes)):
        arguments["dilation_rate"] = spell([a.dilation for a in axes], form)
    if spelt_out or padding != "valid":
        arguments["padding"] = padding
    return Case.of(layer, inputs, **(arguments | rest))


def multiply_adds(
    axes: Sequence[Axis], padding: str, batch: int, channels: int, filters: int
) -> int:
    """Number of products of a convolution."""
    outputs = prod(window_axis(*a, padding).output for a in axes)
    return batch * outputs * filters * channels * prod(a.window for a in axes)


def choose(options: Sequence[T], index: int, salt: int) -> T:
    """One of the options, spread evenly and the same on every run (a multiplicative hash)."""
    mixed = (index * 0x9E3779B97F4A7C15 + salt * 0xBF58476D1CE4E5B9) % 2**64
    mixed = (mixed ^ (mixed >> 29)) * 0x94D049BB133111EB % 2**64
    return options[(mixed >> 33) % len(options)]


_CHANNELS: Final = (3, 4, 5, 2, 7, 8, 1)
_FILTERS: Final = (4, 3, 5, 2, 6, 8, 1)
_DTYPES: Final = ("float32",) * 7 + ("float64", "float16", "bfloat16")
_OPERANDS: Final = ("integers",) * 7 + ("reals", "small", "positive", "negative")
_FORMATS: Final = (None, "channels_last", "channels_first", "channels_first")


def rotated(layer: str, axes: Sequence[Axis], padding: str, index: int, plain: bool) -> Case:
    """A case over the given axes in surroundings that change with the index.

    Channels and filters are chosen to differ from the other sizes where they can, within the wish
    for the work of a case.  The bias stays where every tap may fall on padding, since the outputs
    are then nothing else.

    Args:
        layer: the layer's name.
        axes: one for each spatial axis.
        padding: ``valid`` or ``same``.
        index: tells one choice of surroundings from another.
        plain: keep to float32 and the kind `integers`.
    """
    batch = choose((2, 1, 3, 2), index, 1)
    channels, filters = _sizes(axes, padding, index, batch)
    data_format = choose(_FORMATS, index, 2) if LAYERS[layer].rank == 2 else None
    rest: dict[str, Any] = {"data_format": data_format} if data_format else {}
    only_padding = any(a.dilation >= a.length for a in axes)
    if LAYERS[layer].convolves and not only_padding and index % 3 == 2:
        rest["use_bias"] = False
    if not plain:
        rest["dtype"] = choose(_DTYPES, index, 4)
        rest["operands"] = choose(_OPERANDS, index, 5)
    return windowed(
        layer,
        axes,
        padding,
        batch=batch,
        channels=channels,
        filters=filters,
        form=choose(("tuple", "int", "list"), index, 6),
        spelt_out=choose((False, True, False), index, 7),
        **rest,
    )


def _sizes(axes: Sequence[Axis], padding: str, index: int, batch: int) -> tuple[int, int]:
    taken = {batch, *(a.length for a in axes)}
    turn = index % len(_CHANNELS)
    candidates = [
        (channels, filters)
        for channels in _CHANNELS[turn:] + _CHANNELS[:turn]
        for filters in _FILTERS[turn // 2 :] + _FILTERS[: turn // 2]
        if channels != filters and channels not in taken and filters not in taken
    ]
    for channels, filters in candidates:
        if multiply_adds(axes, padding, batch, channels, filters) <= MULTIPLY_ADDS:
            return channels, filters
    return 2, 3

"""Surroundings: dtype, layout, batch, numbers of channels and filters, windows, in all pairs.

Kernels have paths of their own for some of them, such as channels that vectors divide or single
samples; what is right in each of two may be wrong where they meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import windowed
from conformance.cases.grids.covering import each_pair
from conformance.cases.grids.values import POOLED_DTYPES
from conformance.cases.operands import FLOATING_DTYPES
from conformance.layers.registry import LAYERS, windowed_layers

_COUNTS: Final = (1, 3, 4, 11, 16)
"""Numbers of channels and of filters: one, few, what vectors hold, odd beyond it, and several."""

_ACTIVATIONS: Final = ("linear", "relu", "tanh")

_AS_WINDOW: Final = 0
_STEPS: Final = ((1, 1), (2, 1), (3, 1), (1, 2))
_POOL_STEPS: Final = ((1, 1), (2, 1), (3, 1), (_AS_WINDOW, 1))
"""Strides and dilation rates."""


def outputs() -> Iterator[Case]:
    """The outputs of every layer, poolings in every dtype."""
    for layer in windowed_layers():
        integers = POOLED_DTYPES if LAYERS[layer].integer_dtypes else ()
        yield from _pairs(layer, (*FLOATING_DTYPES, *integers), "output")


def gradients() -> Iterator[Case]:
    """The gradients of every layer."""
    for layer in windowed_layers():
        yield from _pairs(layer, FLOATING_DTYPES, "gradients")


def _pairs(layer: str, dtypes: Sequence[str], observe: str) -> Iterator[Case]:
    known = LAYERS[layer]
    factors: dict[str, Sequence[Any]] = {
        "dtype": dtypes,
        "channels": _COUNTS,
        "window": (1, 2, 3, 5),
        "step": _STEPS if known.convolves else _POOL_STEPS,
        "padding": known.paddings,
        "batch": (1, 2, 3),
        "data_format": ("channels_last", "channels_first"),
    }
    if known.convolves:
        factors |= {"filters": _COUNTS, "use_bias": (True, False), "activation": _ACTIVATIONS}
    for row in each_pair(factors):
        axes = _axes(row.pop("window"), *row.pop("step"))
        yield windowed(layer, axes[: known.rank], row.pop("padding"), observe=observe, **row)


_SQUARE: Final = 3


def _axes(window: int, step: int, rate: int) -> tuple[Axis, Axis]:
    """Two windows or more along an axis, with one input over along the first where strides allow.

    Long windows are so along the first axis alone.
    """
    second = window if window <= _SQUARE else 1
    strides = [step or one for one in (window, second)]
    spans = [rate * (one - 1) + 1 for one in (window, second)]
    return (
        Axis(max(spans[0] + strides[0] + (strides[0] > 1), 4), window, strides[0], rate),
        Axis(spans[1] + strides[1], second, strides[1], rate),
    )

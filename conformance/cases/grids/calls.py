"""How layers are called: after other calls, by two threads, on arrays in the other byte order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import windowed
from conformance.cases.operands import FLOATING_DTYPES
from conformance.layers.registry import LAYERS, windowed_layers

_FIRST: Final[dict[str, Any]] = {"data_format": "channels_first"}
_VALID: Final = (Axis(5, 2), Axis(6, 3))
_SAME: Final = (Axis(7, 3, 2), Axis(8, 2, 3))
_THREE_BY_THREE: Final = (Axis(4, 3), Axis(4, 3))
_POINTWISE: Final = (Axis(4, 1), Axis(6, 1))
_LONG: Final = (Axis(20, 3), Axis(22, 3))
_BEFORE: Final = ("reweighted", "refilled", "resized")
_MOVED: Final = ((2, 5, 3), (2, 4, 6, 3))


def histories() -> Iterator[Case]:
    """A layer after calls on other operands, and while another thread calls another."""
    for layer, kind in product(windowed_layers(), _BEFORE):
        if kind != "reweighted" or LAYERS[layer].convolves:
            yield from _after(layer, kind)
    for layer in windowed_layers():
        yield from _threaded(layer)
    for kind, inputs in product((*_BEFORE[1:], "threaded"), _MOVED):
        for layer in _moving():
            yield Case.of(layer, inputs, operands=kind)


def _moving() -> tuple[str, ...]:
    return LAYERS.names(lambda layer: layer.moves and not layer.rank)


def _after(layer: str, kind: str) -> Iterator[Case]:
    """In both paddings and layouts, every dtype, and at sizes for which kernels are packed."""
    rank, convolves = LAYERS[layer].rank, LAYERS[layer].convolves
    for dtype in FLOATING_DTYPES:
        yield windowed(layer, _VALID[:rank], operands=kind, dtype=dtype)
    yield windowed(layer, _SAME[:rank], "same", operands=kind)
    if rank == 2:
        yield windowed(layer, _VALID, operands=kind, **_FIRST)
    wide: dict[str, Any] = {"operands": kind, "batch": 1, "channels": 16, "filters": 16}
    yield windowed(layer, _THREE_BY_THREE[:rank], "same", **wide)
    if convolves:
        yield windowed(layer, _POINTWISE[:rank], **wide)
        yield windowed(layer, _VALID[:rank], operands=kind, channels=4, filters=6, groups=2)
        yield windowed(layer, _VALID[:rank], operands=kind, activation="relu", use_bias=False)
    if kind != "resized":
        for padding, windows in (("valid", _VALID), ("same", _SAME)):
            yield windowed(layer, windows[:rank], padding, operands=kind, observe="gradients")


def _threaded(layer: str) -> Iterator[Case]:
    """Small layers, and such as take long enough for two calls to meet."""
    rank = LAYERS[layer].rank
    yield windowed(layer, _VALID[:rank], operands="threaded")
    for padding, dtype in (("same", "float32"), ("valid", "float64"), ("same", "float16")):
        sizes: dict[str, Any] = {"channels": 1, "filters": 2, "dtype": dtype}
        yield windowed(layer, _LONG[:rank], padding, operands="threaded", **sizes)
    if rank == 2:
        yield windowed(layer, _LONG, "same", channels=1, filters=2, operands="threaded", **_FIRST)
    yield windowed(layer, _THREE_BY_THREE[:rank], operands="threaded", observe="gradients")


def byte_orders() -> Iterator[Case]:
    """Arrays in the other byte order, of all dtypes that have one; gradients too."""
    for layer in (*windowed_layers(), *_moving()):
        for dtype in ("float32", "float64", "float16", *_wide_integers(layer)):
            yield _swapped(layer, dtype=dtype)
        if LAYERS[layer].rank:
            yield _swapped(layer, observe="gradients")
        if LAYERS[layer].rank == 2:
            yield _swapped(layer, **_FIRST)


def moved_views() -> Iterator[Case]:
    """Layers that only move elements, on arrays that lie otherwise in memory."""
    for layer, kind, inputs in product(_moving(), _VIEWS, (*_MOVED, (1, 7, 3), (4, 5))):
        yield Case.of(layer, inputs, operands=kind)
        if len(inputs) > _PLAIN:
            yield Case.of(layer, inputs, operands=kind, **_FIRST)


_VIEWS: Final = ("strided", "reversed", "fortran", "sliced")
_PLAIN: Final = 2
"""The rank of inputs without spatial axes."""


def _wide_integers(layer: str) -> tuple[str, ...]:
    return tuple(name for name in LAYERS[layer].integer_dtypes if not name.endswith("8"))


def _swapped(layer: str, **rest: Any) -> Case:
    rank = LAYERS[layer].rank
    if not rank:
        return Case.of(layer, _MOVED[0], operands="swapped", **rest)
    return windowed(layer, _SAME[:rank], "same", operands="swapped", **rest)

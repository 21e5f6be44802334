"""Flatten in every rank, and the shapes that Input declares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.values import kinds_of
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES

_SHAPES: Final = (
    (2, 3, 4),
    (2, 3, 4, 5),
    (3, 5),
    (2, 4, 3, 2, 5),
    (1, 6, 2, 3),
    (3, 1, 4, 2),
    (2, 5, 1, 3),
    (2, 3, 5, 1),
    (1, 1, 1, 1),
    (4, 4, 4, 4),
    (2, 3, 3, 2),
    (7, 1),
    (1, 60),
    (0, 3, 4),
    (0, 2, 3, 4),
    (2, 0, 3),
    (2, 3, 0),
    (2, 4, 0, 3),
    (2, 3, 2, 2, 2, 2),
    (17, 2, 3),
)
_FORMATS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"data_format": "channels_last"},
    {"data_format": "channels_first"},
    {"data_format": None},
)
_LAYOUTS: Final = ("strided", "reversed", "fortran", "broadcast", "readonly")


def smoke() -> Iterator[Case]:
    """The first ranks in every data format, special values, memory layouts, integers."""
    for inputs, arguments in product(_SHAPES[:4], _FORMATS[:3]):
        yield Case.of("Flatten", inputs, **arguments)
    yield Case.of("Flatten", (0, 3, 4), data_format="channels_first")
    for kind in ("specials", *_LAYOUTS):
        yield Case.of("Flatten", (2, 3, 4, 5), operands=kind, data_format="channels_first")
    for dtype in ("float64", "int64", "uint8"):
        yield Case.of("Flatten", (2, 3, 4), dtype=dtype)


def standard() -> Iterator[Case]:
    """Every rank, data format, dtype, kind and memory layout."""
    for inputs, arguments in product(_SHAPES, _FORMATS):
        yield Case.of("Flatten", inputs, **arguments)
    for arguments in _FORMATS[:3]:
        yield Case.of("Flatten", (4,), **arguments)
    for kind, dtype in product(kinds_of("Flatten"), FLOATING_DTYPES):
        arguments = {"data_format": "channels_first"}
        yield Case.of("Flatten", (2, 5, 4, 3), operands=kind, dtype=dtype, **arguments)
    for dtype, arguments in product(INTEGER_DTYPES, _FORMATS[:3]):
        yield Case.of("Flatten", (2, 3, 4), dtype=dtype, **arguments)
        yield Case.of("Flatten", (2, 3, 2, 5), dtype=dtype, operands="specials", **arguments)


def symbolic() -> Iterator[Case]:
    """Shapes with free lengths, for Flatten and Input."""
    free: tuple[tuple[int | None, ...], ...] = (
        (None, 3, 4),
        (None, 7),
        (None, None, 4),
        (2, None, 4),
        (2, 3, None),
        (None, None, None, 3),
        (None, 3, 32, 32),
        (None, 64, 32, 32),
        (128, 1000, 1000, 3),
        (None, 0, 4),
    )
    for inputs, arguments in product(free, _FORMATS[:3]):
        yield Case.of("Flatten", inputs, observe="shape", **arguments)
    for free_batch in (
        (32,),
        (10, 32),
        (None, 128),
        (128, 128, 3),
        (),
        (None, None, 3),
        (1,),
        (0,),
    ):
        yield Case.of("Input", shape=free_batch, observe="shape")
    for whole in ((10, 32), (None, 32), (None, None, 4), (1, 28, 28, 1), (0, 3)):
        yield Case.of("Input", batch_shape=whole, observe="shape")
    yield Case.of("Input", shape=[4, 5], observe="shape")
    yield Case.of("Input", shape=(3,), batch_shape=None, observe="shape")

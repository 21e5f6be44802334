"""Gradients: geometries of the grid, kinds of operands, dtypes and activations, differentiated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids import values, windows
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import windowed
from conformance.cases.operands import FLOATING_DTYPES
from conformance.judge.activations import ACTIVATIONS
from conformance.layers.registry import LAYERS, convolution_layers, windowed_layers

_KINDS: Final = (
    "small",
    "reals",
    "positive",
    "negative",
    "constant",
    "wide",
    "cancellation",
    "huge",
    "subnormal",
    "strided",
    "reversed",
    "fortran",
    "broadcast",
    "readonly",
)
"""Kinds of operands besides `integers`: those of finite numbers whose sums stay finite."""

_FURTHER_KINDS: Final = ("sliced",)
"""The same; after all other cases, by whose places others are chosen."""

_EVERY: Final = {1: 6, 2: 9}
"""By number of axes, of how many cases of `windows.standard` one is differentiated."""

_KINKED: Final = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "hard_shrink",
    "soft_shrink",
    "softsign",
    "sparse_plus",
)
"""Activations put together from pieces, with a joint at a small integer or next to it."""

_FLAT: Final = ("sigmoid", "tanh", "relu6", "hard_sigmoid", "hard_tanh", "sparse_sigmoid")
"""Activations that are constant far out on both sides, in every format."""

_LOST: Final = ("exponential", "sparsemax")
"""Activations whose slopes leave the range far out, or depend on what is lost in rounding."""

_VALID: Final = (Axis(5, 2), Axis(6, 3))
_SAME: Final = (Axis(7, 3, 2), Axis(8, 2, 3))


def differentiated(cases: Iterable[Case]) -> Iterator[Case]:
    """The same cases, observing gradients, where they have values and floating-point operands."""
    for case in cases:
        if case.observe == "output" and case.dtype in FLOATING_DTYPES:
            yield case.replace(observe="gradients")


_STRIDED: Final = {
    "same": (
        Axis(7, 3, 3),  # windows side by side, padded by one on both sides
        Axis(9, 4, 4),  # by one before and two after
        Axis(8, 3, 3),  # by one after
        Axis(9, 3, 3),  # not at all
        Axis(5, 3, 4),  # strides beyond the window, padded by one on both sides
        Axis(6, 4, 5),  # by one before and two after
        Axis(9, 2, 4),  # by one after
        Axis(14, 2, 7),  # not at all
        Axis(8, 1, 2),
        Axis(10, 4, 2),  # windows that overlap, padded by one on both sides
        Axis(8, 5, 2),  # by one before and two after
        Axis(8, 3, 2),  # by one after
    ),
    "valid": (
        Axis(7, 3, 3),  # windows side by side, and one input over
        Axis(8, 4, 4),
        Axis(9, 3, 4),  # strides beyond the window, and two inputs over
        Axis(7, 3, 4),
        Axis(9, 1, 3),
        Axis(9, 4, 2),  # windows that overlap, and one input over
        Axis(10, 4, 3),
    ),
}
"""Strides shorter than the window, as long, and longer, with all that they leave at the ends."""


def smoke() -> Iterator[Case]:
    """The plainest cases, every tuple on every axis, each kind, dtype and activation once."""
    yield from differentiated(windows.first_cases())
    yield from differentiated(islice(windows.smoke(), 0, None, 3))
    yield from _ties("small")
    for position, activation in enumerate(values.ACTIVATIONS):
        yield _activated(values.in_turn(position), activation, "reals")


def standard() -> Iterator[Case]:
    """Every class of geometry, batches, empty outputs, windows of one, kinds, dtypes, layouts."""
    blocks: tuple[Callable[[], Iterable[Case]], ...] = (
        windows.smoke,
        windows.pointwise,
        windows.remainders,
        windows.empties,
    )
    yield from differentiated(chain.from_iterable(block() for block in blocks))
    for block in (windows.extremes, windows.batches, windows.cubes):
        yield from differentiated(islice(block(), 0, None, 2))
    for block in (windows.coincidences, windows.widths):
        yield from differentiated(islice(block(), 0, None, 5))
    yield from differentiated(_pairs())
    yield from _of_kinds(_KINDS)
    yield from _of_dtypes()
    for kind in ("integers", "reals"):
        yield from _ties(kind)
    yield from _of_activations()
    yield from _far_slopes()
    yield from _long_sums()
    yield from _of_kinds(_FURTHER_KINDS)


def strided() -> Iterator[Case]:
    """Every relation of window, stride and length in every layer, both formats in turn.

    Gradients have code of their own for windows that do not overlap, and for what they leave over.
    """
    for layer, padding in product(windowed_layers(), _STRIDED):
        every = _STRIDED[padding]
        for turn, pair in enumerate(zip(every, (*every[5:], *every[:5]), strict=True)):
            axes = pair[: LAYERS[layer].rank]
            yield _gradients(layer, axes, padding, batch=1)
            if turn % 2 == 0:
                yield _gradients(layer, axes, padding, data_format="channels_first")


def wide_windows() -> Iterator[Case]:
    """Windows of more elements than eight bits count, in which a place may be kept."""
    for layer in LAYERS.names(lambda one: one.selects and one.rank == 2):
        yield _gradients(layer, (Axis(20, 17, 1), Axis(33, 17, 4)), "valid", batch=1)


def full() -> Iterator[Case]:
    """Batches that threads cannot share evenly.

    Kernels that overrun their memory there do so in some runs and not in others.
    """
    yield from differentiated(windows.uneven_batches())


def _pairs() -> Iterator[Case]:
    """A selection of `windows.standard` in every layer."""
    for layer in windowed_layers():
        own = [case for case in windows.standard() if case.layer == layer]
        yield from islice(own, 0, None, _EVERY[LAYERS[layer].rank])


def _of_kinds(kinds: Sequence[str]) -> Iterator[Case]:
    for layer, (turn, kind) in product(windowed_layers(), enumerate(kinds)):
        rank = LAYERS[layer].rank
        geometries = ((_VALID[:rank], "valid"), (_SAME[:rank], "same"))
        for position, (axes, padding) in enumerate(geometries):
            yield _gradients(layer, axes, padding, operands=kind)
            dtype = ("float64", "float16", "bfloat16")[(turn + position) % 3]
            yield _gradients(layer, axes, padding, operands=kind, dtype=dtype)


def _of_dtypes() -> Iterator[Case]:
    for layer, dtype in product(windowed_layers(), FLOATING_DTYPES):
        yield _gradients(layer, _SAME[: LAYERS[layer].rank], "same", dtype=dtype)


def _gradients(layer: str, axes: tuple[Axis, ...], padding: str, **rest: Any) -> Case:
    return windowed(layer, axes, padding, observe="gradients", **rest)


def _ties(kind: str) -> Iterator[Case]:
    """Overlapping windows over few distinct values: several largest elements in most windows."""
    for layer in LAYERS.names(lambda one: one.selects):
        rank = LAYERS[layer].rank
        for padding, dtype in product(("valid", "same"), ("float32", "float64")):
            axes = (Axis(9, 3), Axis(8, 4, 2))[:rank]
            yield _gradients(layer, axes, padding, operands=kind, dtype=dtype, channels=1)
            yield _gradients(layer, axes, padding, operands=kind, dtype=dtype, channels=8, batch=1)
        if rank == 2:
            axes = (Axis(9, 3), Axis(8, 4, 2))
            yield _gradients(layer, axes, "same", operands=kind, data_format="channels_first")


def _activated(layer: str, activation: str, operands: str, **rest: Any) -> Case:
    axes = (Axis(4, 2), Axis(5, 1))[: LAYERS[layer].rank]
    return _gradients(
        layer,
        axes,
        "valid",
        **({"filters": 5, "operands": operands, "activation": activation} | rest),
    )


def _of_activations() -> Iterator[Case]:
    for position, activation in enumerate(values.ACTIVATIONS):
        layer = values.in_turn(position)
        for kind in ("reals", "integers"):
            yield _activated(layer, activation, kind)
        if activation in _KINKED:
            yield _activated(layer, activation, "small")
        for dtype in ("float64", "float16", "bfloat16"):
            yield _activated(layer, activation, "reals", dtype=dtype)
        first: dict[str, Any] = {"data_format": "channels_first", "padding": "same"}
        yield _activated("Conv2D", activation, "reals").replace(**first, use_bias=False)
    for layer in convolution_layers():
        yield _activated(layer, "glu", "reals", filters=4)


def _far_slopes() -> Iterator[Case]:
    """The slope of every activation far out on both sides, near zero and at kinks.

    There a formula that takes the quotient of two exponentials gives NaN.
    """
    for position, (name, dtype) in enumerate(product(values.ACTIVATIONS, FLOATING_DTYPES)):
        yield _sloped(131, name, operands="slopes", dtype=dtype).replace(seed=position % 3)


def farther_slopes() -> Iterator[Case]:
    """The slopes that are not all zero from where `_far_slopes` ends, as far as sums allow."""
    dtypes = [dtype for dtype in FLOATING_DTYPES if dtype != "float16"]
    names = [name for name in values.ACTIVATIONS if name not in (*_FLAT, *_LOST)]
    for name, dtype in product(names, dtypes):
        yield _sloped(67, name, operands="far_slopes", dtype=dtype)


def _sloped(steps: int, activation: str, **rest: Any) -> Case:
    """The slope of an activation at so many sums of one product."""
    filters = 4 if ACTIVATIONS[activation].rowwise else 1
    sizes: dict[str, Any] = {"batch": 1, "channels": 3, "filters": filters}
    case = windowed("Conv1D", (Axis(steps, 1),), **sizes, activation=activation, **rest)
    return case.replace(observe="gradients")


def _long_sums() -> Iterator[Case]:
    """Sums of many products: over taps and filters for the inputs, over outputs for the kernel."""
    for dtype, kind in product(FLOATING_DTYPES, ("integers", "reals", "positive")):
        rest: dict[str, Any] = {"operands": kind, "dtype": dtype}
        yield _gradients("Conv1D", (Axis(400, 3),), "same", channels=2, filters=2, **rest)
        wide = (Axis(3, 3), Axis(4, 3))
        yield _gradients("Conv2D", wide, "same", batch=1, channels=2, filters=64, **rest)

"""Values: kinds of operands, dtypes, activations, precision of long sums, locality."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis
from conformance.cases.grids.build import windowed
from conformance.cases.operands import FLOATING_DTYPES, INTEGER_DTYPES, KINDS
from conformance.judge.activations import ACTIVATIONS as NAMED
from conformance.layers.registry import (
    LAYERS,
    convolution_layers,
    pooling_layers,
    windowed_layers,
)

ACTIVATIONS: Final = tuple(name for name, one in NAMED.items() if one.keeps_shape)
"""The activations that Keras 3 knows by name and that keep the shape."""

LONG_SUMS: Final = (9, 144, 1152, 4608)
"""Numbers of products in one output, for precision."""

SUMMED_KINDS: Final = ("integers", "reals", "positive", "constant")
"""Kinds of operands that tell precisions apart in long sums."""

LOCAL_KINDS: Final = ("spike", "one_infinity", "one_nan")
"""Kinds with one extraordinary input."""

ONLY_OF_SUMS: Final = frozenset(
    {
        *("constant", "cancellation", "overflow", "spike", "kernel_nan", "kernel_infinity"),
        *("one_power", "one_product", "one_weight", "odd_bias", "tails", "edges", "slopes"),
        *("unused_infinity", "far_tails", "far_slopes", "idle_infinity"),
    }
)
"""Kinds that say nothing about a layer that only moves or compares values."""

OF_WHOLE_WINDOWS: Final = frozenset({"one_power", "one_product"})
"""Kinds that leave most outputs zero unless one window is the whole input."""

ELSEWHERE: Final = frozenset(
    {
        *("swapped", "reweighted", "refilled", "resized", "threaded"),
        *("one_weight", "odd_bias", "edges", "slopes", "far", "unused_infinity"),
        *("far_tails", "far_slopes", "negative_nan", "idle_infinity"),
        *(name for name, kind in KINDS.items() if kind.mark),
    }
)
"""Kinds that have grids of their own, `calls`, `single_products`, `tails`, `beyond`,
`unused_weights` and that of gradients; and those by which a diagnosis asks."""

POOLED_DTYPES: Final = tuple(name for name in INTEGER_DTYPES if name not in ("uint32", "uint64"))
_INTEGER_KINDS: Final = ("integers", "small", "negative", "lowest", "specials", "strided")

_VALID: Final = (Axis(5, 2), Axis(6, 3))
_SAME: Final = (Axis(7, 3, 2), Axis(8, 2, 3))
_LONE: Final = (Axis(8, 3, 2),)


def _geometries(layer: str) -> Iterator[tuple[tuple[Axis, ...], str]]:
    rank = LAYERS[layer].rank
    yield _VALID[:rank], "valid"
    yield (_SAME if rank == 2 else _LONE), "same"


def kinds_of(layer: str) -> list[str]:
    """The kinds of operands that can tell something about the layer, on any geometry."""
    known = LAYERS[layer]
    left_out = known.left_out_kinds | OF_WHOLE_WINDOWS | ELSEWHERE
    return [kind for kind in KINDS if known.takes_inputs and kind not in left_out]


def dtypes_of(layer: str) -> list[str]:
    """The dtypes that the layer takes, as far as frameworks go."""
    known = LAYERS[layer]
    return [*FLOATING_DTYPES, *known.integer_dtypes] if known.takes_inputs else []


def _of_integers() -> list[str]:
    """The poolings that take integers."""
    return [layer for layer in pooling_layers() if LAYERS[layer].integer_dtypes]


def smoke() -> Iterator[Case]:
    """Each kind of operands on two axes and every second on one; each dtype, each activation."""
    for layer, (place, kind) in product(windowed_layers(), enumerate(KINDS)):
        if kind in kinds_of(layer) and (LAYERS[layer].rank == 2 or place % 2):
            geometry = list(_geometries(layer))[LAYERS[layer].pools or place % 2]
            yield windowed(layer, *geometry, operands=kind)
    for layer in windowed_layers():
        windows, padding = next(_geometries(layer))
        for dtype in ("float64", "float16", "bfloat16"):
            yield windowed(layer, windows, padding, operands="integers", dtype=dtype)
    for layer, dtype in product(_of_integers(), ("int32", "int64", "uint8")):
        yield windowed(layer, *next(_geometries(layer)), operands="integers", dtype=dtype)
    for position, activation in enumerate(ACTIVATIONS):
        yield _activated(in_turn(position), activation, "reals")
    yield _activated("Conv2D", "relu", "one_nan")
    yield _activated("Conv2D", "softmax", "integers", data_format="channels_first")
    yield from precision(("integers", "reals"), (9, 1152), ("float32",), ("Conv2D",))
    yield from locality(("spike", "one_infinity"))


def kinds() -> Iterator[Case]:
    """Every kind of operands in every dtype, with and without padding in turn."""
    for layer in windowed_layers():
        geometries = list(_geometries(layer))
        for kind in kinds_of(layer):
            for windows, padding in geometries:
                yield windowed(layer, windows, padding, operands=kind)
        numbered = product(enumerate(FLOATING_DTYPES), enumerate(kinds_of(layer)))
        for (row, dtype), (column, kind) in numbered:
            windows, padding = geometries[(row + column) % 2]
            yield windowed(layer, windows, padding, operands=kind, dtype=dtype)
    for turn, (layer, dtype, kind) in enumerate(
        product(_of_integers(), POOLED_DTYPES, _INTEGER_KINDS)
    ):
        windows, padding = list(_geometries(layer))[turn // 2 % 2]
        if kind not in ("negative", "lowest") or not dtype.startswith("u"):
            yield windowed(layer, windows, padding, operands=kind, dtype=dtype)


def counted() -> Iterator[Case]:
    """Planes with more positions than the integers in them count to, of few and of one channel.

    A kernel that keeps the place of the maximum in a number of the inputs' size cannot tell them.
    """
    sides = {"int8": 12, "uint8": 17, "int16": 182, "uint16": 257}
    for layer, (dtype, side) in product(_of_integers(), sides.items()):
        rank = LAYERS[layer].rank
        axes = (Axis(side ** (2 // rank), 2, 2),) * rank
        for channels in (1, 3) if side < 100 else (1,):
            yield windowed(layer, axes, batch=1, channels=channels, dtype=dtype)


def in_turn(position: int) -> str:
    """One of the convolutions, another one next time."""
    layers = convolution_layers()
    return layers[position % len(layers)]


def _activated(
    layer: str, activation: str, operands: str, *, filters: int = 5, last: int = 5, **rest: Any
) -> Case:
    windows = (Axis(4, 2), Axis(last, 1))[: LAYERS[layer].rank]
    given: dict[str, Any] = {"activation": activation, "operands": operands}
    return windowed(layer, windows, channels=3, filters=filters, **given, **rest)


def activations() -> Iterator[Case]:
    """Every activation by name: in every dtype, on special values, in both data formats.

    With as many filters, and elements along the last axis, as vectors hold, and with others.
    """
    for position, activation in enumerate(ACTIVATIONS):
        for layer, kind in product(convolution_layers(), ("reals", "integers")):
            yield _activated(layer, activation, kind)
        for dtype in ("float64", "float16", "bfloat16"):
            yield _activated(in_turn(position), activation, "reals", dtype=dtype)
        yield _activated("Conv1D", activation, "one_nan")
        yield _activated("Conv1D", activation, "one_infinity")
        yield _activated("Conv1D", activation, "wide")
        yield _activated("Conv2D", activation, "reals", data_format="channels_first")
        yield _activated("Conv1D", activation, "integers", filters=16)
        yield _activated("Conv2D", activation, "reals", filters=8)
        planar: dict[str, Any] = {"last": 8, "data_format": "channels_first"}
        yield _activated("Conv2D", activation, "integers", filters=3, **planar)
        case = _activated("Conv2D", activation, "integers", padding="same")
        yield case.replace(use_bias=False, seed=1)
    for layer, dtype in product(convolution_layers(), ("float32", "float64")):
        yield windowed(
            layer, _VALID[: LAYERS[layer].rank], filters=4, activation="glu", dtype=dtype
        )


def rows() -> Iterator[Case]:
    """Activations of rows that vectors and blocks do not divide, longer than each of these."""
    rowwise = [name for name in ACTIVATIONS if NAMED[name].rowwise]
    for activation, filters in product(rowwise, (9, 17, 35)):
        yield _activated("Conv1D", activation, "reals", filters=filters)
    for activation in ("softmax", "log_softmax"):  # of others, few elements are not zero
        yield _activated("Conv1D", activation, "reals", filters=130)
    for activation, filters in product(rowwise, (9, 35)):
        yield _activated("Conv1D", activation, "reals", filters=filters, observe="gradients")


_BETWEEN: Final = 23
"""A seed whose float64 sums lie between 15 and 30, where formulas of narrower formats end."""


def tails() -> Iterator[Case]:
    """Every activation far out on both sides, near zero, at kinks, behind sums of many magnitudes.

    Long vectors have a part for vectorised code, and a rest.  Formats with many digits have more
    arguments between where a formula may be cut off and where it may not.
    """
    for name, dtype in product(ACTIVATIONS, FLOATING_DTYPES):
        case = windowed(
            "Conv1D",
            (Axis(263 if dtype in ("float32", "float64") else 67, 1),),
            batch=1,
            channels=3,
            filters=4 if NAMED[name].rowwise else 1,
            activation=name,
            operands="tails",
            dtype=dtype,
        )
        yield case
        if dtype == "float64":
            yield case.replace(seed=_BETWEEN)
    for position, name in enumerate(ACTIVATIONS):
        yield _activated(in_turn(position), name, "small")
    for name, dtype in product(ACTIVATIONS, FLOATING_DTYPES):
        channels = 4 if NAMED[name].rowwise else 1
        sizes: dict[str, Any] = {"batch": 1, "channels": channels, "filters": channels}
        rest: dict[str, Any] = {"activation": name, "operands": "edges", "dtype": dtype}
        yield windowed("Conv1D", (Axis(131 // channels, 1),), use_bias=False, **sizes, **rest)


def far_tails() -> Iterator[Case]:
    """Every activation from where `tails` ends to the largest number, on both sides.

    There a power, a product or a sum within the formula leaves the range before the result does.
    Rows have an odd length, which blocks do not divide, and some have negative numbers alone.
    """
    for name, dtype in product(ACTIVATIONS, FLOATING_DTYPES):
        if name == "sparsemax" and dtype in ("float16", "bfloat16"):
            continue  # the 1 that its elements sum up to is lost beside them
        channels = 5 if NAMED[name].rowwise else 1
        sizes: dict[str, Any] = {"batch": 1, "channels": channels, "filters": channels}
        rest: dict[str, Any] = {"activation": name, "operands": "far_tails", "dtype": dtype}
        yield windowed("Conv1D", (Axis(67, 1),), **sizes, **rest)


def infinite_rows() -> Iterator[Case]:
    """Rows of one element, some of which are infinite: nothing is left where it is subtracted."""
    for activation, dtype in product(("softmax", "log_softmax"), FLOATING_DTYPES):
        yield _activated("Conv1D", activation, "one_infinity", filters=1, dtype=dtype)


def whole_vectors() -> Iterator[Case]:
    """Every activation in every dtype with as many filters as a vector holds, or several.

    A kernel that takes filters by vectors where these divide them has code of its own for it.
    """
    for position, activation in enumerate(ACTIVATIONS):
        for turn, dtype in enumerate(("float64", "float16", "bfloat16")):
            layer = in_turn(position + turn)
            yield _activated(layer, activation, "reals", filters=16, dtype=dtype)


def negative_nans() -> Iterator[Case]:
    """NaN with its sign bit set, as processors make it of 0 / 0, in every layer and dtype.

    Where numbers are compared by their bits, it is less than all of them, and lost.
    """
    for layer, dtype in product(windowed_layers(), FLOATING_DTYPES):
        windows = (Axis(9, 3, 2), Axis(8, 2, 3))[: LAYERS[layer].rank]
        for channels in (2, 17) if LAYERS[layer].selects else (3,):
            rest: dict[str, Any] = {"operands": "negative_nan", "dtype": dtype}
            yield windowed(layer, windows, channels=channels, **rest)


def special_remainders() -> Iterator[Case]:
    """NaN and infinities in what blocks of vectorised code leave over.

    Pooled, in channels that blocks of 2 to 32 leave over, in every dtype; through every activation
    of single elements, in one of two filters of 62 outputs, of which blocks of 4 to 32 leave some
    of either over.
    """
    elementwise = [name for name in ACTIVATIONS if not NAMED[name].rowwise]
    for position, name in enumerate(elementwise):
        for kind in ("kernel_nan", "kernel_infinity"):
            dtype = FLOATING_DTYPES[position % 3] if kind == "kernel_infinity" else "float32"
            sizes: dict[str, Any] = {"batch": 1, "channels": 2, "filters": 2}
            rest: dict[str, Any] = {"activation": name, "operands": kind, "dtype": dtype}
            yield windowed("Conv1D", (Axis(32, 2),), **sizes, **rest)
    for layer in pooling_layers():
        for dtype, channels in product(FLOATING_DTYPES, (2, 3, 5, 9, 17, 33)):
            if dtype in ("float32", "float64") or channels in (5, 17):
                windows = (Axis(9, 2, 1), Axis(8, 3, 2))[: LAYERS[layer].rank]
                yield windowed(layer, windows, channels=channels, operands="specials", dtype=dtype)


def single_products() -> Iterator[Case]:
    """Sums of one product among K, so that reduced precision of an operand shows at any K.

    Where the product has more bits than the dtype, it is how results are rounded that shows.
    """
    for count, dtype, layer in product(LONG_SUMS, FLOATING_DTYPES, convolution_layers()):
        windows = ((Axis(9, 9),) if LAYERS[layer].rank == 1 else (Axis(3, 3), Axis(3, 3)))[:2]
        sizes: dict[str, Any] = {"batch": 2 if count > 1000 else 6, "channels": count // 9}
        sizes["filters"] = 3
        yield windowed(layer, windows, operands="one_power", dtype=dtype, **sizes)
        few = {"batch": 2, "filters": 2} if count < LONG_SUMS[-1] else {"batch": 1, "filters": 1}
        for kind in ("one_weight", "odd_bias"):
            yield windowed(layer, windows, operands=kind, dtype=dtype, **(sizes | few))
        if count == LONG_SUMS[1]:
            yield windowed(layer, windows, operands="one_product", dtype=dtype, **sizes)


def precision(
    kinds: tuple[str, ...],
    products: tuple[int, ...],
    dtypes: tuple[str, ...],
    layers: tuple[str, ...],
) -> Iterator[Case]:
    """Sums of K products, few outputs: what accumulation and operand precision show in."""
    for layer, count, kind, dtype in product(layers, products, kinds, dtypes):
        yield _long_sum(layer, count, operands=kind, dtype=dtype)


def _long_sum(layer: str, count: int, **rest: Any) -> Case:
    rank = LAYERS[layer].rank
    taps = 9 if rank == 1 else 3
    windows = ((Axis(taps + 3, taps),) if rank == 1 else (Axis(3, 3), Axis(4, 3)))[:rank]
    filters = 2 if count > 1000 else 8
    return windowed(layer, windows, batch=1, channels=count // 9, filters=filters, **rest)


def activated_long_sums() -> Iterator[Case]:
    """Activations of sums that a kernel makes in parts: of one part they are something else."""
    for layer, count in product(convolution_layers(), (81, 297, 1152)):
        for activation in ("relu", "sigmoid"):
            yield _long_sum(layer, count, operands="reals", activation=activation)


def long_sums() -> Iterator[Case]:
    """`precision` over all that it ranges over, activated, and many short sums for statistics."""
    yield from precision(SUMMED_KINDS, LONG_SUMS, FLOATING_DTYPES, convolution_layers())
    yield from precision(
        ("cancellation", "wide"), (144, 1152), FLOATING_DTYPES, convolution_layers()
    )
    yield from activated_long_sums()
    for dtype, kind in product(FLOATING_DTYPES, ("reals", "positive", "integers")):
        rest: dict[str, Any] = {"operands": kind, "dtype": dtype}
        yield windowed("Conv2D", (Axis(12, 3), Axis(13, 3)), batch=1, channels=1, **rest)
        yield windowed("Conv1D", (Axis(100, 9),), batch=2, channels=1, **rest)


def locality(kinds: tuple[str, ...] = LOCAL_KINDS) -> Iterator[Case]:
    """One extraordinary input among many: only the windows that hold it may feel it."""
    for kind in kinds:
        winograd = (Axis(6, 3), Axis(7, 3))
        yield windowed("Conv2D", winograd, "same", batch=16, channels=1, filters=2, operands=kind)
        yield windowed("Conv2D", (Axis(12, 3), Axis(13, 5)), channels=1, filters=1, operands=kind)
        yield windowed("Conv1D", (Axis(64, 5),), channels=1, filters=2, operands=kind)
        yield windowed("Conv1D", (Axis(9, 3),), batch=16, channels=2, filters=3, operands=kind)


def unused_weights() -> Iterator[Case]:
    """An infinity beside kernel elements of zero, which must not be skipped, in every dtype."""
    for layer, dtype in product(convolution_layers(), FLOATING_DTYPES):
        for windows, padding in _geometries(layer):
            yield windowed(layer, windows, padding, operands="unused_infinity", dtype=dtype)


def idle_infinities() -> Iterator[Case]:
    """Inputs of zero beside an infinity in the kernel, which must not be skipped, in every dtype.

    Those that are padding may be (`conv.padding.nonfinite-kernel` is ambiguous).
    """
    for layer, dtype in product(convolution_layers(), FLOATING_DTYPES):
        for windows, padding in _geometries(layer):
            yield windowed(layer, windows, padding, operands="idle_infinity", dtype=dtype)


def on_padding_alone() -> Iterator[Case]:
    """Dilated windows all of whose taps stand on padding: no output may feel any input."""
    around = (Axis(1, 2, 1, 2), Axis(2, 2, 1, 4))
    kinds = ("one_infinity", "one_nan", "specials")
    for turn, (kind, dtype) in enumerate(product(kinds, FLOATING_DTYPES)):
        for layer in convolution_layers():
            windows = (around[turn % 2], Axis(4, 3))[: LAYERS[layer].rank]
            yield windowed(layer, windows, "same", channels=2, operands=kind, dtype=dtype)


def more_locality() -> Iterator[Case]:
    """`locality` and its like with strides, dilation, other dtypes and many channels."""
    yield from locality((*LOCAL_KINDS, "integers", "reals"))
    for kind, dtype in product(LOCAL_KINDS, FLOATING_DTYPES):
        rest: dict[str, Any] = {"operands": kind, "dtype": dtype}
        yield windowed("Conv2D", (Axis(9, 3, 2), Axis(8, 3)), "same", channels=1, **rest)
        yield windowed("Conv2D", (Axis(9, 3, 1, 2), Axis(8, 2)), "same", channels=2, **rest)
        yield windowed("Conv1D", (Axis(40, 11),), "same", batch=1, channels=1, **rest)
        yield windowed("Conv1D", (Axis(24, 3, 4),), channels=16, filters=2, **rest)
        yield windowed("Conv1D", (Axis(24, 4, 1, 5),), "same", channels=2, **rest)
    yield from on_padding_alone()
    yield from unused_weights()
    for kind, channels in product(("kernel_infinity", "kernel_nan"), (1, 3, 16, 32, 64)):
        windows = (Axis(3, 3), Axis(4, 3))
        for rank, layer in enumerate(convolution_layers(), start=1):
            yield windowed(
                layer, windows[:rank], "same", batch=1, channels=channels, filters=2, operands=kind
            )

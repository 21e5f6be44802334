"""Window geometry: every way in which the windows can lie, on each axis and in pairs of axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import FAMILIES, Axis, axes, compatible
from conformance.cases.grids.build import rotated, shape, windowed
from conformance.layers.registry import LAYERS, convolution_layers, windowed_layers

PADDINGS: Final = ("valid", "same")

_SURROUNDINGS: Final = {True: 6, False: 4}
"""How often the standard grid repeats a tuple of one axis, each time in other surroundings.

By whether the layer convolves.
"""

_PARTNERS: Final = 3
"""In two dimensions, the standard grid pairs each tuple with every third of the others."""

_DISTINCT: Final = {
    "batch": 2,
    "rows": 8,
    "columns": 7,
    "channels": 3,
    "filters": 4,
    "kernel rows": 6,
    "kernel columns": 5,
}
"""Sizes of which no two are equal."""


def _dilates(layer: str) -> bool:
    return LAYERS[layer].dilates


def first_cases() -> Iterator[Case]:
    """The plainest case of each layer, then that with ``same``, then with strides or dilation."""
    for layer in windowed_layers():
        rank = LAYERS[layer].rank
        yield windowed(layer, (Axis(5, 2), Axis(6, 3))[:rank], form="int")
        yield windowed(layer, (Axis(6, 3, 1), Axis(5, 2, 1))[:rank], "same", spelt_out=True)
        yield windowed(layer, (Axis(7, 2, 2), Axis(8, 3, 3))[:rank], "same")
        if _dilates(layer):
            yield windowed(layer, (Axis(7, 2, 1, 2), Axis(9, 3, 1, 3))[:rank], "same")


def smoke() -> Iterator[Case]:
    """Every tuple on every axis once, on plain operands."""
    for index, (layer, padding, windows) in enumerate(_diagonals()):
        yield rotated(layer, windows, padding, index, plain=True)


def _diagonals() -> Iterator[tuple[str, str, Sequence[Axis]]]:
    """In two dimensions each tuple is paired with the next of its family, and stands second there.

    The successor of the last is the first, so that every tuple is first once and second once.
    """
    for layer, padding in product(windowed_layers(), PADDINGS):
        for family in FAMILIES[padding][: 3 if _dilates(layer) else 2]:
            for position, one in enumerate(family):
                other = family[(position + 1) % len(family)]
                yield layer, padding, (one, other)[: LAYERS[layer].rank]


def standard() -> Iterator[Case]:
    """Tuples on two axes in many compatible pairs; every tuple on one axis, several times."""
    for index, (layer, padding, windows) in enumerate(_all_combinations()):
        yield rotated(layer, windows, padding, index, plain=False)


def _all_combinations() -> Iterator[tuple[str, str, Sequence[Axis]]]:
    for layer, padding in product(windowed_layers(), PADDINGS):
        single = axes(padding, _dilates(layer))
        if LAYERS[layer].rank == 1:
            for one, _ in product(single, range(_SURROUNDINGS[LAYERS[layer].convolves])):
                yield layer, padding, (one,)
        else:
            for (i, one), (j, other) in product(enumerate(single), repeat=2):
                if (i + j) % _PARTNERS == 0 and compatible(one, other):
                    yield layer, padding, (one, other)


def coincidences() -> Iterator[Case]:
    """Any two sizes equal, all others distinct: no shortcut taken on equality may show."""
    for layer in windowed_layers():
        names = [name for name in _DISTINCT if _has(layer, name)]
        for one, other in combinations(names, 2):
            for data_format in ("channels_last", "channels_first")[: LAYERS[layer].rank]:
                yield _with_sizes(layer, _DISTINCT | _equal(one, other), data_format)


def cubes() -> Iterator[Case]:
    """As many channels as every axis is long: neither shape nor strides tell the data format."""
    for layer, padding, step in product(windowed_layers(), PADDINGS, (1, 2)):
        rank, size = LAYERS[layer].rank, 2 + 3 * step
        chosen = (Axis(size, 3, step), Axis(size, 2, step))[:rank]
        for data_format in ("channels_last", "channels_first"):
            yield windowed(layer, chosen, padding, channels=size, data_format=data_format)


def tiled() -> Iterator[Case]:
    """Windows side by side over lengths that they do not divide: the last one is cut, or left out.

    A kernel that goes on reading there finds the next row.
    """
    for layer, window, padding in product(windowed_layers(), (2, 3), ("same", "valid")):
        axes = (Axis(2 * window + 1, window, window), Axis(3 * window - 1, window, window))
        for chosen in (axes, axes[::-1]):
            yield windowed(layer, chosen[: LAYERS[layer].rank], padding)
            if LAYERS[layer].rank == 2:
                yield windowed(layer, chosen, padding, data_format="channels_first")


def wide_strides() -> Iterator[Case]:
    """Strides beyond the window whose last window reaches so far out that both ends are padded."""
    for layer, data_format in product(windowed_layers(), ("channels_last", "channels_first")):
        for chosen in ((Axis(5, 3, 4), Axis(6, 4, 5)), (Axis(6, 4, 5), Axis(5, 3, 4))):
            yield windowed(layer, chosen[: LAYERS[layer].rank], "same", data_format=data_format)


def far_elements() -> Iterator[Case]:
    """Elements of one window that lie farther apart in memory than 16 bits count."""
    for layer in convolution_layers():
        if LAYERS[layer].rank > 1:
            axes = (Axis(5, 5), Axis(129, 2, 43))
            yield windowed(layer, axes, batch=1, channels=128, filters=1)


def corners() -> Iterator[Case]:
    """More outputs, filters and channels than tiles of a product hold, each with a rest.

    A corner tile, at which two of them end, may be a loop of its own.
    """
    forms: tuple[dict[str, Any], ...] = (
        {},
        {"data_format": "channels_first"},
        {"dtype": "float64"},
    )
    for layer in convolution_layers():
        rank = LAYERS[layer].rank
        axes = (Axis(4, 2), Axis(24, 2)) if rank == 2 else (Axis(68, 2),)
        for form in forms:
            yield windowed(layer, axes, batch=1, channels=3, filters=37, **form)
        axes = (Axis(4, 2), Axis(8, 2)) if rank == 2 else (Axis(22, 3),)
        rest: dict[str, Any] = {"batch": 1, "channels": 13, "filters": 21}
        yield windowed(layer, axes, observe="gradients", **rest)
        yield windowed(layer, axes, **rest)


def _has(layer: str, name: str) -> bool:
    return (LAYERS[layer].rank == 2 or "columns" not in name) and (
        LAYERS[layer].convolves or name != "filters"
    )


def _equal(one: str, other: str) -> dict[str, int]:
    """Both at the value of whichever leaves the kernel within the input, and small."""
    inputs = ("rows", "columns")
    value = _DISTINCT[other] if one in inputs or other.startswith("kernel") else _DISTINCT[one]
    return {one: value, other: value}


def _with_sizes(layer: str, sizes: dict[str, int], data_format: str) -> Case:
    rows = Axis(sizes["rows"], min(sizes["kernel rows"], sizes["rows"]))
    columns = Axis(sizes["columns"], min(sizes["kernel columns"], sizes["columns"]))
    rest: dict[str, Any] = {"data_format": data_format} if LAYERS[layer].rank == 2 else {}
    return windowed(
        layer,
        (rows, columns)[: LAYERS[layer].rank],
        batch=sizes["batch"],
        channels=sizes["channels"],
        filters=sizes["filters"],
        **rest,
    )


def extremes() -> Iterator[Case]:
    """Long thin inputs, single elements, far dilation, much padding, wide strides."""
    one_axis = (
        (Axis(200, 3), "valid"),
        (Axis(200, 2, 3), "same"),
        (Axis(400, 80, 16), "valid"),
        (Axis(120, 16), "same"),
        (Axis(33, 3, 1, 16), "valid"),
        (Axis(17, 3, 1, 16), "same"),
        (Axis(40, 2, 1, 39), "valid"),
        (Axis(9, 3, 1, 8), "same"),
        (Axis(5, 3, 1, 8), "same"),
        (Axis(2, 9), "same"),
        (Axis(1, 8), "same"),
        (Axis(3, 40), "same"),
        (Axis(50, 1, 49), "valid"),
        (Axis(50, 2, 13), "same"),
        (Axis(2, 3, 50), "same"),
        (Axis(1, 1), "same"),
        (Axis(1, 1, 3), "valid"),
    )
    for layer, (axis, padding) in product(windowed_layers(), one_axis):
        if axis.dilation > 1 and not _dilates(layer):
            continue
        thin = Axis(1, 1) if padding == "valid" else Axis(2, 1)
        pairs = ((axis,),) if LAYERS[layer].rank == 1 else ((axis, thin), (thin, axis))
        for position, windows in enumerate(pairs):
            channels, filters = ((1, 2), (2, 3))[position] if _dilates(layer) else (3, 1)
            yield windowed(layer, windows, padding, batch=1, channels=channels, filters=filters)


def pointwise() -> Iterator[Case]:
    """Windows of one element, with strides: what fast paths for matrix products handle."""
    for layer, padding, stride in product(windowed_layers(), PADDINGS, (1, 2, 3)):
        windows = (Axis(7, 1, stride), Axis(8, 1, 4 - stride))[: LAYERS[layer].rank]
        for channels, filters in ((1, 2), (3, 1), (16, 5)):
            sizes: dict[str, Any] = {"channels": channels, "filters": filters}
            yield windowed(layer, windows, padding, **sizes)
            if LAYERS[layer].rank == 2:
                yield windowed(layer, windows, padding, data_format="channels_first", **sizes)


_REMAINDERS: Final = (
    (3, 5),
    (4, 33),
    (5, 32),
    (7, 9),
    (8, 17),
    (9, 31),
    (15, 4),
    (16, 7),
    (17, 8),
    (31, 3),
    (32, 15),
    (33, 16),
)
"""Channels and filters below, at and off the multiples of 4, 8, 16 and 32."""


_LONG: Final = ((1 << 15) + 5, (1 << 16) + 5)
"""Lengths that positions of 16 bits, with a sign and without, do not reach."""

_FAR_APART: Final = 1021
"""A stride that leaves few outputs of a long axis."""


_WIDE: Final = (127, 129, 255, 256, 257, 511, 513, 1023, 1024, 1025)
"""Channels and filters around powers of two, up to those of large networks."""


def reach() -> Iterator[Case]:
    """Sizes of large networks, with few elements otherwise.

    Channels and filters to 1,025; windows as long as their stride, as patches are embedded; windows
    of one by many with strides; strides so far beyond the window that SAME would pad -3 and less;
    lengths beyond 2**15 and 2**16, of inputs and of outputs.
    """
    for layer in windowed_layers():
        rank, dilates = LAYERS[layer].rank, _dilates(layer)
        for index, size in enumerate(_WIDE):
            one = (Axis(2, 1), Axis(1, 1))[:rank]
            yield windowed(layer, one, batch=1, channels=size, filters=1 + index % 2)
            if dilates:
                yield windowed(layer, one, batch=1, channels=1 + index % 3, filters=size)
        for k in (4, 7, 8, 14, 16):
            patches = (Axis(2 * k + 1, k, k), Axis(k, k, k))[:rank]
            yield windowed(layer, patches, batch=1, channels=1, filters=3)
            yield windowed(layer, patches, "same", batch=1, channels=1, filters=2)
        for k, s in ((1, 4), (1, 5), (2, 7), (3, 8)):
            far = (Axis(2 * s, k, s), Axis(3 * s, k, s))[:rank]
            for channels in (1, 3):
                yield windowed(layer, far, "same", batch=1, channels=channels, filters=2)
        yield from _long(layer)
        if rank == 2:
            for k, strides, padding in product((5, 7), ((1, 2), (2, 1), (2, 3)), PADDINGS):
                for first, last in (((9, 1), (8, k)), ((8, k), (9, 1))):
                    lines = tuple(
                        Axis(*axis, stride)
                        for axis, stride in zip((first, last), strides, strict=True)
                    )
                    yield windowed(layer, lines, padding, batch=1, channels=2, filters=2)


def _long(layer: str) -> Iterator[Case]:
    """Each axis longer than 2**15 and 2**16, few outputs of it; and as many outputs of one."""
    rank = LAYERS[layer].rank
    for length, padding, axis in product(_LONG, PADDINGS, range(rank)):
        axes = [Axis(1, 1)] * rank
        axes[axis] = Axis(length, 3, _FAR_APART)
        yield windowed(layer, tuple(axes), padding, batch=1, channels=1, filters=2)
    if rank == 1:
        every = (Axis(_LONG[-1], 2),)
        yield windowed(layer, every, batch=1, channels=1, filters=1, operands="small")


def widths() -> Iterator[Case]:
    """Channels, filters and lengths at and around the widths at which kernels change algorithm."""
    for layer in windowed_layers():
        rank = LAYERS[layer].rank
        small = (Axis(4, 3), Axis(3, 2))[:rank]
        for index, channels in enumerate((1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)):
            sizes: dict[str, Any] = {"channels": channels, "filters": (1, 2, 3, 8)[index % 4]}
            yield windowed(layer, small, PADDINGS[index % 2], **sizes)
            if rank == 2:
                yield windowed(layer, small, "same", data_format="channels_first", **sizes)
        if _dilates(layer):
            for index, filters in enumerate((1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64)):
                channels = (1, 3, 8, 2)[index % 4]
                yield windowed(layer, small, "same", batch=1, channels=channels, filters=filters)
        for length in (7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65):
            windows = (Axis(length, 3), Axis(2, 2))[:rank]
            yield windowed(layer, windows, "same", batch=1, channels=1, filters=2)
            yield windowed(layer, windows[::-1], "valid", batch=2, channels=2, filters=1)


def batches() -> Iterator[Case]:
    """Batches of none, one, and many: some algorithms are chosen by the batch."""
    for layer, batch, padding in product(windowed_layers(), (0, 1, 5, 15, 16, 17, 32), PADDINGS):
        plain = (Axis(5, 3), Axis(6, 3))[: LAYERS[layer].rank]
        yield windowed(layer, plain, padding, batch=batch, channels=1, filters=2)
        if batch < 16:
            strided = (Axis(5, 2, 2), Axis(4, 3, 2))[: LAYERS[layer].rank]
            yield windowed(layer, strided, padding, batch=batch)
    for layer, batch in product(windowed_layers(), (257, 513)):
        few = (Axis(3, 2), Axis(2, 1))[: LAYERS[layer].rank]
        yield windowed(layer, few, batch=batch, channels=1, filters=2)


def large() -> Iterator[Case]:
    """More outputs, and more products in all, than an implementation computes in one block.

    Blocks of 2**14 elements of the output, and of up to 2 MiB of copied windows, are exceeded: by
    one long axis, by two, by the batch, with few channels and with many.  Fixtures hold the
    outputs, so there are no more of them than it takes.
    """
    long, plane = (Axis(5602, 3),), (Axis(91, 3), Axis(100, 3))
    yield windowed("Conv1D", long, batch=1, channels=2, filters=3)
    yield windowed("Conv1D", long, batch=1, channels=2, filters=3, dtype="float64")
    yield windowed("Conv2D", plane, "same", batch=1, channels=2, filters=2, operands="reals")
    for padding, dtype in product(PADDINGS, ("float32", "float64")):
        rest: dict[str, Any] = {"dtype": dtype, "operands": "reals"}
        yield windowed("Conv1D", (Axis(50, 4),), padding, batch=40, channels=20, filters=1, **rest)
        wide = (Axis(24, 5), Axis(26, 5))
        yield windowed("Conv2D", wide, padding, channels=16, filters=2, **rest)
        rest |= {"data_format": "channels_first", "batch": 1}
        dilated = (Axis(60, 3, 1, 2), Axis(71, 3, 1, 3))
        yield windowed("Conv2D", dilated, padding, channels=8, filters=1, **rest)
        strided = (Axis(120, 3, 2), Axis(131, 4, 2))
        yield windowed("Conv2D", strided, padding, channels=5, filters=1, **rest)
    yield windowed("MaxPooling1D", (Axis(4001, 3, 2),), "same", batch=1)
    yield windowed("MaxPooling2D", plane, batch=1)


def remainders() -> Iterator[Case]:
    """Channels and filters that leave a remainder of the blocks of kernels, or leave none.

    Pointwise over sizes that the strides divide, where a kernel may copy the inputs that it meets,
    and windows of three, on even and on odd sizes.
    """
    turns = (2, 3, 5)
    for layer in windowed_layers():
        if not LAYERS[layer].convolves:
            continue
        rank = LAYERS[layer].rank
        for index, (channels, filters) in enumerate(_REMAINDERS):
            sizes: dict[str, Any] = {"channels": channels, "filters": filters}
            even, batch = (Axis(4, 1, 2), Axis(6, 1, 3))[:rank], turns[index % 3]
            yield windowed(layer, even, batch=batch, **sizes)
            yield windowed(
                layer, (Axis(4 + index % 2, 3), Axis(3, 2, 2))[:rank], "same", batch=1, **sizes
            )
        yield from _divided(layer, 2)


def uneven_batches() -> Iterator[Case]:
    """Pointwise convolutions whose batch two or four threads cannot share evenly."""
    for layer, batch in product(windowed_layers(), (3, 5)):
        if LAYERS[layer].convolves:
            yield from _divided(layer, batch)


def _divided(layer: str, batch: int) -> Iterator[Case]:
    """Pointwise, over sizes that the strides divide."""
    axes = (Axis(10, 1, 2), Axis(12, 1, 2))[: LAYERS[layer].rank]
    for channels in (2, 3, 4, 7, 8, 9, 15, 16):
        yield windowed(layer, axes, batch=batch, channels=channels)


def empties() -> Iterator[Case]:
    """Axes of length zero: the output has no elements.

    Convolutions of inputs without channels are left out: of them the documentation says nothing.
    """
    for layer in windowed_layers():
        rank = LAYERS[layer].rank
        full, empty = Axis(4, 2), Axis(0, 2)
        yield windowed(layer, (empty, full)[:rank], "same")
        yield windowed(layer, (Axis(0, 3, 2), full)[:rank], "same", batch=1)
        if not _dilates(layer):
            yield windowed(layer, (full, full)[:rank], "same", channels=0)
            yield windowed(layer, (Axis(5, 2, 2), full)[:rank], channels=0)
            yield windowed(layer, (full, Axis(3, 2))[:rank], batch=0, channels=0)
        if rank == 2:
            yield windowed(layer, (full, empty), "same")
            yield windowed(layer, (empty, empty), "same", data_format="channels_first")
            yield windowed(layer, (full, full), batch=0, data_format="channels_first")


def symbolic() -> Iterator[Case]:
    """Shapes with free lengths, and shapes too large to compute values for."""
    for layer, padding in product(windowed_layers(), PADDINGS):
        for index, one in enumerate(axes(padding, _dilates(layer))):
            other = FAMILIES[padding][0][index % 5]
            case = rotated(layer, (one, other)[: LAYERS[layer].rank], padding, index, plain=True)
            yield case.replace(inputs=(None, *(case.inputs or ())[1:]), observe="shape")
    yield from _free_lengths()
    yield from _large_shapes()


def _free_lengths() -> Iterator[Case]:
    for layer, padding in product(windowed_layers(), PADDINGS):
        rank = LAYERS[layer].rank
        windows = (Axis(7, 3, 2), Axis(9, 2, 3))[:rank]
        formats: tuple[dict[str, Any], ...] = ({}, {"data_format": "channels_first"})
        for rest, free in product(formats[:rank], product((False, True), repeat=rank + 1)):
            case = windowed(layer, windows, padding, **rest)
            known = (2, *(a.length for a in windows))
            sizes = [None if hidden else size for hidden, size in zip(free, known, strict=True)]
            inputs = shape(sizes[0], sizes[1:], 3, rest.get("data_format"))  # type: ignore[arg-type]
            yield case.replace(inputs=inputs, observe="shape")


def _large_shapes() -> Iterator[Case]:
    for layer, padding in product(windowed_layers(), PADDINGS):
        strided = (Axis(224, 7, 2), Axis(225, 5, 3))[: LAYERS[layer].rank]
        plain = (Axis(1000, 3), Axis(999, 2))[: LAYERS[layer].rank]
        for windows in (strided, plain):
            yield windowed(layer, windows, padding, batch=64, channels=3, filters=64).replace(
                observe="shape"
            )
    for padding, rate in product(PADDINGS, (2, 100)):
        dilated = (Axis(1000, 3, 1, rate),)
        yield windowed("Conv1D", dilated, padding, filters=128).replace(observe="shape")
        square = (Axis(512, 3, 1, rate), Axis(384, 2, 1, 1))
        yield windowed("Conv2D", square, padding, filters=128).replace(observe="shape")


def few_symbolic() -> Iterator[Case]:
    """Free lengths one at a time, and all of them."""
    for layer in windowed_layers():
        rank = LAYERS[layer].rank
        case = windowed(layer, (Axis(7, 3, 2), Axis(9, 2, 3))[:rank], "same")
        sizes = case.inputs or ()
        for position in range(rank + 1):
            inputs = (*sizes[:position], None, *sizes[position + 1 :])
            yield case.replace(inputs=inputs, observe="shape")
        yield case.replace(inputs=(*[None] * (rank + 1), 3), observe="shape")


def few_sizes() -> Iterator[Case]:
    """Batches of none and of many, an empty axis, and all sizes equal, once a layer."""
    for layer in windowed_layers():
        plain = (Axis(5, 3), Axis(6, 3))[: LAYERS[layer].rank]
        for batch in (0, 16):
            yield windowed(layer, plain, "same", batch=batch, channels=1, filters=2)
        yield windowed(layer, (Axis(0, 2), Axis(4, 2))[: LAYERS[layer].rank], "same")
        equal = (Axis(4, 3), Axis(4, 3))[: LAYERS[layer].rank]
        yield windowed(layer, equal, "same", batch=4, channels=4, filters=4, form="int")

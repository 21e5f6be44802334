"""What the convolutions have gained since the documentation: causal padding, and groups."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis, axes, compatible
from conformance.cases.grids.build import rotated, windowed
from conformance.cases.grids.exhaustive import small_axes
from conformance.cases.grids.gradients import differentiated
from conformance.cases.grids.values import LOCAL_KINDS, kinds_of
from conformance.cases.operands import FLOATING_DTYPES
from conformance.layers.registry import LAYERS

CAUSAL: Final = "causal"

_FIRST: Final[dict[str, Any]] = {"data_format": "channels_first"}
_VALID: Final = (Axis(5, 2), Axis(6, 3))
_SAME: Final = (Axis(7, 3, 2), Axis(8, 2, 3))
_DILATED: Final = (Axis(7, 3, 1, 2), Axis(6, 2, 1, 3))

_LONG: Final[tuple[tuple[Axis, Axis], ...]] = (
    (Axis(12, 9), Axis(11, 3)),  # one axis alone has nine taps, or two of them
    (Axis(7, 3), Axis(8, 3, 2)),  # padded at the right alone, by one
    (Axis(6, 3, 2), Axis(6, 3, 2)),
    (Axis(8, 5, 2), Axis(7, 5)),
    (Axis(9, 3, 2), Axis(9, 3, 2)),
)
"""Windows of depthwise and grouped kernels of known networks, which take taps in blocks."""

PARTS: Final = (
    (2, 2, 2),  # one channel and one filter each
    (2, 4, 2),  # several channels each
    (3, 3, 6),  # several filters each
    (2, 4, 6),  # several of both
    (3, 6, 3),
    (4, 8, 12),
    (8, 8, 8),
    (5, 5, 10),
    (16, 16, 16),
    (9, 9, 18),
    (2, 16, 10),
)
"""Groups, channels and filters."""


def _causal_layers() -> tuple[str, ...]:
    return LAYERS.names(lambda layer: CAUSAL in layer.paddings)


def grouped_layers() -> tuple[str, ...]:
    """The layers that know groups."""
    return LAYERS.names(lambda layer: "groups" in layer.added)


def _grouped(
    layer: str, windows: tuple[Axis, ...], parts: tuple[int, int, int], **rest: Any
) -> Case:
    groups, channels, filters = parts
    fields = {"padding": "valid"} | rest
    padding = fields.pop("padding")
    rank = LAYERS[layer].rank
    return windowed(
        layer,
        windows[:rank],
        padding,
        groups=groups,
        channels=channels,
        filters=filters,
        **fields,
    )


def smoke() -> Iterator[Case]:
    """Every causal window once; groups of one and of several, with each argument about windows."""
    for layer in _causal_layers():
        for index, one in enumerate(axes(CAUSAL, dilated=True)):
            yield rotated(layer, (one,), CAUSAL, index, plain=True)
        yield windowed(layer, (Axis(7, 3, 2),), CAUSAL, **_FIRST)
        yield windowed(layer, (Axis(7, 3, 1, 2),), CAUSAL, operands="reals")
        yield windowed(layer, (Axis(6, 3),), CAUSAL, operands="one_nan")
        yield windowed(layer, (Axis(6, 3),), CAUSAL, batch=0)
        yield windowed(layer, (Axis(6, 3),), CAUSAL, dtype="float64")
    for layer in grouped_layers():
        yield from _plain_groups(layer)
        inputs, accepted = LAYERS[layer].accepted
        for groups in (2, 3):  # of 3 channels and 4 filters
            yield _rejected(layer, inputs, **accepted, groups=groups)


def _plain_groups(layer: str) -> Iterator[Case]:
    """Each number of parts; strides, dilation, padding, layout, bias, kinds, activations."""
    yield _grouped(layer, _VALID, (1, 3, 4))
    for parts in PARTS[:6]:
        yield _grouped(layer, _VALID, parts)
    yield _grouped(layer, _SAME, (2, 4, 6), padding="same")
    yield _grouped(layer, _DILATED, (3, 6, 3), padding="same")
    yield _grouped(layer, _SAME, (2, 4, 6), padding="same", **_FIRST)
    yield _grouped(layer, _VALID, (3, 3, 6), use_bias=False)
    yield _grouped(layer, _VALID, (2, 4, 6), batch=0)
    for kind in ("reals", "one_nan", "kernel_nan"):
        yield _grouped(layer, _VALID, (2, 4, 6), operands=kind)
    yield _grouped(layer, _VALID, (2, 4, 6), operands="reals", dtype="float64")
    yield _grouped(layer, _VALID, (2, 4, 6), operands="reals", activation="softmax")
    if CAUSAL in LAYERS[layer].paddings:
        yield _grouped(layer, _DILATED, (2, 4, 6), padding=CAUSAL)
        yield _grouped(layer, _SAME, (3, 6, 3), padding=CAUSAL, **_FIRST)


def standard() -> Iterator[Case]:
    """In other surroundings: layouts, batches, dtypes, kinds, activations, widths."""
    for layer in _causal_layers():
        yield from _causal(layer)
    for layer in grouped_layers():
        yield from _groups(layer)
        yield from _long_groups(layer)


def _causal(layer: str) -> Iterator[Case]:
    for index, (one, turn) in enumerate(product(axes(CAUSAL, dilated=True), range(2))):
        case = rotated(layer, (one,), CAUSAL, 7 * index + turn, plain=False)
        sizes = case.inputs or ()
        first = (sizes[0], *sizes[:0:-1])
        yield case.replace(inputs=first, **_FIRST) if turn == 1 else case
    for kind in kinds_of(layer):
        yield windowed(layer, (Axis(8, 3, 2),), CAUSAL, operands=kind)
    for dtype, kind in product(FLOATING_DTYPES, ("reals", "integers", "positive", "wide")):
        yield windowed(layer, (Axis(9, 4, 1, 2),), CAUSAL, operands=kind, dtype=dtype)
    for kind in LOCAL_KINDS:
        yield windowed(layer, (Axis(64, 5),), CAUSAL, channels=1, filters=2, operands=kind)
    for batch in (0, 1, 5, 16, 17):
        yield windowed(layer, (Axis(5, 3),), CAUSAL, batch=batch, channels=1, filters=2)
    for activation in ("relu", "tanh", "softmax"):
        yield windowed(layer, (Axis(6, 3),), CAUSAL, operands="reals", activation=activation)
    for one in (Axis(200, 3), Axis(40, 2, 1, 39), Axis(3, 40), Axis(2, 3, 50), Axis(33, 3, 1, 16)):
        yield windowed(layer, (one,), CAUSAL, batch=1, channels=1, filters=2)
    yield windowed(layer, (Axis(0, 3),), CAUSAL)


def more_causal() -> Iterator[Case]:
    """Windows and strides of either parity over lengths of every remainder, forward and backward.

    Where padding is cut off after the strides, it depends on these whether enough is.
    """
    sizes = product((5, 6, 7, 8), (2, 4, 5), (2, 3))
    for layer, (length, window, stride) in product(_causal_layers(), sizes):
        case = windowed(layer, (Axis(length, window, stride),), CAUSAL)
        yield case
        if (length + window) % 3 == 0:
            yield case.replace(observe="gradients")


def _long_groups(layer: str) -> Iterator[Case]:
    """Depthwise and grouped kernels of many taps, over all their padding."""
    parts = (PARTS[0], PARTS[3], PARTS[6])
    for turn, (windows, sizes) in enumerate(product(_LONG, parts)):
        form: dict[str, Any] = _FIRST if turn // 2 % 2 else {}
        for padding in ("valid", "same"):
            yield _grouped(layer, windows, sizes, padding=padding, **form)


def _groups(layer: str) -> Iterator[Case]:
    paddings = (*(p for p in LAYERS[layer].paddings if p != "same"), "same")
    for turn, parts in enumerate(PARTS):
        padding = paddings[turn % len(paddings)]
        form: dict[str, Any] = _FIRST if turn % 2 else {}
        for windows in (_SAME, _DILATED):
            yield _grouped(layer, windows, parts, padding=padding, **form)
        yield _grouped(layer, (Axis(4, 1, 2), Axis(6, 1, 3)), parts, operands="reals")
    for turn, kind in enumerate(kinds_of(layer)):
        windows, padding = ((_VALID, "valid"), (_SAME, "same"))[turn % 2]
        yield _grouped(layer, windows, (2, 4, 6), padding=padding, operands=kind)
    for dtype, kind in product(FLOATING_DTYPES, ("integers", "reals", "positive")):
        yield _grouped(layer, _VALID, (2, 32, 2), batch=1, operands=kind, dtype=dtype)
        rest: dict[str, Any] = {"dtype": dtype, "operands": kind, **_FIRST}
        yield _grouped(layer, _SAME, (4, 4, 8), padding="same", **rest)
    for turn, (dtype, parts) in enumerate(product(FLOATING_DTYPES, ((3, 3, 6), (2, 4, 6)))):
        kind = ("one_nan", "one_infinity")[turn // 2 % 2]
        yield _grouped(layer, _VALID, parts, operands=kind, dtype=dtype)
    for activation in ("relu", "tanh", "gelu", "log_softmax", "sparsemax"):
        yield _grouped(layer, _VALID, (2, 4, 6), operands="reals", activation=activation)
    for batch in (0, 1, 5, 16, 17):
        yield _grouped(layer, _VALID, (2, 2, 4), batch=batch)
    case = _grouped(layer, _VALID, (2, 4, 6))
    sizes = case.inputs or ()
    for inputs in ((None, *sizes[1:]), (sizes[0], None, *sizes[2:])):
        yield case.replace(observe="shape", inputs=inputs)


def gradients_smoke() -> Iterator[Case]:
    """Every third of the plainest cases."""
    yield from differentiated(filter(_is_to_be_differentiated, islice(smoke(), 0, None, 3)))


def gradients() -> Iterator[Case]:
    """Every other of the plainest cases, and every third of the rest, but for some kinds."""
    yield from differentiated(islice(filter(_is_to_be_differentiated, smoke()), 0, None, 2))
    yield from differentiated(islice(filter(_is_to_be_differentiated, standard()), 0, None, 3))


_LEFT_OUT: Final = frozenset(
    {
        *("specials", "overflow", "one_nan", "one_infinity", "spike"),
        *("kernel_nan", "kernel_infinity"),
        "sliced",
    }
)
"""Operands that are not finite, and what `conformance.cases.grids.gradients` has in every layer."""


def _is_to_be_differentiated(case: Case) -> bool:
    return case.operands not in _LEFT_OUT


def rejections() -> Iterator[Case]:
    """Groups that divide the filters or the channels alone, and causal padding out of its place."""
    for layer in grouped_layers():
        inputs, accepted = LAYERS[layer].accepted
        yield _rejected(layer, inputs, **accepted, groups=4)
        rest = {"data_format": "channels_first"}
        first = (inputs[0] or 0, 3, *(n or 0 for n in inputs[1:-1]))
        yield _rejected(layer, first, **accepted, **rest, groups=2)
    for layer in _causal_layers():
        inputs, accepted = LAYERS[layer].accepted
        steps = {"strides": 2, "dilation_rate": 2}
        yield _rejected(layer, inputs, **accepted, **steps, padding=CAUSAL)


def _rejected(layer: str, inputs: tuple[int | None, ...], **arguments: Any) -> Case:
    return Case.of(layer, inputs, observe="rejection", **arguments)


def full() -> Iterator[Case]:
    """All small causal windows; all small windows of one axis in two and three groups."""
    for layer in _causal_layers():
        for one in small_axes(1, dilates=True):
            yield windowed(layer, (one,), CAUSAL, channels=2, filters=3, form="int")
    for layer in grouped_layers():
        single = small_axes(1, dilates=True)
        if LAYERS[layer].rank > 1:
            single = [a for a in single if a.length in (3, 5) and a.window < 4 and a.stride < 3]
        for padding, windows in product(
            LAYERS[layer].paddings, product(single, repeat=LAYERS[layer].rank)
        ):
            fits = padding != "valid" or all(a.span <= a.length for a in windows)
            if fits and compatible(*windows):
                for parts in ((2, 4, 2), (3, 3, 6)):
                    yield _grouped(layer, windows, parts, padding=padding, batch=1)

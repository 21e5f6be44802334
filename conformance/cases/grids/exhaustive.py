"""All small windows: every length, window, stride, dilation rate and padding up to a stated size.

One axis: lengths 1 to 9, windows 1 to 5, strides 1 to 4, dilation rates 1 to 3.  Two axes: lengths
1 to 6, windows 1 to 4, strides 1 to 3 and dilation rates 1 to 2 on each, in all combinations that
the documentation allows and that have an output.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from conformance.cases.case import Case
from conformance.cases.grids.axes import Axis, compatible
from conformance.cases.grids.build import windowed
from conformance.layers.registry import LAYERS, windowed_layers

_SMALL: Final = {1: (9, 5, 4, 3), 2: (6, 4, 3, 2)}
"""Greatest length, window, stride and dilation rate, by the number of axes."""


def small_axes(rank: int, dilates: bool) -> list[Axis]:
    """The small windows along one of so many axes."""
    length, window, stride, dilation = _SMALL[rank]
    ranges = [range(1, greatest + 1) for greatest in (length, window, stride, dilation)]
    single = (Axis(*sizes) for sizes in product(*ranges))
    return [a for a in single if compatible(a) and (dilates or a.dilation == 1)]


def small_windows() -> Iterator[Case]:
    """All small windows of all layers, on plain operands."""
    for layer in windowed_layers():
        rank = LAYERS[layer].rank
        single = small_axes(rank, dilates=LAYERS[layer].dilates)
        for padding, windows in product(("valid", "same"), product(single, repeat=rank)):
            fits = padding == "same" or all(a.span <= a.length for a in windows)
            if fits and compatible(*windows):
                yield windowed(layer, windows, padding, channels=2, filters=3, form="int")

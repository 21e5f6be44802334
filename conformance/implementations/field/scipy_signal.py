"""SciPy: correlation of whole arrays, and the maximum filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import numpy as np

from conformance.cases.facts import Facts
from conformance.implementations.engine import Array, Takes
from conformance.implementations.field.functions import Functions, Window
from conformance.implementations.options import Effect, Options, one_of

_DTYPES: Final = frozenset({"float32", "float64"})
_ACTIVATIONS: Final[Mapping[str, Callable[[Any, Array, int], Array]]] = {
    "sigmoid": lambda special, y, axis: special.expit(y),
    "log_sigmoid": lambda special, y, axis: special.log_expit(y),
    "softmax": lambda special, y, axis: special.softmax(y, axis=axis),
    "log_softmax": lambda special, y, axis: special.log_softmax(y, axis=axis),
}
_METHOD: Final = one_of(
    "method",
    "which correlates by {}",
    {name: Effect(arguments={"method": name}) for name in ("direct", "fft")},
)


class SciPy(Functions):
    """`scipy.signal.correlate` for each filter, `scipy.ndimage.maximum_filter`; strides after."""

    maker: ClassVar = "SciPy"
    distribution: ClassVar = "scipy"
    module: ClassVar = "scipy"
    channels_first: ClassVar = False
    kernel: ClassVar = "*io"
    takes: ClassVar = Takes(
        {"convolution": _DTYPES, "pooling": _DTYPES, "flatten": frozenset()},
        frozenset({"linear", *_ACTIVATIONS}),
        empty="none",
        dilation=False,
        groups=False,
    )

    def __init__(self, name: str, method: str = "auto") -> None:
        super().__init__(name)
        self._method = method

    def refusal(self, known: Facts) -> str | None:
        """As `Engine.refusal`; a filter knows no windows that do not fit."""
        if known.is_pooling and known.case.observe == "rejection":
            return f"{self.maker} filters whole arrays, of whatever length"
        return super().refusal(known)

    def convolve(self, x: Array, kernel: Array, bias: Array | None, window: Window) -> Array:
        """The valid correlation with each filter, and every so many of its elements."""
        correlate = self.library.signal.correlate
        parts = [
            correlate(x, kernel[None, ..., i], mode="valid", method=self._method)[..., 0]
            for i in range(kernel.shape[-1])
        ]
        y: Array = np.stack(parts, axis=-1)[_steps(window)]
        return y if bias is None else y + bias

    def pool(self, x: Array, window: Window) -> Array:
        """The maximum filter whose windows begin at their element."""
        origin = (0, *(-(k // 2) for k in window.size), 0)
        y = self.library.ndimage.maximum_filter(
            x, (1, *window.size, 1), origin=origin, mode="constant", cval=-np.inf
        )
        inside = (slice(None), *(slice(1 - k or None) for k in window.size))
        found: Array = y[inside][_steps(window)]
        return found

    def activate(self, name: str, y: Array, axis: int) -> Array:
        """Of `scipy.special`."""
        return _ACTIVATIONS[name](self.library.special, y, axis)


def _steps(window: Window) -> tuple[slice, ...]:
    return (slice(None), *(slice(None, None, step) for step in window.strides))


FAMILY: Final = SciPy.family(
    "scipy",
    "SciPy's correlation and maximum filter",
    options=Options((_METHOD,)),
)

"""Initial kernels that make a convolution compute a short-time Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from reference_impl.engine.arguments import boolean, wrong_type, wrong_value
from reference_impl.engine.dtypes import is_float
from reference_impl.engine.identifiers import deserialize_value
from reference_impl.engine.parameters import Array
from reference_impl.initializers.base import Initializer, float_dtype, full_shape
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_dyadic
from reference_impl.ops.trigonometry import BITS, ONE, cosine_of_turn, sine_of_turn
from reference_impl.showing import shown

_COSINE_SUMS: Final[dict[str, tuple[str, ...]]] = {
    "boxcar": ("1",),
    "hann": ("0.5", "0.5"),
    "hamming": ("0.54", "0.46"),
    "blackman": ("0.42", "0.5", "0.08"),
    "nuttall": ("0.3635819", "0.4891775", "0.1365995", "0.0106411"),
    "blackmanharris": ("0.35875", "0.48829", "0.14128", "0.01168"),
    "flattop": ("0.21557895", "0.41663158", "0.277263158", "0.083578947", "0.006947368"),
}
_OTHERS: Final = ("bartlett", "triang", "cosine")

WINDOWS: Final = (*_COSINE_SUMS, *_OTHERS)
"""The names of the windows."""


class STFT(Initializer):
    """The real or imaginary part of a Fourier transform over frames, times a window.

    For the shape ``(T, 1, F)``, with ``N = 2 (F - 1)``: element ``[t, 0, k]`` is
    ``cos(-2 pi t k / N)`` or ``sin(-2 pi t k / N)``, times ``window[t] / scaling``, evaluated in
    fixed point to ``2**-230`` and rounded once.  The scaling is ``sqrt(sum(window**2))`` for
    ``"density"``, ``sum(|window|)`` for ``"spectrum"``, and 1 for None or without a window.

    A window by name is that of `scipy.signal.windows` of length T, symmetric or periodic, its
    coefficients taken as decimal numbers; `WINDOWS` are known here.  Keras 3 only.
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        """Make the initializer.

        Args:
            side: ``"real"`` or ``"imag"``.
            window: a name in `WINDOWS`, an array of T numbers, or None.
            scaling: ``"density"``, ``"spectrum"`` or None.
            periodic: whether a named window is periodic rather than symmetric.

        Raises:
            TypeError: if `window` or `periodic` is of another type.
            ValueError: if a name is another.
        """
        if side not in ("real", "imag"):
            raise wrong_value("STFT", "side", side, "'real' or 'imag'")
        if scaling not in ("density", "spectrum", None):
            raise wrong_value("STFT", "scaling", scaling, "'density', 'spectrum' or None")
        self.side = side
        self.window = _checked_window(window)
        self.scaling = scaling
        self.periodic = boolean("STFT", "periodic", periodic)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """The kernel.

        Raises:
            ValueError: if the shape is not ``(T, 1, F)`` with F at least 2, or not the window's.
        """
        format = format_of(float_dtype("STFT", dtype))
        lengths = full_shape("STFT", shape)
        if len(lengths) != 3 or lengths[1] != 1 or lengths[2] < 2:
            raise wrong_value("STFT", "shape", shape, "(T, 1, F) with F of at least 2")
        factors, scaling = self._window(lengths[0])
        turn = cosine_of_turn if self.side == "real" else _negative_sine
        points = 2 * (lengths[2] - 1)
        waves = [turn(step, points) for step in range(points)]
        values = [
            round_dyadic(waves[t * k % points] * factor // scaling, -BITS, format)
            for t, factor in enumerate(factors)
            for k in range(lengths[2])
        ]
        return np.array(values, np.float64).reshape(lengths).astype(format.dtype)

    def _window(self, length: int) -> tuple[list[int], int]:
        """The window's values and the scaling, in fixed point.

        Raises:
            ValueError: if a given window has another length, or a window has only zeros.
        """
        if self.window is None:
            return [ONE] * length, ONE
        from fractions import Fraction

        if isinstance(self.window, str):
            values = named_window(self.window, length, self.periodic)
        else:
            values = [int(Fraction(value) * ONE) for value in self.window.tolist()]
        if len(values) != length:
            raise ValueError(
                f"STFT: argument `window` has {len(values)} elements; expected {length}, the first "
                "length of the shape"
            )
        if self.scaling is None:
            return values, ONE
        squares = math.isqrt(sum(value * value for value in values))
        scaling = squares if self.scaling == "density" else sum(map(abs, values))
        if values and not scaling:
            raise ValueError(
                f"STFT: the window {shown(self.window)} of length {length} is all zero"
            )
        return values, scaling

    def get_config(self) -> dict[str, Any]:
        """``{"side": ..., "window": ..., "periodic": ..., "scaling": ...}``."""
        return {
            "side": self.side,
            "window": self.window,
            "periodic": self.periodic,
            "scaling": self.scaling,
        }


def _checked_window(window: Any) -> Any:
    allowed = "one of " + ", ".join(map(repr, WINDOWS)) + ", a vector of numbers, or None"
    if window is None or isinstance(window, str):
        if window is not None and window not in WINDOWS:
            raise wrong_value("STFT", "window", window, allowed)
        return window
    array = np.asarray(deserialize_value(window))
    if array.dtype.kind not in "iuf" and not is_float(array.dtype):
        raise wrong_type("STFT", "window", window, allowed)
    if array.ndim != 1 or not np.all(np.isfinite(array)):
        raise wrong_value("STFT", "window", window, allowed)
    return array


def _negative_sine(numerator: int, denominator: int) -> int:
    return -sine_of_turn(numerator, denominator)


def named_window(name: str, length: int, periodic: bool) -> list[int]:
    """A window's values in fixed point.

    A periodic window is the symmetric one of one element more, without its last.

    Args:
        name: one of `WINDOWS`.
        length: number of values.
        periodic: whether the window is periodic.
    """
    if length < 2:
        return [ONE] * length
    size = length + periodic
    if name in _COSINE_SUMS:
        return [_cosine_sum(_COSINE_SUMS[name], i, size - 1) for i in range(length)]
    value: dict[str, Callable[[int], int]] = {
        "bartlett": lambda i: ONE * min(2 * i, 2 * (size - 1 - i)) // (size - 1),
        "triang": lambda i: (
            ONE * (min(2 * i, 2 * (size - 1 - i)) + 1 + size % 2) // (size + size % 2)
        ),
        "cosine": lambda i: sine_of_turn(2 * i + 1, 4 * size),
    }
    return list(map(value[name], range(length)))


def _cosine_sum(coefficients: tuple[str, ...], i: int, period: int) -> int:
    """``a0 - a1 cos(2 pi i / period) + a2 cos(4 pi i / period) - ...``."""
    from fractions import Fraction

    total = Fraction(0)
    for k, coefficient in enumerate(coefficients):
        total += (-1) ** k * Fraction(coefficient) * cosine_of_turn(k * i, period)
    return math.floor(total)

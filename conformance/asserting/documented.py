"""Which of Keras' activations a callable is, by what it makes of numbers.

``functools.partial(activations.gelu, approximate=True)``, a lambda around it, and a formula of the
caller's own are the same function.  Parameters are read from values that show them: ``-f(x)`` of
elu and celu far below zero is alpha, ``4 f(0)**2`` of squareplus is b.  What is found must agree
with the callable in float64 on numbers of all signs and sizes to `_CLOSE` of the larger of one and
the argument: rounding and cancellation in a formula stay far below, other functions far above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.judge.activations import ACTIVATIONS, through
from conformance.judge.activations.activation import Activation, Elementwise, Mask, exactly
from conformance.judge.activations.gelu_by_tanh import GELU_BY_TANH
from conformance.judge.activations.pieces import squareplus
from conformance.judge.activations.smooth import celu, elu
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.running_error import Floats, Running

Function = Callable[[Any], Any]

_CLOSE: Final = 2.0**-40
_WIDE: Final = FORMATS["float64"]
_SIZES: Final = np.concatenate([np.geomspace(1e-6, 30.0, 60), np.linspace(0.05, 12.0, 60)])
_PLACES: Final = np.concatenate([-_SIZES, [0.0], _SIZES])
_FAR: Final = -(2.0**20)
_LENGTHS: Final = (2, 3, 4, 5, 6)
"""Of the axes of an array whose rows are looked for, up to as many."""


@dataclass(frozen=True, eq=False)
class Documented:
    """One of Keras' activations, and the axis along which it has rows."""

    activation: Activation
    axis: int | None = None

    @property
    def words(self) -> str:
        """Its name and parameters."""
        along = "" if self.axis is None else f" along axis {self.axis}"
        return f"{self.activation.name}{along}"

    def through(self, x: Running) -> Running:
        """What it makes of numbers, and how far an evaluation may be off."""
        turned = Running(self._turned(x.value), self._turned(x.error), x.format)
        made = through(self.activation, turned)
        return Running(self._back(made.value), self._back(made.error), x.format)

    def pulled_back(self, x: Running, upstream: Floats) -> Running:
        """``J^T u`` at numbers, and how far an evaluation may be off."""
        sums = Running(self._turned(x.value), self._turned(x.error), x.format)
        given = exactly(self._turned(upstream), x.format)
        with np.errstate(all="ignore"):
            made = self.activation.running_pulled_back(sums, given, exact=False)
        return Running(self._back(made.value), self._back(made.error), x.format)

    def may_overflow(self, x: Running) -> Mask:
        """At which numbers the documented formula may leave the range on the way."""
        if isinstance(self.activation, Elementwise):
            return self.activation.may_overflow(x.value, x.error, x.format)
        return np.zeros(x.value.shape, bool)

    def _turned(self, x: Floats) -> Floats:
        return x if self.axis is None else np.moveaxis(x, self.axis, -1)

    def _back(self, x: Floats) -> Floats:
        return x if self.axis is None else np.moveaxis(x, -1, self.axis)


def documented(function: Function, rank: int) -> Documented | None:
    """Which of Keras' activations a callable is; None if none that curves.

    Args:
        function: takes and returns an array.
        rank: that of the arrays that it is for.
    """
    by_rows = _of_rows(function, rank)
    x = _PLACES.reshape((1,) * (rank - 1) + (-1,))
    made = _made(function, x) if by_rows is None else None
    if made is None:
        return by_rows
    found = (Documented(one) for one in _elementwise(function, x))
    return next((one for one in found if _agrees(one, x, made)), None)


def _elementwise(function: Function, x: Floats) -> Iterator[Activation]:
    """The activations of single elements that a callable may be, parameters read from it."""
    yield from (one for one in ACTIVATIONS.values() if not one.rowwise)
    yield GELU_BY_TANH
    ends = _made(function, np.where(np.arange(x.size).reshape(x.shape) % 2, 0.0, _FAR))
    if ends is None:
        return
    far, at_zero = float(ends.flat[0]), float(ends.flat[1])
    if 0 < -far < np.inf:
        yield elu(-far, f"elu with alpha={-far:.9g}")
        yield celu(-far, f"celu with alpha={-far:.9g}")
    b = float(f"{4 * at_zero**2:.15g}")
    if 0 < b < np.inf:
        yield squareplus(b, f"squareplus with b={b:.9g}")


def _of_rows(function: Function, rank: int) -> Documented | None:
    """The activation of rows that a callable is, along whichever axis."""
    shape = _LENGTHS[:rank]
    x = np.random.default_rng(0).normal(size=shape) * 3
    made = _made(function, x)
    if made is None:
        return None
    rows = [one for one in ACTIVATIONS.values() if one.rowwise and one.keeps_shape]
    found = (Documented(one, axis) for one in rows for axis in reversed(range(len(shape))))
    return next((one for one in found if _agrees(one, x, made)), None)


def _agrees(one: Documented, x: Floats, made: Floats) -> bool:
    known = one.through(exactly(x, _WIDE)).value
    return bool(np.all(np.abs(known - made) <= _CLOSE * np.maximum(np.abs(x), 1.0)))


def _made(function: Function, x: Floats) -> Floats | None:
    """What a callable makes of an array; None if it fails, or makes another shape."""
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(function(x), np.float64)
    except Exception:
        return None
    return made if made.shape == x.shape else None

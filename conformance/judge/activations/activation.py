"""What the judge knows of an activation: its definition, and the errors of its evaluation.

**Exactly.**  Arguments are rational.  Where the documented formula is rational, so is the result,
and it is rounded exactly.  Elsewhere the formula is evaluated on balls of growing precision until
both ends of the ball round to the same number (Ziv's strategy).  That ends: at rational arguments
the exponential, and what is built of it, takes algebraic values only in the exceptional cases that
each function settles first (Lindemann-Weierstrass), so no value is the midpoint of two numbers of
the format.

Far from zero the transcendental part is smaller than the gap between an exact sum of products and
any other rounding boundary: both are multiples of ``2**-2148``, and ``exp(-1600) < 2**-2300``.
There only its sign matters, and `HINT`, far smaller still, stands for it.

A gradient is taken back through an activation as ``g = J^T u``, rounded once to float64.  At a kink
one of the one-sided derivatives is taken: where the formula clips, 0 on both sides of relu6,
hard_sigmoid and sparse_sigmoid and 1 on those of hard_tanh; 0 for relu at 0, and the slope below
for leaky_relu; that from above for elu and selu; 0 for the shrinking ones at their thresholds; and
for hard_silu what the product rule makes of hard_sigmoid's.

**In floating point.**  The formulas are those of the documentation on `Running` values (see
`conformance.judge.running_error`), with two liberties: where such a formula overflows or cancels
although the function does not, the equal form that does not is taken, with the errors of both; and
a formula that a framework is free to arrange in several ways has the errors of each.  Gradients are
evaluated from the rounded sums or from the rounded outputs.  At a kink every number between the two
one-sided derivatives is a subgradient, and accepted: so is whatever rounded sums near it may
decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from conformance.judge.definition.balls import Ball, UndecidedError
from conformance.judge.definition.rounding import (
    FORMATS,
    Format,
    round_dyadic,
    round_fraction,
)
from conformance.judge.running_error import Floats, Running

Number = Fraction | Ball
Mask = NDArray[np.bool_]
Formula = Callable[[Fraction, int], Number]
"""A function of an exact number and of the digits of the evaluation."""

RowFormula = Callable[[Sequence[Fraction], int], list[Number]]
RowSlope = Callable[[Sequence[Fraction], Sequence[Fraction], int], list[Number]]
"""``J^T u`` of a row and u, and of the digits of the evaluation."""

Steps = tuple[tuple[float, ...], tuple[float, ...]]
"""Kinks, and the slopes below, between and above them."""

FAR: Final = 1600
HINT: Final = Fraction(1, 1 << 4096)
ZERO: Final = Fraction(0)
ONE: Final = Fraction(1)
HALF: Final = Fraction(1, 2)
_MOST_DIGITS: Final = 1 << 15
_WIDE: Final = FORMATS["float64"]


UPWARDS: Final = (0.0, math.inf)
"""The limits of an activation that grows from zero without bound."""

BELOW: Final = (-math.inf,)


@dataclass(frozen=True, eq=False)
class Elementwise:
    """An activation of each element alone.

    Attributes:
        name: its documented name.
        value: its definition.
        slope: its derivative.
        running: its formula in floating point.
        running_slope: that of its derivative, where it is not piecewise linear.
        limits: at minus and plus infinity, exact.
        undefined: infinities at which it has a limit, but its documented formula gives NaN.
        zero_at_nan: whether it is of the form "x where it is beyond a threshold, otherwise 0": a
            NaN is not beyond.
        steps: of one that is piecewise linear, its kinks and slopes.
        kinks: of the others, where they are, and how far the one-sided derivatives are apart.
        rounds: whether its evaluation rounds.
        intermediate: what the documented formula computes on the way, from float64 arguments, where
            that can leave the range although the result does not; the result is infinity then.
        gated: whether it is its argument times a gate.
    """

    name: str
    value: Formula
    slope: Formula
    running: Callable[[Running], Running]
    running_slope: Callable[[Running], Running] = lambda x: x
    limits: tuple[Fraction | float, Fraction | float] = (-math.inf, math.inf)
    undefined: tuple[float, ...] = ()
    zero_at_nan: bool = False
    steps: Steps | None = None
    kinks: tuple[tuple[float, float], ...] = ()
    rounds: bool = True
    intermediate: Callable[[Floats], Floats] | None = None
    gated: bool = False
    keeps_shape: ClassVar[bool] = True
    rowwise: ClassVar[bool] = False

    def may_overflow(self, x: Floats, error: Floats, fmt: Format) -> Mask:
        """At which arguments the documented formula may leave the range on the way."""
        if self.intermediate is None:
            return np.zeros(x.shape, bool)
        ends = (self.intermediate(x + sign * 2 * error) for sign in (-1, 1))
        least = fmt.largest * (1 - 4 * fmt.unit_roundoff)
        return np.asarray(np.maximum(*ends) >= least)

    @property
    def slope_rounds(self) -> bool:
        """Whether the evaluation of its slope rounds: not of one that is 0 or 1."""
        return self.steps is None or not {0.0, 1.0}.issuperset(self.steps[1])

    def at_special(self, x: float, fmt: Format) -> float:
        """The activation of NaN, which is NaN, or its limit at an infinity, rounded."""
        limit = x if math.isnan(x) else self.limits[x > 0]
        return round_fraction(limit, fmt) if isinstance(limit, Fraction) else limit

    def rounded(self, numbers: Sequence[Fraction | float], width: int, fmt: Format) -> list[float]:
        """The activation of exact numbers, each rounded once.

        Args:
            numbers: in row-major order; NaN and infinities as floats.
            width: length of the last axis.
            fmt: the format.
        """
        del width
        return [
            self.round_one(x, fmt) if isinstance(x, Fraction) else self.at_special(x, fmt)
            for x in numbers
        ]

    def round_one(self, x: Fraction, fmt: Format) -> float:
        """The activation of one number, rounded once."""
        return settle(lambda digits: [self.value(x, digits)], fmt)[0]

    def pulled_back(
        self, numbers: Sequence[Fraction], upstream: Sequence[Fraction], width: int, outputs: int
    ) -> list[float]:
        """``J^T u``, each element rounded once to float64.

        Args:
            numbers: in row-major order.
            upstream: u, in row-major order.
            width: length of the last axis.
            outputs: that of the outputs, and so of u.
        """
        del width, outputs
        pairs = zip(numbers, upstream, strict=True)
        return [self._pulled_back_one(x, u) if u else 0.0 for x, u in pairs]

    def _pulled_back_one(self, x: Fraction, upstream: Fraction) -> float:
        return settle(lambda digits: [self.slope(x, digits) * upstream], _WIDE)[0]

    def running_pulled_back(self, x: Running, u: Running, *, exact: bool) -> Running:
        """``J^T u`` in floating point (see `through_slope`)."""
        if self.steps is not None:
            return self._through_steps(x, u, *self.steps, exact=exact)
        slope = self.running_slope(x)
        for place, jump in self.kinks:
            crossed = np.abs(x.value - place) <= 2 * x.error
            slope = slope.loosened(np.where(crossed, jump, 0.0))
        return bounded(slope * u).loosened(self._lost_on_the_way(x, u))

    def _lost_on_the_way(self, x: Running, u: Running) -> Floats:
        """Where the product rule takes u times the argument of a gate out of the range.

        It is infinite then, and NaN times a slope of zero.
        """
        lost = np.zeros(x.value.shape)
        if self.gated:
            product = np.abs(x.value) * np.abs(u.value)
            lost[product >= x.format.largest * (1 - 4 * x.format.unit_roundoff)] = np.inf
        return lost

    def _through_steps(
        self,
        x: Running,
        u: Running,
        ends: Sequence[float],
        slopes: Sequence[float],
        *,
        exact: bool,
    ) -> Running:
        place = np.zeros(x.value.shape, np.intp)
        error = np.zeros(x.value.shape)
        middle = np.zeros(x.value.shape)
        for number, end in enumerate(ends):
            place += x.value > end
            jump = slopes[number + 1] - slopes[number]
            crossed = np.abs(x.value - end) <= 2 * x.error
            error = np.maximum(error, np.where(crossed, abs(jump), 0.0))
            middle += np.where(crossed, jump / 2, 0.0) * np.where(x.value > end, -1.0, 1.0)
        value = np.asarray(slopes)[place]
        if exact:
            value, error = value + middle, error / 2
        if not self.slope_rounds:
            return Running(value * u.value, error * np.abs(u.value), x.format)
        slope = Running(value, error, x.format)
        if any(not (64 * number).is_integer() for number in slopes):  # no binary fraction
            slope = slope.loosened(2 * x.parameter_error * np.abs(value))
        return slope * u


@dataclass(frozen=True, eq=False)
class Rowwise:
    """An activation of rows along the last axis.

    Attributes:
        name: its documented name.
        value: its definition.
        slope: ``J^T u``.
        running: its formula in floating point.
        running_slope: ``J^T u`` in floating point.
        with_specials: the definition of a row that holds NaN or infinities.
        keeps_shape: whether the output has its argument's shape.
    """

    name: str
    value: RowFormula
    slope: RowSlope
    running: Callable[[Running], Running]
    running_slope: Callable[[Running, Running], Running]
    with_specials: Callable[[Sequence[Fraction | float], Format], list[float]]
    keeps_shape: bool = True
    rounds: ClassVar[bool] = True
    slope_rounds: ClassVar[bool] = True
    rowwise: ClassVar[bool] = True

    def rounded(self, numbers: Sequence[Fraction | float], width: int, fmt: Format) -> list[float]:
        """As `Elementwise.rounded`."""
        rows = (numbers[start : start + width] for start in range(0, len(numbers), width or 1))
        return [value for row in rows for value in self.round_row(row, fmt)]

    def round_row(self, row: Sequence[Fraction | float], fmt: Format) -> list[float]:
        """The activation of one row, each element rounded once."""
        finite = [x for x in row if isinstance(x, Fraction)]
        if len(finite) < len(row):
            return self.with_specials(row, fmt)
        return settle(lambda digits: self.value(finite, digits), fmt)

    def pulled_back(
        self, numbers: Sequence[Fraction], upstream: Sequence[Fraction], width: int, outputs: int
    ) -> list[float]:
        """As `Elementwise.pulled_back`."""
        values: list[float] = []
        for number in range(len(numbers) // width if width else 0):
            row = numbers[number * width : (number + 1) * width]
            given = upstream[number * outputs : (number + 1) * outputs]
            values += self._pulled_back_row(row, given)
        return values

    def _pulled_back_row(
        self, row: Sequence[Fraction], upstream: Sequence[Fraction]
    ) -> list[float]:
        return settle(lambda digits: self.slope(row, upstream, digits), _WIDE)

    def running_pulled_back(self, x: Running, u: Running, *, exact: bool) -> Running:
        """As `Elementwise.running_pulled_back`."""
        del exact
        return bounded(self.running_slope(x, u))


Activation = Elementwise | Rowwise


def settle(evaluate: Callable[[int], Sequence[Number]], fmt: Format) -> list[float]:
    """Widen the precision until the rounding of every element is certain."""
    digits = fmt.precision // 3 + 8
    while digits <= _MOST_DIGITS:
        try:
            ends = [_rounded_ends(number, fmt) for number in evaluate(digits)]
        except UndecidedError:
            ends = [(0.0, 1.0)]
        if all(low == high for low, high in ends):
            return [low for low, _ in ends]
        digits *= 2
    raise ArithmeticError(f"the rounding to {fmt.name} is undecided at {_MOST_DIGITS} digits")


def _rounded_ends(number: Number, fmt: Format) -> tuple[float, float]:
    if not isinstance(number, Ball):
        value = round_fraction(number, fmt)
        return value, value
    near = _rounded_near_ends(*number.near_ends(), fmt)
    if near is not None:
        return near, near
    low, high = number.ends()
    return round_fraction(low, fmt), round_fraction(high, fmt)


def _rounded_near_ends(low: float, high: float, fmt: Format) -> float | None:
    """What all numbers are rounded to whose float64 lie between two; None where it is not sure.

    The numbers themselves lie between the neighbours of the two, beyond them.  Which sign a zero
    has is left to the numbers.
    """
    if fmt is _WIDE:
        return low if low == high != 0 else None
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    below, above = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    value = _rounded_float(below, fmt)
    return value if value == _rounded_float(above, fmt) != 0 else None


def _rounded_float(number: float, fmt: Format) -> float:
    numerator, denominator = number.as_integer_ratio()
    return round_dyadic(numerator, 1 - denominator.bit_length(), fmt)


def is_far(x: Fraction, limit: int = FAR) -> bool:
    """Whether ``|x| >= limit``; fractions compare by others of them."""
    return abs(x.numerator) >= limit * x.denominator


def bounded(g: Running) -> Running:
    """Errors that came out undefined taken as unbounded."""
    return Running(g.value, np.where(np.isnan(g.error), np.inf, g.error), g.format)


def larger(one: Running, other: Running) -> Running:
    """One formula's value with the larger of two formulas' errors."""
    return Running(one.value, np.maximum(one.error, other.error), one.format)


def in_pieces(x: Running, breakpoint_: float, below: Running, above: Running) -> Running:
    """One formula below a breakpoint and one from it on; both where x may be on either side."""
    value = np.where(x.value < breakpoint_, below.value, above.value)
    left, right = x.largest() < breakpoint_, x.least() > breakpoint_
    either = np.maximum(below.error, above.error)
    error = np.where(left, below.error, np.where(right, above.error, either))
    return Running(value, error, x.format)


def halved(x: Running) -> Running:
    """The exact half; a subnormal one may round, or be flushed to zero."""
    half = Running(x.value / 2, x.error / 2, x.format)
    small = np.abs(half.value) < x.format.smallest_normal + 2 * half.error
    return half.loosened(np.where(small & (x.value != 0), x.format.smallest_normal, 0.0))


def squared(x: Running) -> Running:
    """``x**2``."""
    return x * x


def magnitude(x: Running) -> Running:
    """``|x|``."""
    return Running(np.abs(x.value), x.error, x.format)


def exactly(values: Floats, fmt: Format) -> Running:
    """Numbers without an error."""
    return Running(values, np.zeros_like(values), fmt)

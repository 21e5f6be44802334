"""Arithmetic on balls: a decimal midpoint and a radius that provably holds the real number.

Each operation of `decimal` is correctly rounded, ``exp``, ``ln`` and ``sqrt`` included (General
Decimal Arithmetic Specification), so its relative error is at most ``eps = 10**(1 - digits) / 2``;
the radius takes that up, together with what the operands' radii become by the mean value theorem.
Radii are computed in contexts of few digits that round up, or down for what they are divided by;
``_SLACK`` exceeds ``1 + eps`` from seven digits on, and turns computed sizes into upper bounds.
The exponents allowed reach so far that no argument used here lets a result underflow.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation, Overflow
from fractions import Fraction
from functools import lru_cache
from typing import Final

_LIMIT: Final = 999_999_999_999
_UP: Final = Context(
    prec=9, rounding=ROUND_CEILING, Emin=-_LIMIT, Emax=_LIMIT, traps=[InvalidOperation, Overflow]
)
_DOWN: Final = Context(
    prec=9, rounding=ROUND_FLOOR, Emin=-_LIMIT, Emax=_LIMIT, traps=[InvalidOperation, Overflow]
)
_ZERO: Final = Decimal(0)
_HALF: Final = Decimal("0.5")
_SLACK: Final = Decimal("1.000001")


class UndecidedError(ArithmeticError):
    """The precision is too low: an operation is not defined on the whole of a ball."""


@lru_cache(maxsize=64)
def _context(digits: int) -> tuple[Context, Decimal]:
    """The context of that many digits, and the relative error of one operation in it."""
    context = Context(prec=digits, Emin=-_LIMIT, Emax=_LIMIT, traps=[InvalidOperation, Overflow])
    return context, Decimal(5).scaleb(-digits)


@lru_cache(maxsize=64)
def _outward(digits: int) -> tuple[Context, Context]:
    """The contexts of that many digits that round down, and up."""
    down, up = _context(digits)[0].copy(), _context(digits)[0].copy()
    down.rounding, up.rounding = ROUND_FLOOR, ROUND_CEILING
    return down, up


class Ball:
    """A real number known to lie within `radius` of `midpoint`."""

    __slots__ = ("digits", "midpoint", "radius")

    def __init__(self, midpoint: Decimal, radius: Decimal, digits: int) -> None:
        self.midpoint = midpoint
        self.radius = radius
        self.digits = digits

    @classmethod
    def of(cls, value: Fraction | int, digits: int) -> Ball:
        """The ball around a rational number."""
        if value.denominator == 1:
            return cls(Decimal(value.numerator), _ZERO, digits)
        context, _ = _context(digits)
        quotient = context.divide(Decimal(value.numerator), Decimal(value.denominator))
        return cls(quotient, _ZERO, digits)._rounded()

    def _rounded(self) -> Ball:
        """Take up the rounding error of the midpoint."""
        _, epsilon = _context(self.digits)
        self.radius = _UP.fma(self.midpoint.copy_abs(), epsilon, self.radius)
        return self

    def __neg__(self) -> Ball:
        return Ball(self.midpoint.copy_negate(), self.radius, self.digits)

    def __add__(self, other: Ball | Fraction | int) -> Ball:
        other = self._ball(other)
        context, _ = _context(self.digits)
        radius = _UP.add(self.radius, other.radius)
        return Ball(context.add(self.midpoint, other.midpoint), radius, self.digits)._rounded()

    __radd__ = __add__

    def __sub__(self, other: Ball | Fraction | int) -> Ball:
        return self + -self._ball(other)

    def __rsub__(self, other: Ball | Fraction | int) -> Ball:
        return -self + other

    def taken_from(self, value: Fraction) -> Ball:
        """``value - self``, with digits for what is small beside the value besides."""
        size = Decimal(value.numerator).adjusted() - Decimal(value.denominator).adjusted()
        more = max(size - self.midpoint.adjusted(), 0)
        return value - Ball(self.midpoint, self.radius, self.digits + more)

    def __mul__(self, other: Ball | Fraction | int) -> Ball:
        other = self._ball(other)
        context, _ = _context(self.digits)
        radius = _UP.multiply(_UP.add(self.midpoint.copy_abs(), self.radius), other.radius)
        radius = _UP.fma(other.midpoint.copy_abs(), self.radius, radius)
        product = context.multiply(self.midpoint, other.midpoint)
        return Ball(product, radius, self.digits)._rounded()

    __rmul__ = __mul__

    def __truediv__(self, other: Ball | Fraction | int) -> Ball:
        # |a'/b' - a/b| <= (|a' - a| + |a/b| |b' - b|) / |b'| for any a', b' in the balls.
        other = self._ball(other)
        context, _ = _context(self.digits)
        least = _DOWN.subtract(other.midpoint.copy_abs(), other.radius)
        if least <= 0:
            raise UndecidedError
        quotient = context.divide(self.midpoint, other.midpoint)
        size = _UP.multiply(quotient.copy_abs(), _SLACK)
        radius = _UP.divide(_UP.fma(size, other.radius, self.radius), least)
        return Ball(quotient, radius, self.digits)._rounded()

    def __rtruediv__(self, other: Fraction | int) -> Ball:
        return self._ball(other) / self

    def exp(self) -> Ball:
        """The exponential; ``e**r - 1 <= r + r**2`` for ``0 <= r <= 1``."""
        if self.radius > 1:
            raise UndecidedError
        context, _ = _context(self.digits)
        value = context.exp(self.midpoint)
        growth = _UP.fma(self.radius, self.radius, self.radius)
        size = _UP.multiply(value, _SLACK)
        return Ball(value, _UP.multiply(size, growth), self.digits)._rounded()

    def exp_less_one(self) -> Ball:
        """``exp(x) - 1``, near zero as precise as x is."""
        return self._as_precise_near_zero(lambda x: x.exp() - 1)

    def log_of_one_plus(self) -> Ball:
        """``log(1 + x)``, near zero as precise as x is."""
        return self._as_precise_near_zero(lambda x: (x + 1).log())

    def _as_precise_near_zero(self, function: Callable[[Ball], Ball]) -> Ball:
        """A function that is within ``x**2`` of x for ``|x| <= 1/2``.

        That much where x has more zeros behind the point than digits count; else the function, with
        digits for these zeros besides.
        """
        zeros = -self.midpoint.adjusted()
        size = _UP.add(self.midpoint.copy_abs(), self.radius)
        if zeros > self.digits and size <= _HALF:
            return Ball(self.midpoint, _UP.fma(size, size, self.radius), self.digits)
        value = function(Ball(self.midpoint, self.radius, self.digits + max(zeros, 0)))
        return Ball(value.midpoint, value.radius, self.digits)

    def log(self) -> Ball:
        """The natural logarithm; its slope is at most one over the ball's least element."""
        context, _ = _context(self.digits)
        least = _DOWN.subtract(self.midpoint, self.radius)
        if least <= 0:
            raise UndecidedError
        radius = _UP.divide(self.radius, least)
        return Ball(context.ln(self.midpoint), radius, self.digits)._rounded()

    def sqrt(self) -> Ball:
        """The square root of a positive number.

        The roots of a and b differ by at most ``|b - a| / sqrt(a)``.
        """
        context, _ = _context(self.digits)
        if self.midpoint <= self.radius:
            raise UndecidedError
        root = context.sqrt(self.midpoint)
        size = _UP.multiply(self.radius, _SLACK)
        return Ball(root, _UP.divide(size, root), self.digits)._rounded()

    def ends(self) -> tuple[Fraction, Fraction]:
        """Two rational numbers that enclose the real number."""
        midpoint, radius = Fraction(self.midpoint), Fraction(self.radius)
        return midpoint - radius, midpoint + radius

    def near_ends(self) -> tuple[float, float]:
        """Two float64 that are the ends, or beyond them by a little, each rounded once.

        Where they are equal, every number in between is rounded to them.
        """
        down, up = _outward(self.digits)
        low, high = down.subtract(self.midpoint, self.radius), up.add(self.midpoint, self.radius)
        return float(low), float(high)

    def _ball(self, value: Ball | Fraction | int) -> Ball:
        return value if isinstance(value, Ball) else Ball.of(value, self.digits)


def enclosing(low: Fraction, high: Fraction, digits: int) -> Ball:
    """A ball that holds the interval from `low` to `high`."""
    centre = Ball.of((low + high) / 2, digits)
    half = (high - low) / 2
    width = _UP.divide(_UP.create_decimal(half.numerator), Decimal(half.denominator))
    return Ball(centre.midpoint, _UP.add(centre.radius, width), digits)


@lru_cache(maxsize=16)
def pi(digits: int) -> Ball:
    """Pi by Machin's formula ``16 arctan(1/5) - 4 arctan(1/239)``."""
    scale = 10 ** (digits + 5)
    total, terms = 0, 0
    for factor, inverse in ((16, 5), (-4, 239)):
        power, divisor = factor * scale * inverse, 1
        while abs(power) >= inverse * inverse:
            power //= inverse * inverse
            total += power // divisor if divisor % 4 == 1 else -(power // divisor)
            divisor += 2
            terms += 1
    # Every floor division is off by less than one unit, and so is what each series leaves out.
    error = 3 * terms + 4
    return enclosing(Fraction(total - error, scale), Fraction(total + error, scale), digits)

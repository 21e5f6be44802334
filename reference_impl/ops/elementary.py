"""Elementary functions on intervals of decimal numbers, with rounding outwards, to any precision.

An interval is a pair (low, high) of `decimal.Decimal` that contains the real number meant.  Sums,
products and quotients are rounded downwards and upwards, which the General Decimal Arithmetic
specification defines exactly.  `Context.exp`, `ln` and `sqrt` return the correctly rounded value
with half-even rounding, whatever the context's mode (Python's documentation of ``decimal``), so the
neighbours of that value on either side enclose the real one.

Nothing here depends on the C library or on the processor.  The functions take intervals of numbers
that are not negative where it is said so: the callers know the sign of their argument exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

Interval = tuple[Decimal, Decimal]

_ZERO: Final = Decimal(0)
_HALF: Final = Decimal("0.5")
_ONE: Final = Decimal(1)
_TWO: Final = Decimal(2)
_THREE: Final = Decimal(3)

_EXPONENT_LIMIT: Final = Decimal(20000)
_UNDERFLOW: Final = Decimal("1e-8000")
_OVERFLOW: Final = Decimal("1e8000")
_INFINITY: Final = Decimal("Infinity")


def _context(precision: int, rounding: str) -> Context:
    return Context(prec=precision, rounding=rounding, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])


@lru_cache(maxsize=256)
def decimals(precision: int) -> Decimals:
    """The arithmetic with `precision` significant digits; one object per precision."""
    return Decimals(precision)


class Decimals:
    """Interval arithmetic with a number of significant decimal digits.

    Attributes:
        precision: the number of digits.
        down: the context that rounds towards minus infinity.
        up: the context that rounds towards plus infinity.
    """

    def __init__(self, precision: int) -> None:
        self.precision = precision
        self.down = _context(precision, ROUND_FLOOR)
        self.up = _context(precision, ROUND_CEILING)

    def wider(self, digits: int) -> Decimals:
        """The arithmetic with `digits` more digits, where they are needed against cancellation."""
        return decimals(self.precision + digits) if digits > 0 else self

    def of(self, value: Fraction | int) -> Interval:
        """A rational number; the interval is a point if the number has few enough digits."""
        numerator, denominator = Decimal(value.numerator), Decimal(value.denominator)
        return self.down.divide(numerator, denominator), self.up.divide(numerator, denominator)

    def add(self, a: Interval, b: Interval) -> Interval:
        """``a + b``."""
        return self.down.add(a[0], b[0]), self.up.add(a[1], b[1])

    def subtract(self, a: Interval, b: Interval) -> Interval:
        """``a - b``."""
        return self.down.subtract(a[0], b[1]), self.up.subtract(a[1], b[0])

    def multiply(self, a: Interval, b: Interval) -> Interval:
        """``a b`` for a of one sign and b not negative."""
        low = a[0], b[1] if a[0] < 0 else b[0]
        high = a[1], b[0] if a[1] < 0 else b[1]
        return self.down.multiply(*low), self.up.multiply(*high)

    def divide(self, a: Interval, b: Interval) -> Interval:
        """``a / b`` for a not negative and b positive."""
        return self.down.divide(a[0], b[1]), self.up.divide(a[1], b[0])

    def total(self, terms: Iterable[Interval]) -> Interval:
        """The sum of intervals."""
        low = high = _ZERO
        for term in terms:
            low, high = self.down.add(low, term[0]), self.up.add(high, term[1])
        return low, high

    def sqrt(self, a: Interval) -> Interval:
        """The square root of a positive number."""
        return self.down.sqrt(a[0]).next_minus(self.down), self.up.sqrt(a[1]).next_plus(self.up)

    def exp(self, a: Interval) -> Interval:
        """``exp(a)``; beyond ``|a| = 20000`` the bounds are 0, 1e-8000, 1e8000 and infinity.

        Every result there underflows or overflows the formats, or is added to a number that
        decides the rounding, so narrower bounds would cost time and decide nothing.

        Nearer, one evaluation at the lower end serves both, as ``exp(w) <= 1 + 2 w`` for widths w
        below 1.
        """
        width = self.up.subtract(a[1], a[0])
        if max(a[0].copy_abs(), a[1].copy_abs()) > _EXPONENT_LIMIT or width > 1:
            return self._exp_low(a[0]), self._exp_high(a[1])
        value = self.down.exp(a[0])
        high = value.next_plus(self.up)
        return value.next_minus(self.down), self._enlarged(high, width)

    def _enlarged(self, value: Decimal, width: Decimal) -> Decimal:
        """``value (1 + 2 width)``."""
        return self.up.fma(self.up.multiply(_TWO, width), value, value) if width else value

    def _exp_low(self, x: Decimal) -> Decimal:
        if x.copy_abs() > _EXPONENT_LIMIT:
            return _ZERO if x < 0 else _OVERFLOW
        return self.down.exp(x).next_minus(self.down)

    def _exp_high(self, x: Decimal) -> Decimal:
        if x.copy_abs() > _EXPONENT_LIMIT:
            return _UNDERFLOW if x < 0 else _INFINITY
        return self.up.exp(x).next_plus(self.up)

    def expm1(self, a: Interval) -> Interval:
        """``exp(a) - 1`` with a small relative width also near zero.

        For ``|x| < 10**-precision`` by ``x <= exp(x) - 1 <= x + x**2``; otherwise by subtraction
        with as many more digits as it cancels.
        """
        digits = a[0].adjusted(), a[1].adjusted()
        if max(digits) < -self.precision:
            return a[0], self.up.fma(a[1], a[1], a[1])
        wide = self.wider(2 - min(digits))
        low, high = wide.exp(a)
        return self.down.subtract(low, _ONE), self.up.subtract(high, _ONE)

    def log1p(self, a: Interval) -> Interval:
        """``ln(1 + a)`` for a not negative, with a small relative width also near zero.

        For ``y < 10**-precision`` by ``y - y**2 <= ln(1 + y) <= y``; otherwise with as many more
        digits as 1 has before those of y.  One evaluation serves both ends, as the slope is
        below 1.
        """
        low, high = a
        if not low or low.adjusted() < -self.precision:
            return self.down.fma(low, low.copy_negate(), low), high
        wide = self.wider(2 - low.adjusted())
        value = wide.down.ln(wide.down.add(_ONE, low))
        upper = wide.up.add(value.next_plus(wide.up), wide.up.subtract(high, low))
        # The argument was rounded downwards by at most one unit of its last place.
        slack = _ONE.scaleb(1 - wide.precision, wide.up)
        upper = wide.up.fma(slack, wide.up.add(_ONE, high), upper)
        return self.down.plus(value.next_minus(wide.down)), self.up.plus(upper)

    def sigmoid(self, a: Interval) -> Interval:
        """``1 / (1 + exp(-a))`` for any a."""
        growth = self.exp(negated(a))
        return self.divide((_ONE, _ONE), self.add((_ONE, _ONE), growth))

    def tanh(self, a: Interval) -> Interval:
        """``tanh(a)`` for a positive.

        By ``1 - 2 / (exp(2 a) + 1)`` from 1 on, below it by ``t / (t + 2)`` with
        ``t = exp(2 a) - 1``, and where ``a**2 < 10**-precision`` by
        ``a - a**3 / 3 < tanh(a) < a``.
        """
        if a[1].adjusted() < -(self.precision // 2) - 1:
            cube = self.up.divide(self.up.multiply(self.up.multiply(a[0], a[0]), a[0]), 3)
            return self.down.subtract(a[0], cube), a[1]
        twice = self.multiply(a, (_TWO, _TWO))
        if a[0] >= 1:
            rest = self.divide((_TWO, _TWO), self.add(self.exp(twice), (_ONE, _ONE)))
            return self.subtract((_ONE, _ONE), rest)
        t = self.expm1(twice)
        low = self.down.divide(t[0], self.up.add(t[0], _TWO))
        return low, self.up.divide(t[1], self.down.add(t[1], _TWO))

    def tanh_shrink(self, a: Interval) -> Interval:
        """``a - tanh(a)`` for a positive, end by end since the function increases.

        Where ``a**2 < 10**-precision`` by ``a**3 / 3 (1 - 2 a**2 / 5) < a - tanh(a) < a**3 / 3``,
        otherwise with as many more digits as the difference cancels.
        """
        if a[1].adjusted() < -(self.precision // 2) - 1:
            third = self.multiply(self.multiply(a, a), self.divide(a, (_THREE, _THREE)))
            square = self.up.multiply(a[1], a[1])
            factor = self.down.subtract(_ONE, self.up.multiply(square, Decimal("0.4")))
            return self.down.multiply(third[0], factor), third[1]
        wide = self.wider(3 - 2 * a[0].adjusted())
        low = wide.down.subtract(a[0], wide.tanh((a[0], a[0]))[1])
        return low, wide.up.subtract(a[1], wide.tanh((a[1], a[1]))[0])

    def tanh_of_softplus(self, a: Interval) -> Interval:
        """``tanh(ln(1 + exp(a)))`` for any a of one sign.

        It is ``w / (w + 2)`` with ``w = e (e + 2)``, ``e = exp(a)``, which for positive a is
        ``1 - 2 t**2 / (1 + 2 t + 2 t**2)`` with ``t = exp(-a)``.
        """
        one, two = (_ONE, _ONE), (_TWO, _TWO)
        if a[0] > 0:
            t = self.exp(negated(a))
            twice = self.multiply(t, two)
            square = self.multiply(twice, t)
            rest = self.divide(square, self.total((one, twice, square)))
            return self.subtract(one, rest)
        e = self.exp(a)
        w = self.multiply(e, self.add(e, two))
        return self.divide(w, self.add(w, two))

    @cached_property
    def pi(self) -> Interval:
        """The circle constant, by Machin's formula ``16 arctan(1/5) - 4 arctan(1/239)``."""
        scale = 10 ** (self.precision + 5)
        value = 16 * _arctan_of_reciprocal(5, scale) - 4 * _arctan_of_reciprocal(239, scale)
        # Each of the fewer than precision + 20 terms of a series is off by less than 1.4 units,
        # and the rest of the series by one.
        slack = 32 * (self.precision + 20)
        return self.down.divide(value - slack, scale), self.up.divide(value + slack, scale)

    @cached_property
    def _root_of_two_pi(self) -> Interval:
        return self.sqrt(self.multiply(self.pi, (_TWO, _TWO)))

    def normal_distribution(self, x: Interval) -> Interval:
        """``P(X <= x)`` for a standard normal variable X and any x of one sign."""
        if x[0] < 0:
            return self.normal_tail(negated(x))
        if self._is_far(x):
            return self.subtract((_ONE, _ONE), self.normal_tail(x))
        return self.add((_HALF, _HALF), self.normal_excess(x))

    def _is_far(self, x: Interval) -> bool:
        """Whether the continued fraction of the tail converges faster than the series."""
        return self.up.multiply(x[1], x[1]) > 5 * self.precision

    def normal_density(self, x: Interval) -> Interval:
        """``exp(-x**2 / 2) / sqrt(2 pi)`` for x not negative."""
        square = self.multiply(x, x)
        half = self.down.divide(square[0], _TWO), self.up.divide(square[1], _TWO)
        return self.divide(self.exp(negated(half)), self._root_of_two_pi)

    def normal_excess(self, x: Interval) -> Interval:
        """``P(0 < X < x)`` for a standard normal variable X and x positive.

        By ``phi(x) (x + x**3 / 3 + x**5 / (3 5) + ...)`` with the density phi (Abramowitz and
        Stegun, 26.2.11), whose terms are all positive.
        """
        low, terms = self._excess_series(x[0])
        # Each term takes three roundings downwards and inherits those of the term before, so the
        # sum is short by at most 3 terms roundings of at most 10**(1 - precision); the terms left
        # out are below the last one.  x S'(x) / S(x) <= 1 + x**2 bounds what the width of x adds.
        slack = self.up.scaleb(Decimal(4 * terms + 8), 1 - self.precision)
        width = self.up.divide(self.up.subtract(x[1], x[0]), x[0])
        condition = self.up.fma(x[1], x[1], _ONE)
        slack = self.up.fma(self.up.multiply(_TWO, width), condition, slack)
        high = self.up.fma(low, slack, low)
        return self.multiply((low, high), self.normal_density(x))

    def _excess_series(self, x: Decimal) -> tuple[Decimal, int]:
        """The sum of ``x**(2 n + 1) / (2 n + 1)!!``, rounded downwards, and the number of terms."""
        multiply, divide, add = self.down.multiply, self.down.divide, self.down.add
        square = multiply(x, x)
        term = total = x
        odd = 1
        decreasing = self.up.multiply(_TWO, square)
        while odd <= decreasing or term.adjusted() >= total.adjusted() - self.precision:
            odd += 2
            term = divide(multiply(term, square), odd)
            total = add(total, term)
        return total, odd // 2

    def normal_tail(self, x: Interval) -> Interval:
        """``P(X > x)`` for a standard normal variable X and x positive, of small relative width.

        Where ``x**2`` is at most 5 times the precision, by ``1/2 - P(0 < X < x)`` with as
        many more digits as that cancels; beyond it by the density times Mills' ratio.
        """
        if self._is_far(x):
            return self.multiply(self.normal_density(x), self._mills_ratio(x))
        wide = self.wider(int(self.up.multiply(x[1], x[1])) // 4 + 3)
        return wide.subtract((_HALF, _HALF), wide.normal_excess(x))

    def _mills_ratio(self, x: Interval) -> Interval:
        """``P(X > x) / phi(x)`` by the continued fraction ``1 / (x + 1 / (x + 2 / (x + ...)))``.

        The tail ``t_k = x + k / t_(k+1)`` lies between x and ``x + k / x``, so that starting from
        that interval, at any depth, encloses the value (Abramowitz and Stegun, 26.2.14).
        """
        depth = self.precision // 2 + 20
        tail = x[0], self.up.add(x[1], self.up.divide(depth, x[0]))
        for level in range(depth - 1, 0, -1):
            partial = Decimal(level)
            tail = self.add(x, self.divide((partial, partial), tail))
        return self.divide((_ONE, _ONE), tail)


def negated(a: Interval) -> Interval:
    """``-a``; the operator would round to the precision of the thread's own context."""
    return a[1].copy_negate(), a[0].copy_negate()


def _arctan_of_reciprocal(n: int, scale: int) -> int:
    """``scale arctan(1 / n)`` by its alternating series, in integers rounded downwards."""
    power = total = scale // n
    k = 1
    while power:
        power //= -n * n
        k += 2
        total += power // k
    return total

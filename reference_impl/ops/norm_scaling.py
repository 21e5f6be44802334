"""Weights times ``desired(norm) / (epsilon + norm)``, correctly rounded, one slice at a time.

With ``r = sqrt(S)``, S the exact sum of squares of a slice, the factor is
``(a + b r) / (epsilon + r)``: a and b are rational and depend on where S lies between the squares
of the two bounds.  Where r is rational, or ``a = b epsilon``, the factor is rational and products
are rounded exactly.  Otherwise every product with a number other than 0 is irrational, so it is no
midpoint of the format, and a narrow enough enclosure of r decides its rounding (Ziv's strategy).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from reference_impl.ops.exact_sums import sum_of_squares
from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_dyadic, round_fraction


@dataclass(frozen=True)
class Desired:
    """``rate * clip(norm, least, most) + (1 - rate) * norm``; most is None where it is infinite."""

    least: Fraction
    most: Fraction | None
    rate: Fraction
    epsilon: Fraction

    @classmethod
    def of(cls, least: float, most: float, rate: float, epsilon: float) -> Desired:
        """The same from Python numbers, each taken as the real number that it is."""
        bound = None if math.isinf(most) else Fraction(most)
        return cls(Fraction(least), bound, Fraction(rate), Fraction(epsilon))

    def coefficients(self, square: Fraction) -> tuple[Fraction, Fraction]:
        """The a and b of ``a + b norm`` for a norm of this square."""
        if square < self.least**2:
            return self.rate * self.least, 1 - self.rate
        if self.most is not None and square > self.most**2:
            return self.rate * self.most, 1 - self.rate
        return Fraction(0), Fraction(1)


class NormScale:
    """The factor of one slice, as a fraction or as an enclosure that narrows where needed."""

    def __init__(self, values: NDArray[Any], desired: Desired, format: Format) -> None:
        """Take the finite values of a slice; `format` is that of the products."""
        self._format = format
        self._square = sum_of_squares(values)
        self._epsilon = desired.epsilon
        self._a, self._b = desired.coefficients(self._square)
        self._exact = self._rational()
        self._low, self._high, self._exponent = 0, 0, 0
        if self._exact is None:
            self.enclose(2 * format.precision + 64)

    def apply(self, value: float) -> float:
        """The value times the factor, rounded once."""
        if self._exact is not None:
            return round_fraction(Fraction(value) * self._exact, self._format)
        n, d = value.as_integer_ratio()
        while True:
            exponent = self._exponent - (d.bit_length() - 1)
            rounded = round_dyadic(n * self._low, exponent, self._format)
            if rounded == round_dyadic(n * self._high, exponent, self._format):
                return rounded
            self.enclose(2 * self._bits)

    def _rational(self) -> Fraction | None:
        """The factor where it is rational, else None."""
        if self._a == self._b * self._epsilon:
            return self._b
        p, q = self._square.numerator, self._square.denominator
        root = math.isqrt(p * q)
        return self._at(Fraction(root, q)) if root * root == p * q else None

    def _at(self, norm: Fraction) -> Fraction:
        return (self._a + self._b * norm) / (self._epsilon + norm)

    def enclose(self, bits: int) -> None:
        """Find integers between whose products with a power of two the factor lies.

        The factor is monotone in the norm, so the ends of the root's enclosure give its ends.

        Args:
            bits: significant bits of the integers and of the root.
        """
        self._bits = bits
        p, q = self._square.numerator, self._square.denominator
        k = max(bits - (p * q).bit_length() // 2, 0)
        root = math.isqrt(p * q << 2 * k)
        ends = sorted(self._at(Fraction(root + end, q << k)) for end in (0, 1))
        size = max(abs(ends[0]), abs(ends[1]))
        self._exponent = size.numerator.bit_length() - size.denominator.bit_length() - bits
        scale = Fraction(2) ** -self._exponent
        self._low, self._high = math.floor(ends[0] * scale), math.ceil(ends[1] * scale)

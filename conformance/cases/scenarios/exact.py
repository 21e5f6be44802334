"""Exact dyadic numbers with their derivatives, and the proof that float32 holds all partial sums.

A `Dyadic` is ``numerator 2**-places``, and keeps beside it `size`: an upper limit, in the same
unit, of the sum of the magnitudes of the products that it is the sum of.  In whatever order these
are added, each partial sum is a multiple of ``2**-places`` and at most `size` of them; so where
`size` is at most ``2**24``, float32 evaluates the sum without rounding (`Dyadic.is_exact`).

A `Dual` is a number with its derivatives with respect to some parameters (forward-mode
differentiation, which shares nothing with the back-propagation under test).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

_FLOAT32_INTEGERS: Final = 2**24
"""Up to this magnitude float32 holds every integer."""


@dataclass(frozen=True, slots=True)
class Dyadic:
    """``numerator 2**-places``; see the module."""

    numerator: int
    places: int = 0
    size: int = -1

    def __post_init__(self) -> None:
        if self.size < 0:
            object.__setattr__(self, "size", abs(self.numerator))

    @classmethod
    def of(cls, value: float | Fraction) -> Dyadic:
        """The number itself.

        Raises:
            ValueError: if it is no dyadic fraction.
        """
        numerator, denominator = value.as_integer_ratio()
        if denominator & (denominator - 1):
            raise ValueError(f"{value} is no multiple of a power of two")
        return cls(numerator, denominator.bit_length() - 1)

    def __add__(self, other: Dyadic) -> Dyadic:
        places = max(self.places, other.places)
        left, right = places - self.places, places - other.places
        return Dyadic(
            (self.numerator << left) + (other.numerator << right),
            places,
            (self.size << left) + (other.size << right),
        )

    def __mul__(self, other: Dyadic) -> Dyadic:
        return Dyadic(
            self.numerator * other.numerator, self.places + other.places, self.size * other.size
        )

    def __neg__(self) -> Dyadic:
        return Dyadic(-self.numerator, self.places, self.size)

    @property
    def sign(self) -> int:
        """-1, 0 or 1."""
        return (self.numerator > 0) - (self.numerator < 0)

    @property
    def is_exact(self) -> bool:
        """Whether float32 reaches the number without rounding, in any order of summation."""
        return self.size <= _FLOAT32_INTEGERS

    def stored(self) -> Dyadic:
        """The number as a term of further sums: its history of summation is over."""
        return Dyadic(self.numerator, self.places)

    def __float__(self) -> float:
        return float(Fraction(self.numerator, 1 << self.places))


ZERO: Final = Dyadic(0)


@dataclass(frozen=True, slots=True)
class Dual:
    """A number and its derivatives by parameter; those left out are zero."""

    value: Dyadic
    slopes: dict[int, Dyadic] = field(default_factory=dict)

    def __add__(self, other: Dual) -> Dual:
        slopes = dict(self.slopes)
        for index, slope in other.slopes.items():
            slopes[index] = slopes[index] + slope if index in slopes else slope
        return Dual(self.value + other.value, slopes)

    def times(self, factor: Dyadic) -> Dual:
        """The number times a constant."""
        slopes = {index: slope * factor for index, slope in self.slopes.items()}
        return Dual(self.value * factor, slopes)

    def squared(self) -> Dual:
        """The square; its slope is computed from the stored value, as back-propagation does."""
        twice = self.value.stored() * Dyadic(2)
        slopes = {index: slope * twice for index, slope in self.slopes.items()}
        return Dual(self.value * self.value, slopes)

    def magnitude(self) -> Dual:
        """The absolute value, of slope zero at zero."""
        return self.times(Dyadic(self.value.sign))


def total(terms: Iterable[Dual]) -> Dual:
    """The sum."""
    result = Dual(ZERO)
    for term in terms:
        result = result + term
    return result

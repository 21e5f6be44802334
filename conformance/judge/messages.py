"""What is said about wrong elements: how many, the worst, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from conformance.judge.running_error import Floats

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class WrongElements:
    """How many elements of an output are out of bounds, if any, and the worst of all.

    Attributes:
        count: how many.
        size: how many elements there are.
        ratio: the largest error in units of the bound; 0.0 where there are no elements.
        place: the index of the first element of that error.
        actual: that element.
        expected: what it should be.
        error: the largest error allowed for it.
    """

    count: int
    size: int
    ratio: float
    place: tuple[int, ...] = ()
    actual: Any = None
    expected: Any = None
    error: float = 0.0

    @classmethod
    def of(
        cls,
        actual: Array,
        expected: Array,
        error: Floats,
        excess: Floats,
        start: tuple[int, ...] = (),
    ) -> WrongElements:
        """What is found in an output, or in a part of one.

        Args:
            actual: the output.
            expected: the expected output.
            error: the largest error allowed for each element.
            excess: the errors in units of it; not NaN.
            start: the index of the part's first element; nothing for the whole.
        """
        ratio = float(excess.max(initial=0.0))
        if ratio <= 1:
            return cls(0, excess.size, ratio)
        place = tuple(map(int, np.unravel_index(int(np.argmax(excess)), excess.shape)))
        return cls(
            int(np.count_nonzero(excess > 1)),
            excess.size,
            ratio,
            tuple(map(sum, zip(place, start, strict=True))) if start else place,
            actual[place],
            expected[place],
            float(error[place]),
        )

    def joined(self, other: WrongElements) -> WrongElements:
        """What is found in two parts of an output together."""
        worst = min((self, other), key=lambda one: (-one.ratio, one.place))
        return replace(worst, count=self.count + other.count, size=self.size + other.size)

    def sentence(self) -> str:
        """``12 of 448 elements are wrong; the worst, [0, 2, 3, 1], is 4.0 but should be ...``."""
        where = list(self.place)
        which = f"the worst, {where}," if self.count > 1 else f"the one at {where}"
        return (
            f"{self.count} of {counted(self.size, 'element')} "
            f"{'is' if self.count == 1 else 'are'} wrong; {which} is {self.actual!s} but should "
            f"be {self.expected!s}{self._distance()}"
        )

    def _distance(self) -> str:
        if math.isfinite(self.ratio):
            return f", an error of {self.ratio:.3g} times the bound {self.error:.3g}"
        return ", where no error is allowed" if self.error == 0 else ""


NOTHING: Final = WrongElements(0, 0, 0.0)
"""What is found in no part."""


def sentence_case(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 element``, ``2 elements``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

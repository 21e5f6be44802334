"""What is said about wrong elements: how many, the worst, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.judge.running_error import Floats

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class WrongElements:
    """The elements of an output that are out of bounds; there is at least one.

    Attributes:
        actual: the output.
        expected: the expected output.
        error: the largest error allowed for each element.
        excess: the errors in units of it.
    """

    actual: Array
    expected: Array
    error: Floats
    excess: Floats

    @property
    def ratio(self) -> float:
        """The largest error in units of the bound."""
        return float(self.excess.max())

    def sentence(self) -> str:
        """``12 of 448 elements are wrong; the worst, [0, 2, 3, 1], is 4.0 but should be ...``."""
        place = np.unravel_index(int(np.argmax(self.excess)), self.excess.shape)
        where = [int(index) for index in place]
        count = int(np.count_nonzero(self.excess > 1))
        which = f"the worst, {where}," if count > 1 else f"the one at {where}"
        return (
            f"{count} of {counted(self.excess.size, 'element')} "
            f"{'is' if count == 1 else 'are'} wrong; {which} is {self.actual[place]!s} but should "
            f"be {self.expected[place]!s}{self._distance(place)}"
        )

    def _distance(self, place: tuple[Any, ...]) -> str:
        ratio, bound = float(self.excess[place]), float(self.error[place])
        if math.isfinite(ratio):
            return f", an error of {ratio:.3g} times the bound {bound:.3g}"
        return ", where no error is allowed" if bound == 0 else ""


def sentence_case(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 element``, ``2 elements``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

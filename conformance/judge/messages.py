"""What is said about wrong elements: how many, the worst, and by how much."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.judge.contraction import Floats

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
        count, size = int(np.count_nonzero(self.excess > 1)), self.excess.size
        flat = int(np.argmax(self.excess))
        place = np.unravel_index(flat, self.excess.shape)
        elements = "1 of 1 element is" if size == 1 else f"{count} of {size} elements are"
        worst = "it" if size == 1 else f"the worst, {[int(index) for index in place]},"
        return (
            f"{elements} wrong; {worst} is {shown(self.actual[place])} but should be "
            f"{shown(self.expected[place])}{self._distance(place)}"
        )

    def _distance(self, place: tuple[Any, ...]) -> str:
        ratio, bound = float(self.excess[place]), float(self.error[place])
        if math.isfinite(ratio):
            return f", an error of {ratio:.3g} times the bound {bound:.3g}"
        return ", where no error is allowed" if bound == 0 else ""


def sentence_case(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def shown(element: Any) -> str:
    """A number as its dtype prints it."""
    return str(element)

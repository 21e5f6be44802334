"""What an activation gave at which sums, and whether a formula gives the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from conformance.diagnosis.wording import Floats, Mask
from conformance.judge.definition.rounding import FORMATS

Formula = Callable[[Floats], Floats]

_ROUNDINGS: Final = 8
"""By how many roundings of a result, and of a sum, a formula may be off."""

_SLACK: Final = 4.0
"""How often what is known of the sums, which for many terms is a guess, is allowed for."""

_MOST: Final = 600
"""How many elements are looked at, at even distances."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Elements by ascending sums, of different sums, all finite.

    Attributes:
        sums, given: of each element.
        slack: by how much each sum may be off.
        dtype: of the elements.
    """

    sums: Floats
    given: Floats
    slack: Floats
    dtype: str

    @property
    def unit(self) -> float:
        """The unit roundoff of the dtype."""
        return FORMATS[self.dtype].unit_roundoff

    def only(self, chosen: Mask | slice) -> Curve:
        """Some of the elements."""
        parts = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "dtype"}
        return replace(self, **parts)

    def is_at(self, formula: Formula, size: Formula = np.zeros_like) -> Mask:
        """Which elements are what a formula gives, up to roundings of it and of the sums.

        Args:
            formula: the formula.
            size: of the terms that it adds, where these may cancel.
        """
        by = _SLACK * self.slack + _ROUNDINGS * self.unit * np.abs(self.sums)
        with np.errstate(all="ignore"):
            wanted, above, below = (formula(self.sums + move) for move in (0.0, by, -by))
            reach = np.maximum(np.abs(above - wanted), np.abs(below - wanted))
            room = reach + _ROUNDINGS * self.unit * np.maximum(np.abs(wanted), size(self.sums))
            room += FORMATS[self.dtype].smallest_normal
            return np.asarray(np.abs(self.given - wanted) <= room)


def curve_of(sums: Floats, given: Floats, slack: Floats, dtype: str) -> Curve:
    """The curve of elements in any order, several of which may have one sum."""
    finite = np.isfinite(sums) & np.isfinite(given) & np.isfinite(slack)
    every: Any = (sums[finite], given[finite], slack[finite])
    _, first = np.unique(every[0], return_index=True)
    if len(first) > _MOST:
        first = first[np.linspace(0, len(first) - 1, _MOST).round().astype(np.intp)]
    sums, given, slack = (one[first] for one in every)
    return Curve(sums, given, slack, dtype)

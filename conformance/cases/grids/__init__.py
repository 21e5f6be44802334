"""The grids: lists of cases that hit every equivalence class, at three levels.

``smoke`` (seconds) has each class once; ``standard`` (continuous integration) has their pairs;
``full`` has besides all windows up to a stated size (`exhaustive`).  Each level contains the one
before.  A list is free of duplicates, the same on every run, and ordered by layer, the plainest
cases first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from conformance.cases.case import Case
from conformance.cases.grids import (
    arguments,
    exhaustive,
    flatten,
    gradients,
    rejections,
    values,
    windows,
)
from conformance.spec.signatures import LAYERS

LEVELS: Final = ("smoke", "standard", "full")
"""The levels, each within the next."""


def _scenarios() -> Iterable[Case]:
    from conformance.cases.scenarios import scenario_cases

    return scenario_cases()


_ADDED: Final[dict[str, tuple[Callable[[], Iterable[Case]], ...]]] = {
    "smoke": (
        windows.first_cases,
        windows.smoke,
        flatten.smoke,
        values.smoke,
        arguments.smoke,
        rejections.smoke,
        windows.few_sizes,
        windows.few_symbolic,
        gradients.smoke,
    ),
    "standard": (
        windows.coincidences,
        windows.pointwise,
        windows.extremes,
        windows.widths,
        windows.batches,
        windows.large,
        windows.empties,
        windows.standard,
        flatten.standard,
        values.kinds,
        values.activations,
        values.long_sums,
        values.more_locality,
        arguments.spellings,
        arguments.pairs,
        windows.symbolic,
        flatten.symbolic,
        _scenarios,
        rejections.values,
        rejections.relations,
        gradients.standard,
    ),
    "full": (exhaustive.small_windows,),
}
"""What each level adds to the one before."""


@cache
def grid(level: str) -> tuple[Case, ...]:
    """The cases of a level.

    Raises:
        ValueError: if there is no such level.
    """
    if level not in LEVELS:
        raise ValueError(f"there is no grid {level!r}: expected one of {', '.join(LEVELS)}")
    position = LEVELS.index(level)
    before = grid(LEVELS[position - 1]) if position else ()
    added = (case for block in _ADDED[level] for case in block())
    distinct = dict.fromkeys((*before, *added))
    return tuple(sorted(distinct, key=lambda case: LAYERS.index(case.layer)))

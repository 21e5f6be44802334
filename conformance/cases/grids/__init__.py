"""The grids: lists of cases that hit every equivalence class, at three levels.

``smoke`` (seconds) has each class once; ``standard`` (continuous integration) has their pairs;
``full`` has besides all windows up to a stated size (`exhaustive`).  Each level contains the one
before.  Beside them stand the tiers ``networks``, layers of known networks, and ``beyond``, inputs
of more than 2**31 bytes.  A list is
free of duplicates, the same on every run, and ordered by layer, the plainest cases first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from conformance.cases.case import Case
from conformance.cases.grids import beyond, networks
from conformance.layers.registry import LAYERS

LEVELS: Final = ("smoke", "standard", "full")
"""The levels, each within the next."""

TIERS: Final = ("networks", "beyond")
"""Grids of their own."""


def grid(level: str) -> tuple[Case, ...]:
    """The cases of a level, or of a tier.

    Raises:
        ValueError: if there is neither of that name.
    """
    if level in TIERS:
        return tuple(dict.fromkeys({"networks": networks, "beyond": beyond}[level].cases()))
    if level not in LEVELS:
        known = ", ".join((*LEVELS, *TIERS))
        raise ValueError(f"there is no grid {level!r}: expected one of {known}")
    return _grid(level, tuple(LAYERS))


@cache
def _grid(level: str, layers: tuple[str, ...]) -> tuple[Case, ...]:
    levels = LEVELS[: LEVELS.index(level) + 1]
    cases = (case for layer in layers for part in levels for case in _added(part, layer, layers))
    return tuple(dict.fromkeys(cases))


def _added(level: str, layer: str, layers: tuple[str, ...]) -> Iterator[Case]:
    """The cases of one layer that a level adds to the one before."""
    for block in LAYERS[layer].grids[level]:
        yield from _by_layer(block, layers).get(layer, ())


@cache
def _by_layer(
    block: Callable[[], Iterable[Case]], layers: tuple[str, ...]
) -> Mapping[str, tuple[Case, ...]]:
    """The cases of a block by layer; the block loops over the layers that there are."""
    del layers
    found: dict[str, list[Case]] = {}
    for case in block():
        found.setdefault(case.layer, []).append(case)
    return {layer: tuple(cases) for layer, cases in found.items()}

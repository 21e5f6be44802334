"""Covering arrays: few rows in which every pair of levels of every two factors occurs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeVar

T = TypeVar("T")

Level = tuple[int, int]
"""Position of a factor, and of one of its levels."""


def each_level(factors: Mapping[str, Sequence[T]]) -> list[dict[str, T]]:
    """As many rows as the longest factor has levels; every level occurs in one at least."""
    rows = max(map(len, factors.values()))
    return [
        {name: levels[row % len(levels)] for name, levels in factors.items()} for row in range(rows)
    ]


def each_pair(factors: Mapping[str, Sequence[T]]) -> list[dict[str, T]]:
    """Rows such that any two levels of different factors occur together in one at least.

    Greedy and deterministic: a row starts from a pair that is still missing, and takes for each
    further factor the level that brings most missing pairs (D. Cohen, S. Dalal, M. Fredman,
    G. Patton, "The AETG system", IEEE Trans. Software Eng. 23, 1997).
    """
    counts = [len(levels) for levels in factors.values()]
    missing = {
        ((f, i), (g, j))
        for f, g in combinations(range(len(counts)), 2)
        for i in range(counts[f])
        for j in range(counts[g])
    }
    rows: list[list[Level]] = []
    while missing:
        row = _row(counts, missing, len(rows))
        missing -= set(combinations(row, 2))
        rows.append(row)
    named = list(factors.items())
    return [{named[f][0]: named[f][1][i] for f, i in row} for row in rows]


def _row(counts: list[int], missing: set[tuple[Level, Level]], turn: int) -> list[Level]:
    row = list(min(missing))
    for factor in range(len(counts)):
        if factor in (row[0][0], row[1][0]):
            continue
        levels = [(factor, (level + turn) % counts[factor]) for level in range(counts[factor])]
        row.append(max(levels, key=lambda new: sum(_pair(new, old) in missing for old in row)))
    return sorted(row)


def _pair(one: Level, other: Level) -> tuple[Level, Level]:
    return (one, other) if one < other else (other, one)

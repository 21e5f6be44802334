"""Numbers as a law: a constant and indices, each times an integer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import Law, Reads

ENOUGH: Final = 6
"""How many more reads a law must explain than it has numbers."""


def law_of(reads: Reads, difference: Array) -> Law | None:
    """What a difference is a sum of: a constant, one index or two; None where of none."""
    if not difference.any():
        return {}
    columns = {symbol: values for symbol, _, values in reads.variables() if np.ptp(values)}
    for count in (0, 1, 2, len(columns)):
        for symbols in combinations(columns, count):
            numbers = _numbers([columns[symbol] for symbol in symbols], difference)
            if numbers:
                return dict(zip(("", *symbols), numbers, strict=True))
    return None


def _numbers(columns: Sequence[Array], sums: Array) -> list[int]:
    """The constant and the factors of columns that add up to sums; empty where there are none."""
    if len(sums) < len(columns) + 1 + ENOUGH:
        return []
    matrix = np.stack([np.ones(len(sums)), *columns], axis=1)
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        return []
    numbers = np.rint(np.linalg.lstsq(matrix, sums, rcond=None)[0]).astype(int)
    return list(numbers.tolist()) if np.array_equal(matrix @ numbers, sums) else []

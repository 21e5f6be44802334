"""What would become of an array of the wrong shape if its axes were permuted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

_MOST_AXES: Final = 5


def wrong_shape(
    actual: Array, shape: tuple[int, ...], problem_of: Callable[[Array], str | None]
) -> str:
    """The sentence on a wrong shape, with the permutation of axes that would fit, if one does.

    Args:
        actual: the array.
        shape: what its shape should be.
        problem_of: what is wrong with an array of that shape; None if nothing is.
    """
    words = f"the shape is {actual.shape}, but should be {shape}"
    first: tuple[tuple[int, ...], str] | None = None
    for axes in fitting(actual.shape, shape):
        problem = problem_of(np.transpose(actual, axes))
        if problem is None:
            return f"{words}; with its axes permuted, transpose{axes}, the values are right."
        first = first or (axes, problem)
    if first is not None:
        axes, problem = first
        return (
            f"{words}; its axes could be permuted, transpose{axes}, but the values would be wrong "
            f"then too: {problem}"
        )
    return f"{words}; no permutation of its axes would fit."


def fitting(given: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The permutations of axes that take one shape to another, channels moved first."""
    n = len(given)
    if sorted(given) != sorted(wanted) or not 1 < n <= _MOST_AXES:
        return
    usual = [(0, *range(2, n), 1), (0, n - 1, *range(1, n - 1))] if n > 2 else []
    for axes in dict.fromkeys([*usual, *permutations(range(n))]):
        if tuple(given[axis] for axis in axes) == wanted:
            yield axes

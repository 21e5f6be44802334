"""Arrays taken box by box, so that what is computed on the way stays small."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from itertools import product

Box = tuple[slice, ...]
"""One range of indices for each of an array's leading axes."""


def boxes(shape: Sequence[int], most: int) -> Iterator[Box]:
    """The boxes that make up an array, in row-major order.

    Inner axes are whole as long as they fit.

    Args:
        shape: the array's lengths.
        most: elements of a box, at most; it has one at least.
    """
    steps: list[int] = []
    for size in reversed(shape):
        steps.insert(0, max(min(size, most), 1))
        most //= steps[0]
    starts = (range(0, size, step) for size, step in zip(shape, steps, strict=True))
    for place in product(*starts):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(place, steps, shape, strict=True)
        )


def boxes_after_small(shape: Sequence[int], most: int, first: int) -> Iterator[Box]:
    """The same, the first of them in boxes of so many elements: what they tell may spare others."""
    whole = boxes(shape, most)
    for box in itertools.islice(whole, 1):
        for small in boxes([held.stop - held.start for held in box], first):
            yield tuple(
                slice(o.start + i.start, o.start + i.stop) for o, i in zip(box, small, strict=True)
            )
    yield from whole

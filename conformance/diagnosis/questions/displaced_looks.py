"""Windows of a pooling that lie elsewhere in memory, by a pitch or an offset that is wrong.

What is looked at lies further on in memory by the same number of elements for each index along an
axis: of the inputs, where their pitch is wrong; of the outputs, where a pointer is moved wrongly
from one to the next.  Each pitch is tried in both data formats, as a runtime may keep either.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array
from conformance.diagnosis.questions.products import AXES
from conformance.diagnosis.questions.window_looks import Looks

_FAR: Final = 8
"""By how many elements for each index displaced looks are looked for."""

_MOST: Final = 1 << 18
"""Inputs times outputs that are tried; no larger case is."""


def elsewhere_in_memory(looks: Looks) -> tuple[str, ...]:
    """By which wrong pitch or offset windows are displaced, in all words that hold, least first."""
    shape = _shape(looks)
    if looks.right[0].size * np.prod(shape) > _MOST:
        return ()
    told = sorted(_told(looks, shape), key=lambda one: one[0])
    return tuple(dict.fromkeys(words for _, words in told))


def _told(looks: Looks, shape: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    places = np.indices(shape).reshape(len(shape), -1).T
    sees = _all_looks(looks, places)
    for order in (range(len(shape)), (0, len(shape) - 1, *range(1, len(shape) - 1))):
        number = np.ravel_multi_index(
            tuple(places[:, list(order)].T), tuple(shape[i] for i in order)
        )
        for axis, of_inputs in product(range(1, 1 + len(looks.lengths)), (True, False)):
            index = _index(places, sees.shape, axis, of_inputs=of_inputs)
            for by in (*range(-_FAR, 0), *range(1, _FAR + 1)):
                if np.array_equal(_displaced(looks, sees, places, number, by * index), looks.got):
                    yield abs(by), _in_words(looks, axis, by, of_inputs=of_inputs)


def _shape(looks: Looks) -> tuple[int, ...]:
    """The shape of the inputs, channels last; as many samples and channels as outputs have."""
    return (looks.right.shape[1], *looks.lengths, looks.right.shape[-1])


def _all_looks(looks: Looks, places: Array) -> Array:
    """Which outputs should look at which inputs, those that were not marked as well."""
    samples, channels = (np.arange(looks.right.shape[axis]) for axis in (1, -1))
    along = [
        (windows[None] == places[:, 1 + axis, None, None]).any(axis=-1)
        for axis, windows in enumerate(looks.windows)
    ]
    masks = [places[:, :1] == samples, *along, places[:, -1:] == channels]
    return np.asarray(reduce(lambda one, mask: one[..., None] & _spread(mask, one), masks))


def _spread(mask: Array, one: Array) -> Array:
    """A mask of inputs and indices with an axis of one for each that comes before."""
    return mask.reshape(len(mask), *[1] * (one.ndim - 1), mask.shape[1])


def _index(places: Array, shape: tuple[int, ...], axis: int, *, of_inputs: bool) -> Array:
    """The index along an axis of the inputs, or of the outputs, of every look."""
    if of_inputs:
        return np.broadcast_to(places[:, axis].reshape(-1, *[1] * (len(shape) - 1)), shape)
    outputs = np.arange(shape[1 + axis]).reshape(
        [-1 if i == axis else 1 for i in range(len(shape) - 1)]
    )
    return np.broadcast_to(outputs, shape)


def _displaced(looks: Looks, sees: Array, places: Array, number: Array, moved: Array) -> Array:
    """Which outputs look at the marked inputs, each look so many elements further on."""
    at = np.full(number.size, -1)
    of_marked = {tuple(place): row for row, place in enumerate(looks.inputs.tolist())}
    for row, place in zip(number, places.tolist(), strict=True):
        at[row] = of_marked.get(tuple(place), -1)
    made = np.zeros_like(looks.got)
    rows = np.argwhere(sees)
    to = number[rows[:, 0]] + moved[tuple(rows.T)]
    there = (to >= 0) & (to < number.size)
    marked = np.where(there, at[np.where(there, to, 0)], -1)
    kept = marked >= 0
    made[(marked[kept], *rows[kept, 1:].T)] = True
    return made


def _in_words(looks: Looks, axis: int, by: int, *, of_inputs: bool) -> str:
    name, far = AXES[len(looks.lengths)][axis - 1], abs(by)
    elements = f"{far} element{'s' * (far > 1)}"
    if of_inputs:
        many = "few" if by < 0 else "many"
        return (
            f"input {name}s are taken to lie at a wrong pitch in memory, by {elements} too {many}"
        )
    side = "on" if by > 0 else "back"
    return (
        f"the windows of each output {name} lie {elements} further {side} in memory than they "
        f"should, counted from the {name} before"
    )

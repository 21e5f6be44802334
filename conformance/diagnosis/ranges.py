"""Of which of its products alone a sum is made, where a loop ends too early or starts too late.

The products of some outputs are added one after another; where what an implementation gave is
such a partial sum in all of them, its loop went so far.  Of how many products that says more than
where: as far as a whole number of blocks, or as a counter of few bits goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import Operands
from conformance.diagnosis.evaluation import (
    CORRECT,
    Array,
    Prediction,
    gather,
    predict,
    settings_of,
    to_channels_last,
)
from conformance.judge.contraction import as_float64

_LOOKED_AT: Final = 16
_MOST_PRODUCTS: Final = 1 << 21
_BLOCKS: Final = (4, 8, 16, 32, 64, 128)
_COUNTER: Final = 1 << 8
_NEAR: Final = 1e-6


def ranges(case: Case, operands: Operands, actual: Array) -> tuple[str, ...]:
    """What is left out of the sums of a convolution without activation, in all words that hold."""
    right = predict(case, operands)
    wrong = np.argwhere(to_last(case, ~right.allows(actual)))
    if facts(case).products * len(actual) > _MOST_PRODUCTS or not len(wrong):
        return ()
    places = wrong[:: max(len(wrong) // _LOOKED_AT, 1)][:_LOOKED_AT]
    products = _products(case, operands, places)
    wanted, error = _wanted(case, operands, right, actual, places)
    words = (
        one
        for what, terms in (("channels", products.sum(axis=1)), ("products", _flat(products)))
        for one in _in_words(what, terms, wanted, error)
    )
    return tuple(words)


def to_last(case: Case, y: Array) -> Array:
    """An output with its channels last."""
    return to_channels_last(y) if facts(case).channels_first else y


def _flat(products: Array) -> Array:
    return products.reshape(len(products), -1)


def _products(case: Case, operands: Operands, places: Array) -> Array:
    """The products of some outputs, of the shape (outputs, taps, channels of the group)."""
    assert operands.inputs is not None
    known = facts(case)
    x, kernel = as_float64(operands.inputs), as_float64(operands.weights["kernel"])
    windows, inside = gather(to_last(case, x), settings_of(case), CORRECT)
    channels, filters = kernel.shape[-2], kernel.shape[-1] // known.groups
    found = []
    for *place, number in places:
        first = number // filters * channels
        window = np.where(inside[tuple(place[1:])], windows[tuple(place)], 0.0)
        terms = window[..., first : first + channels] * kernel[..., number]
        found.append(terms.reshape(-1, channels))
    return np.stack(found)


def _wanted(
    case: Case, operands: Operands, right: Prediction, actual: Array, places: Array
) -> tuple[Array, Array]:
    """What the sums were given as, without the bias, and by how much they may be off."""
    index = tuple(places.T)
    given = to_last(case, as_float64(actual))[index]
    bias = operands.weights.get("bias")
    own: Any = 0.0 if bias is None else as_float64(bias)[places[:, -1]]
    error: Any = 0.0 if right.error is None else to_last(case, right.error)[index]
    return given - own, 4 * error + np.zeros(len(places))


def _in_words(what: str, terms: Array, wanted: Array, error: Array) -> Iterator[str]:
    count = terms.shape[1]
    partial = np.concatenate([np.zeros((len(terms), 1)), np.cumsum(terms, axis=1)], 1)
    room = (error + _NEAR * np.abs(terms).sum(axis=1))[:, None]
    for sums, told in ((partial, _ends), (partial[:, -1:] - partial, _starts)):
        fitting = (np.abs(sums - wanted[:, None]) <= room).all(axis=0)
        for index in np.flatnonzero(fitting[1:-1] if told is _starts else fitting[:-1]):
            yield from told(int(index) + (told is _starts), count, what)


def _ends(index: int, count: int, what: str) -> Iterator[str]:
    """Words for a loop that ends before an index."""
    if count >= _COUNTER and index == count % _COUNTER:
        yield (
            f"of more than {_COUNTER - 1} {what} only as many are read as {_COUNTER} leaves of "
            "their number, as where they are counted in 8 bits"
        )
    if index:
        if index == count - 1:
            yield f"the last of the {what} of a sum is left out"
        yield from (
            f"the {what} beyond the last multiple of {block} are left out"
            for block in _BLOCKS
            if index == count // block * block
        )
        yield f"the {what} from index {index} on are left out"


def _starts(index: int, count: int, what: str) -> Iterator[str]:
    """Words for a loop that starts at an index."""
    if index < count:
        yield f"the {what} before index {index} are left out"

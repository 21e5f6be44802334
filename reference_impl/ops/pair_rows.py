"""The activations that mix a row, in double-double arithmetic: softmax, log_softmax, glu.

As in `reference_impl.ops.pair_activations`, whose conventions hold: arguments err by ``2**-106``
relative to themselves at most, and E and L are the errors of exponential and logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.double_double import (
    Expansion,
    Pair,
    add,
    divide,
    expansion,
    is_regular,
    multiply,
    negated,
    total,
)
from reference_impl.ops.pair_activations import BLOCK, LOGISTIC_ERROR, logistic
from reference_impl.ops.pair_functions import EXP_ERROR, LOG1P_ERROR, exponential, log1p

Float64Array = NDArray[np.float64]


def softmax(x: Pair) -> Expansion:
    """``exp(x_i) / sum_j exp(x_j)`` of each row."""
    return _by_rows(_softmax, x)


def log_softmax(x: Pair) -> Expansion:
    """``x_i - ln(sum_j exp(x_j))`` of each row."""
    return _by_rows(_log_softmax, x)


def glu(x: Pair) -> Expansion:
    """``a sigmoid(b)`` for the halves a and b of each row."""
    return _by_rows(_glu, x)


def _by_rows(function: Callable[[Pair], Expansion], x: Pair) -> Expansion:
    """The function, some rows at a time."""
    rows, width = x.high.shape
    step = max(BLOCK // max(width, 1), 1)
    starts = range(0, max(rows, 1), step)
    with np.errstate(all="ignore"):
        blocks = [function(Pair(*(part[i : i + step] for part in x))) for i in starts]
    return Expansion(*map(np.concatenate, zip(*blocks, strict=True)))


class _Shares(NamedTuple):
    """Exponentials relative to the largest element of each row.

    Attributes:
        distance: ``x_i - x_top``, not positive.
        power: ``exp(x_i - x_top)``, 1 for the top element.
        error: of each power, relative, one column; also of each distance, absolute.
        top: where the top elements are, one in each row.
    """

    distance: Pair
    power: Pair
    error: Float64Array
    top: NDArray[np.bool_]


def _shares(x: Pair) -> _Shares:
    """The exponentials of a row.

    A distance errs by ``4 u**2`` of itself, which counts up to 690 times, and by ``2**-106`` of
    both elements: at most ``2**-94`` and ``2**-105 max |x|``.  Doubling that covers what it makes
    of the exponential, or else the radius is above 1 and decides nothing.  An element that is
    nearest to the top one by less than these errors may be above it, which is no harm.
    """
    index = x.high.argmax(-1)[:, np.newaxis]
    top = np.arange(x.high.shape[-1]) == index
    largest = Pair(*(np.take_along_axis(part, index, -1) for part in x))
    distance = add(x, negated(largest))
    power = exponential(distance)
    error = 2 * EXP_ERROR + np.abs(x.high).max(-1, keepdims=True) * 2.0**-104
    return _Shares(distance, power, error, top)


def _softmax(x: Pair) -> Expansion:
    """Twice the error of the powers, and that of sum and division, which is below ``2**-97``."""
    shares = _shares(x)
    value = divide(shares.power, total(shares.power))
    return expansion(value, 4 * shares.error)


def _log_softmax(x: Pair) -> Expansion:
    """``(x_i - x_top) - ln(1 + the other powers)``, of two terms that are not positive."""
    shares = _shares(x)
    others = Pair(*(np.where(shares.top, 0.0, part) for part in shares.power))
    logarithm = log1p(total(others))
    value = expansion(add(shares.distance, negated(logarithm)), 2 * LOG1P_ERROR + 2 * shares.error)
    distances = np.where(shares.top, 0.0, 2.0 * shares.error)
    return value._replace(radius=value.radius + distances)


def _glu(x: Pair) -> Expansion:
    """The error of sigmoid, ``8 u**2``, and the error of a."""
    half = x.high.shape[-1] // 2
    a, b = (Pair(*(part[:, chosen] for part in x)) for chosen in (slice(half), slice(half, None)))
    value = expansion(multiply(a, logistic(b)), 2 * LOGISTIC_ERROR)
    told = is_regular(a.high) & is_regular(b.high)
    return value._replace(radius=np.where(told, value.radius, np.inf))

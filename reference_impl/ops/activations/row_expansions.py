"""The activations that mix a row, and their gradients, in double-double arithmetic.

They are softmax, log_softmax and glu; sparsemax is rational.

As in `reference_impl.ops.activations.expansions`, whose conventions hold: arguments err by
``2**-105`` relative to themselves at most, and E and L are the errors of exponential and logarithm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.activations.expansions import (
    BLOCK,
    BUMP_ERROR,
    LOGISTIC_ERROR,
    bump,
    logistic,
)
from reference_impl.ops.double_double import (
    Expansion,
    Pair,
    add,
    divide,
    expansion,
    is_regular,
    multiply,
    multiply_float,
    negated,
    pair,
    total,
)
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


def pull_softmax(x: Pair, upstream: Float64Array) -> Expansion:
    """``g_i = s_i (u_i - sum_j s_j u_j)`` with s the softmax of each row x, and u upstream."""
    return _by_rows(_pull_softmax, x, upstream)


def pull_log_softmax(x: Pair, upstream: Float64Array) -> Expansion:
    """``g_i = u_i - s_i sum_j u_j`` with s the softmax of each row x, and u upstream."""
    return _by_rows(_pull_log_softmax, x, upstream)


def pull_glu(x: Pair, upstream: Float64Array) -> Expansion:
    """``(u sigmoid(b), u a sigmoid'(b))`` for the halves a and b of each row x, and u upstream."""
    return _by_rows(_pull_glu, x, upstream)


def _by_rows(
    function: Callable[..., Expansion], x: Pair, upstream: Float64Array | None = None
) -> Expansion:
    """The function, some rows at a time."""
    rows, width = x.high.shape
    step = max(BLOCK // max(width, 1), 1)
    blocks = []
    with np.errstate(all="ignore"):
        for start in range(0, max(rows, 1), step):
            block = slice(start, start + step)
            others = () if upstream is None else (upstream[block],)
            blocks.append(function(Pair(x.high[block], x.low[block]), *others))
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

    A distance errs by ``4 u**2`` of itself, which counts up to 690 times, and by ``2**-105`` of
    both elements: at most ``2**-94`` and ``2**-104 max |x|``.  Doubling that covers what it makes
    of the exponential, or else the radius is above 1 and decides nothing.  An element that is
    nearest to the top one by less than these errors may be above it, which is no harm.
    """
    index = x.high.argmax(-1)[:, np.newaxis]
    top = np.arange(x.high.shape[-1]) == index
    largest = Pair(*(np.take_along_axis(part, index, -1) for part in x))
    distance = add(x, negated(largest))
    power = exponential(distance)
    error = 2 * EXP_ERROR + np.abs(x.high).max(-1, keepdims=True) * 2.0**-103
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
    gate = logistic(b)
    value = expansion(multiply(a, gate), 2 * LOGISTIC_ERROR)
    told = is_regular(a.high) & is_regular(b.high) & is_regular(gate.high)
    return value._replace(radius=np.where(told, value.radius, np.inf))


_SUM_ERROR: Final = 2.0**-97
"""Of `total`, relative to the sum of the magnitudes, for terms of any sign, and of a product."""


def _pull_softmax(x: Pair, upstream: Float64Array) -> Expansion:
    """Softmax's vector-Jacobian product for a block of rows.

    With e the error of a share and m the sum of ``s_j |u_j|``: ``u_i - sum_j s_j u_j`` errs by
    ``m (e + 2**-97)``, and the product with s_i by ``e + 2**-97`` of itself.  Shares that are taken
    for 0, or lose bits to underflow, err by ``2**-990`` in the sum, and by ``2**-1010`` before it.
    """
    shares = _shares(x)
    share = divide(shares.power, total(shares.power))
    size = np.abs(upstream)
    mean = total(multiply_float(share, upstream))
    value = multiply(share, add(pair(upstream), negated(mean)))
    scale = size + (share.high * size).sum(-1, keepdims=True) * (1.0 + 2.0**-20)
    radius = share.high * scale * (8 * shares.error + 4 * _SUM_ERROR)
    radius += (share.high * 2.0**-980 + 2.0**-1000) * size.max(-1, keepdims=True)
    return _widened(value, radius)


def _pull_log_softmax(x: Pair, upstream: Float64Array) -> Expansion:
    """Log_softmax's vector-Jacobian product for a block of rows.

    It errs by e of ``s_i |sum u|``, and by ``2**-97`` of the sum of magnitudes and of the result.
    """
    shares = _shares(x)
    share = divide(shares.power, total(shares.power))
    sum_ = total(pair(upstream))
    value = add(pair(upstream), negated(multiply(share, sum_)))
    size = np.abs(upstream).sum(-1, keepdims=True)
    radius = share.high * (np.abs(sum_.high) * (8 * shares.error) + size * (4 * _SUM_ERROR))
    return _widened(value, radius + size * 2.0**-980)


def _widened(value: Pair, radius: Float64Array) -> Expansion:
    """An expansion of this radius, and a little more for the rounding of it and of the bounds."""
    result = expansion(value, 2 * _SUM_ERROR)
    return result._replace(radius=result.radius + radius * (1.0 + 2.0**-20))


def _pull_glu(x: Pair, upstream: Float64Array) -> Expansion:
    """The error of the sigmoid or its derivative, that of a, and those of two products."""
    half = x.high.shape[-1] // 2
    a, b = (Pair(*(part[:, chosen] for part in x)) for chosen in (slice(half), slice(half, None)))
    gate, steep = logistic(b), bump(b)
    inner = multiply(a, steep)
    first = expansion(multiply_float(gate, upstream), 2 * LOGISTIC_ERROR)
    second = expansion(multiply_float(inner, upstream), 2 * BUMP_ERROR)
    told_first = is_regular(b.high) & is_regular(gate.high)
    told_second = is_regular(b.high) & is_regular(steep.high) & is_regular(inner.high)
    told = np.concatenate((told_first, told_second & is_regular(a.high)), -1)
    high, low, radius = (np.concatenate(parts, -1) for parts in zip(first, second, strict=True))
    return Expansion(high, low, np.where(told, radius, np.inf))

"""The activations of rows along the last axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from conformance.judge.activations.activation import (
    HINT,
    ZERO,
    Number,
    RowFormula,
    Rowwise,
    is_far,
    larger,
    settle,
)
from conformance.judge.activations.smooth import EXPONENTIAL, SIGMOID
from conformance.judge.definition.balls import Ball
from conformance.judge.definition.rounding import Format, round_fraction
from conformance.judge.running_error import Floats, Running, growth

_LEAST_EXPONENT: Final = -745.0


def _shares(
    value: RowFormula, everything: float, nothing: float
) -> Callable[[Sequence[Fraction | float], Format], list[float]]:
    """A row that holds NaN or infinities, where these take everything or nothing of it.

    Where the arguments tend to infinity the results are their limits, and NaN where there is none:
    one plus infinity takes all of a softmax, several share it in no definite way; minus infinity
    takes nothing.
    """

    def with_specials(row: Sequence[Fraction | float], fmt: Format) -> list[float]:
        if any(math.isnan(x) for x in row):
            return [math.nan] * len(row)
        largest = [x for x in row if x == math.inf]
        if largest:
            share = everything if len(largest) == 1 else math.nan
            return [share if x == math.inf else nothing for x in row]
        finite = [x for x in row if isinstance(x, Fraction)]
        values = iter(settle(lambda digits: value(finite, digits), fmt) if finite else [])
        absent = nothing if finite else math.nan
        return [next(values) if isinstance(x, Fraction) else absent for x in row]

    return with_specials


def _powers(distances: Sequence[Fraction], digits: int) -> list[Number]:
    """Their exponentials; what is below ``exp(-1600)`` is as good as nothing beside one."""
    return [EXPONENTIAL.value(distance, digits) for distance in distances]


def _sum_of_powers(powers: Sequence[Number]) -> Number:
    total: Number = ZERO
    for power in powers:
        if power is not HINT:  # it cannot reach the next rounding boundary
            total = total + power
    return total


def _balances(row: Sequence[Fraction], u: Sequence[Fraction], one: Fraction) -> bool:
    """Whether the differences from `one` cancel among equal elements of the row."""
    return not any(
        sum(one - v for x, v in zip(row, u, strict=True) if x == value) for value in set(row)
    )


def _mean_difference(shares: Sequence[Number], u: Sequence[Fraction], one: Fraction) -> Number:
    total: Number = ZERO
    for share, v in zip(shares, u, strict=True):
        total = total + share * (one - v)
    return total


def _total(x: Running) -> Running:
    """The sum along the last axis, in any order."""
    size = (np.abs(x.value) + 2 * x.error).sum(-1, keepdims=True)
    rounding = growth(max(x.value.shape[-1] - 1, 0), x.format.unit_roundoff) * size
    error = x.error.sum(-1, keepdims=True) + rounding
    return Running(x.value.sum(-1, keepdims=True), error, x.format)


def _row_distances(x: Running) -> Running:
    """The distance of each element from the largest of its row, at most zero."""
    largest = x.value.max(-1, keepdims=True)
    error = x.error.max(-1, keepdims=True)
    distance = x - Running(largest, error, x.format)
    vanishing = distance.largest() < _LEAST_EXPONENT
    return Running(
        np.maximum(distance.value, _LEAST_EXPONENT),
        np.where(vanishing, 0.0, distance.error),
        x.format,
    )


def _softmax(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``exp(x_i) / sum(exp(x_j))``, with the largest x taken out of both."""
    largest = max(row)
    powers = _powers([x - largest for x in row], digits)
    total = _sum_of_powers(powers)
    return [power if power is HINT else power / total for power in powers]


def _softmax_slope(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``p_i (u_i - sum p_j u_j)``, rational where the exponentials cancel."""
    shares = _softmax(row, digits)
    return [
        ZERO if _balances(row, u, u[i]) else share * _mean_difference(shares, u, u[i])
        for i, share in enumerate(shares)
    ]


def _run_softmax(x: Running) -> Running:
    """``exp(x) / sum(exp(x))`` along the last axis, the largest x taken out."""
    exponentials = _row_distances(x).exp()
    return exponentials / _total(exponentials)


def _run_softmax_slope(x: Running, u: Running) -> Running:
    """``y (u - sum y u)``."""
    y = _run_softmax(x)
    return y * (u - _total(y * u))


SOFTMAX: Final = Rowwise(
    "softmax",
    _softmax,
    _softmax_slope,
    _run_softmax,
    _run_softmax_slope,
    with_specials=_shares(_softmax, 1.0, 0.0),
)


def _log_softmax(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``x_i - log(sum(exp(x_j)))``, with the largest x taken out of the sum, where it leaves 1."""
    largest = max(row)
    distances = [x - largest for x in row]
    others = distances.copy()
    others.remove(ZERO)
    rest = _sum_of_powers(_powers(others, digits))
    if not rest:
        return [distance - HINT * (len(row) > 1) for distance in distances]
    logarithm = (rest if isinstance(rest, Ball) else Ball.of(rest, digits)).log_of_one_plus()
    return [logarithm.taken_from(distance) for distance in distances]


def _log_softmax_slope(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u_i - p_i sum u``."""
    total = sum(u, ZERO)
    return [
        v - total * share if total else v for v, share in zip(u, _softmax(row, digits), strict=True)
    ]


def _run_log_softmax(x: Running) -> Running:
    """``x - log(sum(exp(x)))`` along the last axis, with the largest x taken out or not."""
    largest = Running(x.value.max(-1, keepdims=True), x.error.max(-1, keepdims=True), x.format)
    logarithm = _total(_row_distances(x).exp()).log()
    below = (x - largest) - logarithm
    return below.loosened((x - (largest + logarithm)).error)


def _run_log_softmax_slope(x: Running, u: Running) -> Running:
    """``u - y sum u``, with y the softmax or the exponential of the output."""
    y = larger(_run_softmax(x), _run_log_softmax(x).exp())
    return u - y * _total(u)


LOG_SOFTMAX: Final = Rowwise(
    "log_softmax",
    _log_softmax,
    _log_softmax_slope,
    _run_log_softmax,
    _run_log_softmax_slope,
    with_specials=_shares(_log_softmax, 0.0, -math.inf),
)


def _sparsemax(row: Sequence[Fraction], _: int) -> list[Number]:
    """``max(x - t, 0)`` with t such that the results sum to one."""
    descending = sorted(row, reverse=True)
    total, threshold = Fraction(0), Fraction(0)
    for count, x in enumerate(descending, 1):
        total += x
        if 1 + count * x > total:
            threshold = (total - 1) / count
    return [max(x - threshold, Fraction(0)) for x in row]


def _sparsemax_slope(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u_i`` less the mean over the elements that are greater than zero; 0 for the others."""
    values = _sparsemax(row, digits)
    kept = [v for v, value in zip(u, values, strict=True) if value != 0]
    mean = sum(kept, ZERO) / len(kept)
    return [v - mean if value != 0 else ZERO for v, value in zip(u, values, strict=True)]


def _simplex_threshold(x: Floats) -> Floats:
    """The number t for which ``sum(max(x - t, 0))`` is one, along the last axis."""
    descending = -np.sort(-x, axis=-1)
    counts = np.arange(1, x.shape[-1] + 1)
    thresholds = (np.cumsum(descending, axis=-1) - 1) / counts
    count = (descending > thresholds).sum(-1, keepdims=True)
    threshold: Floats = np.take_along_axis(thresholds, np.maximum(count - 1, 0), axis=-1)
    return threshold


def _run_sparsemax(x: Running) -> Running:
    """The projection of each row on the simplex, by sorting, summing and subtracting.

    A projection moves no farther than its argument, so the errors of x come through as their sum
    at most.  The threshold is ``(sum - 1) / count`` over the larger elements; its roundings are
    those of that sum, the division and the subtraction.  Whether the smallest of them counts is
    decided by rounded numbers, which changes the threshold by no more.
    """
    length = x.value.shape[-1]
    size = (np.abs(x.value) + 2 * x.error).sum(-1, keepdims=True) + 1
    rounding = 2 * growth(length + 3, x.format.unit_roundoff) * size
    value = np.maximum(x.value - _simplex_threshold(x.value), 0.0)
    error = x.error.sum(-1, keepdims=True) + rounding + np.zeros_like(x.value)
    return Running(value, error, x.format)


def _is_near_edge(x: Running, y: Running) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Rows in which an element's distance from the threshold is within the errors."""
    largest = np.where(y.value > 0, x.value - y.value, -np.inf).max(-1, keepdims=True)
    distance = np.abs(x.value - largest)
    near = distance <= 2 * y.error.max(-1, keepdims=True)
    rows: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = near.any(-1, keepdims=True)
    return rows & np.ones(x.value.shape, np.bool_)


def _run_sparsemax_slope(x: Running, u: Running) -> Running:
    """``u`` less its mean over the support; anything where rounding may change the support."""
    y = _run_sparsemax(x)
    support = y.value > 0
    count = np.maximum(support.sum(-1, keepdims=True), 1)
    kept = Running(np.where(support, u.value, 0.0), np.zeros_like(u.value), x.format)
    total = _total(kept)
    mean = Running(total.value / count, total.error / count, x.format).loosened(
        2 * x.format.unit_roundoff * np.abs(total.value)
    )
    moved = u - mean
    value = np.where(support, moved.value, 0.0)
    size = np.abs(u.value).sum(-1, keepdims=True)
    error = np.where(support, moved.error + 8 * x.format.unit_roundoff * size, 0.0)
    return Running(value, np.where(_is_near_edge(x, y), np.inf, error), x.format)


SPARSEMAX: Final = Rowwise(
    "sparsemax",
    _sparsemax,
    _sparsemax_slope,
    _run_sparsemax,
    _run_sparsemax_slope,
    with_specials=_shares(_sparsemax, 1.0, 0.0),
)


def _gated(a: Fraction, b: Fraction, digits: int) -> Number:
    if not is_far(b) or not a:
        return a * SIGMOID.value(b, digits)
    # The gate is closed, or open, up to a part of a too small for any format.
    nudge = HINT if a > 0 else -HINT
    return a - nudge if b > 0 else nudge


def _glu_with_specials(row: Sequence[Fraction | float], fmt: Format) -> list[float]:
    half = len(row) // 2
    return [_special_gate(a, b, fmt) for a, b in zip(row[:half], row[half:], strict=True)]


def _special_gate(a: Fraction | float, b: Fraction | float, fmt: Format) -> float:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return settle(lambda digits: [_gated(a, b, digits)], fmt)[0]
    gate = SIGMOID.at_special(b, fmt) if isinstance(b, float) else 0.5
    return round_fraction(a, fmt) * gate if isinstance(a, Fraction) else a * gate


def _glu(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``a sigmoid(b)``, where a and b are the halves of the row."""
    half = len(row) // 2
    return [_gated(a, b, digits) for a, b in zip(row[:half], row[half:], strict=True)]


def _glu_slope(row: Sequence[Fraction], u: Sequence[Fraction], digits: int) -> list[Number]:
    """``u s(b)`` and ``u a s'(b)``."""
    half = len(row) // 2
    a, b = row[:half], row[half:]
    gates = [v * SIGMOID.value(y, digits) if v else v for v, y in zip(u, b, strict=True)]
    slopes = [
        v * x * SIGMOID.slope(y, digits) if v and x else ZERO
        for v, x, y in zip(u, a, b, strict=True)
    ]
    return [*gates, *slopes]


def _halves(x: Running) -> tuple[Running, Running]:
    half = x.value.shape[-1] // 2
    parts = ((x.value[..., part], x.error[..., part]) for part in (np.s_[:half], np.s_[half:]))
    a, b = (Running(*part, x.format) for part in parts)
    return a, b


def _run_glu(x: Running) -> Running:
    """``a sigmoid(b)``, where a and b are the halves of the last axis."""
    a, b = _halves(x)
    return a * SIGMOID.running(b)


def _run_glu_slope(x: Running, u: Running) -> Running:
    """``u s(b)`` and ``u a s'(b)``."""
    a, b = _halves(x)
    first, second = u * SIGMOID.running(b), (u * a) * SIGMOID.running_slope(b)
    return Running(
        np.concatenate((first.value, second.value), -1),
        np.concatenate((first.error, second.error), -1),
        x.format,
    )


GLU: Final = Rowwise(
    "glu",
    _glu,
    _glu_slope,
    _run_glu,
    _run_glu_slope,
    keeps_shape=False,
    with_specials=_glu_with_specials,
)

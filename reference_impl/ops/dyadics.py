"""Exact sums of products as dyadic numbers ``n 2**e`` in Python's integers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.error_free import exact_slices, halves

Float64Array = NDArray[np.float64]
Dyadic = tuple[int, int]

_SMALLEST_EXACT = -1074 + 2 * 53
"""Operands whose exponents (of frexp) add up to at least this have exact products of halves."""


def dyadic(value: float) -> Dyadic:
    """A finite float as ``n 2**e``."""
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def add_dyadics(terms: Iterable[Dyadic]) -> Dyadic:
    """The exact sum of dyadic numbers; the exponent is the least among those that are not zero."""
    terms = [term for term in terms if term[0]]
    least = min((e for _, e in terms), default=0)
    return sum(n << (e - least) for n, e in terms), least


def sums_of_products(x: Float64Array, w: Float64Array, *, short: bool) -> list[Dyadic]:
    """``sum_k x[i, k] w[i, k]`` exactly, for each row i.

    Args:
        x: finite float64.
        w: finite float64 of the same shape.
        short: whether float64 holds every product exactly, as it does for float32 operands.

    Other operands are scaled, row by row, to magnitudes below one, and each product is replaced
    by the four products of the operands' halves, which are exact unless they underflow.  Rows in
    which they might are added up in integers.
    """
    if short:
        return _totals(exact_slices(x * w))
    x_top, w_top = _exponent(x, np.max), _exponent(w, np.max)
    top = x_top + w_top
    safe = _exponent(x, np.min) + _exponent(w, np.min) - top >= _SMALLEST_EXACT
    x_parts = halves(np.ldexp(x[safe], -x_top[safe, None]))
    w_parts = halves(np.ldexp(w[safe], -w_top[safe, None]))
    terms = np.concatenate([a * b for a in x_parts for b in w_parts], 1)
    sums: list[Dyadic] = [(0, 0)] * len(x)
    for row, (n, e) in zip(np.flatnonzero(safe), _totals(exact_slices(terms)), strict=True):
        sums[row] = n, e + int(top[row])
    for row in np.flatnonzero(~safe):
        sums[row] = _integer_sum(x[row], w[row])
    return sums


def _exponent(values: Float64Array, reduce: Callable[..., Float64Array]) -> NDArray[np.intp]:
    """Per row, the exponent of the smallest or largest magnitude that is not zero."""
    magnitudes = np.abs(values)
    neutral = np.inf if reduce is np.min else 0.0
    chosen = reduce(magnitudes, axis=1, initial=neutral, where=magnitudes != 0)
    return np.frexp(np.where(np.isfinite(chosen), chosen, 0.0))[1]


def _totals(slices: Float64Array) -> list[Dyadic]:
    integers, exponents = _integers(slices)
    rows = zip(integers.tolist(), exponents.tolist(), strict=True)
    return [add_dyadics(zip(n, e, strict=True)) for n, e in rows]


def _integers(values: Float64Array) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """``values == n 2**e`` with integers of at most 53 bits."""
    significands, exponents = np.frexp(values)
    return np.ldexp(significands, 53).astype(np.int64), exponents - 53


def _integer_sum(x: Float64Array, w: Float64Array) -> Dyadic:
    (x_integers, x_exponents), (w_integers, w_exponents) = _integers(x), _integers(w)
    products = zip(x_integers.tolist(), w_integers.tolist(), strict=True)
    exponents = (x_exponents + w_exponents).tolist()
    return add_dyadics((a * b, e) for (a, b), e in zip(products, exponents, strict=True))


def grid_exponent(values: Float64Array) -> int | None:
    """The largest g such that all values are multiples of ``2**g``; None if all are zero."""
    integers, exponents = _integers(values[values != 0])
    if not integers.size:
        return None
    lowest_bits = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    return int((exponents + lowest_bits).min())


def is_exact_in_float64(
    x: Float64Array, w: Float64Array, bias: Float64Array | None, largest: float
) -> bool:
    """Whether float64 adds up the products and the bias without error, in any order.

    It does if all terms are multiples of some ``2**g`` and the sum of their magnitudes, of which
    `largest` is an upper bound, is at most ``2**(53 + g)``: then float64 holds every partial sum.
    A strided sample is looked at first, because it usually settles the question.
    """
    return all(_fits(sample(x), sample(w), bias, largest) for sample in (_strided_sample, np.ravel))


def _strided_sample(values: Float64Array) -> Float64Array:
    return values.reshape(-1)[:: max(values.size // 1021, 1)]


def _fits(x: Float64Array, w: Float64Array, bias: Float64Array | None, largest: float) -> bool:
    x_grid, w_grid = grid_exponent(x), grid_exponent(w)
    bias_grid = None if bias is None else grid_exponent(bias)
    grids = [] if x_grid is None or w_grid is None else [x_grid + w_grid]
    grids += [] if bias_grid is None else [bias_grid]
    return not grids or largest <= 2.0 ** (53 + min(grids))

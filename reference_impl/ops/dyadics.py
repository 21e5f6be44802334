"""Dyadic numbers ``n 2**e`` in integers, which finite floats, their products and sums are."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Dyadic = tuple[int, int]


def dyadic(value: float) -> Dyadic:
    """A finite float as ``n 2**e``."""
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def split(value: Dyadic) -> tuple[float, float]:
    """The nearest float64 to a dyadic number in its range, and the nearest one to the rest."""
    n, e = value
    numerator, denominator = n << max(e, 0), 1 << max(-e, 0)
    high = numerator / denominator
    p, q = high.as_integer_ratio()
    return high, (numerator * q - p * denominator) / (denominator * q)


def add_dyadics(terms: Iterable[Dyadic]) -> Dyadic:
    """The exact sum of dyadic numbers; the exponent is the least among those that are not zero."""
    terms = [term for term in terms if term[0]]
    least = min((e for _, e in terms), default=0)
    return sum(n << (e - least) for n, e in terms), least


def row_totals(rows: Float64Array) -> list[Dyadic]:
    """The exact sum of each row of finite numbers."""
    integers, exponents = _integers(rows)
    pairs = zip(integers.tolist(), exponents.tolist(), strict=True)
    return [add_dyadics(zip(n, e, strict=True)) for n, e in pairs]


def dot(x: Float64Array, w: Float64Array) -> Dyadic:
    """``sum_k x[k] w[k]`` exactly, for finite numbers of any magnitude."""
    (x_integers, x_exponents), (w_integers, w_exponents) = _integers(x), _integers(w)
    products = zip(x_integers.tolist(), w_integers.tolist(), strict=True)
    exponents = (x_exponents + w_exponents).tolist()
    return add_dyadics((a * b, e) for (a, b), e in zip(products, exponents, strict=True))


def _integers(values: Float64Array) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """``values == n 2**e`` with integers of at most 53 bits."""
    significands, exponents = np.frexp(values)
    return np.ldexp(significands, 53).astype(np.int64), exponents - 53


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
    return not grids or largest <= 2.0 ** min(53 + min(grids), 1023)

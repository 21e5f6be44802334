"""The mean magnitude of the cosines between the rows of a matrix, and its gradient.

With rows x_i, lengths ``N_i = max(|x_i|, epsilon)`` and products ``d_ij = <x_i, x_j>`` the mean is
``sum_{i < j} |d_ij| / (N_i N_j)`` over the number of pairs.  The elements are taken as fractions,
so the products are exact, and only the square roots ``sqrt(N_i**2 N_j**2)`` are enclosed.
A sum of positive square roots of rationals is rational only if each is, so widening the enclosures
decides every rounding (Ziv's strategy) unless all are rational; that case is exact.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_fraction

Array = NDArray[Any]
Vector = list[Fraction]
Interval = tuple[Fraction, Fraction]

_GRADIENT_BITS: Final = 200


def mean_cosine(x: Array, epsilon: float, factor: float, divisor: int, format: Format) -> float:
    """``factor / divisor`` times the mean, rounded once; NaN for fewer than two rows.

    Args:
        x: matrix whose rows are compared.
        epsilon: least length that a row is divided by.
        factor: what the mean is multiplied by.
        divisor: what it is divided by.
        format: of the result.
    """
    pairs = len(x) * (len(x) - 1) // 2
    if not pairs or not np.all(np.isfinite(x)):
        return math.nan
    rows, squares = _rows(x, epsilon)
    terms = [
        (abs(_dot(rows[i], rows[j])), squares[i] * squares[j])
        for i in range(len(rows))
        for j in range(i)
    ]
    terms = [term for term in terms if term[0]]
    scale = Fraction(factor) / (divisor * pairs)
    bits = 2 * format.precision + 64
    while True:
        bounds = [_quotient(product, square, bits) for product, square in terms]
        low = round_fraction(scale * sum((b[0] for b in bounds), Fraction(0)), format)
        high = round_fraction(scale * sum((b[1] for b in bounds), Fraction(0)), format)
        if low == high:
            return low
        bits *= 2


def mean_cosine_gradient(
    x: Array, epsilon: float, factor: float, divisor: int, format: Format
) -> Array:
    """The gradient of `mean_cosine`, from 200 bits, each element rounded once.

    ``d |d_ij| / (N_i N_j) / d x_i = sign(d_ij) (x_j - d_ij x_i / N_i**2) / (N_i N_j)``, the second
    term only where ``N_i`` is the length of x_i; sign(0) = 0.
    """
    pairs = len(x) * (len(x) - 1) // 2
    if not pairs or not np.all(np.isfinite(x)):
        return np.full(x.shape, np.nan, x.dtype)
    rows, squares = _rows(x, epsilon)
    scale = Fraction(factor) / (divisor * pairs)
    result = np.zeros(x.shape, np.float64)
    for i in range(len(rows)):
        total = _row_gradient(rows, squares, i)
        result[i] = [round_fraction(scale * value, format) for value in total]
    return result.astype(x.dtype)


def _row_gradient(rows: list[Vector], squares: Vector, i: int) -> Vector:
    is_free = squares[i] == _dot(rows[i], rows[i])
    total = [Fraction(0)] * len(rows[i])
    for j, row in enumerate(rows):
        product = _dot(rows[i], row)
        if j == i or not product:
            continue
        low, high = _quotient(Fraction(1), squares[i] * squares[j], _GRADIENT_BITS)
        weight = (low + high) / 2 if product > 0 else -(low + high) / 2
        along = product / squares[i] if is_free else Fraction(0)
        total = [
            value + weight * (other - along * own)
            for value, other, own in zip(total, row, rows[i], strict=True)
        ]
    return total


def _rows(x: Array, epsilon: float) -> tuple[list[Vector], Vector]:
    """The rows as fractions, and ``N_i**2``."""
    rows = [[Fraction(value) for value in row] for row in x.astype(np.float64).tolist()]
    least = Fraction(epsilon) ** 2
    return rows, [max(_dot(row, row), least) for row in rows]


def _dot(first: Vector, second: Vector) -> Fraction:
    return sum((a * b for a, b in zip(first, second, strict=True)), Fraction(0))


def _quotient(numerator: Fraction, square: Fraction, bits: int) -> Interval:
    """``numerator / sqrt(square)``, enclosed to ``2**-bits`` relatively; exact if rational.

    ``sqrt(p / q) = sqrt(p q) / q``, and the integer root of ``p q 4**k`` is within one of the root.
    """
    p, q = square.numerator, square.denominator
    root = math.isqrt(p * q)
    if root * root == p * q:
        return numerator * q / root, numerator * q / root
    k = max(bits + 1 - (p * q).bit_length() // 2, 0)
    root = math.isqrt(p * q << 2 * k)
    return numerator * (q << k) / (root + 1), numerator * (q << k) / root

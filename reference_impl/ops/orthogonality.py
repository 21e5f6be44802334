"""The mean magnitude of the cosines between the rows of a matrix, and its gradient.

With rows x_i, lengths ``N_i = max(|x_i|, epsilon)`` and products ``d_ij = <x_i, x_j>`` the mean is
``sum_{i < j} |d_ij| / (N_i N_j)`` over the number of pairs.  The elements are taken as fractions,
so the products are exact, and only the square roots ``sqrt(N_i**2 N_j**2)`` are enclosed.
A sum of positive square roots of rationals is rational only if each is, so narrowing the enclosures
decides every rounding (Ziv's strategy) unless all are rational; that case is exact.  The terms of
the gradient have both signs, and may cancel: see `_rounded_sum`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import Format, format_of, widened
from reference_impl.ops.rounding import round_fraction

Array = NDArray[Any]
Vector = list[Fraction]
Interval = tuple[Fraction, Fraction]

_FIRST_BITS: Final = 200


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
    """The gradient of `mean_cosine`, each element rounded once.

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
        terms = _row_gradient(rows, squares, i)
        for place in range(len(rows[i])):
            quotients = [(scale * vector[place], square) for vector, square in terms]
            result[i, place] = _rounded_sum(quotients, format)
    return result.astype(x.dtype)


def _row_gradient(rows: list[Vector], squares: Vector, i: int) -> list[tuple[Vector, Fraction]]:
    """The terms of the gradient of x_i: vectors v and squares r, for ``v / sqrt(r)``."""
    is_free = squares[i] == _dot(rows[i], rows[i])
    terms: list[tuple[Vector, Fraction]] = []
    for j, row in enumerate(rows):
        product = _dot(rows[i], row)
        if j == i or not product:
            continue
        sign = 1 if product > 0 else -1
        along = product / squares[i] if is_free else Fraction(0)
        vector = [sign * (other - along * own) for other, own in zip(row, rows[i], strict=True)]
        terms.append((vector, squares[i] * squares[j]))
    return terms


def rounded_quotients(values: Array, factor: Fraction, square: Fraction) -> Array:
    """``v factor / sqrt(square)`` of each element v, rounded once to the array's dtype."""
    format = format_of(values.dtype)
    flat = widened(values.reshape(-1)).tolist()
    found = [_rounded_sum([(Fraction(v) * factor, square)], format) for v in flat]
    return np.array(found, np.float64).astype(values.dtype).reshape(values.shape)


def _rounded_sum(terms: list[tuple[Fraction, Fraction]], format: Format) -> float:
    """``sum of v / sqrt(r)`` over the pairs (v, r), rounded once.

    Square roots whose products are rational are multiples of one of them, and roots that are not
    are linearly independent over the rationals; so the sum is rational only where the multiples
    of every irrational one add up to zero, and enclosures decide all others.
    """
    collected = _by_root(terms)
    rational = [square for square in collected if _rational_root(square) is not None]
    if len(rational) == len(collected):
        exact = sum((v / (_rational_root(r) or 1) for r, v in collected.items()), Fraction(0))
        return round_fraction(exact, format)
    bits = _FIRST_BITS
    while True:
        bounds = [_signed_quotient(v, r, bits) for r, v in collected.items()]
        low = round_fraction(sum((b[0] for b in bounds), Fraction(0)), format)
        high = round_fraction(sum((b[1] for b in bounds), Fraction(0)), format)
        if low == high:
            return low
        bits *= 2


def _by_root(terms: list[tuple[Fraction, Fraction]]) -> dict[Fraction, Fraction]:
    """The terms by one square r of each class of roots with rational ratios; none is zero."""
    collected: dict[Fraction, Fraction] = {}
    for value, square in terms:
        for other in collected:
            ratio = _rational_root(other / square)
            if ratio is not None:
                collected[other] += value * ratio
                break
        else:
            collected[square] = value
    return {square: value for square, value in collected.items() if value}


def _rational_root(square: Fraction) -> Fraction | None:
    """The square root where it is rational."""
    p, q = math.isqrt(square.numerator), math.isqrt(square.denominator)
    return Fraction(p, q) if p * p == square.numerator and q * q == square.denominator else None


def _signed_quotient(value: Fraction, square: Fraction, bits: int) -> Interval:
    low, high = _quotient(abs(value), square, bits)
    return (low, high) if value > 0 else (-high, -low)


def _rows(x: Array, epsilon: float) -> tuple[list[Vector], Vector]:
    """The rows as fractions, and ``N_i**2``."""
    rows = [[Fraction(value) for value in row] for row in widened(x).tolist()]
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

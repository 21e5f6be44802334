"""Error-free transformations: float64 arithmetic that loses nothing.

``u = 2**-53`` throughout, and rounding is to nearest.  Sources:

* D. E. Knuth, The Art of Computer Programming 2, section 4.2.2 (TwoSum);
* T. J. Dekker, A floating-point technique for extending the available precision, Numerische
  Mathematik 18 (1971) (the splitting into halves, due to Veltkamp);
* S. M. Rump, T. Ogita, S. Oishi, Accurate floating-point summation part I: faithful rounding,
  SIAM J. Sci. Comput. 31 (2008), section 3 (extraction).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


def two_sum(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """``s + e == a + b`` exactly, with s the rounded sum (Knuth); overflow excluded."""
    s = a + b
    t = s - a
    e = s - t
    np.subtract(a, e, out=e)
    np.subtract(b, t, out=t)
    e += t
    return s, e


def two_sum_of_multiple(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """`two_sum` for a that are multiples of the last place of b; overwrites a.

    Let ``q = ulp(b)``.  With ``|a| >= |b|`` this is Dekker's theorem.  Otherwise ``a + b`` is a
    multiple of q below ``2**54 q``; hence ``s = a + b + d`` with ``|d| <= q``, where d is not zero
    only for an a of the sign of b.  ``a - s = -(b + d)`` is a multiple of q up to ``2**53 q``, and
    adding b to it leaves ``-d``: both are exact.  (Lemma 2.6 of Rump, Ogita and Oishi.)
    """
    s = a + b
    a -= s
    a += b
    return s, a


def halves(values: Float64Array) -> tuple[Float64Array, Float64Array]:
    """``h + l == values`` exactly with at most 26 bits each (Veltkamp, Dekker).

    So the product of two halves is exact, unless it underflows.  Needs magnitudes below 2**996.
    """
    scaled = values * 134217729.0
    high = scaled - (scaled - values)
    return high, values - high


def round_to_grid(
    values: Float64Array, exponent: NDArray[np.intp] | int, out: Float64Array | None = None
) -> Float64Array:
    """The nearest multiples of ``2**exponent``, for magnitudes up to ``2**(exponent + 51)``.

    The spacing of float64 next to ``1.5 * 2**(exponent + 52)`` is the grid's: the addition rounds
    to it and the subtraction is exact.
    """
    shift = np.ldexp(1.5, np.asarray(exponent) + 52)
    rounded: Float64Array = np.add(values, shift, out=out)
    rounded -= shift
    return rounded


def exact_slices(terms: Float64Array) -> Float64Array:
    """Per row, a few numbers with exactly the same sum as the row of `terms`: ``(rows, slices)``.

    Rump, Ogita and Oishi, lemma 3.3: for T numbers p of magnitude at most m, and a power of two
    sigma of at least ``(T + 2) m``, the numbers ``q = fl((p + sigma) - sigma)`` are multiples of
    ``u sigma`` whose sum stays below sigma, so that they add up without error in any order; and
    the rests ``p - q`` are exact and at most ``u sigma``.  This is repeated on the rests until
    none is left; each pass takes ``53 - log2(T + 2)`` bits of every row.

    Raises:
        OverflowError: if a term is not finite, or ``4 (T + 2) m`` overflows.
    """
    rest, slices = terms, []
    while (sigma := _sigma(rest)).any():
        part, rest = _extracted(rest, sigma)
        slices.append(part)
    return np.stack(slices, 1) if slices else np.zeros((len(terms), 1))


def leading_sum(
    terms: Float64Array, errors: Float64Array | None = None
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """`add` for the sums of the rows of T terms, and of the errors that belong to these.

    The first slice of `exact_slices` is exact.  The rests and the errors, at most ``u sigma`` and
    ``u sigma / (T + 2)`` each, are added in floating point, with at most ``T - 1`` roundings of
    each and one of their sum: ``u**2 sigma`` times ``T**2 + T``.  That of ``l -+ r``, by at most
    ``u**2 sigma``, is covered as well.

    Args:
        terms: finite, ``(rows, T)``.
        errors: likewise, each at most u times its term; None for none.

    Raises:
        OverflowError: as `exact_slices`.
    """
    sigma = _sigma(terms)
    part, rest = _extracted(terms, sigma)
    low = rest.sum(1)
    if errors is not None:
        low += errors.sum(1)
    high, low = two_sum(part, low)
    radius = sigma * (2.0**-53 * (terms.shape[1] + 2)) ** 2
    nothing = np.flatnonzero(low == 0)
    if errors is None and nothing.size:
        radius[nothing[~rest[nothing].any(1)]] = 0.0
    return high, low, radius


def _sigma(terms: Float64Array) -> Float64Array:
    """Per row of T terms, the least power of two above ``(T + 2) m``, or zero where m is.

    Raises:
        OverflowError: if a term is not finite, or it overflows.
    """
    count = (terms.shape[1] + 1).bit_length()
    largest = np.abs(terms).max(1, initial=0.0)
    if not (largest < 2.0 ** (1022 - count)).all():
        raise OverflowError("the terms are not finite, or too large for their number")
    sigma: Float64Array = np.ldexp(np.sign(largest), np.frexp(largest)[1] + count)
    return sigma


def _extracted(terms: Float64Array, sigma: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The sums of the parts q of the terms, and the rests (see `exact_slices`)."""
    part = terms + sigma[:, None]
    part -= sigma[:, None]
    total: Float64Array = part.sum(1)
    return total, np.subtract(terms, part, out=part)


def add(terms: Sequence[Float64Array]) -> tuple[Float64Array, Float64Array, Float64Array]:
    """``h``, ``l`` and ``r`` with ``|sum - (h + l)| <= r``, where h is the rounded ``h + l``.

    Algorithm Sum2 of T. Ogita, S. M. Rump, S. Oishi, Accurate sum and dot product, SIAM J. Sci.
    Comput. 26 (2005): `two_sum` keeps the error of each addition, and these errors are added in
    floating point, where each addition loses at most ``u |l|``.  The radius is four times that,
    which covers its own rounding and that of ``l - r`` and ``l + r`` to floating point.
    """
    high, *others = terms
    low = lost = np.zeros_like(high)
    for term in others:
        high, error = two_sum(high, term)
        low = low + error
        lost = lost + np.abs(low)
    high, low = two_sum(high, low)
    return high, low, lost * 2.0**-51

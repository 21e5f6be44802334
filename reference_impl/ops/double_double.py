"""Double-double arithmetic: real numbers as pairs of float64, with proven errors.

A pair stands for ``high + low``; it is normalized, that is ``|low| <= ulp(high) / 2``, so that
high is the rounded sum.  With ``u = 2**-53``, every operation returns a normalized pair and states
by how much it may err relative to the exact result for its operands.

What is assumed: NumPy's ``+ - * /`` and square root on float64 round each result to nearest, ties
to even (IEEE 754, without wider registers).  Each is a call of its own, so that no compiler can
fuse two of them.  Nothing is assumed of libraries of elementary functions, and a fused
multiply-add, which NumPy does not offer, is not used.

Range: the bounds hold where nothing overflows, and up to an absolute error of ``2**-1021`` for each
operation, since the rest of a product may underflow, and be flushed to zero where a library has set
the processor so.  Overflow gives NaN or infinity in one of the parts, never a wrong finite number
of a small radius, as `expansion` sees to.

Sources:

* T. J. Dekker, A floating-point technique for extending the available precision, Numerische
  Mathematik 18 (1971);
* M. Joldes, J.-M. Muller, V. Popescu, Tight and rigorous error bounds for basic building blocks of
  double-word arithmetic, ACM TOMS 44 (2017), cited as JMP;
* J.-M. Muller, L. Rideau, Formalization of double-word arithmetic, and comments on "Tight and
  rigorous error bounds for basic building blocks of double-word arithmetic", ACM TOMS 48 (2022),
  which proves the same formally and corrects the bound of the addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.error_free import halves, two_sum

Float64Array = NDArray[np.float64]

_SMALLEST: Final = 2.0**-900
_LARGEST: Final = 2.0**1000


class Pair(NamedTuple):
    """Real numbers ``high + low``, element by element, high being the rounded sum."""

    high: Float64Array
    low: Float64Array


class Expansion(NamedTuple):
    """Real numbers within `radius` of ``high + low``; an infinite radius says nothing."""

    high: Float64Array
    low: Float64Array
    radius: Float64Array


def pair(values: Float64Array) -> Pair:
    """Float64 numbers as pairs."""
    return Pair(values, np.zeros_like(values))


def constant(high: float, low: float) -> Pair:
    """One pair for all elements."""
    return Pair(np.array([high]), np.array([low]))


def negated(a: Pair) -> Pair:
    """``-a``, exactly."""
    return Pair(-a.high, -a.low)


def scaled(a: Pair, factor: float | Float64Array) -> Pair:
    """``a factor`` for powers of two, exactly unless it underflows or overflows."""
    return Pair(a.high * factor, a.low * factor)


def signed(value: Pair, x: Pair) -> Pair:
    """The value with the sign of x."""
    return scaled(value, np.where(x.high < 0, -1.0, 1.0))


def negated_magnitude(x: Pair) -> Pair:
    """``-|x|``."""
    sign = np.where(x.high > 0, -1.0, 1.0)
    return scaled(x, sign)


def magnitude(x: Pair) -> Pair:
    """``|x|``."""
    return negated(negated_magnitude(x))


def where(condition: NDArray[np.bool_], a: Pair, b: Pair) -> Pair:
    """One pair or the other."""
    return Pair(np.where(condition, a.high, b.high), np.where(condition, a.low, b.low))


def fast_two_sum(a: Float64Array, b: Float64Array) -> Pair:
    """``a + b`` exactly, for ``|a| >= |b|`` or a zero a (Dekker)."""
    s = a + b
    e = s - a
    np.subtract(b, e, out=e)
    return Pair(s, e)


def two_product(a: Float64Array, b: Float64Array) -> Pair:
    """``a b`` exactly, but for underflow (Dekker, Veltkamp); magnitudes below ``2**996``."""
    p = a * b
    (a_high, a_low), (b_high, b_low) = halves(a), halves(b)
    e = a_high * b_high
    e -= p
    e += a_high * b_low
    e += a_low * b_high
    e += a_low * b_low
    return Pair(p, e)


def add(a: Pair, b: Pair) -> Pair:
    """``a + b`` with at most ``4 u**2``, whatever cancels.

    JMP, algorithm 6 (AccurateDWPlusDW): ``3 u**2 / (1 - 4 u)`` by Muller and Rideau.
    """
    s, e = two_sum(a.high, b.high)
    t, f = two_sum(a.low, b.low)
    e += t
    s, e = fast_two_sum(s, e)
    e += f
    return fast_two_sum(s, e)


def add_smaller(a: Pair, b: Pair) -> Pair:
    """``a + b`` for ``|b| <= 0.51 |a|``, or for an a that is zero, with at most ``12 u**2``.

    The first sum is exact.  Adding the low parts rounds by at most ``u (|a.low| + |b.low|)``,
    which is ``u**2 (|a.high| + |b.high|)``; adding what the first sum lost, at most
    ``u (|a.high| + |b.high|)``, by at most ``2 u**2 (1 + 2 u)`` times that.  The last sum is exact,
    as the low part is far smaller.  ``(|a| + |b|) / |a + b| <= 1.51 / 0.49 < 3.1``, so that
    ``3 * 3.1 u**2`` and terms in ``u**3`` are below ``12 u**2``.
    """
    s, e = fast_two_sum(a.high, b.high)
    e += a.low + b.low
    return fast_two_sum(s, e)


def add_float(a: Pair, b: float | Float64Array) -> Pair:
    """``a + b`` with at most ``3 u**2`` (JMP, algorithm 4, DWPlusFP: ``2 u**2 + 5 u**3``)."""
    s, e = two_sum(a.high, np.asarray(b, np.float64))
    e += a.low
    return fast_two_sum(s, e)


def multiply(a: Pair, b: Pair) -> Pair:
    """``a b`` with at most ``8 u**2``.

    JMP, algorithm 10 (DWTimesDW1): less than ``7 u**2``; ``5 u**2`` by Muller and Rideau.
    """
    p, e = two_product(a.high, b.high)
    e += a.high * b.low + a.low * b.high
    return fast_two_sum(p, e)


def multiply_float(a: Pair, b: Float64Array) -> Pair:
    """``a b`` with at most ``4 u**2``.

    JMP, algorithm 8 (DWTimesFP2): ``3 u**2``.
    """
    p, e = two_product(a.high, b)
    e += a.low * b
    return fast_two_sum(p, e)


def divide(a: Pair, b: Pair) -> Pair:
    """``a / b`` with at most ``16 u**2``.

    JMP, algorithm 17 (DWDivDW2): ``15 u**2 + 56 u**3``.  The product inside is algorithm 7, whose
    error ``2 u**2`` that bound takes for granted.
    """
    quotient = a.high / b.high
    p, e = two_product(b.high, quotient)
    p, t = fast_two_sum(p, b.low * quotient)
    t += e
    p, e = fast_two_sum(p, t)
    rest = a.high - p
    rest += a.low - e
    return fast_two_sum(quotient, rest / b.high)


def total(terms: Pair) -> Pair:
    """The sums along the last axis, which is kept, of numbers that are not negative.

    Halves of the axis are added to each other, so that n terms err by ``4 u**2`` in each of
    ``ceil(log2(n))`` rounds; that is less than ``2**-98`` for any array that memory holds.
    """
    while (length := terms.high.shape[-1]) > 1:
        half = length // 2
        first, second, odd = (
            Pair(*(part[..., chosen] for part in terms))
            for chosen in (slice(half), slice(half, 2 * half), slice(2 * half, None))
        )
        sums = add(first, second)
        if length % 2:
            sums = Pair(*(np.concatenate(parts, -1) for parts in zip(sums, odd, strict=True)))
        terms = sums
    return terms


def horner(leading: Sequence[Pair], tail: Sequence[float | Float64Array], x: Pair) -> Pair:
    """``sum_n leading[n] x**n`` and on with the coefficients of `tail`, which are single floats.

    With q the sum of the tail's terms divided by their first power of x, evaluated in float64 at
    ``x.high``, and b the coefficient before it: ``b + x q`` takes a float product.  All steps
    after that are in pairs and need ``|x|`` times the sum of the later terms to be at most 0.51 of
    each leading coefficient.

    Error: let successive terms fall at least by a factor of 8, and the coefficients of the tail be
    rounded.  A float step then errs relative to its result by ``e <= (e' + 3 u) / 7 + 2 u`` where
    e' is the error of the step before it, so by less than ``3 u``; the product ``x q`` adds
    ``2 u``, for its own rounding and ``x.low``, and the pairs at most ``21 u**2`` a step, which the
    factor of 8 keeps below ``25 u**2`` altogether.  So the sum errs by at most ``5 u`` of the first
    term of the tail times 8/7, which is ``5.8 u`` of that term, and by ``25 u**2`` of itself.
    """
    *others, last = tail
    q = np.zeros_like(x.high) + last
    for coefficient in reversed(others):
        q *= x.high
        q += coefficient
    q *= x.high
    *first, before = leading
    high, low = fast_two_sum(before.high, q)
    low += before.low
    value = fast_two_sum(high, low)
    for coefficients in reversed(first):
        value = add_smaller(coefficients, multiply(x, value))
    return value


def expansion(value: Pair, relative: float | Float64Array) -> Expansion:
    """A pair with a relative error; the radius is infinite beyond magnitudes 2**-900 to 2**1000.

    Below, the ``2**-1021`` that underflow may cost each of at most a thousand operations would no
    longer be small beside the bound, which is ``2**-103`` at least; above, parts of a result may
    have overflowed.
    """
    magnitude = np.abs(value.high)
    regular = (magnitude >= _SMALLEST) & (magnitude <= _LARGEST)
    return Expansion(*value, np.where(regular, magnitude * relative, np.inf))


def is_regular(x: Float64Array) -> NDArray[np.bool_]:
    """Where arguments are so large that products with them do not underflow."""
    regular: NDArray[np.bool_] = np.abs(x) >= _SMALLEST
    return regular

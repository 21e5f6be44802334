"""The derivatives of the activations as real functions: exact values, and narrow intervals.

The counterpart of `reference_impl.ops.activations.formulas`, with its conventions for parameters.
By the same theorems the derivatives of the smooth activations are irrational at every rational
argument but 0.

For rows, with ``e_j = exp(x_j - max x)`` and upstream gradients u:

* softmax: ``g_i = e_i sum_j e_j (u_i - u_j) / (sum_j e_j)**2``;
* log_softmax: ``g_i = u_i - e_i sum_j u_j / sum_j e_j``;
* sparsemax: ``g_i = u_i - mean of u over the support`` on the support, 0 elsewhere;
* glu: ``(u sigmoid(b), u a sigmoid'(b))``.

Which of them are rational: both sides of ``g_i (sum e)**2 = e_i sum e_j (u_i - u_j)`` are sums of
exponentials of rational numbers, linearly independent where these are distinct (Lindemann and
Weierstrass).  If the x are not all equal, the left side has the terms ``exp(2 max)`` and
``exp(2 min)``, and the right side not both, so that a rational g_i is 0: then the u_i - u_j of
every group of equal x_j add up to zero.

A number that lies next to a midpoint m of the format by less than digits show, as where an
exponential is smaller than any of them, is decided by the sign of ``(g_i - m) (sum e)**2``: a sum
of exponentials again, whose largest one gives the sign (`sign_of_exponentials`).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from itertools import chain, islice
from typing import Final

from reference_impl.ops.activations.constants import SELU_ALPHA, SELU_SCALE
from reference_impl.ops.activations.formulas import RealFunction
from reference_impl.ops.activations.rows import simplex_threshold
from reference_impl.ops.elementary import Decimals, Interval, negated
from reference_impl.ops.formats import FLOAT64
from reference_impl.ops.rounding import round_fraction
from reference_impl.ops.ziv import correctly_rounded, precisions, round_between

Formula = Callable[[Decimals, Fraction], Interval]

_ONE: Final = (Decimal(1), Decimal(1))


def rounded_product(factor: Fraction, function: RealFunction, x: Fraction) -> float:
    """``factor function(x)``, rounded once to float64."""
    value = function.exact(x)
    if value is not None or not factor:
        return round_fraction(factor * (value or 0), FLOAT64)

    def enclose(d: Decimals) -> Interval:
        product = d.multiply(function.formula(d, x), d.of(abs(factor)))
        return product if factor > 0 else negated(product)

    return correctly_rounded(enclose, FLOAT64)


_FALLING: Final = frozenset({"log_sigmoid"})
_BOUNDED: Final = frozenset({"sigmoid", "tanh", "softsign"})


def slope_at_infinity(name: str, x: float, *parameters: float) -> float:
    """The limit of a derivative at an infinity; NaN for NaN."""
    if math.isnan(x):
        return x
    if name == "celu" and parameters[0] < 0 and x < 0:
        return math.inf
    if name == "exponential":
        return math.inf if x > 0 else 0.0
    if name in _BOUNDED:
        return 0.0
    if name == "selu":
        return SELU_SCALE if x > 0 else 0.0
    return 1.0 if name == "tanh_shrink" or (x > 0) != (name in _FALLING) else 0.0


def _smooth(formula: Formula, at_zero: Fraction | int) -> RealFunction:
    """A derivative whose only rational value is the one at 0."""
    value = Fraction(at_zero)
    return RealFunction(lambda x: None if x else value, formula)


def _gated(formula: Formula, at_zero: Fraction | int, far: int = 20000) -> RealFunction:
    """`_smooth` for a derivative that tends to 0 and 1 like an exponential.

    From `far` on it differs from them by less than ``2**-7000 |x|``, and x, a sum of products of
    float64 numbers, is below ``2**2200``: times a float64 it rounds to 0, or to that float64.
    """
    value = Fraction(at_zero)

    def exact(x: Fraction) -> Fraction | None:
        if abs(x) >= far:
            return Fraction(x > 0)
        return None if x else value

    return RealFunction(exact, formula)


def _product(d: Decimals, x: Fraction, factor: Interval) -> Interval:
    """``x factor`` for a factor that is not negative."""
    return d.multiply(d.of(x), factor)


def _bump(d: Decimals, x: Fraction) -> Interval:
    """``sigmoid'(x) = sigmoid(x) sigmoid(-x)``."""
    return d.multiply(d.sigmoid(d.of(x)), d.sigmoid(d.of(-x)))


def _exponential() -> RealFunction:
    return _smooth(lambda d, x: d.exp(d.of(x)), 1)


def _sigmoid() -> RealFunction:
    return _smooth(_bump, Fraction(1, 4))


def _tanh() -> RealFunction:
    return _smooth(lambda d, x: d.multiply(_bump(d, 2 * x), d.of(4)), 1)


def _tanh_shrink() -> RealFunction:
    def formula(d: Decimals, x: Fraction) -> Interval:
        tangent = d.tanh(d.of(abs(x)))
        return d.multiply(tangent, tangent)

    return _smooth(formula, 0)


def _softplus() -> RealFunction:
    return _smooth(lambda d, x: d.sigmoid(d.of(x)), Fraction(1, 2))


def _log_sigmoid() -> RealFunction:
    return _smooth(lambda d, x: d.sigmoid(d.of(-x)), Fraction(1, 2))


def _silu() -> RealFunction:
    return _gated(
        lambda d, x: d.add(d.sigmoid(d.of(x)), _product(d, x, _bump(d, x))), Fraction(1, 2)
    )


def _mish() -> RealFunction:
    """``T + x (1 - T**2) sigmoid(x)`` with ``T = tanh(softplus(x))``."""

    def formula(d: Decimals, x: Fraction) -> Interval:
        tangent = d.tanh_of_softplus(d.of(x))
        rest = d.subtract(_ONE, d.multiply(tangent, tangent))
        rest = (max(rest[0], Decimal(0)), rest[1])
        return d.add(tangent, _product(d, x, d.multiply(rest, d.sigmoid(d.of(x)))))

    return _gated(formula, Fraction(3, 5))


def _gelu() -> RealFunction:
    """``P(X <= x) + x density(x)``."""

    def formula(d: Decimals, x: Fraction) -> Interval:
        density = d.normal_density(d.of(abs(x)))
        return d.add(d.normal_distribution(d.of(x)), _product(d, x, density))

    return _gated(formula, Fraction(1, 2), far=150)


def _gelu_tanh() -> RealFunction:
    """``sigmoid(a) + x a' sigmoid'(a)`` with ``a = sqrt(8 / pi) (x + c x**3)``."""
    c = Fraction(44715, 1_000_000)

    def formula(d: Decimals, x: Fraction) -> Interval:
        root = d.sqrt(d.divide(d.of(8), d.pi))
        argument = d.multiply(root, d.of(abs(x + c * x**3)))
        argument = argument if x > 0 else negated(argument)
        gate = d.sigmoid(argument)
        bump = d.multiply(gate, d.sigmoid(negated(argument)))
        inner = d.multiply(root, d.of(1 + 3 * c * x * x))
        return d.add(gate, _product(d, x, d.multiply(inner, bump)))

    return _gated(formula, Fraction(1, 2), far=64)


def _exponential_below(factor: Fraction, scale: Fraction, above: Fraction) -> RealFunction:
    """``factor exp(x / scale)`` for negative x, else a constant."""
    return RealFunction(
        lambda x: None if x < 0 else above,
        lambda d, x: d.multiply(d.exp(d.of(x / scale)), d.of(factor)),
    )


def _elu(alpha: float) -> RealFunction:
    return _signed_exponential_below(Fraction(alpha), Fraction(1))


def _signed_exponential_below(factor: Fraction, above: Fraction) -> RealFunction:
    """The same for a factor of any sign."""
    if factor > 0:
        return _exponential_below(factor, Fraction(1), above)
    return RealFunction(
        lambda x: (None if factor else Fraction(0)) if x < 0 else above,
        lambda d, x: negated(d.multiply(d.exp(d.of(x)), d.of(-factor))),
    )


def _selu() -> RealFunction:
    scale = Fraction(SELU_SCALE)
    return _exponential_below(scale * Fraction(SELU_ALPHA), Fraction(1), scale)


def _celu(alpha: float) -> RealFunction:
    return _exponential_below(Fraction(1), Fraction(alpha), Fraction(1))


def _squareplus(b: float) -> RealFunction:
    """``(1 + x / sqrt(x**2 + b)) / 2``; for negative x by ``b / (2 r (r - x))``, r the root."""
    smoothness = Fraction(b)

    def exact(x: Fraction) -> Fraction | None:
        square = x * x + smoothness
        root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
        return (1 + x / root) / 2 if root and root * root == square else None

    def formula(d: Decimals, x: Fraction) -> Interval:
        root = d.sqrt(d.of(x * x + smoothness))
        if x >= 0:
            return d.divide(d.add(d.divide(d.of(x), root), _ONE), d.of(2))
        return d.divide(d.of(smoothness / 2), d.multiply(root, d.add(root, d.of(-x))))

    return RealFunction(exact, formula)


def _rational(exact: Callable[[Fraction], Fraction]) -> RealFunction:
    return RealFunction(exact)


def _hard_silu_slope(x: Fraction) -> Fraction:
    if -3 < x < 3:
        return (2 * x + 3) / 6
    return Fraction(x >= 3)


def _sparse_plus_slope(x: Fraction) -> Fraction:
    return min(max((x + 1) / 2, Fraction(0)), Fraction(1))


SLOPES: Final[dict[str, Callable[..., RealFunction]]] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": _exponential,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_silu": lambda: _rational(_hard_silu_slope),
    "log_sigmoid": _log_sigmoid,
    "mish": _mish,
    "selu": _selu,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "softplus": _softplus,
    "softsign": lambda: _rational(lambda x: 1 / (1 + abs(x)) ** 2),
    "sparse_plus": lambda: _rational(_sparse_plus_slope),
    "squareplus": _squareplus,
    "tanh": _tanh,
    "tanh_shrink": _tanh_shrink,
}


Row = Sequence[Fraction]


def _exponentials(d: Decimals, x: Row) -> list[Interval]:
    largest = max(x)
    return [d.exp(d.of(value - largest)) if value != largest else _ONE for value in x]


Exponentials = Mapping[Fraction, Fraction]
"""A sum ``sum_k c_k exp(y_k)``: its factors c by the distinct arguments y."""


def _collected(terms: Iterable[tuple[Fraction, Fraction]]) -> Exponentials:
    """The sum of ``c exp(y)`` over the pairs (y, c), without the terms that cancel."""
    factors: dict[Fraction, Fraction] = {}
    for argument, factor in terms:
        factors[argument] = factors.get(argument, Fraction(0)) + factor
    return {argument: factor for argument, factor in factors.items() if factor}


def sign_of_exponentials(terms: Exponentials) -> int:
    """The sign of ``sum_k c_k exp(y_k)`` for distinct rational y and factors other than 0.

    Of no terms it is 0; of others it never is (Lindemann and Weierstrass).  They are divided by
    the largest exponential, so that the others are below 1 and enclosures that shrink decide.

    Raises:
        ArithmeticError: if 12,288 digits do not.
    """
    if not terms:
        return 0
    largest = max(terms)
    for d in precisions():
        powers = ((d.exp(d.of(y - largest)) if y != largest else _ONE, c) for y, c in terms.items())
        low, high = d.total(_product(d, c, power) for power, c in powers)
        if low > 0 or high < 0:
            return 1 if low > 0 else -1
    raise AssertionError("unreachable")


def _decided(enclose: Callable[[Decimals], Interval], beyond: Callable[[Fraction], int]) -> float:
    """The real number that `enclose` encloses, rounded once to float64.

    `beyond` gives the sign of the number minus a fraction; it is asked where some digits do not
    decide.
    """
    for d in islice(precisions(), _DIGITS_ENOUGH):
        value = round_between(enclose(d), FLOAT64)
        if value is not None:
            return value
    low, high = enclose(next(islice(precisions(), _DIGITS_ENOUGH, None)))
    return _between_neighbours(float(low), float(high), beyond)


def _between_neighbours(low: float, high: float, beyond: Callable[[Fraction], int]) -> float:
    """The number between two floats, rounded to float64, by bisection of those between."""
    sign = beyond(Fraction(0))
    if sign <= 0:
        return -_between_neighbours(-high, -low, lambda m: -beyond(-m)) if sign else 0.0
    low = max(low, 0.0)
    while high != low and math.nextafter(low, math.inf) < high:
        middle = _middle(low, high)
        low, high = (middle, high) if beyond(Fraction(middle)) >= 0 else (low, middle)
    top = 2 * Fraction(math.nextafter(math.inf, 0)) - Fraction(_BELOW_LARGEST)
    midpoint = (Fraction(low) + (Fraction(high) if math.isfinite(high) else top)) / 2
    side = beyond(midpoint)
    if side == 0:
        return round_fraction(midpoint, FLOAT64)
    return high if side > 0 else low


_DIGITS_ENOUGH: Final = 4
"""Precisions, up to 192 digits, that are tried before the sign is asked for."""

_BELOW_LARGEST: Final = math.nextafter(math.nextafter(math.inf, 0), 0)


def _middle(low: float, high: float) -> float:
    """The float in the middle of the floats between two that are not negative."""
    ends = (struct.unpack("<q", struct.pack("<d", value))[0] for value in (low, high))
    middle: float = struct.unpack("<d", struct.pack("<q", sum(ends) // 2))[0]
    return middle


def softmax_row(x: Row, u: Row) -> list[float]:
    """``J^T u`` of softmax, rounded to float64."""
    if min(x) == max(x):
        mean = sum(u, Fraction(0)) / len(x)
        return [round_fraction((value - mean) / len(x), FLOAT64) for value in u]
    powers_of = cache(partial(_exponentials, x=x))
    return [_softmax_element(x, u, i, powers_of) for i in range(len(x))]


def _softmax_element(
    x: Row, u: Row, i: int, powers_of: Callable[[Decimals], list[Interval]]
) -> float:
    differences = [u[i] - other for other in u]
    weighted = _collected(zip(x, differences, strict=True))
    if not weighted:
        return 0.0

    def enclose(d: Decimals) -> Interval:
        powers = powers_of(d)
        total = d.total(powers)
        weight = d.divide(powers[i], d.multiply(total, total))
        pairs = zip(differences, powers, strict=True)
        return d.multiply(d.total(_product(d, c, e) for c, e in pairs), weight)

    def beyond(m: Fraction) -> int:
        numerator = ((x[i] + y, c) for y, c in weighted.items())
        square = ((y + z, -m) for y in x for z in x) if m else ()
        return sign_of_exponentials(_collected(chain(numerator, square)))

    return _decided(enclose, beyond)


def log_softmax_row(x: Row, u: Row) -> list[float]:
    """``J^T u`` of log_softmax, rounded to float64."""
    total = sum(u, Fraction(0))
    if not total or min(x) == max(x):
        return [round_fraction(value - total / len(x), FLOAT64) for value in u]
    powers_of = cache(partial(_exponentials, x=x))

    def element(i: int) -> float:
        def enclose(d: Decimals) -> Interval:
            powers = powers_of(d)
            share = d.divide(powers[i], d.total(powers))
            return d.add(d.of(u[i]), _product(d, -total, share))

        def beyond(m: Fraction) -> int:
            shares = ((y, u[i] - m) for y in x)
            return sign_of_exponentials(_collected(chain(shares, [(x[i], -total)])))

        return _decided(enclose, beyond)

    return [element(i) for i in range(len(x))]


def sparsemax_row(x: Row, u: Row) -> list[float]:
    """``J^T u`` of sparsemax, rounded to float64."""
    tau = simplex_threshold(x)
    support = [i for i, value in enumerate(x) if value > tau]
    mean = sum((u[i] for i in support), Fraction(0)) / len(support)
    kept = set(support)
    return [round_fraction(u[i] - mean, FLOAT64) if i in kept else 0.0 for i in range(len(x))]


def glu_row(x: Row, u: Row) -> list[float]:
    """``J^T u`` of glu, rounded to float64: the gradients of the first half, then the second."""
    half = len(x) // 2
    gate, bump = SLOPES["softplus"](), SLOPES["sigmoid"]()
    first = [rounded_product(v, gate, b) for v, b in zip(u, x[half:], strict=True)]
    pairs = zip(u, x[:half], x[half:], strict=True)
    return first + [rounded_product(v * a, bump, b) for v, a, b in pairs]

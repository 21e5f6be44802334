"""The activations, on exact numbers, rounded once.

Arguments are rational.  Where the documented formula is rational, so is the result, and it is
rounded exactly.  Elsewhere the formula is evaluated on balls of growing precision until both ends
of the ball round to the same number (Ziv's strategy).  That ends: at rational arguments the
exponential, and what is built of it, takes algebraic values only in the exceptional cases that
each function settles first (Lindemann-Weierstrass), so no value is the midpoint of two numbers of
the format.

Far from zero the transcendental part is smaller than the gap between an exact sum of products and
any other rounding boundary: both are multiples of ``2**-2148``, and ``exp(-1600) < 2**-2300``.
There only its sign matters, and `_HINT`, far smaller still, stands for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from conformance.judge.definition.balls import Ball, UndecidedError, enclosing, pi
from conformance.judge.definition.rounding import Format, round_fraction

Number = Fraction | Ball

_FAR: Final = 1600
_FAR_FOR_GELU: Final = 64  # The normal distribution falls off as exp(-x**2 / 2).
_HINT: Final = Fraction(1, 1 << 4096)
_HUGE: Final = Fraction(1 << 4096)
_HALF: Final = Fraction(1, 2)
_MOST_DIGITS: Final = 1 << 15

LEAKY_SLOPE: Final = Fraction(0.2)
SELU_SCALE: Final = Fraction(1.0507009873554805)
SELU_ALPHA: Final = Fraction(1.6732632423543772)


def linear(x: Fraction, _: int) -> Number:
    """``x``."""
    return x


def relu(x: Fraction, _: int) -> Number:
    """``max(x, 0)``."""
    return max(x, Fraction(0))


def relu6(x: Fraction, _: int) -> Number:
    """``min(max(x, 0), 6)``."""
    return min(max(x, Fraction(0)), Fraction(6))


def leaky_relu(x: Fraction, _: int) -> Number:
    """``x`` from zero on, ``0.2 x`` below."""
    return x if x >= 0 else LEAKY_SLOPE * x


def hard_tanh(x: Fraction, _: int) -> Number:
    """``x`` between -1 and 1, the nearer of them outside."""
    return min(max(x, Fraction(-1)), Fraction(1))


def hard_sigmoid(x: Fraction, _: int) -> Number:
    """``x / 6 + 1/2`` between -3 and 3; 0 below and 1 above."""
    return min(max(x / 6 + _HALF, Fraction(0)), Fraction(1))


def hard_silu(x: Fraction, digits: int) -> Number:
    """``x hard_sigmoid(x)``."""
    return x * hard_sigmoid(x, digits)


def hard_shrink(x: Fraction, _: int) -> Number:
    """``x`` where its magnitude exceeds 1/2, else 0."""
    return x if abs(x) > _HALF else Fraction(0)


def soft_shrink(x: Fraction, _: int) -> Number:
    """``x`` brought nearer to 0 by 1/2, and 0 where it is not farther than that."""
    return max(x - _HALF, Fraction(0)) + min(x + _HALF, Fraction(0))


def softsign(x: Fraction, _: int) -> Number:
    """``x / (1 + |x|)``."""
    return x / (1 + abs(x))


def sparse_plus(x: Fraction, _: int) -> Number:
    """0 up to -1, ``(x + 1)**2 / 4`` between -1 and 1, ``x`` from 1 on."""
    if x <= -1:
        return Fraction(0)
    return x if x >= 1 else (x + 1) ** 2 / 4


def sparse_sigmoid(x: Fraction, _: int) -> Number:
    """``(x + 1) / 2`` between -1 and 1; 0 below and 1 above."""
    return min(max((x + 1) / 2, Fraction(0)), Fraction(1))


def squareplus(x: Fraction, digits: int) -> Number:
    """``(x + sqrt(x**2 + 4)) / 2``; rational only where the root is."""
    square = x * x + 4
    root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
    if root * root == square:
        return (x + root) / 2
    enclosed = Ball.of(square, digits).sqrt()
    return (enclosed + x) / 2 if x >= 0 else 2 / (enclosed - x)


def exponential(x: Fraction, digits: int) -> Number:
    """``exp(x)``."""
    if abs(x) >= _FAR:
        return _HUGE if x > 0 else _HINT
    return Ball.of(x, digits).exp() if x else Fraction(1)


def sigmoid(x: Fraction, digits: int) -> Number:
    """``1 / (1 + exp(-x))``."""
    if abs(x) >= _FAR:
        return 1 - _HINT if x > 0 else _HINT
    return 1 / (1 + Ball.of(-x, digits).exp()) if x else _HALF


def silu(x: Fraction, digits: int) -> Number:
    """``x sigmoid(x)``."""
    if abs(x) >= _FAR:
        return x - _HINT if x > 0 else -_HINT
    return x * sigmoid(x, digits)


def tanh(x: Fraction, digits: int) -> Number:
    """``(exp(x) - exp(-x)) / (exp(x) + exp(-x))``, both sides times ``exp(x)``."""
    if abs(x) >= _FAR:
        return 1 - _HINT if x > 0 else _HINT - 1
    if not x:
        return x
    square = Ball.of(2 * x, digits).exp()
    return (square - 1) / (square + 1)


def tanh_shrink(x: Fraction, digits: int) -> Number:
    """``x - tanh(x)``."""
    return x - tanh(x, digits)


def softplus(x: Fraction, digits: int) -> Number:
    """``log(exp(x) + 1)``."""
    if abs(x) >= _FAR:
        return x + _HINT if x > 0 else _HINT
    return (Ball.of(x, digits).exp() + 1).log()


def log_sigmoid(x: Fraction, digits: int) -> Number:
    """``log(1 / (1 + exp(-x)))``."""
    return -softplus(-x, digits)


def mish(x: Fraction, digits: int) -> Number:
    """``x tanh(softplus(x))``; with ``p = (1 + exp(x))**2`` the tangent is ``(p - 1)/(p + 1)``."""
    if abs(x) >= _FAR:
        return x - _HINT if x > 0 else -_HINT
    if not x:
        return x
    grown = 1 + Ball.of(x, digits).exp()
    square = grown * grown
    return x * ((square - 1) / (square + 1))


def elu(x: Fraction, digits: int) -> Number:
    """``x`` from zero on, ``exp(x) - 1`` below."""
    return x if x >= 0 else exponential(x, digits) - 1


def selu(x: Fraction, digits: int) -> Number:
    """``scale x`` from zero on, ``scale alpha (exp(x) - 1)`` below."""
    if x >= 0:
        return SELU_SCALE * x
    return SELU_SCALE * SELU_ALPHA * (exponential(x, digits) - 1)


def gelu(x: Fraction, digits: int) -> Number:
    """``x P(X <= x)`` for a normally distributed X.

    ``P = 1/2 + exp(-x**2 / 2) / sqrt(2 pi) (x + x**3/3 + x**5/(3 5) + x**7/(3 5 7) + ...)``
    (Abramowitz and Stegun, 26.2.11).
    """
    if abs(x) >= _FAR_FOR_GELU:
        return x - _HINT if x > 0 else -_HINT
    if not x:
        return x
    square = x * x
    density = Ball.of(-square / 2, digits).exp() / (2 * pi(digits)).sqrt()
    return x * (_HALF + x * (density * _odd_factorial_series(square, digits)))


def _odd_factorial_series(square: Fraction, digits: int) -> Ball:
    """The sum of ``square**n / (1 3 5 ... (2n + 1))``, in fixed point, from both sides."""
    bits = 4 * digits
    least = (square.numerator << bits) // square.denominator
    most = least + 1
    low_term = high_term = low = high = 1 << bits
    divisor = 3
    while high_term > 1 or 2 * most >= divisor << bits:
        low_term = (low_term * least >> bits) // divisor
        high_term = -((-(high_term * most) >> bits) // divisor)
        low += low_term
        high += high_term
        divisor += 2
    # From here on each term is less than half of the one before.
    return enclosing(Fraction(low, 1 << bits), Fraction(high + high_term, 1 << bits), digits)


def softmax(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``exp(x_i) / sum(exp(x_j)) = 1 / sum(exp(x_j - x_i))``."""
    return [_reciprocal_sum([other - x for other in row], digits) for x in row]


def _reciprocal_sum(distances: Sequence[Fraction], digits: int) -> Number:
    """``1 / sum(exp(d))``; terms below ``exp(-1600)`` cannot reach the next rounding boundary."""
    if max(distances) >= _FAR:
        return _HINT
    total: Number = Fraction(0)
    for distance in distances:
        if distance > -_FAR:
            total = total + exponential(distance, digits)
    return 1 / total


def log_softmax(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``x_i - log(sum(exp(x_j)))``, with the largest x taken out of the sum."""
    largest = max(row)
    distances = [x - largest for x in row]
    total: Number = Fraction(0)
    for distance in distances:
        if distance > -_FAR:
            total = total + exponential(distance, digits)
    if isinstance(total, Fraction) and total == 1:
        return [distance - _HINT * (len(row) > 1) for distance in distances]
    logarithm = total.log() if isinstance(total, Ball) else Ball.of(total, digits).log()
    return [distance - logarithm for distance in distances]


def sparsemax(row: Sequence[Fraction], _: int) -> list[Number]:
    """``max(x - t, 0)`` with t such that the results sum to one."""
    descending = sorted(row, reverse=True)
    total, threshold = Fraction(0), Fraction(0)
    for count, x in enumerate(descending, 1):
        total += x
        if 1 + count * x > total:
            threshold = (total - 1) / count
    return [max(x - threshold, Fraction(0)) for x in row]


def glu(row: Sequence[Fraction], digits: int) -> list[Number]:
    """``a sigmoid(b)``, where a and b are the halves of the row."""
    half = len(row) // 2
    return [_gated(a, b, digits) for a, b in zip(row[:half], row[half:], strict=True)]


def _gated(a: Fraction, b: Fraction, digits: int) -> Number:
    if abs(b) < _FAR or not a:
        return a * sigmoid(b, digits)
    # The gate is closed, or open, up to a part of a too small for any format.
    nudge = _HINT if a > 0 else -_HINT
    return a - nudge if b > 0 else nudge


ELEMENTWISE: Final = MappingProxyType(
    {
        function.__name__: function
        for function in (
            elu,
            exponential,
            gelu,
            hard_shrink,
            hard_sigmoid,
            hard_silu,
            hard_tanh,
            leaky_relu,
            linear,
            log_sigmoid,
            mish,
            relu,
            relu6,
            selu,
            sigmoid,
            silu,
            soft_shrink,
            softplus,
            softsign,
            sparse_plus,
            sparse_sigmoid,
            squareplus,
            tanh,
            tanh_shrink,
        )
    }
    | {"celu": elu, "swish": silu, "hard_swish": hard_silu}
)
"""The activations that act on each element alone."""

ROWWISE: Final = MappingProxyType(
    {"softmax": softmax, "log_softmax": log_softmax, "sparsemax": sparsemax, "glu": glu}
)
"""The activations that act on rows along the last axis."""

NAMES: Final = frozenset(ELEMENTWISE) | frozenset(ROWWISE)
"""Every name by which an activation can be given."""


def round_elementwise(name: str, x: Fraction, fmt: Format) -> float:
    """The activation `name` of x, rounded once to `fmt`."""
    return settle(lambda digits: [ELEMENTWISE[name](x, digits)], fmt)[0]


def round_rowwise(name: str, row: Sequence[Fraction], fmt: Format) -> list[float]:
    """The activation `name` of one row, each element rounded once to `fmt`."""
    return settle(lambda digits: ROWWISE[name](row, digits), fmt)


def settle(evaluate: Callable[[int], Sequence[Number]], fmt: Format) -> list[float]:
    """Widen the precision until the rounding of every element is certain."""
    digits = fmt.precision // 3 + 8
    while digits <= _MOST_DIGITS:
        try:
            ends = [_rounded_ends(number, fmt) for number in evaluate(digits)]
        except UndecidedError:
            ends = [(0.0, 1.0)]
        if all(low == high for low, high in ends):
            return [low for low, _ in ends]
        digits *= 2
    raise ArithmeticError(f"the rounding to {fmt.name} is undecided at {_MOST_DIGITS} digits")


def _rounded_ends(number: Number, fmt: Format) -> tuple[float, float]:
    if isinstance(number, Fraction):
        value = round_fraction(number, fmt)
        return value, value
    low, high = number.ends()
    return round_fraction(low, fmt), round_fraction(high, fmt)


def at_special(name: str, x: float, fmt: Format) -> float:
    """The activation of NaN, which is NaN, or its limit at minus or plus infinity, rounded."""
    if math.isnan(x):
        return x
    if name == "selu" and x < 0:
        return round_fraction(-SELU_SCALE * SELU_ALPHA, fmt)
    return _AT_INFINITY[name][x > 0]


def row_with_specials(name: str, row: Sequence[Fraction | float], fmt: Format) -> list[float]:
    """The activation `name` of a row that holds NaN or infinities, rounded once to `fmt`.

    Where the arguments tend to infinity the results are their limits, and NaN where there is none:
    one plus infinity takes all of a softmax, several share it in no definite way; minus infinity
    takes nothing.
    """
    if name == "glu":
        half = len(row) // 2
        return [_special_gate(a, b, fmt) for a, b in zip(row[:half], row[half:], strict=True)]
    if any(math.isnan(x) for x in row):
        return [math.nan] * len(row)
    everything, nothing = _SHARES[name]
    largest = [x for x in row if x == math.inf]
    if largest:
        share = everything if len(largest) == 1 else math.nan
        return [share if x == math.inf else nothing for x in row]
    finite = [x for x in row if isinstance(x, Fraction)]
    values = iter(round_rowwise(name, finite, fmt) if finite else [])
    absent = nothing if finite else math.nan
    return [next(values) if isinstance(x, Fraction) else absent for x in row]


def _special_gate(a: Fraction | float, b: Fraction | float, fmt: Format) -> float:
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return round_rowwise("glu", [a, b], fmt)[0]
    gate = at_special("sigmoid", b, fmt) if isinstance(b, float) else 0.5
    return round_fraction(a, fmt) * gate if isinstance(a, Fraction) else a * gate


_INF: Final = math.inf

_SHARES: Final = MappingProxyType(
    {"softmax": (1.0, 0.0), "log_softmax": (0.0, -_INF), "sparsemax": (1.0, 0.0)}
)
"""What takes all of a row, and what takes nothing of it."""

_AT_INFINITY: Final = MappingProxyType(
    {
        "linear": (-_INF, _INF),
        "relu": (0.0, _INF),
        "relu6": (0.0, 6.0),
        "leaky_relu": (-_INF, _INF),
        "hard_tanh": (-1.0, 1.0),
        "hard_sigmoid": (0.0, 1.0),
        "hard_silu": (0.0, _INF),
        "hard_swish": (0.0, _INF),
        "hard_shrink": (-_INF, _INF),
        "soft_shrink": (-_INF, _INF),
        "softsign": (-1.0, 1.0),
        "sparse_plus": (0.0, _INF),
        "sparse_sigmoid": (0.0, 1.0),
        "squareplus": (0.0, _INF),
        "exponential": (0.0, _INF),
        "sigmoid": (0.0, 1.0),
        "silu": (0.0, _INF),
        "swish": (0.0, _INF),
        "tanh": (-1.0, 1.0),
        "tanh_shrink": (-_INF, _INF),
        "softplus": (0.0, _INF),
        "log_sigmoid": (-_INF, 0.0),
        "mish": (0.0, _INF),
        "elu": (-1.0, _INF),
        "celu": (-1.0, _INF),
        "selu": (math.nan, _INF),
        "gelu": (0.0, _INF),
    }
)

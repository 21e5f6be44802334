"""Decimal interval arithmetic: it encloses, it shrinks, and rounding from it is decided rightly."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from real_functions import exp, log, normal_distribution, pi, softplus, sqrt, tanh

from reference_impl.ops.activations.by_name import real_function
from reference_impl.ops.elementary import Decimals, decimals, negated
from reference_impl.ops.formats import FORMATS
from reference_impl.ops.ziv import correctly_rounded, round_between

PRECISIONS = (10, 24, 48, 96)
POSITIVE = [Fraction(x) for x in (2.0**-200, 1e-30, 3e-13, 1e-6, 0.004, 0.3, 1.0, 1.5, 3.7, 12.25)]
POSITIVE += [Fraction(1, 3), Fraction(22, 7), Fraction(36)]
SIGNED = POSITIVE + [-x for x in POSITIVE]

FUNCTIONS = {
    "exp": (Decimals.exp, exp, SIGNED),
    "expm1": (Decimals.expm1, lambda x: exp(x) - 1, SIGNED),
    "log1p": (Decimals.log1p, lambda x: log(1 + x), POSITIVE),
    "sqrt": (Decimals.sqrt, sqrt, POSITIVE),
    "sigmoid": (Decimals.sigmoid, lambda x: exp(x) / (1 + exp(x)), SIGNED),
    "tanh": (Decimals.tanh, tanh, POSITIVE),
    "tanh_shrink": (Decimals.tanh_shrink, lambda x: x - tanh(x), POSITIVE),
    "tanh_of_softplus": (Decimals.tanh_of_softplus, lambda x: tanh(softplus(x)), SIGNED),
    "normal_distribution": (Decimals.normal_distribution, normal_distribution, SIGNED),
    "normal_density": (
        Decimals.normal_density,
        lambda x: exp(-x * x / 2) / sqrt(2 * pi()),
        POSITIVE,
    ),
}


def assert_encloses(interval, value: Fraction, digits: int) -> None:
    low, high = map(Fraction, interval)
    slack = Fraction(1, 2**1250)
    assert low - slack <= value <= high + slack
    assert high - low <= abs(value) / Fraction(10) ** digits


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_enclose_the_value_with_nearly_all_their_digits(name, precision):
    """The argument has the same digits, and its width is magnified: by 10**4 in the normal tail."""
    function, definition, arguments = FUNCTIONS[name]
    arithmetic = decimals(precision)
    for x in arguments:
        assert_encloses(function(arithmetic, arithmetic.of(x)), definition(x), precision - 6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_functions_enclose_the_values_over_a_wide_argument(precision):
    arithmetic = decimals(precision)
    for function, definition, arguments in FUNCTIONS.values():
        for x in arguments:
            ends = sorted((x, x * Fraction(1001, 1000)))
            wide = arithmetic.of(ends[0])[0], arithmetic.of(ends[1])[1]
            low, high = map(Fraction, function(arithmetic, wide))
            assert all(low <= definition(end) <= high for end in ends)


@pytest.mark.parametrize("precision", [1, 10, 24, 100, 390])
def test_pi_is_enclosed(precision):
    assert_encloses(decimals(precision).pi, pi(), precision - 3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_arithmetic_rounds_outwards(precision):
    arithmetic = decimals(precision)
    numbers = [Fraction(1, 3), Fraction(2, 7), Fraction(10**9 + 7, 10**3)]
    for a in numbers + [-x for x in numbers]:
        for b in (Fraction(5, 11), Fraction(123456, 7)):
            x, y = arithmetic.of(a), arithmetic.of(b)
            assert_encloses(arithmetic.add(x, y), a + b, precision - 3)
            assert_encloses(arithmetic.subtract(y, arithmetic.of(2 * b)), -b, precision - 3)
            assert_encloses(arithmetic.multiply(x, y), a * b, precision - 2)
            assert_encloses(arithmetic.divide(y, arithmetic.of(abs(a))), b / abs(a), precision - 2)
            assert_encloses(arithmetic.total([y, x, y]), 2 * b + a, precision - 4)
            assert_encloses(negated(x), -a, precision - 1)


def test_short_numbers_are_points():
    low, high = decimals(24).of(Fraction(-12345, 64))
    assert low == high == Decimal("-192.890625")


@pytest.mark.parametrize("x", [Fraction(20001), Fraction(10) ** 300, Fraction(3) ** 900])
def test_exponentials_far_out_stay_cheap_and_enclose(x):
    """Beyond 20000 the bounds are 1e-8000 and 1e8000, and 0 and infinity."""
    arithmetic = decimals(24)
    low, high = arithmetic.exp(arithmetic.of(-x))
    assert low == 0
    assert 0 < high <= Decimal("1e-8000")
    low, high = arithmetic.exp(arithmetic.of(x))
    assert low >= Decimal("1e8000")
    assert high.is_infinite()


def test_the_callers_decimal_context_has_no_influence():
    function = real_function("gelu")
    wanted = function.formula(decimals(30), Fraction(-7, 3))
    with decimal.localcontext(decimal.Context(prec=3, Emax=5, Emin=-5)):
        assert function.formula(Decimals(30), Fraction(-7, 3)) == wanted


# Rounding


def test_ends_at_a_midpoint_count_for_their_inner_side_only():
    """1 + 2**-8 is the midpoint between 1 and 1 + 2**-7 in bfloat16."""
    bfloat16 = FORMATS["bfloat16"]
    middle, above, below = Decimal("1.00390625"), Decimal("1.0039063"), Decimal("1.0039062")
    assert round_between((middle, above), bfloat16) == 1.0078125
    assert round_between((below, middle), bfloat16) == 1.0
    assert round_between((below, above), bfloat16) is None
    assert round_between((above.copy_negate(), middle.copy_negate()), bfloat16) == -1.0078125
    assert round_between((middle.copy_negate(), below.copy_negate()), bfloat16) == -1.0


@pytest.mark.parametrize("name", FORMATS)
def test_underflow_and_overflow_are_rounded_once(name):
    format = FORMATS[name]
    half = Fraction(2) ** (format.quantum_exponent - 1)
    digits = decimals(1200)
    point = digits.of(half)[0]
    tiny = Decimal("1e-390")
    assert round_between((digits.down.subtract(point, tiny), point), format) == 0.0
    assert round_between((point, digits.up.add(point, tiny)), format) == float(2 * half)
    limit = digits.of(int(format.largest) + 2 ** (format.max_exponent - format.precision - 1))[0]
    assert round_between((digits.down.subtract(limit, 1), limit), format) == format.largest
    assert round_between((limit, digits.up.add(limit, 1)), format) == float("inf")
    assert round_between((Decimal("1e9000"), Decimal("Infinity")), format) == float("inf")
    zero = round_between((Decimal("-1e-9000"), Decimal(0)), format)
    assert str(zero) == "-0.0"
    assert str(round_between((Decimal(0), Decimal("1e-9000")), format)) == "0.0"
    assert round_between((Decimal("-1e-9000"), Decimal("1e-9000")), format) is None


def test_precision_grows_until_the_rounding_is_decided():
    asked = []

    def enclose(arithmetic):
        asked.append(arithmetic.precision)
        return arithmetic.add(arithmetic.of(1), arithmetic.exp(arithmetic.of(-300)))

    assert correctly_rounded(enclose, FORMATS["float64"]) == 1.0
    assert asked == [24]
    asked.clear()
    half = Fraction(1, 2**53)

    def near_midpoint(arithmetic):
        asked.append(arithmetic.precision)
        tail = arithmetic.subtract(arithmetic.of(half), arithmetic.exp(arithmetic.of(-300)))
        return arithmetic.add(arithmetic.of(1), tail)

    assert correctly_rounded(near_midpoint, FORMATS["float64"]) == 1.0
    assert asked == [24, 48, 96], "the midpoint has 54 digits, and then it is an end"


def test_a_midpoint_itself_is_refused_and_not_searched_for_ever():
    midpoint = Fraction(3, 2**25)

    def enclose(arithmetic):
        low, high = arithmetic.of(midpoint)
        return low.next_minus(arithmetic.down), high.next_plus(arithmetic.up)

    with pytest.raises(ArithmeticError, match="do not decide the rounding"):
        correctly_rounded(enclose, FORMATS["float16"])

"""Correct rounding of real numbers that can be enclosed as narrowly as wanted.

Ziv's strategy (A. Ziv, "Fast evaluation of elementary mathematical functions with correctly rounded
last bit", ACM TOMS 17, 1991): enclose the number; if every number of the enclosure rounds to the
same one, that is the answer; otherwise begin again with more digits.  It ends for every number that
is not itself a midpoint between two neighbours of the format, so the callers set the rational
values apart, which are rounded exactly instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from reference_impl.ops.elementary import Decimals, Interval, decimals, negated
from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_dyadic

_FIRST_PRECISION = 24
_DOUBLINGS = 10


def correctly_rounded(enclose: Callable[[Decimals], Interval], format: Format) -> float:
    """The irrational number that `enclose` encloses, rounded once to `format`.

    Raises:
        ArithmeticError: if 12,288 digits do not decide, which says that the number is rational or
            that the enclosure does not shrink.
    """
    for arithmetic in precisions():
        value = round_between(enclose(arithmetic), format)
        if value is not None:
            return value
    raise AssertionError("unreachable")


def correctly_rounded_row(
    enclose: Callable[[Decimals], Sequence[Interval]], format: Format
) -> list[float]:
    """`correctly_rounded` for several numbers that are enclosed together."""
    for arithmetic in precisions():
        values = [round_between(interval, format) for interval in enclose(arithmetic)]
        decided = [value for value in values if value is not None]
        if len(decided) == len(values):
            return decided
    raise AssertionError("unreachable")


def precisions() -> Iterator[Decimals]:
    """Arithmetics of 24, 48, 96, ... digits.

    Raises:
        ArithmeticError: after 12,288 digits.
    """
    for doubling in range(_DOUBLINGS):
        yield decimals(_FIRST_PRECISION << doubling)
    raise ArithmeticError(
        f"{_FIRST_PRECISION << (_DOUBLINGS - 1)} digits do not decide the rounding: "
        "the number is a midpoint of the format, or its enclosure does not shrink"
    )


def round_between(interval: Interval, format: Format) -> float | None:
    """What every number strictly inside the interval rounds to, or None if they differ.

    The ends themselves are left out, so an end may be a midpoint of the format.  A zero has the
    sign of the numbers that round to it.
    """
    low, high = interval
    if high <= 0:
        magnitude = _round_magnitudes(negated(interval), format)
        return None if magnitude is None else -magnitude
    return None if low < 0 else _round_magnitudes(interval, format)


def _round_magnitudes(interval: Interval, format: Format) -> float | None:
    low, high = interval
    if format.precision == 53:
        value = abs(float(low))
        if value == float(high):
            return value
    value = _round_beside(low, 1, format)
    return value if value == _round_beside(high, -1, format) else None


def _round_beside(value: Decimal, side: int, format: Format) -> float:
    """Round the numbers next to `value`, above it (side 1) or below it (side -1).

    The quotient has at least p + 2 bits, and midpoints of the format are even numbers in that
    scale: a quarter more or less stands for the neighbourhood on either side.
    """
    if not value or value.adjusted() < -400:
        return 0.0
    if value.is_infinite() or value.adjusted() > 400:
        return float("inf")
    n, d = value.as_integer_ratio()
    e = n.bit_length() - d.bit_length() - format.precision - 2
    quotient, rest = divmod(n << max(-e, 0), d << max(e, 0))
    return round_dyadic(4 * quotient + (1 if rest else side), e - 2, format)

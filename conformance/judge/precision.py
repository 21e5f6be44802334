"""Which reduced precision explains an outcome: its prediction is evaluated and compared.

Rounded operands, both or one of them, and rounded results predict each value, up to the errors of
correct arithmetic.  A short accumulator predicts, its order of summation being unknown, only the
size of the errors: about half a unit roundoff of S, less where partial sums are added in blocks or
pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.judge.activations import named, through_activation
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.running_error import Floats
from conformance.judge.sums import Gauge, half_ulp, round_to

_OPERANDS: Final[MappingProxyType[str, tuple[Format, int]]] = MappingProxyType(
    {
        "float32 {}": (FORMATS["float32"], 24),
        "TF32 {} (11 significant bits)": (FORMATS["float32"], 11),
        "float16 {}": (FORMATS["float16"], 11),
        "bfloat16 {}": (FORMATS["bfloat16"], 8),
    }
)
_PARTS: Final[MappingProxyType[str, tuple[bool, bool]]] = MappingProxyType(
    {"operands": (True, True), "kernels": (False, True), "inputs": (True, False)}
)
"""Which of inputs and kernel are rounded; one alone is tried after both."""
_TYPICAL_UNITS: Final = 0.5
_MOST_UNITS: Final = 4.0
_LEAST_UNITS: Final = 2.0**-6
"""Root mean square of a short accumulator's errors in units of ``u S``: typical, and the range."""


def _half_away(values: Floats) -> Floats:
    return np.copysign(np.floor(np.abs(values) + 0.5), values)


_MODES: Final[MappingProxyType[str, Callable[[Floats], Floats]]] = MappingProxyType(
    {"": np.rint, ", ties away from zero": _half_away, ", truncated": np.trunc}
)
"""How hardware rounds operands, as a suffix of the hypothesis' name."""

_RESULTS: Final[MappingProxyType[str, Callable[[Floats], Floats]]] = MappingProxyType(
    {
        "results rounded towards zero": np.trunc,
        "results rounded down": np.floor,
        "results rounded up": np.ceil,
        "results rounded to nearest, ties away from zero": _half_away,
    }
)
"""How an exact sum can be rounded in the layer's own format, beside to nearest, ties to even."""


def named_precision(gauge: Gauge, actual: Floats, expected: Floats) -> str | None:
    """The reduced precision that explains the errors of an outcome; None if none does.

    Args:
        gauge: the sums and their possible errors.
        actual: the outputs as float64.
        expected: the correctly rounded outputs as float64.
    """
    finite = np.isfinite(actual).all() and np.isfinite(expected).all()
    if not finite or not actual.size or gauge.overflow is not None:
        return None
    rounded = _other_rounding(gauge, actual)
    if rounded is not None:
        return rounded
    for part, which in _PARTS.items():
        for name, fmt, digits in _shorter_operands(gauge):
            for suffix, mode in _MODES.items():
                sums = _sums_of_rounded(gauge, fmt, digits, mode, which)
                if sums is None:
                    continue
                if _fits(gauge, actual, sums) and not _fits(gauge, expected, sums):
                    return name.format(part) + suffix
    for fmt in _shorter_formats(gauge.format):
        if _is_rounded(actual, fmt) and np.all(
            np.abs(actual - expected)
            <= half_ulp(expected, fmt) + _allowance(gauge, gauge.centre, expected)
        ):
            return f"results rounded to {fmt.name}"
    return _short_accumulator(gauge, actual, expected)


def _other_rounding(gauge: Gauge, actual: Floats) -> str | None:
    """How exact sums are rounded, where that is not to nearest; None for nothing such."""
    c = gauge.convolution
    if not c.exact or c.placed or c.activation != "linear":
        return None
    for name, mode in _RESULTS.items():
        if np.array_equal(actual, c.laid_out(round_to(gauge.centre, gauge.format, None, mode))):
            return name
    return None


def _shorter_operands(gauge: Gauge) -> Iterator[tuple[str, Format, int]]:
    for name, (fmt, digits) in _OPERANDS.items():
        if digits < gauge.format.precision:
            yield name, fmt, digits


def _shorter_formats(fmt: Format) -> list[Format]:
    """The formats of lower precision, the most precise first."""
    shorter = [other for other in FORMATS.values() if other.precision < fmt.precision]
    return sorted(shorter, key=lambda other: -other.precision)


def _sums_of_rounded(
    gauge: Gauge,
    fmt: Format,
    digits: int,
    mode: Callable[[Floats], Floats],
    which: tuple[bool, bool],
) -> Floats | None:
    """The sums of operands, of inputs and kernel those marked, rounded to so many bits.

    None where one that is marked has no more bits: its rounding would be told without a sign of it.
    """
    given = (gauge.convolution.inputs, gauge.convolution.kernel)
    pairs = zip(given, which, strict=True)
    rounded = [round_to(array, fmt, digits, mode) if marked else array for array, marked in pairs]
    if any(m and np.array_equal(r, g) for r, g, m in zip(rounded, given, which, strict=True)):
        return None
    return gauge.convolution.with_operands(*rounded)


def _allowance(gauge: Gauge, sums: Floats, values: Floats) -> Floats:
    """How far correct arithmetic can be from the activation of given sums."""
    c = gauge.convolution
    error = gauge.statistical_error if c.random_sign else gauge.a_priori_error
    running = through_activation(c.activation, c.laid_out(sums), c.laid_out(error), c.format)
    return running.error + half_ulp(values, c.format)


def _fits(gauge: Gauge, actual: Floats, sums: Floats) -> bool:
    """Whether every output is what the activation of these sums gives."""
    c = gauge.convolution
    laid_out = c.laid_out(sums)
    value = through_activation(c.activation, laid_out, np.zeros_like(laid_out), c.format).value
    return bool(np.all(np.abs(actual - value) <= _allowance(gauge, sums, actual)))


def _is_rounded(values: Floats, fmt: Format) -> bool:
    return bool(np.all(round_to(values, fmt) == values))


def _short_accumulator(gauge: Gauge, actual: Floats, expected: Floats) -> str | None:
    """The accumulator whose typical errors are nearest to those seen, if any is near."""
    c = gauge.convolution
    if not c.random_sign or named(c.activation).rounds:
        return None
    rounding = c.laid_out(gauge.narrow_error) + half_ulp(expected, c.format)
    surplus = np.maximum(np.abs(actual - expected) - rounding, 0.0)
    magnitude = c.laid_out(gauge.magnitude)
    relative = np.divide(surplus, magnitude, out=np.zeros_like(surplus), where=magnitude > 0)
    typical, largest = math.sqrt(float(np.mean(relative**2))), float(relative.max())
    candidates = [
        fmt
        for fmt in _shorter_formats(gauge.accumulator)
        if fmt.precision <= c.format.precision
        and _LEAST_UNITS <= typical / fmt.unit_roundoff <= _MOST_UNITS
        and largest <= (6 + 2 * math.sqrt(gauge.products)) * fmt.unit_roundoff
    ]
    if not candidates:
        return None
    nearest = min(
        candidates, key=lambda fmt: abs(math.log2(typical / (_TYPICAL_UNITS * fmt.unit_roundoff)))
    )
    if nearest.precision < c.format.precision and _is_rounded(actual, nearest):
        return f"computed in {nearest.name}"
    return f"{nearest.name} accumulation (by the size of the errors)"

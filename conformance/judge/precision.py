"""Which reduced precision explains an outcome: its prediction is evaluated and compared.

Rounded operands, both or one of them, and rounded results predict each value, up to the errors of
correct arithmetic.  A short accumulator predicts, its order of summation being unknown, only the
size of the errors: about half a unit roundoff of S, less where partial sums are added in blocks or
pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final

import numpy as np

from conformance.judge.activations import named, through_activation
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.parts import Part, Parts
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
_BITS: Final = (8, 4)
"""To how many bits operands are quantized that are stored as integers and a scale."""

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


def named_precision(parts: Parts) -> str | None:
    """The reduced precision that explains the errors of an outcome; None if none does.

    Args:
        parts: the outputs, the expected ones and their sums.
    """
    if not parts.given.size or not all(map(_is_ordinary, parts)):
        return None
    for found in (_other_rounding, _rounded_operands, _rounded_bias, _quantized):
        name = found(parts)
        if name is not None:
            return name
    gauge = parts.gauge
    for fmt in _shorter_formats(gauge.format):
        if all(_are_rounded_results(part, fmt) for part in parts):
            return f"results rounded to {fmt.name}"
    return _short_accumulator(parts)


def _is_ordinary(part: Part) -> bool:
    finite = np.isfinite(part.actual).all() and np.isfinite(part.expected).all()
    return bool(finite) and part.gauge.overflow is None


def _are_of(parts: Parts, changed: Callable[[Floats, Floats], tuple[Floats, Floats]]) -> bool:
    """Whether all outputs are those of changed inputs and kernel, and the expected ones are not."""
    expected_fits = True
    for part in parts:
        c = part.gauge.convolution
        sums = c.with_operands(*changed(c.inputs, c.kernel))
        if not _fits(part.gauge, part.actual, sums):
            return False
        expected_fits = expected_fits and _fits(part.gauge, part.expected, sums)
    return not expected_fits


def _are_rounded_results(part: Part, fmt: Format) -> bool:
    """Whether outputs are the expected ones rounded to a format, up to errors of the sums."""
    if not _is_rounded(part.actual, fmt):
        return False
    allowance = _allowance(part.gauge, part.gauge.centre, part.expected)
    distance = np.abs(part.actual - part.expected)
    return bool(np.all(distance <= half_ulp(part.expected, fmt) + allowance))


@dataclass(frozen=True)
class _Rounding:
    """Rounds inputs and kernel, as far as they are marked, to so many significant bits."""

    fmt: Format
    digits: int
    mode: Callable[[Floats], Floats]
    which: tuple[bool, bool]

    def __call__(self, inputs: Floats, kernel: Floats) -> tuple[Floats, Floats]:
        return self._rounded(inputs, self.which[0]), self._rounded(kernel, self.which[1])

    def shows(self, inputs: Floats, kernel: Floats) -> bool:
        """Whether each that is marked has more bits; its rounding would be told without a sign."""
        pairs = zip((inputs, kernel), self(inputs, kernel), self.which, strict=True)
        return not any(marked and np.array_equal(given, made) for given, made, marked in pairs)

    def _rounded(self, array: Floats, marked: bool) -> Floats:
        return round_to(array, self.fmt, self.digits, self.mode) if marked else array


def _rounded_operands(parts: Parts) -> str | None:
    """Which operands are rounded to how many bits; None where that explains nothing."""
    whole = parts.gauge.convolution
    for operands, which in _PARTS.items():
        for name, fmt, digits in _shorter_operands(parts.gauge):
            for suffix, mode in _MODES.items():
                rounding = _Rounding(fmt, digits, mode, which)
                if rounding.shows(whole.inputs, whole.kernel) and _are_of(parts, rounding):
                    return name.format(operands) + suffix
    return None


def _rounded_bias(parts: Parts) -> str | None:
    """To how many bits the bias is rounded; None where that explains nothing."""
    for name, fmt, digits in _shorter_operands(parts.gauge):
        if _are_of_bias(parts, fmt, digits):
            return name.format("biases")
    return None


def _are_of_bias(parts: Parts, fmt: Format, digits: int) -> bool:
    """Whether all outputs are those of a rounded bias, and the expected ones are not."""
    expected_fits = True
    for part in parts:
        bias = part.gauge.convolution.bias
        sums = part.gauge.centre - bias + round_to(bias, fmt, digits)
        if not _fits(part.gauge, part.actual, sums):
            return False
        expected_fits = expected_fits and _fits(part.gauge, part.expected, sums)
    return not expected_fits


def _other_rounding(parts: Parts) -> str | None:
    """How exact sums are rounded, where that is not to nearest; None for nothing such."""
    c = parts.gauge.convolution
    if not c.exact or c.apart is not None or c.activation != "linear":
        return None
    names = (name for name, mode in _RESULTS.items() if all(_are_so(part, mode) for part in parts))
    return next(names, None)


def _are_so(part: Part, mode: Callable[[Floats], Floats]) -> bool:
    """Whether outputs are their exact sums, rounded in some way."""
    rounded = round_to(part.gauge.centre, part.gauge.format, None, mode)
    return np.array_equal(part.actual, part.gauge.convolution.laid_out(rounded))


def _shorter_operands(gauge: Gauge) -> Iterator[tuple[str, Format, int]]:
    for name, (fmt, digits) in _OPERANDS.items():
        if digits < gauge.format.precision:
            yield name, fmt, digits


def _shorter_formats(fmt: Format) -> list[Format]:
    """The formats of lower precision, the most precise first."""
    shorter = [other for other in FORMATS.values() if other.precision < fmt.precision]
    return sorted(shorter, key=lambda other: -other.precision)


@dataclass(frozen=True)
class _Quantization:
    """Takes kernel, and inputs where they have a scale, for multiples of their scales."""

    kernel_scale: Floats
    scale: Floats | None

    def __call__(self, inputs: Floats, kernel: Floats) -> tuple[Floats, Floats]:
        taken = inputs if self.scale is None else _on_scale(inputs, self.scale)
        return taken, _on_scale(kernel, self.kernel_scale)


def _quantized(parts: Parts) -> str | None:
    """Whether kernel, or inputs as well, are integers times a scale; None for neither."""
    whole = parts.gauge.convolution
    if not np.isfinite(whole.kernel).all() or not np.isfinite(whole.inputs).all():
        return None
    everything, each = tuple(range(whole.kernel.ndim)), tuple(range(whole.kernel.ndim - 1))
    for bits, (words, axes) in product(_BITS, (("", everything), (" a filter", each))):
        kernel_scale = _scale(whole.kernel, axes, bits)
        for operands, scale in (("kernels", None), ("operands", _scale(whole.inputs, None, bits))):
            if _are_of(parts, _Quantization(kernel_scale, scale)):
                return f"{operands} quantized to {bits} bits, with one scale{words}"
    return None


def _scale(array: Floats, axes: tuple[int, ...] | None, bits: int) -> Floats:
    """What the largest of all, or of those along the axes, is the largest multiple of."""
    steps = 2 ** (bits - 1) - 1
    scale = np.abs(array).max(axis=axes, keepdims=True, initial=0.0) / steps
    return np.where(scale == 0, 1.0, scale)


def _on_scale(array: Floats, scale: Floats) -> Floats:
    """The nearest multiples of a scale."""
    return np.asarray(np.rint(array / scale) * scale)


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


def _short_accumulator(parts: Parts) -> str | None:
    """The accumulator whose typical errors are nearest to those seen, if any is near."""
    gauge = parts.gauge
    c = gauge.convolution
    if not c.random_sign or named(c.activation).rounds:
        return None
    squares, largest, up, down = 0.0, 0.0, 0, 0
    for part in parts:
        relative = _relative_surplus(part)
        up += int(np.count_nonzero((relative > 0) & (part.actual > part.expected)))
        down += int(np.count_nonzero((relative > 0) & (part.actual < part.expected)))
        squares += float((relative**2).sum())
        largest = max(largest, float(relative.max(initial=0.0)))
    if up + down < _ENOUGH or not (up and down):
        return None
    typical = math.sqrt(squares / parts.given.size)
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
    if nearest.precision < c.format.precision and all(
        _is_rounded(part.actual, nearest) for part in parts
    ):
        return f"computed in {nearest.name}"
    return f"{nearest.name} accumulation (by the size of the errors)"


_ENOUGH: Final = 6
"""Errors, of which all have one sign by chance once in 32 times; roundings go both ways."""


def _relative_surplus(part: Part) -> Floats:
    """The errors beyond the outputs' own rounding, in units of the sums' magnitudes."""
    lay, fmt = part.gauge.convolution.laid_out, part.gauge.format
    rounding = lay(part.gauge.narrow_error) + half_ulp(part.expected, fmt)
    surplus = np.maximum(np.abs(part.actual - part.expected) - rounding, 0.0)
    magnitude = lay(part.gauge.magnitude)
    relative: Floats = np.divide(
        surplus, magnitude, out=np.zeros_like(surplus), where=magnitude > 0
    )
    return relative

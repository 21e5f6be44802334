"""Parts of an output whose errors are surely no larger than one already seen.

Of a large output, what is told is how many elements are wrong, and the worst.  Once some error is
known, a part in which none is larger need not be judged closely.  That is settled in float32, which
takes half the time and memory, with room for its own rounding; where it is not certain, the part is
judged like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.judge.contraction import contract
from conformance.judge.parts import Part
from conformance.judge.running_error import growth
from conformance.judge.statistics import has_statistics
from conformance.judge.sums import Gauge
from reference_impl.ops.geometry import WindowAxis

_Singles = NDArray[np.float32]
_UNIT_ROUNDOFF: Final = 2.0**-24
_ROUNDINGS: Final = 16
"""At least the roundings of a quotient below beside those of its sum."""

_FORMATS: Final = frozenset({"float16", "bfloat16", "float32"})
_ACTIVATIONS: Final = frozenset({"linear", "relu"})


def is_surely_below(part: Part, ratio: float) -> bool:
    """Whether no error of a part, in units of the bound, is surely above a ratio that is at most 1.

    The error allowed is at least ``growth(K + 1) S + u |y|`` where nothing can overflow (see
    `sums`); through relu so wherever the output is not zero.  Where only the bound itself matters,
    some of the terms of S are nearly always enough.
    """
    gauge = part.gauge
    c, fmt = gauge.convolution, gauge.format
    if c.exact or has_statistics(c) or not 0 < ratio <= 1:
        return False
    if fmt.name not in _FORMATS or c.activation not in _ACTIVATIONS:
        return False
    with np.errstate(all="ignore"):
        if ratio == 1 and _is_below(part, _few_magnitudes(gauge), ratio):
            return True
        return _is_below(part, _magnitudes(gauge), ratio)


def _is_below(part: Part, magnitude: _Singles | None, ratio: float) -> bool:
    """The same by numbers that are no larger than the sums of magnitudes; False without any."""
    if magnitude is None:
        return False
    gauge = part.gauge
    c, fmt = gauge.convolution, gauge.format
    relative = growth(gauge.products + 1, fmt.unit_roundoff)
    room = 1 + growth(gauge.products + _ROUNDINGS, _UNIT_ROUNDOFF)
    if not room * (2 + relative) * _upper_bound(gauge) < fmt.largest:
        return False
    given, wanted = (a.astype(np.float32, copy=False) for a in (part.given, part.wanted))
    if c.activation == "relu" and np.any((wanted == 0) & (given != 0)):
        return False
    magnitude *= np.float32(relative)
    allowed = np.abs(wanted)
    allowed *= np.float32(fmt.unit_roundoff)
    allowed += c.laid_out(magnitude)
    error = given - wanted
    error /= allowed
    return bool(max(error.max(initial=0.0), -error.min(initial=0.0)) * room <= ratio)


def _upper_bound(gauge: Gauge) -> float:
    """A number that no sum of magnitudes is above; NaN or infinite where an operand is."""
    inputs, weights = gauge.convolution.inputs, gauge.weights
    largest = max(float(inputs.max(initial=0.0)), -float(inputs.min(initial=0.0)))
    return largest * weights.largest_sum + weights.largest_bias


def _magnitudes(gauge: Gauge) -> _Singles:
    """The sums of the magnitudes in float32; not finite where an operand is not."""
    return _sums(gauge, gauge.weights.single_magnitudes, gauge.convolution.axes)


def _few_magnitudes(gauge: Gauge) -> _Singles | None:
    """The same of the products of some taps alone; None where all are few."""
    kernel, taps = gauge.weights.single_magnitudes, gauge.weights.some_taps
    if taps is None:
        return None
    place = tuple(slice(held.start, held.stop) for held in taps)
    axes = [a.of_taps(held) for a, held in zip(gauge.convolution.axes, taps, strict=True)]
    return _sums(gauge, kernel[place], axes)


def _sums(gauge: Gauge, kernel: _Singles, axes: Sequence[WindowAxis]) -> _Singles:
    inputs = np.abs(gauge.convolution.inputs, dtype=np.float32, casting="same_kind")
    sums: _Singles = contract(inputs, kernel, axes)
    sums += gauge.weights.single_bias
    return sums

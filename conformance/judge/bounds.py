"""What is accepted of a correct floating-point implementation, output by output.

The sums may be off as `sums` derives, the activation adds what `running_error` derives, and the
expected value is itself off by its one rounding, at most ``max(u |y|, quantum / 2)``.  Layers that
compute nothing (pooling, Flatten) have bound zero.  Non-finite outputs are accepted

* where the operands' NaN and infinities make them: as expected; through an activation whose
  formula gives NaN at an infinity at which it has a limit, both of these;
* where sums or outputs can leave the range: see `sums`; infinity also where the documented formula
  leaves it on the way (the square in squareplus, the double in gelu).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.judge.activations import named, through_activation
from conformance.judge.activations.activation import Elementwise
from conformance.judge.definition.rounding import Format
from conformance.judge.equality import same
from conformance.judge.running_error import Floats
from conformance.judge.sums import NARROW, Gauge, Mask, half_ulp

_FAR: Final = 1e4
"""An argument at which activations have reached their limits, or grow like their argument."""


@dataclass(frozen=True, eq=False)
class Bound:
    """What is accepted, element by element, beside the expected value itself.

    Attributes:
        reference: what errors are measured from: the expected value, or the exact one.
        error: the largest error; infinite where every value is accepted, NaN included.
        alternatives: further accepted values, each with the elements for which it is one.
        limit: from where on infinity is accepted: where a number within the error can reach it.
    """

    reference: Floats
    error: Floats
    alternatives: tuple[tuple[Mask, Floats], ...] = ()
    limit: float = math.inf

    def excess(self, actual: Floats, expected: Floats) -> Floats:
        """The errors in units of the bound; zero where equal, infinite beyond a zero bound."""
        with np.errstate(all="ignore"):
            distance = np.abs(actual - self.reference)
            ratio = distance / self.error
        if (
            self.reference is expected
            and not self.alternatives
            and np.isfinite(ratio.max(initial=0))
        ):
            return ratio  # nothing is NaN or infinite, and no bound zero
        ratio = np.where(distance == 0.0, 0.0, ratio)
        accepted = same(actual, expected) | np.isinf(self.error)
        for where, value in self.settled().alternatives:
            accepted |= where & same(actual, value)
        ratio = np.where(np.isnan(ratio), np.inf, ratio)
        result: Floats = np.where(accepted, 0.0, ratio)
        return result

    def settled(self) -> Bound:
        """The same bound, infinity beyond its limit among the alternatives."""
        if self.limit == math.inf:
            return self
        beyond = np.abs(self.reference) + self.error >= self.limit
        infinity = (beyond, np.copysign(np.inf, self.reference))
        return Bound(self.reference, self.error, (infinity, *self.alternatives))


def output_bound(gauge: Gauge, expected: Floats, error: Floats) -> Bound:
    """The bound on a convolution's outputs, in their layout.

    Args:
        gauge: the sums, and what is known of them.
        expected: the correctly rounded outputs.
        error: how far the sums can be off, channels last.
    """
    with np.errstate(all="ignore"):
        if gauge.special is not None:
            error = np.where(gauge.special, 0.0, error)
        bound = _smooth(gauge, expected, gauge.convolution.laid_out(error))
        if gauge.overflow is None and gauge.special is None:
            return bound
        bound = bound.settled()
        if named(gauge.convolution.activation).rowwise:
            return _with_exceptional_rows(gauge, expected, bound)
        return _with_exceptional_sums(gauge, expected, bound)


def _smooth(gauge: Gauge, expected: Floats, error: Floats) -> Bound:
    """The bound as if no sum were, or could become, NaN or infinite."""
    c = gauge.convolution
    if c.activation == "linear" and not c.exact and _are_finite(error):
        total = half_ulp(expected, c.format)
        if _are_finite(total):
            total += error
            return Bound(expected, total, limit=c.format.largest)
    known = np.isfinite(expected)
    running = through_activation(c.activation, _settled_centre(gauge), error, c.format)
    alternatives: list[tuple[Mask, Floats]] = []
    if c.exact and not named(c.activation).rounds:
        # The float64 sums are the exact ones, where no operand stands apart.
        known &= False if gauge.touched is None else c.laid_out(gauge.touched)
        alternatives = _rounded_twice(gauge)
    rounding = half_ulp(expected, c.format)
    reference = expected if known.all() else np.where(known, expected, running.value)
    total = running.error + np.where(known, rounding, 0.0)
    activation = named(c.activation)
    if isinstance(activation, Elementwise) and activation.intermediate is not None:
        way = activation.may_overflow(_settled_centre(gauge), error, c.format)
        alternatives = [*alternatives, (way, np.full(way.shape, np.inf))]
    return Bound(reference, total, tuple(alternatives), c.format.largest)


def _are_finite(magnitudes: Floats) -> bool:
    return math.isfinite(magnitudes.max(initial=0.0))


def _rounded_twice(gauge: Gauge) -> list[tuple[Mask, Floats]]:
    """In narrow formats, what comes of exact sums that are rounded before their bias is added.

    Of sums that NaN or infinite operands make so, nothing comes of the finite ones.
    """
    if gauge.format.name not in NARROW:
        return []
    twice = gauge.convolution.laid_out(gauge.rounded_twice)
    name, nothing = gauge.convolution.activation, np.zeros_like(twice)
    value = through_activation(name, twice, nothing, gauge.format).value
    if gauge.special is None:
        return [(np.ones(twice.shape, bool), value)]
    return [(gauge.convolution.laid_out(~gauge.special), value)]


def _settled_centre(gauge: Gauge) -> Floats:
    """The sums, infinite ones replaced by such as the activation takes for infinite.

    In a row, one of minus infinity counts as too small beside the others.
    """
    c = gauge.convolution
    centre: Floats = c.laid_out(gauge.centre)
    if gauge.special is None:
        return centre
    absent = c.laid_out(gauge.special & (gauge.undefined == -np.inf))
    if named(c.activation).rowwise:
        return np.where(absent, centre.max(-1, keepdims=True) - _FAR, centre)
    present = c.laid_out(gauge.special & (gauge.undefined == np.inf))
    return np.where(absent, -_FAR, np.where(present, _FAR, centre))


def _with_exceptional_sums(gauge: Gauge, expected: Floats, bound: Bound) -> Bound:
    """The bound where sums are, or may become, NaN or infinite."""
    nowhere = np.zeros(gauge.centre.shape, bool)
    up, down = gauge.overflow or (nowhere, nowhere)
    special = nowhere if gauge.special is None else gauge.special
    sums = np.where(up, np.inf, -np.inf)
    if gauge.special is not None:
        sums = np.where(special, gauge.undefined, sums)
    lay = gauge.convolution.laid_out
    error = np.where(lay(np.isinf(gauge.centre)), 0.0, bound.error)
    error = np.where(lay((up & down) | (special & (up | down))), np.inf, error)
    readings = _readings(gauge.convolution.activation, lay(sums), gauge.format)
    exceptional = lay(up | down | special)
    return Bound(
        _undefined_where(lay(special), expected, bound.reference),
        error,
        (*bound.alternatives, *((exceptional, reading) for reading in readings)),
    )


def _undefined_where(special: Mask, expected: Floats, reference: Floats) -> Floats:
    """No distance is small enough where the operands make the output NaN or infinite."""
    return np.where(special & ~np.isfinite(expected), np.nan, reference)


def _readings(name: str, sums: Floats, fmt: Format) -> list[Floats]:
    """What an activation may give at NaN and infinities: its limit, and by its formula."""
    infinities, activation = (-math.inf, math.inf), named(name)
    assert isinstance(activation, Elementwise)
    limits = [activation.at_special(x, fmt) for x in infinities]
    limit = np.select([sums == x for x in infinities], limits, np.nan)
    formula = limit
    for infinity in activation.undefined:
        formula = np.where(sums == infinity, np.nan, formula)
    if activation.zero_at_nan:
        formula = np.where(np.isnan(sums), 0.0, formula)
    return [limit, formula]


def _with_exceptional_rows(gauge: Gauge, expected: Floats, bound: Bound) -> Bound:
    """The same for activations of whole rows: such a sum may turn its row into NaN."""
    lay, error, alternatives = gauge.convolution.laid_out, bound.error, bound.alternatives
    reference = bound.reference
    if gauge.special is not None:
        special = lay(gauge.special).any(-1, keepdims=True) & np.ones(error.shape, bool)
        alternatives = (*alternatives, (special, np.full(error.shape, np.nan)))
        reference = _undefined_where(special, expected, reference)
    if gauge.overflow is not None:
        up, down = gauge.overflow
        error = np.where(lay(up | down).any(-1, keepdims=True), np.inf, error)
    return Bound(reference, error, alternatives)

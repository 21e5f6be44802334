"""What the errors of many outputs together say about the precision of an implementation.

Only for operands of random sign, whose rounding errors cancel.  An implementation that rounds its
operands to TensorFloat-32, or accumulates in float16, stays within the bound for any order of
summation where K is large; it does not stay within what random signs leave:

* each output within ``(4 + 2 sqrt(K)) u S`` (see `sums`);
* over T outputs, with errors e in units of ``u S`` beyond the outputs' own rounding, and n = K + 1:
  ``sum(e**2) <= 0.4 n T`` and ``abs(sum(e)) <= 2 sqrt(n T)``, the criteria of the TOSA reference
  model for dot products (``verify_dot_product``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.judge.bounds import Bound, output_bound
from conformance.judge.running_error import Floats
from conformance.judge.sums import Convolution, Gauge, half_ulp

_VARIANCE: Final = 0.4
_BIAS: Final = 2.0


@dataclass(frozen=True)
class SumsTest:
    """One criterion over all outputs: its name, and the statistic and its limit in units."""

    name: str
    statistic: float
    limit: float

    @property
    def ratio(self) -> float:
        """The statistic in units of its limit."""
        return self.statistic / self.limit


def statistical_bound(gauge: Gauge, expected: Floats) -> Bound:
    """The bound on each output for operands of random sign."""
    return output_bound(gauge, expected, gauge.statistical_error)


def has_statistics(convolution: Convolution) -> bool:
    """Whether errors of sums say more together than each alone."""
    return convolution.random_sign and not convolution.exact


def sums_tests(gauge: Gauge, actual: Floats, expected: Floats) -> list[SumsTest]:
    """The criteria over all outputs, for sums without an activation; none for others."""
    errors = SumsOfErrors()
    errors.add(gauge, actual, expected)
    return errors.tests()


class SumsOfErrors:
    """The criteria over all outputs, which come in parts."""

    def __init__(self) -> None:
        self._terms = 0
        self._count = 0
        self._squares = 0.0
        self._sum = 0.0

    def add(self, gauge: Gauge, actual: Floats, expected: Floats) -> None:
        """Take in some outputs, and the sums that they are made of."""
        if gauge.convolution.activation != "linear" or not actual.size:
            return
        lay = gauge.convolution.laid_out
        unit = gauge.accumulator.unit_roundoff * lay(gauge.magnitude)
        rounding = lay(gauge.narrow_error) + half_ulp(expected, gauge.format)
        with np.errstate(all="ignore"):
            errors = actual - expected
            surplus = np.maximum(np.abs(errors) - rounding, 0.0)
            units = np.where(surplus == 0.0, 0.0, np.copysign(surplus, errors) / unit)
            self._squares += float((units**2).sum())
            self._sum += float(units.sum())
        self._terms = gauge.products + 1
        self._count += actual.size

    def tests(self) -> list[SumsTest]:
        """The criteria; none without sums."""
        if not self._count:
            return []
        return [
            SumsTest(
                "the mean squared error", self._squares / self._count, _VARIANCE * self._terms
            ),
            SumsTest(
                "the sum of the errors",
                abs(self._sum),
                _BIAS * math.sqrt(self._terms * self._count),
            ),
        ]

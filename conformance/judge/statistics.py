"""What the errors of many outputs together say about the precision of an implementation.

Only for operands of random sign, whose rounding errors cancel.  An implementation that rounds its
operands to TensorFloat-32, or accumulates in float16, stays within the bound for any order of
summation where K is large; it does not stay within what random signs leave:

* each output within `sums.SPREAD` units c, of which `sums` derives that a correct one exceeds them
  with a probability of at most 1.4e-9;
* over T outputs, with errors e in units c beyond the outputs' own rounding, ``mean(e**2) <= 1/2 + 7
  sqrt(3 / (2 T)) + 15**2 / T`` and ``abs(sum(e)) <= 7 sqrt(T / 2) + 15``: in the worst order of
  summation e is normal given the walk W of the partial sums, with the integral of W**2, whose mean
  is 1/2 and whose variance 1/3, for its variance, so that e**2 has the mean 1/2 and the variance
  3/2.  Seven standard deviations have a probability of 2.6e-12, and one output may be as far off as
  a single one may.

Both criteria are those of the TOSA reference model for dot products (``verify_dot_product``), whose
limits are wider: ``0.4 (K + 1)``, and ``2 sqrt((K + 1) T)`` in units of ``u S``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.judge.bounds import Bound, output_bound
from conformance.judge.running_error import Floats
from conformance.judge.sums import SPREAD, Convolution, Gauge, half_ulp

_DEVIATIONS: Final = 7.0
_MEAN: Final = 0.5
_VARIANCE: Final = 1.5
"""Of the square of an error in units c."""


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
    errors.add(gauge, actual, expected, gauge.statistical_unit)
    return errors.tests()


class SumsOfErrors:
    """The criteria over all outputs, which come in parts."""

    def __init__(self) -> None:
        self._count = 0
        self._squares = 0.0
        self._sum = 0.0

    def add(self, gauge: Gauge, actual: Floats, expected: Floats, unit: Floats) -> None:
        """Take in some outputs, and the unit of the errors of their sums, channels last."""
        if gauge.convolution.activation != "linear" or not actual.size:
            return
        lay = gauge.convolution.laid_out
        rounding = lay(gauge.narrow_error) + half_ulp(expected, gauge.format)
        with np.errstate(all="ignore"):
            errors = actual - expected
            surplus = np.maximum(np.abs(errors) - rounding, 0.0)
            units = np.where(surplus == 0.0, 0.0, np.copysign(surplus, errors) / lay(unit))
            self._squares += float((units**2).sum())
            self._sum += float(units.sum())
        self._count += actual.size

    def tests(self) -> list[SumsTest]:
        """The criteria; none without sums."""
        count = self._count
        if not count:
            return []
        squares = _MEAN + _DEVIATIONS * math.sqrt(_VARIANCE / count) + SPREAD**2 / count
        return [
            SumsTest("the mean squared error", self._squares / count, squares),
            SumsTest(
                "the sum of the errors",
                abs(self._sum),
                _DEVIATIONS * math.sqrt(_MEAN * count) + SPREAD,
            ),
        ]

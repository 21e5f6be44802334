"""The outputs of a convolution in parts whose arrays are small, to be judged one after the other.

What is said of all outputs (how many are wrong, the worst, the sums of the errors) is joined from
what is found in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from conformance.judge.contraction import as_float64
from conformance.judge.running_error import Floats
from conformance.judge.sums import Gauge

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the outputs, in their layout.

    Attributes:
        gauge: their sums.
        given: the outputs.
        wanted: the expected ones.
        start: where they begin.
    """

    gauge: Gauge
    given: Array
    wanted: Array
    start: tuple[int, ...] = ()

    @cached_property
    def actual(self) -> Floats:
        """The outputs as float64."""
        return as_float64(self.given)

    @cached_property
    def expected(self) -> Floats:
        """The expected ones as float64."""
        return as_float64(self.wanted)


@dataclass(frozen=True, eq=False)
class Parts:
    """All outputs, part by part, as often as they are asked for.

    Attributes:
        gauge: the sums of all.
        given: the outputs.
        wanted: the expected ones, of the same shape.
    """

    gauge: Gauge
    given: Array
    wanted: Array

    def __iter__(self) -> Iterator[Part]:
        for box, gauge in self.gauge.parts():
            given, wanted = self.given, self.wanted
            start: tuple[int, ...] = ()
            if box:
                order = self.gauge.convolution.order
                place = (*box, slice(None))
                where = tuple(place[axis] for axis in order)
                given, wanted = given[where], wanted[where]
                start = tuple(held.start or 0 for held in where)
            yield Part(gauge, given, wanted, start)

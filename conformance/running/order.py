"""Whether failures depend on what was called before: each is run again alone, in a fresh process.

Where a failing case conforms alone, the shortest sequence that shows its failure is looked for
among the cases that came before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.results import FAILING, Result
from conformance.running.limits import Limits
from conformance.running.session import Session

SECONDS: Final = 40.0
"""How long an implementation's failures are run again at most."""

_PROBES: Final = 4
_TRIED: Final = 4
"""For how many failing cases a single case before is looked for."""

_ALIKE: Final = 4
"""How many cases are tried as the only one before, those that are most alike."""
_BUT: Final = frozenset({"repeat", "inputs", "state", "threads", "rejection", "literal"})
"""Stages whose objection does not depend on other calls, or says so itself."""

_WIDER: Final = 8
"""The factor by which more of the cases just before are tried."""

_OBSERVED: Final = frozenset({"output", "gradients", "shape"})
"""What cases look at whose arguments are well-formed."""

_RESERVED: Final = 0.5
"""The share of the time that is kept for the sequence."""

Fails = Callable[[Sequence[Case]], bool]
"""Whether the last of some cases fails, run one after the other in a fresh process."""


@dataclass(frozen=True, eq=False)
class Order:
    """Failures of one implementation that depend on the order of calls.

    Attributes:
        implementation: as it is asked for.
        cases: the failing cases that conform when they are run alone; all, where those do that were
            run again.
        alone: how many were run again, those included that fail alone as well.
        sequence: the fewest cases found that show it, the last of which fails; empty where none
            was found in time.
    """

    implementation: str
    cases: frozenset[Case]
    alone: int
    sequence: tuple[Case, ...] = ()


def order_of(
    results: Sequence[Result],
    limits: Limits,
    known: Sequence[str] = (),
    seconds: float = SECONDS,
    fails: Callable[[str], Fails] | None = None,
) -> dict[str, Order]:
    """What of the failures of each implementation depends on the order, by its name.

    A few failures are run again; only where one of them conforms, all are, while time lasts.

    Args:
        results: the results of a run, in order.
        limits: what a process is allowed.
        known: files with records of known deviations.
        seconds: how long it may take for each implementation.
        fails: makes what judges sequences on an implementation; fresh processes do by default.
    """
    found = {}
    for name in dict.fromkeys(result.implementation for result in results):
        own = [result for result in results if result.implementation == name]
        failing = [r for r in own if r.verdict in FAILING and r.evidence and r.stage not in _BUT]
        if failing and failing[0].evidence:
            spec = failing[0].evidence.spec
            judged = fails(spec) if fails else in_fresh_process(spec, limits, known)
            order = _Rerun(spec, own, failing, judged, seconds).order()
            if order is not None:
                found[name] = order
    return found


def order_of_last(
    results: Sequence[Result], fails: Fails, seconds: float = SECONDS
) -> Order | None:
    """Whether the last result, a failure, depends on the cases before it; None where it does not.

    Args:
        results: what was judged, in order; the last fails.
        fails: judges sequences, each in a fresh process.
        seconds: how long it may take.
    """
    last = results[-1]
    if last.evidence is None or last.stage in _BUT:
        return None
    return _Rerun(last.evidence.spec, results, [last], fails, seconds).order()


def in_fresh_process(spec: str, limits: Limits, known: Sequence[str]) -> Fails:
    """What tries sequences on an implementation, each in a process of its own."""

    def fails(cases: Sequence[Case]) -> bool:
        with Session(limits, known) as session:
            results = [session.judge(spec, case) for case in cases]
        return results[-1].verdict in FAILING

    return fails


class _Rerun:
    def __init__(
        self,
        spec: str,
        results: Sequence[Result],
        failing: Sequence[Result],
        fails: Fails,
        seconds: float,
    ) -> None:
        self._spec, self._results, self._fails = spec, results, fails
        self._failing = sorted(failing, key=lambda r: len(r.case.descriptor))
        now = time.monotonic()
        self._until, self._end = now + seconds * _RESERVED, now + seconds

    def order(self) -> Order | None:
        """What depends on the order; None where nothing does that was run again."""
        if not any(not self._fails([r.case]) for r in self._probes() if self._has_time()):
            return None
        alone = []
        for result in self._failing:
            if not self._has_time():
                break
            alone.append((result.case, self._fails([result.case])))
        conforming = frozenset(case for case, fails in alone if not fails)
        if not conforming:
            return None
        sequence = self._sequence(conforming)
        if len(conforming) == len(alone):
            conforming = frozenset(result.case for result in self._failing)
        return Order(self._spec, conforming, len(alone), sequence)

    def _has_time(self) -> bool:
        return time.monotonic() < self._until

    def _probes(self) -> list[Result]:
        """The smallest failures of different layers and observations, and stages."""
        first = {(r.case.layer, r.case.observe, r.stage): r for r in reversed(self._failing)}
        return list(first.values())[-_PROBES:]

    def _sequence(self, conforming: frozenset[Case]) -> tuple[Case, ...]:
        """The fewest cases before one of these that make it fail."""
        cases = [r.case for r in self._failing if r.case in conforming]
        for case in cases[:_TRIED]:
            for one in self._most_alike(case):
                if self._is_late():
                    return ()
                if self._fails([one, case]):
                    return one, case
        for case in cases:
            before = self._latest(case)
            if before:
                return (*self._shortened(self._narrowed(before, case), case), case)
            if self._is_late():
                return ()
        return ()

    def _latest(self, case: Case) -> list[Case]:
        """The fewest of the cases just before it, by powers of eight, after which it fails."""
        before, size = self._before(case), 1
        while before and not self._is_late():
            if self._fails([*before[-size:], case]):
                return before[-size:]
            if size >= len(before):
                break
            size *= _WIDER
        return []

    def _is_late(self) -> bool:
        return time.monotonic() >= self._end

    def _most_alike(self, case: Case) -> list[Case]:
        """The cases before that share most with it: arrays of the same shapes, then arguments."""
        before = self._before(case)
        return sorted(before, key=lambda c: (-_shared_shapes(c, case), -_likeness(c, case)))[
            :_ALIKE
        ]

    def _before(self, case: Case) -> list[Case]:
        """The cases of the same layer that came before, as the run had them."""
        cases = [result.case for result in self._results]
        return [one for one in cases[: cases.index(case)] if one.layer == case.layer]

    def _narrowed(self, before: list[Case], case: Case) -> list[Case]:
        """The shortest run of cases that shows it, each end found by halving.

        What one case leaves behind is found in as many tries as the number of cases has digits.
        """
        start = self._last_that(lambda n: self._fails([*before[n:], case]), len(before))
        before = before[start:]
        cut = self._last_that(
            lambda n: self._fails([*before[: len(before) - n], case]), len(before)
        )
        return before[: len(before) - cut]

    def _last_that(self, fails: Callable[[int], bool], above: int) -> int:
        """The largest number below `above` that fails, if all below it do; zero does."""
        low = 0
        while above - low > 1 and not self._is_late():
            middle = (low + above) // 2
            low, above = (middle, above) if fails(middle) else (low, middle)
        return low

    def _shortened(self, before: list[Case], case: Case) -> list[Case]:
        """Halves left out as long as the case still fails; then each alone."""
        chunk = len(before)
        while chunk > 1 and not self._is_late():
            chunk = (chunk + 1) // 2
            start = 0
            while start < len(before) and len(before) > 1 and not self._is_late():
                fewer = before[:start] + before[start + chunk :]
                if fewer and self._fails([*fewer, case]):
                    before = fewer
                else:
                    start += chunk
        return before


def _shared_shapes(one: Case, other: Case) -> int:
    """How many of the arrays' shapes two cases share: inputs, kernel."""
    if one.dtype != other.dtype:
        return 0
    return sum(a == b and a is not None for a, b in zip(_shapes(one), _shapes(other), strict=True))


@lru_cache(maxsize=8192)
def _shapes(case: Case) -> tuple[tuple[int | None, ...] | None, ...]:
    known = facts(case)
    told = case.observe in _OBSERVED and case.inputs is not None and None not in case.inputs
    if not told or not known.is_convolution:
        return case.inputs, None
    return case.inputs, (*known.window, known.channels or 0, known.config["filters"])


def _likeness(one: Case, other: Case) -> int:
    """How many parts of the descriptors are the same."""
    return len(set(one.descriptor.split("/")) & set(other.descriptor.split("/")))

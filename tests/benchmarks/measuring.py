"""Candidates timed in turns within one run, each as a ratio to the one that it is held against.

A ratio is taken within a round, in which each candidate has one turn, so that what slows the
machine down slows both; the figure is the median of the rounds' ratios, and its spread their
quartiles.  Times are processor time, that of ended child processes
included.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final

Call = Callable[[], object]

SHORTEST: Final = 1e-3
"""Seconds that a turn takes at least: a shorter call is repeated within its turn."""

LONG: Final = 20 * SHORTEST
"""A first call of so many seconds is not called again before its turn."""

FEWEST: Final = 5
FEW: Final = 3
MOST: Final = 101
"""Rounds of a benchmark: at least, at least where they are long, and at most."""

PATIENCE: Final = 4.0
"""So many times the seconds of a benchmark its rounds are long."""


@dataclass(frozen=True)
class Setup:
    """What a benchmark compares, made when it is run.

    Attributes:
        calls: the candidates by name; the first is what the others are held against.
        items: how many things of a kind a call does: elements, cases.
        of: what the things are; empty for calls as a whole.
        left_out: candidates that cannot take part here, with the reason.
        peers: candidates that show what ours are worth: others' code, and ours without a trick.
    """

    calls: Mapping[str, Call]
    items: int = 1
    of: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    peers: Collection[str] = ()


@dataclass(frozen=True)
class Benchmark:
    """One comparison.

    Attributes:
        name: of the form ``group/what``.
        setup: makes it, of tiny sizes where that is asked for.
        tiny: whether it belongs to the run of tiny sizes.
    """

    name: str
    setup: Callable[[bool], Setup]
    tiny: bool = True


@dataclass(frozen=True)
class Figure:
    """One candidate of one benchmark.

    Attributes:
        benchmark: its name.
        candidate: its name.
        base: the candidate that it is held against.
        ratio: the median of the rounds' ratios to it.
        low: their lower quartile.
        high: their upper quartile.
        seconds: median seconds of an item.
        of: what the items are; empty for calls as a whole.
        rounds: how many rounds there were.
        is_peer: whether it is what the base is held against, so that a larger ratio is a faster
            base.
    """

    benchmark: str
    candidate: str
    base: str
    ratio: float
    low: float
    high: float
    seconds: float
    of: str
    rounds: int
    is_peer: bool = False


@dataclass(frozen=True)
class Growth:
    """What judging so many things takes.

    Attributes:
        what: cases or elements.
        count: how many.
        seconds: median of each.
        low: lower quartile.
        high: upper quartile.
        megabytes: of memory, in all.
        share: the memory as a multiple of inputs and outputs; 0 for cases.
    """

    what: str
    count: int
    seconds: float
    low: float
    high: float
    megabytes: float
    share: float


def line_of(one: Growth) -> str:
    """Time of each, and memory, in words."""
    share = f", {one.share:.3g} times inputs and outputs" if one.share else ""
    return (
        f"{one.count:12,} {one.what:9} {one.seconds * 1e6:.4g} us each "
        f"({one.low * 1e6:.4g} to {one.high * 1e6:.4g}), {one.megabytes:.3g} MB{share}"
    )


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    try:
        import resource
    except ImportError:  # Windows
        return time.process_time()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def turn(call: Call, times: int) -> float:
    """Seconds of a call, as the mean of so many."""
    started = processor_seconds()
    for _ in range(times):
        call()
    return (processor_seconds() - started) / times


def rounds(setup: Setup, seconds: float, fewest: int = FEWEST) -> dict[str, list[float]]:
    """Seconds of each turn of each candidate: as many rounds as fit, but some in any case.

    A single round, which is to show that everything can be called, has calls that are first ones.
    """
    alone = fewest == 1
    times = {name: 1 if alone else repetitions(call) for name, call in setup.calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in setup.calls}
    names, began, count, spent = list(setup.calls), processor_seconds(), 0, 0.0
    while count < _least(fewest, seconds, spent) or (spent < seconds and count < MOST):
        for name in _rotated(names, count):
            taken[name].append(turn(setup.calls[name], times[name]))
        count += 1
        spent = processor_seconds() - began
    return taken


def _least(fewest: int, seconds: float, spent: float) -> int:
    """Rounds in any case: few, where they have taken much longer than they were to."""
    return min(fewest, FEW) if spent > PATIENCE * seconds else fewest


def repetitions(call: Call) -> int:
    """How often a call fits into the shortest turn, after one that is not counted."""
    once = turn(call, 1)
    if once >= LONG:
        return 1
    once = turn(call, 1)
    return 1 if once >= SHORTEST else min(10_000, max(2, int(SHORTEST / max(once, 1e-7))))


def _rotated(names: list[str], by: int) -> Iterator[str]:
    start = by % len(names)
    yield from names[start:] + names[:start]


def measured(benchmark: Benchmark, setup: Setup, seconds: float, fewest: int) -> list[Figure]:
    """The figures of a benchmark."""
    taken = rounds(setup, seconds, fewest)
    base = next(iter(taken))
    return [
        _figure(benchmark.name, name, base, turns, taken[base], setup)
        for name, turns in taken.items()
    ]


def _figure(
    benchmark: str, name: str, base: str, turns: list[float], of_base: list[float], setup: Setup
) -> Figure:
    ratios = [one / max(other, 1e-9) for one, other in zip(turns, of_base, strict=True)]
    low, middle, high = quartiles(ratios)
    seconds = statistics.median(turns) / setup.items
    is_peer = name in setup.peers
    return Figure(benchmark, name, base, middle, low, high, seconds, setup.of, len(turns), is_peer)


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def figure_of(record: Mapping[str, Any]) -> Figure:
    """A figure from its record in a file.

    Raises:
        ValueError: if it is none.
    """
    return Figure(**_fields_of(Figure, record))


def growth_of(record: Mapping[str, Any]) -> Growth:
    """A growth from its record in a file.

    Raises:
        ValueError: if it is none.
    """
    return Growth(**_fields_of(Growth, record))


def _fields_of(kind: type[Figure | Growth], record: Mapping[str, Any]) -> dict[str, Any]:
    known = [one for one in fields(kind) if one.name in record or one.default is MISSING]
    try:
        return {one.name: _READ[one.type](record[one.name]) for one in known}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"no figure of a benchmark: {error!r} in {record!r}") from error


_READ: Final[Mapping[Any, Callable[[Any], Any]]] = {
    "str": str,
    "float": float,
    "int": int,
    "bool": bool,
}
"""What the fields are read by, by their annotations."""

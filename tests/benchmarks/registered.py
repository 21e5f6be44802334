"""All benchmarks, and the running of some."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import calls
import convolutions
import elementwise
import growth
import judging
import poolings
import suite_rates
import tricks
from measuring import FEWEST, Benchmark, Figure, Growth, line_of
from measuring import measured as figures_of
from writing import Run, geometric_means, in_short, run_of, say, time_of

BENCHMARKS: Final[tuple[Benchmark, ...]] = (
    *convolutions.BENCHMARKS,
    *poolings.BENCHMARKS,
    *elementwise.BENCHMARKS,
    *calls.BENCHMARKS,
    *judging.BENCHMARKS,
    *suite_rates.BENCHMARKS,
    *tricks.BENCHMARKS,
)


def groups() -> list[str]:
    """What the names begin with."""
    return [*dict.fromkeys(one.name.partition("/")[0] for one in BENCHMARKS), "growth"]


def chosen(names: Sequence[str], *, tiny: bool) -> list[Benchmark]:
    """Those whose names begin so; without any, all; of tiny sizes, those that have them."""
    return [
        one
        for one in BENCHMARKS
        if (not names or one.name.startswith(tuple(names))) and (one.tiny or not tiny)
    ]


def growing(names: Sequence[str]) -> list[str]:
    """What grows of what is asked for; without names, all."""
    return [
        what for what in growth.MEASURED if not names or f"growth/{what}".startswith(tuple(names))
    ]


def measured(
    benchmarks: Sequence[Benchmark], growing: Sequence[str], seconds: float, *, tiny: bool
) -> Run:
    """Run some benchmarks, then what grows, and print each as it comes."""
    figures: list[Figure] = []
    left_out: dict[str, str] = {}
    for group, members in groupby(benchmarks, lambda one: one.name.partition("/")[0]):
        of_group: list[Figure] = []
        for one in members:
            setup = one.setup(tiny)
            left_out |= setup.left_out
            new = figures_of(one, setup, 0.0 if tiny else seconds, 1 if tiny else FEWEST)
            for figure in new:
                say(_line(figure))
            of_group += new
        for name, (mean, count) in geometric_means(of_group).items():
            say(f"{group}, geometric mean of {count}: {name} {mean:.3g}")
        figures += of_group
    growths = [one for what in growing for one in _grown(what, tiny=tiny)]
    for name, reason in left_out.items():
        say(f"{name} was left out: {reason}")
    for line in in_short(figures):
        say(line)
    return run_of(figures, left_out, growths)


def _grown(what: str, *, tiny: bool) -> list[Growth]:
    found = growth.measured(what, tiny=tiny)
    for one in found:
        say(line_of(one))
    return found


def _line(one: Figure) -> str:
    return (
        f"{one.benchmark:44} {one.candidate:26} {one.ratio:8.3g} "
        f"({one.low:.3g} to {one.high:.3g})  {time_of(one)}"
    )

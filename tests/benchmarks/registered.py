"""All benchmarks, and the running of some."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import calls
import convolutions
import elementwise
import judging
import poolings
import suite_rates
import tricks
from measuring import FEWEST, Benchmark, Figure
from measuring import measured as figures_of
from writing import Run, geometric_means, run_of, say, time_of

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
    return list(dict.fromkeys(one.name.partition("/")[0] for one in BENCHMARKS))


def chosen(names: Sequence[str], *, tiny: bool) -> list[Benchmark]:
    """Those whose names begin so; without any, all; of tiny sizes, those that have them."""
    return [
        one
        for one in BENCHMARKS
        if (not names or one.name.startswith(tuple(names))) and (one.tiny or not tiny)
    ]


def measured(benchmarks: Sequence[Benchmark], seconds: float, *, tiny: bool) -> Run:
    """Run some benchmarks, and print each as it comes."""
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
    for name, reason in left_out.items():
        say(f"{name} was left out: {reason}")
    return run_of(figures, left_out)


def _line(one: Figure) -> str:
    return (
        f"{one.benchmark:44} {one.candidate:26} {one.ratio:8.3g} "
        f"({one.low:.3g} to {one.high:.3g})  {time_of(one)}"
    )

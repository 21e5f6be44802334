"""Random calls of each kind of `fuzzing`, as many as wanted: ``python long_run_fuzz.py --calls N``.

Prints for each kind how many calls were made, what failed, and with which draws.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
import traceback
from random import Random
from typing import Any

from fuzzing import KINDS
from hypothesis.control import BuildContext
from hypothesis.errors import StopTest, UnsatisfiedAssumption
from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.strategies._internal.core import DataObject

MOST_CHOICES = 8 * 1024
"""Random choices of a call: as many as Hypothesis allows."""

MOST_FAILURES = 10
"""Failures of a kind that are shown; then the kind is given up."""


def attempt(kind: str, seed: int, final: bool = False) -> bool:
    """One call drawn from a seed; whether there was one: a draw may be too large, or filtered out.

    The draws are made without Hypothesis' engine, which looks for new and for smaller examples and
    takes twice the time; `final` prints each of them.
    """
    data: Any = ConjectureData(random=Random(seed), prefix=(), max_choices=MOST_CHOICES)
    try:
        with (
            BuildContext(data, is_final=final, wrapped_test=attempt),
            contextlib.redirect_stdout(sys.stderr if final else io.StringIO()),
        ):
            KINDS[kind](DataObject(data))
    except (StopTest, UnsatisfiedAssumption):
        return False
    return True


def failed(kind: str, seed: int) -> None:
    """Show the failure of a seed again, with its draws."""
    print(f"{kind}, seed {seed}:")
    try:
        attempt(kind, seed, final=True)
    except Exception:
        traceback.print_exc()


def run(kind: str, calls: int, start: int) -> int:
    """How many of some calls of a kind, drawn from the seeds from `start` on, end in a failure."""
    made, failures, seed, begin = 0, 0, start, time.process_time()
    while made < calls and failures < MOST_FAILURES:
        try:
            made += attempt(kind, seed)
        except Exception:
            made, failures = made + 1, failures + 1
            failed(kind, seed)
        seed += 1
    spent = time.process_time() - begin
    print(f"{kind}: {made} calls, {failures} failures, {spent:.0f} s of processor time", flush=True)
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="calls of each kind")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only these kinds")
    parser.add_argument("--seed", type=int, default=0, help="where to start")
    options = parser.parse_args()
    kinds = options.kind or sorted(KINDS)
    return int(sum(run(kind, options.calls, options.seed) for kind in kinds) > 0)


if __name__ == "__main__":
    sys.exit(main())

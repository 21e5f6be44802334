"""Random calls of each kind of `fuzzing`, as many as wanted: ``python long_run_fuzz.py --calls N``.

Prints for each kind how many calls were made, and the smallest example of what failed.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from typing import Any

from fuzzing import KINDS
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

ROUND = 1000
"""Calls per round of Hypothesis, which keeps what it has seen in memory."""


def run(kind: str, calls: int, start: int) -> bool:
    """Whether some calls of a kind, drawn from a seed, all ended as they should."""

    @seed(start)
    @settings(
        max_examples=calls,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[*HealthCheck],
    )
    @given(data=st.data())
    def attempt(data: Any) -> None:
        KINDS[kind](data)

    try:
        attempt()
    except Exception:
        traceback.print_exc()
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="calls of each kind")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only these kinds")
    parser.add_argument("--seed", type=int, default=0, help="where to start")
    options = parser.parse_args()
    failed = 0
    for kind in options.kind or sorted(KINDS):
        sizes = [min(ROUND, options.calls - done) for done in range(0, options.calls, ROUND)]
        outcomes = [run(kind, size, options.seed + n) for n, size in enumerate(sizes)]
        failed += outcomes.count(False)
        print(f"{kind}: {sum(sizes)} calls, {outcomes.count(False)} rounds with a failure")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

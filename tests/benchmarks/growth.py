"""How judging grows: time in cases and in elements, memory in both, over three decades.

    PYTHONPATH=. python tests/benchmarks growth[/cases | /elements]

Times are processor time, in turns like those of the other benchmarks; a count that takes long is
measured once.  The memory of cases is the largest resident size of a fresh process, that of
elements what judging takes beside the operands and outputs, which are of the size asked for.
"""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from measuring import Growth, quartiles

import reference_impl as keras
from conformance import assert_conforms
from conformance.cases.case import Case
from conformance.cases.grids import grid

Array = np.ndarray[Any, Any]

CASES: Final = (10, 100, 1_000, 10_000)
ELEMENTS: Final = (10_000, 100_000, 1_000_000, 10_000_000)
FILTERS: Final = 32


def cases(count: int) -> Iterator[Case]:
    """So many different cases: those of the standard grid in turn, each round with other seeds."""
    chosen = list(grid("standard"))[:: max(1, 6000 // count)]
    for seed in itertools.count():
        for case in chosen:
            if not seed or case.observe in ("output", "gradients"):
                yield case.replace(seed=seed)


def judged_cases(count: int) -> dict[str, float]:
    """Seconds and megabytes of judging so many cases on the reference, in this process."""
    from conformance.known import load
    from conformance.running.case_judge import CaseJudge
    from conformance.running.limits import Limits

    with CaseJudge(["reference"], Limits(), load()) as judge:
        assert judge.subjects
        started = time.process_time()
        for case in itertools.islice(cases(count), count):
            judge.foresee([case])
            judge.judge(case)
        seconds = time.process_time() - started
    return {
        "seconds": seconds,
        "megabytes": largest_resident(),
    }


def largest_resident() -> float:
    """Megabytes that this process held at most.

    The largest size that the system remembers elsewhere is, on Linux, that of its parent as well.
    """
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text("utf-8").splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 1024)


def judged_elements(count: int) -> dict[str, float]:
    """Seconds and megabytes of judging an output of about so many elements, almost all inexact."""
    side = math.isqrt(count // FILTERS)
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((1, side, side, 3)).astype(np.float32)
    layer = keras.layers.Conv2D(FILTERS, 3, padding="same")
    layer.build(inputs.shape)
    outputs: Array = np.nextafter(layer(inputs), np.float32(np.inf))
    assert_conforms(outputs, layer, inputs)
    started = time.process_time()
    assert_conforms(outputs, layer, inputs)
    seconds = time.process_time() - started
    tracemalloc.start()
    assert_conforms(outputs, layer, inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "seconds": seconds,
        "megabytes": peak / 2**20,
        "of operands": peak / (inputs.nbytes + outputs.nbytes),
    }


MEASURED: Final = {"cases": (judged_cases, CASES), "elements": (judged_elements, ELEMENTS)}
ROUNDS: Final = 3
LONGEST: Final = 10.0
"""Seconds beyond which a count is measured once."""


def in_fresh_process(what: str, count: int) -> dict[str, float]:
    """What is measured of one count, in a process of its own."""
    command = [sys.executable, __file__, what, str(count)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(made.stdout.splitlines()[-1])
    return found


def measured(what: str, *, tiny: bool) -> list[Growth]:
    """Every count of a kind, each as often as there are rounds; of tiny ones, the least once."""
    counts = MEASURED[what][1][: 1 if tiny else None]
    found: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
    for _ in range(1 if tiny else ROUNDS):
        for count, before in found.items():
            if not before or before[0]["seconds"] < LONGEST:
                before.append(in_fresh_process(what, count))
    return [_growth(what, count, turns) for count, turns in found.items()]


def _growth(what: str, count: int, turns: Sequence[dict[str, float]]) -> Growth:
    low, middle, high = quartiles([turn["seconds"] / count for turn in turns])
    megabytes = quartiles([turn["megabytes"] for turn in turns])[1]
    share = quartiles([turn["of operands"] for turn in turns])[1] if what == "elements" else 0.0
    return Growth(what, count, middle, low, high, megabytes, share)


def main(what: str, count: str) -> None:
    """Print what is measured of one count."""
    print(json.dumps(MEASURED[what][0](int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A long comparison of certified convolutions with the definition on exact integers.

    PYTHONPATH=. python tests/long_run_convolution.py --elements 10000000 --seed 1

Random geometries, numbers of products from 1 to 10,000, all formats and all kinds of operands of
`adversarial`.  Prints how many output elements were compared, how many of these went to the exact
path, and every mismatch with the seed that repeats it; exits with status 1 if there was one.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from adversarial import ALL_FORMATS, ALL_KINDS, Problem, Random, make_operands
from exact_convolution import check_rounding, exact_convolution

from reference_impl.ops.convolution import convolution_sums
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import FORMATS


@dataclass
class Tally:
    """Counts of one run."""

    elements: int = 0
    resolved: int = 0
    mismatches: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.elements} elements, {self.resolved} by the exact path, "
            f"{len(self.mismatches)} mismatches"
        )


def random_problem(random: Random) -> Problem:
    """One to three axes; one in thirty has up to 10,000 products."""
    rank = int(random.integers(1, 4))
    spatial, window, strides, dilation = (
        tuple(random.integers(low, high, rank).tolist())
        for low, high in ((1, 7), (1, 4), (1, 4), (1, 3))
    )
    channels, filters = random.integers(1, 5, 2).tolist()
    if random.random() < 1 / 30:
        spatial, channels = tuple(min(n, 2) for n in spatial), int(random.integers(1, 10001))
        channels = max(channels // math.prod(window), 1)
    padding = str(random.choice(["same", "valid"]))
    batch = int(random.integers(1, 3))
    return Problem(batch, spatial, window, strides, dilation, padding, channels, filters)


def compare(seed: int, index: int, tally: Tally) -> None:
    """One convolution; `seed` and `index` repeat it."""
    random = np.random.default_rng([seed, index])
    problem = random_problem(random)
    kind, name = str(random.choice(ALL_KINDS)), str(random.choice(ALL_FORMATS))
    format = FORMATS[name]
    x, w, b = make_operands(kind, problem, format, random)
    bias = b if random.random() < 0.5 else None
    certified = evaluate(convolution_sums(x, w, bias, problem.axes), None, format)
    exact = exact_convolution(x, w, bias, problem.axes, format.quantum_exponent)
    values = certified.value.astype(np.float64).reshape(-1).tolist()
    for value, expected in zip(values, exact, strict=True):
        complaint = check_rounding(value, expected, format)
        if complaint is not None:
            tally.mismatches.append(f"seed {seed} index {index}: {name} {kind}: {complaint}")
    tally.elements += len(values)
    tally.resolved += certified.resolved


def main() -> int:
    """Run until so many elements have been compared."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tally, index, started = Tally(), 0, time.monotonic()
    while tally.elements < options.elements:
        compare(options.seed, index, tally)
        index += 1
        if index % 5000 == 0:
            print(f"{tally}, {time.monotonic() - started:.0f} s", flush=True)
    print(f"seed {options.seed}: {index} convolutions, {tally}")
    print(*tally.mismatches[:20], sep="\n")
    return 1 if tally.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())

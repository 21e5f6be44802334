"""A long comparison of activations in float64, and of their gradients, with ball arithmetic.

    PYTHONPATH=. python tests/long_run_activations.py --elements 10000000 --seed 1

Needs python-flint.  Every smooth activation and its slope times an upstream gradient, and the rows
of softmax, log_softmax and glu, at random arguments: normal ones, of every magnitude, far out, next
to zero, and with random bits.  ``--arguments FILE`` takes the arguments from a file instead, one
hexadecimal float in a line, such as lists of worst cases; each is used with both signs.  Prints how
many elements were compared, every mismatch, and what ball arithmetic cannot tell, as it needs more
than 16,384 bits to; exits with status 1 if there was a mismatch.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ball_functions as balls
import numpy as np
from flint import ctx

from reference_impl import activations
from reference_impl.ops.activations.derivatives import pull_back
from reference_impl.ops.sums import Sums

Array = np.ndarray[Any, Any]
Random = np.random.Generator

BLOCK = 4096

ROWS: dict[str, tuple[Any, Any, Any]] = {
    "softmax": (activations.softmax, balls.softmax, balls.softmax_gradient),
    "log_softmax": (activations.log_softmax, balls.log_softmax, balls.log_softmax_gradient),
    "glu": (activations.glu, balls.glu, balls.glu_gradient),
}


@dataclass
class Tally:
    """Counts of one run."""

    elements: int = 0
    mismatches: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def count(self, what: str, correct: bool | None) -> None:
        """One comparison; None where ball arithmetic cannot tell."""
        self.elements += 1
        if correct is None:
            self.unknown.append(what)
        elif not correct:
            self.mismatches.append(what)

    def __str__(self) -> str:
        return (
            f"{self.elements} elements, {len(self.mismatches)} mismatches, "
            f"{len(self.unknown)} beyond ball arithmetic"
        )


def normal(random: Random, n: int) -> Array:
    return random.standard_normal(n) * 3


def every_magnitude(random: Random, n: int) -> Array:
    return random.choice([-1.0, 1.0], n) * 2.0 ** random.uniform(-40, 11, n)


def far_out(random: Random, n: int) -> Array:
    return random.uniform(-750, 750, n)


def tails(random: Random, n: int) -> Array:
    return random.uniform(-40, 40, n)


def near_zero(random: Random, n: int) -> Array:
    return random.standard_normal(n) * 2.0 ** random.integers(-30, 0, n)


def random_bits(random: Random, n: int) -> Array:
    """Any finite float64; few, as the exact path decides most of them."""
    values = random.integers(-(2**63), 2**63 - 1, n // 64, np.int64).view(np.float64)
    return values[np.isfinite(values) & (np.abs(values) < 2.0**300)]


KINDS = (normal, normal, normal, every_magnitude, far_out, tails, tails, near_zero, random_bits)


def compare_values(name: str, x: Array, tally: Tally) -> None:
    """One activation at these arguments."""
    function, definition = balls.VALUES[name]
    for argument, value in zip(x.tolist(), function(x).tolist(), strict=True):
        ball = balls.number(argument)
        correct = balls.certain(value, partial(definition, ball))
        tally.count(f"{name}({argument.hex()}) = {value.hex()}", correct)


def compare_slopes(name: str, x: Array, upstream: Array, tally: Tally) -> None:
    """The gradient of one activation at these arguments."""
    activation = activations.certified(balls.VALUES[name][0])
    slope = balls.SLOPES[name]
    pulled = pull_back(Sums.of_array(x), upstream, activation)
    for a, u, value in zip(x.tolist(), upstream.tolist(), pulled.tolist(), strict=True):
        ball, factor = balls.number(a), balls.number(u)
        correct = balls.certain(value, partial(pulled_back, slope, ball, factor))
        tally.count(f"{u.hex()} {name}'({a.hex()}) = {value.hex()}", correct)


def pulled_back(slope: Any, argument: Any, factor: Any) -> Any:
    """An upstream gradient times the slope."""
    return factor * slope(argument)


def compare_rows(name: str, x: Array, upstream: Array, tally: Tally) -> None:
    """A row activation, and its gradient."""
    function, definition, gradient = ROWS[name]
    outputs = x.shape[1] // 2 if name == "glu" else x.shape[1]
    upstream = upstream[:, :outputs]
    pulled = pull_back(Sums.of_array(x), upstream, activations.certified(function))
    for row, u, values, back in zip(x, upstream, function(x), pulled, strict=True):
        given, factors = ([balls.number(v) for v in part.tolist()] for part in (row, u))
        expected = (
            Lazily(partial(definition, given)),
            Lazily(partial(gradient, given, factors)),
        )
        for kind, computed, enclosed in zip(("", "'"), (values, back), expected, strict=True):
            for i, value in enumerate(computed.tolist()):
                correct = balls.certain(value, partial(enclosed.at, i))
                tally.count(f"{name}{kind}({row.tolist()})[{i}] = {value.hex()}", correct)


class Lazily:
    """Balls of a row, computed once for each precision."""

    def __init__(self, evaluate: Any) -> None:
        self._evaluate = evaluate
        self._known: dict[int, Any] = {}

    def at(self, index: int) -> Any:
        """One of them, in the precision of the context."""
        bits = ctx.prec
        if bits not in self._known:
            self._known[bits] = self._evaluate()
        return self._known[bits][index]


def run(random: Random, block: int, tally: Tally) -> None:
    """Every activation once, at arguments of one kind."""
    kind = KINDS[random.integers(len(KINDS))]
    for name in balls.VALUES:
        compare_values(name, kind(random, block), tally)
        x = kind(random, block // 2)
        compare_slopes(name, x, random.standard_normal(len(x)), tally)
    for name in ROWS:
        width = 2 * int(random.integers(1, 9))
        shape = (max(block // width // 4, 16), width)
        x = (normal, tails, near_zero)[random.integers(3)](random, shape[0] * width).reshape(shape)
        compare_rows(name, x, random.standard_normal(shape), tally)


def from_file(path: Path) -> Iterator[Array]:
    """The arguments of a file, and their negatives, by blocks."""
    lines = [
        line.replace(",", " ").split()[0] for line in path.read_text().splitlines() if line.strip()
    ]
    numbers = [float.fromhex(line) for line in lines if line[0] != "#" and "nan" not in line]
    values = np.array([sign * x for x in numbers for sign in (1.0, -1.0)])
    values = values[np.isfinite(values) & (np.abs(values) < 2.0**300)]
    yield from (values[i : i + BLOCK] for i in range(0, len(values), BLOCK))


def main() -> int:
    """Run until so many elements have been compared, or through a file."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--arguments", type=Path)
    parser.add_argument("--activation", choices=balls.VALUES, action="append")
    options = parser.parse_args()
    tally, started = Tally(), time.monotonic()
    if options.arguments is not None:
        for x in from_file(options.arguments):
            for name in options.activation or balls.VALUES:
                compare_values(name, x, tally)
    else:
        random = np.random.default_rng(options.seed)
        while tally.elements < options.elements:
            run(random, BLOCK, tally)
            print(f"{tally}, {time.monotonic() - started:.0f} s", flush=True)
    print(tally)
    print(*tally.mismatches[:20], *tally.unknown[:20], sep="\n")
    return 1 if tally.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())

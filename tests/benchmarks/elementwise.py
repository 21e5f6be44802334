"""Cost of activations and their gradients in float64, with and without expansions, in one run.

    PYTHONPATH=. python tests/benchmarks elementwise [--elements N] [--exact N]

Per activation: processor time an element with double-double expansions (``new``), without them
(``old``: bounds in float64, then decimal arithmetic), and the ratio, for values and for gradients;
medians of three, normal arguments of standard deviation 3, rows of 8.  The last lines are the
geometric means over the activations that are transcendental, and what one array of 1, 4, 16 and 64
elements costs either way, which `evaluation.FEW` rests on.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from reference_impl import activations
from reference_impl.ops import evaluation
from reference_impl.ops.activations import derivatives
from reference_impl.ops.activations.derivatives import pull_back
from reference_impl.ops.sums import Sums

Array = np.ndarray[Any, Any]

TRANSCENDENTAL: dict[str, Any] = {
    "exponential": activations.exponential,
    "sigmoid": activations.sigmoid,
    "silu": activations.silu,
    "tanh": activations.tanh,
    "softplus": activations.softplus,
    "gelu": activations.gelu,
    "gelu approximate": partial(activations.gelu, approximate=True),
    "mish": activations.mish,
    "elu": activations.elu,
    "selu": activations.selu,
    "log_sigmoid": activations.log_sigmoid,
    "softmax": activations.softmax,
    "celu": activations.celu,
    "log_softmax": activations.log_softmax,
    "tanh_shrink": activations.tanh_shrink,
    "glu": activations.glu,
}
ALGEBRAIC: dict[str, Any] = {
    "softsign": activations.softsign,
    "squareplus": activations.squareplus,
    "leaky_relu": activations.leaky_relu,
    "hard_sigmoid": activations.hard_sigmoid,
    "hard_silu": activations.hard_silu,
    "sparse_plus": activations.sparse_plus,
    "soft_shrink": activations.soft_shrink,
}
ROWS = {"softmax", "log_softmax", "glu"}


@contextmanager
def expansions_from(few: int) -> Iterator[None]:
    """Expand from so many elements on."""
    with patch.object(evaluation, "FEW", few), patch.object(derivatives, "FEW", few):
        yield


def seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Median of processor time, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return statistics.median(times)


def arguments(name: str, elements: int) -> Array:
    x = np.random.default_rng(5).standard_normal(elements) * 3
    return x.reshape(-1, 8) if name in ROWS else x


def gradient(function: Any, x: Array) -> object:
    activation = activations.certified(function)
    outputs = x.shape[-1] // 2 if function is activations.glu else x.shape[-1]
    upstream = np.random.default_rng(6).standard_normal((*x.shape[:-1], outputs))
    return pull_back(Sums.of_array(x), upstream, activation)


def costs(name: str, function: Any, many: int, few: int) -> list[float]:
    """Microseconds an element: new and old values, new and old gradients."""
    x, part = arguments(name, many), arguments(name, few)
    calls = [function, lambda y: gradient(function, y)]
    result = []
    for call in calls:
        result.append(seconds(partial(call, x)) / x.size * 1e6)
        with expansions_from(1 << 60):
            result.append(seconds(partial(call, part), 1) / part.size * 1e6)
    return result


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(map(math.log, values)))


def main(given: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--elements", type=int, default=1 << 15)
    parser.add_argument("--exact", type=int, default=1 << 10)
    options = parser.parse_args(given)
    print(f"{'microseconds':18s} {'new':>8} {'old':>8} {'ratio':>6}   slope: new, old, ratio")
    ratios: list[list[float]] = [[], []]
    for name, function in (TRANSCENDENTAL | ALGEBRAIC).items():
        new, old, new_slope, old_slope = costs(name, function, options.elements, options.exact)
        print(
            f"{name:18s} {new:8.3f} {old:8.2f} {old / new:6.0f}   "
            f"{new_slope:8.3f} {old_slope:8.2f} {old_slope / new_slope:6.0f}",
            flush=True,
        )
        if name in TRANSCENDENTAL:
            ratios[0].append(old / new)
            ratios[1].append(old_slope / new_slope)
    print(f"geometric mean over the transcendental ones: {geometric_mean(ratios[0]):.0f}, ", end="")
    print(f"of slopes {geometric_mean(ratios[1]):.0f}")
    for elements in (1, 4, 16, 64):
        x = arguments("tanh", elements)
        each = []
        for few in (1, 1 << 60):
            with expansions_from(few):
                each.append(seconds(partial(activations.tanh, x), 9) * 1e6)
        print(f"tanh of {elements} elements: {each[0]:.0f} expanded, {each[1]:.0f} resolved")

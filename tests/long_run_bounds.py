"""A long comparison of the activations of a framework with the bounds that the judge derives.

    PYTHONPATH=. python tests/long_run_bounds.py --implementation tf.keras[jit] --step 1

Arguments are the finite float32 numbers, every `step`-th bit pattern of 2**32 from `offset` on
(with step 1, or with all offsets below a step, all of them).
They reach the activation as sums of one product with one, so that nothing else is judged.  A run
that is cut is resumed by the same command with `--state FILE`, where each chunk is noted.  Prints
the largest error in units of the bound, and where it is; exits with status 1 if one exceeds it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.implementations import registry
from conformance.implementations.protocol import Implementation
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import as_float64
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from reference_impl import activations

PATTERNS: Final = 1 << 32
CHUNK: Final = 1 << 18

DELICATE: Final = (
    "elu",
    "celu",
    "selu",
    "mish",
    "silu",
    "gelu",
    "softplus",
    "log_sigmoid",
    "tanh_shrink",
    "squareplus",
)
"""Activations whose formula cancels or overflows somewhere: for these every argument is asked."""

NAMES: Final = tuple(
    name for name, one in ACTIVATIONS.items() if one.keeps_shape and not one.rowwise
)


def case_of(activation: str, count: int) -> Case:
    """A convolution whose sums are its inputs."""
    sizes = {"filters": 1, "kernel_size": 1}
    return Case.of(
        "Conv1D", (1, count, 1), activation=activation, use_bias=False, operands="small", **sizes
    )


def arguments(first: int, step: int, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The finite ones of so many bit patterns from one on."""
    patterns = np.arange(first, min(first + count * step, PATTERNS), step, dtype=np.uint64)
    x = patterns.astype(np.uint32).view(np.float32)
    return x[np.isfinite(x)]


def excess(
    implementation: Implementation, activation: str, x: np.ndarray[Any, np.dtype[np.float32]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The errors in units of the bound; subnormal sums may be taken for zero."""
    case = case_of(activation, x.size)
    inputs = x.reshape(1, x.size, 1)
    operands = Operands(inputs, {"kernel": np.ones((1, 1, 1), np.float32)})
    outcome = implementation.evaluate(case, operands)
    if not isinstance(outcome, Value):
        raise RuntimeError(f"{implementation.name} did not answer {case}: {outcome}")
    gauge = LAYERS[case.layer].gauge(case, operands)
    assert gauge is not None
    sums = np.abs(as_float64(inputs))
    flushed = np.where(sums < gauge.format.smallest_normal, sums, 0.0)
    expected = as_float64(activations.get(activation)(inputs))
    bound = output_bound(gauge, expected, flushed)
    return bound.excess(as_float64(outcome.value), expected).reshape(-1)


def loaded(name: str) -> Implementation:
    """An implementation in this process, with the environment that it is to have."""
    entry = registry.resolve(name)
    os.environ.update(entry.environment)
    return entry.load()


def chunks(step: int, after: int) -> Iterator[int]:
    """The first bit patterns of the chunks that are left."""
    yield from range(after, PATTERNS, CHUNK * step)


def fresh(offset: int) -> dict[str, Any]:
    """The state of an activation of which nothing is done."""
    return {"next": offset, "arguments": 0, "beyond": 0, "largest": 0.0, "at": ""}


def compare(
    implementation: Implementation, activation: str, step: int, done: dict[str, Any], note: Any
) -> None:
    """One activation over all arguments that are left."""
    for first in chunks(step, done["next"]):
        x = arguments(first, step, CHUNK)
        ratio = excess(implementation, activation, x) if x.size else np.zeros(0)
        if ratio.size and ratio.max() > done["largest"]:
            done |= {"largest": float(ratio.max()), "at": float(x[int(np.argmax(ratio))]).hex()}
        done["arguments"] += x.size
        done["beyond"] += int(np.count_nonzero(ratio > 1))
        done["next"] = first + CHUNK * step
        note()


def main() -> int:
    """Compare the chosen activations of one implementation."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--implementation", required=True)
    parser.add_argument("--activation", action="append", choices=NAMES)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--state", type=Path)
    options = parser.parse_args()
    state: dict[str, Any] = {}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    implementation, beyond = loaded(options.implementation), 0

    def note() -> None:
        if options.state:
            written = options.state.with_suffix(".new")
            written.write_text(json.dumps(state, indent=1))
            written.replace(options.state)

    for activation in options.activation or DELICATE:
        key = f"{options.implementation} {activation} {options.step}"
        key += f" from {options.offset}" if options.offset else ""
        done, started = state.setdefault(key, fresh(options.offset)), time.monotonic()
        compare(implementation, activation, options.step, done, note)
        beyond += done["beyond"]
        print(
            f"{options.implementation} {activation}: {done['arguments']} arguments, "
            f"{done['beyond']} beyond the bound, largest {done['largest']:.3f} at {done['at']}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())

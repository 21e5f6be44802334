"""A long comparison of the activations of a framework with the bounds that the judge derives.

    PYTHONPATH=. python tests/long_run_bounds.py --implementation tf.keras[jit] --step 1

Arguments are the finite float32 numbers, every `step`-th bit pattern of 2**32 from `offset` on
(with step 1, or with all offsets below a step, all of them).
They reach the activation as sums of one product with one, so that nothing else is judged.  A run
that is cut is resumed by the same command with `--state FILE`, where each chunk is noted.  With
`--cluster ADDRESS` or `--cluster local:N`, chunks go to the workers of a Dask cluster, which must
find this directory on PYTHONPATH; a worker that dies is replaced by another.  Prints the largest
error in units of the bound, and where it is; exits with status 1 if one exceeds it.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
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
from conformance.running.dask_workers import Answered, Workers
from conformance.running.limits import ClusterError
from reference_impl import activations

PATTERNS: Final = 1 << 32
CHUNK: Final = 1 << 18
AHEAD: Final = 2
"""Chunks for each thread of a cluster that are sent and not answered."""

Summary = dict[str, Any]
"""Of a chunk: how many arguments, how many beyond the bound, the largest ratio, and where."""

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


@functools.cache
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


def summary(implementation: Implementation, activation: str, step: int, first: int) -> Summary:
    """What a chunk comes to."""
    x = arguments(first, step, CHUNK)
    ratio = excess(implementation, activation, x) if x.size else np.zeros(0)
    found = {"arguments": x.size, "beyond": int(np.count_nonzero(ratio > 1))}
    if not ratio.size:
        return found | {"largest": 0.0, "at": ""}
    worst = int(np.argmax(ratio))
    return found | {"largest": float(ratio[worst]), "at": float(x[worst]).hex()}


def errand(request: bytes) -> bytes:
    """A chunk on a worker of a cluster, which keeps the implementation loaded."""
    name, activation, step, first = json.loads(request)
    return json.dumps(summary(loaded(name), activation, step, first)).encode()


def on_workers(
    workers: Workers, name: str, activation: str, step: int, firsts: Iterator[int]
) -> Iterator[Summary]:
    """What the chunks come to, in their order, from whatever worker is free.

    Raises:
        ClusterError: if a chunk cannot be had.
    """
    import long_run_bounds

    sent: deque[int] = deque()
    answers: dict[int, Summary] = {}
    ahead = AHEAD * max(1, sum(workers.threads().values()))
    while True:
        for first in itertools.islice(firsts, ahead - len(sent)):
            request = json.dumps([name, activation, step, first]).encode()
            workers.send(first, long_run_bounds.errand, request)
            sent.append(first)
        if not sent:
            return
        while sent[0] not in answers:
            done = workers.next(1.0)
            if isinstance(done, Answered):
                answers[done.errand] = json.loads(done.answer)
            elif done is not None:
                raise ClusterError(f"the chunk from {done.errand} was not done: {done}")
        yield answers.pop(sent.popleft())


def compare(summaries: Iterable[Summary], step: int, done: dict[str, Any], note: Any) -> None:
    """One activation over all arguments that are left."""
    for one in summaries:
        if one["largest"] > done["largest"]:
            done |= {"largest": one["largest"], "at": one["at"]}
        done["arguments"] += one["arguments"]
        done["beyond"] += one["beyond"]
        done["next"] += CHUNK * step
        note()


def main() -> int:
    """Compare the chosen activations of one implementation."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--implementation", required=True)
    parser.add_argument("--activation", action="append", choices=NAMES)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--cluster", metavar="ADDRESS|local:N")
    options = parser.parse_args()
    state: dict[str, Any] = {}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    workers, beyond = Workers(options.cluster) if options.cluster else None, 0

    def note() -> None:
        if options.state:
            written = options.state.with_suffix(".new")
            written.write_text(json.dumps(state, indent=1))
            written.replace(options.state)

    for activation in options.activation or DELICATE:
        key = f"{options.implementation} {activation} {options.step}"
        key += f" from {options.offset}" if options.offset else ""
        done, started = state.setdefault(key, fresh(options.offset)), time.monotonic()
        compare(
            summaries(options.implementation, activation, options.step, done["next"], workers),
            options.step,
            done,
            note,
        )
        beyond += done["beyond"]
        print(
            f"{options.implementation} {activation}: {done['arguments']} arguments, "
            f"{done['beyond']} beyond the bound, largest {done['largest']:.3f} at {done['at']}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
    if workers is not None:
        workers.close()
    return 1 if beyond else 0


def summaries(
    name: str, activation: str, step: int, after: int, workers: Workers | None
) -> Iterator[Summary]:
    """What the chunks that are left come to, in this process or on workers."""
    firsts = chunks(step, after)
    if workers is not None:
        return on_workers(workers, name, activation, step, firsts)
    return (summary(loaded(name), activation, step, first) for first in firsts)


if __name__ == "__main__":
    sys.exit(main())

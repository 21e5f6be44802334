"""A long comparison of the activations of frameworks with the bounds that the judge derives.

    PYTHONPATH=. python tests/long_run_bounds.py --implementation tf.keras[jit] --step 1

Arguments are the finite float32 numbers, every `step`-th bit pattern of 2**32 from `offset` on
(with step 1, or with all offsets below a step, all of them).
They reach the activation as sums of one product with one, so that nothing else is judged; gelu by
tanh, which no layer has by name, is called as the frameworks' function.
Several implementations share what is expected of a chunk, and its bounds, which are derived only
where an output is not the rounded value; they must agree in the environment that they need.  A run
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.implementations import registry
from conformance.implementations.protocol import Implementation
from conformance.judge.activations import ACTIVATIONS, through
from conformance.judge.activations.gelu_by_tanh import GELU_BY_TANH
from conformance.judge.bounds import Bound, output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.running_error import Running
from conformance.judge.sums import half_ulp
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value
from conformance.running.dask_workers import Answered, Workers
from conformance.running.limits import ClusterError
from reference_impl import activations

PATTERNS: Final = 1 << 32
CHUNK: Final = 1 << 21
"""Arguments that an implementation is asked at once: it may compile a program for each question."""

PIECE: Final = 1 << 15
"""Arguments that are judged at once, so that what lies between stays in a core's cache."""

AHEAD: Final = 2
"""Chunks for each thread of a cluster that are sent and not answered."""

Summary = dict[str, Any]
"""How many arguments, and of each implementation how many are beyond the bound, the largest ratio,
and where."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Arguments = np.ndarray[Any, np.dtype[np.float32]]

BY_TANH: Final = "gelu_by_tanh"
"""The approximation of gelu, which is no activation of a case."""

DELICATE: Final = (
    "elu",
    "celu",
    "selu",
    "mish",
    "silu",
    "gelu",
    BY_TANH,
    "softplus",
    "log_sigmoid",
    "tanh_shrink",
    "squareplus",
)
"""Activations whose formula cancels or overflows somewhere: for these every argument is asked."""

NAMES: Final = (
    *(name for name, one in ACTIVATIONS.items() if one.keeps_shape and not one.rowwise),
    BY_TANH,
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


def operands_of(x: Arguments) -> Operands:
    """The arguments as inputs, and a kernel of one."""
    return Operands(x.reshape(1, x.size, 1), {"kernel": np.ones((1, 1, 1), np.float32)})


def outputs(implementation: Implementation, activation: str, x: Arguments) -> Arguments:
    """What the implementation makes of the arguments."""
    if activation == BY_TANH:
        return gelu_by_tanh(implementation.name)(x)
    case = case_of(activation, x.size)
    outcome = implementation.evaluate(case, operands_of(x))
    if not isinstance(outcome, Value) or outcome.value.shape != (1, x.size, 1):
        raise RuntimeError(f"{implementation.name} did not answer {case}: {outcome}")
    result: Arguments = outcome.value.reshape(-1)
    return result


@functools.cache
def gelu_by_tanh(name: str) -> Callable[[Arguments], Arguments]:
    """The function of a framework, in its mode.

    Raises:
        ValueError: if none is known by that name.
    """
    if name == "torch.nn":
        import torch

        by_tanh = functools.partial(torch.nn.functional.gelu, approximate="tanh")
        return lambda x: np.asarray(by_tanh(torch.from_numpy(x)))
    modes = {"tf.keras": {}, "tf.keras[graph]": {}, "tf.keras[jit]": {"jit_compile": True}}
    if name not in modes:
        raise ValueError(f"{BY_TANH} is known of torch.nn, {', '.join(modes)}; {name} is given")
    import tensorflow as tf

    function = functools.partial(tf.keras.activations.gelu, approximate=True)
    if name != "tf.keras":
        function = tf.function(function, **modes[name])
    return lambda x: np.asarray(function(tf.constant(x)))


def rounded(activation: str, x: Arguments) -> Arguments:
    """What the oracle makes of the arguments."""
    if activation == BY_TANH:
        return np.asarray(activations.gelu(x, approximate=True))
    return np.asarray(activations.get(activation)(x))


def bound_of(activation: str, x: Arguments, expected: Floats) -> Bound:
    """The bound on the outputs; subnormal sums may be taken for zero."""
    if activation == BY_TANH:
        fmt, sums = FORMATS["float32"], as_float64(x)
        flushed = np.where(np.abs(sums) < fmt.smallest_normal, np.abs(sums), 0.0)
        made = through(GELU_BY_TANH, Running(sums, flushed, fmt))
        return Bound(expected, made.error + half_ulp(expected, fmt), limit=fmt.largest)
    case, operands = case_of(activation, x.size), operands_of(x)
    gauge = LAYERS[case.layer].gauge(case, operands)
    assert gauge is not None
    sums = np.abs(as_float64(x)).reshape(1, x.size, 1)
    flushed = np.where(sums < gauge.format.smallest_normal, sums, 0.0)
    return output_bound(gauge, expected.reshape(flushed.shape), flushed)


@functools.cache
def loaded(name: str) -> Implementation:
    """An implementation in this process, with the environment that it is to have."""
    entry = registry.resolve(name)
    os.environ.update(entry.environment)
    return entry.load()


def chunks(step: int, after: int) -> Iterator[int]:
    """The first bit patterns of the chunks that are left."""
    yield from range(after, PATTERNS, CHUNK * step)


def nothing(names: Sequence[str]) -> Summary:
    """The summary of no arguments."""
    return {"arguments": 0} | {name: {"beyond": 0, "largest": 0.0, "at": ""} for name in names}


def add(total: Summary, name: str, found: dict[str, Any]) -> None:
    """Add to what is known of an implementation."""
    known = total[name]
    known["beyond"] += found["beyond"]
    if found["largest"] > known["largest"]:
        known |= {"largest": found["largest"], "at": found["at"]}


def judge(total: Summary, activation: str, x: Arguments, given: dict[str, Arguments]) -> None:
    """Add what a piece comes to; an output that is the rounded value has no error."""
    expected = rounded(activation, x)
    differs = np.logical_or.reduce([one != expected for one in given.values()])
    if not differs.any():
        return
    x = x[differs]
    bound = bound_of(activation, x, as_float64(expected[differs]))
    for name, one in given.items():
        told = as_float64(one[differs]).reshape(bound.reference.shape)
        ratio = bound.excess(told, bound.reference).reshape(-1)
        worst = int(np.argmax(ratio))
        found = {"largest": float(ratio[worst]), "at": float(x[worst]).hex()}
        add(total, name, found | {"beyond": int(np.count_nonzero(ratio > 1))})


def summary(names: Sequence[str], activation: str, step: int, first: int) -> Summary:
    """What a chunk comes to."""
    found = nothing(names)
    x = arguments(first, step, CHUNK)
    if not x.size:
        return found
    found["arguments"] = x.size
    given = {name: outputs(loaded(name), activation, x) for name in names}
    for start in range(0, x.size, PIECE):
        at = slice(start, start + PIECE)
        judge(found, activation, x[at], {name: one[at] for name, one in given.items()})
    return found


def errand(request: bytes) -> bytes:
    """A chunk on a worker of a cluster, which keeps the implementation loaded."""
    names, activation, step, first = json.loads(request)
    return json.dumps(summary(names, activation, step, first)).encode()


def on_workers(
    workers: Workers, names: Sequence[str], activation: str, step: int, firsts: Iterator[int]
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
            request = json.dumps([names, activation, step, first]).encode()
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


class Log:
    """What is done, by activation, in a file where one is given."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.states: dict[str, Any] = {}
        if path is not None and path.exists():
            self.states = json.loads(path.read_text())

    def write(self) -> None:
        """Replace the file by the present states."""
        if self._path is None:
            return
        written = self._path.with_suffix(".new")
        written.write_text(json.dumps(self.states, indent=1))
        written.replace(self._path)


def options_of() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--implementation", required=True, action="append")
    parser.add_argument("--activation", action="append", choices=NAMES)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--cluster", metavar="ADDRESS|local:N")
    options = parser.parse_args()
    named: dict[str, str] = {}
    for name in options.implementation:
        for variable, value in registry.resolve(name).environment.items():
            if named.setdefault(variable, value) != value:
                parser.error(f"the implementations differ in {variable}: give them apart")
    return options


def compare(
    activation: str, options: argparse.Namespace, log: Log, workers: Workers | None
) -> Summary:
    """One activation over all arguments that are left; what is known of it in all."""
    names = options.implementation
    key = f"{', '.join(names)} {activation} {options.step}"
    key += f" from {options.offset}" if options.offset else ""
    fresh = {"next": options.offset, "seconds": 0.0, "found": nothing(names)}
    done, started = log.states.setdefault(key, fresh), time.monotonic()
    before, found = done["seconds"], done["found"]
    for one in summaries(names, activation, options.step, done["next"], workers):
        found["arguments"] += one["arguments"]
        for name in names:
            add(found, name, one[name])
        done["next"] += CHUNK * options.step
        done["seconds"] = before + time.monotonic() - started
        log.write()
    for name in names:
        print(
            f"{name} {activation}: {found['arguments']} arguments, "
            f"{found[name]['beyond']} beyond the bound, "
            f"largest {found[name]['largest']:.3f} at {found[name]['at']}, "
            f"{done['seconds']:.0f} s",
            flush=True,
        )
    result: Summary = found
    return result


def main() -> int:
    """Compare the chosen activations of the implementations."""
    options = options_of()
    log, beyond = Log(options.state), 0
    workers = Workers(options.cluster) if options.cluster else None
    for activation in options.activation or DELICATE:
        found = compare(activation, options, log, workers)
        beyond += sum(found[name]["beyond"] for name in options.implementation)
    if workers is not None:
        workers.close()
    return 1 if beyond else 0


def summaries(
    names: Sequence[str], activation: str, step: int, after: int, workers: Workers | None
) -> Iterator[Summary]:
    """What the chunks that are left come to, in this process or on workers."""
    firsts = chunks(step, after)
    if workers is not None:
        return on_workers(workers, names, activation, step, firsts)
    return (summary(names, activation, step, first) for first in firsts)


if __name__ == "__main__":
    sys.exit(main())

"""What is done in `reference_impl.ops` for speed alone, and what a benchmark loses without it.

Each trick is switched off by one or more constants or functions, and the same call is timed with it
and without.  A trick that loses nothing has no place in the
sources.  Blocks that bound the memory of temporaries are no tricks, whatever time they take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

import calls
import convolutions
import numpy as np
from measuring import Benchmark, Call, Setup, repetitions

from reference_impl import activations
from reference_impl.layers.convolutional import Conv
from reference_impl.ops import (
    columns,
    contraction,
    convolution,
    evaluation,
    exact_sums,
    geometry,
    narrow_sums,
    products,
    shifts,
    wide_sums,
    windows,
)
from reference_impl.ops.activations import derivatives, enclosures
from reference_impl.ops.convolution import Weights
from reference_impl.ops.error_free import add, exact_slices
from reference_impl.ops.scratch import Scratch

Array = np.ndarray[Any, Any]

NEVER: Final = 1 << 60
"""A size that nothing reaches."""


@dataclass(frozen=True)
class Trick:
    """One trick, and the benchmark that it serves.

    Attributes:
        name: what is done.
        without: what to put in its place: module or class, name and value.
        serves: the benchmark, in words.
        call: makes it.
    """

    name: str
    without: tuple[tuple[ModuleType | type, str, Any], ...]
    serves: str
    call: Callable[[], Call]

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Do without the trick."""
        with ExitStack() as stack:
            for module, name, value in self.without:
                stack.enter_context(patch.object(module, name, value))
            yield


def plain(shape: str) -> Callable[[], Call]:
    """A plain float64 convolution."""
    return partial(convolutions.plain, shape, np.float64)


def certified(shape: str, dtype: type[np.generic] = np.float32) -> Callable[[], Call]:
    """A certified convolution."""
    return partial(convolutions.certified, shape, dtype)


def activation(name: str, elements: int) -> Callable[[], Call]:
    """An activation of so many normal numbers of standard deviation 3."""
    x = np.random.default_rng(5).standard_normal(elements) * 3
    return lambda: partial(getattr(activations, name), x)


def _worked_out_anew(*modules: ModuleType) -> tuple[tuple[ModuleType, str, Any], ...]:
    """The functions of some modules that keep what they gave, as functions that do not."""
    return tuple(
        (module, name, value.__wrapped__)
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "cache_info")
    )


def _weights_anew(layer: Any) -> Weights:
    return Weights(layer._kernel_used, layer._bias_used)


def _by_all_slices(terms: Array, errors: Array | None = None) -> tuple[Array, Array, Array]:
    every = terms if errors is None else np.concatenate((terms, errors), 1)
    return add(list(exact_slices(every).T))


TRICKS: Final = (
    Trick(
        "columns: windows copied some at a time, not all at once",
        ((columns, "SMALL", NEVER),),
        "plain vgg-1",
        plain("vgg-1"),
    ),
    Trick(
        "columns: transposed columns for few channels",
        ((columns, "_has_short_runs", lambda *_: False),),
        "plain vgg-1",
        plain("vgg-1"),
    ),
    Trick(
        "shifts: few filters by products of single inputs",
        ((shifts, "MOST_FILTERS", 0),),
        "gradients cifar",
        lambda: convolutions.gradients("cifar"),
    ),
    Trick(
        "contraction: sums rounded block by block, in cache",
        ((contraction, "OUTPUTS", NEVER),),
        "certified float32 cifar",
        certified("cifar"),
    ),
    Trick(
        "scratch: memory used again for array after array",
        ((Scratch, "array", lambda self, *shape: np.empty(shape, self.dtype)),),
        "certified float64 resnet-56x64",
        certified("resnet-56x64", np.float64),
    ),
    Trick(
        "geometry: what follows from a geometry alone is kept",
        _worked_out_anew(convolution, columns, contraction, geometry, windows),
        "certified float32 tiny",
        certified("tiny"),
    ),
    Trick(
        "layers: what the bounds take from the weights is kept",
        ((Conv, "_weights_used", property(_weights_anew)),),
        "call of a tiny layer",
        lambda: calls.calling("float32"),
    ),
    Trick(
        "windows: views by the constructor of ndarray",
        ((windows, "_view", np.lib.stride_tricks.as_strided),),
        "plain tiny",
        plain("tiny"),
    ),
    Trick(
        "narrow_sums: one radius for all windows of small sums",
        ((narrow_sums, "MOST", -1),),
        "call of a tiny layer",
        lambda: calls.calling("float32"),
    ),
    Trick(
        "narrow_sums: norms of large float32 kernels in float32",
        ((narrow_sums, "_LARGE", NEVER),),
        "certified float32 resnet-7x512",
        certified("resnet-7x512"),
    ),
    Trick(
        "wide_sums: two slices for few products, not three",
        ((wide_sums, "FEW", 0),),
        "certified float64 lenet-1",
        certified("lenet-1", np.float64),
    ),
    Trick(
        "products: undecided sums by one slice, the rest in floating point",
        ((products, "leading_sum", _by_all_slices),),
        "certified float64 audio",
        certified("audio", np.float64),
    ),
    Trick(
        "exact_sums: a common denominator for short lists",
        ((exact_sums, "_FEW", 0),),
        "exact sum of 16 numbers",
        lambda: partial(exact_sums.sum_of_squares, np.random.default_rng(1).standard_normal(16)),
    ),
    Trick(
        "evaluation: expansions before decimal arithmetic",
        ((evaluation, "FEW", NEVER), (derivatives, "FEW", NEVER)),
        "tanh of 1024 elements",
        activation("tanh", 1024),
    ),
    Trick(
        "evaluation: few elements without an expansion",
        ((evaluation, "FEW", 0), (derivatives, "FEW", 0)),
        "tanh of 1 element",
        activation("tanh", 1),
    ),
    Trick(
        "enclosures: blocks of elements that stay in cache",
        ((enclosures, "BLOCK", NEVER),),
        "gelu of 262144 elements",
        activation("gelu", 1 << 18),
    ),
)


def _setup(trick: Trick, tiny: bool) -> Setup:
    """Both ways, many calls at a time, so that switching off hardly counts."""
    call = trick.call()
    times = 1 if tiny else repetitions(call)

    def repeated() -> None:
        for _ in range(times):
            call()

    def without() -> None:
        with trick.switched_off():
            repeated()

    own: dict[str, Call] = {"with it": repeated, "without": without}
    return Setup(own, times, "calls", peers=("without",))


BENCHMARKS: Final = tuple(
    Benchmark(
        f"tricks/{trick.name}: {trick.serves}", partial(_setup, trick), "element" in trick.serves
    )
    for trick in TRICKS
)

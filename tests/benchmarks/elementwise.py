"""Activations and their gradients in float64, with and without expansions, beside peers.

``without expansions`` resolves every element in decimal arithmetic, on fewer of them, and stands a
thousand elements for a thousand.  Arguments are normal, of standard deviation 3, in rows of 8.  The
arrays of 1, 4, 16 and 64 elements are what `evaluation.FEW` rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from measuring import Benchmark, Call, Setup
from peers import missing, torch

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


def arguments(name: str, elements: int) -> Array:
    x = np.random.default_rng(5).standard_normal(elements) * 3
    return x.reshape(-1, 8) if name in ROWS else x


def gradient(function: Any, x: Array) -> object:
    activation = activations.certified(function)
    outputs = x.shape[-1] // 2 if function is activations.glu else x.shape[-1]
    upstream = np.random.default_rng(6).standard_normal((*x.shape[:-1], outputs))
    return pull_back(Sums.of_array(x), upstream, activation)


def _without_expansions(call: Callable[[Array], object], x: Array, times: int) -> Call:
    """The call on a part of the elements, as often as they are all of them."""

    def repeated() -> None:
        with expansions_from(NEVER):
            for _ in range(times):
                call(x)

    return repeated


def _setup(name: str, tiny: bool, *, slope: bool) -> Setup:
    function = (TRANSCENDENTAL | ALGEBRAIC)[name]
    many, few = (64, 64) if tiny else (1 << 13, 1 << 8)
    call = partial(gradient, function) if slope else function
    x, part = arguments(name, many), arguments(name, few)
    own: dict[str, Call] = {
        "expanded": partial(call, x),
        "without expansions": _without_expansions(call, part, many // few),
    }
    left_out = missing()
    if not slope and name in OF_TORCH and "torch" not in left_out:
        framework = torch()
        tensor = framework.from_numpy(x)
        own["torch"] = partial(OF_TORCH[name](framework.nn.functional), tensor)
    if not slope and name in OF_SCIPY and "scipy" not in left_out:
        own["scipy"] = partial(_of_scipy(OF_SCIPY[name]), x)
    left_out = {peer: why for peer, why in left_out.items() if peer in {"torch", "scipy"}}
    peers = ("without expansions", "torch", "scipy")
    return Setup(own, many, "elements", left_out, peers)


def _of_scipy(name: str) -> Any:
    from scipy import special

    return getattr(special, name)


def _few(elements: int, tiny: bool) -> Setup:
    del tiny
    x = arguments("tanh", elements)
    own: dict[str, Call] = {
        "expanded": _always(1, partial(activations.tanh, x)),
        "resolved": _always(NEVER, partial(activations.tanh, x)),
    }
    return Setup(own, elements, "elements")


def _always(few: int, call: Call) -> Call:
    def called() -> object:
        with expansions_from(few):
            return call()

    return called


NEVER: Final = 1 << 60

OF_TORCH: Final[dict[str, Callable[[Any], Any]]] = {
    "sigmoid": lambda of: of.sigmoid,
    "silu": lambda of: of.silu,
    "tanh": lambda of: of.tanh,
    "softplus": lambda of: of.softplus,
    "gelu": lambda of: of.gelu,
    "gelu approximate": lambda of: partial(of.gelu, approximate="tanh"),
    "mish": lambda of: of.mish,
    "elu": lambda of: of.elu,
    "selu": lambda of: of.selu,
    "log_sigmoid": lambda of: of.logsigmoid,
    "softmax": lambda of: partial(of.softmax, dim=-1),
    "celu": lambda of: of.celu,
    "log_softmax": lambda of: partial(of.log_softmax, dim=-1),
    "tanh_shrink": lambda of: of.tanhshrink,
    "glu": lambda of: of.glu,
    "softsign": lambda of: of.softsign,
    "leaky_relu": lambda of: of.leaky_relu,
    "hard_sigmoid": lambda of: of.hardsigmoid,
    "hard_silu": lambda of: of.hardswish,
    "soft_shrink": lambda of: of.softshrink,
}
OF_SCIPY: Final = {
    "sigmoid": "expit",
    "log_sigmoid": "log_expit",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
}

BENCHMARKS: Final = (
    *(
        Benchmark(
            f"{group}/{name}", partial(_setup, name, slope=slope), name in {"tanh", "softmax"}
        )
        for group, slope in (("activations float64", False), ("slopes float64", True))
        for name in TRANSCENDENTAL | ALGEBRAIC
    ),
    *(
        Benchmark(f"few elements of tanh/{elements}", partial(_few, elements), elements == 1)
        for elements in (1, 4, 16, 64)
    ),
)

"""Faults of kernels that make sums, bias and activation in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array, Steps, activate, contract
from conformance.diagnosis.faults import Fault

_BLOCKS: Final = (4, 8, 16, 32, 64)
_BIASES: Final = (
    ("first", "the bias being added to the first"),
    ("each", "the bias being added to each"),
    ("last", "the bias being added to the last"),
)


def fused_faults() -> Iterator[Fault]:
    """Activations of partial sums, and of sums that have the bias in one place alone."""
    for (which, words), (bias, how) in product(_parts(), _BIASES):
        parts = _of_channels(which) if which else _of_taps
        yield _fault(
            f"parts.{which or 'taps'}.{bias}",
            f"the activation is applied to the sum after each part of {words}, {how}",
            partial(_by_parts, parts=parts, bias_of=bias),
        )
    for block in _BLOCKS:
        yield _fault(
            f"last-alone.{block}",
            f"the activation is applied to the sum of the last block of {block} products alone, "
            "and the others are added after it",
            partial(_last_alone, block=block),
        )
    for where, words in (("factor", "in the factor"), ("sum", "in what the factor multiplies")):
        yield _fault(
            f"gate.without-bias.{where}",
            f"of activations that multiply the sum by a factor, as silu and gelu do, the bias is "
            f"left out {words}",
            partial(_gated, where=where),
        )


def _parts() -> Iterator[tuple[int, str]]:
    """Lengths of the parts in channels, with words; 0 for each tap a part."""
    yield from ((count, f"{count} channels") for count in _BLOCKS)
    yield 0, "one element of the window"


def _fault(name: str, words: str, fused: Callable[[str, Array, Array, Array], Array]) -> Fault:
    return Fault(f"systematic.fused.{name}", words, Steps(fused=fused), is_systematic=True)


_Split = Callable[[Array, Array], list[Array]]
"""The sums of all parts, given the windows and the kernel."""


def _of_channels(count: int) -> _Split:
    def sums(windows: Array, kernel: Array) -> list[Array]:
        starts = range(0, kernel.shape[-2], count)
        parts = ((windows[..., i : i + count], kernel[..., i : i + count, :]) for i in starts)
        return [contract(*part) for part in parts]

    return sums


def _of_taps(windows: Array, kernel: Array) -> list[Array]:
    rank = kernel.ndim - 2
    taps = np.ndindex(kernel.shape[:rank])
    return [windows[(..., *tap, slice(None))] @ kernel[tap] for tap in taps]


def _by_parts(
    name: str, windows: Array, kernel: Array, bias: Array, *, parts: _Split, bias_of: str
) -> Array:
    """``a(a(a(p1) + p2) + p3)`` with the activation a and parts p1, p2, p3 of the sum."""
    sums = parts(windows, kernel)
    y = np.zeros_like(sums[0])
    for number, part in enumerate(sums):
        at_ends = {"first": number == 0, "last": number == len(sums) - 1}
        y = activate(name, y + part + bias * at_ends.get(bias_of, True))
    return y


def _last_alone(name: str, windows: Array, kernel: Array, bias: Array, *, block: int) -> Array:
    """``p1 + p2 + a(p3 + b)`` with the activation a and parts p1, p2, p3 of the sum."""
    weights = kernel.reshape(-1, kernel.shape[-1])
    rows = windows.reshape(*windows.shape[: kernel.ndim - 1], len(weights))
    cut = (len(weights) - 1) // block * block
    last = rows[..., cut:] @ weights[cut:]
    return np.asarray(activate(name, last + bias) + rows[..., :cut] @ weights[:cut])


def _gated(name: str, windows: Array, kernel: Array, bias: Array, *, where: str) -> Array:
    """``s g(s + b)``, or ``(s + b) g(s)``, of an activation ``x g(x)``."""
    if name not in _GATED:
        raise ValueError(f"{name} is no product of the sum and a factor")
    sums = contract(windows, kernel)
    full = sums + bias
    gate, multiplied = (full, sums) if where == "sum" else (sums, full)
    within = np.clip(np.where(gate == 0, _NEAR_ZERO, gate), -_FAR, _FAR)
    return np.asarray(multiplied * (activate(name, within) / within))


_NEAR_ZERO: Final = 1e-300
_FAR: Final = 1e300
"""Where the factor has its limits, which no quotient gives."""

_GATED: Final = frozenset({"gelu", "hard_silu", "hard_swish", "mish", "silu", "swish"})

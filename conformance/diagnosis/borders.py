"""Faults of outputs at a border, whose windows reach beyond the input, and of windows cut there.

A kernel often has a loop of its own for them, in which a step may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import Array, Steps, is_rowwise, largest
from conformance.diagnosis.faults import Fault

_Mask = Callable[[Array, Array], Array]
"""Which outputs, given whose windows begin too soon, and whose end too late, along each axis."""


def _any(masks: Array) -> Array:
    """What holds along one of the axes, or several."""
    return np.asarray(masks.any(axis=0))


_WHICH: Final[tuple[tuple[str, str, _Mask], ...]] = (
    ("before", "whose window begins before the first input", lambda before, _: _any(before)),
    ("after", "whose window ends beyond the last input", lambda _, after: _any(after)),
    ("any", "whose window reaches into the padding", lambda before, after: _any(before | after)),
    ("inner", "whose window lies within the inputs", lambda before, after: ~_any(before | after)),
)


def border_faults() -> Iterator[Fault]:
    """What is left out of some outputs, by where their windows lie; and of windows that are cut."""
    for which, words, mask in _WHICH:
        yield _fault(
            f"activation.{which}",
            f"the activation is left out in the outputs {words}",
            Steps(activated_at=partial(_without_activation, mask=mask)),
        )
        yield _fault(
            f"bias.{which}",
            f"the bias is left out in the outputs {words}",
            Steps(sums_at=partial(_without_bias, mask=mask)),
        )
    for which, words, axes in _BOTH_ENDS:
        yield _fault(
            f"sums.{which}",
            f"the products of outputs whose window reaches beyond both ends of {words} are added "
            "twice, as where the loops over the two borders overlap",
            Steps(sums_at=partial(_twice_beyond_both, axes=axes)),
        )
    for (side, cut, place), keeps_one in product(_SIDES, (True, False)):
        more = ", unless it is the only one" if keeps_one else ""
        yield _fault(
            f"pool.{side}{'.but-one' if keeps_one else ''}",
            f"of a pool that {cut}, the {place} that it holds along the axis is left out{more}",
            Steps(pool=partial(_pool_without, side=side, keeps_one=keeps_one)),
        )


_BOTH_ENDS: Final = (
    ("both", "the input", slice(None)),
    ("both-last", "the last spatial axis", slice(-1, None)),
)
"""Along which axes the windows that reach beyond both ends are looked for."""

_SIDES: Final = (
    ("end", "ends beyond the last input", "last input"),
    ("start", "begins before the first input", "first input"),
)


def _fault(name: str, words: str, steps: Steps) -> Fault:
    return Fault(f"systematic.border.{name}", words, steps, is_systematic=True)


def _without_activation(
    name: str | None, activated: Array, sums: Array, before: Array, after: Array, *, mask: _Mask
) -> Array:
    """Of activations of elements; those of rows are a step of their own."""
    if name is None or activated.shape != sums.shape or is_rowwise(name):
        return activated
    return np.where(mask(before, after), sums, activated)


def _without_bias(sums: Array, bias: Array, before: Array, after: Array, *, mask: _Mask) -> Array:
    return np.where(mask(before, after), sums - bias, sums)


def _twice_beyond_both(
    sums: Array, bias: Array, before: Array, after: Array, *, axes: slice
) -> Array:
    return np.where(_any((before & after)[axes]), sums + (sums - bias), sums)


def _pool_without(windows: Array, inside: Array, *, side: str, keeps_one: bool) -> Array:
    """The greatest without the outermost input of windows that are cut, along each axis."""
    rank = windows.ndim // 2 - 1
    kept = np.broadcast_to(inside, (1, *windows.shape[1:-1], 1))
    for axis in range(1 + rank, 1 + 2 * rank):
        kept = kept & _without_outermost(np.moveaxis(kept, axis, -1), axis, side, keeps_one)
    return largest(windows, inside & kept)


def _without_outermost(inside: Array, axis: int, side: str, keeps_one: bool) -> Array:
    """Which elements stay, of what is inside along the last axis; with that axis in its place."""
    along = inside if side == "end" else inside[..., ::-1]
    after = np.concatenate([along[..., 1:], np.zeros_like(along[..., :1])], axis=-1)
    is_cut = ~along[..., -1:] & (along.sum(axis=-1, keepdims=True) > int(keeps_one))
    kept = ~(along & ~after & is_cut)
    return np.moveaxis(kept if side == "end" else kept[..., ::-1], -1, axis)

"""Which tensor of a candidate is a layer's output: by its values, wherever its axes went.

A tensor fits where it equals what the layer makes of the candidate's own inputs, within the bound,
up to a permutation of its axes.  Names only say where to look first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, Final

import numpy as np

from conformance.judge.boxes import boxes
from conformance.judge.running_error import Floats
from conformance.models.candidates import Held
from conformance.models.operation import Span

_MOST_AXES: Final = 5
_NEAR: Final = 1e-3
"""How near, relative to its largest element, a tensor is to what has no bound."""

_MOST: Final = 0.5
"""The share of its elements by which a tensor that is wrong in the others is known."""


@dataclass(frozen=True)
class Place:
    """A tensor of a candidate as the source has it.

    Attributes:
        name: the tensor's.
        axes: the permutation that takes it to the source's layout.
        how: how it was found.
    """

    name: str
    axes: tuple[int, ...]
    how: str = "values"

    def read(self, held: Held) -> Floats:
        """Its values in the source's layout."""
        return np.asarray(held[self.name], np.float64).transpose(self.axes)

    @property
    def words(self) -> str:
        """The tensor, the move of its axes, and how it was found."""
        moved = self.axes != tuple(range(len(self.axes)))
        layout = f", axes {','.join(map(str, self.axes))}" if moved else ""
        return f"{self.name} (by {self.how}{layout})"


def excess(values: Floats, span: Span) -> Floats:
    """Errors in units of the bound; infinite beyond a bound of zero, and for stray NaN."""
    with np.errstate(all="ignore"):
        distance = np.asarray(np.abs(values - span.value))
        ratio: Floats = np.divide(
            distance, span.error, out=np.zeros_like(distance), where=distance != 0
        )
    if not np.isnan(ratio.max(initial=0.0)):
        return ratio
    same = (values == span.value) | (np.isnan(values) & np.isnan(span.value))
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    result: Floats = np.where(same, 0.0, ratio)
    return result


_PART: Final = 1 << 16
"""Elements that are compared at a time."""


@lru_cache(maxsize=4096)
def moves(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The permutations of axes that take a shape to another, the usual layouts first.

    Samples stay where they are: they are the first axis.
    """
    if sorted(given) != sorted(wanted) or len(given) > _MOST_AXES:
        return ()
    inner = [(0, *rest) for rest in permutations(range(1, len(given)))] if given else [()]
    every = dict.fromkeys([*_layouts(len(given)), *inner])
    return tuple(p for p in every if tuple(given[axis] for axis in p) == wanted)


def layouts(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Those of these permutations that move the channels alone, as another layout has them."""
    return tuple(p for p in moves(given, wanted) if p in _layouts(len(given)))


def _layouts(n: int) -> list[tuple[int, ...]]:
    same = [tuple(range(n))]
    return [*same, (0, *range(2, n), 1), (0, n - 1, *range(1, n - 1))] if n > 2 else same


class Finder:
    """Looks for layers' outputs among a candidate's tensors.

    Args:
        held: the candidate on some inputs.
        given: layers with the names of tensors that are theirs.
        first: places to look at first, from other inputs.
    """

    def __init__(
        self, held: Held, given: Mapping[str, str], first: Mapping[str, Place] | None = None
    ) -> None:
        self.held = held
        self.given = given
        self.first = first or {}
        self._ends: dict[str, tuple[float, float]] = {}

    def told(self, layer: str, shape: tuple[int, ...]) -> list[Place]:
        """The places, one per layout, of a layer that is told, or that the candidate names."""
        is_given = layer in self.given
        if not is_given and not self.held.runner.named():
            return []
        tensor = self.held.by_name.get(self.given.get(layer, layer))
        if tensor is None:
            return []
        every = layouts(tensor.shape, shape) or (tuple(range(len(tensor.shape))),)
        return [Place(tensor.name, axes, "--map" if is_given else "name") for axes in every]

    def fixed(self, layer: str, span: Span) -> Place | None:
        """The one of these places whose values are the nearest to what is expected."""
        places = self.told(layer, span.value.shape)
        return min(places, key=lambda place: self._distance(place, span), default=None)

    def _distance(self, place: Place, span: Span) -> float:
        values = place.read(self.held)
        if values.shape != span.value.shape:
            return float("inf")
        if np.isfinite(span.error).all() and not np.any(excess(values, span) > 1):
            return -1.0
        with np.errstate(all="ignore"):
            return float(np.nan_to_num(np.mean((values - span.value) ** 2), nan=np.inf))

    def find(self, layer: str, span: Span, after: int) -> Place | None:
        """Where a layer's output is; None where no tensor has its values.

        Args:
            layer: its name.
            span: its values and bound.
            after: the index of the tensor behind which to look.
        """
        if not np.isfinite(span.error).all():
            return self._near(layer, span, after)
        for name, how in self._order(layer, after):
            if not self._may_be(name, span):
                continue
            for axes in moves(self.held.by_name[name].shape, span.value.shape):
                place = Place(name, axes, how)
                if not np.any(excess(place.read(self.held), span) > 1):
                    return place
        return None

    def _may_be(self, name: str, span: Span) -> bool:
        """Whether a tensor's least and largest element are right, wherever they are."""
        if not moves(self.held.by_name[name].shape, span.value.shape):
            return False
        if not span.value.size:
            return True
        if name not in self._ends:
            array = self.held[name]
            self._ends[name] = (float(array.min()), float(array.max()))
        room = float(span.error.max()) * (1 + 1e-6)
        low, high = self._ends[name]
        wrong = abs(low - span.value.min()) > room or abs(high - span.value.max()) > room
        return not wrong

    def _order(self, layer: str, after: int) -> Iterator[tuple[str, str]]:
        """Tensors behind a place: where it was before, those named after the layer, the others."""
        if layer in self.first:
            yield self.first[layer].name, self.first[layer].how
        behind = [tensor.name for tensor in self.held.tensors[after:]]
        named = [name for name in behind if is_named_after(name, layer)]
        yield from ((name, "name and values") for name in named)
        yield from ((name, "values") for name in behind if name not in named)

    def _near(self, layer: str, span: Span, after: int) -> Place | None:
        """The tensor nearest to values without a bound, if it is near."""
        found = self.nearest(layer, span, after)
        return found[0] if found is not None and found[1] <= _NEAR else None

    def nearest(self, layer: str, span: Span, after: int) -> tuple[Place, float] | None:
        """The tensor nearest to some values, with its distance relative to their deviation."""
        best: tuple[Place, float] | None = None
        scale = float(np.std(span.value)) or 1.0
        for name, how in self._order(layer, after):
            for axes in moves(self.held.by_name[name].shape, span.value.shape):
                place = Place(name, axes, how.replace("values", "nearest values"))
                with np.errstate(all="ignore"):
                    distance = float(np.sqrt(np.mean((place.read(self.held) - span.value) ** 2)))
                if np.isfinite(distance) and (best is None or distance / scale < best[1]):
                    best = (place, distance / scale)
        return best

    def likeliest(self, layer: str, span: Span, after: int) -> tuple[Place, float] | None:
        """The tensor most elements of which are within the bound, with their share; None if few.

        Zeros do not count, in which tensors agree that do not come of the same numbers; the same
        numbers before and behind a rectifier agree in about half of them.
        """
        best: tuple[Place, float] | None = None
        for name, how in self._order(layer, after):
            for axes in moves(self.held.by_name[name].shape, span.value.shape):
                place = Place(name, axes, how.replace("values", "most values"))
                values = place.read(self.held)
                counted = (values != 0) | (span.value != 0)
                right = counted & (excess(values, span) <= 1)
                share = float(right.sum() / max(counted.sum(), 1))
                if share > _MOST and (best is None or share > best[1]):
                    best = (place, share)
        return best

    def fitting(self, layer: str, shape: Sequence[int], after: int) -> Iterator[Place]:
        """Every tensor that could be a layer's output by its shape, or only by its rank."""
        others: list[Place] = []
        for name, how in self._order(layer, after):
            given = self.held.by_name[name].shape
            found = moves(given, tuple(shape))
            yield from (Place(name, axes, how.replace("values", "what follows")) for axes in found)
            if not found and len(given) == len(shape) > 2:
                n = len(shape)
                layouts = [tuple(range(n)), (0, *range(2, n), 1)]
                others += [Place(name, axes, "what follows") for axes in layouts]
        yield from others


def is_named_after(tensor: str, layer: str) -> bool:
    """Whether a layer's name is a part of a tensor's, as converters write it."""
    last = layer.partition("#")[0].rpartition("/")[2]
    return re.search(rf"(?:^|[/;.]){re.escape(last)}(?:_\d+)?(?:$|[/;.:@_])", tensor) is not None


def difference(values: Any, span: Span) -> float:
    """The largest error in units of the bound; found part by part, which the caches hold."""
    parts = (
        excess(values[box], Span(span.value[box], span.error[box]))
        for box in boxes(span.value.shape, _PART)
    )
    return max((float(part.max(initial=0.0)) for part in parts), default=0.0)

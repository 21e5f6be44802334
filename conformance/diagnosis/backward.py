"""A plain evaluation of gradients, made of steps that faults replace one by one.

It differentiates `conformance.diagnosis.evaluation` by gathering every window, and adding what each
tap contributes where it was read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS, Operands, in_native_order
from conformance.diagnosis.evaluation import (
    CORRECT,
    Array,
    Prediction,
    Settings,
    Steps,
    gather,
    in_parts,
    places,
    settings_of,
)
from conformance.judge.activations import named, through_slope
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.running_error import growth
from conformance.judge.sums import NARROW, half_ulp
from conformance.layers.registry import LAYERS

_MOST: Final = 1 << 21
"""Elements of all windows together; no gradient of more is predicted."""

_RELATIVE_ROOM: Final = 4
"""Roundings beside those of the sums: of the upstream gradient's product, and of the result."""


@dataclass(frozen=True, eq=False)
class GradientPrediction:
    """What an implementation with certain steps gives, gradient by gradient."""

    parts: Mapping[str, Prediction]

    @property
    def value(self) -> dict[str, Array]:
        """The gradients by name."""
        return {name: part.value for name, part in self.parts.items()}

    def wrong_parts(self, actual: Any) -> frozenset[str]:
        """The gradients that no implementation with these steps gives; none where all are amiss."""
        if not isinstance(actual, dict) or actual.keys() != self.parts.keys():
            return frozenset()
        return frozenset(n for n, part in self.parts.items() if not part.fits(actual[n]))

    def with_part(self, name: str, other: GradientPrediction) -> GradientPrediction:
        """With one gradient from another prediction, where there are several of one shape."""
        own, part = self.parts.get(name), other.parts.get(name)
        if len(self.parts) < 2 or own is None or part is None:
            return self
        if part.value.shape != own.value.shape:
            return self
        return GradientPrediction({**self.parts, name: part})

    @property
    def arrays(self) -> list[Array | None]:
        """All arrays that are kept."""
        parts = self.parts.values()
        return [array for p in parts for array in (p.value, p.wide, p.error)]

    def fits(self, actual: Any) -> bool:
        """Whether an implementation with these steps can give `actual`."""
        if not isinstance(actual, dict) or actual.keys() != self.parts.keys():
            return False
        return all(part.fits(actual[name]) for name, part in self.parts.items())

    def gives(self, actual: Any) -> bool:
        """Whether `actual` are these very values."""
        if not isinstance(actual, dict) or actual.keys() != self.parts.keys():
            return False
        return all(part.gives(actual[name]) for name, part in self.parts.items())


def predict_gradients(case: Case, operands: Operands, steps: Steps = CORRECT) -> GradientPrediction:
    """The gradients with these steps, and how far correct arithmetic with them can be off.

    Raises:
        ValueError, IndexError: where these steps fail on the case, or it is too large to try.
    """
    if operands.inputs is None or operands.upstream is None:
        raise ValueError(f"{case} has no upstream gradient")
    with np.errstate(all="ignore"):
        layer, operands = LAYERS[case.layer], in_native_order(case, operands)
        if layer.convolves:
            return GradientPrediction(_Convolved(case, operands, steps).predictions())
        if layer.selects:
            return GradientPrediction(_Pooled(case, operands, steps).predictions())
        if layer.moves:
            return GradientPrediction({"inputs": _moved_back(case, operands, steps)})
    raise ValueError(f"the gradients of {case.layer} are not predicted")


class _Windowed:
    """What the gradients of layers with windows share."""

    def __init__(self, case: Case, operands: Operands, steps: Steps) -> None:
        assert operands.inputs is not None
        assert operands.upstream is not None
        self.case, self.steps, self.backward = case, steps, steps.backward
        self.settings: Settings = self.backward.settings(settings_of(case, steps))
        self.format = FORMATS[case.dtype]
        self.dtype = operands.inputs.dtype
        first = self.settings.channels_first
        self._first = first
        self.x = as_float64(self._to_last(operands.inputs))
        self.upstream = self.backward.upstream(as_float64(self._to_last(operands.upstream)))
        self.places = places(self.x.shape[1:-1], self.settings, steps)
        sizes = [size for index in self.places for size in index.shape]
        if math.prod(sizes) * len(self.x) * self.x.shape[-1] > _MOST:
            raise ValueError(f"{case} has too many windows to try")
        self.windows, self.inside = gather(self.x, self.settings, steps)
        self.rank = len(self.settings.window)

    def _to_last(self, x: Array) -> Array:
        return self.steps.to_last(x) if self._first else x

    def laid_out(self, x: Array) -> Array:
        """A gradient of the inputs in the layout of the inputs."""
        return self.steps.from_last(x) if self._first else x

    @cached_property
    def _flat(self) -> tuple[Array, Array]:
        """Positions of all taps of all windows in the flattened spatial axes; and whether inside.

        Both have the shape (*outputs, *taps).
        """
        lengths, rank = self.x.shape[1:-1], self.rank
        position = np.zeros((1,) * (2 * rank), np.intp)
        valid = np.ones((1,) * (2 * rank), bool)
        for axis, index in enumerate(self.places):
            shape = [1] * (2 * rank)
            shape[axis], shape[rank + axis] = index.shape
            own = index.reshape(shape)
            valid = valid & (own >= 0) & (own < lengths[axis])
            position = position * lengths[axis] + own
        return np.where(valid, position, 0), valid

    def scattered(self, parts: Array, add: Callable[[Array, Array, Array], None]) -> Array:
        """Parts of shape (N, *outputs, *taps, C) put where the windows read them."""
        position, valid = self._flat
        if self.backward.reaching is not None:
            valid = valid & self._reaching(self.backward.reaching)
        batch, channels = len(self.x), self.x.shape[-1]
        target = np.zeros((math.prod(self.x.shape[1:-1]), batch, channels))
        moved = np.moveaxis(parts, 0, -2)[valid]
        add(target, position[valid], moved)
        return np.moveaxis(target, 1, 0).reshape(self.x.shape)

    def _reaching(self, reaching: Callable[[Array, int, int], Array]) -> Array:
        """Which taps of which windows give something, of the shape (*outputs, *taps)."""
        kept = np.ones((1,) * (2 * self.rank), bool)
        for axis, index in enumerate(self.places):
            shape = [1] * (2 * self.rank)
            shape[axis], shape[self.rank + axis] = index.shape
            kept = kept & reaching(index, axis, self.settings.strides[axis]).reshape(shape)
        return kept

    def gathered(self, x: Array) -> Array:
        """The windows of an array of the inputs' shape."""
        return gather(x, self.settings, self.steps)[0]

    def prediction(self, wide: Array, error: Array) -> Prediction:
        """One gradient, rounded to the dtype."""
        total = error + half_ulp(wide, self.format)
        total = np.where(np.isfinite(total), total, 0.0)
        return Prediction(wide.astype(self.dtype), wide, total)


def _moved_back(case: Case, operands: Operands, steps: Steps) -> Prediction:
    """What a layer that moves elements gives to each: that of the place where it goes."""
    assert operands.inputs is not None
    upstream = np.asarray(operands.upstream)
    numbers = np.arange(operands.inputs.size).reshape(operands.inputs.shape)
    order = steps.flatten(numbers, facts(case).channels_first).ravel()
    if not np.array_equal(np.sort(order), numbers.ravel()) or upstream.size != order.size:
        raise ValueError("elements are not moved alone")
    value = np.empty(order.shape, upstream.dtype)
    value[order] = upstream.ravel()
    value = value.reshape(numbers.shape)
    return Prediction(value, value, None)


def through_own_slope(name: str, sums: Array, upstream: Array) -> Array:
    """The upstream gradient through the slope of an activation, in float64."""
    nothing = np.zeros_like(sums)
    return through_slope(name, sums, nothing, upstream, FORMATS["float64"], exact=True).value


def overwrite(target: Array, index: Array, parts: Array) -> None:
    """The last part that is written stays."""
    target[index] = parts


def keep_first(target: Array, index: Array, parts: Array) -> None:
    """The part of the first window stays, as where the taps are gone through one after another."""
    target[index[::-1]] = parts[::-1]


def overwrite_winners(target: Array, index: Array, parts: Array) -> None:
    """The last part that is not zero stays: only what wins its window is written."""
    order = np.arange(1, len(index) + 1).reshape(-1, *[1] * (parts.ndim - 1))
    last = np.zeros(target.shape, np.intp)
    np.maximum.at(last, index, np.where(parts != 0, order, 0))
    _write(target, parts, last - 1, last > 0)


def keep_first_winner(target: Array, index: Array, parts: Array) -> None:
    """The first part that is not zero stays, as where taps are gone through one after another."""
    none = len(index)
    order = np.arange(none).reshape(-1, *[1] * (parts.ndim - 1))
    first = np.full(target.shape, none, np.intp)
    np.minimum.at(first, index, np.where(parts != 0, order, none))
    _write(target, parts, first, first < none)


def average_of_winners(target: Array, index: Array, parts: Array) -> None:
    """The mean of the parts that are not zero."""
    count = np.zeros_like(target)
    np.add.at(target, index, parts)
    np.add.at(count, index, (parts != 0).astype(target.dtype))
    target /= np.maximum(count, 1)


def _write(target: Array, parts: Array, chosen: Array, where: Array) -> None:
    if len(parts):
        taken = np.take_along_axis(parts, np.where(where, chosen, 0), axis=0)
        target[...] = np.where(where, taken, target)


class _Convolved(_Windowed):
    def __init__(self, case: Case, operands: Operands, steps: Steps) -> None:
        super().__init__(case, operands, steps)
        self.w = as_float64(steps.kernel(operands.weights["kernel"]))
        self.groups = facts(case).groups
        if self.w.shape[-2] * self.groups != self.x.shape[-1]:
            raise ValueError("the kernel does not go with the channels")
        self.windows = np.where(self.inside, self.windows, steps.pad_value)
        bias = operands.weights.get("bias")
        self.b = None if bias is None else as_float64(bias)
        self.g, self.g_error = self._through_activation()
        if self.g.shape[1:-1] != self.windows.shape[1 : 1 + self.rank]:
            raise ValueError("the windows do not go with the upstream gradient")

    def _through_activation(self) -> tuple[Array, Array]:
        name, nothing = self.settings.activation or "linear", np.zeros_like(self.upstream)
        if name == "linear":
            return self.upstream, nothing
        products = facts(self.case).products
        sums, magnitude = (self._sums(*pair) for pair in self._operands_and_magnitudes())
        error = growth(products + 1, self.format.unit_roundoff) * magnitude
        on_grid = KINDS[self.case.operands].exact and self.format.name not in NARROW
        error = np.zeros_like(error) if on_grid else error
        sums = sums if self.b is None else self.backward.sums(sums, self.b)
        if self._first and named(name).rowwise:
            raise ValueError("rows of channels_first outputs are not predicted")
        running = through_slope(name, sums, error, self.upstream, self.format, exact=True)
        if self.backward.slope is not None:
            changed = self.backward.slope(name, sums, self.upstream)
            return changed, running.error + self.format.unit_roundoff * np.abs(changed)
        return running.value, running.error

    def _operands_and_magnitudes(self) -> tuple[tuple[Array, Array, Any], ...]:
        bias = 0.0 if self.b is None else self.b
        return (self.windows, self.w, bias), (np.abs(self.windows), np.abs(self.w), np.abs(bias))

    def _sums(self, windows: Array, kernel: Array, bias: Any) -> Array:
        pairs = zip(*(in_parts(a, self.groups) for a in (windows, kernel)), strict=True)
        sums = [np.tensordot(x, w, kernel.ndim - 1) for x, w in pairs]
        return np.asarray(np.concatenate(sums, -1) + bias)

    def of_kernel(self, windows: Array, g: Array) -> Array:
        """The gradient of the kernel from these windows and gradients of the sums."""
        over = tuple(range(1 + self.rank))
        pairs = zip(*(in_parts(a, self.groups) for a in (windows, g)), strict=True)
        return np.concatenate([np.tensordot(x, own, (over, over)) for x, own in pairs], -1)

    def of_windows(self, kernel: Array, g: Array) -> Array:
        """What each output gives each element of its window."""
        parts = self.steps.filters(kernel, self.groups)
        pairs = zip(in_parts(g, self.groups), parts, strict=True)
        return np.concatenate([np.tensordot(own, w, (-1, -1)) for own, w in pairs], -1)

    def predictions(self) -> dict[str, Prediction]:
        """Each gradient, with the errors that its sums may have."""
        outputs = math.prod(self.g.shape[:-1])
        counts = {
            "inputs": math.prod(self.w.shape[:-2]) * (self.w.shape[-1] // self.groups),
            "kernel": outputs,
            "bias": outputs,
        }
        values = self._gradients(self.windows, self.w, self.g)
        magnitudes = self._gradients(np.abs(self.windows), np.abs(self.w), np.abs(self.g))
        further = self._gradients(np.abs(self.windows), np.abs(self.w), self.g_error)
        found = {}
        for name, value in values.items():
            factor = growth(counts[name] + _RELATIVE_ROOM, self.format.unit_roundoff)
            size = self._size(name, factor) * np.abs(magnitudes[name]) + np.abs(further[name])
            found[name] = self.prediction(value, np.asarray(size))
        return found

    def _size(self, name: str, factor: float) -> float:
        """The relative error of a gradient's sums: none where they are exact."""
        del name
        slope = self.settings.activation not in (None, "linear")
        kind = KINDS[self.case.operands]
        exact = kind.exact and kind.exact_gradients and not slope
        return 0.0 if exact and self.format.name not in NARROW else factor

    def _gradients(self, windows: Array, kernel: Array, g: Array) -> dict[str, Array]:
        over = tuple(range(1 + self.rank))
        parts = self.of_windows(self.backward.flips(kernel), g)
        found = {
            "inputs": self.backward.inputs(self.scattered(parts, self.backward.scatter), self),
            "kernel": self.backward.kernel(self.of_kernel(windows, g), self),
        }
        if self.b is not None:
            found["bias"] = self.backward.bias(g.sum(axis=over), self)
        found["inputs"] = self.laid_out(found["inputs"])
        return found


class _Pooled(_Windowed):
    def predictions(self) -> dict[str, Prediction]:
        """The gradient of the inputs."""
        shares = (self.backward.shares or to_first)(self.windows, self.inside)
        if self.backward.gate is not None:
            winners = np.asarray(to_all(self.windows, self.inside))
            shares = self.backward.gate(winners, self._seen_from_inputs)
        taps = (1,) * self.rank
        g = self.upstream.reshape(*self.upstream.shape[:-1], *taps, self.upstream.shape[-1])
        value = self._laid(shares * g)
        magnitude = self._laid(np.abs(shares * g))
        taps_count = math.prod(self.settings.window)
        exact = KINDS[self.case.operands].exact
        factor = 0.0 if exact else growth(taps_count, self.format.unit_roundoff)
        inexact = self.format.unit_roundoff * (shares % 1 != 0).any() + factor
        return {"inputs": self.prediction(value, inexact * magnitude)}

    def _laid(self, parts: Array) -> Array:
        parts = np.broadcast_to(parts, self.windows.shape)
        x = self.backward.inputs(self.scattered(parts, self.backward.scatter), self)
        return self.laid_out(x)

    def _seen_from_inputs(self, parts: Array) -> Array:
        return self.gathered(self.scattered(parts, overwrite))


def _rows(windows: Array) -> tuple[Array, tuple[int, ...]]:
    """The windows with their taps in one last axis, and the shape to put them back."""
    rank = windows.ndim // 2 - 1
    moved = np.moveaxis(windows, -1, 1 + rank)
    return moved.reshape(*moved.shape[: 2 + rank], -1), moved.shape


def _put_back(rows: Array, shape: tuple[int, ...]) -> Array:
    return np.moveaxis(rows.reshape(shape), (len(shape) // 2), -1)


def to_all(windows: Array, inside: Array) -> Array:
    """One for each largest element of a window; of NaN for each NaN."""
    masked = np.where(inside, windows, -np.inf)
    rows, shape = _rows(masked)
    within, _ = _rows(np.broadcast_to(inside, windows.shape))
    most = rows.max(axis=-1, keepdims=True, initial=-np.inf)
    equal = ((rows == most) | (np.isnan(rows) & np.isnan(most))) & within
    return _put_back(equal.astype(np.float64), shape)


def to_near(distance: float) -> Callable[[Array, Array], Array]:
    """One for each element of a window that is so near to the largest."""

    def shares(windows: Array, inside: Array) -> Array:
        rows, shape = _rows(np.where(inside, windows, -np.inf))
        most = rows.max(axis=-1, keepdims=True, initial=-np.inf)
        near = (rows == most) | (most - rows < distance)
        return _put_back(near.astype(np.float64), shape)

    return shares


def to_first(windows: Array, inside: Array) -> Array:
    """One for the first of the largest elements of a window, in row-major order."""
    rows, shape = _rows(to_all(windows, inside))
    first = (np.cumsum(rows, axis=-1) == 1) & (rows > 0)
    return _put_back(first.astype(np.float64), shape)


def to_least(windows: Array, inside: Array) -> Array:
    """One for the first of the least elements of a window."""
    return to_first(-windows, inside)


def to_first_with_zeros(windows: Array, inside: Array) -> Array:
    """As `to_first` of windows whose padding is zero; what the padding wins goes nowhere."""
    within = np.broadcast_to(inside, windows.shape)
    return np.asarray(to_first(np.where(within, windows, 0.0), np.ones_like(within)) * within)


def to_last(windows: Array, inside: Array) -> Array:
    """One for the last of them."""
    rows, shape = _rows(to_all(windows, inside))
    reverse = rows[..., ::-1]
    last = ((np.cumsum(reverse, axis=-1) == 1) & (reverse > 0))[..., ::-1]
    return _put_back(last.astype(np.float64), shape)


def shared(windows: Array, inside: Array) -> Array:
    """An equal share for each of the largest elements."""
    rows, shape = _rows(to_all(windows, inside))
    return _put_back(rows / np.maximum(rows.sum(axis=-1, keepdims=True), 1), shape)


def to_tap(place: int) -> Callable[[Array, Array], Array]:
    """Everything for one element of each window, whatever is the largest."""

    def shares(windows: Array, inside: Array) -> Array:
        within, shape = _rows(np.broadcast_to(inside, windows.shape).astype(np.float64))
        chosen = np.zeros_like(within)
        chosen[..., place] = within[..., place]
        return _put_back(chosen, shape)

    return shares


def to_place_modulo(count: int) -> Callable[[Array, Array], Array]:
    """As `to_first`, to the place of the element modulo a number; nothing where that is padding."""

    def shares(windows: Array, inside: Array) -> Array:
        rows, shape = _rows(to_first(windows, inside))
        within, _ = _rows(np.broadcast_to(inside, windows.shape))
        moved = np.zeros_like(rows)
        for place in range(rows.shape[-1]):
            moved[..., place % count] += rows[..., place]
        return _put_back(moved * within, shape)

    return shares


def to_every_tap(windows: Array, inside: Array) -> Array:
    """An equal share for each element of the window, as the mean has it."""
    within, shape = _rows(np.broadcast_to(inside, windows.shape).astype(np.float64))
    return _put_back(within / np.maximum(within.sum(axis=-1, keepdims=True), 1), shape)

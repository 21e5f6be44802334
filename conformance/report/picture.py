"""What a picture of a failing case shows, as data: the operation around its worst element.

One sample, one channel of the input and one of the output are shown, the parts of them that lie
around the worst element: the input with its padding, the receptive field in it, what is expected,
what came instead, and the error in units of the bound.  Operands and expectation are derived anew
from the descriptor; what an implementation gave is there in a live run alone, and in what was read
from a file only the place of the worst element, which the message tells.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case, parse
from conformance.cases.facts import Facts, facts
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.expectation import Expectation, Kind, expect_without_packages
from conformance.outcomes import Value
from conformance.report.account import Entry

Picture = dict[str, Any]
Floats = NDArray[np.float64]
Place = tuple[int, ...]

_SPAN: Final = 16
"""Most rows or columns of a map."""
_LARGEST: Final = 100_000
"""Elements of an array beyond which no picture is made."""
_WORST: Final = re.compile(r"(?:the worst,|the one at) \[(\d+(?:, \d+)*)\]")
_PLANE: Final = 2


def picture(entry: Entry) -> Picture | None:
    """The data of a picture; None where there is nothing to be shown."""
    try:
        case = parse(entry.case)
        return _picture(case, entry) if _is_small(case) else None
    except Exception:
        # A report is read because something is broken; it must not be lost to a picture.
        return None


def _is_small(case: Case) -> bool:
    known = facts(case)
    if case.observe not in ("output", "gradients") or case.inputs is None:
        return False
    sizes = [size or 0 for size in case.inputs]
    arrays = [math.prod(sizes), math.prod(known.output_shape)]
    if known.rank:
        arrays.append(known.products * int(known.config.get("filters") or 1))
        arrays.append(math.prod(axis.length + axis.padding_total for axis in known.axes))
    return max(arrays) <= _LARGEST


def _picture(case: Case, entry: Entry) -> Picture | None:
    operands, expectation = expect_without_packages(case)
    actual = _actual(entry)
    if expectation.kind == Kind.GRADIENTS:
        return _of_gradient(expectation, actual, entry.message)
    if expectation.kind != Kind.VALUE or not np.size(expectation.value):
        return None
    maps = _Maps.of(expectation.wide, actual, _ratios(case, operands, expectation, actual))
    worst, known = maps.worst(entry.message), facts(case)
    place = worst or (0,) * maps.expected.ndim
    if not known.rank:
        return _told(worst) | maps.rows(place)
    shown = _told(worst) | maps.planes(place, known)
    return shown | _input(as_float64(operands.inputs), known, place, operands.weights)


def _actual(entry: Entry) -> Any:
    outcome = entry.evidence.outcome if entry.evidence else None
    return outcome.value if isinstance(outcome, Value) else None


def _ratios(case: Case, operands: Any, expectation: Expectation, actual: Any) -> Floats | None:
    """Errors in units of the bound, in the layers that have one; None without an answer."""
    wide = expectation.wide
    if not isinstance(actual, np.ndarray) or actual.shape != wide.shape:
        return None
    values = as_float64(actual)
    gauge = expectation.gauge(case, operands)
    if gauge is not None:
        return np.asarray(output_bound(gauge, wide, gauge.error).excess(values, wide))
    different = (values != wide) & ~(np.isnan(values) & np.isnan(wide))
    return np.where(different, np.inf, 0.0)


def _of_gradient(expectation: Expectation, actual: Any, message: str) -> Picture | None:
    names = list(expectation.value)
    name = next((n for n in names if f"radient of {n}" in message), names[0])
    expected = as_float64(expectation.value[name])
    if not expected.size:
        return None
    given = actual.get(name) if isinstance(actual, dict) else None
    maps = _Maps.of(expected, given, None)
    worst = maps.worst(message)
    shown = maps.rows(worst or (0,) * expected.ndim)
    return {"of": f"gradient of {name}"} | _told(worst) | shown


def _told(worst: Place | None) -> Picture:
    return {"worst": worst is not None}


@dataclass(frozen=True, eq=False)
class _Maps:
    """The arrays of an output, all of one shape; None for those that are not known."""

    expected: Floats
    actual: Floats | None
    ratios: Floats | None

    @classmethod
    def of(cls, expected: Floats, actual: Any, ratios: Floats | None) -> _Maps:
        same = isinstance(actual, np.ndarray) and actual.shape == expected.shape
        return cls(expected, as_float64(actual) if same else None, ratios)

    def worst(self, message: str) -> Place | None:
        """The worst element as the message tells it, else by its ratio or difference, if any."""
        told = _WORST.search(message)
        place = tuple(map(int, told.group(1).split(", "))) if told else ()
        if len(place) == self.expected.ndim and np.all(np.less(place, self.expected.shape)):
            return place
        error = self.ratios
        if error is None and self.actual is not None:
            error = np.abs(self.actual - self.expected)
        if error is None:
            return None
        error = np.where(np.isnan(error), np.inf, error)
        found = np.unravel_index(int(np.argmax(error)), error.shape)
        return tuple(int(index) for index in found)

    def planes(self, place: Place, known: Facts) -> Picture:
        """One sample and one channel of an output over space."""
        axis = 1 if known.channels_first else self.expected.ndim - 1
        spatial = [index for i, index in enumerate(place) if i not in (0, axis)]

        def plane(array: Floats) -> Floats:
            return _flat(np.moveaxis(array, axis, -1)[place[0], ..., place[axis]])

        at = (spatial if len(spatial) == _PLANE else [0, *spatial]) if spatial else [0, 0]
        return self._maps(plane, at, place)

    def rows(self, place: Place) -> Picture:
        """The last two axes at the worst element."""
        at = list(place[-_PLANE:]) if len(place) >= _PLANE else [0, *place]
        return self._maps(lambda array: _flat(array[place[:-_PLANE]]), at, place)

    def _maps(self, plane: Any, at: list[int], place: Place) -> Picture:
        shown: Picture = {"place": list(place), "at": at}
        arrays = (("expected", self.expected), ("actual", self.actual), ("error", self.ratios))
        for name, array in arrays:
            if array is not None:
                whole = plane(array)
                shown[name] = _cropped(whole, _window(at[0], whole, 0), _window(at[1], whole, 1))
        return shown


def _flat(array: Any) -> Floats:
    return np.atleast_2d(np.asarray(array, np.float64))


def _window(at: int, whole: Floats, axis: int) -> tuple[int, int]:
    return _around(at, at + 1, 0, whole.shape[axis])


def _around(first: int, last: int, low: int, high: int) -> tuple[int, int]:
    """A range of at most `_SPAN` that holds ``first .. last - 1`` and stays in ``low .. high``."""
    room = max(_SPAN - (last - first), 0)
    start = max(min(first - room // 2, high - _SPAN), low)
    return start, min(max(start + _SPAN, last), high, start + 2 * _SPAN)


def _cropped(whole: Floats, rows: tuple[int, int], columns: tuple[int, int]) -> Picture:
    part = whole[slice(*rows), slice(*columns)]
    values = [[_number(value) for value in row] for row in part]
    return {"origin": [rows[0], columns[0]], "size": list(whole.shape), "values": values}


def _number(value: float) -> float | str:
    """Four digits; what JSON has no number for by its name."""
    rounded = float(f"{value:.4g}")
    return rounded if math.isfinite(rounded) else f"{value:.4g}"


def _input(inputs: Floats, known: Facts, place: Place, weights: dict[str, Any]) -> Picture:
    """The input around the receptive field, in coordinates that count from the first input."""
    axis = 1 if known.channels_first else inputs.ndim - 1
    sample = np.moveaxis(inputs, axis, -1)[place[0]]
    outputs = [index for i, index in enumerate(place) if i not in (0, axis)]
    fields = [
        [o * a.stride - a.pad_before + t * a.dilation for t in range(a.window)]
        for o, a in zip(outputs, known.axes, strict=True)
    ]
    channel = place[axis] if known.is_pooling else _loudest(sample, fields)
    plane = _flat(sample[..., channel])
    pads = [(a.pad_before, a.pad_after) for a in known.axes]
    if len(fields) < _PLANE:
        fields, pads = [[0], *fields], [(0, 0), *pads]
    ranges = [
        _around(min(field), max(field) + 1, -before, size + after)
        for field, (before, after), size in zip(fields, pads, plane.shape, strict=True)
    ]
    padded = np.pad(plane, pads, constant_values=np.nan)
    shifted = [(r[0] + p[0], r[1] + p[0]) for r, p in zip(ranges, pads, strict=True)]
    crop = _cropped(padded, shifted[0], shifted[1])
    crop |= {"origin": [ranges[0][0], ranges[1][0]], "size": list(plane.shape)}
    return {
        "input": crop,
        "field": [sorted(set(field)) for field in fields],
        "sample": place[0],
        "channel": channel,
        "filter": place[axis],
    }


def _loudest(sample: Floats, fields: list[list[int]]) -> int:
    """The channel that holds the largest number of the receptive field."""
    index = [
        [i for i in field if 0 <= i < size] or [0]
        for field, size in zip(fields, sample.shape, strict=False)
    ]
    values = np.abs(sample[np.ix_(*index)])
    largest = np.where(np.isnan(values), np.inf, values).reshape(-1, sample.shape[-1]).max(axis=0)
    return int(np.argmax(largest))

"""By how much activations are off, and of which kind these errors are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from conformance.diagnosis.curves import Curve, curve_of
from conformance.diagnosis.evaluation import predict, sums_of
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.wording import Floats, Mask
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.sums import round_to
from conformance.outcomes import Value


@dataclass(frozen=True)
class Seen:
    """Elements whose sums are finite: what is given, and should be, and by how much it is off.

    Attributes:
        dtype: of the case.
        sums, given, wanted: of each element.
        ratios: the errors in units of the bound.
        roundings: the errors in roundings of 1.
        relative: the errors of the value, divided by the sum where it is large, as of an
            exponential, whose rounding grows.
        slack: by how much each sum may be off.
    """

    dtype: str
    sums: Floats
    given: Floats
    wanted: Floats
    ratios: Floats
    roundings: Floats
    relative: Floats
    slack: Floats

    def curve(self, chosen: Mask) -> Curve:
        """Some of the elements, by their sums."""
        return curve_of(self.sums[chosen], self.given[chosen], self.slack[chosen], self.dtype)

    @property
    def unit(self) -> float:
        """The unit roundoff of the dtype."""
        return FORMATS[self.dtype].unit_roundoff


def joined(found: Sequence[Seen]) -> Seen:
    """All elements as those of one failure."""
    names = [field.name for field in fields(Seen) if field.name != "dtype"]
    parts = {n: np.concatenate([getattr(one, n) for one in found]) for n in names}
    return Seen(found[0].dtype, **parts)


def of_widest(found: Sequence[Seen]) -> list[Seen]:
    """Those of the most precise dtype that there is."""
    least = min(one.unit for one in found)
    return [one for one in found if one.unit == least]


def seen_of(failure: Failure) -> Seen | None:
    """What is seen in a failure; None where the output has another form."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right, sums = predict(case, arrays), sums_of(case, arrays)
    if not isinstance(actual, np.ndarray) or right.error is None:
        return None
    if not actual.shape == right.value.shape == sums.shape:
        return None
    given = actual.astype(np.float64)
    with np.errstate(all="ignore"):
        distance = np.abs(given - right.wide)
        off = distance / right.error
        relative = distance / np.abs(right.wide) / np.maximum(np.abs(sums), 1.0)
    ratios = np.where(right.allows(actual), 0.0, np.where(np.isnan(off), np.inf, off))
    roundings = np.where(np.isnan(distance), np.inf, distance)
    roundings = roundings / FORMATS[case.dtype].unit_roundoff
    slack = predict(case.replace(activation=None), arrays).error
    every = (
        *(sums, given, right.wide, ratios, roundings, relative),
        np.zeros_like(sums) if slack is None else slack,
    )
    return Seen(case.dtype, *(one[np.isfinite(sums)] for one in every))


def reached_sums(failure: Failure) -> tuple[Mask, Mask] | None:
    """Which elements are wrong, and which have sums between those of wrong ones."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right, sums = predict(case, arrays), sums_of(case, arrays)
    if not isinstance(actual, np.ndarray) or not actual.shape == right.value.shape == sums.shape:
        return None
    wrong = np.asarray(~right.allows(actual))
    if not wrong.any():
        return None
    low, high = sums[wrong].min(), sums[wrong].max()
    return wrong, np.asarray((sums >= low) & (sums <= high))


_SLIGHT: Final = 2.0**-6


def changes_smoothly(seen: Seen) -> bool:
    """Whether errors are slight, and differ little for sums that differ little.

    Those of two independent roundings differ by more than either is large.
    """
    kept = (seen.ratios > 1) & np.isfinite(seen.given) & (seen.wanted != 0)
    sums, first = np.unique(seen.sums[kept], return_index=True)
    errors = (seen.given - seen.wanted)[kept][first]
    if len(sums) < _FEWEST_SMOOTH or np.any(
        np.abs(errors) > _SLIGHT * np.abs(seen.wanted[kept][first])
    ):
        return False
    near = np.diff(sums) <= _NEXT * (1 + np.abs(sums[1:]))
    if np.count_nonzero(near) < _FEWEST_SMOOTH:
        return False
    change = (
        np.abs(np.diff(errors))[near] / np.maximum(np.abs(errors[1:]), np.abs(errors[:-1]))[near]
    )
    return bool(np.median(change) < _SLOW)


_FEWEST_SMOOTH: Final = 16
_NEXT: Final = 2.0**-5
_SLOW: Final = 0.25


def scaled(seen: Seen) -> str:
    """By which one number what is wrong is multiplied, or on which other line it lies."""
    least = FORMATS[seen.dtype].smallest_normal / seen.unit
    kept = (seen.ratios > 1) & (np.abs(seen.wanted) > least) & np.isfinite(seen.given)
    if len(np.unique(seen.sums[kept])) < DISTINCT:
        return ""
    given, wanted, sums = seen.given[kept], seen.wanted[kept], seen.sums[kept]
    inner = _is_inside(given) & _is_inside(wanted)
    if len(np.unique(sums[inner])) >= DISTINCT:
        given, wanted, sums = given[inner], wanted[inner], sums[inner]
    own, right = (_line(sums, values, seen.unit) for values in (given, wanted))
    if own is not None and right is not None:
        return f"what is wrong is {own} in place of {right}{_rounded(own, right, seen.unit)}"
    times = _one_number(given / wanted, seen.unit)
    if times is None or abs(times - 1) <= _ROUNDINGS * seen.unit:
        return ""
    return f"every wrong element is {times:.7g} times what it should be"


def _is_inside(values: Floats) -> Mask:
    """Which are neither the least nor the largest, as those that are clipped are."""
    return np.asarray((values > values.min()) & (values < values.max()), np.bool_)


@dataclass(frozen=True)
class _Line:
    """So many times the sum, plus a number."""

    times: float
    plus: float

    def __str__(self) -> str:
        more = f" plus {self.plus:.7g}" if self.plus > 0 else f" minus {-self.plus:.7g}"
        return f"{self.times:.7g} times the sum{more if self.plus else ''}"


def _line(sums: Floats, values: Floats, unit: float) -> _Line | None:
    """The line that all values lie on, up to roundings; None for none."""
    times = _one_number(values / sums, unit)
    if times is not None:
        return _Line(times, 0.0)
    matrix = np.stack([sums, np.ones_like(sums)], axis=1)
    slope, offset = np.linalg.lstsq(matrix, values, rcond=None)[0]
    room = _ROUNDINGS * unit * (np.abs(slope * sums) + abs(offset))
    return _Line(slope, offset) if np.all(np.abs(slope * sums + offset - values) <= room) else None


def _rounded(own: _Line, right: _Line, unit: float) -> str:
    """In which format a factor is what it should be."""
    for name in ("bfloat16", "float16", "float32"):
        nearest = float(round_to(np.asarray(right.times), FORMATS[name]))
        if nearest != right.times and abs(nearest - own.times) <= _ROUNDINGS * unit * abs(
            own.times
        ):
            return f", which is that in {name}"
    return ""


_ROUNDINGS: Final = 16


def _one_number(numbers: Floats, unit: float) -> float | None:
    """The number that all are, up to roundings; None for several."""
    middle = float(np.median(numbers))
    return middle if np.all(np.abs(numbers - middle) <= _ROUNDINGS * unit * abs(middle)) else None


DISTINCT: Final = 5
"""How many values are seen at least where one function is said to give what another gives."""

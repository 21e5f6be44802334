"""What is said of an activation that is wrong while its sums are right."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.grids.values import ACTIVATIONS
from conformance.diagnosis.evaluation import predict, sums_of
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.wording import SINGLE, Floats, Mask, relation
from conformance.judge.activations import named
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.sums import round_to
from conformance.outcomes import Value

_MOST_LOOKED_AT: Final = 60


def off_activation(name: str, failures: Sequence[Failure]) -> str:
    """By how much an activation is off, and for which sums; empty where it cannot be told."""
    found = [one for f in failures[:_MOST_LOOKED_AT] if (one := _seen_of(f)) is not None]
    if not found:
        return ""
    lost = _not_finite(name, failures[:_MOST_LOOKED_AT])
    if lost:
        return f"{name} gives {lost}; the sums themselves are right"
    seen = _joined(found)
    wrong = seen.ratios > 1
    if not wrong.any():
        return ""
    worst = float(seen.ratios[wrong].max())
    by = f"by up to {worst:.2g} bounds" if worst < 1e6 else "by far"
    where = _where(seen.sums[wrong], seen.sums[~wrong])
    other = _taken_for(name, failures)
    if other:
        return f"{name} gives what {other} gives"
    further = _further(failures, _joined(_of_widest(found)), seen)
    return f"{name} is off {by} {where}{further}"


@dataclass(frozen=True)
class _Lost:
    """Elements that should be finite, and what their sums are.

    Attributes:
        given: what they are, NaN or infinite.
        wrong, right: by words for what tells where, its values there and where outputs are finite.
    """

    given: Floats
    wrong: dict[str, Floats]
    right: dict[str, Floats]


_OWN: Final = "where the sum is {}"
_LARGEST: Final = "where the largest sum of the row is {}"
_BELOW: Final = "where the sum lies {} below the largest of its row"


def _not_finite(name: str, failures: Sequence[Failure]) -> str:
    """What is given in place of finite numbers, and for which sums; empty where none is told."""
    by_dtype: dict[str, list[_Lost]] = defaultdict(list)
    for failure in failures:
        lost = _lost(name, failure)
        if lost is not None and lost.given.size:
            by_dtype[failure.case.dtype].append(lost)
    for dtype in sorted(by_dtype, key=lambda dtype: -len(by_dtype[dtype])):
        found = by_dtype[dtype]
        given = np.unique(np.concatenate([one.given for one in found]))
        told = _listed([f"{value:g}".replace("nan", "NaN") for value in given])
        for key in found[0].wrong:
            wrong, right = (np.concatenate(part) for part in _of_key(found, key))
            where = _beyond(key, wrong, right)
            if where:
                return f"{told} {where}"
    return ""


def _of_key(found: Sequence[_Lost], key: str) -> tuple[list[Floats], list[Floats]]:
    return [one.wrong[key] for one in found], [one.right[key] for one in found]


def _listed(names: Sequence[str]) -> str:
    return " or ".join(dict.fromkeys(names))


def _lost(name: str, failure: Failure) -> _Lost | None:
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right, sums = predict(case, arrays).wide, sums_of(case, arrays)
    if not isinstance(actual, np.ndarray) or not actual.shape == right.shape == sums.shape:
        return None
    given = actual.astype(np.float64)
    known = np.isfinite(sums) & np.isfinite(right)
    is_lost: Mask = np.asarray(known & ~np.isfinite(given), np.bool_)
    is_right: Mask = np.asarray(known & np.isfinite(given), np.bool_)
    keys = {_OWN: sums}
    if named(name).rowwise and sums.size:
        largest = np.broadcast_to(sums.max(axis=-1, keepdims=True), sums.shape)
        keys |= {_BELOW: largest - sums, _LARGEST: largest}
    return _Lost(
        np.where(np.isnan(given), np.nan, given)[is_lost],
        {key: values[is_lost] for key, values in keys.items()},
        {key: values[is_right] for key, values in keys.items()},
    )


def _beyond(key: str, wrong: Floats, right: Floats) -> str:
    """Beyond which limit something lies where outputs are not finite; empty for none."""
    if not right.size:
        return ""
    for sign, words in ((1.0, "or more"), (-1.0, "or less")):
        least, most = float((sign * wrong).min()), float((sign * right).max())
        if least > most:
            return key.format(f"{sign * least:.4g} {words}") + _limit(key, most, least)
    return ""


def _limit(key: str, most: float, least: float) -> str:
    """The limit of a formula between what is right and what is wrong, where it is but one."""
    limits = _UNDERFLOW if key == _BELOW else _OVERFLOW
    found = [words for words, limit in limits.items() if most <= limit <= least]
    return f", as where {found[0]}" if len(found) == 1 else ""


def _limits(words: str, of: Callable[[Format], float]) -> dict[str, float]:
    return {f"{words} in {name}": of(FORMATS[name]) for name in ("float16", "float32", "float64")}


_OVERFLOW: Final = {
    **_limits("exp(x) overflows", lambda fmt: math.log(fmt.largest)),
    **_limits("exp(2x) overflows", lambda fmt: math.log(fmt.largest) / 2),
}
_UNDERFLOW: Final = _limits("exp(x) becomes zero", lambda fmt: -math.log(fmt.quantum))


def _further(failures: Sequence[Failure], widest: _Seen, seen: _Seen) -> str:
    """What is known of an activation's errors besides their sums."""
    if any(map(_falls, failures[:_MOST_LOOKED_AT])):
        return f", {_NO_FUNCTION}"
    constant = _constant(failures[:_MOST_LOOKED_AT])
    if constant:
        return f", where it is given as {constant}"
    return _of_errors(failures, widest, seen)


def _of_errors(failures: Sequence[Failure], widest: _Seen, seen: _Seen) -> str:
    """What the errors themselves are like."""
    scaled, wrong = _scaled(widest), seen.ratios > 1
    if scaled:
        return f"; the sums themselves are right, and {scaled}"
    if _changes_smoothly(widest):
        return f", {_SMOOTH}"
    if all(f.case.dtype == "float64" for f in failures) and _are_single(seen.relative[wrong]):
        return f", {SINGLE[1]}"
    related = set(map(relation, failures[:_TAKEN_FOR]))
    if len(related) == 1 and all(related):
        return f"; the sums themselves are right, and {related.pop()}"
    cancels = float(seen.roundings[wrong].max()) <= _FEW_ROUNDINGS
    return f"; the sums themselves are right{_CANCELS if cancels else ''}"


_SLIGHT: Final = 2.0**-6
_SMOOTH: Final = (
    "by errors that change smoothly with the sum, as where a polynomial, a table or a constant is "
    "less accurate than the dtype"
)


def _changes_smoothly(seen: _Seen) -> bool:
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


def _scaled(seen: _Seen) -> str:
    """By which one number what is wrong is multiplied, or on which other line it lies."""
    least = FORMATS[seen.dtype].smallest_normal / seen.unit
    kept = (seen.ratios > 1) & (np.abs(seen.wanted) > least) & np.isfinite(seen.given)
    if len(np.unique(seen.sums[kept])) < _DISTINCT:
        return ""
    given, wanted, sums = seen.given[kept], seen.wanted[kept], seen.sums[kept]
    inner = _is_inside(given) & _is_inside(wanted)
    if len(np.unique(sums[inner])) >= _DISTINCT:
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
    slope, offset = np.polyfit(sums, values, 1)
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


def _constant(failures: Sequence[Failure]) -> str:
    """The one number that all wrong elements are, if there are several; empty for more."""
    given: set[float] = set()
    count = 0
    for failure in failures:
        actual = failure.outcome.value if isinstance(failure.outcome, Value) else None
        right = predict(failure.case, operands_of(failure.case))
        if isinstance(actual, np.ndarray) and actual.shape == right.value.shape:
            wrong = actual[~right.allows(actual)].astype(np.float64)
            given |= set(np.unique(wrong).tolist())
            count += wrong.size
    return f"{given.pop():.6g}" if len(given) == 1 and count > 1 else ""


def _taken_for(name: str, failures: Sequence[Failure]) -> str:
    """Another activation that gives what was given in all failures; empty for none."""
    looked_at = [f for f in failures[:_TAKEN_FOR] if isinstance(f.outcome, Value)]
    values = [f.outcome.value for f in looked_at if isinstance(f.outcome, Value)]
    given = [v.astype(np.float64).ravel() for v in values if isinstance(v, np.ndarray)]
    if not given or len(np.unique(np.concatenate(given))) < _DISTINCT:
        return ""  # a few limits, which many functions share
    others = (other for other in ACTIVATIONS if other != name)
    return next((o for o in others if all(_gives_as(o, f) for f in looked_at)), "")


def _gives_as(other: str, failure: Failure) -> bool:
    assert isinstance(failure.outcome, Value)
    case = failure.case.replace(activation=other)
    return predict(case, operands_of(failure.case)).fits(failure.outcome.value)


_TAKEN_FOR: Final = 6
"""How many failures are looked at for what one activation gives in all of them."""

_DISTINCT: Final = 5
"""How many values are seen at least where one function is said to give what another gives."""

_FEW_ROUNDINGS: Final = 4.0
_CANCELS: Final = (
    ", and no error is larger than a few roundings of 1, as where a formula subtracts from 1 what "
    "is nearly 1"
)


_NO_FUNCTION: Final = (
    "where a larger sum gives a smaller output: what is wrong depends on more than the sum, as "
    "where the activation is applied before the bias is added"
)


def _falls(failure: Failure) -> bool:
    """Whether outputs fall by more than their error where the right ones grow with the sums."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right, sums = predict(case, arrays), sums_of(case, arrays)
    if not isinstance(actual, np.ndarray) or right.error is None or sums.shape != actual.shape:
        return False
    order = np.argsort(sums, axis=None, kind="stable")
    given, wanted, error = (
        a.astype(np.float64).ravel()[order] for a in (actual, right.wide, right.error)
    )
    if not np.isfinite([given, wanted]).all() or np.any(np.diff(wanted) < 0):
        return False
    sums = sums.ravel()[order]
    apart = sums[1:] > sums[:-1]
    fall = given[:-1] - given[1:] > 4 * (error[:-1] + error[1:])
    return bool(np.count_nonzero(fall & apart) > max(2, len(given) // 16))


def _are_single(relative: Floats) -> bool:
    """Whether errors are mostly those of float32; results that leave its range are not."""
    return float((relative <= SINGLE[0]).mean()) > _MOSTLY


_MOSTLY: Final = 0.75


@dataclass(frozen=True)
class _Seen:
    """Elements whose sums are finite: what is given, and should be, and by how much it is off.

    Attributes:
        dtype: of the case.
        sums, given, wanted: of each element.
        ratios: the errors in units of the bound.
        roundings: the errors in roundings of 1.
        relative: the errors of the value, divided by the sum where it is large, as of an
            exponential, whose rounding grows.
    """

    dtype: str
    sums: Floats
    given: Floats
    wanted: Floats
    ratios: Floats
    roundings: Floats
    relative: Floats

    @property
    def unit(self) -> float:
        """The unit roundoff of the dtype."""
        return FORMATS[self.dtype].unit_roundoff


def _joined(found: Sequence[_Seen]) -> _Seen:
    names = [field.name for field in fields(_Seen) if field.name != "dtype"]
    parts = {n: np.concatenate([getattr(one, n) for one in found]) for n in names}
    return _Seen(found[0].dtype, **parts)


def _of_widest(found: Sequence[_Seen]) -> list[_Seen]:
    """Those of the most precise dtype that there is."""
    least = min(one.unit for one in found)
    return [one for one in found if one.unit == least]


def _seen_of(failure: Failure) -> _Seen | None:
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
    every = (sums, given, right.wide, ratios, roundings, relative)
    return _Seen(case.dtype, *(one[np.isfinite(sums)] for one in every))


ALL_SUMS: Final = "all that were seen"


def _where(wrong: NDArray[np.float64], right: NDArray[np.float64]) -> str:
    """For which sums, in the fewest words that hold for all that were seen."""
    low, high = float(wrong.min()), float(wrong.max())
    if not right.size:
        return f"for sums from {low:.3g} to {high:.3g}, {ALL_SUMS}"
    if high < right.min():
        return f"for sums of {high:.3g} and below, and right above"
    if low > right.max():
        return f"for sums of {low:.3g} and above, and right below"
    if np.abs(wrong).min() > np.abs(right).max():
        return f"for sums of magnitude {np.abs(wrong).min():.3g} and above, and right below"
    return f"for {_in_ranges(wrong, right)}"


def _in_ranges(wrong: NDArray[np.float64], right: NDArray[np.float64]) -> str:
    """The ranges of the wrong sums of either sign, and how many of those seen there are wrong."""
    sides = [side for side in (wrong[wrong < 0], wrong[wrong >= 0]) if side.size]
    ends = [(float(side.min()), float(side.max())) for side in sides]
    among = sum(int(np.count_nonzero((right >= low) & (right <= high))) for low, high in ends)
    ranges = " and ".join(
        f"from {low:.3g} to {high:.3g}" if low < high else f"of {low:.3g}" for low, high in ends
    )
    share = f", {wrong.size} of {wrong.size + among} seen there" if among else ""
    return f"sums {ranges}{share}"

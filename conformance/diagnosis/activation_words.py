"""What is said of an activation that is wrong while its sums are right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.grids.values import ACTIVATIONS
from conformance.diagnosis.activation_errors import (
    DISTINCT,
    Seen,
    changes_smoothly,
    joined,
    of_widest,
    scaled,
    seen_of,
)
from conformance.diagnosis.activation_lost import not_finite
from conformance.diagnosis.evaluation import activate, predict, sums_of
from conformance.diagnosis.formulas import formula_for
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.pieces import pieces
from conformance.diagnosis.wording import SINGLE, Floats, relation
from conformance.judge.activations import named
from conformance.outcomes import Value

_MOST_LOOKED_AT: Final = 60


@np.errstate(all="ignore")
def off_activation(name: str, failures: Sequence[Failure]) -> str:
    """By how much an activation is off, and for which sums; empty where it cannot be told."""
    found = [one for f in failures[:_MOST_LOOKED_AT] if (one := seen_of(f)) is not None]
    if not found:
        return ""
    other = _taken_for(name, failures)
    if other:
        return f"{name} gives what {other} gives"
    widest = joined(of_widest(found))
    off = widest.ratios > 1
    formula, is_whole = formula_for(name, widest.curve(off), widest.curve(~off))
    if is_whole:
        return f"{name} is given as {formula}, x being the sum, which is right"
    lost = not_finite(name, failures[:_MOST_LOOKED_AT])
    if lost:
        return f"{name} gives {lost}; the sums themselves are right"
    seen = joined(found)
    wrong = seen.ratios > 1
    if not wrong.any():
        return ""
    worst = float(seen.ratios[wrong].max())
    by = f"by up to {worst:.2g} bounds" if worst < 1e6 else "by far"
    where = _where(seen.sums[wrong], seen.sums[~wrong])
    further = f", where it is given as {formula}, x being the sum" if formula else ""
    return f"{name} is off {by} {where}{further or _further(failures, widest, seen)}"


def _further(failures: Sequence[Failure], widest: Seen, seen: Seen) -> str:
    """What is known of an activation's errors besides their sums."""
    looked_at = failures[:_MOST_LOOKED_AT]
    if all(map(_has_bias, looked_at)) and any(map(_falls, looked_at)):
        return f", {_NO_FUNCTION}"
    constant = _constant(failures[:_MOST_LOOKED_AT])
    if constant:
        return f", where it is given as {constant}"
    return _of_errors(failures, widest, seen)


def _of_errors(failures: Sequence[Failure], widest: Seen, seen: Seen) -> str:
    """What the errors themselves are like."""
    of_function = _of_function(failures, widest)
    if of_function:
        return of_function
    if changes_smoothly(widest):
        return f", {_SMOOTH}"
    wrong = seen.ratios > 1
    if all(f.case.dtype == "float64" for f in failures) and _are_single(seen.relative[wrong]):
        return f", {SINGLE[1]}"
    cancels = float(seen.roundings[wrong].max()) <= _FEW_ROUNDINGS
    return f"; the sums themselves are right{_CANCELS if cancels else ''}"


def _of_function(failures: Sequence[Failure], widest: Seen) -> str:
    """As what function of the sums the activation is given; empty for no simple one."""
    related = scaled(widest) or _related(failures)
    if related:
        return f"; the sums themselves are right, and {related}"
    simple = _in_pieces(failures[0], widest)
    if simple:
        return f", where it is given as {simple}, x being the sum, which is right"
    if all(map(_gives_sums, failures[:_MOST_LOOKED_AT])):
        return "; there, the sums themselves are given, which are right"
    return ""


def _related(failures: Sequence[Failure]) -> str:
    """What all wrong outputs are to the right ones, element by element or row by row."""
    related = set(map(relation, failures[:_TAKEN_FOR]))
    if related == {""} and _are_by_rows(failures):
        return _BY_ROWS + _zeros_beside(failures)
    return related.pop() if len(related) == 1 else ""


def _are_by_rows(failures: Sequence[Failure]) -> bool:
    """Whether each row is off by one factor alone; of a logarithm, by one number."""
    rows = [one for failure in failures[:_TAKEN_FOR] for one in _off_by_rows(failure)]
    return len(rows) >= _LEAST_ROWS and all(rows)


def _off_by_rows(failure: Failure) -> Iterator[bool]:
    """Of each wrong row, whether all of it is off alike."""
    case, outcome = failure.case, failure.outcome
    name, actual = case.keywords["activation"], outcome.value if isinstance(outcome, Value) else 0.0
    right = predict(case, operands_of(case)).wide
    if name not in _SCALE or np.shape(actual) != right.shape:
        return
    off = _SCALE[name](np.asarray(actual).astype(np.float64), right)
    room = _NEAR_IN_ROWS.get(case.dtype, _FAR_IN_ROWS)
    for row in off.reshape(-1, right.shape[-1]):
        if np.abs(row).max() > room and np.isfinite(row).all():
            yield bool(np.ptp(row) <= room)


_SCALE: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = MappingProxyType(
    {"softmax": lambda given, right: np.log(given / right), "log_softmax": np.subtract}
)
_LEAST_ROWS: Final = 4
_NEAR_IN_ROWS: Final = MappingProxyType({"float32": 2.0**-12, "float64": 2.0**-24})
_FAR_IN_ROWS: Final = 2.0**-5
"""How far rows are off, and how much they may differ in it, for what is said of them."""

_BY_ROWS: Final = (
    "each wrong row is off as a whole, its outputs being right but for one factor: the sum of the "
    "row is wrong"
)


def _zeros_beside(failures: Sequence[Failure]) -> str:
    """How many zeros are counted with rows of each length, where that makes them what they are."""
    found: dict[int, set[float]] = {}
    for failure in failures[:_TAKEN_FOR]:
        for length, more in _more_in_rows(failure):
            found.setdefault(length, set()).add(more)
    wrong = {length: counts for length, counts in found.items() if counts != {0.0}}
    if not wrong or any(len(counts) > 1 or not min(counts) > 0 for counts in wrong.values()):
        return ""
    told = [f"{min(counts):.0f} beside the {n} of a row" for n, counts in sorted(wrong.items())]
    return f", to which zeros are counted that are none of its elements ({', '.join(told[:4])})"


def _more_in_rows(failure: Failure) -> Iterator[tuple[int, float]]:
    """The length of each row of softmax, and how many zeros more it seems to have; NaN for none.

    Of a row ``exp(x_i) / S`` given as ``exp(x_i) / (S + m)``, m is S times what the quotient of
    right and given is above one.
    """
    case, outcome = failure.case, failure.outcome
    if case.keywords["activation"] != "softmax" or case.dtype not in _NEAR_IN_ROWS:
        return
    sums, right = sums_of(case, operands_of(case)), predict(case, operands_of(case)).wide
    given = np.asarray(outcome.value if isinstance(outcome, Value) else 0.0).astype(np.float64)
    largest, total = sums.argmax(-1, keepdims=True), np.exp(sums).sum(-1)
    above = np.take_along_axis(right / given, largest, -1)[..., 0] - 1
    for more in (above * total)[total < _MOST_IN_ALL].tolist():
        is_whole = math.isfinite(more) and abs(more - round(more)) < _NEARLY_WHOLE
        yield right.shape[-1], round(more) if is_whole else math.nan


_MOST_IN_ALL: Final = 1e3
_NEARLY_WHOLE: Final = 0.01


def _in_pieces(failure: Failure, widest: Seen) -> str:
    name = failure.case.keywords["activation"]
    if named(name).rowwise:
        return ""
    return pieces(widest.curve(widest.ratios > 1), lambda x: activate(name, x))


_SMOOTH: Final = (
    "by errors that change smoothly with the sum, as where a polynomial, a table or a constant is "
    "less accurate than the dtype"
)


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
    if not given or len(np.unique(np.concatenate(given))) < DISTINCT:
        return ""  # a few limits, which many functions share
    others = (other for other in ACTIVATIONS if other != name)
    return next((o for o in others if all(_gives_as(o, f) for f in looked_at)), "")


def _gives_as(other: str, failure: Failure) -> bool:
    assert isinstance(failure.outcome, Value)
    case = failure.case.replace(activation=other)
    return predict(case, operands_of(failure.case)).fits(failure.outcome.value)


_TAKEN_FOR: Final = 6
"""How many failures are looked at for what one activation gives in all of them."""

_FEW_ROUNDINGS: Final = 4.0
_CANCELS: Final = (
    ", and no error is larger than a few roundings of 1, as where a formula subtracts from 1 what "
    "is nearly 1"
)


_NO_FUNCTION: Final = (
    "where a larger sum gives a smaller output: what is wrong depends on more than the sum, as "
    "where the activation is applied before the bias is added, or to a part of the sum such as a "
    "block of channels"
)


def _has_bias(failure: Failure) -> bool:
    bias = operands_of(failure.case).weights.get("bias")
    return bias is not None and bool(bias.any())


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


def _gives_sums(failure: Failure) -> bool:
    """Whether all wrong elements are the sums that the activation is of."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right, sums = predict(case, arrays), sums_of(case, arrays)
    if not isinstance(actual, np.ndarray) or actual.shape != sums.shape or right.error is None:
        return False
    wrong = ~right.allows(actual)
    near = np.abs(actual.astype(np.float64) - sums) <= right.error
    return bool(wrong.any() and near[wrong].all())


def _are_single(relative: Floats) -> bool:
    """Whether errors are mostly those of float32; results that leave its range are not."""
    if relative.max() < SINGLE[0] * _LEAST_OF_SINGLE:
        return False
    return float((relative <= SINGLE[0]).mean()) > _MOSTLY


_MOSTLY: Final = 0.75
_LEAST_OF_SINGLE: Final = 2.0**-6
"""Which part of the largest error of float32 one of them comes to at least."""


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

"""What can be said of failures that no fault explains: which gradients, for which arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.diagnosis.evaluation import CORRECT, predict, to_channels_last
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.judge.expectation import expect
from conformance.judge.gradients import judge_gradients
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value

_MOST_LOOKED_AT: Final = 60


def wrong_gradients(failure: Failure) -> str:
    """Which gradients are wrong, and which are right; empty where it cannot be told."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    right = expect(case, arrays)
    if not isinstance(actual, dict) or actual.keys() != right.value.keys():
        return ""

    def is_wrong(name: str) -> bool:
        expected, given = {name: right.value[name]}, {name: actual[name]}
        strict = right.demands_equality
        judged = judge_gradients(case, arrays, expected, given, strict=strict)
        return judged.verdict is not Verdict.CONFORMS

    wrong = [name for name in right.value if is_wrong(name)]
    others = [name for name in right.value if name not in wrong]
    if not wrong:
        return ""
    well = f"; {_listed(others)} {_are(others)} right" if others else ""
    return f"the gradient of {_listed(wrong)} {_are(wrong[:1])} wrong{well}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def what_of_nan(failure: Failure) -> str:
    """Whether NaN is lost, or made, and of what; empty where it is both."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    right = predict(case, operands_of(case), with_error=False).value
    if not isinstance(actual, np.ndarray) or actual.shape != right.shape:
        return ""
    lost, made = np.isnan(right) & ~np.isnan(actual), np.isnan(actual) & ~np.isnan(right)
    if lost.any() and not made.any():
        return "it is lost"
    if lost.any() or not made.any():
        return ""
    if np.isinf(right[made]).all():
        return (
            "infinity becomes NaN, as where it is multiplied by zero, or a transform such as "
            "Winograd's subtracts it from itself"
        )
    return "it is made of finite numbers" if np.isfinite(right[made]).all() else "it is made"


def reach_of_error(failure: Failure) -> str:
    """How far beyond its window an input that stands apart is felt; empty where it is not told."""
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    gauge, right = expect(case, arrays).gauge(case, arrays), predict(case, arrays)
    if gauge is None or gauge.touched is None or not isinstance(actual, np.ndarray):
        return ""
    if actual.shape != right.value.shape:
        return ""
    wrong = ~right.allows(actual)
    wrong = to_channels_last(wrong) if facts(case).channels_first else wrong
    felt, reached = wrong.any(axis=-1), gauge.touched.any(axis=-1)
    if (felt & ~reached).reshape(len(felt), -1).any(axis=1)[~_samples(reached)].any():
        return "even in other samples"
    for _places in range(1, _TILE):
        reached = _grown(reached)
        if not (felt & ~reached).any():
            beyond = _grown(reached) & ~reached
            return _TILES if beyond.any() else ""
    return "far off, as a Fourier transform of the whole sample has it"


_TILE: Final = 6
_TILES: Final = "a few places beyond, as Winograd's transform of tiles has it"


def _samples(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(places.reshape(len(places), -1).any(axis=1), np.bool_)


def _grown(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With the neighbours along every axis but the first."""
    for axis in range(1, places.ndim):
        moved = np.moveaxis(places, axis, 0)
        wider = moved.copy()
        wider[1:] |= moved[:-1]
        wider[:-1] |= moved[1:]
        places = np.moveaxis(wider, 0, axis)
    return places


def off_activation(name: str, failures: Sequence[Failure]) -> str:
    """By how much an activation is off, and for which sums; empty where it cannot be told."""
    pairs = [pair for f in failures[:_MOST_LOOKED_AT] if (pair := _sums_and_ratios(f)) is not None]
    if not pairs:
        return ""
    sums = np.concatenate([pair[0] for pair in pairs])
    ratios = np.concatenate([pair[1] for pair in pairs])
    wrong = ratios > 1
    if not wrong.any():
        return ""
    worst = float(ratios[wrong].max())
    by = f"by up to {worst:.2g} bounds" if worst < 1e6 else "by far"
    return f"{name} is off {by} {_where(sums[wrong], sums[~wrong])}; the sums themselves are right"


def _sums_and_ratios(failure: Failure) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    case, outcome = failure.case, failure.outcome
    actual = outcome.value if isinstance(outcome, Value) else None
    arrays = operands_of(case)
    linear = replace(CORRECT, activations=lambda _, y: y)
    right, sums = predict(case, arrays), predict(case, arrays, linear, with_error=False).wide
    if not isinstance(actual, np.ndarray) or right.error is None:
        return None
    if not actual.shape == right.value.shape == sums.shape:
        return None
    with np.errstate(all="ignore"):
        off = np.abs(actual.astype(np.float64) - right.wide) / right.error
    finite = np.isfinite(sums)
    ratios = np.where(right.allows(actual), 0.0, np.where(np.isnan(off), np.inf, off))
    return sums[finite], ratios[finite]


def _where(wrong: NDArray[np.float64], right: NDArray[np.float64]) -> str:
    """For which sums, in the fewest words that hold for all that were seen."""
    low, high = float(wrong.min()), float(wrong.max())
    if not right.size:
        return f"for sums from {low:.3g} to {high:.3g}, all that were seen"
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

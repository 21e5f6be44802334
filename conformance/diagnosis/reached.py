"""For which inputs their gradient is wrong, told by the windows that read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.diagnosis.backward import GradientPrediction
from conformance.diagnosis.evaluation import CORRECT, places, settings_of, to_channels_last
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.layers.registry import LAYERS
from conformance.outcomes import Value

Mask = NDArray[np.bool_]

_WRONG_THERE: Final = 0.5
"""The least share of such inputs whose gradient is wrong."""

_LEAST: Final = 0.5
"""The share of the failures of a layer whose words must be the same, to be told."""


class Reached:
    """What is said of failures in which the gradient of the inputs alone is wrong."""

    def __init__(self, failures: Sequence[Failure], hypotheses: Hypotheses) -> None:
        self._told = {f: tuple(_told(f, hypotheses)) for f in failures}
        self._counts = Counter(
            (f.case.layer, words) for f, told in self._told.items() for words in told
        )
        self._totals = Counter(f.case.layer for f, told in self._told.items() if told)

    def of(self, failure: Failure) -> tuple[str, int]:
        """For which inputs it is wrong, and of how many; empty where it is not told."""
        layer, told = failure.case.layer, self._told.get(failure, ())
        if not told:
            return "", 0
        most = max(told, key=lambda words: self._counts[layer, words])
        count = self._counts[layer, most]
        enough = count > _LEAST * self._totals[layer]
        return (_of_inputs(most), count) if enough else ("", 0)


def words_of_reached(failure: Failure, hypotheses: Hypotheses) -> Iterator[str]:
    """All that can be said of the inputs whose gradient is wrong in a failure."""
    yield from map(_of_inputs, _told(failure, hypotheses))


def _of_inputs(words: str) -> str:
    return f"the gradient of the inputs is {words}"


def _told(failure: Failure, hypotheses: Hypotheses) -> Iterator[str]:
    case, outcome = failure.case, failure.outcome
    if not isinstance(outcome, Value) or not LAYERS[case.layer].rank:
        return
    right = hypotheses.prediction((), case)
    if not isinstance(right, GradientPrediction) or right.wrong_parts(outcome.value) != {"inputs"}:
        return
    actual, part = outcome.value["inputs"], right.parts["inputs"]
    if not isinstance(actual, np.ndarray) or actual.shape != part.value.shape:
        return
    wrong = ~part.allows(actual)
    first = facts(case).channels_first
    by_place = to_channels_last(wrong) if first else wrong
    off: Mask = np.asarray(by_place.any(axis=(0, -1)), np.bool_)
    how = "wrong only" if np.any(actual[wrong]) else "zero"
    for words, mask in _kinds(failure):
        telling = mask.any() and not mask.all() and not (off & ~mask).any()
        if telling and off[mask].mean() >= _WRONG_THERE:
            yield f"{how} for inputs {words}"


def _kinds(failure: Failure) -> Iterator[tuple[str, Mask]]:
    """Inputs by the windows that read them, in words, and which they are."""
    case = failure.case
    lengths = tuple(n or 0 for n in facts(case).spatial)
    axes = list(zip(places(lengths, settings_of(case), CORRECT), lengths, strict=True))
    count = _outer([_counts(*axis) for axis in axes])
    yield "that no window reads", np.asarray(count == 0, np.bool_)
    yield "that several windows read", np.asarray(count > 1, np.bool_)
    yield "that one window alone reads", np.asarray(count == 1, np.bool_)
    yield "beyond the first element of the last window", _any([_beyond(*axis) for axis in axes])
    yield "in the last place along an axis", _any([np.arange(n) == n - 1 for n in lengths])
    yield "in the first place along an axis", _any([np.arange(n) == 0 for n in lengths])


def _counts(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    inside = index[(index >= 0) & (index < length)]
    return np.bincount(inside.ravel(), minlength=length)


def _beyond(index: NDArray[np.intp], length: int) -> Mask:
    start = int(index[-1, 0]) if index.size else length
    return np.asarray(np.arange(length) > start, np.bool_)


def _outer(axes: Sequence[NDArray[Any]]) -> NDArray[Any]:
    made = axes[0]
    for axis in axes[1:]:
        made = made[..., None] * axis
    return made


def _any(axes: Sequence[NDArray[Any]]) -> Mask:
    """Where any of some conditions, one for each axis, is met."""
    return np.asarray(~_outer([~np.asarray(axis, bool) for axis in axes]).astype(bool), np.bool_)

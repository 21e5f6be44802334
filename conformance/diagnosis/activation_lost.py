"""Where an activation gives NaN or infinity in the place of finite numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from conformance.diagnosis.evaluation import predict, sums_of
from conformance.diagnosis.hypotheses import Failure, operands_of
from conformance.diagnosis.wording import Floats, Mask
from conformance.judge.activations import named
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.outcomes import Value


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
_ROW_BELOW: Final = (
    "where the largest sum of the row lies {} below the largest of all rows, which may be what is "
    "subtracted from each"
)
_BELOW: Final = "where the sum lies {} below the largest of its row"


def not_finite(name: str, failures: Sequence[Failure]) -> str:
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
        keys |= {_BELOW: largest - sums, _ROW_BELOW: sums.max() - largest, _LARGEST: largest}
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
    limits = _UNDERFLOW if key in (_BELOW, _ROW_BELOW) else _OVERFLOW
    found = [words for words, limit in limits.items() if most <= limit <= least]
    return f", as where {found[0]}" if len(found) == 1 else ""


def _limits(words: str, of: Callable[[Format], float]) -> dict[str, float]:
    return {f"{words} in {name}": of(FORMATS[name]) for name in ("float16", "float32", "float64")}


_OVERFLOW: Final = {
    **_limits("exp(x) overflows", lambda fmt: math.log(fmt.largest)),
    **_limits("exp(2x) overflows", lambda fmt: math.log(fmt.largest) / 2),
}
_UNDERFLOW: Final = _limits("exp(x) becomes zero", lambda fmt: -math.log(fmt.quantum))

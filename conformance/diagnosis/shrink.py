"""Shrinking a failing case to a smallest one that still fails for the same reason."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from conformance.cases.case import Case
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.groups import Diagnosis, Group
from conformance.diagnosis.hypotheses import (
    Failure,
    Hypotheses,
    Hypothesis,
    are_compatible,
    failure_of,
)
from conformance.diagnosis.reasons import failure_reason
from conformance.judge.definition import forbidden
from conformance.layers import LAYERS, REQUIRED, SIZES
from conformance.results import Result

_SIZES: Final = ("filters", "groups", *SIZES)
_PLAIN: Final[dict[str, tuple[Any, ...]]] = {
    "seed": (0,),
    "dtype": ("float32",),
    "operands": ("small", "integers"),
}
"""The fields with simpler values, the simplest first."""


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A smallest failing case.

    Attributes:
        case: the case.
        result: its judgement.
        diagnosis: what explains it.
        judged: how many cases were judged on the way.
    """

    case: Case
    result: Result
    diagnosis: Diagnosis
    judged: int


class Shrinker:
    """Shrinks cases on one implementation.

    Args:
        judge: judges a case on the implementation.
        seconds: when to stop, with the smallest case found so far.
    """

    def __init__(self, judge: Callable[[Case], Result], seconds: float = 60.0) -> None:
        self._judge = judge
        self._end = time.monotonic() + seconds
        self._hypotheses = Hypotheses()
        self._judged = 0

    def shrink(self, case: Case) -> Shrunk | None:
        """The smallest case that fails as `case` does; None where `case` does not fail.

        The reason is the same where one known fault, or pair, explains both; where none does,
        where both first differ at the same stage.
        """
        result = self._result_of(case)
        if result.evidence is None:
            return None
        failure = failure_of(result)
        explaining = self._explaining(failure)
        tried = {case}
        while smaller := self._smaller(case, failure, explaining, tried):
            case, result, explaining = smaller
            failure = failure_of(result)
        return Shrunk(case, result, _diagnosis(failure, explaining), self._judged)

    def _result_of(self, case: Case) -> Result:
        self._judged += 1
        return self._judge(case)

    def _smaller(
        self, case: Case, failure: Failure, explaining: list[Hypothesis], tried: set[Case]
    ) -> tuple[Case, Result, list[Hypothesis]] | None:
        """The first smaller case that fails for the same reason; None where none is left."""
        for candidate in candidates(case):
            if time.monotonic() > self._end:
                return None
            if candidate in tried or _prohibition(candidate) != _prohibition(case):
                continue
            tried.add(candidate)
            result = self._result_of(candidate)
            if result.evidence is None:
                continue
            left = self._same_reason(failure, failure_of(result), explaining)
            if left is not None:
                return candidate, result, left
        return None

    def _same_reason(
        self, before: Failure, now: Failure, explaining: list[Hypothesis]
    ) -> list[Hypothesis] | None:
        """The faults that explain both failures; None where the reason is another."""
        if explaining:
            return [one for one in explaining if self._hypotheses.explain(one, now)] or None
        if (before.named, failure_reason(before)) != (now.named, failure_reason(now)):
            return None
        return None if self._explaining_singly(now) else []

    def _explaining(self, failure: Failure) -> list[Hypothesis]:
        """The faults that explain a failure; pairs only where none does alone."""
        if failure.stage in ("inputs", "state", "threads", "repeat", "process"):
            return []
        alone = self._explaining_singly(failure)
        if alone:
            return alone
        pairs = (pair for pair in combinations(FAULTS.values(), 2) if are_compatible(*pair))
        return [pair for pair in pairs if self._hypotheses.explain(pair, failure)]

    def _explaining_singly(self, failure: Failure) -> list[Hypothesis]:
        return [
            (fault,) for fault in FAULTS.values() if self._hypotheses.explain((fault,), failure)
        ]


def _diagnosis(failure: Failure, explaining: list[Hypothesis]) -> Diagnosis:
    """The faults that explain both the first case and the last, else what is said of the last."""
    if not explaining:
        return Diagnosis((Group((failure,), stage=failure_reason(failure), named=failure.named),))
    first, *others = explaining
    return Diagnosis((Group((failure,), first, tuple(others)),))


def _prohibition(case: Case) -> str | None:
    """Why the documentation forbids a case, sizes left out; None where it does not."""
    try:
        reason = forbidden(case)
    except (TypeError, ValueError, AttributeError):
        return "it cannot be read"
    return None if reason is None else re.sub(r"[-\d(), ]+", " ", reason)


def candidates(case: Case) -> Iterator[Case]:
    """Simpler cases, the boldest steps first: defaults, plainer fields, smaller sizes."""
    defaults = LAYERS[case.layer].defaults
    given = [name for name, _ in case.arguments if defaults.get(name, REQUIRED) is not REQUIRED]
    if len(given) > 1:
        yield _without(case, given)
    yield from (_without(case, [name]) for name in given)
    for name, simpler in _PLAIN.items():
        now = getattr(case, name)
        before = simpler.index(now) if now in simpler else len(simpler)
        yield from (case.replace(**{name: value}) for value in simpler[:before])
    yield from _with_smaller_sizes(case)


def _without(case: Case, names: list[str]) -> Case:
    arguments = tuple((name, value) for name, value in case.arguments if name not in names)
    fields = {name: getattr(case, name) for name in ("dtype", "operands", "observe", "seed")}
    return Case.of(case.layer, case.inputs, **fields, **dict(arguments))


def _with_smaller_sizes(case: Case) -> Iterator[Case]:
    """One size made smaller, then all sizes of one value together."""
    places = list(_places(case))
    for place, size in places:
        yield from (_resized(case, [place], smaller) for smaller in _smaller_than(size))
    for value in sorted({size for _, size in places}, reverse=True):
        together = [place for place, size in places if size == value]
        if len(together) > 1:
            yield from (_resized(case, together, smaller) for smaller in _smaller_than(value))


Place = tuple[str, int | None]
"""A field, and an index in it where it is a tuple."""


def _places(case: Case) -> Iterator[tuple[Place, int]]:
    fields = {"inputs": case.inputs} | {n: v for n, v in case.arguments if n in _SIZES}
    for name, value in fields.items():
        if isinstance(value, tuple | list):
            numbered = enumerate(value)
            yield from (((name, i), size) for i, size in numbered if _is_size(size))
        elif _is_size(value):
            yield (name, None), value


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


def _smaller_than(size: int) -> list[int]:
    return list(dict.fromkeys(n for n in (1, size // 2, size - 1) if 0 < n < size))


def _resized(case: Case, places: list[Place], size: int) -> Case:
    changed: dict[str, Any] = {}
    for name, index in places:
        given: Any = case.inputs if name == "inputs" else case.keywords.get(name)
        value = changed.get(name, given)
        if index is None:
            changed[name] = size
        else:
            changed[name] = type(value)([*value[:index], size, *value[index + 1 :]])
    return case.replace(**changed)

"""Answers of an implementation to cases with marked operands, beside the right ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.evaluation import predict, to_channels_last
from conformance.diagnosis.hypotheses import operands_of
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import FAILING, Result

Ask = Callable[[Case], Result]
"""Judges a case on the implementation that is diagnosed.

Raises:
    LateError: if the time for asking is over.
"""


class LateError(Exception):
    """The time for asking is over."""


_MOST_ASKED: Final = 96
"""How many elements are marked in turn; beyond, so many of them at even distances."""


class NotAnsweredError(Exception):
    """A marked case was refused, or its answer has another form."""


@dataclass(frozen=True)
class Answer:
    """What is given for one marked case, and what should be, each with its channels last."""

    mark: int
    given: Any
    right: Any


def answers(case: Case, kind: str, size: int, ask: Ask) -> Iterator[Answer]:
    """The answers with marks at some elements of an array of that size.

    Raises:
        NotAnsweredError: if one has another form.
    """
    for mark in _spread(size):
        marked = case.replace(operands=kind, seed=mark)
        right = _right(marked)
        given = _given(ask(marked), right)
        last = facts(case).channels_first
        yield Answer(mark, _channels_last(given, last), _channels_last(right, last))


def _spread(size: int) -> list[int]:
    """All indices, or so many at even distances, both ends among them."""
    count = min(size, _MOST_ASKED)
    return sorted({int(i) for i in np.linspace(0, size - 1, count).round()})


def _right(case: Case) -> Any:
    if case.observe == "gradients":
        return predict_gradients(case, operands_of(case)).value
    return predict(case, operands_of(case), with_error=False).value


def _given(result: Result, right: Any) -> Any:
    """The answer of a result, in the form of the right one.

    Raises:
        NotAnsweredError: if there is none in that form.
    """
    if result.verdict in (Verdict.CONFORMS, Verdict.UNTRUSTED):
        return right
    outcome = result.evidence.outcome if result.evidence else None
    if result.verdict not in FAILING or not isinstance(outcome, Value):
        raise NotAnsweredError
    if _form(outcome.value) != _form(right):
        raise NotAnsweredError
    return outcome.value


def _form(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: np.shape(array) for name, array in value.items()}
    return np.shape(value)


def _channels_last(value: Any, channels_first: bool) -> Any:
    """As float64, channels moved last; of gradients that of the inputs alone."""
    if isinstance(value, dict):
        moved = {name: channels_first and name == "inputs" for name in value}
        return {name: _channels_last(array, moved[name]) for name, array in value.items()}
    array = np.asarray(value).astype(np.float64)
    return to_channels_last(array) if channels_first else array


def moved(sizes: Sequence[Any], channels_first: bool) -> tuple[Any, ...]:
    """Of sizes or indices, that of the channels moved last."""
    return (sizes[0], *sizes[2:], sizes[1]) if channels_first else tuple(sizes)

"""The diagnosis of a run: what the evidence says of each implementation."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np

from conformance.cases.case import Case
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.faults import Fault
from conformance.diagnosis.groups import Diagnosis
from conformance.diagnosis.hypotheses import Failure, failure_of
from conformance.diagnosis.kept import kept
from conformance.diagnosis.order_words import command_of, depending_on_order
from conformance.diagnosis.questions.asking import asked
from conformance.diagnosis.refusals import meaningless, told_apart
from conformance.diagnosis.stage_words import REFUSAL
from conformance.judge.verdict import Verdict
from conformance.results import Result

Ask = Callable[[str, Case], Result]
"""Judges a case on an implementation, given as it is asked for."""


class Order(Protocol):
    """Failures that depend on the order of calls (see `conformance.running.order`)."""

    @property
    def implementation(self) -> str:
        """As it is asked for."""

    @property
    def cases(self) -> frozenset[Case]:
        """Those that conform when they are run alone."""

    @property
    def sequence(self) -> tuple[Case, ...]:
        """A short sequence that shows it."""


_NO_ORDER: Mapping[str, Order] = MappingProxyType({})


@np.errstate(all="ignore")
def diagnosed(
    results: Sequence[Result], order: Mapping[str, Order] = _NO_ORDER, ask: Ask | None = None
) -> tuple[list[Result], dict[str, Diagnosis]]:
    """Diagnose every implementation that fails.

    Args:
        results: the results of a run.
        order: what is known of failures that depend on the order of calls, by implementation.
        ask: judges further cases, where the implementations can still be asked.

    Those that follow another reading of an ambiguous clause everywhere conform.  Refusals of whole
    kinds of cases (`refusals`) are told as such, and explain nothing else.  Rejections by a message
    that refuses valid arguments as often count for nothing.

    Returns:
        The results, those of failing cases with their diagnosis; and the diagnoses by the names of
        the implementations.
    """
    names = dict.fromkeys(result.implementation for result in results)
    found: dict[str, Diagnosis] = {}
    results = _refusals_apart(_rejections_that_tell(results, names), names)
    for name in names:
        own = [r for r in results if r.implementation == name and r.stage != REFUSAL]
        diagnosis = _of_one(own, order.get(name))
        if diagnosis is not None and ask is not None:
            diagnosis = _asked(diagnosis, own, ask)
        if diagnosis is not None:
            found[name] = diagnosis
    told = [_with_diagnosis(result, found) for result in results]
    return [_with_sequence(result, order.get(result.implementation)) for result in told], found


def diagnosed_if_possible(
    results: list[Result], order: Mapping[str, Order] = _NO_ORDER, ask: Ask | None = None
) -> tuple[list[Result], str]:
    """The results with their diagnoses, as `diagnosed` gives them, and what is to be noted of them.

    That is where less was asked than there was to ask.  Where the diagnosis itself breaks, which is
    a fault of this suite, the verdicts are not lost with it: the results as they were, and a text
    that says so.  Where it breaks as the implementation is asked further, what is known without
    stands.
    """
    try:
        told, found = diagnosed(results, order, ask)
        return told, " ".join(
            _cut(name, one.cut_after) for name, one in found.items() if one.cut_after
        )
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__} in {where.name}, line {where.lineno}: {error}"
        if ask is None:
            return results, f"{UNEXPLAINED}; the verdicts stand. Please report it: {what}"
        told, further = diagnosed_if_possible(results, order)
        return told, further or f"{NOT_ASKED}; what is said stands. Please report it: {what}"


def _cut(name: str, seconds: float) -> str:
    return (
        f"{name} was asked further cases about its failures for {seconds:g} s only; with more time "
        "more might be said of them."
    )


UNEXPLAINED: Final = "The failures are not explained, by a fault of conformance itself"
NOT_ASKED: Final = (
    "The implementation was asked nothing further about its failures, by a fault of conformance "
    "itself"
)


def _rejections_that_tell(results: Sequence[Result], names: Iterable[str]) -> list[Result]:
    """The results; right rejections are none whose message does not say what is forbidden."""
    empty = {name: meaningless([r for r in results if r.implementation == name]) for name in names}
    return [
        replace(r, verdict=Verdict.UNSUPPORTED, message=words, rejection=None)
        if (words := empty[r.implementation].get(r.case))
        else r
        for r in results
    ]


def _refusals_apart(results: Sequence[Result], names: Iterable[str]) -> list[Result]:
    """The results, those marked that are refusals of a whole kind of cases."""
    apart = {name: told_apart([r for r in results if r.implementation == name]) for name in names}
    return [
        replace(r, stage=REFUSAL, diagnosis=words, evidence=None)
        if r.evidence and (words := apart[r.implementation].get(r.case))
        else r
        for r in results
    ]


def _with_sequence(result: Result, order: Order | None) -> Result:
    """With the command for the whole sequence where the result is that of its last case."""
    if order is None or not order.sequence or result.case != order.sequence[-1]:
        return result
    return replace(result, reproduce=command_of(order.sequence, order.implementation))


def _of_one(results: Sequence[Result], order: Order | None) -> Diagnosis | None:
    failures = [failure_of(result) for result in results if result.evidence]
    if not failures:
        return None
    passed = [result.case for result in results if result.verdict is Verdict.CONFORMS]
    if order is None:
        return diagnose(failures, passed)
    dependent = [failure for failure in failures if failure.case in order.cases]
    rest = [failure for failure in failures if failure.case not in order.cases]
    known = _what_comes_out(dependent, [result.case for result in results], passed)
    group = depending_on_order(dependent, order.sequence, order.implementation, known)
    found = diagnose(rest, passed)
    return Diagnosis((group, *found.groups), found.readings) if found else Diagnosis((group,))


def _asked(diagnosis: Diagnosis, results: Sequence[Result], ask: Ask) -> Diagnosis:
    """The diagnosis of results, with what further questions tell."""
    spec = next(result.evidence.spec for result in results if result.evidence)
    passed = [result.case for result in results if result.verdict is Verdict.CONFORMS]
    return asked(diagnosis, passed, lambda case: ask(spec, case))


def _what_comes_out(dependent: Sequence[Failure], run: Sequence[Case], passed: list[Case]) -> str:
    """What failures that depend on the order give: something of an earlier call, or else what."""
    words = kept(dependent, run)
    found = None if words else diagnose(dependent, passed)
    if not found:
        return words
    most = max(found.groups, key=lambda group: len(group.failures), default=None)
    return most.reason if most and 2 * len(most.failures) > len(dependent) else ""


def _with_diagnosis(result: Result, found: dict[str, Diagnosis]) -> Result:
    if result.evidence is None:
        return result
    diagnosis, case = found[result.implementation], result.evidence.case
    for group in diagnosis.readings:
        if group.reading and any(failure.case == case for failure in group.failures):
            return by_reading(result, *group.reading)
    return replace(result, diagnosis=diagnosis.of(case))


def by_reading(result: Result, fault: Fault, clause: str) -> Result:
    """The result as one that conforms, since another reading of an ambiguous clause explains it.

    No other result that conforms has a message.
    """
    message = f"Conforms to another reading of {clause}, which is ambiguous: {fault.sentence}."
    return replace(result, verdict=Verdict.CONFORMS, message=message, stage="", evidence=None)

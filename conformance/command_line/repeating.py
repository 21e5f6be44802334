"""``--max-failures`` and ``--retries``: when a run stops, and what is judged again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from conformance.cases.case import Case
from conformance.results import ACCEPTED, FAILING, Result

FLAKY: Final = "flaky: the answer changes from run to run"
"""The diagnosis of a case that fails in one run and does not in another."""

Judge = Callable[[list[Case], str], Iterable[Result]]
"""Judges cases on the implementation of that specification, in a run of their own."""


def until_failures(results: Iterable[Result], most: int | None) -> Iterator[Result]:
    """The results up to the one with which `most` have failed; all of them for None."""
    failures = 0
    for result in results:
        yield result
        failures += result.verdict not in ACCEPTED
        if most is not None and failures >= most:
            return


def retried(results: Sequence[Result], retries: int, judge: Judge) -> list[Result]:
    """Judge what fails `retries` times more; of what does not fail in one of them, say so.

    Such a result keeps its verdict: an answer that is right now and then is not a right one.
    """
    failing: dict[str, list[Case]] = defaultdict(list)
    for result in results:
        if result.verdict in FAILING and result.evidence is not None:
            failing[result.evidence.spec].append(result.case)
    accepted: Counter[tuple[str, str]] = Counter()
    for spec, cases in failing.items():
        for _ in range(retries):
            again = (one for one in judge(cases, spec) if one.verdict not in FAILING)
            accepted.update((one.implementation, str(one.case)) for one in again)
    return [
        _flaky(one, accepted[one.implementation, str(one.case)], retries)
        if one.verdict in FAILING
        else one
        for one in results
    ]


def _flaky(result: Result, accepted: int, retries: int) -> Result:
    if not accepted:
        return result
    message = f"Failed, and did not in {accepted} of {retries} further runs: {result.message}"
    return replace(result, message=message, diagnosis=FLAKY, evidence=None)

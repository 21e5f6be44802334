"""``--max-failures`` and ``--retries``: when a run stops, and what is judged again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from conformance.results import ACCEPTED, FAILING, Result
from conformance.runner import Limits, Runner

FLAKY: Final = "flaky: the answer changes from run to run"
"""The diagnosis of a case that fails in one run and conforms in another."""


def until_failures(results: Iterable[Result], most: int | None) -> Iterator[Result]:
    """The results up to the one with which `most` have failed; all of them for None."""
    failures = 0
    for result in results:
        yield result
        failures += result.verdict not in ACCEPTED
        if most is not None and failures >= most:
            return


def retried(results: Sequence[Result], retries: int, limits: Limits) -> list[Result]:
    """Judge what fails `retries` times more; of what conforms in one of them, say so.

    Such a result keeps its verdict: an answer that is right now and then is not a right one.
    """
    failing: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.verdict in FAILING and result.evidence is not None:
            failing[result.evidence.spec].append(result)
    again: dict[tuple[str, str], int] = defaultdict(int)
    for spec, own in failing.items():
        for _ in range(retries):
            for key in _accepted_now(spec, own, limits):
                again[key] += 1
    return [_flaky(one, again.get((one.implementation, one.case), 0), retries) for one in results]


def _accepted_now(
    spec: str, failing: Sequence[Result], limits: Limits
) -> Iterator[tuple[str, str]]:
    """Which of the cases do not fail in a run of their own, by implementation and descriptor."""
    cases = [result.evidence.case for result in failing if result.evidence is not None]
    with Runner(cases, [spec], limits=limits) as runner:
        for result in runner:
            if result.verdict not in FAILING:
                yield result.implementation, result.case


def _flaky(result: Result, accepted: int, retries: int) -> Result:
    if not accepted:
        return result
    message = f"Failed, and did not in {accepted} of {retries} further runs: {result.message}"
    return replace(result, message=message, diagnosis=FLAKY, evidence=None)

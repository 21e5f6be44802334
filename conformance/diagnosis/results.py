"""The diagnosis of a run: which evidence is kept, and what it says of each implementation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from conformance.diagnosis.diagnosis import Diagnosis, Failure, diagnose
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Result

EVIDENCE_BYTES: Final = 256 << 20
"""Outputs of failing cases that are kept for the diagnosis; a case beyond it goes without."""


def bounded(results: Iterable[Result], limit: int = EVIDENCE_BYTES) -> Iterator[Result]:
    """The results; the evidence of those beyond so many bytes of outputs is dropped."""
    used = 0
    for result in results:
        size = _size(result)
        used += size
        yield replace(result, evidence=None) if size and used > limit else result


def _size(result: Result) -> int:
    outcome = result.evidence.outcome if result.evidence else None
    return int(getattr(outcome.value, "nbytes", 0)) if isinstance(outcome, Value) else 0


def diagnosed(results: Sequence[Result]) -> tuple[list[Result], dict[str, Diagnosis]]:
    """Diagnose every implementation that fails.

    Returns:
        The results, those of failing cases with their diagnosis; and the diagnoses by the names of
        the implementations.
    """
    names = dict.fromkeys(result.implementation for result in results)
    found: dict[str, Diagnosis] = {}
    for name in names:
        diagnosis = _of_one([result for result in results if result.implementation == name])
        if diagnosis is not None:
            found[name] = diagnosis
    return [_with_diagnosis(result, found) for result in results], found


def _of_one(results: Sequence[Result]) -> Diagnosis | None:
    failures = [failure_of(result) for result in results if result.evidence]
    if not failures:
        return None
    passed = [result.case for result in results if result.verdict is Verdict.CONFORMS]
    return diagnose(failures, passed)


def failure_of(result: Result) -> Failure:
    """A failing result with its evidence, as the diagnosis takes it."""
    evidence: Any = result.evidence
    return Failure(evidence.case, evidence.outcome, evidence.stage, result.diagnosis)


def _with_diagnosis(result: Result, found: dict[str, Diagnosis]) -> Result:
    if result.evidence is None:
        return result
    reason = found[result.implementation].of(result.evidence.case)
    return replace(result, diagnosis=reason)

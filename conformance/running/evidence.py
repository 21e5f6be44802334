"""Which evidence of a run is kept for its diagnosis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

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

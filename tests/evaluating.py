"""Evaluating cases on an implementation's isolated process, without judging."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.outcomes import Outcome
from conformance.running.attendant import Attendant
from conformance.running.limits import Limits

PLUGINS = Path(__file__).parent / "plugins"


def outcomes_of(spec: str, cases: Sequence[Case], limits: Limits | None = None) -> list[Outcome]:
    """The outcome of every case, in order."""
    attendant = Attendant(registry.resolve(spec), limits or Limits())
    try:
        for case in cases:
            attendant.ask(case)
        found = [attendant.outcome(case)[0] for case in cases]
    except BaseException:
        attendant.close(at_once=True)
        raise
    attendant.close()
    return found

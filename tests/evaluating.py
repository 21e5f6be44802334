"""Evaluating cases on an implementation's worker processes, without judging."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from pathlib import Path

from conformance.cases.case import Case
from conformance.implementations import registry
from conformance.implementations.process import Events
from conformance.outcomes import Outcome
from conformance.running.team import Limits, Team

PLUGINS = Path(__file__).parent / "plugins"


def outcomes_of(
    spec: str, cases: Sequence[Case], limits: Limits | None = None, workers: int = 1
) -> list[Outcome]:
    """The outcome of every case, in order."""
    events: Events = queue.SimpleQueue()
    team = Team(registry.resolve(spec), cases, events, workers, limits or Limits(), {})
    outcomes: dict[int, Outcome] = {}
    try:
        while len(outcomes) < len(cases):
            team.feed(len(cases))
            try:
                event = events.get(timeout=min(1.0, max(0.0, team.deadline() - time.monotonic())))
            except queue.Empty:
                outcomes |= dict(team.look_after())
                continue
            if team.owns(event):
                outcomes |= dict(team.handle(event))
    finally:
        team.close(finished=True)
    return [outcomes[index] for index in range(len(cases))]

"""The cases of all scenarios."""

from __future__ import annotations

from conformance.cases.case import Case


def cases() -> list[Case]:
    """The cases of all scenarios."""
    from conformance.cases.scenarios import scenario_cases  # its cases need the layers

    return scenario_cases()

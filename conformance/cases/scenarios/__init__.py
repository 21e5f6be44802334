"""Scenarios: what a case observes where it is not one layer's output, shape or rejection.

A scenario makes a few calls of the Keras API and returns a literal; what the documentation implies
is derived by hand beside it.  The same functions run on `reference_impl` and on tf.keras.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from conformance.cases.case import Case
from conformance.cases.scenarios import (
    configuration,
    first_values,
    functions,
    inputs,
    models,
    penalties,
    projections,
    settings,
    training,
    weights,
)
from conformance.cases.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "Scenario", "scenario_cases"]

_MODULES: Final = (
    configuration,
    weights,
    functions,
    first_values,
    penalties,
    projections,
    models,
    inputs,
    settings,
    training,
)

SCENARIOS: Final[MappingProxyType[str, Scenario]] = MappingProxyType(
    {scenario.name: scenario for module in _MODULES for scenario in module.SCENARIOS}
)
"""Every scenario by its name, which is a case's ``observe``."""


def scenario_cases() -> list[Case]:
    """The cases of all scenarios."""
    return [case for scenario in SCENARIOS.values() for case in scenario.cases]

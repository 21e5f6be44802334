"""Effects on losses and training steps: what earlier releases of Keras 3 give."""

from __future__ import annotations

from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from conformance.cases.case import Case
from conformance.cases.scenarios.training import exact_steps
from conformance.outcomes import Value

if TYPE_CHECKING:
    from conformance.known.record import Found

_DIGIT: Final = 1e-4
"""Losses are literals of five significant digits: two roundings of half a unit of the last one."""


def losses_times_batch(found: Found) -> bool:
    """Losses of activity regularizers are not divided by the batch, which is 2."""
    outcome, expected = found.outcome, found.derive()[1].value
    if not isinstance(outcome, Value) or not isinstance(outcome.value, list | tuple):
        return False
    if not isinstance(expected, list | tuple) or len(outcome.value) != len(expected):
        return False
    pairs = zip(outcome.value, expected, strict=True)
    return all(_near(given, wanted) or _near(given, 2 * wanted) for given, wanted in pairs)


def earlier_training(found: Found) -> bool:
    """A loss is the mean of those since `compile`, activity regularizers count once a sample."""
    outcome = found.outcome
    steps = outcome.value if isinstance(outcome, Value) else None
    if not isinstance(steps, list | tuple) or not all(isinstance(step, dict) for step in steps):
        return False
    cases = {found.case, _with_activity_times_batch(found.case)}
    return any(_are_steps(steps, case, mean) for case, mean in product(cases, (True, False)))


def _are_steps(steps: Any, case: Case, mean: bool) -> bool:
    """Whether a literal of steps is that of a case, with running means of losses if asked for."""
    exact = exact_steps(case)
    losses = [loss for loss, _ in exact]
    wanted = [fmean(losses[: i + 1]) for i in range(len(losses))] if mean else losses
    return len(steps) == len(exact) and all(
        step.keys() == {"loss", "weights"}
        and _near(step["loss"], loss)
        and _plain(step["weights"]) == _plain(weights)
        for step, loss, (_, weights) in zip(steps, wanted, exact, strict=True)
    )


def _plain(weights: Any) -> Any:
    """Nested sequences as lists of floats, to be compared by value."""
    return list(map(_plain, weights)) if isinstance(weights, list | tuple) else float(weights)


def _near(given: Any, wanted: float) -> bool:
    return isinstance(given, int | float) and abs(given - wanted) <= _DIGIT * abs(wanted)


def _with_activity_times_batch(case: Case) -> Case:
    """The case with its activity regularizer's factors multiplied by the batch."""
    given = case.keywords.get("activity_regularizer")
    if not isinstance(given, dict) or not case.inputs or case.inputs[0] is None:
        return case
    config = {name: factor * case.inputs[0] for name, factor in given["config"].items()}
    return case.replace(activity_regularizer={**given, "config": config})

"""Weights: their layout, and the number of channels they fix."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.scenarios.scenario import (
    Scenario,
    attempt,
    construct,
)
from conformance.cases.scenarios.weighted import (
    inputs_of,
    of_each,
)


def _observe_layout(keras: Any, case: Case) -> Any:
    layer = construct(keras, case)
    layer.build(case.inputs)
    return [list(weight.shape) for weight in layer.get_weights()]


def _expect_layout(case: Case) -> Any:
    """The kernel is (*window, channels, filters), then the bias (filters,), where there is one."""
    known = facts(case)
    filters = known.config["filters"]
    kernel = [*known.window, known.channels, filters]
    return [kernel, [filters]] if known.config["use_bias"] else [kernel]


def _layout_cases() -> tuple[Case, ...]:
    conv2d = {"filters": 5, "kernel_size": (3, 2)}
    return (
        Case.of("Conv1D", (2, 9, 4), observe="weights", filters=5, kernel_size=3),
        Case.of("Conv1D", (2, 9, 4), observe="weights", filters=5, kernel_size=3, use_bias=False),
        Case.of("Conv2D", (2, 9, 8, 4), observe="weights", **conv2d),
        Case.of("Conv2D", (2, 9, 8, 4), observe="weights", **conv2d, use_bias=False),
        Case.of("Conv2D", (2, 4, 9, 8), observe="weights", **conv2d, data_format="channels_first"),
    )


def _observe_other_channels(keras: Any, case: Case) -> Any:
    """What a built layer does with one more channel than it was built for."""
    layer = construct(keras, case)
    inputs = np.zeros(inputs_of(case.layer), np.float32)
    layer(inputs)
    return attempt(lambda: layer(np.concatenate([inputs, inputs[..., :1]], axis=-1)))


def _observe_integer_dtype(keras: Any, case: Case) -> Any:
    """What a layer of an integer dtype does with integers."""
    inputs = np.ones(inputs_of(case.layer), np.int32)
    return attempt(lambda: construct(keras, case, dtype="int32")(inputs))


SCENARIOS: Final = (
    Scenario("weights", _observe_layout, _expect_layout, _layout_cases()),
    Scenario(
        "other_channels",
        _observe_other_channels,
        lambda _: "rejected",
        of_each("other_channels"),
    ),
    Scenario(
        "integer_dtype",
        _observe_integer_dtype,
        lambda _: "rejected",
        of_each("integer_dtype"),
    ),
)

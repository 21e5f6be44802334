"""The scenarios: expected literals that the oracle meets, and that a planted fault misses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import reference_impl as keras
from conformance.cases.case import Case, parse
from conformance.cases.operands import has_its_dtype
from conformance.cases.scenarios import SCENARIOS, Scenario, scenario_cases
from conformance.cases.scenarios.scenario import decimals, known_shape, significant

CASES = scenario_cases()
BY_DESCRIPTOR = {case.descriptor: case for case in CASES}


@pytest.mark.parametrize("descriptor", BY_DESCRIPTOR)
def test_oracle_gives_what_the_documentation_implies(descriptor: str) -> None:
    """The literal derived by hand from the documentation."""
    case = BY_DESCRIPTOR[descriptor]
    if not has_its_dtype(case):
        pytest.skip("the case's dtype needs ml_dtypes")
    scenario = SCENARIOS[case.observe]
    assert scenario.run(keras, case) == scenario.expected(case)


def test_cases_are_distinct_and_parse_back() -> None:
    assert len(BY_DESCRIPTOR) == len(CASES)
    assert [parse(descriptor) for descriptor in BY_DESCRIPTOR] == CASES


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_cases_observe_their_own_scenario(scenario: Scenario) -> None:
    assert scenario.cases
    assert {case.observe for case in scenario.cases} == {scenario.name}


def test_case_that_is_not_listed_is_refused() -> None:
    """No expected value is made up; the message names the cases there are."""
    unlisted = Case.of("Flatten", (3, 5), observe="example")
    with pytest.raises(ValueError, match=r"no expected value is listed.*Flatten/observe:example"):
        SCENARIOS["example"].expected(unlisted)


def test_case_without_inputs_is_refused_where_they_are_needed() -> None:
    with pytest.raises(ValueError, match="gives no inputs"):
        known_shape(Case.of("Flatten", observe="first_layer"))


def test_global_setting_is_restored() -> None:
    """Also where a layer cannot be made under the setting."""

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("planted")

    case = BY_DESCRIPTOR["Flatten/observe:example/data_format:channels_first"]
    before = keras.backend.image_data_format()
    SCENARIOS["example"].run(keras, case)
    assert keras.backend.image_data_format() == before
    with pytest.raises(RuntimeError, match="planted"):
        SCENARIOS["example"].run(with_layer("Conv2D", fail), case)
    assert keras.backend.image_data_format() == before


def with_layer(name: str, layer: Any) -> Any:
    """The oracle with one of its layers replaced."""
    layers = SimpleNamespace(**{n: getattr(keras.layers, n) for n in keras.layers.__all__})
    setattr(layers, name, layer)
    names = ("backend", "initializers", "models", "regularizers")
    return SimpleNamespace(layers=layers, **{n: getattr(keras, n) for n in names})


class WithoutPenalty(keras.layers.Conv1D):
    """Forgets every penalty."""

    losses = ()


class WithBiasLayout(keras.layers.Conv2D):
    """Lists the bias first."""

    def get_weights(self) -> Any:
        return super().get_weights()[::-1]


class OnlyOnes(keras.layers.Conv1D):
    """Starts from ones whatever the initializer."""

    def get_weights(self) -> Any:
        return [weight * 0 + 1 for weight in super().get_weights()]


@pytest.mark.parametrize(
    ("layer", "fault", "descriptor"),
    [
        (
            "Conv1D",
            WithoutPenalty,
            "Conv1D/observe:losses/filters:2/kernel_size:2/kernel_regularizer:l2",
        ),
        (
            "Conv2D",
            WithBiasLayout,
            "Conv2D/observe:weights/inputs:2x9x8x4/filters:5/kernel_size:3x2",
        ),
        (
            "Conv1D",
            OnlyOnes,
            "Conv1D/observe:initial_weights/filters:2/kernel_size:2/kernel_initializer:zeros",
        ),
    ],
)
def test_planted_fault_is_seen(layer: str, fault: Any, descriptor: str) -> None:
    """A scenario that any implementation passes would be worth nothing."""
    case = BY_DESCRIPTOR[descriptor]
    scenario = SCENARIOS[case.observe]
    assert scenario.run(with_layer(layer, fault), case) != scenario.expected(case)


def test_rounding_keeps_what_it_says() -> None:
    """Five decimals without a negative zero, five significant digits."""
    assert decimals([-1e-9, 0.123456, -2.0]) == [0.0, 0.12346, -2.0]
    assert significant(0.000123456) == 0.00012346


@pytest.mark.parametrize(
    ("descriptor", "message"),
    [
        (
            "Conv1D/observe:default_value/filters:4/kernel_size:3",
            "gives 0 arguments",
        ),
        (
            "Conv1D/observe:initial_weights/filters:2/kernel_size:2/kernel_initializer:he_normal",
            "he_normal is none of zeros",
        ),
        (
            "Conv1D/observe:losses/filters:2/kernel_size:2/kernel_regularizer:l3",
            "l3 is none of l1, l2, l1l2",
        ),
    ],
)
def test_case_of_the_users_own_is_refused_in_words(descriptor: str, message: str) -> None:
    """`conformance run --case` may name cases whose literal nobody derived."""
    case = parse(descriptor)
    with pytest.raises(ValueError, match=message):
        SCENARIOS[case.observe].expected(case)

"""Constructor arguments: defaults, positions, keywords, and the configuration that keeps them."""

from __future__ import annotations

import json
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import Scenario, construct
from conformance.layers import IDENTIFIERS, LAYERS, REQUIRED, sizes_of
from conformance.layers.registry import called_layers, convolution_layers


def _canonical(case: Case, argument: str, value: Any, given: Any) -> Any:
    """An argument's value in the one form in which the given and the kept one can be compared.

    Sizes become tuples; names lose the difference between ``glorot_uniform`` and
    ``GlorotUniform``; of a configuration only the parameters that were given remain.
    """
    layer = LAYERS[case.layer]
    if argument in layer.sizes and value is not None:
        return sizes_of(value, layer.rank)
    if argument.endswith(IDENTIFIERS):
        return _identifier(value, given)
    return value


def _identifier(value: Any, given: Any) -> Any:
    if not isinstance(value, dict):
        return value if value is None else value.replace("_", "").lower()
    name = value["class_name"].replace("_", "").lower()
    parameters = given.get("config", {}) if isinstance(given, dict) else {}
    return [name, *(round(value["config"][key], 6) for key in parameters)] if parameters else name


def _kept(case: Case, config: dict[str, Any]) -> dict[str, Any]:
    """The case's arguments as a layer's configuration has them."""
    return {
        argument: _canonical(case, argument, config.get(argument), given)
        for argument, given in case.arguments
    }


def _given(case: Case) -> dict[str, Any]:
    """The case's arguments as a configuration should have them.

    Derivation: the configuration keeps what was given; None stands for the linear activation,
    for channels_last (where keras.json does not say otherwise), and for strides of pool_size.
    """
    stands_for: dict[str, Any] = {"activation": "linear", "data_format": "channels_last"}
    layer = LAYERS[case.layer]
    if layer.strides_by_window:
        stands_for["strides"] = case.keywords.get(layer.window, layer.signature[layer.window])
    given = {
        argument: stands_for.get(argument) if value is None else value
        for argument, value in case.arguments
    }
    return {name: _canonical(case, name, value, value) for name, value in given.items()}


def _examined(case: Case) -> str:
    """The one argument of the case that is not a required one."""
    names = [n for n in case.keywords if LAYERS[case.layer].signature.get(n, REQUIRED) != REQUIRED]
    if len(names) != 1:
        raise ValueError(f"{case} gives {len(names)} arguments with a default; expected one")
    return names[0]


def _observe_default(keras: Any, case: Case) -> Any:
    """The configuration of a layer constructed without the argument that the case gives."""
    argument = _examined(case)
    required = {name: value for name, value in case.arguments if name != argument}
    omitted = getattr(keras.layers, case.layer)(**required).get_config()
    given = construct(keras, case).get_config()
    return {
        argument: _kept(case, omitted)[argument],
        "as if given": all(omitted[key] == given[key] for key in omitted if key != "name"),
    }


def _expect_default(case: Case) -> Any:
    """The case gives the documented default, so leaving it out makes no difference."""
    argument = _examined(case)
    return {argument: _given(case)[argument], "as if given": True}


def _observe_positions(keras: Any, case: Case) -> Any:
    """The arguments given by position, in the order of the constructor line."""
    arguments = [
        case.keywords[name] for name in LAYERS[case.layer].signature if name in case.keywords
    ]
    layer = getattr(keras.layers, case.layer)(*arguments)
    return _kept(case, layer.get_config())


def _observe_round_trip(keras: Any, case: Case) -> Any:
    """The arguments kept by a layer made from the configuration, by way of JSON."""
    layer = construct(keras, case)
    config = json.loads(json.dumps(layer.get_config()))
    return _kept(case, type(layer).from_config(config).get_config())


_PARAMETERS: Final[dict[str, Any]] = {
    "kernel_initializer": {"class_name": "RandomUniform", "config": {"minval": -1, "maxval": 1}},
    "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}},
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}},
    "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 3}},
}


def _of(observe: str, layer: str, **arguments: Any) -> Case:
    return Case.of(layer, observe=observe, **({**LAYERS[layer].minimal} | arguments))


def _default_cases() -> tuple[Case, ...]:
    return tuple(
        _of("default_value", layer, **{name: default})
        for layer in called_layers()
        for name, default in LAYERS[layer].signature.items()
        if default != REQUIRED
    )


def _position_cases() -> tuple[Case, ...]:
    """The first arguments of each layer, strides left at 1 where they would meet a dilation."""
    cases = []
    for layer in called_layers():
        known = LAYERS[layer]
        values = {**known.minimal, **known.other_values}
        for count in known.positions:
            chosen = {name: values[name] for name in [*known.signature][:count]}
            if "dilation_rate" in chosen:
                chosen["strides"] = 1
            cases.append(_of("positional_arguments", layer, **chosen))
    return tuple(cases)


def _round_trip_cases() -> tuple[Case, ...]:
    single = [
        _of("configuration", layer, **{name: value})
        for layer in called_layers()
        for name, value in LAYERS[layer].other_values.items()
    ]
    together = [
        _of(
            "configuration",
            layer,
            **{**LAYERS[layer].other_values, "dilation_rate": 1, **_PARAMETERS},
        )
        for layer in convolution_layers()
    ]
    added = [
        _of("configuration", layer, groups=2, filters=6)
        for layer in LAYERS.names(lambda one: "groups" in one.added)
    ]
    causal = [
        _of("configuration", layer, padding="causal")
        for layer in LAYERS.names(lambda one: "causal" in one.paddings)
    ]
    return (*single, *together, *added, *causal)


SCENARIOS: Final = (
    Scenario("default_value", _observe_default, _expect_default, _default_cases()),
    Scenario("positional_arguments", _observe_positions, _given, _position_cases()),
    Scenario("configuration", _observe_round_trip, _given, _round_trip_cases()),
)

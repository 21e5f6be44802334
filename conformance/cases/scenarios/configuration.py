"""Constructor arguments: defaults, positions, keywords, and the configuration that keeps them."""

from __future__ import annotations

import json
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import Scenario, construct
from conformance.spec.signatures import RANK, REQUIRED, SIGNATURES

_SIZES: Final = ("kernel_size", "pool_size", "strides", "dilation_rate")
_IDENTIFIERS: Final = ("initializer", "regularizer", "constraint")


def _canonical(case: Case, argument: str, value: Any, given: Any) -> Any:
    """An argument's value in the one form in which the given and the kept one can be compared.

    Sizes become tuples; names lose the difference between ``glorot_uniform`` and
    ``GlorotUniform``; of a configuration only the parameters that were given remain.
    """
    if argument in _SIZES and value is not None:
        return (value,) * RANK[case.layer] if isinstance(value, int) else tuple(value)
    if argument.endswith(_IDENTIFIERS):
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
    stands_for = {"activation": "linear", "data_format": "channels_last"}
    if case.layer.startswith("MaxPooling"):
        stands_for["strides"] = case.keywords.get("pool_size", SIGNATURES[case.layer]["pool_size"])
    given = {
        argument: stands_for.get(argument) if value is None else value
        for argument, value in case.arguments
    }
    return {name: _canonical(case, name, value, value) for name, value in given.items()}


def _examined(case: Case) -> str:
    """The one argument of the case that is not a required one."""
    names = [n for n in case.keywords if SIGNATURES[case.layer].get(n, REQUIRED) != REQUIRED]
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
    arguments = [case.keywords[name] for name in SIGNATURES[case.layer] if name in case.keywords]
    layer = getattr(keras.layers, case.layer)(*arguments)
    return _kept(case, layer.get_config())


def _observe_round_trip(keras: Any, case: Case) -> Any:
    """The arguments kept by a layer made from the configuration, by way of JSON."""
    layer = construct(keras, case)
    config = json.loads(json.dumps(layer.get_config()))
    return _kept(case, type(layer).from_config(config).get_config())


_MINIMAL: Final[dict[str, dict[str, Any]]] = {
    "Conv1D": {"filters": 4, "kernel_size": 3},
    "Conv2D": {"filters": 4, "kernel_size": 3},
    "MaxPooling1D": {},
    "MaxPooling2D": {},
    "Flatten": {},
}

_WEIGHTED: Final[dict[str, Any]] = {
    "activation": "relu",
    "use_bias": False,
    "kernel_initializer": "he_normal",
    "bias_initializer": "ones",
    "kernel_regularizer": "l2",
    "bias_regularizer": "l1",
    "activity_regularizer": "l1",
    "kernel_constraint": "max_norm",
    "bias_constraint": "non_neg",
}

_OTHER_VALUES: Final[dict[str, dict[str, Any]]] = {
    "Conv1D": {"strides": 2, "padding": "same", "dilation_rate": 3, **_WEIGHTED},
    "Conv2D": {
        "strides": (2, 3),
        "padding": "same",
        "data_format": "channels_first",
        "dilation_rate": (3, 2),
        **_WEIGHTED,
    },
    "MaxPooling1D": {"pool_size": 3, "strides": 4, "padding": "same"},
    "MaxPooling2D": {
        "pool_size": (3, 4),
        "strides": (1, 2),
        "padding": "same",
        "data_format": "channels_first",
    },
    "Flatten": {"data_format": "channels_first"},
}
"""A value other than the default for every argument that has one."""

_PARAMETERS: Final[dict[str, Any]] = {
    "kernel_initializer": {"class_name": "RandomUniform", "config": {"minval": -1, "maxval": 1}},
    "bias_initializer": {"class_name": "Constant", "config": {"value": 0.5}},
    "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.25, "l2": 0.5}},
    "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 3}},
}


def _of(observe: str, layer: str, **arguments: Any) -> Case:
    return Case.of(layer, observe=observe, **(_MINIMAL[layer] | arguments))


def _default_cases() -> tuple[Case, ...]:
    return tuple(
        _of("default_value", layer, **{name: default})
        for layer in _MINIMAL
        for name, default in SIGNATURES[layer].items()
        if default != REQUIRED
    )


_POSITIONS: Final[dict[str, tuple[int, ...]]] = {
    "Conv1D": (4, 5, 14),
    "Conv2D": (6, 7, 15),
    "MaxPooling1D": (2, 3),
    "MaxPooling2D": (3, 4),
    "Flatten": (1,),
}
"""Numbers of arguments given by position: on both sides of each newer argument, and all."""


def _position_cases() -> tuple[Case, ...]:
    """The first arguments of each layer, strides left at 1 where they would meet a dilation."""
    cases = []
    for layer, counts in _POSITIONS.items():
        values: dict[str, Any] = _MINIMAL[layer] | _OTHER_VALUES[layer]
        for count in counts:
            chosen = {name: values[name] for name in [*SIGNATURES[layer]][:count]}
            if "dilation_rate" in chosen:
                chosen["strides"] = 1
            cases.append(_of("positional_arguments", layer, **chosen))
    return tuple(cases)


def _round_trip_cases() -> tuple[Case, ...]:
    single = [
        _of("configuration", layer, **{name: value})
        for layer, others in _OTHER_VALUES.items()
        for name, value in others.items()
    ]
    together = [
        _of("configuration", layer, **(_OTHER_VALUES[layer] | {"dilation_rate": 1} | _PARAMETERS))
        for layer in ("Conv1D", "Conv2D")
    ]
    return (*single, *together)


SCENARIOS: Final = (
    Scenario("default_value", _observe_default, _expect_default, _default_cases()),
    Scenario("positional_arguments", _observe_positions, _given, _position_cases()),
    Scenario("configuration", _observe_round_trip, _given, _round_trip_cases()),
)

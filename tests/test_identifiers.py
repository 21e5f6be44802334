"""One mechanism for names, objects, classes, configurations and callables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from reference_impl import activations, constraints, initializers, regularizers
from reference_impl.config import READINGS, reading_as
from reference_impl.engine.identifiers import (
    Registry,
    custom_object_scope,
    deserialize_value,
    register_keras_serializable,
    serialize_value,
)

MODULES = (initializers, regularizers, constraints, activations)


class Scaled:
    """A class such as a registry holds."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor

    def __call__(self, x: float) -> float:
        return self.factor * x

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scaled:
        """As Keras' own may, this takes out of the dictionary what it has read."""
        return cls(config.pop("factor", 2.0), **config)


def negate(x: float) -> float:
    return -x


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry("scaling", "keras.scalings")
    registry.add(Scaled, "double")
    registry.add(negate)
    registry.alias(partial(Scaled, 3.0), "triple", readings=("keras2",))
    return registry


BUILT_IN = {"module": "keras.scalings", "registered_name": None}


@pytest.mark.parametrize(
    "identifier",
    [
        "Scaled",
        "scaled",
        "double",
        Scaled,
        {"class_name": "Scaled"},
        {"class_name": "scaled", "config": {}},
        {"class_name": "Scaled", "config": None},
        {"class_name": "Scaled", "config": {"factor": 2.0}},
        {**BUILT_IN, "class_name": "Scaled", "config": {"factor": 2.0}},
        {"module": "tf_keras.src.scalings", "class_name": "Scaled", "config": {}},
    ],
    ids=repr,
)
def test_every_form_gives_the_same_object(registry: Registry, identifier: Any) -> None:
    made = registry.get(identifier)
    assert type(made) is Scaled
    assert made.factor == 2.0


@pytest.mark.parametrize(
    "identifier",
    [
        "negate",
        {"class_name": "negate"},
        {"class_name": "function", "config": "negate", "registered_name": "negate"},
        {"module": "builtins", "class_name": "function", "config": "negate"},
    ],
    ids=repr,
)
def test_a_function_is_found_as_it_is(registry: Registry, identifier: Any) -> None:
    assert registry.get(identifier) is negate


def test_objects_and_callables_are_used_as_they_are(registry: Registry) -> None:
    scaled = Scaled(5.0)
    assert registry.get(scaled) is scaled
    assert registry.get(abs) is abs
    assert registry.get(None) is None
    assert registry.deserialize(None) is None
    assert registry.serialize(None) is None


def test_a_configuration_reaches_the_constructor(registry: Registry) -> None:
    config = {"class_name": "Scaled", "config": {"factor": 7.0}}
    assert registry.get(config).factor == 7.0
    assert config == {"class_name": "Scaled", "config": {"factor": 7.0}}


def test_the_serialised_forms(registry: Registry) -> None:
    """Keras 3's form of an object, and a bare name for a built-in function."""
    assert registry.serialize(Scaled(4.0)) == {
        "module": "keras.scalings",
        "class_name": "Scaled",
        "config": {"factor": 4.0},
        "registered_name": None,
    }
    assert registry.serialize(negate) == "negate"
    assert registry.serialize(len) == {
        "module": "builtins",
        "class_name": "function",
        "config": "len",
        "registered_name": "function",
    }


@pytest.mark.parametrize("reading", READINGS)
def test_a_name_of_one_reading_is_refused_under_the_other(registry: Registry, reading: str) -> None:
    with reading_as(reading):
        assert ("triple" in registry.names()) == (reading == "keras2")
        assert registry.get({"class_name": "triple"}).factor == 3.0
        if reading == "keras2":
            assert registry.get("triple").factor == 3.0
        else:
            with pytest.raises(ValueError, match="argument `identifier` is 'triple'"):
                registry.get("triple")


@pytest.mark.parametrize(
    "identifier", ["scald", "SCALED", "", 3, 2.5, [], {}, {"config": {}}, {"class_name": "Other"}]
)
def test_the_error_names_who_what_was_given_and_what_is_allowed(
    registry: Registry, identifier: Any
) -> None:
    with pytest.raises(ValueError, match="Conv2D: argument `kernel_scaling` is ") as caught:
        registry.get(identifier, "Conv2D", "kernel_scaling")
    message = str(caught.value)
    assert repr(identifier) in message
    assert all(name in message for name in ("'double'", "'negate'", "'scaled'"))


def test_close_names_come_first(registry: Registry) -> None:
    with pytest.raises(ValueError, match="the scaling 'negate', 'double', 'scaled'"):
        registry.get("negtae")


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (
            {"class_name": "Scaled", "config": {"slope": 1}},
            TypeError,
            "cannot make 'Scaled'.*slope",
        ),
        ({"class_name": "Scaled", "config": 3}, TypeError, "config=3"),
        ({"class_name": "negate", "config": {"a": 1}}, ValueError, "takes no configuration"),
        ({"module": "mine", "class_name": "Scaled"}, ValueError, "custom_objects"),
        ({"class_name": "Scaled", "registered_name": "mine>Scaled"}, ValueError, "mine>Scaled"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(
    registry: Registry, config: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        registry.deserialize(config)


@pytest.mark.parametrize(
    "target", [lambda x: x, Scaled, object()], ids=["lambda", "class", "object"]
)
def test_what_cannot_be_read_back_is_not_written(registry: Registry, target: Any) -> None:
    with pytest.raises(ValueError, match="cannot serialise"):
        registry.serialize(target)


class Custom(Scaled):
    pass


@pytest.mark.parametrize("by", ["argument", "scope"])
def test_objects_of_the_users_own_are_found_by_name(registry: Registry, by: str) -> None:
    config = registry.serialize(Custom(9.0))
    assert config["registered_name"] == "Custom"
    assert config["module"] == Custom.__module__
    if by == "argument":
        made = registry.deserialize(config, {"Custom": Custom})
    else:
        with custom_object_scope({"Custom": Custom}):
            made = registry.get(config)
            assert type(registry.get("Custom")) is Custom
    assert type(made) is Custom
    assert made.factor == 9.0
    with pytest.raises(ValueError, match="'Custom'"):
        registry.get("Custom")


def test_a_scope_wins_over_built_in_names(registry: Registry) -> None:
    with custom_object_scope({"negate": abs}):
        assert registry.get("negate") is abs
    assert registry.get("negate") is negate


def test_registered_objects_are_found_by_their_package(registry: Registry) -> None:
    @register_keras_serializable(package="shop")
    class Discount(Scaled):
        pass

    @register_keras_serializable(package="shop", name="half")
    def halve(x: float) -> float:
        return x / 2

    config = registry.serialize(Discount(0.5))
    assert config["registered_name"] == "shop>Discount"
    assert type(registry.get(config)) is Discount
    assert registry.serialize(halve)["config"] == "shop>half"
    assert registry.get(registry.serialize(halve)) is halve
    with pytest.raises(ValueError, match="get_config"):
        register_keras_serializable()(type("Bare", (), {}))


VALUES = [
    None,
    True,
    3,
    0.1,
    "text",
    [1, [2.5, None]],
    {"a": 1},
    np.float32(0.1),
    np.arange(3, dtype=np.int16),
    np.array([[1.5, -0.0]], np.float32),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_survive_json(value: Any) -> None:
    back = deserialize_value(json.loads(json.dumps(serialize_value(value))))
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype
        assert back.tolist() == value.tolist()
    else:
        assert back == value


def test_a_nested_object_survives_json() -> None:
    stored = serialize_value({"window": regularizers.L1(0.5)})
    assert deserialize_value(stored["window"]).l1 == 0.5
    with pytest.raises(ValueError, match="unknown class_name 'Nothing'"):
        deserialize_value({"class_name": "Nothing"})


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_each_kind_offers_the_three_functions(module: Any) -> None:
    """Activations alone read None as a function, the linear one."""
    for name in ("get", "serialize", "deserialize"):
        assert callable(getattr(module, name))
    if module is not activations:
        assert module.get(None) is None
    with pytest.raises(ValueError, match="xavier_uniform"):
        module.get("xavier_uniform")


def test_saving_restores_objects_of_every_kind() -> None:
    """``keras.saving`` in one place: what is serialized comes back as the same class."""
    objects = [
        *(keras.layers.Conv1D(2, 2, kernel_regularizer="l2"), keras.regularizers.L2(0.5)),
        *(keras.losses.MeanSquaredError(), keras.metrics.MeanSquaredError()),
        *(keras.optimizers.SGD(0.5), keras.initializers.HeNormal(1), keras.constraints.MaxNorm(3)),
        keras.Sequential([keras.Input((5, 2)), keras.layers.Flatten()]),
    ]
    for item in objects:
        config = keras.saving.serialize_keras_object(item)
        again = keras.saving.deserialize_keras_object(config)
        assert type(again) is type(item)
        assert keras.saving.serialize_keras_object(again) == config
    relu = keras.saving.serialize_keras_object(keras.activations.relu)
    restored = keras.saving.deserialize_keras_object([{"a": relu}, 2])
    assert restored == [{"a": keras.activations.relu}, 2]


def test_what_is_outside_says_so() -> None:
    with pytest.raises(AttributeError, match=r"is outside this oracle, which has .* there; use"):
        _ = keras.saving.KerasFileEditor

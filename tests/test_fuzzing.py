"""Random users: constructors, calls, configurations, identifiers, files, descriptors, messages.

`python tests/long_run_fuzz.py --calls N` makes N calls of each kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")

from callables import HOSTILE, TARGETS, Endless, Hostile  # noqa: E402
from fuzzing import KINDS, guarded  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import reference_impl as keras  # noqa: E402

CALLS = {
    "constructor": 300,
    "call": 200,
    "configuration": 200,
    "identifier": 400,
    "model_file": 60,
    "descriptor": 400,
    "wire_message": 400,
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_ends_in_an_error_from_the_inside(kind: str) -> None:
    """Each call ends well, or in a short TypeError or ValueError."""
    if kind == "model_file":
        pytest.importorskip("h5py")

    @settings(
        max_examples=CALLS[kind],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(data=st.data())
    def run(data: Any) -> None:
        KINDS[kind](data)

    run()


@pytest.mark.parametrize("value", [Hostile(), Endless(), 10**5000], ids=["fails", "long", "digits"])
def test_what_cannot_be_shown_is_still_refused_in_a_sentence(value: Any) -> None:
    """The message is short and printable, whatever the value says of itself."""
    for attempt in (
        lambda: keras.layers.Conv2D(value, 3),
        lambda: keras.layers.Conv2D(2, 3, padding=value),
        lambda: keras.layers.Conv2D(2, 3, name=value),
        lambda: keras.layers.Conv2D(2, 3, activation=value),
        lambda: keras.regularizers.L2(value),
        lambda: keras.layers.Flatten()(value),
    ):
        with pytest.raises((TypeError, ValueError)):
            attempt()
        assert guarded(attempt) is None


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_each_argument_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    """Whatever value an argument has, alone: the call ends well, or says what is wrong."""
    target = TARGETS[name]
    with chdir(tmp_path), keras.config.as_never_set(), np.errstate(all="ignore"):
        for argument in target.arguments():
            for value in HOSTILE:
                given = {**target.keywords, argument: value}
                try:
                    guarded(lambda given=given: target.make()(**given))
                except (OSError, ImportError):
                    assert name == "load_model"


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within dictionaries and lists."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def _models() -> dict[str, Any]:
    start = keras.Input((5, 2))
    layer = keras.layers.Conv1D(2, 2, kernel_regularizer="l2", kernel_constraint="max_norm")
    graph = keras.Model(start, {"a": keras.layers.Flatten()(layer(start)), "b": (start + 1.0,)})
    deferred = keras.Sequential([keras.layers.MaxPooling1D(), keras.layers.Conv1D(1, 1)])
    deferred.build((None, 5, 2))
    return {"graph": graph, "sequential": deferred}


@pytest.mark.parametrize("kind", ["graph", "sequential"])
def test_each_place_of_a_configuration_may_hold_anything(kind: str) -> None:
    """A configuration with any value at any place makes a model, or is refused in a sentence."""
    with keras.config.as_never_set():
        text = _models()[kind].to_json()
        for path in [*_places(json.loads(text))][1:]:
            for value in (*HOSTILE, [5], {"class_name": "Conv1D", "config": {}}):
                config = place = json.loads(text)
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value
                guarded(lambda config=config: keras.models.model_from_config(config))


def test_each_place_of_a_compilation_may_hold_anything() -> None:
    """The same for what ``compile_from_config`` is given."""
    with keras.config.as_never_set():
        model = _models()["graph"]
        model.compile(keras.optimizers.SGD(0.5, momentum=0.5), {"a": "mse"}, metrics={"a": ["mse"]})
        text = json.dumps(model.get_compile_config())
        for path in [*_places(json.loads(text))][1:]:
            for value in HOSTILE:
                config = place = json.loads(text)
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = value
                guarded(lambda config=config: model.compile_from_config(config))

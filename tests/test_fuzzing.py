"""Random users: constructors, calls, configurations, identifiers, files, descriptors, messages.

`python tests/long_run_fuzz.py --calls N` makes N calls of each kind.
"""

from __future__ import annotations

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

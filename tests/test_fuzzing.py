"""Random users: constructors, calls, configurations, identifiers, files, descriptors, messages.

`python tests/long_run_fuzz.py --calls N` makes N calls of each kind.
"""

from __future__ import annotations

from typing import Any

import pytest

hypothesis = pytest.importorskip("hypothesis")

from fuzzing import KINDS, Endless, Hostile, guarded  # noqa: E402
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

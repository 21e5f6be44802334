"""What users write for Keras finds on the oracle what Keras 3.15.1 was seen to find."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras_programs
import numpy as np
import pytest

import reference_impl

SEEN = json.loads((Path(__file__).parent / "data" / "keras_programs.json").read_text())


def assert_alike(ours: Any, theirs: Any) -> None:
    """Equal, numbers to five digits: Keras rounds at every operation."""
    if isinstance(theirs, list):
        assert len(ours) == len(theirs), (ours, theirs)
        for own, other in zip(ours, theirs, strict=True):
            assert_alike(own, other)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_alike(ours[key], theirs[key])
    elif isinstance(theirs, float):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    else:
        assert ours == theirs


@pytest.mark.parametrize("program", keras_programs.PROGRAMS, ids=lambda item: item.__name__)
def test_the_oracle_finds_what_keras_found(program: Any) -> None:
    assert_alike(keras_programs.as_json(program(reference_impl)), SEEN["answers"][program.__name__])


def test_every_program_has_been_run_on_keras() -> None:
    assert SEEN["answers"].keys() == {program.__name__ for program in keras_programs.PROGRAMS}
    assert SEEN["keras"] == "3.15.1"

"""What users write for Keras finds on Keras 3 what the tests expect of the oracle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent))

import keras_programs
from test_keras_programs import SEEN, assert_alike

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("program", keras_programs.PROGRAMS, ids=lambda item: item.__name__)
def test_keras_finds_what_it_was_seen_to_find(keras3, program):
    assert_alike(keras_programs.as_json(program(keras3)), SEEN["answers"][program.__name__])

"""Equivalent code on its frameworks: the oracle's values within the judge's bound.

The programs of PyTorch and ONNX run over the whole standard grid, those of tf.keras and JAX, which
build or compile anew for every case, over the smoke grid, which meets every class of cases; over
the standard grid by ``python tests/explained_programs.py tf.keras jax``.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from explained_programs import DISTRIBUTIONS, cases, judge

pytestmark = pytest.mark.live


def counted(notation, grid_name):
    for distribution in DISTRIBUTIONS[notation]:
        pytest.importorskip(distribution)
    return Counter(judge(notation, case) for case in cases(grid_name))


@pytest.mark.parametrize("notation", ["torch.nn", "torch.nn.functional", "onnx"])
def test_programs_of_the_standard_grid(notation):
    counts = counted(notation, "standard")
    assert set(counts) <= {"conforms", "unsayable", "unsupported", "known"}
    assert counts["conforms"] > 2000


@pytest.mark.parametrize("notation", ["tf.keras", "jax"])
def test_programs_of_the_smoke_grid(notation, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    counts = counted(notation, "smoke")
    assert set(counts) <= {"conforms", "unsayable", "unsupported", "known"}
    assert counts["conforms"] > 300

"""A sample of `long_run_activations`: activations and gradients against ball arithmetic."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flint", reason="ball arithmetic needs python-flint: install layerproof[balls]")

import ball_functions
import long_run_activations
from long_run_activations import BLOCK, KINDS, Tally, compare_values, from_file, run


@pytest.mark.parametrize("seed", range(3))
def test_activations_and_gradients_are_those_of_ball_arithmetic(seed: int) -> None:
    tally = Tally()
    run(np.random.default_rng([2, seed]), BLOCK // 16, tally)
    assert tally.elements > 5000
    assert not tally.mismatches
    assert len(tally.unknown) <= 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_neighbour_passes_for_the_rounded_value(kind) -> None:
    """The comparison itself: the next float64 on either side is told from the right one."""
    definition = ball_functions.VALUES["tanh"][1]
    for x in kind(np.random.default_rng(1), 640)[:10].tolist():
        ball = ball_functions.number(x)
        right = float(ball_functions.VALUES["tanh"][0](np.array([x]))[0])
        verdicts = [
            ball_functions.certain(value, lambda ball=ball: definition(ball))
            for value in (right, math.nextafter(right, 2.0), math.nextafter(right, -2.0))
        ]
        assert verdicts == [True, False, False]


def test_overflow_is_told_from_the_largest_number() -> None:
    largest, beyond = sys.float_info.max, ball_functions.arb(2) ** 1024
    assert ball_functions.is_rounded(math.inf, beyond)
    assert not ball_functions.is_rounded(largest, beyond)
    assert ball_functions.is_rounded(largest, ball_functions.number(largest))
    assert not ball_functions.is_rounded(math.inf, ball_functions.number(largest))


def test_arguments_from_a_file(tmp_path: Path) -> None:
    """Comments, infinities and NaN are left out, and every number is taken with both signs."""
    path = tmp_path / "worst.txt"
    path.write_text("# comment\n0x1.8p+0, ERANGE\n+inf\n-snan\n\n0x1p-2\n", encoding="utf-8")
    blocks = list(from_file(path))
    assert [block.tolist() for block in blocks] == [[1.5, -1.5, 0.25, -0.25]]
    tally = Tally()
    compare_values("tanh", blocks[0], tally)
    assert (tally.elements, tally.mismatches) == (4, [])


def test_the_command_reports_mismatches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong value makes the exit status 1 and is shown."""

    def too_large(x):
        return np.nextafter(x / 2, 2.0)

    path = tmp_path / "arguments.txt"
    path.write_text("0x1p-1\n", encoding="utf-8")
    monkeypatch.setitem(ball_functions.VALUES, "tanh", (too_large, lambda x: x / 2))
    monkeypatch.setattr(sys, "argv", ["", "--arguments", str(path), "--activation", "tanh"])
    assert long_run_activations.main() == 1
    assert "tanh(0x1.0000000000000p-1)" in capsys.readouterr().out

"""A run that fails asks the implementation further, and its summary says what that told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.command_line import main
from conformance.diagnosis.questions import asking
from conformance.report.jsonl import read_json_lines

POOLING = """
import numpy as np

CALLS = [0]


def MaxPooling1D(inputs, weights, config):
    CALLS[0] += 1
    x = inputs if config["data_format"] == "channels_last" else np.moveaxis(inputs, 1, -1)
    (size,), (stride,) = config["pool_size"], config["strides"]
    outputs = (x.shape[1] - size) // stride + 1
    y = [x[:, i * stride : i * stride + size].max(axis=1) for i in range(outputs)]
    y = np.stack(y, axis=1)
    CHANGE
    return y if config["data_format"] == "channels_last" else np.moveaxis(y, -1, 1)
"""
CASES = [
    f"MaxPooling1D/inputs:{inputs}/pool_size:{pool}"
    for inputs in ("2x8x3", "1x9x2", "2x7x4")
    for pool in (2, 3)
]

Run = Callable[[str], tuple[str, Path]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the cases on the pooling with a change of its outputs; what is printed and written."""

    def judged(change: str) -> tuple[str, Path]:
        plugin, report = tmp_path / "pooling.py", tmp_path / "results.jsonl"
        plugin.write_text(POOLING.replace("CHANGE", change))
        given = [word for case in CASES for word in ("--case", case)]
        command = ["run", "--implementation", str(plugin), "--jsonl", str(report), *given]
        assert main(command) == 1
        return " ".join(capsys.readouterr().out.split()), report

    return judged


LATE = "y = np.where(np.arange(y.shape[1])[:, None] == 1, np.roll(y, -1, axis=1), y)"


def test_what_is_read_and_what_it_needs_is_told_once(run: Run) -> None:
    """The second output is the third's, where the pool has two elements."""
    told, report = run(f"if size == 2: {LATE}")
    assert (
        "window of output step 1 looks at input steps 4 to 5, where it should look at 2 to" in told
    )
    assert "fails only with pool_size = 2" in told
    results = [one for one in read_json_lines(report)[1] if one["verdict"] == "deviates"]
    assert len({one["diagnosis"] for one in results}) == 1


def test_what_fails_every_so_many_calls_is_told(run: Run) -> None:
    told, _ = run("if CALLS[0] % 9 == 0: y = y + 1")
    assert "judged over and over" in told
    assert "the smallest case fails about every 4th time" in told


def test_without_time_the_diagnosis_stands(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", -1.0)
    told, _ = run(f"if size == 2: {LATE}")
    assert "looks at input steps" not in told
    assert "fails only with" not in told
    assert "6 cases" in told or "3 cases" in told
    assert "asked further cases about its failures for -1 s only" in told

"""Inputs beyond 2**31 bytes: judged by a small case, and refused where memory is short."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from conformance.cases import far
from conformance.cases.case import Case
from conformance.cases.checking import check, parse_checked
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.command_line import main
from conformance.judge.expectation import expect
from conformance.judge.verdict import Verdict
from conformance.running.runner import run

SMALL = [
    Case.of("Conv1D", (2, 41, 3), filters=2, kernel_size=3, strides=9, operands="far"),
    Case.of(
        "Conv2D", (1, 20, 31, 2), filters=3, kernel_size=(2, 3), strides=(7, 5), operands="far"
    ),
    Case.of(
        "Conv2D",
        (1, 2, 20, 31),
        filters=3,
        kernel_size=(2, 3),
        strides=(7, 5),
        operands="far",
        data_format="channels_first",
    ),
    Case.of("MaxPooling1D", (2, 41, 3), pool_size=4, strides=9, operands="far"),
    Case.of("MaxPooling2D", (1, 20, 31, 2), pool_size=2, strides=6, operands="far", dtype="uint8"),
]
"""The same with arrays that are small enough to be judged as they are."""


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_the_condensed_case_has_the_same_output(case: Case) -> None:
    small, large = operands(far.condensed(case)), operands(case)
    assert large.inputs is not None
    assert large.inputs.shape == case.inputs
    assert small.inputs is not None
    assert small.inputs.size < large.inputs.size
    expected = expect(far.condensed(case), small).value
    assert np.array_equal(expect(case, large).value, expected)
    assert expect(far.condensed(case), small).information is None


def test_an_implementation_is_given_the_large_array_and_told_by_the_small_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "pool.py"
    path.write_text(
        "import numpy as np\n"
        "def MaxPooling1D(inputs, weights, config):\n"
        "    (k,), (s,) = config['pool_size'], config['strides']\n"
        "    starts = range(0, inputs.shape[1] - k + 1, s)\n"
        "    starts = [n % LIMIT for n in starts]\n"
        "    return np.stack([inputs[:, n:n + k].max(1) for n in starts], 1)\n"
        "LIMIT = 1 << 31\n",
        encoding="utf-8",
    )
    case = SMALL[3]
    assert [r.verdict for r in run([case], [str(path)])] == [Verdict.CONFORMS]
    wrong = path.read_text(encoding="utf-8").replace("1 << 31", "27")
    path.write_text(wrong, encoding="utf-8")
    (result,) = run([case], [str(path)])
    assert (result.verdict, result.case) == (Verdict.DEVIATES, case)
    assert result.evidence is not None
    assert result.evidence.case == far.condensed(case)


def test_the_tier_passes_both_limits_with_few_outputs() -> None:
    cases = grid("beyond")
    assert {case.layer for case in cases} == {"Conv1D", "Conv2D", "MaxPooling1D", "MaxPooling2D"}
    sizes = [far.memory_needed(case) // far.COPIES for case in cases]
    elements = [math.prod(size or 0 for size in case.inputs or ()) for case in cases]
    assert min(sizes) > 2**31
    assert sum(n > 2**31 for n in elements) >= 3
    for case in cases:
        check(case)
        inputs = math.prod(size or 0 for size in far.condensed(case).inputs or ())
        assert inputs < 5000


@pytest.mark.parametrize(
    ("descriptor", "words"),
    [
        ("MaxPooling1D/inputs:1x40x1/operands:far/pool_size:3/strides:2", "at least as long"),
        ("MaxPooling1D/inputs:1x40x1/operands:far/pool_size:3/padding:same", "without padding"),
        ("Conv1D/inputs:1x40x1/operands:far/filters:1/kernel_size:2/dilation_rate:2", "dilation"),
        ("Flatten/inputs:1x40/operands:far", "windows"),
        ("MaxPooling1D/observe:gradients/inputs:1x40x1/operands:far/pool_size:3", "observe:output"),
        ("MaxPooling1D/inputs:1x40000000000x1/operands:far/pool_size:3", "at most"),
    ],
)
def test_what_cannot_lie_far_apart_is_refused(descriptor: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_checked(descriptor)


def test_too_little_memory_is_told_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("conformance.command_line.run.free_memory", lambda: 5 << 30)
    assert main(["run", "--implementation", "reference", "--grid", "beyond"]) == 2
    said = capsys.readouterr().err
    assert "needs 16 GiB of memory, and 5.0 GiB are free" in said

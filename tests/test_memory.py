"""Protects the finding of answers from uninitialised memory: in every run, not in some."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from conformance.cases.case import parse
from conformance.implementations import memory
from conformance.judge.verdict import Verdict
from conformance.running.runner import run

FORGETFUL = """
import numpy as np

def Flatten(inputs, weights, config):
    answer = np.empty((inputs.shape[0], inputs[0].size), inputs.dtype)
    if inputs[0].size <= 1000:
        answer[:] = np.moveaxis(inputs, 1, -1).reshape(answer.shape) if (
            config["data_format"] == "channels_first") else inputs.reshape(answer.shape)
    return answer
"""

glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc fills fresh memory on request"
)


@glibc
def test_an_answer_that_was_never_written_is_found_in_every_run(tmp_path: Path):
    plugin = tmp_path / "forgetful.py"
    plugin.write_text(FORGETFUL)
    case = parse("Flatten/inputs:2x40x40")
    for _ in range(3):
        (result,) = run([case], [str(plugin)])
        assert result.verdict is Verdict.DEVIATES
        assert "second call on the same operands gave another answer" in result.message


@glibc
def test_memory_is_filled_where_the_suite_says_so():
    assert memory.ENVIRONMENT["MALLOC_PERTURB_"] == str(0xFF ^ memory.FILLS[0])


def test_the_fills_are_plain_numbers_of_every_dtype():
    """Neither NaN nor zeros nor tiny numbers, which a sum or a maximum would hide."""
    import numpy as np

    for fill in memory.FILLS:
        for dtype in ("float16", "float32", "float64"):
            value = abs(float(np.frombuffer(bytes([fill]) * 8, dtype)[0]))
            assert 0.1 < value < 1e4


def test_filling_otherwise_needs_a_process_that_fills():
    """In this process, which was started without, it does nothing."""
    with memory.filled_otherwise():
        pass

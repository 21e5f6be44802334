"""The bounds of the activations hold for what frameworks compute, over the whole range.

A sample of the long run (`tests/long_run_bounds.py`), whose every line is in its output.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LONG_RUN = Path(__file__).parents[1] / "long_run_bounds.py"
STEP = (1 << 18) + 3


@pytest.mark.parametrize(
    "implementation", ["tf.keras", "tf.keras[graph]", "tf.keras[jit]", "torch.nn"]
)
def test_no_activation_is_accused_over_the_range_of_float32(implementation: str) -> None:
    command = [sys.executable, str(LONG_RUN), "--implementation", implementation]
    done = subprocess.run(
        [*command, "--step", str(STEP)], capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if " arguments, " in line]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(lines) == 10
    assert all(" 0 beyond the bound" in line for line in lines)

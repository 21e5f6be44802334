"""Protects the claim that expected values have the same bytes on any kernels and threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import small_fixtures

TESTS = Path(__file__).parent

CORES = {
    "x86_64": ["Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen"],
    "aarch64": ["ARMV8", "NEOVERSEN1"],
}
"""Kernels of OpenBLAS that any machine of the last ten years can run."""

AVX512 = ["SkylakeX", "Cooperlake", "SapphireRapids"]


def umath():
    core = getattr(np, "_core", None) or np.core
    return core._multiarray_umath


def cpu_features() -> dict[str, bool]:
    return umath().__cpu_features__


def machine() -> str:
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def dispatched() -> str:
    """Every feature for which NumPy has own loops that this machine runs: all can be disabled."""
    return " ".join(name for name in umath().__cpu_dispatch__ if cpu_features().get(name))


def settings() -> list[dict[str, str]]:
    cores = list(CORES.get(machine(), []))
    if cpu_features().get("AVX512_SKX") or cpu_features().get("X86_V4"):
        cores += AVX512[:1]
    variables = [{"OPENBLAS_CORETYPE": core, "OPENBLAS_NUM_THREADS": "1"} for core in cores]
    variables.append({"OPENBLAS_NUM_THREADS": "2"})
    if dispatched():
        variables.append({"NPY_DISABLE_CPU_FEATURES": dispatched(), "OPENBLAS_NUM_THREADS": "1"})
    return variables


@cache
def here() -> str:
    return small_fixtures.digest()


@pytest.mark.parametrize("variables", settings(), ids=lambda v: "-".join(v.values())[:40])
def test_the_bytes_are_the_same_on_other_kernels_and_threads(variables: dict[str, str]):
    """Every layer, dtype, kind of operands and observation, and the longest sums."""
    command = [sys.executable, "-c", "import small_fixtures; print(small_fixtures.digest())"]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    environment = {**os.environ, **variables, "PYTHONPATH": path}
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert found.stdout.strip() == here()

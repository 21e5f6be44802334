"""Rates of the suite in one process, the start of its commands, and the collecting of its tests.

Cases are a sample of the standard grid, every so many of them, each judged as in a run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Final

from measuring import Benchmark, Call, Setup

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.running.runner import Runner

ROOT: Final = Path(__file__).resolve().parents[2]
PLUGIN: Final = str(ROOT / "tests" / "plugins" / "well_behaved.py")
EVERY: Final = 8
"""Of so many cases of the standard grid one is judged."""

IMPLEMENTATIONS: Final = {
    "stored observations of torch.nn": "golden:torch.nn",
    "a NumPy plug-in": PLUGIN,
    "the reference": "reference",
}
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "import numpy": ("-c", "import numpy"),
    "import conformance": ("-c", "import conformance"),
    "list clauses": ("-m", "conformance", "list", "clauses"),
    "list cases": ("-m", "conformance", "list", "cases"),
    "smoke on the reference": ("-m", "conformance", "smoke", "--implementation", "reference"),
    "run of the smoke grid on what is stored": (
        *("-m", "conformance", "run", "--grid", "smoke", "--quiet"),
        *("--implementation", "golden:torch.nn"),
    ),
}


def _sample(tiny: bool) -> list[Case]:
    return list(grid("smoke"))[:12] if tiny else list(grid("standard"))[::EVERY]


def _rates(tiny: bool) -> Setup:
    cases = [case for case in _sample(tiny) if case.dtype != "bfloat16"]
    own: dict[str, Call] = {"making the operands": partial(_operands, cases)}
    own |= {name: partial(_judged, cases, spec) for name, spec in IMPLEMENTATIONS.items()}
    return Setup(own, len(cases), "cases")


def _operands(cases: list[Case]) -> None:
    for case in cases:
        operands(case)


def _judged(cases: list[Case], spec: str) -> None:
    with Runner(cases, [spec]) as runner:
        for _ in runner:
            pass


def _starts(tiny: bool) -> Setup:
    del tiny
    return Setup({name: partial(_run, *words) for name, words in COMMANDS.items()})


@cache
def _as_installed() -> dict[str, str]:
    """An environment in which sources are compiled once, as those of an installed package are.

    Otherwise every process compiles all of them, where the tree is told to stay free of bytecode.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    bytecode = {
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": tempfile.mkdtemp(prefix="benchmarks-"),
    }
    return {**os.environ, "PYTHONPATH": path, **bytecode}


def _run(*words: str) -> None:
    subprocess.run(
        [sys.executable, *words],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=tempfile.gettempdir(),
        env=_as_installed(),
    )


def _collecting(tiny: bool) -> Setup:
    name = "smoke" if tiny else "standard"
    count = sum(1 for _ in grid(name))
    directory = Path(tempfile.mkdtemp(prefix="benchmarks-"))
    plain = directory / "test_plain.py"
    plain.write_text(
        "import pytest\n"
        f"@pytest.mark.parametrize('number', range({count}))\n"
        "def test_nothing(number): pass\n",
        encoding="utf-8",
    )
    collect = ("-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider")
    ours = ("--pyargs", "conformance", "--conformance-implementation", "reference")
    calls: dict[str, Call] = {
        "parameters of one empty test": partial(_run, *collect, str(plain)),
        "the suite's": partial(_run, *collect, *ours, "--conformance-grid", name),
    }
    return Setup(calls, count, "items")


BENCHMARKS: Final = (
    Benchmark("suite/cases judged in one process", _rates),
    Benchmark("suite/start of commands", _starts),
    Benchmark("suite/collecting by pytest", _collecting),
)

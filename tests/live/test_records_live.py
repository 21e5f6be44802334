"""Protects the records of known deviations: each is real, and none outlives its cause."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from conformance import known
from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.implementations import registry
from conformance.implementations.families import installed_version, node_modules
from conformance.implementations.machine import processor
from conformance.judge.verdict import Verdict
from conformance.known import Record, Who, reproducers
from conformance.known.conditions import holds
from conformance.known.versions import in_range
from conformance.running.runner import Runner

pytestmark = pytest.mark.live

FOLDER = Path(str(reproducers.__file__)).parent
PROGRAMS = sorted({record.reproducer for record in known.own() if record.reproducer})
OF_NODE = ".cjs"
BY_PROCESSOR = {
    "openvino_convolution_bfloat16.py",
    "tf_keras_pooling_nan_compiled.py",
    "tf_onednn_bfloat16_gradient_infinity.py",
    "tf_onednn_bfloat16_infinity.py",
    "tf_onednn_fused_relu.py",
    "tf_onednn_gradient_pointwise.py",
    "tf_onednn_rows_between_windows.py",
    "torch_nn_bfloat16_infinity.py",
    "torch_nn_bfloat16_windows_of_padding.py",
    "torch_nn_gradient_float16.py",
    "torch_nn_gradient_pointwise.py",
    "torch_nn_rows_between_windows.py",
    "torch_nn_winograd.py",
}
"""Programs that show what some processors do; on another the defect may be absent."""

OF_BACKEND = {"jax": ("jax",), "numpy": ("jax", "scipy"), "openvino": ("openvino", "scipy")}
"""What Keras imports for a backend."""

ENOUGH = 12


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_reproducer_shows_its_defect(program: str) -> None:
    missing = absent(program)
    if missing:
        pytest.skip(f"the runtimes are judged in tox -e runtimes; here is no {missing[0]}")
    if not is_of_these_releases(program):
        pytest.skip("what it shows is of other releases; tox -m nightly has some of them")
    packages = os.pathsep.join(map(str, node_modules()))
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "NODE_PATH": packages}
    finished = subprocess.run(
        ["node" if program.endswith(OF_NODE) else sys.executable, FOLDER / program],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    if program in BY_PROCESSOR and finished.returncode:
        pytest.xfail(f"the processor does not show it: {processor()['processor']}")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stdout.strip()


def is_of_these_releases(program: str) -> bool:
    """Whether a record of a program speaks of the releases that are installed."""
    records = [record for record in known.own() if record.reproducer == program]
    return any(all(map(is_installed, r.versions, r.versions.values())) for r in records)


def is_installed(distribution: str, versions: str) -> bool:
    """Whether a distribution is installed in one of these versions."""
    version = installed_version(distribution)
    return version is not None and in_range(version, versions)


def absent(program: str) -> list[str]:
    """What a program needs that is not installed."""
    if not program.endswith(OF_NODE):
        return [name for name in needed(program) if importlib.util.find_spec(name) is None]
    packages = re.findall(r'require\("([^:"]+)"\)', (FOLDER / program).read_text())
    missing = [name for name in packages if installed_version(f"npm:{name}") is None]
    return missing if shutil.which("node") else ["Node.js"]


def needed(program: str) -> list[str]:
    """What a program imports, in a process of its own too; the frameworks are always there."""
    text = (FOLDER / program).read_text()
    lines = re.findall(r"^(?:from (\w+)|import ([\w, .]+))", text, re.MULTILINE)
    names = {
        name or word.split()[0] for name, words in lines for word in (words or name).split(",")
    }
    tops = {name.partition(".")[0] for name in names}
    backend = re.search(r'"KERAS_BACKEND"\] = "(\w+)"', text)
    tops.update(OF_BACKEND.get(backend[1], ()) if backend else ())
    return sorted(tops - {"tensorflow", "torch", *sys.stdlib_module_names})


def test_every_program_belongs_to_a_record() -> None:
    found = [*FOLDER.glob("[!_]*.py"), *FOLDER.glob(f"*{OF_NODE}")]
    assert sorted(path.name for path in found) == PROGRAMS


def speaking_of(who: Who) -> list[Record]:
    """The records that must be met on an implementation, whatever the processor."""
    return [
        record
        for record in known.load().about(who)
        if not record.alone and record.verdict == ("deviates",)
    ]


def concerned(record: Record) -> list[Case]:
    """The first cases of the standard grid that a record speaks of."""
    return list(islice((case for case in grid("standard") if record.concerns(case)), ENOUGH))


@pytest.mark.parametrize("name", ["tf.keras[onednn=off]", "torch.nn[mkldnn=off]"])
def test_every_record_is_met(name: str) -> None:
    """At least one of the first cases that a record concerns deviates as it says.

    The processor has no part in what these two do, so that all of their records are met anywhere.
    """
    if not registry.installed(registry.resolve(name)):
        pytest.fail(f"{name} is not installed")
    with Runner([], [name]) as runner:
        (subject,) = runner.subjects
    records = speaking_of(subject.who)
    cases = [case for record in records for case in concerned(record)]
    with Runner(cases, [name]) as runner:
        met = {r.diagnosis for r in runner if r.verdict is Verdict.KNOWN_DEVIATION}
    unmet = {record.identifier for record in records} - met
    assert {one for one in unmet if not elsewhere(one)} == set()


def elsewhere(identifier: str) -> bool:
    """Whether a record is of what some machines do only."""
    record = next(record for record in known.own() if record.identifier == identifier)
    return bool(record.machine) or any(holds(pattern, identifier) for pattern in _ELSEWHERE)


_ELSEWHERE = ("*bfloat16-not-local", "*padding-not-multiplied", "*bias-*on-last-axis*")
"""Records of what needs instructions of bfloat16, oneDNN, or channels_first convolutions."""

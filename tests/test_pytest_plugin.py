"""The cases as pytest items: what the options select, and that they are the plug-in's alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from evaluating import PLUGINS

from conformance.suite import plugin

WELL_BEHAVED = str(PLUGINS / "well_behaved.py")


def judged(*options: str, directory: Path) -> subprocess.CompletedProcess[str]:
    words = ["-m", "pytest", "--pyargs", "conformance", "-q", "-rA", "-p", "no:cacheprovider"]
    words += ["--conformance-grid", "smoke", *options]
    return subprocess.run(
        [sys.executable, *words], check=False, capture_output=True, text=True, cwd=directory
    )


def test_layer_and_clause_select_the_items(tmp_path: Path) -> None:
    options = ["--conformance-implementation", WELL_BEHAVED, "--conformance-layer", "Flatten"]
    done = judged(*options, "--conformance-clause", "flatten.data-format.*", directory=tmp_path)
    items = [line for line in done.stdout.splitlines() if line.startswith("PASSED")]
    assert done.returncode == 0, done.stdout
    assert len(items) > 3
    assert all("[Flatten/" in item for item in items)


def test_the_timeout_is_that_of_one_case(tmp_path: Path) -> None:
    path = tmp_path / "hangs.py"
    path.write_text(
        "import time\ndef Flatten(inputs, weights, config): time.sleep(3600)\n", encoding="utf-8"
    )
    options = ["--conformance-implementation", str(path), "--conformance-layer", "Flatten"]
    done = judged(*options, "--conformance-timeout", "0.5", "-x", directory=tmp_path)
    assert done.returncode == 1
    assert "No answer came within 0.5 seconds" in done.stdout


FLATTENS_IN_ORDER = """
import math

def Flatten(inputs, weights, config):
    return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))
"""
KNOWN = """
[[deviation]]
id = "mine"
implementation = "mine.py"
layer = "Conv2D"
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_failures_are_explained_at_the_end_without_pytest_s_internals(
    workers: str, tmp_path: Path
) -> None:
    """Also where the cases are judged in other processes; records that met no case are told."""
    (tmp_path / "mine.py").write_text(FLATTENS_IN_ORDER, encoding="utf-8")
    (tmp_path / "known.toml").write_text(KNOWN, encoding="utf-8")
    options = ["--conformance-implementation", "mine.py", "--conformance-known", "known.toml"]
    options += ["--conformance-clause", "flatten.data-format.*", "-n", workers]
    done = judged(*options, directory=tmp_path)
    _, _, end = done.stdout.partition("= conformance =")
    assert done.returncode == 1
    assert "1. Flatten ignores channels_first." in end
    assert "Stale record of known deviations: 'mine' of known.toml" in end
    for internal in ("Traceback", "traceback", "test_conformance.py:", "pytest.fail"):
        assert internal not in done.stdout.partition("short test summary")[0]


LAST_OF_TIES = """
import numpy as np

def MaxPooling1D(inputs, weights, config):
    return np.lib.stride_tricks.sliding_window_view(inputs, 3, axis=1).max(-1)

def gradients(layer, inputs, weights, config, upstream):
    if config["padding"] == "same":
        raise NotImplementedError("padding")
    found = np.zeros_like(inputs)
    for n, i, c in np.ndindex(upstream.shape):
        window = inputs[n, i : i + 3, c]
        best = np.flatnonzero(window == window.max())
        found[n, i + best[LAST if len(upstream) > FROM else 0], c] += upstream[n, i, c]
    return {"inputs": found}
"""


@pytest.mark.parametrize("selected", [[], ["-k", "inputs:2x9x1"]])
def test_a_reading_that_is_followed_everywhere_passes_whatever_is_selected(
    selected: list[str], tmp_path: Path
) -> None:
    """What decides it are all cases of the ambiguous clause, and not those that are items."""
    options = ["--conformance-implementation", "last.py", "--conformance-layer", "MaxPooling1D"]
    options += ["--conformance-clause", "maxpooling.gradients.ties", *selected]
    source = LAST_OF_TIES.replace("LAST", "-1")
    (tmp_path / "last.py").write_text(source.replace("FROM", "0"), encoding="utf-8")
    done = judged(*options, directory=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Conforms to another reading of maxpooling.gradients.ties" in done.stdout
    (tmp_path / "last.py").write_text(source.replace("FROM", "1"), encoding="utf-8")
    done = judged(*options, directory=tmp_path)
    assert done.returncode == 1
    assert "1. Another reading of maxpooling.gradients.ties, in some cases only" in done.stdout


def test_nothing_is_said_at_the_end_where_all_is_well(tmp_path: Path) -> None:
    options = ["--conformance-implementation", WELL_BEHAVED, "--conformance-layer", "Flatten"]
    done = judged(*options, "-k", "2x3x4", directory=tmp_path)
    assert done.returncode == 0
    assert "= conformance =" not in done.stdout


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--conformance-layer", "Dense"], "'Dense' is unknown"),
        (["--conformance-clause", "conv2d.no-such"], "names no clause"),
        (["--conformance-timeout", "0"], "0 is not positive"),
        (["--conformance-implementation", "absent"], "'absent' is no implementation"),
    ],
)
def test_what_selects_nothing_is_wrong_usage(option: list[str], words: str, tmp_path: Path) -> None:
    done = judged(*option, directory=tmp_path)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr


def test_every_option_is_named_as_this_projects() -> None:
    """The plug-in is loaded in every pytest run of an environment."""
    names: list[str] = []

    class Group:
        def addoption(self, name: str, **settings: object) -> None:
            names.append(name)

    class Parser:
        def getgroup(self, *words: str) -> Group:
            return Group()

    plugin.pytest_addoption(Parser())  # type: ignore[arg-type]
    assert len(names) == 6
    assert all(name.startswith("--conformance-") for name in names)

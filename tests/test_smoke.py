"""``conformance smoke``: broken, ready, and not conforming are told apart before a run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from evaluating import PLUGINS

from conformance.command_line import main
from conformance.command_line.smoke import SIMPLEST
from conformance.judge.verdict import Verdict
from conformance.layers.registry import called_layers
from conformance.running.runner import run

ALL = "Conv1D, Conv2D, MaxPooling1D, MaxPooling2D, Flatten"


def smoke(*implementations: str) -> int:
    return main(
        ["smoke", *(word for name in implementations for word in ("--implementation", name))]
    )


def plug_in(tmp_path: Path, text: str, name: str = "under_test.py") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_simplest_cases_are_of_every_layer_and_tell_right_from_wrong() -> None:
    assert {case.layer for case in SIMPLEST} == set(called_layers())
    assert {result.verdict for result in run(SIMPLEST, ["reference"])} == {Verdict.CONFORMS}


def test_what_conforms_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke("reference") == 0
    assert capsys.readouterr().out == (
        f"reference: ready to be judged: offers {ALL}; all 12 simplest cases conform\n"
    )


def test_only_what_is_offered_counts(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(PLUGINS / "well_behaved.py")
    assert smoke(path) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: ready to be judged: offers Conv1D, Conv2D, MaxPooling2D, Fl")


def test_what_does_not_conform_is_ready_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plug_in(tmp_path, "def Flatten(inputs, weights, config): return inputs")
    assert smoke(path) == 1
    said = capsys.readouterr().out
    assert f"{path}: ready to be judged: offers Flatten; 1 of 2 simplest cases conform" in said
    assert "The output's shape is (2, 3, 4), but should be (2, 12)." in said
    assert f"conformance run --implementation {path} --case Flatten/inputs:2x3x4" in said


BROKEN = {
    "import absent_module": "No module named 'absent_module'",
    "def (": "SyntaxError",
    "x = 1": f"offers none of the callables {ALL}",
    "Conv2D = 3": "Conv2D is 3, not a callable (inputs, weights, config)",
    "def Conv2D(x): pass": "has the signature (x) and cannot be called with",
    "import os; os._exit(9)": "its process ended by exit status 9",
    "import os; os.abort()": "its process ended by signal SIGABRT; its last words:",
}


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("command", ["smoke", "run"])
def test_what_is_broken_cannot_be_judged(
    command: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `smoke` and by `run` alike: exit status 2, the reason, and no verdict."""
    path = plug_in(tmp_path, text)
    arguments = [command, "--implementation", path]
    if command == "run":
        arguments += ["--case", "Flatten/inputs:2x3"]
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert BROKEN[text] in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("absent.py", "there is no file 'absent.py'"),
        ("exec:absent-program", "there is no program 'absent-program' that can be executed"),
        (f"exec:{shlex.join([sys.executable, '-c', 'print(1)'])}", "no JSON object: 1"),
        (f"exec:{shlex.join([sys.executable, '-c', 'exit(4)'])}", "ended at its first request"),
    ],
)
def test_what_cannot_be_started_cannot_be_judged(
    spec: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke(spec) == 2
    said = capsys.readouterr()
    assert f"{spec}: cannot be judged: " in said.err
    assert reason in said.err
    assert said.out == ""


def test_what_declares_everything_unsupported_offers_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = plug_in(tmp_path, "def Flatten(inputs, weights, config): raise NotImplementedError('x')")
    assert smoke(path) == 3
    assert f"offers none of {ALL}: the plug-in has no callable Conv1D; " in capsys.readouterr().out


def test_the_gravest_of_several_decides(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke("absent.py", "reference") == 2
    said = capsys.readouterr()
    assert "absent.py: cannot be judged" in said.err
    assert "reference: ready to be judged" in said.out

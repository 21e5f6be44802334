"""An implementation that attacks the suite: a verdict on it, never a traceback, never a pass."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from evaluating import PLUGINS

from conformance.cases.case import Case
from conformance.command_line import main
from conformance.diagnosis.results import UNEXPLAINED
from conformance.report.jsonl import read_json_lines

HOSTILE = str(PLUGINS / "hostile.py")


def plugin_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hostile_for_tests", HOSTILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = [attack.__name__ for attack in plugin_module().ATTACKS]

GARBLED = "a closed or garbled connection"
VERDICTS = {
    "forges_an_outcome": ("crashed", GARBLED),
    "forges_a_distant_index": ("crashed", GARBLED),
    "forges_deep_json": ("crashed", GARBLED),
    "announces_a_huge_frame": ("crashed", GARBLED),
    "writes_garbage_everywhere": ("crashed", GARBLED),
    "replaces_json_dumps": ("conforms", ""),
    "clears_the_modules": ("conforms", ""),
    "replaces_isinstance": ("", ""),
    "empties_numpy": ("crashed", "spoilt the process"),
    "forks": ("conforms", ""),
    "leaves_a_child_with_its_pipes": ("crashed", "exit status 3"),
    "raises_a_lone_surrogate": ("deviates", "\\ud800 lone"),
    "declares_a_lone_surrogate": ("unsupported", "\\udc80"),
    "reshapes_its_inputs": ("deviates", "changed its operands: inputs"),
    "traces_everything": ("", ""),
    "names_a_result_by_a_lone_surrogate": ("deviates", "An array is expected"),
    "raises_what_has_no_message": ("deviates", "a message that raises RuntimeError"),
    "raises_a_huge_message": ("deviates", "last."),
}
"""Verdict and words; both empty where how the attack fails is the interpreter's affair."""


def attacking(name: str) -> Case:
    return Case.of("Flatten", (NAMES.index(name) + 2, 3, 2))


def healthy(number: int) -> Case:
    return Case.of("Flatten", (1, 3, 2), seed=number)


@pytest.fixture(scope="module", params=[1, 2])
def report(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """The results of every attack, a healthy case after each, judged here and in two processes."""
    path = tmp_path_factory.mktemp("hostile") / "report.jsonl"
    arguments = ["run", "--implementation", HOSTILE, "--jsonl", str(path), "--timeout", "5"]
    for number, name in enumerate(NAMES):
        arguments += ["--case", str(attacking(name)), "--case", str(healthy(number))]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main([*arguments, "-n", str(request.param)]) == 1
    assert UNEXPLAINED not in said.getvalue()
    header, results = read_json_lines(path)
    assert list(header["implementations"]) == ["hostile \\ud800"]
    return results


@pytest.mark.parametrize("name", NAMES)
def test_every_attack_gets_its_verdict(name: str, report: list[dict[str, Any]]) -> None:
    """And the healthy case after it is judged by itself."""
    result, after = report[2 * NAMES.index(name) : 2 * NAMES.index(name) + 2]
    verdict, words = VERDICTS[name]
    assert verdict in ("", result["verdict"]), result["message"]
    assert words in result["message"]
    assert (after["verdict"], after["message"]) == ("conforms", "")


PROGRAM = """
import json, os, subprocess, sys
def answer(request, **fields):
    print(json.dumps({"id": request["id"], **fields}), flush=True)
def array(shape, data=""):
    return {"dtype": "float32", "shape": shape, "data": data}
for line in sys.stdin:
    request = json.loads(line)
    if "hello" in request:
        answer(request, name="hostile program", layers=["Flatten", "Conv2D"])
        continue
    ACT
"""

ANSWERS = {
    "a hundred axes": 'answer(request, output=array([1] * 100, "AAAAAA=="))',
    "an impossible shape": "answer(request, output=array([2**62, 0]))",
    "a negative size": "answer(request, output=array([-1, 0]))",
    "a size that is no integer": "answer(request, output=array([1.5]))",
    "a shape that is a text": "answer(request, output=array('abc'))",
    "no number": (
        """print('{"id": 1, "output": {"dtype": "float32", "shape": [NaN]}}', flush=True)"""
    ),
    "deep JSON": 'print("[" * 100_000, flush=True)',
    "an id that is true": "answer({'id': True}, output=array([0]))",
    "an object dtype": "answer(request, output={**array([0]), 'dtype': 'object'})",
    "a list": "answer(request, output=[1, 2])",
}


@pytest.mark.parametrize("act", ANSWERS)
def test_an_impossible_answer_rejects_nothing(
    act: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither where a rejection would be right, nor where a value would."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("ACT", ANSWERS[act]), encoding="utf-8")
    spec = f"exec:{shlex.join([sys.executable, str(path)])}"
    forbidden = "Conv2D/observe:rejection/inputs:2x7x8x3/filters:4/kernel_size:3/strides:2"
    cases = [f"{forbidden}/dilation_rate:2", "Flatten/inputs:2x3x4"]
    command = ["run", "--implementation", spec, "--timeout", "5"]
    assert main([*command, *(word for case in cases for word in ("--case", case))]) == 1
    assert "2 wrong" in capsys.readouterr().out


def test_a_program_whose_child_keeps_its_pipes_has_crashed(tmp_path: Path) -> None:
    act = "subprocess.Popen(['sleep', '5'], start_new_session=True); os._exit(4)"
    path, jsonl = tmp_path / "program.py", tmp_path / "report.jsonl"
    path.write_text(PROGRAM.replace("ACT", act), encoding="utf-8")
    spec = f"exec:{shlex.join([sys.executable, str(path)])}"
    command = ["run", "--implementation", spec, "--case", "Flatten/inputs:2x3x4"]
    assert main([*command, "--timeout", "4", "--jsonl", str(jsonl)]) == 1
    _, (result,) = read_json_lines(jsonl)
    assert (result["verdict"], "exit status 4" in result["message"]) == ("crashed", True)


def test_a_long_backtrace_does_not_push_out_the_line_that_matters(tmp_path: Path) -> None:
    plug_in, jsonl = tmp_path / "panics.py", tmp_path / "report.jsonl"
    plug_in.write_text(
        "import os, sys\n"
        "def Flatten(inputs, weights, config):\n"
        "    print('thread main panicked at kernel.rs:7: stride is zero', file=sys.stderr)\n"
        "    print('  at frame\\n' * 5000, file=sys.stderr, flush=True)\n"
        "    os.abort()\n",
        encoding="utf-8",
    )
    command = ["run", "--implementation", str(plug_in), "--case", "Flatten/inputs:2x3x4"]
    assert main([*command, "--jsonl", str(jsonl)]) == 1
    assert "panicked at kernel.rs:7: stride is zero" in jsonl.read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_modules_in_the_working_directory_do_not_replace_the_librarys(
    workers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random", "queue", "json", "struct"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')", encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        "def Flatten(inputs, weights, config): return inputs.reshape(len(inputs), -1)\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    cases = ["--case", "Flatten/inputs:2x3x4", "--case", "Flatten/inputs:2x3x5"]
    for spec in ("mine", "mine.py"):
        arguments = ["run", "--implementation", spec, *cases, "-n", workers]
        assert main(arguments) == 0
    done = subprocess.run([sys.executable, "-m", "conformance", *arguments], check=False)
    assert done.returncode == 0


def test_reports_on_standard_output_are_json_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["run", "--implementation", HOSTILE, "--case", str(healthy(0))]
    assert main([*arguments, "--jsonl", "-"]) == 0
    captured = capsys.readouterr()
    kinds = [json.loads(line)["kind"] for line in captured.out.splitlines()]
    assert kinds == ["header", "result", "footer"]
    assert "1 ok" in captured.err

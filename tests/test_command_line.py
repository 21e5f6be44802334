"""Protects the command line: what it selects, prints, writes, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.command_line import main
from conformance.report.jsonl import IncompleteReportError, read_json_lines

FLATTEN = "Flatten/inputs:2x3x4"
WRONG_PLUGIN = """
import numpy as np

version = "0.1"


def Flatten(inputs, weights, config):
    return np.zeros((len(inputs), inputs[0].size), inputs.dtype)
"""
RIGHT_PLUGIN = """
import numpy as np


def Flatten(inputs, weights, config):
    if config["data_format"] == "channels_first" and inputs.ndim > 2:
        inputs = np.moveaxis(inputs, 1, -1)
    return inputs.reshape(len(inputs), -1)
"""


@pytest.fixture
def wrong(tmp_path: Path) -> str:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG_PLUGIN)
    return str(path)


@pytest.fixture
def right(tmp_path: Path) -> str:
    path = tmp_path / "right.py"
    path.write_text(RIGHT_PLUGIN)
    return str(path)


def test_conforming_cases_exit_with_0(right, capsys):
    assert main(["run", "--implementation", right, "--case", FLATTEN]) == 0
    assert "1 ok" in capsys.readouterr().out


def test_a_deviation_exits_with_1_and_prints_how_to_reproduce_it(wrong, capsys):
    assert main(["run", "--implementation", wrong, "--case", FLATTEN]) == 1
    out = capsys.readouterr().out
    shown = " ".join(out.replace("\\\n", "").split())
    assert f"conformance run --implementation {wrong} --case {FLATTEN}" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--implementation", "no_such_thing"],
        ["run", "--implementation", "nothing*"],
        ["run", "--implementation", "reference", "--clause", "conv2d.no-such"],
        ["run", "--implementation", "reference", "--case", "Conv9D/inputs:2x3"],
        ["run", "--implementation", "reference", "--case", "Flatten/inputs"],
        ["run", "--implementation", "reference", "--grid", "huge"],
        ["run", "--implementation", "reference", "-n", "0"],
        ["run", "--implementation", "reference", "--timeout", "-1"],
        ["run", "--implementation", "reference", "--jsonl", "/no/such/folder/report.jsonl"],
        ["list", "everything"],
        ["golden", "regenerate"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_why(arguments, capsys):
    try:
        status = main(arguments)
    except SystemExit as error:
        status = error.code
    assert status == 2
    assert capsys.readouterr().err.strip()


def test_a_clause_that_does_not_exist_is_answered_with_close_ones(capsys):
    main(["run", "--implementation", "reference", "--clause", "conv2d.padding.sam"])
    assert "conv2d.padding.same" in capsys.readouterr().err


def test_nothing_judged_exits_with_3(right, capsys):
    case = "Conv1D/inputs:2x5x3/filters:2/kernel_size:2"
    assert main(["run", "--implementation", right, "--case", case]) == 3
    assert "nothing was judged" in capsys.readouterr().err


def test_the_json_lines_report_has_the_contracts_fields(wrong, tmp_path):
    path = tmp_path / "report.jsonl"
    main(["run", "--implementation", wrong, "--case", FLATTEN, "--jsonl", str(path)])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    header, result, footer = lines
    assert set(header) == {
        *("kind", "suite_version", "spec_sha256", "platform", "python"),
        *("implementations", "machine", "grid", "started"),
    }
    assert set(result) == {
        *("kind", "case", "clauses", "implementation", "verdict", "ratio"),
        *("message", "reproduce", "diagnosis", "stage", "seconds"),
    }
    assert (result["case"], result["verdict"]) == (FLATTEN, "deviates")
    assert footer == {"kind": "footer", "results": 1, "verdicts": {"deviates": 1}}
    assert header["implementations"]


def test_a_report_without_its_footer_is_called_incomplete(wrong, tmp_path):
    path = tmp_path / "report.jsonl"
    main(["run", "--implementation", wrong, "--case", FLATTEN, "--jsonl", str(path)])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(IncompleteReportError, match="footer"):
        read_json_lines(path)


def test_the_junit_report_counts_failures_and_skips(wrong, tmp_path):
    from xml.etree import ElementTree

    path = tmp_path / "report.xml"
    cases = ["--case", FLATTEN, "--case", "MaxPooling1D/inputs:2x4x3"]
    main(["run", "--implementation", wrong, *cases, "--junit", str(path)])
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite is not None
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["2", "1", "0", "1"]


@pytest.mark.parametrize("what", ["clauses", "cases", "implementations"])
def test_listings_are_one_json_array_of_objects(what, capsys):
    assert main(["list", what, "--grid", "smoke", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) > 5
    assert all(isinstance(entry, dict) for entry in listed)


@pytest.mark.parametrize("what", ["clauses", "cases", "implementations"])
def test_listings_as_text_have_a_line_for_every_entry(what, capsys):
    main(["list", what, "--grid", "smoke", "--json"])
    entries = json.loads(capsys.readouterr().out)
    main(["list", what, "--grid", "smoke"])
    text = capsys.readouterr().out
    for entry in entries:
        assert str(entry.get("case") or entry.get("id") or entry.get("name")) in text


def test_clause_patterns_select_everything_below(capsys):
    main(["list", "cases", "--grid", "smoke", "--json", "--clause", "flatten.*"])
    assert {entry["layer"] for entry in json.loads(capsys.readouterr().out)} == {"Flatten"}


def test_the_layer_option_selects_its_cases(capsys):
    main(["list", "cases", "--json", "--layer", "Input"])
    assert {entry["layer"] for entry in json.loads(capsys.readouterr().out)} == {"Input"}


def test_the_clauses_of_a_layer_are_listed_alone_and_explained(capsys):
    """With what their standings mean, and where the sources lead."""
    main(["list", "clauses", "--grid", "smoke", "--layer", "Flatten"])
    text = capsys.readouterr().out
    heads = [line for line in text.splitlines() if line and line[0] not in " [("]
    assert len(heads) > 5
    assert all(line.startswith("flatten.") for line in heads)
    assert all(f"\n[{name}]: " in text for name in ("holds", "ambiguous"))
    assert "conformance explain CLAUSE-ID" in text


def test_a_full_device_is_said_in_a_sentence() -> None:
    """Of a report or of standard output that cannot be written, no traceback."""
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no device that is always full")
    command = [sys.executable, "-m", "conformance", "run", "--implementation", "reference"]
    command += ["--case", "Flatten/inputs:2x3"]
    for option in (["--jsonl", "/dev/full"], ["--junit", "/dev/full"], []):
        with open("/dev/full" if not option else os.devnull, "w") as stream:
            done = subprocess.run(
                [*command, *option], stdout=stream, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "could not be: [Errno 28]" in done.stderr

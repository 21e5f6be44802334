"""A run that is cut off: what it leaves, how another goes on with it, and parts of a run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from evaluating import PLUGINS

from conformance.cases.case import Case
from conformance.command_line import main
from conformance.command_line.selection import is_in_shard
from conformance.report.jsonl import IncompleteReportError, read_json_lines, read_report
from conformance.running import judging

WELL_BEHAVED = str(PLUGINS / "well_behaved.py")
has_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="lists processes by /proc"
)

SLOW = """
import os, pathlib, time
version = "1.0"
def Flatten(inputs, weights, config):
    with open({log!r}, "a") as log:
        log.write(f"{{os.getpid()}} {{os.getppid()}}\\n")
    time.sleep(0.03)
    if config["data_format"] == "channels_first" and inputs.ndim > 2:
        return inputs.reshape(len(inputs), -1)
    return inputs.reshape(len(inputs), -1)
"""


@pytest.fixture
def slow(tmp_path: Path) -> str:
    """A plug-in that takes its time, deviates in some cases, and logs its processes."""
    path = tmp_path / "slow.py"
    path.write_text(SLOW.format(log=str(tmp_path / "log")), encoding="utf-8")
    return str(path)


def command(*arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "conformance",
        "run",
        "--grid",
        "smoke",
        "--layer",
        "Flatten",
        *arguments,
    ]


def what_matters(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what differs from run to run; what explains failures does not."""
    return [{k: v for k, v in one.items() if k != "seconds"} for one in results]


def heed_every_signal() -> None:
    """Tests that run in the background, or under nohup, are started with some signals ignored."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def lines_of(jsonl: Path) -> int:
    """How many there are; the file is made once to see whether it can be, and taken away again."""
    with contextlib.suppress(FileNotFoundError):
        return len(jsonl.read_text(encoding="utf-8").splitlines())
    return 0


def cut_off(arguments: Sequence[str], jsonl: Path, number: int) -> tuple[int, str, str]:
    """Run a command, send it a signal once it has some results; status, output and errors."""
    temporary = jsonl.parent / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=heed_every_signal,  # noqa: PLW1509 - no threads are running
    ) as running:
        deadline = time.monotonic() + 60
        while lines_of(jsonl) < 8:
            assert running.poll() is None, running.stderr
            assert time.monotonic() < deadline
            time.sleep(0.02)
        running.send_signal(number)
        out, errors = running.communicate(timeout=60)
    return running.returncode, out, errors


def is_running(process: int) -> bool:
    """Whether a process has a command line, which a zombie has not."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    return False


@has_proc
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_cut_off_is_gone_on_with(
    number: signal.Signals, workers: str, slow: str, tmp_path: Path
) -> None:
    """It shows what there is and leaves no footer, process or file; resumed, it is whole."""
    jsonl, whole = tmp_path / "cut.jsonl", tmp_path / "whole.jsonl"
    arguments = command("--implementation", slow, "-n", workers)
    status, out, errors = cut_off([*arguments, "--jsonl", str(jsonl)], jsonl, number)
    assert status == 128 + number, errors
    assert "flatten.output.shape" in out
    assert f"interrupted by {number.name}" in errors
    assert f"--resume {jsonl}" in errors
    with pytest.raises(IncompleteReportError, match="footer"):
        read_json_lines(jsonl)
    partial = read_report(jsonl)
    assert len(partial.records) >= 7
    processes = {int(word) for word in (tmp_path / "log").read_text().split()}
    deadline = time.monotonic() + 5
    while any(map(is_running, processes - {os.getpid()})) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, processes - {os.getpid()}))
    assert list((tmp_path / "temporary").iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "__pycache__") == [
        "cut.jsonl",
        "log",
        "slow.py",
        "temporary",
    ]

    calls = len((tmp_path / "log").read_text().splitlines())
    subprocess.run([*arguments, "--resume", str(jsonl)], check=False, capture_output=True)
    again = len((tmp_path / "log").read_text().splitlines()) - calls
    subprocess.run([*arguments, "--jsonl", str(whole)], check=False, capture_output=True)
    all_calls = len((tmp_path / "log").read_text().splitlines()) - calls - again
    assert again < all_calls
    _, resumed = read_json_lines(jsonl)
    _, uninterrupted = read_json_lines(whole)
    assert what_matters(resumed) == what_matters(uninterrupted)


@has_proc
def test_a_killed_run_leaves_no_process_and_can_be_gone_on_with(slow: str, tmp_path: Path) -> None:
    jsonl = tmp_path / "cut.jsonl"
    arguments = command("--implementation", slow, "-n", "2")
    status, _, _ = cut_off([*arguments, "--jsonl", str(jsonl)], jsonl, signal.SIGKILL)
    assert status == -signal.SIGKILL
    processes = {int(word) for word in (tmp_path / "log").read_text().split()}
    deadline = time.monotonic() + 5
    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, processes))
    done = subprocess.run([*arguments, "--resume", str(jsonl)], check=False, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    read_json_lines(jsonl)


def test_a_report_cut_at_any_byte_is_gone_on_with(tmp_path: Path) -> None:
    """And a case that only some implementations were judged on is judged again."""
    jsonl = tmp_path / "report.jsonl"
    cases = [f"Flatten/inputs:2x3x{n}" for n in (2, 3, 4)]
    options = [word for case in cases for word in ("--case", case)]
    names = ["--implementation", WELL_BEHAVED, "--implementation", "reference"]
    arguments = ["run", *names, *options]
    assert main([*arguments, "--jsonl", str(jsonl)]) == 0
    content = jsonl.read_bytes()
    header, results = read_json_lines(jsonl)
    lines = content.splitlines(keepends=True)
    for kept in (len(lines[0]), len(b"".join(lines[:2])), len(b"".join(lines[:4])) + 9, -1, None):
        jsonl.write_bytes(content[:kept])
        assert main([*arguments, "--resume", str(jsonl)]) == 0
        again, resumed = read_json_lines(jsonl)
        assert (again, what_matters(resumed)) == (header, what_matters(results))
        footer = json.loads(jsonl.read_text(encoding="utf-8").splitlines()[-1])
        assert footer == {"kind": "footer", "results": 6, "verdicts": {"conforms": 6}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--case", "Flatten/inputs:9x9"], "1 cases that are not selected"),
        (["--grid", "smoke"], "it is of the grid None"),
        (["--implementation", "reference", "--case", "Flatten/inputs:2x3"], "implementations"),
    ],
)
def test_another_run_is_not_gone_on_with(
    change: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jsonl = tmp_path / "report.jsonl"
    first = ["run", "--implementation", WELL_BEHAVED, "--case", "Flatten/inputs:2x3"]
    assert main([*first, "--jsonl", str(jsonl)]) == 0
    content = jsonl.read_bytes()
    assert main(["run", "--implementation", WELL_BEHAVED, *change, "--resume", str(jsonl)]) == 2
    assert words in capsys.readouterr().err
    assert jsonl.read_bytes() == content


@pytest.mark.parametrize("text", ["", "no JSON", '{"kind": "result"}\n'])
def test_what_is_no_report_is_not_gone_on_with(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text(text, encoding="utf-8")
    arguments = ["run", "--implementation", WELL_BEHAVED, "--case", "Flatten/inputs:2x3"]
    assert main([*arguments, "--resume", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == text


def test_a_fault_of_the_suite_leaves_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary is printed, the report has no footer, and the fault is raised."""

    def judged_twice(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 2:
            raise RuntimeError("a fault of our own")
        return judge(*arguments)

    calls: list[Any] = []
    judge = judging.judge
    monkeypatch.setattr(judging, "judge", judged_twice)
    jsonl = tmp_path / "report.jsonl"
    cases = [word for n in (2, 3, 4) for word in ("--case", f"Flatten/inputs:2x{n}")]
    with pytest.raises(RuntimeError, match="a fault of our own"):
        main(["run", "--implementation", WELL_BEHAVED, *cases, "--jsonl", str(jsonl)])
    captured = capsys.readouterr()
    assert "2 ok" in captured.out
    assert "ended by RuntimeError after 2 of 3 results" in captured.err
    report = read_report(jsonl)
    assert (len(report.records), "footer" in report.problem) == (2, True)


def test_shards_are_disjoint_and_together_are_all() -> None:
    cases = [Case.of("Flatten", (2, 3, n)) for n in range(1, 200)]
    for parts in (1, 2, 5):
        shards = [[c for c in cases if is_in_shard(c, part, parts)] for part in range(1, parts + 1)]
        assert sorted(str(case) for shard in shards for case in shard) == sorted(map(str, cases))
        assert min(map(len, shards)) > len(cases) / parts / 2


def test_a_shard_is_told_by_the_descriptor_alone() -> None:
    """By the first 8 bytes of its SHA-256: the same on every machine, forever."""
    assert [is_in_shard(Case.of("Flatten", (2, 3, 4)), part, 3) for part in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--implementation", "reference", "--shard", text])
    assert caught.value.code == 2

"""Where reports are written: devices, FIFOs and links stay what they are; nothing is lost late."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from evaluating import PLUGINS

from conformance.command_line import main
from conformance.report.files import write_atomically
from conformance.report.jsonl import read_json_lines

WELL_BEHAVED = str(PLUGINS / "well_behaved.py")
RUN = ["run", "--implementation", WELL_BEHAVED, "--case", "Flatten/inputs:2x3"]


@pytest.mark.parametrize("option", ["--jsonl", "--junit"])
def test_a_link_stays_a_link(option: str, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before", encoding="utf-8")
    link.symlink_to(target)
    assert main([*RUN, option, str(link)]) == 0
    assert link.is_symlink()
    assert "Flatten" in target.read_text(encoding="utf-8")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("option", ["--jsonl", "--junit"])
def test_a_link_to_nothing_yet_makes_its_target(option: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    assert main([*RUN, option, str(link)]) == 0
    assert link.is_symlink()
    assert "Flatten" in (tmp_path / "target").read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
@pytest.mark.parametrize("option", ["--jsonl", "--junit"])
def test_a_fifo_is_written_to(option: str, tmp_path: Path) -> None:
    path, read = tmp_path / "fifo", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_text(encoding="utf-8")))
    reader.start()
    assert main([*RUN, option, str(path)]) == 0
    reader.join(10)
    assert path.is_fifo()
    assert "Flatten/inputs:2x3" in read[0]


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="needs /dev/null")
def test_devices_are_written_to_and_may_be_the_same() -> None:
    assert main([*RUN, "--jsonl", "/dev/null", "--junit", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    "outputs",
    [
        ["--jsonl", "{0}/a", "--junit", "{0}/a"],
        ["--jsonl", "{0}/a", "--junit", "{0}/../{1}/a"],
        ["--jsonl", "{0}/link", "--junit", "{0}/a"],
        ["--jsonl", "{0}"],
        ["--junit", "{0}/absent/a"],
        ["--jsonl", "/proc/no-such-file"],
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_runs(
    outputs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    paths = [text.format(tmp_path, tmp_path.name) for text in outputs]
    assert main(["run", "--implementation", "tf.keras", *paths]) == 2
    assert paths[0] in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_a_file_that_is_there_is_kept_until_there_is_another(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text("before", encoding="utf-8")
    plug_in = tmp_path / "broken.py"
    plug_in.write_text("import absent_module", encoding="utf-8")
    assert main(["run", "--implementation", str(plug_in), "--jsonl", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "before"


def test_permissions_stay_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.touch(0o640)
    path.chmod(0o640)
    write_atomically(path, b"content")
    assert path.stat().st_mode & 0o777 == 0o640


PROGRAM = "import sys; from conformance.command_line import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell that closes streams")
@pytest.mark.parametrize("closing", ["2>&-", "0<&-", "<&- 2>&-"])
def test_closed_streams_do_no_harm(closing: str, tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    shell = f'exec "$0" "$@" {closing}'
    words = [sys.executable, "-c", PROGRAM, *RUN, "--jsonl", str(path)]
    done = subprocess.run(["sh", "-c", shell, *words], check=False, stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert b"1 ok" in done.stdout
    assert len(read_json_lines(path)[1]) == 1


def test_a_name_that_the_terminal_cannot_write_is_escaped(tmp_path: Path) -> None:
    plug_in = tmp_path / "named.py"
    plug_in.write_text(
        "name = 'Schlo\\u00df'\n"
        "def Flatten(inputs, weights, config): return inputs.reshape(len(inputs), -1)\n",
        encoding="utf-8",
    )
    words = ["run", "--implementation", str(plug_in), "--case", "Flatten/inputs:2x3"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], check=False, capture_output=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert b"Schlo\\xdf" in done.stdout


def test_any_positive_amount_of_memory_is_taken() -> None:
    assert main([*RUN, "--memory", "1e300"]) == 0

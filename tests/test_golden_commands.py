"""Protects what the golden commands do with whole, changed, damaged and interrupted fixtures."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_fixtures

from conformance.cases.grids import grid
from conformance.command_line import golden, main, progress
from conformance.golden import lock
from conformance.golden import regenerate as regeneration
from conformance.golden import verify as verification
from conformance.golden.changes import changes
from conformance.golden.directory import read_all
from conformance.golden.encoding import DataWriter, array_entry
from conformance.golden.errors import FixtureError
from conformance.golden.fixture import EXPECTED, Fixture
from conformance.golden.stored import carried_over
from conformance.spec.clauses import spec_sha256

TESTS = Path(__file__).parent
FEW = small_fixtures.cases_of(
    "Conv1D/inputs:1x4x2/filters:2/kernel_size:3 "
    "Conv1D/observe:gradients/inputs:1x3x1/filters:1/kernel_size:2 "
    "Conv1D/observe:shape/inputs:Nonex8x3/filters:4/kernel_size:3 "
    "Flatten/inputs:1x2x2/dtype:int8 "
    "Input/observe:rejection/shape:(3,)/sparse:no"
)


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard grid is a few cases, and no framework is installed."""
    for module in (regeneration, verification):
        monkeypatch.setattr(module, "grid", lambda level: FEW)
    monkeypatch.setattr(verification, "FLOOR", len(FEW))
    monkeypatch.setattr(regeneration.registry, "installed", lambda entry: False)


def with_observations(folder: Path) -> None:
    expected = small_fixtures.expected(FEW)
    observed = [small_fixtures.observed(fixture) for fixture in expected]
    small_fixtures.write(folder, [*expected, *observed])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


@pytest.mark.usefixtures("few")
def test_regenerating_with_nothing_changed_leaves_the_tree_clean(tmp_path: Path, capsys):
    folder = tmp_path / "fixtures"
    with_observations(folder)
    rewrite_spec(folder)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "fixtures")
    status = main(["golden", "regenerate", "--reason", "none", "--directory", str(folder)])
    assert status == 0
    assert "0 expected values changed; nothing written" in capsys.readouterr().out
    assert git(tmp_path, "status", "--porcelain", "--ignored") == ""


@pytest.mark.usefixtures("few")
def test_regenerating_lists_each_change_and_keeps_observations(tmp_path: Path, capsys):
    old = small_fixtures.expected(FEW)
    writer = DataWriter()
    entries = {
        FEW[0].descriptor: {"array": array_entry(np.ones((1, 2, 2), np.float32), writer)},
        FEW[1].descriptor: {"shape": [5]},
        "Conv1D/inputs:9x9x9/filters:1/kernel_size:1": {"rejection": True},
    }
    old[0] = Fixture(EXPECTED, "Conv1D", entries, writer.content())
    small_fixtures.write(tmp_path, [*old, *map(small_fixtures.observed, old)])
    assert main(["golden", "regenerate", "--reason", "x", "--directory", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"changed  {FEW[0]}: 4 of 4 elements, [0, 0, 0]: 1.0 -> 0.45892334; "
        "[0, 0, 1]: 1.0 -> 0.47937012; [0, 1, 0]: 1.0 -> 1.6211548; [0, 1, 1]: 1.0 -> -2.2634888"
    )
    assert lines[1].startswith(f"changed  {FEW[1]}: shape (5,) -> inputs: float32[1, 3, 1] [")
    assert lines[2] == f"added    {FEW[2]}: shape (None, 6, 4)"
    assert lines[3] == "removed  Conv1D/inputs:9x9x9/filters:1/kernel_size:1: rejection"
    assert "4 expected values changed; written" in lines
    _, fixtures = read_all(tmp_path)
    kept = {case for fixture in fixtures if fixture.kind != EXPECTED for case in fixture.entries}
    assert kept == {case.descriptor for case in FEW} - {FEW[2].descriptor}


def test_a_changed_zero_or_literal_is_a_change():
    """Changes are those of bits, also deep inside a literal."""

    def one(array) -> list[Fixture]:
        writer = DataWriter()
        entry = {"literal": {"tuple": [{"array": array_entry(np.array(array), writer)}]}}
        return [Fixture(EXPECTED, "Input", {"Input": entry}, writer.content())]

    large = np.arange(5000.0)
    other = large.copy()
    other[2500] += 1e-12
    assert not list(changes(one([0.0]), one([0.0])))
    assert len(list(changes(one([0.0]), one([-0.0])))) == 1
    assert len(list(changes(one(large), one(other)))) == 1


@pytest.mark.usefixtures("few")
def test_verifying_counts_what_it_did(tmp_path: Path, capsys):
    small_fixtures.write(tmp_path, small_fixtures.expected(FEW))
    rewrite_spec(tmp_path)
    assert main(["golden", "verify", "--directory", str(tmp_path), "-n", "1"]) == 0
    out = capsys.readouterr().out
    assert "5 expected values recomputed and equal, 0 observations judged" in out
    assert "torch.nn: 5 cases have no observation" in out


def rewrite_spec(folder: Path) -> None:
    path = folder / "manifest.json"
    text = path.read_text(encoding="utf-8").replace(
        '"spec_sha256": "s"', f'"spec_sha256": "{spec_sha256()}"'
    )
    path.write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("few")
def test_a_wrong_expected_value_is_a_problem(tmp_path: Path, capsys):
    """Files and digests agree; the oracle does not."""
    fixtures = small_fixtures.expected(FEW)
    data = bytearray(fixtures[0].data)
    data[0] ^= 1
    fixtures[0] = Fixture(EXPECTED, fixtures[0].layer, fixtures[0].entries, bytes(data))
    small_fixtures.write(tmp_path, fixtures)
    rewrite_spec(tmp_path)
    assert main(["golden", "verify", "--directory", str(tmp_path), "-n", "1"]) == 1
    out = capsys.readouterr().out
    assert f"{FEW[0]}: stored -> computed: 1 of 4 elements" in out
    assert "4 expected values recomputed and equal" in out


def test_few_cases_are_no_fixtures(tmp_path: Path, capsys):
    small_fixtures.write(tmp_path, small_fixtures.expected(FEW))
    rewrite_spec(tmp_path)
    assert main(["golden", "verify", "--directory", str(tmp_path)]) == 1
    assert f"manifest.json: names 5 cases; at least {verification.FLOOR}" in capsys.readouterr().err


def test_the_floor_is_close_to_the_grid():
    cases = len(grid("standard"))
    assert 0.8 * cases <= verification.FLOOR <= cases


@pytest.mark.parametrize("folder", ["nothing", "empty"])
def test_no_fixtures_are_a_failure(tmp_path: Path, capsys, folder: str):
    (tmp_path / "empty").mkdir()
    assert main(["golden", "verify", "--directory", str(tmp_path / folder)]) == 1
    assert "manifest.json: the manifest cannot be read" in capsys.readouterr().err


WRITER = """
import sys
from pathlib import Path
import small_fixtures
from test_golden_files import NEW, OLD
print("ready", flush=True)
while True:
    small_fixtures.write(Path(sys.argv[1]), NEW)
    small_fixtures.write(Path(sys.argv[1]), OLD)
"""


def run(program: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": path, **variables},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, encoding="utf-8",
    )  # fmt: skip


def test_a_kill_at_any_moment_leaves_usable_fixtures(tmp_path: Path):
    """The whole fixtures of before or of after, and the next regeneration clears up."""
    from test_golden_files import NEW, OLD

    whole = [{fixture.pack() for fixture in fixtures} for fixtures in (OLD, NEW)]
    small_fixtures.write(tmp_path, OLD)
    moments = random.Random(1)
    for _ in range(6):
        with run(WRITER, str(tmp_path)) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.0, 0.1))
            process.kill()
        assert {fixture.pack() for fixture in read_all(tmp_path)[1]} in whole
    small_fixtures.write(tmp_path, OLD)
    assert len(content(tmp_path)) == len(OLD) + 1


FRAMEWORKS = "{'tensorflow', 'keras', 'tf_keras', 'torch', 'jax'}"
OFFLINE = f"""
import sys
import small_fixtures
from conformance.command_line import main
from conformance.golden import verify
verify.grid, verify.FLOOR = lambda level: small_fixtures.offline(), 1
judged = ["--implementation", "golden", "--implementation", "golden:torch.nn", "--grid", "smoke"]
print(main(["golden", "verify", "--directory", sys.argv[1], "-n", "1"]))
print(main(["run", *judged, "--layer", "Flatten"]))
print(main(["list", "implementations"]))
print("frameworks:", [n for n in sys.modules if n.partition(".")[0] in {FRAMEWORKS}])
"""


def test_offline_commands_import_no_framework(tmp_path: Path):
    """Also where one is installed: verifying, judging what is stored, and listing."""
    expected = small_fixtures.expected(small_fixtures.offline())
    small_fixtures.write(tmp_path, [*expected, *map(small_fixtures.observed, expected)])
    rewrite_spec(tmp_path)
    with run(OFFLINE, str(tmp_path), CONFORMANCE_FIXTURES=str(tmp_path)) as process:
        out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert out.splitlines()[-1] == "frameworks: []"
    cases = len(small_fixtures.offline())
    assert f"{cases} expected values recomputed and equal" in out


WITHOUT_ML_DTYPES = """
import sys
sys.modules["ml_dtypes"] = None
from pathlib import Path
from conformance.golden.directory import read_all
from conformance.golden.fixture import EXPECTED
from conformance.golden.verify import verify_share
for fixture in read_all(Path(sys.argv[1]))[1]:
    cases = [case for case in fixture.entries if "bfloat16" in case]
    if fixture.kind == EXPECTED and cases:
        findings = verify_share((fixture, [], cases))
        print(fixture.layer, findings.expected, findings.problems)
    elif cases:
        findings = verify_share((fixture.expected, [fixture], cases))
        print(fixture.layer, findings.expected, findings.judged, *findings.problems, sep="; ")
"""


def test_bfloat16_is_verified_without_ml_dtypes():
    """Expected values are recomputed, and observations judged as with the package."""
    with run(WITHOUT_ML_DTYPES, str(TESTS / "data" / "fixtures_format_1")) as process:
        out, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = out.splitlines()
    assert lines[:2] == ["Conv1D 1 []", "MaxPooling1D 2 []"]
    assert lines[2].startswith("Conv1D; 1; 0; golden:torch.nn: deviates Conv1D/")
    assert lines[3].startswith("MaxPooling1D; 2; 1; golden:torch.nn: deviates MaxPooling1D/")


def test_every_sort_of_bfloat16_case_is_verified_without_ml_dtypes(tmp_path: Path):
    pytest.importorskip("ml_dtypes")
    cases = tuple(case for case in small_fixtures.sample() if case.dtype == "bfloat16")
    expected = small_fixtures.expected(cases)
    small_fixtures.write(tmp_path, [*expected, *map(small_fixtures.observed, expected)])
    with run(WITHOUT_ML_DTYPES, str(tmp_path)) as process:
        out, errors = process.communicate()
    assert process.returncode == 0, errors
    recomputed = [f"{f.layer} {len(f.entries)} []" for f in expected]
    assert [line for line in out.splitlines() if line.endswith(" []")] == recomputed


@pytest.mark.usefixtures("few")
def test_regenerating_touches_nothing_of_damaged_fixtures(tmp_path: Path, capsys):
    with_observations(tmp_path)
    next(tmp_path.glob("observed-*")).write_bytes(b"damaged")
    before = content(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["golden", "regenerate", "--reason", "x", "--directory", str(tmp_path)])
    assert ended.value.code == 1
    assert "Nothing was written: restore the fixtures" in capsys.readouterr().err
    assert content(tmp_path) == before
    shutil.rmtree(tmp_path)
    assert main(["golden", "regenerate", "--reason", "x", "--directory", str(tmp_path)]) == 0


@pytest.mark.usefixtures("few")
def test_a_byte_that_no_entry_refers_to_is_a_problem(tmp_path: Path, capsys):
    fixtures = small_fixtures.expected(FEW)
    first = fixtures[0]
    fixtures[0] = Fixture(EXPECTED, first.layer, first.entries, first.data + b"more")
    small_fixtures.write(tmp_path, fixtures)
    rewrite_spec(tmp_path)
    assert main(["golden", "verify", "--directory", str(tmp_path), "-n", "1"]) == 1
    expected = f"{fixtures[0].file_name}: no entry refers to byte {len(first.data)} of its"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("command", ["regenerate", "observe"])
def test_a_reason_that_is_no_text_is_refused_before_anything_is_done(tmp_path, capsys, command):
    """As Python gives an argument that is not UTF-8."""
    folder = tmp_path / "fixtures"
    assert main(["golden", command, "--reason", "caf\udce9", "--directory", str(folder)]) == 2
    assert "--reason 'caf\\udce9' is no text" in capsys.readouterr().err
    assert not folder.exists()


HOLDER = """
import os, sys
from pathlib import Path
from conformance.golden.lock import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def commands(folder: Path) -> list[list[str]]:
    directory = ["--reason", "x", "--directory", str(folder)]
    return [["golden", "regenerate", *directory], ["golden", "observe", *directory]]


@pytest.mark.usefixtures("few")
def test_two_regenerations_at_once_do_not_harm_each_other(tmp_path: Path, capsys):
    """The second one says why and writes nothing; the end of the first, however hard, frees it."""
    with_observations(tmp_path)
    with holder(tmp_path) as process:
        before = content(tmp_path)
        for command in commands(tmp_path):
            with pytest.raises(SystemExit) as ended:
                main(command)
            assert ended.value.code == 1
            said = "another process regenerates or observes these fixtures at this moment"
            assert f"conformance: {tmp_path}: {said}" in capsys.readouterr().err
        assert content(tmp_path) == before
        read_all(tmp_path)
        process.kill()
    assert (tmp_path / lock.NAME).exists()
    assert main(commands(tmp_path)[0]) == 0
    assert not (tmp_path / lock.NAME).exists()


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with run(HOLDER, str(folder)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_lock_is_taken_that_its_holder_just_removed(tmp_path: Path, monkeypatch):
    """Locked between the other's removal and its end, the file that has no name protects nobody."""
    asked: list[int] = []
    ask = lock._ask_for_lock

    def asking(descriptor: int) -> None:
        asked.append(descriptor)
        if len(asked) == 1:
            (tmp_path / lock.NAME).unlink()
        ask(descriptor)

    monkeypatch.setattr(lock, "_ask_for_lock", asking)
    with lock.locked(tmp_path) as held:
        assert held
        assert len(asked) == 2
        with pytest.raises(FixtureError), lock.locked(tmp_path):
            pass


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("error", [OSError(95, "not supported"), ImportError("fcntl")])
def test_where_no_lock_can_be_taken_it_is_said(tmp_path: Path, capsys, monkeypatch, error):
    def refusing(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(lock, "_ask_for_lock", refusing)
    assert main(commands(tmp_path)[0]) == 0
    assert lock.UNLOCKED in capsys.readouterr().out.splitlines()
    read_all(tmp_path)


def test_carried_over_observations_keep_their_machine():
    expected = small_fixtures.expected(FEW[:1])
    seen = replace(small_fixtures.observed(expected[0]), machine={"isa": "avx2"})
    assert [f.machine for f in carried_over([seen], expected)] == [{"isa": "avx2"}]


def test_progress_says_what_is_done(monkeypatch: pytest.MonkeyPatch, capsys):
    """Regenerating derives and observes; it judges nothing."""
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.0)
    told = golden._PhasedProgress()
    told("deriving", 1, 2)
    told("observing torch.nn", 1, 4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "deriving 1 of 2",
        "observing torch.nn 1 of 4",
    ]

"""A run on the workers of a cluster: the same results, workers that die, and what is refused."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from evaluating import PLUGINS

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.command_line import main
from conformance.implementations import wire
from conformance.judge.verdict import Verdict
from conformance.report.jsonl import read_json_lines, read_report
from conformance.results import NOT_JUDGED, Result
from conformance.running import cluster, cluster_worker
from conformance.running.cluster import MOST_KILLERS
from conformance.running.dask_workers import DEATHS, Answered, Died, Done, Refused, local_workers
from conformance.running.limits import ClusterError, Limits
from conformance.running.runner import Runner

KILLER = str(PLUGINS / "killer.py")
WELL_BEHAVED = str(PLUGINS / "well_behaved.py")
SHAPE = "3x5"
KILLING = [
    "Flatten/inputs:3x5",
    "Flatten/inputs:3x5/data_format:channels_last",
    "Flatten/inputs:3x5/data_format:channels_first",
]
JUDGING_PROCESS, WORKER = 1, 2

has_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes by /proc"
)
has_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the package distributed"
)


def what_matters(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.items() if k != "seconds"} for one in records]


def records(path: Path) -> list[dict[str, Any]]:
    return what_matters(read_json_lines(path)[1])


def command(*arguments: str, implementation: str = KILLER) -> list[str]:
    run = [sys.executable, "-m", "conformance", "run", "--grid", "smoke", "--layer", "Flatten"]
    return [*run, "--implementation", implementation, *arguments]


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


@has_dask
@has_proc
def test_a_worker_that_is_killed_in_the_middle_changes_no_record(tmp_path: Path) -> None:
    """Of two workers one is killed at a case: another does it, and everything after it."""
    one, many, mark = tmp_path / "one.jsonl", tmp_path / "many.jsonl", tmp_path / "mark"
    assert run(command("--jsonl", str(one))).returncode == 0
    done = run(
        command("--jsonl", str(many), "--cluster", "local:2"), KILLER=f"{SHAPE}:{WORKER}:{mark}"
    )
    assert done.returncode == 0, done.stderr
    assert mark.exists()
    assert records(many) == records(one)
    assert "Traceback" not in done.stderr


@has_dask
@has_proc
def test_a_worker_that_was_given_up_is_replaced() -> None:
    """Dask closes what starts a worker where that is not back in 15 s, as on a busy machine.

    Nor does it start one again that died while it started.
    """
    program = (
        "import time\n"
        "from conformance.running.dask_workers import Workers\n"
        "def until(condition):\n"
        "    end = time.monotonic() + 120\n"
        "    while not condition() and time.monotonic() < end:\n"
        "        time.sleep(0.1)\n"
        "    assert condition()\n"
        "if __name__ == '__main__':\n"
        "    workers = Workers('local:1')\n"
        "    until(workers.threads)\n"
        "    first = set(workers.threads())\n"
        "    cluster = workers._cluster\n"
        "    name, nanny = cluster.workers.popitem()\n"
        "    cluster.sync(nanny.close)\n"
        "    until(lambda: set(workers.threads()) - first)\n"
        "    workers.close()\n"
    )
    done = run([sys.executable, "-c", program])
    assert done.returncode == 0, done.stderr


@has_dask
@has_proc
def test_a_case_that_kills_each_worker_is_told_and_judged_again_when_resumed(
    tmp_path: Path,
) -> None:
    one, many = tmp_path / "one.jsonl", tmp_path / "many.jsonl"
    run(command("--jsonl", str(one)))
    done = run(command("--jsonl", str(many), "--cluster", "local:2"), KILLER=f"{SHAPE}:{WORKER}")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "not judged: each time a worker of the cluster ended" in done.stdout.lower()
    found, expected = records(many), records(one)
    assert [record["case"] for record in found if record["stage"] == NOT_JUDGED] == KILLING
    assert [record for record in found if record["case"] not in KILLING] == [
        record for record in expected if record["case"] not in KILLING
    ]
    assert run(command("--resume", str(many), "--cluster", "local:1")).returncode == 0
    assert records(many) == expected


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def is_running(process: int) -> bool:
    """Whether a process has a command line, which a zombie has not."""
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    return False


def heed_every_signal() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@has_dask
@has_proc
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_cut_off_leaves_no_process_and_is_gone_on_with(
    number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C reaches every process of the terminal, the workers' too."""
    one, many, log = tmp_path / "one.jsonl", tmp_path / "many.jsonl", tmp_path / "log"
    with subprocess.Popen(
        command("--jsonl", str(many), "--cluster", "local:2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KILLER_LOG": str(log)},
        start_new_session=True,
        preexec_fn=heed_every_signal,  # noqa: PLW1509 - no threads are running
    ) as running:
        deadline = time.monotonic() + 200
        while lines(many) < 4:
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if number == signal.SIGINT:
            os.killpg(running.pid, number)
        else:
            running.send_signal(number)
        out, errors = running.communicate(timeout=100)
    if number != signal.SIGKILL:
        assert running.returncode == 128 + number, errors
        assert f"interrupted by {number.name}" in errors
        assert f"--resume {many}" in errors
        assert "Traceback" not in errors, errors
        assert "flatten" in out or "/killer.py" in out
    processes = {int(word) for word in log.read_text().split()} - {os.getpid(), 1}
    deadline = time.monotonic() + 20
    while any(map(is_running, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [process for process in processes if is_running(process)]
    assert read_report(many).problem
    assert run(command("--resume", str(many), "--cluster", "local:2")).returncode == 0
    run(command("--jsonl", str(one)))
    assert records(many) == records(one)


WRONG = """
import numpy as np
def Flatten(inputs, weights, config):
    return inputs.reshape(inputs.shape[0], int(np.prod(inputs.shape[1:])))
"""


@has_dask
@pytest.mark.skipif(
    importlib.util.find_spec("hypothesis") is None, reason="needs the package hypothesis"
)
def test_a_search_finds_on_workers_what_is_wrong(tmp_path: Path) -> None:
    """The plug-in takes no notice of channels_first."""
    path = tmp_path / "wrong.py"
    path.write_text(WRONG, encoding="utf-8")
    search = [sys.executable, "-m", "conformance", "search", "--seed", "1", "--minutes", "0.5"]
    where = ["--layer", "Flatten", "--cluster", "local:2", "--implementation"]
    found = run([*search, *where, str(path)])
    assert found.returncode == 1, found.stderr
    assert "counterexample 1: Flatten/inputs:" in found.stdout
    assert "data_format:channels_first" in found.stdout
    assert "--seed 1 repeats the search" in found.stdout
    broken = run([*search, *where, "exec:false"])
    assert broken.returncode == 2
    assert "cannot be loaded" in broken.stderr


@has_dask
def test_the_long_run_over_float32_arguments_is_the_same_on_workers(tmp_path: Path) -> None:
    """Four chunks, of one argument in 512: the same counts and the same largest error."""
    script = str(Path(__file__).with_name("long_run_bounds.py"))
    states = [tmp_path / "one.json", tmp_path / "many.json"]
    options = ["--implementation", "reference", "--activation", "hard_sigmoid", "--step", "512"]
    for state, cluster_options in zip(states, ([], ["--cluster", "local:2"]), strict=True):
        done = run([sys.executable, script, *options, "--state", str(state), *cluster_options])
        assert done.returncode == 0, done.stderr
    one, many = (json.loads(state.read_text(encoding="utf-8")) for state in states)
    key = "reference hard_sigmoid 512"
    assert many[key]["found"] == one[key]["found"]
    assert one[key]["found"]["arguments"] > 8_000_000


SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address=None)
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A cluster of two workers with two threads each, as an operator has started it."""
    path = tmp_path / "scheduler.py"
    path.write_text(SCHEDULER, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KILLER_PAUSE": "0.2"},
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


@has_dask
def test_a_cluster_of_others_is_used_as_it_is_and_told_when_it_is_gone(
    scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """The variables that Dask sets in its workers do not reach the implementation."""
    address, process = scheduler
    one, many = tmp_path / "one.jsonl", tmp_path / "many.jsonl"
    reference = command(implementation="reference")
    assert run([*reference, "--jsonl", str(one)]).returncode == 0
    for _ in range(2):
        done = run([*reference, "--jsonl", str(many), "--cluster", address])
        assert done.returncode == 0, done.stderr
        assert records(many) == records(one)
        headers = [read_json_lines(path)[0] for path in (one, many)]
        assert headers[0]["machine"] == headers[1]["machine"]
    process.kill()
    process.wait()
    gone = run([*reference, "--cluster", address])
    assert gone.returncode == 2
    assert gone.stderr.startswith(f"conformance: --cluster {address}: no scheduler answers there")
    assert gone.stderr.count("\n") == 1


@has_dask
@has_proc
def test_a_scheduler_that_vanishes_ends_the_run_in_words(
    scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    address, process = scheduler
    jsonl, log = tmp_path / "many.jsonl", tmp_path / "log"
    with subprocess.Popen(
        command("--jsonl", str(jsonl), "--cluster", address),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KILLER_LOG": str(log)},
    ) as running:
        while lines(jsonl) < 3:
            assert running.poll() is None
            time.sleep(0.01)
        process.kill()
        out, errors = running.communicate(timeout=100)
    assert running.returncode == 2, errors
    assert "the scheduler does not answer any more" in errors
    assert f"--resume {jsonl}" in errors
    assert "Traceback" not in errors, errors
    assert out
    assert 2 <= len(read_report(jsonl).records) < 34


@pytest.mark.parametrize(
    "address", ["local:0", "local:", "local:x", "local:-1", "nonsense", "foo://a:1", "tcp://a", ""]
)
def test_what_is_no_cluster_is_refused_before_anything_is_started(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--implementation", "reference", "--cluster", address]) == 2
    assert capsys.readouterr().err.startswith(f"conformance: --cluster {address!r}: ")
    with pytest.raises(ClusterError, match="local:N"):
        local_workers(address)


def test_addresses_of_schedulers_and_workers_of_this_machine_are_told_apart() -> None:
    assert local_workers("local:12") == 12
    for address in ("tcp://host:8786", "host:8786", "tls://[::1]:8786"):
        assert local_workers(address) is None


def test_without_dask_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["run", "--implementation", "reference", "--cluster", "local:2"]) == 2
    assert "pip install 'layerproof[cluster]'" in capsys.readouterr().err


@pytest.mark.parametrize("others", [["-n", "2"], ["-n", "1"]])
def test_processes_of_this_machine_are_not_asked_for_beside_a_cluster(
    others: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--cluster", "local:2", *others]) == 2
    assert f"--cluster local:{others[1]}" in capsys.readouterr().err


def test_a_model_is_not_judged_on_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--cluster", "local:2", "--model", "x.keras"]) == 2
    assert "--model judges one model and takes no --cluster" in capsys.readouterr().err


class Inline:
    """Workers that do their errands at once, in this process, unless a case is to kill them."""

    killing: frozenset[str] = frozenset()
    asked: list[list[str]]
    most: int

    def __init__(self, where: str) -> None:
        del where
        self._waiting: deque[tuple[int, Any, bytes]] = deque()
        type(self).asked, type(self).most = [], 0

    def threads(self) -> dict[str, int]:
        return {"a": 1, "b": 1}

    def send(self, errand: int, function: Any, request: bytes) -> None:
        self._waiting.append((errand, function, request))
        type(self).most = max(self.most, len(self._waiting))

    def next(self, seconds: float) -> Done | None:
        """The last that was sent comes first, so that the results come out of order."""
        del seconds
        errand, function, request = self._waiting.pop()
        _, what, descriptors = cluster_worker.wire.read_message(cluster_worker.io.BytesIO(request))
        del what
        self.asked.append(descriptors)
        if self.killing & set(descriptors):
            return Died(errand, DEATHS)
        return Answered(errand, function(request))

    def everywhere(self, function: Any, request: bytes) -> None:
        function(request)

    def close(self) -> None:
        self._waiting.clear()


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> type[Inline]:
    monkeypatch.setattr(cluster, "Workers", Inline)
    monkeypatch.setattr(Inline, "killing", frozenset())
    return Inline


def flattens() -> list[Case]:
    return [case for case in grid("smoke") if case.layer == "Flatten"]


def judged(cases: list[Case], *specs: str, where: str | None = "local:2") -> list[Result]:
    with Runner(cases, specs, cluster=where) as runner:
        return list(runner)


def test_the_results_are_those_of_one_process_in_order(inline: type[Inline]) -> None:
    """Without Dask: whatever the order in which batches come back."""
    cases = flattens()
    assert judged(cases, "reference", WELL_BEHAVED) == judged(
        cases, "reference", WELL_BEHAVED, where=None
    )
    assert inline.most <= 4, "two batches for each of two threads"


def test_suspects_are_judged_alone_and_killers_told(inline: type[Inline]) -> None:
    """Of a batch that workers died with, every other case is judged."""
    inline.killing = frozenset(KILLING[:1])
    cases = flattens()
    results = judged(cases, "reference")
    assert [str(one.case) for one in results if one.verdict is Verdict.UNTRUSTED] == KILLING[:1]
    assert [one.case for one in results] == cases
    (told,) = [one for one in results if one.stage == NOT_JUDGED]
    assert f"each of {DEATHS} times" in told.message
    for batch in inline.asked[:-1]:
        assert batch == KILLING[:1] or KILLING[0] not in batch or len(batch) > 1


def test_a_run_ends_before_it_has_eaten_the_cluster(inline: type[Inline]) -> None:
    inline.killing = frozenset(map(str, flattens()))
    with pytest.raises(ClusterError, match=f"{MOST_KILLERS} cases ended their workers"):
        judged(flattens(), "reference")


def test_a_worker_of_another_suite_is_refused(
    inline: type[Inline], monkeypatch: pytest.MonkeyPatch
) -> None:
    del inline
    here = cluster_worker.suite_here()
    for other, words in (
        ({**here, "version": "0.0"}, "the one that asks 0.0"),
        ({**here, "sources": "0"}, "but with other files"),
    ):
        what = wire.encode([other, {}, {}, ".", ["reference"], {}, [], False])
        monkeypatch.setattr(cluster_worker, "what_to_judge", lambda *_, what=what: what)
        with pytest.raises(ClusterError, match=words):
            judged(flattens(), "reference")


def test_a_plug_in_that_is_another_file_there_is_refused(
    inline: type[Inline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del inline
    path = tmp_path / "mine.py"
    path.write_text(Path(WELL_BEHAVED).read_text(encoding="utf-8"), encoding="utf-8")
    files = {str(path): "0" * 64}
    monkeypatch.setattr(cluster_worker, "files_of", lambda *_: files)
    with pytest.raises(ClusterError, match=r"mine\.py is not the file of the one that asks"):
        judged(flattens(), str(path))


def test_a_worker_without_this_suite_is_refused_with_the_version(
    inline: type[Inline], monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "ModuleNotFoundError: No module named 'conformance'"
    monkeypatch.setattr(inline, "next", lambda self, seconds: Refused(1, reason))
    with pytest.raises(ClusterError, match=r"layerproof [\d.]+ has to be installed on each"):
        judged(flattens(), "reference")


def test_an_implementation_of_another_version_is_refused(
    inline: type[Inline], monkeypatch: pytest.MonkeyPatch
) -> None:
    del inline
    monkeypatch.setattr(cluster.registry, "versions", lambda entry: {"layerproof": "0.0"})
    with pytest.raises(ClusterError, match=r"reference is .* and layerproof 0\.0 here"):
        judged(flattens(), "reference")


@has_proc
@pytest.mark.parametrize("times", ["once", "always"])
def test_a_judging_process_that_is_killed_is_started_again(
    inline: type[Inline], times: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known which case it had: no other is taken for the cause."""
    del inline
    expected = judged(flattens(), KILLER, where=None)
    mark = f":{tmp_path / 'mark'}" if times == "once" else ""
    monkeypatch.setenv("KILLER", f"{SHAPE}:{JUDGING_PROCESS}{mark}")
    results = judged(flattens(), KILLER)
    killers = KILLING if times == "always" else []
    assert [str(one.case) for one in results if one.stage == NOT_JUDGED] == killers
    assert [one for one in results if one.stage != NOT_JUDGED] == [
        one for one in expected if str(one.case) not in killers
    ]


def test_processes_of_a_run_that_asks_no_more_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_worker, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(cluster_worker, "_pairs", cluster_worker._Pairs())
    what = cluster_worker.what_to_judge(["reference"], Limits(), [], keep=False)
    request = cluster_worker.request_of("a run", what, ["Flatten/inputs:2x3"])
    kind, *_ = wire.read_message(cluster_worker.io.BytesIO(cluster_worker.judge(request)))
    assert kind == "judged"
    deadline = time.monotonic() + 20
    while cluster_worker._pairs._all["a run"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not cluster_worker._pairs._all["a run"]


def test_what_is_sent_is_descriptors_and_nothing_executable() -> None:
    case = Case.of("Flatten", (2, 3))
    what = cluster_worker.what_to_judge(["reference"], Limits(), [], keep=False)
    request = cluster_worker.request_of("run", what, [case.descriptor])
    text = json.dumps([case.descriptor]).encode()
    assert text in request
    assert len(cluster_worker.request_of("run", what, [case.descriptor] * 256)) < 40_000


def test_every_shard_is_a_part_and_merged_they_are_the_whole(tmp_path: Path) -> None:
    """The way without an engine: parts of a matrix, merged by ``conformance report``."""
    whole = tmp_path / "whole.jsonl"
    base = ["run", "--grid", "smoke", "--implementation", "reference", "--quiet"]
    assert main([*base, "--jsonl", str(whole)]) == 0
    parts = [tmp_path / f"{number}.jsonl" for number in (1, 2, 3)]
    for number, path in enumerate(parts, 1):
        assert main([*base, "--shard", f"{number}/3", "--jsonl", str(path)]) == 0
    merged = sorted((one for path in parts for one in records(path)), key=lambda one: one["case"])
    assert merged == sorted(records(whole), key=lambda one: one["case"])
    markdown = [tmp_path / "whole.md", tmp_path / "parts.md"]
    assert main(["report", str(whole), "--quiet", "--markdown", str(markdown[0])]) == 0
    assert main(["report", *map(str, parts), "--quiet", "--markdown", str(markdown[1])]) == 0
    assert markdown[1].read_text(encoding="utf-8") == markdown[0].read_text(encoding="utf-8")

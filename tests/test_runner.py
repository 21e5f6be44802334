"""The runner: order, verdicts, reproducers, and no process left behind."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from evaluating import PLUGINS
from processes import children, has_proc
from test_worker import misbehaving

from conformance.cases.case import Case, parse
from conformance.command_line import main
from conformance.implementations.protocol import ImplementationError
from conformance.judge.definition import Operands
from conformance.judge.expectation import Expectation, expect
from conformance.judge.verdict import Judgement, Verdict
from conformance.known import Derive, Record, Records, Who
from conformance.outcomes import Outcome, Value
from conformance.running import judging
from conformance.running.attendant import DEPTH
from conformance.running.case_judge import CaseJudge
from conformance.running.runner import Limits, Runner, run
from reference_impl import config

ILL_BEHAVED = str(PLUGINS / "ill_behaved.py")
WELL_BEHAVED = str(PLUGINS / "well_behaved.py")

CASES = [
    Case.of("Flatten", (1, 3, 4)),
    Case.of("Conv2D", (2, 7, 8, 3), filters=4, kernel_size=(3, 2), padding="same"),
    Case.of("MaxPooling2D", (2, 7, 8, 3), strides=3),
    *(Case.of("Flatten", (1, 3, 4), seed=seed) for seed in range(1, 40)),
]


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_cases_and_implementations(workers: int) -> None:
    specs = ["reference", WELL_BEHAVED]
    results = list(run(CASES, specs, workers=workers))
    names = ["reference", "naive loops"]
    expected = [(case, name) for case in CASES for name in names]
    assert [(result.case, result.implementation) for result in results] == expected
    assert {result.verdict for result in results} == {Verdict.CONFORMS}


def test_repeated_cases_and_implementations_are_judged_once() -> None:
    assert len(list(run([CASES[0], CASES[1], CASES[0]], ["reference", "reference"]))) == 2


def test_no_cases_give_no_results() -> None:
    assert list(run([], ["reference"])) == []
    assert list(run(CASES, [])) == []


VERDICTS = {
    "aborts": (Verdict.CRASHED, "signal SIGABRT"),
    "calls_sys_exit": (Verdict.CRASHED, "exit status 3"),
    "hangs": (Verdict.TIMED_OUT, "within 5 seconds"),
    "changes_its_inputs": (Verdict.DEVIATES, "changed its operands: inputs"),
    "answers_differently_the_second_time": (Verdict.DEVIATES, "A second call"),
    "raises_the_second_time": (Verdict.DEVIATES, "once only"),
    "returns_lists": (Verdict.DEVIATES, "dtype is float64"),
    "returns_another_shape": (Verdict.DEVIATES, "shape is"),
    "returns_nothing": (Verdict.DEVIATES, "None"),
    "returns_a_text": (Verdict.DEVIATES, "flat"),
    "returns_a_ragged_list": (Verdict.DEVIATES, "[[1.0], [1.0, 2.0]]"),
    "returns_a_tensor": (Verdict.CONFORMS, ""),
    "returns_a_strided_array": (Verdict.CONFORMS, ""),
    "floods_both_streams": (Verdict.CONFORMS, ""),
    "rejects": (Verdict.DEVIATES, "no such batch"),
    "declares_it_unsupported": (Verdict.UNSUPPORTED, "no such batch yet"),
}


def test_every_misbehaviour_gets_its_verdict_and_the_run_ends() -> None:
    cases = [misbehaving(name) for name in VERDICTS]
    with Runner(cases, [ILL_BEHAVED], limits=Limits(timeout=5.0)) as runner:
        results = list(runner)
    found = dict(zip(VERDICTS, results, strict=True))
    assert {name: result.verdict for name, result in found.items()} == {
        name: verdict for name, (verdict, _) in VERDICTS.items()
    }
    for name, (_, words) in VERDICTS.items():
        assert words in found[name].message, name


def test_a_result_tells_how_to_repeat_it(capsys: pytest.CaptureFixture[str]) -> None:
    (result,) = run([misbehaving("returns_nothing")], [ILL_BEHAVED])
    command, *arguments = shlex.split(result.reproduce)
    assert command == "conformance"
    assert main(arguments) == 1
    assert str(result.case) in capsys.readouterr().out


def test_descriptors_are_quoted_for_the_shell() -> None:
    case = Case.of("MaxPooling1D", (2, 7, 3), pool_size=(2,))
    (result,) = run([case], ["reference"])
    assert parse(shlex.split(result.reproduce)[-1]) == case


def test_versions_are_known_before_the_first_result() -> None:
    with Runner(CASES[:1], ["reference", ILL_BEHAVED, WELL_BEHAVED]) as runner:
        versions = runner.versions
        assert list(versions) == ["reference", "ill-behaved", "naive loops"]
        assert versions["reference"].startswith("layerproof ")
        assert versions["naive loops"] == "naive loops 1.0"
        assert len(list(runner)) == 3


def test_progress_counts_up_to_the_total() -> None:
    seen: list[tuple[int, int]] = []
    list(run(CASES, ["reference"], progress=lambda done, total: seen.append((done, total))))
    assert seen == [(done, len(CASES)) for done in range(1, len(CASES) + 1)]


def test_what_is_not_supported_is_not_derived_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in without gradients is told by its first answer; what it has is derived as ever."""
    derived: list[str] = []

    def expect_counted(case: Case, operands: Operands) -> Expectation:
        derived.append(case.observe)
        return expect(case, operands)

    monkeypatch.setattr(judging, "expect", expect_counted)
    outputs = [Case.of("MaxPooling2D", (1, 4, 4, 1), seed=seed) for seed in range(60)]
    gradients = [
        Case.of("MaxPooling2D", (1, 4, 4, 1), seed=s, observe="gradients") for s in range(60)
    ]
    results = list(run([*gradients, *outputs], [WELL_BEHAVED]))
    assert [result.verdict for result in results] == [
        *([Verdict.UNSUPPORTED] * 60),
        *([Verdict.CONFORMS] * 60),
    ]
    assert derived.count("output") == 60
    assert derived.count("gradients") <= DEPTH


def test_known_deviations_have_the_last_word() -> None:
    asked: list[Who] = []

    class Recorded(Records):
        def judge(
            self, who: Who, case: Case, outcome: Outcome, judgement: Judgement, derive: Derive
        ) -> Judgement:
            asked.append(who)
            assert isinstance(outcome, Value)
            assert judgement.verdict is Verdict.CONFORMS
            assert case == CASES[0]
            assert derive()[1].value.shape == outcome.value.shape
            return Judgement(Verdict.KNOWN_DEVIATION, "as recorded", diagnosis="some-record")

    with CaseJudge([WELL_BEHAVED], Limits(), Recorded(())) as judge:
        (result,) = judge.judge(CASES[0])
    assert (result.verdict, result.diagnosis) == (Verdict.KNOWN_DEVIATION, "some-record")
    assert asked == [Who(("naive loops", WELL_BEHAVED), {"naive loops": "1.0"})]


def test_what_may_spoil_its_process_has_another(tmp_path: Path) -> None:
    """No other case is blamed for what a case leaves behind that a record says may spoil."""
    plugin = tmp_path / "spoils.py"
    plugin.write_text(
        "import os\nimport numpy as np\nseen = []\n"
        "def Flatten(inputs, weights, config):\n"
        "    seen.append(inputs.shape)\n"
        "    if (2, 3) in seen and inputs.shape != (2, 3):\n        os._exit(3)\n"
        "    return inputs.reshape(len(inputs), -1)\n"
    )
    cases = [parse(f"Flatten/inputs:{shape}") for shape in ("2x4", "2x3", "2x5")]
    spoils = Record("spoils", ("*spoils.py", "spoils"), case=("Flatten/inputs:2x3",), alone=True)
    for records, crashed in ((Records(()), 1), (Records((spoils,)), 0)):
        with CaseJudge([str(plugin)], Limits(), records) as judge:
            judge.foresee(cases)
            verdicts = [judge.judge(case)[0].verdict for case in cases]
        assert verdicts.count(Verdict.CRASHED) == crashed, verdicts


THREADS = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("users", [{}, {"OMP_NUM_THREADS": "3"}])
def test_an_implementation_runs_on_the_threads_that_its_user_has(
    workers: int, users: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging processes are kept to one thread; what they judge is not."""
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    plugin = tmp_path / "threads.py"
    plugin.write_text(
        f"import os\nname = 'threads'\nversion = repr([os.environ.get(n) for n in {THREADS}])\n"
        "def Flatten(inputs, weights, config):\n    return inputs.reshape(len(inputs), -1)\n"
    )
    with Runner(CASES, [str(plugin)], workers=workers) as runner:
        assert repr([users.get(name) for name in THREADS]) in runner.versions["threads"]
        judging = list(judging_processes())
        assert len(judging) == (workers if workers > 1 and sys.platform == "linux" else 0)
        for environment in judging:
            assert {n: environment.get(n) for n in THREADS} == dict.fromkeys(THREADS, "1") | users


def judging_processes() -> Iterator[dict[str, str]]:
    """The environments that the judging processes of this one were started with, on Linux."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            command = (status.parent / "cmdline").read_bytes()
            if f"PPid:\t{os.getpid()}\n" in status.read_text() and b"judging_process" in command:
                variables = (status.parent / "environ").read_bytes().decode().split("\0")
                yield dict(variable.split("=", 1) for variable in variables if "=" in variable)


def test_what_names_nothing_is_refused_at_once() -> None:
    with pytest.raises(ImplementationError, match="'absent' is no implementation"):
        Runner(CASES, ["reference", "absent"])


def test_a_plug_in_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import absent_module", encoding="utf-8")
    with pytest.raises(ImplementationError, match="absent_module"):
        list(run(CASES, ["reference", str(path)]))
    assert children() == []


def test_a_dtype_whose_package_is_missing_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    (result,) = run([Case.of("Flatten", (2, 3), dtype="bfloat16")], ["reference"])
    assert result.verdict is Verdict.UNSUPPORTED
    assert "ml_dtypes" in result.message


def test_the_users_keras_json_has_no_part_in_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in this process nor in a worker; what the user set is in force again afterwards."""
    text = '{"image_data_format": "channels_first", "floatx": "float64"}'
    (tmp_path / "keras.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    config.reload()
    try:
        case = Case.of("Conv2D", (2, 7, 8, 3), filters=4, kernel_size=(3, 2))
        for workers in (1, 2):
            (result,) = run([case], ["reference"], workers=workers)
            assert (result.verdict, result.message) == (Verdict.CONFORMS, "")
        assert config.image_data_format() == "channels_first"
    finally:
        monkeypatch.undo()
        config.reload()


@has_proc
def test_cases_are_chosen_while_implementations_load_and_what_fails_leaves_no_process(
    tmp_path: Path,
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("def Flatten(inputs, weights, config):\n    return inputs\n")
    running: list[int] = []

    def chosen() -> Iterator[Case]:
        running.extend(children())
        yield parse("Flatten/inputs:2x3")
        raise KeyError("no such case")

    with pytest.raises(KeyError, match="no such case"):
        Runner(chosen(), [str(plugin)])
    assert len(running) == 1
    assert children() == []


@has_proc
def test_an_abandoned_run_leaves_no_process() -> None:
    iterator: Iterator[object] = run([misbehaving("hangs"), *CASES], [ILL_BEHAVED], workers=2)
    with contextlib.closing(iterator):  # type: ignore[type-var]
        time.sleep(0.5)
    with Runner([misbehaving("hangs"), *CASES], [ILL_BEHAVED], workers=2) as runner:
        assert runner.versions
        assert len(children()) == 2
    assert children() == []


@has_proc
def test_an_interrupted_command_leaves_no_process(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a hanging case."""
    plug_in = tmp_path / "hanging.py"
    started = tmp_path / "started"
    plug_in.write_text(
        "import os, pathlib, time\n"
        "def Flatten(inputs, weights, config):\n"
        f"    pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(3600)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-c", _INTERRUPTIBLE, "run", "--implementation", str(plug_in)]
    with subprocess.Popen(
        [*command, "--case", str(CASES[0])], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            while not (started.exists() and started.read_text(encoding="utf-8")):
                assert running.poll() is None
                time.sleep(0.02)
            worker = int(started.read_text(encoding="utf-8"))
            running.send_signal(signal.SIGINT)
            _, errors = running.communicate(timeout=20)
        finally:
            running.kill()
    assert running.returncode == 130, errors
    assert not Path(f"/proc/{worker}/cmdline").exists() or not _command_line(worker)


_INTERRUPTIBLE = """
import signal, sys
from conformance.command_line import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
"""The command line, even where the tests were started in the background, which ignores Ctrl-C."""


def _command_line(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""

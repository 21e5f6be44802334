"""Worker processes: whatever an implementation does, the right case has its outcome."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from evaluating import PLUGINS, outcomes_of

from conformance import known
from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.implementations import registry, wire
from conformance.implementations.observation import condensed
from conformance.implementations.protocol import ImplementationError
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from conformance.running.attendant import Attendant
from conformance.running.case_judge import CaseJudge
from conformance.running.limits import Limits, most_of_the_memory

ILL_BEHAVED = str(PLUGINS / "ill_behaved.py")


def plugin_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ill_behaved_for_tests", ILL_BEHAVED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = [behaviour.__name__ for behaviour in plugin_module().BEHAVIOURS]
LIMITS = Limits(timeout=5.0, memory=2**29)


def misbehaving(name: str) -> Case:
    return Case.of("Flatten", (NAMES.index(name) + 2, 3, 2))


def healthy(seed: int) -> Case:
    return Case.of("Flatten", (1, 3, 2), seed=seed)


def flat(case: Case) -> Any:
    inputs = operands(case).inputs
    assert inputs is not None
    return inputs.reshape(inputs.shape[0], -1)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every misbehaviour, a healthy case after each, on one implementation."""
    cases = [case for n, name in enumerate(NAMES) for case in (misbehaving(name), healthy(n))]
    found = outcomes_of(ILL_BEHAVED, cases, LIMITS)
    return dict(zip(map(str, cases), found, strict=True))


def is_value(case: Case, outcome: Outcome) -> bool:
    return (
        isinstance(outcome, Value)
        and isinstance(outcome.value, np.ndarray)
        and outcome.value.dtype == np.float32
        and np.array_equal(outcome.value, flat(case))
        and outcome.repeat is None
        and outcome.changed_inputs == ()
    )


def test_healthy_cases_are_not_affected_by_those_between(outcomes: dict[str, Outcome]) -> None:
    for number in range(len(NAMES)):
        case = healthy(number)
        assert is_value(case, outcomes[str(case)]), NAMES[number]


ENDINGS: dict[str, str] = {
    "aborts": "signal SIGABRT",
    "segfaults": "signal SIGSEGV",
    "divides_by_zero_in_native_code": "signal SIGFPE",
    "ends_the_process": "exit status 7",
    "calls_sys_exit": "exit status 3",
    "calls_sys_exit_with_success": "exit status 0",
    "raises_keyboard_interrupt": "exit status 1",
    "raises_a_base_exception": "exit status 1",
    "exhausts_the_memory": "memory exhausted",
    "leaves_a_process_behind_and_aborts": "signal SIGABRT",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_an_end_of_the_process_is_a_crash(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(misbehaving(name))]
    assert isinstance(outcome, Crash)
    assert outcome.ending == ENDINGS[name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ends_the_process", "about to end"),
        ("raises_a_base_exception", "nobody catches this"),
        ("segfaults", "Segmentation fault"),
    ],
)
def test_the_last_words_are_kept(name: str, words: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(misbehaving(name))]
    assert isinstance(outcome, Crash)
    assert words in outcome.last_words


@pytest.mark.parametrize("name", ["hangs", "hangs_in_native_code"])
def test_a_hang_is_a_timeout(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[str(misbehaving(name))] == Timeout(LIMITS.timeout)


def test_a_case_that_is_known_to_hang_is_not_waited_for_as_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its record, which has it in a process of its own, accounts for it."""
    monkeypatch.setattr("conformance.running.attendant._KNOWN_HANG", 0.5)
    spec = str(tmp_path / "hanging.py")
    Path(spec).write_text(
        "import time\n"
        "def Flatten(inputs, weights, config):\n"
        "    time.sleep(0 if inputs.shape[0] == 1 else 30)\n"
        "    return inputs.reshape(inputs.shape[0], -1)\n"
    )
    record = tmp_path / "known.toml"
    record.write_text(
        f'[[deviation]]\nid = "hanging"\nimplementation = [{json.dumps(spec)}]\n'
        'layer = "Flatten"\nwhere = { batch = ">1" }\nverdict = ["crashed", "timed_out"]\n'
        'message = ["No answer came"]\nalways = false\nalone = true\ninstead = "it hangs"\n'
    )
    cases = [Case.of("Flatten", (size, 3)) for size in (1, 2, 1, 3)]
    began = time.monotonic()
    with CaseJudge([spec], Limits(), known.load([record])) as judge:
        judge.foresee(cases)
        found = [judge.judge(case)[0] for case in cases]
    assert [str(one.verdict) for one in found] == ["conforms", "known_deviation"] * 2
    assert [one.seconds for one in found[1::2]] == [0.5, 0.5]
    assert time.monotonic() - began < 30


def test_the_time_of_a_case_begins_when_it_is_sent(tmp_path: Path) -> None:
    """Answers may lie unread for longer than a case may take: while another process hangs."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "def Flatten(inputs, weights, config):\n"
        "    time.sleep(0.03)\n"
        "    return inputs.reshape(inputs.shape[0], -1)\n"
    )
    limits = Limits(timeout=1.0)
    attendant = Attendant(registry.resolve(str(slow)), limits)
    first, *others = map(healthy, range(24))
    ahead, later = others[:8], others[8:]
    with contextlib.closing(attendant):
        found = [attendant.outcome(first)]
        for case in ahead:
            attendant.ask(case)
        time.sleep(limits.timeout + 1)
        for case in later:
            attendant.ask(case)
        found += [attendant.outcome(case) for case in others]
    assert all(isinstance(outcome, Value) for outcome, _ in found)


@pytest.mark.parametrize(
    "name",
    [
        "floods_both_streams",
        "closes_the_standard_streams",
        "spoils_its_process",
        "returns_a_view_of_its_input",
        "returns_a_strided_array",
        "returns_a_tensor",
    ],
)
def test_what_is_harmless_is_a_value(name: str, outcomes: dict[str, Outcome]) -> None:
    case = misbehaving(name)
    assert is_value(case, outcomes[str(case)])


def test_changed_inputs_are_named_and_the_result_kept(outcomes: dict[str, Outcome]) -> None:
    case = misbehaving("changes_its_inputs")
    outcome = outcomes[str(case)]
    assert isinstance(outcome, Value)
    assert outcome.changed_inputs == ("inputs",)
    assert outcome.repeat is None
    assert np.array_equal(outcome.value, flat(case))


def test_a_different_second_answer_is_kept(outcomes: dict[str, Outcome]) -> None:
    case = misbehaving("answers_differently_the_second_time")
    outcome = outcomes[str(case)]
    assert isinstance(outcome, Value)
    assert np.array_equal(outcome.value, flat(case) + np.float32(1))
    assert np.array_equal(outcome.repeat, flat(case) + np.float32(2))


def test_an_answer_that_a_later_call_overwrites_is_told(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(misbehaving("returns_a_view_that_it_changes_later"))]
    assert isinstance(outcome, Value)
    assert outcome.changed_inputs == ("answer",)


def test_a_second_call_that_raises_is_a_rejection(outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(misbehaving("raises_the_second_time"))]
    assert outcome == Rejection("RuntimeError", "the second call on the same operands: once only")


RESULTS: dict[str, Callable[[Any], bool]] = {
    "returns_lists": lambda value: value.shape == (NAMES.index("returns_lists") + 2, 6),
    "returns_another_dtype": lambda value: value.dtype == np.float64,
    "returns_another_shape": lambda value: value.ndim == 3,
    "returns_a_scalar": lambda value: value.shape == (),
    "returns_nothing": lambda value: value is None,
    "returns_a_text": lambda value: value == "str 'flat'",
    "returns_objects": lambda value: value == "ndarray of shape (25, 6) and dtype object",
    "returns_a_ragged_list": lambda value: value.startswith("list [[1.0], [1.0, 2.0]], not conv"),
    "returns_a_tensor_that_refuses": lambda value: value.endswith(
        "(RuntimeError: it requires grad)"
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_what_is_returned_reaches_the_judge(name: str, outcomes: dict[str, Outcome]) -> None:
    """As an array where it is convertible to one, else as None or a description."""
    outcome = outcomes[str(misbehaving(name))]
    assert isinstance(outcome, Value)
    assert RESULTS[name](outcome.value)


def test_exceptions_are_rejections_or_unsupported(outcomes: dict[str, Outcome]) -> None:
    assert outcomes[str(misbehaving("rejects"))] == Rejection("ValueError", "no such batch")
    unsupported = outcomes[str(misbehaving("declares_it_unsupported"))]
    assert unsupported == Unsupported("no such batch yet")


def test_every_behaviour_is_asserted() -> None:
    """A behaviour added to the plug-in without an expectation would go unnoticed."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NAMES if f'"{name}"' not in source] == []


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="lists processes by /proc")
def test_no_process_survives_its_team() -> None:
    """Neither a worker, not even as a zombie, nor the child that a crashing one leaves behind."""
    (outcome,) = outcomes_of(ILL_BEHAVED, [misbehaving("leaves_a_process_behind_and_aborts")])
    assert isinstance(outcome, Crash)
    child = re.search(r"left behind: (\d+)", outcome.last_words)
    assert child is not None
    assert not is_running(int(child[1]))
    stats = [text.rpartition(")")[2].split() for text in process_stats()]
    assert [fields for fields in stats if int(fields[1]) == os.getpid()] == []


def is_running(process: int) -> bool:
    """Whether a process has a command line, which a zombie has not."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


def process_stats() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            yield path.read_text(encoding="utf-8", errors="replace")


def test_memory_is_limited_by_default(tmp_path: Path) -> None:
    """So that an implementation that exhausts it does not take the machine along."""
    resource = pytest.importorskip("resource")
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
    path = tmp_path / "limited.py"
    path.write_text(
        "import resource\n"
        "def Flatten(inputs, weights, config):\n"
        "    raise ValueError(resource.getrlimit(resource.RLIMIT_DATA)[0])\n",
        encoding="utf-8",
    )
    (outcome,) = outcomes_of(str(path), [healthy(0)])
    assert outcome == Rejection("ValueError", str(most_of_the_memory()))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a process group of its own")
def test_an_end_is_noticed_although_a_descendant_keeps_the_pipes_open(tmp_path: Path) -> None:
    path = tmp_path / "daemon.py"
    path.write_text(
        "import os, subprocess, sys\n"
        "def Flatten(inputs, weights, config):\n"
        "    program = 'import time; time.sleep(6)'\n"
        "    command = [sys.executable, '-c', program]\n"
        "    subprocess.Popen(command, start_new_session=True)\n"
        "    os._exit(5)\n",
        encoding="utf-8",
    )
    (outcome,) = outcomes_of(str(path), [healthy(0)])
    assert isinstance(outcome, Crash)
    assert outcome.ending == "exit status 5"


def test_a_worker_ends_when_its_parent_is_gone() -> None:
    """Its requests end with the parent, however that dies; here they are closed in a case."""
    attendant = Attendant(registry.resolve(ILL_BEHAVED), Limits())
    assert attendant.introduction().name == "ill-behaved"
    attendant.ask(misbehaving("hangs"))
    started = time.monotonic()
    attendant.close()
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("text", ["raise ValueError('no')", "import os; os._exit(9)", "x = 1"])
def test_what_cannot_be_loaded_is_an_error_and_no_outcome(text: str, tmp_path: Any) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ImplementationError, match=r"broken\.py"):
        outcomes_of(str(path), [healthy(0)])


def test_a_start_that_takes_too_long_is_an_error(tmp_path: Any) -> None:
    path = tmp_path / "slow.py"
    path.write_text("import time; time.sleep(3600)", encoding="utf-8")
    with pytest.raises(ImplementationError, match="not ready within 1 seconds"):
        outcomes_of(str(path), [healthy(0)], Limits(start=1.0))


def test_a_worker_that_cannot_be_started_again_is_reported_for_every_case(tmp_path: Any) -> None:
    path = tmp_path / "once.py"
    path.write_text(
        "import os, pathlib\n"
        "marker = pathlib.Path(__file__).with_suffix('.started')\n"
        "if marker.exists(): raise ImportError('only once')\n"
        "marker.touch()\n"
        "def Flatten(inputs, weights, config): os.abort()\n",
        encoding="utf-8",
    )
    first, *others = outcomes_of(str(path), [healthy(seed) for seed in range(3)])
    assert isinstance(first, Crash)
    assert first.ending == "signal SIGABRT"
    assert [type(outcome) for outcome in others] == [Crash, Crash]
    assert all("only once" in outcome.last_words for outcome in others)  # type: ignore[union-attr]


def test_messages_lose_colours_and_tracebacks() -> None:
    message = (
        "in user code:\n\n"
        '    File "/some/where/traceback_utils.py", line 881, in error_handler  *\n'
        "        filtered = process(e.__traceback__)\n\n"
        "    ValueError: Exception encountered when calling Conv2D.call().\n    \n"
        "    \x1b[1mNegative dimension size\x1b[0m\n"
    )
    assert condensed(message) == (
        "ValueError: Exception encountered when calling Conv2D.call().\nNegative dimension size"
    )


def test_long_messages_keep_their_start_and_end() -> None:
    text = condensed("first" + 5000 * "x" + "last")
    assert text.startswith("first")
    assert text.endswith("last")
    assert len(text) < 1100


MESSAGES: list[Any] = [
    ("ready", "name", "1.0"),
    ("outcome", 3, Value(np.arange(6, dtype=np.int16).reshape(2, 3), None, ("inputs",))),
    ("outcome", 0, Rejection("ValueError", "näin")),
    ("outcome", 0, Unsupported("why")),
    ("outcome", 0, Crash("signal SIGSEGV", "words")),
    ("outcome", 0, Timeout(1.5)),
    ("outcome", 0, Value({"a": [1, None, True], (1, 2): -0.0, "c": 2j, "d": b"\x00\xff"})),
    ("outcome", 0, Value([np.float32(1.5), np.int8(-3), np.zeros((0, 3)), np.array("text")])),
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
def test_messages_survive_the_wire(message: Any) -> None:
    assert repr(wire.read_message(io.BytesIO(wire.encode(message)))) == repr(message)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 5e-324, 2**70])
def test_extreme_numbers_survive_the_wire(value: float) -> None:
    assert repr(wire.read_message(io.BytesIO(wire.encode(value)))) == repr(value)


def test_what_has_no_form_on_the_wire_is_described() -> None:
    assert wire.read_message(io.BytesIO(wire.encode({1, 2}))) == "set {1, 2}"


def test_every_truncation_of_a_message_reads_as_the_end() -> None:
    frame = wire.encode(MESSAGES[1])
    for length in range(len(frame)):
        assert wire.read_message(io.BytesIO(frame[:length])) is None


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00" * 7 + b"\x01" + b"\x00" * 8 + b"{",
        b"\x00" * 7 + b"\x08" + b"\x00" * 8 + b'{"x": 1}',
        b"\xff" * 16,
    ],
)
def test_garbage_is_an_error(frame: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.read_message(io.BytesIO(frame))


def test_the_worker_module_imports_no_framework() -> None:
    program = (
        "import sys, conformance.running.isolated_process; "
        "print([m for m in ('tensorflow', 'keras', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

"""Programs in any language: the protocol, a program that is not written in Python, isolation."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from evaluating import PLUGINS, outcomes_of

from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.command_line import main
from conformance.implementations import program, registry, wire
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value
from conformance.results import ACCEPTED
from conformance.running.runner import Limits, Runner, run

PERL = f"exec:perl {shlex.quote(str(PLUGINS / 'flatten.pl'))}"
ILL_BEHAVED = PLUGINS / "ill_behaved_program.py"
SPEC = f"exec:{shlex.join([sys.executable, str(ILL_BEHAVED)])}"
needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")


def program_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ill_behaved_program_for_tests", ILL_BEHAVED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = [behaviour.__name__ for behaviour in program_module().BEHAVIOURS]
LIMITS = Limits(timeout=5.0)


def misbehaving(name: str) -> Case:
    return Case.of("Flatten", (NAMES.index(name) + 2, 3, 2))


def healthy(seed: int) -> Case:
    return Case.of("Flatten", (1, 3, 2), seed=seed)


@needs_perl
@pytest.mark.parametrize("workers", [1, 2])
def test_a_perl_program_conforms(workers: int) -> None:
    """Every Flatten case of the smoke grid, of each dtype and both layouts, end to end."""
    cases = [case for case in grid("smoke") if case.layer == "Flatten"]
    more = ["int8", "int64", "float16", "float64"]
    cases += [Case.of("Flatten", (2, 3, 5, 4), dtype=d, data_format="channels_first") for d in more]
    results = list(run(cases, [PERL], workers=workers))
    assert [(r.case, r.message) for r in results if r.verdict not in ACCEPTED] == []
    assert sum(r.verdict is Verdict.CONFORMS for r in results) > 20
    assert {r.implementation for r in results} == {"flatten.pl"}


@needs_perl
def test_a_perl_program_is_named_with_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--implementation", PERL, "--case", "Flatten/inputs:2x3x4"]
    assert main(arguments) == 0
    assert "flatten.pl 1.0" in capsys.readouterr().out


@needs_perl
def test_what_a_program_does_not_offer_is_unsupported() -> None:
    (outcome,) = outcomes_of(PERL, [Case.of("MaxPooling1D", (2, 7, 3))])
    assert outcome == Unsupported("the plug-in has no callable MaxPooling1D")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every misbehaviour, a healthy case after each, on one implementation."""
    cases = [case for n, name in enumerate(NAMES) for case in (misbehaving(name), healthy(n))]
    found = outcomes_of(SPEC, cases, LIMITS)
    return dict(zip(map(str, cases), found, strict=True))


def is_right(case: Case, outcome: Outcome) -> bool:
    inputs: Any = operands(case).inputs
    return (
        isinstance(outcome, Value)
        and isinstance(outcome.value, np.ndarray)
        and outcome.value.dtype == inputs.dtype
        and np.array_equal(outcome.value, inputs.reshape(len(inputs), -1))
        and outcome.repeat is None
    )


def test_healthy_cases_are_not_affected_by_those_between(outcomes: dict[str, Outcome]) -> None:
    for number in range(len(NAMES)):
        case = healthy(number)
        assert is_right(case, outcomes[str(case)]), NAMES[number]


CRASHES = {
    "ends": Crash("exit status 7", "about to end"),
    "ends_with_success": Crash("exit status 0"),
    "aborts": Crash("signal SIGABRT"),
    "ends_in_the_middle_of_a_line": Crash("exit status 1"),
    "closes_its_output": Crash("a closed or garbled connection to the suite"),
}


@pytest.mark.parametrize("name", CRASHES)
def test_an_end_of_the_program_is_a_crash(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[str(misbehaving(name))] == CRASHES[name]


def test_a_program_that_hangs_times_out(outcomes: dict[str, Outcome]) -> None:
    assert outcomes[str(misbehaving("hangs"))] == Timeout(LIMITS.timeout)


GARBLED = {
    "prints_what_is_no_json": "a line that is no JSON: 'computing...'",
    "answers_with_a_list": "a line that is no JSON object: [1, 2]",
    "answers_with_bytes": "a line that is no JSON: ",
    "answers_with_another_id": "a line whose id is ",
    "answers_twice": "a line whose id is ",
    "answers_nothing_useful": "a line without 'output', 'unsupported' or 'rejected': ",
    "answers_with_too_little_data": "in 3 bytes instead of ",
    "answers_with_an_unknown_dtype": "the dtype 'float99' is none of bfloat16, ",
    "answers_without_a_shape": "something that is no array (KeyError: 'shape')",
}


@pytest.mark.parametrize("name", GARBLED)
def test_what_is_no_answer_is_described(name: str, outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[str(misbehaving(name))]
    assert isinstance(outcome, Value)
    assert GARBLED[name] in outcome.value


def test_answers_reach_the_judge(outcomes: dict[str, Outcome]) -> None:
    other = outcomes[str(misbehaving("answers_with_another_shape"))]
    assert isinstance(other, Value)
    assert other.value.ndim == 3
    case = misbehaving("floods_standard_error")
    assert is_right(case, outcomes[str(case)])
    rejection = outcomes[str(misbehaving("rejects"))]
    assert rejection == Rejection("RejectedError", "no such batch")
    unsupported = outcomes[str(misbehaving("declares_it_unsupported"))]
    assert unsupported == Unsupported("no such batch yet")


def test_every_behaviour_is_asserted() -> None:
    """A behaviour added to the program without an expectation would go unnoticed."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NAMES if f'"{name}"' not in source] == []


VERDICTS = {
    "ends": (Verdict.CRASHED, "exit status 7; its last words: about to end"),
    "hangs": (Verdict.TIMED_OUT, "No answer came"),
    "prints_what_is_no_json": (Verdict.DEVIATES, "the answer is a line that is no JSON"),
    "answers_with_another_id": (Verdict.DEVIATES, "the answer is a line whose id is"),
    "rejects": (Verdict.DEVIATES, "no such batch"),
}


def test_every_misbehaviour_gets_its_verdict() -> None:
    with Runner([misbehaving(n) for n in VERDICTS], [SPEC], limits=LIMITS) as runner:
        results = list(runner)
    for result, (verdict, words) in zip(results, VERDICTS.values(), strict=True):
        assert result.verdict is verdict
        assert words in result.message


def scripted(tmp_path: Path, text: str) -> str:
    path = tmp_path / "scripted.py"
    path.write_text("import json, sys\n" + text, encoding="utf-8")
    return f"exec:{shlex.join([sys.executable, str(path)])}"


ECHO = """
def asked(line):
    with open(__file__ + ".log", "a", encoding="utf-8") as log:
        log.write(line)
for line in sys.stdin:
    asked(line)
    request = json.loads(line)
    answer = {"id": request["id"], "gradients_": True}
    if "hello" in request:
        answer["gradients"] = True
    elif request["observe"] == "gradients":
        answer["gradients"] = {"inputs": request["inputs"], **request["weights"]}
    else:
        answer["output"] = request["inputs"]
    print(json.dumps(answer), flush=True)
"""


def test_requests_hold_everything_in_canonical_form(tmp_path: Path) -> None:
    """Whatever the layout of the operands in memory, the bytes are in the order of the axes."""
    spec = scripted(tmp_path, ECHO)
    case = parse("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/strides:2/operands:strided")
    (outcome,) = outcomes_of(spec, [case])
    given: Any = operands(case)
    assert isinstance(outcome, Value)
    assert np.array_equal(outcome.value, given.inputs)
    log = (tmp_path / "scripted.py.log").read_text(encoding="utf-8")
    hello, first, second, *_ = map(json.loads, log.splitlines())
    assert hello == {"id": 0, "hello": {"protocol": 1}}
    assert {key: first[key] for key in ("id", "observe", "layer")} == {
        "id": 1,
        "observe": "output",
        "layer": "Conv2D",
    }
    assert first["config"]["kernel_size"] == [3, 2]
    assert first["config"]["strides"] == [2, 2]
    assert first["config"]["dtype"] == "float32"
    assert first["weights"].keys() == {"kernel", "bias"}
    assert first["weights"]["kernel"]["shape"] == [3, 2, 3, 4]
    assert second == {**first, "id": 2}


def test_gradients_come_by_name(tmp_path: Path) -> None:
    case = parse("Conv1D/observe:gradients/inputs:2x7x3/filters:4/kernel_size:3")
    (outcome,) = outcomes_of(scripted(tmp_path, ECHO), [case])
    given: Any = operands(case)
    assert isinstance(outcome, Value)
    assert outcome.value.keys() == {"inputs", "kernel", "bias"}
    assert np.array_equal(outcome.value["kernel"], given.weights["kernel"])


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="lists processes by /proc")
def test_a_program_that_does_not_end_with_its_input_is_ended(tmp_path: Path) -> None:
    spec = scripted(tmp_path, ECHO + "import time\ntime.sleep(3600)\n")
    outcomes_of(spec, [healthy(0)])
    script = str(tmp_path / "scripted.py").encode()
    deadline = time.monotonic() + 5.0  # a killed process takes a moment to go
    while _running(script) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _running(script) == []


def _running(script: bytes) -> list[bytes]:
    lines = [_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    return [line for line in lines if script in line]


def _command_line(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("dtype", sorted(wire.NUMERIC_DTYPES))
def test_every_dtype_survives_the_protocol(dtype: str) -> None:
    """All bytes, in both byte orders of the array that is sent."""
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    numbers = np.arange(12).reshape(3, 4) % 2 if dtype == "bool" else np.arange(12).reshape(3, 4)
    array = numbers.astype(kind)
    for sent in (array, array.T.copy().T, array.astype(array.dtype.newbyteorder(">"))):
        received = wire.decoded_array(json.loads(json.dumps(wire.encoded_array(sent))))
        assert received.dtype == array.dtype
        assert received.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("exec:", "it names no command"),
        ("exec:absent-program --fast", "there is no program 'absent-program'"),
        ("exec:echo 'open", "cannot be split into words"),
    ],
)
def test_a_command_that_cannot_be_started_is_refused_at_once(spec: str, message: str) -> None:
    with pytest.raises(ImplementationError, match=message):
        registry.resolve(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sys.exit('no licence')", r"exit status 1; its last words:\nno licence"),
        ("print('usage: flatten FILE')", "a line that is no JSON: 'usage: flatten FILE'"),
        ("print(input())", "the request itself: "),
        ("print('{}')", "a line whose id is None and not 0"),
        ("""print('{"id": 0, "layers": ["Conv3D"]}')""", r'the layers \["Conv3D"\], which have to'),
        ("""print('{"id": 0, "layers": "Conv2D"}')""", "which have to be a list of some of Conv1D"),
    ],
)
def test_a_malformed_hello_is_no_outcome(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImplementationError, match=message):
        outcomes_of(scripted(tmp_path, text), [healthy(0)])


def test_a_star_in_a_command_is_no_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--implementation", "exec:absent *", "--grid", "smoke"]) == 2
    assert "there is no program 'absent'" in capsys.readouterr().err


README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@needs_perl
def test_the_dialogue_in_the_readme_is_the_one_that_happens() -> None:
    """The Perl program, fed with the requests as printed, answers what is printed."""
    lines = re.findall(r'^    (\{"id": .*\})$', README, re.MULTILINE)
    requests, answers = lines[::2], lines[1::2]
    done = subprocess.run(
        ["perl", str(PLUGINS / "flatten.pl")],
        input="".join(f"{line}\n" for line in requests),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == answers
    request, array = json.loads(requests[1]), np.array([[[1.0], [2.0]]], np.float32)
    config = {"data_format": "channels_last", "dtype": "float32"}
    made = program._request("output", "Flatten", array, {}, config)
    assert request == {"id": 1, **made}

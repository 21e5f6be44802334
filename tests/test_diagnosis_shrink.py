"""A failing case is shrunk to a smallest one that fails alike, and printed as a program."""

from __future__ import annotations

import json
import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import known as deviations
from conformance.cases.case import Case, parse
from conformance.cases.operands import KINDS, operands
from conformance.command_line import main
from conformance.diagnosis.evaluation import Steps, evaluate
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.shrink import Shrinker, candidates
from conformance.diagnosis.shrink_sequence import SequenceShrinker
from conformance.diagnosis.snippet import literal, snippet
from conformance.outcomes import Outcome, Rejection, Value
from conformance.results import Result
from conformance.running.judging import Prepared, Subject, result_of

Array = np.ndarray[Any, Any]

PLUGIN = '''
"""Convolution of one dimension without its bias."""
import numpy as np


def Conv1D(inputs, weights, config):
    if config["padding"] != "valid" or config["data_format"] != "channels_last":
        raise NotImplementedError("valid and channels_last only")
    if config["activation"] is not None or inputs.dtype != np.float32:
        raise NotImplementedError("float32 without activation only")
    kernel = weights["kernel"]
    step, rate = config["strides"][0], config["dilation_rate"][0]
    span = (kernel.shape[0] - 1) * rate + 1
    if inputs.ndim != 3 or inputs.shape[1] < span or min(kernel.shape) < 1 or step < 1 < rate > 1:
        raise ValueError("no window fits")
    starts = range(0, inputs.shape[1] - span + 1, step)
    windows = np.stack([inputs[:, i : i + span : rate] for i in starts], axis=1)
    return np.tensordot(windows, kernel, 2).astype(np.float32)
'''


def judged(steps: Steps, case: Case) -> Result:
    outcome: Outcome
    try:
        outcome = Value(evaluate(case, operands(case), steps))
    except (ValueError, IndexError) as error:
        outcome = Rejection(type(error).__name__, str(error))
    subject = Subject("x.py", "x", {})
    return result_of(Prepared(case), subject, outcome, deviations.load())


LONG = (
    "Conv2D/inputs:3x7x6x3/dtype:float64/operands:reals/seed:2/filters:5/kernel_size:4x3/"
    "strides:1x2/padding:same/activation:relu/kernel_initializer:zeros"
)


@pytest.mark.parametrize(
    ("fault", "least"),
    [
        (
            "same.odd-first",
            "Conv2D/inputs:1x1x1x1/operands:small/filters:1/kernel_size:2x1/padding:same",
        ),
        ("bias.twice", "Conv2D/inputs:1x1x1x1/operands:small/filters:1/kernel_size:1x1"),
        (
            "strides.exchanged",
            "Conv2D/inputs:1x1x2x1/operands:small/filters:1/kernel_size:1x1/strides:1x2",
        ),
        ("kernel.flipped", "Conv2D/inputs:1x1x2x1/operands:small/filters:1/kernel_size:1x2"),
    ],
)
def test_a_case_is_shrunk_while_the_same_fault_explains_it(fault: str, least: str) -> None:
    steps = FAULTS[fault].steps
    shrunk = Shrinker(lambda case: judged(steps, case)).shrink(parse(LONG))
    assert shrunk is not None
    assert FAULTS[fault].sentence in shrunk.diagnosis.message
    assert shrunk.result.evidence is not None
    assert shrunk.case.descriptor == least


def test_shrinking_does_not_slip_to_another_fault() -> None:
    """With two faults in the implementation, a case of one does not become one of the other."""

    def judge(case: Case) -> Result:
        plain = case.keywords.get("padding") != "same"
        return judged(FAULTS["bias.missing" if plain else "kernel.flipped"].steps, case)

    case = parse("Conv1D/inputs:2x7x3/filters:4/kernel_size:3/padding:same")
    shrunk = Shrinker(judge).shrink(case)
    assert shrunk is not None
    assert shrunk.case.keywords["padding"] == "same"
    assert "flipped" in shrunk.diagnosis.message


def test_a_failure_of_no_known_fault_is_shrunk_within_its_stage() -> None:
    def tripled(case: Case) -> Result:
        steps = Steps(outputs=lambda y: y * np.asarray(3.0, y.dtype) + np.asarray(1.0, y.dtype))
        return judged(steps, case)

    shrunk = Shrinker(tripled).shrink(parse("MaxPooling2D/inputs:2x6x7x3/pool_size:3x2"))
    assert shrunk is not None
    assert shrunk.diagnosis.groups[0].stage == "selection"
    assert np.prod(shrunk.case.inputs or ()) < 2 * 6 * 7 * 3


def test_a_case_that_does_not_fail_is_not_shrunk() -> None:
    assert Shrinker(lambda case: judged(Steps(), case)).shrink(parse(LONG)) is None


def test_candidates_are_other_cases_that_keep_what_is_observed() -> None:
    case = parse("Conv1D/observe:rejection/inputs:2x4x3/filters:4/kernel_size:5/strides:2")
    found = list(candidates(case))
    assert found
    assert case not in found
    assert {one.observe for one in found} == {"rejection"}


def test_a_forbidden_case_stays_forbidden() -> None:
    """Otherwise the accepting of a valid case would be taken for the failure."""
    case = parse("Conv1D/observe:rejection/inputs:2x7x3/filters:4/kernel_size:2/strides:2/"
                 "dilation_rate:2")  # fmt: skip
    shrunk = Shrinker(lambda c: judged(Steps(), c)).shrink(case)
    assert shrunk is not None
    assert {"strides", "dilation_rate"} <= set(shrunk.case.keywords)


def test_time_that_is_up_leaves_the_case_as_it_is() -> None:
    steps = FAULTS["bias.missing"].steps
    shrunk = Shrinker(lambda case: judged(steps, case), seconds=-1).shrink(parse(LONG))
    assert shrunk is not None
    assert shrunk.case == parse(LONG)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "port.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return "port.py"


def run_program(text: str) -> None:
    exec(compile(text, "snippet", "exec"), {})


def test_the_program_shows_the_failure(plugin: str) -> None:
    text = snippet(parse("Conv1D/inputs:1x2x2/operands:small/filters:1/kernel_size:2"), plugin)
    assert text is not None
    with pytest.raises(AssertionError, match="not equal"):
        run_program(text)


def test_the_program_passes_where_the_implementation_is_right(plugin: str) -> None:
    case = "Conv1D/inputs:1x3x2/operands:reals/filters:2/kernel_size:2/use_bias:False"
    text = snippet(parse(case), plugin)
    assert text is not None
    assert "atol=bound" in text
    run_program(text)


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if not KINDS[kind].history))
def test_the_program_of_every_kind_of_operands_runs_on_the_oracle(kind: str) -> None:
    """Its literals are the operands and expected values to the bit, in their layout."""
    text = snippet(parse(f"Conv1D/inputs:2x3x2/operands:{kind}/filters:2/kernel_size:2"),
                   "reference")  # fmt: skip
    assert text is not None
    assert "import reference_impl as keras" in text
    run_program(text)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint16", "int64"])
def test_literals_are_exact(dtype: str) -> None:
    array = operands(Case.of("MaxPooling1D", (2, 3, 4), dtype=dtype)).inputs
    assert array is not None
    read = eval(literal(array), {"np": np})
    assert read.dtype == array.dtype
    assert read.tobytes() == array.tobytes()


def test_a_forbidden_case_becomes_a_program_that_expects_an_exception(plugin: str) -> None:
    text = snippet(parse("Conv1D/observe:rejection/inputs:1x2x1/filters:1/kernel_size:3"), plugin)
    assert text is not None
    run_program(text)


RIGHT_AND_WRONG = """
import base64, json, math, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "hello" in asked:
        print(json.dumps({"id": asked["id"], "layers": ["Flatten"]}), flush=True)
        continue
    given = asked["inputs"]
    batch, *rest = given["shape"]
    answer = {**given, "shape": [batch, math.prod(rest)]}
    if "wrong" in sys.argv:
        answer["data"] = base64.b64encode(bytes(len(base64.b64decode(given["data"])))).decode()
    print(json.dumps({"id": asked["id"], "output": answer}), flush=True)
"""


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_program_asks_a_program_in_another_language(dtype: str, tmp_path: Path) -> None:
    """It starts the command and speaks its protocol, so that it shows the failure by itself."""
    path = tmp_path / "a program.py"
    path.write_text(RIGHT_AND_WRONG)
    spec = "exec:" + shlex.join([sys.executable, str(path)])
    case = Case.of("Flatten", (1, 2, 3), dtype=dtype)
    right, wrong = snippet(case, spec), snippet(case, f"{spec} wrong")
    assert right is not None
    assert wrong is not None
    run_program(right)
    with pytest.raises(AssertionError, match="not equal"):
        run_program(wrong)


def test_what_is_not_about_one_output_has_no_program() -> None:
    assert snippet(parse("Conv1D/observe:shape/inputs:1x2x1/filters:1/kernel_size:1"), "x") is None


def test_the_command_shrinks(plugin: str, capsys: pytest.CaptureFixture[str]) -> None:
    case = "Conv1D/inputs:2x7x3/filters:4/kernel_size:3/strides:2"
    assert main(["shrink", case, "--implementation", plugin]) == 1
    printed = capsys.readouterr().out
    assert "to    Conv1D/inputs:1x1x1/operands:small/filters:1/kernel_size:1 " in printed
    assert "what you get when the bias is left out" in printed
    assert "conformance run --implementation port.py --case Conv1D/inputs:1x1x1/" in printed
    assert "runpy.run_path('port.py')" in printed


def test_the_command_says_that_there_is_nothing_to_shrink(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = "Conv1D/inputs:2x7x3/filters:4/kernel_size:3/use_bias:False"
    assert main(["shrink", case, "--implementation", plugin]) == 0
    assert "nothing to shrink" in capsys.readouterr().out


PLANNING = """
import reference_impl

strides = {}

def MaxPooling1D(inputs, weights, config):
    taken = strides.setdefault(inputs.shape, config["strides"])
    return reference_impl.layers.MaxPooling1D(config["pool_size"], taken)(inputs)
"""
"""The strides of the first call on inputs of a shape are taken for all later ones."""


FIRST, OTHER, LAST = (
    parse(f"Conv1D/inputs:2x{n}x3/operands:{kind}/filters:4/kernel_size:{k}")
    for n, kind, k in ((5, "reals", 3), (6, "reals", 2), (5, "integers", 3))
)


def test_a_sequence_is_made_shorter_and_smaller() -> None:
    """What fails where a case before has a kernel of the same shape and other operands."""

    def fails(cases: Sequence[Case]) -> bool:
        *before, last = cases
        kernel = [last.inputs[-1:], last.keywords["kernel_size"], last.keywords["filters"]]
        return any(
            [one.inputs[-1:], one.keywords["kernel_size"], one.keywords["filters"]] == kernel
            and one.operands != last.operands
            for one in before
            if one.inputs
        )

    smallest = "Conv1D/inputs:1x1x1/operands:{}/filters:1/kernel_size:1"
    shrunk = SequenceShrinker(fails).shrink([FIRST, OTHER, LAST])
    assert shrunk == (parse(smallest.format("reals")), parse(smallest.format("small")))
    assert SequenceShrinker(fails).shrink([OTHER, LAST]) is None
    assert SequenceShrinker(lambda cases: True).shrink([FIRST, LAST]) is None


def test_a_sequence_is_printed_as_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("planned.py").write_text(PLANNING, encoding="utf-8")
    first, other, last = (
        f"MaxPooling1D/inputs:2x{n}x3/pool_size:2/strides:{s}" for n, s in ((9, 1), (8, 1), (9, 3))
    )
    command = ["shrink", "--implementation", "planned.py", "--seconds", "1"]
    assert main([*command, first, last]) == 1
    printed = capsys.readouterr().out
    assert "2 cases, of which the last fails" in printed
    assert "conformance run --implementation planned.py --case MaxPooling1D/inputs:" in printed
    program = textwrap.dedent(printed.split("As a program of its own:")[1])
    with pytest.raises(AssertionError):
        run_program(program)
    assert main([*command, other, last]) == 0
    assert "no sequence to shrink" in capsys.readouterr().out


def test_a_wrong_descriptor_is_wrong_usage(plugin: str) -> None:
    assert main(["shrink", "Conv9D/inputs:1x2", "--implementation", plugin]) == 2


def test_run_prints_the_diagnosis_and_writes_it(
    plugin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.jsonl"
    command = ["run", "--implementation", plugin, "--layer", "Conv1D", "--grid", "smoke"]
    assert main([*command, "--jsonl", str(report)]) == 1
    printed = capsys.readouterr().out
    assert "  1. The bias is left out.\n" in printed
    assert "conformance run --implementation port.py" in printed
    assert "(conformance shrink looks for a still smaller case" in printed
    records = [json.loads(line) for line in report.read_text().splitlines()]
    told = [one["diagnosis"] for one in records[1:-1] if one["verdict"] == "deviates"]
    assert told.count("the bias is left out") > 5
    assert records[-1]["results"] == len(records) - 2


def test_the_selftest_command_prints_a_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--fault", "bias.missing"]) == 0
    assert "1 of 1 faults detected, 1 diagnosed; 5 of 5 correct" in capsys.readouterr().out
    assert main(["selftest", "--fault", "no.such"]) == 2


GRADIENTS = (
    "Conv1D/observe:gradients/inputs:1x4x1/filters:1/kernel_size:1/strides:2",
    "Conv2D/observe:gradients/inputs:1x4x5x2/operands:reals/filters:2/kernel_size:2/activation:tanh",
    "MaxPooling1D/observe:gradients/inputs:1x4x1/operands:reals/strides:1",
    "Flatten/observe:gradients/inputs:2x3x2",
)


@pytest.mark.parametrize("descriptor", GRADIENTS)
def test_the_program_of_gradients_passes_on_the_oracle(descriptor: str) -> None:
    run_program(str(snippet(parse(descriptor), "reference")))


@pytest.mark.parametrize("descriptor", GRADIENTS)
def test_the_program_of_gradients_shows_that_a_plug_in_is_wrong(
    descriptor: str, tmp_path: Path
) -> None:
    """The plug-in imports a file beside it, as its author's tests may."""
    (tmp_path / "beside_the_plugin.py").write_text("FACTOR = 2\n", encoding="utf-8")
    path = tmp_path / "of_gradients.py"
    path.write_text(
        "from beside_the_plugin import FACTOR\nimport reference_impl\n"
        "KEPT = ('filters', 'kernel_size', 'strides', 'activation', 'pool_size')\n"
        "def gradients(layer, inputs, weights, config, upstream):\n"
        "    kept = {name: config[name] for name in KEPT if name in config}\n"
        "    made = getattr(reference_impl.layers, layer)(**kept)\n"
        "    made.build(inputs.shape)\n"
        "    made.set_weights(list(weights.values()))\n"
        "    found = made.gradients(inputs, upstream)\n"
        "    return {**found, 'inputs': FACTOR * found['inputs']}\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match="inputs"):
        run_program(str(snippet(parse(descriptor), str(path))))


def test_gradients_of_an_implementation_without_a_module_have_no_program() -> None:
    assert snippet(parse(GRADIENTS[0]), "torch.nn") is None

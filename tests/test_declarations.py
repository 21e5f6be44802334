"""What a plug-in declares that it takes, and the declaration that is proposed where it refuses."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.cases.case import Case
from conformance.cases.grids import grid
from conformance.cases.operands import operands
from conformance.command_line import main
from conformance.diagnosis.results import diagnosed
from conformance.diagnosis.stage_words import REFUSAL
from conformance.implementations.declaration import Declaration
from conformance.implementations.plugin import Plugin
from conformance.implementations.protocol import ImplementationError
from conformance.judge.verdict import Verdict
from conformance.outcomes import Unsupported
from conformance.results import Result
from conformance.running.runner import run

_POOL = Case.of("MaxPooling2D", (2, 4, 5, 3), pool_size=2)
_CONV = Case.of("Conv2D", (2, 4, 5, 4), filters=4, kernel_size=2)

REFUSED = [
    ({"dtypes": ["float32"]}, _POOL.replace(dtype="int8"), "int8"),
    ({"dtypes": {"MaxPooling2D": ["float32"]}}, _POOL.replace(dtype="float64"), "float64"),
    ({"activations": ["relu"]}, _CONV.replace(activation="elu"), "the activation elu"),
    ({"paddings": ["valid"]}, _POOL.replace(padding="same"), "same padding"),
    (
        {"data_formats": ["channels_last"]},
        _POOL.replace(data_format="channels_first"),
        "channels_first",
    ),
    ({"memory": ["readonly"]}, _POOL.replace(operands="reversed"), "reversed arrays"),
    ({"empty": False}, _POOL.replace(inputs=(0, 4, 5, 3)), "arrays without elements"),
    ({"empty": "batch"}, _POOL.replace(inputs=(2, 0, 5, 3)), "arrays without elements"),
    ({"dilation": False}, _CONV.replace(dilation_rate=2), "dilated windows"),
    ({"groups": False}, _CONV.replace(groups=2), "groups"),
]
"""Declarations, cases that they leave out, and what the reason names."""


@pytest.mark.parametrize(("takes", "case", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_is_declared_is_unsupported_and_nothing_else(
    takes: dict[str, Any], case: Case, words: str
) -> None:
    declared = Declaration("x", takes)
    assert declared.refusal(case) == f"it declares that it does not take {words}"
    assert declared.refusal(_POOL) is None
    assert declared.refusal(_CONV) is None
    assert Declaration("x", None).refusal(case) is None


def test_an_empty_batch_is_taken_by_what_says_so() -> None:
    assert Declaration("x", {"empty": "batch"}).refusal(_POOL.replace(inputs=(0, 4, 5, 3))) is None


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        (["float32"], "takes is ['float32'], not a dictionary"),
        ({"dtype": ["float32"]}, "takes has the key 'dtype': expected dtypes, activations"),
        ({"dtypes": "float32"}, "takes['dtypes'] is 'float32': expected a list of names"),
        ({"dtypes": ["float23"]}, "takes['dtypes'] has the name 'float23': expected names of"),
        ({"dtypes": {"Conv3D": []}}, "takes['dtypes'] names the layer 'Conv3D': expected"),
        ({"empty": 0}, "takes['empty'] is 0: expected True, 'batch' or False"),
        ({"groups": "no"}, "takes['groups'] is 'no': expected True or False"),
    ],
)
def test_a_misspelled_declaration_is_refused(takes: Any, message: str) -> None:
    with pytest.raises(ImplementationError, match=re.escape(message)):
        Plugin("x", SimpleNamespace(Flatten=len, takes=takes))


PLUGIN = """
import numpy as np

{takes}

def MaxPooling2D(inputs, weights, config):
    if inputs.dtype.kind == "i" or inputs.dtype == np.float16:
        raise TypeError("unsupported dtype")
    if not inputs.size:
        raise RuntimeError("empty tensor")
    if config["data_format"] == "channels_first":
        raise ValueError("only NHWC")
    pads = [(0, 0)]
    for n, k, s in zip(inputs.shape[1:], config["pool_size"], config["strides"]):
        total = max((-(-n // s) - 1) * s + k - n, 0) * (config["padding"] == "same")
        pads.append((total // 2, total - total // 2))
    least = -np.inf if inputs.dtype.kind == "f" else 0
    inputs = np.pad(inputs, [*pads, (0, 0)], constant_values=least)
    if config["padding"] == "same" and pads == [(0, 0), (0, 1), (0, 1)]:
        raise ValueError("out of luck")
    (r, c) = config["strides"]
    windows = np.lib.stride_tricks.sliding_window_view(inputs, config["pool_size"], (1, 2))
    return windows[:, ::r, ::c].max((-1, -2))
"""


def _smoke(path: Path, takes: str) -> tuple[list[Result], Any]:
    path.write_text(PLUGIN.format(takes=takes), encoding="utf-8")
    cases = [c for c in grid("smoke") if c.layer == "MaxPooling2D" and c.dtype != "bfloat16"]
    return diagnosed(list(run(cases, [str(path)])))


def test_the_declaration_that_is_proposed_makes_the_refusals_unsupported(tmp_path: Path) -> None:
    results, found = _smoke(tmp_path / "pool.py", "")
    refused = [result for result in results if result.stage == REFUSAL]
    words = {result.diagnosis for result in refused}
    assert len(words) == 1
    told = str(words.pop())
    assert told.startswith("every case with ")
    for kind in ("float16", "int32", "int64", "channels_first", "arrays without elements"):
        assert kind in told
    proposal = told[told.index("takes = ") :]
    takes = ast.literal_eval(proposal.removeprefix("takes = "))
    assert takes["empty"] is False
    assert takes["data_formats"] == ["channels_last"]
    assert {"float16", "int32", "int64"}.isdisjoint(takes["dtypes"])
    assert "float32" in takes["dtypes"]
    explained = {f.case for d in found.values() for g in d.groups for f in g.failures}
    assert explained.isdisjoint({result.case for result in refused})

    again, _ = _smoke(tmp_path / "declared.py", proposal)
    verdicts = {result.case: result.verdict for result in again}
    assert {verdicts[result.case] for result in refused} == {Verdict.UNSUPPORTED}
    others = {r.case: r.verdict for r in results if r.stage != REFUSAL}
    assert all(verdicts[case] is verdict for case, verdict in others.items())


def test_a_kind_of_which_some_are_taken_is_not_proposed(tmp_path: Path) -> None:
    results, _ = _smoke(tmp_path / "pool.py", "")
    told = next(r.diagnosis for r in results if r.stage == REFUSAL)
    assert "same padding" not in str(told)


def test_accidents_are_no_refusals(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(
        "def Flatten(inputs, weights, config):\n"
        "    if inputs.dtype == 'float16':\n        return inputs[len(inputs)]\n"
        "    return inputs.reshape(len(inputs), -1)\n",
        encoding="utf-8",
    )
    shapes = [(2, 3), (3, 4), (2, 5)]
    cases = [Case.of("Flatten", s, dtype=d) for s in shapes for d in ("float16", "float32")]
    results, _ = diagnosed(list(run(cases, [str(path)])))
    assert [r.verdict is Verdict.DEVIATES for r in results] == [True, False] * 3
    assert REFUSAL not in {result.stage for result in results}


def _of_refusing(condition: str, path: Path) -> list[Result]:
    path.write_text(
        "def MaxPooling1D(inputs, weights, config):\n"
        f"    if {condition}:\n        raise ValueError('bad shape')\n"
        "    import numpy as np\n"
        "    (k,), (s,) = config['pool_size'], config['strides']\n"
        "    return np.lib.stride_tricks.sliding_window_view(inputs, k, 1)[:, ::s].max(-1)\n",
        encoding="utf-8",
    )
    cases = [Case.of("MaxPooling1D", (2, n, 3), observe="output") for n in (2, 4, 5, 6)]
    cases.append(Case.of("MaxPooling1D", (1, 4, 1), observe="rejection", pool_size=5))
    return diagnosed(list(run(cases, [str(path)])))[0]


def test_a_rejection_by_the_words_that_refuse_valid_arguments_counts_for_nothing(
    tmp_path: Path,
) -> None:
    """An implementation that always raises is right in nothing."""
    *refused, rejection = _of_refusing("True", tmp_path / "never.py")
    assert {r.verdict for r in refused} == {Verdict.DEVIATES}
    assert rejection.verdict is Verdict.UNSUPPORTED
    assert "valid arguments are refused with the same message" in rejection.message
    assert REFUSAL not in {r.stage for r in refused}  # no declaration leaves anything to judge


def test_a_rejection_by_words_of_its_own_counts(tmp_path: Path) -> None:
    results = _of_refusing("inputs.shape[1] < config['pool_size'][0]", tmp_path / "small.py")
    assert {r.verdict for r in results} == {Verdict.CONFORMS}


def test_the_summary_tells_refusals_apart_from_wrong_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flat.py"
    path.write_text(
        "def Flatten(inputs, weights, config):\n"
        "    if inputs.dtype == 'float16':\n        raise ValueError('no half')\n"
        "    return inputs.reshape(len(inputs), -1)\n",
        encoding="utf-8",
    )
    cases = [
        "Flatten/inputs:2x3",
        "Flatten/inputs:2x3/dtype:float16",
        "Flatten/inputs:4x3/dtype:float16",
    ]
    arguments = [word for case in cases for word in ("--case", case)]
    assert main(["run", "--implementation", str(path), *arguments]) == 1
    out = capsys.readouterr().out
    assert out.startswith("No value is wrong in 3 results; 2 are refused throughout.")
    assert "1 ok, 2 refused" in out
    assert "Wrong in" not in out
    assert 'takes = {"dtypes": ["float32"]}' in " ".join(out.split())


PROGRAM = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if "hello" in request:
        answer = {"layers": ["Flatten"], "takes": TAKES}
    elif request["inputs"]["dtype"] == "float16":
        answer = {"rejected": "no half"}
    else:
        shape = request["inputs"]["shape"]
        rows = shape[0]
        rest = 1
        for size in shape[1:]:
            rest *= size
        answer = {"output": {**request["inputs"], "shape": [rows, rest]}}
    print(json.dumps({"id": request["id"], **answer}), flush=True)
"""


def test_a_program_is_told_how_to_declare_and_may(tmp_path: Path) -> None:
    path = tmp_path / "flat.py"
    spec = f"exec:{sys.executable} {path}"
    cases = [Case.of("Flatten", (n, 3), dtype=d) for n in (2, 4) for d in ("float16", "float32")]
    path.write_text(PROGRAM.replace("TAKES", "{}"), encoding="utf-8")
    results, _ = diagnosed(list(run(cases, [spec])))
    told = next(str(r.diagnosis) for r in results if r.stage == REFUSAL)
    start = told.index('"takes": ')
    assert json.loads("{" + told[start:] + "}") == {"takes": {"dtypes": ["float32"]}}
    path.write_text(PROGRAM.replace("TAKES", '{"dtypes": ["float32"]}'), encoding="utf-8")
    verdicts = [result.verdict for result in run(cases, [spec])]
    assert verdicts == [Verdict.UNSUPPORTED, Verdict.CONFORMS] * 2
    path.write_text(PROGRAM.replace("TAKES", '["float32"]'), encoding="utf-8")
    with pytest.raises(ImplementationError, match="not a dictionary"):
        list(run(cases, [spec]))


def test_what_is_declined_is_told_before_operands_are_made():
    """Protects declined cases from the time that their operands take, and others from being so."""

    def asked(*arguments: Any) -> None:
        raise NotImplementedError("asked")

    takes = {"dtypes": ["float32"], "dilation": False}
    plugin = Plugin("layers", SimpleNamespace(takes=takes, Conv1D=asked, Flatten=asked))
    cases = grid("standard")[::29]
    reasons = [plugin.declines(case) for case in cases]
    for case, reason in zip(cases, reasons, strict=True):
        given = operands(case) if reason is None else None
        assert plugin.evaluate(case, given) == Unsupported(reason or "asked"), case
    assert None in reasons
    assert "the plug-in has no callable gradients" in reasons
    assert "it declares that it does not take dilated windows" in reasons

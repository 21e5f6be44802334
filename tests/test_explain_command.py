"""Protects ``conformance explain`` and ``conformance list clauses --markdown``."""

from __future__ import annotations

import json
import shlex
from xml.etree import ElementTree

import pytest

from conformance.cases.grids import grid
from conformance.command_line import main
from conformance.explain.code import NOTATIONS

CASE = "Conv2D/inputs:1x7x9x3/filters:4/kernel_size:3x2/strides:2/padding:same"
WRITTEN = "Conv2D --input 1,7,9,3 --filters 4 --kernel-size 3,2 --strides 2 --padding same"


def run(command, capsys):
    status = main(["explain", *shlex.split(command)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_descriptor_and_arguments_as_people_write_them_are_the_same(capsys):
    by_descriptor = run(CASE, capsys)
    assert run(WRITTEN, capsys) == by_descriptor
    assert run(WRITTEN.replace("1,7,9,3", "1x7x9x3").replace("3,2", "3x2"), capsys) == by_descriptor
    assert by_descriptor[0] == 0
    assert "ceil(7 / 2) = 4" in by_descriptor[1]


def test_plain_ascii_on_request(capsys):
    _, out, _ = run(f"{CASE} --ascii", capsys)
    assert out.isascii()
    assert "output 0 o # #" in out


def test_json(capsys):
    status, out, _ = run(f"{CASE} --json", capsys)
    known = json.loads(out)
    assert status == 0
    assert known["output_shape"] == [1, 4, 5, 4]
    assert [axis["padding"] for axis in known["axes"]] == [[1, 1], [0, 1]]
    assert set(known["code"]) == set(NOTATIONS)


def test_svg_is_written_beside_the_text(tmp_path, capsys):
    path = tmp_path / "picture.svg"
    status, out, _ = run(f"{CASE} --svg {path}", capsys)
    assert status == 0
    assert "ceil(7 / 2)" in out
    assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_code_alone(capsys):
    status, out, _ = run(f"{CASE} --code numpy", capsys)
    assert status == 0
    assert out.startswith("import numpy as np\n")
    _, both, _ = run(f"{CASE} --code torch", capsys)
    assert "# torch.nn\n" in both
    assert "# torch.nn.functional\n" in both
    _, everything, _ = run(f"{CASE} --code all", capsys)
    assert all(f"# {notation}\n" in everything for notation in NOTATIONS)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_ascii(encoding, monkeypatch, capsys):
    """A picture in other letters would end in an error."""
    import io
    import sys

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    assert main(["explain", CASE]) == 0
    sys.stdout.flush()
    assert b"output 0 o # #" in raw.getvalue()


def test_from_torch(capsys):
    command = "--from-torch 'Conv2d(3, 8, 3, stride=2, padding=1)' --input"
    status, out, _ = run(f"{command} 1,3,32,32", capsys)
    assert status == 0
    assert "no documented arguments give the same" in out
    status, out, _ = run(f"{command} 1,3,33,33 --json", capsys)
    assert json.loads(out)["layer"] == 'Conv2D(8, 3, strides=2, padding="same")'


def test_clauses(capsys):
    status, out, _ = run("conv.padding.same-split", capsys)
    assert status == 0
    assert out.startswith("conv.padding.same-split\n")
    _, out, _ = run("conv2d.padding --json", capsys)
    assert [entry["id"] for entry in json.loads(out)] == [
        "conv2d.padding.valid",
        "conv2d.padding.same",
        "conv2d.padding.same-keeps-shape",
    ]
    _, out, _ = run("conv2d.padding.* --json", capsys)
    assert len(json.loads(out)) == 3


def test_what_must_be_refused_is_explained_by_the_refusal(capsys):
    case = "Conv1D/observe:rejection/inputs:2x8x3/filters:4/kernel_size:3/strides:2/dilation_rate:2"
    status, out, _ = run(case, capsys)
    assert status == 0
    assert "refused: Conv1D: argument `strides` is (2,)" in out
    assert "tests     conv1d.strides.dilation-exclusive" in out
    assert "deviates  torch.nn" in out
    _, out, _ = run(f"{case} --json", capsys)
    assert json.loads(out)["clauses"] == ["conv1d.strides.dilation-exclusive"]


def test_arguments_that_are_taken_without_being_documented(capsys):
    """The channels of a sequence may stand first."""
    command = "Conv1D --input 2,3,9 --filters 4 --kernel-size 3 --data-format channels_first"
    status, out, _ = run(command, capsys)
    assert status == 0
    assert "(2, 4, 7)" in out
    assert "batch, channels, steps" in out


def test_a_case_without_an_input_is_explained_by_what_it_tests(capsys):
    status, out, _ = run(
        "Conv1D/observe:losses/filters:2/kernel_size:2/kernel_regularizer:l2", capsys
    )
    assert status == 0
    assert "gives [" in out
    assert "tests     conv.regularizer.l2" in out


def test_input_declares_its_own_shape(capsys):
    status, out, _ = run("Input --shape 32,", capsys)
    assert status == 0
    assert "(None, 32)" in out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "explain takes a case, a layer or a clause, or --from-torch"),
        (f"{CASE} --from-torch 'Flatten()' --input 1,2", "one of them"),
        ("conv.padding.same-spilt", "close to it: conv.padding.same-split"),
        ("Conv3D --input 1,2", "a case begins with one of Conv1D"),
        ("Conv1D --input 1,5,1 --filters 2", "Conv1D needs --kernel-size"),
        ("Conv1D --filters 2 --kernel-size 3", "expected --input with the batch"),
        ("Conv1D --input 1,a,1 --filters 2 --kernel-size 3", "--input '1,a,1' is no shape"),
        ("Conv1D --input 1,-5,1 --filters 2 --kernel-size 3", "is no shape"),
        ("Conv1D --input 1,5,1 --filters 2 --kernel-size 0", "`kernel_size` is 0; expected"),
        ("Conv1D --input 1,5,1 --filters 2 --kernel-size 3 --padding sam", "'valid', 'same'"),
        ("Conv1D --input 1,5 --filters 2 --kernel-size 3", "expected 3 axes"),
        ("Flatten --input 1,5,1 --groups 2", "`groups`=2"),
        ("MaxPooling1D --input 1,5,1 --filters 2", "MaxPooling1D has no argument 'filters'"),
        ("MaxPooling1D --input 1,5,1 --pool-size '{'", "--pool-size '{' is no value"),
        (f"{CASE} --filters 5", "a descriptor holds its arguments"),
        (f"{CASE} --input 1,2", "--input is for a layer"),
        (f"{CASE}/strides:3", "'strides' is given twice"),
        ("Conv1D/filters:1/kernel_size:2", "has no input shape"),
        ("Conv1D/observe:nothing/filters:1/kernel_size:2", "no clause is tested by it"),
        (f"{CASE} --svg no/such/folder/x.svg", "--svg no/such/folder/x.svg: No such file"),
        (f"{CASE} --code pytorch", "--code 'pytorch' is unknown: expected one of numpy"),
        ("Input --shape 3, --code numpy", "nothing that corresponds to Input"),
        ("Flatten --input 1,2,3 --svg x.svg", "has no window of known length to draw"),
        ("conv.padding.zeros --code numpy", "--code is for a layer"),
        ("--from-torch 'Conv2d(3, 8, k)' --input 1,3,9,9", "the argument k is no literal"),
        ("--from-torch 'Flatten()'", "expected --input with the batch"),
        ("--from-torch 'Flatten()' --input 1,2 --code numpy", "--code is for a layer"),
    ],
)
def test_wrong_usage_says_what_is_allowed(command, message, capsys):
    status, out, err = run(command, capsys)
    assert status == 2
    assert not out
    assert message in err


def test_the_clauses_as_a_document(capsys):
    assert main(["list", "clauses", "--clause", "flatten.*", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# The clauses")
    assert "### flatten.output.shape" in out
    assert "### conv" not in out


@pytest.mark.parametrize("options", [["cases", "--markdown"], ["clauses", "--markdown", "--json"]])
def test_only_clauses_are_a_document(options, capsys):
    assert main(["list", *options]) == 2
    assert "--markdown is for `list clauses`" in capsys.readouterr().err


def test_every_descriptor_of_the_smoke_grid_is_explained(capsys):
    """Whatever it looks at: those that the suite prints are given back to it."""
    for case in grid("smoke"):
        status, out, err = run(shlex.quote(case.descriptor), capsys)
        assert (status, err) == (0, ""), case
        assert case.descriptor in out

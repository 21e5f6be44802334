"""Protects equivalent code: NumPy's gives the oracle's values, others say what the case needs."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from explained_programs import cases, judge

from conformance.cases.case import parse
from conformance.cases.grids import grid
from conformance.explain.code import NOTATIONS, Unsayable, code
from conformance.explain.subject import of_case


def program(descriptor, notation):
    return code(of_case(parse(descriptor)), notation)


def test_numpys_programs_give_the_oracles_values():
    """Of every case of the standard grid, within the judge's bound."""
    counts = Counter(judge("numpy", case) for case in cases("standard"))
    assert set(counts) == {"conforms"}
    assert counts["conforms"] > 3000


def test_the_judge_of_the_programs_notices_a_wrong_one(monkeypatch):
    """Padding on the other side is what it is there to find."""
    import explained_programs

    case = parse("Conv1D/inputs:1x8x2/filters:2/kernel_size:4/padding:same")
    right = program(case.descriptor, "numpy")
    assert judge("numpy", case) == "conforms"
    wrong = right.replace("(1, 2)", "(2, 1)")
    assert wrong != right
    monkeypatch.setattr(explained_programs, "code", lambda *_: wrong)
    with pytest.raises(AssertionError, match="elements are wrong"):
        judge("numpy", case)


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_program_of_the_smoke_grid_is_python(notation):
    """It parses, uses all that it imports, and ends with what it promises."""
    result = "nodes" if notation == "onnx" else "outputs"
    for case in grid("smoke"):
        if case.observe != "output":
            continue
        try:
            text = code(of_case(case), notation)
        except Unsayable:
            continue
        tree = ast.parse(text)
        imported = {
            (alias.asname or alias.name).partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert imported <= names, case
        assert result in names, case


@pytest.mark.parametrize(
    ("descriptor", "notation", "needed", "needless"),
    [
        ("Conv2D/inputs:1x8x8x3/filters:4/kernel_size:3", "numpy", [], ["pad", "moveaxis"]),
        (
            "Conv2D/inputs:1x8x8x3/filters:4/kernel_size:3/padding:same",
            "torch.nn",
            ["padding=1", "permute(3, 2, 0, 1)"],
            ["ZeroPad", "stride", "dilation", "groups", "Sequential"],
        ),
        (
            "Conv2D/inputs:1x8x8x3/filters:4/kernel_size:3/strides:2/padding:same",
            "torch.nn",
            ["ZeroPad2d((0, 1, 0, 1))", "stride=2"],
            ["padding="],
        ),
        (
            "Conv2D/inputs:1x8x8x3/filters:4/kernel_size:3/strides:2/padding:same",
            "torch.nn.functional",
            ["F.pad(inputs.permute(0, 3, 1, 2), (0, 1, 0, 1))"],
            ["padding="],
        ),
        (
            "MaxPooling2D/inputs:1x7x8x3/pool_size:3/strides:2/padding:same",
            "torch.nn",
            ['ConstantPad2d((0, 1, 1, 1), float("-inf"))'],
            ["ZeroPad"],
        ),
        (
            "Conv2D/inputs:1x8x8x3/filters:4/kernel_size:3/strides:2/padding:same",
            "onnx",
            ["pads=[0, 0, 1, 1]", "strides=[2, 2]"],
            ["dilations", "auto_pad", "group="],
        ),
        (
            "Conv1D/inputs:1x8x3/filters:4/kernel_size:3/dilation_rate:2",
            "jax",
            ["rhs_dilation=(2,)", '"NWC", "WIO", "NWC"'],
            ["feature_group_count"],
        ),
        (
            "Conv1D/inputs:1x8x3/filters:4/kernel_size:3/padding:same/kernel_regularizer:l2",
            "tf.keras",
            ['padding="same"'],
            ["regularizer"],
        ),
        (
            "Flatten/inputs:1x2x3x4/data_format:channels_first",
            "torch.nn.functional",
            ["permute(0, 2, 3, 1)"],
            ["nn."],
        ),
    ],
)
def test_only_what_the_case_needs(descriptor, notation, needed, needless):
    text = program(descriptor, notation)
    assert all(part in text for part in needed), text
    assert not [part for part in needless if part in text], text


@pytest.mark.parametrize(
    ("descriptor", "notation", "reason"),
    [
        ("Input/shape:(3,)", "numpy", "numpy has nothing that corresponds to Input"),
        ("Conv1D/inputs:1x2x3/filters:4/kernel_size:3", "numpy", "does not take these inputs"),
        ("Conv1D/inputs:1xNonex3/filters:4/kernel_size:3", "jax", "a length is free"),
        (
            "Conv1D/inputs:1x8x3/filters:4/kernel_size:3/activation:squareplus",
            "onnx",
            "no operator for the activation squareplus",
        ),
        ("MaxPooling1D/inputs:1x8x3/dtype:uint32", "torch.nn", "nothing in uint32"),
        ("MaxPooling1D/inputs:1x0x3/padding:same", "torch.nn", "no empty spatial axis"),
    ],
)
def test_where_there_is_none_the_reason_is_given(descriptor, notation, reason):
    with pytest.raises(Unsayable, match=reason):
        program(descriptor, notation)


def test_a_free_batch_needs_no_length():
    """The program takes any."""
    text = program("Conv1D/inputs:Nonex8x3/filters:4/kernel_size:3", "numpy")
    assert "len(inputs)" in text

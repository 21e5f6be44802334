"""Protects the way back from torch: what is read and refused, what is the same and what not."""

from __future__ import annotations

import json

import pytest

from conformance.explain.torch_call import Answer, answer
from conformance.explain.torch_module import TorchCallError, parse_module


def same(text, shape):
    found = answer(text, shape).same
    return None if found is None else found.call


STRIDED = "Conv2d(3, 4, (3, 2), stride=2)"
SAME = 'Conv2D(4, (3, 2), strides=2, padding="same")'
"""By hand, of 7 rows and 9 columns: one row on either side, one column after."""


@pytest.mark.parametrize(
    ("text", "shape", "call"),
    [
        ("Conv2d(3, 8, 3)", (1, 3, 9, 9), "Conv2D(8, 3)"),
        ("nn.Conv2d(3, 8, 3, padding=1)", (1, 3, 9, 9), 'Conv2D(8, 3, padding="same")'),
        ("torch.nn.Conv2d(3, 8, (3, 5), 1, (1, 2))", (1, 3, 9, 9), None),
        ("Conv2d(3, 8, 2, padding='same')", (1, 3, 9, 9), 'Conv2D(8, 2, padding="same")'),
        ("Conv2d(3, 8, 3, stride=2, padding=1)", (1, 3, 32, 32), None),
        (
            "Conv2d(3, 8, 3, stride=2, padding=1)",
            (1, 3, 33, 33),
            'Conv2D(8, 3, strides=2, padding="same")',
        ),
        ("Conv2d(3, 8, 3, stride=2, padding=1)", (1, 3, 33, 32), None),
        ("Conv1d(3, 8, 3, dilation=2, bias=False)", (1, 3, 9), None),
        ("Conv1d(3, 8, 3, stride=2, dilation=2)", (1, 3, 9), None),
        ("Conv2d(3, 8, 3, padding=1, padding_mode='reflect')", (1, 3, 9, 9), None),
        ("MaxPool2d(2)", (1, 3, 9, 9), "MaxPooling2D(pool_size=2, strides=2)"),
        ("MaxPool2d(3, 2, 1)", (1, 3, 112, 112), None),
        (
            "MaxPool2d(2, ceil_mode=True)",
            (1, 3, 7, 7),
            'MaxPooling2D(pool_size=2, strides=2, padding="same")',
        ),
        ("MaxPool1d(3, dilation=2)", (1, 3, 9), None),
        ("Flatten()", (1, 3, 4, 5), 'Flatten(data_format="channels_last")'),
        ("Flatten(start_dim=2)", (1, 3, 4, 5), None),
        (f"nn.Sequential(nn.ZeroPad2d((0, 1, 1, 1)), nn.{STRIDED})", (1, 3, 7, 9), SAME),
        (f"nn.Sequential(nn.ZeroPad2d((1, 1, 0, 1)), nn.{STRIDED})", (1, 3, 7, 9), None),
        (f"Sequential({STRIDED})", (1, 3, 7, 9), "Conv2D(4, (3, 2), strides=2)"),
        ("Sequential(ZeroPad1d(padding=1), MaxPool1d(3))", (1, 3, 9), None),
    ],
)
def test_what_is_the_same(text, shape, call):
    """None where no documented arguments are."""
    expected = {
        "torch.nn.Conv2d(3, 8, (3, 5), 1, (1, 2))": 'Conv2D(8, (3, 5), padding="same")',
        "Conv1d(3, 8, 3, dilation=2, bias=False)": "Conv1D(8, 3, dilation_rate=2, use_bias=False)",
    }.get(text, call)
    assert same(text, shape) == expected
    assert json.loads(json.dumps(answer(text, shape).as_dict()))["layer"] == expected


def test_strided_symmetric_padding_is_told_element_by_element():
    """By hand: torch's first window of three begins one before the input, Keras' at it."""
    text = str(answer("Conv2d(3, 8, 3, stride=2, padding=1)", (1, 3, 32, 32)))
    assert "all 256 windows begin elsewhere" in text
    assert "output 0: torch -1..1, Keras 0..2" in text
    assert "output 15: torch 29..31, Keras 30..32" in text
    assert "((1, 1), (1, 1))" in text


def test_every_window_of_both_is_in_the_json():
    """Torch's first, and none where one has no such output."""
    found = answer("Conv1d(3, 8, 3, stride=2, padding=1)", (1, 3, 6)).as_dict()["differences"]
    assert found["same"][0]["windows"] == [
        [[-1, 0, 1], [0, 1, 2]],
        [[1, 2, 3], [2, 3, 4]],
        [[3, 4, 5], [4, 5, 6]],
    ]
    assert found["valid"][0]["windows"][2] == [[3, 4, 5], []]


def test_for_which_lengths_they_agree():
    text = " ".join(str(answer("Conv2d(3, 8, 3, stride=2, padding=1)", (1, 3, 33, 33))).split())
    assert "rows: only at lengths n with n % 2 = 1" in text
    text = " ".join(str(answer("Conv2d(3, 8, 3, padding=1)", (1, 3, 33, 33))).split())
    assert "rows: at any length from 3 on" in text


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("Linear(3, 4)", (1, 3), "'Linear' has no documented layer beside it; expected one of"),
        ("Conv2d(3, 8)", (1, 3, 9, 9), "the argument 'kernel_size' is not given"),
        ("Conv2d(3, 8, 3, foo=1)", (1, 3, 9, 9), "has no argument 'foo'; expected in_channels"),
        ("Conv2d(3, 8, 3, in_channels=3)", (1, 3, 9, 9), "'in_channels' is given twice"),
        ("Conv2d(3, 8, k)", (1, 3, 9, 9), "the argument k is no literal"),
        ("Conv2d(3, 8, 3", (1, 3, 9, 9), "cannot read"),
        ("Conv2d", (1, 3, 9, 9), "cannot read"),
        ("Conv2d(**{})", (1, 3, 9, 9), "cannot read"),
        ("Conv2d(3, 8, 2.5)", (1, 3, 9, 9), "kernel_size=2.5 is not a non-negative integer"),
        ("Conv2d(3, 8, (3, 3, 3))", (1, 3, 9, 9), "nor a tuple of 2"),
        ("Conv2d(3, 8, 0)", (1, 3, 9, 9), "must be at least 1"),
        ("Conv2d(3, 8, 3)", (1, 9, 9, 3), "takes 3 channels, but the input"),
        ("Conv2d(3, 8, 3)", (1, 3, 9), "expected 4 known lengths"),
        ("Conv2d(3, 8, 3)", (1, 3, None, 9), "expected 4 known lengths"),
        ("Conv2d(3, 8, 9)", (1, 3, 4, 4), "no window fits"),
        ("Conv2d(3, 8, 3, 2, 'same')", (1, 3, 9, 9), "refused by torch here"),
        ("MaxPool2d(2, padding=2)", (1, 3, 9, 9), "at most half the window"),
        ("MaxPool2d(*[2])", (1, 3, 9, 9), "no literal"),
        ("Conv2d(3, 8, 3, groups=2)", (1, 3, 9, 9), "groups=2, which does not divide in_ch"),
        ("Conv2d(3, '8', 3)", (1, 3, 9, 9), "out_channels='8' is not a positive integer"),
        ("Sequential(ReLU(), Conv2d(3, 8, 3))", (1, 3, 9, 9), "expected ZeroPad2d alone"),
        ("Sequential(ZeroPad2d((1, 1)), Conv2d(3, 8, 3))", (1, 3, 9, 9), "nor a tuple of 4"),
        ("Sequential(ZeroPad2d(1), Flatten())", (1, 3, 9, 9), "expected nothing before"),
        ("Sequential()", (1, 3, 9, 9), "'Sequential' has no documented layer"),
        ("Conv2d(3, 8, 3, 1, 0, 1, 1, True, 'zeros', None, None, 1)", (1, 3, 9, 9), "at most"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_can(text, shape, message):
    with pytest.raises(TorchCallError, match=message.replace("(", r"\(")):
        answer(text, shape)


def test_nothing_of_the_text_is_evaluated(tmp_path):
    target = tmp_path / "made"
    for text in (
        f"open({str(target)!r}, 'w')",
        f"Conv2d(3, 8, open({str(target)!r}, 'w'))",
        f"Conv2d(3, 8, 3, dtype=torch.load({str(target)!r}))",
        f"(open({str(target)!r}, 'w') or Conv2d)(3, 8, 3)",
    ):
        with pytest.raises(TorchCallError):
            parse_module(text)
    assert not target.exists()


def test_an_answer_shows_its_shapes():
    found = answer("Conv1d(3, 8, 3)", (2, 3, 9))
    assert isinstance(found, Answer)
    assert found.torch_output == (2, 8, 7)

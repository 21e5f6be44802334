"""Protects pictures: every tap is drawn where it reads, within 80 columns, in well-formed SVG."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from conformance.cases.case import parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.explain.explanation import explain_case
from conformance.explain.picture import STYLE, svg
from conformance.explain.picture.terminal import ASCII

SVG = "{http://www.w3.org/2000/svg}"

LARGE = [
    "Conv2D/inputs:1x224x224x3/filters:4/kernel_size:7/strides:2/padding:same",
    "Conv2D/inputs:1x224x224x3/filters:4/kernel_size:16/strides:16",
    "Conv1D/inputs:1x5000x1/filters:1/kernel_size:9/strides:4/padding:same",
    "Conv1D/inputs:1x40x1/filters:1/kernel_size:3/padding:same/dilation_rate:30",
    "MaxPooling1D/inputs:1x100000x1/pool_size:2/strides:5000/padding:same",
]


def windowed():
    return [c for c in grid("smoke") if c.observe == "output" and facts(c).rank]


def test_each_tap_stands_under_what_it_reads():
    """Of all cases that are drawn whole: under its input, or under padding."""
    count = 0
    for case in windowed():
        axes = facts(case).axes
        if max(axis.length + axis.padding_total for axis in axes) > 12:
            continue
        if max(axis.output for axis in axes) > 10:
            continue
        count += 1
        blocks = explain_case(case).picture(ascii_only=True).split("\n\n")
        for axis, block in zip(axes, blocks, strict=False):
            lines = block.splitlines()
            head = lines[1]
            rows = [line for line in lines if line.lstrip().startswith("output ")]
            assert len(rows) == max(axis.output, 0)
            cell = len(str(max(axis.length - 1, 0))) + 1
            for output, row in enumerate(rows):
                for tap in range(axis.window):
                    position = output * axis.stride - axis.pad_before + tap * axis.dilation
                    at = 12 + (position + axis.pad_before + 1) * cell - 1
                    inside = 0 <= position < axis.length
                    assert row[at] == (ASCII.tap if inside else ASCII.tap_on_padding), case
                    shown = head[12 + (position + axis.pad_before) * cell : at + 1].strip()
                    assert shown == (str(position) if inside else ASCII.padding), case
    assert count > 100


@pytest.mark.parametrize("ascii_only", [True, False])
def test_pictures_are_at_most_80_columns_wide(ascii_only):
    drawn = [explain_case(case).picture(ascii_only=ascii_only) for case in windowed()]
    drawn += [explain_case(text).picture(ascii_only=ascii_only) for text in LARGE]
    assert max(len(line) for picture in drawn for line in picture.splitlines()) <= 80
    if ascii_only:
        assert all(picture.isascii() for picture in drawn)


@pytest.mark.parametrize("descriptor", LARGE)
def test_large_axes_show_both_ends(descriptor):
    """The first and the last window, and that there is more between."""
    picture = explain_case(descriptor).picture()
    last = facts(parse(descriptor)).axes[-1].output - 1
    assert "output 0 " in picture
    assert f"output {last} " in picture
    assert "…" in picture


def test_svg_is_well_formed_with_its_text_as_text():
    """Titled by the case, with classes and no ids that a page could clash with."""
    for text in [*(case.descriptor for case in windowed()[::3]), *LARGE]:
        drawn = svg(text)
        root = ElementTree.fromstring(drawn)
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}title").text == text
        classes = {name for e in root.iter() for name in e.get("class", "").split()}
        assert all(name.startswith("lp") for name in classes)
        assert not any(e.get("id") for e in root.iter())
        assert f"{SVG}path" not in {e.tag for e in root.iter()}


def test_svg_stays_within_its_width_with_letters_of_12_pixels():
    """So that it is readable at 400 pixels, its own width."""
    assert "font:12px" in STYLE
    for text in [*(case.descriptor for case in windowed()[::3]), *LARGE]:
        root = ElementTree.fromstring(svg(text))
        assert root.get("viewBox").startswith("0 0 400 ")
        for e in root.iter(f"{SVG}rect"):
            assert float(e.get("x", 0)) + float(e.get("width")) <= 400
        for e in root.iter(f"{SVG}circle"):
            assert 0 < float(e.get("cx")) < 400


def test_the_style_follows_the_readers_scheme_and_can_stand_once_in_a_page():
    text = "Conv1D/inputs:1x5x1/filters:1/kernel_size:2/padding:same"
    assert "prefers-color-scheme:dark" in STYLE
    assert STYLE in svg(text)
    assert "<style" not in svg(text, style=False)


@pytest.mark.parametrize(
    "descriptor",
    ["Flatten/inputs:2x3x4", "Conv1D/observe:losses/filters:2/kernel_size:2", "Input/shape:(3,)"],
)
def test_what_has_no_window_has_no_picture(descriptor):
    assert svg(descriptor) == ""


@pytest.mark.parametrize(
    ("descriptor", "words"),
    [
        ("Conv1D/inputs:1x2x1/filters:1/kernel_size:3", "no fit"),
        ("Conv1D/inputs:1x0x1/filters:1/kernel_size:3/padding:same", "no output"),
        ("MaxPooling1D/inputs:1x9x1/pool_size:2/strides:5/padding:same", "never read"),
        ("MaxPooling1D/inputs:1x5x1/pool_size:3/padding:same", "-∞"),
    ],
)
def test_the_odd_ones(descriptor, words):
    assert words in svg(descriptor)

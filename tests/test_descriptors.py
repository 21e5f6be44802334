"""A descriptor is the case: one line, readable, and the same after every round trip."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cases.case import Case, DescriptorError, format_value, parse, parse_value
from conformance.cases.grids import grid


@pytest.mark.parametrize("level", ["standard", "full"])
def test_every_case_of_the_grid_survives_the_round_trip(level: str) -> None:
    for case in grid(level):
        again = parse(case.descriptor)
        assert again == case
        assert again.descriptor == case.descriptor
        assert again.keywords == case.keywords
        assert again.inputs == case.inputs
        assert list(map(type, again.keywords.values())) == list(map(type, case.keywords.values()))


def test_descriptors_are_one_printable_word() -> None:
    """They are test names, golden keys and command-line arguments."""
    for case in grid("standard"):
        assert case.descriptor.isascii()
        assert case.descriptor.isprintable()
        assert " " not in case.descriptor


def test_a_descriptor_reads_as_the_docstring_shows() -> None:
    case = Case.of("Conv2D", (2, 7, 8, 3), filters=4, kernel_size=(3, 2), padding="same")
    assert case.descriptor == "Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/padding:same"


def test_fields_at_their_default_are_left_out() -> None:
    case = Case.of(
        "Flatten", (2, 3), dtype="float32", operands="integers", observe="output", seed=0
    )
    assert case.descriptor == "Flatten/inputs:2x3"


def test_arguments_are_written_only_where_passed() -> None:
    assert Case.of("MaxPooling1D", (2, 9, 3)).keywords == {}
    given = Case.of("MaxPooling1D", (2, 9, 3), pool_size=2, strides=None)
    assert given.descriptor == "MaxPooling1D/inputs:2x9x3/pool_size:2/strides:None"


def test_the_order_of_keywords_does_not_matter() -> None:
    one = Case.of("Conv1D", (2, 9, 3), kernel_size=3, filters=4)
    other = Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3)
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (-1, "-1"),
        (2.5, "2.5"),
        (1e-07, "1e-07"),
        (True, "True"),
        (None, "None"),
        ((3, 2), "3x2"),
        ((None, 128), "Nonex128"),
        ((3,), "(3,)"),
        ((), "()"),
        ([3, 2], "[3,2]"),
        ((2, -1), "(2,-1)"),
        ((2, 1.5), "(2,1.5)"),
        ((True, 2), "(True,2)"),
        ("same", "same"),
        ("", "''"),
        ("3", "'3'"),
        ("3x2", "'3x2'"),
        ("None", "'None'"),
        ("nan", "'nan'"),
        ("a/b", "'a%2Fb'"),
        ("a b", "'a%20b'"),
        ("50%", "'50%25'"),
        ("größe", "größe"),
        ({"class_name": "L2", "config": {"l2": 0.5}}, "{'class_name':'L2','config':{'l2':0.5}}"),
        ([(1, 2), None], "[(1,2),None]"),
    ],
)
def test_values_are_written_and_read_back(value: Any, text: str) -> None:
    if text.isascii():
        assert format_value(value) == text
    again = parse_value(format_value(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize("text", ["inf", "-inf"])
def test_infinite_values_are_read(text: str) -> None:
    assert parse_value(format_value(float(text))) == float(text)


def test_equal_values_of_other_types_are_other_cases() -> None:
    """A tuple, a list and an integer are three spellings, each a case of its own."""
    spellings = (1, True, (1,), [1])
    cases = {Case.of("MaxPooling1D", (2, 9, 3), pool_size=value) for value in spellings}
    assert len(cases) == len(spellings)


def test_replace_changes_fields_and_arguments() -> None:
    case = Case.of("Conv1D", (2, 9, 3), filters=4, kernel_size=3)
    changed = case.replace(inputs=(1, 9, 3), dtype="float64", strides=2)
    assert changed.descriptor == (
        "Conv1D/inputs:1x9x3/dtype:float64/filters:4/kernel_size:3/strides:2"
    )
    assert case.descriptor == "Conv1D/inputs:2x9x3/filters:4/kernel_size:3"


@pytest.mark.parametrize(
    ("descriptor", "message"),
    [
        ("Conv3D/inputs:2x3", "names the layer 'Conv3D': expected one of Conv1D, Conv2D"),
        ("", "names the layer ''"),
        ("Conv1D/filters", "part 'filters' of .* is not of the form field:value"),
        ("Conv1D/:3", "part ':3' of"),
        ("Conv1D/filters:3/filters:4", "field 'filters' is given twice"),
        ("Conv1D/filters:(3", "cannot read the value '\\(3'"),
        ("Conv1D/filters:__import__('os')", "cannot read the value"),
        ("Conv1D/filters:1+", "cannot read the value"),
    ],
)
def test_what_cannot_be_read_is_named(descriptor: str, message: str) -> None:
    with pytest.raises(DescriptorError, match=message):
        parse(descriptor)


def test_blanks_around_a_descriptor_are_ignored() -> None:
    assert parse("  Flatten/inputs:2x3\n") == Case.of("Flatten", (2, 3))

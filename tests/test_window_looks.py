"""Poolings that read a part of their windows, or what lies beside them in memory, are told so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_marks import ask_of, of_steps, told

from conformance.cases.case import Case
from conformance.cases.operands import operands
from conformance.diagnosis.evaluation import CORRECT, Steps, largest
from conformance.diagnosis.questions.answers import Ask
from conformance.outcomes import Value

Array = np.ndarray[Any, Any]

SAME = "MaxPooling1D/inputs:3x6x2/pool_size:3/strides:1/padding:same"


def folded(case: Case, _: Any) -> Value:
    """The samples one after another as one, padded at its two ends alone."""
    x = operands(case).inputs
    assert x is not None
    batch, length, channels = x.shape
    one = np.pad(x.reshape(-1, channels), ((1, 1), (0, 0)), constant_values=np.finfo(x.dtype).min)
    parts = [one[tap : tap + batch * length] for tap in range(3)]
    return Value(np.max(parts, axis=0).reshape(x.shape))


def of_ends(first: int, last: int) -> Ask:
    """Windows of which only so many first and last places along each axis are read."""

    def pool(windows: Array, inside: Array) -> Array:
        rank = windows.ndim // 2 - 1
        read = np.ones((), bool)
        for axis, size in enumerate(windows.shape[1 + rank : -1]):
            index = np.arange(size)
            kept = (index < first) | (index >= size - last)
            read = read[..., None] & kept if axis else kept
        return largest(windows, inside & read[..., None])

    return of_steps(Steps(pool=pool))


def test_samples_that_are_folded_into_an_axis_are_told_by_what_lies_next() -> None:
    assert told(SAME, ask_of(CORRECT, folded)) == (
        "in the place of the padding, windows look at what lies next in memory, such as the next "
        "sample"
    )


@pytest.mark.parametrize(
    ("case", "first", "last"),
    [
        ("MaxPooling1D/inputs:1x9x2/pool_size:5/strides:1", 2, 2),
        ("MaxPooling1D/inputs:2x12x1/pool_size:6", 1, 2),
        ("MaxPooling2D/inputs:1x6x7x2/pool_size:5x6/strides:1", 2, 2),
        ("MaxPooling2D/inputs:1x7x6x1/pool_size:4x3/strides:1/padding:same", 1, 1),
    ],
)
def test_windows_whose_middle_is_not_read_are_told_by_what_is(
    case: str, first: int, last: int
) -> None:
    assert told(case, of_ends(first, last)) == (
        f"of a window, only the first {first} and the last {last} places along an axis are read"
    )


def test_windows_that_end_early_are_not_said_to_lack_their_middle() -> None:
    case = "MaxPooling1D/inputs:1x9x2/pool_size:5/strides:1"
    assert told(case, of_ends(3, 0)).startswith("along steps, the window of output i ends")


@pytest.mark.parametrize("first", [False, True])
def test_rows_at_a_wrong_pitch_are_told(first: bool) -> None:
    """Of five columns, of which windows of two take four, each row is taken to be one shorter."""

    def pitched(case: Case, value: Array) -> Value:
        x = operands(case).inputs
        assert x is not None
        x = x if first else np.moveaxis(x, -1, 1)
        planes = np.ascontiguousarray(x).reshape(*x.shape[:2], -1)[..., : 4 * x.shape[2]]
        tiles = planes.reshape(*x.shape[:2], x.shape[2] // 2, 2, 2, 2)
        made = tiles.max(axis=(3, 5))
        assert value.size == made.size
        return Value(made if first else np.moveaxis(made, 1, -1))

    shape = "2x3x4x5/data_format:channels_first" if first else "2x4x5x3"
    assert told(f"MaxPooling2D/inputs:{shape}/pool_size:2", ask_of(CORRECT, pitched)) == (
        "input rows are taken to lie at a wrong pitch in memory, by 1 element too few"
    )


def test_windows_at_a_wrong_offset_are_told() -> None:
    """A pointer moved by less than two rows after each row of outputs."""

    def behind(case: Case, value: Array) -> Value:
        x = operands(case).inputs
        assert x is not None
        flat = x.reshape(*x.shape[:2], -1)
        at = np.arange(value.shape[2])[:, None] * 9 + np.arange(value.shape[3]) * 2
        return Value(np.max([flat[..., at + i] for i in (0, 1, 5, 6)], axis=0))

    case = "MaxPooling2D/inputs:1x2x6x5/pool_size:2/data_format:channels_first"
    assert told(case, ask_of(CORRECT, behind)) == (
        "the windows of each output row lie 1 element further back in memory than they should, "
        "counted from the row before"
    )


@pytest.mark.parametrize("by", [1, 2])
def test_rows_that_are_kept_of_another_sample_are_told(by: int) -> None:
    """The window before the first input looks at the third input of a sample before as well."""

    def kept(case: Case, value: Any) -> Value:
        x, made = operands(case).inputs, value.copy()
        assert x is not None
        made[by:, 0] = np.maximum(made[by:, 0], x[:-by, 2])
        return Value(made)

    which = "the sample before" if by == 1 else "the sample 2 before their own"
    assert told(SAME, ask_of(CORRECT, kept)) == (
        f"windows that begin before the first input look at inputs of {which} as well, as where "
        "what was kept of it is not cleared"
    )

"""Parts of outputs that are wrong are told in words of the loop, and what they hold.

Implementations are the plain evaluation with its answers, or its kernel, changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_marks import CONV2D, ask_of, of_change, told

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.diagnosis.evaluation import CORRECT, predict
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.marks import what_is_read
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Evidence, Result

PLAIN = "Conv2D/inputs:2x7x7x2/filters:2/kernel_size:3"
MANY = "Conv2D/inputs:1x4x4x7/filters:2/kernel_size:2"

Array = np.ndarray[Any, Any]


def of_kernel(change: Callable[[Array], Array]) -> Ask:
    """An implementation that is right but for what it takes for the kernel."""

    def ask(case: Case) -> Result:
        arrays = operands(case)
        weights = {**arrays.weights, "kernel": change(arrays.weights["kernel"])}
        given = predict(case, replace(arrays, weights=weights), CORRECT).value
        evidence = Evidence("one", case, Value(given), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


def most_told(case: str, ask: Ask) -> str:
    """What is said most often."""
    words = what_is_read([Failure(parse(case), Value(None), "exact")], ask).words
    return max(words, key=words.count, default="")


def last_tile(y: Array) -> Array:
    """The last tile of 2 by 2 holds what belongs to the tile to its left."""
    row, column = ((n - 1) // 2 * 2 for n in y.shape[1:3])
    made = y.copy()
    if column:
        made[:, row:, column:] = y[:, row:, column - 2 : y.shape[2] - 2]
    return made


def without_rest(y: Array, block: int = 4) -> Array:
    """What blocks of a plane leave over is zero."""
    made = y.reshape(len(y), -1, y.shape[-1]).copy()
    made[:, made.shape[1] // block * block :] = 0
    return made.reshape(y.shape)


def last_rows_left_out(y: Array) -> Array:
    """Rows of all samples are shared out by fours, and what is left over is not made."""
    rows: Array = y.reshape(-1, *y.shape[2:]).copy()
    rows[len(rows) // 4 * 4 :] = 0
    return np.asarray(rows.reshape(y.shape))


def twice_where_blocks_overlap(y: Array) -> Array:
    """The last block of eight places is moved back, and what it shares is added again."""
    places: Array = y.reshape(-1, y.shape[-1]).copy()
    places[len(places) - 8 : len(places) // 8 * 8] *= 2
    return np.asarray(places.reshape(y.shape))


def column_before(y: Array) -> Array:
    """The last column of the last row holds that of the row before."""
    made = y.copy()
    made[:, -1, -1] = y[:, -2, -1]
    return made


def mixed(kernel: Array, first: int = 2) -> Array:
    """Channels from the third on are laid out channel by channel, and read tap by tap."""
    rest = kernel[..., first:, :]
    taps = int(np.prod(kernel.shape[:-2]))
    by_channels = rest.reshape(taps, *rest.shape[-2:]).transpose(1, 0, 2).reshape(rest.shape)
    return np.concatenate([kernel[..., :first, :], by_channels], -2)


def exchanged(kernel: Array) -> Array:
    """Each two elements of a tap-by-channel order exchanged."""
    flat = kernel.reshape(-1, kernel.shape[-1])
    return np.asarray(flat[np.arange(len(flat)) ^ 1].reshape(kernel.shape))


CHANGES: dict[str, tuple[str, Ask, str]] = {
    "the last tile": (
        PLAIN,
        of_change(last_tile),
        (
            "only the outputs of the last tile of 2 by 2 are wrong: they hold what belongs to the "
            "output 2 columns before"
        ),
    ),
    "a remainder": (
        PLAIN,
        of_change(without_rest),
        (
            "only the output places of each sample beyond the last multiple of 4, counted one "
            "after another, are wrong: they are left out"
        ),
    ),
    "rows of all samples": (
        PLAIN,
        of_change(last_rows_left_out),
        (
            "only the output rows of all samples beyond the last multiple of 4, counted one after "
            "another, are wrong: they are left out"
        ),
    ),
    "blocks that overlap": (
        PLAIN,
        of_change(twice_where_blocks_overlap),
        (
            "only the output places of all samples that a last block of 8, moved back to end with "
            "them, shares with the block before are wrong: in them, all terms are counted twice"
        ),
    ),
    "a corner": (
        PLAIN,
        of_change(column_before),
        (
            "only the outputs where the last of the output rows is, and the last of the output "
            "columns is, are wrong: they hold what belongs to the output 1 row before"
        ),
    ),
    "kernel by channels": (
        MANY,
        of_kernel(mixed),
        "from channel 2 on, the kernel is laid out channel by channel and read tap by tap",
    ),
    "kernel by taps": (
        MANY,
        of_kernel(lambda w: w.reshape(4, 7, 2).transpose(1, 0, 2).reshape(w.shape)),
        "the kernel is laid out channel by channel and read tap by tap",
    ),
    "kernel in pairs": (
        MANY,
        of_kernel(exchanged),
        (
            "the kernel's taps and channels are mixed up: tap 0 of channel 0 is used as tap 0 of "
            "channel 1"
        ),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_part_and_what_it_holds_are_told(name: str) -> None:
    case, ask, words = CHANGES[name]
    assert most_told(case, ask) == words


def test_what_a_part_holds_is_not_told_where_it_differs() -> None:
    """Noise in the last column says no other output."""
    noise = of_change(lambda y: np.where(np.arange(y.shape[2])[:, None] == y.shape[2] - 1, 7.0, y))
    assert "hold what belongs" not in told(PLAIN, noise)


def test_the_right_kernel_is_in_no_other_order() -> None:
    assert told(CONV2D, ask_of(CORRECT, lambda _, value: Value(value))) == ""

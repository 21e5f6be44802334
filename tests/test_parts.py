"""Parts of outputs that are wrong are told in words of the loop, and what they hold.

Implementations are the plain evaluation with its answers, or its kernel, changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_marks import CONV2D, ask_of, gradients, of_change, told

from conformance.cases.case import Case, parse
from conformance.cases.operands import operands
from conformance.diagnosis.backward import predict_gradients
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


def in_blocks(far: int, block: int = 8) -> Ask:
    """Blocks of causal outputs, each with so many inputs before its own."""

    def ask(case: Case) -> Result:
        x = operands(case)
        parts = []
        for first in range(0, x.inputs.shape[1], block):
            seen = x.inputs.copy()
            seen[:, : max(first - far, 0)] = 0
            parts.append(predict(case, replace(x, inputs=seen)).value[:, first : first + block])
        evidence = Evidence("one", case, Value(np.concatenate(parts, 1)), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


@pytest.mark.parametrize(
    ("far", "words"),
    [
        (0, "no input step"),
        (1, "only one input step"),
        (2, "only as many input steps as the kernel has steps less one, without dilation,"),
        (4, None),
    ],
)
def test_how_little_blocks_read_before_their_own_is_told(far: int, words: str | None) -> None:
    """Blocks of 8 outputs of a kernel of 3 with a dilation of 2 need 4 inputs before their own."""
    case = "Conv1D/inputs:1x19x2/filters:2/kernel_size:3/padding:causal/dilation_rate:2"
    expected = (
        "output steps are made in blocks of 8, each of which reads {} before the end of its first "
        "window, and leaves out what lies further off"
    )
    found = most_told(case, in_blocks(far))
    assert found == ("" if words is None else expected.format(words))


@pytest.mark.parametrize("length", [13, 19])
def test_a_halo_without_the_dilation_is_told(length: int) -> None:
    """Tiles of eight windows load ten inputs, as many as three taps side by side need."""

    def ask(case: Case) -> Result:
        x = operands(case)
        assert x.inputs is not None
        outputs, parts = predict(case, x).value.shape[1], []
        for first in range(0, outputs, 8):
            seen = x.inputs.copy()
            seen[:, first + 10 :] = 0
            parts.append(predict(case, replace(x, inputs=seen)).value[:, first : first + 8])
        evidence = Evidence("one", case, Value(np.concatenate(parts, 1)), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    case = f"Conv1D/inputs:1x{length}x2/filters:2/kernel_size:3/dilation_rate:3"
    words = what_is_read([Failure(parse(case), Value(None), "exact")], ask).words
    assert (
        "output steps are made in blocks of 8, each of which reads only as many input steps as the "
        "kernel has steps less one, without dilation, after the start of its last window, and "
        "leaves out what lies further off"
    ) in words


def columns_twice(y: Array) -> Array:
    """The last four columns begin before the end of the four before them, and are added."""
    made, columns = y.copy(), y.shape[2]
    made[:, :, columns - 4 : columns // 4 * 4] *= 2
    return made


def test_columns_that_two_blocks_share_are_told() -> None:
    assert most_told(PLAIN.replace("7x7", "5x8"), of_change(columns_twice)) == (
        "only the output columns that a last block of 4, moved back to end with them, shares with "
        "the block before are wrong: in them, all terms are counted twice"
    )


def without_rest_in_bias(times: float) -> Ask:
    """Of all places of all outputs, those that eights leave over count otherwise for the bias."""

    def ask(case: Case) -> Result:
        arrays = operands(case)
        assert arrays.upstream is not None
        given = dict(predict_gradients(case, arrays).value)
        counted = np.ones(arrays.upstream.shape[:-1])
        counted.reshape(-1)[counted.size // 8 * 8 :] = times
        over = tuple(range(counted.ndim))
        given["bias"] = (arrays.upstream * counted[..., None]).sum(axis=over, dtype=np.float32)
        evidence = Evidence("one", case, Value(given), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


@pytest.mark.parametrize(("times", "how"), [(0.0, "left out"), (2.0, "counted twice")])
def test_which_outputs_the_gradient_of_the_bias_counts_is_told(times: float, how: str) -> None:
    case = gradients("Conv1D/inputs:3x5x2/filters:3/kernel_size:2")
    assert most_told(case, without_rest_in_bias(times)) == (
        "the gradient of the bias has the output places of all samples beyond the last multiple of "
        f"8, counted one after another, {how}"
    )


def test_a_right_gradient_of_the_bias_tells_nothing() -> None:
    case = gradients("Conv1D/inputs:3x5x2/filters:3/kernel_size:2")
    assert most_told(case, without_rest_in_bias(1.0)) == ""


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

"""What is read elsewhere is found by marked operands, and told as a law or a place.

Implementations are the plain evaluation with one of its steps replaced; the words expected are
worked out from the fault by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.operands import operands
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.evaluation import CORRECT, Steps, predict
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.marks import what_is_read
from conformance.judge.verdict import Verdict
from conformance.outcomes import Rejection, Value
from conformance.results import Evidence, Result

CONV2D = "Conv2D/inputs:1x7x6x2/filters:3/kernel_size:3x2/strides:2x1/padding:same"
FIRST = "Conv2D/inputs:1x3x7x6/filters:2/kernel_size:3x2/strides:2x1/data_format:channels_first"
CONV1D = "Conv1D/inputs:2x9x4/filters:6/kernel_size:3/dilation_rate:2/padding:same/groups:2"
POOL = "MaxPooling2D/inputs:1x7x6x2/pool_size:3x2/strides:2x1/padding:same"
CAUSAL = "Conv1D/inputs:1x9x2/filters:3/kernel_size:3/padding:causal/activation:tanh"


def gradients(case: str) -> str:
    return case.replace("/inputs", "/observe:gradients/inputs", 1)


def ask_of(steps: Steps, change: Callable[[Case, Any], Any] = lambda _, value: value) -> Ask:
    """An implementation with these steps, whose answers may be changed."""

    def ask(case: Case) -> Result:
        made = predict_gradients if case.observe == "gradients" else predict
        given: Any = made(case, operands(case), steps)
        outcome = change(case, given.value)
        evidence = Evidence("one", case, outcome, "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


def told(case: str, ask: Ask) -> str:
    """The first of what is said."""
    return next(iter(what_is_read([Failure(parse(case), Value(None), "exact")], ask).words), "")


def of_steps(steps: Steps) -> Ask:
    return ask_of(steps, lambda _, value: Value(value))


@pytest.mark.parametrize(
    "case",
    [
        *(CONV2D, FIRST, CONV1D, POOL, CAUSAL),
        *map(gradients, (CONV2D, FIRST, CONV1D, POOL)),
        "MaxPooling1D/inputs:2x8x3/dtype:int8/pool_size:3/data_format:channels_first",
        "Conv1D/inputs:1x5x2/dtype:float16/filters:2/kernel_size:2/use_bias:False",
    ],
)
def test_nothing_is_told_where_all_is_read_rightly(case: str) -> None:
    assert told(case, of_steps(CORRECT)) == ""


LAWS = {
    ("same.all-last", CONV2D): "output row i reads input row 2*i + a with kernel row a, where it "
    "should read 2*i + a - 1",
    ("same.odd-first", CONV2D): "output column j reads input column j + b - 1 with kernel column "
    "b, where it should read j + b",
    ("same.all-last", CONV1D): "output step i reads input step i + 2*a with kernel step a, where "
    "it should read i + 2*a - 2",
    ("dilation.ignored", CONV1D): "output step i reads input step i + a - 1 with kernel step a, "
    "where it should read i + 2*a - 2, as where the dilation rate is ignored",
    ("kernel.flipped-first", FIRST): "output row i reads input row 2*i - a + 2 with kernel row a, "
    "where it should read 2*i + a",
    ("kernel.channels-reversed", CONV2D): "channel c of the kernel meets input channel -c + 1, "
    "where it should meet c",
    ("kernel.filters-reversed", CONV2D): "what belongs to output channel f goes to channel -f + 2",
    ("groups.first", CONV1D): "channel c of group g of the kernel meets input channel c, where it "
    "should meet c + 2*g",
    ("groups.interleaved", CONV1D): "channel c of group g of the kernel meets input channel "
    "2*c + g, where it should meet c + 2*g",
    ("batch.first", CONV1D): "output sample n reads input sample 0",
    ("window.without-last-row", CONV2D): "the last of the kernel rows is left out",
    ("window.one-row", CONV2D): "all kernel rows but the first are left out",
    ("padding.one", CONV2D): "the padding is read as some other number than zero",
    ("padding.mirror", CONV1D): "in the place of the padding, the input is mirrored, the first and "
    "the last elements not repeated",
    ("padding.mirror-edge", CONV1D): "in the place of the padding, the input is mirrored",
    ("padding.wraps", CONV1D): "in the place of the padding, the input is continued periodically",
    ("padding.edge", CONV2D.replace("3x2", "3x3")): "in the place of the padding, the input is "
    "continued by its first and last elements",
    ("window.later", POOL): "along rows, the window of output i begins at input row 2*i, where it "
    "should begin at 2*i - 1 and ends at input row 2*i + 2, where it should end at 2*i + 1",
    ("pooling.channels", POOL): "output [0, 0, 0, 1] looks at input [0, 0, 0, 0], where it should "
    "not",
    ("same.all-last", gradients(CONV2D)): "in the gradient of the kernel, output row i reads input "
    "row 2*i + a with kernel row a, where it should read 2*i + a - 1",
    ("kernel.flipped-last", gradients(CONV2D)): "in the gradient of the inputs, output column j "
    "reads input column j - b + 1 with kernel column b, where it should read j + b",
    ("window.without-first-row", gradients(CONV2D)): "in the gradient of the inputs, the first of "
    "the kernel rows is left out",
    ("window.later", gradients(POOL)): "the gradient of output [0, 0, 0, 0] goes to input "
    "[0, 2, 2, 0], where it should go to input [0, 1, 1, 0], which is the largest of its window",
}


@pytest.mark.parametrize(("name", "case"), LAWS, ids=str)
def test_what_is_read_elsewhere_is_told(name: str, case: str) -> None:
    assert told(case, of_steps(FAULTS[name].steps)) == LAWS[name, case]


def test_another_law_of_what_is_read_as_padding_is_told() -> None:
    further = replace(CORRECT, beyond=lambda i, n: np.where(i < 0, 1 - i, np.minimum(i, n - 1)))
    assert told(CONV1D, of_steps(further)) == (
        "inputs are read in the place of the padding: before the first step, output step i reads "
        "input step -i + 3 with kernel step a"
    )


def test_rates_that_are_exchanged_are_told() -> None:
    laid = replace(CORRECT, laid=lambda s: replace(s, strides=s.dilation, dilation=s.strides))
    assert told("Conv1D/inputs:2x9x2/filters:2/kernel_size:3/strides:2", of_steps(laid)) == (
        "output step i reads input step i + 2*a with kernel step a, where it should read 2*i + a, "
        "as where strides and dilation rate are exchanged"
    )


def of_inputs(change: Any) -> Any:
    """Asks an implementation that convolves other inputs, padded already."""

    def ask(case: Case) -> Result:
        arrays = operands(case)
        padded = change(arrays.inputs)
        valid = case.replace(inputs=padded.shape, padding="valid")
        given = predict(valid, replace(arrays, inputs=padded), CORRECT).value
        evidence = Evidence("one", case, Value(given), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    return ask


def test_what_lies_next_in_memory_is_told() -> None:
    """The rows after the last are the first of the next sample."""
    case = "Conv2D/inputs:3x5x4x2/filters:2/kernel_size:3x1/padding:same"

    def with_next(x: Any) -> Any:
        below = np.concatenate([x[1:, :1], np.zeros_like(x[:1, :1])])
        return np.concatenate([np.zeros_like(below), x, below], axis=1)

    assert told(case, of_inputs(with_next)) == (
        "in the place of the padding stands what lies next to it in memory, such as the next sample"
    )


def test_weights_that_meet_the_inputs_of_another_block_are_told() -> None:
    """Of 24 products, the last eight take the inputs of the eight before them."""

    def with_others(case: Case, _: Any) -> Any:
        arrays = operands(case)
        windows = np.stack([arrays.inputs[:, i : i + 6].reshape(2, -1) for i in range(3)], axis=1)
        windows[..., 16:] = windows[..., 8:16]
        return Value(windows @ arrays.weights["kernel"].reshape(24, -1) + arrays.weights["bias"])

    case = "Conv1D/inputs:2x8x4/filters:3/kernel_size:6"
    assert told(case, ask_of(CORRECT, with_others)).startswith(
        "some weights meet the inputs of the products 8 before their own"
    )


def test_rows_below_that_are_read_after_the_last_column_are_told() -> None:
    """The padding before the first column, and that of rows, is right."""

    def with_next(x: Any) -> Any:
        after = np.concatenate([x[:, 1:, :1], np.zeros_like(x[:, :1, :1])], axis=1)
        row = np.concatenate([np.zeros_like(after), x, after], axis=2)
        return np.pad(row, ((0, 0), (1, 1), (0, 0), (0, 0)))

    case = "Conv2D/inputs:2x5x4x2/filters:2/kernel_size:3/padding:same"
    assert told(case, of_inputs(with_next)) == (
        "in the place of the padding stands what lies next to it in memory, such as the next row "
        "of inputs, where the padding after the last column is reached"
    )


@pytest.mark.parametrize("which", ["last", "next"])
def test_sums_that_go_on_beyond_their_products_are_told(which: str) -> None:
    """Of nine products, three more: those that the next output begins with, by other weights."""

    def with_more(case: Case, value: Any) -> Any:
        arrays, made = operands(case), value.copy()
        assert arrays.inputs is not None
        flat = np.append(arrays.weights["kernel"].reshape(9, -1).T.ravel(), np.zeros(3))
        for n, i, f in np.ndindex(value.shape):
            further = arrays.inputs[n, i] if i + 1 < value.shape[1] else np.zeros(3)
            first = 9 * (f + 1)
            weights = flat[first - 1] if which == "last" else flat[first : first + 3]
            made[n, i, f] += (further * weights).sum()
        return Value(made)

    case = "Conv1D/inputs:1x3x3/filters:4/kernel_size:3/padding:same"
    by = "last weight" if which == "last" else "weights of the next filter, as they lie in memory"
    assert told(case, ask_of(CORRECT, with_more)).startswith(
        "the products of a sum go on beyond the last of them: further inputs are multiplied with "
        f"the {by}"
    )


@pytest.mark.parametrize("case", [CONV2D, CONV1D, "Conv1D/inputs:1x3x4/filters:2/kernel_size:1"])
def test_a_loop_over_all_products_that_ends_early_is_told(case: str) -> None:
    """Protects from "the last of the channels", which is the same in windows of one element."""

    def ask(case: Case) -> Result:
        given = operands(case)
        kernel = given.weights["kernel"].copy()
        kernel[(-1,) * (kernel.ndim - 1)] = 0
        wrong = replace(given, weights={**given.weights, "kernel": kernel})
        evidence = Evidence("one", case, Value(predict(case, wrong, CORRECT).value), "exact")
        return Result(case, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    failures = [Failure(parse(case), Value(None), "exact")]
    assert "the last of the products of a sum is left out" in what_is_read(failures, ask).words


def test_windows_that_give_what_no_input_holds_tell_of_no_place() -> None:
    """The largest of each window and 128."""
    padded = ask_of(CORRECT, lambda _, value: Value(np.maximum(value, value.dtype.type(128))))
    assert told("MaxPooling1D/inputs:1x7x2/dtype:uint8/pool_size:3/padding:same", padded) == ""


def of_change(change: Callable[[Any], Any]) -> Ask:
    """An implementation that is right but for a change of its answers."""
    return ask_of(CORRECT, lambda _, value: Value(change(value)))


def test_gradients_that_go_too_far_are_told_by_how_far() -> None:
    moved = of_change(lambda value: {"inputs": np.roll(value["inputs"], 1, axis=2)})
    case = "MaxPooling2D/observe:gradients/inputs:1x6x6x2/pool_size:2/strides:2/padding:valid"
    assert told(case.replace("6x6x2", "6x7x2"), moved) == (
        "the gradient of an output goes one column after the input that it belongs to"
    )


def test_a_flat_index_by_another_length_is_told() -> None:
    """The largest of each window of 2 by 2 in 6 by 5 inputs, put at 2*row + column of 30."""

    def by_outputs(value: Any) -> Any:
        right = value["inputs"]
        made = np.zeros_like(right)
        for sample, row, column, channel in np.argwhere(right):
            flat = 2 * row + column
            made[sample, flat // 5, flat % 5, channel] = right[sample, row, column, channel]
        return {"inputs": made}

    case = "MaxPooling2D/observe:gradients/inputs:1x6x5x1/pool_size:2"
    assert told(case, of_change(by_outputs)) == (
        "the index of the input that a gradient goes to is made with rows of 2, as many as outputs "
        "have columns, where inputs have 5 columns"
    )


def test_places_in_a_window_that_are_counted_anew_are_told() -> None:
    """The place of the largest in its window of 3 by 3, kept in three bits."""

    def kept(value: Any) -> Any:
        made = value["inputs"].copy()
        made[:, 2::3, 2::3] = 0
        made[:, ::3, ::3] += value["inputs"][:, 2::3, 2::3]
        return {"inputs": made}

    case = "MaxPooling2D/observe:gradients/inputs:1x9x9x2/pool_size:3"
    assert told(case, of_change(kept)) == (
        "the gradient of an output goes to place p - 8 of its window, counted one after another "
        "from 0, where it should go to a place p from 8 on: they are counted modulo 8"
    )


def test_inputs_that_no_window_looks_at_are_told() -> None:
    def without_last(case: Case, value: Any) -> Any:
        rows = np.s_[:, -1] if case.inputs and case.seed >= 6 * 6 * 2 else np.s_[:, :0]
        value[rows] = 0
        return Value(value)

    case = "MaxPooling2D/inputs:1x7x6x2/pool_size:1"
    assert told(case, ask_of(CORRECT, without_last)) == (
        "the last of the input rows is looked at by no window"
    )


def test_terms_that_count_twice_are_told() -> None:
    def twice(case: Case, value: Any) -> Any:
        return Value(value * 2 if case.seed >= 2 * 2 * 2 * 3 else value)

    case = "Conv2D/inputs:1x4x4x2/filters:3/kernel_size:3x2"
    assert told(case, ask_of(CORRECT, twice)) == "the last of the kernel rows is counted twice"


@pytest.mark.parametrize("outcome", [Rejection("ValueError", "no"), Value(np.zeros(3))])
def test_nothing_is_told_where_marked_cases_are_not_answered(outcome: Any) -> None:
    assert told(CONV2D, ask_of(CORRECT, lambda *_: outcome)) == ""


def test_nothing_is_told_of_what_is_inexact() -> None:
    """The elements are the right ones, and their values are off: that is no matter of reads."""
    assert told(CONV2D, of_change(lambda value: value * np.float32(1.0001))) == ""


def test_cases_too_large_to_number_are_not_asked() -> None:
    def never(case: Case) -> Result:
        raise AssertionError(case)

    assert told("Conv1D/inputs:1x2048x2/dtype:float16/filters:2/kernel_size:2", never) == ""


def test_what_small_cases_tell_by_chance_is_not_told_where_a_law_is_found() -> None:
    """Of few reads those of the last row may seem left out; they follow the law of the others."""
    small = (f"Conv1D/inputs:2x{n}x2/filters:2/kernel_size:5/padding:same" for n in (1, 2, 3, 9))
    failures = [Failure(parse(case), Value(None), "exact") for case in small]
    words = what_is_read(failures, of_steps(FAULTS["kernel.flipped"].steps)).words
    assert words
    assert all("reads input step i - a" in one for one in words)


@pytest.mark.parametrize(("rate", "by"), [(2, "the dilation rate"), (3, "the dilation rate")])
def test_outputs_that_do_not_take_turns_are_told(rate: int, by: str) -> None:
    """The outputs of each phase of a dilated convolution, one phase after the other."""

    def by_phases(value: Any) -> Any:
        order = [i for first in range(rate) for i in range(first, value.shape[1], rate)]
        return value[:, order]

    case = f"Conv1D/inputs:1x12x2/filters:3/kernel_size:2/dilation_rate:{rate}/padding:same"
    assert told(case, of_change(by_phases)) == (
        "the outputs along the steps are right, but stand in another order: those whose index "
        f"leaves the same remainder when it is divided by {by} follow one another, where they "
        "should take turns"
    )


def test_windows_that_are_moved_into_the_input_are_told() -> None:
    """What reaches beyond the last input lies at its end instead, whole."""

    def beyond(case: Case, value: Any) -> Any:
        x = operands(case).inputs
        assert x is not None
        last = x.shape[1] - 3
        y = [x[:, max(min(i, last), 0) : i + 3].max(axis=1) for i in range(-1, last + 2)]
        return Value(np.stack(y, axis=1))

    case = "MaxPooling1D/inputs:1x7x2/pool_size:3/strides:1/padding:same"
    assert told(case, ask_of(CORRECT, beyond)) == (
        "windows that reach beyond the last input are moved back, to end with it"
    )


def test_rows_bounded_by_the_number_of_columns_are_told() -> None:
    """Of six rows and four columns the last two rows count as padding."""

    def bounded(case: Case) -> Any:
        arrays = operands(case)
        assert arrays.inputs is not None
        x = arrays.inputs.copy()
        x[:, 4:] = 0
        return Value(predict(case, replace(arrays, inputs=x)).value)

    case = "Conv2D/inputs:1x6x4x2/filters:2/kernel_size:3/padding:same"
    words = what_is_read(
        [Failure(parse(case), Value(None), "exact")],
        ask_of(CORRECT, lambda case, _: bounded(case)),
    ).words
    assert "the input rows from as many on as there are columns are left out" in words


def test_blocks_of_outputs_at_other_distances_are_told() -> None:
    """Tiles of four outputs, each of which reads two places after the one before."""

    def in_tiles(value: Any) -> Any:
        index = np.arange(value.shape[1])
        return value[:, index // 4 * 2 + index % 4]

    case = "Conv2D/inputs:1x11x5x1/filters:2/kernel_size:3"
    assert told(case, of_change(in_tiles)) == (
        "output rows are done in blocks of 4, and each block has what belongs 2 rows after the "
        "block before, not 4"
    )


def test_outputs_of_other_places_are_told_in_their_order() -> None:
    """The last two of six outputs are exchanged."""
    exchanged = of_change(lambda value: value[:, [0, 1, 2, 3, 5, 4]])
    assert told("Conv1D/inputs:2x8x2/filters:3/kernel_size:3/padding:valid", exchanged) == (
        "the output steps hold, from the first on, what belongs to steps 0, 1, 2, 3, 5, 4"
    )


def test_outputs_that_read_nothing_are_told() -> None:
    """Where only the first of the kernel's steps lies on an input, that alone is not left out."""
    failures = [
        Failure(parse(f"Conv1D/inputs:{inputs}/filters:2/{window}"), Value(None), "exact")
        for inputs in ("1x1x2", "2x2x3")
        for window in ("kernel_size:2/strides:3/padding:same", "kernel_size:1/strides:2")
    ]
    words = what_is_read(failures, of_change(np.zeros_like)).words
    counts = {one: words.count(one) for one in words}
    assert max(words, key=lambda one: counts[one]) == "no input is read at all"


def test_the_second_half_of_a_batch_that_is_given_the_first_is_told() -> None:
    def halved(value: Any) -> Any:
        half = len(value) // 2
        return np.concatenate([value[:half], value[:half]])

    assert told("Conv1D/inputs:6x5x1/filters:2/kernel_size:2", of_change(halved)) == (
        "the second half of the output samples holds what belongs to the first half"
    )


@pytest.mark.parametrize(
    "case",
    [
        "Conv1D/inputs:2x9x2/filters:3/kernel_size:1/strides:3",
        "Conv2D/inputs:1x5x7x2/filters:2/kernel_size:1/strides:2",
        "Conv2D/inputs:1x2x5x7/filters:2/kernel_size:1/strides:2/data_format:channels_first",
    ],
)
def test_places_that_are_read_in_turn_are_told(case: str) -> None:
    """A kernel of one place is taken for a product of matrices, whatever the strides."""

    def in_turn(case: Case, value: Any) -> Any:
        dense = predict(case.replace(strides=1), operands(case)).value
        first = case.keywords.get("data_format") == "channels_first"
        y, shape = (np.moveaxis(a, 1, -1) if first else a for a in (dense, value))
        y = y.reshape(len(y), -1, y.shape[-1])[:, : np.prod(shape.shape[1:-1])]
        y = y.reshape(shape.shape)
        return Value(np.moveaxis(y, -1, 1) if first else y)

    assert told(case, ask_of(CORRECT, in_turn)) == (
        "the outputs read the first places of a sample's inputs in turn, one after another in "
        "memory, as where the strides are ignored"
    )


@pytest.mark.parametrize(("length", "rate"), [(8, 3), (11, 2), (11, 4)])
def test_inputs_that_a_rate_leaves_over_are_told(length: int, rate: int) -> None:
    """The inputs are dealt out to as many phases as the dilation rate, of equal length."""

    def without_rest(case: Case, _: Any) -> Any:
        arrays = operands(case)
        assert arrays.inputs is not None
        x = arrays.inputs.copy()
        x[:, x.shape[1] // rate * rate :] = 0
        return Value(predict(case, replace(arrays, inputs=x)).value)

    case = f"Conv1D/inputs:1x{length}x2/filters:2/kernel_size:2/dilation_rate:{rate}"
    words = what_is_read(
        [Failure(parse(case), Value(None), "exact")], ask_of(CORRECT, without_rest)
    ).words
    assert (
        "inputs beyond the last multiple of the dilation rate along an axis, counted with the "
        "padding, are left out"
    ) in words


@pytest.mark.parametrize("shape", ["1x7x2", "1x6x7x2"])
def test_places_counted_in_cut_windows_are_told(shape: str) -> None:
    """Windows of three begin one place before the input; counted there, all go one too early."""

    def cut(case: Case, value: Any) -> Any:
        outputs = operands(case).upstream
        assert outputs is not None
        index = np.argwhere(outputs)[0][1:-1]
        axes = tuple(axis for axis, first in enumerate(index, 1) if first == 0)
        right = value["inputs"]
        padded = np.pad(right, [(0, 0), *[(1, 0)] * (right.ndim - 2), (0, 0)])
        moved = np.roll(padded, -1, axes)[(slice(None), *[slice(1, None)] * (right.ndim - 2))]
        return Value({"inputs": moved})

    layer = "MaxPooling1D" if shape.count("x") == 2 else "MaxPooling2D"
    case = f"{layer}/observe:gradients/inputs:{shape}/pool_size:3/strides:1/padding:same"
    assert "counted in the part of the window that lies within the input" in told(
        case, ask_of(CORRECT, cut)
    )


@pytest.mark.parametrize(
    ("layer", "at_both", "words"),
    [
        (
            "Conv1D/inputs:1x3x2/filters:2/kernel_size:5",
            True,
            "first and end beyond the last input",
        ),
        ("Conv1D/inputs:1x9x2/filters:2/kernel_size:5", False, "before the first input,"),
        ("Conv1D/inputs:1x9x2/filters:2/kernel_size:3/dilation_rate:2", False, "first input,"),
    ],
)
def test_kernels_that_are_not_moved_on_are_told(layer: str, at_both: bool, words: str) -> None:
    """Of a window that begins before the input, as many taps are used as are left, from the first.

    Of three inputs and five taps the windows of the first two outputs are cut at both ends; those
    of nine at one.
    """

    def cut(case: Case, value: Any) -> Any:
        arrays, made = operands(case), value.copy()
        kernel, length = arrays.weights["kernel"], value.shape[1]
        (dilation,) = facts(case).dilation
        before = (len(kernel) - 1) * dilation // 2
        for output in range(before):
            passed = -(-(before - output) // dilation)
            if at_both and output - before + (len(kernel) - 1) * dilation < length:
                continue
            moved = np.zeros_like(kernel)
            moved[passed:] = kernel[: len(kernel) - passed]
            weights = {**arrays.weights, "kernel": moved}
            made[:, output] = predict(case, replace(arrays, weights=weights)).value[:, output]
        return Value(made)

    found = told(f"{layer}/padding:same", ask_of(CORRECT, cut))
    assert words in found
    assert found.startswith("of windows that begin before the first")


@pytest.mark.parametrize("padding", ["same", "causal"])
def test_dilated_windows_that_go_on_from_the_first_input_are_told(padding: str) -> None:
    """Of a window that begins before the input, the first tap on an input reads the first one."""

    def cut(case: Case, value: Any) -> Any:
        arrays, made = operands(case), value.copy()
        kernel, x = arrays.weights["kernel"], arrays.inputs
        (dilation,) = facts(case).dilation
        before = (len(kernel) - 1) * dilation // (1 if padding == "causal" else 2)
        for output in range(before):
            passed = -(-(before - output) // dilation)
            places = [(tap, (tap - passed) * dilation) for tap in range(passed, len(kernel))]
            terms = [x[:, place] @ kernel[tap] for tap, place in places if place < x.shape[1]]
            made[:, output] = arrays.weights["bias"] + sum(terms, np.zeros_like(made[:, output]))
        return Value(made)

    case = "Conv1D/inputs:1x9x2/filters:2/kernel_size:3/dilation_rate:3"
    found = told(f"{case}/padding:{padding}", ask_of(CORRECT, cut))
    assert found.startswith("of dilated windows that begin before the first input, the first elem")


def test_what_all_windows_read_too_late_is_a_law() -> None:
    """Of one output it cannot be told whether its window is cut, or all lie elsewhere."""
    case = "Conv1D/inputs:1x2x2/filters:6/kernel_size:3/strides:2/padding:same"
    steps = FAULTS["same.all-last"].steps
    assert "kernel's first elements" not in told(case.replace("x2x", "x1x"), of_steps(steps))


@pytest.mark.parametrize(("size", "stride"), [(4, 3), (7, 3), (6, 4)])
def test_taps_of_one_remainder_that_are_left_out_are_told(size: int, stride: int) -> None:
    """The last remainder has so few taps that one of them is not counted in its sum."""

    def without(case: Case, value: Any) -> Any:
        arrays = operands(case)
        kernel = arrays.weights["kernel"].copy()
        kernel[size - 1 - (size % stride) :: stride] = 0
        wrong = replace(arrays, weights={**arrays.weights, "kernel": kernel})
        return Value({**value, "inputs": predict_gradients(case, wrong).value["inputs"]})

    case = f"Conv1D/inputs:1x17x2/filters:2/kernel_size:{size}/strides:{stride}"
    assert told(gradients(case), ask_of(CORRECT, without)) == (
        "in the gradient of the inputs, kernel elements of one remainder by the stride along an "
        "axis are left out, as where the sums for each remainder are made of too few"
    )


@pytest.mark.parametrize("padding", ["same", "causal"])
def test_blocks_that_forget_the_padding_are_told(padding: str) -> None:
    """The padding before is subtracted in the first block of eight outputs alone."""

    def forgotten(case: Case, _: Any) -> Any:
        arrays = operands(case)
        assert arrays.inputs is not None
        before = 1 if padding == "same" else 2
        moved = np.concatenate([arrays.inputs[:, before:], 0 * arrays.inputs[:, :before]], 1)
        first, later = (
            predict(case, replace(arrays, inputs=x)).value for x in (arrays.inputs, moved)
        )
        return Value(np.concatenate([first[:, :8], later[:, 8:]], 1))

    case = f"Conv1D/inputs:1x21x2/filters:2/kernel_size:3/padding:{padding}"
    assert told(case, ask_of(CORRECT, forgotten)) == (
        "from output step 8 on, windows lie as many inputs too far on as there is padding before "
        "the first, as where that is subtracted in the first block alone"
    )


def test_outputs_that_are_counted_from_the_first_are_told() -> None:
    """The first tap of three meets no input in the first of seven outputs, which is passed over."""

    def counted(case: Case, value: Any) -> Any:
        arrays = operands(case)
        x, g = arrays.inputs, arrays.upstream
        assert x is not None
        assert g is not None
        kernel = value["kernel"].copy()
        kernel[0] = np.tensordot(x[:, :-1], g[:, :-1], ((0, 1), (0, 1)))
        return Value({**value, "kernel": kernel})

    case = gradients("Conv1D/inputs:1x7x2/filters:2/kernel_size:3/padding:same")
    assert told(case, ask_of(CORRECT, counted)) == (
        "in the gradient of the kernel, of kernel elements that lie on the padding before the "
        "first input in the first outputs, the outputs are counted from the first on, not from "
        "that in which they lie on the input"
    )


@pytest.mark.parametrize(("only_rest", "length"), [(False, 8), (True, 8), (False, 11), (True, 11)])
def test_ends_of_cut_windows_that_are_missed_are_told(only_rest: bool, length: int) -> None:
    """Windows of three taps, two apart, whose last tap on an input is not counted at the end."""

    def missed(case: Case, value: Any) -> Any:
        arrays, made = operands(case), value.copy()
        for output in range(length):
            rest = length - (output - 2)
            if rest > 4 or (only_rest and rest % 2 == 0):
                continue
            kernel = arrays.weights["kernel"].copy()
            kernel[(rest - 1) // 2] = 0
            weights = {**arrays.weights, "kernel": kernel}
            made[:, output] = predict(case, replace(arrays, weights=weights)).value[:, output]
        return Value(made)

    case = f"Conv1D/inputs:1x{length}x2/filters:2/kernel_size:3/dilation_rate:2/padding:same"
    found = told(case, ask_of(CORRECT, missed))
    assert found.startswith(
        "of windows that end beyond the last of the inputs, the last of the kernel elements that "
        "lie on an input is left out"
    )
    assert found.endswith("is no multiple of the dilation rate") is only_rest


def test_places_that_are_taken_apart_by_the_height_are_told() -> None:
    """Of windows of two rows and three columns, place 3 is [1, 0]; by two it is [1, 1]."""

    def by_height(value: Any) -> Any:
        right, made = value["inputs"], np.zeros_like(value["inputs"])
        for sample, row, column, channel in np.argwhere(right):
            place = row % 2 * 3 + column % 3
            to = row - row % 2 + place // 2, column - column % 3 + place % 2
            if to[0] < right.shape[1]:
                made[sample, *to, channel] = right[sample, row, column, channel]
        return {"inputs": made}

    case = "MaxPooling2D/observe:gradients/inputs:1x6x9x2/pool_size:2x3"
    assert told(case, of_change(by_height)) == (
        "the place of the largest in its window, counted row by row, is taken apart by the number "
        "of the window's rows, where it should be by that of its columns"
    )


def test_gradients_that_a_second_part_of_the_outputs_overwrites_are_told() -> None:
    """The last two of four outputs, which read inputs from index 2 on, are stored over others."""
    case = parse("MaxPooling1D/observe:gradients/inputs:1x6x4/pool_size:3/strides:1")

    def ask(asked: Case) -> Result:
        arrays = operands(asked)
        assert arrays.upstream is not None
        places = np.arange(arrays.upstream.shape[1]) >= -(-arrays.upstream.shape[1] // 2)
        halves = [arrays.upstream * (places == late)[:, None] for late in (False, True)]
        first, second = (
            predict_gradients(asked, replace(arrays, upstream=g), CORRECT).value["inputs"]
            for g in halves
        )
        split = int(places.argmax())
        made = np.concatenate([first[:, :split], second[:, split:]], axis=1)
        evidence = Evidence("one", asked, Value({"inputs": made}), "exact")
        return Result(asked, (), "one", Verdict.DEVIATES, None, "", "", evidence=evidence)

    assert told(str(case), ask) == (
        "along output steps, the outputs are handled in two parts, and what the first one gives to "
        "inputs that the second one reads as well is lost, as where its result is stored and not "
        "added"
    )


@pytest.mark.parametrize("length", [4, 5, 8])
def test_flat_indices_that_are_taken_apart_by_another_length_are_told(length: int) -> None:
    """Index 9 of inputs with 7 columns is [1, 2]; by rows of 4 it is [2, 1]."""

    def by_length(value: Any) -> Any:
        right, made = value["inputs"], np.zeros_like(value["inputs"])
        for sample, row, column, channel in np.argwhere(right):
            to = divmod(row * 7 + column, length)
            if to[0] < right.shape[1] and to[1] < right.shape[2]:
                made[sample, *to, channel] = right[sample, row, column, channel]
        return {"inputs": made}

    case = "MaxPooling2D/observe:gradients/inputs:1x6x7x2/pool_size:2/strides:1x2"
    assert told(case, of_change(by_length)).startswith(
        "the index of the input that a gradient goes to is taken apart into row and column by "
        f"rows of {length}"
    )


def test_what_few_windows_do_is_tried_on_larger_inputs() -> None:
    """Of two inputs, one before each window looks like the last window moved back."""

    def with_one_before(case: Case, value: Any) -> Any:
        x = operands(case).inputs
        assert x is not None
        return Value(np.maximum(value, np.concatenate([x[:, :1], x[:, :-1]], axis=1)))

    case = "MaxPooling1D/inputs:1x2x2/pool_size:2/strides:1/padding:same"
    found = told(case, ask_of(CORRECT, with_one_before))
    assert "moved back" not in found
    assert "begins at input step i - 1, where it should begin at i" in found


def test_gradients_that_all_go_to_the_first_sample_are_told() -> None:
    summed = of_change(
        lambda value: {
            "inputs": np.concatenate(
                [value["inputs"].sum(axis=0, keepdims=True), 0 * value["inputs"][1:]]
            )
        }
    )
    case = "MaxPooling1D/observe:gradients/inputs:3x6x2/pool_size:2"
    assert told(case, summed) == (
        "the gradients of all samples go to the first, as where the index of an input does not "
        "count the samples before it"
    )


def test_what_few_cases_share_by_chance_is_not_told() -> None:
    """That inputs from index 4 on are left out is no matter of the other axis, of four as well."""

    def from_fourth(case: Case, _: Any) -> Any:
        arrays = operands(case)
        assert arrays.inputs is not None
        x = arrays.inputs.copy()
        x[:, :, 4:] = 0
        return Value(predict(case, replace(arrays, inputs=x)).value)

    cases = (f"Conv2D/inputs:1x{rows}x6x1/filters:2/kernel_size:1" for rows in (2, 3, 4, 5))
    failures = [Failure(parse(case), Value(None), "exact") for case in cases]
    words = what_is_read(failures, ask_of(CORRECT, from_fourth)).words
    assert "the input columns from index 4 on are left out" in words
    assert not [one for one in words if "as many on as there are rows" in one]

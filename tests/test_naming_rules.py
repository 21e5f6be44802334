"""What is said of faults that no entry of the catalogue has: made by rule, or described.

Goes on with the table of `test_naming`: an index or argument taken for another, state between
calls, numbers that overflow or lie on steps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_naming import (
    PLAIN,
    Array,
    Compute,
    Slip,
    assert_is_said_of_most,
    of_activation,
    of_elements,
    right,
)

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.operands import Operands, operands
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.commonality import common
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import CORRECT, Prediction, evaluate, gather, settings_of
from conformance.diagnosis.faults import FAULTS, combined
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.diagnosis.kept import NOT_CLEARED, kept
from conformance.diagnosis.order_words import depending_on_order
from conformance.diagnosis.systematic import SYSTEMATIC
from conformance.outcomes import Value

TWO = (
    "Conv2D/inputs:2x7x9x4/filters:6/kernel_size:3x2/strides:2x1",
    "Conv2D/inputs:2x8x5x4/filters:6/kernel_size:2x3/strides:2x3/padding:same",
    "Conv2D/inputs:3x9x6x4/filters:4/kernel_size:2x3/padding:same/dilation_rate:3x2",
    "Conv2D/inputs:2x9x8x4/filters:3/kernel_size:4x2/dilation_rate:2x3",
    "Conv2D/inputs:2x9x10x2/filters:3/kernel_size:3x3/padding:same/dilation_rate:1x3",
    "Conv2D/inputs:2x5x9x2/filters:3/kernel_size:4x3/padding:same/strides:3x2",
    "Conv2D/inputs:2x12x8x2/filters:3/kernel_size:5x4/padding:same/strides:3x4",
    "Conv2D/inputs:2x10x7x4/filters:6/kernel_size:2x2/strides:3x4",
    "Conv2D/inputs:2x6x7x6/filters:6/kernel_size:2x3/groups:3",
    "Conv2D/inputs:2x6x7x4/filters:6/kernel_size:2x2/groups:2/use_bias:False",
    "Conv1D/inputs:3x9x4/filters:5/kernel_size:3/strides:2/padding:same",
    "Conv1D/inputs:2x2x3/filters:3/kernel_size:4/dilation_rate:2/padding:causal",
    "Conv1D/inputs:2x9x3/filters:3/kernel_size:3/dilation_rate:2/padding:causal",
    "Conv1D/inputs:2x9x3/filters:3/kernel_size:5/strides:2/padding:causal",
    "Conv2D/inputs:2x2x3x4/filters:3/kernel_size:7x9/padding:same",
    "MaxPooling2D/inputs:2x9x8x3/pool_size:2x3",
    "MaxPooling2D/inputs:2x9x8x3/pool_size:3x2/strides:1x4/padding:same",
    "MaxPooling2D/inputs:2x7x8x3/pool_size:2x3/strides:3x2/padding:same",
    "MaxPooling1D/inputs:2x9x4/pool_size:2/strides:1",
    "MaxPooling1D/inputs:2x3x4/pool_size:5/strides:1/padding:same",
    "Conv1D/inputs:2x3x37/filters:43/kernel_size:2",
    "Conv1D/inputs:2x4x7/filters:2/kernel_size:3/strides:2/padding:same/data_format:channels_first",
    "Conv1D/inputs:2x7x4/filters:2/kernel_size:3/strides:2/padding:same",
    "Conv1D/inputs:1x3x520/filters:2/kernel_size:2",
    "Conv1D/inputs:2x9x3/filters:4/kernel_size:2/dilation_rate:6/padding:same",
    "Conv1D/inputs:1x4x70/filters:5/kernel_size:2/activation:relu",
    "Conv1D/inputs:2x5x6/filters:5/kernel_size:2/activation:silu",
    "Conv2D/inputs:2x6x7x2/filters:3/kernel_size:1x3/padding:same/strides:2x2",
    "Conv1D/inputs:2x9x3/filters:3/kernel_size:3/padding:same/activation:tanh",
    "Conv1D/inputs:2x9x3/filters:3/kernel_size:4/padding:causal/activation:tanh",
    "Conv2D/inputs:2x3x12x2/filters:2/kernel_size:2x2/padding:same",
    "Conv2D/inputs:1x35x5x1/filters:2/kernel_size:2x2",
    "Conv2D/inputs:1x5x35x1/filters:2/kernel_size:2x2",
    "Conv2D/inputs:2x3x6x3/filters:2/kernel_size:2x2/data_format:channels_first",
    "Conv2D/inputs:2x12x3x2/filters:2/kernel_size:2x2/padding:same",
    "MaxPooling1D/inputs:2x9x3/pool_size:4/strides:2/padding:same",
    "Conv1D/inputs:2x4x3/filters:37/kernel_size:3",
    "Flatten/inputs:2x35x9x11/data_format:channels_first",
    "Flatten/inputs:2x3x5/data_format:channels_first",
)


_SHOWN_IN_GRADIENTS = (
    *(".windows.", ".upstream.", "samples.half", "slope."),
    *(".taps.", ".rest."),
)
OF_OUTPUTS = [name for name in SYSTEMATIC if not name.startswith("gradient.")]
OF_GRADIENTS = [
    name
    for name in SYSTEMATIC
    if any(part in name for part in _SHOWN_IN_GRADIENTS) and name.startswith("gradient.")
]
IN_GRADIENTS = (
    "MaxPooling1D/observe:gradients/inputs:4x9x3/pool_size:3/strides:1",
    "MaxPooling1D/observe:gradients/inputs:2x12x3/pool_size:5/strides:2",
    "MaxPooling2D/observe:gradients/inputs:2x7x6x3/pool_size:3x2/strides:2x1",
    "Conv1D/observe:gradients/inputs:4x9x3/filters:6/kernel_size:3",
    "Conv1D/observe:gradients/inputs:3x9x3/filters:5/kernel_size:2",
    "Conv2D/observe:gradients/inputs:4x6x7x2/filters:4/kernel_size:2x3",
    "Conv1D/observe:gradients/inputs:3x8x3/filters:5/kernel_size:2/activation:relu",
    "Conv1D/observe:gradients/inputs:3x7x3/filters:5/kernel_size:2/activation:relu",
    "Conv1D/observe:gradients/inputs:3x6x3/filters:5/kernel_size:2/activation:tanh",
    "Conv1D/observe:gradients/inputs:3x39x2/filters:2/kernel_size:2",
    "Conv1D/observe:gradients/inputs:35x3x2/filters:2/kernel_size:2",
    "Conv2D/observe:gradients/inputs:2x5x38x1/filters:2/kernel_size:2x2",
    "Conv2D/observe:gradients/inputs:2x38x5x1/filters:2/kernel_size:2x2",
    "Conv2D/observe:gradients/inputs:2x9x10x2/filters:3/kernel_size:4x3/strides:2x3",
    "Conv2D/observe:gradients/inputs:2x9x12x2/filters:3/kernel_size:4x5/strides:2x3",
)


BITS = FAULTS["pooling.bits"]


@pytest.mark.parametrize("identifier", OF_OUTPUTS)
def test_a_fault_made_by_a_rule_is_named(identifier: str) -> None:
    """One index or argument taken for another, wherever there is one."""
    fault, hypotheses = SYSTEMATIC[identifier], Hypotheses()
    cases = [parse(line) for line in TWO]
    made = {case: hypotheses.prediction((fault,), case) for case in cases}
    able: dict[Case, Any] = {case: one for case, one in made.items() if one is not None}
    wrong = {c: p for c, p in able.items() if not hypotheses.prediction((), c).fits(p.value)}  # type: ignore[union-attr]
    assert wrong, "no case shows it"
    failures = [Failure(case, Value(p.value), "exact") for case, p in wrong.items()]
    found = diagnose(failures, [case for case in able if case not in wrong], hypotheses)
    assert found is not None
    named = {one[0].identifier for g in found.groups for one in (g.faults, *g.alternatives) if one}
    assert identifier in named or not all(one.startswith("systematic") for one in named), named
    assert all(group.faults for group in found.groups), found.message


@pytest.mark.parametrize("identifier", OF_GRADIENTS)
def test_a_fault_made_by_a_rule_is_named_in_gradients(identifier: str) -> None:
    fault, hypotheses = SYSTEMATIC[identifier], Hypotheses()
    made: dict[Case, Any] = {
        case: hypotheses.prediction((fault,), case) for case in map(parse, IN_GRADIENTS)
    }
    wrong = {c: p for c, p in made.items() if not hypotheses.prediction((), c).fits(p.value)}  # type: ignore[union-attr]
    failures = [Failure(case, Value(p.value), "exact") for case, p in wrong.items()]
    found = diagnose(failures, [case for case in made if case not in wrong], hypotheses)
    assert found is not None
    named = {one[0].identifier for g in found.groups for one in (g.faults, *g.alternatives) if one}
    assert identifier in named, found.message


def test_a_rate_that_one_gradient_ignores_is_named() -> None:
    fault, hypotheses = SYSTEMATIC["gradient.inputs.systematic.laid.dilation.ignored"], Hypotheses()
    cases = [
        parse(f"Conv1D/observe:gradients/inputs:2x{n}x3/filters:4/kernel_size:3/dilation_rate:{d}")
        for n in (9, 11)
        for d in (2, 3)
    ]
    made: Any = [hypotheses.prediction((fault,), case) for case in cases]
    pairs = zip(cases, made, strict=True)
    found = diagnose([Failure(case, Value(one.value), "exact") for case, one in pairs])
    assert found is not None
    assert "in the gradient of the inputs, the dilation is ignored" in found.groups[0].reason


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_bits_that_are_compared_take_the_least_negative_number(dtype: str) -> None:
    """In all dtypes: windows of negative numbers give the least, others the largest."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    for kind in ("integers", "negative"):
        case = parse(f"MaxPooling1D/inputs:2x6x3/dtype:{dtype}/operands:{kind}/pool_size:2")
        made = Hypotheses().prediction((BITS,), case)
        assert isinstance(made, Prediction)
        x = np.asarray(operands(case).inputs).astype(np.float64).reshape(2, 3, 2, 3)
        wanted = np.where((x < 0).all(axis=2), x.min(axis=2), x.max(axis=2))
        assert np.array_equal(made.value.astype(np.float64), wanted)


def test_no_rule_makes_what_the_catalogue_tells_already() -> None:
    sentences = {fault.sentence for fault in (*FAULTS.values(), *GRADIENT_FAULTS.values())}
    assert len({f.sentence for f in SYSTEMATIC.values()} - sentences) == len(SYSTEMATIC)


def test_one_argument_is_not_read_in_two_ways_at_a_time() -> None:
    """Rates exchanged, of which the first is used for all, are no two faults."""
    assert combined(FAULTS["dilation.exchanged"], FAULTS["dilation.first"]) is None
    assert combined(FAULTS["dilation.first"], FAULTS["strides.first"]) is not None


SOFTMAX = (
    "Conv1D/inputs:4x9x3/operands:tails/filters:5/kernel_size:(1,)/activation:softmax",
    *PLAIN,
)


ROWS = tuple(
    f"Conv1D/inputs:2x7x3/operands:reals/filters:{n}/kernel_size:2/activation:softmax"
    for n in (5, 7, 8)
)


def naive_softmax(y: Array) -> Array:
    with np.errstate(all="ignore"):
        powers = np.exp(y.astype(np.float32))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_of_softmax(y: Array) -> Array:
    powers = np.exp(y - y.max(axis=-1, keepdims=True))
    with np.errstate(all="ignore"):
        return np.log((powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32))


def softmax_of_largest_of_all(y: Array) -> Array:
    with np.errstate(all="ignore"):
        powers = np.exp((y - y.max()).astype(np.float32))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def softmax_in_blocks(y: Array) -> Array:
    """The sum of powers is not scaled again where a later block of two has a larger maximum."""
    largest, total = np.full(y.shape[:-1], -np.inf), np.zeros(y.shape[:-1])
    for start in range(0, y.shape[-1], 2):
        block = y[..., start : start + 2]
        largest = np.maximum(largest, block.max(axis=-1))
        total += np.exp(block - largest[..., None]).sum(axis=-1)
    return np.asarray(np.exp(y - largest[..., None]) / total[..., None])


def on_steps(case: Case, arrays: Operands) -> Array:
    """Outputs of 8 bits, of which one step is the range divided by 255."""
    y = np.asarray(right(case, arrays))
    step = np.ptp(y) / 255
    return (np.round(y / step) * step).astype(y.dtype)


def of_gradients(identifier: str) -> Compute:
    steps = {**GRADIENT_FAULTS, **SYSTEMATIC}[identifier].steps
    return lambda case, arrays: predict_gradients(case, arrays, steps).value


def gradient_of_flatten(case: Case, arrays: Operands) -> Any:
    assert arrays.upstream is not None
    assert arrays.inputs is not None
    return {"inputs": arrays.upstream.reshape(arrays.inputs.shape)}


def without_gaps(case: Case, arrays: Operands) -> Any:
    """What no window reads holds a number that nobody wrote."""
    given = dict(right(case, arrays))
    windows, _ = gather(np.ones_like(arrays.inputs), settings_of(case), CORRECT)
    if facts(case).strides[0] > facts(case).window[0]:
        given["inputs"] = np.where(given["inputs"] == 0, np.float32(windows.size), given["inputs"])
    return given


def border_left_out(case: Case, arrays: Operands) -> Array:
    """Outputs of the first and last place, whose windows reach into the padding, are zero."""
    y = np.asarray(right(case, arrays)).copy()
    y[:, [0, -1]] = 0
    return y


def overlapping_borders(case: Case, arrays: Operands) -> Array:
    """The loops over both borders of the last axis make the outputs where they overlap: twice."""
    y = np.asarray(right(case, arrays)).copy()
    outputs, reach = y.shape[-2], facts(case).window[-1]
    before = (reach - 1) // 2
    both = slice(max(outputs - (reach - 1 - before), 0), min(before, outputs))
    bias = arrays.weights["bias"]
    y[..., both, :] += y[..., both, :] - bias
    return y


def overflowing(case: Case, arrays: Operands) -> Any:
    """The larger half of the kernel's gradient overflows."""
    given = dict(right(case, arrays))
    kernel = given["kernel"]
    given["kernel"] = np.where(np.abs(kernel) > np.median(np.abs(kernel)), np.inf, kernel)
    return {name: array.astype(case.dtype) for name, array in given.items()}


GAPS = tuple(
    f"Conv1D/observe:gradients/inputs:2x{n}x2/operands:reals/filters:3/kernel_size:{k}/strides:{s}"
    for n, k, s in ((11, 1, 3), (13, 2, 4), (17, 2, 5), (9, 2, 1), (10, 3, 2))
)
SLIPS = (
    Slip(
        "softmax overflows",
        SOFTMAX,
        of_activation("softmax", naive_softmax),
        "softmax gives NaN where the sum is ",
    ),
    Slip(
        "softmax subtracts the largest of all",
        SOFTMAX,
        of_activation("softmax", softmax_of_largest_of_all),
        "below the largest of all rows, which may be what is subtracted from each, as where exp(x) "
        "becomes zero in float32",
    ),
    *(
        Slip(
            f"the sum of a row of {name} is wrong",
            (*(line.replace(":softmax", f":{name}") for line in ROWS), *PLAIN),
            of_activation(name, function),
            "each wrong row is off as a whole, its outputs being right but for one factor",
        )
        for name, function in (
            ("softmax", softmax_in_blocks),
            ("log_softmax", lambda y: np.log(softmax_in_blocks(y))),
        )
    ),
    Slip(
        "log_softmax by softmax",
        tuple(line.replace(":softmax", ":log_softmax") for line in SOFTMAX),
        of_activation("log_softmax", log_of_softmax),
        "below the largest of its row",
    ),
    Slip(
        "quantised",
        PLAIN[1:2],
        on_steps,
        "all outputs lie on steps, of which 256 reach from the least to the largest",
    ),
    Slip("zero for everything", PLAIN, of_elements(np.zeros_like), "every wrong element is 0"),
    Slip(
        "the border is left out",
        tuple(f"Conv1D/inputs:2x{n}x3/filters:4/kernel_size:3/padding:same" for n in (7, 9, 12)),
        border_left_out,
        "only outputs whose window reaches into the padding are wrong (they are all 0)",
    ),
    Slip(
        "the loops over the borders of the last axis overlap",
        (
            "Conv1D/inputs:2x3x2/filters:3/kernel_size:6/padding:same",
            "Conv1D/inputs:2x4x2/filters:3/kernel_size:9/padding:same",
            "Conv2D/inputs:1x3x4x2/filters:3/kernel_size:5x7/padding:same",
            "Conv2D/inputs:2x3x5x2/filters:2/kernel_size:7x7/padding:same",
            "Conv2D/inputs:2x3x8x2/filters:2/kernel_size:7x3/padding:same",
        ),
        overlapping_borders,
        "beyond both ends of the last spatial axis are added twice",
    ),
    Slip(
        "the slope without the bias",
        tuple(
            f"Conv1D/observe:gradients/inputs:2x9x3/operands:reals/filters:{n}/kernel_size:2"
            f"/activation:{name}"
            for n in (3, 4)
            for name in ("tanh", "sigmoid", "relu")
        ),
        of_gradients("gradient.activation.before-bias"),
        "the activation's slope is taken at the sum without the bias",
    ),
    Slip(
        "a gradient overflows",
        GAPS,
        overflowing,
        "the gradient of kernel is wrong; inputs and bias are right; what is wrong is infinite",
    ),
    Slip(
        "each tap overwrites",
        tuple(line.replace("kernel_size:2/", "kernel_size:3/") for line in GAPS[-2:]),
        of_gradients("gradient.inputs.first-kept"),
        "keeps what the first window gives",
    ),
    Slip(
        "Flatten's gradient is reshaped",
        tuple(
            f"Flatten/observe:gradients/inputs:{shape}/data_format:channels_first"
            for shape in ("2x3x4", "2x3x2x5", "1x4x3x2")
        ),
        gradient_of_flatten,
        "in the gradients, Flatten ignores channels_first",
    ),
    Slip(
        "what no window reads is not written",
        GAPS,
        without_gaps,
        "the gradient of the inputs is wrong only for inputs that no window reads",
    ),
)


def test_what_arrays_have_in_common_is_said_without_their_kinds_name_alone() -> None:
    line = "Conv1D/inputs:2x9x3{}/filters:6/kernel_size:(3,)"
    shared = common([parse(line.format("/operands:swapped"))], [parse(line.format(""))])
    assert shared == "operands of the kind 'swapped' (arrays in the other byte order)"
    wide = [parse(f"Flatten/inputs:2x3x4/dtype:{dtype}") for dtype in ("float64", "int64")]
    narrow = [parse(f"Flatten/inputs:2x3x4/dtype:{dtype}") for dtype in ("float32", "int16")]
    assert common(wide, narrow) == "elements of 8 bytes"


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_what_is_said_of_a_slip(slip: Slip) -> None:
    assert_is_said_of_most(slip)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (True, False, "the first answer is right, of the second, the bias is left out"),
        (False, True, "the first answer is wrong and the second right, the bias is left out"),
        (False, False, "both answers are wrong, of the first, the bias is left out"),
    ],
)
def test_of_two_answers_the_wrong_one_is_explained(first: bool, second: bool, words: str) -> None:
    case = parse(PLAIN[0])
    arrays = operands(case)
    answers = [
        evaluate(case, arrays, (CORRECT if is_right else FAULTS["bias.missing"].steps))
        for is_right in (first, second)
    ]
    failure = Failure(case, Value(answers[0], repeat=answers[1]), "repeat")
    found = diagnose([failure])
    assert found is not None
    assert found.groups[0].failures == (failure,)
    assert words in found.groups[0].reason


LINES = (
    "Conv1D/inputs:2x8x3/filters:4/kernel_size:3/padding:same",
    "Conv1D/inputs:2x9x2/operands:reals/filters:4/kernel_size:2",
    "Conv1D/inputs:2x8x3/filters:4/kernel_size:3",
    "Conv1D/inputs:3x8x3/operands:reals/filters:4/kernel_size:3/strides:2",
)


@pytest.mark.parametrize("name", ["bias", "padding"])
def test_what_of_an_earlier_call_is_used_again_is_said(name: str) -> None:
    """The bias of the call before, or its padding, with all else of the call itself."""
    run = [parse(line) for line in LINES]
    one, other = (run[0], run[3]) if name == "bias" else (run[0], run[2])
    arrays = operands(other)
    if name == "bias":
        bias = operands(one).weights["bias"]
        given = evaluate(other, replace(arrays, weights={**arrays.weights, "bias": bias}))
    else:
        given = evaluate(other.replace(padding="same"), arrays)
    failures = [Failure(other, Value(given), "exact")]
    told = kept(failures, run)
    assert told == f"with the {name} of an earlier call it gives what it gave"
    group = depending_on_order(failures, [one, other], "x", told)
    assert told in group.reason


def test_what_is_kept_of_a_call_in_another_dtype_is_said() -> None:
    """The winners of a pooling, known by its shape alone."""
    shape = "MaxPooling1D/observe:gradients/inputs:2x6x3/{}operands:reals/seed:{}/pool_size:2"
    one, other = parse(shape.format("", 1)), parse(shape.format("dtype:float64/", 2))
    arrays = operands(other)
    of_one = np.asarray(operands(one).inputs, np.float64)
    given = predict_gradients(other, replace(arrays, inputs=of_one)).value
    told = kept([Failure(other, Value(given), "exact")], [one, other])
    assert told == "with the inputs, of another dtype, of an earlier call it gives what it gave"


def test_nan_that_an_earlier_call_left_in_memory_is_said() -> None:
    """Channels are filled up to whole vectors of memory that is used again and not cleared."""
    run = [parse(line.replace(":reals", ":one_nan")) for line in LINES]
    failures = []
    for case in (run[0], run[2]):
        given = np.asarray(evaluate(case, operands(case))).copy()
        given[:, 2] = np.nan
        failures.append(Failure(case, Value(given), "nan"))
    assert kept(failures, run) == NOT_CLEARED
    given[:, 3] += 1
    assert not kept([Failure(run[2], Value(given), "nan")], run)


def test_nothing_of_an_earlier_call_is_blamed_for_what_it_does_not_give() -> None:
    run = [parse(line) for line in LINES]
    given = evaluate(run[2], operands(run[2]), FAULTS["kernel.flipped"].steps)
    assert not kept([Failure(run[2], Value(given), "exact")], run)

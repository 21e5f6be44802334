"""What is said of terms, indices, numbers of outputs and constants that no catalogue lists.

Goes on with `test_naming_rules`: gradients that lack outputs, loops that end early, constants and
polynomials of activations, limits that tell which cases fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
from test_naming import (
    PLAIN,
    Array,
    Compute,
    Slip,
    assert_is_said_of_most,
    diagnosis_of,
    of_activation,
    of_gradient,
    of_operands,
    right,
)
from test_naming_rules import of_gradients

from conformance.cases.case import Case, parse
from conformance.cases.operands import Operands
from conformance.diagnosis.backward import GradientPrediction
from conformance.diagnosis.commonality import common
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import evaluate
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.gradient_faults import OF_ONE_GRADIENT
from conformance.diagnosis.groups import Group
from conformance.diagnosis.hypotheses import Failure, Hypotheses, operands_of
from conformance.diagnosis.questions.asking import together
from conformance.diagnosis.ranges import ranges
from conformance.diagnosis.stages import padded_outputs
from conformance.diagnosis.systematic import SYSTEMATIC
from conformance.diagnosis.wording import nearness
from conformance.judge.expectation import expect
from conformance.outcomes import Value

BORDER = "the gradient of the {}, outputs whose window reaches into the padding are left out"


def without_border(arrays: Operands, case: Case) -> Operands:
    """The upstream gradient without the outputs whose window reaches into the padding."""
    padded = padded_outputs(case, arrays)
    assert arrays.upstream is not None
    if padded is None:
        return arrays
    return replace(
        arrays, upstream=np.where(padded, arrays.upstream.dtype.type(0), arrays.upstream)
    )


def kernel_of_fewer(arrays: Operands) -> Operands:
    """As many channels as their number leaves of 256."""
    kernel = arrays.weights["kernel"].copy()
    if kernel.shape[-2] > 255:
        kernel[..., kernel.shape[-2] % 256 :, :] = 0
    return Operands(arrays.inputs, {**arrays.weights, "kernel": kernel})


def with_rows_of_columns(case: Case, arrays: Operands) -> Array:
    """As many rows as the width leaves windows, what is beyond the input being the least."""
    made = evaluate(case, arrays, SYSTEMATIC["systematic.outputs.length.first"].steps)
    return made if case.keywords.get("padding") != "same" else np.asarray(right(case, arrays))


def masked(case: Case, arrays: Operands) -> Array:
    """NaN where a window reaches into padding that is read from the other end, times zero."""
    wrapped = evaluate(case, arrays, FAULTS["padding.wraps"].steps)
    return np.asarray(right(case, arrays) + np.where(np.isnan(wrapped), np.nan, 0)).astype(
        case.dtype
    )


def bias_of_each_block(arrays: Operands) -> Operands:
    """The bias once for each 64 products of a sum."""
    kernel, bias = arrays.weights["kernel"], arrays.weights["bias"]
    count = -(-int(np.prod(kernel.shape[:-1])) // 64)
    return Operands(arrays.inputs, {"kernel": kernel, "bias": bias * bias.dtype.type(count)})


LEAKY = tuple(
    f"Conv1D/inputs:2x9x3{kind}/filters:5/kernel_size:2/activation:leaky_relu"
    for kind in ("", "/operands:reals")
)
GELU = "Conv1D/inputs:4x16x3/operands:reals/dtype:float64/filters:6/kernel_size:2/activation:gelu"
normal = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / 1.4142135)), otypes=[float])


def in_single(y: Array) -> Array:
    """Gelu with errors of the size of float32's roundings, each another."""
    exact = np.vectorize(lambda x: 0.5 * x * (1 + erf(x / sqrt(2))), otypes=[float])
    noise = np.random.default_rng(1).uniform(-1, 1, y.shape)
    return np.asarray(exact(y) * (1 + noise * 2.0**-23))


def in_one_gradient(identifier: str) -> Compute:
    """A fault in one gradient alone."""

    def compute(case: Case, arrays: Operands) -> Any:
        made = Hypotheses().prediction((OF_ONE_GRADIENT[identifier],), case)
        assert isinstance(made, GradientPrediction)
        return made.value

    return compute


SLIPS = (
    Slip(
        "one gradient without the slope",
        tuple(
            f"Conv1D/observe:gradients/inputs:2x9x3/operands:reals/filters:4/kernel_size:2"
            f"/activation:{name}"
            for name in ("tanh", "sigmoid", "relu")
        ),
        in_one_gradient("gradient.kernel.each.activation.left-out"),
        "in the gradient of the kernel, the activation's slope is left out",
    ),
    Slip(
        "pooling's gradient without the border",
        tuple(
            f"MaxPooling1D/observe:gradients/inputs:2x{n}x3/pool_size:3/strides:{s}/padding:same"
            for n, s in ((9, 1), (10, 2), (7, 1))
        ),
        of_gradient("inputs", without_border),
        BORDER.format("inputs"),
    ),
    Slip(
        "a gradient through an activation without the border",
        tuple(
            f"Conv1D/observe:gradients/inputs:2x{n}x4/operands:reals/filters:4/kernel_size:3"
            f"/padding:same/activation:tanh/groups:{g}"
            for n, g in ((9, 1), (10, 2), (7, 1))
        ),
        of_gradient("kernel", without_border),
        BORDER.format("kernel"),
    ),
    Slip(
        "channels counted in a byte",
        (
            "Conv1D/inputs:2x5x300/filters:3/kernel_size:2",
            "Conv1D/inputs:2x5x270/filters:4/kernel_size:1",
            *PLAIN,
        ),
        of_operands(kernel_of_fewer),
        "as where they are counted in 8 bits",
    ),
    Slip(
        "a slope of 16 bits",
        LEAKY,
        of_activation("leaky_relu", lambda y: np.where(y > 0, y, float(np.float16(0.2)) * y)),
        "0.1999512 times the sum in place of 0.2 times the sum, which is that in float16",
    ),
    Slip(
        "a slope of another version",
        tuple(line.replace("leaky_relu", "hard_sigmoid") for line in LEAKY),
        of_activation("hard_sigmoid", lambda y: np.clip(0.15 * y + 0.5, 0, 1)),
        "0.15 times the sum plus 0.5 in place of 0.1666667 times the sum plus 0.5",
    ),
    Slip(
        "a constant of few digits",
        (GELU, *PLAIN),
        of_activation("gelu", normal),
        "by errors that change smoothly with the sum",
    ),
    Slip(
        "roundings of single precision",
        (GELU, *PLAIN),
        of_activation("gelu", in_single),
        "as where float64 is computed in float32",
    ),
    Slip(
        "rows by the width",
        tuple(
            f"MaxPooling2D/inputs:2x{h}x{w}x3/pool_size:2x3" for h, w in ((7, 9), (8, 15), (5, 12))
        ),
        with_rows_of_columns,
        "the number of outputs of the first axis is computed from the length of the last axis",
    ),
    Slip(
        "the bias with each block of products",
        tuple(
            f"Conv1D/inputs:2x6x{c}{kind}/filters:3/kernel_size:{k}"
            for c, k in ((70, 2), (40, 3), (130, 1))
            for kind in ("", "/operands:reals")
        ),
        of_operands(bias_of_each_block),
        "the bias is added once for each 64 products of a sum",
    ),
    Slip(
        "filters rounded up",
        tuple(f"Conv1D/inputs:2x7x3/filters:{n}/kernel_size:2" for n in (9, 12, 17)),
        lambda case, arrays: np.pad(
            np.asarray(right(case, arrays)), ((0, 0), (0, 0), (0, -case.keywords["filters"] % 8))
        ),
        "as many as where the filters are rounded up to a multiple of 8",
    ),
    Slip(
        "padding by a mask",
        tuple(
            f"Conv1D/inputs:2x{n}x3/operands:one_nan/filters:4/kernel_size:3/padding:causal"
            for n in (6, 7)
        ),
        masked,
        "only where windows reach into the padding, as where that is read from somewhere",
    ),
    Slip(
        "pairs of filters exchanged in the kernel's gradient",
        tuple(
            f"Conv1D/observe:gradients/inputs:2x7x3/filters:{f}/kernel_size:{k}"
            for f, k in ((4, 1), (5, 2))
        ),
        of_gradients("gradient.systematic.kernel.filters.pairs"),
        "each two filters have each other's gradient of the kernel",
    ),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_what_is_said_of_a_slip(slip: Slip) -> None:
    assert_is_said_of_most(slip)


@pytest.mark.parametrize(
    ("count", "read", "words"),
    [
        (9, 5, "from index 5 on are left out"),
        (9, 8, "beyond the last multiple of 8 are left out"),
        (270, 14, "as where they are counted in 8 bits"),
        (9, 9, ""),
    ],
)
def test_of_a_loop_that_ends_early_its_end_is_told(count: int, read: int, words: str) -> None:
    case = parse(f"Conv1D/inputs:2x5x{count}/filters:4/kernel_size:1")
    arrays = operands_of(case)
    kernel = arrays.weights["kernel"].copy()
    kernel[..., read:, :] = 0
    given = evaluate(case, replace(arrays, weights={**arrays.weights, "kernel": kernel}))
    told = ranges(case, arrays, given)
    assert any(f"channels {words}" in one or words in one for one in told) if words else not told


def test_of_a_loop_that_starts_late_its_start_is_told() -> None:
    case = parse("Conv2D/inputs:2x5x6x4/filters:6/kernel_size:2x3/groups:2")
    arrays = operands_of(case)
    kernel = arrays.weights["kernel"].copy()
    kernel.reshape(-1, 6)[:5] = 0
    given = evaluate(case, replace(arrays, weights={**arrays.weights, "kernel": kernel}))
    assert "the products before index 5 are left out" in ranges(case, arrays, given)


def test_an_answer_of_zeros_is_told_by_what_the_others_lack() -> None:
    """Windows that all reach into the padding: nothing is left, which other faults give as well."""
    lines = [
        f"Conv1D/observe:gradients/inputs:2x{n}x3/filters:4/kernel_size:{k}/padding:same"
        for n, k in ((9, 3), (10, 3), (7, 3), (8, 3), (2, 5), (1, 3))
    ]
    found = diagnosis_of(tuple(lines), of_gradient("inputs", without_border))
    assert len(found.groups) == 1, found.message
    assert len(found.groups[0].failures) == len(lines)
    assert BORDER.format("inputs") in found.groups[0].reason


def test_subnormal_results_given_as_zero_are_told() -> None:
    case = parse("Conv1D/inputs:2x9x3/dtype:float16/operands:subnormal/filters:4/kernel_size:2")
    given = np.asarray(right(case, operands_of(case)))
    small = (np.abs(given) < np.finfo(np.float16).tiny) & (given != 0)
    assert small.any()
    flushed = np.where(small, given.dtype.type(0), given)
    assert "subnormal" in nearness(Failure(case, Value(flushed), "exact"))
    assert "subnormal" not in nearness(Failure(case, Value(np.zeros_like(given)), "exact"))


def cases(form: str, *values: Any) -> list[Case]:
    return [parse(form.format(value)) for value in values]


FORM = "Conv1D/inputs:2x9x3/filters:{}/kernel_size:3"


@pytest.mark.parametrize(
    ("failing", "passing", "words"),
    [
        (cases(FORM, 2, 4, 6, 8), cases(FORM, 1, 3, 5, 7), "filters a multiple of 2"),
        (cases(FORM, 11, 12, 13, 15, 40), cases(FORM, 1, 4, 9, 10), "filters >= 11"),
        (cases(FORM, 1, 2, 3, 4, 5), cases(FORM, 6, 7, 10), "filters <= 5"),
        (cases(FORM, 33, 34, 40, 64, 65), cases(FORM, 1, 8, 31), "filters > 32"),
        (
            cases("Flatten/inputs:{}", "2x3x4", "2x3x4x5x2"),
            cases("Flatten/inputs:{}", "2x3x4x5"),
            "inputs of a rank other than 4",
        ),
        (
            cases("Conv1D/inputs:2x3x{}/filters:4/kernel_size:2/data_format:channels_first", 3),
            cases("Conv1D/inputs:2x3x{}/filters:4/kernel_size:2/data_format:channels_first", 4, 5),
            "a last axis as long as there are channels",
        ),
    ],
)
def test_the_condition_is_told(failing: list[Case], passing: list[Case], words: str) -> None:
    """A limit that was seen is told where no round one tells as much."""
    assert common(failing, passing) == words


def test_few_failures_have_no_limit() -> None:
    """The least of two numbers is where they happen to lie."""
    assert common(cases(FORM, 11, 13), cases(FORM, 1, 4, 9, 10)) != "filters >= 11"


def test_which_windows_reach_into_the_padding() -> None:
    case = parse(
        "Conv1D/inputs:2x3x5/filters:4/kernel_size:3/padding:same/data_format:channels_first"
    )
    padded = padded_outputs(case, operands_of(case))
    assert padded is not None
    assert padded.shape == expect(case, operands_of(case)).value[:1, :1].shape
    assert padded.ravel().tolist() == [True, False, False, False, True]


def test_what_few_failures_are_explained_by_is_kept_where_nothing_tells_them_too() -> None:
    """A named fault beside terms that are left out stays named."""
    border = parse("Conv1D/observe:gradients/inputs:2x9x3/filters:4/kernel_size:3/padding:same")
    cases_ = [border, border.replace(inputs=(2, 10, 3)), border.replace(inputs=(3, 8, 3))]
    lost = of_gradient("inputs", without_border)
    failures = [Failure(c, Value(lost(c, operands_of(c))), "exact") for c in cases_]
    plain = parse("Conv1D/inputs:2x9x3/filters:4/kernel_size:3")
    given = evaluate(plain, operands_of(plain), FAULTS["kernel.flipped"].steps)
    found = diagnose([*failures, Failure(plain, Value(given), "exact")])
    assert found is not None
    assert "the kernel is flipped" in (found.of(plain) or "")
    assert BORDER.format("inputs") in (found.of(border) or "")


def test_lists_of_numbers_are_told_by_their_dtypes() -> None:
    """NumPy takes Python's numbers for float64 and int64."""
    lines = (
        "MaxPooling1D/inputs:2x9x3",
        "MaxPooling1D/inputs:2x9x3/dtype:int8",
        "Flatten/inputs:2x3x4",
    )
    found = diagnosis_of(lines, lambda case, arrays: np.array(right(case, arrays).tolist()))
    assert "float64 or int64, as Python's own numbers are" in found.message
    assert len(found.groups) == 1


READ = "input rows from 3 on are read one place too late"


def group_of(line: str, stage: str, what: str) -> Group:
    return Group((Failure(parse(line), Value(None), "exact"),), stage=stage, what=what, reads=READ)


def test_what_is_read_is_told_once_of_groups_that_read_alike() -> None:
    """What is said of terms is kept where it is of most, and what is read is of one element alone.

    A place that is not of most tells nothing.
    """
    lines = [FORM.format(n) for n in (1, 2, 3)]
    terms = [group_of(line, "terms", "the bias is left out") for line in lines[:2]]
    merged = replace(terms[0], failures=terms[0].failures + terms[1].failures)
    other = group_of(lines[2], "place", "only the last row")
    (told,) = together([merged, other], [])
    assert told.reason == READ
    (told,) = together([replace(merged, reads_example=True), other], [])
    assert told.reason == f"{READ} (the bias is left out)"
    places = [group_of(line, "place", f"only {n} rows") for n, line in enumerate(lines)]
    (told,) = together(places, [])
    assert told.reason == READ
    assert len(told.failures) == len(lines)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("kernel", lambda w: np.concatenate([w, w[:1]]), "kernel has more rows"),
        ("kernel", lambda w: w[:, :1], "kernel has fewer columns"),
        ("kernel", lambda w: w.swapaxes(0, 1), "kernel has its axes in another order"),
        ("inputs", lambda x: x[:, :-1], "inputs has fewer rows, as where what no window reaches"),
        ("bias", lambda b: b[None], "bias has 2 axes in place of 1"),
    ],
)
def test_along_which_axis_a_gradient_is_too_long_is_told(
    name: str, change: Callable[[Array], Array], words: str
) -> None:
    case = parse("Conv2D/observe:gradients/inputs:2x7x6x4/filters:5/kernel_size:3x2/strides:3")
    given = dict(right(case, operands_of(case)))
    given[name] = change(given[name])
    found = diagnose([Failure(case, Value(given), "shape")])
    assert found is not None
    assert words in found.message

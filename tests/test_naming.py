"""What is said of faults that are in no catalogue: a table of them and of the words that tell them.

Each is an implementation that is right but for one slip; a change for the worse is seen here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.operands import Operands, has_its_dtype, operands
from conformance.diagnosis.attribution import in_words
from conformance.diagnosis.backward import predict_gradients
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import CORRECT, Steps, evaluate
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.gradient_faults import GRADIENT_FAULTS, OF_ONE_GRADIENT
from conformance.diagnosis.groups import Diagnosis, Group
from conformance.diagnosis.hypotheses import Failure, Hypotheses, normalised
from conformance.diagnosis.idle import Trace
from conformance.diagnosis.wording import nearness
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.outcomes import ANSWER, Crash, Outcome, Rejection, Timeout, Value
from conformance.report.words import cause_of

Array = np.ndarray[Any, Any]
Compute = Callable[[Case, Operands], Any]

WIDE = (
    "Conv1D/inputs:2x9x7/filters:3/kernel_size:(2,)",
    "Conv1D/inputs:2x9x7/operands:reals/filters:3/kernel_size:(2,)",
    "Conv1D/inputs:2x9x3/filters:6/kernel_size:(3,)",
)
PLAIN = (
    "Conv1D/inputs:2x9x3/filters:6/kernel_size:(3,)",
    "Conv1D/inputs:2x9x3/operands:reals/filters:6/kernel_size:(3,)",
    "Conv2D/inputs:2x6x7x3/filters:5/kernel_size:2x3/padding:same",
)
GRADIENTS = tuple(
    line.replace("/inputs", "/observe:gradients/inputs")
    for line in (*PLAIN, "Conv1D/inputs:3x8x2/filters:9/kernel_size:(2,)/padding:same")
)
SIGMOID = "Conv1D/inputs:2x9x3/operands:reals/filters:4/kernel_size:(2,)/activation:sigmoid"
FLATTENED = ("Flatten/inputs:2x3x4", "Flatten/inputs:3x2x5x2", "Flatten/inputs:1x7")
POOLED = (
    "MaxPooling1D/inputs:2x9x3/operands:one_nan/pool_size:(2,)/strides:(1,)",
    "MaxPooling1D/inputs:2x9x3/operands:lowest/pool_size:(2,)/strides:(1,)",
    "MaxPooling1D/inputs:2x9x3",
)


def right(case: Case, arrays: Operands) -> Any:
    """What a correct implementation gives."""
    return expect(case, arrays).value


def judged(case: Case, compute: Compute) -> Failure | None:
    arrays = operands(case)
    expectation = expect(case, arrays)
    with np.errstate(all="ignore"):
        outcome = Value(compute(case, arrays))
    judgement = judge(case, arrays, expectation, outcome)
    if judgement.verdict is Verdict.CONFORMS:
        return None
    return Failure(case, outcome, judgement.stage, judgement.diagnosis)


def diagnosis_of(lines: tuple[str, ...], compute: Compute) -> Diagnosis:
    cases = [parse(line) for line in lines]
    found = {case: judged(case, compute) for case in cases}
    failures = [failure for failure in found.values() if failure is not None]
    diagnosis = diagnose(failures, [case for case, failure in found.items() if failure is None])
    assert diagnosis is not None
    return diagnosis


@dataclass(frozen=True)
class Slip:
    """A fault, the cases in which it is looked for, and what is said of it."""

    name: str
    cases: tuple[str, ...]
    compute: Compute
    words: str


def assert_is_said_of_most(slip: Slip) -> None:
    """Its words are those of the largest group, which has more than half of the failures."""
    found = diagnosis_of(slip.cases, slip.compute)
    largest = max(found.groups, key=lambda group: len(group.failures))
    assert slip.words in largest.reason, found.message
    assert 2 * len(largest.failures) > sum(len(group.failures) for group in found.groups)


def of_operands(change: Callable[[Operands], Operands]) -> Compute:
    """The right output for changed operands."""
    return lambda case, arrays: right(case, change(arrays))


def block_twice(arrays: Operands) -> Operands:
    """The first four channels counted twice where there are more."""
    kernel = arrays.weights["kernel"].copy()
    if kernel.shape[-2] > 4:
        kernel[..., :4, :] *= 2
    return Operands(arrays.inputs, {**arrays.weights, "kernel": kernel})


def bias_by_blocks(arrays: Operands) -> Operands:
    """The bias once for each block of four channels."""
    blocks = -(-arrays.weights["kernel"].shape[-2] // 4)
    bias = arrays.weights["bias"] * np.float32(blocks + 1)
    return Operands(arrays.inputs, {**arrays.weights, "bias": bias})


def of_activation(name: str, function: Callable[[Array], Array]) -> Compute:
    """One activation replaced, applied to right sums."""

    def compute(case: Case, arrays: Operands) -> Array:
        if case.keywords.get("activation") != name:
            return np.asarray(right(case, arrays))
        sums = evaluate(case.replace(activation=None, dtype="float64"), as_wide(arrays))
        return np.asarray(function(sums).astype(case.dtype))

    return compute


def as_wide(arrays: Operands) -> Operands:
    assert arrays.inputs is not None
    weights = {name: array.astype(np.float64) for name, array in arrays.weights.items()}
    return Operands(arrays.inputs.astype(np.float64), weights)


def of_elements(change: Callable[[Array], Array]) -> Compute:
    """A change of the right output, in its dtype."""

    def compute(case: Case, arrays: Operands) -> Array:
        y = np.asarray(right(case, arrays))
        return change(y.copy()).astype(y.dtype)

    return compute


def bias_of_first_sample(case: Case, arrays: Operands) -> Array:
    """The bias added to the first sample alone."""
    y = np.asarray(right(case, arrays)).copy()
    y[1:] = evaluate(case, arrays, FAULTS["bias.missing"].steps)[1:]
    return y


def unpadded_tail(case: Case, arrays: Operands) -> Array:
    """The columns from the eighth on as if SAME padded last alone."""
    y = np.asarray(right(case, arrays)).copy()
    y[..., 8:, :] = evaluate(case, arrays, FAULTS["same.all-last"].steps)[..., 8:, :]
    return y


def of_gradient(name: str, change: Callable[[Operands, Case], Operands]) -> Compute:
    """One gradient from changed operands."""

    def compute(case: Case, arrays: Operands) -> dict[str, Array]:
        given = dict(right(case, arrays))
        return {**given, name: right(case, change(arrays, case))[name]}

    return compute


def upstream_at(place: Callable[[Array, Case], Any]) -> Callable[[Operands, Case], Operands]:
    """The upstream gradient where it is kept; zero elsewhere."""

    def changed(arrays: Operands, case: Case) -> Operands:
        assert arrays.upstream is not None
        upstream = np.zeros_like(arrays.upstream)
        where = place(upstream, case)
        upstream[where] = arrays.upstream[where]
        return Operands(arrays.inputs, arrays.weights, upstream)

    return changed


def activated_twice(case: Case, arrays: Operands) -> Array:
    """Relu before the bias is added, and after it."""
    if case.keywords.get("activation") != "relu":
        return np.asarray(right(case, arrays))
    bare = Operands(arrays.inputs, {"kernel": arrays.weights["kernel"]})
    sums = evaluate(case.replace(activation=None, use_bias=False), bare)
    return np.maximum(np.maximum(sums, 0) + arrays.weights["bias"], 0).astype(sums.dtype)


def first_row(upstream: Array, case: Case) -> Any:
    return (slice(None), slice(0, 1))


def even_filters(upstream: Array, case: Case) -> Any:
    return (..., slice(None, None, 2))


def gradient_through(case: Case, arrays: Operands) -> Any:
    """Right without an activation; through one, off by a factor that varies."""
    given = dict(right(case, arrays))
    if case.keywords.get("activation") is None:
        return given
    odd = {n: g * (1 + 0.3 * np.cos(np.arange(g.size)).reshape(g.shape)) for n, g in given.items()}
    return {name: array.astype(case.dtype) for name, array in odd.items()}


def replaced(of: Callable[[Array], Array], by: float) -> Callable[[Array], Array]:
    return lambda y: np.where(of(y), by, y) if y.dtype.kind == "f" else y


def noisy(case: Case, arrays: Operands) -> Array:
    """Off by a part in 2^10 or less, another one at each place."""
    y = np.asarray(right(case, arrays))
    return y * (1 + 2.0**-10 * np.cos(np.arange(y.size, dtype=float)).reshape(y.shape))


def nan_by_product(case: Case, arrays: Operands) -> Array:
    """Relu as x * (x > 0)."""
    sums = evaluate(case.replace(activation=None), arrays)
    with np.errstate(all="ignore"):
        return sums * (sums > 0)


def nan_everywhere(case: Case, arrays: Operands) -> Array:
    """NaN in all outputs of a sample and channel that has one."""
    y = np.asarray(right(case, arrays))
    return np.where(np.isnan(y).any(axis=1, keepdims=True), np.nan, y).astype(y.dtype)


DOUBLE = (
    "Conv1D/inputs:2x9x3/dtype:float64/filters:4/kernel_size:(2,)",
    "Conv1D/inputs:2x8x5/dtype:float64/filters:3/kernel_size:(3,)",
)
INFINITE = ("Conv1D/inputs:2x4x3/operands:one_infinity/filters:5/kernel_size:(2,)/activation:relu",)

SLIPS = (
    Slip("relu by a product", INFINITE, nan_by_product, "made where the sum is infinite"),
    Slip("NaN of a whole channel", POOLED, nan_everywhere, "outputs whose windows hold none"),
    Slip(
        "the bytes in the other order", POOLED[2:], of_elements(np.ndarray.byteswap), "other order"
    ),
    Slip(
        "an axis of length 1 is lost",
        ("Conv1D/inputs:1x9x3/filters:6/kernel_size:(3,)",),
        lambda case, arrays: np.asarray(right(case, arrays))[0],
        "axes of length 1 are missing",
    ),
    Slip(
        "gradients as float32",
        ("Conv1D/observe:gradients/inputs:2x9x3/dtype:float64/filters:4/kernel_size:(2,)",),
        lambda case, arrays: {n: g.astype(np.float32) for n, g in right(case, arrays).items()},
        "the gradient of inputs is float32",
    ),
    Slip("Flatten gives x + 1", FLATTENED, of_elements(lambda y: y + 1), "too large by 1"),
    Slip("Flatten doubles", FLATTENED, of_elements(lambda y: 2 * y), "2 times what it should be"),
    Slip(
        "Flatten keeps an axis",
        FLATTENED,
        of_elements(lambda y: y[..., None]),
        "the output has the wrong shape",
    ),
    Slip(
        "a block of channels is counted twice",
        WIDE,
        of_operands(block_twice),
        "in the sums of the outputs, the channels before index 4 are counted twice",
    ),
    Slip(
        "the bias is added for each block of channels",
        WIDE,
        of_operands(bias_by_blocks),
        "in the sums of the outputs, the bias is counted 3 times",
    ),
    Slip(
        "the bias for the first sample alone",
        (*WIDE, *PLAIN),
        bias_of_first_sample,
        "the bias is left out, only in the samples from index 1 on",
    ),
    Slip(
        "another padding for a tail",
        tuple(f"Conv1D/inputs:2x{n}x3/filters:3/kernel_size:3/padding:same" for n in (11, 12, 13)),
        unpadded_tail,
        "all SAME padding goes last, only in the steps",
    ),
    Slip(
        "another dtype",
        PLAIN,
        lambda case, arrays: np.asarray(right(case, arrays)).astype("float64"),
        "the output has the wrong dtype (float64)",
    ),
    Slip(
        "outputs of three halves",
        PLAIN,
        of_elements(lambda y: y * np.float32(1.5)),
        "1.5 times what it should be",
    ),
    Slip("NaN becomes infinity", POOLED, of_elements(replaced(np.isnan, np.inf)), "given as inf"),
    Slip(
        "minus infinity becomes zero",
        POOLED,
        of_elements(replaced(np.isneginf, 0.0)),
        "-inf is lost, given as 0",
    ),
    Slip(
        "sigmoid for silu",
        (SIGMOID.replace("sigmoid", "silu"), *PLAIN),
        of_activation("silu", lambda y: 1 / (1 + np.exp(-y))),
        "silu gives what sigmoid gives",
    ),
    Slip(
        "sigmoid less a half",
        (SIGMOID, *PLAIN),
        of_activation("sigmoid", lambda y: 1 / (1 + np.exp(-y)) - 0.5),
        "too small by 0.5",
    ),
    Slip(
        "sigmoid is cut off",
        (SIGMOID, *PLAIN),
        of_activation("sigmoid", lambda y: np.where(y < 0, 0.0, 1 / (1 + np.exp(-y)))),
        "where it is given as 0",
    ),
    Slip(
        "sigmoid of float64 in float32",
        (SIGMOID.replace("/operands", "/dtype:float64/operands"), *DOUBLE),
        of_activation("sigmoid", lambda y: 1 / (1 + np.exp(-y.astype(np.float32)))),
        "as where float64 is computed in float32",
    ),
    Slip(
        "sigmoid of sigmoid",
        (SIGMOID, *PLAIN),
        of_activation("sigmoid", lambda y: 1 / (1 + np.exp(-1 / (1 + np.exp(-y))))),
        "the activation is applied twice",
    ),
    Slip(
        "int8 saturates at -127",
        ("MaxPooling1D/inputs:2x9x3/dtype:int8/operands:lowest", *POOLED[2:]),
        of_elements(lambda y: np.maximum(y, -127) if y.dtype == "int8" else y),
        "what should be -128 is -127",
    ),
    Slip(
        "maxima that are computed and rounded",
        ("MaxPooling1D/inputs:2x9x3/operands:reals", *POOLED[2:]),
        of_elements(lambda y: np.nextafter(y, np.float32(9)) if y.dtype == "float32" else y),
        "maxima are off by rounding errors",
    ),
    Slip(
        "relu before the bias and after it",
        (SIGMOID.replace("sigmoid", "relu"), *PLAIN),
        activated_twice,
        "as where the activation is applied before the bias is added",
    ),
    Slip(
        "bias from the first row alone",
        tuple(line for line in GRADIENTS if "channels_first" not in line),
        of_gradient("bias", upstream_at(first_row)),
        "outputs but the first are left out",
    ),
    Slip(
        "inputs from even filters alone",
        GRADIENTS,
        of_gradient("inputs", upstream_at(even_filters)),
        "every second of the filters, from the second on, is left out",
    ),
    Slip(
        "another slope of sigmoid",
        (SIGMOID.replace("/inputs", "/observe:gradients/inputs"), *GRADIENTS),
        gradient_through,
        "the gradients through sigmoid are wrong, and without an activation they are right",
    ),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_what_is_said_of_a_slip(slip: Slip) -> None:
    assert_is_said_of_most(slip)


_FAR_2D = "Conv2D/observe:gradients/inputs"
_FAR_1D = "Conv1D/observe:gradients/inputs:2x9x2/filters:3"
FAR = tuple(
    map(
        parse,
        (
            f"{_FAR_2D}:2x7x9x2/filters:3/kernel_size:3x2/strides:2x1",
            f"{_FAR_2D}:2x7x8x2/filters:3/kernel_size:4x2/strides:2x3/padding:same",
            f"{_FAR_2D}:2x8x7x2/filters:3/kernel_size:2x4/padding:same/dilation_rate:3x2",
            f"{_FAR_2D}:2x8x8x2/filters:3/kernel_size:2x3/padding:same/strides:5x4",
            "Conv1D/observe:gradients/inputs:2x8x2/filters:3/kernel_size:3/padding:causal",
            f"{_FAR_1D}/kernel_size:2/padding:causal/dilation_rate:3",
            "Conv1D/observe:gradients/inputs:2x10x2/filters:3/kernel_size:2/padding:same/strides:5",
            "Conv1D/observe:gradients/inputs:2x9x2/filters:3/kernel_size:5/padding:same/strides:2",
            *(
                f"Conv1D/observe:gradients/inputs:3x9x2/filters:3/kernel_size:2/activation:{name}"
                for name in ("relu", "tanh", "sigmoid", "softmax")
            ),
        ),
    )
)


@pytest.mark.parametrize("identifier", OF_ONE_GRADIENT)
def test_a_fault_of_geometry_in_one_gradient_alone_is_named(identifier: str) -> None:
    fault, hypotheses = OF_ONE_GRADIENT[identifier], Hypotheses()
    made: dict[Case, Any] = {case: hypotheses.prediction((fault,), case) for case in FAR}
    able = {case: one for case, one in made.items() if one is not None}
    failures = [Failure(c, Value(p.value), "exact") for c, p in able.items() if is_wrong(c, p)]
    if not failures:
        assert identifier in UNFELT
        return
    found = diagnose(failures, [c for c, p in able.items() if not is_wrong(c, p)], hypotheses)
    assert found is not None
    (group,) = found.groups
    named = {one[0].identifier for one in (group.faults, *group.alternatives)}
    assert identifier in named or GRADIENT_FAULTS.keys() & named


def is_wrong(case: Case, made: Any) -> bool:
    return not Hypotheses().prediction((), case).fits(made.value)  # type: ignore[union-attr]


_OTHER_NUMBERS = (
    *("same.size", "same.undilated-shape", "same.rounded-down", "same.valid"),
    *("same.first-axis-twice", "same.last-axis-twice"),
    *("valid.rounded-up", "valid.last-missing", "valid.same"),
    *("causal.valid", "causal.undilated", "causal.same-total", "causal.cut-after"),
    *("strides.ignored", "strides.pointwise", "dilation.strides"),
)
UNFELT = {
    "gradient.inputs.padding.one",
    *(f"gradient.{name}.{fault}" for name in ("inputs", "kernel") for fault in _OTHER_NUMBERS),
}
"""Faults of another number of outputs, with which no gradient of a given one can be had.

What stands in the padding no gradient of the inputs feels.
"""


def test_weights_of_terms_are_told_in_all_words_that_hold() -> None:
    """Of two terms the second is the last, and every second, and all but the first."""
    told = in_words(np.array([1.0, 0.0]), "rows")
    assert "the last of the rows is left out" in told
    assert "every second of the rows, from the second on, is left out" in told
    assert in_words(np.array([1.0, 2.0, 1.0, 1.0]), "rows") == (
        "some of the rows are counted twice",
    )
    assert in_words(np.array([1.0, 0.3, 0.7]), "rows") == ()
    assert in_words(np.array([0.0, 0.0, 0.0]), "rows") == ()
    assert in_words(np.array([2.0, 2.0, 1.0]), "rows")[-1] == (
        "the rows before index 2 are counted twice"
    )


@pytest.mark.parametrize(
    ("outcome", "verdict", "words"),
    [
        (
            Crash("exit status 101", "thread panicked at conv.rs:88: kernel is even\n 0: frame"),
            Verdict.CRASHED,
            "the process crashes (exit status 101: thread panicked at conv.rs:#: kernel is even)",
        ),
        (Crash("signal SIGSEGV", ""), Verdict.CRASHED, "the process crashes (signal SIGSEGV)"),
        (Timeout(60.0), Verdict.TIMED_OUT, "no answer within the time allowed"),
    ],
)
def test_how_a_process_ended_is_said_once(outcome: Outcome, verdict: Verdict, words: str) -> None:
    case = parse(PLAIN[0])
    found = diagnose([Failure(case, outcome, "process")])
    assert found is not None
    message = judge(case, operands(case), expect(case, operands(case)), outcome).message
    assert cause_of(verdict, message, found.of(case), "process") == words


def test_an_answer_in_memory_that_is_used_again_is_no_change_of_operands() -> None:
    case = parse(PLAIN[0])
    outcome = Value(right(case, operands(case)), changed_inputs=(ANSWER,))
    found = diagnose([Failure(case, outcome, "inputs")])
    assert found is not None
    assert found.of(case) == "an answer lies in memory that a later call overwrites"


def test_a_single_failure_is_not_named_by_a_fault_that_passing_cases_contradict() -> None:
    """One case of few products is explained by chance."""
    case, other = (parse(line) for line in PLAIN[1::-1])
    outcome = Value(evaluate(case, operands(case), FAULTS["bias.missing"].steps))
    found = diagnose([Failure(case, outcome, "exact")], [other])
    assert found is not None
    assert not found.groups[0].faults


SMALL = tuple(
    case
    for case in grid("smoke")
    if case.observe in ("output", "gradients") and case.inputs and has_its_dtype(case)
)[::40]


def test_what_is_called_idle_gives_what_is_right() -> None:
    """A fault that is passed over without an evaluation changes no bit of any case."""
    passed_over = 0
    for case in SMALL:
        trace, expected = Trace(), bits(case)
        with np.errstate(all="ignore"), suppress(ValueError):
            if case.observe == "gradients":
                predict_gradients(case, operands(case), trace.steps)
            else:
                evaluate(case, operands(case), trace.steps)
        for fault in list({**FAULTS, **GRADIENT_FAULTS}.values()):
            if trace.is_idle(fault.steps):
                passed_over += 1
                assert bits(case, fault.steps) == expected, (case, fault.identifier)
    assert passed_over > 500


def test_a_bias_after_the_activation_is_not_idle() -> None:
    """It is no step of its own that could be tried, only an order of steps."""
    case, trace = parse(SIGMOID), Trace()
    evaluate(case, operands(case), trace.steps)
    assert not trace.is_idle(FAULTS["bias.last"].steps)


def bits(case: Case, steps: Steps = CORRECT) -> list[bytes] | None:
    """What an evaluation gives; None where it cannot."""
    try:
        if case.observe == "gradients":
            made = predict_gradients(case, operands(case), steps).value
            return [array.tobytes() for array in made.values()]
        return [evaluate(case, operands(case), steps).tobytes()]
    except (ValueError, IndexError):
        return None


def test_the_evaluation_is_right_where_the_slips_are_planted() -> None:
    """What the table's changes start from is what the oracle expects."""
    for line in (*PLAIN, SIGMOID, *FLATTENED, *POOLED):
        case = parse(line)
        assert judged(case, lambda c, a: evaluate(c, a, CORRECT)) is None, facts(case)


def test_an_exception_by_which_a_program_breaks_is_no_fault_of_its_arithmetic() -> None:
    """A NameError for channels_first alone is not channels_first ignored."""
    lines = [f"{line}/data_format:channels_first" for line in PLAIN]
    failures = [
        Failure(parse(line), Rejection("NameError", "name 'order' is not defined"), "rejection")
        for line in lines
    ]
    found = diagnose(failures, [parse(line) for line in PLAIN])
    assert found is not None
    assert [group.faults for group in found.groups] == [()]
    assert "NameError" in found.groups[0].reason


def test_a_fault_under_a_condition_is_named_with_it() -> None:
    """The mean where windows do not overlap, the maximum elsewhere."""
    sizes = ((2, 1), (2, 2), (3, 1), (3, 2), (3, 3), (4, 4), (5, 2), (2, 3), (5, 5))
    lines = [
        f"MaxPooling1D/inputs:2x9x3{kind}/pool_size:({k},)/strides:({s},)"
        for kind in ("", "/operands:reals")
        for k, s in sizes
    ]
    mean = FAULTS["pooling.mean"].steps

    def compute(case: Case, arrays: Operands) -> Any:
        known = facts(case)
        return evaluate(case, arrays, mean if known.strides == known.window else CORRECT)

    (group,) = diagnosis_of(tuple(lines), compute).groups
    assert group.reason == "pooling takes the mean; in common: strides = pool_size"


def test_sums_that_are_near_the_right_ones_are_said_to_be_near() -> None:
    """Also where the judge names no precision, as most failures have other errors."""
    for line in DOUBLE:
        failure = judged(parse(line), noisy)
        assert failure is not None
        assert nearness(failure) == "as where float64 is computed in 16 bits"
    slightly = judged(parse(DOUBLE[0]), of_elements(lambda y: y * (1 + 2.0**-40)))
    assert slightly is not None
    assert "far smaller than those of float32, as where a transform" in nearness(slightly)
    far = judged(parse(DOUBLE[0]), of_elements(lambda y: y + 1))
    assert far is not None
    assert not nearness(far)


def test_a_message_keeps_the_name_of_a_file() -> None:
    assert normalised("KeyError: 'x' (v42.py, line 7)") == "KeyError: '...' (v42.py, line #)"


def test_one_clause_is_one_cause_whatever_the_sizes() -> None:
    lines = (
        "Conv1D/observe:rejection/inputs:1x2x1/filters:1/kernel_size:3",
        "MaxPooling1D/observe:rejection/inputs:1x4x1/pool_size:5",
    )
    failures = [Failure(parse(line), Value(None), "rejection") for line in lines]
    assert len({failure.what for failure in failures}) == 1


def test_an_error_that_refuses_nothing_is_not_called_an_acceptance() -> None:
    case = parse("Conv1D/observe:rejection/inputs:1x2x1/filters:1/kernel_size:3")
    found = diagnose([Failure(case, Rejection("NameError", "name 'x'"), "rejection")])
    assert found is not None
    assert found.of(case) == (
        "what must be refused ends in an error that refuses nothing (NameError: name '...')"
    )


def test_one_message_for_all_that_is_asked_tells_itself() -> None:
    """A library that is not found is no other data format, though channels_last are refused."""
    lines = [f"Conv2D/inputs:2x7x{n}x3/filters:4/kernel_size:3x2" for n in range(5, 14)]
    lines += [f"{line}/data_format:channels_first" for line in lines[:2]]
    outcome = Rejection("ValueError", "cannot load libconv.so.1")
    found = diagnose([Failure(parse(line), outcome, "rejection") for line in lines])
    assert found is not None
    (group,) = found.groups
    assert group.reason == "valid arguments are refused (ValueError: cannot load libconv.so.#)"


def test_a_refusal_is_told_by_its_message_where_others_are_refused_by_it() -> None:
    """Gradients that are refused are not those of another number of outputs for that."""
    lines = [
        f"Conv1D{observed}/inputs:2x{n}x2/filters:3/kernel_size:3/strides:2/padding:same"
        for observed in ("", "/observe:gradients")
        for n in (7, 9, 11, 13)
    ]
    outcome = Rejection("ValueError", "size 7 is not divisible by stride 2")
    failures = [Failure(parse(line), outcome, "rejection") for line in lines]
    passed = [parse(line.replace("strides:2", "strides:1")) for line in lines]
    found = diagnose(failures, passed)
    assert found is not None
    assert not any(group.faults for group in found.groups), found.message


def test_a_slope_is_not_blamed_where_the_outputs_are_wrong_too() -> None:
    """What is wrong with the sums is felt by gradients through an activation alone."""

    def compute(case: Case, arrays: Operands) -> Any:
        if case.observe == "gradients":
            return gradient_through(case, arrays)
        return of_elements(lambda y: y + np.arange(y.size).reshape(y.shape) % 5)(case, arrays)

    lines = (SIGMOID.replace("/inputs", "/observe:gradients/inputs"), *GRADIENTS, *PLAIN)
    assert "slope" not in diagnosis_of(lines, compute).message


def test_a_few_sums_that_are_near_by_chance_tell_no_precision() -> None:
    def compute(case: Case, arrays: Operands) -> Any:
        if case.inputs == (2, 9, 3):
            return noisy(case, arrays)
        return of_elements(lambda y: y + np.arange(y.size).reshape(y.shape) % 5)(case, arrays)

    lines = (DOUBLE[0], *(DOUBLE[1].replace("2x8", f"2x{n}") for n in (8, 9, 10)))
    assert "sums are near" not in diagnosis_of(lines, compute).message


def test_samples_that_are_others_are_said_to_be() -> None:
    """Half a batch, shared by two threads, repeats the other half."""

    def compute(case: Case, arrays: Operands) -> Array:
        y = np.asarray(right(case, arrays)).copy()
        half = len(y) // 2
        y[half : 2 * half] = y[:half]
        return y

    lines = tuple(f"Conv1D/inputs:{n}x9x3/operands:reals/filters:2/kernel_size:2" for n in (5, 7))
    (group,) = diagnosis_of(lines, compute).groups
    assert group.reason == "the outputs of some samples are those of other samples"


def test_a_fault_that_passing_cases_contradict_is_not_said_to_be_everywhere() -> None:
    failure = Failure(parse(PLAIN[0]), Value(np.zeros(1)), "exact")
    sure, unsure = (Group((failure,), (FAULTS["same.all-last"],), contradicted=n) for n in (0, 3))
    assert sure.reason == "all SAME padding goes last"
    assert unsure.reason == (
        "all SAME padding goes last, though not everywhere: cases pass that would fail with it"
    )

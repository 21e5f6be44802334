"""Every fault of the catalogue is noticed and named; what is no fault raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from planted_faults import BEYOND_SMOKE

from conformance.cases.case import Case, parse
from conformance.cases.grids import grid
from conformance.cases.operands import Operands, operands
from conformance.diagnosis.arrays import explain_array
from conformance.diagnosis.commonality import common
from conformance.diagnosis.diagnosis import diagnose
from conformance.diagnosis.evaluation import CORRECT, evaluate
from conformance.diagnosis.faults import FAULTS, PADDING_LEFT_OUT, combined
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.results import (
    NOT_ASKED,
    UNEXPLAINED,
    diagnosed,
    diagnosed_if_possible,
)
from conformance.diagnosis.selftest import CORRECT_VARIANTS, Bench, Compute
from conformance.diagnosis.stages import STAGES, first_difference
from conformance.judge.verdict import Verdict
from conformance.outcomes import Crash, Rejection, Value
from conformance.results import Evidence, Result
from conformance.running.evidence import bounded
from reference_impl import layers

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench([*grid("smoke"), *BEYOND_SMOKE])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_the_smoke_grid_detects_and_names_each_fault(fault: Any, bench: Bench) -> None:
    """The suite's own score: the planted fault explains all failures, and no other does."""
    score = bench.score(fault)
    assert score.is_detected
    assert score.is_named, score.diagnosis and score.diagnosis.message


@pytest.mark.parametrize("name", list(CORRECT_VARIANTS))
def test_correct_implementations_written_in_other_ways_raise_no_alarm(
    name: str, bench: Bench
) -> None:
    assert bench.failures(CORRECT_VARIANTS[name]) == []


def test_the_catalogue_has_no_two_entries_of_one_name_or_sentence() -> None:
    assert len({fault.sentence for fault in FAULTS.values()}) == len(FAULTS) >= 84


def diagnosis_of(bench: Bench, compute: Compute) -> Any:
    failures = bench.failures(compute)
    failed = {failure.case for failure in failures}
    return diagnose(failures, [case for case in bench.cases if case not in failed])


@pytest.fixture(scope="module")
def not_finite() -> Bench:
    kinds = ("kernel_nan", "kernel_infinity", "idle_infinity")
    return Bench(case for case in grid("standard") if case.operands in kinds)


def test_padding_that_is_left_out_everywhere_is_another_reading(not_finite: Bench) -> None:
    """As where no padded copy is made: a NaN in the kernel does not meet what lies outside."""
    steps = PADDING_LEFT_OUT.steps
    found = diagnosis_of(not_finite, lambda case, arrays: evaluate(case, arrays, steps))
    assert not found.groups
    (group,) = found.readings
    assert group.reading == (PADDING_LEFT_OUT, "conv.padding.nonfinite-kernel")


def test_padding_that_is_left_out_in_some_cases_only_is_none(not_finite: Bench) -> None:
    def compute(case: Case, arrays: Operands) -> Array:
        steps = PADDING_LEFT_OUT.steps if case.operands == "kernel_nan" else CORRECT
        return evaluate(case, arrays, steps)

    found = diagnosis_of(not_finite, compute)
    assert not found.readings
    assert {one.faults for one in found.groups} == {(PADDING_LEFT_OUT,)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("same.odd-first", "bias.missing"),
        ("kernel.flipped", "same.all-last"),
        ("dilation.ignored", "gelu.tanh"),
    ],
)
def test_a_pair_of_faults_is_named(one: str, other: str, bench: Bench) -> None:
    """Two faults at a time, where some cases feel both and neither explains all alone."""
    steps = combined(FAULTS[one], FAULTS[other])
    assert steps is not None
    found = diagnosis_of(bench, lambda case, arrays: evaluate(case, arrays, steps))
    assert len(found.groups) == 1
    assert {fault.identifier for fault in found.groups[0].faults} == {one, other}
    assert found.message.startswith("all ")


def test_faults_that_exclude_each_other_make_no_pair() -> None:
    assert combined(FAULTS["same.odd-first"], FAULTS["same.all-last"]) is None


def test_faults_of_different_layers_are_told_together(bench: Bench) -> None:
    """The message counts all failures, and says of which faults they are."""

    def compute(case: Case, arrays: Operands) -> Array:
        fault = "pooling.nan" if case.layer.startswith("Max") else "same.odd-first"
        fits = case.layer.startswith("Max") or case.layer == "Conv2D"
        return evaluate(case, arrays, FAULTS[fault].steps if fits else CORRECT)

    found = diagnosis_of(bench, compute)
    named = {fault.identifier for group in found.groups for fault in group.faults}
    assert named == {"pooling.nan", "same.odd-first"}
    assert all(group.faults for group in found.groups)


def test_a_fault_in_some_cases_only_is_named_with_what_they_share(bench: Bench) -> None:
    def compute(case: Case, arrays: Operands) -> Array:
        faulty = case.layer == "Conv2D" and case.dtype == "float32"
        return evaluate(case, arrays, FAULTS["bias.missing"].steps if faulty else CORRECT)

    message = diagnosis_of(bench, compute).message
    assert "what you get when the bias is left out; they are the cases with " in message
    assert "Conv2D" in message or "float32" in message


def test_the_message_of_a_single_fault(bench: Bench) -> None:
    score = bench.score(FAULTS["same.odd-first"])
    assert score.diagnosis is not None
    assert score.diagnosis.message == (
        f"all {score.failures} failures are what you get when the extra SAME padding goes first"
    )
    case = score.diagnosis.groups[0].smallest
    assert score.diagnosis.of(case) == "the extra SAME padding goes first"
    assert score.diagnosis.of(case.replace(seed=7)) is None


def test_no_failures_need_no_diagnosis() -> None:
    assert diagnose([]) is None


def test_a_single_case_that_several_faults_explain_names_them() -> None:
    case = parse("Conv1D/inputs:2x6x3/filters:4/kernel_size:2/padding:same")
    actual = evaluate(case, operands(case), FAULTS["same.odd-first"].steps)
    found = diagnose([Failure(case, Value(actual))])
    assert found is not None
    assert found.message.startswith(
        "the only failure is what you get when the extra SAME padding goes first, or "
    )


def test_what_no_fault_explains_is_told_by_stage_and_by_what_the_cases_share(
    bench: Bench,
) -> None:
    """An arbitrary error under one condition: the condition is found."""

    def compute(case: Case, arrays: Operands) -> Array:
        y = evaluate(case, arrays)
        strides = case.keywords.get("strides") or 1
        stepping = strides if isinstance(strides, int) else max(strides)
        same = str(case.keywords.get("padding", "")).lower() == "same"
        faulty = case.layer.startswith("Conv") and same and stepping > 1
        return (y * 3 + 1).astype(y.dtype) if faulty else y

    found = diagnosis_of(bench, compute)
    assert not any(group.faults for group in found.groups)
    assert "padding 'same'" in found.message
    assert "strides > 1" in found.message
    assert "explained by no fault of the catalogue" in found.message


def test_a_rejection_is_explained_by_a_fault_that_cannot_compute() -> None:
    case = parse("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/data_format:channels_first")
    found = diagnose([Failure(case, Rejection("ValueError", "shapes"), "rejection")])
    assert found is not None
    assert found.groups[0].faults


def test_crashes_are_told_by_what_their_cases_share() -> None:
    crashing = [parse(f"Conv1D/inputs:0x{n}x3/filters:2/kernel_size:2") for n in (5, 6)]
    passing = [parse(f"Conv1D/inputs:1x{n}x3/filters:2/kernel_size:2") for n in (5, 6)]
    found = diagnose([Failure(c, Crash("signal SIGFPE"), "process") for c in crashing], passing)
    assert found is not None
    assert found.groups[0].stage == "process"
    assert found.groups[0].common == "batch = 0"


def test_what_the_judge_named_is_kept_where_no_fault_explains() -> None:
    case = parse("Conv1D/inputs:2x6x3/filters:4/kernel_size:2/operands:reals")
    noise = evaluate(case, operands(case)) * np.float32(1.001)
    found = diagnose([Failure(case, Value(noise), "bound", "float16 accumulation")])
    assert found is not None
    assert found.groups[0].reason == "float16 accumulation"


PLAIN = "Conv1D/inputs:2x9x3/filters:5/kernel_size:3/padding:same"


def in_padding(y: Array) -> Array:
    changed = y.copy()
    changed[:, [0, -1]] = changed[:, [0, -1]] * np.float32(1.7) + 1
    return changed


@pytest.mark.parametrize(
    ("stage", "descriptor", "change"),
    [
        ("padding", PLAIN, in_padding),
        ("number", PLAIN, lambda y: np.concatenate([y[:, 1:], y[:, :1]], axis=1)[:, :-1]),
        ("window", PLAIN + "/strides:2", lambda y: y[:, [0, 0, 2, 3, 4]]),
        ("contraction", PLAIN, lambda y: y * np.float32(1.5)),
        ("bias", PLAIN, lambda y: y + np.arange(1, 6, dtype=y.dtype)),
        ("activation", PLAIN + "/activation:tanh", lambda y: y * np.float32(0.75)),
        ("layout", PLAIN, lambda y: y[:, :, ::-1]),
        ("layout", PLAIN, lambda y: y.transpose(0, 2, 1)),
        ("layout", "Flatten/inputs:2x3x4", lambda y: y[:, ::-1]),
        ("window", "MaxPooling1D/inputs:2x9x3", lambda y: y[:, [0, 0, 2, 3]]),
        ("selection", "MaxPooling1D/inputs:2x9x3", lambda y: y + 1),
    ],
)
def test_the_stage_at_which_an_output_first_differs(
    stage: str, descriptor: str, change: Callable[[Array], Array]
) -> None:
    case = parse(descriptor)
    actual = change(evaluate(case, operands(case)))
    assert stage in STAGES
    assert first_difference(case, operands(case), actual) == stage


@pytest.mark.parametrize("kind", ["integers", "one_nan"])
def test_what_only_finer_bounds_tell_is_a_slip_of_the_activation(kind: str) -> None:
    """Not the padding or the channels, of which nothing is wrong then."""
    case = parse("Conv1D/inputs:2x4x3/filters:5/kernel_size:2/padding:same/activation:sigmoid")
    case = case.replace(operands=kind)
    arrays = operands(case)
    assert first_difference(case, arrays, evaluate(case, arrays)) == "activation"


def felt_beyond(case: Case, places: int) -> Value:
    """The right output, but NaN in outputs up to so many places beyond the windows that hold it."""
    value = evaluate(case, operands(case)).copy()
    (steps,) = np.nonzero(np.isnan(value).any(axis=(0, 2)))
    sample = int(np.nonzero(np.isnan(value).any(axis=(1, 2)))[0][0])
    value[sample, max(steps.min() - places, 0) : steps.max() + places + 1] = np.nan
    return Value(value)


@pytest.mark.parametrize(("places", "words"), [(2, "Winograd"), (40, "Fourier")])
def test_how_far_an_input_is_felt_tells_the_transform(places: int, words: str) -> None:
    case = parse("Conv1D/inputs:2x64x1/operands:one_nan/filters:2/kernel_size:5/padding:same")
    found = diagnose([Failure(case, felt_beyond(case, places), "locality")])
    assert found is not None
    assert "outputs feel an input that their window does not hold" in found.message
    assert words in found.message


def test_common_features_are_the_fewest_that_tell() -> None:
    failing = [parse(f"Conv1D/inputs:2x{n}x3/filters:4/kernel_size:3/strides:2") for n in (7, 9)]
    passing = [parse(f"Conv1D/inputs:2x{n}x3/filters:4/kernel_size:3") for n in (7, 9)]
    assert common(failing, passing) == "strides > 1"
    padded = [case.replace(padding="same") for case in failing]
    unpadded = [*failing, *(case.replace(padding="same") for case in passing)]
    assert common(padded, unpadded) == "padding 'same' and strides > 1"
    assert common(failing, failing) is None
    assert common(failing, []) is None


def result(case: Case, actual: Array | None) -> Result:
    evidence = Evidence("x.py", case, Value(actual), "exact") if actual is not None else None
    verdict = Verdict.CONFORMS if actual is None else Verdict.DEVIATES
    return Result(case, (), "x", verdict, None, "", "", evidence=evidence)


SPOILT: dict[str, Callable[[Array], Any]] = {
    "nan": lambda y: np.full_like(y, np.nan) if y.dtype.kind not in "iub" else y[..., ::-1],
    "nearly": lambda y: (y.astype(float) * 1.001 + 1).astype(y.dtype),
    "halved": lambda y: y[: len(y) // 2],
    "wider": lambda y: y.astype(np.float64) + 1,
    "backwards": lambda y: y.ravel()[::-1].reshape(y.shape),
    "empty": lambda y: y[:0],
}


@pytest.mark.parametrize("kind", SPOILT)
def test_no_mixture_of_failures_breaks_the_diagnosis(kind: str) -> None:
    """Of every layer, dtype, activation and kind of operands that outputs are asked for."""
    outputs = [case for case in grid("standard") if case.observe == "output"]
    activated = [c for c in outputs if c.keywords.get("activation") not in (None, "linear")]
    bench = Bench([*outputs[::80], *activated[::40]])
    spoil = SPOILT[kind]
    with np.errstate(all="ignore"):
        found = diagnosis_of(bench, lambda case, arrays: spoil(evaluate(case, arrays)))
    assert found is not None
    assert found.message


def test_activations_that_are_wrong_in_every_dtype_are_explained_together() -> None:
    cases = [case for case in grid("standard") if case.keywords.get("activation") == "softplus"]
    steps = replace(
        CORRECT, activations=lambda name, y: np.where(y > 6, 0.1, CORRECT.activations(name, y))
    )
    bench = Bench(cases)
    found = diagnosis_of(bench, lambda case, arrays: evaluate(case, arrays, steps))
    assert {f.case.dtype for f in found.groups[0].failures} == {c.dtype for c in bench.cases}
    assert "softplus is off" in found.message


def test_a_diagnosis_that_breaks_does_not_lose_the_verdicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("once only")

    monkeypatch.setattr("conformance.diagnosis.results.diagnose", broken)
    wrong = result(Case.of("Flatten", (1, 3, 2)), np.zeros((1, 6), np.float32))
    results, told = diagnosed_if_possible([wrong])
    assert results == [wrong]
    assert told.startswith(UNEXPLAINED)
    assert "ZeroDivisionError" in told
    assert "once only" in told


def test_a_diagnosis_that_breaks_as_it_asks_keeps_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("once only")

    monkeypatch.setattr("conformance.diagnosis.results.asked", broken)
    case = parse("Conv1D/inputs:2x6x3/filters:4/kernel_size:2")
    wrong = result(case, evaluate(case, operands(case), FAULTS["bias.missing"].steps))
    (told,), note = diagnosed_if_possible([wrong], ask=broken)
    assert told.diagnosis == "the bias is left out"
    assert note.startswith(NOT_ASKED)
    assert "ZeroDivisionError" in note


def test_results_are_given_the_diagnosis_of_their_implementation() -> None:
    cases = [parse(f"Conv1D/inputs:2x{n}x3/filters:4/kernel_size:2/padding:same") for n in (6, 7)]
    right = result(cases[0].replace(use_bias=False), None)
    steps = FAULTS["bias.missing"].steps
    results = [right, *(result(c, evaluate(c, operands(c), steps)) for c in cases)]
    told, found = diagnosed(results)
    assert [one.diagnosis for one in told] == [None, *["the bias is left out"] * 2]
    assert found["x"].message == "all 2 failures are what you get when the bias is left out"
    assert told[1].record()["diagnosis"] == "the bias is left out"
    assert "evidence" not in told[1].record()


def test_evidence_is_kept_up_to_a_limit() -> None:
    case = parse("Conv1D/inputs:2x6x3/filters:4/kernel_size:2")
    results = [result(case.replace(seed=n), np.zeros(100)) for n in range(4)]
    kept = list(bounded(results, limit=1700))
    assert [one.evidence is not None for one in kept] == [True, True, False, False]
    assert kept == results


def layer_and_case(data_format: str) -> tuple[Any, Case]:
    layer = layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same", data_format=data_format)
    case = Case.of(
        "Conv2D",
        (2, 6, 8, 3) if data_format == "channels_last" else (2, 3, 6, 8),
        filters=4,
        kernel_size=(3, 2),
        strides=(2, 1),
        padding="same",
        data_format=data_format,
        operands="reals",
    )
    return layer, case


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", ["same.odd-first", "kernel.flipped", "bias.subtracted"])
def test_one_array_is_explained_by_the_fault_that_gives_it(name: str, data_format: str) -> None:
    """The hook for assertions in other people's tests."""
    layer, case = layer_and_case(data_format)
    arrays = operands(case)
    assert arrays.inputs is not None
    layer.build(arrays.inputs.shape)
    layer.set_weights(list(arrays.weights.values()))
    actual = evaluate(case, arrays, FAULTS[name].steps)
    assert FAULTS[name].sentence in str(explain_array(actual, layer, arrays.inputs))
    assert explain_array(actual + 1, layer, arrays.inputs) is None
    assert explain_array(np.asarray(layer(arrays.inputs)), layer, arrays.inputs) is None


def test_pooled_and_flattened_arrays_are_explained() -> None:
    x = -1 - np.arange(2 * 5 * 3, dtype=np.float32).reshape(2, 5, 3)
    pooling = layers.MaxPooling1D(2, padding="same")
    padded = np.concatenate([x, np.zeros((2, 1, 3), np.float32)], axis=1)
    with_zeros = padded.reshape(2, 3, 2, 3).max(axis=2)
    explained = str(explain_array(with_zeros, pooling, x))
    assert "pooling takes the padding for zeros" in explained
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    turned = x.reshape(2, -1, order="F")
    assert explain_array(turned, layers.Flatten(), x) == "Flatten goes in column-major order"


def test_a_layer_whose_activation_has_no_name_is_not_explained() -> None:
    layer = layers.Conv1D(2, 2, activation=lambda y: y)
    x = np.ones((1, 4, 3), np.float32)
    layer.build(x.shape)
    assert explain_array(np.zeros((1, 3, 2), np.float32), layer, x) is None


def test_steps_of_no_fault_are_those_of_the_definition() -> None:
    """A fault whose steps are all right would explain nothing, and be detected by nothing."""
    for fault in FAULTS.values():
        assert replace(fault.steps, on_grid=True) != CORRECT, fault.identifier

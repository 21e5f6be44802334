"""Protects against records that swallow: a planted fault is never taken for a recorded deviation.

In the cases that a record with a computed effect concerns, every fault of the catalogue is planted,
alone and on top of the effect where that is itself an evaluation with a fault.  An outcome that
the judge objects to must not be explained by the record, unless the record's own model gives it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conformance import known
from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.grids import grid
from conformance.cases.grids.values import tails
from conformance.cases.operands import has_its_dtype, operands
from conformance.diagnosis.evaluation import CORRECT, Steps, evaluate
from conformance.diagnosis.faults import FAULTS, combined
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Judgement, Verdict
from conformance.known.effects.elements import gradients_of
from conformance.known.record import Found, Record
from conformance.outcomes import Value

ENOUGH = 5
COMPUTED = [
    record
    for record in known.own()
    if record.where.get("observe") in ("output", "gradients") and (record.fault or record.effect)
]
OF_OUTPUTS = [record for record in COMPUTED if record.where["observe"] == "output"]
OF_GRADIENTS = [
    record for record in COMPUTED if record.where["observe"] == "gradients" and not record.alone
]
"""Without records of overwritten memory, which can hold anything; they are narrow for that."""


@cache
def standard() -> tuple[Case, ...]:
    return tuple(grid("standard"))


def concerned(record: Record) -> list[Case]:
    """Some of the cases that a record speaks of: the same ones when others join the grid.

    Those of bfloat16 come on top, for ml_dtypes may not be installed.
    """
    cases = [case for case in standard() if record.concerns(case)]
    silent = SILENT.get(record.identifier, lambda case: False)
    telling = sorted((case for case in cases if not silent(case)), key=_digest)
    plain = [case for case in telling if case.dtype != "bfloat16"][:ENOUGH]
    narrow = [case for case in telling if case.dtype == "bfloat16"][: ENOUGH - 3 * bool(plain)]
    chosen = [*plain, *filter(has_its_dtype, narrow)]
    if not chosen and narrow:
        pytest.skip("the record is of bfloat16 alone, and ml_dtypes is not installed")
    return chosen


def _digest(case: Case) -> str:
    return hashlib.sha256(case.descriptor.encode()).hexdigest()


SILENT: dict[str, Callable[[Case], bool]] = {
    **dict.fromkeys(
        (
            "mlx-convolution-float64-in-float32",
            "mlx-convolution-float64-gradients",
            "openvino-float64-in-float32",
        ),
        lambda case: case.operands == "cancellation" or facts(case).products > 1000,
    ),
    **dict.fromkeys(
        ("tract-float16-sums", "tvm-float16-sums"), lambda case: facts(case).products > 1000
    ),
    **dict.fromkeys(
        (
            "keras-jax-bias-gradient-bfloat16",
            "tf.keras-gradient-narrow-sums",
            "torch.nn-gradient-narrow-sums",
        ),
        lambda case: max(length or 0 for length in case.inputs or ()) > 100,
    ),
    "scipy-fft-spreads": lambda case: case.operands in ("one_nan", "one_infinity"),
}
"""Cases in which an error of the record's own size leaves nothing that could be told."""


def found(case: Case, value: Any) -> tuple[Judgement, Found]:
    """The judgement of a value, and what records see of it."""
    arrays, outcome = operands(case), Value(value)
    expectation = expect(case, arrays)
    judgement = judge(case, arrays, expectation, outcome)
    return judgement, Found(case, outcome, judgement, lambda: (arrays, expectation))


def faulty(case: Case, steps: Steps) -> Any:
    """What an evaluation with a fault gives; None where it fails on the case."""
    try:
        return evaluate(case, operands(case), steps)
    except (ValueError, IndexError):
        return None


def variants(record: Record) -> list[tuple[str, Steps]]:
    """Every fault, alone and on top of the record's own."""
    alone = [(name, fault.steps) for name, fault in FAULTS.items() if name not in record.fault]
    pairs = [
        (f"{own} and {name}", combined(FAULTS[own], fault))
        for own in record.fault
        for name, fault in FAULTS.items()
        if name not in record.fault
    ]
    return alone + [(name, steps) for name, steps in pairs if steps is not None]


def is_the_records_own(record: Record, case: Case, value: Any) -> bool:
    """Whether the record's own fault gives this very value: then the two cannot be told apart."""
    own = [faulty(case, FAULTS[name].steps) for name in record.fault]
    return any(
        array is not None and array.shape == value.shape and array.tobytes() == value.tobytes()
        for array in own
    )


LOSES_NAN = {
    "values.nan",
    "pooling.nan",
    *(f"pooling.nan-{place}" for place in ("first", "first-inside", "last", "last-inside")),
    *("pooling.bits", "pooling.bits-padded"),
}
"""The four keep it in some windows, and give a number of the others; bits, where it is negative."""

AS_ZERO = {"values.subnormal", "pooling.positive", "pooling.from1.17549e-38"}
"""What a window of subnormal numbers gives, or one that holds zero besides negative ones."""

ALL_ZERO = {
    *("values.subnormal", "window.without-first", "window.without-last"),
    *("pooling.float16", "pooling.float32", "window.one-column", "window.one-row"),
    "pooling.float32-saturating",
    *(f"window.without-{end}-{line}" for end in ("first", "last") for line in ("row", "column")),
}
"""A maximum of subnormal numbers is zero whichever of them it is of."""

FROM_LEAST = {"values.infinity", "pooling.finite", "pooling.from-3.40282e+38"}

ROUNDED = {"results.truncated", "results.down", "results.up", "arithmetic.products"}
"""Results, or in 16 bits products, that are rounded otherwise: near the bound, if not within."""

CROPPED = {"same.not-clipped", "same.from-end", "window.later"}
"""Padding that is negative: with an excess of one, windows that are later by one."""

IN_FLOAT32 = {
    *("arithmetic.inputs-24", "arithmetic.kernel-24", "arithmetic.sums-float32"),
    *("bias.rounded-11", "bias.rounded-24", "results.float32"),
}
"""What is computed in float32 has each of them; a bias may be far smaller than the products."""

EQUIVALENT = (
    {
        "chainer-sigmoid-by-tanh": {"arithmetic.float16"},
        "dezero-sigmoid-by-tanh": {"arithmetic.float16"},
        "jax-pooling-flushes-subnormals": AS_ZERO | {"pooling.float16", "pooling.zero"},
        "mnn-convolution-negative-pads": ROUNDED
        | {"same.not-clipped", "same.from-end", "kernel.tap", "window.later"},
        "mlx-convolution-float64-in-float32": IN_FLOAT32
        | {"arithmetic.float16", "arithmetic.float32", "arithmetic.transform", "kernel.tap"},
        "mlx-exponential-of-large": {"bias.rounded-8"},  # within the bound of a long sum
        "mlx-selu-constants": {"arithmetic.transform", "values.infinity"},
        "paddle-pooling-nan": LOSES_NAN | AS_ZERO,
        "paddle-relu-nan": ROUNDED | {f"relu.nan and {name}" for name in ROUNDED},
        "paddle-same-ignores-dilation": {
            f"dilation.ignored and {name}"
            for name in ("arithmetic.transform", "kernel.tap", *ROUNDED)
        },
        "scipy-fft-spreads": {
            *("arithmetic.transform", "bias.rounded-8", "bias.rounded-11", "kernel.tap"),
            *("values.clamped", "values.finite", "values.nan-zero"),
        },
        "scipy-maximum-filter-nan": LOSES_NAN | AS_ZERO,
        "tensorflow.js-pooling-nan": LOSES_NAN,
        "tensorflow.js-wasm-negative-padding": {"activation.relu", "kernel.filters-of-four"},
        "tensorflow.js-wasm-pooling-nan": LOSES_NAN | AS_ZERO,
        "tensorflow.js-wasm-relu6-nan": ROUNDED | {"values.finite", "values.nan-zero"},
        "ncnn-pooling-nan": LOSES_NAN | AS_ZERO,
        "ncnn-winograd": {
            *("arithmetic.transform", "kernel.tap", "kernel.products-of-8"),
            *("bias.rounded-8", "bias.rounded-11", "values.clamped", "values.finite"),
        },
        "onnx.reference-pooling-nan": LOSES_NAN | AS_ZERO,
        "onnx.reference-auto-pad-negative": CROPPED,
        "onnxruntime-auto-pad-negative": ROUNDED | CROPPED,
        "onnxruntime-pooling-lowest": {"values.infinity"},
        "onnxruntime-pooling-nan": LOSES_NAN | AS_ZERO,
        "opencv-auto-pad-of-unit-strides": {
            "same.whole-stride",  # the same where windows are odd
            "same.half-times-dilation",  # the same where they are 2 long
            "values.clamped",
            *("dilation.shape", "same.all-first", "same.odd-first", "same.stride-one"),
            *("same.first-axis", "same.first-axis-twice", "window.earlier"),
            *("same.from-end", "same.half-less-one", "same.half-less-one-undilated"),
            *("same.half-undilated", "same.half-window", "same.half-window-before"),
            *("same.all-last", "same.undilated", "window.later", "window.without-last-row"),
        },
        "opencv-convolution-clamped": {
            f"{also}{name}"
            for also in ("", "values.clamped and ")
            for name in (*ROUNDED, "arithmetic.transform")
        },
        "opencv-groups-spread-nan": ROUNDED
        | {"arithmetic.float16", "kernel.tap", "values.clamped", "values.finite"},
        "opencv-pooling-lowest": LOSES_NAN | AS_ZERO | FROM_LEAST | {"pooling.from-65504"},
        "opencv-pooling-nan": LOSES_NAN | AS_ZERO | FROM_LEAST,
        "opencv-pooling-subnormal": LOSES_NAN | AS_ZERO | ALL_ZERO | {"pooling.zero"},
        "keras-openvino-bfloat16-rounding": ROUNDED | {"arithmetic.float16"},
        "openvino-bfloat16-rounding": ROUNDED | {"arithmetic.float16"},
        "openvino-float64-in-float32": IN_FLOAT32
        | {"arithmetic.float32", "arithmetic.transform", "kernel.tap", "pooling.float32"}
        | {"pooling.float32-saturating", "values.subnormal"},
        "openvino-pooling-nan": LOSES_NAN,
        "tinygrad-pooling-nan": LOSES_NAN,
        "tinygrad-selu-constants": {"arithmetic.transform", "values.infinity"},
        "tract-pooling-nan": LOSES_NAN,
        "tvm-auto-pad-negative": CROPPED,
        "tvm-pooling-nan": LOSES_NAN | AS_ZERO | FROM_LEAST,
        "tflite-exponential-rounded": {"arithmetic.transform"},
        "tflite-not-local": {"arithmetic.transform"},
        # what is finite in rows of one element is the same whatever the window
        "tf.keras-onednn-bfloat16-not-local": {"window.earlier"},
        "torch.nn-bfloat16-not-local": {"window.earlier"},
        "tflite-sums-clamped": {"values.clamped", "values.finite"},
        "tflite-pooling-lowest": {"values.infinity"},
        "tflite-pooling-nan": LOSES_NAN | AS_ZERO | ALL_ZERO | FROM_LEAST | {"pooling.zero"},
        "tf.keras-bias-on-last-axis": ROUNDED | {f"bias.rows and {name}" for name in ROUNDED},
        "tf.keras-groups-spread-nan": {"values.clamped", "values.finite", "values.infinity"},
        "tf.keras-compiled-pooling-drops-nan": LOSES_NAN | AS_ZERO,
        "tf.keras-pooling-drops-nan": LOSES_NAN | AS_ZERO | FROM_LEAST,
        "tf.keras-pooling-flushes-subnormals": ALL_ZERO,
        "tf.keras-pooling-lowest": {"values.infinity"},
        "tf.keras-onednn-transpose-flushes-subnormals": {"flatten.float16", "values.subnormal"},
        "tf.keras-onednn-empty-input": {"valid.same", "same.size", "strides.ignored"},
        "torch.nn-pooling-integers-from-zero": {"pooling.zero"},
        "torch.nn-winograd": {"kernel.tap", "arithmetic.transform"},
    }
    | {
        f"{engine}-float16-sums": ROUNDED
        | {"arithmetic.bfloat16", "arithmetic.float16", "arithmetic.transform"}
        | {"arithmetic.inputs-8", "arithmetic.kernel-8", "arithmetic.sums-bfloat16"}
        | {"bias.rounded-8", "results.bfloat16"}
        for engine in ("tract", "tvm")
    }
    | {
        f"{engine}-padding-not-multiplied": ROUNDED | {"values.zero-inputs", "padding.left-out"}
        for engine in ("keras-jax", "mlx", "onnxruntime", "tf.keras", "torch.nn")
    }
    | {
        f"{engine}-relu-drops-nan": {"relu.nan", "values.finite", "values.nan-zero"}
        for engine in (
            "keras-openvino",
            "mnn",
            "openvino",
            "tinygrad",
            "tract",
            "tvm",
            "tf.keras-onednn-fused",
        )
    }
)
"""Faults that do what the record says: the same in other words, or errors of its own size."""


def is_seen_alone(name: str, case: Case) -> bool:
    """Whether the judge objects, in this case, to the fault that is planted on top."""
    value = faulty(case, FAULTS[name.rpartition(" ")[2]].steps)
    return value is not None and found(case, value)[0].verdict is Verdict.DEVIATES


def test_an_evaluation_without_a_fault_conforms_far_out():
    """Else every fault would explain what is right there."""
    for case in tails():
        if has_its_dtype(case):
            judgement, _ = found(case, evaluate(case, operands(case), CORRECT))
            assert judgement.verdict is Verdict.CONFORMS, case


def test_gradients_that_none_expects_have_no_effect():
    """An implementation may answer where it should refuse: no effect is computed then."""
    case = Case.of("Conv1D", (2, 8, 3), observe="gradients", filters=4, kernel_size=3)
    judgement = Judgement(Verdict.DEVIATES, "")
    nothing = SimpleNamespace(value=None)
    evidence = Found(case, Value({}), judgement, lambda: (operands(case), nothing))
    assert gradients_of(evidence) is None


@pytest.mark.parametrize("record", OF_OUTPUTS, ids=lambda record: record.identifier)
def test_no_planted_fault_is_swallowed(record: Record):
    cases = concerned(record)
    assert cases
    swallowed, planted = [], 0
    for case in cases:
        for name, steps in variants(record):
            value = faulty(case, steps)
            if value is None or name in EQUIVALENT.get(record.identifier, set()):
                continue
            judgement, evidence = found(case, value)
            if judgement.verdict is not Verdict.DEVIATES or is_the_records_own(record, case, value):
                continue
            planted += 1
            if record.explains(evidence) and is_seen_alone(name, case):
                swallowed.append((name, str(case)))
    assert planted > ENOUGH
    assert swallowed == []


def spoilt(gradients: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Gradients that are wrong in ways in which implementations get them wrong."""
    made: list[tuple[str, dict[str, Any]]] = []
    for name, array in gradients.items():
        wide = array.astype(np.float64)
        ways = {
            "zero": np.zeros_like(wide),
            "doubled": 2 * wide,
            "negated": -wide,
            "shifted": np.roll(wide, 1),
            "reversed": np.flip(wide),
            "one element left out": np.where(
                np.arange(wide.size).reshape(wide.shape) == 0, 0, wide
            ),
        }
        for way, values in ways.items():
            with np.errstate(over="ignore"):
                given = values.astype(array.dtype)
            made.append((f"{name} {way}", {**gradients, name: given}))
    return made


@pytest.mark.parametrize("record", OF_GRADIENTS, ids=lambda record: record.identifier)
def test_no_wrong_gradient_is_swallowed(record: Record):
    cases = concerned(record)
    assert cases
    swallowed, planted = [], 0
    for case in cases:
        right = expect(case, operands(case)).value
        for name, values in spoilt(right):
            judgement, evidence = found(case, values)
            if judgement.verdict is not Verdict.DEVIATES:
                continue
            planted += 1
            if record.explains(evidence):
                swallowed.append((name, str(case)))
    assert planted > ENOUGH or "empty" in record.identifier
    assert swallowed == []

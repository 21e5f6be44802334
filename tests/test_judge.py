"""The judge's stages: what it objects to, in which order, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.operands import Operands, operands
from conformance.judge.expectation import Expectation, Kind, expect, expect_by_definition
from conformance.judge.judge import judge
from conformance.judge.literals import difference
from conformance.judge.verdict import Judgement, Verdict
from conformance.outcomes import Crash, Outcome, Rejection, Timeout, Unsupported, Value

CONVOLUTION = parse("Conv2D/inputs:2x7x8x3/filters:4/kernel_size:3x2/padding:same")
REALS = CONVOLUTION.replace(operands="reals")
POOLING = parse("MaxPooling2D/inputs:2x7x8x3")


def judged(case: Case, outcome: Outcome, expectation: Expectation | None = None) -> Judgement:
    """The judgement by the oracle's expectation, or another."""
    arrays = operands(case)
    return judge(case, arrays, expectation or expect(case, arrays), outcome)


def right_answer(case: Case) -> Any:
    return expect(case, operands(case)).value


class TestProcess:
    """Outcomes that are no answer."""

    def test_unsupported_is_neither_right_nor_wrong(self) -> None:
        assert judged(CONVOLUTION, Unsupported("no layouts")) == Judgement(
            Verdict.UNSUPPORTED, "no layouts"
        )

    def test_a_crash_tells_how_the_process_ended(self) -> None:
        judgement = judged(CONVOLUTION, Crash("signal SIGSEGV", "Segmentation fault"))
        assert judgement.verdict == Verdict.CRASHED
        assert judgement.message == (
            "The process ended: signal SIGSEGV; its last words: Segmentation fault."
        )

    def test_a_time_out_tells_the_time(self) -> None:
        judgement = judged(CONVOLUTION, Timeout(60.0))
        assert judgement.verdict == Verdict.TIMED_OUT
        assert judgement.message == "No answer came within 60 seconds."


class TestRejections:
    """Rejections where they are due, and only there."""

    case = parse("Conv2D/observe:rejection/filters:0/kernel_size:3")

    @pytest.mark.parametrize("exception", ["ValueError", "TypeError", "InvalidArgumentError"])
    def test_an_ordinary_exception_conforms(self, exception: str) -> None:
        outcome = Rejection(exception, "filters must be positive")
        assert judged(self.case, outcome).verdict == Verdict.CONFORMS

    @pytest.mark.parametrize("exception", ["MemoryError", "SystemExit", "NameError", "OSError"])
    def test_an_extraordinary_one_does_not(self, exception: str) -> None:
        judgement = judged(self.case, Rejection(exception, ""))
        assert judgement.verdict == Verdict.DEVIATES
        assert judgement.message == f"The case must be rejected, but not with {exception}."

    def test_acceptance_deviates(self) -> None:
        outcome = Value("a layer of 0 filters")
        judgement = judged(self.case, outcome)
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "rejection")
        assert judgement.message == (
            "The case must be rejected, but was accepted and gave a layer of 0 filters."
        )

    def test_the_second_derivation_gives_its_reason(self) -> None:
        expectation = expect_by_definition(self.case, operands(self.case))
        judgement = judged(self.case, Value("a layer"), expectation)
        assert "filters=0: a positive integer is expected" in judgement.message

    def test_a_valid_case_must_not_be_rejected(self) -> None:
        judgement = judged(CONVOLUTION, Rejection("ValueError", "no"))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "rejection")
        assert judgement.message == ("The case is valid, but was rejected with ValueError: no.")


class TestForm:
    """What is wrong before any value is compared."""

    def test_shape(self) -> None:
        outcome = Value(np.moveaxis(right_answer(CONVOLUTION), -1, 1))
        judgement = judged(CONVOLUTION, outcome)
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "shape")
        assert judgement.message == (
            "The output's shape is (2, 4, 7, 8), but should be (2, 7, 8, 4)."
        )

    def test_dtype(self) -> None:
        judgement = judged(CONVOLUTION, Value(right_answer(CONVOLUTION).astype(np.float64)))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "dtype")
        assert judgement.message == "The output's dtype is float64, but should be float32."

    @pytest.mark.parametrize("answer", [None, "an object of type Tensor", [1.0]])
    def test_no_array(self, answer: Any) -> None:
        judgement = judged(CONVOLUTION, Value(answer))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "shape")

    def test_changed_inputs(self) -> None:
        outcome = Value(right_answer(POOLING), changed_inputs=("inputs",))
        judgement = judged(POOLING, outcome)
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "inputs")
        assert judgement.message == "The call changed its operands: inputs."

    def test_another_answer_the_second_time(self) -> None:
        first = right_answer(CONVOLUTION)
        second = first.copy()
        second[1, 2, 3, 0] += 1
        judgement = judged(CONVOLUTION, Value(first, repeat=second))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "repeat")
        assert "1 of 448 elements differ, the first at [1, 2, 3, 0]" in judgement.message

    def test_an_empty_output_is_judged_by_its_shape(self) -> None:
        case = CONVOLUTION.replace(inputs=(0, 7, 8, 3))
        assert judged(case, Value(right_answer(case))).verdict == Verdict.CONFORMS
        wrong = judged(case, Value(np.zeros((0, 6, 8, 4), np.float32)))
        assert wrong.stage == "shape"


class TestValues:
    """The comparison of elements, and what is said about it."""

    def test_the_right_answer_conforms(self) -> None:
        assert judged(CONVOLUTION, Value(right_answer(CONVOLUTION))) == Judgement(
            Verdict.CONFORMS, ratio=0.0
        )

    def test_zeros_of_either_sign_are_equal(self) -> None:
        case = CONVOLUTION.replace(activation="relu")
        answer = right_answer(case)
        assert judged(case, Value(np.where(answer == 0, -0.0, answer).astype("f4"))).ratio == 0.0

    def test_one_wrong_element_is_found_and_shown(self) -> None:
        answer = right_answer(CONVOLUTION).copy()
        answer[1, 6, 0, 2] += np.float32(0.5)
        judgement = judged(CONVOLUTION, Value(answer))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "exact")
        right = right_answer(CONVOLUTION)[1, 6, 0, 2]
        assert judgement.message == (
            f"1 of 448 elements is wrong; the one at [1, 6, 0, 2] is {right + np.float32(0.5)!s} "
            f"but should be {right!s}, where no error is allowed."
        )

    def test_errors_are_told_in_units_of_the_bound(self) -> None:
        answer = right_answer(REALS).copy()
        answer[0, 0, 0, 0] += np.float32(0.25)
        judgement = judged(REALS, Value(answer))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "bound")
        assert judgement.ratio is not None
        assert judgement.ratio > 1e4
        assert f"an error of {judgement.ratio:.3g} times the bound" in judgement.message

    def test_pooling_has_no_room_for_error(self) -> None:
        case = POOLING.replace(operands="reals")
        answer = np.nextafter(right_answer(case), np.float32(np.inf))
        judgement = judged(case, Value(answer))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "exact")
        assert judgement.message.startswith("72 of 72 elements are wrong")

    def test_a_missing_nan_is_wrong(self) -> None:
        case = CONVOLUTION.replace(operands="one_nan", activation="relu")
        answer = np.nan_to_num(right_answer(case), nan=0.0)
        judgement = judged(case, Value(answer))
        assert judgement.verdict == Verdict.DEVIATES
        assert "should be nan" in judgement.message

    def test_an_infinity_of_the_other_sign_is_wrong(self) -> None:
        case = CONVOLUTION.replace(operands="one_infinity")
        answer = right_answer(case)
        flipped = np.where(np.isinf(answer), -answer, answer)
        assert judged(case, Value(flipped)).verdict == Verdict.DEVIATES

    def test_the_oracle_has_no_room_for_error(self) -> None:
        arrays = operands(REALS)
        defined = expect_by_definition(REALS, arrays)
        nearly = defined.value.copy()
        nearly.flat[0] = np.nextafter(nearly.flat[0], np.float32(np.inf))
        assert judged(REALS, Value(nearly)).verdict == Verdict.CONFORMS
        assert judged(REALS, Value(nearly), defined).verdict == Verdict.DEVIATES
        assert judged(REALS, Value(defined.value), defined).verdict == Verdict.CONFORMS


class TestLocality:
    """One input that stands apart is felt only under its windows."""

    @pytest.mark.parametrize("kind", ["one_nan", "one_infinity", "spike"])
    def test_an_effect_elsewhere_is_named(self, kind: str) -> None:
        case = CONVOLUTION.replace(inputs=(1, 12, 12, 3), operands=kind)
        plain = right_answer(case.replace(operands="integers"))
        special = right_answer(case)
        felt = ~((special == plain).all(axis=-1))[0]
        far = tuple(np.argwhere(~felt)[0])
        answer = special.copy()
        answer[(0, *far, 0)] = np.float32(np.nan if kind == "one_nan" else 1e6)
        judgement = judged(case, Value(answer))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "locality")
        assert "1 of them lies outside the receptive field" in judgement.message

    def test_an_error_under_the_window_is_no_question_of_locality(self) -> None:
        case = CONVOLUTION.replace(inputs=(1, 12, 12, 3), operands="one_infinity")
        answer = right_answer(case)
        judgement = judged(case, Value(np.where(np.isinf(answer), np.nan, answer).astype("f4")))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "exact")


class TestInformation:
    """Cases that could not tell right from wrong are not trusted."""

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (np.zeros((2, 7, 8, 4), np.float32), "448 of the 448 expected elements are zero"),
            (np.full((2, 7, 8, 4), 2.5, np.float32), "all 448 expected elements are 2.5"),
            (np.full((2, 7, 8, 4), np.nan, np.float32), "all 448 expected elements are nan"),
        ],
    )
    def test_empty_expectations(self, value: Any, reason: str) -> None:
        judgement = judged(CONVOLUTION, Value(value), Expectation(Kind.VALUE, value))
        assert judgement.verdict == Verdict.UNTRUSTED
        assert reason in judgement.message

    def test_a_wrong_answer_is_wrong_all_the_same(self) -> None:
        expectation = Expectation(Kind.VALUE, np.zeros((2, 3, 4, 3), np.float32))
        outcome = Value(np.ones((2, 3, 4, 3), np.float32))
        assert judged(POOLING, outcome, expectation).verdict == Verdict.DEVIATES

    def test_an_eleventh_of_other_numbers_is_enough(self) -> None:
        value = np.zeros((10, 11), np.float32)
        value[0] = np.arange(1, 12)
        value[1, 0] = 1
        assert Expectation(Kind.VALUE, value).information is None


class TestShapesAndLiterals:
    """Observations that are no arrays."""

    case = parse("Conv2D/observe:shape/inputs:Nonex7x8x3/filters:4/kernel_size:3x2")

    def test_shape(self) -> None:
        assert judged(self.case, Value((None, 5, 7, 4))).verdict == Verdict.CONFORMS
        judgement = judged(self.case, Value((None, 5, 7, 3)))
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "shape")
        assert judgement.message == "[3] is 3, but should be 4."

    def test_both_derivations_expect_it(self) -> None:
        arrays = Operands(None, {})
        for derive in (expect, expect_by_definition):
            expectation = derive(self.case, arrays)
            assert (expectation.kind, expectation.value) == (Kind.SHAPE, (None, 5, 7, 4))

    @pytest.mark.parametrize(
        ("expected", "actual"),
        [
            ((1, 2.0, "a", None), [1.0, 2, "a", None]),
            ({"a": (1,), "b": float("nan")}, {"b": float("nan"), "a": [1]}),
            ([[1.5, 2.5]], np.array([[1.5, 2.5]])),
            (True, np.True_),
        ],
    )
    def test_equal_literals(self, expected: Any, actual: Any) -> None:
        assert difference(expected, actual) is None

    @pytest.mark.parametrize(
        ("expected", "actual", "words"),
        [
            (1, True, "the answer is True, but should be 1"),
            ("1", 1, "the answer is 1, but should be '1'"),
            (None, 0, "the answer is 0, but should be None"),
            ({"a": [1, 2]}, {"a": [1, 3]}, "['a'][1] is 3, but should be 2"),
            ({"a": 1}, {}, "the answer lacks 'a'"),
            ({}, {"a": 1}, "the answer has 'a', which should not be there"),
            ([1, 2], [1], "the answer has 1 elements, [1], but should have 2, [1, 2]"),
        ],
    )
    def test_different_literals(self, expected: Any, actual: Any, words: str) -> None:
        assert difference(expected, actual) == words

    def test_a_literal_is_judged(self) -> None:
        expectation = Expectation(Kind.LITERAL, {"strides": (1, 1)})
        case = CONVOLUTION.replace(observe="output")
        assert judged(case, Value({"strides": [1, 1]}), expectation).verdict == Verdict.CONFORMS
        judgement = judged(case, Value({"strides": [2, 1]}), expectation)
        assert (judgement.verdict, judgement.stage) == (Verdict.DEVIATES, "literal")


def test_an_expectation_keeps_its_gauge() -> None:
    """The bound of a case is computed once, however many implementations are judged."""
    arrays = operands(REALS)
    expectation = expect(REALS, arrays)
    assert expectation.gauge(REALS, arrays) is expectation.gauge(REALS, arrays)
    assert expect(POOLING, operands(POOLING)).gauge(POOLING, operands(POOLING)) is None


def test_expectations_cannot_be_changed() -> None:
    expectation = expect(POOLING, operands(POOLING))
    with pytest.raises(AttributeError):
        expectation.value = None  # type: ignore[misc]
    assert replace(expectation, demands_equality=True).demands_equality

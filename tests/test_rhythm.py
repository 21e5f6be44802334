"""What happens every so many calls is told by how often a case fails."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from conformance.cases.case import Case, parse
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.rhythm import after_refusal, rhythm
from conformance.judge.verdict import Verdict
from conformance.results import Result

CASE = parse("MaxPooling1D/inputs:1x7x3/pool_size:2")


def failing_when(holds: Callable[[int], bool]) -> Ask:
    """What fails at its n-th call, counted from 1, where `holds(n)`."""
    calls = count(1)

    def ask(case: Case) -> Result:
        verdict = Verdict.DEVIATES if holds(next(calls)) else Verdict.CONFORMS
        return Result(case, (), "one", verdict, None, "", "")

    return ask


@pytest.mark.parametrize(
    ("step", "told"), [(2, "2nd"), (3, "3rd"), (11, "11th"), (21, "21st"), (128, "128th")]
)
def test_the_step_is_told(step: int, told: str) -> None:
    words = rhythm(CASE, failing_when(lambda n: n % step == 0))
    assert words.endswith(f"the smallest case fails every {told} time")


def test_a_step_between_two_numbers_is_told_about() -> None:
    """Every ninth call where it is judged by two calls: the 5th time, the 9th, the 14th."""
    words = rhythm(CASE, failing_when(lambda n: any(call % 9 == 0 for call in (2 * n - 1, 2 * n))))
    assert words.endswith("the smallest case fails about every 4th time")


@pytest.mark.parametrize(
    "holds",
    [
        lambda n: True,
        lambda n: False,
        lambda n: n == 1,
        lambda n: n > 5,
        lambda n: n in (3, 50, 60),
        lambda n: n >= 100 and n % 10 == 0,
        lambda n: n % 10 in (0, 7),
    ],
)
def test_what_is_not_even_is_not_told(holds: Callable[[int], bool]) -> None:
    assert rhythm(CASE, failing_when(holds)) == ""


REFUSED = parse("MaxPooling1D/observe:rejection/inputs:1x7/pool_size:2")


def failing_after_refusals(keeps: int) -> Ask:
    """What fails the first times after a refusal, so many."""
    left = [0]

    def ask(case: Case) -> Result:
        fails = case != REFUSED and left[0] > 0
        left[0] = keeps if case == REFUSED else max(left[0] - 1, 0)
        verdict = Verdict.DEVIATES if fails else Verdict.CONFORMS
        return Result(case, (), "one", verdict, None, "", "")

    return ask


def test_what_fails_after_a_refusal_is_told() -> None:
    words = after_refusal(CASE, [CASE, REFUSED], failing_after_refusals(1))
    assert words == (
        f"the smallest case fails right after {REFUSED}, which must be refused, and conforms the "
        "next time"
    )


@pytest.mark.parametrize("keeps", [0, 2])
def test_what_does_not_follow_from_a_refusal_is_not_told(keeps: int) -> None:
    """It never fails, or fails again when it is asked again."""
    assert after_refusal(CASE, [CASE, REFUSED], failing_after_refusals(keeps)) == ""


def test_without_a_refusal_of_the_layer_nothing_is_told() -> None:
    assert after_refusal(CASE, [CASE], failing_after_refusals(1)) == ""

"""Under which conditions a case fails is found by asking for others, and told in few words.

Each implementation here is right but where a condition holds; the words must be that condition.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from conformance.cases.case import Case, parse
from conformance.cases.facts import Facts, facts
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.conditions import conditions
from conformance.judge.verdict import Verdict
from conformance.outcomes import Value
from conformance.results import Evidence, Result

CONV = "Conv2D/inputs:2x7x9x8/filters:6/kernel_size:3x2/padding:same/strides:2x3"
POOL = "MaxPooling1D/inputs:1x7x33/pool_size:2"


def failing_where(holds: Callable[[Facts], bool]) -> Ask:
    def ask(case: Case) -> Result:
        fails = holds(facts(case))
        verdict = Verdict.DEVIATES if fails else Verdict.CONFORMS
        evidence = Evidence("one", case, Value(np.zeros(1)), "exact") if fails else None
        return Result(case, (), "one", verdict, None, "", "", evidence=evidence)

    return ask


CONDITIONS: dict[str, tuple[str, Callable[[Facts], bool]]] = {
    "": (CONV, lambda f: True),
    "padding 'same'": (CONV, lambda f: f.padding == "same"),
    "activation 'mish'": (CONV + "/activation:mish", lambda f: f.activation == "mish"),
    "use_bias=False": (CONV + "/use_bias:False", lambda f: not f.config["use_bias"]),
    "dtype float16": (CONV + "/dtype:float16", lambda f: f.case.dtype == "float16"),
    "dtype float16 or float64": (
        CONV + "/dtype:float16",
        lambda f: f.case.dtype in ("float16", "float64"),
    ),
    "integer dtypes": (POOL + "/dtype:int16", lambda f: "int" in f.case.dtype),
    "dtype bfloat16": (
        "MaxPooling1D/observe:gradients/inputs:1x7x3/dtype:bfloat16/pool_size:2",
        lambda f: f.case.dtype == "bfloat16",
    ),
    "operands of the kind 'tails'": (
        CONV + "/operands:tails",
        lambda f: f.case.operands == "tails",
    ),
    "channels > 32": (POOL, lambda f: (f.channels or 0) > 32),
    "channels no multiple of 4": (POOL, lambda f: (f.channels or 0) % 4 != 0),
    "odd input rows": (CONV, lambda f: (f.spatial[0] or 0) % 2 == 1),
    "input rows < 8": (CONV, lambda f: (f.spatial[0] or 0) < 8),
    "strides along rows = 2 and odd input columns": (
        CONV,
        lambda f: f.strides[0] == 2 and (f.spatial[1] or 0) % 2 == 1,
    ),
    "strides along columns > 1": (CONV, lambda f: f.strides[1] > 1),
    "kernel_size along rows from 3 to 4": (CONV, lambda f: 3 <= f.window[0] <= 4),
    "filters even": (CONV, lambda f: f.config["filters"] % 2 == 0),
    "as many input columns as channels": (
        CONV.replace("7x9x8", "7x8x8"),
        lambda f: f.spatial[1] == f.channels,
    ),
    "input columns > input rows": (
        CONV,
        lambda f: (f.spatial[1] or 0) > (f.spatial[0] or 0),
    ),
    "kernel_size = strides": (
        "Conv1D/inputs:2x15x3/filters:4/kernel_size:3/strides:3",
        lambda f: f.window[0] == f.strides[0],
    ),
    "strides >= kernel_size": (
        "Conv1D/inputs:2x35x3/filters:4/kernel_size:3/strides:5",
        lambda f: f.strides[0] >= f.window[0],
    ),
    "a bias": (CONV, lambda f: f.config["use_bias"]),
    "samples > 1": (CONV, lambda f: (f.batch or 0) > 1),
    "channels > 255": (
        "MaxPooling1D/inputs:1x7x301/pool_size:2",
        lambda f: (f.channels or 0) > 255,
    ),
    "channels > 8 and no multiple of 8": (
        "MaxPooling1D/inputs:1x7x11/pool_size:2",
        lambda f: (f.channels or 0) > 8 and (f.channels or 0) % 8 != 0,
    ),
}


@pytest.mark.parametrize("words", CONDITIONS)
def test_the_condition_is_told(words: str) -> None:
    case, holds = CONDITIONS[words]
    told = words.replace("filters even", "even filters")
    assert conditions(parse(case), failing_where(holds)) == told


def test_what_conforms_when_it_is_asked_again_has_no_condition() -> None:
    assert conditions(parse(CONV), failing_where(lambda f: False)) == ""


def test_what_fails_for_another_reason_does_not_count() -> None:
    """A case that fails in another stage is not failing as the first one does."""

    def ask(case: Case) -> Result:
        stage = "exact" if facts(case).padding == "same" else "shape"
        evidence = Evidence("one", case, Value(np.zeros(1)), stage)
        given = (case, (), "one", Verdict.DEVIATES, None, "", "")
        return Result(*given, stage=stage, evidence=evidence)

    assert conditions(parse(CONV), ask) == "padding 'same'"


def test_forbidden_cases_are_not_asked() -> None:
    """No window that does not fit, no strides beside dilation, no groups that do not divide."""
    asked = []

    def ask(case: Case) -> Result:
        asked.append(case)
        return failing_where(lambda f: True)(case)

    conditions(parse("Conv1D/inputs:1x4x6/filters:4/kernel_size:3/dilation_rate:1/groups:2"), ask)
    assert {facts(case).config["groups"] for case in asked} == {1, 2}
    assert all((case.inputs or (0, 0))[1] >= facts(case).window[0] for case in asked)


LONGER = "Conv2D/inputs:1x9x9x2/dtype:float64/filters:3/kernel_size:5x5"


def test_what_other_failing_cases_do_without_is_not_needed() -> None:
    """The smallest case fails with a window of two rows alone, one of larger inputs with five."""
    small = CONV.replace("7x9x8", "4x9x8").replace("/padding:same", "").replace("2x3", "1x1")

    def holds(f: Facts) -> bool:
        return f.window[0] == 3 if (f.spatial[0] or 0) < 9 else f.window[0] > 2

    ask, cases = failing_where(holds), [parse(small), parse(LONGER)]
    assert conditions(cases[0], ask) == "kernel_size along rows = 3"
    assert conditions(cases[0], ask, cases) == "kernel_size along rows > 2"


def test_a_number_that_matters_to_one_failing_case_alone_is_not_told() -> None:
    """Of few rows a window of three alone fails, of nine any; both cases have three."""
    small = CONV.replace("7x9x8", "4x9x8").replace("/padding:same", "").replace("2x3", "1x1")

    def holds(f: Facts) -> bool:
        return f.window[0] == 3 if (f.spatial[0] or 0) < 9 else True

    cases = [parse(small), parse(small.replace("4x9x8", "19x9x8"))]
    assert conditions(cases[0], failing_where(holds)) == "kernel_size along rows = 3"
    assert conditions(cases[0], failing_where(holds), cases) == ""


def test_settings_that_other_failing_cases_do_not_have_are_not_needed() -> None:
    """The one fails with 'same' alone, the other without."""

    def holds(f: Facts) -> bool:
        return f.padding == "same" if f.case.dtype == "float32" else True

    cases = [parse(CONV), parse(LONGER)]
    assert conditions(cases[0], failing_where(holds)) == "padding 'same'"
    assert conditions(cases[0], failing_where(holds), cases) == ""

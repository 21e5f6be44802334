"""When a case fails that is judged over and over in one process."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.hypotheses import prohibition
from conformance.diagnosis.questions.answers import Ask
from conformance.results import FAILING

_TIMES: Final = 260
"""How often it is judged: what happens every 128th time happens twice."""

_UNEVEN: Final = 3
"""By how much steps may differ: a judgement calls twice, and other cases in between."""

_TURNS: Final = 4
"""How often it has to be so."""

_MOST_REFUSALS: Final = 12
"""After how many that are refused for different reasons it is tried."""


def rhythm(case: Case, ask: Ask) -> str:
    """Every how manieth time the case fails, in words; empty where it does not fail evenly."""
    failing = [time for time in range(_TIMES) if ask(case).verdict in FAILING]
    steps = [later - sooner for sooner, later in pairwise(failing)]
    least, most = min(steps, default=0), max(steps, default=0)
    if least < 2 or most > least + max(_UNEVEN, least // 2) or failing[0] >= most:
        return ""
    about = "" if most == least else "about "
    every = _ordinal(round(sum(steps) / len(steps)))
    return (
        "judged over and over, by two calls or three each time, the smallest case fails "
        f"{about}every {every} time"
    )


def after_refusal(case: Case, passed: Sequence[Case], ask: Ask) -> str:
    """Whether the case fails right after one that must be refused, and else not, in words."""
    refused: dict[str, Case] = {}
    for one in passed:
        if one.observe == "rejection" and one.layer == case.layer:
            refused.setdefault(prohibition(one), one)
    for one in list(refused.values())[:_MOST_REFUSALS]:
        if all(_fails_after(one, case, ask) for _ in range(_TURNS)):
            return (
                f"the smallest case fails right after {one}, which must be refused, and conforms "
                "the next time"
            )
    return ""


def _fails_after(refused: Case, case: Case, ask: Ask) -> bool:
    ask(refused)
    return ask(case).verdict in FAILING and ask(case).verdict not in FAILING


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"

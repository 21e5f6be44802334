"""How often a case fails that is judged over and over in one process."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from conformance.cases.case import Case
from conformance.diagnosis.marks import Ask
from conformance.results import FAILING

_TIMES: Final = 260
"""How often it is judged: what happens every 128th time happens twice."""

_UNEVEN: Final = 3
"""By how much steps may differ: a judgement calls twice, and other cases in between."""


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


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"

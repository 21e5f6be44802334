"""By which fault an output has as many elements along its axes as it has, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from conformance.cases.facts import Facts, facts
from conformance.diagnosis.evaluation import CORRECT, Steps, places, settings_of
from conformance.diagnosis.faults import FAULTS, changes
from conformance.diagnosis.hypotheses import Failure
from conformance.diagnosis.systematic import SYSTEMATIC
from conformance.outcomes import Value

_OF_GEOMETRY = ("settings", "geometry", "together")


def counted(failure: Failure) -> Iterator[str]:
    """The faults, in words, with which there are as many outputs along each axis."""
    known, outcome = facts(failure.case), failure.outcome
    given: Any = outcome.value if isinstance(outcome, Value) else None
    if not isinstance(given, np.ndarray) or given.ndim != known.rank + 2:
        return
    wanted = given.shape[2:] if known.channels_first else given.shape[1:-1]
    if wanted == _numbers(failure, CORRECT):
        yield from _rounded(given.shape[1 if known.channels_first else -1], known)
        return
    for fault in (*FAULTS.values(), *SYSTEMATIC.values()):
        made = changes(fault.steps)
        is_of_geometry = any(name in made for name in _OF_GEOMETRY) and not fault.only
        if is_of_geometry and wanted == _numbers(failure, fault.steps):
            yield fault.sentence


def _rounded(given: int, known: Facts) -> Iterator[str]:
    """To a multiple of what the filters, or the channels of a pooling, may have been rounded."""
    right, what = known.channels or 0, "channels"
    if known.is_convolution:
        right, what = known.config["filters"], "filters"
    for block in _BLOCKS:
        if given == -(-right // block) * block != right:
            yield f"the {what} are rounded up to a multiple of {block}"
        if given == right // block * block != right:
            yield f"the {what} are rounded down to a multiple of {block}"


_BLOCKS: Final = (2, 4, 8, 16, 32)


def _numbers(failure: Failure, steps: Steps) -> tuple[int, ...] | None:
    """The numbers of outputs; None where these steps leave none."""
    lengths = tuple(n or 0 for n in facts(failure.case).spatial)
    try:
        found = places(lengths, settings_of(failure.case, steps), steps)
    except (ValueError, IndexError):
        return None
    return tuple(len(index) for index in found)

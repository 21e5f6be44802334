"""Whether what is said of failures that no fault explains holds of another failure.

What was read off the failures of a run may hold of them by chance.  A claim says of any other
failure of the same implementation whether the same words would be said of it, so that the
implementation can be asked (`conformance.diagnosis.questions.refuting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from conformance.diagnosis.absorbing import words_of_terms
from conformance.diagnosis.groups import Claim
from conformance.diagnosis.hypotheses import Failure, Hypotheses
from conformance.diagnosis.reached import words_of_reached
from conformance.diagnosis.reasons import failure_reason
from conformance.diagnosis.wording import (
    nearness,
    quantised,
    relation,
    wrong_and_right_gradients,
)

_BY_REASON: Final = frozenset(
    {
        *("padding", "window", "bias", "layout", "channels", "samples", "choice", "selection"),
        *("nan", "infinity"),
    }
)
"""Stages that are told of each failure by itself."""

_BY_WORDS: Final[Mapping[str, Callable[[Failure], str]]] = MappingProxyType(
    {"relation": relation, "quantised": quantised, "precision": nearness}
)
"""What says, of one failure, what is said of those of a stage."""


def claim_of(stage: str, what: str, named: str | None, hypotheses: Hypotheses) -> Claim | None:
    """The claim of what is said of failures; None where nothing can be held against it.

    Args:
        stage: the stage of which they are.
        what: what is said besides.
        named: the precision that the judge named.
        hypotheses: predictions, to be used again.
    """
    if named:
        return lambda failure: failure.named == named
    if stage in _BY_REASON:
        return lambda failure: failure_reason(failure) == stage
    if stage in _BY_WORDS:
        return lambda failure: _BY_WORDS[stage](failure) == what
    more: dict[str, Claim] = {
        "terms": lambda failure: what in words_of_terms(failure),
        "reached": lambda failure: what in words_of_reached(failure, hypotheses),
        "slope": lambda failure: not wrong_and_right_gradients(failure)[1],
    }
    return more.get(stage)

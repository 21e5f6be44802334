"""What calls of two threads share, found by leaving parts of a layer out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.diagnosis.questions.answers import Ask
from conformance.diagnosis.questions.numbers import is_valid
from conformance.layers.registry import LAYERS
from conformance.results import FAILING

_TIMES: Final = 12
"""How often a case is judged: threads disturb each other by chance."""

_OFTEN: Final = 4
"""How often it fails at least where it is told by what it fails no more."""


def shared(cases: Sequence[Case], ask: Ask) -> str:
    """Without which part of a layer its calls do not disturb each other, in words; else empty."""
    for case in cases[:_MOST_CASES]:
        if _failures(case, ask) < _OFTEN:
            continue
        for words, changes in _parts(case):
            without = case.replace(**changes)
            if is_valid(without) and not _failures(without, ask):
                return f"without {words} it conforms, as where that is what they share"
        return ""
    return ""


_MOST_CASES: Final = 3


def _failures(case: Case, ask: Ask) -> int:
    return sum(
        ask(case.replace(seed=seed)).verdict in FAILING
        for seed in range(case.seed, case.seed + _TIMES)
    )


def _parts(case: Case) -> Iterator[tuple[str, dict[str, Any]]]:
    """What can be left out of a layer."""
    config, layer = facts(case).config, LAYERS[case.layer]
    if config.get("use_bias"):
        yield "a bias", {"use_bias": False}
    if config.get("activation") not in (None, "linear"):
        yield "an activation", {"activation": None}
    if config.get("padding", "valid") != "valid":
        yield "padding", {"padding": "valid"}
    if layer.rank and config.get("data_format") == "channels_first":
        yield "the layout 'channels_first'", {"data_format": "channels_last"}

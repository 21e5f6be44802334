"""The verdicts, and the judgement that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The judgement of one outcome, in one word."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    UNSUPPORTED = "unsupported"
    KNOWN_DEVIATION = "known_deviation"
    UNEXPECTED_CONFORMANCE = "unexpected_conformance"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True)
class Judgement:
    """A verdict with its grounds.

    Attributes:
        verdict: the verdict.
        message: why, in a sentence that can be read without the code; empty for `conforms`.
        ratio: the largest error in units of the bound; None where nothing was measured, and 0.0
            where the bound is zero and the outcome equal.
        stage: the stage that decided: ``shape``, ``dtype``, ``inputs``, ``state``, ``repeat``,
            ``exact``, ``bound``, ``statistics``, ``locality``, ``rejection``, ``literal``,
            ``process``.
        diagnosis: the known fault that explains a deviation, or the known deviation's id.
    """

    verdict: Verdict
    message: str = ""
    ratio: float | None = None
    stage: str = ""
    diagnosis: str | None = None

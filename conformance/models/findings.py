"""What is said of a candidate: of each layer, and of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What is said of a layer; ``known`` where it errs as is recorded of what runs it."""

    RIGHT = "right"
    ROUNDING = "rounding"
    KNOWN = "known"
    WRONG = "wrong"
    NOT_JUDGED = "not judged"


RANK: Final = tuple(Verdict[name] for name in ("NOT_JUDGED", "RIGHT", "ROUNDING", "KNOWN", "WRONG"))
"""The verdicts, the gravest last."""


@dataclass(frozen=True)
class Finding:
    """The judgement of one layer.

    Attributes:
        layer: its name.
        kind: its class.
        verdict: what is said of it.
        ratio: its worst error in units of the bound; None where it is not judged.
        message: what is wrong, or how it was judged.
        fault: the mistake that gives exactly what the candidate has, in words; empty if unknown.
        tensor: the candidate's tensor, and how it was found.
        maker: what makes it in the candidate.
        record: the id of the known deviation of what runs it that explains the error, or empty.
        among: the layers any of which may be the wrong one, where the candidate shows the last
            one's output alone and no known mistake gives it; else empty.
    """

    layer: str
    kind: str
    verdict: Verdict
    ratio: float | None = None
    message: str = ""
    fault: str = ""
    tensor: str = ""
    maker: str = ""
    record: str = ""
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    """The final outputs against the source's exact ones.

    Attributes:
        output: which one.
        distance: the largest error.
        ratio: in units of what rounding alone can explain; None where that is not known.
        message: what is wrong with its form, or empty.
        unknown: why it is not known what rounding alone can explain; empty where it is.
    """

    output: str
    distance: float
    ratio: float | None
    message: str = ""
    unknown: str = ""

    @property
    def is_near(self) -> bool:
        """Whether rounding may explain it."""
        return not self.message and (self.ratio is None or self.ratio <= 1)


def merged(results: Sequence[Sequence[Finding]]) -> list[Finding]:
    """The gravest finding of each layer over several inputs, a named fault before an unnamed."""

    def grave(finding: Finding) -> tuple[int, bool, float, bool]:
        rank = RANK.index(finding.verdict)
        return rank, bool(finding.fault), finding.ratio or 0.0, bool(finding.tensor)

    return [max(found, key=grave) for found in zip(*results, strict=True)]

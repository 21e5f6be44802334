"""Recorded disagreements between implementations and the documentation.

One module per implementation holds its records; ``reproducers/`` holds stand-alone programs that
show the defects among them without this project's code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance.cases.case import Case
from conformance.judge.verdict import Judgement
from conformance.known_deviations import gradients, tf_keras, tf_modes, torch_nn
from conformance.known_deviations.record import KnownDeviation, judge_by_records
from conformance.outcomes import Outcome

STORED = "golden:"
"""Prefix of the names under which stored observations are judged."""

RECORDS: tuple[KnownDeviation, ...] = (
    *tf_keras.RECORDS,
    *tf_modes.RECORDS,
    *gradients.RECORDS,
    *torch_nn.RECORDS,
)


def apply(
    implementation: str,
    versions: Mapping[str, str],
    case: Case,
    outcome: Outcome,
    judgement: Judgement,
) -> Judgement:
    """The judgement in the light of the records (`record.judge_by_records`).

    Args:
        implementation: its name, variant included; stored observations count as the original.
        versions: its versions by distribution name.
        case: the case judged.
        outcome: what the implementation did.
        judgement: the verdict reached without the records.
    """
    name = implementation.removeprefix(STORED)
    return judge_by_records(RECORDS, name, versions, case, outcome, judgement)


def load(paths: Sequence[str] = ()) -> Callable[[Any, Case, Outcome, Judgement], Judgement]:
    """The records, as a function of subject, case, outcome and judgement.

    Args:
        paths: files with records of the user's own.

    Raises:
        ValueError: if there are any: only the package's own records are read.
    """
    if paths:
        raise ValueError(f"{paths[0]}: records in files are not read by this version")

    def records(subject: Any, case: Case, outcome: Outcome, judgement: Judgement) -> Judgement:
        return apply(subject.name, subject.versions, case, outcome, judgement)

    return records

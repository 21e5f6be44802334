"""The sentences that several forms of report share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Group
from conformance.report.text import counted, one_line
from conformance.report.words import LABELS

READINGS: Final = "Another reading of what is ambiguous, followed everywhere and so ok"
"""The title above the implementations that follow one."""

_CLAUSES: Final = 3


def verdict(account: Account, causes: Sequence[Group] | None = None) -> str:
    """What came of it: ``4 of 886 results are wrong, for 3 causes.``."""
    causes = account.causes() if causes is None else causes
    judged = sum(entry.verdict is not Verdict.UNSUPPORTED for entry in account)
    where = counted(judged, "result")
    if len(account.implementations) > 1:
        where += f" of {len(account.implementations)} implementations"
    if not judged:
        return "Nothing was judged."
    if not causes:
        return f"Nothing is wrong in {where}."
    values = [cause for cause in causes if not cause.is_refusal]
    total = sum(map(len, values))
    refused = sum(map(len, causes)) - total
    told = f"{total:,} of {where} {_are(total)} wrong, for {counted(len(values), 'cause')}"
    if not values:
        told = f"No value is wrong in {where}"
    return f"{told}; {refused:,} {_are(refused)} refused throughout." if refused else f"{told}."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def in_words(counts: Mapping[Verdict, int], refused: int = 0) -> str:
    """``550 ok, 4 known``: verdicts counted, those that do not occur left out.

    Args:
        counts: the verdicts.
        refused: how many of those that deviate are refused throughout.
    """
    left = {**counts, Verdict.DEVIATES: counts.get(Verdict.DEVIATES, 0) - refused}
    shown = [f"{left[v]:,} {label}" for v, label in LABELS.items() if left.get(v)]
    return ", ".join([*shown, f"{refused:,} refused"] if refused else shown)


def clauses_in_words(ids: Sequence[str]) -> str:
    """``2 clauses: a, b`` or ``12 clauses, among them a, b, c``."""
    if not ids:
        return "no clause"
    shown = ", ".join(one_line(clause) for clause in ids[:_CLAUSES])
    if len(ids) <= _CLAUSES:
        return f"{counted(len(ids), 'clause')}: {shown}"
    return f"{counted(len(ids), 'clause')}, among them {shown}"


def cases_in_words(account: Account, cause: Group) -> str:
    """``7 cases of 2 clauses: a, b``."""
    return f"{counted(len(cause), 'case')} of {clauses_in_words(account.specific_clauses(cause))}"


def more_causes(causes: Sequence[Group]) -> str:
    """``and 2 more causes with 7 cases``."""
    cases = counted(sum(map(len, causes)), "case")
    return f"and {counted(len(causes), 'more cause')} with {cases}"

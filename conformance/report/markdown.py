"""The summary as GitHub's and GitLab's Markdown: at most 40 lines, for a job or a pull request.

What comes from implementations stands in code spans, where neither markup nor mentions count.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Group
from conformance.report.sentences import READINGS, clauses_in_words, more_causes, verdict
from conformance.report.text import capitalized, counted, one_line, shortened
from conformance.report.words import LABELS, instead_of

_NOTES: Final = 2
_IMPLEMENTATIONS: Final = 5
_CAUSES: Final = 3
_KNOWN: Final = 3
_SHOWN: Final = 160
_NAME: Final = 60


def render(account: Account) -> bytes:
    """The summary."""
    parts = [part(account) for part in (_head, _table, _wrong, _readings, _known)]
    lines = [line for part in parts if part for line in (*part, "")][:-1]
    return ("\n".join(lines) + "\n").encode()


def code(text: str, limit: int = _SHOWN) -> str:
    """Text as a code span, whatever it holds."""
    text = one_line(text, limit) or " "
    ticks = max((len(run) for run in re.findall("`+", text)), default=0) + 1
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{'`' * ticks}{room}{text}{room}{'`' * ticks}"


def _cell(text: str) -> str:
    """Text as a code span in a table, where a bar would end the cell."""
    return code(text, _NAME).replace("|", "\\|")


def _head(account: Account) -> list[str]:
    mark = "✅" if account.is_accepted and not account.notes else "❌"
    lines = [f"### {mark} Keras layer conformance", "", verdict(account)]
    return lines + [f"> {code(note)}" for note in account.remarks[:_NOTES]]


def _table(account: Account) -> list[str]:
    names = account.implementations[:_IMPLEMENTATIONS]
    counts = {name: account.verdicts(name) for name in names}
    met: Counter[Verdict] = sum(counts.values(), Counter())
    columns = [v for v in LABELS if met[v]]
    head = ["implementation", "version", *(LABELS[v] for v in columns)]
    rows = [
        [_cell(n), _cell(account.versions.get(n, "")), *(f"{counts[n][v]:,}" for v in columns)]
        for n in names
    ]
    align = ["---", "---", *("---:" for _ in columns)]
    lines = [f"| {' | '.join(row)} |" for row in (head, align, *rows)]
    left = len(account.implementations) - len(names)
    return [*lines, "", f"and {counted(left, 'more implementation')}"] if left else lines


def _wrong(account: Account) -> list[str]:
    causes = account.causes()
    if not causes:
        return []
    shown = causes[:_CAUSES]
    lines = ["#### Wrong", ""]
    for number, cause in enumerate(shown, 1):
        lines += _told(number, account, cause)
    left = causes[len(shown) :]
    return [*lines, "", more_causes(left)] if left else lines


def _told(number: int, account: Account, cause: Group) -> list[str]:
    clauses = code(clauses_in_words(account.specific_clauses(cause)))
    where = f"{counted(len(cause), 'case')} of {code(cause.implementation, _NAME)}, {clauses}"
    return [
        f"{number}. {code(capitalized(cause.words), 200)}: {where}",
        f"   - {code(cause.smallest.message)}",
        f"   - {code(cause.smallest.command, 600)}",
    ]


def _readings(account: Account) -> list[str]:
    groups = account.readings()
    if not groups:
        return []
    first, more = groups[0], f"; and {len(groups) - 1} more" if len(groups) > 1 else ""
    who = f"{code(first.implementation, _NAME)} ({counted(len(first), 'case')})"
    return [f"{READINGS}: {who}: {code(first.words)}{more}"]


def _known(account: Account) -> list[str]:
    groups = sorted(account.known(), key=lambda group: -len(group))
    if not groups:
        return []
    total = counted(sum(map(len, groups)), "case")
    lines = [f"<details><summary>Known deviations, met again: {total}</summary>", ""]
    lines += [
        f"- {code(group.words, _NAME)} ({counted(len(group), 'case')}): "
        f"{code(shortened(instead_of(group.smallest.message), 100))}"
        for group in groups[:_KNOWN]
    ]
    left = len(groups) - _KNOWN
    lines += [f"- and {counted(left, 'more record')}"] if left > 0 else []
    return [*lines, "", "</details>"]

"""Annotations of GitHub Actions: workflow commands, one per cause of failures.

GitHub shows ten errors of a step; beyond that the last one says how many causes there are besides.
"""

from __future__ import annotations

from typing import Final

from conformance.report.account import Account, Group
from conformance.report.sentences import cases_in_words, more_causes
from conformance.report.text import capitalized, counted, one_line

MOST: Final = 10


def commands(account: Account) -> list[str]:
    """The commands, a line each; before the causes what is to be known of report and readings."""
    causes = account.causes()
    shown = causes if len(causes) <= MOST else causes[: MOST - 1]
    lines = [_command("warning", "conformance", one_line(note)) for note in account.remarks]
    lines += [_command("notice", "conformance", _reading(group)) for group in account.readings()]
    lines += [_error(account, cause) for cause in shown]
    if len(causes) > len(shown):
        rest = more_causes(causes[len(shown) :])
        lines.append(_command("error", "conformance", f"{capitalized(rest)}: see the report."))
    return lines


def _reading(group: Group) -> str:
    return f"{one_line(group.implementation, 80)}, {counted(len(group), 'case')}: {group.words}"


def _error(account: Account, cause: Group) -> str:
    smallest = cause.smallest
    text = "\n".join(
        [
            f"{capitalized(cause.words)}.",
            cases_in_words(account, cause),
            one_line(smallest.message),
            one_line(smallest.command, 1000),
        ]
    )
    title = f"{one_line(cause.implementation, 80)}: {counted(len(cause), 'case')} wrong"
    return _command("error", title, text)


def _command(kind: str, title: str, text: str) -> str:
    title = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={title}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

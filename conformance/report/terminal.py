"""The summary on a terminal: totals, what is wrong by cause, what is known, what was not judged.

Lines fit the terminal, or 100 columns.  A command that is longer is continued on further lines by
a backslash, so that it can still be copied as it stands.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Group
from conformance.report.sentences import (
    READINGS,
    cases_in_words,
    in_words,
    more_causes,
    verdict,
)
from conformance.report.text import (
    capitalized,
    counted,
    one_line,
    printable,
    shortened,
    wrapped,
)
from conformance.report.words import instead_of, machine_in_words

WIDTH: Final = 100
_CAUSES: Final = 5
_REASONS: Final = 4
_RAGGED: Final = 30
_COMMAND: Final = 2000
_COLOURS: Final = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}
_SAFE_CUT: Final = re.compile(r"[\w@%+=:,./-]")


@dataclass(frozen=True)
class Style:
    """How a summary looks.

    Attributes:
        width: columns of a line.
        colour: whether ANSI colours are used.
        verbose: whether every clause, cause and case is shown.
    """

    width: int = WIDTH
    colour: bool = False
    verbose: bool = False

    @classmethod
    def of(cls, stream: TextIO, *, verbose: bool = False) -> Style:
        """The style for a stream; NO_COLOR and FORCE_COLOR decide, else if it is a terminal."""
        terminal = stream.isatty()
        width = min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH) if terminal else WIDTH
        return cls(max(width, 40), _wants_colour(terminal=terminal), verbose)

    def paint(self, text: str, name: str) -> str:
        """`text` in a colour."""
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self.colour and text else text


def _wants_colour(*, terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return os.environ["FORCE_COLOR"] != "0"
    return terminal and os.environ.get("TERM") != "dumb"


def summary(account: Account, style: Style | None = None) -> str:
    """The whole summary as text; it ends without a newline."""
    style = style or Style()
    sections = [totals(account, style)]
    if style.verbose:
        sections.append(clause_table(account, style))
    sections += [part(account, style) for part in (wrong, refused, readings, known, not_judged)]
    return "\n\n".join("\n".join(section) for section in sections if section)


def totals(account: Account, style: Style) -> list[str]:
    """What came of it in a sentence, then a line per implementation, then what is missing."""
    causes = account.causes()
    colour = "red" if causes else "green"
    lines = [style.paint(line, colour) for line in wrapped(verdict(account, causes), style.width)]
    rows = [
        [one_line(name), one_line(account.versions.get(name, "")), _counts(account, name)]
        for name in account.implementations
    ]
    lines += _table(rows, style)
    lines += _machines(account, style)
    lines += _clause_counts(account, style)
    for note in account.remarks:
        lines += [style.paint(line, "yellow") for line in wrapped(printable(note), style.width)]
    return lines


def _counts(account: Account, name: str) -> str:
    return in_words(account.verdicts(name), account.refused(name))


def _table(rows: Sequence[Sequence[str]], style: Style) -> list[str]:
    """Rows in columns where they fit, else each folded."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * len(widths) > style.width:
        folded = (
            wrapped("  ".join(filter(None, row)), style.width, "  ", "      ") for row in rows
        )
        return [line for lines in folded for line in lines]
    padded = (zip(row, widths, strict=True) for row in rows)
    return ["  " + "  ".join(c.ljust(w) for c, w in row).rstrip() for row in padded]


def _machines(account: Account, style: Style) -> Iterator[str]:
    """What the implementations' processes ran on, those together that ran on the same."""
    names: dict[str, list[str]] = {}
    for name in account.implementations:
        words = machine_in_words(account.machines.get(name, {}))
        if words:
            names.setdefault(words, []).append(one_line(name, 60))
    for words, those in names.items():
        yield from wrapped(f"{', '.join(those)} ran on {words}", style.width, "  ", "      ")


def _clause_counts(account: Account, style: Style) -> list[str]:
    """How many clauses are all right, and how many are not."""
    fine = bad = 0
    for counts in account.by_clause().values():
        verdicts = {v for c in counts.values() for v in c}
        right = verdicts <= {Verdict.CONFORMS, Verdict.UNSUPPORTED} and Verdict.CONFORMS in verdicts
        fine += right
        bad += bool(verdicts - {Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.KNOWN_DEVIATION})
    if not fine + bad:
        return []
    words = f"{counted(fine, 'clause')} without any deviation"
    if bad:
        words += f", {bad:,} in which something is wrong"
    if not style.verbose:
        words += " (--verbose lists them all)"
    return wrapped(words, style.width, "  ", "  ")


def clause_table(account: Account, style: Style) -> list[str]:
    """A line per clause, with the verdicts of each implementation."""
    single = len(account.implementations) == 1
    lines = [style.paint("Clauses", "bold")]
    for clause, counts in account.by_clause().items():
        cells = [
            in_words(c) if single else f"{one_line(n)}: {in_words(c)}" for n, c in counts.items()
        ]
        line = f"  {one_line(clause)}  {'; '.join(cells)}"
        lines += [line] if len(line) <= style.width else _unfolded(clause, cells, style)
    return lines


def _unfolded(clause: str, cells: Iterable[str], style: Style) -> list[str]:
    rows = [line for cell in cells for line in wrapped(cell, style.width, "    ", "      ")]
    return [f"  {one_line(clause)}", *rows]


def wrong(account: Account, style: Style) -> list[str]:
    """What is wrong, by implementation and cause."""
    causes = [cause for cause in account.causes() if not cause.is_refusal]
    lines: list[str] = []
    for name in dict.fromkeys(cause.implementation for cause in causes):
        own = [cause for cause in causes if cause.implementation == name]
        shown = own if style.verbose else own[:_CAUSES]
        head = f"Wrong in {one_line(name)}: {counted(sum(map(len, own)), 'case')}"
        lines += [style.paint(line, "bold") for line in wrapped(head, style.width)]
        for number, cause in enumerate(shown, 1):
            lines += _told(number, cause, account, style)
        lines += _rest(own[len(shown) :], style)
    return [*lines, *wrapped(_SHRINK, style.width, "  ", "  ")] if lines else lines


def refused(account: Account, style: Style) -> list[str]:
    """What implementations refuse throughout, with the declaration that says so once."""
    lines: list[str] = []
    for cause in account.causes():
        if cause.is_refusal:
            whose = f"Refused by {one_line(cause.implementation)}: {counted(len(cause), 'case')}"
            lines += [style.paint(line, "bold") for line in wrapped(whose, style.width)]
            lines += wrapped(f"{capitalized(cause.words)}", style.width, *_INDENT)
            lines += wrapped(one_line(cause.smallest.message, 200), style.width, *_INDENT)
            lines += _command(cause.smallest.command, style)
    return lines


def _told(number: int, cause: Group, account: Account, style: Style) -> Iterator[str]:
    """One cause: the words, how many cases of which clauses, the smallest with its command."""
    head, _, remainder = f"{number}. {capitalized(cause.words)}.".partition(" ")
    for line in wrapped(remainder, style.width, f"  {head} ", "     "):
        yield style.paint(line, "red")
    yield from wrapped(cases_in_words(account, cause), style.width, *_INDENT)
    if cause.smallest.message:
        message = one_line(cause.smallest.message, 2 * style.width)
        yield from wrapped(message, style.width, *_INDENT)
    yield from _command(cause.smallest.command, style)
    if style.verbose and len(cause) > 1:
        yield "     All of them:"
        yield from (f"       {one_line(entry.case, style.width - 7)}" for entry in cause.entries)


_SHRINK: Final = "(conformance shrink looks for a still smaller case, and makes a program of it)"
_INDENT: Final = ("     ", "     ")


def _rest(causes: Sequence[Group], style: Style) -> list[str]:
    if not causes:
        return []
    words = f"{more_causes(causes)}: --verbose, or --html FILE"
    return wrapped(words, style.width, "  ", "     ")


def _command(command: str, style: Style) -> Iterator[str]:
    """A command; where it does not fit, cut behind backslashes, which a shell joins again."""
    text = f"     {one_line(command, _COMMAND)}"
    while len(text) > style.width:
        end = text.rfind(" --", len(text) - len(text.lstrip()), style.width - 2)
        if end > 0:
            start, text = text[: end + 1] + "\\", " " * 9 + text[end + 1 :]
        else:
            start, text = _cut(text, style.width - 3)
        yield style.paint(start, "dim")
    yield style.paint(text, "dim")


def _cut(text: str, end: int) -> tuple[str, str]:
    """A long word cut in two: within quotes they are closed before the cut and opened after it."""
    end = text.rfind("/", end - _RAGGED, end) + 1 or end
    while end > _RAGGED and (_open_quote(text[:end]) == '"' or not _SAFE_CUT.match(text[end])):
        end -= 1
    if _open_quote(text[:end]):
        return text[:end] + "'\\", "'" + text[end:]
    return text[:end] + "\\", text[end:]


def _open_quote(text: str) -> str:
    """The quote that is open at the end of some shell words; empty where none is."""
    quote = ""
    for character in text:
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
    return quote


def readings(account: Account, style: Style) -> list[str]:
    """Which implementations follow another reading of an ambiguous clause, a paragraph each."""
    lines: list[str] = []
    for group in account.readings():
        whose = f"{one_line(group.implementation, 40)} ({counted(len(group), 'case')}): "
        lines += wrapped(f"{whose}{group.words}", style.width, "  ", "    ")
    return [style.paint(READINGS, "bold"), *lines] if lines else []


def known(account: Account, style: Style) -> list[str]:
    """The known deviations that were met again, a line each."""
    groups = sorted(account.known(), key=lambda group: (group.implementation, group.words))
    if not groups:
        return []
    lines = [style.paint("Known deviations, met again", "bold")]
    for group in groups:
        told = instead_of(group.smallest.message)
        name = one_line(group.words, 60)
        several = len(account.implementations) > 1
        whose = f"{one_line(group.implementation, 40)}: " if several else ""
        line = f"  {whose}{name} ({counted(len(group), 'case')})"
        told = "" if told == group.words else f": {told}"
        whole = line + told
        fits = shortened(whole, style.width)
        lines += wrapped(whole.strip(), style.width, "  ", "    ") if style.verbose else [fits]
    return lines


def not_judged(account: Account, style: Style) -> list[str]:
    """What was not judged, and why."""
    groups = account.unsupported()
    lines: list[str] = []
    for name in dict.fromkeys(group.implementation for group in groups):
        own = [group for group in groups if group.implementation == name]
        shown = own if style.verbose or len(own) <= _REASONS + 1 else own[:_REASONS]
        head = f"  {one_line(name, 50)} declares {counted(sum(map(len, own)), 'case')} unsupported"
        lines.append(shortened(head, style.width))
        lines += [shortened(f"    {len(group):>6,}  {group.words}", style.width) for group in shown]
        if len(own) > len(shown):
            left = own[len(shown) :]
            lines.append(f"    {sum(map(len, left)):>6,}  for {len(left)} other reasons")
    return [style.paint("Not judged", "bold"), *lines] if lines else []

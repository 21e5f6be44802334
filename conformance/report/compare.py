"""Two runs held against each other: what fails newly, what was mended, what is judged no more.

A regression is a case that fails now and was judged before without failing, or was declared
unsupported.  A case that was not in the old run at all is told apart, since nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Entry
from conformance.report.terminal import Style, wrong
from conformance.report.text import counted, one_line, shortened, wrapped

_LISTED: Final = 10


@dataclass(frozen=True)
class Change:
    """One case of one implementation, before and now; None where it was not judged."""

    before: Entry | None
    now: Entry | None


@dataclass(frozen=True)
class Comparison:
    """What changed between two runs.

    Attributes:
        regressions: failing now, and not before.
        mended: failing before, and neither failing nor unsupported now.
        newly_unsupported: judged before, declared unsupported now.
        still_failing: failing before and now.
        failing_unknown: failing now, and not in the old run.
        gone: in the old run, and not in the new one.
        remarks: what a reader has to know of the runs.
    """

    regressions: list[Change]
    mended: list[Change]
    newly_unsupported: list[Change]
    still_failing: list[Change]
    failing_unknown: list[Change]
    gone: list[Change]
    remarks: list[str]


def compare(old: Account, new: Account) -> Comparison:
    """Hold each implementation of the new run against the one of the same name in the old.

    Where both runs hold a single implementation, these are compared whatever their names.
    """
    found = Comparison([], [], [], [], [], [], [*old.remarks, *new.remarks])
    for before, now in _pairs(old, new, found.remarks):
        for entry in old.of(before):
            if new.find(now, entry.case) is None:
                found.gone.append(Change(entry, None))
        for entry in new.of(now):
            _sort(Change(old.find(before, entry.case), entry), found)
    return found


def _pairs(old: Account, new: Account, remarks: list[str]) -> list[tuple[str, str]]:
    if len(old.implementations) == len(new.implementations) == 1:
        return [(old.implementations[0], new.implementations[0])]
    shared = [name for name in new.implementations if name in old.implementations]
    for one, other, which in ((old, new, "old"), (new, old, "new")):
        alone = [one_line(n, 60) for n in one.implementations if n not in other.implementations]
        if alone:
            remarks.append(f"Only in the {which} run, and not compared: {', '.join(alone)}.")
    return [(name, name) for name in shared]


def _sort(change: Change, found: Comparison) -> None:
    before, now = change.before, change.now
    assert now is not None
    if before is None:
        if now.fails:
            found.failing_unknown.append(change)
    elif now.fails:
        (found.still_failing if before.fails else found.regressions).append(change)
    elif now.verdict is Verdict.UNSUPPORTED:
        if before.verdict is not Verdict.UNSUPPORTED:
            found.newly_unsupported.append(change)
    elif before.fails:
        found.mended.append(change)


def in_words(found: Comparison, style: Style) -> str:
    """What changed, regressions first and by cause."""
    sections = [
        _heading(found, style),
        _regressions(found.regressions, style),
        _listed("Failing, and not in the old run", found.failing_unknown, style),
        _listed("Newly unsupported", found.newly_unsupported, style),
        _listed("Mended", found.mended, style),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section)


def _heading(found: Comparison, style: Style) -> list[str]:
    counts = (
        (found.regressions, "newly failing"),
        (found.mended, "mended"),
        (found.newly_unsupported, "newly unsupported"),
        (found.still_failing, "still failing"),
        (found.failing_unknown, "failing that the old run did not judge"),
        (found.gone, "judged no more"),
    )
    told = ", ".join(f"{len(changes):,} {words}" for changes, words in counts if changes)
    colour = "red" if found.regressions else "green"
    lines = wrapped(f"{told or 'Nothing changed'}.", style.width)
    remarks = [line for remark in found.remarks for line in wrapped(one_line(remark), style.width)]
    return [style.paint(line, colour) for line in lines] + [
        style.paint(line, "yellow") for line in remarks
    ]


def _regressions(changes: Sequence[Change], style: Style) -> list[str]:
    if not changes:
        return []
    account = Account()
    for change in changes:
        assert change.now is not None
        account.take(change.now)
    return [style.paint("Newly failing", "bold"), *wrong(account, style)]


def _listed(title: str, changes: Sequence[Change], style: Style) -> list[str]:
    if not changes:
        return []
    shown = changes if style.verbose else changes[:_LISTED]
    lines = [style.paint(f"{title}: {counted(len(changes), 'case')}", "bold")]
    lines += [shortened(line, style.width) for line in _cases(shown)]
    left = len(changes) - len(shown)
    return [*lines, f"  and {left:,} more: --verbose"] if left else lines


def _cases(changes: Iterable[Change]) -> list[str]:
    entries = [change.now or change.before for change in changes]
    return [f"  {one_line(e.implementation, 40)}: {one_line(e.case)}" for e in entries if e]

"""What pytest says at the end of the cases that failed: by cause, as ``conformance run`` does."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.known import Records
from conformance.report.account import Account
from conformance.report.terminal import Style, readings, wrong
from conformance.report.text import printable, wrapped
from conformance.results import ACCEPTED, Result, stale
from conformance.running.evidence import bounded


def lines(results: Sequence[Result], records: Records, style: Style) -> list[str]:
    """The causes of what failed, other readings, and the user's records that met no case."""
    account = Account()
    account.stale = stale(records, results)
    if any(result.verdict not in ACCEPTED for result in results):
        from conformance.diagnosis.results import diagnosed_if_possible

        results, trouble = diagnosed_if_possible(list(bounded(results)))
        account.notes += [trouble] if trouble else []
    for result in results:
        account.add(result)
    remarks = (line for note in account.remarks for line in wrapped(printable(note), style.width))
    return [*wrong(account, style), *readings(account, style), *remarks]

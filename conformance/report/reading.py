"""The account of JSON-lines reports: whole ones, and what a run that was cut off left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conformance.report.account import Account
from conformance.report.jsonl import IncompleteReportError, read_report


class ReportError(ValueError):
    """A file that is no report; the message says why."""


def read_account(paths: Iterable[Path]) -> Account:
    """The account of all these reports, merged.

    What is missing is said in the account's notes.

    Raises:
        ReportError: for a file that cannot be read, or whose first line is no report's header.
    """
    account = Account()
    met: set[str] = set()
    for path in paths:
        try:
            report = read_report(path)
        except OSError as error:
            raise ReportError(f"{path}: {error.strerror or error}") from error
        except IncompleteReportError as error:
            raise ReportError(str(error)) from error
        account.open(report.header)
        unusable = sum(not _added(account, record) for record in report.records)
        if unusable:
            account.notes.append(f"{path}: {unusable} of its lines are no results.")
        if report.problem:
            account.notes.append(f"{report.problem}.")
        known = report.header.get("known")
        users = {str(k): str(v) for k, v in known.items()} if isinstance(known, Mapping) else {}
        met |= set(users) - report.stale
        account.stale |= users
    account.stale = {name: source for name, source in account.stale.items() if name not in met}
    return account


def _added(account: Account, record: dict[str, Any]) -> bool:
    try:
        account.add(record)
    except ValueError:
        return False
    return True

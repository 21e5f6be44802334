"""Reading JSON-lines reports as they are: whole ones, and what a run that was cut off left."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.report.account import Account


class ReportError(ValueError):
    """A file that is no report; the message says why."""


def read_account(paths: Iterable[Path]) -> Account:
    """The account of all these reports, merged.

    What is missing is said in the account's notes.

    Raises:
        ReportError: for a file that cannot be read, or whose first line is no report's header.
    """
    account = Account()
    for path in paths:
        try:
            with path.open(encoding="utf-8", errors="surrogateescape") as lines:
                _read(account, str(path), lines)
        except OSError as error:
            raise ReportError(f"{path}: {error.strerror or error}") from error
    return account


def _read(account: Account, name: str, lines: Iterable[str]) -> None:
    header, footer, results, unreadable = None, None, 0, 0
    for line in lines:
        record = _record(line)
        kind = record.get("kind")
        if header is None:
            if kind != "header":
                raise ReportError(f"{name}: the first line is no header; this is no report")
            header = record
            account.open(header)
        elif kind == "footer":
            footer = record
        elif kind == "result" and _added(account, record):
            results += 1
        else:
            unreadable += 1
    if header is None:
        raise ReportError(f"{name}: the file is empty; this is no report")
    _remark(account, name, footer, results, unreadable)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _added(account: Account, record: dict[str, Any]) -> bool:
    try:
        account.add(record)
    except ValueError:
        return False
    return True


def _remark(
    account: Account, name: str, footer: dict[str, Any] | None, results: int, unreadable: int
) -> None:
    if footer is None:
        account.notes.append(
            f"{name} is incomplete: its footer is missing, the run did not finish."
        )
    elif footer.get("results") != results:
        account.notes.append(
            f"{name} is incomplete: its footer counts {footer.get('results')} results, "
            f"{results} are there."
        )
    if unreadable:
        account.notes.append(f"{name}: {unreadable} of its lines could not be read.")

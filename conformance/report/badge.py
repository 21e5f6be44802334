"""The badge: the endpoint form of shields.io, schema version 1."""

from __future__ import annotations

import json

from conformance.judge.verdict import Verdict
from conformance.report.account import Account


def render(account: Account) -> bytes:
    """``{"schemaVersion": 1, "label": ..., "message": ..., "color": ...}``."""
    message, colour = _message(account)
    badge = {
        "schemaVersion": 1,
        "label": "keras conformance",
        "message": message,
        "color": colour,
    }
    return (json.dumps(badge) + "\n").encode()


def _message(account: Account) -> tuple[str, str]:
    judged = [entry for entry in account if entry.verdict is not Verdict.UNSUPPORTED]
    wrong = sum(not entry.is_accepted for entry in judged)
    if not judged:
        return "nothing judged", "lightgrey"
    if account.notes:
        return f"incomplete, {wrong} wrong" if wrong else "incomplete", "lightgrey"
    if wrong:
        return f"{wrong} of {len(judged)} wrong", "red"
    known = sum(entry.verdict is Verdict.KNOWN_DEVIATION for entry in judged)
    return (
        (f"{len(judged)} judged, {known} known", "green")
        if known
        else (
            f"{len(judged)} ok",
            "brightgreen",
        )
    )

"""``conformance list``: the clauses, the cases, the implementations, the defects found in them."""

from __future__ import annotations

import argparse
import difflib
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from conformance.command_line.errors import UsageError
from conformance.command_line.selection import select_cases, selected_clauses
from conformance.layers import LAYERS
from conformance.spec.clauses import MEANINGS, clauses, first_parts
from conformance.spec.coverage import clauses_of


def show(options: argparse.Namespace) -> int:
    """Print what is asked for, as text or as one JSON array."""
    entries, as_text = {
        "clauses": (_clauses, _clause_text),
        "cases": (_cases, _case_text),
        "implementations": (_implementations, _implementation_text),
        "defects": (_defects, _defect_text),
    }[options.what]
    if options.report is not None:
        return _report(options)
    if options.markdown:
        return _document(options)
    listed = entries(options)
    if options.json:
        print(json.dumps(listed, ensure_ascii=False, indent=1))
    else:
        print("\n".join(map(as_text, listed)))
        if options.what == "clauses":
            print(f"\n{_legend(listed)}")
    return 0


def _legend(listed: Sequence[dict[str, Any]]) -> str:
    """What the standings that occur mean, and what stands in the brackets at a clause's end."""
    met = {entry["standing"] for entry in listed}
    lines = [f"[{name}]: {words}" for name, words in MEANINGS.items() if name in met]
    lines.append(
        "(section, bullet): where the documentation says so; conformance explain CLAUSE-ID cites it"
    )
    return "\n".join(lines)


def _report(options: argparse.Namespace) -> int:
    """Print a defect as a report to be filed with its project.

    Raises:
        UsageError: if something else is listed, or there is no defect of this id.
    """
    if options.what != "defects" or options.json or options.markdown:
        raise UsageError("--report is for `list defects`, without --json and --markdown")
    from conformance.known import filing

    found = {one.record.identifier: one for one in _own_defects()}
    if options.report not in found:
        close = difflib.get_close_matches(options.report, found, n=3)
        hint = f"; did you mean {' or '.join(close)}" if close else ""
        raise UsageError(f"there is no defect {options.report!r}{hint}: conformance list defects")
    print(filing.report(found[options.report]), end="")
    return 0


def _document(options: argparse.Namespace) -> int:
    """Print the clauses or the defects as a document.

    Raises:
        UsageError: if something else is listed.
    """
    if options.what not in ("clauses", "defects") or options.json:
        raise UsageError("--markdown is for `list clauses` and `list defects`, without --json")
    if options.what == "defects":
        from conformance.known.defects import as_markdown as of_defects

        print(of_defects(_own_defects()), end="")
        return 0
    from conformance.explain.clause import as_markdown

    print(as_markdown(iter(_wanted(options))), end="")
    return 0


def _clauses(options: argparse.Namespace) -> list[dict[str, Any]]:
    counts = _case_counts(options)
    listed = [
        {**asdict(clauses()[identifier]), "cases": counts.get(identifier, 0)}
        for identifier in _wanted(options)
    ]
    return [{key: value for key, value in entry.items() if value is not None} for entry in listed]


def _wanted(options: argparse.Namespace) -> list[str]:
    """The ids of the clauses that are asked for: by name, and by the layers that they are about."""
    named = selected_clauses(options.clause) if options.clause else set(clauses())
    about = {first for layer in options.layer or () for first in first_parts(LAYERS[layer])}
    return [
        identifier
        for identifier in clauses()
        if identifier in named and (not about or identifier.partition(".")[0] in about)
    ]


def _case_counts(options: argparse.Namespace) -> dict[str, int]:
    counts: dict[str, int] = {}
    for case in select_cases(options):
        for identifier in clauses_of(case):
            counts[identifier] = counts.get(identifier, 0) + 1
    return counts


def _cases(options: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        {"case": case.descriptor, "layer": case.layer, "clauses": list(clauses_of(case))}
        for case in select_cases(options)
    ]


def _implementations(_: argparse.Namespace) -> list[dict[str, Any]]:
    from conformance.implementations import registry

    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "installed": registry.installed(entry),
            "versions": registry.versions(entry),
            "options": [option.form for option in registry.options(entry)],
        }
        for entry in registry.builtin()
    ]


def _defects(_: argparse.Namespace) -> list[dict[str, Any]]:
    return [
        {
            "id": defect.record.identifier,
            "implementation": list(defect.record.implementation),
            "versions": dict(defect.record.versions),
            "machine": dict(defect.record.machine),
            "harm": str(defect.harm),
            "clauses": list(defect.clauses),
            "instead": defect.record.instead,
            "reason": defect.record.reason,
            "report": defect.record.report,
            "reproducer": defect.record.reproducer,
            "records": [record.identifier for record in (defect.record, *defect.parts)],
        }
        for defect in _own_defects()
    ]


def _own_defects() -> list[Any]:
    """The defects that the package's records tell of, which nothing else that is listed needs."""
    from conformance import known
    from conformance.known.defects import defects

    return defects(known.own())


def _defect_text(entry: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {wanted}" for name, wanted in entry["versions"].items())
    head = f"{entry['id']}  [{entry['harm']}]  {versions}  {entry['report']}".rstrip()
    return f"{head}\n{_indented(entry['instead'])}"


def _clause_text(entry: dict[str, Any]) -> str:
    head = f"{entry['id']}  [{entry['standing']}]  {entry['cases']} cases  ({entry['source']})"
    notes = [entry["paraphrase"]]
    notes += [f"{name}: {entry[name]}" for name in _CLAUSE_NOTES if entry.get(name)]
    return "\n".join([head, *(_indented(note) for note in notes)])


_CLAUSE_NOTES: Sequence[str] = ("condition", "reading", "why", "since", "now", "selection")


def _indented(text: str) -> str:
    return textwrap.fill(text, 96, initial_indent="    ", subsequent_indent="      ")


def _case_text(entry: dict[str, Any]) -> str:
    return str(entry["case"])


def _implementation_text(entry: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
    state = versions or "installed" if entry["installed"] else "not installed"
    line = f"{entry['name']:<28} {state:<44} {entry['summary']}"
    options = f"    options: {', '.join(entry['options'])}"
    return "\n".join([line, *([options] if entry["options"] else [])])

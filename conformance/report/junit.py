"""The JUnit report: one test suite per implementation, one test case per case, with durations.

Conforming and recorded results pass (the latter, and those by another reading of an ambiguous
clause, with the words as system-out), what is unsupported is skipped, and everything else fails; a
crash or time-out is an error.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from conformance.judge.verdict import Verdict
from conformance.report.account import Account, Entry

_ERRORS = frozenset({Verdict.CRASHED, Verdict.TIMED_OUT})
_FORBIDDEN: Final = re.compile(
    "[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
)
"""What XML 1.0 forbids or discourages, and the carriage return, which readers change."""


def render(account: Account) -> bytes:
    """The report as XML in UTF-8."""
    suites = ElementTree.Element("testsuites", name="conformance")
    for implementation in account.implementations:
        _add_suite(suites, implementation, list(account.of(implementation)), account)
    ElementTree.indent(suites)
    return bytes(ElementTree.tostring(suites, "utf-8", xml_declaration=True))


def _add_suite(
    suites: ElementTree.Element, name: str, entries: list[Entry], account: Account
) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=_allowed(name))
    properties = ElementTree.SubElement(suite, "properties")
    version = _allowed(account.versions.get(name, ""))
    ElementTree.SubElement(properties, "property", name="version", value=version)
    kinds = [_add_case(suite, entry) for entry in entries]
    suite.set("tests", str(len(kinds)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(kinds.count(kind)))
    suite.set("time", f"{sum(entry.seconds or 0.0 for entry in entries):.6f}")


def _add_case(suite: ElementTree.Element, entry: Entry) -> str:
    """Add one test case; return the kind of its outcome element, or an empty string."""
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=_allowed(entry.case),
        classname=_allowed(entry.implementation),
        time=f"{entry.seconds or 0.0:.6f}",
    )
    kind = _kind(entry.verdict)
    text = f"{entry.message}\nclauses: {', '.join(entry.clauses)}\n{entry.command}"
    if kind:
        said = f"{entry.diagnosis}: {entry.message}" if entry.diagnosis else entry.message
        child = ElementTree.SubElement(case, kind, message=_allowed(said))
        child.text = _allowed(text)
    elif entry.message:
        is_known = entry.verdict is Verdict.KNOWN_DEVIATION
        said = f"known deviation {entry.diagnosis}\n{text}" if is_known else text
        ElementTree.SubElement(case, "system-out").text = _allowed(said)
    return kind


def _kind(verdict: Verdict) -> str:
    if verdict in (Verdict.CONFORMS, Verdict.KNOWN_DEVIATION):
        return ""
    if verdict is Verdict.UNSUPPORTED:
        return "skipped"
    return "error" if verdict in _ERRORS else "failure"


def _allowed(text: str) -> str:
    """`text` with every character that XML forbids as an escape."""
    return _FORBIDDEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

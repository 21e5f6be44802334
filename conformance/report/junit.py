"""The JUnit report: one test suite per implementation, one test case per case.

Conforming and recorded results pass (the latter with the record's text as system-out), what is
unsupported is skipped, and everything else fails; a crash or time-out is an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

from conformance.judge.verdict import Verdict
from conformance.report.files import write_atomically
from conformance.results import Result

_ERRORS = frozenset({Verdict.CRASHED, Verdict.TIMED_OUT})


def write_junit(path: Path, results: Iterable[Result]) -> None:
    """Write the report to `path`, atomically."""
    suites = ElementTree.Element("testsuites", name="conformance")
    ordered = sorted(results, key=lambda result: result.implementation)
    for implementation, group in groupby(ordered, key=lambda result: result.implementation):
        _add_suite(suites, implementation, list(group))
    ElementTree.indent(suites)
    write_atomically(path, ElementTree.tostring(suites, "utf-8", xml_declaration=True))


def _add_suite(suites: ElementTree.Element, name: str, results: list[Result]) -> None:
    suite = ElementTree.SubElement(suites, "testsuite", name=name)
    kinds = [_add_case(suite, result) for result in results]
    suite.set("tests", str(len(kinds)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(kinds.count(kind)))


def _add_case(suite: ElementTree.Element, result: Result) -> str:
    """Add one test case; return the kind of its outcome element, or an empty string."""
    case = ElementTree.SubElement(
        suite, "testcase", name=str(result.case), classname=result.implementation
    )
    kind = _kind(result.verdict)
    text = f"{result.message}\nclauses: {', '.join(result.clauses)}\n{result.reproduce}"
    if kind:
        child = ElementTree.SubElement(case, kind, message=_printable(result.message))
        child.text = _printable(text)
    elif result.verdict is Verdict.KNOWN_DEVIATION:
        ElementTree.SubElement(case, "system-out").text = _printable(text)
    return kind


def _kind(verdict: Verdict) -> str:
    if verdict in (Verdict.CONFORMS, Verdict.KNOWN_DEVIATION):
        return ""
    if verdict is Verdict.UNSUPPORTED:
        return "skipped"
    return "error" if verdict in _ERRORS else "failure"


def _printable(text: str) -> str:
    """`text` without the control characters that XML forbids."""
    return "".join(c if c in "\t\n" or c >= " " else f"\\x{ord(c):02x}" for c in text)

"""What is said of a candidate: a table, JSON lines, JUnit, and one HTML page."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from conformance import known
from conformance.judge.messages import sentence_case
from conformance.models.comparison import Comparison
from conformance.models.findings import Finding, Verdict, Whole
from conformance.models.source import Source
from conformance.report.text import one_line
from conformance.version import __version__

_COLUMNS: Final = ("layer", "class", "verdict", "error / bound")
_MORE: Final = ("note", "tensor", "made by")


def table(comparison: Comparison, source: Source, verbose: bool = False) -> str:
    """The first wrong layer in words, then a line per layer, then the outputs.

    Args:
        comparison: the judgement.
        source: the source, for what repeats a layer.
        verbose: whether each layer's tensor is shown, and how it was found.
    """
    lines = [f"{comparison.candidate} ({comparison.maker}): {comparison.headline}"]
    if comparison.failure is not None:
        return "\n".join([*lines, "", str(comparison.failure)])
    first = comparison.first_wrong
    if first is not None:
        lines += ["", blamed(first)]
        lines += [] if first.among else _explained(first, source)
    lines += [line for words in recorded(comparison) for line in ("", words)]
    lines += ["", *_rows(comparison.findings)]
    if verbose:
        lines += [
            "",
            *(f"{f.layer}: {f.tensor or f.message or 'not found'}" for f in comparison.findings),
        ]
    lines += ["", *(_whole_line(kind, whole) for kind, whole in comparison.wholes)]
    return "\n".join(lines)


def blamed(finding: Finding) -> str:
    """Which layer is wrong, and what with it."""
    if finding.among:
        layers = ", ".join(finding.among)
        return (
            f"The output {finding.layer} is wrong, by one of {layers}: the candidate shows no "
            f"output but the last (a dict by layer name would tell which it is). "
            f"{sentence_case(sentence(finding))}"
        )
    return f"The first wrong layer is {finding.layer}: {sentence(finding)}"


def sentence(finding: Finding) -> str:
    """What is wrong with a layer."""
    fault = f"{finding.fault}. " if finding.fault else "no known mistake gives this. "
    seen = f" The candidate computes it by {finding.maker}." if finding.maker else ""
    tensor = f" Its tensor is {finding.tensor}." if finding.tensor else ""
    return f"{fault}{finding.message}{seen}{tensor}"


def recorded(comparison: Comparison) -> list[str]:
    """What is recorded of the runtime and met here, a sentence per record with the worst layer."""
    found: dict[str, list[Finding]] = {}
    for finding in comparison.findings:
        if finding.verdict == Verdict.KNOWN:
            found.setdefault(finding.record, []).append(finding)
    return [_recorded(comparison.maker, *item) for item in found.items()]


def _recorded(maker: str, record: str, findings: Sequence[Finding]) -> str:
    worst = max(findings, key=lambda finding: finding.ratio or 0.0)
    layers = "1 layer errs" if len(findings) == 1 else f"{len(findings)} layers err"
    return (
        f"{layers} as is recorded of {maker.partition(';')[0]}, whatever the model: "
        f"{known_words(record)} ({record}). The worst is {worst.layer}: {worst.message}"
    )


def known_words(record: str) -> str:
    """What a recorded deviation is, in words."""
    return next((one.instead for one in known.own() if one.identifier == record), record)


def _explained(finding: Finding, source: Source) -> list[str]:
    """The command that explains the layer on its shape."""
    from conformance.models.single import descriptor

    step = next(step for step in source.steps if step.name == finding.layer)
    found = descriptor(step.layer, source)
    return [] if found is None else ["", f"How it is documented: conformance explain '{found}'"]


def _rows(findings: Sequence[Finding]) -> list[str]:
    ordered = _worst_first(findings)
    rows = [_COLUMNS, *((f.layer, f.kind, f.verdict.value, number(f.ratio)) for f in ordered)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    notes = [""] + [_note(f) for f in ordered]
    return [f"{line}  {note}".rstrip() for line, note in zip(lines, notes, strict=True)]


def _worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The wrong layers, those whose error is known, the others, each in order."""
    first = (Verdict.WRONG, Verdict.KNOWN)
    return sorted(findings, key=lambda f: first.index(f.verdict) if f.verdict in first else 2)


def _note(finding: Finding) -> str:
    if finding.verdict == Verdict.KNOWN:
        return f"{finding.message.partition(';')[0]}: {finding.record}"
    return finding.fault if finding.verdict == Verdict.WRONG else finding.message


def number(ratio: float | None) -> str:
    """A ratio for people."""
    return "-" if ratio is None else f"{ratio:.3g}"


def _whole_line(kind: str, whole: Whole) -> str:
    words = f"{whole.output}, {kind} inputs: "
    if whole.message:
        return words + whole.message
    if math.isnan(whole.distance):
        return words + whole.unknown
    words += f"largest difference from the exact values {whole.distance:.3g}"
    if whole.ratio is None:
        return f"{words}; {whole.unknown}"
    return f"{words}, {whole.ratio:.3g} of what rounding alone can explain"


def records(comparisons: Sequence[Comparison], source: Path) -> list[dict[str, Any]]:
    """Header, a result per layer and output, and footer, for JSON lines."""
    made: list[dict[str, Any]] = [
        {
            "kind": "header",
            "suite_version": __version__,
            "source": str(source),
            "candidates": {one.candidate: one.maker for one in comparisons},
        }
    ]
    for comparison in comparisons:
        if comparison.failure is not None:
            made.append(_failure(comparison))
        made += [_record(comparison, finding) for finding in comparison.findings]
        made += [
            {
                "kind": "output",
                "candidate": comparison.candidate,
                "inputs": kind,
                "output": whole.output,
                "distance": _finite(whole.distance),
                "ratio": _finite(whole.ratio),
                "message": whole.message,
            }
            for kind, whole in comparison.wholes
        ]
    return [*made, {"kind": "footer", "results": len(made) - 1}]


def _failure(comparison: Comparison) -> dict[str, Any]:
    return {
        "kind": "failure",
        "candidate": comparison.candidate,
        "verdict": comparison.headline,
        "message": str(comparison.failure),
    }


def _record(comparison: Comparison, finding: Finding) -> dict[str, Any]:
    return {
        "kind": "layer",
        "candidate": comparison.candidate,
        "layer": finding.layer,
        "class": finding.kind,
        "verdict": finding.verdict.value,
        "ratio": _finite(finding.ratio),
        "message": finding.message,
        "diagnosis": finding.fault or finding.record or None,
        "tensor": finding.tensor or None,
        "maker": finding.maker or None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def as_jsonl(comparisons: Sequence[Comparison], source: Source, path: Path) -> bytes:
    """The records, one a line."""
    lines = [json.dumps(record, ensure_ascii=True) for record in records(comparisons, path)]
    return ("\n".join(lines) + "\n").encode()


def as_junit(comparisons: Sequence[Comparison], source: Source, path: Path) -> bytes:
    """A suite per candidate, a test case per layer."""
    root = ElementTree.Element("testsuites")
    for comparison in comparisons:
        wrong = [f for f in comparison.findings if f.verdict == Verdict.WRONG]
        skipped = [f for f in comparison.findings if f.verdict == Verdict.NOT_JUDGED]
        counts = {
            "tests": len(comparison.findings) + (comparison.failure is not None),
            "failures": len(wrong),
            "errors": int(comparison.failure is not None),
            "skipped": len(skipped),
        }
        named = {"name": one_line(comparison.candidate), **{k: str(v) for k, v in counts.items()}}
        suite = ElementTree.SubElement(root, "testsuite", named)
        if comparison.failure is not None:
            case = ElementTree.SubElement(suite, "testcase", {"name": "the candidate's run"})
            words = {"type": comparison.headline, "message": one_line(str(comparison.failure))}
            ElementTree.SubElement(case, "error", words)
        for finding in comparison.findings:
            case = ElementTree.SubElement(
                suite, "testcase", {"classname": finding.kind, "name": one_line(finding.layer)}
            )
            if finding.verdict == Verdict.WRONG:
                ElementTree.SubElement(case, "failure", {"message": one_line(sentence(finding))})
            elif finding.verdict == Verdict.NOT_JUDGED:
                ElementTree.SubElement(case, "skipped", {"message": one_line(finding.message)})
            elif finding.verdict == Verdict.KNOWN:
                said = f"known deviation {finding.record}\n{finding.message}"
                ElementTree.SubElement(case, "system-out").text = one_line(said)
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, "utf-8", xml_declaration=True))


def as_html(comparisons: Sequence[Comparison], source: Source, path: Path) -> bytes:
    """One page with each candidate's table."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Converted models</title>",
        (
            "<style>body{font-family:sans-serif;margin:2em}td,th{padding:.2em .8em;text-align:left}"
            "th{border-bottom:1px solid}td{vertical-align:top;overflow-wrap:anywhere}"
            ".wrong{background:#fdd}.known{background:#ffd}.not-judged{color:#666}"
            "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}"
            ".wrong{background:#622}.known{background:#552}.not-judged{color:#999}}</style>"
        ),
    ]
    for comparison in comparisons:
        parts.append(
            f"<h1>{html.escape(one_line(comparison.candidate))}: {comparison.headline}</h1>"
        )
        if comparison.failure is not None:
            parts.append(f"<pre class=wrong>{html.escape(str(comparison.failure))}</pre>")
            continue
        first = comparison.first_wrong
        if first is not None:
            parts.append(f"<p>{html.escape(one_line(blamed(first)))}</p>")
        parts += [f"<p>{html.escape(one_line(words))}</p>" for words in recorded(comparison)]
        parts.append(
            "<table><tr>" + "".join(f"<th>{c}</th>" for c in (*_COLUMNS, *_MORE)) + "</tr>"
        )
        for f in _worst_first(comparison.findings):
            cells = (f.layer, f.kind, f.verdict.value, number(f.ratio), _note(f), f.tensor, f.maker)
            row = "".join(f"<td>{html.escape(one_line(cell))}</td>" for cell in cells)
            parts.append(f"<tr class='{f.verdict.value.replace(' ', '-')}'>{row}</tr>")
        parts.append("</table>")
        parts += [f"<p>{html.escape(_whole_line(k, w))}</p>" for k, w in comparison.wholes]
    return ("\n".join(parts) + "</html>\n").encode()


FORMS: Final[Mapping[str, Callable[[Sequence[Comparison], Source, Path], bytes]]] = {
    "jsonl": as_jsonl,
    "junit": as_junit,
    "html": as_html,
}
"""The reports that are written, by the options that ask for them."""

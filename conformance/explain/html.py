"""An explanation as HTML, for notebooks and pages."""

from __future__ import annotations

from html import escape

from conformance.explain.code import NOTATIONS, Unsayable
from conformance.explain.deviations import as_lines
from conformance.explain.explanation import Explanation


def as_html(explanation: Explanation) -> str:
    """The explanation as one ``div``."""
    subject = explanation.subject
    output = explanation.output_shape
    result = f"output {output}" if output is not None else f"refused: {subject.refusal}"
    shape = f"input {subject.input_shape} {subject.dtype}, {result}"
    parts = [
        f"<p><code>{escape(subject.call)}</code><br>{escape(shape)}</p>",
        _axes(explanation),
        explanation.svg(),
        _numbers(explanation),
        _listed(
            "Clauses that apply",
            [f"{c.id}: {c.reading or c.paraphrase}" for c in explanation.clauses],
        ),
        _listed("Known to do otherwise here", as_lines(explanation.deviations)),
        *(_code(explanation, notation) for notation in NOTATIONS),
    ]
    return f'<div class="lp-explanation">{"".join(parts)}</div>'


def _axes(explanation: Explanation) -> str:
    rows = [
        f"<tr>{_cells('th', axis.name)}{_cells('td', axis.formula, axis.padding_formula)}</tr>"
        for axis in explanation.axes
    ]
    if not rows:
        return ""
    head = f"<tr>{_cells('th', '', 'length', 'padding')}</tr>"
    return f'<table cellpadding="4">{head}{"".join(rows)}</table>'


def _cells(kind: str, *texts: str) -> str:
    """Cells of a table, to the left whatever the notebook's style."""
    style = 'style="text-align:left;vertical-align:top"'
    return "".join(f"<{kind} {style}>{escape(text)}</{kind}>" for text in texts)


def _numbers(explanation: Explanation) -> str:
    if not explanation.work:
        return ""
    counted = f"{explanation.parameters:,} parameters, " if explanation.weights else ""
    return f"<p>{escape(counted + explanation.work)}</p>"


def _listed(title: str, items: list[str]) -> str:
    if not items:
        return ""
    entries = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<details><summary>{escape(title)} ({len(items)})</summary><ul>{entries}</ul></details>"


def _code(explanation: Explanation, notation: str) -> str:
    try:
        program = explanation.code(notation)
    except Unsayable:
        return ""
    return f"<details><summary>{notation}</summary><pre>{escape(program)}</pre></details>"

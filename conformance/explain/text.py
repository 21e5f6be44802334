"""An explanation as text of at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from conformance.explain.axes import Axis, ranges
from conformance.explain.code import NOTATIONS
from conformance.explain.deviations import as_lines
from conformance.explain.explanation import Explanation, axis_titles

WIDTH: Final = 80
_LABEL: Final = 10


def as_text(explanation: Explanation, *, ascii_only: bool = False) -> str:
    """The explanation.

    Args:
        explanation: what is explained.
        ascii_only: whether the picture is plain ASCII.
    """
    blocks = [
        _head(explanation),
        *(_axis(axis) for axis in explanation.axes),
        explanation.picture(ascii_only=ascii_only),
        _numbers(explanation),
        _clauses(explanation),
        _deviations(explanation),
        f"Code:     --code {', '.join(NOTATIONS)}, all",
    ]
    return "\n\n".join(block for block in blocks if block)


def labelled(label: str, text: str, width: int = WIDTH) -> str:
    """A label and a text beside it, wrapped."""
    return textwrap.fill(
        text,
        width,
        initial_indent=f"{label:<{_LABEL}}",
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _head(explanation: Explanation) -> str:
    subject = explanation.subject
    titles = ", ".join(axis_titles(subject))
    lines = [
        textwrap.fill(subject.call, WIDTH, subsequent_indent="    "),
        explanation.case.descriptor,
        "",
        labelled("input", f"{subject.input_shape} {subject.dtype}: {titles}"),
    ]
    if explanation.output_shape is None:
        lines.append(labelled("refused", subject.refusal))
        hint = explanation.other_layout
        return "\n".join([*lines, *([labelled("perhaps", hint)] if hint else [])])
    return "\n".join([*lines, labelled("output", f"{explanation.output_shape}")])


def _axis(axis: Axis) -> str:
    g = axis.geometry
    window = f"{g.window}, stride {g.stride}"
    span = f"{g.receptive_field}"
    if g.dilation > 1:
        window += f", dilation {g.dilation}"
        span = f"({g.window} - 1) * {g.dilation} + 1 = {span}"
    entries = {
        "length": axis.formula,
        "padding": axis.padding_formula,
        "window": f"{window}; receptive field {span}",
        "reach": _reach(axis),
    }
    lines = [labelled(label, text, WIDTH - 2) for label, text in entries.items() if text]
    return f"{axis.name}\n" + textwrap.indent("\n".join(lines), "  ")


def _reach(axis: Axis) -> str:
    """What windows do beyond the ordinary."""
    notes = []
    if axis.reaching_out:
        verb = "output {} reaches" if len(axis.reaching_out) == 1 else "outputs {} reach"
        notes.append(f"{verb.format(ranges(axis.reaching_out))} into padding")
    if axis.unreached and axis.geometry.output > 0:
        noun = "input" if len(axis.unreached) == 1 else "inputs"
        notes.append(f"no window reads {noun} {ranges(axis.unreached)}")
    return "; ".join(notes)


def _numbers(explanation: Explanation) -> str:
    if explanation.output_shape is None:
        return ""
    weights = ", ".join(f"{name} {shape}" for name, shape in explanation.weights.items())
    lines = []
    if weights:
        lines.append(labelled("weights", f"{weights}: {explanation.parameters:,} parameters"))
    if explanation.work:
        lines.append(labelled("work", explanation.work))
    sizes = [f"{name} {size:,}" for name, size in explanation.bytes.items() if size is not None]
    return "\n".join([*lines, labelled("bytes", ", ".join(sizes))])


def _clauses(explanation: Explanation) -> str:
    lines = [
        f"{clause.id}: {clause.reading or clause.paraphrase}" for clause in explanation.clauses
    ]
    return _listed("Clauses that apply (conformance explain CLAUSE-ID):", lines)


def _deviations(explanation: Explanation) -> str:
    return _listed("Known to do otherwise here:", as_lines(explanation.deviations))


def _listed(title: str, items: Sequence[str]) -> str:
    """A title and the items below it, each wrapped; empty where there is none."""
    wrapper = textwrap.TextWrapper(
        WIDTH, initial_indent="  ", subsequent_indent=" " * 6, break_on_hyphens=False
    )
    return "\n".join([title, *map(wrapper.fill, items)]) if items else ""

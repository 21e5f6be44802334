"""Pictures: one row of the input with its padding, and the windows on it, for each axis.

`svg` is what a page embeds; `terminal` is at most 80 columns of text.
"""

from __future__ import annotations

from conformance.cases.case import Case, parse
from conformance.explain.picture import svg as drawing
from conformance.explain.picture.svg import STYLE
from conformance.explain.picture.terminal import terminal
from conformance.explain.subject import Subject, of_case

__all__ = ["STYLE", "svg", "svg_of", "terminal"]


def svg(case: Case | str, *, style: bool = True) -> str:
    """The picture of a case as one SVG element; empty where there is nothing to draw.

    Args:
        case: the case, or its descriptor.
        style: whether the element brings its style with it; a page that embeds many pictures puts
            `STYLE` in its own once, and gives False here.

    Raises:
        DescriptorError: if the descriptor does not parse.
    """
    parsed = parse(case) if isinstance(case, str) else case
    try:
        subject = of_case(parsed)
    except (TypeError, ValueError):
        return ""
    return svg_of(subject, style=style)


def svg_of(subject: Subject, *, style: bool = True) -> str:
    """The picture of a subject as one SVG element; empty where no axis has a known length."""
    if all(axis.is_free for axis in subject.axes):
        return ""
    return drawing.svg(subject.axes, subject.case.descriptor, subject.family.padded, style=style)

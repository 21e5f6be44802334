"""The picture of axes as SVG: text as text, light and dark, readable at 400 pixels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from conformance.explain.axes import Axis
from conformance.explain.picture.display import Display, Window, display

WIDTH: Final = 400
_LEFT: Final = 70
_ROOM: Final = WIDTH - _LEFT - 10
_ROWS: Final = 9
_SMALLEST_CELL: Final = 18.0
_LARGEST_CELL: Final = 26.0
_DIGIT: Final = 7.3
_LEGEND: Final = 22
_SCALE: Final = 1.2
_HEIGHT: Final = 24
_ROW: Final = 18
_TITLE: Final = 26

STYLE: Final = """
.lp{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.lp-page{fill:#fff}.lp-text{fill:#1f2328}.lp-muted{fill:#59636e}.lp-title{font-weight:600}
.lp-input{fill:#ddf0ff;stroke:#54aeff}.lp-lost{fill:#fff1e5;stroke:#e16f24}
.lp-lost-text{fill:#953800;text-decoration:line-through}
.lp-pad{fill:#f6f8fa;stroke:#818b98;stroke-dasharray:3 2}
.lp-tap{fill:#0969da;stroke:#0969da}.lp-tap-pad{fill:#fff;stroke:#0969da}
.lp-bar{stroke:#0969da;stroke-width:1.5}
.lp-misfit{fill:#fff;stroke:#cf222e;stroke-width:1.5}.lp-misfit-text{fill:#a40e26}
@media (prefers-color-scheme:dark){
.lp-page{fill:#0d1117}.lp-text{fill:#f0f6fc}.lp-muted{fill:#9198a1}
.lp-input{fill:#10294a;stroke:#388bfd}.lp-lost{fill:#3d2410;stroke:#db6d28}
.lp-lost-text{fill:#ffb77c}
.lp-pad{fill:#161b22;stroke:#7d8590}
.lp-tap{fill:#58a6ff;stroke:#58a6ff}.lp-tap-pad{fill:#0d1117;stroke:#58a6ff}
.lp-bar{stroke:#58a6ff}.lp-misfit{fill:#0d1117;stroke:#ff7b72}.lp-misfit-text{fill:#ff9492}}
"""
"""The style of the pictures; all its classes begin with ``lp``."""


def svg(axes: Sequence[Axis], title: str, padded: str, *, style: bool = True) -> str:
    """The picture of the axes of known length as one SVG element.

    Args:
        axes: the spatial axes.
        title: what is drawn, in one line.
        padded: what stands in the padding, such as ``0``.
        style: whether the element brings `STYLE` with it; a page of many needs it once.
    """
    known = [axis for axis in axes if not axis.is_free]
    top, parts = 8, []
    for axis in known:
        drawing, height = _axis(axis, padded, top)
        parts.append(drawing)
        top += height
    parts.append(_legend(known, top))
    top += _LEGEND
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" '
        f'width="{WIDTH * _SCALE:g}" height="{top * _SCALE:g}" '
        f'style="max-width:100%;height:auto" role="img" class="lp">'
        f"<title>{escape(title)}</title>"
    )
    head += f"<style>{STYLE}</style>" if style else ""
    return (
        f'{head}<rect class="lp-page" width="{WIDTH}" height="{top}" rx="6"/>{"".join(parts)}</svg>'
    )


def _axis(axis: Axis, padded: str, top: int) -> tuple[str, int]:
    """One axis, drawn from `top` on, and its height."""
    least = max(_SMALLEST_CELL, _DIGIT * len(str(axis.geometry.length - 1)) + 6)
    shown = display(axis, int(_ROOM / least), _ROWS)
    cell = min(_ROOM / max(len(shown.columns), 1), max(least, _LARGEST_CELL))
    g = axis.geometry
    pads = f", padding {g.pad_before} + {g.pad_after}" if g.padding_total else ""
    outputs = max(g.output, 0)
    summary = f"{g.length} in{pads}, {outputs} out"
    parts = [
        _text(10, top + 14, axis.name, "lp-title"),
        _text(_LEFT, top + 14, summary, "lp-muted"),
    ]
    parts += [_text(_LEFT - 8, top + _TITLE + 16, "input", "lp-muted", "end")]
    parts += [_cell(shown, at, cell, top + _TITLE, padded) for at in range(len(shown.columns))]
    below = top + _TITLE + _HEIGHT + 6
    for number, window in enumerate(shown.rows):
        parts.append(_window(shown, window, cell, below + number * _ROW))
    if not shown.rows:
        parts.append(_text(_LEFT, below + 12, "no output", "lp-muted"))
    return "".join(parts), _TITLE + _HEIGHT + 6 + max(len(shown.rows), 1) * _ROW + 12


def _cell(shown: Display, at: int, cell: float, top: int, padded: str) -> str:
    position, left = shown.columns[at], _LEFT + at * cell
    middle = left + cell / 2
    if position is None:
        return _text(middle, top + 16, "…", "lp-muted", "middle")
    if shown.is_beyond(position):
        return ""
    kind, text, label = "lp-input", "lp-text", str(position)
    if shown.is_padding(position):
        kind, text, label = "lp-pad", "lp-muted", padded
    elif position in shown.unreached:
        kind, text = "lp-lost", "lp-lost-text"
    box = (
        f'<rect class="{kind}" x="{left + 1:.1f}" y="{top}" width="{cell - 2:.1f}" '
        f'height="{_HEIGHT}" rx="3"/>'
    )
    return box + _text(middle, top + 16, label, text, "middle")


def _window(shown: Display, window: Window | None, cell: float, top: int) -> str:
    middle = top + _ROW / 2
    if window is None:
        return _text(_LEFT - 8, middle + 4, "⋮", "lp-muted", "end")
    label, kind = (
        (f"out {window.output}", "lp-text") if window.fits else ("no fit", "lp-misfit-text")
    )
    parts = [_text(_LEFT - 8, middle + 4, label, kind, "end")]
    places = [(tap, place) for tap in window.taps if (place := shown.column(tap)) is not None]
    reach = [place for _, place in places]
    if len(places) < len(window.taps) and shown.gap is not None:
        reach.append(shown.gap)
    parts.append(_bar(window, min(reach), max(reach), cell, middle))
    parts += [
        _tap(shown, window, tap, _LEFT + (place + 0.5) * cell, middle) for tap, place in places
    ]
    return "".join(parts)


def _bar(window: Window, first: int, last: int, cell: float, middle: float) -> str:
    """The line through a window's taps."""
    if first == last:
        return ""
    ends = [_LEFT + (place + 0.5) * cell for place in (first, last)]
    return (
        f'<line class="{"lp-bar" if window.fits else "lp-misfit"}" x1="{ends[0]:.1f}" '
        f'y1="{middle}" x2="{ends[1]:.1f}" y2="{middle}"/>'
    )


def _tap(shown: Display, window: Window, tap: int, x: float, y: float) -> str:
    kind = "lp-tap-pad" if shown.is_padding(tap) else "lp-tap"
    if not window.fits:
        kind = "lp-misfit"
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y}" r="4.5" stroke-width="1.5"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    place = "" if anchor == "start" else f' text-anchor="{anchor}"'
    kinds = kind if kind != "lp-title" else "lp-text lp-title"
    return f'<text class="{kinds}" x="{x:.1f}" y="{y:.1f}"{place}>{escape(text)}</text>'


def _legend(axes: Sequence[Axis], top: int) -> str:
    """What the marks mean, as far as they occur."""
    entries = [("lp-tap", "reads an input")] if any(a.geometry.output > 0 for a in axes) else []
    if any(axis.reaching_out for axis in axes):
        entries.append(("lp-tap-pad", "reads padding"))
    if any(axis.unreached and axis.geometry.output > 0 for axis in axes):
        entries.append(("lp-lost", "never read"))
    parts, left = [], 14.0
    for kind, words in entries:
        parts.append(
            f'<circle class="{kind}" cx="{left}" cy="{top + 4}" r="4.5" stroke-width="1.5"/>'
        )
        parts.append(_text(left + 10, top + 8, words, "lp-muted"))
        left += 110
    return "".join(parts)

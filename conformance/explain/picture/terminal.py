"""The picture of an axis in a terminal: inputs and padding above, one line for each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from conformance.explain.axes import Axis
from conformance.explain.picture.display import Display, Window, display

WIDTH: Final = 80
_LABEL: Final = 12
_ROWS: Final = 10


@dataclass(frozen=True)
class Marks:
    """The characters of a picture."""

    padding: str
    tap: str
    tap_on_padding: str
    between: str
    unreached: str
    left_out: str


UNICODE: Final = Marks("░", "■", "□", "─", "×", "…")
ASCII: Final = Marks(".", "#", "o", "-", "x", "~")


def terminal(axes: Sequence[Axis], *, ascii_only: bool = False) -> str:
    """The picture of the axes of known length, at most 80 columns wide.

    Args:
        axes: the spatial axes.
        ascii_only: whether the marks are plain ASCII.
    """
    marks = ASCII if ascii_only else UNICODE
    known = [axis for axis in axes if not axis.is_free]
    pictures = ["\n".join(_lines(axis, marks)) for axis in known]
    return "\n\n".join([*pictures, *([_legend(known, marks)] if known else [])])


def _lines(axis: Axis, marks: Marks) -> list[str]:
    cell = len(str(max(axis.geometry.length - 1, 0))) + 1
    shown = display(axis, (WIDTH - _LABEL) // cell, _ROWS)
    lines = [f"{axis.name}:", _line("input", [_head(shown, p, marks) for p in shown.columns], cell)]
    if shown.unreached:
        lost = [marks.unreached if p in shown.unreached else "" for p in shown.columns]
        lines.append(_line("not read", lost, cell))
    lines += [_row(shown, window, marks, cell) for window in shown.rows]
    return lines if shown.rows else [*lines, f"{'no output':>{_LABEL}}"]


def _head(shown: Display, position: int | None, marks: Marks) -> str:
    if position is None:
        return marks.left_out
    if shown.is_beyond(position):
        return ""
    return marks.padding if shown.is_padding(position) else str(position)


def _row(shown: Display, window: Window | None, marks: Marks, cell: int) -> str:
    if window is None:
        return f"{marks.left_out:>{_LABEL}}"
    cells = [""] * len(shown.columns)
    for tap in window.taps:
        place = shown.column(tap)
        if place is not None:
            cells[place] = marks.tap_on_padding if shown.is_padding(tap) else marks.tap
        elif shown.gap is not None:
            cells[shown.gap] = marks.left_out
    line = _line(f"output {window.output}" if window.fits else "does not fit", cells, cell)
    return _joined(line, marks) if shown.axis.geometry.dilation > 1 else line


def _joined(line: str, marks: Marks) -> str:
    """The taps of a dilated window, joined."""
    inner = line[_LABEL:].strip()
    start = line.index(inner, _LABEL)
    return line[:start] + inner.replace(" ", marks.between)


def _line(label: str, cells: Sequence[str], cell: int) -> str:
    return f"{label:>{_LABEL}}" + "".join(f"{text:>{cell}}" for text in cells).rstrip()


def _legend(axes: Sequence[Axis], marks: Marks) -> str:
    parts = [f"{marks.tap} reads an input"]
    if any(axis.geometry.padding_total for axis in axes):
        parts += [f"{marks.padding} padding", f"{marks.tap_on_padding} reads padding"]
    if any(axis.unreached and axis.geometry.output > 0 for axis in axes):
        parts.append(f"{marks.unreached} no window reads it")
    if any(axis.geometry.output <= 0 < axis.geometry.length for axis in axes):
        parts.append(f"{marks.tap_on_padding} beyond the input")
    return f"{'':>{_LABEL}} " + ", ".join(parts)

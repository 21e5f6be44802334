"""Which positions and windows of an axis a picture shows: all, or the ends where there are many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from conformance.explain.axes import Axis


@dataclass(frozen=True)
class Window:
    """One window as it is drawn.

    Attributes:
        output: the index of its output.
        taps: positions of its taps, inputs counted from 0, padding negative or beyond the end.
        fits: False for a window drawn to show that it does not fit.
    """

    output: int
    taps: tuple[int, ...]
    fits: bool = True


@dataclass(frozen=True)
class Display:
    """What is drawn of one axis.

    Attributes:
        axis: the axis.
        columns: the positions shown, in order; None for those left out.
        rows: the windows shown; None for those left out.
    """

    axis: Axis
    columns: tuple[int | None, ...]
    rows: tuple[Window | None, ...]

    @cached_property
    def unreached(self) -> frozenset[int]:
        """Inputs that no window reaches, where there are windows."""
        return frozenset(self.axis.unreached if self.axis.geometry.output > 0 else ())

    def is_padding(self, position: int) -> bool:
        """Whether a position is padding."""
        return not 0 <= position < self.axis.geometry.length

    def is_beyond(self, position: int) -> bool:
        """Whether a position is neither input nor padding: where a window does not fit."""
        g = self.axis.geometry
        return not -g.pad_before <= position < g.length + g.pad_after

    def column(self, position: int) -> int | None:
        """Where a position is drawn; None where it is left out."""
        return self._places.get(position)

    @cached_property
    def _places(self) -> dict[int | None, int]:
        return {p: place for place, p in enumerate(self.columns) if p is not None}

    @property
    def gap(self) -> int | None:
        """Where the positions left out would stand."""
        return self.columns.index(None) if None in self.columns else None

    def shows(self, window: Window) -> bool:
        """Whether all of a window is drawn."""
        return all(tap in self._places for tap in window.taps)


def display(axis: Axis, columns: int, rows: int) -> Display:
    """What to draw in so many columns and rows.

    Args:
        axis: an axis of known length.
        columns: the most positions that there is room for.
        rows: the most windows.
    """
    g = axis.geometry
    misfit = _misfit(axis)
    stop = max(g.length + g.pad_after, max(misfit.taps, default=0) + 1 if misfit else 0)
    positions: list[int | None] = list(range(-g.pad_before, stop))
    last = _window(axis, max(g.output - 1, 0)).taps[0]
    shown = _ends(positions, columns, g.receptive_field, stop - last)
    bare = Display(axis, tuple(shown), ())
    windows = [misfit] if misfit else _windows(bare, rows)
    return Display(axis, tuple(shown), tuple(windows))


def _misfit(axis: Axis) -> Window | None:
    """The window that does not fit, where there is an input, but no output."""
    g = axis.geometry
    if g.output > 0 or not g.length:
        return None
    return Window(0, tuple(tap * g.dilation for tap in range(g.window)), fits=False)


def _ends(positions: list[int | None], room: int, first: int, last: int) -> list[int | None]:
    """All, or both ends with None between: so many as the first and the last window need.

    Where there is no room for both, half of it for each.
    """
    if len(positions) <= room:
        return positions
    tail = min(max(room // 3, last), room - 1 - min(first, room // 2))
    return [*positions[: room - 1 - tail], None, *positions[len(positions) - tail :]]


def _windows(bare: Display, room: int) -> list[Window | None]:
    """All windows, or those at both ends that are drawn whole; the first and the last at least."""
    outputs = range(max(bare.axis.geometry.output, 0))
    if not outputs or (bare.gap is None and len(outputs) <= room):
        return [_window(bare.axis, output) for output in outputs]
    ends = _window(bare.axis, 0), _window(bare.axis, outputs[-1])
    first = _complete(bare, outputs, 2 * room // 3) or [ends[0]]
    last = _complete(bare, reversed(outputs), room - 2 * room // 3)[::-1] or [ends[1]]
    last = [window for window in last if window.output > first[-1].output]
    if not last or last[0].output == first[-1].output + 1:
        return [*first, *last]
    return [*first, None, *last]


def _complete(bare: Display, outputs: Iterable[int], room: int) -> list[Window]:
    """The windows from one end, as long as all of each is drawn."""
    found: list[Window] = []
    for output in outputs:
        window = _window(bare.axis, output)
        if len(found) == room or not bare.shows(window):
            break
        found.append(window)
    return found


def _window(axis: Axis, output: int) -> Window:
    g = axis.geometry
    start = output * g.stride - g.pad_before
    return Window(output, tuple(start + tap * g.dilation for tap in range(g.window)))

"""Windows along one axis, one tuple for each way in which the geometry can differ.

Every tuple is (length, window, stride, dilation).  The total padding of ``same`` before it is
clipped at zero is ``(ceil(n / s) - 1) s + (k - 1) d + 1 - n``; the remainder of ``valid`` is
``(n - (k - 1) d - 1) mod s``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reference_impl.ops.geometry import receptive_field


class Axis(NamedTuple):
    """A window along one axis, lengths in elements."""

    length: int
    window: int
    stride: int = 1
    dilation: int = 1

    @property
    def span(self) -> int:
        """Length of the receptive field."""
        return receptive_field(self.window, self.dilation)


SAME_PLAIN: Final = (
    Axis(6, 3),  # total 2
    Axis(7, 2),  # total 1, even window: the odd one goes last
    Axis(5, 1),  # nothing to pad
    Axis(8, 4),  # total 3
    Axis(4, 5),  # total 4, window longer than the input
    Axis(3, 6),  # total 5, window twice the input
)
SAME_STRIDED: Final = (
    Axis(8, 3, 2),  # total 1: stride 2, length even
    Axis(7, 3, 2),  # total 2: stride 2, length odd
    Axis(1, 4, 2),  # total 3, one element
    Axis(4, 3, 4),  # total -1, clipped: stride longer than the window
    Axis(6, 2, 2),  # total 0: the windows tile the input
    Axis(9, 2, 4),  # total 1, although the stride is longer than the window
    Axis(10, 3, 5),  # total -2, clipped: inputs between windows are skipped
    Axis(9, 1, 2),  # total 0, window of one
    Axis(8, 1, 2),  # total -1, clipped, window of one
    Axis(7, 5, 3),  # total 4
    Axis(8, 4, 3),  # total 2, even window
    Axis(7, 4, 3),  # total 3, even window
    Axis(3, 2, 5),  # total -1, clipped: stride longer than the input
    Axis(2, 7, 3),  # total 5: window and stride longer than the input
    Axis(5, 3, 3),  # total 1: the stride is the window, the length no multiple
)
SAME_DILATED: Final = (
    Axis(7, 3, 1, 2),  # total 4
    Axis(6, 2, 1, 3),  # total 3
    Axis(1, 2, 1, 2),  # total 2, one element
    Axis(8, 2, 1, 2),  # total 2, even window
    Axis(4, 3, 1, 3),  # total 6, receptive field longer than the input
    Axis(9, 4, 1, 2),  # total 6, even window
    Axis(5, 2, 1, 5),  # total 5: one tap is always padding
    Axis(6, 1, 1, 3),  # dilation of a single tap does nothing
)
VALID_PLAIN: Final = (
    Axis(6, 3),
    Axis(7, 2),
    Axis(5, 1),
    Axis(8, 4),
    Axis(5, 5),  # the window is the whole input
    Axis(1, 1),
)
VALID_STRIDED: Final = (
    Axis(7, 3, 2),  # remainder 0
    Axis(8, 3, 2),  # remainder 1
    Axis(8, 2, 3),  # remainder 0, stride longer than the window
    Axis(9, 2, 3),  # remainder 1, stride longer than the window
    Axis(6, 2, 2),  # remainder 0: the windows tile the input
    Axis(9, 4, 4),  # remainder 1: tiles, and one element over
    Axis(9, 4, 3),  # remainder 2
    Axis(7, 1, 2),  # remainder 0, window of one
    Axis(8, 1, 3),  # remainder 1, window of one
    Axis(6, 2, 5),  # remainder 4: one window
    Axis(3, 3, 4),  # the window is the whole input, stride longer still
    Axis(10, 5, 2),  # remainder 1, stride within the window
)
VALID_DILATED: Final = (
    Axis(8, 3, 1, 2),
    Axis(7, 2, 1, 3),
    Axis(5, 3, 1, 2),  # the receptive field is the whole input
    Axis(9, 4, 1, 2),
    Axis(6, 2, 1, 5),  # the receptive field is the whole input
    Axis(6, 1, 1, 2),  # dilation of a single tap does nothing
)
CAUSAL_PLAIN: Final = (
    Axis(6, 3),
    Axis(7, 2),
    Axis(5, 1),  # nothing to pad
    Axis(4, 5),  # window longer than the input
    Axis(1, 3),  # one element: all taps but the last are padding
)
CAUSAL_STRIDED: Final = (
    Axis(8, 3, 2),  # the stride divides the length
    Axis(7, 3, 2),  # it does not: the last window ends at the last input
    Axis(8, 2, 3),  # inputs between windows are skipped
    Axis(6, 2, 2),  # the stride is the window
    Axis(9, 1, 2),  # window of one
    Axis(3, 2, 5),  # stride longer than the input
    Axis(2, 7, 3),  # window and stride longer than the input
)
CAUSAL_DILATED: Final = (
    Axis(7, 3, 1, 2),
    Axis(6, 2, 1, 3),
    Axis(1, 2, 1, 2),  # one element
    Axis(4, 3, 1, 3),  # receptive field longer than the input
    Axis(5, 2, 1, 5),  # one tap is always padding
    Axis(6, 1, 1, 3),  # dilation of a single tap does nothing
)

FAMILIES: Final = {
    "same": (SAME_PLAIN, SAME_STRIDED, SAME_DILATED),
    "valid": (VALID_PLAIN, VALID_STRIDED, VALID_DILATED),
    "causal": (CAUSAL_PLAIN, CAUSAL_STRIDED, CAUSAL_DILATED),
}
"""By padding: windows that move by one, that move by more, and that are dilated."""


def axes(padding: str, dilated: bool) -> tuple[Axis, ...]:
    """All tuples for one padding, those with dilation only if asked for."""
    plain, strided, spread = FAMILIES[padding]
    return (*plain, *strided, *(spread if dilated else ()))


def compatible(*pair: Axis) -> bool:
    """Whether the documentation allows these together: no stride beside a dilation rate."""
    return all(a.stride == 1 for a in pair) or all(a.dilation == 1 for a in pair)

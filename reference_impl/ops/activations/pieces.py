"""The stretches of the piecewise linear activations, for their derivatives.

Which stretch a joint belongs to says which of the one-sided derivatives it has (see
`reference_impl.ops.activations.derivatives`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple


class Piece(NamedTuple):
    """A stretch of constant slope: ``slope / divisor`` up to `end`.

    Attributes:
        end: the next stretch begins there.
        closed: whether `end` itself belongs to this stretch.
        slope: a float64.
        divisor: a float64; not 1 only beside the slope 1, so that one operation rounds once.
    """

    end: float
    closed: bool
    slope: float
    divisor: float = 1.0


_END: Final = math.inf


def _ramp(low: float, high: float, divisor: float = 1.0, *, closed: bool) -> tuple[Piece, ...]:
    """Constant, then a slope of ``1 / divisor`` from `low` to `high`, then constant."""
    return (
        Piece(low, not closed, 0.0),
        Piece(high, closed, 1.0, divisor),
        Piece(_END, True, 0.0),
    )


def _relu_pieces(slope: float, maximum: float, threshold: float) -> tuple[Piece, ...]:
    below = Piece(threshold, True, slope)
    if math.isinf(maximum):
        return below, Piece(_END, True, 1.0)
    return below, Piece(maximum, False, 1.0), Piece(_END, True, 0.0)


def _shrink_pieces(threshold: float) -> tuple[Piece, ...]:
    return (
        Piece(-threshold, False, 1.0),
        Piece(threshold, True, 0.0),
        Piece(_END, True, 1.0),
    )


PIECES: Final[dict[str, Callable[..., tuple[Piece, ...]]]] = {
    "linear": lambda: (Piece(_END, True, 1.0),),
    "relu": _relu_pieces,
    "hard_tanh": lambda: _ramp(-1.0, 1.0, closed=True),
    "hard_sigmoid": lambda: _ramp(-3.0, 3.0, 6.0, closed=False),
    "hard_sigmoid_keras2": lambda: _ramp(-2.5, 2.5, 5.0, closed=True),
    "sparse_sigmoid": lambda: _ramp(-1.0, 1.0, 2.0, closed=False),
    "soft_shrink": _shrink_pieces,
    "hard_shrink": _shrink_pieces,
    "threshold": lambda threshold, _: (Piece(threshold, True, 0.0), Piece(_END, True, 1.0)),
}

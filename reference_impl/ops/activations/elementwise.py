"""The element-wise activations as certified functions of one real number.

Each is defined in float64 with a bound of the error (``enclosures``), which decides nearly every
rounding to a narrower format; in double-double arithmetic (``expansions``), which decides nearly
every rounding to float64; and as a real function (``formulas``), which decides the rest.  What a
parameter or a constant means exactly is said in the last.  `reference_impl.ops.activations.by_name`
joins these forms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from reference_impl.ops.activations import enclosures
from reference_impl.ops.activations.constants import SELU_ALPHA, SELU_SCALE
from reference_impl.ops.activations.enclosures import (
    BLOCK,
    MAX,
    Bounded,
    Evaluation,
    Float64Array,
    blockwise,
)
from reference_impl.ops.double_double import Expansion, Pair
from reference_impl.ops.formats import Format
from reference_impl.ops.rounding import round_fraction

if TYPE_CHECKING:
    from fractions import Fraction


class Sign(Enum):
    """What is known of the sign of ``f(x)``, strictly except for ``f(0) = 0`` of odd ones."""

    FREE = "free"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    ODD = "that of x"


class Turn(NamedTuple):
    """A place where a function is not monotone: values from `low` to `high` occur there.

    Attributes:
        before: the place, or a lower bound of it.
        after: the place, or an upper bound of it.
        low: at most the value, and the limits from either side.
        high: at least these.
    """

    before: float
    after: float
    low: float
    high: float


@dataclass(eq=False)
class Elementwise:
    """A function of one real number that is piecewise monotone.

    Attributes:
        name: its name in `reference_impl.ops.activations.by_name`.
        evaluate: the value in float64 and a bound of its error.
        limits: the limits at minus and plus infinity, which are also the values there.
        sign: the sign of the values.
        turns: the minima, and the jumps.
        parameters: the arguments of the real function of that name.
        commutes_with_rounding: whether ``f(round(s)) == round(f(s))`` in every format; then
            `evaluate` is exact, increases, and takes NaN and infinities.
        axis: None, for element by element.
    """

    name: str
    evaluate: Evaluation
    limits: tuple[float, float]
    sign: Sign = Sign.FREE
    turns: tuple[Turn, ...] = ()
    parameters: tuple[float, ...] = ()
    commutes_with_rounding: bool = False
    axis: int | None = None

    def enclose(self, low: Float64Array, high: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Bounds of ``f(s)`` over all ``low <= s <= high``, element by element.

        NaN gives NaN.  Infinite ends stand for the limits; ``low == high`` infinite gives them
        exactly.  A zero result that is exact is +0; otherwise it has the sign of the values that
        it bounds.
        """
        # Adding zero turns -0 into +0.
        if self.commutes_with_rounding:
            return self.evaluate(low)[0], self.evaluate(high)[0]
        if low.size <= BLOCK:
            return self._enclose(low, high)
        lower, upper = blockwise(self._enclose, low.reshape(-1), high.reshape(-1))
        return lower.reshape(low.shape), upper.reshape(low.shape)

    def _enclose(self, low: Float64Array, high: Float64Array) -> Bounded:
        point = np.array_equal(low, high)
        ends = (low[np.newaxis] if point else np.array((low, high))) + 0.0
        with np.errstate(all="ignore"):
            value, error = self.evaluate(ends)
            if math.isfinite(float(np.add.reduce(ends + value, axis=None))):
                lower, upper = self._spread(ends, value, error)
            else:
                lower, upper = self._spread_special(ends)
        if point:
            return lower[0], upper[0]
        lower, upper = np.minimum(lower[0], lower[1]), np.maximum(upper[0], upper[1])
        return self._include_turns(low, high, lower, upper)

    def expand(self, x: Pair) -> Expansion | None:
        """``f`` in double-double arithmetic; None if it has no such form."""
        from reference_impl.ops.activations import by_name

        function = by_name.expanded(self.name, *self.parameters)
        return None if function is None else function(x)

    def resolve(self, values: Sequence[Fraction | float], format: Format) -> list[float]:
        """``f`` at exact arguments, rounded once to `format`; floats are NaN and infinities."""
        from reference_impl.ops.activations import by_name
        from reference_impl.ops.ziv import correctly_rounded

        function = by_name.real_function(self.name, *self.parameters)

        def rounded(x: Fraction | float) -> float:
            if isinstance(x, float):
                return self._at_special(x)
            value = function.exact(x)
            if value is not None:
                return round_fraction(value, format)
            return correctly_rounded(lambda arithmetic: function.formula(arithmetic, x), format)

        return [rounded(x) for x in values]

    def _at_special(self, x: float) -> float:
        return x if math.isnan(x) else self.limits[x > 0]

    def _spread(self, x: Float64Array, value: Float64Array, error: Float64Array) -> Bounded:
        """``value - error`` and ``value + error``, held on the side of zero that the sign says."""
        if self.sign is Sign.ODD:
            near = np.copysign(np.maximum(np.abs(value) - error, 0.0), x)
            far = np.copysign(np.abs(value) + error, x)
            return np.minimum(near, far), np.maximum(near, far)
        lower, upper = value - error, value + error
        if self.sign is Sign.POSITIVE:
            lower = np.maximum(lower, 0.0)
        if self.sign is Sign.NEGATIVE:
            upper = np.minimum(upper, -0.0)
        return lower, upper

    def _spread_special(self, x: Float64Array) -> Bounded:
        """`_spread` where an argument is not finite or a value overflows float64."""
        value, error = self.evaluate(np.clip(x, -MAX, MAX))
        overflow = np.isinf(value)
        lower, upper = self._spread(
            x, np.clip(value, -MAX, MAX), np.where(overflow, 0.0, np.minimum(error, MAX))
        )
        lower = np.where(overflow & (value < 0), -np.inf, lower)
        upper = np.where(overflow & (value > 0), np.inf, upper)
        for argument, limit in zip((-np.inf, np.inf), self.limits, strict=True):
            lower = np.where(x == argument, limit, lower)
            upper = np.where(x == argument, limit, upper)
        missing = np.isnan(x)
        return np.where(missing, np.nan, lower), np.where(missing, np.nan, upper)

    def _include_turns(
        self, low: Float64Array, high: Float64Array, lower: Float64Array, upper: Float64Array
    ) -> Bounded:
        for turn in self.turns:
            inside = (low <= turn.after) & (high >= turn.before) & (low != high)
            if inside.any():
                lower = np.where(inside, np.minimum(lower, turn.low), lower)
                upper = np.where(inside, np.maximum(upper, turn.high), upper)
        return lower, upper


def _minimum(place: float, value: float) -> tuple[Turn, ...]:
    """A minimum at a place known to 1e-9, with a value known to 1e-15."""
    return (Turn(place - 1e-9, place + 1e-9, value - 1e-15, value - 1e-15),)


def _rectifying(name: str, evaluate: Evaluation, minimum: tuple[Turn, ...]) -> Elementwise:
    """A smooth function between 0 from below at minus infinity and x at infinity."""
    return Elementwise(name, evaluate, (-0.0, math.inf), Sign.ODD, minimum)


LINEAR: Final = Elementwise(
    "linear",
    enclosures.unchanged,
    (-math.inf, math.inf),
    commutes_with_rounding=True,
)
HARD_TANH: Final = Elementwise(
    "hard_tanh", enclosures.clipped(-1.0, 1.0), (-1.0, 1.0), commutes_with_rounding=True
)
EXPONENTIAL: Final = Elementwise(
    "exponential", enclosures.exponential, (0.0, math.inf), Sign.POSITIVE
)
SIGMOID: Final = Elementwise("sigmoid", enclosures.sigmoid, (0.0, 1.0), Sign.POSITIVE)
TANH: Final = Elementwise("tanh", enclosures.tanh, (-1.0, 1.0), Sign.ODD)
TANH_SHRINK: Final = Elementwise(
    "tanh_shrink", enclosures.tanh_shrink, (-math.inf, math.inf), Sign.ODD
)
SOFTPLUS: Final = Elementwise("softplus", enclosures.softplus, (0.0, math.inf), Sign.POSITIVE)
LOG_SIGMOID: Final = Elementwise(
    "log_sigmoid", enclosures.log_sigmoid, (-math.inf, -0.0), Sign.NEGATIVE
)
SOFTSIGN: Final = Elementwise("softsign", enclosures.softsign, (-1.0, 1.0), Sign.ODD)
SILU: Final = _rectifying(
    "silu", enclosures.silu, _minimum(-1.2784645427610738, -0.27846454276107380)
)
GELU: Final = _rectifying(
    "gelu", enclosures.gelu, _minimum(-0.7517915246935645, -0.16997120747990369)
)
GELU_TANH: Final = _rectifying(
    "gelu_tanh", enclosures.gelu_tanh, _minimum(-0.7524614220710163, -0.17004075057125405)
)
MISH: Final = _rectifying(
    "mish", enclosures.mish, _minimum(-1.1924312145154952, -0.30884341301725041)
)
SELU: Final = Elementwise(
    "selu",
    enclosures.selu,
    (-SELU_SCALE * SELU_ALPHA, math.inf),
    Sign.ODD,
)
HARD_SIGMOID: Final = Elementwise("hard_sigmoid", enclosures.ramp(3.0, 6.0), (0.0, 1.0))
HARD_SIGMOID_KERAS2: Final = Elementwise(
    "hard_sigmoid_keras2", enclosures.ramp(2.5, 5.0), (0.0, 1.0)
)
SPARSE_SIGMOID: Final = Elementwise("sparse_sigmoid", enclosures.ramp(1.0, 2.0), (0.0, 1.0))
SPARSE_PLUS: Final = Elementwise("sparse_plus", enclosures.sparse_plus, (0.0, math.inf))
HARD_SILU: Final = Elementwise(
    "hard_silu",
    enclosures.hard_silu,
    (0.0, math.inf),
    turns=(Turn(-1.5, -1.5, -0.375, -0.375),),
)


@lru_cache(maxsize=256)
def relu(slope: float, maximum: float, threshold: float) -> Elementwise:
    """``min(x, maximum)`` for x above the threshold, else ``slope (x - threshold)``.

    Args:
        slope: of the part below the threshold.
        maximum: not negative; infinity for none.
        threshold: of either sign.
    """
    parameters = (slope, maximum, threshold)
    limits = (-slope * math.inf if slope else 0.0, maximum)
    if slope == 0 and threshold == 0 and _in_every_format(maximum):
        evaluate = enclosures.clipped(0.0, maximum)
        return Elementwise(
            "relu", evaluate, limits, parameters=parameters, commutes_with_rounding=True
        )
    step = min(threshold, maximum)
    turn = Turn(threshold, threshold, min(step, 0.0), max(step, 0.0))
    evaluate = enclosures.rectified(*parameters)
    return Elementwise("relu", evaluate, limits, turns=(turn,), parameters=parameters)


def _in_every_format(value: float) -> bool:
    """Whether a number is 0, infinite, or has 8 bits and an exponent that float16 has."""
    if value == 0 or math.isinf(value):
        return True
    significand, exponent = math.frexp(value)
    return (significand * 256).is_integer() and -13 <= exponent <= 16


@lru_cache(maxsize=256)
def elu(alpha: float) -> Elementwise:
    """``alpha (exp(x) - 1)`` for negative x, else x."""
    if alpha == 0:
        return relu(0.0, math.inf, 0.0)
    return Elementwise(
        "elu",
        enclosures.elu(alpha),
        (-alpha, math.inf),
        Sign.ODD if alpha > 0 else Sign.FREE,
        () if alpha > 0 else (Turn(0.0, 0.0, 0.0, 0.0),),
        parameters=(alpha,),
    )


@lru_cache(maxsize=256)
def celu(alpha: float) -> Elementwise:
    """``alpha (exp(x / alpha) - 1)`` for negative x, else x; alpha is not 0."""
    limits = (-alpha if alpha > 0 else -math.inf, math.inf)
    return Elementwise("celu", enclosures.celu(alpha), limits, Sign.ODD, parameters=(alpha,))


@lru_cache(maxsize=256)
def squareplus(b: float) -> Elementwise:
    """``(x + sqrt(x**2 + b)) / 2`` with b not negative."""
    if b == 0:
        return relu(0.0, math.inf, 0.0)
    return Elementwise(
        "squareplus", enclosures.squareplus(b), (0.0, math.inf), Sign.POSITIVE, parameters=(b,)
    )


@lru_cache(maxsize=256)
def soft_shrink(threshold: float) -> Elementwise:
    """``x - t`` for x above t, ``x + t`` for x below -t, else 0; t is not negative."""
    return Elementwise(
        "soft_shrink",
        enclosures.soft_shrink(threshold),
        (-math.inf, math.inf),
        parameters=(threshold,),
    )


@lru_cache(maxsize=256)
def hard_shrink(threshold: float) -> Elementwise:
    """The argument where its magnitude exceeds the threshold (not negative), else 0."""
    return Elementwise(
        "hard_shrink",
        enclosures.kept_outside(threshold),
        (-math.inf, math.inf),
        turns=(
            Turn(-threshold, -threshold, -threshold, 0.0),
            Turn(threshold, threshold, 0.0, threshold),
        ),
        parameters=(threshold,),
    )


@lru_cache(maxsize=256)
def thresholded(threshold: float, default: float) -> Elementwise:
    """The argument where it is above the threshold, else the default."""
    low, high = min(threshold, default), max(threshold, default)
    return Elementwise(
        "threshold",
        enclosures.kept_above(threshold, default),
        (default, math.inf),
        turns=(Turn(threshold, threshold, low, high),),
        parameters=(threshold, default),
    )

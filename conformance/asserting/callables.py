"""Convolutions whose activation is a callable: of Keras' with parameters, or the caller's own.

The sums have the bound of `conformance.judge.sums`; what the callable makes of them is its own
float64 evaluation.

**Piecewise linear.**  With L the largest of its slopes, an error e of a sum becomes ``L e`` at
most, and an evaluation of ``a x + c`` in at most four operations adds
``gamma(4) (|f(x)| + 2 L |x|)``, where u is that of the layer's dtype.

**Keras' own**, with whatever parameters and however written (`documented`), have the error that is
derived for their formula, and what the callable's float64 evaluation is off by.

**Other callables** give no bound of their own.  The error is the largest change that errors of the
sums by their bound, of either sign and of mixed signs, make in the float64 evaluation, and what the
callable itself loses in the layer's dtype near the rounded sums, with the errors of two functions
(`conformance.judge.running_error` has them at 5 ulp for tanh) and four roundings.

**Gradients** go through the formula of Keras' own, and else through slopes: central differences of
the callable in float64, or in longer numbers where the platform has them and the callable keeps to
them.  Their error is the change between the ends of a sum's bound, and as many roundings of the
largest slope; where they change by a thousandth within two steps there is a break, and either side
of it may be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.asserting.documented import Documented, documented
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import Format
from conformance.judge.messages import WrongElements, sentence_case
from conformance.judge.running_error import TANH_ULPS, Floats, Running, growth
from conformance.judge.sums import Gauge, half_ulp
from reference_impl.engine.dtypes import convert

Array = np.ndarray[Any, Any]
Function = Callable[[Any], Any]

_OPERATIONS: Final = 4
_WITH_FUNCTIONS: Final = _OPERATIONS + 2 * 2 * TANH_ULPS
_MIXTURES: Final = 8
_STEPS: Final = 2**11
_REACH: Final = 2.0**5
_MOST_BREAKS: Final = 16
_LOSSES: Final = 8
_NEAR: Final = 2.0**-8
_TIMES: Final = 4
_FINER: Final = 2.0**-9
"""What more precise numbers lose, relative to what float64 does, with room for their shortest."""
_STEP: Final = 2.0**-17
"""Of differences, whose error is about its square, or 2**-53 by it."""
_BREAK: Final = 2.0**-10
"""A change of slopes within a few steps, relative to the largest slope, that is a break."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What a callable makes of sums.

    Attributes:
        value: in float64, in the layout of the output.
        error: how far a correct evaluation can be off.
        how: how the bound came about, in words.
    """

    value: Floats
    error: Floats
    how: str


def expected_of(function: Function, gauge: Gauge) -> Expected:
    """What a callable makes of the sums of a convolution.

    Args:
        function: takes and returns an array in the layout of the layer's output.
        gauge: the sums.

    Raises:
        ValueError: if it fails on float64 arrays, or does not keep their shape.
    """
    convolution = gauge.convolution
    centre = convolution.laid_out(gauge.centre if gauge.special is None else gauge.undefined)
    error = convolution.laid_out(np.where(np.isfinite(gauge.error), gauge.error, np.inf))
    made = through(function, centre, error, convolution.format)
    rounded = made.error + half_ulp(made.value, convolution.format)
    return Expected(made.value, np.where(np.isnan(rounded), np.inf, rounded), made.how)


def through(function: Function, centre: Floats, error: Floats, fmt: Format) -> Expected:
    """What a callable makes of numbers that are known to within an error.

    Args:
        function: the callable.
        centre: the numbers.
        error: how far they may be off.
        fmt: the format of the layer.

    Raises:
        ValueError: if it fails on float64 arrays, or does not keep their shape.
    """
    value = _evaluated(function, centre, centre.shape)
    u = fmt.unit_roundoff
    slope = greatest_slope(function)
    known = None if slope is not None else documented(function, centre.ndim)
    with np.errstate(all="ignore"):
        if slope is not None:
            spread = slope * error
            spread += growth(_OPERATIONS, u) * (np.abs(value) + 2 * slope * np.abs(centre))
        elif known is not None:
            spread = _by_formula(known, Running(centre, error, fmt), value)
        else:
            spread = _spread(function, centre, error, value)
            spread += _own_loss(function, centre, fmt.name)
            spread += growth(_WITH_FUNCTIONS, u) * np.abs(value)
    return Expected(value, np.where(np.isnan(spread), np.inf, spread), _words(slope, known))


def how_judged(function: Function, rank: int) -> str:
    """How the bound of a callable comes about, on arrays of a rank."""
    slope = greatest_slope(function)
    return _words(slope, None if slope is not None else documented(function, rank))


def _words(slope: float | None, known: Documented | None) -> str:
    if slope is not None:
        return "piecewise linear: its slopes times the bound of the sums"
    if known is not None:
        return f"{known.words}, with the bound of its formula"
    return "its own float64 evaluation, within the bound of the sums; no bound is derived"


def _by_formula(known: Documented, sums: Running, value: Floats) -> Floats:
    """The error of one of Keras' activations, whose float64 evaluation is the callable's."""
    made = known.through(sums)
    overflows = known.may_overflow(sums)
    spread: Floats = np.where(overflows, np.inf, made.error + np.abs(made.value - value))
    return spread


def pulled_back(
    function: Function, centre: Floats, error: Floats, upstream: Floats, fmt: Format
) -> Expected:
    """The gradient of some scalar with respect to the sums, from that to what a callable makes.

    Args:
        function: the callable.
        centre: the sums.
        error: how far they may be off.
        upstream: the gradient with respect to what the callable makes of them.
        fmt: the format of the layer.

    Raises:
        ValueError: if it fails on float64 arrays, does not keep their shape, or mixes elements and
            is none of Keras' own.
    """
    known = documented(function, centre.ndim)
    if known is None:
        _check_single(function, centre)
        slopes = _slopes_of(function, centre, error, fmt)
        return Expected(upstream * slopes.value, np.abs(upstream) * slopes.error, slopes.how)
    made = known.pulled_back(Running(centre, error, fmt), upstream)
    unknown = ~(np.isfinite(error) & np.isfinite(made.error))
    return Expected(made.value, np.where(unknown, np.inf, made.error), _words(None, known))


def _slopes_of(function: Function, centre: Floats, error: Floats, fmt: Format) -> Expected:
    """The slopes of a callable of single elements at numbers that are known to within an error."""
    step = _STEP * np.maximum(np.abs(centre), 1.0)
    reach = np.where(np.isfinite(error), error, 0.0)
    value, doubt = _difference(function, centre, step)
    near, far = (
        np.max([np.abs(_difference(function, x, step)[0] - value) for x in ends], axis=0)
        for ends in ((centre - d, centre + d) for d in (reach, reach + 2 * step))
    )
    largest = np.abs(value).max(initial=0.0)
    with np.errstate(all="ignore"):
        spread = np.where(far > _BREAK * largest, far + np.abs(doubt), near + doubt)
        spread += growth(2 * _WITH_FUNCTIONS, fmt.unit_roundoff) * largest
    how = "its slopes are differences in float64; no bound is derived"
    unknown = ~np.isfinite(spread) | ~np.isfinite(error)
    return Expected(value, np.where(unknown, np.inf, spread), how)


def _difference(function: Function, x: Floats, step: Floats) -> tuple[Floats, Floats]:
    """The slope by central differences, and how far it may be off."""
    places = [x + times * step for times in (-2, -1, 1, 2)]
    with np.errstate(all="ignore"):
        left, near_left, near_right, right = made = [_finely(function, at) for at in places]
        wide = ((right - left) / (4 * step)).astype(np.float64)
        narrow = ((near_right - near_left) / (2 * step)).astype(np.float64)
        losses = [
            np.abs(y - _evaluated(function, at, x.shape))
            for y, at in zip(made, places, strict=True)
        ]
        lost = _FINER * np.max(losses, axis=0).astype(np.float64)
        rounding = (2.0**-50 * np.abs(near_right).astype(np.float64) + lost) / step
    return narrow, np.abs(narrow - wide) + rounding


def _check_single(function: Function, centre: Floats) -> None:
    """That each element of a callable's result depends on one of its argument."""
    order = np.random.default_rng(0).permutation(centre.size)
    mixed = centre.reshape(-1)[order].reshape(centre.shape)
    made, again = (_evaluated(function, x, x.shape).reshape(-1) for x in (centre, mixed))
    if not np.allclose(made[order], again, rtol=2.0**-40, atol=0.0, equal_nan=True):
        raise ValueError(
            "assert_conforms: the activation of `layer` mixes elements, so that it has no slope; "
            "gradients are judged through Keras' activations and callables of single elements"
        )


def problem_with(actual: Array, expected: Expected) -> str | None:
    """What is wrong with an output of the right shape; None if nothing is."""
    values = as_float64(actual)
    with np.errstate(all="ignore"):
        distance = np.abs(values - expected.value)
        excess = np.where(distance == 0, 0.0, distance / expected.error)
    same = (values == expected.value) | (np.isnan(values) & np.isnan(expected.value))
    excess = np.where(same, 0.0, np.where(np.isnan(excess), np.inf, excess))
    shown = expected.value.astype(actual.dtype)
    wrong = WrongElements.of(actual, shown, expected.error, excess)
    if not wrong.count:
        return None
    return f"{sentence_case(wrong.sentence())}. (The activation is a callable: {expected.how}.)"


def _evaluated(function: Function, x: Floats, shape: tuple[int, ...]) -> Floats:
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(function(x), np.float64)
    except Exception as error:
        raise ValueError(
            "assert_conforms: the activation of `layer` cannot be evaluated on a float64 array "
            f"({type(error).__name__}: {error})"
        ) from error
    if made.shape != shape:
        raise ValueError(
            f"assert_conforms: the activation of `layer` makes {made.shape} of {shape}; expected "
            "one that keeps the shape"
        )
    return made


def greatest_slope(function: Function) -> float | None:
    """The largest slope of a piecewise-linear function of single elements; None of any other.

    It is sampled at the multiples of ``1/64`` up to 32: where the second differences vanish but for
    a few breaks, it is piecewise linear.
    """
    x = np.linspace(-_REACH, _REACH, _STEPS * 2 + 1)
    try:
        y = _evaluated(function, x, x.shape)
        among_others = _evaluated(function, np.where(x > 0, 0.0, x), x.shape)
    except ValueError:
        return None
    if not np.isfinite(y).all() or not np.array_equal(y[x <= 0], among_others[x <= 0]):
        return None
    slopes = np.diff(y) / np.diff(x)
    bends = np.abs(np.diff(slopes)) > 1e-9 * (1 + np.abs(slopes).max())
    if np.count_nonzero(bends) > 2 * _MOST_BREAKS:
        return None
    jumps = np.abs(np.diff(y)) > 0.5  # a step is no slope: thresholds stay where sums are near
    return None if jumps.any() else float(np.abs(slopes).max())


def _spread(function: Function, centre: Floats, error: Floats, value: Floats) -> Floats:
    """The largest change over errors of one sign, and of mixed signs."""
    generator = np.random.default_rng(0)
    signs = [np.ones(centre.shape), -np.ones(centre.shape)]
    signs += [generator.choice([-1.0, 1.0], centre.shape) for _ in range(_MIXTURES)]
    finite = np.where(np.isfinite(error), error, 0.0)
    moved = [_evaluated(function, centre + sign * finite, centre.shape) for sign in signs]
    spread: Floats = np.max([np.abs(made - value) for made in moved], axis=0)
    return spread


def _own_loss(function: Function, centre: Floats, dtype: str) -> Floats:
    """What the callable loses in the layer's dtype, at most, near sums that are rounded to it.

    An error at one number may be small by chance: `_LOSSES` numbers near it are asked.  Functions
    of frameworks may be off by a few times as much as NumPy's.
    """
    generator = np.random.default_rng(0)
    largest = np.zeros(centre.shape)
    for _ in range(_LOSSES):
        with np.errstate(all="ignore"):
            near = convert(centre * (1 + _NEAR * generator.uniform(-1, 1, centre.shape)), dtype)
            exact = _finely(function, near.astype(np.float64))
            loss = np.abs(_narrowly(function, near) - exact).astype(np.float64)
        largest = np.maximum(largest, np.where(np.isfinite(loss), loss, 0.0))
    return _TIMES * largest


def _narrowly(function: Function, x: Array) -> Floats:
    """The callable on numbers of the layer's dtype, as float64; NaN where it does not take them."""
    try:
        made = np.asarray(function(x)).astype(np.float64)
    except Exception:  # whatever it does not take them by
        return np.full(x.shape, np.nan)
    return made if made.shape == x.shape else np.full(x.shape, np.nan)


def _finely(function: Function, x: Floats) -> Array:
    """The callable on numbers of more than float64's precision, if it keeps to them, else on x."""
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(function(x.astype(np.longdouble)))
    except Exception:  # whatever it does not take more precise numbers by
        return _evaluated(function, x, x.shape)
    if made.dtype == np.longdouble and made.shape == x.shape:
        return made
    return _evaluated(function, x, x.shape)

"""Operands that tempt a convolution into rounding wrongly, and small geometries to use them on.

Every kind is a function of a random generator, the operands' shapes and the format; it returns
float64 arrays, which the caller converts to the format (`make_operands` does).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.formats import FORMATS, Format
from reference_impl.ops.geometry import WindowAxis, window_axes
from reference_impl.ops.rounding import round_float64

Array = NDArray[Any]
Random = np.random.Generator
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """One convolution: geometry, channels and filters."""

    batch: int
    spatial: Shape
    window: Shape
    strides: Shape
    dilation: Shape
    padding: str
    channels: int
    filters: int

    @property
    def axes(self) -> tuple[WindowAxis, ...]:
        return window_axes(self.spatial, self.window, self.strides, self.dilation, self.padding)


PROBLEMS = (
    Problem(2, (5, 7), (3, 2), (1, 1), (1, 1), "same", 2, 3),
    Problem(1, (6, 5), (2, 3), (2, 1), (1, 1), "same", 3, 4),
    Problem(2, (7, 6), (2, 2), (1, 1), (3, 2), "same", 2, 2),
    Problem(1, (9, 8), (3, 3), (2, 3), (1, 1), "valid", 3, 5),
    Problem(2, (3, 2), (5, 4), (1, 2), (1, 1), "same", 1, 3),
    Problem(2, (11,), (4,), (3,), (1,), "same", 4, 3),
    Problem(1, (12,), (3,), (1,), (2,), "valid", 5, 6),
    Problem(3, (6,), (1,), (1,), (1,), "valid", 7, 4),
    Problem(1, (4, 3, 3), (2, 2, 1), (1, 2, 1), (1, 1, 1), "same", 2, 3),
    Problem(1, (3, 3), (1, 1), (1, 1), (1, 1), "valid", 1, 2),
    Problem(0, (4, 4), (2, 2), (1, 1), (1, 1), "same", 2, 3),
    Problem(2, (4, 4), (2, 2), (1, 1), (1, 1), "same", 0, 3),
    Problem(2, (2, 4), (3, 2), (1, 1), (1, 1), "valid", 2, 3),
)


def _normal(random: Random, shape: Shape, format: Format) -> Array:
    return random.standard_normal(shape)


def _positive(random: Random, shape: Shape, format: Format) -> Array:
    return np.abs(random.standard_normal(shape))


def _spread(power: int) -> Callable[[Random, Shape, Format], Array]:
    """Random signs and significands with exponents up to `power` either way, as far as they go."""

    def make(random: Random, shape: Shape, format: Format) -> Array:
        reach = min(power, format.max_exponent // 2 - 4)
        return random.standard_normal(shape) * 2.0 ** random.integers(-reach, reach + 1, shape)

    return make


def _small_integers(random: Random, shape: Shape, format: Format) -> Array:
    return random.integers(-4, 5, shape).astype(np.float64)


def _full_integers(random: Random, shape: Shape, format: Format) -> Array:
    limit = 2 ** min(format.precision, format.max_exponent // 2 - 4)
    return random.integers(-limit, limit + 1, shape).astype(np.float64)


def _at_exponent(exponent: Callable[[Format], int]) -> Callable[[Random, Shape, Format], Array]:
    def make(random: Random, shape: Shape, format: Format) -> Array:
        return np.ldexp(random.standard_normal(shape), exponent(format))

    return make


def _subnormal(random: Random, shape: Shape, format: Format) -> Array:
    limit = 2 ** (format.precision - 1)
    return np.ldexp(
        random.integers(-limit, limit + 1, shape).astype(float), format.quantum_exponent
    )


def _any_bits(random: Random, shape: Shape, format: Format) -> Array:
    """Any finite number of the format, all exponents alike."""
    lowest = format.quantum_exponent + 1
    exponents = random.integers(lowest, format.max_exponent + 1, shape)
    magnitudes = np.ldexp(random.uniform(0.5, 1.0, shape), exponents)
    return np.minimum(magnitudes, format.largest) * random.choice((-1.0, 1.0), shape)


def _signed_zeros(random: Random, shape: Shape, format: Format) -> Array:
    return random.choice((0.0, -0.0, 0.0, -0.0, 1.0, -1.0), shape)


def _spike(random: Random, shape: Shape, format: Format) -> Array:
    values = random.standard_normal(shape)
    if values.size:
        values.reshape(-1)[random.integers(values.size)] = 2.0 ** min(40, format.max_exponent // 2)
    return values


def _uneven(random: Random, shape: Shape, format: Format) -> Array:
    """Each index of the first and of the last axis has a scale of its own."""
    reach = min(150, format.max_exponent // 4 - 2)
    first = random.integers(-reach, reach + 1, (shape[0], *(1,) * (len(shape) - 1)))
    last = random.integers(-reach, reach + 1, shape[-1:]) if len(shape) > 1 else 0
    return np.ldexp(random.standard_normal(shape), first + last)


def _specials(random: Random, shape: Shape, format: Format) -> Array:
    """Mostly ordinary numbers; here and there NaN, infinities, zeros and the ends of the range."""
    ends = (format.largest, -format.largest, 2.0**format.quantum_exponent, format.smallest_normal)
    rare = random.choice((np.nan, np.inf, -np.inf, 0.0, -0.0, *ends), shape)
    return np.where(random.random(shape) < 0.08, rare, random.standard_normal(shape))


def _opposite_infinities(random: Random, shape: Shape, format: Format) -> Array:
    rare = random.choice((np.inf, -np.inf, 0.0), shape)
    return np.where(random.random(shape) < 0.06, rare, random.integers(-1, 2, shape))


def _half_range(format: Format) -> int:
    """Exponent of operands whose products are among the smallest normal numbers."""
    return (format.quantum_exponent + format.precision) // 2


def _half_top(format: Format) -> int:
    """Exponent of operands whose products are among the largest numbers."""
    return (format.max_exponent - 1) // 2


KINDS: dict[str, Callable[[Random, Shape, Format], Array]] = {
    "normal": _normal,
    "positive": _positive,
    "spread-40": _spread(40),
    "spread-400": _spread(400),
    "small-integers": _small_integers,
    "full-integers": _full_integers,
    "near-subnormal": _at_exponent(_half_range),
    "below-subnormal": _at_exponent(lambda format: _half_range(format) - 5),
    "subnormal": _subnormal,
    "near-overflow": _at_exponent(_half_top),
    "any-bits": _any_bits,
    "signed-zeros": _signed_zeros,
    "spike": _spike,
    "uneven": _uneven,
    "specials": _specials,
    "opposite-infinities": _opposite_infinities,
}
"""Kinds that make the inputs, the kernel and the bias alike."""

JOINT_KINDS = ("cancelling", "midpoints", "subnormal-times-large")
"""Kinds whose operands depend on each other."""


def make_operands(
    kind: str, problem: Problem, format: Format, random: Random
) -> tuple[Array, Array, Array]:
    """Inputs ``(batch, *spatial, C)``, kernel ``(*window, C, F)`` and bias ``(F,)``."""
    x_shape = (problem.batch, *problem.spatial, problem.channels)
    w_shape = (*problem.window, problem.channels, problem.filters)
    if kind in KINDS:
        make = KINDS[kind]
        bias = _of_product_size(make, random, w_shape[-1:], format)
        operands = make(random, x_shape, format), make(random, w_shape, format), bias
    else:
        joint = {
            "cancelling": _cancelling,
            "midpoints": _midpoints,
            "subnormal-times-large": _subnormal_times_large,
        }
        operands = joint[kind](random, x_shape, w_shape, format)
    x, w, b = (round_float64(np.asarray(operand, np.float64), format) for operand in operands)
    return x, w, b


def _of_product_size(
    make: Callable[[Random, Shape, Format], Array], random: Random, shape: Shape, format: Format
) -> Array:
    """A bias as large as the products beside it."""
    factors = make(random, shape, format), make(random, shape, format)
    with np.errstate(over="ignore", invalid="ignore"):
        bias = factors[0] * factors[1]
    finite = np.isfinite(factors[0]) & np.isfinite(factors[1])
    return np.where(finite, np.clip(bias, -format.largest, format.largest), bias)


def _cancelling(
    random: Random, x_shape: Shape, w_shape: Shape, format: Format
) -> tuple[Array, Array, Array]:
    """Channels in pairs with opposite products, but for the last bit of some kernel elements."""
    x, w = random.standard_normal(x_shape), random.standard_normal(w_shape)
    pairs = x_shape[-1] // 2 * 2
    x[..., 1:pairs:2] = x[..., 0:pairs:2]
    nudge = 1 + random.integers(-1, 2, w[..., 0:pairs:2, :].shape) * 2.0 ** (1 - format.precision)
    w[..., 1:pairs:2, :] = -round_float64(w[..., 0:pairs:2, :], format).astype(np.float64) * nudge
    x[..., pairs:] *= 2.0**-20
    return x, w, np.zeros(w_shape[-1])


def _midpoints(
    random: Random, x_shape: Shape, w_shape: Shape, format: Format
) -> tuple[Array, Array, Array]:
    """Sums of an even number of the format, half its spacing, and next to nothing or nothing."""
    half = 2.0**-format.precision
    tiny = 2.0 ** max(format.quantum_exponent // 2 + 1, -400)
    x = np.ones(x_shape)
    if x.ndim > 2:
        x *= random.choice((1.0, -1.0), (*x_shape[:-1], 1))
    w = random.choice((0.0, half, -half, tiny * half, -tiny * half), w_shape)
    bias = 1.0 + random.integers(0, 8, w_shape[-1]) * 2.0 * half
    return x, w, bias


def _subnormal_times_large(
    random: Random, x_shape: Shape, w_shape: Shape, format: Format
) -> tuple[Array, Array, Array]:
    """Subnormal inputs and large kernel elements: products in the middle of the range."""
    w = np.ldexp(random.uniform(0.5, 1.0, w_shape), format.max_exponent - 1)
    return _subnormal(random, x_shape, format), w, random.standard_normal(w_shape[-1])


def problems(elements: int) -> Iterator[Problem]:
    """Geometries with at least so many output elements in all."""
    count = 0
    while count < elements:
        for problem in PROBLEMS:
            outputs = math.prod(max(axis.output, 0) for axis in problem.axes)
            count += problem.batch * outputs * problem.filters
            yield problem


ALL_KINDS = (*KINDS, *JOINT_KINDS)
ALL_FORMATS = tuple(FORMATS)

"""Initializers that draw: uniform, normal and truncated normal, with given or scaled spread.

The numbers are those of `reference_impl.ops.generator`, so a seed gives the same values everywhere.
They are scaled in float64, ``low + (high - low) * u`` or ``mean + stddev * z``, and rounded once to
the dtype.  Where the distribution has limits, a value that rounding takes past a limit becomes the
nearest number of the dtype within it.

A seeded initializer gives the same values at every call.  So does an unseeded one: it draws a seed
when it is made, from Python's ``random`` (see `reference_impl.random.unseeded`).  A
`reference_impl.random.SeedGenerator` gives other values at every call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reference_impl.config import reading
from reference_impl.engine.arguments import wrong_value
from reference_impl.engine.identifiers import deserialize_value, serialize_value
from reference_impl.engine.parameters import Array, axes_of, integers_of, real_number
from reference_impl.initializers.base import Initializer, float_dtype, full_shape
from reference_impl.ops import generator
from reference_impl.ops.formats import Format, format_of
from reference_impl.ops.rounding import half_spacing, round_float64
from reference_impl.random import SeedGenerator, seed_of, unseeded
from reference_impl.showing import shown

TRUNCATED_STDDEV: Final = 0.87962566103423978
"""Standard deviation of the standard normal distribution truncated to two of its own."""

Float64Array = NDArray[np.float64]
Draw = Callable[[int, int, int], Float64Array]


class RandomInitializer(Initializer):
    """Base class of the initializers with a seed."""

    def __init__(self, seed: Any = None) -> None:
        """Take the seed.

        Args:
            seed: an integer, a `SeedGenerator` or its configuration, or None.

        Raises:
            ValueError: if it is something else.
        """
        if isinstance(seed, dict):
            seed = deserialize_value(seed)
        self._given_seed = seed
        if seed is None:
            seed = unseeded()
        elif not isinstance(seed, SeedGenerator):
            seed = seed_of(type(self).__name__, seed)
        self.seed: int | SeedGenerator = seed

    def _drawn(self, draw: Draw, shape: tuple[int, ...]) -> Float64Array:
        """Numbers of a standard distribution in a shape, element i in C order from word i."""
        seed = self.seed
        number, stream = seed.next() if isinstance(seed, SeedGenerator) else (seed, 0)
        return draw(number, math.prod(shape), stream).reshape(shape)

    def _uniform(self, low: float, high: float, shape: tuple[int, ...], dtype: str) -> Array:
        """Numbers of [low, high); in halves where the length of that is beyond float64."""
        drawn = self._drawn(generator.uniform, shape)
        scale = 1.0 if math.isfinite(high - low) else 2.0
        values = (low / scale + (high / scale - low / scale) * drawn) * scale
        return confined(values, low, math.nextafter(high, -math.inf), format_of(dtype))

    def _normal(self, mean: float, stddev: float, shape: tuple[int, ...], dtype: str) -> Array:
        with np.errstate(over="ignore"):
            values = mean + stddev * self._drawn(generator.normal, shape)
        return np.asarray(round_float64(values, format_of(dtype)))

    def _truncated(self, mean: float, stddev: float, shape: tuple[int, ...], dtype: str) -> Array:
        """Numbers of ``[mean - 2 stddev, mean + 2 stddev]``."""
        with np.errstate(over="ignore"):
            values = mean + stddev * self._drawn(generator.truncated_normal, shape)
        return confined(values, mean - 2 * stddev, mean + 2 * stddev, format_of(dtype))

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ...}``, the seed that was given."""
        return {"seed": serialize_value(self._given_seed)}


def confined(values: Float64Array, low: float, high: float, format: Format) -> Array:
    """Values rounded to a format, those past a limit moved to its nearest number within.

    Where the format has no number between the limits, the values are rounded all the same.
    Rounding is monotonic and keeps numbers of the format, so that the limits may come first.
    """
    least, most = -_at_most(-low, format), _at_most(high, format)
    within = np.maximum(np.minimum(values, most), least) if least <= most else values
    return np.asarray(round_float64(within, format))


def _at_most(value: float, format: Format) -> float:
    """The largest number of a format that is not above `value`; a zero keeps its sign."""
    return _largest(value, format) if value else value


@lru_cache(maxsize=256)
def _largest(value: float, format: Format) -> float:
    """`_at_most` for what is not zero, since the two zeros have one key."""
    rounded = float(round_float64(np.array([value]), format)[0])
    if rounded <= value:
        return rounded
    if math.isinf(rounded):
        return format.largest
    return rounded - 2 * float(half_spacing(np.array([value]), format)[0])


class RandomUniform(RandomInitializer):
    """Uniform in [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        """Make the initializer.

        Args:
            minval: the smallest value.
            maxval: what all values are below (equal to, if `minval` is).
            seed: an integer, a `SeedGenerator` or None.

        Raises:
            TypeError: if a limit is no number.
            ValueError: if a limit is not finite, `maxval` is below `minval`, or for the seed.
        """
        self.minval = real_number("RandomUniform", "minval", minval)
        self.maxval = real_number("RandomUniform", "maxval", maxval)
        if self.maxval < self.minval:
            allowed = f"a number of at least minval, {shown(self.minval)}"
            raise wrong_value("RandomUniform", "maxval", maxval, allowed)
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Values of a shape and floating-point dtype."""
        name = float_dtype("RandomUniform", dtype)
        lengths = full_shape("RandomUniform", shape)
        return self._uniform(float(self.minval), float(self.maxval), lengths, name)

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ..., "minval": ..., "maxval": ...}``."""
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class RandomNormal(RandomInitializer):
    """Normal with a mean and a standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        """Make the initializer.

        Args:
            mean: the mean.
            stddev: the standard deviation (before the cut, where there is one).
            seed: an integer, a `SeedGenerator` or None.

        Raises:
            TypeError: if a parameter is no number.
            ValueError: if one is not finite, `stddev` is negative, or for the seed.
        """
        self.mean = real_number(type(self).__name__, "mean", mean)
        self.stddev = real_number(type(self).__name__, "stddev", stddev, least=0)
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Values of a shape and floating-point dtype."""
        name = float_dtype("RandomNormal", dtype)
        lengths = full_shape("RandomNormal", shape)
        return self._normal(float(self.mean), float(self.stddev), lengths, name)

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ..., "mean": ..., "stddev": ...}``."""
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal, cut at two standard deviations from the mean.

    ``stddev`` is that of the normal distribution before the cut; afterwards it is 0.8796 of it.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Values of a shape and floating-point dtype."""
        name = float_dtype("TruncatedNormal", dtype)
        lengths = full_shape("TruncatedNormal", shape)
        return self._truncated(float(self.mean), float(self.stddev), lengths, name)


def compute_fans(
    shape: tuple[int, ...], input_axes: Any = None, output_axes: Any = None
) -> tuple[int, int]:
    """Inputs that reach one output, and outputs that one input reaches, of a kernel's shape.

    For ``(*window, in_channels, filters)``: ``fan_in = prod(window) * in_channels`` and
    ``fan_out = prod(window) * filters``; in a grouped convolution in_channels counts those of one
    group, which is what the kernel's shape has.  A matrix is a kernel without window; a vector has
    both fans equal to its length, and a scalar has 1.

    Args:
        shape: the kernel's shape.
        input_axes: axes whose lengths multiply to fan_in instead.
        output_axes: axes whose lengths multiply to fan_out instead.

    Raises:
        TypeError: if an axis is no integer.
        ValueError: if the shape has no such axis.
    """
    window = math.prod(shape[:-2])
    fan_in = window * shape[-2] if len(shape) > 1 else math.prod(shape)
    fan_out = window * shape[-1] if len(shape) > 1 else math.prod(shape)
    if input_axes is not None:
        axes = axes_of("compute_fans", "input_axes", input_axes, len(shape))
        fan_in = math.prod(shape[axis] for axis in axes)
    if output_axes is not None:
        axes = axes_of("compute_fans", "output_axes", output_axes, len(shape))
        fan_out = math.prod(shape[axis] for axis in axes)
    return fan_in, fan_out


_MODES: Final = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS: Final = ("truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Mean 0 and variance ``scale / n``, with n a fan of the kernel (`compute_fans`), at least 1.

    * ``truncated_normal``: normal with ``sqrt(scale / n) / 0.87962566103423978``, cut at two of
      these, so that the variance is right after the cut;
    * ``untruncated_normal``: normal with ``sqrt(scale / n)``;
    * ``uniform``: in ``[-limit, limit)`` with ``limit = sqrt(3 scale / n)``.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", ICCV 2015; Glorot, Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        """Make the initializer.

        Args:
            scale: the factor of the variance, positive.
            mode: ``"fan_in"``, ``"fan_out"``, or ``"fan_avg"`` for half their sum.
            distribution: a name above in any case; ``"normal"`` is another for truncated_normal.
            seed: an integer, a `SeedGenerator` or None.
            input_axes: axes that count for fan_in; None for the rule of `compute_fans`.
            output_axes: axes that count for fan_out, likewise.

        Raises:
            TypeError: if `scale` is no number, or an axis no integer.
            ValueError: if `scale` is not positive and finite, a name is another, or for the seed.
        """
        name = type(self).__name__
        self.scale = real_number(name, "scale", scale)
        if self.scale <= 0:
            raise wrong_value(name, "scale", scale, "a positive finite number")
        self.mode = _one_of(name, "mode", mode, _MODES)
        given = distribution.lower() if isinstance(distribution, str) else distribution
        is_normal = isinstance(given, str) and given == "normal"
        given = "truncated_normal" if is_normal else given
        self.distribution = _one_of(name, "distribution", given, _DISTRIBUTIONS)
        integers_of(name, "input_axes", input_axes)
        integers_of(name, "output_axes", output_axes)
        self.input_axes = input_axes
        self.output_axes = output_axes
        super().__init__(seed)

    def __call__(self, shape: Any, dtype: Any = None) -> Array:
        """Values of a shape and floating-point dtype."""
        owner = type(self).__name__
        name, lengths = float_dtype(owner, dtype), full_shape(owner, shape)
        spread = self.spread(lengths)
        if self.distribution == "uniform":
            return self._uniform(-spread, spread, lengths, name)
        if self.distribution == "untruncated_normal":
            return self._normal(0.0, spread, lengths, name)
        return self._truncated(0.0, spread, lengths, name)

    def spread(self, shape: tuple[int, ...]) -> float:
        """The limit, or the standard deviation before any cut, for a kernel's shape.

        Computed in float64 by the operations of the class's formulas, from left to right.
        """
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, fans[self.mode])
        if self.distribution == "uniform":
            return (
                2.0 * math.sqrt(3.0 * (variance / 4))
                if variance > 1e300
                else math.sqrt(3.0 * variance)
            )
        stddev = math.sqrt(variance)
        return stddev / TRUNCATED_STDDEV if self.distribution == "truncated_normal" else stddev

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; under ``keras2`` without the axes where None."""
        own = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return {**super().get_config(), **own, **self._axes_config()}

    def _axes_config(self) -> dict[str, Any]:
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        unused = self.input_axes is None and self.output_axes is None
        return {} if reading() == "keras2" and unused else axes


class _NamedScaling(VarianceScaling):
    """A `VarianceScaling` with fixed scale, mode and distribution."""

    _fixed: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        """Make the initializer.

        Args:
            seed: an integer, a `SeedGenerator` or None.
            input_axes: axes that count for fan_in; None for the rule of `compute_fans`.
            output_axes: axes that count for fan_out, likewise.

        Raises:
            TypeError: if an axis is no integer.
            ValueError: for the seed.
        """
        super().__init__(*self._fixed, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        """``{"seed": ..., "input_axes": ..., "output_axes": ...}``; under ``keras2`` the seed."""
        return {**RandomInitializer.get_config(self), **self._axes_config()}


class GlorotUniform(_NamedScaling):
    """Uniform with ``limit = sqrt(6 / (fan_in + fan_out))``."""

    _fixed = (1.0, "fan_avg", "uniform")


class GlorotNormal(_NamedScaling):
    """Truncated normal with standard deviation ``sqrt(2 / (fan_in + fan_out))``."""

    _fixed = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_NamedScaling):
    """Uniform with ``limit = sqrt(6 / fan_in)``."""

    _fixed = (2.0, "fan_in", "uniform")


class HeNormal(_NamedScaling):
    """Truncated normal with standard deviation ``sqrt(2 / fan_in)``."""

    _fixed = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_NamedScaling):
    """Uniform with ``limit = sqrt(3 / fan_in)``."""

    _fixed = (1.0, "fan_in", "uniform")


class LecunNormal(_NamedScaling):
    """Truncated normal with standard deviation ``sqrt(1 / fan_in)``."""

    _fixed = (1.0, "fan_in", "truncated_normal")


def _one_of(owner: str, argument: str, value: Any, words: tuple[str, ...]) -> str:
    if isinstance(value, str) and value in words:
        return value
    raise wrong_value(owner, argument, value, "one of " + ", ".join(map(repr, words)))

"""How far the sums of a convolution can be off, per output, before any activation.

**A priori.**  Let ``S = sum |x| |w| + |b|``, the convolution run on absolute values, over the K
products of an output and its bias, and u the unit roundoff of the layer's dtype.  Evaluated in that
dtype, in any order, each product passes through at most K + 1 roundings, so the result is within
``((1 + u)**(K + 1) - 1) S`` of the exact sum (N. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., sections 3.1 and 4.2); to first order that is ``(K + 1) u S``.  A wider
accumulator with one rounding at the end, and a bias added to an already rounded sum, stay within
it.

**Underflow.**  A product or partial sum below the smallest normal number may round to a multiple
of the quantum, or be flushed to zero, as many processors are set to do: ``(2 K + 1)`` times the
smallest normal number.  Subnormal operands may be taken as zero: the magnitudes of the products
that they take part in.  The documentation says nothing of subnormal numbers.  Those of float16 are
normal in float32, in which it is computed, and where it computes itself none is flushed: they count
as they are, and ``(2 K + 1)`` quanta are all that is lost.

**Overflow.**  Where the positive terms alone can exceed the range, infinity is right as well, and
likewise minus infinity; where both can, so is NaN.

**Exact sums.**  Operands on a dyadic grid make every order of summation exact: the result is the
exact sum, rounded once to float16 or bfloat16, or twice if the bias is added to a rounded sum.

**Random signs.**  A rounding to nearest errs by at most ``u |s|``; taken as independent of the
others and uniform, with variance at most ``u**2 s**2 / 3``.  Terms t of random sign, added up one
after the other, which is the worst order, make a random walk of ``n = K + 2`` steps (bias included,
the roundings of products counted as one).  So the error is c times the integral of one Brownian
motion over another, ``c = u sqrt(n sum(t**2) / 3)``, of which ``E exp(l e / c) = 1 / sqrt(cos l)``
(R. Cameron and W. Martin, "Transformations of Wiener integrals under a general class of linear
transformations", Trans. AMS 58, 1945), and by Chernoff's inequality at ``l = pi / 2 - 1 / (2 y)``::

    P(|e| > y c) <= 2 sqrt(pi y) exp((1 - pi y) / 2)

With ``y = 15`` (`SPREAD`) a right output is accused with a probability of at most 1.4e-9; measured
are at most 5.5 in 120,000 sums of 4 to 4,608 products.  Here u is that of the accumulator, float32
for float16 and bfloat16, whose own rounding, and a second one around the addition of the bias, come
on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.operands import KINDS
from conformance.judge.activations import named
from conformance.judge.boxes import Box, boxes_after_small
from conformance.judge.contraction import as_float64, contract
from conformance.judge.definition import Operands
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.running_error import Floats, growth
from reference_impl.ops.geometry import WindowAxis

Mask = NDArray[np.bool_]

_ROOM = 540
"""Exponent by which operands are scaled down so that no float64 sum of products overflows."""

_GRID_END = 2.0
"""Inputs on the grid are below it (`conformance.cases.recipes.grid`)."""

_PART = 1 << 16
"""Sums that are judged at a time: half a megabyte of float64."""

_FIRST = 4
"""Into how many the first part is cut: it is judged closely, which what it tells spares others."""

_SOME = 16
"""Products whose magnitudes are nearly always enough to show that an error is within the bound."""

SPREAD = 15.0
"""How many units c the error of a sum of terms of random sign may have (see the module)."""

NARROW = frozenset({"float16", "bfloat16"})
"""The formats whose sums are accumulated in float32."""


def round_to(
    values: Floats,
    fmt: Format,
    precision: int | None = None,
    to_integer: Callable[[Floats], Floats] = np.rint,
) -> Floats:
    """Numbers rounded once to a format.

    Args:
        values: the numbers.
        fmt: the format, whose exponent range is kept.
        precision: significant bits, where not the format's own.
        to_integer: rounds significands scaled to integers: by default to nearest, ties to even.
    """
    mantissa, exponent = np.frexp(values)
    last_place = np.maximum(exponent - (precision or fmt.precision), fmt.quantum_exponent)
    with np.errstate(all="ignore"):
        scaled = to_integer(np.ldexp(mantissa, exponent - last_place))
        rounded = np.ldexp(scaled, last_place)
        rounded = np.where(np.abs(rounded) > fmt.largest, np.copysign(np.inf, values), rounded)
    result: Floats = np.where(np.isfinite(values), rounded, values)
    return result


def half_ulp(values: Floats, fmt: Format) -> Floats:
    """The largest error of one rounding that gave these values: ``u |y|``, or half a quantum."""
    error: Floats = np.abs(values)
    error *= fmt.unit_roundoff
    error += fmt.quantum / 2
    return error


@dataclass(frozen=True, eq=False)
class Convolution:
    """What the errors of a convolution depend on; the arrays as float64, channels last.

    Attributes:
        inputs: shape ``(batch, *spatial, channels)``.
        kernel: shape ``(*window, channels / groups, filters)``.
        bias: shape ``(filters,)``; zeros where there is none.
        axes: the geometry, one entry per spatial axis.
        format: the layer's dtype.
        activation: its name; ``linear`` for none.
        channels_first: whether the output has its channels before the spatial axes.
        exact: whether the operands make every order of summation exact.
        apart: where one operand stands apart (NaN, infinity, spike) and breaks that, the inputs
            that do; None where the operands are alike.
        random_sign: whether the products have random signs.
    """

    inputs: Floats
    kernel: Floats
    bias: Floats
    axes: tuple[WindowAxis, ...]
    format: Format
    activation: str = "linear"
    channels_first: bool = False
    exact: bool = False
    apart: Mask | None = None
    random_sign: bool = False

    @classmethod
    def of(cls, case: Case, operands: Operands) -> Convolution:
        """The convolution of a case of a layer that convolves."""
        known, kind = facts(case), KINDS[case.operands]
        inputs, kernel = as_float64(operands.inputs), as_float64(operands.weights["kernel"])
        inputs = np.moveaxis(inputs, 1, -1) if known.channels_first else inputs
        bias = operands.weights.get("bias")
        return cls(
            inputs=inputs,
            kernel=kernel,
            bias=np.zeros(kernel.shape[-1]) if bias is None else as_float64(bias),
            axes=known.axes,
            format=FORMATS[case.dtype],
            activation=known.activation or "linear",
            channels_first=known.channels_first,
            exact=kind.exact,
            apart=_standing_apart(inputs) if kind.place else None,
            random_sign=kind.random_sign,
        )

    @property
    def groups(self) -> int:
        """Number of parts into which channels and filters are cut."""
        return int(self.inputs.shape[-1] // self.kernel.shape[-2])

    @property
    def products(self) -> int:
        """K, the number of products in one output."""
        return math.prod(self.kernel.shape[:-1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the sums, channels last."""
        return self.inputs.shape[0], *(axis.output for axis in self.axes), self.kernel.shape[-1]

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of sums, channels last, in the order of the layer's output."""
        batch, *spatial, channels = range(len(self.axes) + 2)
        if self.channels_first:
            return batch, channels, *spatial
        return batch, *spatial, channels

    def laid_out(self, sums: Any) -> Any:
        """An array of sums, channels last, in the layout of the layer's output."""
        return sums.transpose(self.order) if self.channels_first else sums

    @property
    def keeps_rows(self) -> bool:
        """Whether the outputs along the last spatial axis depend on one another."""
        return self.channels_first and named(self.activation).rowwise

    def part(self, box: Box) -> Convolution:
        """The convolution that gives the sums of a box of the batch and spatial axes."""
        batch, *outputs = box
        pairs = [_cut(axis, held) for axis, held in zip(self.axes, outputs, strict=True)]
        read = (batch, *(held for _, held in pairs))
        return replace(
            self,
            inputs=self.inputs[read],
            axes=tuple(axis for axis, _ in pairs),
            apart=None if self.apart is None else self.apart[read],
        )

    def with_operands(self, inputs: Floats, kernel: Floats) -> Floats:
        """The sums in float64 with other inputs and kernel, bias included."""
        with np.errstate(all="ignore"):
            sums: Floats = contract(inputs, kernel, self.axes) + self.bias
            return sums

    def reached_from(self, inputs: Mask, filters: Mask) -> Mask:
        """The outputs whose window holds a marked input, or whose filter is marked."""
        marked = contract(as_float64(inputs), np.ones_like(self.kernel), self.axes) > 0
        return np.asarray(marked | filters, np.bool_)


def _standing_apart(inputs: Floats) -> Mask:
    """The inputs that are not finite; where all are, those of the largest magnitude, if large."""
    apart: Mask = ~np.isfinite(inputs)
    if apart.any():
        return apart
    size = np.abs(inputs)
    return np.asarray(size >= max(float(size.max(initial=0.0)), _GRID_END), np.bool_)


def _cut(axis: WindowAxis, outputs: slice) -> tuple[WindowAxis, slice]:
    """The geometry of some neighbouring outputs, and the inputs that they read."""
    first = outputs.start * axis.stride - axis.pad_before
    last = (outputs.stop - 1) * axis.stride - axis.pad_before + axis.receptive_field
    start = min(max(first, 0), axis.length)
    stop = max(min(last, axis.length), start)
    cut = axis._replace(
        length=stop - start,
        pad_before=start - first,
        pad_after=max(last - stop, 0),
        output=outputs.stop - outputs.start,
    )
    return cut, slice(start, stop)


def _finite_part(array: Floats) -> Floats:
    finite = np.isfinite(array)
    return array if finite.all() else np.where(finite, array, 0.0)


def _any_per_filter(elements: Mask) -> Mask:
    return np.asarray(elements.reshape(-1, elements.shape[-1]).any(axis=0), np.bool_)


def _accumulator(fmt: Format) -> Format:
    return FORMATS["float32"] if fmt.name in NARROW else fmt


def _least_kept(fmt: Format) -> float:
    """The magnitude below which a number of a format may be taken for zero."""
    return _accumulator(fmt).smallest_normal


def _below(magnitudes: Floats, limit: float) -> Floats | None:
    """The magnitudes below a limit, the others as zero; None if all that are below are zero."""
    if magnitudes.min(initial=limit) >= limit:
        return None
    small: Floats = np.where(magnitudes < limit, magnitudes, 0.0)
    return small if small.any() else None


class Weights:
    """What kernel and bias add to sums and errors: the same in every part of a convolution."""

    def __init__(self, convolution: Convolution) -> None:
        self._convolution = convolution

    @cached_property
    def kernel(self) -> Floats:
        """The finite part of the kernel."""
        return _finite_part(self._convolution.kernel)

    @cached_property
    def bias(self) -> Floats:
        """The finite part of the bias."""
        return _finite_part(self._convolution.bias)

    @cached_property
    def magnitudes(self) -> Floats:
        """Those of the finite part of the kernel."""
        return np.abs(self.kernel)

    @cached_property
    def subnormal_kernel(self) -> Floats | None:
        """The subnormal magnitudes of the kernel, the others as zero; None without any."""
        return _below(self.magnitudes, _least_kept(self._convolution.format))

    @cached_property
    def subnormal_bias(self) -> Floats | None:
        """Those of the bias."""
        return _below(np.abs(self.bias), _least_kept(self._convolution.format))

    @cached_property
    def single_magnitudes(self) -> NDArray[np.float32]:
        """The magnitudes of the kernel in float32; not finite where it is not."""
        return np.abs(self._convolution.kernel).astype(np.float32)

    @cached_property
    def single_bias(self) -> NDArray[np.float32]:
        """Those of the bias."""
        return np.abs(self._convolution.bias).astype(np.float32)

    @cached_property
    def largest_sum(self) -> float:
        """The largest sum of a filter's magnitudes; NaN or infinite where one of them is."""
        sums = np.abs(self._convolution.kernel).reshape(-1, len(self._convolution.bias)).sum(0)
        return float(sums.max(initial=0.0)) * (1 + growth(self._convolution.products, 2.0**-52))

    @cached_property
    def largest_bias(self) -> float:
        """The largest magnitude of a bias; NaN or infinite where one is."""
        return float(np.abs(self._convolution.bias).max(initial=0.0))

    @cached_property
    def some_taps(self) -> tuple[range, ...] | None:
        """The middle taps of some axes, with products enough; None where that leaves none out."""
        window, products = self._convolution.kernel.shape[:-2], self._convolution.products
        taps = [range(size) for size in window]
        for axis, size in enumerate(window):
            if size > 1 and products // size >= _SOME:
                products //= size
                taps[axis] = range(size // 2, size // 2 + 1)
        return tuple(taps) if products < self._convolution.products else None

    @cached_property
    def special(self) -> Mask:
        """The filters with a NaN or an infinity in their kernel."""
        return _any_per_filter(~np.isfinite(self._convolution.kernel))


class Gauge:
    """The sums of one convolution and their possible errors, channels last.

    Each is computed when it is first asked for: most outcomes equal the expected value.
    """

    def __init__(self, convolution: Convolution, weights: Weights | None = None) -> None:
        self.convolution = convolution
        self.format = convolution.format
        self.products = convolution.products
        self.weights = weights or Weights(convolution)

    def parts(self) -> Iterator[tuple[Box, Gauge]]:
        """Gauges of boxes of the batch and spatial axes, each small; of all, if that is small.

        So judging a large output needs no more memory than a small one, and its arrays stay in the
        processor's caches.
        """
        c = self.convolution
        *places, filters = c.output_shape
        most = max(_PART // max(filters, 1), 1)
        if math.prod(places) <= most:
            yield (), self
            return
        whole = places[-1:] if c.keeps_rows else []
        cut = places[: len(places) - len(whole)]
        most = max(most // math.prod(whole), 1)
        for part in boxes_after_small(cut, most, -(-most // _FIRST)):
            box = (*part, *(slice(0, size) for size in whole))
            yield box, type(self)(c.part(box), self.weights)

    @cached_property
    def _inputs(self) -> Floats:
        """The finite part of the inputs."""
        return _finite_part(self.convolution.inputs)

    @cached_property
    def _magnitudes(self) -> Floats:
        """Those of the finite part of the inputs."""
        return np.abs(self._inputs)

    @cached_property
    def _plain_centre(self) -> Floats:
        with np.errstate(all="ignore"):
            sums: Floats = contract(self._inputs, self.weights.kernel, self.convolution.axes)
            sums += self.weights.bias
            return sums

    @cached_property
    def magnitude(self) -> Floats:
        """S, the sums of the finite operands' magnitudes; infinite beyond float64's range."""
        with np.errstate(all="ignore"):
            sums: Floats = contract(
                self._magnitudes, self.weights.magnitudes, self.convolution.axes
            )
            sums += np.abs(self.weights.bias)
            return sums

    @cached_property
    def _largest(self) -> float:
        return float(self.magnitude.max(initial=0.0))

    @cached_property
    def _scaled_sums(self) -> tuple[Floats, Floats]:
        """Centre and magnitude times ``2**(-2 _ROOM)``, for sums beyond float64's range."""
        w, axes = self.weights, self.convolution.axes
        inputs, kernel = np.ldexp(self._inputs, -_ROOM), np.ldexp(w.kernel, -_ROOM)
        bias = np.ldexp(w.bias, -2 * _ROOM)
        magnitude = contract(np.abs(inputs), np.abs(kernel), axes) + np.abs(bias)
        return contract(inputs, kernel, axes) + bias, magnitude

    @cached_property
    def _within_range(self) -> Mask | None:
        """Where the sum of the magnitudes is a float64; None where that is everywhere."""
        return None if math.isfinite(self._largest) else np.isfinite(self.magnitude)

    @cached_property
    def centre(self) -> Floats:
        """The sums of the finite operands in float64."""
        centre = self._plain_centre
        if self._within_range is None:
            return centre
        with np.errstate(all="ignore"):
            return np.where(self._within_range, centre, np.ldexp(self._scaled_sums[0], 2 * _ROOM))

    def _times_magnitude(self, factor: float) -> Floats:
        """``factor S``, also where S alone is beyond float64's range."""
        with np.errstate(all="ignore"):
            product = factor * self.magnitude
            if self._within_range is None:
                return product
            beyond = np.ldexp(factor * self._scaled_sums[1], 2 * _ROOM)
            return np.where(self._within_range, product, beyond)

    @cached_property
    def touched(self) -> Mask | None:
        """The sums in which the operand that stands apart takes part; None where there is none."""
        c = self.convolution
        return None if c.apart is None else c.reached_from(c.apart, self.weights.special)

    @cached_property
    def special(self) -> Mask | None:
        """The sums that NaN or infinite operands make so; None where all operands are finite."""
        c = self.convolution
        filters = self.weights.special | ~np.isfinite(c.bias)
        if self._inputs is c.inputs and not filters.any():
            return None
        return c.reached_from(~np.isfinite(c.inputs), filters)

    @cached_property
    def undefined(self) -> Floats:
        """The sums as IEEE 754 has them; NaN or infinite where `special` holds."""
        return self.convolution.with_operands(self.convolution.inputs, self.convolution.kernel)

    @cached_property
    def overflow(self) -> tuple[Mask, Mask] | None:
        """Where the positive, and where the negative terms alone can exceed the range, or None."""
        half = (1 + growth(self.products + 1, self.format.unit_roundoff)) / 2
        limit = self.format.largest
        if self._within_range is None and 2 * half * self._largest < limit:
            return None
        centre, magnitude = self._plain_centre, self.magnitude
        if self._within_range is not None:
            (centre, magnitude), limit = self._scaled_sums, math.ldexp(limit, -2 * _ROOM)
            if 2 * half * magnitude.max(initial=0.0) < limit:
                return None
        return (magnitude + centre) * half >= limit, (magnitude - centre) * half >= limit

    @cached_property
    def _flushed(self) -> Floats | float:
        """The magnitudes of the products of which an operand is subnormal."""
        w, axes = self.weights, self.convolution.axes
        small = _below(self._magnitudes, _least_kept(self.format))
        total: Floats | float = 0.0 if w.subnormal_bias is None else w.subnormal_bias
        if small is not None:
            total = total + contract(small, w.magnitudes, axes)
        if w.subnormal_kernel is not None:
            total = total + contract(self._magnitudes, w.subnormal_kernel, axes)
        return total

    @cached_property
    def a_priori_error(self) -> Floats:
        """How far a sum can be off in the layer's dtype, in any order."""
        relative = growth(self.products + 1, self.format.unit_roundoff)
        lost = max(_least_kept(self.format), self.format.quantum)
        underflow = (2 * self.products + 1) * lost
        error = self._times_magnitude(relative + self._own)
        error += underflow + self._flushed
        return error

    @property
    def _own(self) -> float:
        """The relative error of the float64 sums here."""
        return growth(self.products + 1, FORMATS["float64"].unit_roundoff)

    @cached_property
    def exact_error(self) -> Floats:
        """How far a sum can be off where every order of summation is exact."""
        error = np.zeros_like(self.centre)
        if self.format.name in NARROW:
            error = np.abs(round_to(self.centre, self.format) - self.centre)
            if named(self.convolution.activation).rounds:
                error = np.maximum(error, np.abs(self.rounded_twice - self.centre))
            error = np.where(np.isfinite(error), error, 0.0)
        return error if self.touched is None else np.where(self.touched, self.a_priori_error, error)

    @cached_property
    def rounded_twice(self) -> Floats:
        """The sums rounded to the layer's dtype before and after the addition of the bias."""
        bias = self.convolution.bias
        with np.errstate(all="ignore"):
            return round_to(round_to(self.centre - bias, self.format) + bias, self.format)

    @property
    def error(self) -> Floats:
        """How far the sums of a correct implementation can be off."""
        return self.exact_error if self.convolution.exact else self.a_priori_error

    @property
    def accumulator(self) -> Format:
        """The format in which the layer's dtype is accumulated."""
        return _accumulator(self.format)

    @cached_property
    def statistical_error(self) -> Floats:
        """How far a sum of products of random sign can be off, in any order."""
        rigorous = growth(self.products + 1, self.accumulator.unit_roundoff) * self.magnitude
        random = np.minimum(rigorous, SPREAD * self.statistical_unit)
        if self.convolution.activation != "linear":  # of which the sums here are the arguments
            random = random + self._own * self.magnitude
        return random + self.narrow_error

    @cached_property
    def statistical_unit(self) -> Floats:
        """The unit c of such errors: ``u sqrt((K + 2) sum(t**2) / 3)``."""
        w, axes = self.weights, self.convolution.axes
        squares = contract(self._inputs**2, w.kernel**2, axes) + w.bias**2
        unit: Floats = np.sqrt(squares * ((self.products + 2) / 3))
        return unit * self.accumulator.unit_roundoff

    @property
    def least_statistical_unit(self) -> Floats:
        """A number that is no larger, without another contraction.

        ``sum(|t|)**2 <= (K + 1) sum(t**2)``.
        """
        unit: Floats = self.magnitude * (self.accumulator.unit_roundoff / math.sqrt(3))
        return unit

    @cached_property
    def narrow_error(self) -> Floats:
        """What float16 and bfloat16 lose by rounding a sum before and after its bias; else 0.

        The underflow of the accumulator and flushed operands are part of it for every dtype.
        """
        underflow = (2 * self.products + 1) * self.accumulator.smallest_normal + self._flushed
        if self.format.name not in NARROW:
            return underflow + np.zeros_like(self.centre)
        sizes = np.abs(self.centre - self.convolution.bias) + np.abs(self.centre)
        # Each rounding is at most u |sum|, and a half quantum below the smallest normal number.
        return self.format.unit_roundoff * sizes + self.format.quantum + underflow

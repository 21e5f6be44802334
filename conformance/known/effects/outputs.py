"""Effects on outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import Facts, facts
from conformance.cases.operands import Operands
from conformance.diagnosis.evaluation import (
    CORRECT,
    Steps,
    gather,
    in_parts,
    predict,
    settings_of,
)
from conformance.diagnosis.variations import (
    finite,
    half_not_clipped,
    in_place_of,
    results_towards,
    same,
)
from conformance.judge.activations import named, through_activation
from conformance.judge.activations.activation import Elementwise
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.running_error import Floats, growth
from conformance.judge.sums import Convolution, half_ulp
from conformance.known.effects.elements import (
    GELU_FACTORS,
    OF_CONSTANTS,
    SOFTPLUS_ENDS,
    all_wrong_are,
    as_steps,
    erf,
    output_of,
    shaped_output_of,
    with_neighbours,
)

if TYPE_CHECKING:
    from conformance.known.record import Found

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def neighbour_times_zero(found: Found) -> bool:
    """A neighbour of the window is multiplied by zero: an infinity or NaN there gives NaN.

    Kernels that take the products in pairs fill up odd numbers of them so.
    """
    actual = shaped_output_of(found)
    operands, _ = found.derive()
    if actual is None:
        return False
    known = facts(found.case)
    inputs = as_float64(operands.inputs)
    inputs = np.moveaxis(inputs, 1, -1) if known.channels_first else inputs
    special: Mask = np.any(~np.isfinite(inputs), axis=-1, keepdims=True)
    marked = with_neighbours(special)
    marked = np.broadcast_to(marked, inputs.shape)
    convolution = Convolution.of(found.case, operands)
    felt = convolution.reached_from(marked, np.zeros(convolution.kernel.shape[-1], bool))
    felt = convolution.laid_out(felt)
    return all_wrong_are(found, np.isnan(as_float64(actual)) & felt)


def inputs_of_other_byte_order(found: Found) -> bool:
    """The memory of inputs in the other byte order is read as if it were in the machine's.

    Most of what is read so is tiny: kernels may flush it, and may lose a NaN.
    """
    actual = shaped_output_of(found)
    operands, _ = found.derive()
    if actual is None or operands.inputs.dtype.isnative:
        return False
    fmt = FORMATS.get(found.case.dtype)
    smallest = fmt.smallest_normal if fmt else 0.0
    raw = operands.inputs.view(operands.inputs.dtype.newbyteorder("="))
    explained: Mask = np.zeros(actual.shape, bool)
    for inputs in (raw, _flushed(raw, smallest)):
        read = predict(found.case, Operands(inputs, operands.weights), CORRECT)
        lost = (actual == 0) & (np.abs(read.wide) < smallest)
        explained |= read.allows(actual) | lost | np.isnan(read.wide)
    return all_wrong_are(found, explained)


_LANES: Final = 4


def lanes_times_zero(found: Found) -> bool:
    """Outputs of a row are computed four at a time, those beyond a window's end multiplied by zero.

    So an infinity or NaN gives NaN in outputs up to four places beside those that it is part of.
    """
    actual = shaped_output_of(found)
    operands, _ = found.derive()
    if actual is None:
        return False
    convolution = Convolution.of(found.case, operands)
    marked: Mask = ~np.isfinite(convolution.inputs)
    spread = np.concatenate([marked] + [np.zeros_like(marked)] * 2, axis=-2)
    width = marked.shape[-2]
    shifts = range(-_LANES, _LANES + 1)
    spread = np.any([np.roll(spread, shift, axis=-2) for shift in shifts], axis=0)
    felt = convolution.reached_from(
        spread[..., :width, :], np.zeros(convolution.kernel.shape[-1], bool)
    )
    return all_wrong_are(found, np.isnan(as_float64(actual)) & convolution.laid_out(felt))


def sums_are_clamped(found: Found) -> bool:
    """Sums beyond the finite numbers become the largest of them before the activation.

    Which is then off by its own error, and a rounding, as any is.
    """
    actual, fmt = shaped_output_of(found), FORMATS.get(found.case.dtype)
    operands, expectation = found.derive()
    if actual is None or fmt is None:
        return False
    gauge = expectation.gauge(found.case, operands)
    if gauge is None:
        return False
    sums = gauge.convolution.laid_out(gauge.undefined)
    with np.errstate(all="ignore"):
        clamped = np.clip(sums, -fmt.largest, fmt.largest)
        felt = ~(np.abs(sums) <= fmt.largest)
        name = facts(found.case).activation or "linear"
        if not isinstance(named(name), Elementwise):
            felt |= felt.any(axis=-1, keepdims=True)
        made = through_activation(name, clamped, np.zeros_like(clamped), fmt)
        room = made.error + half_ulp(made.value, fmt)
        near = np.abs(as_float64(actual) - made.value) <= room
    return all_wrong_are(found, felt & near)


def exponential_of_nan_is_zero(found: Found) -> bool:
    """The exponential of NaN is 0."""
    return as_steps(found, in_place_of("exponential", _exponential_without_nan))


def _exponential_without_nan(y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.where(np.isnan(y), 0.0, np.exp(y)))


def exponential_of_rounded_argument(found: Found) -> bool:
    """The exponential is a power of two, whose exponent was rounded to float32.

    The factor ``log2(e)`` and the product with it are each rounded once: an argument x is off by
    ``2 u |x|``, and so is the relative error.  The power of two adds 8 u: its polynomial and its
    scaling have at most seven operations.  Near the largest numbers, from ``2**127`` on, it may
    overflow, and subnormal results may be zero.
    """
    actual, fmt = shaped_output_of(found), FORMATS.get(found.case.dtype)
    operands, expectation = found.derive()
    if actual is None or fmt is None or facts(found.case).activation != "exponential":
        return False
    gauge = expectation.gauge(found.case, operands)
    if gauge is None:
        return False
    x = np.abs(gauge.convolution.laid_out(gauge.centre))
    wide, got = as_float64(expectation.value), as_float64(actual)
    room = fmt.unit_roundoff * (2 * x + 8) * wide
    room = np.where(wide < fmt.smallest_normal, fmt.smallest_normal, room)
    with np.errstate(all="ignore"):
        near = np.isfinite(wide) & (np.abs(got - wide) <= room)
    return all_wrong_are(found, near | ((got == np.inf) & (wide >= fmt.largest / 2)))


def subnormal_parts_are_lost(found: Found) -> bool:
    """Softmax loses what is subnormal: parts are off by the least normal number."""
    actual, fmt = shaped_output_of(found), FORMATS.get(found.case.dtype)
    _, expectation = found.derive()
    if actual is None or fmt is None:
        return False
    distance = np.abs(as_float64(actual) - as_float64(expectation.value))
    return all_wrong_are(found, distance <= fmt.smallest_normal)


def padding_skipped(found: Found) -> bool:
    """Padding takes no part, so that a kernel element over it has none even if it is not finite."""
    actual = output_of(found)
    operands, _ = found.derive()
    if actual is None or operands.inputs is None:
        return False
    return as_steps(found, _WITHOUT_PADDING)


def _contract_inside(windows: Array, kernel: Array) -> Array:
    """The sums over products, those of padding (marked by a NaN of the window) left out."""
    skipped = np.isnan(windows)
    axes = tuple(range(kernel.ndim - 1))
    shape = windows.shape[: windows.ndim - len(axes)]
    sums = np.zeros((*shape, kernel.shape[-1]))
    for index in range(kernel.shape[-1]):
        products = np.where(skipped, 0.0, np.where(skipped, 0.0, windows) * kernel[..., index])
        sums[..., index] = products.sum(axis=tuple(range(len(shape), windows.ndim)))
    return sums


_WITHOUT_PADDING: Final = Steps(pad_value=math.nan, contract=_contract_inside)


def pooling_compares_with_greater(found: Found) -> bool:
    """Max pooling by comparisons that NaN never wins, and in which subnormal numbers are zeros.

    So a window gives the greatest of its numbers; where several count as equal, the first of them
    in every window, or the last, or in every window zero.
    """
    return _pooled_by_comparison(found, -math.inf)


def pooling_compares_from_least_finite(found: Found) -> bool:
    """The same, beginning with the least finite number, so that a window never gives less."""
    fmt = FORMATS.get(found.case.dtype)
    return fmt is not None and _pooled_by_comparison(found, -fmt.largest)


def pooling_compares_all_with_greater(found: Found) -> bool:
    """As `pooling_compares_with_greater`, in all windows: none gives a NaN, however they do."""
    actual, fmt = shaped_output_of(found), FORMATS.get(found.case.dtype)
    if actual is None or fmt is None:
        return False
    possible = _greatest_of_windows(found, fmt.smallest_normal)
    explained: Mask = np.any([as_float64(actual) == values for values in possible], axis=0)
    return bool(explained.all()) and all_wrong_are(found, explained)


def _pooled_by_comparison(found: Found, least: float) -> bool:
    actual = shaped_output_of(found)
    fmt = FORMATS.get(found.case.dtype)
    if actual is None or fmt is None:
        return False
    got = as_float64(actual)
    possible = [np.maximum(v, least) for v in _greatest_of_windows(found, fmt.smallest_normal)]
    given = [got == values for values in possible]
    if found.case.operands == "subnormal":
        return any(np.all(explained) for explained in given)
    return all_wrong_are(found, np.any(given, axis=0))


def _greatest_of_windows(found: Found, smallest: float) -> list[Floats]:
    """The first and the last of the greatest elements, and the greatest with tiny ones as zeros."""
    first = facts(found.case).channels_first
    inputs = as_float64(found.derive()[0].inputs)
    inputs = np.moveaxis(inputs, 1, -1) if first else inputs
    windows, inside = gather(inputs, settings_of(found.case), CORRECT)
    rank = windows.ndim // 2 - 1
    windows = np.where(inside & ~np.isnan(windows), windows, -np.inf)
    windows = np.moveaxis(windows, -1, 1 + rank)
    windows = windows.reshape(*windows.shape[: 2 + rank], -1)
    compared = np.where(np.abs(windows) < smallest, 0.0, windows)
    earliest = compared.argmax(axis=-1)
    latest = windows.shape[-1] - 1 - np.flip(compared, -1).argmax(axis=-1)
    given = [
        np.take_along_axis(windows, place[..., None], axis=-1)[..., 0]
        for place in (earliest, latest)
    ]
    given.append(compared.max(axis=-1))
    return [np.moveaxis(values, -1, 1) if first else values for values in given]


def pooling_restarts_at_nan(found: Found) -> bool:
    """Max pooling by ``max(m, x)`` that gives x where one is NaN: what stood before is lost.

    A window with a NaN gives the greatest of some of its other numbers, or with none of them what
    it begins with: minus infinity, or the least finite number.  Subnormal numbers may be zeros.
    """
    return _restarts_at_nan(found, clamps=False)


def pooling_restarts_at_nan_and_clamps(found: Found) -> bool:
    """The same, and infinities become the largest finite numbers."""
    return _restarts_at_nan(found, clamps=True)


def _restarts_at_nan(found: Found, *, clamps: bool) -> bool:
    actual = shaped_output_of(found)
    operands, _ = found.derive()
    fmt = FORMATS.get(found.case.dtype)
    if actual is None or fmt is None:
        return False
    first = facts(found.case).channels_first
    inputs, got = (
        np.moveaxis(as_float64(array), 1, -1) if first else as_float64(array)
        for array in (operands.inputs, actual)
    )
    windows, inside = gather(inputs, settings_of(found.case), CORRECT)
    rank = windows.ndim // 2 - 1
    taps = tuple(range(1 + rank, 1 + 2 * rank))
    tiny = np.abs(windows) < fmt.smallest_normal
    given = got.reshape(*got.shape[:-1], *(1,) * rank, got.shape[-1])
    most = fmt.largest if clamps else np.inf
    finite = np.clip(windows, -most, most)
    held = inside & ((given == windows) | (given == finite) | (tiny & (given == 0)))
    begun = (got == -np.inf) | (got == -fmt.largest)
    has_nan = np.any(np.isnan(windows) & inside, axis=taps)
    lowest = np.all((windows == -np.inf) | ~inside, axis=taps)
    flushed = np.where(inside, np.where(tiny, 0.0, windows), -np.inf).max(axis=taps)
    clamped = np.clip(flushed, -most, most)
    alone = (lowest & begun) | (got == flushed) | (got == clamped)
    explained = (has_nan & (held.any(axis=taps) | begun)) | alone
    return all_wrong_are(found, np.moveaxis(explained, -1, 1) if first else explained)


def logistic_by_absolute_error(found: Found) -> bool:
    """The logistic function is off by an absolute error, that of rounding 1, not by a relative one.

    sigmoid is off by two units of the roundoff at most, and silu, which multiplies by it, by that
    times the sum.
    """
    actual, fmt = shaped_output_of(found), FORMATS.get(found.case.dtype)
    name = facts(found.case).activation
    operands, expectation = found.derive()
    if actual is None or fmt is None or name not in ("sigmoid", "silu", "swish"):
        return False
    gauge = expectation.gauge(found.case, operands)
    if gauge is None:
        return False
    sums = np.abs(gauge.convolution.laid_out(gauge.centre))
    room = 2 * fmt.unit_roundoff * (np.ones_like(sums) if name == "sigmoid" else sums)
    with np.errstate(all="ignore"):
        near = np.abs(as_float64(actual) - as_float64(expectation.value)) <= room
    return all_wrong_are(found, near)


def dilation_by_zeros(found: Found) -> bool:
    """A dilated kernel is filled up with zeros, which multiply the inputs between its taps.

    So an infinity or NaN there gives NaN, where it has no part.
    """
    actual = shaped_output_of(found)
    operands, _ = found.derive()
    known = facts(found.case)
    if actual is None or max(known.dilation) == 1:
        return False
    convolution = Convolution.of(found.case, operands)
    special: Mask = np.any(~np.isfinite(convolution.inputs), axis=-1)
    felt = np.stack([_spanned(sample, known) for sample in special])[..., None]
    felt = convolution.laid_out(np.broadcast_to(felt, convolution.output_shape))
    return all_wrong_are(found, np.isnan(as_float64(actual)) & felt)


def _spanned(special: Mask, known: Facts) -> Mask:
    """Whether a marked place lies within the span of each window, between its taps or not."""
    felt = np.zeros([axis.output for axis in known.axes], bool)
    for index in np.ndindex(*felt.shape):
        starts = [
            place * axis.stride - axis.pad_before
            for place, axis in zip(index, known.axes, strict=True)
        ]
        spans = [(axis.window - 1) * axis.dilation + 1 for axis in known.axes]
        cut = tuple(
            slice(max(start, 0), max(start + span, 0))
            for start, span in zip(starts, spans, strict=True)
        )
        felt[index] = special[cut].any()
    return felt


def log_of_softmax(found: Found) -> bool:
    """log_softmax is the logarithm of a softmax that has been rounded: small parts are lost.

    A part p of it, off by some units of the roundoff and of the least subnormal number, becomes
    ``log p``: minus infinity where p is below that number.
    """
    actual = shaped_output_of(found)
    _, expectation = found.derive()
    fmt = FORMATS.get(found.case.dtype)
    if actual is None or fmt is None or facts(found.case).activation != "log_softmax":
        return False
    wide, got = as_float64(expectation.value), as_float64(actual)
    with np.errstate(all="ignore"):
        part = np.exp(wide)
        lost = 4 * fmt.quantum
        low = np.where(part > lost, np.log(np.maximum(part - lost, 0.0)), -np.inf)
        high = np.log(part + lost)
    units = _SOFTMAX_UNITS * fmt.unit_roundoff * (1 + np.abs(wide))
    near = (got >= low - units) & (got <= high + units)
    return all_wrong_are(found, near)


_SOFTMAX_UNITS: Final = 8
"""Of u: an exponential has up to 4 of it, sum and quotient a rounding each, the logarithm 2."""


def relu_drops_nan(found: Found) -> bool:
    """Relu and relu6 turn NaN into zero."""
    clipped: dict[str, Callable[[Array], Array]] = {
        "relu": lambda y: np.fmax(y, 0.0),
        "relu6": lambda y: np.fmin(np.fmax(y, 0.0), 6.0),
    }
    name = facts(found.case).activation or ""
    return name in clipped and as_steps(found, in_place_of(name, clipped[name]))


def gelu_with_float32_root(found: Found) -> bool:
    """The factor of gelu in float64, the root of one half, was rounded to float32.

    Until TensorFlow 2.18, it is the root of two, by which is divided.
    """
    return any(
        as_steps(found, in_place_of("gelu", partial(_gelu_by_factor, one))) for one in GELU_FACTORS
    )


def gelu_with_float32_erf(found: Found) -> bool:
    """The error function of gelu in float64 was rounded to float32."""
    return as_steps(found, in_place_of("gelu", _gelu_with_float32_erf))


def softplus_of_itself_from_twenty(found: Found) -> bool:
    """Softplus beyond `SOFTPLUS_ENDS` is its argument."""
    return as_steps(found, in_place_of("softplus", _softplus_of_itself))


def _softplus_of_itself(y: Array) -> Array:
    return np.asarray(np.where(y > SOFTPLUS_ENDS, y, np.logaddexp(y, 0)))


def hard_silu_by_six_times_the_sum(found: Found) -> bool:
    """``x relu6(x + 3) / 6`` from left to right, in float32 at least: infinite where 6 x is."""
    name = facts(found.case).activation or ""
    fmt = FORMATS[found.case.dtype if found.case.dtype == "float64" else "float32"]
    return name in ("hard_silu", "hard_swish") and as_steps(
        found, in_place_of(name, partial(_hard_silu_within, fmt.largest))
    )


def _hard_silu_within(largest: float, y: Array) -> Array:
    return np.asarray(np.where(y > largest / 6, np.inf, y * np.clip(y + 3.0, 0.0, 6.0) / 6.0))


def softsign_by_reciprocal(found: Found) -> bool:
    """``x (1 / (1 + |x|))``: of large x the reciprocal is subnormal, and has few digits."""
    return found.case.dtype == "float32" and as_steps(
        found, in_place_of("softsign", _softsign_by_reciprocal)
    )


def _softsign_by_reciprocal(y: Array) -> Array:
    return np.asarray(y * (1 / (1 + np.abs(y))).astype(np.float32).astype(np.float64))


def _gelu_with_float32_erf(y: Array) -> Array:
    rounded = erf(y * math.sqrt(0.5)).astype(np.float32).astype(np.float64)
    return np.asarray(0.5 * y * (1 + rounded))


def _gelu_by_factor(factor: float, y: Array) -> Array:
    return np.asarray(0.5 * y * (1 + erf(y * factor)))


_TILE: Final = 8
_TILE_UNITS: Final = 2.0**6
"""Of u times inputs and weights: measured, not derived.

F(6, 3) by the interpolation points 0, 1, -1, 2, -2, 1/2, -1/2 in plain float32, on 240,000 tiles of
six kinds, is off by up to 58 to 142 of it, and by 265 where all inputs are 1 or -1.  What libraries
do on the cases of the grids, on which operands are less even, stays within 64; more is not covered.
"""


def larger_tiles(found: Found) -> bool:
    """A transform of tiles (Winograd): inexact by units of the largest input in the tile.

    The errors stay within ``2**6 u max|x| (sum |w|)`` per filter, with the maximum over the places
    that a tile of 8 can hold, as the transforms of windows of 3 (Winograd's F(6, 3)) multiply and
    add numbers of up to that size; an infinity or NaN in a tile turns it into NaN.
    """
    actual = shaped_output_of(found)
    operands, expectation = found.derive()
    if actual is None:
        return False
    c = Convolution.of(found.case, operands)
    special = ~np.isfinite(c.inputs)
    weights = np.abs(c.kernel).reshape(-1, c.kernel.shape[-1]).sum(axis=0)
    size = _greatest_nearby(np.where(special, 0.0, np.abs(c.inputs)), c)[..., None] * weights
    allowed = c.laid_out(_TILE_UNITS * c.format.unit_roundoff * (size + np.abs(c.bias)))
    touched = _greatest_nearby(special.astype(float), c)[..., None] + np.zeros_like(weights) > 0
    with np.errstate(all="ignore"):
        near = np.abs(as_float64(actual) - as_float64(expectation.value)) <= allowed
    return all_wrong_are(found, near | (np.isnan(as_float64(actual)) & c.laid_out(touched)))


_TRANSFORM_UNITS: Final = 16


def transform_of_all_samples(found: Found) -> bool:
    """A Fourier transform of the whole input, batch included, for each filter.

    Its errors are within units of ``u log2(N) |x| |w|``, with the Euclidean norms of all N inputs
    and of the filter; what is not finite, or made so by sums of all of them, reaches every output.
    """
    actual = shaped_output_of(found)
    operands, expectation = found.derive()
    gauge = expectation.gauge(found.case, operands) if actual is not None else None
    if actual is None or gauge is None:
        return False
    c, fmt, lay = gauge.convolution, gauge.format, gauge.convolution.laid_out
    filters = c.kernel.reshape(-1, c.kernel.shape[-1])
    with np.errstate(all="ignore"):
        size = np.linalg.norm(c.inputs) * np.linalg.norm(filters, axis=0) + np.abs(c.bias)
        units = _TRANSFORM_UNITS * math.log2(2 * c.inputs.size)
        error = lay(units * fmt.unit_roundoff * size + np.zeros(c.output_shape))
        running = through_activation(c.activation, lay(gauge.centre), error, fmt)
        allowed = running.error + half_ulp(running.value, fmt)
        near = np.abs(as_float64(actual) - running.value) <= allowed
        most = np.abs(c.inputs).sum() * np.abs(filters).sum(axis=0)
    spoilt = ~(most < fmt.largest) | (
        c.activation.endswith("softmax") & ~np.all(most < fmt.largest)
    )
    spoilt = lay(spoilt & np.ones(c.output_shape, bool))
    return all_wrong_are(found, near | (spoilt & ~np.isfinite(as_float64(actual))))


def _greatest_nearby(sizes: Floats, c: Convolution) -> Floats:
    """The greatest input within the tiles that an output can belong to, for each output."""
    greatest: Floats = sizes.max(axis=-1)
    for index, axis in enumerate(c.axes, 1):
        centres = [place * axis.stride - axis.pad_before for place in range(axis.output)]
        reach = axis.window + _TILE
        lines = [
            greatest.take(
                range(max(place - _TILE, 0), min(place + reach, axis.length)), axis=index
            ).max(axis=index, initial=0.0)
            for place in centres
        ]
        greatest = np.stack(lines, axis=index)
    return greatest


def exponential_reduced_in_two_roundings(found: Found) -> bool:
    """Exponentials whose argument x becomes ``x - n log(2)`` with the product rounded.

    Without a fused multiply-add, the remainder is off by up to ``u |n log(2)|``, with
    ``|n log(2)| <= |x| + log(2)``, and so is the exponential, relatively.  ``e / sum(e)`` (softmax)
    has that error, and the mean of those of its row with the weights of the exponentials;
    ``x e / (1 + e)`` (silu) has ``1 / (1 + e)`` of it.
    """
    actual = shaped_output_of(found)
    operands, expectation = found.derive()
    name = facts(found.case).activation or ""
    if actual is None or name not in _PASSED_ON:
        return False
    gauge, expected = expectation.gauge(found.case, operands), as_float64(expectation.value)
    if gauge is None:
        return False
    sums = predict(found.case, operands, in_place_of(name, np.asarray), with_error=False).wide
    bound = output_bound(gauge, expected, gauge.error).error
    with np.errstate(all="ignore"):
        error = gauge.format.unit_roundoff * np.abs(expected) * _PASSED_ON[name](sums)
        return all_wrong_are(found, np.abs(as_float64(actual) - expected) <= bound + error)


def _passed_on_by_softmax(x: Floats) -> Floats:
    argument = x - x.max(axis=-1, keepdims=True)
    own, powers = math.log(2) - argument, np.exp(argument)
    mean = (powers * own).sum(axis=-1, keepdims=True) / powers.sum(axis=-1, keepdims=True)
    return np.asarray(own + mean)


def _passed_on_by_silu(x: Floats) -> Floats:
    return np.asarray((np.abs(x) + math.log(2)) / (1 + np.exp(x)))


def _passed_on_by_exponential(x: Floats) -> Floats:
    return np.asarray(np.abs(x) + math.log(2))


_PASSED_ON: Final[dict[str, Callable[[Floats], Floats]]] = {
    "exponential": _passed_on_by_exponential,
    "sigmoid": _passed_on_by_silu,
    "silu": _passed_on_by_silu,
    "swish": _passed_on_by_silu,
    "softmax": _passed_on_by_softmax,
}
"""What activations make of the relative error of their exponentials, in units of roundoff."""


def same_cropped(found: Found) -> bool:
    """SAME padding that is negative crops the inputs, half of it at first, however rounded."""
    halves = (half_not_clipped, _half_of_one_less, _half_by_floor)
    return any(as_steps(found, same(half)) for half in halves)


def _half_by_floor(n: int, k: int, s: int, d: int) -> int:
    return int((-(-n // s) - 1) * s + (k - 1) * d + 1 - n) // 2


def _half_of_one_less(n: int, k: int, s: int, d: int) -> int:
    total = (-(-n // s) - 1) * s + (k - 1) * d + 1 - n
    return int((total + 1) / 2) if total < 0 else total // 2


def pads_of_unit_strides(found: Found) -> bool:
    """SAME padding is that of a window without strides and dilation, and sums may be clamped."""
    pads = same(lambda n, k, s, d: (k - 1) // 2)
    return any(as_steps(found, replace(pads, sums=sums)) for sums in (pads.sums, finite))


def groups_times_zero(found: Found) -> bool:
    """Groups are one product with zeros between them; OpenCV clamps its sums.

    So an infinity or NaN in a channel gives NaN in the groups that do not read it.
    """
    between = Steps(groups=_with_zeros_between)
    return as_steps(found, between) or as_steps(found, replace(between, sums=finite))


def _with_zeros_between(windows: Array, groups: int) -> list[Array]:
    special = np.count_nonzero(~np.isfinite(windows), axis=-1, keepdims=True)
    parts = in_parts(windows, groups)
    others = [special - np.count_nonzero(~np.isfinite(p), axis=-1, keepdims=True) for p in parts]
    return [part + np.where(n > 0, np.nan, 0.0) for part, n in zip(parts, others, strict=True)]


def shape_of_input(found: Found) -> bool:
    """The convolution of an empty input has the shape of its input, with its causal padding."""
    actual = output_of(found)
    operands, _ = found.derive()
    if actual is None or operands.inputs is None or actual.size:
        return False
    known = facts(found.case)
    given = list(operands.inputs.shape)
    if known.padding == "causal":
        given[2 if known.channels_first else 1] += known.windows[0].before(1)
    made = list(actual.shape)
    axis = 1 if known.channels_first else -1
    del given[axis], made[axis]
    return given == made


def subnormals_as_zeros(found: Found) -> bool:
    """Subnormal inputs are taken for zero."""
    smallest = FORMATS[found.case.dtype].smallest_normal
    return as_steps(found, Steps(inputs=lambda x: _flushed(x, smallest)))


def _flushed(array: Array, smallest: float) -> Array:
    return np.where(np.abs(as_float64(array)) < smallest, np.zeros_like(array), array)


_LESS_ONE: Final = ("celu", "elu", "selu")
"""Activations that are an exponential less one, whose own error stays where both nearly cancel."""


def computed_in_float32(found: Found) -> bool:
    """An output of float64 that was computed in float32, from operands rounded to that."""
    return found.case.dtype == "float64" and _computed_in(found, FORMATS["float32"])


def summed_in_float16(found: Found) -> bool:
    """An output of float16 whose products were added in float16."""
    return found.case.dtype == "float16" and _computed_in(found, FORMATS["float16"])


def rounded_up_from_odd_alone(found: Found) -> bool:
    """The last bit in place of half a unit is added before cutting: only odd numbers are raised."""
    return as_steps(found, Steps(results=results_towards(_up_from_odd)))


def _up_from_odd(significands: Floats) -> Floats:
    cut = np.trunc(significands)
    raised = (np.abs(significands - cut) >= 0.5) & (cut % 2 == 1)
    return cut + np.where(raised, np.copysign(1.0, significands), 0.0)


def _computed_in(found: Found, fmt: Format) -> bool:
    """Each operand, product, sum and step of the activation is rounded once to a format.

    What leaves its range is infinite or NaN.
    """
    actual = shaped_output_of(found)
    operands, expectation = found.derive()
    gauge = expectation.gauge(found.case, operands) if actual is not None else None
    if actual is None or gauge is None:
        return False
    lay = gauge.convolution.laid_out
    with np.errstate(all="ignore"):
        error = growth(gauge.products + 4, fmt.unit_roundoff) * gauge.magnitude
        error = lay(error + 2 * gauge.products * fmt.smallest_normal)
        running = through_activation(gauge.convolution.activation, lay(gauge.centre), error, fmt)
        allowed = running.error + half_ulp(running.value, fmt)
        if facts(found.case).activation in _LESS_ONE:
            allowed = allowed + 2 * fmt.unit_roundoff + OF_CONSTANTS * np.abs(running.value)
        near = np.abs(as_float64(actual) - running.value) <= allowed
        beyond = ~(lay(gauge.magnitude) < fmt.largest / 2) & ~np.isfinite(as_float64(actual))
    near &= ~np.isnan(as_float64(expectation.value))  # a number in the place of NaN
    return all_wrong_are(found, near | beyond)


def inputs_of_32_bits(found: Found) -> bool:
    """Inputs of 64 bits are taken in 32: rounded, or their integers cut or clamped."""
    return any(as_steps(found, Steps(inputs=taken)) for taken in (_in_half_the_bits, _clamped))


def _in_half_the_bits(array: Array) -> Array:
    with np.errstate(all="ignore"):
        return array.astype(_HALF[array.dtype.kind]).astype(array.dtype)


def _clamped(array: Array) -> Array:
    if array.dtype.kind == "f":
        return array
    least, most = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    return np.clip(array, max(least, np.iinfo(array.dtype).min), most)


_HALF: Final = {"f": "float32", "i": "int32", "u": "int32"}


def selu_of_five_decimals(found: Found) -> bool:
    """The constants of selu are 1.0507 and 1.67326 (`OF_CONSTANTS`)."""
    actual = shaped_output_of(found)
    if actual is None or facts(found.case).activation != "selu":
        return False
    expected = as_float64(found.derive()[1].value)
    with np.errstate(all="ignore"):
        near = np.abs(as_float64(actual) - expected) <= OF_CONSTANTS * np.abs(expected)
    return all_wrong_are(found, near)


def nothing_where_padding_is_negative(found: Found) -> bool:
    """The sums are zero where strides so exceed the window that SAME would pad by less than 0."""
    known = facts(found.case)
    if shaped_output_of(found) is None or not known.has_axes or known.padding != "same":
        return False
    negative = any(
        (axis.output - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1 < (length or 0)
        for axis, length in zip(known.axes, known.spatial, strict=True)
    )
    return negative and as_steps(found, Steps(contract=_contract_nothing))


def _contract_nothing(windows: Array, kernel: Array) -> Array:
    return np.zeros_like(_contract_inside(np.zeros_like(windows), np.zeros_like(kernel)))

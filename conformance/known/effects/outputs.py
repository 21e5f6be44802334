"""Effects on outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.diagnosis.evaluation import (
    CORRECT,
    Steps,
    gather,
    settings_of,
)
from conformance.diagnosis.variations import in_place_of
from conformance.judge.bounds import output_bound
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.running_error import Floats
from conformance.judge.sums import Convolution
from conformance.known.effects.elements import all_wrong_are, as_steps, output_of

if TYPE_CHECKING:
    from conformance.known.record import Found

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def neighbour_times_zero(found: Found) -> bool:
    """A neighbour of the window is multiplied by zero: an infinity or NaN there gives NaN.

    Kernels that take the products in pairs fill up odd numbers of them so.
    """
    actual = output_of(found)
    operands, expectation = found.derive()
    if actual is None or operands.inputs is None or actual.shape != expectation.value.shape:
        return False
    known = facts(found.case)
    inputs = as_float64(operands.inputs)
    inputs = np.moveaxis(inputs, 1, -1) if known.channels_first else inputs
    special: Mask = np.any(~np.isfinite(inputs), axis=-1, keepdims=True)
    marked = _with_neighbours(special)
    marked = np.broadcast_to(marked, inputs.shape)
    convolution = Convolution.of(found.case, operands)
    felt = convolution.reached_from(marked, np.zeros(convolution.kernel.shape[-1], bool))
    felt = convolution.laid_out(felt)
    return all_wrong_are(found, np.isnan(as_float64(actual)) & felt)


def _with_neighbours(marked: Mask) -> Mask:
    """Marked places and those before and behind them in memory."""
    flat = marked.reshape(-1)
    spread = flat.copy()
    spread[1:] |= flat[:-1]
    spread[:-1] |= flat[1:]
    return spread.reshape(marked.shape)


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
    actual = output_of(found)
    operands, expectation = found.derive()
    fmt = FORMATS.get(found.case.dtype)
    if actual is None or operands.inputs is None or fmt is None:
        return False
    if actual.shape != expectation.value.shape:
        return False
    got = as_float64(actual)
    possible = _greatest_of_windows(found, fmt.smallest_normal)
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
    factors = (float(np.float32(math.sqrt(0.5))), 1 / float(np.float32(math.sqrt(2.0))))
    return any(
        as_steps(found, in_place_of("gelu", partial(_gelu_by_factor, factor))) for factor in factors
    )


def _gelu_by_factor(factor: float, y: Array) -> Array:
    return np.asarray(0.5 * y * (1 + _erf(y * factor)))


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


_TILE: Final = 8
_TILE_UNITS: Final = 2.0**6


def larger_tiles(found: Found) -> bool:
    """A transform of tiles (Winograd): inexact by units of the largest input in the tile.

    The errors stay within ``2**6 u max|x| (sum |w|)`` per filter, with the maximum over the places
    that a tile of 8 can hold, as the transforms of windows of 3 (Winograd's F(6, 3)) multiply and
    add numbers of up to that size; an infinity or NaN in a tile turns it into NaN.
    """
    actual = output_of(found)
    operands, expectation = found.derive()
    if actual is None or operands.inputs is None or actual.shape != expectation.value.shape:
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
    """Softmax by exponentials whose argument x becomes ``x - n log(2)`` with the product rounded.

    Without a fused multiply-add, the remainder is off by up to ``u |n log(2)|``, with
    ``|n log(2)| <= |x| + log(2)``, and so is the exponential, relatively; ``y = e / sum(e)`` has
    that error, and the mean of those of its row with the weights y.  As x has the largest of its
    row taken off, it is ``log(y / max(y))``.
    """
    actual = output_of(found)
    operands, expectation = found.derive()
    if actual is None or operands.inputs is None or actual.shape != expectation.value.shape:
        return False
    gauge = expectation.gauge(found.case, operands)
    expected = as_float64(expectation.value)
    with np.errstate(all="ignore"):
        argument = np.log(expected / expected.max(axis=-1, keepdims=True))
        own = gauge.format.unit_roundoff * (np.abs(argument) + math.log(2))
        mean = np.sum(np.where(expected > 0, expected * own, 0.0), axis=-1, keepdims=True)
        error = output_bound(gauge, expected, gauge.error).error + expected * (own + mean)
        near = np.abs(as_float64(actual) - expected) <= error
    return all_wrong_are(found, near)


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

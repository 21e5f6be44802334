"""Effects on outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from conformance.cases.facts import facts
from conformance.diagnosis.evaluation import (
    CORRECT,
    Steps,
    gather,
    predict,
    settings_of,
)
from conformance.diagnosis.faults import FAULTS
from conformance.diagnosis.variations import in_place_of
from conformance.judge.contraction import Floats, as_float64
from conformance.judge.definition.rounding import FORMATS
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
    marked = _spread_by_one(~np.isfinite(inputs).all(axis=-1, keepdims=True))
    marked = np.broadcast_to(marked, inputs.shape)
    convolution = Convolution.of(found.case, operands)
    felt = convolution.reached_from(marked, np.zeros(convolution.kernel.shape[-1], bool))
    felt = convolution.laid_out(felt)
    return all_wrong_are(found, np.isnan(as_float64(actual)) & felt)


def _spread_by_one(marked: Mask) -> Mask:
    """Each spatial axis' neighbours of marked places marked as well."""
    spread = marked.copy()
    for axis in range(1, marked.ndim - 1):
        before = spread.copy()
        spread = spread | _shifted(before, axis, 1) | _shifted(before, axis, -1)
    return spread


def _shifted(marked: Mask, axis: int, by: int) -> Mask:
    """Moved by one along an axis, those at its end going on at the start of the next row."""
    flat = np.moveaxis(marked, axis, -1)
    return np.moveaxis(np.roll(flat, by, axis=-1), -1, axis)


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

    So a window gives one of its elements that no other exceeds: NaN where it came first, else the
    greatest number, or any of several that count as equal.
    """
    actual = output_of(found)
    operands, expectation = found.derive()
    fmt = FORMATS.get(found.case.dtype)
    if actual is None or operands.inputs is None or fmt is None:
        return False
    if actual.shape != expectation.value.shape:
        return False
    got = as_float64(actual)
    flushed = np.where(np.abs(got) < fmt.smallest_normal, 0.0, got)
    greatest = as_float64(_pooled(found, FAULTS["pooling.nan"].steps))
    floor = np.where(np.abs(greatest) < fmt.smallest_normal, 0.0, greatest)
    is_greatest = (got == greatest) | ((flushed == floor) & _stands_in_window(found, got))
    return all_wrong_are(found, is_greatest)


def _pooled(found: Found, steps: Steps) -> Array:
    return predict(found.case, found.derive()[0], steps).value


def _stands_in_window(found: Found, values: Floats) -> Mask:
    """Which outputs are elements of their windows, or zeros, which stand for small elements."""
    known = facts(found.case)
    inputs = as_float64(found.derive()[0].inputs)
    inputs = np.moveaxis(inputs, 1, -1) if known.channels_first else inputs
    windows, inside = gather(inputs, settings_of(found.case), CORRECT)
    taps = windows.ndim // 2 - 1
    wanted = np.moveaxis(values, 1, -1) if known.channels_first else values
    shape = (*wanted.shape[:-1], *[1] * taps, wanted.shape[-1])
    stands = ((windows == wanted.reshape(shape)) & inside).any(axis=tuple(range(-1 - taps, -1)))
    stands |= wanted == 0.0
    return np.asarray(np.moveaxis(stands, -1, 1) if known.channels_first else stands)


def relu_drops_nan(found: Found) -> bool:
    """Relu and relu6 turn NaN into zero."""
    clipped: dict[str, Callable[[Array], Array]] = {
        "relu": lambda y: np.fmax(y, 0.0),
        "relu6": lambda y: np.fmin(np.fmax(y, 0.0), 6.0),
    }
    name = facts(found.case).activation or ""
    return name in clipped and as_steps(found, in_place_of(name, clipped[name]))


def gelu_with_float32_root(found: Found) -> bool:
    """The factor of gelu in float64, the root of one half, was rounded to float32."""
    factor = float(np.float32(math.sqrt(0.5)))
    return as_steps(found, in_place_of("gelu", lambda y: 0.5 * y * (1 + _erf(y * factor))))


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[float])(x))


def larger_tiles(found: Found) -> bool:
    """A transform of tiles (Winograd): inexact by a few units of the largest input in the tile.

    The errors stay within ``2**8 u max|x| (sum |w|)`` per filter, the growth of the transforms of
    windows of 3 in tiles of 8, Winograd's F(6, 3); an infinity or NaN turns whole tiles into NaN.
    """
    actual = output_of(found)
    operands, expectation = found.derive()
    if actual is None or operands.inputs is None or actual.shape != expectation.value.shape:
        return False
    convolution = Convolution.of(found.case, operands)
    finite = np.where(np.isfinite(convolution.inputs), np.abs(convolution.inputs), 0.0)
    weights = np.abs(convolution.kernel).reshape(-1, convolution.kernel.shape[-1]).sum(axis=0)
    size = np.broadcast_to(finite.max(initial=0.0) * weights, convolution.output_shape)
    allowed = 2.0**8 * FORMATS[found.case.dtype].unit_roundoff * convolution.laid_out(size)
    wide = as_float64(expectation.value)
    with np.errstate(all="ignore"):
        near = np.abs(as_float64(actual) - wide) <= allowed
    spoilt = np.isnan(as_float64(actual)) & bool(np.any(~np.isfinite(convolution.inputs)))
    return all_wrong_are(found, near | spoilt)


def shape_of_input(found: Found) -> bool:
    """The convolution of an empty input has the shape of its input."""
    actual = output_of(found)
    operands, _ = found.derive()
    if actual is None or operands.inputs is None or actual.size:
        return False
    axis = 1 if facts(found.case).channels_first else -1
    given, made = list(operands.inputs.shape), list(actual.shape)
    del given[axis], made[axis]
    return given == made


def subnormals_as_zeros(found: Found) -> bool:
    """Subnormal inputs are taken for zero."""
    smallest = FORMATS[found.case.dtype].smallest_normal
    return as_steps(found, Steps(inputs=lambda x: _flushed(x, smallest)))


def _flushed(array: Array, smallest: float) -> Array:
    return np.where(np.abs(as_float64(array)) < smallest, np.zeros_like(array), array)

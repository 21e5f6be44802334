"""Vector-Jacobian products of convolution and max pooling, correctly rounded.

With ``y[n, o, f] = sum_{t, c} x[n, o s - p + t d, c] w[t, c, f] + b[f]`` and the gradient u of y:

    dw[t, c, f] = sum_{n, o} x[n, o s - p + t d, c] u[n, o, f]
    dx[n, i, c] = sum over t, f and the o with o s - p + t d = i of  u[n, o, f] w[t, c, f]
    db[f]       = sum_{n, o} u[n, o, f]

u is taken as it is: behind an activation, the gradient of the sums rounded once to float64
(`reference_impl.ops.activations.derivatives.pull_back`).

Each is a convolution again.  dw: of x, channels and batch exchanged, with u as the kernel, and
stride and dilation exchanged.  dx: of u, with ``s - 1`` zeros between its elements, and the kernel
turned around, with stride 1.  db: a product with ones.

NaN and infinities: the padding of x is zeros that are multiplied, in dw as in y; the zeros between
the elements of u in dx are none of its terms, and do not meet the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_impl.ops.convolution import convolution_sums, finite_part, is_finite
from reference_impl.ops.dyadics import is_exact_in_float64
from reference_impl.ops.evaluation import evaluate
from reference_impl.ops.formats import Format, widened
from reference_impl.ops.geometry import KEPT, Axes, WindowAxis, cut_to, meeting_window
from reference_impl.ops.rounding import round_float64
from reference_impl.ops.windows import meeting, reduce_windows, window_shape

Array = NDArray[Any]
Slices = tuple[slice, ...]


def kernel_gradient(inputs: Array, upstream: Array, axes: Axes, format: Format) -> Array:
    """dw, ``(*window, C, F)``, each element rounded once to `format`.

    Args:
        inputs: x, ``(batch, *spatial, C)``.
        upstream: u, ``(batch, *output, F)``.
        axes: the geometry of the convolution.
        format: what to round to.
    """
    channels, filters = inputs.shape[-1], upstream.shape[-1]
    if not upstream.size:
        return np.zeros((*window_shape(axes), channels, filters), format.dtype)
    taps = meeting_window(axes) if inputs.size else None
    if taps is not None:
        return _with_missed_taps(inputs, upstream, axes, format, taps)
    last = upstream.ndim - 1
    kernel = upstream.transpose(*range(1, last), 0, last)
    sums = convolution_sums(inputs.swapaxes(0, -1), kernel, None, _exchanged(axes))
    return evaluate(sums.moveaxis(0, len(axes)), None, format).value


@lru_cache(KEPT)
def _exchanged(axes: Axes) -> Axes:
    """The geometry of dw: outputs and taps exchanged."""
    return tuple(
        a._replace(window=a.output, stride=a.dilation, dilation=a.stride, output=a.window)
        for a in axes
    )


def _with_missed_taps(
    inputs: Array,
    upstream: Array,
    axes: Axes,
    format: Format,
    taps: tuple[range, ...],
) -> Array:
    """`kernel_gradient` where some taps meet padding alone: zeros times the upstream gradient."""
    gradient = np.zeros((*window_shape(axes), inputs.shape[-1], upstream.shape[-1]), format.dtype)
    invalid = ~np.isfinite(upstream).all(tuple(range(upstream.ndim - 1)))
    gradient[..., invalid] = np.nan
    if all(taps):
        met = kernel_gradient(inputs, upstream, cut_to(taps, axes), format)
        gradient[tuple(slice(t.start, t.stop) for t in taps)] = met
    return gradient


def input_gradient(kernel: Array, upstream: Array, axes: Axes, format: Format) -> Array:
    """dx, ``(batch, *spatial, C)``, each element rounded once to `format`.

    Args:
        kernel: w, ``(*window, C, F)``.
        upstream: u, ``(batch, *output, F)``.
        axes: the geometry of the convolution.
        format: what to round to.
    """
    shape = (len(upstream), *(axis.length for axis in axes), kernel.shape[-2])
    if not upstream.size or 0 in shape:
        return np.zeros(shape, format.dtype)
    taps = meeting_window(axes)
    if taps is not None:
        if not all(taps):
            return np.zeros(shape, format.dtype)
        kernel = kernel[tuple(slice(met.start, met.stop) for met in taps)]
        axes = cut_to(taps, axes)
    special = None
    with np.errstate(all="ignore"):
        are_finite = is_finite(kernel) and is_finite(upstream)
    if not are_finite:
        special = _nonfinite(kernel, upstream, axes)
        kernel, upstream = finite_part(kernel), finite_part(upstream)
    turned = kernel[(slice(None, None, -1),) * len(axes)].swapaxes(-1, -2)
    spread, transposed = _without_unread(_spread(upstream, axes), _transposed(axes))
    sums = convolution_sums(spread, turned, None, transposed)
    return evaluate(replace(sums, special=special), None, format).value


def bias_gradient(upstream: Array, format: Format) -> Array:
    """db, ``(F,)``, of u, ``(batch, *output, F)``, each element rounded once to `format`.

    As the kernel of one window of ones, u stays as it lies in memory.
    """
    filters = upstream.shape[-1]
    if not upstream.size:
        return np.zeros(filters, format.dtype)
    terms = upstream.reshape(1, -1, filters)
    ones = np.ones((1, 1, terms.shape[1]), upstream.dtype)
    sums = convolution_sums(ones, terms, None, (WindowAxis(1, 1, 1, 1, 0, 0, 1),))
    return evaluate(sums, None, format).value.reshape(filters)


def totals(terms: Array, format: Format) -> Array:
    """The sum of each row of a matrix, rounded once to `format`."""
    count, products = terms.shape
    if not terms.size:
        return np.zeros(count, format.dtype)
    point = (WindowAxis(count, 1, 1, 1, 0, 0, count),)
    sums = convolution_sums(terms[None], np.ones((1, products, 1), terms.dtype), None, point)
    return evaluate(sums, None, format).value.reshape(count)


@lru_cache(KEPT)
def _transposed(axes: Axes) -> Axes:
    """The geometry of dx: along each axis ``i + p - (k - 1) d + t d`` reads the spread u."""
    return tuple(map(_transposed_axis, axes))


def _transposed_axis(axis: WindowAxis) -> WindowAxis:
    spread = (axis.output - 1) * axis.stride + 1
    before = axis.receptive_field - 1 - axis.pad_before
    after = max(axis.length + axis.pad_before - spread, 0)
    return WindowAxis(spread, axis.window, 1, axis.dilation, before, after, axis.length)


def _without_unread(spread: Array, axes: Axes) -> tuple[Array, Axes]:
    """The spread u from the first element on that some input reads.

    Where a window cut down to the taps that meet inputs ends before the first input, the first
    outputs see padding alone, and the padding before u would be negative.
    """
    unread = [max(-axis.pad_before, 0) for axis in axes]
    if not any(unread):
        return spread, axes
    rest = spread[(slice(None), *(slice(count, None) for count in unread))]
    return rest, tuple(
        axis._replace(length=axis.length - count, pad_before=axis.pad_before + count)
        for axis, count in zip(axes, unread, strict=True)
    )


def _spread(upstream: Array, axes: Axes) -> Array:
    """U with ``stride - 1`` zeros between neighbours along each spatial axis."""
    if all(axis.stride == 1 for axis in axes):
        return upstream
    lengths = ((axis.output - 1) * axis.stride + 1 for axis in axes)
    spread = np.zeros((len(upstream), *lengths, upstream.shape[-1]), upstream.dtype)
    spread[(slice(None), *(slice(None, None, axis.stride) for axis in axes))] = upstream
    return spread


def tap_slices(axes: Axes) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
    """For each tap in row-major order: its indices, the outputs that read an input, those inputs.

    The slices are of arrays ``(batch, *spatial, channels)``.
    """
    for taps in product(*(axis.meeting_taps for axis in axes)):
        pairs = [meeting(axis, tap) for axis, tap in zip(axes, taps, strict=True)]
        met = [pair for pair in pairs if pair is not None]
        if len(met) == len(pairs):
            outputs, inputs = zip(*met, strict=True)
            yield taps, (slice(None), *outputs), (slice(None), *inputs)


def _nonfinite(kernel: Array, upstream: Array, axes: Axes) -> Array:
    """Dx where it is NaN or infinite, zero elsewhere: its terms' signs, added as IEEE 754 says."""
    u, w = (_signs(array) for array in (upstream, kernel))
    lengths = [axis.length for axis in axes]
    total = np.zeros((len(u), *lengths, w.shape[-2]))
    with np.errstate(all="ignore"):
        for taps, outputs, inputs in tap_slices(axes):
            terms = u[outputs][..., None, :] * w[taps]
            total[inputs] += terms.sum(-1)
    return np.where(np.isfinite(total), 0.0, total)


def _signs(array: Array) -> Array:
    wide = widened(array)
    return np.where(np.isfinite(wide), np.sign(wide), wide)


def max_pool_gradient(inputs: Array, upstream: Array, axes: Axes, format: Format) -> Array:
    """The gradient of max pooling: each u goes to the largest element of its window.

    Of several largest ones it goes to the first in row-major order (+0 and -0 are equal), of
    several NaN to the first NaN; an element that is the largest of several windows gets the sum,
    rounded once to `format`.

    Args:
        inputs: x, ``(batch, *spatial, C)``, floating point.
        upstream: u, ``(batch, *output, C)``, of the same dtype.
        axes: the geometry.
        format: what to round to.

    Returns:
        ``(batch, *spatial, C)``.
    """
    are_shared = any(axis.stride < axis.receptive_field for axis in axes)
    terms = widened(upstream) if are_shared else upstream
    sums = np.zeros(inputs.shape, terms.dtype)
    counts = None
    if are_shared and not _adds_up_exactly(terms, math.prod(window_shape(axes))):
        counts = np.zeros(inputs.shape, np.intp)
    with np.errstate(all="ignore"):
        for outputs, places, wins in _winners(inputs, axes):
            sums[places] += np.where(wins, terms[outputs], terms.dtype.type(0))
            if counts is not None:
                counts[places] += wins
        gradient = round_float64(sums, format) if are_shared else sums
    gradient[np.isnan(gradient)] = np.nan
    if counts is not None and (counts > 1).any():
        flat = gradient.reshape(-1)
        for where, matrix in _by_place(*_terms_of(counts > 1, inputs, upstream, axes)):
            flat[where] = totals(matrix, format)
    return gradient


def _adds_up_exactly(terms: Array, most: int) -> bool:
    """Whether float64 holds every sum of at most so many of the terms that are finite."""
    finite = finite_part(terms)
    largest = float(np.abs(finite).max(initial=0.0)) * most
    return is_exact_in_float64(finite, np.ones(1), None, largest)


def _winners(inputs: Array, axes: Axes) -> Iterator[tuple[Slices, Slices, NDArray[np.bool_]]]:
    """For each tap some outputs, the inputs that they read by it, and where those are the largest.

    No window has two: the first in row-major order counts.
    """
    with np.errstate(invalid="ignore"):
        largest = reduce_windows(inputs, axes, np.maximum, -np.inf)
    has_nan = bool(np.isnan(largest).any())
    is_open = np.ones(largest.shape, np.bool_)
    for _, outputs, places in tap_slices(axes):
        value, best, still = inputs[places], largest[outputs], is_open[outputs]
        wins = value == best
        if has_nan:
            wins |= np.isnan(value) & np.isnan(best)
        wins &= still
        still ^= wins
        yield outputs, places, wins


def _terms_of(
    chosen: NDArray[np.bool_], inputs: Array, upstream: Array, axes: Axes
) -> tuple[NDArray[np.intp], Array]:
    """The terms of chosen elements of the input, and the flat position of the element of each."""
    numbers = np.arange(inputs.size).reshape(inputs.shape)
    found, terms = [], []
    for outputs, places, wins in _winners(inputs, axes):
        given = wins & chosen[places]
        found.append(numbers[places][given])
        terms.append(upstream[outputs][given])
    return np.concatenate(found), np.concatenate(terms)


def _by_place(places: NDArray[np.intp], terms: Array) -> Iterator[tuple[NDArray[np.intp], Array]]:
    """Distinct places, and their terms as rows, filled up with zeros.

    Places with about as many terms are taken together, so that there are at most twice as many
    elements as terms.
    """
    order = np.argsort(places, kind="stable")
    sorted_places, sorted_terms = places[order], terms[order]
    first = np.flatnonzero(np.diff(sorted_places, prepend=-1))
    count = np.diff(first, append=len(places))
    sizes = np.frexp(count - 0.5)[1]
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        rows = np.zeros((len(chosen), 1 << int(size)), terms.dtype)
        index = np.arange(rows.shape[1])
        present = index < count[chosen, None]
        rows[present] = sorted_terms[(first[chosen, None] + index)[present]]
        yield sorted_places[first[chosen]], rows

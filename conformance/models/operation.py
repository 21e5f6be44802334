"""What a layer computes, as plain data, and its evaluation with the error that it can carry.

An operation is a kind, settings and weights, so that a converter's mistake is the same operation
with another setting (`conformance.models.variants`).  It is evaluated in float64 on spans, numbers
with what a candidate's may be off, by running error analysis: sums of K products are off by
``gamma(K + 8) sum |w| |x|`` and by ``sum |w| E`` of the inputs' errors E (the room of 8 is for
weights that were scaled and rounded when a normalization was folded into them), activations by
`conformance.judge.activations`; what only moves elements moves their errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from conformance.asserting.callables import through as through_callable
from conformance.judge.activations import named, through
from conformance.judge.activations.activation import Activation
from conformance.judge.activations.smooth import elu
from conformance.judge.definition.rounding import FORMATS, Format
from conformance.judge.running_error import Floats, Running, growth
from conformance.models.windows import axes, gathered, spread
from reference_impl.engine.dtypes import convert

NAIVE_SOFTPLUS: Final = "log(1 + exp(x)), which overflows,"
"""A formula of converters that have no softplus."""

_FOLDED: Final = 8
"""Further roundings of a weight, and of what a normalization adds, when they are folded."""


@dataclass(frozen=True, eq=False)
class Span:
    """Exact numbers, and how far a correct evaluation of them may be off.

    Attributes:
        value: the numbers.
        error: of the same shape; infinite where nothing is known.
    """

    value: Floats
    error: Floats

    @classmethod
    def exact(cls, value: Any) -> Span:
        """Numbers that are given."""
        array = np.asarray(value, np.float64)
        return cls(array, np.zeros_like(array))

    def moved(self, move: Callable[[Floats], Floats]) -> Span:
        """Both parts moved alike."""
        return Span(move(self.value), move(self.error))


@dataclass(frozen=True, eq=False)
class Operation:
    """What a layer computes.

    Attributes:
        kind: a key of `KINDS`.
        settings: what it depends on.
        weights: float64 arrays by name.
        format: the format of its results.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Floats] = field(default_factory=dict)
    format: Format = FORMATS["float32"]

    def altered(self, **settings: Any) -> Operation:
        """The operation with other settings."""
        return replace(self, settings={**self.settings, **settings})

    def reweighted(self, **weights: Floats) -> Operation:
        """The operation with other weights."""
        return replace(self, weights={**self.weights, **weights})

    @property
    def is_exact(self) -> bool:
        """Whether it only moves or selects elements."""
        return self.kind in _EXACT

    def __call__(self, spans: Sequence[Span]) -> Span:
        """The result on some inputs, which a layer of a narrower format rounds to it first.

        Raises:
            ValueError: if the inputs' shapes do not fit.
        """
        with np.errstate(all="ignore"):
            if self.format.precision < FORMATS["float32"].precision:
                spans = [_narrowed(span, self.format) for span in spans]
            return KINDS[self.kind](self, spans)


def _narrowed(span: Span, format: Format) -> Span:
    """Numbers as a format holds them; those that may be off are rounded from elsewhere."""
    value = convert(span.value, format.name).astype(np.float64)
    rounding = np.where(span.error > 0, format.unit_roundoff * np.abs(value), 0.0)
    return Span(value, span.error + rounding)


def _laid(operation: Operation, span: Span) -> Span:
    """Channels last, as everything here is computed."""
    first = operation.settings.get("channels_first")
    return span.moved(lambda a: np.moveaxis(a, 1, -1)) if first else span


def _laid_back(operation: Operation, span: Span) -> Span:
    first = operation.settings.get("channels_first")
    return span.moved(lambda a: np.moveaxis(a, -1, 1)) if first else span


def _summed(
    operation: Operation, products: int, inputs: Span, combine: Callable[[Floats, bool], Floats]
) -> Span:
    """A sum of products with a bias, its error, and the activation behind it.

    Args:
        operation: has ``bias`` among its weights where there is one.
        products: K.
        inputs: channels last.
        combine: the sum for some inputs, with the weights' magnitudes where a flag says so.
    """
    bias = operation.weights.get("bias", np.zeros(()))
    u = operation.format.unit_roundoff
    value = combine(inputs.value, False) + bias
    size = combine(np.abs(inputs.value) + inputs.error, True) + np.abs(bias)
    error = growth(products + _FOLDED, u) * size
    error = error + (2 * products + 1) * operation.format.smallest_normal
    if inputs.error.any():
        error = error + combine(inputs.error, True)
    return _laid_back(operation, Span(value, error))


def _activated(operation: Operation, span: Span) -> Span:
    name = operation.settings.get("activation") or "linear"
    if name == "linear":
        return span
    if callable(name):
        made = through_callable(name, span.value, span.error, operation.format)
        return Span(made.value, made.error)
    if name == NAIVE_SOFTPLUS:
        exponential = np.exp(span.value.astype(np.float32)).astype(np.float64)
        error = span.error * 2 + 8 * operation.format.unit_roundoff
        return Span(np.log(1 + exponential), error * (1 + np.abs(span.value)))
    if "alpha" in operation.settings:
        return _with_alpha(operation, name, span)
    return _running(operation, named(name), span)


def _with_alpha(operation: Operation, name: str, span: Span) -> Span:
    """An activation, elu or leaky_relu, with a number that is not the default."""
    alpha, x = operation.settings["alpha"], span.value
    if name == "elu":
        return _running(operation, elu(alpha, name), span)
    value = np.where(x > 0, x, alpha * x)
    rounding = 8 * operation.format.unit_roundoff * np.abs(value)
    return Span(value, span.error * max(1.0, abs(alpha)) + rounding)


def _running(operation: Operation, activation: Activation, span: Span) -> Span:
    """What an activation makes of numbers, by the error of its formula."""
    made = through(activation, Running(span.value, span.error, operation.format))
    return Span(made.value, made.error + operation.format.unit_roundoff * np.abs(made.value))


def _convolution(operation: Operation, spans: Sequence[Span]) -> Span:
    inputs, kernel = _laid(operation, spans[0]), operation.weights["kernel"]
    window = kernel.shape[:-2]
    groups = inputs.value.shape[-1] // max(kernel.shape[-2], 1)
    if groups * kernel.shape[-2] != inputs.value.shape[-1] or kernel.shape[-1] % max(groups, 1):
        raise ValueError("channels and kernel do not fit")
    geometry = axes(inputs.value.shape, window, operation.settings)
    taps = tuple(range(-len(window), 0))

    def combine(x: Floats, magnitudes: bool) -> Floats:
        used = np.abs(kernel) if magnitudes else kernel
        parts = zip(np.split(x, groups, -1), np.split(used, groups, -1), strict=True)
        ends = ([*(taps), -len(window) - 1], [*range(len(window)), len(window)])
        return np.concatenate(
            [np.tensordot(gathered(part, geometry), w, ends) for part, w in parts], -1
        )

    sums = _summed(operation, math.prod(kernel.shape[:-1]), inputs, combine)
    return _activated(operation, sums)


def _depthwise(operation: Operation, spans: Sequence[Span]) -> Span:
    inputs, kernel = _laid(operation, spans[0]), operation.weights["kernel"]
    window = kernel.shape[:-2]
    geometry = axes(inputs.value.shape, window, operation.settings)
    letters = "xyz"[: len(window)]

    def combine(x: Floats, magnitudes: bool) -> Floats:
        used = np.abs(kernel) if magnitudes else kernel
        equation = f"...c{letters},{letters}cm->...cm"
        made = np.einsum(equation, gathered(x, geometry), used)
        result: Floats = made.reshape(*made.shape[:-2], -1)
        return result

    sums = _summed(operation, math.prod(window), inputs, combine)
    return _activated(operation, sums)


def _separable(operation: Operation, spans: Sequence[Span]) -> Span:
    """A depthwise convolution, then one of a single tap over all channels."""
    kernel = operation.weights["kernel"]
    plain = operation.altered(activation="linear")
    depth = replace(plain, kind="depthwise", weights={"kernel": kernel})
    ones = (1,) * (kernel.ndim - 2)
    point = operation.altered(strides=ones, dilation=ones, padding="valid")
    return _convolution(point.reweighted(kernel=operation.weights["pointwise"]), [depth(spans)])


def _transposed(operation: Operation, spans: Sequence[Span]) -> Span:
    """The gradient of a convolution: each input is spread over a window of outputs."""
    inputs, kernel = _laid(operation, spans[0]), operation.weights["kernel"]
    s, window = operation.settings, kernel.shape[:-2]
    each = zip(inputs.value.shape[1:-1], window, s["strides"], s["dilation"], strict=True)
    geometry = [spread(n, k, step, d, s["padding"]) for n, k, step, d in each]

    def combine(x: Floats, magnitudes: bool) -> Floats:
        used = np.abs(kernel) if magnitudes else kernel
        made = np.zeros((len(x), *(axis.room for axis in geometry), kernel.shape[-2]))
        for tap in np.ndindex(*window):
            places = (axis.places(t) for axis, t in zip(geometry, tap, strict=True))
            made[(slice(None), *places)] += x @ used[tap].T
        kept = (slice(axis.before, axis.before + axis.length) for axis in geometry)
        return made[(slice(None), *kept)]

    products = math.prod(window) * kernel.shape[-1]
    return _activated(operation, _summed(operation, products, inputs, combine))


def _dense(operation: Operation, spans: Sequence[Span]) -> Span:
    kernel = operation.weights["kernel"]

    def combine(x: Floats, magnitudes: bool) -> Floats:
        result: Floats = x @ (np.abs(kernel) if magnitudes else kernel)
        return result

    return _activated(operation, _summed(operation, len(kernel), spans[0], combine))


def _pooled(operation: Operation, spans: Sequence[Span]) -> Span:
    inputs, settings = _laid(operation, spans[0]), operation.settings
    window = settings["window"]
    geometry = axes(inputs.value.shape, window, settings)
    taps = tuple(range(-len(window), 0))
    if settings["pool"] == "max":
        made = inputs.moved(lambda a: gathered(a, geometry, -np.inf).max(taps))
        return _laid_back(operation, Span(made.value, np.maximum(made.error, 0.0)))
    held = gathered(np.ones_like(inputs.value), geometry).sum(taps)
    count = float(math.prod(window)) if settings.get("counts_padding") else np.maximum(held, 1)

    def combine(x: Floats, magnitudes: bool) -> Floats:
        result: Floats = gathered(x, geometry).sum(taps) / count
        return result

    return _summed(operation, math.prod(window), inputs, combine)


def _global(operation: Operation, spans: Sequence[Span]) -> Span:
    inputs, settings = _laid(operation, spans[0]), operation.settings
    spatial, keep = tuple(range(1, inputs.value.ndim - 1)), settings["keepdims"]
    if settings["pool"] == "max":
        made = inputs.moved(lambda a: a.max(spatial, keepdims=keep))
    else:
        plain = replace(operation, settings={})
        count = math.prod(inputs.value.shape[1:-1])
        made = _summed(plain, count, inputs, lambda x, _: x.mean(spatial, keepdims=keep))
    return _laid_back(operation, made) if keep else made


def _normalized(operation: Operation, spans: Sequence[Span]) -> Span:
    w: dict[str, Any] = {**operation.settings.get("statistics", {}), **operation.weights}
    (inputs,) = spans
    shape = [1] * inputs.value.ndim
    shape[operation.settings["axis"]] = -1
    if operation.settings.get("of_the_batch"):
        others = tuple(axis for axis, length in enumerate(shape) if length == 1)
        w |= {"mean": inputs.value.mean(others), "variance": inputs.value.var(others)}
    scale = w.get("gamma", 1.0) / np.sqrt(w["variance"] + operation.settings["epsilon"])
    scale, mean = scale.reshape(shape), w["mean"].reshape(shape)
    shift = np.asarray(w.get("beta", 0.0)).reshape(shape if "beta" in w else ())
    value = (inputs.value - mean) * scale + shift
    size = (np.abs(inputs.value) + np.abs(mean)) * np.abs(scale) + np.abs(shift)
    error = growth(_FOLDED, operation.format.unit_roundoff) * size + inputs.error * np.abs(scale)
    return Span(value, error + operation.format.smallest_normal)


def _piecewise(operation: Operation, spans: Sequence[Span]) -> Span:
    """ReLU with its parameters: at most ``max_value``, a slope below the threshold."""
    (inputs,), s = spans, operation.settings
    slope, threshold, most = s["slope"], s["threshold"], s["most"]
    x = inputs.value
    value = np.where(x >= threshold, x, slope * (x - threshold))
    value = value if most is None else np.minimum(value, most)
    rounding = 2 * operation.format.unit_roundoff * np.abs(value) if slope else 0.0
    jump = np.where(np.abs(x - threshold) <= inputs.error, np.abs(threshold), 0.0)
    return Span(value, inputs.error * max(1.0, abs(slope)) + rounding + jump)


def _sloped(operation: Operation, spans: Sequence[Span]) -> Span:
    """ReLU with slopes that are weights, along shared axes one for all."""
    (inputs,), slope = spans, operation.weights["slope"]
    value = np.where(inputs.value > 0, inputs.value, slope * inputs.value)
    rounding = operation.format.unit_roundoff * np.abs(value)
    return Span(value, inputs.error * np.maximum(1.0, np.abs(slope)) + rounding)


def _layer_normalized(operation: Operation, spans: Sequence[Span]) -> Span:
    """Deviations from the mean of each row, in units of the row's own standard deviation.

    The variance may be the mean of squared deviations, or that of squares less the mean's square:
    errors of sums of n squares of either kind are allowed.
    """
    (inputs,), w, u = spans, operation.weights, operation.format.unit_roundoff
    x, given, axis = inputs.value, inputs.error, -1
    sums = growth(x.shape[axis] + _FOLDED, u)
    mean = x.mean(axis, keepdims=True)
    off = given + sums * (np.abs(x) + np.abs(x).mean(axis, keepdims=True))
    off = off + given.mean(axis, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis, keepdims=True) + operation.settings["epsilon"]
    doubt = ((2 * np.abs(x - mean) + off) * off + sums * x**2).mean(axis, keepdims=True)
    doubt = doubt + sums * (mean**2 + variance)
    scale = np.abs(w.get("gamma", np.ones(1))) / np.sqrt(variance)
    least = np.maximum(1 - doubt / variance, 0.0)
    stretch = np.where(least > 0, 1 / np.sqrt(np.maximum(least, 1e-300)) - 1, np.inf)
    value = (x - mean) / np.sqrt(variance) * w.get("gamma", 1.0) + w.get("beta", 0.0)
    error = scale * (off * (1 + stretch) + np.abs(x - mean) * stretch)
    rounding = growth(_FOLDED, u) * (scale * np.abs(x - mean) + np.abs(w.get("beta", 0.0)))
    return Span(value, error + rounding + operation.format.smallest_normal)


def _activation(operation: Operation, spans: Sequence[Span]) -> Span:
    return _activated(operation, spans[0])


def _merged(operation: Operation, spans: Sequence[Span]) -> Span:
    """Elements of several inputs, added, multiplied, compared or averaged."""
    name, u = operation.settings["of"], operation.format.unit_roundoff
    spans = spans[::-1] if operation.settings.get("exchanged") else spans
    if name in {"maximum", "minimum"}:
        choose = np.maximum if name == "maximum" else np.minimum
        made = spans[0]
        for span in spans[1:]:
            error = np.maximum(*np.broadcast_arrays(made.error, span.error))
            made = Span(choose(made.value, span.value), error)
        return made
    made = spans[0]
    for span in spans[1:]:
        made = _PAIRS["add" if name == "average" else name](made, span)
        made = Span(made.value, made.error + u * (np.abs(made.value) + made.error))
        if name in {"multiply", "divide"}:
            made = Span(made.value, made.error + operation.format.smallest_normal)
    if len(spans) > 2 and name in {"add", "average"}:
        made = Span(made.value, _in_any_order(spans, u))
    if name == "average":
        made = made.moved(lambda a: a / len(spans))
        made = Span(made.value, made.error + 2 * u * np.abs(made.value))
    return made


def _in_any_order(spans: Sequence[Span], u: float) -> Floats:
    """The error of a sum of n terms: ``gamma(n - 1) sum |x|``, in whatever order they are added."""
    size = sum(np.abs(span.value) + span.error for span in spans)
    given = sum(span.error for span in spans)
    return np.asarray(growth(len(spans) - 1, u) * size + given)


def _add(a: Span, b: Span) -> Span:
    return Span(a.value + b.value, a.error + b.error)


def _subtract(a: Span, b: Span) -> Span:
    return Span(a.value - b.value, a.error + b.error)


def _multiply(a: Span, b: Span) -> Span:
    error = np.abs(a.value) * b.error + a.error * np.abs(b.value) + a.error * b.error
    return Span(a.value * b.value, error)


def _divide(a: Span, b: Span) -> Span:
    value = a.value / b.value
    least = np.abs(b.value) - b.error
    error = np.where(least > 0, (a.error + np.abs(value) * b.error) / least, np.inf)
    return Span(value, error)


_PAIRS: Final = {"add": _add, "subtract": _subtract, "multiply": _multiply, "divide": _divide}


def _concatenated(operation: Operation, spans: Sequence[Span]) -> Span:
    axis = operation.settings["axis"]
    parts = [np.broadcast_arrays(span.value, span.error) for span in spans]
    value, error = (np.concatenate([part[i] for part in parts], axis) for i in (0, 1))
    return Span(value, error)


def _looked_up(operation: Operation, spans: Sequence[Span]) -> Span:
    """Rows of a table, by whole numbers."""
    table, places = operation.weights["embeddings"], spans[0].value
    known = (places >= 0) & (places < len(table)) & (places == np.rint(places))
    rows = table[np.where(known, places, 0).astype(np.int64)]
    error = np.where(known[..., None], 0.0, np.inf)
    return Span(rows, np.broadcast_to(error, rows.shape).copy())


def _identity(operation: Operation, spans: Sequence[Span]) -> Span:
    return spans[0]


def _flattened(operation: Operation, spans: Sequence[Span]) -> Span:
    laid = _laid(operation, spans[0])
    if operation.settings.get("to_first"):
        laid = laid.moved(lambda a: np.moveaxis(a, -1, 1))
    return laid.moved(lambda a: a.reshape(len(a), -1))


def _reshaped(operation: Operation, spans: Sequence[Span]) -> Span:
    shape = operation.settings["shape"]
    return spans[0].moved(lambda a: a.reshape(len(a), *shape))


def _permuted(operation: Operation, spans: Sequence[Span]) -> Span:
    return spans[0].moved(lambda a: a.transpose(0, *operation.settings["order"]))


def _padded(operation: Operation, spans: Sequence[Span]) -> Span:
    pads = [(0, 0), *operation.settings["pads"], (0, 0)]
    laid = _laid(operation, spans[0])
    return _laid_back(operation, laid.moved(lambda a: np.pad(a, pads)))


def _cropped(operation: Operation, spans: Sequence[Span]) -> Span:
    laid = _laid(operation, spans[0])
    pairs = zip(operation.settings["pads"], laid.value.shape[1:-1], strict=True)
    cut = (slice(None), *(slice(before, n - after) for (before, after), n in pairs))
    return _laid_back(operation, laid.moved(lambda a: a[cut]))


def _repeated(operation: Operation, spans: Sequence[Span]) -> Span:
    def move(a: Floats) -> Floats:
        if operation.settings.get("tiled"):
            return np.tile(a, (1, *operation.settings["size"], 1))
        for index, size in enumerate(operation.settings["size"]):
            a = np.repeat(a, size, index + 1)
        return a

    return _laid_back(operation, _laid(operation, spans[0]).moved(move))


def _elsewhere(operation: Operation, spans: Sequence[Span]) -> Span:
    """What a framework computes: nothing is known of the errors, unless it only moves elements."""
    compute = operation.settings["compute"]
    value = np.asarray(compute([span.value for span in spans]), np.float64)
    if operation.settings.get("moves"):
        return Span(value, np.abs(np.asarray(compute([span.error for span in spans]), np.float64)))
    return Span(value, np.full(value.shape, np.inf))


def _unknown(operation: Operation, spans: Sequence[Span]) -> Span:
    """What nothing here computes: of a declared shape, free lengths as the input has them."""
    given = spans[0].value.shape
    declared = operation.settings["shape"] or given
    lengths = [*given[1:]] if len(given) == len(declared) else [1] * len(declared)
    shape = (
        given[0],
        *(
            length or 1 if n is None else n
            for n, length in zip(declared[1:], lengths, strict=False)
        ),
    )
    return Span(np.full(shape, np.nan), np.full(shape, np.inf))


KINDS: Final[dict[str, Callable[[Operation, Sequence[Span]], Span]]] = {
    "convolution": _convolution,
    "depthwise": _depthwise,
    "separable": _separable,
    "transposed convolution": _transposed,
    "dense": _dense,
    "pooling": _pooled,
    "global pooling": _global,
    "normalization": _normalized,
    "scaling": _normalized,
    "layer normalization": _layer_normalized,
    "relu": _piecewise,
    "sloped relu": _sloped,
    "activation": _activation,
    "merge": _merged,
    "concatenation": _concatenated,
    "lookup": _looked_up,
    "identity": _identity,
    "flatten": _flattened,
    "reshape": _reshaped,
    "permutation": _permuted,
    "padding": _padded,
    "cropping": _cropped,
    "repetition": _repeated,
    "elsewhere": _elsewhere,
    "unknown": _unknown,
}
"""The kinds of operations with their evaluations."""

_EXACT: Final = frozenset(
    {"identity", "flatten", "reshape", "permutation", "padding", "cropping", "repetition"}
    | {"concatenation"}
)

"""What converters are known to get wrong: the same operation, with something read otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from conformance.judge.running_error import Floats
from conformance.models.operation import NAIVE_SOFTPLUS, Operation

_EPSILONS: Final = (1e-3, 1e-5, 1e-4, 1e-6, 1e-7, 1e-8, 1e-2, 0.0)
_SLOPES: Final = (0.0, 0.01, 0.1, 0.2, 0.3, 1.0)
_ACTIVATIONS: Final = (
    *("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "hard_sigmoid", "tanh"),
    *("softplus", "softsign", "silu", "hard_silu", "gelu", "softmax", "exponential", "mish"),
)
_WINDOWED: Final = frozenset({"convolution", "depthwise", "separable", "pooling"})


class Variant(NamedTuple):
    """An operation with a mistake.

    Attributes:
        words: the mistake, to follow the layer's name.
        operation: the operation.
    """

    words: str
    operation: Operation


def variants(operation: Operation) -> Iterator[Variant]:
    """The operation with each known mistake, alone."""
    if operation.kind in _WINDOWED:
        yield from _windows(operation)
    yield from _weights(operation)
    for kind, make in _BY_KIND.items():
        if operation.kind == kind:
            yield from make(operation)
    if operation.settings.get("activation") is not None and operation.kind != "pooling":
        yield from _activations(operation)


def folded(operation: Operation, normalization: Operation) -> Iterator[Variant]:
    """A normalization folded into the weights before it, which are then rounded.

    The operation is what both make together.
    """
    weights, kernel = normalization.weights, operation.weights.get("kernel")
    if kernel is None or operation.kind not in ("convolution", "dense"):
        return
    if operation.settings.get("activation") not in (None, "linear"):
        return
    scale = weights.get("gamma", np.float64(1.0)) / np.sqrt(
        weights["variance"] + normalization.settings["epsilon"]
    )
    if kernel.shape[-1] != scale.shape[-1]:
        return
    bias = operation.weights.get("bias", np.zeros(kernel.shape[-1])) - weights["mean"]
    bias = bias * scale + weights.get("beta", np.float64(0.0))
    for name, change in (("float16", _half), ("bfloat16", _brain)):
        rounded = operation.reweighted(kernel=change(kernel * scale), bias=bias)
        yield Variant(f"the kernel, the normalization folded in, was rounded to {name}", rounded)
        both = rounded.reweighted(bias=change(bias))
        yield Variant(f"the weights, the normalization folded in, were rounded to {name}", both)


def _windows(operation: Operation) -> Iterator[Variant]:
    settings = operation.settings
    if settings["padding"] == "same":
        for padding, words in (
            ("symmetric", "SAME pads half the window on both sides"),
            ("odd-first", "the extra SAME padding goes first"),
            ("last", "all SAME padding goes last"),
            ("first", "all SAME padding goes first"),
            ("valid", "padding 'same' is read as 'valid'"),
        ):
            yield Variant(words, operation.altered(padding=padding))
    elif settings["padding"] == "causal":
        for padding in ("same", "valid"):
            words = f"padding 'causal' is read as '{padding}'"
            yield Variant(words, operation.altered(padding=padding))
        yield Variant("causal padding goes last", operation.altered(padding="anticausal"))
    else:
        yield Variant("padding 'valid' is read as 'same'", operation.altered(padding="same"))
        words = "the VALID output length is rounded up (ceil for floor)"
        yield Variant(words, operation.altered(padding="ceil"))
    strides, dilation = settings["strides"], settings["dilation"]
    if strides != dilation:
        swapped = operation.altered(strides=dilation, dilation=strides)
        yield Variant("strides and dilation are exchanged", swapped)
    ones = (1,) * len(strides)
    for name, value in (("strides", strides), ("dilation", dilation)):
        if value != value[::-1]:
            exchanged = operation.altered(**{name: value[::-1]})
            verb = "are" if name == "strides" else "is"
            yield Variant(f"the {name} of rows and columns {verb} exchanged", exchanged)
        if value != ones:
            verb = "are" if name == "strides" else "is"
            yield Variant(f"the {name} {verb} left out", operation.altered(**{name: ones}))
    if operation.kind == "pooling":
        yield from _pooling(operation)


def _pooling(operation: Operation) -> Iterator[Variant]:
    settings = operation.settings
    other = "average" if settings["pool"] == "max" else "max"
    yield Variant(f"{other} pooling in place of {settings['pool']}", operation.altered(pool=other))
    window = settings["window"]
    if window != window[::-1]:
        turned = operation.altered(window=window[::-1])
        yield Variant("rows and columns of the window are exchanged", turned)
    if settings["strides"] != window:
        yield Variant("the strides are taken to be the window", operation.altered(strides=window))
    if settings["pool"] == "average":
        counting = operation.altered(counts_padding=True)
        yield Variant("the average counts the padding", counting)
        for padding in ("symmetric", "odd-first", "last", "first"):
            wrong = counting.altered(padding=padding)
            yield Variant(f"the average counts the padding, which is {padding}", wrong)


def _weights(operation: Operation) -> Iterator[Variant]:
    weights = operation.weights
    if not weights:
        return
    for words, change in (
        ("the weights were rounded to float16", _half),
        ("the weights were rounded to bfloat16", _brain),
        ("the weights were rounded to 8 bits, one scale for all", _bytes),
    ):
        yield Variant(words, operation.reweighted(**{n: change(w) for n, w in weights.items()}))
    if "bias" in weights:
        without = operation.reweighted(bias=np.zeros_like(weights["bias"]))
        yield Variant("the bias is missing", without)
        twice = operation.reweighted(bias=2 * weights["bias"])
        yield Variant("the bias is added twice", twice)
    if "kernel" in weights:
        for words, change in (
            ("the kernel was rounded to float16", _half),
            ("the kernel was rounded to bfloat16", _brain),
            ("the kernel was cut off to bfloat16", _cut),
        ):
            yield Variant(words, operation.reweighted(kernel=change(weights["kernel"])))
        yield from _kernels(operation, weights["kernel"])


def _kernels(operation: Operation, kernel: Floats) -> Iterator[Variant]:
    if operation.kind == "dense":
        if kernel.shape[0] == kernel.shape[1]:
            yield Variant("the kernel is transposed", operation.reweighted(kernel=kernel.T))
        reshaped = kernel.reshape(kernel.shape[::-1]).T
        words = "the kernel was reshaped where it had to be transposed"
        yield Variant(words, operation.reweighted(kernel=reshaped))
        return
    spatial = tuple(range(kernel.ndim - 2))
    if kernel.shape[-2] > 1:
        reversed_ = operation.reweighted(kernel=kernel[..., ::-1, :])
        yield Variant("the input's channels are in reverse (BGR for RGB)", reversed_)
    flipped = operation.reweighted(kernel=np.flip(kernel, spatial))
    yield Variant("the kernel is flipped (convolution for correlation)", flipped)
    if len(spatial) == 2:
        turned = kernel.swapaxes(0, 1)
        words = "rows and columns of the kernel are exchanged"
        if turned.shape == kernel.shape:
            yield Variant(words, operation.reweighted(kernel=turned))
        reshaped = turned.reshape(kernel.shape)
        if turned.shape != kernel.shape:
            yield Variant(
                "the kernel's rows and columns were reshaped, not kept",
                operation.reweighted(kernel=reshaped),
            )
    channels = kernel.swapaxes(-1, -2)
    if channels.shape == kernel.shape:
        words = "input and output channels of the kernel are exchanged"
        yield Variant(words, operation.reweighted(kernel=channels))
    if "pointwise" in operation.weights:
        return
    order = (kernel.ndim - 1, kernel.ndim - 2, *spatial)
    raw = np.ascontiguousarray(kernel.transpose(order)).reshape(kernel.shape)
    words = "the kernel's elements are read in the order (filters, channels, window)"
    yield Variant(words, operation.reweighted(kernel=raw))
    back = kernel.reshape(tuple(kernel.shape[axis] for axis in order))
    back = back.transpose(*range(2, kernel.ndim), 1, 0)
    words = "the kernel was reshaped to (filters, channels, window) where it had to be transposed"
    yield Variant(words, operation.reweighted(kernel=back))


def _half(array: Floats) -> Floats:
    return array.astype(np.float16).astype(np.float64)


def _brain(array: Floats) -> Floats:
    """Rounded to eight significant bits, ties to even."""
    mantissa, exponent = np.frexp(array)
    rounded: Floats = np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8)
    return rounded


def _cut(array: Floats) -> Floats:
    """The upper half of the bits of float32."""
    bits = array.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def _bytes(array: Floats) -> Floats:
    scale = np.abs(array).max(initial=0.0) / 127
    return np.rint(array / scale) * scale if scale else array


def _activations(operation: Operation) -> Iterator[Variant]:
    own = operation.settings["activation"]
    own = "a function of its own" if callable(own) else own
    if own == "softplus":
        words = "softplus is computed as log(1 + exp(x)), which overflows"
        yield Variant(words, operation.altered(activation=NAIVE_SOFTPLUS))
    for words, function in _FORMULAS.get(own, ()):
        yield Variant(words, operation.altered(activation=function))
    for name in _ACTIVATIONS:
        if name != own:
            words = f"the activation is {name} in place of {own}"
            words = f"the activation is missing ({own})" if name == "linear" else words
            yield Variant(words, operation.altered(activation=name))


def _hard_sigmoid_of_keras2(x: Floats) -> Floats:
    return np.clip(0.2 * x + 0.5, 0.0, 1.0)


def _gelu_by_tanh(x: Floats) -> Floats:
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    result: Floats = 0.5 * x * (1 + np.tanh(inner))
    return result


_FORMULAS: Final[dict[str, tuple[tuple[str, Callable[[Floats], Floats]], ...]]] = {
    "hard_sigmoid": (
        ("hard_sigmoid has the slope 0.2 of Keras 2 in place of 1/6", _hard_sigmoid_of_keras2),
    ),
    "gelu": (("gelu is computed by its approximation with tanh", _gelu_by_tanh),),
}
"""Other functions that go by an activation's name."""


def _epsilons(operation: Operation) -> Iterator[Variant]:
    own = operation.settings["epsilon"]
    for epsilon in _EPSILONS:
        if epsilon != own:
            words = f"epsilon is {epsilon:g} in place of {own:g}"
            yield Variant(words, operation.altered(epsilon=epsilon))
    w, plain = operation.weights, np.zeros_like(operation.weights["mean"])
    batch = operation.altered(of_the_batch=True)
    yield Variant("the statistics are the batch's own, as in training", batch)
    if operation.kind == "normalization" and w["mean"].ndim == 1:
        for axis in (1, 2, 3):
            words = f"the statistics are laid along axis {axis}"
            yield Variant(words, operation.altered(axis=axis))
    for name, value, words in (
        ("gamma", plain + 1, "gamma is left out"),
        ("beta", plain, "beta is left out"),
        ("mean", plain, "the moving mean is left out"),
        ("variance", w["variance"] ** 2, "the variance is taken for a standard deviation"),
    ):
        if name in w:
            yield Variant(words, operation.reweighted(**{name: value}))
    if {"gamma", "beta"} <= w.keys():
        swapped = operation.reweighted(gamma=w["beta"], beta=w["gamma"])
        yield Variant("gamma and beta are exchanged", swapped)


def _slopes(operation: Operation) -> Iterator[Variant]:
    own = operation.settings
    for slope in _SLOPES:
        if slope != own["slope"]:
            words = f"the negative slope is {slope:g} in place of {own['slope']:g}"
            words = f"{words}: it is missing" if slope == 1 else words
            yield Variant(words, operation.altered(slope=slope))
    for most in (None, 6.0, 1.0):
        if most != own["most"]:
            words = f"the maximum is {'missing' if most is None else f'{most:g}'}"
            yield Variant(words, operation.altered(most=most))
    if own["threshold"]:
        yield Variant("the threshold is left out", operation.altered(threshold=0.0))


def _flattening(operation: Operation) -> Iterator[Variant]:
    if operation.settings.get("channels_first"):
        as_is = operation.altered(channels_first=False)
        yield Variant("the elements are flattened channels first", as_is)
        return
    turned = operation.altered(to_first=True)
    yield Variant("the elements are flattened channels first", turned)


def _merging(operation: Operation) -> Iterator[Variant]:
    own = operation.settings["of"]
    for name in ("add", "multiply", "average", "maximum", "minimum", "subtract"):
        if name != own:
            yield Variant(f"{name} in place of {own}", operation.altered(of=name))
    if own in ("subtract", "divide"):
        yield Variant("the operands are exchanged", operation.altered(exchanged=True))


def _sizes(operation: Operation) -> Iterator[Variant]:
    size = operation.settings["size"]
    if size != size[::-1]:
        exchanged = operation.altered(size=size[::-1])
        yield Variant("rows and columns of the size are exchanged", exchanged)
    yield Variant("elements are repeated as a whole, not each", operation.altered(tiled=True))


def _sloped(operation: Operation) -> Iterator[Variant]:
    slope = operation.weights["slope"]
    for value, words in ((0.0, "the slopes are left out"), (1.0, "the activation is missing")):
        yield Variant(words, operation.reweighted(slope=np.full_like(slope, value)))
    first = operation.reweighted(slope=np.full_like(slope, slope.reshape(-1)[0]))
    yield Variant("the first slope is used for all", first)


def _rows(operation: Operation) -> Iterator[Variant]:
    own = operation.settings["epsilon"]
    for epsilon in _EPSILONS:
        if epsilon != own:
            words = f"epsilon is {epsilon:g} in place of {own:g}"
            yield Variant(words, operation.altered(epsilon=epsilon))
    for name, neutral in (("gamma", 1.0), ("beta", 0.0)):
        if name in operation.weights:
            plain = np.full_like(operation.weights[name], neutral)
            yield Variant(f"{name} is left out", operation.reweighted(**{name: plain}))


def _padding(operation: Operation) -> Iterator[Variant]:
    pads = operation.settings["pads"]
    nothing = [(0, 0)] * len(pads)
    yield Variant("the padding is left out", operation.altered(pads=nothing))
    if pads != [pair[::-1] for pair in pads]:
        turned = [pair[::-1] for pair in pads]
        yield Variant("before and after are exchanged", operation.altered(pads=turned))
        after = [(b, b) for _, b in pads]
        yield Variant("the padding after stands on both sides", operation.altered(pads=after))
    if pads != pads[::-1]:
        exchanged = operation.altered(pads=pads[::-1])
        yield Variant("the padding of rows and columns is exchanged", exchanged)


def _joining(operation: Operation) -> Iterator[Variant]:
    for axis in (1, 2, -1):
        if axis != operation.settings["axis"]:
            words = f"along axis {axis} in place of {operation.settings['axis']}"
            yield Variant(words, operation.altered(axis=axis))


def _global(operation: Operation) -> Iterator[Variant]:
    own = operation.settings["pool"]
    other = "average" if own == "max" else "max"
    yield Variant(f"{other} pooling in place of {own}", operation.altered(pool=other))


_BY_KIND: Final[dict[str, Callable[[Operation], Iterator[Variant]]]] = {
    "normalization": _epsilons,
    "relu": _slopes,
    "flatten": _flattening,
    "merge": _merging,
    "padding": _padding,
    "concatenation": _joining,
    "global pooling": _global,
    "repetition": _sizes,
    "sloped relu": _sloped,
    "layer normalization": _rows,
}

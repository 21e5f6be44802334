"""Models, and wrong conversions of them: the saved model is right, what is converted is altered.

A model is made by a function of options, whose defaults are the right ones; a sabotage is the same
function with another option, given the right model's weights (or altered ones), and converted
faithfully: so the mistake is in the converted file, where the converter would have put it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

L = keras.layers
Weights = list[np.ndarray[Any, Any]]


def filled(model: Any, seed: int = 0) -> Any:
    """The model with weights of ordinary size, variances positive."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * 0.4
        weight.assign(0.2 + np.abs(values) if "variance" in weight.path else values)
    return model


def convolutional(
    padding: Any = "same",
    strides: Any = 2,
    activation: str = "relu",
    dilation: Any = 1,
    pool: str = "max",
    pool_padding: str = "same",
    pool_strides: Any = 2,
    order: Any = None,
    epsilon: float = 1e-3,
    slope: float = 0.3,
    bias: bool = True,
    size: tuple[int, int] = (10, 9),
    second: Any = "tanh",
    dense: str = "linear",
    pad: Any = ((0, 1), (1, 0)),
    end: str = "Flatten",
) -> Any:
    """Padding, convolutions, normalization, pooling, Flatten and Dense in a row."""
    x = start = L.Input((*size, 3))
    if padding == "symmetric":
        x = L.ZeroPadding2D(1, name="moved")(x)
        x = L.Conv2D(4, 3, strides, "valid", activation=activation, name="c1")(x)
    else:
        x = L.Conv2D(
            4, 3, strides, padding, dilation_rate=dilation, activation=activation, name="c1"
        )(x)
    x = L.ZeroPadding2D(pad, name="zp")(x)
    x = L.Conv2D(6, (2, 3), name="c2", use_bias=bias)(x)
    x = L.BatchNormalization(epsilon=epsilon, name="bn")(x)
    x = L.LeakyReLU(negative_slope=slope, name="lr")(x)
    kind = L.MaxPooling2D if pool == "max" else L.AveragePooling2D
    x = kind(2, pool_strides, pool_padding, name="p")(x)
    x = L.Conv2D(4, 1, activation=second, name="c3")(x)
    if order is not None:
        x = L.Permute(order, name="moved2")(x)
    x = L.Flatten(name="f")(x) if end == "Flatten" else L.GlobalMaxPooling2D(name="f")(x)
    return keras.Model(start, L.Dense(5, activation=dense, name="d")(x))


def squares(activation: str = "relu", dilation: Any = (2, 1), strides: Any = 1) -> Any:
    """Convolutions with as many inputs as outputs, whose axes may be exchanged."""
    x = start = L.Input((11, 9, 4))
    x = L.Conv2D(4, 3, strides, dilation_rate=dilation, activation=activation, name="q1")(x)
    x = L.Conv2D(4, 3, activation="sigmoid", name="q2")(x)
    x = L.GlobalAveragePooling2D(name="g")(x)
    return keras.Model(start, L.Dense(4, name="d")(x))


def one_axis(
    padding: str = "same", strides: int = 2, pool: int = 2, activation: str = "elu"
) -> Any:
    """A row of one-dimensional layers."""
    x = start = L.Input((14, 3))
    x = L.Conv1D(5, 4, strides=strides, padding=padding, activation=activation, name="k1")(x)
    x = L.AveragePooling1D(pool, 1, "same", name="ap")(x)
    x = L.Conv1D(4, 2, name="k2")(x)
    return keras.Model(start, L.Flatten(name="f")(x))


def branches(merge: Any = "Add", activation: str = "relu") -> Any:
    """A residual block between convolutions."""
    x = start = L.Input((8, 7, 4))
    y = L.Conv2D(4, 3, padding="same", activation=activation, name="b1")(x)
    y = L.DepthwiseConv2D(3, padding="same", name="dw")(y)
    x = getattr(L, merge)(name="m")([x, y])
    x = L.Activation("softsign", name="act")(x)
    return keras.Model(start, L.Conv2D(3, 2, name="b2")(x))


def changed(name: str, change: Callable[[Weights], Weights]) -> Callable[[Any], None]:
    """An alteration of one layer's weights."""

    def apply(model: Any) -> None:
        layer = model.get_layer(name)
        layer.set_weights([np.asarray(w, np.float32) for w in change(layer.get_weights())])

    return apply


def kernel(change: Callable[[Any], Any]) -> Callable[[Weights], Weights]:
    """A change of the first weight alone."""
    return lambda weights: [change(weights[0]), *weights[1:]]


def halved(weights: Weights) -> Weights:
    """Weights that went through half precision."""
    return [w.astype(np.float16).astype(np.float32) for w in weights]


def without_bias(weights: Weights) -> Weights:
    """The bias lost."""
    return [weights[0], weights[1] * 0]


def reshaped(array: Any) -> Any:
    """Read in another order in place of being transposed."""
    order = (array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))
    return np.ascontiguousarray(array.transpose(order)).reshape(array.shape)


Sabotage = tuple[str, Callable[..., Any], dict[str, Any], dict[str, Any], Any, str, str]
"""Name, model, its right options, the wrong ones, a change of weights, the layer, the words."""


def _of(
    name: str,
    make: Callable[..., Any],
    wrong: dict[str, Any],
    layer: str,
    words: str,
    right: dict[str, Any] | None = None,
    change: Any = None,
) -> Sabotage:
    return name, make, right or {}, wrong, change, layer, words


SABOTAGES: tuple[Sabotage, ...] = (
    _of(
        "symmetric pads",
        convolutional,
        {"padding": "symmetric"},
        "c1",
        "SAME pads half",
        {"size": (10, 10)},
    ),
    _of(
        "valid for same",
        convolutional,
        {"padding": "valid"},
        "c1",
        "'same' is read as 'valid'",
        {"end": "global"},
    ),
    _of("activation lost", convolutional, {"activation": "linear"}, "c1", "activation is missing"),
    _of("relu6 for relu", convolutional, {"activation": "relu6"}, "c1", "relu6"),
    _of("elu for relu", convolutional, {"activation": "elu"}, "c1", "elu"),
    _of("slope 0.01", convolutional, {"slope": 0.01}, "lr", "slope is 0.01"),
    _of("slope 0.2", convolutional, {"slope": 0.2}, "lr", "slope is 0.2"),
    _of("epsilon 1e-5", convolutional, {"epsilon": 1e-5}, "bn", "epsilon is 1e-05"),
    _of("epsilon 1e-2", convolutional, {"epsilon": 1e-2}, "bn", "epsilon is 0.01"),
    _of("average for max", convolutional, {"pool": "average"}, "p", "average pooling"),
    _of("max for average", convolutional, {"pool": "max"}, "p", "max pooling", {"pool": "average"}),
    _of(
        "ceil for floor",
        convolutional,
        {"pool_padding": "same"},
        "p",
        "",
        {"pool_padding": "valid", "size": (13, 10), "end": "global"},
    ),
    _of(
        "pool strides one",
        convolutional,
        {"pool_strides": 1},
        "p",
        "strides are left out",
        {"end": "global"},
    ),
    _of("flatten order", convolutional, {"order": (3, 1, 2)}, "f", "flattened channels first"),
    _of(
        "bias lost", convolutional, {}, "c1", "bias is missing", change=changed("c1", without_bias)
    ),
    _of(
        "bias lost in Dense",
        convolutional,
        {},
        "d",
        "bias is missing",
        change=changed("d", without_bias),
    ),
    _of("half precision", convolutional, {}, "c1", "float16", change=changed("c1", halved)),
    _of("half precision in Dense", convolutional, {}, "d", "float16", change=changed("d", halved)),
    _of(
        "kernel flipped",
        convolutional,
        {},
        "c1",
        "flipped",
        change=changed("c1", kernel(lambda k: k[::-1, ::-1])),
    ),
    _of(
        "kernel turned",
        convolutional,
        {},
        "c1",
        "rows and columns of the kernel",
        change=changed("c1", kernel(lambda k: k.swapaxes(0, 1))),
    ),
    _of(
        "kernel read in another order",
        convolutional,
        {},
        "c1",
        "order (filters",
        change=changed("c1", kernel(reshaped)),
    ),
    _of("pads exchanged", convolutional, {"pad": ((1, 0), (0, 1))}, "zp", "before and after"),
    _of(
        "second activation", convolutional, {"second": "sigmoid"}, "c3", "sigmoid in place of tanh"
    ),
    _of(
        "softmax lost",
        convolutional,
        {"dense": "linear"},
        "d",
        "activation is missing",
        {"dense": "softmax"},
    ),
    _of("strides and dilation", squares, {"dilation": 1, "strides": (2, 1)}, "q1", ""),
    _of("dilation lost", squares, {"dilation": 1}, "q1", "the dilation is left out"),
    _of(
        "dilation of other axis",
        squares,
        {"dilation": (1, 2)},
        "q1",
        "dilation of rows and columns",
    ),
    _of(
        "channels exchanged",
        squares,
        {},
        "q2",
        "channels of the kernel",
        change=changed("q2", kernel(lambda k: k.swapaxes(-1, -2))),
    ),
    _of(
        "dense transposed",
        squares,
        {},
        "d",
        "transposed",
        change=changed("d", kernel(lambda k: k.T)),
    ),
    _of("multiplied for added", branches, {"merge": "Multiply"}, "m", "multiply in place of add"),
    _of(
        "depthwise turned",
        branches,
        {},
        "dw",
        "rows and columns",
        change=changed("dw", kernel(lambda k: k.swapaxes(0, 1))),
    ),
    _of(
        "depthwise bias lost",
        branches,
        {},
        "dw",
        "bias is missing",
        change=changed("dw", without_bias),
    ),
    _of("elu for relu, 1-D", one_axis, {"activation": "relu"}, "k1", "relu in place of elu"),
    _of(
        "kernel flipped, 1-D",
        one_axis,
        {},
        "k1",
        "flipped",
        change=changed("k1", kernel(lambda k: k[::-1])),
    ),
)


def pair(sabotage: Sabotage) -> tuple[Any, Any]:
    """The right model, and the wrong one with its weights."""
    _, make, right, wrong, change, _, _ = sabotage
    source = filled(make(**right))
    model = make(**{**right, **wrong})
    if any(a.shape != b.shape for a, b in zip(source.weights, model.weights, strict=True)):
        raise ValueError("the weights of the two differ in shape")
    model.set_weights(source.get_weights())
    if change is not None:
        change(model)
    zeros = [np.zeros([1, *given.shape[1:]], np.float32) for given in model.inputs]
    model(zeros if len(zeros) > 1 else zeros[0])
    return source, model

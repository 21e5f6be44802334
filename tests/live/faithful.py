"""Models whose conversions are right, of all the forms that a model may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from sabotages import branches, convolutional, one_axis, squares

L = keras.layers


def single(layer: Any, shape: tuple[int, ...]) -> Any:
    """A model of one layer."""
    return keras.Sequential([L.Input(shape), layer])


def nested() -> Any:
    """Models within a model."""
    inner = keras.Sequential(
        [
            L.Input((7, 6, 3)),
            L.Conv2D(4, 3, activation="hard_sigmoid", name="i1"),
            L.ReLU(6.0, name="i2"),
        ],
        name="inner",
    )
    x = start = L.Input((7, 6, 3))
    return keras.Model(start, L.Conv2D(2, 2, name="o")(L.Dropout(0.5)(inner(x))))


def shared() -> Any:
    """A layer called twice."""
    start = L.Input((9, 3))
    layer = L.Conv1D(3, 3, padding="same", activation="tanh", name="s")
    return keras.Model(start, L.Flatten()(layer(layer(start))))


def several() -> Any:
    """Two inputs and two outputs."""
    a, b = L.Input((6, 5, 2), name="a"), L.Input((6, 5, 3), name="b")
    x = L.Conv2D(4, 2, name="ca")(a)
    y = L.Conv2D(4, 2, activation="relu", name="cb")(b)
    joined = L.Concatenate(name="cat")([x, y])
    first = L.Conv2D(2, 3, name="one")(joined)
    return keras.Model([a, b], [first, L.Dense(3, name="two")(L.GlobalMaxPooling2D()(x))])


def deep(length: int) -> Any:
    """Many layers in a row."""
    x = start = L.Input((12, 11, 4))
    for index in range(length // 3):
        x = L.Conv2D(4, 3, padding="same", use_bias=False, name=f"c{index}")(x)
        x = L.BatchNormalization(name=f"n{index}")(x)
        x = L.ReLU(name=f"r{index}")(x)
    return keras.Model(start, x)


def inverted() -> Any:
    """A block of depthwise convolutions with padding of its own, as mobile networks have it."""
    x = start = L.Input((16, 15, 3))
    x = L.Conv2D(8, 3, 2, padding="same", use_bias=False, name="stem")(x)
    x = L.BatchNormalization(name="n1")(x)
    x = L.ReLU(6.0, name="r1")(x)
    x = L.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = L.DepthwiseConv2D(3, 2, use_bias=False, name="dw")(x)
    x = L.BatchNormalization(name="n2")(x)
    x = L.Activation("silu", name="r2")(x)
    y = L.GlobalAveragePooling2D(keepdims=True, name="sq")(x)
    y = L.Conv2D(8, 1, activation="sigmoid", name="ex")(y)
    x = L.Multiply(name="scale")([x, y])
    x = L.UpSampling2D(2, name="up")(x)
    return keras.Model(start, L.Reshape((-1, 8), name="rs")(x))


def free() -> Any:
    """Free lengths."""
    x = start = L.Input((None, None, 3))
    x = L.Conv2D(4, 3, 2, "same", activation="relu", name="c")(x)
    return keras.Model(start, L.MaxPooling2D(3, 2, "same", name="p")(x))


MODELS: dict[str, Callable[[], Any]] = {
    "Conv2D": lambda: single(L.Conv2D(4, (3, 2), (2, 1), "same"), (9, 8, 3)),
    "Conv2D, dilation": lambda: single(L.Conv2D(4, 3, dilation_rate=2), (9, 8, 3)),
    "Conv2D, groups": lambda: single(L.Conv2D(6, 3, groups=3, activation="elu"), (9, 8, 6)),
    "Conv1D": lambda: single(L.Conv1D(4, 3, 2, "same", activation="softplus"), (11, 3)),
    "MaxPooling2D": lambda: single(L.MaxPooling2D((3, 2), 2, "same"), (9, 8, 3)),
    "MaxPooling1D": lambda: single(L.MaxPooling1D(3, 2, "same"), (10, 3)),
    "AveragePooling2D": lambda: single(L.AveragePooling2D(3, 2, "same"), (9, 8, 3)),
    "Dense": lambda: single(L.Dense(5, activation="softmax"), (7,)),
    "BatchNormalization": lambda: single(L.BatchNormalization(), (5, 4, 3)),
    "row": convolutional,
    "row, valid": lambda: convolutional(padding="valid", end="global"),
    "row, average": lambda: convolutional(pool="average"),
    "row, softmax": lambda: convolutional(dense="softmax", activation="silu"),
    "squares": squares,
    "squares, plain": lambda: squares(dilation=1, strides=(2, 1)),
    "one axis": one_axis,
    "branches": branches,
    "branches, maximum": lambda: branches("Maximum", "tanh"),
    "nested": nested,
    "shared": shared,
    "several": several,
    "thirty layers": lambda: deep(30),
    "inverted": inverted,
    "free lengths": free,
}

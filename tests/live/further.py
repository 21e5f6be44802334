"""Further models and wrong conversions of them, of kinds that `sabotages` and `faithful` have not.

Sabotages are as there: what is converted is the model with another option, or with other weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from sabotages import Sabotage, changed, kernel, without_bias

L = keras.layers


def row(shape: tuple[int, ...], *layers: Any) -> Any:
    """A model of layers in a row."""
    x = start = L.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(start, x)


def causal(padding: str = "causal") -> Any:
    """Causal convolutions, with dilation and with strides."""
    return row(
        (13, 3),
        L.Conv1D(4, 3, dilation_rate=2, padding=padding, activation="relu", name="k1"),
        L.Conv1D(3, 2, 2, padding="causal", name="k2"),
        L.GlobalMaxPooling1D(name="g"),
        L.Dense(2, name="d"),
    )


def transposed(activation: str = "relu") -> Any:
    """Transposed convolutions before an ordinary one."""
    return row(
        (6, 5, 3),
        L.Conv2DTranspose(4, 3, 2, padding="same", activation=activation, name="t1"),
        L.Conv2DTranspose(4, 3, (1, 2), padding="valid", name="t2"),
        L.Conv2D(2, 3, name="o"),
    )


def separable(activation: str = "relu") -> Any:
    """Separable convolutions, pooling and Dense."""
    return row(
        (11, 9, 3),
        L.SeparableConv2D(
            5, 3, 2, padding="same", depth_multiplier=2, activation=activation, name="s1"
        ),
        L.SeparableConv2D(4, 3, use_bias=True, name="s2"),
        L.GlobalMaxPooling2D(name="g"),
        L.Dense(3, name="d"),
    )


def sloped(shared: Any = (1, 2)) -> Any:
    """PReLU, its slopes shared and not."""
    return row(
        (8, 7, 3),
        L.Conv2D(4, 3, name="c1"),
        L.PReLU(shared_axes=shared, name="pr1"),
        L.Conv2D(3, 2, name="c2"),
        L.PReLU(name="pr2"),
        L.Flatten(name="f"),
        L.Dense(2, name="d"),
    )


def rows(epsilon: float = 1e-3) -> Any:
    """Layer normalization."""
    return row(
        (8, 7, 3),
        L.Conv2D(4, 3, name="c1"),
        L.LayerNormalization(epsilon=epsilon, name="ln1"),
        L.Conv2D(6, 2, name="c2"),
        L.LayerNormalization(center=False, name="ln2"),
        L.GlobalAveragePooling2D(name="g"),
        L.Dense(2, name="d"),
    )


def mobile(epsilon: float = 1e-3, activation: str = "hard_silu") -> Any:
    """Depthwise and pointwise convolutions with normalizations that are folded into them."""
    return row(
        (10, 9, 4),
        L.DepthwiseConv2D(3, padding="same", use_bias=False, name="dw"),
        L.BatchNormalization(epsilon=epsilon, name="n1"),
        L.ReLU(6.0, name="r1"),
        L.Conv2D(5, 1, use_bias=False, name="pw"),
        L.BatchNormalization(name="n2"),
        L.Activation(activation, name="act"),
        L.GlobalAveragePooling2D(name="g"),
        L.Dense(3, name="d"),
    )


def averaged(counts: bool = False) -> Any:
    """Average pooling with SAME padding, which may be counted."""
    pooling: list[Any] = [L.AveragePooling2D(3, 2, "same", name="a1")]
    if counts:
        pooling = [L.ZeroPadding2D(1, name="moved"), L.AveragePooling2D(3, 2, name="a1")]
    return row(
        (11, 9, 3),
        *pooling,
        L.Conv2D(4, 2, name="c1"),
        L.AveragePooling2D((2, 3), 1, "same", name="a2"),
        L.Flatten(name="f"),
        L.Dense(3, name="d"),
    )


def cubes(axis: int = -1, training: bool = False) -> Any:
    """Normalization of inputs whose lengths are all the same."""
    return row(
        (5, 5, 5),
        L.Conv2D(5, 3, padding="same", name="c1"),
        L.BatchNormalization(axis=axis, name="n"),
        L.Activation("hard_sigmoid", name="hs"),
        L.Conv2D(3, 2, name="c2"),
    )


def enlarged(size: Any = (2, 3)) -> Any:
    """Enlarged, cut, and enlarged by interpolation."""
    return row(
        (6, 4, 3),
        L.UpSampling2D(size, name="up"),
        L.Conv2D(4, 3, name="c1"),
        L.Cropping2D(((1, 0), (0, 2)), name="cr"),
        L.GlobalAveragePooling2D(name="g"),
        L.Dense(3, name="d"),
    )


def joined(exchanged: bool = False) -> Any:
    """Two inputs, two outputs, layers between them."""
    a, b = L.Input((8, 7, 3), name="left"), L.Input((4,), name="right")
    x = L.Flatten(name="f")(L.Conv2D(4, 3, 2, activation="relu", name="c1")(a))
    y = L.Dense(6, activation="tanh", name="d1")(b)
    z = L.Concatenate(name="cat")([x, y])
    z = L.Dense(5, name="d2")(z)
    other = L.Dense(5, name="d3")(y)
    pair = [other, z] if exchanged else [z, other]
    softened = L.Activation("softmax", name="sm")(z)
    return keras.Model([a, b], [softened, L.Subtract(name="sub")(pair)])


def nested() -> Any:
    """A model that is called twice, with another within it."""
    inmost = keras.Sequential([L.BatchNormalization(name="ib"), L.ReLU(name="ir")], name="inmost")
    layers = [L.Input((6, 5, 3)), L.Conv2D(3, 3, padding="same", name="ic"), inmost]
    inner = keras.Sequential(layers, name="inner")
    x = start = L.Input((6, 5, 3))
    return keras.Model(start, L.Flatten(name="f")(L.Add(name="m")([inner(inner(x)), x])))


def sliced(factor: float = 0.5) -> Any:
    """Operators and operations between layers, and a split."""
    x = start = L.Input((9, 8, 4))
    x = L.Conv2D(4, 3, activation="relu", name="c1")(x)
    x = x[:, 1:] + abs(-x[:, :-1]) * factor
    first, second = keras.ops.split(x, 2, axis=-1)
    x = keras.ops.concatenate([second, keras.ops.tanh(first)], axis=-1)
    return keras.Model(start, L.Conv2D(3, 2, name="c2")(x))


def grouped() -> Any:
    """Convolutions in groups, and channels that are shuffled between them."""
    return row(
        (8, 7, 6),
        L.Conv2D(6, 3, groups=3, name="g1"),
        L.Reshape((6, 5, 2, 3), name="r1"),
        L.Permute((1, 2, 4, 3), name="p1"),
        L.Reshape((6, 5, 6), name="r2"),
        L.Conv2D(4, 3, groups=2, padding="same", activation="relu", name="g2"),
    )


def smooth(which: str = "gelu") -> Any:
    """Activations that are not polynomials."""
    names = ("selu", "softsign", "hard_sigmoid", "mish", which, "log_softmax")
    layers = [
        layer
        for i, name in enumerate(names)
        for layer in (L.Conv2D(4, 1, name=f"c{i}"), L.Activation(name, name=f"a{i}"))
    ]
    return row((7, 6, 3), *layers)


FURTHER: dict[str, Callable[[], Any]] = {
    "causal": causal,
    "transposed": transposed,
    "separable": separable,
    "PReLU": sloped,
    "layer normalization": rows,
    "mobile": mobile,
    "average, SAME": averaged,
    "normalization along axis 1": lambda: cubes(1),
    "enlarged": enlarged,
    "two inputs": joined,
    "nested twice": nested,
    "sliced": sliced,
    "grouped": grouped,
    "smooth": smooth,
    "smooth, celu": lambda: smooth("celu"),
}


def turned(array: Any) -> Any:
    """Rows and columns exchanged."""
    return array.swapaxes(0, 1)


def _of(
    name: str,
    make: Callable[..., Any],
    layer: str,
    words: str,
    wrong: dict[str, Any] | None = None,
    change: Any = None,
) -> Sabotage:
    return name, make, {}, wrong or {}, change, layer, words


def _first(weights: Any) -> Any:
    return [0 * weights[0] + weights[0].reshape(-1)[0], *weights[1:]]


FURTHER_SABOTAGES: tuple[Sabotage, ...] = (
    _of("causal as SAME", causal, "k1", "'causal' is read as 'same'", {"padding": "same"}),
    _of(
        "transposed kernel flipped",
        transposed,
        "t1",
        "flipped",
        change=changed("t1", kernel(lambda k: k[::-1, ::-1])),
    ),
    _of(
        "transposed channels",
        transposed,
        "t2",
        "channels of the kernel are exchanged",
        change=changed("t2", kernel(lambda k: k.swapaxes(-1, -2))),
    ),
    _of(
        "depthwise part turned",
        separable,
        "s2",
        "rows and columns",
        change=changed("s2", kernel(turned)),
    ),
    _of(
        "bias of separable lost",
        separable,
        "s1",
        "bias is missing",
        change=changed("s1", lambda w: [*w[:2], 0 * w[2]]),
    ),
    _of("one slope for all", sloped, "pr1", "first slope", change=changed("pr1", _first)),
    _of("epsilon of rows", rows, "ln1", "epsilon is 1e-05", {"epsilon": 1e-5}),
    _of(
        "scale of rows lost",
        rows,
        "ln2",
        "gamma is left out",
        change=changed("ln2", lambda w: [0 * w[0] + 1]),
    ),
    _of("folded with epsilon 1e-5", mobile, "n1", "epsilon is 1e-05", {"epsilon": 1e-5}),
    _of("silu for hard_silu", mobile, "act", "silu in place of hard_silu", {"activation": "silu"}),
    _of("padding counted", averaged, "a1", "counts the padding", {"counts": True}),
    _of("statistics along axis 1", cubes, "n", "along axis 1", {"axis": 1}),
    _of(
        "channels reversed",
        cubes,
        "c1",
        "in reverse",
        change=changed("c1", kernel(lambda k: k[:, :, ::-1])),
    ),
    _of(
        "bias twice",
        cubes,
        "c2",
        "bias is added twice",
        change=changed("c2", lambda w: [w[0], 2 * w[1]]),
    ),
    _of("size exchanged", enlarged, "up", "size are exchanged", {"size": (3, 2)}),
    _of("operands exchanged", joined, "sub", "operands are exchanged", {"exchanged": True}),
    _of(
        "bias of one branch lost",
        joined,
        "d3",
        "bias is missing",
        change=changed("d3", without_bias),
    ),
    _of("gelu for mish", smooth, "a4", "mish in place of gelu", {"which": "mish"}),
)

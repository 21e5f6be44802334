"""Files that Keras 2 itself has written (`tf_keras`): read without TensorFlow, every layer judged.

``tox -e converters`` installs Keras 2.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]

pytest.importorskip("h5py")


def sequential(k):
    L = k.layers
    return k.Sequential(
        [
            L.InputLayer((12, 11, 3)),
            L.Conv2D(4, 3, 2, "same", activation="relu", name="c"),
            L.BatchNormalization(name="n"),
            L.MaxPooling2D(2, name="p"),
            L.Dropout(0.3, name="drop"),
            L.Flatten(name="f"),
            L.Dense(5, activation="softmax", name="d"),
        ]
    )


def without_input(k):
    L = k.layers
    return k.Sequential(
        [
            L.Conv2D(4, 3, padding="same", input_shape=(12, 11, 3), name="c"),
            L.LeakyReLU(0.2, name="lr"),
            L.AveragePooling2D(name="a"),
            L.GlobalAveragePooling2D(name="g"),
            L.Dense(3, name="d"),
        ]
    )


def functional(k):
    L = k.layers
    x = start = k.Input((12, 11, 3), name="img")
    x = L.Conv2D(4, 3, padding="same", use_bias=False, name="c")(x)
    x = L.BatchNormalization(name="n")(x)
    x = L.Add(name="m")([x, L.Activation("swish", name="s")(x)])
    x = L.SeparableConv2D(5, 3, name="sep")(x)
    x = L.DepthwiseConv2D(3, 2, name="dw")(L.ZeroPadding2D(1, name="zp")(x))
    z = L.Reshape((1, 1, 5), name="rs")(L.GlobalAveragePooling2D(name="g")(x))
    z = L.Conv2D(5, 1, activation="sigmoid", name="ex")(z)
    x = L.Concatenate(name="cat")([L.Multiply(name="scale")([x, z]), x])
    first = L.Dense(2, name="one")(L.Flatten(name="f")(x))
    return k.Model(start, [first, L.GlobalMaxPooling2D(name="two")(x)])


def nested(k):
    L = k.layers
    layers = [L.InputLayer((12, 11, 3)), L.Conv2D(4, 3, name="ic"), L.ReLU(name="ir")]
    inner = k.Sequential(layers, name="inner")
    a = k.Input((10, 9, 4))
    other = k.Model(a, L.Add(name="m")([a, L.Conv2D(4, 1, name="x")(a)]), name="other")
    start = k.Input((12, 11, 3))
    return k.Model(start, L.Conv2D(2, 2, name="o")(other(other(inner(start)))))


def rows(k):
    L = k.layers
    inner = k.Sequential([L.Conv2D(4, 3, name="ic"), L.ReLU(name="ir")], name="inner")
    end = k.Sequential([L.Flatten(name="f"), L.Dense(3, name="d")], name="end")
    return k.Sequential([k.Input((12, 11, 3)), inner, end])


def shared(k):
    start = k.Input((9, 3))
    layer = k.layers.Conv1D(3, 3, padding="causal", activation="tanh", name="s")
    return k.Model(start, k.layers.Flatten(name="f")(layer(layer(start))))


def several(k):
    L = k.layers
    a, b = k.Input((6, 5, 2), name="a"), k.Input((6, 5, 3), name="b")
    x = L.Conv2D(4, 2, name="ca")(a)
    y = L.Conv2D(4, 2, activation="relu", name="cb")(b)
    ends = [L.Conv2D(2, 3, name="one")(L.concatenate([x, y], name="cat"))]
    ends.append(L.Dense(3, name="two")(L.GlobalMaxPooling2D(name="g")(L.subtract([x, y]))))
    return k.Model([a, b], ends)


def channels_first(k):
    L, first = k.layers, {"data_format": "channels_first"}
    layers = [
        k.Input((3, 12, 11)),
        L.ZeroPadding2D(1, **first),
        L.Conv2D(4, 3, 2, activation="relu", **first),
        L.BatchNormalization(axis=1),
        L.MaxPooling2D(2, **first),
        L.Flatten(**first),
        L.Dense(3),
    ]
    return k.Sequential(layers)


def functions(k):
    start = k.Input((12, 11, 3))
    x = k.layers.Conv2D(3, 3, padding="same", name="c")(start)
    x = k.activations.relu((start + x) * 2.0 - 0.5 / 4)
    return k.Model(start, k.layers.Dense(2, name="d")(k.layers.Flatten(name="f")(1.0 - x)))


MODELS = (
    *(sequential, without_input, functional, nested, rows, shared, several),
    *(channels_first, functions),
)

JUDGED = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "keras", "tf_keras")))
import numpy as np
from pathlib import Path
from conformance.models.comparison import compare
from conformance.models.program_candidate import CallableCandidate
from conformance.models.source import read
source, data = read(Path(sys.argv[1])), np.load(sys.argv[2])
inputs, outputs = ([data[k] for k in data.files if k[0] == kind] for kind in "xy")
found = compare(source, CallableCandidate(lambda *_: outputs, "Keras 2"), inputs)
print(found.headline, *(f.layer for f in found.findings if f.verdict == "not judged"))
print(*(f"{w.ratio:.3g}" for _, w in found.wholes))
assert all(w.ratio is not None and w.ratio < 1 for _, w in found.wholes)
"""


def compiled(model):
    """The model by XLA, which computes channels first wherever TensorFlow's kernels do not."""
    import tensorflow as tf

    return tf.function(lambda given: model(given, training=False), jit_compile=True)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_a_file_of_keras_2_is_judged_without_it(make, keras2, tmp_path):
    """Its weights find their layers, and what it computes itself is within the bound."""
    model = make(keras2)
    rng = np.random.default_rng(0)
    drawn = [0.4 * rng.normal(size=w.shape) for w in model.weights]
    pairs = zip(drawn, model.weights, strict=True)
    model.set_weights([0.2 + np.abs(a) if "variance" in w.name else a for a, w in pairs])
    model.save(tmp_path / "model.h5")
    shapes = [(2, *given.shape[1:]) for given in model.inputs]
    inputs = [rng.normal(size=shape).astype("float32") for shape in shapes]
    made = compiled(model)(inputs if len(inputs) > 1 else inputs[0])
    made = made if isinstance(made, (list, tuple)) else [made]
    arrays = {f"x{i}": array for i, array in enumerate(inputs)}
    arrays |= {f"y{i}": np.asarray(array) for i, array in enumerate(made)}
    np.savez(tmp_path / "data.npz", **arrays)
    program = [sys.executable, "-c", JUDGED, tmp_path / "model.h5", tmp_path / "data.npz"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] in ("rounding", "right")

"""One converted file, in which single nodes and weights are altered by hand.

The model is none of those that the catalogue of mistakes was tried on: every alteration is blamed
on its layer alone, and named.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytest.importorskip("h5py")
pytest.importorskip("tensorflow")

import keras  # noqa: E402
from sabotages import filled  # noqa: E402

from conformance.models.comparison import compare  # noqa: E402
from conformance.models.errors import ModelError  # noqa: E402
from conformance.models.onnx_candidate import OnnxCandidate  # noqa: E402
from conformance.models.source import read  # noqa: E402

L = keras.layers


def made():
    x = start = L.Input((13, 10, 3))
    x = L.Conv2D(5, (5, 3), (2, 1), "same", name="stem")(x)
    x = L.ReLU(name="r0")(x)
    x = L.AveragePooling2D((3, 2), (2, 3), "same", name="avg")(x)
    x = L.Conv2D(7, 2, dilation_rate=(1, 2), use_bias=False, name="mid")(x)
    x = L.BatchNormalization(epsilon=2e-2, name="norm")(x)
    x = L.LeakyReLU(negative_slope=0.15, name="leak")(x)
    x = L.MaxPooling2D(2, 1, "same", name="peak")(x)
    x = L.Activation("hard_sigmoid", name="gate")(x)
    x = L.Flatten(name="flat")(x)
    x = L.Dense(6, activation="elu", name="hid")(x)
    return filled(keras.Model(start, L.Dense(4, activation="softmax", name="out")(x)), 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The source, and its faithful conversion."""
    folder = tmp_path_factory.mktemp("edited")
    model = made()
    model.save(folder / "model.keras")
    model(np.zeros((1, 13, 10, 3), "float32"))
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    return read(folder / "model.keras"), onnx.load(folder / "model.onnx")


def node(model, kind, index=0):
    return [n for n in model.graph.node if n.op_type == kind][index]


def put(kind, index=0, **attributes):
    """Other attributes of a node."""

    def apply(model):
        found = node(model, kind, index)
        kept = [a for a in found.attribute if a.name not in attributes]
        del found.attribute[:]
        new = [onnx.helper.make_attribute(key, value) for key, value in attributes.items()]
        found.attribute.extend([*kept, *new])

    return apply


def weight(kind, index, operand, change):
    """Another weight of a node."""

    def apply(model):
        name = node(model, kind, index).input[operand]
        found = next(i for i in model.graph.initializer if i.name == name)
        array = onnx.numpy_helper.to_array(found)
        changed = np.ascontiguousarray(change(array).astype(array.dtype))
        found.CopyFrom(onnx.numpy_helper.from_array(changed, name))

    return apply


def passed_on(kind):
    """A node that does nothing."""

    def apply(model):
        found = node(model, kind)
        found.op_type = "Identity"
        del found.attribute[:]

    return apply


ALTERED = {
    "pooling that counts padding": (
        put("AveragePool", count_include_pad=1),
        "avg",
        "the average counts the padding",
    ),
    "pooling padded before": (put("AveragePool", pads=[1, 1, 1, 0]), "avg", "padding goes first"),
    "pooling strides exchanged": (put("AveragePool", strides=[3, 2]), "avg", "are exchanged"),
    "stride and dilation exchanged": (
        put("Conv", 1, strides=[1, 2], dilations=[1, 1]),
        "mid",
        "strides and dilation are exchanged",
    ),
    "dilation of the other axis": (put("Conv", 1, dilations=[2, 1]), "mid", "is exchanged"),
    "folded weights in half precision": (
        weight("Conv", 1, 1, lambda a: a.astype(np.float16)),
        "mid",
        "the normalization folded in, was rounded to float16",
    ),
    "kernel turned": (weight("Conv", 1, 1, lambda a: a.swapaxes(2, 3)), "mid", "rows and columns"),
    "kernel cut off": (
        weight("Conv", 0, 1, lambda a: (a.view("uint32") & 0xFFFF0000).view("float32")),
        "stem",
        "cut off to bfloat16",
    ),
    "bias lost": (weight("Conv", 0, 2, lambda a: a * 0), "stem", "the bias is missing"),
    "slope of its own": (put("LeakyRelu", alpha=0.17), "leak", "slope is 0.17 in place of 0.15"),
    "alpha of its own": (put("Elu", alpha=0.5), "hid", "alpha of elu is 0.5 in place of 1"),
    "relu lost": (passed_on("Relu"), "r0", "it is missing"),
    "softmax lost": (passed_on("Softmax"), "out", "the activation is missing"),
}


def judged(files, tmp_path, alter):
    source, model = files
    altered = copy.deepcopy(model)
    alter(altered)
    onnx.save(altered, tmp_path / "c.onnx")
    return compare(source, OnnxCandidate(tmp_path / "c.onnx"))


@pytest.mark.parametrize("name", ALTERED)
def test_each_alteration_is_blamed_on_its_layer_and_named(name, files, tmp_path):
    alter, layer, words = ALTERED[name]
    found = judged(files, tmp_path, alter)
    ((blamed, fault),) = [(f.layer, f.fault) for f in found.findings if f.verdict == "wrong"]
    assert blamed == layer
    assert words in fault


def test_the_file_as_it_was_converted_is_right(files, tmp_path):
    found = judged(files, tmp_path, lambda model: None)
    assert {f.verdict for f in found.findings} <= {"right", "rounding"}


def test_inputs_that_no_node_reads_are_no_reason_to_refuse(files, tmp_path):
    """Keras' export leaves constants of a Normalization behind as inputs, folded elsewhere."""
    source, model = files
    altered = copy.deepcopy(model)
    kind = onnx.TensorProto.FLOAT
    altered.graph.input.append(onnx.helper.make_tensor_value_info("left", kind, [1, 1, 1, 3]))
    onnx.save(altered, tmp_path / "c.onnx")
    found = compare(source, OnnxCandidate(tmp_path / "c.onnx"))
    assert found.verdict in ("right", "rounding")
    assert "inputs that no node reads are given zeros: left" in found.maker


def test_inputs_that_a_converter_left_open_are_named(files, tmp_path):
    """What nodes read cannot be guessed: the file is refused."""
    source, model = files
    altered = copy.deepcopy(model)
    first = altered.graph.initializer[0]
    altered.graph.input.append(
        onnx.helper.make_tensor_value_info(first.name, first.data_type, list(first.dims))
    )
    del altered.graph.initializer[0]
    onnx.save(altered, tmp_path / "c.onnx")
    with pytest.raises(ModelError, match=r"has 2 inputs, and the source 1: .*left open"):
        compare(source, OnnxCandidate(tmp_path / "c.onnx"))

"""Conversions by Keras' own export, the TFLite converter and a port by hand, judged.

Every faithful one is right or rounding, and every sabotage is blamed on its layer and named.
"""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]

tf = pytest.importorskip("tensorflow")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("tf2onnx")
pytest.importorskip("h5py")

import keras  # noqa: E402
from faithful import MODELS  # noqa: E402
from further import FURTHER, FURTHER_SABOTAGES  # noqa: E402
from sabotages import SABOTAGES, filled, pair  # noqa: E402

from conformance.models.candidates import load_candidate  # noqa: E402
from conformance.models.comparison import compare  # noqa: E402
from conformance.models.errors import ModelError  # noqa: E402
from conformance.models.isolated import Isolated  # noqa: E402
from conformance.models.program_candidate import CallableCandidate  # noqa: E402
from conformance.models.report import recorded  # noqa: E402
from conformance.models.source import read  # noqa: E402
from conformance.running.limits import Limits  # noqa: E402

FORMATS = ("onnx", "tflite")


def called(model):
    zeros = [np.zeros([1, *(n or 12 for n in i.shape[1:])], "float32") for i in model.inputs]
    model(zeros if len(zeros) > 1 else zeros[0])
    return model


def converted(model, path):
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        if path.suffix == ".onnx":
            called(model).export(path, format="onnx", verbose=False)
        else:
            path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(called(model)).convert())
    return path


def model_of(name):
    """A model by name, with weights."""
    return filled({**MODELS, **FURTHER}[name]())


def source_of(model, tmp_path, suffix=".keras"):
    model.save(tmp_path / f"source{suffix}")
    return read(tmp_path / f"source{suffix}")


def wrong(comparison):
    return [(f.layer, f.fault) for f in comparison.findings if f.verdict == "wrong"]


UNLOADABLE = {
    "Conv2D, groups": "StatefulPartitionedCall",
    "grouped": "StatefulPartitionedCall",
    "smooth": "No Op registered for Erfc",
    "smooth, celu": "No Op registered for Expm1",
}
"""Models whose ONNX files by Keras' export no runtime loads, and what onnxruntime says."""

DEFECTS = {("Conv1D", "tflite"), *((name, "onnx") for name in UNLOADABLE)}
"""Conversions that are not right, by defects of converters; see below."""

FAITHFUL = [
    (name, form)
    for name in (*MODELS, *FURTHER)
    for form in (*FORMATS, "tf.keras")
    if (name, form) not in DEFECTS
]


@pytest.mark.parametrize(("name", "form"), FAITHFUL)
def test_faithful_conversions_are_right(name, form, tmp_path):
    """No conversion that is right is called wrong, and every layer is judged.

    What onnxruntime's Sigmoid loses far below zero is its own, and told as that.
    """
    model = model_of(name)
    source = source_of(model, tmp_path)
    path = tmp_path / "source.keras"
    spec = form if form == "tf.keras" else str(converted(model, tmp_path / f"c.{form}"))
    comparison = compare(source, load_candidate(spec, path))
    assert wrong(comparison) == []
    assert comparison.verdict in ("right", "rounding", "known")
    known = {f.record for f in comparison.findings if f.verdict == "known"}
    assert known <= ({"onnxruntime-logistic-absolute"} if form == "onnx" else set())
    assert [f.layer for f in comparison.findings if f.verdict == "not judged"] == []


def test_softplus_of_tflite_is_found_out(tmp_path):
    """TFLite computes softplus as log(1 + exp(x)), which loses what is small: a defect of its."""
    model = model_of("Conv1D")
    source = source_of(model, tmp_path)
    path = converted(model, tmp_path / "c.tflite")
    ((layer, _),) = wrong(compare(source, load_candidate(str(path), None)))
    assert layer == source.steps[0].name


def deep_in_the_tail(activation):
    """Activations of sums far below zero, padding that is moved, and what goes on from there."""
    x = start = keras.layers.Input((12, 11, 3))
    x = keras.layers.Conv2D(6, 3, padding="same", use_bias=False, name="c")(x)
    x = keras.layers.BatchNormalization(name="n")(x)
    x = keras.layers.Activation(activation, name="act")(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = keras.layers.DepthwiseConv2D(3, 2, use_bias=False, name="dw")(x)
    x = keras.layers.BatchNormalization(name="n2")(x)
    x = keras.layers.GlobalAveragePooling2D(name="g")(x)
    model = filled(keras.Model(start, keras.layers.Dense(4, name="d")(x)))
    gamma, *others = model.get_layer("n").get_weights()
    model.get_layer("n").set_weights([0 * gamma + 8, *others])
    return model


@pytest.mark.parametrize("activation", ["silu", "sigmoid"])
def test_a_recorded_defect_of_the_runtime_is_told_as_one(activation, tmp_path):
    """Where Sigmoid of onnxruntime is zero, from -18 on, its layer alone is named, by the id.

    Nothing is called wrong, and what stands behind it is judged on what it is given.
    """
    model = deep_in_the_tail(activation)
    source = source_of(model, tmp_path)
    path = converted(model, tmp_path / "c.onnx")
    comparison = compare(source, load_candidate(str(path), None))
    verdicts = {f.layer: str(f.verdict) for f in comparison.findings}
    assert verdicts.pop("act") == "known"
    assert set(verdicts.values()) <= {"right", "rounding"}
    (told,) = recorded(comparison)
    assert "1 layer errs as is recorded of onnxruntime" in told
    assert "(onnxruntime-logistic-absolute). The worst is act: " in told
    assert "of 1584 elements are wrong" in told


@pytest.mark.parametrize("name", UNLOADABLE)
def test_what_the_onnx_export_breaks_is_refused(name, tmp_path):
    """Keras' export leaves what is no operator of ONNX in some files: the reason is given."""
    path = converted(model_of(name), tmp_path / "c.onnx")
    with pytest.raises(
        ModelError, match=rf"c\.onnx: onnxruntime cannot load it.*{UNLOADABLE[name]}"
    ):
        load_candidate(str(path), None)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "sabotage", [*SABOTAGES, *FURTHER_SABOTAGES], ids=lambda sabotage: sabotage[0]
)
def test_sabotages_are_blamed_on_their_layer(sabotage, form, tmp_path):
    """One layer is called wrong, the one that was altered, and its mistake is named."""
    right, altered = pair(sabotage)
    source = source_of(right, tmp_path)
    candidate = load_candidate(str(converted(altered, tmp_path / f"c.{form}")), None)
    ((layer, fault),) = wrong(compare(source, candidate))
    assert layer == sabotage[5]
    assert sabotage[6] in fault


def test_h5_is_read_like_keras(tmp_path):
    """The older format gives the same judgement."""
    model = model_of("inverted")
    source = source_of(model, tmp_path, ".h5")
    path = converted(model, tmp_path / "c.tflite")
    assert wrong(compare(source, load_candidate(str(path), None))) == []


def test_layers_of_keras_alone_are_not_judged(tmp_path):
    """A layer that only Keras computes is matched and shown; those around it are judged."""
    x = start = keras.layers.Input((6, 5, 4))
    x = keras.layers.Conv2D(4, 2, name="before")(x)
    x = keras.layers.UnitNormalization(name="un")(x)
    model = filled(keras.Model(start, keras.layers.Conv2D(3, 2, name="after")(x)))
    source = source_of(model, tmp_path)
    path = converted(model, tmp_path / "c.onnx")
    verdicts = {
        f.layer: f.verdict for f in compare(source, load_candidate(str(path), None)).findings
    }
    assert verdicts["un"] == "not judged"
    assert {verdicts["before"], verdicts["after"]} <= {"right", "rounding"}


@keras.saving.register_keras_serializable("tests")
class Halves(keras.layers.Layer):
    """A layer of the user's own with two outputs."""

    def call(self, inputs):
        half = inputs.shape[-1] // 2
        return inputs[..., :half], inputs[..., half:] * 2.0

    def compute_output_shape(self, shape):
        return [(*shape[:-1], shape[-1] // 2)] * 2


def halved():
    """It stands within, and at the end."""
    x = start = keras.layers.Input((9, 8, 3))
    first, second = Halves(name="h")(keras.layers.Conv2D(4, 3, name="c")(x))
    first = keras.layers.Conv2D(4, 2, name="one")(first)
    ends = Halves(name="end")(keras.layers.Conv2D(4, 2, activation="relu", name="two")(second))
    return filled(keras.Model(start, [first, *ends]))


@pytest.mark.parametrize("form", [*FORMATS, "tf.keras"])
def test_layers_with_several_outputs_come_through(form, tmp_path):
    """Each output is a step with a name of its own, taken from the candidate; others are judged."""
    model = halved()
    source = source_of(model, tmp_path)
    spec = form if form == "tf.keras" else str(converted(model, tmp_path / f"c.{form}"))
    found = compare(source, load_candidate(spec, tmp_path / "source.keras"))
    verdicts = {f.layer: str(f.verdict) for f in found.findings}
    names = ["h[0]", "h[1]", "end[0]", "end[1]"]
    assert {verdicts.pop(name) for name in names} == {"not judged"}
    assert verdicts.keys() == {"c", "one", "two"}
    assert verdicts["c"] in ("right", "rounding")
    assert "wrong" not in verdicts.values()
    assert [whole.message for _, whole in found.wholes if whole.message] == []


def test_a_mistake_behind_a_layer_with_several_outputs_is_found(tmp_path):
    """The layer behind one of the outputs is blamed, and no other."""
    model = halved()
    source = source_of(model, tmp_path)
    weights, bias = model.get_layer("one").get_weights()
    model.get_layer("one").set_weights([weights, 0 * bias])
    path = converted(model, tmp_path / "c.onnx")
    assert wrong(compare(source, load_candidate(str(path), None))) == [
        ("one", "the bias is missing")
    ]


def small():
    layers = [
        keras.layers.Input((12, 11, 3)),
        keras.layers.Conv2D(4, 3, 2, "same", activation="relu", name="c1"),
        keras.layers.Conv2D(6, 3, name="c2"),
        keras.layers.Flatten(name="f"),
        keras.layers.Dense(3, name="d"),
    ]
    return filled(keras.Sequential(layers))


def quantized(model, path, **options):
    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        converter = tf.lite.TFLiteConverter.from_keras_model(called(model))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        for name, value in options.items():
            setattr(converter, name, value)
        path.write_bytes(converter.convert())
    return path


def test_half_precision_of_a_whole_file_is_named_at_each_layer(tmp_path):
    """Wrong layers in a row, each with the same mistake, are each blamed for it."""
    model = small()
    source = source_of(model, tmp_path)
    half = tf.lite.TargetSpec(supported_types=[tf.float16])
    path = quantized(model, tmp_path / "c.tflite", target_spec=half)
    said = "the weights were rounded to float16"
    found = wrong(compare(source, load_candidate(str(path), None)))
    assert found == [(name, said) for name in ("c1", "c2", "d")]


def test_integers_are_refused_with_a_clear_word(tmp_path):
    """A file whose activations are steps of a scale is not judged."""
    rng = np.random.default_rng(0)
    samples = [[rng.normal(size=(1, 12, 11, 3)).astype("float32")] for _ in range(8)]
    path = quantized(small(), tmp_path / "c.tflite", representative_dataset=lambda: samples)
    with pytest.raises(ModelError, match=r"c\.tflite is quantized: \d of the \d .* int8 steps"):
        load_candidate(str(path), None)


def ported(model, symmetric):
    """A port of three layers to PyTorch, channels first, its padding right or not."""
    torch = pytest.importorskip("torch")
    kernel, bias = (torch.from_numpy(np.array(w)) for w in model.get_layer("c").get_weights())
    dense, shift = (torch.from_numpy(np.array(w)) for w in model.get_layer("d").get_weights())

    def run(x):
        images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
        pads = (1, 1, 1, 1) if symmetric else (0, 1, 0, 1)
        images = torch.nn.functional.pad(images, pads)
        c = torch.nn.functional.conv2d(images, kernel.permute(3, 2, 0, 1), bias, stride=2).relu()
        flat = c.permute(0, 2, 3, 1).flatten(1)
        return {"c": c, "d": flat @ dense + shift}

    return run


@pytest.mark.parametrize("symmetric", [False, True])
def test_port_to_torch(symmetric, tmp_path):
    """A port by hand, channels first, is right; with PyTorch's own padding its layer is named."""
    L = keras.layers
    layers = [
        L.Input((8, 8, 3)),
        L.Conv2D(4, 3, 2, "same", activation="relu", name="c"),
        L.Flatten(),
        L.Dense(3, name="d"),
    ]
    model = filled(keras.Sequential(layers))
    source = source_of(model, tmp_path)
    found = wrong(compare(source, CallableCandidate(ported(model, symmetric), "port")))
    said = [("c", "SAME pads half the window on both sides")] if symmetric else []
    assert found == said


# Hostile candidates


def external(tensor):
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "beside.bin"


def constant():
    tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
    external(tensor)
    return onnx.helper.make_node("Constant", [], ["made"], value=tensor)


def within(model):
    """In a graph within a node."""
    made = onnx.helper.make_tensor_value_info("made", onnx.TensorProto.FLOAT, [1])
    branch = onnx.helper.make_graph([constant()], "branch", [], [made])
    condition = onnx.helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True])
    model.graph.initializer.append(condition)
    branches = {"then_branch": branch, "else_branch": branch}
    model.graph.node.append(onnx.helper.make_node("If", ["yes"], ["out"], **branches))


def in_a_function(model):
    opset = onnx.helper.make_opsetid("", 18)
    function = onnx.helper.make_function("mine", "F", [], ["made"], [constant()], [opset])
    model.functions.append(function)
    model.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    model.graph.node.append(onnx.helper.make_node("F", [], ["out"], domain="mine"))


EXTERNAL = {
    "initializer": lambda model: external(model.graph.initializer[0]),
    "constant": lambda model: model.graph.node.append(constant()),
    "graph in a node": within,
    "function": in_a_function,
    "training": lambda model: external(
        model.training_info.add().initialization.initializer.add(name="t")
    ),
}


@pytest.mark.parametrize("where", EXTERNAL)
def test_external_data_is_not_read(where, tmp_path):
    """A tensor stored in another file is refused, whatever the file and wherever it is named."""
    path = converted(model_of("Conv2D"), tmp_path / "c.onnx")
    (tmp_path / "beside.bin").write_bytes(bytes(1 << 12))
    model = onnx.load(path)
    EXTERNAL[where](model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="stored in another file, which is not read"):
        load_candidate(str(path), None)


def test_a_graph_that_never_ends_is_told(tmp_path):
    """The process that runs it is ended, and the file is named."""
    model = model_of("Conv2D")
    source = source_of(model, tmp_path)
    path = converted(model, tmp_path / "c.onnx")
    graph, helper, kinds = onnx.load(path), onnx.helper, onnx.TensorProto
    values = [("i", kinds.INT64), ("c", kinds.BOOL), ("x", kinds.FLOAT)]
    made = [("again", kinds.BOOL), ("y", kinds.FLOAT)]
    taken, given = (
        [helper.make_tensor_value_info(name, kind, []) for name, kind in v] for v in (values, made)
    )
    passed_on = [helper.make_node("Identity", [a], [b]) for a, b in (("c", "again"), ("x", "y"))]
    body = helper.make_graph(passed_on, "body", taken, given)
    graph.graph.initializer.append(helper.make_tensor("yes", kinds.BOOL, [], [True]))
    graph.graph.initializer.append(helper.make_tensor("zero", kinds.FLOAT, [], [0.0]))
    graph.graph.node.append(helper.make_node("Loop", ["", "yes", "zero"], ["end"], body=body))
    path.write_bytes(graph.SerializeToString())
    candidate = Isolated(str(path), None, Limits(timeout=3.0))
    try:
        found = compare(source, candidate)
    finally:
        candidate.close()
    assert found.headline == "timed out"
    assert "c.onnx gave no answer within 3 seconds" in str(found.failure)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("content", [b"", b"nothing", b"\x00" * 4000])
def test_damaged_candidates_are_refused(content, form, tmp_path):
    """What is no model ends in an error that names the file."""
    path = tmp_path / f"c.{form}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"c.{form}"):
        load_candidate(str(path), None)

"""Models judged layer by layer: what is read, what is said, and what is refused (offline)."""

from __future__ import annotations

import json
import zipfile
from itertools import pairwise

import numpy as np
import pytest

import reference_impl as keras
from conformance import assert_model_conforms
from conformance.command_line import main
from conformance.models.errors import ModelError
from conformance.models.operation import KINDS, Operation, Span
from conformance.models.source import of_model, read
from conformance.models.variants import variants


def model():
    x = start = keras.Input((9, 8, 3), name="start")
    layers = [
        keras.layers.Conv2D(4, (3, 2), 2, "same", activation="relu", name="c1"),
        keras.layers.MaxPooling2D(2, 1, name="p"),
        keras.layers.Conv2D(5, 2, name="c2"),
        keras.layers.Flatten(name="f"),
    ]
    for layer in layers:
        x = layer(x)
    made = keras.Model(start, x)
    rng = np.random.default_rng(3)
    made.set_weights([rng.normal(size=w.shape).astype("float32") for w in made.weights])
    return made


def images(seed=1):
    return np.random.default_rng(seed).normal(size=(2, 9, 8, 3)).astype("float32")


def by_layer(made, inputs):
    outputs = {}
    for layer in made.layers[1:]:
        inputs = outputs[layer.name] = layer(inputs)
    return outputs


def test_right_outputs_conform():
    """The oracle's own outputs, whole or by layer, raise no alarm."""
    made = model()
    assert_model_conforms(made(images()), made, images())
    assert_model_conforms([made(images())], made, [images()])
    assert_model_conforms(by_layer(made, images()), made, {"start": images()})


def test_channels_first_outputs_conform():
    """A candidate may have its channels first."""
    made = model()
    outputs = by_layer(made, images())
    outputs["c1"] = outputs["c1"].transpose(0, 3, 1, 2)
    assert_model_conforms(outputs, made, images())


def test_one_wrong_layer_is_blamed_once():
    """What a wrong layer makes of its inputs is not counted against those behind it."""
    made, outputs = model(), {}
    x = images()
    for layer in made.layers[1:]:
        if layer.name == "c2":
            kernel, bias = layer.get_weights()
            wrong = keras.layers.Conv2D(5, 2)
            wrong.build(x.shape)
            wrong.set_weights([kernel, 0 * bias])
            layer_outputs = wrong(x)
        else:
            layer_outputs = layer(x)
        x = outputs[layer.name] = layer_outputs
    with pytest.raises(AssertionError, match=r"Conv2D 'c2': the bias is missing"):
        assert_model_conforms(outputs, made, images())


def test_fault_is_named_from_the_final_output_alone():
    """Without intermediate outputs, the one known mistake that gives the final output is named."""
    made, wrong = model(), model()
    wrong.set_weights(made.get_weights())
    kernel, bias = wrong.get_layer("c1").get_weights()
    wrong.get_layer("c1").set_weights([kernel[::-1, ::-1], bias])
    with pytest.raises(AssertionError, match=r"Conv2D 'c1': the kernel is flipped"):
        assert_model_conforms(wrong(images()), made, images())


def test_one_element_is_enough():
    """A single element beyond its bound fails."""
    made = model()
    outputs = made(images()).copy()
    outputs[1, 3] += 1e-3
    with pytest.raises(AssertionError, match="1 of"):
        assert_model_conforms(outputs, made, images())


@pytest.mark.parametrize(
    ("outputs", "inputs", "kind", "words"),
    [
        ({"nothing": 1}, None, ValueError, "names nothing"),
        (None, np.zeros((2, 3), "float32"), ValueError, r"the shape \(2, 3\)"),
        (None, {"other": 0}, ValueError, "no 'start'"),
    ],
)
def test_bad_arguments_are_refused(outputs, inputs, kind, words):
    """The argument, what was given and what is expected are named."""
    made = model()
    outputs = made(images()) if outputs is None else outputs
    with pytest.raises(kind, match=words):
        assert_model_conforms(outputs, made, images() if inputs is None else inputs)


def test_steps_agree_with_the_oracle():
    """The second evaluation of every step is within its bound of the oracle's."""
    source, x = of_model(model()), images()
    for step in source.steps:
        span, x = step.operation([Span.exact(x)]), step.layer(x)
        assert np.all(np.abs(span.value - x) <= span.error)


def test_carried_bound_grows_and_holds():
    """The bound of the whole holds for a candidate that rounds every layer, and is not void."""
    made = model()
    (span,) = of_model(made).run([images()]).values()
    distance = np.abs(span.value - made(images()))
    assert np.all(distance <= span.error)
    assert span.error.max() < 1e-3


def test_mistakes_have_different_words():
    """Words tell mistakes apart."""
    for step in of_model(model()).steps:
        words = sorted(variant.words for variant in variants(step.operation))
        assert all(a != b for a, b in pairwise(words))


def test_average_counts_only_what_is_there():
    """Average pooling divides by the inputs under the window, not by its size."""
    settings = {"window": (2,), "strides": (2,), "dilation": (1,), "padding": "same"}
    pool = Operation("pooling", settings | {"pool": "average", "channels_first": False})
    x = np.arange(1.0, 4.0).reshape(1, 3, 1)
    assert pool([Span.exact(x)]).value.tolist() == [[[1.5], [3.0]]]
    counting = pool.altered(counts_padding=True)
    assert counting([Span.exact(x)]).value.tolist() == [[[1.5], [1.5]]]


def test_normalization_by_hand():
    """``gamma (x - mean) / sqrt(variance + epsilon) + beta``."""
    weights = {"gamma": [2.0], "beta": [1.0], "mean": [3.0], "variance": [3.0]}
    arrays = {name: np.array(value) for name, value in weights.items()}
    operation = Operation("normalization", {"axis": -1, "epsilon": 1.0}, arrays)
    assert operation([Span.exact([[5.0]])]).value.tolist() == [[3.0]]
    assert operation.kind in KINDS


# Files


def saved(tmp_path):
    pytest.importorskip("h5py", reason="model files need h5py")
    path = tmp_path / "m.keras"
    made = model()
    made.save(path)
    return made, path


def program(tmp_path, body):
    path = tmp_path / "candidate.py"
    path.write_text(body)
    return str(path)


def test_command_judges_a_callable(tmp_path, capsys):
    """A right callable ends in 0, its outputs named right or rounding."""
    _, path = saved(tmp_path)
    body = f"from reference_impl.models import load_model\nmodel = load_model({str(path)!r})\n"
    candidate = program(tmp_path, body)
    report = tmp_path / "r.jsonl"
    arguments = ["model", str(path), "--against", candidate, "--jsonl", str(report)]
    assert main([*arguments, "--junit", str(tmp_path / "r.xml")]) == 0
    assert "c1" in capsys.readouterr().out
    records = [json.loads(line) for line in report.read_text().splitlines()]
    assert records[-1] == {"kind": "footer", "results": len(records) - 2}
    assert (tmp_path / "r.xml").read_text().count("<testcase") == 4


def test_command_blames_a_wrong_layer(tmp_path, capsys):
    """A dict by layer name with one wrong layer ends in 1, that layer on top."""
    _, path = saved(tmp_path)
    body = (
        "import numpy as np\nfrom reference_impl.models import load_model\n"
        f"whole = load_model({str(path)!r})\n"
        "def run(x):\n    made = {}\n    for layer in whole.layers[1:]:\n"
        "        x = layer(x)\n        x = np.maximum(x, 0) if layer.name == 'c2' else x\n"
        "        made[layer.name] = x\n    return made\n"
    )
    assert main(["model", str(path), "--against", program(tmp_path, body) + ":run"]) == 1
    said = capsys.readouterr().out
    assert "The first wrong layer is c2: the activation is relu in place of linear" in said
    assert "conformance explain 'Conv2D" in said


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 9, 8, 3)), "the dtype is float64; expected float32"),
        (np.zeros((9, 8, 3), "float32"), r"the shape is (9, 8, 3); expected (None, 9, 8, 3)"),
    ],
)
def test_inputs_are_checked(tmp_path, capsys, array, words):
    """``--inputs`` of another shape or dtype is refused with what is expected."""
    _, path = saved(tmp_path)
    np.save(tmp_path / "x.npy", array)
    candidate = program(tmp_path, "model = print")
    options = ["--against", candidate, "--inputs", str(tmp_path / "x.npy")]
    assert main(["model", str(path), *options]) == 2
    assert words in capsys.readouterr().err


def altered(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def first_layer(**changes):
    return lambda config: config["config"]["layers"][1].update(**changes)


HOSTILE = {
    "foreign module": first_layer(module="evil", class_name="Dense", registered_name="Dense"),
    "registered elsewhere": first_layer(class_name="Dense", registered_name="os>system"),
    "lambda": first_layer(class_name="Lambda", registered_name=None),
    "no layers": lambda config: config["config"].pop("layers"),
    "layers are numbers": lambda config: config["config"].update(layers=[5]),
    "settings are a number": first_layer(config=5),
    "dense without units": first_layer(class_name="Dense", config={"name": "c1"}),
    "huge": lambda config: config["config"]["layers"][1]["config"].update(filters=10**9),
    "huge dense": first_layer(class_name="Dense", config={"name": "c1", "units": 10**12}),
    "cyclic": lambda config: config["config"]["layers"][1]["inbound_nodes"][0]["args"][0][
        "config"
    ].update(keras_history=["f", 0, 0]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_sources_are_refused(tmp_path, kind):
    """A corrupt or malicious file ends in an error that names it; nothing of it is run."""
    _, path = saved(tmp_path)
    altered(path, HOSTILE[kind])
    with pytest.raises(ModelError, match=r"m\.keras|Lambda"):
        read(path)


def test_truncated_source_is_refused(tmp_path):
    """Half a file is no model."""
    _, path = saved(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"m\.keras"):
        read(path)

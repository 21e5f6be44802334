"""Saved models: read with their weights, and judged layer by layer in tf.keras."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

import reference_impl
from conformance.command_line import main
from conformance.models.comparison import compare
from conformance.models.keras_candidate import KerasCandidate
from conformance.models.source import read

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]


def sequential(keras):
    return keras.Sequential(
        [
            keras.Input((9, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", padding="same", name="first"),
            keras.layers.MaxPooling2D(name="pool"),
            keras.layers.Conv2D(5, 2, name="second", bias_initializer="ones"),
            keras.layers.Flatten(name="flat"),
        ]
    )


def functional(keras):
    start = keras.Input((9, 3), name="start")
    shared = keras.layers.Conv1D(3, 3, padding="same", name="shared")
    inner = keras.Sequential([keras.Input((9, 3)), keras.layers.Conv1D(2, 2)], name="inner")
    ends = [inner(shared(shared(start))), keras.layers.Flatten(name="flat")(shared.output)]
    return keras.Model(start, ends)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("make", [sequential, functional])
def test_weights_and_structure_are_read(keras3, make, ending, tmp_path):
    """Sequential, shared and nested layers: the same weights, the same results on integers."""
    theirs = make(keras3)
    generator = np.random.default_rng(1)
    theirs.set_weights([generator.integers(-3, 4, w.shape) for w in theirs.get_weights()])
    theirs.save(tmp_path / f"model.{ending}")
    ours = reference_impl.models.load_model(tmp_path / f"model.{ending}")
    assert all(map(np.array_equal, ours.get_weights(), theirs.get_weights()))
    shape = (2, *theirs.inputs[0].shape[1:])
    x = generator.integers(-3, 4, shape).astype(np.float32)
    found, expected = ours(x), theirs(x)
    pairs = [(found, expected)] if make is sequential else zip(found, expected, strict=True)
    assert all(np.array_equal(a, np.asarray(b)) for a, b in pairs)


@pytest.mark.parametrize("make", [sequential, functional])
def test_an_intact_model_conforms(keras3, make, tmp_path, capsys):
    path = tmp_path / "model.keras"
    make(keras3).save(path)
    assert main(["run", "--model", str(path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("tf.keras (keras ")
    assert "wrong" not in said
    assert "not judged" not in said


def test_inputs_may_be_given(keras3, tmp_path, capsys):
    path, inputs = tmp_path / "model.keras", tmp_path / "inputs.npy"
    sequential(keras3).save(path)
    np.save(inputs, np.ones((3, 9, 8, 3), np.float32))
    assert main(["run", "--model", str(path), "--inputs", str(inputs)]) == 0
    assert "given inputs" in capsys.readouterr().out
    assert main(["run", "--model", str(path), *["--inputs", str(inputs)] * 2]) == 2
    assert "2 times" in capsys.readouterr().err


def tampered(path: Path, change) -> Path:
    """A copy of a file with another configuration."""
    copy = path.with_name("tampered.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"]["layers"])
                content = json.dumps(config).encode()
            target.writestr(name, content)
    return copy


def change_activation(layers):
    layers[1]["config"]["activation"] = "relu6"


def change_padding(layers):
    layers[2]["config"]["padding"] = "same"


@pytest.mark.parametrize(
    ("change", "culprit"), [(change_activation, "first"), (change_padding, "pool")]
)
def test_a_tampered_configuration_is_found_at_its_layer(keras3, change, culprit, tmp_path):
    """tf.keras runs the tampered file, the oracle holds the intact one: only that layer departs."""
    path = tmp_path / "model.keras"
    model = sequential(keras3)
    model.set_weights([weight * 20 for weight in model.get_weights()])
    model.save(path)
    found = compare(read(path), KerasCandidate(tampered(path, change))).findings
    assert [f.layer for f in found if f.verdict == "wrong"] == [culprit]


def test_tampered_weights_are_found_at_their_layer(keras3, tmp_path):
    """One bias off by a thousandth."""
    path = tmp_path / "model.keras"
    model = sequential(keras3)
    model.save(path)
    bias = model.get_layer("second").bias
    bias.assign(np.asarray(bias) + np.float32(0.001) * (np.arange(5) == 2))
    model.save(tmp_path / "tampered.keras")
    found = compare(read(path), KerasCandidate(tmp_path / "tampered.keras")).findings
    assert [f.layer for f in found if f.verdict == "wrong"] == ["second"]


def test_the_command_names_a_layer_that_departs_as_recorded(keras3, tmp_path, capsys):
    """Keras adds a channels_first bias along the last axis where that is as long as the bias."""
    path = tmp_path / "model.keras"
    model = keras3.Sequential(
        [
            keras3.Input((3, 7, 3)),
            keras3.layers.Conv2D(4, 2, data_format="channels_first", name="good"),
            keras3.layers.Conv2D(
                2, 1, data_format="channels_first", name="bad", bias_initializer="ones"
            ),
        ]
    )
    model.get_layer("bad").bias.assign([1.0, 5.0])
    model.save(path)
    assert main(["run", "--model", str(path), "--implementation", "tf.keras[onednn]"]) == 1
    assert "(tf.keras-bias-on-last-axis). The worst is bad: " in capsys.readouterr().out


def test_what_cannot_be_read_is_refused_in_words(keras3, tmp_path, capsys):
    other = tmp_path / "other.keras"
    keras3.Sequential([keras3.Input((3,)), keras3.layers.Dense(2, name="dense")]).save(other)
    with pytest.raises(ValueError, match="'dense' of class Dense; expected the documented"):
        reference_impl.models.load_model(other)
    text = tmp_path / "text.keras"
    shutil.copy(__file__, text)
    with pytest.raises(ValueError, match="no zip archive"):
        reference_impl.models.load_model(text)
    assert main(["run", "--model", str(text), "--implementation", "torch.nn"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("loss", ["mse", "mean_squared_error"])
def test_compiled_models_are_read_by_keras(keras3, ending, loss, tmp_path):
    """Keras reads no ``.h5`` file whose loss is called ``mse``, not even its own."""
    ours = sequential(reference_impl)
    ours.compile(reference_impl.optimizers.SGD(0.25), loss, metrics=["mse"])
    path = tmp_path / f"model.{ending}"
    ours.save(path)
    theirs = keras3.models.load_model(path)
    assert all(map(np.array_equal, ours.get_weights(), theirs.get_weights()))
    assert float(theirs.optimizer.learning_rate) == 0.25
    images, targets = np.ones((2, 9, 8, 3), np.float32), np.ones((2, 45), np.float32)
    assert np.allclose(theirs.evaluate(images, targets, verbose=0), ours.evaluate(images, targets))

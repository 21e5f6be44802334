"""The oracle's surface against that of Keras 3 and Keras 2: configurations, names, shapes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import reference_impl

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("default")]


LAYERS = {
    "conv1d": lambda k: k.layers.Conv1D(4, 3, strides=2, padding="SAME", use_bias=False),
    "conv2d": lambda k: k.layers.Conv2D(
        4,
        (3, 2),
        padding="same",
        dilation_rate=(1, 2),
        activation="relu",
        kernel_initializer=k.initializers.HeNormal(seed=3),
        bias_initializer="ones",
        kernel_regularizer=k.regularizers.L2(0.5),
        bias_regularizer=k.regularizers.L1L2(0.5, 0.25),
        activity_regularizer=k.regularizers.L2(0.125),
        kernel_constraint=k.constraints.MaxNorm(3, axis=1),
        bias_constraint="non_neg",
        name="first",
        dtype="float64",
        trainable=False,
    ),
    "channels_first": lambda k: k.layers.Conv2D(4, 3, data_format="channels_first"),
    "pool1d": lambda k: k.layers.MaxPooling1D(3, 2, "same"),
    "pool2d": lambda k: k.layers.MaxPooling2D((2, 3), data_format="channels_first"),
    "flatten": lambda k: k.layers.Flatten("channels_first", dtype="float16"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_configurations_are_those_of_keras_3(keras3, name):
    """Equal in values and in the order of the keys, names being made from the start."""
    for keras in (keras3, reference_impl):
        keras.backend.clear_session()
    expected, found = (LAYERS[name](keras).get_config() for keras in (keras3, reference_impl))
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize("name", LAYERS)
def test_configurations_are_read_by_keras_3(keras3, name):
    layer = LAYERS[name](reference_impl)
    theirs = getattr(keras3.layers, type(layer).__name__).from_config(layer.get_config())
    assert theirs.get_config() == layer.get_config()


@pytest.mark.parametrize("name", LAYERS)
def test_configurations_of_keras_2_are_read(keras2, name):
    theirs = LAYERS[name](keras2)
    layer = getattr(reference_impl.layers, type(theirs).__name__).from_config(theirs.get_config())
    old, new = theirs.get_config(), layer.get_config()
    same = ["name", "trainable", "padding", "strides", "data_format", "filters", "kernel_size"]
    same += ["pool_size", "dilation_rate", "use_bias", "activation"]
    assert [new.get(key) for key in same] == [old.get(key) for key in same]
    assert layer.dtype == theirs.dtype


def sequential(keras):
    return keras.Sequential(
        [
            keras.Input((6, 7, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.MaxPooling2D(padding="same"),
            keras.layers.Conv2D(2, 1),
            keras.layers.Flatten(),
        ]
    )


def functional(keras):
    first, second = keras.Input((8, 3), name="a"), keras.Input((9, 3), name="b")
    shared = keras.layers.Conv1D(4, 3, name="shared")
    pooled = keras.layers.MaxPooling1D(name="pooled")(shared(second))
    return keras.Model([first, second], [shared(first), keras.layers.Flatten(name="c")(pooled)])


MODELS = {"sequential": sequential, "functional": functional}


def weighted(model):
    """The model with weights, and inputs, on which every order of summation is exact."""
    generator = np.random.default_rng(0)
    model.set_weights([generator.integers(-3, 4, array.shape) for array in model.get_weights()])
    shapes = [tuple(tensor.shape)[1:] for tensor in model.inputs]
    return model, [generator.integers(-3, 4, (2, *shape)).astype(np.float32) for shape in shapes]


def outputs(model, inputs):
    results = model(inputs if len(inputs) > 1 else inputs[0])
    return [np.asarray(result) for result in (results if isinstance(results, list) else [results])]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("version", ["keras3", "keras2"])
def test_models_of_keras_are_read_and_compute_the_same(request, version, name):
    theirs, inputs = weighted(MODELS[name](request.getfixturevalue(version)))
    ours = reference_impl.models.model_from_json(theirs.to_json())
    ours.set_weights(theirs.get_weights())
    assert ours.output_shape == theirs.output_shape
    assert all(map(np.array_equal, outputs(ours, inputs), outputs(theirs, inputs)))


@pytest.mark.parametrize("name", MODELS)
def test_models_are_read_by_keras_3_and_compute_the_same(keras3, name):
    ours, inputs = weighted(MODELS[name](reference_impl))
    theirs = keras3.models.model_from_json(ours.to_json())
    theirs.set_weights(ours.get_weights())
    assert theirs.output_shape == ours.output_shape
    assert all(map(np.array_equal, outputs(theirs, inputs), outputs(ours, inputs)))


def test_a_model_read_from_keras_3_is_written_as_it_was(keras3):
    """But for the shapes on which pooling layers were built, which Keras leaves out."""
    text = sequential(keras3).to_json()
    again = json.loads(reference_impl.models.model_from_json(text).to_json())["config"]
    expected = json.loads(text)["config"]
    for config in (again, expected):
        for layer in config["layers"]:
            layer.pop("build_config", None)
    assert again == expected


def names(keras):
    """Automatic names, in the order in which they are made."""
    keras.backend.clear_session()
    made = [keras.layers.Conv1D(1, 1), keras.layers.Conv2D(1, 1), keras.layers.Conv2D(1, 1)]
    made += [keras.layers.MaxPooling1D(), keras.layers.MaxPool2D(), keras.layers.MaxPooling2D()]
    made += [keras.layers.Flatten(name="flatten"), keras.layers.Flatten(), keras.Sequential()]
    tensor = keras.Input((3,))
    flat = keras.layers.Flatten()(tensor)
    made += [keras.layers.InputLayer((3,)), keras.Model(tensor, flat)]
    return [layer.name for layer in made] + [tensor.name, flat.name]


def test_automatic_names_are_those_of_keras_3(keras3):
    assert names(reference_impl) == names(keras3)


def test_automatic_names_are_those_of_keras_2(keras2):
    with reference_impl.backend.reading_as("keras2"):
        found = names(reference_impl)
    tensor_names = 1  # Keras 2 names results of layers after operations of its graph
    assert found[:-tensor_names] == names(keras2)[:-tensor_names]


def losses(keras):
    layer = keras.layers.Conv2D(
        2,
        2,
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_regularizer=keras.regularizers.L2(0.25),
        activity_regularizer=keras.regularizers.L2(0.125),
    )
    model = keras.Sequential([keras.Input((3, 3, 1)), layer])
    layer.set_weights([np.arange(8.0).reshape(2, 2, 1, 2), np.arange(2.0)])
    model(np.arange(36, dtype=np.float32).reshape(4, 3, 3, 1))
    return [float(loss) for loss in model.losses]


def test_losses_are_those_of_keras_3(keras3):
    """Sums of small dyadic numbers, exact in float32."""
    assert losses(reference_impl) == losses(keras3)

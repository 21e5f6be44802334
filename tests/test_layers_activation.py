"""How convolution layers take and apply their activation."""

from __future__ import annotations

import numpy as np
import pytest

import reference_impl as keras

INPUTS = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)


def layers_with(*activations, **arguments):
    """Layers that differ in their activation alone, with the same weights."""
    made = [keras.layers.Conv2D(4, 3, activation=item, **arguments) for item in activations]
    for layer in made:
        layer.build((None, *np.moveaxis(INPUTS, -1, layer.channel_axis).shape[1:]))
        layer.set_weights([*made[0].get_weights()[:1], np.arange(4)])
    return made


def double(x):
    return 2 * x


@pytest.mark.parametrize(
    "given",
    [
        "relu",
        keras.activations.relu,
        {"class_name": "function", "config": "relu"},
        {"class_name": "relu", "config": {}},
        lambda x: np.maximum(x, 0),
    ],
    ids=["name", "function", "configuration", "class configuration", "callable"],
)
def test_relu_is_relu_however_it_is_given(given):
    identity, layer = layers_with(None, given)
    assert np.array_equal(layer(INPUTS), np.maximum(identity(INPUTS), 0))


def test_no_activation_is_the_identity_linear():
    assert keras.layers.Conv2D(4, 3).activation is keras.activations.linear


@pytest.mark.parametrize("function", [np.tanh, np.negative, double])
def test_a_callable_is_applied_to_the_rounded_sum(function):
    identity, layer = layers_with(None, function)
    assert np.array_equal(layer(INPUTS), function(identity(INPUTS)))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_result_of_a_callable_is_rounded_to_the_layers_dtype(dtype):
    identity, layer = layers_with(None, lambda x: x.astype(np.float64) / 3, dtype=dtype)
    expected = (identity(INPUTS).astype(np.float64) / 3).astype(dtype)
    assert np.array_equal(layer(INPUTS), expected)
    assert layer(INPUTS).dtype == dtype


def test_nothing_is_proven_of_a_callable():
    (layer,) = layers_with(double)
    value, bound, _ = layer.certify(INPUTS)
    assert np.array_equal(value, layer(INPUTS))
    assert np.isposinf(bound).all()


def test_a_callable_that_changes_the_shape_is_refused():
    (layer,) = layers_with(lambda x: x[..., :1])
    with pytest.raises(ValueError, match=r"`activation` is .* made the shape .*element-wise"):
        layer(INPUTS)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_softmax_acts_on_the_last_axis_whatever_the_data_format(data_format):
    """So it is in Keras; under channels_first the rows sum to one, not the channels."""
    (layer,) = layers_with("softmax", data_format=data_format, dtype="float64")
    outputs = layer(np.moveaxis(INPUTS, -1, layer.channel_axis))
    assert np.abs(outputs.sum(-1) - 1).max() < 4 * 2.0**-53, "four values, half an ulp each"


def test_an_activation_that_shortens_the_last_axis_shows_in_the_shapes():
    (layer,) = layers_with("glu")
    assert layer(INPUTS).shape == (2, 3, 4, 2)
    assert layer(keras.Input(INPUTS.shape[1:])).shape == (None, 3, 4, 2)


def test_the_activation_can_be_replaced():
    identity, layer = layers_with(None, "relu")
    layer.activation = None
    assert np.array_equal(layer(INPUTS), identity(INPUTS))

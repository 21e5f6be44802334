"""Building, weights, losses and constraints of the layers."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import reference_impl as keras

IMAGES = (None, 6, 7, 3)


def built(**arguments):
    layer = keras.layers.Conv2D(4, (3, 2), **arguments)
    layer.build(IMAGES)
    return layer


def test_the_kernel_is_window_channels_filters_and_comes_before_the_bias():
    layer = built()
    assert [weight.name for weight in layer.weights] == ["kernel", "bias"]
    assert [weight.shape for weight in layer.get_weights()] == [(3, 2, 3, 4), (4,)]
    assert layer.count_params() == 3 * 2 * 3 * 4 + 4


def test_the_kernel_has_the_same_layout_under_channels_first():
    layer = keras.layers.Conv2D(4, (3, 2), data_format="channels_first")
    layer.build((None, 3, 6, 7))
    assert layer.kernel.shape == (3, 2, 3, 4)


def test_without_a_bias_the_kernel_is_the_only_weight():
    layer = built(use_bias=False)
    assert [weight.name for weight in layer.weights] == ["kernel"]
    assert layer.bias is None


def test_weights_are_known_by_path_shape_and_dtype():
    kernel = built(name="first", dtype="float16").kernel
    assert (kernel.path, kernel.shape, kernel.dtype) == ("first/kernel", (3, 2, 3, 4), "float16")


def test_a_layer_is_built_at_its_first_call_and_keeps_its_weights():
    layer = keras.layers.Conv2D(4, 3)
    assert (layer.built, layer.weights) == (False, [])
    layer(np.ones((2, 6, 7, 3)))
    kernel = layer.get_weights()[0]
    layer(np.ones((1, 9, 9, 3)))
    assert layer.built
    assert np.array_equal(layer.get_weights()[0], kernel)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "mixed_float16"])
def test_a_call_uses_the_weights_as_they_are_now(dtype, groups):
    """What a layer keeps of its weights for the next call is of these weights and no others."""
    inputs = np.random.default_rng(0).standard_normal((2, 6, 7, 4))
    first, second = (
        keras.layers.Conv2D(4, 3, dtype=dtype, groups=groups, bias_initializer=bias)
        for bias in ("ones", "glorot_uniform")
    )
    expected = second(inputs)
    before = first(inputs)
    kernel, bias = first.get_weights()
    first.kernel.assign(second.kernel)
    assert not np.array_equal(first(inputs), before)
    assert not np.array_equal(first(inputs), expected)
    first.bias.assign(second.bias)
    assert np.array_equal(first(inputs), expected)
    first.set_weights([kernel, bias])
    assert np.array_equal(first(inputs), before)
    copied = copy.deepcopy(first)
    copied.set_weights(second.get_weights())
    assert np.array_equal(copied(inputs), expected)
    assert np.array_equal(first(inputs), before)


@pytest.mark.parametrize(
    "name", ["kernel", "bias", "input_shape", "output_shape", "input", "output"]
)
def test_what_a_layer_has_only_when_built_or_called_is_missing_before(name):
    with pytest.raises(AttributeError, match=f"`{name}`"):
        getattr(keras.layers.Conv2D(4, 3), name)


def test_counting_the_weights_of_a_layer_that_is_not_built_is_refused():
    with pytest.raises(ValueError, match="not built"):
        keras.layers.Conv2D(4, 3).count_params()


@pytest.mark.parametrize("initial", ["kernel", "bias"])
def test_weights_are_copies_both_ways(initial):
    layer = built()
    given = [np.ones((3, 2, 3, 4), np.float32), np.ones(4, np.float32)]
    layer.set_weights(given)
    given[0].fill(5)
    layer.get_weights()[0].fill(5)
    assert all((weight == 1).all() for weight in layer.get_weights())
    with pytest.raises(ValueError, match="read-only"):
        getattr(layer, initial).value.fill(5)


def test_weights_are_rounded_once_to_the_layers_dtype():
    layer = built(dtype="float16")
    layer.set_weights([np.full((3, 2, 3, 4), 1 + 2**-11 + 2**-40), np.zeros(4)])
    assert (layer.get_weights()[0] == 1 + 2**-10).all()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([np.ones((3, 2, 3, 4))], "1 arrays; expected 2"),
        ([np.ones((3, 2, 4, 3)), np.ones(4)], r"`kernel` the shape \(3, 2, 4, 3\); expected"),
        ([np.ones((3, 2, 3, 4)), np.ones(5)], r"`bias` the shape \(5,\); expected \(4,\)"),
    ],
)
def test_weights_of_a_wrong_number_or_shape_are_refused_and_change_nothing(weights, message):
    layer = built()
    before = layer.get_weights()
    with pytest.raises(ValueError, match=message):
        layer.set_weights(weights)
    assert all(map(np.array_equal, layer.get_weights(), before))


def test_complex_weights_are_refused():
    with pytest.raises(TypeError, match="complex128"):
        built().set_weights([np.ones((3, 2, 3, 4), complex), np.ones(4)])


def test_setting_weights_before_building_says_what_to_do():
    with pytest.raises(ValueError, match="not built"):
        keras.layers.Conv2D(4, 3).set_weights([np.ones(3)])


def test_a_variable_stands_for_its_array():
    kernel = built(kernel_initializer="ones").kernel
    assert np.array_equal(np.asarray(kernel), kernel.numpy())
    assert np.array_equal(kernel + 1, np.full(kernel.shape, 2))
    assert kernel[0, 0, 0, 0] == 1
    assert len(kernel) == 3


def test_initial_weights_are_made_by_the_initializers():
    def ramp(shape, dtype=None):
        return np.arange(np.prod(shape), dtype=dtype).reshape(shape)

    layer = built(kernel_initializer=ramp, bias_initializer="ones")
    assert np.array_equal(layer.kernel, np.arange(72).reshape(3, 2, 3, 4))
    assert np.array_equal(layer.bias, np.ones(4))


def test_an_initializer_of_a_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"`bias` made the shape \(7,\); expected \(4,\)"):
        built(bias_initializer=lambda shape, dtype=None: np.zeros(7))


def test_losses_are_activity_then_kernel_then_bias():
    """Penalties are summed over all elements; that of the output is divided by the batch size."""
    layer = built(
        kernel_regularizer=keras.regularizers.L1(0.5),
        bias_regularizer=keras.regularizers.L2(0.25),
        activity_regularizer=keras.regularizers.L1(1.0),
        kernel_initializer="zeros",
    )
    layer.set_weights([np.zeros((3, 2, 3, 4)), np.full(4, 2.0)])
    assert layer.losses == [0.0, 4.0]
    layer(np.ones((5, 6, 7, 3)))
    outputs_per_sample = 4 * 6 * 4
    assert layer.losses == [2.0 * outputs_per_sample, 0.0, 4.0]


def test_the_activity_loss_is_that_of_the_last_call():
    layer = keras.layers.Flatten(activity_regularizer=keras.regularizers.L1(1.0))
    for value in (1.0, 3.0):
        layer(np.full((2, 4), value))
    assert layer.losses == [12.0]


def test_the_activity_loss_of_no_samples_is_zero():
    layer = keras.layers.Flatten(activity_regularizer="l1")
    layer(np.ones((0, 4)))
    assert layer.losses == [0.0]


def test_a_regularizer_may_be_any_callable():
    layer = built(kernel_regularizer=lambda weights: 42.0, activity_regularizer=lambda y: 10.0)
    layer(np.ones((5, 6, 7, 3)))
    assert layer.losses == [2.0, 42.0]


def test_constraints_act_when_they_are_applied_and_not_before():
    layer = built(kernel_constraint="non_neg")
    weights = [np.full((3, 2, 3, 4), -1.0), np.full(4, -1.0)]
    layer.set_weights(weights)
    assert all(map(np.array_equal, layer.get_weights(), weights))
    layer.apply_constraints()
    assert np.array_equal(layer.kernel, np.zeros((3, 2, 3, 4)))
    assert np.array_equal(layer.bias, weights[1]), "it has no constraint"


def test_a_layer_that_is_not_trainable_has_no_trainable_weights_and_no_weight_losses():
    layer = built(trainable=False, kernel_regularizer="l2")
    assert (layer.trainable_weights, layer.losses) == ([], [])
    assert len(layer.non_trainable_weights) == 2
    layer.trainable = True
    assert len(layer.trainable_weights) == len(layer.losses) + 1 == 2


def test_a_layer_of_ones_own_is_written_as_in_keras():
    class Scale(keras.layers.Layer):
        def build(self, input_shape):
            self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

        def call(self, inputs):
            return inputs * self.factor.value

        def compute_output_shape(self, input_shape):
            return tuple(input_shape)

    layer = Scale()
    assert layer.name == "scale"
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.set_weights([np.array([1, 2, 3])])
    assert model.predict(np.ones((1, 3))).tolist() == [[1, 2, 3]]
    assert np.isposinf(layer.certify(np.ones((1, 3))).bound).all(), "nothing is proven of it"


def test_a_forgotten_init_is_told_at_once():
    class Forgetful(keras.layers.Layer):
        def __init__(self):
            self.own = 1

    with pytest.raises(RuntimeError, match=r"Forgetful: its `__init__` did not call `super\(\)"):
        Forgetful()


def test_weights_are_made_before_the_first_call_is():
    class Late(keras.layers.Layer):
        def call(self, inputs):
            self.late = self.add_weight(shape=())
            return inputs

    with pytest.raises(ValueError, match="is built and cannot add new elements of state"):
        Late()(np.ones((1, 2)))


def test_a_copied_layer_has_weights_of_its_own():
    layer = built(activation="tanh", kernel_regularizer="l2")
    again = copy.deepcopy(layer)
    again.set_weights([np.zeros((3, 2, 3, 4)), np.zeros(4)])
    assert layer.kernel.numpy().any()
    assert again.get_config() == layer.get_config()


def test_variables_are_told_apart_by_identity():
    layer = built()
    assert len({*layer.weights, layer.kernel}) == 2


def test_paths_go_through_what_a_weight_is_made_within() -> None:
    """As Keras 3.15 names them; a layer that is built before keeps its own path."""
    conv = keras.layers.Conv1D

    class Outer(keras.layers.Layer):
        def __init__(self, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.inner = conv(2, 2, name="c")

        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight(shape=(1,), name="v")
            self.inner.build(input_shape)

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs) + self.factor

    def paths(model: Any) -> list[str]:
        return [weight.path for weight in model.weights]

    start = keras.Input((5, 2))
    inner = keras.Sequential([conv(2, 2, name="in")], name="inner")
    nested = keras.Sequential([start, inner], name="outer")
    assert paths(nested) == ["outer/inner/in/kernel", "outer/inner/in/bias"]
    graph = keras.Model(start, conv(2, 2, name="b")(start), name="graph")
    assert paths(graph) == ["b/kernel", "b/bias"]
    deferred = keras.Sequential([conv(2, 2, name="a")], name="seq")
    deferred(np.ones((1, 5, 2), np.float32))
    assert paths(deferred) == ["seq/a/kernel", "seq/a/bias"]
    custom = keras.Sequential([start, Outer(name="lay")], name="q")
    assert paths(custom) == ["q/lay/v", "q/lay/c/kernel", "q/lay/c/bias"]
    alone = conv(2, 2, name="c")
    alone.build((None, 5, 2))
    assert paths(keras.Sequential([start, alone])) == ["c/kernel", "c/bias"]

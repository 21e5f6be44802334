"""The documentation's own snippets run as they stand, and do what it says of them."""

from __future__ import annotations

import numpy as np
import pytest

import reference_impl as keras
from reference_impl import Sequential
from reference_impl.layers import Conv2D, Flatten

CONSTRUCTORS = [
    line.replace("\n", " ")
    for line in (
        """\
keras.layers.convolutional.Conv1D(filters, kernel_size, strides=1, padding='valid',
dilation_rate=1, activation=None, use_bias=True, kernel_initializer='glorot_uniform',
bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None,
activity_regularizer=None, kernel_constraint=None, bias_constraint=None)""",
        """\
keras.layers.convolutional.Conv2D(filters, kernel_size, strides=(1, 1), padding='valid',
data_format=None, dilation_rate=(1, 1), activation=None, use_bias=True,
kernel_initializer='glorot_uniform', bias_initializer='zeros', kernel_regularizer=None,
bias_regularizer=None, activity_regularizer=None, kernel_constraint=None, bias_constraint=None)""",
        "keras.layers.pooling.MaxPooling1D(pool_size=2, strides=None, padding='valid')",
        """\
keras.layers.pooling.MaxPooling2D(pool_size=(2, 2), strides=None, padding='valid',
data_format=None)""",
        "keras.layers.Flatten(data_format=None)",
    )
]
"""The constructor lines, as they stand in the documentation."""

EXAMPLE = """
model = Sequential()
model.add(Conv2D(64, (3, 3), input_shape=(3, 32, 32), padding='same',))
convolved = model.output_shape
model.add(Flatten())
flattened = model.output_shape
"""
"""The example of the section on Flatten; the two lines on shapes stand for its comments."""


def run_example() -> dict[str, object]:
    scope: dict[str, object] = {"Sequential": Sequential, "Conv2D": Conv2D, "Flatten": Flatten}
    exec(EXAMPLE, scope)
    return scope


@pytest.fixture
def channels_first():
    keras.backend.set_image_data_format("channels_first")
    yield
    keras.backend.set_image_data_format("channels_last")


@pytest.mark.parametrize("line", CONSTRUCTORS)
def test_the_constructor_lines_run(line):
    layer = eval(line, {"keras": keras, "filters": 4, "kernel_size": 3})
    assert isinstance(layer, keras.layers.Layer)


@pytest.mark.parametrize("line", CONSTRUCTORS)
def test_every_argument_of_a_constructor_line_is_at_its_default(line):
    """Leaving out all that has a value in the line makes the same layer."""
    scope = {"keras": keras, "filters": 4, "kernel_size": 3}
    given = eval(line, scope).get_config()
    path, _, arguments = line.partition("(")
    short = "filters, kernel_size" if arguments.startswith("filters") else ""
    default = eval(f"{path}({short})", scope).get_config()
    assert {**given, "name": ""} == {**default, "name": ""}


@pytest.mark.parametrize("line", CONSTRUCTORS)
def test_arguments_are_taken_by_position_in_the_documented_order(line):
    """The values of the line, without their keywords, make the same layer."""
    scope = {"keras": keras, "filters": 4, "kernel_size": 3}
    path, _, rest = line.partition("(")
    by_keyword = eval(f"dict({rest.replace('filters, kernel_size', 'a=4, b=3')}", scope)
    layer_class = eval(path, scope)
    positional = layer_class(*by_keyword.values()).get_config()
    assert {**positional, "name": ""} == {**eval(line, scope).get_config(), "name": ""}


def test_the_flatten_example_under_channels_first(channels_first):
    """The comments of the example hold where channels come first, as the remark on it says."""
    scope = run_example()
    assert scope["convolved"] == (None, 64, 32, 32)
    assert scope["flattened"] == (None, 65536)


def test_the_flatten_example_under_channels_last():
    """With the default data format the same lines read (3, 32, 32) as 3 rows of 32 pixels."""
    scope = run_example()
    assert scope["convolved"] == (None, 3, 32, 64)
    assert scope["flattened"] == (None, 6144)


def test_the_flatten_example_computes(channels_first):
    model = run_example()["model"]
    model.set_weights([np.ones((3, 3, 3, 64)), np.zeros(64)])
    outputs = model.predict(np.ones((2, 3, 32, 32)))
    assert outputs.shape == (2, 65536)
    assert outputs[0, :2].tolist() == [3 * 4, 3 * 4], "a corner sees 4 of 9 taps in 3 channels"


@pytest.mark.parametrize(
    ("layer", "input_shape", "output_shape"),
    [
        (lambda **k: keras.layers.Conv1D(4, 3, **k), (10, 128), (None, 8, 4)),
        (lambda **k: keras.layers.Conv1D(4, 3, **k), (None, 128), (None, None, 4)),
        (lambda **k: keras.layers.Conv2D(4, 3, **k), (128, 128, 3), (None, 126, 126, 4)),
        (lambda **k: keras.layers.Conv2D(4, 3, **k), (None, None, 3), (None, None, None, 4)),
    ],
)
def test_the_input_shapes_of_a_first_layer(layer, input_shape, output_shape):
    model = Sequential([layer(input_shape=input_shape)])
    assert model.input_shape == (None, *input_shape)
    assert model.output_shape == output_shape


def test_a_free_length_takes_sequences_of_any_length():
    model = Sequential([keras.layers.Conv1D(4, 3, input_shape=(None, 5))])
    assert [model.predict(np.ones((2, n, 5))).shape for n in (3, 4, 10)] == [
        (2, 1, 4),
        (2, 2, 4),
        (2, 8, 4),
    ]


def test_an_rgb_image_of_channels_first(channels_first):
    model = Sequential([keras.layers.Conv2D(4, 3, input_shape=(3, 128, 128))])
    assert model.output_shape == (None, 4, 126, 126)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"shape": (32,)}, (None, 32)),
        ({"batch_shape": (10, 32)}, (10, 32)),
        ({"batch_shape": (None, 32)}, (None, 32)),
    ],
)
def test_the_shapes_of_the_input_section(arguments, shape):
    assert keras.engine.input_layer.Input(**arguments).shape == shape


def test_input_takes_its_arguments_by_position_in_the_documented_order():
    tensor = keras.engine.input_layer.Input(None, (10, 32), "a", "int32", True, None)
    assert (tensor.shape, tensor.name, tensor.dtype, tensor.sparse) == (
        (10, 32),
        "a",
        "int32",
        True,
    )


def test_convolution_in_one_dimension_equals_one_in_two():
    """The remark on (10, 32): a kernel (filter_length, 32) on the signal as an image."""
    signal = np.arange(2 * 10 * 32, dtype=np.float32).reshape(2, 10, 32) % 7
    kernel = np.arange(3 * 32 * 4, dtype=np.float32).reshape(3, 32, 4) % 5 - 2
    single, double = keras.layers.Conv1D(4, 3), keras.layers.Conv2D(4, (3, 32))
    single.build(signal.shape)
    single.set_weights([kernel, np.ones(4)])
    double.build((*signal.shape, 1))
    double.set_weights([kernel[:, :, None], np.ones(4)])
    assert np.array_equal(single(signal), double(signal[..., None])[:, :, 0])


def test_a_pooling_stride_of_two_halves_the_length():
    pooled = keras.layers.MaxPooling1D(strides=2)(np.arange(16.0).reshape(1, 8, 2))
    assert pooled[0].tolist() == [[2, 3], [6, 7], [10, 11], [14, 15]]


def test_a_pool_of_two_by_two_halves_both_lengths():
    assert keras.layers.MaxPooling2D((2, 2))(np.ones((1, 6, 8, 3))).shape == (1, 3, 4, 3)

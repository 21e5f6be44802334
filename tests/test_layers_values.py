"""The layers' outputs against their definitions, written as loops over Python integers."""

from __future__ import annotations

import contextlib
from itertools import product

import numpy as np
import pytest

import reference_impl as keras
from reference_impl.engine.dtypes import numpy_dtype

CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D}
POOLINGS = {1: keras.layers.MaxPooling1D, 2: keras.layers.MaxPooling2D}


def integers(shape, low=-4, high=5, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape)


def positions(length, window, stride, dilation, padding):
    """The input positions that each output reads; those outside the input are padding."""
    span = (window - 1) * dilation + 1
    count = -(-length // stride) if padding == "same" else (length - span) // stride + 1
    total = max((count - 1) * stride + span - length, 0) if padding == "same" else 0
    return [[o * stride - total // 2 + t * dilation for t in range(window)] for o in range(count)]


def windows(spatial, size, strides, dilation, padding):
    """For each output position, its window: pairs of a tap and the input position it reads."""
    axes = [
        positions(*axis, padding) for axis in zip(spatial, size, strides, dilation, strict=True)
    ]
    for output in product(*(range(len(axis)) for axis in axes)):
        reads = [axis[o] for axis, o in zip(axes, output, strict=True)]
        yield (
            output,
            [
                (taps, tuple(read[t] for read, t in zip(reads, taps, strict=True)))
                for taps in product(*map(range, size))
            ],
        )


def is_inside(position, spatial):
    return all(0 <= p < n for p, n in zip(position, spatial, strict=True))


def convolve(inputs, kernel, bias, strides, dilation, padding):
    """The definition of a convolution, as a dictionary from output index to integer."""
    spatial, size = inputs.shape[1:-1], kernel.shape[:-2]
    result = {}
    for b, f in product(range(len(inputs)), range(kernel.shape[-1])):
        for output, window in windows(spatial, size, strides, dilation, padding):
            result[b, *output, f] = int(bias[f]) + sum(
                int(x) * int(w)
                for taps, position in window
                if is_inside(position, spatial)
                for x, w in zip(inputs[b][position], kernel[taps][:, f], strict=True)
            )
    return result


def pool(inputs, size, strides, padding):
    """The definition of max pooling, as a dictionary from output index to integer."""
    spatial, ones = inputs.shape[1:-1], (1,) * len(size)
    result = {}
    for b, c in product(range(len(inputs)), range(inputs.shape[-1])):
        for output, window in windows(spatial, size, strides, ones, padding):
            result[b, *output, c] = max(
                int(inputs[b][position][c])
                for _, position in window
                if is_inside(position, spatial)
            )
    return result


def as_dictionary(array, channels_first=False):
    array = np.moveaxis(array, 1, -1) if channels_first else array
    return {index: int(value) for index, value in np.ndenumerate(array)}


STEPS = [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)]
"""Strides and dilation rates that may go together."""


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize(("stride", "rate"), STEPS)
def test_convolution_in_one_dimension(padding, size, stride, rate):
    inputs, kernel, bias = integers((2, 11, 3)), integers((size, 3, 4), seed=1), integers(4, seed=2)
    layer = keras.layers.Conv1D(4, size, stride, padding, rate)
    layer.build(inputs.shape)
    layer.set_weights([kernel, bias])
    expected = convolve(inputs, kernel, bias, (stride,), (rate,), padding)
    assert as_dictionary(layer(inputs.astype(np.float32))) == expected


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [(1, 3), (3, 2), (2, 4)])
@pytest.mark.parametrize(
    ("strides", "rate"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 1)), ((4, 1), (1, 1))]
)
def test_convolution_in_two_dimensions(channels_first, padding, size, strides, rate):
    """Windows, strides and rates differ between the axes, so that a swapped axis shows."""
    inputs, kernel = integers((2, 6, 7, 3)), integers((*size, 3, 4), seed=1)
    bias = integers(4, seed=2)
    data_format = "channels_first" if channels_first else "channels_last"
    layer = keras.layers.Conv2D(4, size, strides, padding, data_format, rate)
    given = np.moveaxis(inputs, -1, 1) if channels_first else inputs
    layer.build(given.shape)
    layer.set_weights([kernel, bias])
    outputs = layer(given.astype(np.float32))
    expected = convolve(inputs, kernel, bias, strides, rate, padding)
    assert as_dictionary(outputs, channels_first) == expected
    assert outputs.shape == layer.compute_output_shape(given.shape)


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [((2, 3), None), ((3, 2), (2, 1)), ((2, 2), (3, 4))])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_pooling_in_two_dimensions(channels_first, padding, size, strides, dtype):
    """All elements are negative, so that padding with zeros would win."""
    inputs = integers((2, 6, 7, 3), -9, 0).astype(dtype)
    data_format = "channels_first" if channels_first else "channels_last"
    layer = keras.layers.MaxPooling2D(size, strides, padding, data_format)
    given = np.moveaxis(inputs, -1, 1) if channels_first else inputs
    outputs = layer(given)
    expected = pool(inputs, size, strides or size, padding)
    assert as_dictionary(outputs, channels_first) == expected
    assert outputs.dtype == dtype
    assert outputs.shape == layer.compute_output_shape(given.shape)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [None, 1, 2, 4])
def test_pooling_in_one_dimension(padding, size, stride):
    inputs = integers((2, 9, 3), -9, 0)
    outputs = keras.layers.MaxPooling1D(size, stride, padding)(inputs)
    assert as_dictionary(outputs) == pool(inputs, (size,), (stride or size,), padding)


@pytest.mark.parametrize("layer_class", [keras.layers.Conv1D, keras.layers.MaxPooling1D])
def test_one_dimension_takes_channels_first_by_keyword(layer_class):
    """Keras 3 has the argument in one dimension, which the documentation leaves out."""
    arguments = {"filters": 4, "kernel_size": 3} if layer_class is keras.layers.Conv1D else {}
    last, first = layer_class(**arguments), layer_class(**arguments, data_format="channels_first")
    inputs = integers((2, 8, 3)).astype(np.float32)
    expected = np.moveaxis(last(inputs), -1, 1)
    first.build((2, 3, 8))
    first.set_weights(last.get_weights())
    assert np.array_equal(first(np.moveaxis(inputs, -1, 1)), expected)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4,), (4, 1)),
        ((3, 5), (3, 5)),
        ((2, 3, 4), (2, 12)),
        ((0, 3, 4), (0, 12)),
        ((2, 0, 4), (2, 0)),
    ],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_flatten_has_one_row_per_sample(shape, expected, data_format):
    layer = keras.layers.Flatten(data_format)
    assert layer(np.zeros(shape)).shape == expected == layer.compute_output_shape(shape)


def test_flatten_keeps_the_order_of_channels_last():
    inputs = integers((2, 3, 4, 5))
    assert np.array_equal(keras.layers.Flatten()(inputs), inputs.reshape(2, 60))


def test_flatten_gives_both_data_formats_the_same_order():
    """The channels vary fastest whichever axis they come on."""
    inputs = integers((2, 3, 4, 5))
    first = keras.layers.Flatten("channels_first")(np.moveaxis(inputs, -1, 1))
    assert np.array_equal(first, keras.layers.Flatten("channels_last")(inputs))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "complex64"])
def test_flatten_keeps_what_is_no_float_as_it_is(dtype):
    outputs = keras.layers.Flatten()(integers((2, 3, 4), 0, 2).astype(dtype))
    assert outputs.dtype == dtype


LAYERS = {
    "conv1d": (lambda **k: keras.layers.Conv1D(4, 3, **k), (2, 6, 3)),
    "conv2d": (lambda **k: keras.layers.Conv2D(4, 3, **k), (2, 6, 7, 3)),
    "conv2d_first": (
        lambda **k: keras.layers.Conv2D(4, 3, data_format="channels_first", **k),
        (2, 3, 6, 7),
    ),
    "pool1d": (lambda **k: keras.layers.MaxPooling1D(1, **k), (2, 6, 3)),
    "pool2d": (keras.layers.MaxPooling2D, (2, 6, 7, 3)),
    "flatten": (keras.layers.Flatten, (2, 6, 7)),
    "flatten_first": (lambda **k: keras.layers.Flatten("channels_first", **k), (2, 6, 7)),
}


@pytest.fixture(params=LAYERS)
def made(request):
    """A layer's constructor and an input of an accepted shape."""
    maker, shape = LAYERS[request.param]
    return maker, integers(shape).astype(np.float32)


def views_of(array):
    """The same values in memory of every kind."""
    stretched = np.zeros(tuple(3 * n for n in array.shape), array.dtype)
    strided = stretched[tuple(slice(1, None, 3) for _ in array.shape)]
    strided[...] = array
    flipped = np.flip(np.flip(array).copy())
    read_only = array.copy()
    read_only.setflags(write=False)
    swapped = array.astype(array.dtype.newbyteorder())
    return [strided, flipped, np.asfortranarray(array), read_only, swapped]


def test_the_memory_layout_of_the_input_has_no_effect(made):
    maker, inputs = made
    layer = maker()
    expected = layer(inputs)
    for view in views_of(inputs):
        outputs = layer(view)
        assert np.array_equal(outputs, expected)
        assert outputs.dtype == np.dtype(np.float32)


def test_the_input_is_left_as_it_was_and_shares_no_memory_with_the_output(made):
    maker, inputs = made
    before = inputs.copy()
    outputs = maker()(inputs)
    outputs.fill(7)
    assert np.array_equal(inputs, before)


def test_the_output_is_contiguous(made):
    maker, inputs = made
    assert maker()(inputs).flags.c_contiguous


def test_the_same_call_twice_gives_the_same_bits(made):
    maker, inputs = made
    layer = maker()
    assert layer(inputs).tobytes() == layer(inputs).tobytes()


def test_a_batch_of_zero_gives_an_empty_output_of_the_right_shape(made):
    maker, inputs = made
    layer = maker()
    empty = layer(inputs[:0])
    assert empty.shape == (0, *layer(inputs).shape[1:])
    assert empty.dtype == np.dtype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_output_has_the_layers_dtype(made, dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    maker, inputs = made
    layer = maker(dtype=dtype)
    assert layer(inputs.astype(numpy_dtype(dtype))).dtype == numpy_dtype(dtype)
    assert {weight.dtype for weight in layer.weights} <= {dtype}
    assert {weight.dtype for weight in layer.get_weights()} <= {numpy_dtype(dtype)}


def test_a_float64_input_is_rounded_once_to_a_narrow_dtype():
    """Rounding to float32 on the way would turn the first value into the tie, and that to 1."""
    pytest.importorskip("ml_dtypes")
    layer = keras.layers.Flatten(dtype="bfloat16")
    given = np.array([[1 + 2**-8 + 2**-40, 1 + 2**-8, 1 + 3 * 2**-8]])
    assert layer(given).astype(np.float64).tolist() == [[1 + 2**-7, 1, 1 + 2**-6]]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("certified", [True, False])
def test_special_values_raise_no_warning(dtype, certified):
    """NaN, infinities and overflow are values like others."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    inputs = np.ones((2, 6, 7, 3), numpy_dtype(dtype))
    inputs[0, :3, 0, :] = [np.nan, np.inf, -np.inf]
    convolution = keras.layers.Conv2D(4, 3, kernel_initializer="ones", dtype=dtype)
    overflowing = keras.layers.Conv2D(4, 3, activation="exponential", dtype=dtype)
    overflowing.build(inputs.shape)
    overflowing.set_weights([np.full((3, 3, 3, 4), 1e4), np.zeros(4)])
    with keras.backend.uncertified() if not certified else contextlib.nullcontext():
        assert np.isnan(convolution(inputs)[0, 0, 0]).all()
        assert np.isinf(overflowing(inputs)[1]).all()
    assert np.isnan(keras.layers.MaxPooling2D(dtype=dtype)(inputs)[0, 0, 0]).tolist() == [1, 0, 0]


@pytest.mark.parametrize("shape", [(2, 0, 7, 3), (2, 6, 0, 3)])
def test_no_spatial_elements_under_same_give_an_empty_output(shape):
    layer = keras.layers.Conv2D(4, 3, padding="same")
    assert layer(np.zeros(shape)).shape == (*shape[:3], 4)
    assert keras.layers.MaxPooling2D(3, 1, "same")(np.zeros(shape)).shape == shape


def test_a_window_may_be_longer_than_the_input_under_same():
    inputs = integers((1, 2, 1))
    layer = keras.layers.Conv1D(1, 5, padding="same", kernel_initializer="ones")
    assert layer(inputs.astype(np.float32)).tolist() == [[[inputs.sum()]] * 2]
    assert keras.layers.MaxPooling1D(5, 1, "same")(inputs).tolist() == [[[inputs.max()]] * 2]


def test_a_convolution_is_rounded_once_and_not_in_every_step():
    """In float32 arithmetic the large terms would swallow the small one."""
    layer = keras.layers.Conv1D(1, 3, use_bias=False)
    inputs = np.array([[[2.0**30], [1.0], [-(2.0**30)]]])
    layer.build(inputs.shape)
    layer.set_weights([np.ones((3, 1, 1))])
    assert layer(inputs).tolist() == [[[1.0]]]


def test_uncertified_values_are_those_of_plain_arithmetic():
    layer = keras.layers.Conv2D(4, 3, activation="relu")
    inputs = integers((2, 6, 7, 3)).astype(np.float32)
    exact = layer(inputs)
    with keras.backend.uncertified():
        plain = layer(inputs)
    assert plain.dtype == exact.dtype
    assert np.allclose(plain, exact, rtol=0, atol=27 * 4 * 2.0**-22), "27 products of at most 4"
    assert keras.backend.certification()


def test_a_certificate_has_value_bound_and_count():
    layer = keras.layers.Conv2D(4, 3, activation="relu", data_format="channels_first")
    inputs = np.random.default_rng(0).normal(size=(2, 3, 6, 7)).astype(np.float32)
    value, bound, resolved = layer.certify(inputs)
    assert np.array_equal(value, layer(inputs))
    assert bound.shape == value.shape
    positive = value > 0
    assert np.array_equal(bound[positive], np.spacing(value[positive]) / 2), "half an ulp"
    assert resolved >= 0


@pytest.mark.parametrize("name", ["pool1d", "pool2d", "flatten", "flatten_first"])
def test_a_layer_that_moves_elements_is_certified_with_bound_zero(name):
    maker, shape = LAYERS[name]
    value, bound, resolved = maker().certify(integers(shape))
    assert bound.shape == value.shape
    assert not bound.any()
    assert resolved == 0


def test_lists_of_arrays_and_array_likes_follow_keras():
    """Anything with ``__array__`` is an array; sparse matrices are taken by ``toarray``."""

    class Sparse:
        def toarray(self):
            return np.eye(3)

    class Like:
        def __array__(self, dtype=None, copy=None):
            return np.eye(3)

    assert np.array_equal(keras.layers.Flatten()(Sparse()), np.eye(3))
    assert np.array_equal(keras.layers.Flatten()(Like()), np.eye(3))


HUGE = 10**8
"""Far more than could be padded, or walked through, in the time of a test."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5])
def test_a_wide_dilation_costs_what_the_taps_cost_that_meet_inputs(dtype, taps):
    """With SAME only the middle tap of an odd number meets inputs: a pointwise convolution."""
    x = np.random.default_rng(taps).integers(-4, 5, (2, 7, 3)).astype(dtype)
    layer = keras.layers.Conv1D(4, taps, dilation_rate=HUGE, padding="same", dtype=dtype)
    layer.build(x.shape)
    kernel, bias = layer.get_weights()
    middle = kernel[taps // 2] if taps % 2 else np.zeros_like(kernel[0])
    point = keras.layers.Conv1D(4, 1, dtype=dtype)
    point.build(x.shape)
    point.set_weights([middle[None], bias])
    assert np.array_equal(layer(x), point(x))
    upstream = np.ones((2, 7, 4), dtype)
    found, expected = layer.gradients(x, upstream), point.gradients(x, upstream)
    assert np.array_equal(found["inputs"], expected["inputs"])
    assert np.array_equal(found["bias"], expected["bias"])
    if taps % 2:
        assert np.array_equal(found["kernel"][taps // 2], expected["kernel"][0])
    assert np.count_nonzero(found["kernel"].any((1, 2))) == taps % 2


@pytest.mark.parametrize("certified", [True, False])
def test_an_infinity_that_meets_padding_alone_is_a_nan(certified):
    """Padding is zeros that are multiplied, also by elements of the kernel far outside."""
    layer = keras.layers.Conv1D(2, 3, dilation_rate=HUGE, padding="same")
    layer.build((1, 4, 1))
    kernel = np.ones((3, 1, 2), np.float32)
    kernel[0, 0, 1] = np.inf
    layer.set_weights([kernel, np.zeros(2)])
    x = np.ones((1, 4, 1), np.float32)
    keras.config.set_certification(certified)
    try:
        assert np.array_equal(layer(x)[0], [[1, np.nan]] * 4, equal_nan=True)
    finally:
        keras.config.set_certification(True)
    upstream = np.array([[[1, 1], [1, np.inf], [1, 1], [1, 1]]], np.float32)
    found = layer.gradients(x, upstream)["kernel"]
    assert np.array_equal(found[:, 0], [[0, np.nan], [4, np.inf], [0, np.nan]], equal_nan=True)


def test_a_large_pool_costs_what_the_taps_cost_that_meet_inputs():
    """A window over everything is the maximum of everything, and its gradient goes there."""
    x = np.random.default_rng(0).standard_normal((2, 9, 3)).astype(np.float32)
    layer = keras.layers.MaxPooling1D(HUGE, strides=1, padding="same")
    assert np.array_equal(layer(x), np.broadcast_to(x.max(1, keepdims=True), x.shape))
    found = layer.gradients(x, np.ones_like(x))["inputs"]
    assert np.array_equal(found, 9 * (x == x.max(1, keepdims=True)))
    images = keras.layers.MaxPooling2D(HUGE, strides=1, padding="same")
    assert images(x[..., None]).shape == (2, 9, 3, 1)

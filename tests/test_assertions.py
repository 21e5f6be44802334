"""`assert_conforms` in someone's own tests: what passes, what does not, and what it says."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from conformance import assert_conforms

DTYPES = ["float16", "float32", "float64", "bfloat16"]


def dtype_of(name: str) -> Any:
    if name == "bfloat16":
        return pytest.importorskip("ml_dtypes").bfloat16
    return np.dtype(name)


def real(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def small_integers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64)


def built(layer: Any, inputs: Any, make: Any = real) -> Any:
    """A layer with weights that are representable in its dtype."""
    layer.build(inputs.shape)
    layer.set_weights([make(*w.shape, seed=n + 1) for n, w in enumerate(layer.get_weights())])
    return layer


def convolution(inputs: Any, weights: Any, dtype: Any) -> Any:
    """A valid 1-D convolution in plain arithmetic of a dtype, one product after the other."""
    kernel, bias = weights
    steps = inputs.shape[1] - kernel.shape[0] + 1
    result = np.zeros((len(inputs), steps, kernel.shape[2]), dtype)
    for tap in range(kernel.shape[0]):
        for channel in range(kernel.shape[1]):
            x = inputs[:, tap : tap + steps, channel, None].astype(dtype)
            result = result + x * kernel[tap, channel].astype(dtype)
    return result + bias.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [real, small_integers])
def test_plain_arithmetic_of_the_dtype_conforms(dtype: str, make: Any) -> None:
    """Rounded after each operation: within the bound for reals, exact for small integers."""
    kind, inputs = dtype_of(dtype), make(2, 9, 3)
    layer = built(keras.layers.Conv1D(4, 3, dtype=dtype), inputs, make)
    actual = convolution(inputs.astype(kind), layer.get_weights(), kind)
    assert_conforms(actual, layer, inputs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", [real, small_integers])
def test_one_wrong_element_is_counted_and_shown(dtype: str, make: Any) -> None:
    kind, inputs = dtype_of(dtype), make(2, 9, 3)
    layer = built(keras.layers.Conv1D(4, 3, dtype=dtype), inputs, make)
    actual = layer(inputs)
    actual[1, 2, 3] += np.asarray(2.0).astype(kind)
    with pytest.raises(AssertionError) as caught:
        assert_conforms(actual, layer, inputs)
    message = str(caught.value)
    assert message.startswith(f"Conv1D {layer.name!r}: 1 of 56 elements is wrong; the one at ")
    shown, expected = actual[1, 2, 3], layer(inputs)[1, 2, 3]
    assert f"[1, 2, 3] is {shown!s} but should be {expected!s}" in message


def test_the_error_is_given_in_units_of_the_bound() -> None:
    inputs = real(2, 9, 3)
    layer = built(keras.layers.Conv1D(4, 3), inputs)
    with pytest.raises(AssertionError, match=r"an error of [\d.e+]+ times the bound [\d.e-]+"):
        assert_conforms(layer(inputs) * np.float32(1.001), layer, inputs)


def test_exact_operands_admit_no_error_within_the_bound() -> None:
    """One unit in the last place is nothing for reals, and an error where all sums are exact."""
    for make, is_accepted in ((real, True), (small_integers, False)):
        inputs = make(2, 9, 3)
        layer = built(keras.layers.Conv1D(4, 3), inputs, make)
        actual = layer(inputs)
        largest = np.unravel_index(np.argmax(np.abs(actual)), actual.shape)
        actual[largest] = np.nextafter(actual[largest], np.float32(np.inf))
        if is_accepted:
            assert_conforms(actual, layer, inputs)
            continue
        with pytest.raises(AssertionError, match=r"1 of 56 elements is wrong"):
            assert_conforms(actual, layer, inputs)


def test_sums_beyond_the_significand_are_judged_by_the_bound() -> None:
    """Integers whose sums need more bits than float16 has: rounding in any order is correct."""
    inputs = np.full((1, 40, 2), 33.0)
    layer = keras.layers.Conv1D(1, 30, dtype="float16")
    layer.build(inputs.shape)
    layer.set_weights([np.full((30, 2, 1), 3.0), np.zeros(1)])
    actual = convolution(inputs, layer.get_weights(), np.float16)
    assert np.any(actual != layer(inputs))
    assert_conforms(actual, layer, inputs)


ACTIVATIONS = ["relu", "tanh", "softmax", "gelu", "hard_sigmoid", "selu", "leaky_relu", "glu"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_have_their_own_bound(activation: str) -> None:
    """The output for inputs that are one unit in the last place off passes; 1 % off does not."""
    inputs = real(2, 9, 3).astype(np.float32)
    layer = built(keras.layers.Conv1D(4, 3, activation=activation), inputs)
    wide = keras.layers.Conv1D(4, 3, activation=activation, dtype="float64")
    wide.build(inputs.shape)
    wide.set_weights(layer.get_weights())
    near = np.nextafter(inputs, np.float32(np.inf))
    assert_conforms(wide(near).astype(np.float32), layer, inputs)
    with pytest.raises(AssertionError, match="elements are wrong"):
        assert_conforms(layer(inputs) * np.float32(1.01), layer, inputs)


def test_channels_first_is_judged_in_its_own_layout() -> None:
    inputs = real(2, 3, 7, 8)
    keywords = {"padding": "same", "strides": 2, "data_format": "channels_first"}
    layer = built(keras.layers.Conv2D(4, (3, 2), **keywords), inputs)
    last = keras.layers.Conv2D(4, (3, 2), padding="same", strides=2, dtype="float64")
    last.build((2, 7, 8, 3))
    last.set_weights(layer.get_weights())
    rounded = inputs.astype(np.float32).astype(np.float64)
    wide = np.moveaxis(last(np.moveaxis(rounded, 1, -1)), -1, 1)
    assert_conforms(wide.astype(np.float32), layer, inputs)
    assert_conforms((wide * (1 + 2.0**-23)).astype(np.float32), layer, inputs)
    with pytest.raises(AssertionError, match=r"the worst, \[\d+, \d+, \d+, \d+\], is"):
        assert_conforms((wide * 1.01).astype(np.float32), layer, inputs)


@pytest.mark.parametrize("dtype", ["int8", "int32", "float16", "float32", "float64"])
def test_pooling_and_flatten_admit_no_error(dtype: str) -> None:
    inputs = small_integers(2, 7, 3).astype(dtype)
    own = {} if np.dtype(dtype).kind == "i" else {"dtype": dtype}
    for layer in (keras.layers.MaxPooling1D(3, strides=2, **own), keras.layers.Flatten(**own)):
        actual = layer(inputs)
        assert actual.dtype == dtype
        assert_conforms(actual, layer, inputs)
        actual.flat[5] += 1
        with pytest.raises(AssertionError, match=r"1 of \d+ elements is wrong; the one at"):
            assert_conforms(actual, layer, inputs)


def test_shape_and_dtype_come_first() -> None:
    inputs = real(2, 7, 3).astype(np.float32)
    layer = keras.layers.MaxPooling1D(2)
    with pytest.raises(AssertionError, match=r"the shape is \(2, 4, 3\), but should be \(2, 3, 3"):
        assert_conforms(np.zeros((2, 4, 3), np.float32), layer, inputs)
    with pytest.raises(AssertionError, match="the dtype is float64, but should be float32"):
        assert_conforms((layer(inputs).astype(np.float64) + 2.0**-50).tolist(), layer, inputs)
    with pytest.raises(AssertionError, match="an array is expected, but the output is None"):
        assert_conforms(None, layer, inputs)
    with pytest.raises(AssertionError, match="an array is expected, but the output is str 'flat'"):
        assert_conforms("flat", layer, inputs)


def test_not_a_number_and_infinity_stay_where_they_belong() -> None:
    inputs = real(2, 9, 3)
    inputs[0, 4, 1] = np.nan
    inputs[1, 2, 0] = np.inf
    layer = built(keras.layers.Conv1D(4, 3), inputs)
    actual = layer(inputs)
    assert_conforms(actual, layer, inputs)
    actual[0, 0, 0] = np.nan
    with pytest.raises(AssertionError, match="1 of 56 elements is wrong"):
        assert_conforms(actual, layer, inputs)


def test_a_known_fault_is_named() -> None:
    """The extra row of SAME padding at the front, as PyTorch users pad by hand."""
    inputs = real(2, 8, 3)
    layer = built(keras.layers.Conv1D(4, 2, padding="same"), inputs)
    padded = np.pad(inputs.astype(np.float32), ((0, 0), (1, 0), (0, 0)))
    wrong = keras.layers.Conv1D(4, 2)
    wrong.build(padded.shape)
    wrong.set_weights(layer.get_weights())
    with pytest.raises(AssertionError, match=r"It is what you get when .*padding"):
        assert_conforms(wrong(padded), layer, inputs)


def test_nothing_is_explained_where_nothing_is_known() -> None:
    inputs = real(2, 8, 3)
    layer = built(keras.layers.Conv1D(4, 2, padding="same"), inputs)
    with pytest.raises(AssertionError) as caught:
        assert_conforms(np.full((2, 8, 4), 123, np.float32), layer, inputs)
    assert "what you get" not in str(caught.value)
    assert "explanation" not in str(caught.value)


def test_wrong_arguments_are_no_assertion_errors() -> None:
    inputs = real(2, 8, 3)
    with pytest.raises(TypeError, match="expected a built layer of reference_impl: Conv1D"):
        assert_conforms(inputs, "Conv1D", inputs)
    with pytest.raises(TypeError, match="argument `inputs` is None"):
        assert_conforms(inputs, keras.layers.Flatten(), None)
    with pytest.raises(ValueError, match="which is not built"):
        assert_conforms(inputs, keras.layers.Conv1D(4, 2), inputs)
    broken = built(keras.layers.Conv1D(4, 2, activation=lambda x: x[:1]), inputs)
    with pytest.raises(ValueError, match=r"makes .* expected one that keeps the shape"):
        assert_conforms(np.zeros((2, 7, 4), np.float32), broken, inputs)


def on_disk(folder: Any, array: Any) -> Any:
    """The array as a memory map."""
    mapped = np.memmap(folder / str(len([*folder.iterdir()])), array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    return mapped


def test_byte_orders_layouts_and_memory_maps_do_not_matter(tmp_path: Any) -> None:
    """The values count, wherever and however they are stored."""
    inputs = real(2, 8, 3).astype(np.float32)
    layer = built(keras.layers.Conv1D(4, 2), inputs)
    actual = layer(inputs)
    for form in (
        lambda a: a.astype(a.dtype.newbyteorder("S")),
        lambda a: a[::-1][::-1],
        np.asfortranarray,
        lambda a: on_disk(tmp_path, a),
        memoryview,
    ):
        assert_conforms(form(actual), layer, form(inputs))
        with pytest.raises(AssertionError, match="56 of 56 elements"):
            assert_conforms(form(actual + np.float32(1)), layer, form(inputs))


def test_masked_arrays_are_refused() -> None:
    """What is masked is not compared, so that a fully masked output would agree with anything."""
    inputs = real(2, 8, 3).astype(np.float32)
    layer = keras.layers.MaxPooling1D(1)
    assert_conforms(layer(inputs).tolist(), layer, inputs.tolist())
    with pytest.raises(AssertionError, match="the output is a list that holds masked arrays"):
        assert_conforms([*np.ma.masked_array(inputs)], layer, inputs)
    with pytest.raises(TypeError, match="argument `inputs` is a list that holds masked arrays"):
        assert_conforms(inputs, layer, [*np.ma.masked_array(inputs)])
    for masked in (np.ma.masked_all(inputs.shape, "f4"), np.ma.masked_array(inputs)):
        with pytest.raises(AssertionError, match="the output is a masked array, of which"):
            assert_conforms(masked, layer, inputs)
        with pytest.raises(TypeError, match="argument `inputs` is a masked array"):
            assert_conforms(inputs, layer, masked)


class Doubled(keras.layers.Conv1D):
    """A subclass with a computation of its own."""

    def call(self, inputs: Any) -> Any:
        return super().call(inputs) * 2


class Named(keras.layers.Conv1D):
    """A subclass that computes what its base does."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.purpose = "a test"


def test_a_layer_with_code_of_its_own_is_no_oracle() -> None:
    """It would be compared with itself."""
    inputs = real(2, 8, 3)
    layer = built(Doubled(4, 2), inputs)
    with pytest.raises(TypeError, match="with a `call` of its own, which would be judged by its"):
        assert_conforms(layer(inputs), layer, inputs)
    changed = built(keras.layers.Conv1D(4, 2), inputs)
    actual = changed(inputs)
    changed.certify = lambda _: None
    with pytest.raises(TypeError, match="with a `certify` of its own"):
        assert_conforms(actual, changed, inputs)
    plain = built(Named(4, 2), inputs)
    assert_conforms(plain(inputs), plain, inputs)


def test_neither_layer_nor_operands_are_changed() -> None:
    inputs = real(2, 8, 3).astype(np.float32)
    layer = built(keras.layers.Conv1D(4, 2, activity_regularizer="l2"), inputs)
    actual = layer(inputs)
    before = [inputs.copy(), actual.copy(), *layer.get_weights(), *map(float, layer.losses)]
    assert_conforms(actual, layer, inputs)
    after = [inputs, actual, *layer.get_weights(), *map(float, layer.losses)]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_importing_the_package_stays_light() -> None:
    program = (
        "import sys; before = set(sys.modules); import conformance; "
        "print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"numpy", "reference_impl", "pytest"}
    assert "conformance.assertions" not in done.stdout.split()


def test_the_traceback_ends_at_the_caller() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_conforms(None, keras.layers.Flatten(), np.zeros((2, 3), np.float32))
    assert [entry.ishidden(caught) for entry in caught.traceback] == [False, True, True]


def test_the_package_has_no_other_attribute() -> None:
    import conformance

    with pytest.raises(AttributeError, match="no attribute 'assert_conform'"):
        getattr(conformance, "assert_conform")  # noqa: B009


def test_the_fixture_is_the_assertion(assert_conforms: Any) -> None:
    inputs = small_integers(2, 7, 3)
    with pytest.raises(AssertionError, match="elements are wrong"):
        assert_conforms(np.zeros((2, 21)), keras.layers.Flatten(dtype="float64"), inputs)


def test_a_wrong_shape_says_which_permutation_of_axes_would_fit() -> None:
    inputs = real(2, 9, 8, 3)
    layer = built(keras.layers.Conv2D(5, (3, 2)), inputs)
    right = layer(inputs)
    with pytest.raises(AssertionError) as caught:
        assert_conforms(np.moveaxis(right, -1, 1), layer, inputs)
    assert (
        "the shape is (2, 5, 7, 7), but should be (2, 7, 7, 5); with its axes permuted, "
        "transpose(0, 2, 3, 1), the values are right." in str(caught.value)
    )
    with pytest.raises(AssertionError, match=r"transpose\(0, 2, 3, 1\), but the values would be"):
        assert_conforms(np.moveaxis(right, -1, 1) * np.float32(1.1), layer, inputs)
    with pytest.raises(AssertionError, match="no permutation of its axes would fit"):
        assert_conforms(right[:, :-1], layer, inputs)
    # Rows and columns exchanged: of the two permutations that fit, the right one is told.
    with pytest.raises(AssertionError, match=r"transpose\(0, 3, 2, 1\), the values are right"):
        assert_conforms(right.transpose(0, 3, 2, 1), layer, inputs)


PARAMETRISED = {
    "leaky_relu": lambda x: keras.activations.leaky_relu(x, negative_slope=0.3),
    "relu with a maximum": lambda x: keras.activations.relu(x, max_value=1.5),
    "elu": lambda x: keras.activations.elu(x, alpha=0.4),
    "own, piecewise linear": lambda x: np.where(x > 1, 2 * x - 1.75, x / 4),
    "own, smooth": lambda x: x / (1 + np.exp(-1.702 * x)),
    "own, by rows": lambda x: x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-3),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("name", PARAMETRISED)
def test_callables_are_evaluated_in_float64(name: str, dtype: str) -> None:
    """Plain arithmetic of the dtype passes; one element off by a thousandth does not."""
    function, inputs = PARAMETRISED[name], real(2, 9, 3).astype(dtype)
    layer = built(keras.layers.Conv1D(4, 3, activation=function, dtype=dtype), inputs)
    actual = function(convolution(inputs, layer.get_weights(), np.dtype(dtype)))
    actual = actual.astype(dtype)
    assert_conforms(actual, layer, inputs)
    place = np.unravel_index(np.argmax(np.abs(actual)), actual.shape)
    actual[place] *= 1.1 if dtype == "float16" else 1.001
    with pytest.raises(AssertionError) as caught:
        assert_conforms(actual, layer, inputs)
    assert "1 of 56 elements is wrong" in str(caught.value)
    said = "piecewise linear" if "relu" in name or "piecewise" in name else "its own float64"
    said = "elu with alpha=0.4, with the bound of its formula" if name == "elu" else said
    assert f"(The activation is a callable: {said}" in str(caught.value)


CANCELLING = {
    "log(1 + x**2)": (lambda x: np.log(1 + x * x), lambda x: np.log1p(x * x)),
    "elish": (
        lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)) - 1, x) / (1 + np.exp(-x)),
        lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x) / (1 + np.exp(-x)),
    ),
    "1 - cos(x)": (lambda x: 1 - np.cos(x), lambda x: 2 * np.sin(x / 2) ** 2),
}
"""Formulas that lose digits, and others that do not."""


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant <= np.finfo(np.float64).nmant,
    reason="what a float64 evaluation loses is told by longer numbers, which this platform lacks",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CANCELLING)
def test_what_a_callable_itself_loses_is_no_fault_of_others(name: str, dtype: str) -> None:
    """Outputs and gradients of a better formula than the callable's are right."""
    own, better = CANCELLING[name]
    x = np.concatenate([np.geomspace(1e-6, 9.0, 1000), -np.geomspace(1e-6, 9.0, 1000)])
    inputs = x.astype(dtype).reshape(1, 20, 100)
    layer = keras.layers.Conv1D(100, 1, activation=own, use_bias=False, dtype=dtype)
    layer.build(inputs.shape)
    layer.set_weights([np.eye(100, dtype=dtype)[None]])
    outputs = better(inputs)
    assert_conforms(outputs, layer, inputs)
    far, step = inputs.astype(np.longdouble), np.longdouble(2.0**-20)
    slopes = ((better(far + step) - better(far - step)) / (2 * step)).astype(dtype)
    upstream = np.ones_like(outputs)
    assert_conforms({"inputs": slopes}, layer, inputs, upstream=upstream)
    outputs[np.unravel_index(np.argmax(np.abs(outputs)), outputs.shape)] *= 1 + 1e-5
    with pytest.raises(AssertionError, match="1 of 2000 elements is wrong"):
        assert_conforms(outputs, layer, inputs)


def test_a_callables_functions_may_be_less_accurate_than_numpys() -> None:
    """``tanh(x)**2``, the tangent off by four ulp, is right; by forty it is not."""

    def own(x: Any) -> Any:
        return np.tanh(x) ** 2

    inputs = np.linspace(-6, 6, 2000, dtype=np.float32).reshape(1, 20, 100)
    layer = keras.layers.Conv1D(100, 1, activation=own, use_bias=False)
    layer.build(inputs.shape)
    layer.set_weights([np.eye(100, dtype=np.float32)[None]])
    tangent = np.tanh(inputs)
    assert_conforms((tangent + 4 * np.spacing(tangent)) ** 2, layer, inputs)
    with pytest.raises(AssertionError, match="elements are wrong"):
        assert_conforms((tangent + 40 * np.spacing(tangent)) ** 2, layer, inputs)


def test_what_a_callable_loses_in_bfloat16_is_no_fault_of_others() -> None:
    """Near zero ``1 - (1 - tanh(x)**2)`` loses all eight digits; an error of a half is found."""

    def own(x: Any) -> Any:
        return 1 - (1 - np.tanh(x) ** 2)

    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    inputs = np.linspace(-3, 3, 2000).astype(dtype).reshape(1, 20, 100)
    layer = keras.layers.Conv1D(100, 1, activation=own, use_bias=False, dtype="bfloat16")
    layer.build(inputs.shape)
    layer.set_weights([np.eye(100).astype(dtype)[None]])
    outputs = own(inputs)
    assert outputs.dtype == dtype
    assert_conforms(outputs, layer, inputs)
    outputs[0, 0, 0] = 0.5
    with pytest.raises(AssertionError, match="1 of 2000 elements is wrong"):
        assert_conforms(outputs, layer, inputs)


def test_a_wrong_parameter_of_an_activation_is_found() -> None:
    inputs = real(2, 9, 3)
    layer = built(
        keras.layers.Conv1D(4, 3, activation=lambda x: keras.activations.leaky_relu(x, 0.1)), inputs
    )
    plain = built(keras.layers.Conv1D(4, 3, activation="leaky_relu"), inputs)
    with pytest.raises(AssertionError, match=r"\d+ of 56 elements are wrong"):
        assert_conforms(plain(inputs), layer, inputs)


LAYERS_WITH_GRADIENTS = {
    "convolution": lambda: keras.layers.Conv2D(4, (3, 2), strides=2, padding="same"),
    "channels first": lambda: keras.layers.Conv2D(
        4, (3, 2), data_format="channels_first", activation="tanh"
    ),
    "pooling": lambda: keras.layers.MaxPooling2D((3, 2), strides=1, padding="same"),
    "flatten": keras.layers.Flatten,
}


@pytest.mark.parametrize("name", LAYERS_WITH_GRADIENTS)
def test_gradients_are_judged_by_name(name: str) -> None:
    """Right ones pass, together or alone; a wrong element of one is blamed on that one."""
    inputs = real(2, 7, 8, 3).astype(np.float32)
    layer = LAYERS_WITH_GRADIENTS[name]()
    layer.build(inputs.shape)
    if layer.weights:
        layer.set_weights([real(*w.shape, seed=5) for w in layer.get_weights()])
    upstream = real(*layer(inputs).shape, seed=7).astype(np.float32)
    right = layer.gradients(inputs, upstream)
    assert_conforms(right, layer, inputs, upstream=upstream)
    for one, gradient in right.items():
        near = gradient * np.float32(1 + 2.0**-23) if layer.weights else gradient
        assert_conforms({one: near}, layer, inputs, upstream=upstream)
        wrong = {**right, one: gradient + np.float32(0.01)}
        with pytest.raises(AssertionError, match=rf"Gradient of {one}: \d+ of \d+ elements"):
            assert_conforms(wrong, layer, inputs, upstream=upstream)


def test_a_known_fault_of_gradients_is_named() -> None:
    inputs = real(4, 7, 8, 3).astype(np.float32)
    layer = built(keras.layers.Conv2D(4, (3, 2)), inputs)
    upstream = real(*layer(inputs).shape, seed=7).astype(np.float32)
    right = layer.gradients(inputs, upstream)
    mean = {**right, "kernel": right["kernel"] / 4}
    with pytest.raises(AssertionError, match=r"It is what you get when .*kernel.* batch"):
        assert_conforms(mean, layer, inputs, upstream=upstream)
    torch_layout = {"kernel": right["kernel"].transpose(3, 2, 0, 1)}
    with pytest.raises(AssertionError, match=r"transpose\(2, 3, 1, 0\), the values are right"):
        assert_conforms(torch_layout, layer, inputs, upstream=upstream)


def test_wrong_arguments_with_gradients_are_no_assertion_errors() -> None:
    inputs = real(2, 9, 3)
    layer = built(keras.layers.Conv1D(4, 3), inputs)
    upstream = np.ones((2, 7, 4))
    with pytest.raises(TypeError, match="a dict of gradients by name is expected: inputs, kernel"):
        assert_conforms(inputs, layer, inputs, upstream=upstream)
    with pytest.raises(ValueError, match="has weight; the layer's gradients are inputs, kernel"):
        assert_conforms({"weight": inputs}, layer, inputs, upstream=upstream)
    with pytest.raises(ValueError, match="upstream"):
        assert_conforms({"inputs": inputs}, layer, inputs, upstream=np.ones((2, 7, 5)))
    own = built(keras.layers.Conv1D(4, 3, activation=PARAMETRISED["own, by rows"]), inputs)
    with pytest.raises(ValueError, match="mixes elements"):
        assert_conforms({"inputs": inputs}, own, inputs, upstream=upstream)
    own = built(keras.layers.Conv1D(4, 3, activation=PARAMETRISED["elu"]), inputs)
    with pytest.raises(ValueError, match=r"`upstream` has the shape \(2, 7, 5\)"):
        assert_conforms({"inputs": inputs}, own, inputs, upstream=np.ones((2, 7, 5)))


OWN_SLOPES = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, x * 0.2),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "exponential": np.exp,
}
"""Documented activations, written as anyone would, which are callables to the layer."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", OWN_SLOPES)
def test_gradients_through_callables(name: str, data_format: str, dtype: str) -> None:
    """Those of the documented activation are right; off by a thousandth they are not."""
    inputs = real(2, 7, 8, 3).astype(dtype)
    arguments: dict[str, Any] = {"strides": 2, "data_format": data_format, "dtype": dtype}
    documented = built(keras.layers.Conv2D(4, (3, 2), activation=name, **arguments), inputs)
    own = built(keras.layers.Conv2D(4, (3, 2), activation=OWN_SLOPES[name], **arguments), inputs)
    upstream = real(*documented(inputs).shape, seed=7).astype(dtype)
    gradients = documented.gradients(inputs, upstream)
    assert_conforms(gradients, own, inputs, upstream=upstream)
    for one, right in gradients.items():
        wrong = {**gradients, one: right * right.dtype.type(1.001)}
        with pytest.raises(AssertionError, match=rf"Gradient of {one}: .*callable: {name}, with"):
            assert_conforms(wrong, own, inputs, upstream=upstream)


def test_either_side_of_a_break_is_right() -> None:
    """Where a sum is zero, or may be, the slope of relu there is 0 to some, and 1 to others."""
    layer = keras.layers.Conv1D(1, 1, activation=lambda x: np.maximum(x, 0), use_bias=False)
    inputs = np.zeros((1, 1, 1), np.float32)
    layer.build(inputs.shape)
    layer.set_weights([np.full((1, 1, 1), 2.0, np.float32)])
    for slope in (0.0, 0.5, 1.0):
        gradient = np.full((1, 1, 1), 2 * slope, np.float32)
        assert_conforms({"inputs": gradient}, layer, inputs, upstream=np.ones((1, 1, 1)))
    with pytest.raises(AssertionError):
        assert_conforms({"inputs": gradient + 1}, layer, inputs, upstream=np.ones((1, 1, 1)))


def test_a_whole_model_is_judged_and_its_first_wrong_layer_named() -> None:
    inputs = real(2, 12, 3).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input((12, 3)),
            keras.layers.Conv1D(4, 3, padding="same", activation="relu", name="c1"),
            keras.layers.MaxPooling1D(2, name="p1"),
            keras.layers.Conv1D(5, 3, name="c2"),
            keras.layers.Flatten(name="f"),
        ]
    )
    assert_conforms(model(inputs), model, inputs)
    outputs, x = {}, inputs
    for layer in model.layers:
        outputs[layer.name] = x = layer(x)
    assert_conforms(outputs, model, inputs)
    outputs["c2"] = outputs["c2"] + np.float32(0.1)
    outputs["f"] = outputs["c2"].reshape(2, -1)
    with pytest.raises(AssertionError, match="Conv1D 'c2'"):
        assert_conforms(outputs, model, inputs)
    with pytest.raises(TypeError, match="`upstream` is given with a model"):
        assert_conforms({}, model, inputs, upstream=inputs)

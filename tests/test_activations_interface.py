"""How activations are named, found, stored and called, and what they do at special values."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from activation_definitions import DEFINITIONS

from reference_impl import activations, backend

INF, NAN = math.inf, math.nan

KERAS2_NAMES = {
    *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "log_softmax", "mish"),
    *("relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "swish"),
    "tanh",
}
KERAS3_NAMES = sorted(
    {
        *KERAS2_NAMES,
        *("celu", "glu", "hard_shrink", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid"),
        *("soft_shrink", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus"),
        *("tanh_shrink", "threshold"),
    }
)


# Names


@pytest.mark.parametrize("name", KERAS3_NAMES)
def test_every_name_of_keras_3_means_the_function_of_that_name(name):
    assert activations.get(name) is getattr(activations, name)
    assert activations.deserialize(name) is getattr(activations, name)


def test_aliases_are_the_same_functions():
    assert activations.swish is activations.silu
    assert activations.hard_swish is activations.hard_silu


@pytest.mark.parametrize("name", KERAS3_NAMES)
def test_names_unknown_to_keras_2_are_refused_in_its_reading(name):
    with backend.reading_as("keras2"):
        if name in KERAS2_NAMES:
            assert activations.get(name) is getattr(activations, name)
        else:
            with pytest.raises(ValueError, match=f"'{name}'; expected the activation"):
                activations.get(name)


@pytest.mark.parametrize("name", KERAS3_NAMES)
def test_serialize_gives_the_functions_own_name_and_get_finds_it_again(name):
    function = getattr(activations, name)
    stored = activations.serialize(function)
    assert stored == {"swish": "silu", "hard_swish": "hard_silu"}.get(name, name)
    assert activations.get(stored) is function


def test_keras_2_stores_silu_as_swish():
    with backend.reading_as("keras2"):
        assert activations.serialize(activations.silu) == "swish"


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "function", "config": "mish"},
        {"module": "keras.activations", "class_name": "function", "config": "mish"},
        {
            "module": "builtins",
            "class_name": "function",
            "config": "mish",
            "registered_name": "function",
        },
        {"class_name": "mish", "config": {}},
    ],
)
def test_configurations_are_read(config):
    assert activations.get(config) is activations.mish


def test_none_means_linear():
    assert activations.get(None) is activations.linear


def test_callables_are_taken_as_they_are():
    for function in (np.tanh, abs, lambda x: x, partial(activations.relu, max_value=1.0)):
        assert activations.get(function) is function


@pytest.mark.parametrize("identifier", ["", "Relu", "RELU", "foo", "get", 3, [], 2.5, True])
def test_unknown_identifiers_are_refused_with_the_names_that_are_allowed(identifier):
    with pytest.raises(ValueError, match="'tanh_shrink'") as caught:
        activations.get(identifier, "Conv2D", "activation")
    assert f"Conv2D: argument `activation` is {identifier!r}; expected" in str(caught.value)
    assert all(f"'{name}'" in str(caught.value) for name in KERAS3_NAMES)


def test_the_closest_names_come_first():
    with pytest.raises(ValueError, match=r"expected the activation 'sigmoid', "):
        activations.get("Sigmoyd")


def test_a_callable_without_a_name_cannot_be_stored():
    with pytest.raises(ValueError, match="lambda"):
        activations.serialize(lambda x: x)


def test_the_users_own_functions_are_found_by_name():
    def cube(x):
        return x**3

    assert activations.deserialize("cube", custom_objects={"cube": cube}) is cube


# Certified forms


@pytest.mark.parametrize("name", sorted(set(KERAS3_NAMES) - {"threshold"}))
def test_every_named_activation_is_certified(name):
    certified = activations.certified(activations.get(name))
    along_rows = {"softmax", "log_softmax", "sparsemax", "glu"}
    assert certified.axis == (-1 if name in along_rows else None)
    assert certified.commutes_with_rounding == (name in {"linear", "relu", "relu6", "hard_tanh"})


@pytest.mark.parametrize(
    "function",
    [
        np.tanh,
        lambda x: x,
        activations.threshold,
        partial(activations.softmax, axis=0),
        partial(activations.sigmoid, slope=2),
        partial(activations.relu, np.zeros(3)),
        "relu",
        None,
    ],
)
def test_what_is_no_activation_of_this_library_is_not_certified(function):
    assert activations.certified(function) is None


def test_parameters_bound_by_partial_are_certified():
    certified = activations.certified(partial(activations.relu, max_value=6))
    assert certified.commutes_with_rounding
    assert not activations.certified(
        partial(activations.relu, max_value=0.1)
    ).commutes_with_rounding
    assert not activations.certified(partial(activations.relu, threshold=1)).commutes_with_rounding
    assert activations.certified(partial(activations.softmax, axis=-1)).axis == -1


def test_the_certified_form_of_hard_sigmoid_follows_the_reading():
    one = np.ones(1)
    with backend.reading_as("keras2"):
        certified = activations.certified(activations.hard_sigmoid)
    low, high = certified.enclose(one, one)
    assert low <= 0.7 <= high
    low, high = activations.certified(activations.hard_sigmoid).enclose(one, one)
    assert low <= 2 / 3 <= high


# Special values: (at minus infinity, at plus infinity)

LIMITS = {
    "celu": (-1, INF),
    "celu alpha=0.3": (-0.3, INF),
    "celu alpha=-0.7": (-INF, INF),
    "elu": (-1, INF),
    "elu alpha=2.7": (-2.7, INF),
    "elu alpha=-1.1": (1.1, INF),
    "exponential": (0, INF),
    "gelu": (0, INF),
    "gelu approximate": (0, INF),
    "hard_shrink": (-INF, INF),
    "hard_shrink threshold=0.7": (-INF, INF),
    "hard_sigmoid": (0, 1),
    "hard_silu": (0, INF),
    "hard_tanh": (-1, 1),
    "leaky_relu": (-INF, INF),
    "leaky_relu negative_slope=-1.5": (INF, INF),
    "linear": (-INF, INF),
    "log_sigmoid": (-INF, 0),
    "mish": (0, INF),
    "relu": (0, INF),
    "relu all parameters": (-INF, 5.7),
    "relu max_value=0.1": (0, 0.1),
    "relu threshold=-0.6": (0, INF),
    "relu6": (0, 6),
    "selu": (-1.0507009873554805 * 1.6732632423543772, INF),
    "sigmoid": (0, 1),
    "silu": (0, INF),
    "soft_shrink": (-INF, INF),
    "soft_shrink threshold=0.3": (-INF, INF),
    "softplus": (0, INF),
    "softsign": (-1, 1),
    "sparse_plus": (0, INF),
    "sparse_sigmoid": (0, 1),
    "squareplus": (0, INF),
    "squareplus b=0.1": (0, INF),
    "tanh": (-1, 1),
    "tanh_shrink": (-INF, INF),
    "threshold": (-2.3, INF),
}


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
@pytest.mark.parametrize("activation", DEFINITIONS)
def test_infinite_arguments_give_the_limits_and_nan_gives_nan(activation, name):
    function = DEFINITIONS[activation][0]
    values = function(np.array([-INF, INF, NAN, 0.75], name))
    wanted = np.array([*LIMITS[activation], NAN], name)
    assert np.array_equal(values[:3], wanted, equal_nan=True)
    assert values[3] == function(np.array([0.75], name))[0], "the others are not touched"


@pytest.mark.parametrize("activation", DEFINITIONS)
def test_the_largest_numbers_are_taken_without_a_warning(activation):
    """A warning fails the test, by the project's configuration."""
    function = DEFINITIONS[activation][0]
    for name in ("float32", "float64"):
        largest = np.finfo(name).max
        values = function(np.array([-largest, largest], name))
        below, above = np.array(LIMITS[activation], name)
        assert np.isclose(values[0], below, rtol=1e-6, atol=0) or np.isinf(below) or below == 0
        assert values[1] == above or np.isinf(above)
        assert not np.isnan(values).any()


@pytest.mark.parametrize("activation", sorted(DEFINITIONS.keys() - {"linear", "hard_tanh"}))
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_exact_zeros_are_positive(activation, name):
    """So that the same value has the same bits however it was found."""
    values = DEFINITIONS[activation][0](np.array([0.0, -0.0, -4.0, -0.5, 0.25], name))
    assert not np.signbit(values[values == 0]).any()


@pytest.mark.parametrize("activation", ["gelu", "gelu approximate", "mish", "silu"])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_values_that_round_to_zero_keep_their_sign(activation, name):
    values = DEFINITIONS[activation][0](np.array([-800.0, -1e30], name))
    assert (values == 0).all()
    assert np.signbit(values).all()


# Shapes and dtypes


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 1, 3)])
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_shape_and_dtype_are_kept(shape, name):
    given = np.full(shape, 0.5, name)
    for function, _ in DEFINITIONS.values():
        values = function(given)
        assert values.shape == shape
        assert values.dtype == name


def test_views_are_read_in_their_order_and_arguments_are_left_alone():
    given = np.arange(24, dtype=np.float32).reshape(4, 6)[::-2, 1::2].T
    given.setflags(write=False)
    before = given.copy()
    for function, _ in DEFINITIONS.values():
        assert np.array_equal(function(given), function(np.ascontiguousarray(given)))
    assert np.array_equal(given, before)


def test_large_arrays_are_taken_in_blocks_without_a_seam():
    given = np.linspace(-6, 6, 300, dtype=np.float32)
    for function, _ in DEFINITIONS.values():
        assert np.array_equal(function(np.tile(given, 200)), np.tile(function(given), 200))
    for name in ("softmax", "log_softmax", "sparsemax", "glu"):
        function = getattr(activations, name)
        row = given.reshape(-1, 6)
        assert np.array_equal(function(np.tile(row, (150, 1))), np.tile(function(row), (150, 1)))


def test_lists_and_floats_are_rounded_to_floatx_first():
    values = activations.sigmoid([0.1, -3.0])
    assert values.dtype == np.float32
    assert np.array_equal(values, activations.sigmoid(np.array([0.1, -3.0], np.float32)))
    assert activations.sigmoid(0.1).shape == ()
    assert activations.relu(-1.5).dtype == np.float32


@pytest.mark.parametrize("name", ["int8", "uint8", "int32", "int64"])
def test_rectifiers_keep_integers(name):
    given = np.array([0, 3, 5, 100] if name[0] == "u" else [-7, 3, 5, 100], name)
    for function, wanted in (
        (activations.relu, [0, 3, 5, 100]),
        (activations.relu6, [0, 3, 5, 6]),
        (partial(activations.relu, max_value=4.5), [0, 3, 4, 4]),
        (partial(activations.relu, threshold=3), [0, 0, 5, 100]),
        (partial(activations.relu, threshold=2.5, max_value=1e30), [0, 3, 5, 100]),
        (partial(activations.relu, threshold=1e30), [0, 0, 0, 0]),
    ):
        values = function(given)
        assert values.dtype == name
        assert values.tolist() == wanted


def test_some_activations_convert_integers_to_floatx():
    given = np.array([-2, 0, 3])
    for function in (activations.tanh, activations.exponential, activations.leaky_relu):
        assert np.array_equal(function(given), function(given.astype(np.float32)))
        assert function(given).dtype == np.float32
    sloped = partial(activations.relu, negative_slope=0.5)
    assert sloped(given).tolist() == [-1.0, 0.0, 3.0]


CONVERTING = {"tanh", "exponential", "leaky_relu", "relu", "relu6", "linear", "threshold"}


@pytest.mark.parametrize("name", sorted(set(KERAS3_NAMES) - CONVERTING))
def test_the_others_refuse_integers(name):
    with pytest.raises(TypeError, match=r"`x` is .* of dtype int64; expected .* float64$"):
        getattr(activations, name)(np.array([[1, 2]]))


@pytest.mark.parametrize("given", [np.zeros(2, complex), np.array(["a"]), np.zeros(2, bool), "x"])
def test_other_dtypes_are_refused(given):
    for name in ("relu", "tanh", "gelu", "softmax"):
        with pytest.raises(TypeError, match=f"{name}: argument `x` is .*; expected"):
            getattr(activations, name)(given)


def test_linear_returns_its_argument():
    given = [1, "anything"]
    assert activations.linear(given) is given


# Parameters


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: activations.relu(x, max_value=-1), ValueError, "`max_value` is -1.*at least 0"),
        (lambda x: activations.relu(x, "a"), TypeError, "relu: argument `negative_slope` is 'a'"),
        (lambda x: activations.relu(x, threshold=NAN), ValueError, "`threshold` is nan"),
        (
            lambda x: activations.leaky_relu(x, INF),
            ValueError,
            "leaky_relu.*`negative_slope` is inf",
        ),
        (lambda x: activations.elu(x, None), TypeError, "elu: argument `alpha` is None"),
        (lambda x: activations.elu(x, True), TypeError, "elu: argument `alpha` is True"),
        (lambda x: activations.celu(x, 0), ValueError, "`alpha` is 0; expected .* other than 0"),
        (lambda x: activations.hard_shrink(x, -0.5), ValueError, "`threshold` is -0.5"),
        (lambda x: activations.soft_shrink(x, -0.5), ValueError, "`threshold` is -0.5"),
        (lambda x: activations.squareplus(x, -4), ValueError, "squareplus: argument `b` is -4"),
        (lambda x: activations.gelu(x, "tanh"), TypeError, "gelu: argument `approximate`"),
        (lambda x: activations.threshold(x, 1, None), TypeError, "`default_value` is None"),
        (activations.threshold, TypeError, "missing 2 required"),
    ],
)
def test_refusals_name_the_parameter(call, error, message):
    with pytest.raises(error, match=message):
        call(np.zeros(3, np.float32))


def test_parameters_of_zero_are_the_rectifier():
    given = np.array([-2.5, -0.0, 3.25], np.float32)
    for function in (
        partial(activations.elu, alpha=0),
        partial(activations.squareplus, b=0),
        partial(activations.leaky_relu, negative_slope=0),
    ):
        assert function(given).tolist() == [0.0, 0.0, 3.25]


def test_a_slope_counts_with_the_value_of_the_float_that_is_given():
    """0.2 in float64, and not float32(0.2), even where the array is in float32."""
    given = np.array([-5.0 * 2**23 - 1], np.float64)
    assert activations.leaky_relu(given)[0] == given[0] * 0.2
    single = float(np.float32(0.2))
    assert activations.leaky_relu(given, np.float32(0.2))[0] == given[0] * single
    assert single != 0.2

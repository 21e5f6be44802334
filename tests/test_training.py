"""Training on the oracle: combinations rounded once, graphs of every form, refusals.

What a step makes of the documented layers is tested by the scenarios `training`,
`constrained_training` and `trained_example` (tests/test_scenarios.py), against forward
differentiation in exact numbers.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import reference_impl as keras
from conformance.cases.case import Case
from conformance.cases.scenarios.exact import Dual, Dyadic
from conformance.cases.scenarios.training import InexactError, exact_steps
from conformance.cases.scenarios.weighted import configured
from reference_impl.ops.combination import combination
from reference_impl.ops.formats import format_of
from reference_impl.ops.rounding import round_fraction

FORMATS = ("float16", "float32", "float64")


@pytest.mark.parametrize("dtype", FORMATS)
def test_combination_is_the_exact_sum_rounded_once(dtype: str) -> None:
    """Cancelling terms included, where the rounding of float64 alone would decide wrongly."""
    generator = np.random.default_rng(0)
    a, b = (generator.standard_normal(200).astype(dtype) for _ in range(2))
    b[:50] = (a[:50] / 3).astype(dtype)
    terms = [(Fraction(1, 3), a), (-1, b), (0.1, np.flip(a))]
    found = combination(terms, format_of(dtype))
    exact = [
        sum((Fraction(factor) * Fraction(float(x[i])) for factor, x in terms), Fraction(0))
        for i in range(200)
    ]
    assert found.dtype == dtype
    assert found.tolist() == [round_fraction(value, format_of(dtype)) for value in exact]


def test_combination_decides_ties_that_float64_cannot_hold() -> None:
    """1 + 2**-24 is a tie in float32; 2**-80 more or less decides it."""
    one, tie, tiny = (np.full(1, 2.0**e, np.float64) for e in (0, -24, -80))
    up = combination([(1, one), (1, tie), (1, tiny)], format_of("float32"))
    down = combination([(1, one), (1, tie), (-1, tiny)], format_of("float32"))
    assert [float(up[0]), float(down[0])] == [1 + 2.0**-23, 1.0]


def test_combination_of_special_values() -> None:
    """A factor of 0 leaves a term out; overflow of float64 on the way is no infinity."""
    huge, inf = np.array([1e308]), np.array([np.inf])
    fmt = format_of("float64")
    assert combination([(2, huge), (-1, huge)], fmt).tolist() == [1e308]
    assert combination([(0, inf), (1, huge)], fmt).tolist() == [1e308]
    assert combination([(-2, inf), (1, huge)], fmt).tolist() == [-np.inf]
    assert np.isnan(combination([(1, inf), (-1, inf)], fmt)).all()
    assert np.signbit(combination([(1, np.array([-0.0]))], fmt)).tolist() == [False]


def pointwise(name: str, **arguments: object) -> keras.layers.Conv1D:
    """One channel, one filter, one tap: y = k x + b."""
    return keras.layers.Conv1D(1, 1, name=name, **arguments)


def test_a_shared_layer_collects_the_gradients_of_its_calls() -> None:
    """Z = k (k x + b) + b: dL/dk = (2 k x + b) r, dL/db = (k + 1) r, with r = 2 (z - t) / n."""
    start = keras.Input((1, 1))
    shared = pointwise("shared", activity_regularizer=keras.regularizers.L1(0.5))
    model = keras.Model(start, shared(shared(start)))
    shared.set_weights([np.full((1, 1, 1), 2.0), np.ones(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse")
    x, t = np.full((1, 1, 1), 3.0, np.float32), np.full((1, 1, 1), 11.0, np.float32)
    # y = 7, z = 15; r = 8; activity: |y| / 2 + |z| / 2 adds 1/2 to each upstream gradient.
    loss = model.train_on_batch(x, t)
    assert loss == 16 + 3.5 + 7.5
    assert model.losses == [3.5, 7.5]
    upstream_z = 8.5
    upstream_y = 2 * upstream_z + 0.5
    kernel, bias = shared.get_weights()
    assert kernel.item() == 2 - 0.25 * (7 * upstream_z + 3 * upstream_y)
    assert bias.item() == 1 - 0.25 * (upstream_z + upstream_y)


def test_several_outputs_add_their_losses() -> None:
    start = keras.Input((2, 1))
    first, second = pointwise("first"), pointwise("second", use_bias=False)
    middle = first(start)
    model = keras.Model(start, [middle, second(middle)])
    for layer in (first, second):
        layer.set_weights([np.full(weight.shape, 2.0) for weight in layer.weights])
    model.compile("sgd", ["mse", keras.losses.MeanSquaredError()])
    x = np.array([[[1.0], [2.0]]], np.float32)
    y = [np.zeros((1, 2, 1), np.float32), np.zeros((1, 2, 1), np.float32)]
    assert model.test_on_batch(x, y) == (16 + 36) / 2 + (64 + 144) / 2
    model.optimizer.learning_rate = 0.5
    model.train_on_batch(x, y)
    # upstream of middle: its own (4, 6), and 2 times (8, 12).
    assert first.get_weights()[0].item() == 2 - 0.5 * (20 * 1 + 30 * 2)
    assert first.get_weights()[1].item() == 2 - 0.5 * 50
    assert second.get_weights()[0].item() == 2 - 0.5 * (8 * 4 + 12 * 6)


def nested(trainable: bool) -> tuple[keras.Model, keras.Model]:
    """A convolution before a model of its own."""
    inner = keras.Sequential([keras.Input((2, 1)), pointwise("inner")], trainable=trainable)
    model = keras.Sequential([keras.Input((2, 1)), pointwise("outer"), inner])
    model.set_weights([np.full(weight.shape, 2.0) for weight in model.weights])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model, inner


@pytest.mark.parametrize("trainable", [True, False])
def test_gradients_pass_through_a_model_in_a_model(trainable: bool) -> None:
    """Also through a frozen one, whose own weights stay as they are."""
    model, inner = nested(trainable)
    model.train_on_batch(np.ones((1, 2, 1), np.float32), np.full((1, 2, 1), 9, np.float32))
    # y = 4, z = 10, r = 1 for each of two elements.
    outer = [weight.item() for weight in model.layers[0].get_weights()]
    assert outer == [2 - 2 * 2, 2 - 2 * 2]
    assert [weight.item() for weight in inner.get_weights()] == ([-6, 0] if trainable else [2, 2])


def test_a_frozen_layer_keeps_its_weights_and_adds_no_penalty() -> None:
    layer = pointwise("layer", kernel_regularizer="l2", kernel_constraint="non_neg")
    model = keras.Sequential([keras.Input((1, 1)), layer])
    layer.set_weights([np.full((1, 1, 1), -2.0), np.zeros(1)])
    layer.trainable = False
    model.compile("sgd", "mse")
    assert model.train_on_batch(np.ones((1, 1, 1)), np.zeros((1, 1, 1))) == 4.0
    assert layer.get_weights()[0].item() == -2.0


def test_integer_outputs_have_no_mean_squared_error() -> None:
    """Nor a gradient: the message names the dtype."""
    model = keras.Sequential([keras.Input((4, 1), dtype="int32"), keras.layers.MaxPooling1D()])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="int32"):
        model.train_on_batch(np.ones((1, 4, 1), np.int32), np.zeros((1, 2, 1)))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.5, 0.0]),
        ({"momentum": 0.5}, [0.5, -0.25]),
        ({"momentum": 0.5, "nesterov": True}, [0.25, -0.625]),
    ],
)
def test_momentum(options: dict[str, object], expected: list[float]) -> None:
    """Two steps of rate 1/2 along a gradient of 1, from 1."""
    layer = pointwise("layer", use_bias=False)
    layer.build((1, 1, 1))
    layer.set_weights([np.ones((1, 1, 1))])
    optimizer = keras.optimizers.SGD(0.5, **options)
    found = []
    for _ in range(2):
        optimizer.apply([np.ones((1, 1, 1), np.float32)], layer.trainable_weights)
        found.append(layer.get_weights()[0].item())
    assert found == expected
    assert optimizer.iterations == 2


def test_optimizer_and_loss_configurations_round_trip() -> None:
    optimizer = keras.optimizers.SGD(0.25, momentum=0.5, nesterov=True)
    config = keras.optimizers.serialize(optimizer)
    assert keras.optimizers.deserialize(config).get_config() == optimizer.get_config()
    loss = keras.losses.deserialize(keras.losses.serialize(keras.losses.MeanSquaredError()))
    assert isinstance(loss, keras.losses.MeanSquaredError)
    assert keras.losses.get("mse") is keras.losses.mean_squared_error


def trainable() -> keras.Model:
    return keras.Sequential([keras.Input((1, 1)), pointwise("layer")])


ONE = np.ones((1, 1, 1), np.float32)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda m: m.train_on_batch(ONE, ONE), ValueError, "not compiled"),
        (lambda m: m.compile("adam", "mse"), ValueError, "optimizer.*'adam'"),
        (lambda m: m.compile("sgd", "mae"), ValueError, "loss.*'mae'"),
        (lambda m: m.compile("sgd", "mse", metrics=["mae"]), ValueError, "metrics"),
        (lambda m: m.compile("sgd", "mse", epochs=3), TypeError, "epochs"),
        (lambda m: keras.optimizers.SGD(-1.0), ValueError, "learning_rate"),
        (lambda m: keras.optimizers.SGD(momentum=2), ValueError, "momentum"),
        (lambda m: keras.optimizers.SGD(clipnorm=-1.0), ValueError, "clipnorm"),
        (lambda m: keras.optimizers.SGD(clipnorm=1.0, clipvalue=1.0), ValueError, "only one"),
        (lambda m: keras.optimizers.SGD(use_ema=True), ValueError, "use_ema"),
        (lambda m: keras.optimizers.SGD(decay=1.0), TypeError, "decay"),
    ],
)
def test_refusals_name_the_argument(action: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        action(trainable())


def two_outputs() -> keras.Model:
    start = keras.Input((1, 1))
    heads = [
        keras.layers.Conv1D(1, 1, kernel_initializer="ones", name=name)(start) for name in "ab"
    ]
    model: keras.Model = keras.Model(start, heads)
    return model


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", {"loss": 5, "a_loss": 4, "b_loss": 1}),
        (["mse", "mse"], {"loss": 5, "a_loss": 4, "b_loss": 1}),
        (["mse"], {"loss": 4}),
        (["mse", None], {"loss": 4}),
        ([None, "mse"], {"loss": 1}),
        ({"b": "mse"}, {"loss": 1}),
        (["mse", ["mse", "mse"]], {"loss": 6, "a_loss": 4, "b_loss": 1}),
    ],
)
def test_losses_by_output_are_those_of_keras(loss: object, expected: dict[str, float]) -> None:
    """Of one loss alone nothing is told apart; several of one output add up, the gradients too."""
    model = two_outputs()
    model.compile(keras.optimizers.SGD(0.5), loss)
    target = [np.array([[[-1.0]]]), np.array([[[0.0]]])]
    one = np.ones((1, 1, 1))
    assert model.test_on_batch(one, target, return_dict=True) == expected
    model.train_on_batch(one, target)
    steps = {"a": 2 * ("a_loss" in expected or expected == {"loss": 4}), "b": 0}
    steps["b"] = 2 if isinstance(loss, list) and isinstance(loss[-1], list) else 1
    steps["b"] *= "b_loss" in expected or expected == {"loss": 1}
    for name, step in steps.items():
        assert model.get_layer(name).get_weights()[1].tolist() == [-step], name


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"loss": {"a": "mse", "c": "mse"}}, KeyError),
        ({"loss": ["mse"] * 3}, KeyError),
        ({"loss": ["mse", "mse"], "loss_weights": [1.0]}, ValueError),
        ({"loss": ["mse", "mse"], "loss_weights": ["a", "b"]}, ValueError),
    ],
)
def test_losses_that_fit_no_output_are_refused_when_they_meet_them(
    arguments: dict[str, object], error: type[Exception]
) -> None:
    model = two_outputs()
    model.compile("sgd", **arguments)  # type: ignore[arg-type]
    with pytest.raises(error, match="`loss"):
        model.test_on_batch(np.ones((1, 1, 1)), [np.ones((1, 1, 1))] * 2)


def test_targets_are_not_broadcast() -> None:
    """Keras broadcasts them silently; a wrong shape is an error of the caller's."""
    model = trainable()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"shape \(2, 1, 1\)"):
        model.train_on_batch(ONE, np.ones((2, 1, 1)))


def test_foreign_regularizer_without_gradient_is_named() -> None:
    model = keras.Sequential([keras.Input((1, 1)), pointwise("layer", kernel_regularizer=np.sum)])
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match=r"regularizer of `sequential.*/layer/kernel`"):
        model.train_on_batch(ONE, ONE)


def test_mean_squared_error_is_rounded_once() -> None:
    """Differences that float64 does not hold included."""
    true = np.array([[1.0, 2.0**-60]])
    predicted = np.array([[2.0**-60, 1.0]])
    exact = (1 - Fraction(1, 2**60)) ** 2
    assert keras.losses.MeanSquaredError()(true, predicted) == float(exact)
    assert keras.losses.mse(true, predicted).tolist() == [float(exact)]


def test_the_scenarios_derivation_refuses_what_float32_may_round() -> None:
    """So that a deviation of an implementation is never the case's own fault."""
    penalty = configured("L2", l2=2.0**-12)
    case = Case.of(
        "Conv1D",
        (2, 5, 2),
        observe="training",
        filters=2,
        kernel_size=2,
        activity_regularizer=penalty,
    )
    with pytest.raises(InexactError, match="too long"):
        exact_steps(case)
    assert not Dyadic(2**24 + 1).is_exact
    with pytest.raises(ValueError, match="power of two"):
        Dyadic.of(Fraction(1, 3))


def test_dual_numbers_differentiate() -> None:
    """D (3 p + 2)**2 / dp = 6 (3 p + 2), at p = 5."""
    p = Dual(Dyadic(5), {0: Dyadic(1)})
    square = (p.times(Dyadic(3)) + Dual(Dyadic(2))).squared()
    assert (float(square.value), float(square.slopes[0])) == (289.0, 102.0)

"""What Conv1D and Conv2D have gained since the documentation: groups, and causal padding."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

import reference_impl as keras
from conformance.cases.case import Case
from conformance.cases.grids import additions
from conformance.cases.operands import has_its_dtype, operands
from conformance.diagnosis.evaluation import evaluate
from conformance.judge import definition
from conformance.judge.equality import same_values
from conformance.judge.expectation import expect
from conformance.judge.judge import judge
from conformance.judge.verdict import Verdict
from conformance.layers import LAYERS
from conformance.outcomes import Value

Array = np.ndarray[Any, Any]

SMALL = tuple(additions.full())


def built(layer: Any, inputs: Array, seed: int = 0) -> Any:
    """The layer, its weights small integers."""
    layer.build(inputs.shape)
    random = np.random.default_rng(seed)
    dtype = layer.get_weights()[0].dtype
    layer.set_weights([random.integers(-4, 5, w.shape).astype(dtype) for w in layer.get_weights()])
    return layer


def integers(*shape: int) -> Array:
    return np.random.default_rng(1).integers(-9, 10, shape).astype(np.float32)


def test_causal_padding_by_hand() -> None:
    """Outputs see the present step and the one two before: y[o] = 10 x[o - 2] + x[o]."""
    layer = keras.layers.Conv1D(1, 2, padding="causal", dilation_rate=2, use_bias=False)
    layer.build((1, 5, 1))
    layer.set_weights([np.array([10, 1], np.float32).reshape(2, 1, 1)])
    inputs = np.array([1, 2, 3, 4, 5], np.float32).reshape(1, 5, 1)
    assert layer(inputs).ravel().tolist() == [1, 2, 13, 24, 35]


def test_causal_padding_with_strides_by_hand() -> None:
    """y[o] = 100 x[2 o - 2] + 10 x[2 o - 1] + x[2 o], ceil(5 / 2) of them."""
    layer = keras.layers.Conv1D(1, 3, strides=2, padding="causal", use_bias=False)
    layer.build((1, 5, 1))
    layer.set_weights([np.array([100, 10, 1], np.float32).reshape(3, 1, 1)])
    inputs = np.array([1, 2, 3, 4, 5], np.float32).reshape(1, 5, 1)
    assert layer(inputs).ravel().tolist() == [1, 123, 345]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_causal_outputs_depend_on_no_later_step(data_format: str) -> None:
    """NaN at a step spoils the outputs that begin there, and every one up to k - 1 later."""
    layer = keras.layers.Conv1D(3, 3, padding="causal", data_format=data_format)
    shape = (2, 6, 4) if data_format == "channels_last" else (2, 4, 6)
    built(layer, np.zeros(shape))
    for step in range(6):
        inputs = np.ones(shape, np.float32)
        where = (0, step, 1) if data_format == "channels_last" else (0, 1, step)
        inputs[where] = np.nan
        outputs = layer(inputs)
        axis = 2 if data_format == "channels_last" else 1
        spoilt = np.isnan(outputs[0]).all(axis - 1)
        assert np.flatnonzero(spoilt).tolist() == [o for o in range(step, step + 3) if o < 6]
        assert np.isnan(outputs).sum() == 3 * spoilt.sum()


def test_groups_by_hand() -> None:
    """Filters 0 and 1 read channel 0, filters 2 and 3 channel 1."""
    layer = keras.layers.Conv2D(4, 1, groups=2, use_bias=False)
    layer.build((1, 1, 2, 2))
    assert layer.kernel.shape == (1, 1, 1, 4)
    layer.set_weights([np.array([1, 10, 100, 1000], np.float32).reshape(1, 1, 1, 4)])
    inputs = np.array([[2, 3], [4, 5]], np.float32).reshape(1, 1, 2, 2)
    assert layer(inputs).reshape(2, 4).tolist() == [[2, 20, 300, 3000], [4, 40, 500, 5000]]


def channels_last(rows: list[Any]) -> Array:
    """One sample from its channels, each an array over space."""
    return np.moveaxis(np.array(rows, np.float32), 0, -1)[None]


def filters(rows: list[Any], channels: int) -> Array:
    """A kernel from windows, those of a filter's input channels one after another."""
    given = np.array(rows, np.float32)
    space = given.shape[1:]
    shaped = given.reshape(-1, channels, *space)
    return np.moveaxis(shaped, (0, 1), (-1, -2))


BY_HAND: dict[str, tuple[Any, Any, Any, dict[str, Any], Any]] = {
    # As WebNN's "depthwise conv2d": four channels, one filter each.
    "depthwise": (
        [[[10, 10], [10, 10]], [[21, 22], [23, 24]], [[10, 20], [30, 40]], [[0, 0], [0, 0]]],
        [[[0.25] * 2] * 2, [[0, 1], [0, 1]], [[10, 20], [30, 40]], [[50] * 2] * 2],
        [6000, 7000, 8000, 9000],
        {"groups": 4, "kernel_size": 2},
        [[[6010]], [[7046]], [[11000]], [[9000]]],
    ),
    # As ONNX' "Conv2d_depthwise_with_multiplier": filters 2 c and 2 c + 1 see channel c.
    "multiplier": (
        [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
        [[[1]], [[10]], [[100]], [[-1]]],
        [0, 0, 0, 1],
        {"groups": 2, "kernel_size": 1},
        [
            [[1, 2], [3, 4]],
            [[10, 20], [30, 40]],
            [[500, 600], [700, 800]],
            [[-4, -5], [-6, -7]],
        ],
    ),
    # As ONNX' "Conv2d_depthwise_strided": ones over windows at 0 and 2.
    "strided": (
        [[[1, 2, 3, 4], [5, 6, 7, 8]], [[1, 0, 0, 2], [0, 0, 0, 0]]],
        [[[1, 1], [1, 1]], [[1, 2], [3, 4]]],
        [0, 0],
        {"groups": 2, "kernel_size": 2, "strides": 2},
        [[[14, 22]], [[1, 4]]],
    ),
    # As ONNX' "Conv2d_depthwise_padded": SAME puts a row and a column around a 3 x 3 window.
    "padded": (
        [[[1, 2], [3, 4]], [[1, 0], [0, 1]]],
        [[[1] * 3] * 3, [[1, 0, 0], [0, 0, 0], [0, 0, 0]]],
        [0, 0],
        {"groups": 2, "kernel_size": 3, "padding": "same"},
        [[[10, 10], [10, 10]], [[0, 0], [0, 1]]],
    ),
    # As ONNX' "Conv1d_groups": two filters for the first two channels, two for the others.
    "sequence": (
        [[1, 2, 3, 4], [10, 20, 30, 40], [1, 1, 1, 1], [5, 6, 7, 8]],
        [[1, 1], [1, 1], [1, 0], [0, 1], [1, 1], [0, 0], [-1, 2], [2, -1]],
        [0, 0, 0, 0.5],
        {"groups": 2, "kernel_size": 2},
        [[33, 55, 77], [21, 32, 43], [2, 2, 2], [5.5, 6.5, 7.5]],
    ),
    # Groups and causal padding at once: each group sees its own past alone.
    "causal": (
        [[1, 2, 3], [10, 20, 30]],
        [[1, 1], [2, 1]],
        [0, 0],
        {"groups": 2, "kernel_size": 2, "padding": "causal"},
        [[1, 3, 5], [10, 40, 70]],
    ),
}


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", BY_HAND)
def test_forms_of_other_test_suites_by_hand(name: str, data_format: str) -> None:
    channels, windows, bias, arguments, expected = BY_HAND[name]
    inputs, right = channels_last(channels), channels_last(expected)
    kernel = filters(windows, len(channels) // arguments["groups"])
    layer = (keras.layers.Conv1D if inputs.ndim == 3 else keras.layers.Conv2D)(
        len(bias), data_format=data_format, **arguments
    )
    if data_format == "channels_first":
        inputs, right = np.moveaxis(inputs, -1, 1), np.moveaxis(right, -1, 1)
    layer.build(inputs.shape)
    layer.set_weights([kernel, np.array(bias, np.float32)])
    assert layer(inputs).tolist() == right.tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("activation", [None, "relu", "tanh", "softmax"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_groups_are_a_kernel_with_zeros_between_them(
    dtype: str, activation: str | None, data_format: str
) -> None:
    """The same layer without groups, its kernel zero where channel and filter do not meet.

    Both are correctly rounded, so that they agree in every bit.
    """
    shape = (2, 5, 6, 6) if data_format == "channels_last" else (2, 6, 5, 6)
    inputs = np.random.default_rng(3).normal(size=shape).astype(dtype)
    rest = {"activation": activation, "data_format": data_format, "dtype": dtype}
    grouped = keras.layers.Conv2D(9, (2, 3), groups=3, padding="same", **rest)
    grouped.build(shape)
    kernel, bias = grouped.get_weights()
    dense = np.zeros((2, 3, 6, 9), dtype)
    for group in range(3):
        own = slice(3 * group, 3 * group + 3)
        dense[:, :, 2 * group : 2 * group + 2, own] = kernel[..., own]
    whole = keras.layers.Conv2D(9, (2, 3), padding="same", **rest)
    whole.build(shape)
    whole.set_weights([dense, bias])
    outputs = grouped(inputs)
    assert outputs.tobytes() == whole(inputs).tobytes()
    upstream = np.random.default_rng(4).normal(size=outputs.shape).astype(dtype)
    found, expected = (layer.gradients(inputs, upstream) for layer in (grouped, whole))
    assert found["inputs"].tobytes() == expected["inputs"].tobytes()
    assert found["bias"].tobytes() == expected["bias"].tobytes()
    for group in range(3):
        own = slice(3 * group, 3 * group + 3)
        part = expected["kernel"][:, :, 2 * group : 2 * group + 2, own]
        assert found["kernel"][..., own].tobytes() == part.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nothing_reaches_another_group(value: float) -> None:
    layer = built(keras.layers.Conv1D(6, 2, groups=3), np.zeros((1, 5, 6)))
    inputs = integers(1, 5, 6)
    plain = layer(inputs)
    inputs[0, 2, 3] = value
    spoilt = layer(inputs)
    assert not np.isfinite(spoilt[0, :, 2:4]).all()
    for filters in (slice(0, 2), slice(4, 6)):
        assert spoilt[..., filters].tobytes() == plain[..., filters].tobytes()
    kernel, bias = layer.get_weights()
    kernel[0, 0, 5] = value
    layer.set_weights([kernel, bias])
    assert np.isfinite(layer(integers(1, 5, 6))[..., :5]).all()


@pytest.mark.parametrize("certified", [True, False])
def test_uncertified_arithmetic_knows_groups_and_causal_padding(certified: bool) -> None:
    """On small integers plain arithmetic is exact, and gives what the certified path gives."""
    layer = keras.layers.Conv1D(6, 3, groups=2, padding="causal", dilation_rate=2)
    inputs = integers(2, 5, 4)
    expected = built(layer, inputs)(inputs)
    if not certified:
        with keras.backend.uncertified():
            assert layer(inputs).tolist() == expected.tolist()
    certificate = layer.certify(inputs)
    assert certificate.value.tobytes() == expected.tobytes()
    assert np.isfinite(certificate.bound).all()


def test_weights_and_their_first_values() -> None:
    """``fan_in = k C / groups``, ``fan_out = k F``, so the limit of glorot_uniform is known."""
    layer = keras.layers.Conv1D(64, 3, groups=4)
    layer.build((None, 9, 32))
    assert [w.shape for w in layer.get_weights()] == [(3, 8, 64), (64,)]
    assert layer.count_params() == 3 * 8 * 64 + 64
    limit = math.sqrt(6 / (3 * 8 + 3 * 64))
    largest = float(np.abs(layer.get_weights()[0]).max())
    assert 0.95 * limit < largest <= limit


def test_the_configuration_keeps_both() -> None:
    layer = keras.layers.Conv1D(6, 3, groups=3, padding="CAUSAL")
    config = layer.get_config()
    names = list(config)
    assert names.index("groups") == names.index("dilation_rate") + 1
    assert (config["groups"], config["padding"]) == (3, "causal")
    assert keras.layers.Conv1D.from_config(config).get_config() == config


def test_groups_have_no_position() -> None:
    """After the last documented argument stands nothing: positions stay what they were."""
    documented = [*LAYERS["Conv2D"].signature]
    assert documented[-1] == "bias_constraint"
    with pytest.raises(TypeError, match="positional"):
        keras.layers.Conv2D(4, 3, 1, "valid", None, 1, *[None] * 9, 2)


@pytest.mark.parametrize(
    ("arguments", "inputs", "message"),
    [
        ({"groups": 3}, (2, 8, 3), "`filters` is 4 and argument `groups` is 3; expected a number"),
        ({"groups": 2}, (2, 8, 3), r"3 channels on axis -1 and argument `groups` is 2; expected a"),
        ({"groups": 0}, (2, 8, 4), "argument `groups` is 0; expected a positive integer"),
        ({"padding": "causal", "strides": 2, "dilation_rate": 2}, (2, 8, 3), "`dilation_rate`"),
    ],
)
def test_what_does_not_divide_is_refused(
    arguments: dict[str, Any], inputs: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        keras.layers.Conv1D(4, 3, **arguments).build(inputs)


def test_a_built_layer_takes_as_many_channels_as_before() -> None:
    layer = built(keras.layers.Conv1D(4, 2, groups=2), np.zeros((1, 5, 6)))
    with pytest.raises(ValueError, match="with 4 channels on axis -1; expected 6 channels"):
        layer(integers(1, 5, 4))


@pytest.mark.parametrize("layer", ["Conv2D", "MaxPooling1D", "MaxPooling2D"])
def test_causal_padding_is_of_conv1d_alone(layer: str) -> None:
    required = {"filters": 2, "kernel_size": 2} if layer == "Conv2D" else {}
    with pytest.raises(ValueError, match="'causal'; expected one of 'valid', 'same'"):
        getattr(keras.layers, layer)(**required, padding="causal")


@pytest.mark.parametrize("observe", ["output", "gradients"])
def test_oracle_and_definition_agree_on_small_windows(observe: str) -> None:
    """Every fifth of the exhaustive list (every window of it in 35 lists of other lengths)."""
    for case in SMALL[:: 5 if observe == "output" else 11]:
        one = case.replace(observe=observe)
        given = operands(one)
        found = expect(one, given).value
        if observe == "output":
            assert same_values(found, definition.output(one, given)), one
        else:
            expected = definition.gradients(one, given)
            assert all(same_values(found[name], expected[name]) for name in expected), one


def test_oracle_and_definition_agree_on_the_standard_cases() -> None:
    """Kinds of operands, dtypes and activations too."""
    for case in additions.standard():
        if case.observe == "output" and has_its_dtype(case):
            given = operands(case)
            assert same_values(expect(case, given).value, definition.output(case, given)), case


def test_the_evaluation_of_the_diagnosis_agrees() -> None:
    for case in additions.smoke():
        if case.observe == "output" and case.dtype == "float32":
            given = operands(case)
            outcome = Value(evaluate(case, given))
            judged = judge(case, given, expect(case, given), outcome)
            assert judged.verdict is Verdict.CONFORMS, (case, judged.message)


def in_float32(case: Case, given: Any) -> Array:
    """A channels_last convolution in groups, one product at a time."""
    x, w = given.inputs, given.weights["kernel"]
    own, filters = w.shape[-2:]
    groups = x.shape[-1] // own
    out = np.zeros(definition.output_shape(case), np.float32)  # type: ignore[arg-type]
    step = case.keywords.get("strides", (1,))[0]
    for o, t, f, c in product(range(out.shape[1]), range(len(w)), range(filters), range(own)):
        channel = f // (filters // groups) * own + c
        out[:, o, f] += x[:, o * step + t, channel] * w[t, c, f]
    return out + given.weights["bias"]


@pytest.mark.parametrize("kind", ["reals", "positive", "integers"])
def test_plain_arithmetic_in_groups_is_judged_to_conform_and_its_errors_are_not(kind: str) -> None:
    """The bound follows from the products of a group alone: it holds, and it is as sharp."""
    case = Case.of("Conv1D", (2, 9, 8), filters=4, kernel_size=(3,), groups=2, operands=kind)
    given = operands(case)
    expectation = expect(case, given)
    actual = in_float32(case, given)
    assert judge(case, given, expectation, Value(actual)).verdict is Verdict.CONFORMS
    gauge = LAYERS["Conv1D"].gauge(case, given)
    assert gauge is not None
    assert gauge.products == 3 * 8 // 2
    if kind != "integers":
        size = float(np.abs(gauge.magnitude).max())
        actual[0, 0, 0] += np.float32(20 * 2.0**-24 * size)
    else:
        actual[0, 0, 0] *= np.float32(1 + 2.0**-20)
    assert judge(case, given, expectation, Value(actual)).verdict is Verdict.DEVIATES

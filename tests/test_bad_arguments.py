"""Bad arguments are refused with an error that names them and shows the value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

import reference_impl as keras

Conv1D, Conv2D = keras.layers.Conv1D, keras.layers.Conv2D
MaxPooling1D, MaxPooling2D = keras.layers.MaxPooling1D, keras.layers.MaxPooling2D
Flatten, Input = keras.layers.Flatten, keras.Input

IMAGES = (2, 6, 7, 3)
SEQUENCES = (2, 6, 3)


class Bad(NamedTuple):
    """A call that is refused: what is called, and what the message must hold."""

    label: str
    error: type[Exception]
    call: Callable[[], Any]
    argument: str
    shown: str


def case(error: type[Exception], maker: Any, argument: str, value: Any, **others: Any) -> Bad:
    """One bad constructor argument, the others being good."""
    label = f"{maker.__name__}-{argument}={value!r}"
    return Bad(label, error, lambda: maker(**others, **{argument: value}), argument, repr(value))


def sizes(maker: Any, argument: str, rank: int, **others: Any) -> list[Bad]:
    """What no window length, stride or dilation rate may be."""
    good = (2,) * (rank - 1)
    values = [0, -1, (), (2,) * (rank + 1), (0, *good), [*good, -3]]
    types = [2.5, 2.0, "2", True, {2: 2}, (*good, 2.5), (*good, None), (*good, "2"), (*good, True)]
    return [case(ValueError, maker, argument, value, **others) for value in values] + [
        case(TypeError, maker, argument, value, **others) for value in types
    ]


def words(maker: Any, argument: str, **others: Any) -> list[Bad]:
    """What neither a padding mode nor a data format may be."""
    values = ["full", "", "tf", "NHWC", "valid "]
    values += ["causal"] * (not (maker is Conv1D and argument in ("padding", "border_mode")))
    types = [1, True, ("valid",), 2.5]
    return [case(ValueError, maker, argument, value, **others) for value in values] + [
        case(TypeError, maker, argument, value, **others) for value in types
    ]


def common(maker: Any, **others: Any) -> list[Bad]:
    """The arguments of every layer."""
    return [
        case(ValueError, maker, "foo", 1, **others),
        case(ValueError, maker, "nb_filter", 4, **others),
        case(ValueError, maker, "name", "a/b", **others),
        case(ValueError, maker, "name", "", **others),
        case(TypeError, maker, "name", 3, **others),
        case(ValueError, maker, "dtype", "foo", **others),
        case(ValueError, maker, "dtype", "mixed_float64", **others),
        case(TypeError, maker, "dtype", 32, **others),
        case(TypeError, maker, "trainable", "no", **others),
        case(ValueError, maker, "trainable", 2, **others),
        case(TypeError, maker, "input_shape", 8, **others),
        case(TypeError, maker, "input_shape", (2.5, 3), **others),
        case(ValueError, maker, "input_shape", (-1, 3), **others),
        case(TypeError, maker, "batch_input_shape", "8", **others),
        case(ValueError, maker, "input_dim", 0, **others),
        case(ValueError, maker, "activity_regularizer", "foo", **others),
    ]


def convolution(maker: Any, rank: int) -> list[Bad]:
    good = {"filters": 4, "kernel_size": 3}
    filters = [(0, ValueError), (-1, ValueError), (2.0, TypeError), (2.5, TypeError)]
    filters += [(None, TypeError), ("4", TypeError), ((4,), TypeError), (True, TypeError)]
    names = ["kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer"]
    names += ["kernel_constraint", "bias_constraint", "activation"]
    return [
        *(case(error, maker, "filters", value, kernel_size=3) for value, error in filters),
        *sizes(maker, "kernel_size", rank, filters=4),
        case(TypeError, maker, "kernel_size", None, filters=4),
        *sizes(maker, "strides", rank, **good),
        case(TypeError, maker, "strides", None, **good),
        *sizes(maker, "dilation_rate", rank, **good),
        case(TypeError, maker, "dilation_rate", None, **good),
        *words(maker, "padding", **good),
        case(TypeError, maker, "padding", None, **good),
        *words(maker, "data_format", **good),
        *words(maker, "border_mode", **good),
        *(
            case(ValueError, maker, "dim_ordering", value, **good)
            for value in ("channels_last", "")
        ),
        case(TypeError, maker, "image_dim_ordering", 1, **good),
        *(case(TypeError, maker, "use_bias", value, **good) for value in (None, "no", 1.0)),
        case(ValueError, maker, "use_bias", 2, **good),
        *(case(ValueError, maker, "groups", value, **good) for value in (0, -1, 3, 2**63)),
        *(
            case(TypeError, maker, "groups", value, **good)
            for value in (None, 2.0, "2", (2,), True)
        ),
        *(case(ValueError, maker, name, value, **good) for name in names for value in ("foo", 3)),
        *(case(ValueError, maker, "dtype", value, **good) for value in ("int32", "bool")),
        *common(maker, **good),
    ]


def pooling(maker: Any, rank: int) -> list[Bad]:
    return [
        *sizes(maker, "pool_size", rank),
        case(TypeError, maker, "pool_size", None),
        *sizes(maker, "strides", rank),
        *words(maker, "padding"),
        case(TypeError, maker, "padding", None),
        *words(maker, "data_format"),
        *words(maker, "border_mode"),
        case(ValueError, maker, "dtype", "bool"),
        *common(maker),
    ]


def flatten() -> list[Bad]:
    return [*words(Flatten, "data_format"), *common(Flatten)]


def shapes(argument: str) -> list[Bad]:
    values = [(-1,), (4, -3)]
    types = [32, 2.5, "32", (2.5,), ("3",), (True,), {3: 3}]
    return [case(ValueError, Input, argument, value) for value in values] + [
        case(TypeError, Input, argument, value) for value in types
    ]


def inputs() -> list[Bad]:
    tensor = Input((3,))
    agreeing = {"tensor": tensor}
    return [
        Bad("Input()", ValueError, Input, "shape", "None"),
        *shapes("shape"),
        *shapes("batch_shape"),
        case(ValueError, Input, "batch_shape", ()),
        case(ValueError, Input, "batch_shape", (2, 3), shape=(3,)),
        case(ValueError, Input, "batch_size", 2, batch_shape=(2, 3)),
        case(ValueError, Input, "batch_size", -2, shape=(3,)),
        case(ValueError, Input, "name", "a/b", shape=(3,)),
        case(TypeError, Input, "name", 3, shape=(3,)),
        case(ValueError, Input, "dtype", "foo", shape=(3,)),
        case(ValueError, Input, "dtype", "half", shape=(3,)),
        case(TypeError, Input, "dtype", 3, shape=(3,)),
        case(TypeError, Input, "sparse", "yes", shape=(3,)),
        case(TypeError, Input, "sparse", None, shape=(3,)),
        case(TypeError, Input, "tensor", 3),
        case(TypeError, Input, "tensor", "foo"),
        case(TypeError, Input, "tensor", [1, 2]),
        case(TypeError, Input, "tensor", np.ones(3)),
        case(ValueError, Input, "shape", (4,), **agreeing),
        case(ValueError, Input, "batch_shape", (2, 3, 1), **agreeing),
        case(ValueError, Input, "dtype", "int32", **agreeing),
        case(ValueError, Input, "sparse", True, **agreeing),
    ]


def called(label: str, error: type[Exception], layer: Any, given: Any, shown: str) -> Bad:
    """One bad input of a call."""
    return Bad(f"{type(layer).__name__}-{label}", error, lambda: layer(given), "inputs", shown)


MASKED: Final = np.ma.masked_equal(np.ones(3), 1.0)


def calls() -> list[Bad]:
    built = Conv2D(4, 3)
    built.build(IMAGES)
    large = (9, 9)
    makers: list[Any] = [Conv1D(4, 3), Conv2D(4, 3), MaxPooling1D(), MaxPooling2D(), Flatten()]
    return [
        *(called("None", ValueError, layer, None, "None") for layer in makers),
        *(called("list", ValueError, layer, [[1.0], [2.0, 3.0]], "[[1.0]") for layer in makers),
        *(called("mask", TypeError, layer, MASKED, "a masked array") for layer in makers),
        *(called("text", ValueError, layer, "abc", "'abc'") for layer in makers),
        *(
            called("objects", TypeError, layer, np.full((2, 4, 4, 3), None), "object")
            for layer in makers
        ),
        called("rank", ValueError, Conv1D(4, 3), np.ones(IMAGES), "(2, 6, 7, 3)"),
        called("rank", ValueError, Conv2D(4, 3), np.ones(SEQUENCES), "(2, 6, 3)"),
        called("rank", ValueError, Conv2D(4, 3), np.ones((1, *IMAGES)), "(1, 2, 6, 7, 3)"),
        called("rank", ValueError, MaxPooling1D(), np.ones(IMAGES), "(2, 6, 7, 3)"),
        called("rank", ValueError, MaxPooling2D(), np.ones(SEQUENCES), "(2, 6, 3)"),
        called("rank", ValueError, Flatten(), np.array(1.0), "()"),
        called("channels", ValueError, built, np.ones((2, 6, 7, 2)), "(2, 6, 7, 2)"),
        called("channels", ValueError, Conv2D(4, 3), np.ones((2, 6, 7, 0)), "(2, 6, 7, 0)"),
        called("channels", ValueError, Conv2D(4, 3), Input((6, 7, None)), "(None, 6, 7, None)"),
        called("short", ValueError, built, np.ones((2, 6, 2, 3)), "(2, 6, 2, 3)"),
        called("short", ValueError, Conv2D(4, large), np.ones(IMAGES), "(2, 6, 7, 3)"),
        called("short", ValueError, Conv1D(4, 3, dilation_rate=4), np.ones(SEQUENCES), "(2, 6, 3)"),
        called("short", ValueError, Conv1D(4, 3), np.ones((2, 0, 3)), "(2, 0, 3)"),
        called("short", ValueError, MaxPooling1D(7), np.ones(SEQUENCES), "(2, 6, 3)"),
        called("short", ValueError, MaxPooling2D(large), np.ones(IMAGES), "(2, 6, 7, 3)"),
        called("short", ValueError, MaxPooling2D(large), Input((6, 7, 3)), "(None, 6, 7, 3)"),
        called("integers", TypeError, built, np.ones(IMAGES, np.int64), "int64"),
        called("booleans", TypeError, built, np.ones(IMAGES, np.bool_), "bool"),
        called("complex", TypeError, built, np.ones(IMAGES, np.complex64), "complex64"),
        called("integers", TypeError, Conv2D(4, 3), Input((6, 7, 3), dtype="int32"), "int32"),
        called("booleans", TypeError, MaxPooling1D(), np.ones(SEQUENCES, np.bool_), "bool"),
        called("complex", TypeError, MaxPooling1D(), np.ones(SEQUENCES, np.complex64), "complex64"),
        called("floats", TypeError, MaxPooling1D(dtype="int32"), np.ones(SEQUENCES), "float64"),
    ]


BAD = [
    *convolution(Conv1D, 1),
    *convolution(Conv2D, 2),
    *pooling(MaxPooling1D, 1),
    *pooling(MaxPooling2D, 2),
    *flatten(),
    *inputs(),
    *calls(),
]


def test_the_table_holds_a_hundred_distinct_bad_arguments():
    assert len({bad.label for bad in BAD}) >= 100


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.label)
def test_a_bad_argument_is_refused(bad):
    with pytest.raises((TypeError, ValueError)) as caught:
        bad.call()
    message = str(caught.value)
    assert issubclass(caught.type, bad.error)
    assert f"`{bad.argument}`" in message
    assert bad.shown in message
    assert re.search("expected .", message), "the message says what is allowed"


@pytest.mark.parametrize("maker", [Conv1D, Conv2D])
@pytest.mark.parametrize("missing", ["filters", "kernel_size"])
def test_a_required_argument_left_out_is_named(maker, missing):
    good = {"filters": 4, "kernel_size": 3}
    del good[missing]
    with pytest.raises(TypeError, match=f"'{missing}'"):
        maker(**good)


@pytest.mark.parametrize(
    ("maker", "strides", "rate"),
    [
        (Conv1D, 2, 2),
        (Conv1D, (2,), [3]),
        (Conv2D, 2, 2),
        (Conv2D, (2, 1), (1, 2)),
        (Conv2D, (1, 2), 3),
        (Conv2D, [3, 1], (2, 1)),
    ],
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_strides_and_dilation_exclude_each_other(maker, strides, rate, padding):
    """Any stride that is not 1 with any dilation rate that is not 1, on the same axis or not."""
    with pytest.raises(ValueError, match=r"`strides` is .* `dilation_rate` is .*; expected"):
        maker(4, 3, strides=strides, dilation_rate=rate, padding=padding)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"padding": "same", "border_mode": "same"}, "`padding` is 'same' and `border_mode`"),
        ({"padding": "valid", "border_mode": "same"}, "`padding` is 'valid' and `border_mode`"),
        (
            {"data_format": "channels_last", "dim_ordering": "tf"},
            "`data_format` is 'channels_last' and `dim_ordering`",
        ),
        (
            {"dim_ordering": "th", "image_dim_ordering": "tf"},
            "`dim_ordering` is 'th' and `image_dim_ordering`",
        ),
    ],
)
@pytest.mark.parametrize("maker", [MaxPooling1D, MaxPooling2D, lambda **k: Conv2D(4, 3, **k)])
def test_an_argument_given_by_two_names_is_refused(maker, given, message):
    with pytest.raises(TypeError, match=message):
        maker(**given)


def test_two_ways_of_giving_the_input_shape_are_refused():
    with pytest.raises(ValueError, match=r"`input_shape`=\(3,\) and `input_dim`=3"):
        Flatten(input_shape=(3,), input_dim=3)


@pytest.mark.parametrize("maker", [Input, keras.layers.InputLayer])
def test_input_names_an_unknown_argument(maker):
    with pytest.raises(TypeError, match="'foo'"):
        maker((3,), foo=1)


AS_IN_KERAS = {
    ValueError: [
        lambda: Conv1D(2, "3"),
        lambda: Conv2D(2, 2.5),
        lambda: Conv1D(2, 1, data_format=1),
        lambda: Conv1D(2, 1, trainable="yes"),
        lambda: Conv1D(2, 1, trainable=1),
        lambda: Conv1D(2, 1, dtype=3),
        lambda: Flatten(name=3),
        lambda: Flatten(nonsense=1),
        lambda: Input("ab"),
        lambda: keras.Model({"a": "x"}, keras.Input((3,))),
        lambda: keras.Sequential().add({}),
        lambda: keras.optimizers.SGD(nonsense=1),
        lambda: keras.constraints.MaxNorm()(None),
        lambda: keras.activations.tanh("x"),
        lambda: keras.models.load_model("model.json"),
        lambda: keras.layers.Layer().add_weight("name"),
        lambda: Conv1D(1, 1)([[[1, 2]]]),
    ],
    TypeError: [
        lambda: Conv1D(2, 1, activation={"class_name": "Nope", "config": {}}),
        lambda: keras.layers.deserialize(object()),
        lambda: keras.losses.serialize(object()),
        lambda: keras.activations.serialize(3),
        lambda: keras.layers.Layer().add_weight(shape=(1,), nonsense=1),
        lambda: keras.models.model_from_json(None),
        lambda: keras.activations.softmax(np.ones((2, 2)), axis="x"),
    ],
}


@pytest.mark.parametrize(
    ("error", "call"), [(error, call) for error, calls in AS_IN_KERAS.items() for call in calls]
)
def test_errors_are_caught_as_those_of_keras(error: type[Exception], call: Any) -> None:
    """What Keras 3.15 raises: ValueError for most arguments of a wrong type, TypeError for some."""
    with pytest.raises(error):
        call()

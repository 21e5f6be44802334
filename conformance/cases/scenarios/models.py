"""Layers in models: the first layer's input_shape, free lengths, and the Flatten example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import (
    Scenario,
    array,
    construct,
    input_shape,
    known_shape,
    tabulated,
)
from conformance.layers.registry import LAYERS, called_layers


@contextmanager
def image_data_format(keras: Any, data_format: str) -> Iterator[None]:
    """The global setting within a ``with`` block."""
    before = keras.backend.image_data_format()
    keras.backend.set_image_data_format(data_format)
    try:
        yield
    finally:
        keras.backend.set_image_data_format(before)


def _first_layer_model(keras: Any, case: Case) -> Any:
    """A model whose one layer is given input_shape: the case's input without the batch."""
    return keras.Sequential([construct(keras, case, input_shape=input_shape(case)[1:])])


def _observe_first_layer(keras: Any, case: Case) -> Any:
    model = _first_layer_model(keras, case)
    return {
        "declared": list(model.output_shape),
        "computed": list(array(model(np.zeros(known_shape(case), np.float32))).shape),
    }


def _first(inputs: tuple[int | None, ...], layer: str, **arguments: Any) -> Case:
    return Case.of(layer, inputs, observe="first_layer", **arguments)


_FIRST_LAYER: Final[dict[Case, Any]] = {
    _first((None, 10, 128), "Conv1D", filters=4, kernel_size=3): (8, 4),
    _first((None, 10, 128), "Conv1D", filters=4, kernel_size=3, padding="same"): (10, 4),
    _first((None, 10, 128), "Conv1D", filters=4, kernel_size=3, strides=2): (4, 4),
    _first((None, 128, 128, 3), "Conv2D", filters=2, kernel_size=(5, 3)): (124, 126, 2),
    _first((None, 9, 8, 3), "Conv2D", filters=2, kernel_size=3, strides=(2, 3)): (4, 2, 2),
    _first((None, 10, 4), "MaxPooling1D", pool_size=3): (3, 4),
    _first((None, 9, 8, 4), "MaxPooling2D", pool_size=(2, 3)): (4, 2, 4),
    _first((None, 4, 5, 3), "Flatten"): (60,),
}
"""Without padding 10 - 3 + 1 = 8 windows, or with a stride of 2 floor(7 / 2) + 1 = 4; with 'same'
all 10.  Along the axes of the images 128 - 5 + 1 = 124 and 128 - 3 + 1 = 126; floor(6 / 2) + 1 = 4
and floor(5 / 3) + 1 = 2.  The pools fit floor(10 / 3) = 3, floor(9 / 2) = 4 and floor(8 / 3) = 2
times.  The model's batch is free, two samples are fed.
"""


def _observe_colour_image(keras: Any, case: Case) -> Any:
    model = _first_layer_model(keras, case)
    return [list(model.input_shape), list(model.output_shape)]


_IMAGE: Final = {"observe": "colour_image", "filters": 5, "kernel_size": (3, 2)}
_COLOUR_IMAGES: Final = {
    Case.of("Conv2D", (None, 128, 128, 3), **_IMAGE): [[None, 128, 128, 3], [None, 126, 127, 5]],
    Case.of("Conv2D", (None, 128, 128, 3), **_IMAGE, data_format="channels_last"): [
        [None, 128, 128, 3],
        [None, 126, 127, 5],
    ],
    Case.of("Conv2D", (None, 3, 128, 128), **_IMAGE, data_format="channels_first"): [
        [None, 3, 128, 128],
        [None, 5, 126, 127],
    ],
}
"""128 - 3 + 1 = 126 and 128 - 2 + 1 = 127 windows, and as many channels as filters."""


def _observe_free_length(keras: Any, case: Case) -> Any:
    """The declared output shape, and those computed for inputs of two lengths."""
    model = _first_layer_model(keras, case)
    shapes = ((2, *known_shape(case, free)[1:]) for free in (11, 14))
    results = [array(model(np.zeros(shape, np.float32))) for shape in shapes]
    return [list(model.output_shape), *(list(result.shape) for result in results)]


def _free(inputs: tuple[int | None, ...], layer: str, **arguments: Any) -> Case:
    return Case.of(layer, inputs, observe="free_length", **arguments)


_FREE_LENGTHS: Final = {
    _free((None, None, 128), "Conv1D", filters=4, kernel_size=3): [
        [None, None, 4],
        [2, 9, 4],
        [2, 12, 4],
    ],
    _free((None, None, 128), "Conv1D", filters=4, kernel_size=3, strides=2, padding="same"): [
        [None, None, 4],
        [2, 6, 4],
        [2, 7, 4],
    ],
    _free((None, None, 9, 3), "Conv2D", filters=4, kernel_size=(3, 2)): [
        [None, None, 8, 4],
        [2, 9, 8, 4],
        [2, 12, 8, 4],
    ],
    _free((None, None, 3), "MaxPooling1D", pool_size=2): [[None, None, 3], [2, 5, 3], [2, 7, 3]],
    _free((None, 8, None, 3), "MaxPooling2D", pool_size=2): [
        [None, 4, None, 3],
        [2, 4, 5, 3],
        [2, 4, 7, 3],
    ],
    _free((None, None, 3), "Flatten"): [[None, None], [2, 33], [2, 42]],
}
"""The free length is 11, then 14: 9 and 12 windows of 3; ceil(11 / 2) = 6 and ceil(14 / 2) = 7;
floor(11 / 2) = 5 and floor(14 / 2) = 7; 11 times 3 and 14 times 3."""


def _observe_any_length(keras: Any, case: Case) -> Any:
    """One layer called on arrays of two lengths."""
    layer = construct(keras, case)
    batch, *lengths, channels = known_shape(case)
    shapes = ([batch, *(length + more for length in lengths), channels] for more in (0, 3))
    return [list(array(layer(np.zeros(shape, np.float32))).shape) for shape in shapes]


_ANY_LENGTH: Final = {
    Case.of("Conv1D", (2, 7, 3), observe="any_length", filters=4, kernel_size=3): [
        [2, 5, 4],
        [2, 8, 4],
    ],
    Case.of("Conv2D", (2, 7, 6, 3), observe="any_length", filters=4, kernel_size=(3, 2)): [
        [2, 5, 5, 4],
        [2, 8, 8, 4],
    ],
}
"""7 - 3 + 1 = 5, 6 - 2 + 1 = 5; each axis is then longer by 3."""


def _observe_example(keras: Any, case: Case) -> Any:
    """The documentation's model of Conv2D and Flatten, under the case's setting, if it has one."""
    data_format = case.keywords.get("data_format") or keras.backend.image_data_format()
    with image_data_format(keras, data_format):
        model = keras.models.Sequential()
        convolution = keras.layers.Conv2D(64, (3, 3), input_shape=(3, 32, 32), padding="same")
        model.add(convolution)
        before = list(model.output_shape)
        model.add(keras.layers.Flatten())
        return [before, list(model.output_shape)]


_EXAMPLE: Final = {
    Case.of("Flatten", observe="example", data_format="channels_first"): [
        [None, 64, 32, 32],
        [None, 65536],
    ],
    Case.of("Flatten", observe="example", data_format="channels_last"): [
        [None, 3, 32, 64],
        [None, 6144],
    ],
    Case.of("Flatten", observe="example"): [[None, 3, 32, 64], [None, 6144]],
}
"""Channels first: 3 channels of 32 by 32, 'same' keeps these, 64 filters: 64 * 32 * 32 = 65536.
Channels last, the default: an image of 3 by 32 with 32 channels: 3 * 32 * 64 = 6144."""


def _observe_setting(keras: Any, case: Case) -> Any:
    """The data format of layers made before, during and after a setting of channels_first."""

    def made() -> Any:
        return construct(keras, case)

    before = made()
    with image_data_format(keras, "channels_first"):
        layers = [before, made()]
    return [layer.get_config()["data_format"] for layer in (*layers, made())]


_SETTING: Final = tuple(
    Case.of(layer, observe="setting", **LAYERS[layer].minimal) for layer in called_layers()
)


def _observe_border_mode(keras: Any, case: Case) -> Any:
    """The output's shape of a pooling layer whose padding is given as border_mode."""
    layer = keras.layers.MaxPooling2D(pool_size=2, border_mode=case.keywords["padding"])
    return list(array(layer(np.zeros(known_shape(case), np.float32))).shape)


def _border_mode(padding: str) -> Case:
    return Case.of(
        "MaxPooling2D", (1, 5, 7, 2), observe="border_mode", pool_size=2, padding=padding
    )


_BORDER_MODES: Final = {
    _border_mode("valid"): [1, 2, 3, 2],
    _border_mode("same"): [1, 3, 4, 2],
}
"""floor(5 / 2) = 2 and floor(7 / 2) = 3, ceil(5 / 2) = 3 and ceil(7 / 2) = 4."""

_DIM_ORDERINGS: Final = {"channels_first": "th", "channels_last": "tf"}


def _observe_dim_ordering(keras: Any, case: Case) -> Any:
    """The data format of a layer to which it is given as dim_ordering, ``th`` or ``tf``."""
    ordering = _DIM_ORDERINGS[case.keywords["data_format"]]
    return keras.layers.Conv2D(4, 3, dim_ordering=ordering).get_config()["data_format"]


SCENARIOS: Final = (
    tabulated(
        "first_layer",
        _observe_first_layer,
        {
            case: {"declared": [None, *shape], "computed": [2, *shape]}
            for case, shape in _FIRST_LAYER.items()
        },
    ),
    tabulated("colour_image", _observe_colour_image, _COLOUR_IMAGES),
    tabulated("free_length", _observe_free_length, _FREE_LENGTHS),
    tabulated("any_length", _observe_any_length, _ANY_LENGTH),
    tabulated("example", _observe_example, _EXAMPLE),
    tabulated("border_mode", _observe_border_mode, _BORDER_MODES),
    Scenario(
        "dim_ordering",
        _observe_dim_ordering,
        lambda case: case.keywords["data_format"],
        tuple(
            Case.of("Conv2D", observe="dim_ordering", filters=4, kernel_size=3, data_format=name)
            for name in _DIM_ORDERINGS
        ),
    ),
    Scenario(
        "setting",
        _observe_setting,
        lambda _: ["channels_last", "channels_first", "channels_last"],
        _SETTING,
    ),
)

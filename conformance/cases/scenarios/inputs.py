"""Input: what it declares, what a model then expects, and its names."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.scenarios.scenario import (
    Scenario,
    array,
    attempt,
    known_shape,
    static_shape,
    tabulated,
)


def _arguments(case: Case) -> dict[str, Any]:
    """The case's arguments, with its dtype where that is not the default."""
    dtype = {} if case.dtype == "float32" else {"dtype": case.dtype}
    return case.keywords | dtype


def _declaration(keras: Any, tensor: Any) -> Any:
    """What the tensor, and the input layer of a model that it is, say of themselves."""
    (layer,) = keras.Model(tensor, tensor).layers
    return {
        "shape": list(static_shape(tensor)),
        "dtype": str(getattr(tensor.dtype, "name", tensor.dtype)),
        "sparse": bool(layer.get_config()["sparse"]),
    }


def _observe_declaration(keras: Any, case: Case) -> Any:
    return _declaration(keras, keras.Input(**_arguments(case)))


def _observe_declaration_by_position(keras: Any, case: Case) -> Any:
    """The arguments in the order of the bullets, those left out before the last as None."""
    order = ("shape", "batch_shape", "name", "dtype", "sparse")
    arguments = _arguments(case)
    last = max(order.index(name) for name in arguments)
    return _declaration(keras, keras.Input(*(arguments.get(name) for name in order[: last + 1])))


def _expect_declaration(case: Case) -> Any:
    """The batch is free unless batch_shape gives it; float32 and dense unless said otherwise."""
    shape = case.keywords.get("batch_shape") or (None, *case.keywords["shape"])
    sparse = case.keywords.get("sparse", False)
    return {"shape": list(shape), "dtype": case.dtype, "sparse": sparse}


def _declare(**arguments: Any) -> Case:
    return Case.of("Input", observe="declaration", **arguments)


_DECLARATIONS: Final = (
    _declare(shape=(32,)),
    _declare(shape=(7, 8, 3)),
    _declare(shape=(None, 128)),
    _declare(shape=[7, 8]),
    _declare(shape=()),
    _declare(batch_shape=(10, 32)),
    _declare(batch_shape=(None, 32)),
    _declare(batch_shape=[10, None, 3]),
    *(
        _declare(shape=(32,), dtype=dtype)
        for dtype in ("float16", "bfloat16", "float64", "int8", "int32", "int64", "uint8", "bool")
    ),
    _declare(shape=(32,), sparse=True),
    _declare(shape=(32,), sparse=False),
    _declare(shape=(32,), name="a_name"),
)


def _by_position(**arguments: Any) -> Case:
    return Case.of("Input", observe="declaration_by_position", **arguments)


_BY_POSITION: Final = (
    _by_position(shape=(32,)),
    _by_position(batch_shape=(10, 32)),
    _by_position(shape=(32,), name="a_name"),
    _by_position(shape=(32,), dtype="float64"),
    _by_position(shape=(32,), sparse=True),
)


# What a model expects


def _observe_feeding(keras: Any, case: Case) -> Any:
    """What a model of an input and a Flatten layer makes of an array of the shape `inputs`."""
    tensor = keras.Input(**_arguments(case))
    model = keras.Model(tensor, keras.layers.Flatten()(tensor))
    try:
        return list(array(model(np.ones(known_shape(case), case.dtype))).shape)
    except Exception:
        return "rejected"


def _feed(inputs: tuple[int, ...], **arguments: Any) -> Case:
    return Case.of("Input", inputs, observe="feeding", **arguments)


_FEEDING: Final[dict[Case, Any]] = {
    _feed((5, 32), shape=(32,)): [5, 32],
    _feed((1, 32), shape=(32,)): [1, 32],
    _feed((0, 32), shape=(32,)): [0, 32],
    _feed((5, 4, 3), shape=(4, 3)): [5, 12],
    _feed((5, 4, 3), shape=(None, 3)): [5, 12],
    _feed((5, 7, 3), shape=(None, 3)): [5, 21],
    _feed((10, 32), batch_shape=(10, 32)): [10, 32],
    _feed((5, 32), batch_shape=(None, 32)): [5, 32],
    _feed((5, 31), shape=(32,)): "rejected",
    _feed((5, 33), shape=(32,)): "rejected",
    _feed((32,), shape=(32,)): "rejected",
    _feed((5, 32, 1), shape=(32,)): "rejected",
    _feed((5, 4, 2), shape=(None, 3)): "rejected",
    _feed((5, 32), batch_shape=(10, 32)): "rejected",
    _feed((11, 32), batch_shape=(10, 32)): "rejected",
}
"""The declared lengths are expected, a free one may be any; Flatten keeps the batch."""


# Names


def _model_of(keras: Any, *tensors: Any) -> Any:
    """A model of these inputs, each flattened."""
    return keras.Model(list(tensors), [keras.layers.Flatten()(tensor) for tensor in tensors])


def _input_names(model: Any) -> list[str]:
    return [layer.name for layer in model.layers if type(layer).__name__ == "InputLayer"]


def _observe_name(keras: Any, case: Case) -> Any:
    return _input_names(_model_of(keras, keras.Input(**_arguments(case))))


def _observe_automatic_names(keras: Any, case: Case) -> Any:
    tensors = [keras.Input(**_arguments(case)) for _ in range(3)]
    names = _input_names(_model_of(keras, *tensors))
    return {
        "strings": all(isinstance(name, str) and name for name in names),
        "different": len(set(names)),
    }


def _observe_same_name_twice(keras: Any, case: Case) -> Any:
    """Two inputs of one name: in one model, then each in a model of its own."""
    first, second = (keras.Input(**_arguments(case)) for _ in range(2))
    return {
        "in one model": attempt(lambda: _model_of(keras, first, second)),
        "first alone": attempt(lambda: _model_of(keras, first)),
        "second alone": attempt(lambda: _model_of(keras, second)),
    }


def _observe_name_of_layer(keras: Any, case: Case) -> Any:
    """An input and another layer of the same name in one model."""
    tensor = keras.Input(**_arguments(case))
    layer = keras.layers.Flatten(name=case.keywords["name"])
    return attempt(lambda: keras.Model(tensor, layer(tensor)))


def _named(observe: str, **arguments: Any) -> Case:
    return Case.of("Input", observe=observe, shape=(32,), **arguments)


# Wrapping a tensor


def _observe_wrapping(keras: Any, case: Case) -> Any:
    """Input around the tensor that another call of Input returned."""
    existing = keras.Input(**_arguments(case))
    wrapped = keras.Input(tensor=existing)
    return {**_declaration(keras, wrapped), "same tensor": wrapped is existing}


def _expect_wrapping(case: Case) -> Any:
    """The existing tensor itself, since no placeholder is made."""
    return {**_expect_declaration(case), "same tensor": True}


def _observe_wrapping_result(keras: Any, case: Case) -> Any:
    """A model whose input is the symbolic result of a layer: it takes the place of that result."""
    existing = keras.layers.Flatten()(keras.Input(**_arguments(case)))
    wrapped = keras.Input(tensor=existing)
    model = keras.Model(wrapped, keras.layers.Flatten()(wrapped))
    return [list(static_shape(wrapped)), list(array(model(np.ones((2, 12), np.float32))).shape)]


def _observe_wrapping_values(keras: Any, case: Case) -> Any:
    """Input around a tensor of values, as a layer returns it for an array."""
    existing = keras.layers.Flatten()(np.ones(known_shape(case), case.dtype))
    return attempt(lambda: keras.Input(tensor=existing))


SCENARIOS: Final = (
    Scenario("declaration", _observe_declaration, _expect_declaration, _DECLARATIONS),
    Scenario(
        "declaration_by_position",
        _observe_declaration_by_position,
        _expect_declaration,
        _BY_POSITION,
    ),
    tabulated("feeding", _observe_feeding, _FEEDING),
    tabulated("layer_name", _observe_name, {_named("layer_name", name="a_name"): ["a_name"]}),
    tabulated(
        "automatic_names",
        _observe_automatic_names,
        {_named("automatic_names"): {"strings": True, "different": 3}},
    ),
    tabulated(
        "same_name_twice",
        _observe_same_name_twice,
        {
            _named("same_name_twice", name="a_name"): {
                "in one model": "rejected",
                "first alone": "accepted",
                "second alone": "accepted",
            }
        },
    ),
    tabulated(
        "name_of_another_layer",
        _observe_name_of_layer,
        {_named("name_of_another_layer", name="a_name"): "rejected"},
    ),
    Scenario(
        "wrapping",
        _observe_wrapping,
        _expect_wrapping,
        (
            Case.of("Input", observe="wrapping", shape=(32,)),
            Case.of("Input", observe="wrapping", batch_shape=(10, 32)),
            Case.of("Input", observe="wrapping", shape=(32,), dtype="int32"),
        ),
    ),
    tabulated(
        "wrapping_result",
        _observe_wrapping_result,
        {Case.of("Input", observe="wrapping_result", shape=(4, 3)): [[None, 12], [2, 12]]},
    ),
    Scenario(
        "wrapping_values",
        _observe_wrapping_values,
        lambda _: "rejected",
        (Case.of("Input", (2, 3), observe="wrapping_values"),),
    ),
)

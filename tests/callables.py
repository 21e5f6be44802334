"""Everything public that takes arguments: how it is made ready, and arguments that are right.

`test_fuzzing` calls each with every one of `HOSTILE` in the place of each argument.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np

import reference_impl as keras


class Hostile:
    """An object whose representation fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no representation")


class Endless:
    """An object whose representation is long, and full of control characters."""

    def __repr__(self) -> str:
        return "\x1b[31m\ud800" * 10**4


ODD: Final[tuple[Any, ...]] = (
    *(b"a", [], (), {}, set(), object, int, print, ..., slice(None), range(3), iter(())),
    *(np.array(["x"]), np.array([None]), np.array([[3, 3]]), np.ma.masked_array([1], [True])),
    *(lambda *a, **k: None, np.zeros, keras.layers.Flatten, memoryview(b"ab")),
)
"""Values of types that no argument is meant for."""

HOSTILE: Final[tuple[Any, ...]] = (
    *(Hostile(), Endless(), [Hostile()], {"a": Hostile()}, *ODD),
    *(10**5000, -(10**5000), 10**400, 2**63, 2**64, -1, 0, 1.5, 1e308, math.nan, math.inf),
    *(-math.inf, 1j, Decimal("NaN"), Fraction(1, 3), Fraction(10**400, 3), True, None, [1e400]),
    *(np.int8(3), np.float16(2), np.bool_(True), np.array(3), np.datetime64("nat"), np.ma.masked),
    *(np.array(["a", "b"]), np.array([1, 2]), np.array([2**63], np.uint64), np.longdouble(1)),
    *(np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(0), np.zeros((2, 0))),
    *("", "\ud800", "x" * 999, "relu", b"x", bytearray(b"x"), range(3), (None,), (None, None)),
    *([1, [2]], [[1, 2], [3]], [None, 2], (2, -1), (2**62, 2**62)),
    *({"class_name": "x"}, {"class_name": 5, "config": {}}, {1: 2}),
    *({"class_name": "L2", "config": {"l2": 10**400}}, {"class_name": "L2", "config": 5}),
    {"module": "os", "class_name": "system", "config": {}},
    *(type("Text", (str,), {})("same"), type("Number", (int,), {})(3), lambda: 1 / 0),
)
"""One of each kind of value that an argument may be given."""


class Target(NamedTuple):
    """A callable: what makes it, afresh for each call, and keywords with which it works."""

    make: Callable[[], Callable[..., Any]]
    keywords: Mapping[str, Any] = {}

    def arguments(self) -> list[str]:
        """The names of its parameters that users give by name (not what messages are about)."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(self.make()).parameters.values()
        names = [parameter.name for parameter in parameters if parameter.kind in named]
        return [name for name in names if name not in ("owner", "argument")]


_X: Final = np.ones((3, 5, 2), np.float32)
_Y: Final = np.ones((3, 4, 2), np.float32)


def _model() -> Any:
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Conv1D(2, 2)])
    model.compile("sgd", "mse")
    return model


def _layer() -> Any:
    layer = keras.layers.Conv1D(2, 2)
    layer.build((None, 5, 2))
    return layer


def _method(make: Callable[[], Any], name: str, **keywords: Any) -> Target:
    return Target(lambda: getattr(make(), name), keywords)


def _function(target: Any, **keywords: Any) -> Target:
    return Target(lambda: target, keywords)


_OBJECTS: Final[dict[str, Callable[[], Any]]] = {
    "RandomNormal": keras.initializers.RandomNormal,
    "Constant": lambda: keras.initializers.Constant(1.0),
    "VarianceScaling": keras.initializers.VarianceScaling,
    "Orthogonal": keras.initializers.Orthogonal,
    "L1L2": lambda: keras.regularizers.L1L2(1.0, 1.0),
    "OrthogonalRegularizer": keras.regularizers.OrthogonalRegularizer,
    "MaxNorm": keras.constraints.MaxNorm,
    "UnitNorm": keras.constraints.UnitNorm,
    "MeanSquaredError": keras.losses.MeanSquaredError,
}


def _layers() -> dict[str, Target]:
    kernel = {"filters": 2, "kernel_size": 2}
    needed = dict.fromkeys(("Conv1D", "Conv2D"), kernel) | {"Input": {"shape": (4, 2)}}
    names = (*needed, "MaxPooling1D", "MaxPooling2D", "Flatten", "InputLayer", "Layer")
    made = {name: _function(getattr(keras.layers, name), **needed.get(name, {})) for name in names}
    tensor = _function(keras.KerasTensor, shape=(2, 3))
    models = {"Model": _function(keras.Model), "Sequential": _function(keras.Sequential)}
    return made | models | {"KerasTensor": tensor}


def _classes() -> dict[str, Target]:
    modules = (keras.initializers, keras.regularizers, keras.constraints, keras.optimizers)
    pairs = ((module, name) for module in modules for name in module.__all__)
    made = ((f"{_short(module)}.{name}", getattr(module, name)) for module, name in pairs)
    return {name: _function(target) for name, target in made if isinstance(target, type)}


def _short(module: Any) -> str:
    return str(module.__name__.rpartition(".")[2])


def _methods() -> dict[str, Target]:
    alone = ("build", "set_weights", "compute_output_shape", "from_config")
    of_models = ("compile", "get_layer", "summary", "add", "compile_from_config", "pop")
    of_layers = ("add_weight", "certify", "add_loss", "load_own_variables")
    with_targets = ("fit", "evaluate", "train_on_batch", "test_on_batch")
    data = {name: {"x": _X, "y": _Y} for name in with_targets}
    data |= {name: {"x": _X} for name in ("predict", "predict_on_batch")}
    return (
        {f"model.{name}": _method(_model, name) for name in (*alone, *of_models)}
        | {f"model.{name}": _method(_model, name, **given) for name, given in data.items()}
        | {f"layer.{name}": _method(_layer, name) for name in (*alone, *of_layers)}
        | {"layer.gradients": _method(_layer, "gradients", inputs=_X, upstream=_Y)}
        | {
            f"{name}.{method}": _method(make, method)
            for name, make in _OBJECTS.items()
            for method in ("__call__", "from_config", "gradient")
            if hasattr(make(), method) and (name, method) != ("MeanSquaredError", "gradient")
        }
    )


_LOOKUPS: Final = ("get", "serialize", "deserialize")


def _functions() -> dict[str, Target]:
    modules = (
        *(keras.activations, keras.initializers, keras.regularizers, keras.constraints),
        *(keras.losses, keras.metrics, keras.optimizers, keras.layers),
    )
    pairs = ((module, name) for module in modules for name in _LOOKUPS if name in module.__all__)
    activations = set(keras.activations.__all__) - {*_LOOKUPS, "certified"}
    plain = {
        keras.models: ("load_model", "model_from_json", "model_from_config", "clone_model"),
        keras.utils: ("register_keras_serializable", "custom_object_scope"),
        keras.config: ("set_floatx", "set_epsilon", "set_image_data_format", "set_reading"),
    }
    square = np.ones((2, 2), np.float32)
    return (
        {f"{_short(module)}.{name}": _function(getattr(module, name)) for module, name in pairs}
        | {name: _function(getattr(keras.activations, name), x=square) for name in activations}
        | {"mse": _function(keras.losses.mean_squared_error, y_true=_X, y_pred=_X)}
        | {name: _function(getattr(module, name)) for module in plain for name in plain[module]}
    )


TARGETS: Final = _layers() | _classes() | _methods() | _functions()

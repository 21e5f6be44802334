"""Activations in all their forms, and Conv1D as a Conv2D."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from conformance.cases.case import Case
from conformance.cases.facts import facts
from conformance.cases.scenarios.scenario import (
    Array,
    Scenario,
    array,
    construct,
    tabulated,
)
from conformance.layers.registry import convolution_layers


def _values(keras: Any, case: Case, **changes: Any) -> Array:
    """The layer's output with a kernel of one 2 and a bias of 1 on the inputs -2, -1, 0, 1, 2."""
    shape = (1, 5, *[1] * facts(case).rank)
    layer = construct(keras, case, **changes)
    layer.build(shape)
    kernel, bias = layer.get_weights()
    layer.set_weights([np.full_like(kernel, 2), np.ones_like(bias)])
    return array(layer(np.arange(-2, 3, dtype=np.float32).reshape(shape)))


def _of(observe: str, layer: str, **arguments: Any) -> Case:
    return Case.of(layer, observe=observe, filters=1, kernel_size=1, **arguments)


def _listed(values: Array) -> list[float]:
    return [float(value) for value in values.ravel()]


def _observe_no_activation(keras: Any, case: Case) -> Any:
    return {
        "left out": _listed(_values(keras, case)),
        "None": _listed(_values(keras, case, activation=None)),
        "linear": _listed(_values(keras, case, activation="linear")),
    }


_LINE: Final = [-3.0, -1.0, 1.0, 3.0, 5.0]
"""2 x + 1 for x = -2, -1, 0, 1, 2."""


_UNCHANGED: Final = {"left out": _LINE, "None": _LINE, "linear": _LINE}


def _parabola(x: Any) -> Any:
    return x * x - x


def _observe_callable(keras: Any, case: Case) -> Any:
    return _listed(_values(keras, case, activation=_parabola))


_PARABOLA: Final = [12.0, 2.0, 0.0, 6.0, 20.0]
"""z z - z for z = -3, -1, 1, 3, 5."""


def _observe_forms(keras: Any, case: Case) -> Any:
    """Whether the function itself, and the stored configuration, do what the name does."""
    name = case.keywords["activation"]
    by_name = _values(keras, case)
    by_function = _values(keras, case, activation=getattr(keras.activations, name))
    stored = construct(keras, case).get_config()["activation"]
    by_configuration = _values(keras, case, activation=stored)
    return {
        "as function": by_name.tobytes() == by_function.tobytes(),
        "as stored": by_name.tobytes() == by_configuration.tobytes(),
    }


# The remark on Conv1D

_STEPS, _CHANNELS, _FILTERS = 10, 32, 4


def _signal() -> Array:
    """One signal of shape (10, 32), small integers without a pattern along either axis."""
    step, channel = np.ogrid[:_STEPS, :_CHANNELS]
    values: Array = (7 * step * step + 3 * channel + step * channel) % 11 - 5
    return values[None].astype(np.float32)


def _kernel(taps: int) -> Array:
    """A kernel of shape (taps, 32, 4) of small integers; all sums stay below 2 ** 24."""
    tap, channel, filter_ = np.ogrid[:taps, :_CHANNELS, :_FILTERS]
    values: Array = (5 * tap + 3 * channel * channel + 2 * filter_ + tap * filter_) % 7 - 3
    return values.astype(np.float32)


def _apply(layer: Any, inputs: Array, kernel: Array) -> Array:
    layer.build(inputs.shape)
    layer.set_weights([kernel])
    return array(layer(inputs))


def _two_axes(keras: Any, case: Case, width: int) -> Any:
    """The Conv2D of the case's Conv1D, with a window of `width` along the second axis."""
    known = facts(case)
    return keras.layers.Conv2D(
        _FILTERS,
        (*known.window, width),
        strides=(*known.strides, 1),
        dilation_rate=(*known.dilation, 1),
        padding=known.padding,
        use_bias=False,
    )


def _observe_remark(keras: Any, case: Case) -> Any:
    """At which positions along the second axis Conv2D's output is Conv1D's."""
    signal, kernel = _signal(), _kernel(*facts(case).window)
    expected = _apply(construct(keras, case), signal, kernel)
    as_image = _apply(_two_axes(keras, case, _CHANNELS), signal[..., None], kernel[:, :, None])
    as_column = _apply(_two_axes(keras, case, 1), signal[:, :, None], kernel[:, None])
    columns = range(as_image.shape[2])
    return {
        "shape": list(as_image.shape),
        "equal": [c for c in columns if np.array_equal(as_image[:, :, c], expected)],
        "as column": bool(np.array_equal(as_column[:, :, 0], expected)),
    }


def _remark(**arguments: Any) -> Case:
    sizes: dict[str, Any] = {"filters": _FILTERS, "kernel_size": 3, "use_bias": False}
    return Case.of("Conv1D", observe="remark", **(sizes | arguments))


def _remark_result(steps: int, columns: int, equal: int) -> Any:
    return {"shape": [1, steps, columns, _FILTERS], "equal": [equal], "as column": True}


_REMARK: Final = {
    _remark(): _remark_result(8, 1, 0),
    _remark(kernel_size=2, strides=3): _remark_result(3, 1, 0),
    _remark(dilation_rate=2): _remark_result(6, 1, 0),
    _remark(padding="same"): _remark_result(10, 32, 15),
    _remark(padding="same", strides=2): _remark_result(5, 32, 15),
}
"""'valid': a window over all 32 columns has one position along them, and 10 - 3 + 1 = 8,
floor((10 - 2) / 3) + 1 = 3 and 10 - 5 + 1 = 6 along the steps.  'same' keeps the 32 columns (and
10, or ceil(10 / 2) = 5 steps) with 31 zeros beside them, 15 before and 16 after: only the window
of column 15 covers exactly the signal; every other one misses some of its columns."""


def _each(observe: str, **arguments: Any) -> tuple[Case, ...]:
    return tuple(_of(observe, layer, **arguments) for layer in convolution_layers())


SCENARIOS: Final = (
    tabulated(
        "no_activation",
        _observe_no_activation,
        dict.fromkeys(_each("no_activation"), _UNCHANGED),
    ),
    tabulated(
        "activation_of_callable",
        _observe_callable,
        dict.fromkeys(_each("activation_of_callable"), _PARABOLA),
    ),
    Scenario(
        "activation_forms",
        _observe_forms,
        lambda _: {"as function": True, "as stored": True},
        tuple(
            case
            for name in ("relu", "tanh", "softmax", "hard_sigmoid")
            for case in _each("activation_forms", activation=name)
        ),
    ),
    tabulated("remark", _observe_remark, _REMARK),
)

"""One array judged in someone's own tests: `assert_conforms`.

A converted layer, weights moved from Keras' layout ``(*window, channels, filters)`` to PyTorch's::

    layer = keras.layers.Conv2D(4, (3, 3), padding="same")       # reference_impl as keras
    layer.build(inputs.shape)
    kernel, bias = layer.get_weights()
    module.weight.data = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
    module.bias.data = torch.from_numpy(bias)
    outputs = module(torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()))
    assert_conforms(outputs.permute(0, 2, 3, 1), layer, inputs)

A custom Keras layer, its own weights given to the oracle::

    layer = keras.layers.Conv1D(4, 3, activation="relu")
    layer.build(inputs.shape)
    layer.set_weights(custom.get_weights())
    assert_conforms(custom(inputs), layer, inputs)

A bare function::

    layer = keras.layers.MaxPooling1D(3, strides=2, padding="same")
    assert_conforms(pool(inputs, 3, 2), layer, inputs)

The judge is that of the suite (`conformance.judge`): shape, dtype, then each element against the
largest error that correct arithmetic can make; no tolerance is chosen.  Where the operands make
every order of summation exact, as small integers do, the sums have to be exact.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from conformance.implementations.observation import as_array
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.elements import judge_equality, judge_sums
from conformance.judge.equality import equal
from conformance.judge.running_error import Floats
from conformance.judge.sums import Convolution, Gauge
from conformance.judge.verdict import Verdict
from conformance.layers.registry import LAYERS, called_layers, convolution_layers
from reference_impl import activations, layers
from reference_impl.engine.dtypes import convert, is_float
from reference_impl.ops.geometry import window_axes

Array = np.ndarray[Any, Any]


def assert_conforms(actual: Any, layer: Any, inputs: Any) -> None:
    """Assert that an output is what a layer is documented to make of its inputs.

    Args:
        actual: the output: a NumPy array, a tensor of PyTorch, TensorFlow or any other framework
            that NumPy converts, or nested lists (floats count as the layer's dtype if they are
            numbers of it, else as float64).
        layer: a built Conv1D, Conv2D, MaxPooling1D, MaxPooling2D or Flatten of `reference_impl`,
            with the weights of the layer under test; its dtype is the dtype expected.
        inputs: the inputs that `actual` was made of; converted to the layer's dtype first.

    Both may be in any byte order and memory layout, memory-mapped, or tensors on a device, with
    gradients, or lists of them.  Masked arrays, which leave out elements, are refused.

    Raises:
        AssertionError: if it is not.  The message counts the wrong elements, shows the worst
            with index, value, expected value and error in units of the bound, and names the known
            fault that explains them, if one does.
        TypeError: if `layer` is none of those layers, or of a subclass with a `call` or other code
            of its own, which would be judged by itself; or if `inputs` is no array.
        ValueError: if the layer is not built, does not take the inputs, or has an activation of
            the caller's own, whose errors have no known bound.
    """
    __tracebackhide__ = True
    _check_layer(layer)
    given = _array(inputs)
    if not isinstance(given, np.ndarray):
        raise TypeError(f"assert_conforms: argument `inputs` is {given}; expected an array")
    expected: Array = layer.certify(given).value
    outputs = _array(actual)
    if isinstance(actual, (list, tuple)):
        outputs = _in_dtype(outputs, expected.dtype)
    problem = _problem(outputs, expected, layer, given)
    if problem is not None:
        explanation = _explanation(outputs, layer, given)
        raise AssertionError(f"{type(layer).__name__} {layer.name!r}: {problem}{explanation}")


def _array(value: Any) -> Any:
    """`as_array` in native byte order, whatever the caller's filters make of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = as_array(value)
    if not isinstance(array, np.ndarray):
        return array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _in_dtype(outputs: Any, dtype: np.dtype[Any]) -> Any:
    """Python's floats, which have no dtype, as numbers of one, where all of them are."""
    if not isinstance(outputs, np.ndarray) or outputs.dtype != np.float64 or not is_float(dtype):
        return outputs
    converted = convert(outputs, dtype.name)
    same = np.array_equal(converted.astype(np.float64), outputs, equal_nan=True)
    return converted if same else outputs


def _check_layer(layer: Any) -> None:
    if not isinstance(layer, _classes(called_layers())):
        names = ", ".join(name for name in called_layers() if LAYERS[name].in_oracle)
        raise TypeError(
            f"assert_conforms: argument `layer` is {layer!r}; expected a built layer of "
            f"reference_impl: {names}"
        )
    _check_code(layer)
    if not isinstance(layer, _classes(convolution_layers())):
        return
    if not layer.built:
        raise ValueError(
            f"assert_conforms: argument `layer` is {layer!r}, which is not built; expected a layer "
            "with the weights of the one under test: layer.build(inputs.shape), then "
            "layer.set_weights([kernel, bias])"
        )
    _activation(layer)


def _check_code(layer: Any) -> None:
    """That the layer computes by the oracle's own code.

    Raises:
        TypeError: if its class, or the layer itself, replaces some of it.
    """
    own = next(kind for kind in type(layer).__mro__ if kind in _classes(called_layers()))
    inherited = {
        name for kind in own.__mro__ for name, part in vars(kind).items() if _is_code(part)
    }
    places = [*type(layer).__mro__[: type(layer).__mro__.index(own)], layer]
    replaced = sorted({n for place in places for n in vars(place) if n in inherited - _HARMLESS})
    if replaced:
        raise TypeError(
            f"assert_conforms: argument `layer` is {layer!r}, with a `{replaced[0]}` of its own, "
            f"which would be judged by itself; expected the {own.__name__} of reference_impl that "
            "it should agree with"
        )


def _is_code(part: Any) -> bool:
    return callable(part) or isinstance(part, property)


_HARMLESS: Final = frozenset({"__init__", "build", "get_config", "__repr__", "__str__"})
"""What a subclass may define without computing anything else than its base."""


def _classes(names: Sequence[str]) -> tuple[type[Any], ...]:
    """The oracle's classes of some layers."""
    return tuple(getattr(layers, name) for name in names if LAYERS[name].in_oracle)


def _activation(layer: Any) -> str:
    """The name of a convolution's activation.

    Raises:
        ValueError: if it is none of the documented ones.
    """
    for name in sorted(ACTIVATIONS):
        if activations.get(name) is layer.activation:
            return name
    raise ValueError(
        f"assert_conforms: the activation of `layer` is {layer.activation!r}, for whose errors no "
        f"bound is known; expected one of {', '.join(sorted(ACTIVATIONS))}; of a function of your "
        "own, judge the layer without it"
    )


def _problem(actual: Any, expected: Array, layer: Any, inputs: Array) -> str | None:
    """What is wrong with an output; None if nothing is."""
    if not isinstance(actual, np.ndarray):
        return f"an array is expected, but the output is {actual}."
    if actual.shape != expected.shape:
        return f"the shape is {actual.shape}, but should be {expected.shape}."
    if actual.dtype != expected.dtype:
        return f"the dtype is {actual.dtype.name}, but should be {expected.dtype.name}."
    if equal(actual, expected):
        return None
    if not isinstance(layer, _classes(convolution_layers())):
        return judge_equality(actual, expected).message
    judgement = judge_sums(_gauge(layer, inputs), actual, expected)
    return None if judgement.verdict is Verdict.CONFORMS else judgement.message


def _taken(layer: Any, inputs: Array) -> Array:
    """The inputs as the layer takes them: floating-point numbers in its dtype."""
    is_converted = layer.dtype in FORMATS and is_float(inputs.dtype)
    return convert(inputs, layer.dtype) if is_converted else inputs


def _gauge(layer: Any, inputs: Array) -> Gauge:
    """The sums of a convolution, and what their errors depend on."""
    channels_first = layer.data_format == "channels_first"
    images = as_float64(_taken(layer, inputs))
    images = np.moveaxis(images, 1, -1) if channels_first else images
    kernel, *rest = (as_float64(weight) for weight in layer.get_weights())
    geometry = (layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    convolution = Convolution(
        inputs=images,
        kernel=kernel,
        bias=rest[0] if rest else np.zeros(kernel.shape[-1]),
        axes=window_axes(images.shape[1:-1], *geometry),
        format=FORMATS[layer.dtype],
        activation=_activation(layer),
        channels_first=channels_first,
    )
    gauge = Gauge(convolution)
    return Gauge(replace(convolution, exact=True)) if _every_order_is_exact(gauge) else gauge


def _every_order_is_exact(gauge: Gauge) -> bool:
    """Whether no partial sum, in whatever order, needs more bits than the format has.

    All products and biases are then multiples of one power of two, which is at least the smallest
    normal number, and the sums of their magnitudes are below ``2**precision`` of it.
    """
    c, fmt = gauge.convolution, gauge.format
    operands = (c.inputs, c.kernel, c.bias)
    if not all(np.isfinite(array).all() for array in operands):
        return False
    if any(_smallest(array) < fmt.smallest_normal for array in operands):
        return False
    unit = min(_unit_exponent(c.inputs) + _unit_exponent(c.kernel), _unit_exponent(c.bias))
    if math.isinf(unit):
        return True  # nothing but zeros
    if unit < fmt.quantum_exponent + fmt.precision - 1:
        return False
    largest = float(gauge.magnitude.max(initial=0.0))
    return largest < min(math.ldexp(1.0, fmt.precision + int(unit)), fmt.largest)


def _smallest(array: Floats) -> float:
    """The smallest magnitude that is not zero; infinity without one."""
    magnitudes = np.abs(array[array != 0])
    return float(magnitudes.min(initial=math.inf))


def _unit_exponent(array: Floats) -> float:
    """The exponent of the largest power of two that divides all elements; infinity for zeros."""
    significand, exponent = np.frexp(array[array != 0])
    integers = np.ldexp(significand, 53).astype(np.int64)
    lowest_bit = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    return float((lowest_bit + exponent - 53).min(initial=2**20)) if integers.size else math.inf


def _explanation(actual: Any, layer: Any, inputs: Array) -> str:
    """The known fault that gives the output, as a sentence; empty where none does."""
    if not isinstance(actual, np.ndarray):
        return ""
    try:
        from conformance.diagnosis.arrays import explain_array

        fault = explain_array(actual, layer, _taken(layer, inputs))
    except Exception as error:  # an explanation must not stand in the way of what it explains
        return f" (No explanation was looked for: {type(error).__name__}: {error})"
    return f" It is what you get when {fault}." if fault else ""

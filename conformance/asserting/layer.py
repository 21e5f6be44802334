"""One output judged against one layer of the oracle (see `conformance.assertions`)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

import numpy as np

from conformance.asserting.callables import expected_of, problem_with
from conformance.asserting.shapes import wrong_shape
from conformance.cases.case import Case
from conformance.cases.operands import Operands
from conformance.implementations.observation import as_array
from conformance.implementations.wire import is_numeric
from conformance.judge.activations import ACTIVATIONS
from conformance.judge.boxes import boxes
from conformance.judge.contraction import as_float64
from conformance.judge.definition.rounding import FORMATS, Format
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

_PART: Final = 1 << 16
"""Elements of an operand that are looked at a time."""


def assert_layer_conforms(actual: Any, layer: Any, inputs: Any) -> None:
    """Assert that an output is what a layer is documented to make of its inputs.

    See `conformance.assertions.assert_conforms`.
    """
    __tracebackhide__ = True
    check_layer(layer)
    given = array_of(inputs)
    if not isinstance(given, np.ndarray):
        raise TypeError(f"assert_conforms: argument `inputs` is {given}; expected an array")
    outputs = array_of(actual)
    if isinstance(actual, (list, tuple)):
        outputs = _in_dtype(outputs, taken_by(layer, given).dtype)
    problem = problem_of(outputs, layer, given)
    if problem is not None:
        explanation = _explanation(outputs, layer, given)
        raise AssertionError(f"{type(layer).__name__} {layer.name!r}: {problem}{explanation}")


def array_of(value: Any) -> Any:
    """`as_array` in native byte order, whatever the caller's filters make of warnings.

    NumPy's own arrays are read as they are: large ones would be there twice.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array = value if type(value) is np.ndarray and is_numeric(value) else as_array(value)
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


def check_layer(layer: Any) -> None:
    """See to it that a layer is one of the oracle's, computes by its code, and is built.

    Raises:
        TypeError: if it is another object, or of a class with code of its own.
        ValueError: if it is not built.
    """
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


def _check_code(layer: Any) -> None:
    """That the layer computes by the oracle's own code.

    Raises:
        TypeError: if its class, or the layer itself, replaces some of it.
    """
    own = next(kind for kind in type(layer).__mro__ if kind in _classes(called_layers()))
    places = [*type(layer).__mro__[: type(layer).__mro__.index(own)], layer]
    names = {name for place in places for name in vars(place)} - _HARMLESS
    replaced = sorted(name for name in names if _is_code(own, name))
    if replaced:
        raise TypeError(
            f"assert_conforms: argument `layer` is {layer!r}, with a `{replaced[0]}` of its own, "
            f"which would be judged by itself; expected the {own.__name__} of reference_impl that "
            "it should agree with"
        )


def _is_code(own: type[Any], name: str) -> bool:
    """Whether a class has, or inherits, a method or property of that name."""
    parts = (vars(kind).get(name) for kind in own.__mro__)
    return any(callable(part) or isinstance(part, property) for part in parts)


_HARMLESS: Final = frozenset({"__init__", "build", "get_config", "__repr__", "__str__"})
"""What a subclass may define without computing anything else than its base."""


def _classes(names: Sequence[str]) -> tuple[type[Any], ...]:
    """The oracle's classes of some layers."""
    return tuple(getattr(layers, name) for name in names if LAYERS[name].in_oracle)


def _activation(layer: Any) -> str | None:
    """The name of a convolution's activation; None of one with parameters, or of the caller's."""
    given = layer.activation
    return next((name for name, function in _named_activations() if function is given), None)


@cache
def _named_activations() -> list[tuple[str, Any]]:
    return [(name, getattr(activations, name)) for name in sorted(ACTIVATIONS)]


def own_activation(layer: Any) -> Any:
    """The activation of a layer, where it has parameters or is the caller's; None of any other."""
    given = getattr(layer, "activation", None)
    return None if given is None or _activation(layer) is not None else given


def problem_of(actual: Any, layer: Any, inputs: Array) -> str | None:
    """What is wrong with a layer's output; None if nothing is.

    Raises:
        ValueError: if the layer does not take the inputs, or its activation cannot be evaluated.
    """
    convolves = isinstance(layer, _classes(convolution_layers()))
    if convolves and _activation(layer) is None:
        return _problem_of_callable(actual, layer, inputs)
    return _problem(actual, value_of(layer, inputs), layer, inputs)


def value_of(layer: Any, inputs: Array) -> Array:
    """A layer's output, leaving its losses as they are; without the bounds of `certify`."""
    value: Array = layer.call(layer._prepared(inputs))
    return value


def _problem_of_callable(actual: Any, layer: Any, inputs: Array) -> str | None:
    """The judgement by the callable's own float64 evaluation."""
    plain = without_activation(layer, inputs)
    sums = value_of(plain, inputs)
    expected = expected_of(layer.activation, gauge_of(plain, inputs))
    return _form_problem(
        actual, expected.value.shape, sums.dtype, lambda a: problem_with(a, expected)
    )


def without_activation(layer: Any, inputs: Array, dtype: str = "") -> Any:
    """A convolution's sums alone, as a layer with its weights, in its dtype or another."""
    changed = {"activation": None, "dtype": dtype or layer.dtype}
    plain = type(layer).from_config({**arguments_of(layer), **changed})
    plain.build(inputs.shape)
    plain.set_weights([convert(weight, plain.dtype) for weight in layer.get_weights()])
    return plain


def arguments_of(layer: Any) -> dict[str, Any]:
    """The arguments of a layer, those left out that need no part in its sums."""
    arguments = {
        name: getattr(layer, name)
        for name in ("filters", "kernel_size", "strides", "padding", "data_format", "use_bias")
    }
    return arguments | {
        "dilation_rate": layer.dilation_rate,
        "groups": layer.groups,
        "dtype": layer.dtype,
    }


def _form_problem(
    actual: Any, shape: tuple[int, ...], dtype: Any, judge: Callable[[Array], str | None]
) -> str | None:
    """What is wrong with an output: its kind, shape, dtype, or else what `judge` says."""
    if not isinstance(actual, np.ndarray):
        return f"an array is expected, but the output is {actual}."
    if actual.dtype != dtype and actual.shape == shape:
        return f"the dtype is {actual.dtype.name}, but should be {dtype.name}."
    if actual.shape != shape:
        return wrong_shape(actual, shape, lambda a: _form_problem(a, shape, dtype, judge))
    return judge(actual)


def _problem(actual: Any, expected: Array, layer: Any, inputs: Array) -> str | None:
    """What is wrong with an output, given the expected one; None if nothing is."""

    def judge(array: Array) -> str | None:
        return _elements_problem(array, expected, layer, inputs)

    return _form_problem(actual, expected.shape, expected.dtype, judge)


def _elements_problem(actual: Array, expected: Array, layer: Any, inputs: Array) -> str | None:
    if equal(actual, expected):
        return None
    if not isinstance(layer, _classes(convolution_layers())):
        return judge_equality(actual, expected).message
    judgement = judge_sums(gauge_of(layer, inputs), actual, expected, negligible=1.0)
    return None if judgement.verdict is Verdict.CONFORMS else judgement.message


def taken_by(layer: Any, inputs: Array) -> Array:
    """The inputs as the layer takes them: floating-point numbers in its dtype."""
    is_converted = layer.dtype in FORMATS and is_float(inputs.dtype)
    return convert(inputs, layer.dtype) if is_converted else inputs


def gauge_of(layer: Any, inputs: Array) -> Gauge:
    """The sums of a convolution, and what their errors depend on."""
    channels_first = layer.data_format == "channels_first"
    images = as_float64(taken_by(layer, inputs))
    images = np.moveaxis(images, 1, -1) if channels_first else images
    kernel, *rest = (as_float64(weight) for weight in layer.get_weights())
    geometry = (layer.kernel_size, layer.strides, layer.dilation_rate, layer.padding)
    convolution = Convolution(
        inputs=images,
        kernel=kernel,
        bias=rest[0] if rest else np.zeros(kernel.shape[-1]),
        axes=window_axes(images.shape[1:-1], *geometry),
        format=FORMATS[layer.dtype],
        activation=_activation(layer) or "linear",
        channels_first=channels_first,
    )
    gauge = Gauge(convolution)
    return Gauge(replace(convolution, exact=True)) if _every_order_is_exact(gauge) else gauge


def _every_order_is_exact(gauge: Gauge) -> bool:
    """Whether no partial sum, in whatever order, needs more bits than the format has.

    All products and biases are then multiples of one power of two, which is at least the smallest
    normal number, and the sums of their magnitudes are below ``2**precision`` of it.  Real numbers
    fail that in the first part.
    """
    _, first = next(gauge.parts(), ((), gauge))
    return (first is gauge or _is_exact(first)) and _is_exact(gauge)


def _is_exact(gauge: Gauge) -> bool:
    c, fmt = gauge.convolution, gauge.format
    inputs, kernel, bias = (_unit_exponent(array, fmt) for array in (c.inputs, c.kernel, c.bias))
    unit = min(inputs + kernel, bias)
    if -math.inf in (inputs, kernel) or unit < fmt.quantum_exponent + fmt.precision - 1:
        return False
    if math.isinf(unit):
        return True  # nothing but zeros
    limit = min(math.ldexp(1.0, fmt.precision + int(unit)), fmt.largest)
    return all(float(part.magnitude.max(initial=0.0)) < limit for _, part in gauge.parts())


def _unit_exponent(array: Floats, fmt: Format) -> float:
    """The exponent of the largest power of two that divides all elements; infinity for zeros.

    Minus infinity where an element is subnormal or not finite.
    """
    return min(
        (_unit_of_part(array[box], fmt) for box in boxes(array.shape, _PART)), default=math.inf
    )


def _unit_of_part(array: Floats, fmt: Format) -> float:
    values = array[array != 0]
    magnitudes = np.abs(values)
    if not values.size:
        return math.inf
    if not (magnitudes.min() >= fmt.smallest_normal and magnitudes.max() < math.inf):
        return -math.inf
    significand, exponent = np.frexp(values)
    integers = np.ldexp(significand, 53).astype(np.int64)
    lowest_bit = np.frexp((integers & -integers).astype(np.float64))[1] - 1
    return float((lowest_bit + exponent - 53).min())


def _explanation(actual: Any, layer: Any, inputs: Array) -> str:
    """The known fault that gives the output, as a sentence; empty where none does."""
    if not isinstance(actual, np.ndarray):
        return ""
    try:
        from conformance.diagnosis.arrays import explain_array

        fault = explain_array(actual, layer, taken_by(layer, inputs))
    except Exception as error:  # an explanation must not stand in the way of what it explains
        return f" (No explanation was looked for: {type(error).__name__}: {error})"
    return f" It is what you get when {fault}." if fault else ""


def explain_gradients(
    actual: Mapping[str, Any], case: Case, operands: Operands, expected: Mapping[str, Array]
) -> str:
    """The known fault that gives some gradients, as a sentence; empty where none does."""
    try:
        from conformance.diagnosis.arrays import explain_gradients as explain

        whole = {name: actual.get(name, array) for name, array in expected.items()}
        fault = explain(whole, case, operands)
    except Exception as error:  # an explanation must not stand in the way of what it explains
        return f" (No explanation was looked for: {type(error).__name__}: {error})"
    return f" It is what you get when {fault}." if fault else ""

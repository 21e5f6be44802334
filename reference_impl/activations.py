"""Activations: the functions of Keras 3, correctly rounded.

Each takes an array and returns the real value of its formula at every element, rounded once to the
array's dtype (float16, bfloat16, float32 or float64), with the same shape unless it says otherwise.

Arguments without a floating-point dtype: lists, tuples and Python floats are rounded to `floatx`
first.  Integers are taken where Keras takes them: `relu` and `relu6` keep their dtype,
`exponential`, `tanh` and `leaky_relu` convert them to `floatx`, and the others raise TypeError.

Parameters count with the exact value of the float that is given (0.2 is the double nearest to 1/5,
0.200000000000000011...), whatever the dtype of the array; Keras rounds most of them to float32 or
to that dtype.  Constants within a formula are the decimal numbers written there.

Special values: NaN gives NaN (Keras' `hard_shrink` and `soft_shrink` give 0), and an infinite
argument gives the limit (TensorFlow gives NaN for `gelu`, `silu`, `mish` and `hard_silu` at minus
infinity, where it is 0, for `softsign` at both, where it is -1 and 1, and for `softmax`,
`log_softmax` and `sparsemax` of rows with an infinity).  An exact zero is +0 (`linear` and
`hard_tanh` leave -0 as it is); a value that rounds to zero keeps its sign.

The functions may be called by name in layers, where the sum that they are applied to is not rounded
first: `certified` gives what a layer needs for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from reference_impl.config import floatx, reading
from reference_impl.engine.absent import refuser
from reference_impl.engine.arguments import (
    ArgumentError,
    as_integer,
    boolean,
    wrong_type,
    wrong_value,
)
from reference_impl.engine.dtypes import convert, is_float
from reference_impl.engine.identifiers import Registry
from reference_impl.engine.parameters import Array, axes_of, real_number
from reference_impl.ops.activations import elementwise, rows
from reference_impl.ops.evaluation import CertifiedActivation, evaluate
from reference_impl.ops.formats import format_of
from reference_impl.ops.sums import Sums
from reference_impl.showing import shown

if TYPE_CHECKING:
    from reference_impl.ops.activations.elementwise import Elementwise

__all__ = [
    "celu",
    "certified",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

_REGISTRY: Final = Registry("activation", "keras.activations")
_KERAS3: Final = ("keras3",)

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Factory = Callable[..., CertifiedActivation | None]

_FACTORIES: Final[dict[Any, _Factory]] = {}


def _builtin(
    factory: _Factory, *aliases: str, readings: tuple[str, ...] = ("keras2", "keras3")
) -> Callable[[_Function], _Function]:
    """Register a function with what makes its certified form from the same parameters."""

    def register(function: _Function) -> _Function:
        _FACTORIES[function] = factory
        return _REGISTRY.add(function, *aliases, readings=readings)

    return register


def _constant(activation: CertifiedActivation) -> _Factory:
    return lambda: activation


def _along_last(activation: CertifiedActivation) -> _Factory:
    return lambda axis=-1: activation if axis == -1 else None


def _value(x: Array, activation: CertifiedActivation) -> Array:
    return evaluate(Sums.of_array(x), activation, format_of(x.dtype)).value


def _floating(name: str, x: Any, *, integers: bool = False) -> Array:
    """The argument as an array of one of the four formats."""
    array = np.asarray(x)
    if is_float(array.dtype) and hasattr(x, "dtype"):
        return array
    if array.dtype.kind == "f" and not hasattr(x, "dtype"):
        return convert(array, floatx())
    if integers and array.dtype.kind in "iu":
        return convert(array, floatx())
    allowed = "float16, bfloat16, float32, float64" + (" or integers" if integers else "")
    raise ArgumentError(
        f"{name}: argument `x` is {shown(x)} of dtype {array.dtype.name}; expected an array of "
        + allowed
    )


def _elementwise(name: str, x: Any, activation: Elementwise, *, integers: bool = False) -> Array:
    array = _floating(name, x, integers=integers)
    return _value(array.reshape(-1), activation).reshape(array.shape)


def _along(name: str, x: Any, axis: Any, activation: CertifiedActivation) -> Array:
    """A row activation along one axis, or along several taken as one."""
    array = _floating(name, x)
    axes = axes_of(name, "axis", axis, array.ndim)
    if not axes:
        raise wrong_value(name, "axis", axis, f"an axis of `x`, whose shape is {array.shape}")
    last = tuple(range(array.ndim - len(axes), array.ndim))
    moved = np.moveaxis(array, axes, last)
    kept = moved.shape[: array.ndim - len(axes)]
    result = _value(moved.reshape(*kept, math.prod(moved.shape[len(kept) :])), activation)
    if len(axes) == 1:
        return np.moveaxis(result, -1, axes[0])
    return np.moveaxis(result.reshape(moved.shape), last, axes)


def _number(name: str, argument: str, value: Any, least: float = -math.inf) -> float:
    return float(real_number(name, argument, value, least))


def _relu(
    negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Elementwise:
    maximum = math.inf
    if max_value is not None:
        maximum = float(real_number("relu", "max_value", max_value, least=0, finite=False))
    return elementwise.relu(
        _number("relu", "negative_slope", negative_slope),
        maximum,
        _number("relu", "threshold", threshold),
    )


@_builtin(_relu)
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """Rectified linear unit: ``min(x, max_value)`` above the threshold, else a line.

    With the defaults ``max(x, 0)``; in general ``negative_slope (x - threshold)`` for x at or below
    the threshold.  (With a negative threshold and a `max_value`, Keras also replaces the numbers
    from the threshold to 0 by 0, which its formula does not say.)  Integers keep their dtype if the
    slope is 0, `max_value` being rounded down.

    Args:
        x: the array.
        negative_slope: the slope below the threshold.
        max_value: the largest value above the threshold, not negative; None for none.
        threshold: where the line begins, of either sign.

    Raises:
        TypeError: if a parameter is no number.
        ValueError: if a parameter is NaN or infinite, or `max_value` negative.
    """
    activation = _relu(negative_slope, max_value, threshold)
    array = np.asarray(x)
    if array.dtype.kind in "iu" and activation.parameters[0] == 0:
        return _integer_relu(array, *activation.parameters[1:])
    return _elementwise("relu", x, activation, integers=True)


def _integer_relu(x: Array, maximum: float, threshold: float) -> Array:
    info = np.iinfo(x.dtype)
    limit = int(info.max) if maximum >= info.max else math.floor(maximum)
    kept: Array = np.minimum(x, x.dtype.type(limit))
    if threshold < info.min:
        return kept
    below = int(info.max) if threshold >= info.max else math.floor(threshold)
    result: Array = np.where(x > x.dtype.type(below), kept, x.dtype.type(0))
    return result


def _relu6() -> Elementwise:
    return elementwise.relu(0.0, 6.0, 0.0)


@_builtin(_relu6)
def relu6(x: Any) -> Array:
    """``min(max(x, 0), 6)``; integers keep their dtype."""
    return relu(x, max_value=6)


def _leaky_relu(negative_slope: float = 0.2) -> Elementwise:
    slope = _number("leaky_relu", "negative_slope", negative_slope)
    return elementwise.relu(slope, math.inf, 0.0)


@_builtin(_leaky_relu)
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """``negative_slope x`` for negative x, else x.

    Raises:
        TypeError: if the slope is no number.
        ValueError: if it is NaN or infinite.
    """
    return _elementwise("leaky_relu", x, _leaky_relu(negative_slope), integers=True)


def _elu(alpha: float = 1.0) -> Elementwise:
    return elementwise.elu(_number("elu", "alpha", alpha))


@_builtin(_elu)
def elu(x: Any, alpha: float = 1.0) -> Array:
    """Exponential linear unit: ``alpha (exp(x) - 1)`` for negative x, else x.

    Source: Clevert, Unterthiner and Hochreiter, 2016.

    Raises:
        TypeError: if alpha is no number.
        ValueError: if it is NaN or infinite.
    """
    return _elementwise("elu", x, _elu(alpha))


@_builtin(_constant(elementwise.SELU))
def selu(x: Any) -> Array:
    """Scaled exponential linear unit: ``scale elu(x, alpha)``.

    The constants are the doubles nearest to those of the paper, alpha = 1.6732632423543772 and
    scale = 1.0507009873554805; the documentation shows nine digits of each.

    Source: Klambauer et al., 2017.
    """
    return _elementwise("selu", x, elementwise.SELU)


def _celu(alpha: float = 1.0) -> Elementwise:
    number = _number("celu", "alpha", alpha)
    if number == 0:
        raise wrong_value("celu", "alpha", alpha, "a finite number other than 0")
    return elementwise.celu(number)


@_builtin(_celu, readings=_KERAS3)
def celu(x: Any, alpha: float = 1.0) -> Array:
    """Continuously differentiable linear unit: ``alpha (exp(x / alpha) - 1)`` for negative x.

    For other x it is x.  Source: Barron, 2017.

    Raises:
        TypeError: if alpha is no number.
        ValueError: if it is 0, NaN or infinite.
    """
    return _elementwise("celu", x, _celu(alpha))


def _gelu(approximate: bool = False) -> Elementwise:
    is_approximate = boolean("gelu", "approximate", approximate)
    return elementwise.GELU_TANH if is_approximate else elementwise.GELU


@_builtin(_gelu)
def gelu(x: Any, approximate: bool = False) -> Array:
    """Gaussian error linear unit: ``x P(X <= x) = x (1 + erf(x / sqrt 2)) / 2``.

    With ``approximate`` instead ``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2``.
    At minus infinity it is 0.  Source: Hendrycks and Gimpel, 2016.

    Raises:
        TypeError: if `approximate` is no bool.
    """
    return _elementwise("gelu", x, _gelu(approximate))


@_builtin(_constant(elementwise.SIGMOID))
def sigmoid(x: Any) -> Array:
    """``1 / (1 + exp(-x))``."""
    return _elementwise("sigmoid", x, elementwise.SIGMOID)


def _hard_sigmoid() -> Elementwise:
    is_keras2 = reading() == "keras2"
    return elementwise.HARD_SIGMOID_KERAS2 if is_keras2 else elementwise.HARD_SIGMOID


@_builtin(_hard_sigmoid)
def hard_sigmoid(x: Any) -> Array:
    """``min(max(x / 6 + 1/2, 0), 1)``; in the reading of Keras 2 with ``0.2 x`` for ``x / 6``.

    The reading is that of the call (`reference_impl.backend.reading`).
    """
    return _elementwise("hard_sigmoid", x, _hard_sigmoid())


@_builtin(_constant(elementwise.SILU), "swish")
def silu(x: Any) -> Array:
    """``x sigmoid(x)``, also named swish; 0 at minus infinity.

    Source: Ramachandran, Zoph and Le, 2017.
    """
    return _elementwise("silu", x, elementwise.SILU)


swish = silu


@_builtin(_constant(elementwise.HARD_SILU), "hard_swish", readings=_KERAS3)
def hard_silu(x: Any) -> Array:
    """``x min(max(x + 3, 0), 6) / 6``, also named hard_swish; 0 at minus infinity.

    Source: Howard et al., 2019.
    """
    return _elementwise("hard_silu", x, elementwise.HARD_SILU)


hard_swish = hard_silu


@_builtin(_constant(elementwise.TANH))
def tanh(x: Any) -> Array:
    """Hyperbolic tangent; integers are converted to `floatx`."""
    return _elementwise("tanh", x, elementwise.TANH, integers=True)


@_builtin(_constant(elementwise.HARD_TANH), readings=_KERAS3)
def hard_tanh(x: Any) -> Array:
    """``min(max(x, -1), 1)``."""
    return _elementwise("hard_tanh", x, elementwise.HARD_TANH)


@_builtin(_constant(elementwise.TANH_SHRINK), readings=_KERAS3)
def tanh_shrink(x: Any) -> Array:
    """``x - tanh(x)``."""
    return _elementwise("tanh_shrink", x, elementwise.TANH_SHRINK)


def _hard_shrink(threshold: float = 0.5) -> Elementwise:
    return elementwise.hard_shrink(_number("hard_shrink", "threshold", threshold, 0))


@_builtin(_hard_shrink, readings=_KERAS3)
def hard_shrink(x: Any, threshold: float = 0.5) -> Array:
    """``x`` where ``|x|`` exceeds the threshold, else 0.

    Raises:
        TypeError: if the threshold is no number.
        ValueError: if it is NaN, infinite or negative.
    """
    return _elementwise("hard_shrink", x, _hard_shrink(threshold))


def _soft_shrink(threshold: float = 0.5) -> Elementwise:
    return elementwise.soft_shrink(_number("soft_shrink", "threshold", threshold, 0))


@_builtin(_soft_shrink, readings=_KERAS3)
def soft_shrink(x: Any, threshold: float = 0.5) -> Array:
    """``x - threshold`` for x above it, ``x + threshold`` for x below its negative, else 0.

    Raises:
        TypeError: if the threshold is no number.
        ValueError: if it is NaN, infinite or negative.
    """
    return _elementwise("soft_shrink", x, _soft_shrink(threshold))


def _threshold(threshold: float, default_value: float) -> Elementwise:
    return elementwise.thresholded(
        _number("threshold", "threshold", threshold),
        _number("threshold", "default_value", default_value),
    )


@_builtin(_threshold, readings=_KERAS3)
def threshold(x: Any, threshold: float, default_value: float) -> Array:
    """``x`` where it is above the threshold, else the default value.

    The name is accepted as an activation, but cannot be used as one without its parameters.

    Raises:
        TypeError: if a parameter is no number.
        ValueError: if one is NaN or infinite.
    """
    return _elementwise("threshold", x, _threshold(threshold, default_value))


@_builtin(_constant(elementwise.SOFTPLUS))
def softplus(x: Any) -> Array:
    """``ln(1 + exp(x))``."""
    return _elementwise("softplus", x, elementwise.SOFTPLUS)


@_builtin(_constant(elementwise.LOG_SIGMOID), readings=_KERAS3)
def log_sigmoid(x: Any) -> Array:
    """``ln(sigmoid(x)) = -softplus(-x)``."""
    return _elementwise("log_sigmoid", x, elementwise.LOG_SIGMOID)


@_builtin(_constant(elementwise.SOFTSIGN))
def softsign(x: Any) -> Array:
    """``x / (1 + |x|)``; -1 and 1 at the infinities."""
    return _elementwise("softsign", x, elementwise.SOFTSIGN)


@_builtin(_constant(elementwise.SPARSE_PLUS), readings=_KERAS3)
def sparse_plus(x: Any) -> Array:
    """0 up to -1, ``(x + 1)**2 / 4`` up to 1, and x from there on."""
    return _elementwise("sparse_plus", x, elementwise.SPARSE_PLUS)


@_builtin(_constant(elementwise.SPARSE_SIGMOID), readings=_KERAS3)
def sparse_sigmoid(x: Any) -> Array:
    """``min(max((x + 1) / 2, 0), 1)``.  Source: Blondel, Martins and Niculae, 2019."""
    return _elementwise("sparse_sigmoid", x, elementwise.SPARSE_SIGMOID)


def _squareplus(b: float = 4) -> Elementwise:
    return elementwise.squareplus(_number("squareplus", "b", b, 0))


@_builtin(_squareplus, readings=_KERAS3)
def squareplus(x: Any, b: float = 4) -> Array:
    """``(x + sqrt(x**2 + b)) / 2``; 0 at minus infinity.  Source: Barron, 2021.

    Raises:
        TypeError: if b is no number.
        ValueError: if it is NaN, infinite or negative.
    """
    return _elementwise("squareplus", x, _squareplus(b))


@_builtin(_constant(elementwise.MISH))
def mish(x: Any) -> Array:
    """``x tanh(softplus(x))``; 0 at minus infinity.  Source: Misra, 2019."""
    return _elementwise("mish", x, elementwise.MISH)


@_builtin(_constant(elementwise.EXPONENTIAL))
def exponential(x: Any) -> Array:
    """``exp(x)``; integers are converted to `floatx`."""
    return _elementwise("exponential", x, elementwise.EXPONENTIAL, integers=True)


@_builtin(_constant(elementwise.LINEAR))
def linear(x: Any) -> Any:
    """``x`` itself, of any type."""
    return x


@_builtin(_along_last(rows.SOFTMAX))
def softmax(x: Any, axis: Any = -1) -> Array:
    """``exp(x_i) / sum_j exp(x_j)`` along an axis.

    Rows with infinities: an element of minus infinity gives 0, and one of plus infinity 1 with 0
    for the others; NaN where several are plus infinity or all minus infinity.  A NaN makes its
    whole row NaN.

    Args:
        x: the array, with at least one axis.
        axis: an axis, a list or tuple of axes taken as one, or None for all.

    Raises:
        TypeError: if `axis` is none of these.
        ValueError: if the array has no such axis.
    """
    return _along("softmax", x, axis, rows.SOFTMAX)


@_builtin(_along_last(rows.LOG_SOFTMAX))
def log_softmax(x: Any, axis: Any = -1) -> Array:
    """``x_i - ln(sum_j exp(x_j))`` along an axis; at infinities the logarithm of `softmax`.

    Args:
        x: the array, with at least one axis.
        axis: an axis, a list or tuple of axes taken as one, or None for all.

    Raises:
        TypeError: if `axis` is none of these.
        ValueError: if the array has no such axis.
    """
    return _along("log_softmax", x, axis, rows.LOG_SOFTMAX)


@_builtin(_along_last(rows.SPARSEMAX), readings=_KERAS3)
def sparsemax(x: Any, axis: int = -1) -> Array:
    """``max(x_i - tau, 0)`` along an axis, with the tau for which these sum to 1.

    Infinities are read as in `softmax`.  Keras 3.15 computes another tau, from the sum of the
    partial sums, wherever more than one element has a part: [1, 1] gives it [0, 0] and not
    [0.5, 0.5].  Source: Martins and Astudillo, 2016.

    Raises:
        TypeError: if `axis` is no integer.
        ValueError: if the array has no such axis.
    """
    return _along("sparsemax", x, _single("sparsemax", axis), rows.SPARSEMAX)


@_builtin(_along_last(rows.GLU), readings=_KERAS3)
def glu(x: Any, axis: int = -1) -> Array:
    """Gated linear unit: ``a sigmoid(b)`` for the halves a and b of an axis, which it halves.

    NaN where a is infinite and b minus infinity.  Source: Dauphin et al., 2017.

    Raises:
        TypeError: if `axis` is no integer.
        ValueError: if the array has no such axis, or its length is odd.
    """
    return _along("glu", x, _single("glu", axis), rows.GLU)


def _single(name: str, axis: Any) -> int:
    """The axis of a function that takes one only."""
    number = as_integer(axis)
    if number is None:
        raise wrong_type(name, "axis", axis, "an axis")
    return number


def certified(function: Any) -> CertifiedActivation | None:
    """How a layer evaluates an activation without rounding its argument first.

    Args:
        function: one of this module's functions, or a `functools.partial` of one with keywords.

    Returns:
        Its certified form (`reference_impl.ops.evaluation`), along the last axis where it mixes
        elements, for the reading of this call; None for any other callable, and for functions that
        lack a parameter or act along another axis.
    """
    keywords: Mapping[str, Any] = {}
    if isinstance(function, partial) and not function.args:
        function, keywords = function.func, function.keywords
    factory = _FACTORIES.get(function) if isinstance(function, FunctionType) else None
    try:
        return None if factory is None else factory(**keywords)
    except TypeError:
        # A parameter is missing, unknown or of a wrong type: the call will say so.
        return None


def get(identifier: Any, owner: str | None = None, argument: str = "identifier") -> Any:
    """The activation that `identifier` means: a function on arrays.

    Args:
        identifier: a name (case-sensitive), a callable, a configuration, or None for `linear`.
        owner: who was given it, for error messages (``Conv2D``).
        argument: under which name.

    Raises:
        ValueError: if it is none of these; the message lists the names, the closest ones first.
    """
    return linear if identifier is None else _REGISTRY.get(identifier, owner, argument)


def serialize(activation: Any) -> Any:
    """The name of one of this module's functions, or the configuration of another callable.

    Keras 2 calls `silu` ``swish``, and so it is written in that reading.

    Raises:
        ValueError: for a callable without a name or configuration.
    """
    if activation is silu and reading() == "keras2":
        return "swish"
    return _REGISTRY.serialize(activation)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The activation that a name or a configuration describes.

    Args:
        config: what `serialize` returned.
        custom_objects: the user's own functions by name.

    Raises:
        ValueError: if it names nothing that is known.
    """
    return _REGISTRY.deserialize(config, custom_objects)


__getattr__ = refuser("keras.activations", __all__)

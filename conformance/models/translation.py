"""From Keras' layers to operations: a class's configuration and weights, one entry per class."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from conformance.judge.activations import ACTIVATIONS
from conformance.judge.definition.rounding import FORMATS
from conformance.judge.running_error import Floats
from conformance.models.operation import Operation

Settings = Mapping[str, Any]
Shape = Sequence[int]


@dataclass(frozen=True)
class Translation:
    """How a class of layers is read.

    Attributes:
        kind: the operation's.
        settings: from the layer's configuration and the number of its input's axes.
        weights: names and shapes of the weights, in the order in which Keras stores them, from
            the configuration and the input's shape.
    """

    kind: str
    settings: Callable[[Settings, int], dict[str, Any]]
    weights: Callable[[Settings, Shape], dict[str, tuple[int, ...]]] = lambda config, shape: {}


def operation_of(
    name: str, config: Settings, ndim: int, weights: Mapping[str, Floats]
) -> Operation:
    """The operation of a layer.

    Args:
        name: its class.
        config: its configuration.
        ndim: the number of its input's axes.
        weights: by name.

    Raises:
        ValueError: if the class, or a value in its configuration, is not known here.
    """
    found = TRANSLATIONS[name]
    try:
        settings = found.settings(config, ndim)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unread(name, config, error) from error
    return Operation(found.kind, settings, weights, FORMATS[dtype_of(config)])


def is_translated(name: str, config: Settings, shape: Shape) -> bool:
    """Whether a layer of a known class is of a form that is computed here.

    Raises:
        ValueError: if its configuration is not as Keras writes it.
    """
    found = TRANSLATIONS[name]
    try:
        found.settings(config, len(shape))
        found.weights(config, shape)
    except ElsewhereError:
        return False
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unread(name, config, error) from error
    return True


class ElsewhereError(ValueError):
    """A layer of a known class in a form that is not computed here."""


def _unread(name: str, config: Settings, error: Exception) -> ValueError:
    return ValueError(
        f"{name} {config.get('name')!r}: the configuration is not as Keras writes it "
        f"({type(error).__name__}: {error})"
    )


def dtype_of(config: Settings) -> str:
    """The dtype of a layer's results."""
    dtype = config.get("dtype", "float32")
    if isinstance(dtype, Mapping):
        dtype = dtype.get("config", {}).get("name", "float32")
    name = str(dtype).removeprefix("mixed_")
    return name if name in FORMATS else "float32"


def activation_name(given: Any) -> str:
    """The name of an activation as a configuration has it.

    Raises:
        ValueError: if it is none whose errors are known.
    """
    if isinstance(given, Mapping):
        given = given.get("config", given.get("registered_name"))
    name = "linear" if given is None else given
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ElsewhereError(f"no bound is known for the activation {name!r}")
    return str(name)


def _first(config: Settings) -> bool:
    return config.get("data_format") == "channels_first"


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _window(config: Settings, ndim: int) -> dict[str, Any]:
    rank = ndim - 2
    strides = config.get("strides")
    window = config.get("pool_size", config.get("kernel_size"))
    return {
        "window": _each(window, rank),
        "strides": _each(window if strides is None else strides, rank),
        "dilation": _each(config.get("dilation_rate", 1), rank),
        "padding": config["padding"],
        "channels_first": _first(config),
        "activation": activation_name(config.get("activation")),
    }


def _channels(config: Settings, shape: Shape) -> int:
    return shape[1] if _first(config) else shape[-1]


def _with_bias(config: Settings, name: str, shape: tuple[int, ...], count: int) -> dict[str, Any]:
    bias = {"bias": (count,)} if config.get("use_bias", True) else {}
    return {name: shape, **bias}


def _kernel(config: Settings, shape: Shape) -> dict[str, Any]:
    window = _each(config["kernel_size"], len(shape) - 2)
    channels, filters = _channels(config, shape), config["filters"]
    kernel = (*window, channels // config.get("groups", 1), filters)
    return _with_bias(config, "kernel", kernel, filters)


def _depthwise_kernel(config: Settings, shape: Shape) -> dict[str, Any]:
    window = _each(config["kernel_size"], len(shape) - 2)
    channels, multiplier = _channels(config, shape), config.get("depth_multiplier", 1)
    return _with_bias(config, "kernel", (*window, channels, multiplier), channels * multiplier)


def _separable_kernels(config: Settings, shape: Shape) -> dict[str, Any]:
    window = _each(config["kernel_size"], len(shape) - 2)
    channels, multiplier = _channels(config, shape), config.get("depth_multiplier", 1)
    pointwise = (*(1,) * len(window), channels * multiplier, config["filters"])
    both = {"kernel": (*window, channels, multiplier), "pointwise": pointwise}
    return both | ({"bias": (config["filters"],)} if config.get("use_bias", True) else {})


def _transposed_kernel(config: Settings, shape: Shape) -> dict[str, Any]:
    window = _each(config["kernel_size"], len(shape) - 2)
    kernel = (*window, config["filters"], _channels(config, shape))
    return _with_bias(config, "kernel", kernel, config["filters"])


def _transposed(config: Settings, ndim: int) -> dict[str, Any]:
    if config.get("output_padding") is not None:
        raise ElsewhereError("an output padding of its own")
    return _window(config, ndim)


def _slopes(config: Settings, shape: Shape) -> dict[str, Any]:
    shared = {axis % len(shape) for axis in config.get("shared_axes") or ()}
    lengths = [1 if axis in shared else shape[axis] for axis in range(1, len(shape))]
    if None in lengths:
        raise ElsewhereError("slopes of a free length")
    return {"slope": tuple(lengths)}


def _layer_normalization(config: Settings, ndim: int) -> dict[str, Any]:
    axis = config.get("axis", -1)
    last = [*axis] if isinstance(axis, (list, tuple)) else [axis]
    if last not in ([-1], [ndim - 1]) or config.get("rms_scaling"):
        raise ElsewhereError("a normalization along other axes than the last, or by squares alone")
    return {"epsilon": float(config.get("epsilon", 1e-3))}


def _scale_and_center(config: Settings, shape: Shape) -> dict[str, Any]:
    names = ["gamma"] * bool(config.get("scale", True)) + ["beta"] * bool(
        config.get("center", True)
    )
    return dict.fromkeys(names, (shape[-1],))


def _table(config: Settings, shape: Shape) -> dict[str, Any]:
    if config.get("lora_rank") or config.get("quantization_config"):
        raise ElsewhereError("a table of its own kind")
    return {"embeddings": (config["input_dim"], config["output_dim"])}


def _dense_kernel(config: Settings, shape: Shape) -> dict[str, Any]:
    return _with_bias(config, "kernel", (shape[-1], config["units"]), config["units"])


def _activation(config: Settings, ndim: int) -> dict[str, Any]:
    return {"activation": activation_name(config.get("activation"))}


def _axis(config: Settings) -> int:
    axis = config.get("axis", -1)
    return int(axis[0] if isinstance(axis, (list, tuple)) else axis)


def _normalization(config: Settings, ndim: int) -> dict[str, Any]:
    return {"axis": _axis(config), "epsilon": float(config.get("epsilon", 1e-3))}


def _statistics(config: Settings, shape: Shape) -> dict[str, Any]:
    size = (shape[_axis(config)],)
    return dict.fromkeys((*_scale_and_center(config, shape), "mean", "variance"), size)


def _row(value: Any) -> Floats:
    """A number, or some along the last axis, as an array of one axis."""
    row: Floats = np.asarray(value, np.float64).reshape(-1)
    return row


def _rescaling(config: Settings, ndim: int) -> dict[str, Any]:
    given = {"mean": _row(0), "variance": _row(1), "gamma": _row(config["scale"])}
    statistics = given | {"beta": _row(config.get("offset", 0))}
    return {"axis": -1, "epsilon": 0.0, "statistics": statistics}


def _standardization(config: Settings, ndim: int) -> dict[str, Any]:
    axis = config.get("axis", -1)
    last = [*axis] if isinstance(axis, (list, tuple)) else [axis]
    if last not in ([-1], [ndim - 1]) or config.get("invert"):
        raise ElsewhereError("a normalization along other axes than the last, or an inverted one")
    given = config.get("mean") is not None
    pairs = [("mean", config.get("mean")), ("variance", config.get("variance"))] if given else []
    return {"axis": -1, "epsilon": 0.0, "statistics": {name: _row(v) for name, v in pairs}}


def _moments(config: Settings, shape: Shape) -> dict[str, Any]:
    size = (shape[-1],)
    return {} if config.get("mean") is not None else {"mean": size, "variance": size, "count": ()}


def _number(value: Any, default: float) -> float:
    value = value.get("config", {}).get("value") if isinstance(value, Mapping) else value
    return default if value is None else float(value)


def _relu(config: Settings, ndim: int) -> dict[str, Any]:
    most = config.get("max_value")
    return {
        "slope": _number(config.get("negative_slope"), 0.0),
        "threshold": _number(config.get("threshold"), 0.0),
        "most": None if most is None else _number(most, math.inf),
    }


def _leaky(config: Settings, ndim: int) -> dict[str, Any]:
    slope = config.get("negative_slope", config.get("alpha"))
    return {"slope": _number(slope, 0.3), "threshold": 0.0, "most": None}


def _softmax(config: Settings, ndim: int) -> dict[str, Any]:
    if config.get("axis", -1) not in (-1, ndim - 1):
        raise ElsewhereError("softmax along another axis than the last")
    return {"activation": "softmax"}


def _pooling(pool: str) -> Callable[[Settings, int], dict[str, Any]]:
    return lambda config, ndim: _window(config, ndim) | {"pool": pool}


def _global(pool: str) -> Callable[[Settings, int], dict[str, Any]]:
    def settings(config: Settings, ndim: int) -> dict[str, Any]:
        keep = bool(config.get("keepdims", False))
        return {"pool": pool, "keepdims": keep, "channels_first": _first(config)}

    return settings


def _pads(key: str) -> Callable[[Settings, int], dict[str, Any]]:
    def settings(config: Settings, ndim: int) -> dict[str, Any]:
        given = config[key]
        pairs = [given] if ndim == 3 and not isinstance(given, int) else given
        pairs = [given] * (ndim - 2) if isinstance(given, int) else pairs
        pads = [(p, p) if isinstance(p, int) else tuple(p) for p in pairs]
        return {"pads": pads, "channels_first": _first(config)}

    return settings


def _size(config: Settings, ndim: int) -> dict[str, Any]:
    if config.get("interpolation", "nearest") != "nearest":
        raise ElsewhereError("interpolation is not 'nearest'")
    return {"size": _each(config["size"], ndim - 2), "channels_first": _first(config)}


def _nothing(config: Settings, ndim: int) -> dict[str, Any]:
    return {}


def _merge(name: str) -> Translation:
    return Translation("merge", lambda config, ndim: {"of": name})


_BY_RANK: Final[dict[str, Translation]] = {
    "Conv{}D": Translation("convolution", _window, _kernel),
    "DepthwiseConv{}D": Translation("depthwise", _window, _depthwise_kernel),
    "SeparableConv{}D": Translation("separable", _window, _separable_kernels),
    "Conv{}DTranspose": Translation("transposed convolution", _transposed, _transposed_kernel),
    "MaxPooling{}D": Translation("pooling", _pooling("max")),
    "AveragePooling{}D": Translation("pooling", _pooling("average")),
    "GlobalMaxPooling{}D": Translation("global pooling", _global("max")),
    "GlobalAveragePooling{}D": Translation("global pooling", _global("average")),
    "ZeroPadding{}D": Translation("padding", _pads("padding")),
    "Cropping{}D": Translation("cropping", _pads("cropping")),
    "UpSampling{}D": Translation("repetition", _size),
    "SpatialDropout{}D": Translation("identity", _nothing),
}

TRANSLATIONS: Final[dict[str, Translation]] = {
    **{name.format(rank): entry for name, entry in _BY_RANK.items() for rank in (1, 2)},
    "Flatten": Translation(
        "flatten", lambda config, ndim: {"channels_first": _first(config) and ndim > 2}
    ),
    "Dense": Translation("dense", _activation, _dense_kernel),
    "Embedding": Translation("lookup", _nothing, _table),
    "BatchNormalization": Translation("normalization", _normalization, _statistics),
    "Rescaling": Translation("scaling", _rescaling),
    "Normalization": Translation("scaling", _standardization, _moments),
    "Activation": Translation("activation", _activation),
    "Softmax": Translation("activation", _softmax),
    "ReLU": Translation("relu", _relu),
    "PReLU": Translation("sloped relu", _nothing, _slopes),
    "LayerNormalization": Translation(
        "layer normalization", _layer_normalization, _scale_and_center
    ),
    "LeakyReLU": Translation("relu", _leaky),
    "Dropout": Translation("identity", _nothing),
    "GaussianNoise": Translation("identity", _nothing),
    "GaussianDropout": Translation("identity", _nothing),
    "Identity": Translation("identity", _nothing),
    "ActivityRegularization": Translation("identity", _nothing),
    "Add": _merge("add"),
    "Subtract": _merge("subtract"),
    "Multiply": _merge("multiply"),
    "Average": _merge("average"),
    "Maximum": _merge("maximum"),
    "Minimum": _merge("minimum"),
    "TrueDivide": _merge("divide"),
    "Concatenate": Translation("concatenation", lambda config, ndim: {"axis": _axis(config)}),
    "Reshape": Translation("reshape", lambda config, ndim: {"shape": config["target_shape"]}),
    "Permute": Translation("permutation", lambda config, ndim: {"order": config["dims"]}),
}
"""The classes that are computed here, of whatever rank."""

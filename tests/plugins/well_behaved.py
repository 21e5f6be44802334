"""A plug-in that does what is documented: loops over windows, in float64, rounded once."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

name = "naive loops"
version = "1.0"

Array = Any


def max_pool(inputs: Array, weights: dict[str, Array], config: dict[str, Any]) -> Array:
    x = _channels_last(inputs, config)
    window, strides = config["pool_size"], config["strides"]
    lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
    padded, lengths = _padded(x, window, strides, (1, 1), config["padding"], lowest)
    y = np.empty((x.shape[0], *lengths, x.shape[-1]), x.dtype)
    for position in product(*map(range, lengths)):
        window_at = tuple(
            slice(p * s, p * s + k) for p, s, k in zip(position, strides, window, strict=True)
        )
        y[(slice(None), *position)] = padded[(slice(None), *window_at)].max(axis=(1, 2))
    return _in_format(y, config)


def flatten(inputs: Array, weights: dict[str, Array], config: dict[str, Any]) -> Array:
    x = _channels_last(inputs, config) if inputs.ndim > 2 else inputs
    return x.reshape(x.shape[0], int(np.prod(x.shape[1:])))


def convolve(inputs: Array, weights: dict[str, Array], config: dict[str, Any]) -> Array:
    if config["activation"] not in (None, "linear"):
        raise NotImplementedError(f"no activation {config['activation']!r}")
    if max(config["strides"]) > 1 and max(config["dilation_rate"]) > 1:
        raise ValueError("strides and dilation_rate cannot both be other than 1")
    x = _channels_last(inputs, config).astype(np.float64)
    window, strides, dilation = config["kernel_size"], config["strides"], config["dilation_rate"]
    kernel = weights["kernel"].astype(np.float64)
    padded, lengths = _padded(x, window, strides, dilation, config["padding"], 0)
    y = np.zeros((x.shape[0], *lengths, kernel.shape[-1]))
    for tap in product(*map(range, window)):
        reach = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilation, lengths, strides, strict=True)
        )
        y += _in_groups(padded[(slice(None), *reach)], kernel[tap], config["groups"])
    if config["use_bias"]:
        y += weights["bias"].astype(np.float64)
    return _in_format(y.astype(config["dtype"]), config)


def _in_groups(x: Array, kernel: Array, groups: int) -> Array:
    parts = zip(np.split(x, groups, -1), np.split(kernel, groups, -1), strict=True)
    return np.concatenate([part @ own for part, own in parts], -1)


def _padded(
    x: Array, window: Any, strides: Any, dilation: Any, padding: str, value: float
) -> tuple[Array, list[int]]:
    """The input with its padding, and the lengths of the output."""
    pads, lengths = [], []
    for n, k, s, d in zip(x.shape[1:-1], window, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        length = (n - reach) // s + 1 if padding == "valid" else -(-n // s)
        if length <= 0 and padding == "valid":
            raise ValueError(f"a window of {reach} does not fit into {n}")
        total = max((length - 1) * s + reach - n, 0) if padding == "same" and length else 0
        pads.append((reach - 1, 0) if padding == "causal" else (total // 2, total - total // 2))
        lengths.append(length)
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value), lengths


def _channels_last(x: Array, config: dict[str, Any]) -> Array:
    return np.moveaxis(x, 1, -1) if config["data_format"] == "channels_first" else x


def _in_format(y: Array, config: dict[str, Any]) -> Array:
    return np.moveaxis(y, -1, 1) if config["data_format"] == "channels_first" else y


Conv1D = convolve
Conv2D = convolve
MaxPooling2D = max_pool
Flatten = flatten
